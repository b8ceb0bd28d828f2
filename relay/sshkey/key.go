// Package sshkey is about the keys of members, which have the form of SSH keys: which ones a room
// accepts, their fingerprints, signatures by them, and files of them.
package sshkey

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	minRSA = 2048 // bits
	maxRSA = 8192 // bits; checking a signature by a longer key is expensive

	// The limits of base64, in bytes. An RSA key of 8,192 bits takes 1,400, as does a signature by it.
	maxKeyText   = 2 << 10 // of an RSA key
	maxOtherText = 1 << 10 // of any other key
	maxSignature = 2 << 10

	maxType    = 64      // bytes of the name of a type
	maxComment = 1 << 10 // bytes after a key; it is ignored

	tagLength = 4
)

var (
	errForm      = errors.New("a key has the form of authorized_keys, TYPE BASE64")
	errSignature = errors.New("the signature is wrong")
)

// Check returns an error if rooms do not accept keys like this one: certificates, DSA, and RSA
// keys that are too short or too long.
func Check(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		public, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
		if !ok || public.N.BitLen() < minRSA || public.N.BitLen() > maxRSA {
			return fmt.Errorf("an RSA key has %d to %d bits", minRSA, maxRSA)
		}
		return nil
	}
	return fmt.Errorf("keys of the type %.*s are not accepted", maxType, key.Type())
}

// Parse parses a key in the form of authorized_keys, without options. A comment is ignored. The error
// is also one for keys that rooms do not accept.
func Parse(s string) (ssh.PublicKey, error) {
	if len(s) > maxType+maxKeyText+maxComment {
		return nil, errForm
	}
	fields := strings.Fields(s)
	if len(fields) < 2 {
		return nil, errForm
	}
	kind, encoded := fields[0], fields[1]
	if len(kind) > maxType || len(encoded) > maxKeyText || kind != ssh.KeyAlgoRSA && len(encoded) > maxOtherText {
		return nil, errForm
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errForm
	}
	key, err := ssh.ParsePublicKey(b)
	if err != nil || key.Type() != kind {
		return nil, errForm
	}
	return key, Check(key)
}

// Verify returns an error unless signature is one of data by the key: an SSH signature in
// base64. Signatures with SHA-1 are rejected.
func Verify(key ssh.PublicKey, signature string, data []byte) error {
	if len(signature) > maxSignature {
		return errSignature
	}
	b, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return errSignature
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b, &sig); err != nil || sig.Format == ssh.KeyAlgoRSA {
		return errSignature
	}
	if err := key.Verify(data, &sig); err != nil {
		return errSignature
	}
	return nil
}

// Fingerprint returns SHA256: and the hash of the key in base64, as ssh-keygen -l shows it.
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// fingerprintPrefix begins a fingerprint. The hash in base64 follows it.
const fingerprintPrefix = "SHA256:"

// Hash returns the hash in a fingerprint; nil for text that is none.
func Hash(fingerprint string) []byte {
	encoded, ok := strings.CutPrefix(fingerprint, fingerprintPrefix)
	hash, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(hash) != sha256.Size {
		return nil
	}
	return hash
}

// FingerprintOf returns the fingerprint with a hash.
func FingerprintOf(hash []byte) string {
	return fingerprintPrefix + base64.RawStdEncoding.EncodeToString(hash)
}

// Tag returns the tag of the key with a fingerprint: the first four characters of the hash in lower-case
// base32, or "" for text that is no fingerprint. It distinguishes the keys in a room for people and is
// not secure: a key with the same tag is found in a minute.
func Tag(fingerprint string) string {
	hash := Hash(fingerprint)
	if hash == nil {
		return ""
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(hash)[:tagLength])
}
