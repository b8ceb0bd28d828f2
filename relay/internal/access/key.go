package access

import (
	"chat/relay/seal"
	"chat/relay/sshkey"
	"chat/relay/wire"
)

// VerifyKey returns the key that a hello names, if its signature is one by the key over
// [seal.SignedData] of the room's ID and the binding: [seal.BindingLength] bytes of the connection's keying
// material, or a challenge. The error is a [*wire.Fault] that ends the session.
func VerifyKey(key, signature, room string, binding []byte) (*Key, error) {
	public, err := sshkey.Parse(key)
	if err != nil {
		return nil, wire.Faultf(wire.CodeAuthFailed, "your key is not accepted: %v", err)
	}
	if len(binding) != seal.BindingLength || sshkey.Verify(public, signature, seal.SignedData(room, binding)) != nil {
		return nil, wire.Faultf(wire.CodeAuthFailed, "the signature is not by your key, or not for this room and this connection")
	}
	return keyOf(sshkey.Fingerprint(public)), nil
}

// CheckKey is [VerifyKey] for a request by HTTP. A wrong signature takes WrongDelay, unless canceled is closed before: to check
// one by a large key takes milliseconds, and unlike a hello a request needs no new connection.
func CheckKey(key, signature, room string, binding []byte, canceled <-chan struct{}) (*Key, error) {
	k, err := VerifyKey(key, signature, room, binding)
	wait(err, canceled)
	return k, err
}

// ParseKey returns the key in the form of authorized_keys, of someone who need not prove it: the host.
func ParseKey(s string) (*Key, error) {
	public, err := sshkey.Parse(s)
	if err != nil {
		return nil, err
	}
	return keyOf(sshkey.Fingerprint(public)), nil
}

// keyOf returns the key with a fingerprint.
func keyOf(fingerprint string) *Key { return &Key{fingerprint, sshkey.Tag(fingerprint)} }
