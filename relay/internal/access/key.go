package access

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"chat/relay/seal"
	"chat/relay/wire"
)

// A Key is the public key of a member, who has proven to have the private one. It does not change, and
// many connections may share it. It does not have the key itself, which may take kilobytes: its hash tells
// it from all others.
type Key struct {
	Fingerprint string // "SHA256:" and the hash of the key in base64, as ssh-keygen -l shows it
	Tag         string // the first characters of the hash in another form, for people; see TagOf
}

// newKey returns the Key of a public key.
func newKey(public ssh.PublicKey) *Key {
	fingerprint := ssh.FingerprintSHA256(public)
	return &Key{fingerprint, TagOf(fingerprint)}
}

// TagOf returns the tag of the key with a fingerprint: the first four characters of the hash in lower-case
// base32, or "" for text that is no fingerprint. It tells the keys in a room apart for people and is not secure:
// a key with the same tag is found in a minute.
func TagOf(fingerprint string) string {
	encoded, ok := strings.CutPrefix(fingerprint, "SHA256:")
	hash, err := base64.RawStdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(hash) != sha256.Size {
		return ""
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(hash)[:tagLength])
}

const tagLength = 4

// The limits of a key and a signature, in bytes of base64. An RSA key of 8,192 bits takes 1,400 bytes,
// and each kind of signature by any key less.
const (
	maxKeyText    = 2 << 10
	maxOtherText  = 1 << 10 // of a key that is not RSA
	maxSignature  = 2 << 10
	minRSA        = 2048 // bits
	maxRSA        = 8192
	maxTypeLength = 64
)

var (
	errKeyForm   = errors.New("a key has the form of authorized_keys: TYPE BASE64")
	errKeyWeak   = fmt.Errorf("an RSA key has %d to %d bits", minRSA, maxRSA)
	errKeyType   = errors.New("keys are of the types ssh-ed25519, ecdsa-sha2-nistp256, -384, -521, ssh-rsa, or the sk- types of security keys")
	errSignature = errors.New("the signature is not one by the key, in this room and on this connection")
)

// VerifyKey returns the key that a hello names, if its signature is one by the key over
// [seal.SignedData] of the room and the binding. The error is a [*wire.Fault] that ends the session.
func VerifyKey(key, signature, room string, binding []byte) (*Key, error) {
	public, err := parseKey(key)
	if err != nil {
		return nil, wire.Faultf(wire.CodeAuthFailed, "your key is not accepted: %v", err)
	}
	if err := verify(public, signature, seal.SignedData(room, binding)); err != nil {
		return nil, wire.Faultf(wire.CodeAuthFailed, "your key is not accepted: %v", errSignature)
	}
	return newKey(public), nil
}

// verify returns an error unless signature, in base64, is one of data by the key.
func verify(key ssh.PublicKey, signature string, data []byte) error {
	if len(signature) > maxSignature {
		return errSignature
	}
	b, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b, &sig); err != nil {
		return err
	}
	if sig.Format == ssh.KeyAlgoRSA { // by SHA-1
		return errSignature
	}
	return key.Verify(data, &sig)
}

// parseKey parses a key in the form of authorized_keys, without options. A comment is ignored.
func parseKey(s string) (ssh.PublicKey, error) {
	if len(s) > maxKeyText+maxTypeLength {
		return nil, errKeyForm
	}
	fields := strings.Fields(s)
	if len(fields) < 2 || len(fields[0]) > maxTypeLength || len(fields[1]) > maxKeyText {
		return nil, errKeyForm
	}
	b, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, errKeyForm
	}
	if fields[0] != ssh.KeyAlgoRSA && len(fields[1]) > maxOtherText {
		return nil, errKeyForm
	}
	key, err := ssh.ParsePublicKey(b)
	if err != nil || key.Type() != fields[0] {
		return nil, errKeyForm
	}
	return key, checkKey(key)
}

// checkKey returns an error if keys like this one are not accepted: certificates, DSA, and
// RSA keys that are too short, or so long that checking a signature is expensive.
func checkKey(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		public, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
		if bits := 0; ok {
			if bits = public.N.BitLen(); bits >= minRSA && bits <= maxRSA {
				return nil
			}
		}
		return errKeyWeak
	}
	return errKeyType
}
