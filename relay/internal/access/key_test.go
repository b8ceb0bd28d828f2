package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"testing"

	"golang.org/x/crypto/ssh"

	"chat/relay/seal"
	"chat/relay/wire"
)

// A signature is good for one room and one connection, and by one key.
func TestVerifyKey(t *testing.T) {
	newKey := func() (ssh.Signer, string) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	}
	signer, key := newKey()
	_, other := newKey()
	binding := make([]byte, seal.BindingLength)
	sig, err := signer.Sign(rand.Reader, seal.SignedData("room", binding))
	if err != nil {
		t.Fatal(err)
	}
	signature := base64.StdEncoding.EncodeToString(ssh.Marshal(sig))
	k, err := VerifyKey(key, signature, "room", binding)
	if err != nil || k.Fingerprint != ssh.FingerprintSHA256(signer.PublicKey()) || len(k.Tag) != 4 {
		t.Fatalf("VerifyKey: %+v, %v", k, err)
	}
	replayed := append([]byte{1}, binding[1:]...)
	for name, test := range map[string]struct {
		key, signature, room string
		binding              []byte
	}{
		"on another connection": {key, signature, "room", replayed}, "in another room": {key, signature, "roo", binding},
		"by another key": {other, signature, "room", binding}, "without a signature": {key, "", "room", binding},
		"of a part of the binding": {key, signature, "room", binding[1:]}, "of a binding that begins in the room's ID": {key, signature, "room\x00", binding[1:]},
	} {
		if k, err := VerifyKey(test.key, test.signature, test.room, test.binding); k != nil || err == nil || err.(*wire.Fault).Code != wire.CodeAuthFailed {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
}
