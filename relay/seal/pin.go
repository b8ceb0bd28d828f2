package seal

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"strings"
)

// A Pin identifies a host's key: the first 26 characters of the base32 form of the SHA-256 of
// its SubjectPublicKeyInfo, 130 bits. It stays the same when the certificate is renewed.
type Pin string

const pinLength = 26

// curlPrefix starts a hash that curl takes.
const curlPrefix = "sha256//"

// hintLength is how many characters of a pin are announced by mDNS.
const hintLength = 8

// PinOf returns the pin of the key in a certificate.
func PinOf(cert *x509.Certificate) Pin { return PinOfPublicKey(cert.RawSubjectPublicKeyInfo) }

// PinOfPublicKey returns the pin of a public key: its SubjectPublicKeyInfo in DER.
func PinOfPublicKey(spki []byte) Pin {
	sum := sha256.Sum256(spki)
	return Pin(base32.StdEncoding.EncodeToString(sum[:])[:pinLength])
}

// CurlPin returns the whole hash of the key in a certificate, as curl --pinnedpubkey takes it.
func CurlPin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return curlPrefix + base64.StdEncoding.EncodeToString(sum[:])
}

// ParsePin parses a pin as a person may type it: in groups, and in lower case.
func ParsePin(s string) (Pin, error) {
	pin := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if len(pin) != pinLength || !isBase32(pin) {
		return "", fmt.Errorf("a pin has %d letters and digits from 2 to 7", pinLength)
	}
	return Pin(pin), nil
}

// Groups returns the pin in groups of four, for people to compare.
func (p Pin) Groups() string { return inGroups(string(p)) }

// Hint returns the start of the pin, which a host announces. Anyone can announce it, so it shows
// only that a room is another one.
func (p Pin) Hint() string { return string(p[:min(len(p), hintLength)]) }

// isBase32 reports whether s has only characters of RFC 4648, section 6.
func isBase32(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// inGroups puts a space after every four characters.
func inGroups(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
