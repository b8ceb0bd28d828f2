package sshkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// newKey returns an SSH signer with a new key of a type, or of RSA with so many bits.
func newKey(t testing.TB, kind string, bits int) ssh.Signer {
	t.Helper()
	var private crypto.Signer
	var err error
	switch kind {
	case ssh.KeyAlgoED25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ssh.KeyAlgoECDSA256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoECDSA521:
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case ssh.KeyAlgoRSA:
		private, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// line returns a key as in authorized_keys.
func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

// sign returns a signature by an algorithm, as a hello has it.
func sign(t testing.TB, signer ssh.Signer, algorithm string, data []byte) string {
	t.Helper()
	sig, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(ssh.Marshal(sig))
}

func TestVerify(t *testing.T) {
	rsaKey := newKey(t, ssh.KeyAlgoRSA, 2048)
	data := []byte("data")
	for _, test := range []struct {
		signer    ssh.Signer
		algorithm string
		ok        bool
	}{
		{newKey(t, ssh.KeyAlgoED25519, 0), ssh.KeyAlgoED25519, true},
		{newKey(t, ssh.KeyAlgoECDSA256, 0), ssh.KeyAlgoECDSA256, true},
		{newKey(t, ssh.KeyAlgoECDSA521, 0), ssh.KeyAlgoECDSA521, true},
		{rsaKey, ssh.KeyAlgoRSASHA256, true},
		{rsaKey, ssh.KeyAlgoRSASHA512, true},
		{rsaKey, ssh.KeyAlgoRSA, false}, // SHA-1
	} {
		key, err := Parse(line(test.signer.PublicKey()) + " a comment")
		if err != nil {
			t.Fatalf("%s: %v", test.algorithm, err)
		}
		signature := sign(t, test.signer, test.algorithm, data)
		if err := Verify(key, signature, data); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.algorithm, err)
		}
		for name, other := range map[string]string{
			"none": "", "cut": signature[:len(signature)-8], "too long": signature + strings.Repeat("AAAA", maxSignature), "no base64": "!" + signature[1:],
		} {
			if Verify(key, other, data) == nil {
				t.Errorf("%s: a signature that is %s is accepted", test.algorithm, name)
			}
		}
		if Verify(key, signature, []byte("other data")) == nil {
			t.Errorf("%s: a signature of other data is accepted", test.algorithm)
		}
	}
	if key := rsaKey.PublicKey(); Verify(key, sign(t, newKey(t, ssh.KeyAlgoED25519, 0), ssh.KeyAlgoED25519, data), data) == nil {
		t.Error("a signature by another key is accepted")
	}
}

func TestParse(t *testing.T) {
	ed := line(newKey(t, ssh.KeyAlgoED25519, 0).PublicKey())
	long, err := ssh.NewPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8191), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(line(long)); err != nil {
		t.Errorf("an RSA key of 8192 bits: %v", err)
	}
	longer, err := ssh.NewPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	short, err := ssh.NewPublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2046), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	one := big.NewInt(1)
	old := ssh.Marshal(struct {
		Name       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", new(big.Int).Lsh(one, 1023), new(big.Int).Lsh(one, 159), one, one})
	certificate := &ssh.Certificate{Key: newKey(t, ssh.KeyAlgoED25519, 0).PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"}, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, newKey(t, ssh.KeyAlgoED25519, 0)); err != nil {
		t.Fatal(err)
	}
	application := ssh.Marshal(struct {
		Type        string
		Public      []byte
		Application string
	}{ssh.KeyAlgoSKED25519, make([]byte, ed25519.PublicKeySize), strings.Repeat("x", maxOtherText)})
	for name, s := range map[string]string{
		"a security key with a long application": ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(application),
		"empty":                                  "", "only a type": "ssh-ed25519", "no base64": "ssh-ed25519 !!!", "another type": strings.Replace(ed, "ssh-ed25519", "ssh-rsa", 1),
		"with options": "no-pty " + ed, "cut": ed[:len(ed)-8], "with more": ed + "AAAA", "a certificate": line(certificate),
		"RSA with 8193 bits": line(longer), "RSA with 2047 bits": line(short), "DSA": "ssh-dss " + base64.StdEncoding.EncodeToString(old),
		"too long": "ssh-rsa " + strings.Repeat("A", maxKeyText+4), "too long for its type": "ssh-ed25519 " + strings.Repeat("A", maxOtherText+4),
		"a long comment": ed + " " + strings.Repeat("x", 8<<10), "a long type": strings.Repeat("x", 65) + " AAAA",
	} {
		if _, err := Parse(s); err == nil {
			t.Errorf("a key that is %s is accepted", name)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

// A security key signs a hash of its application, flags and a counter, too. The flags must say that its user
// touched it.
func TestSecurityKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type        string
		Public      []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"})
	key, err := Parse(ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(wire))
	if err != nil {
		t.Fatal(err)
	}
	long := ssh.Marshal(struct {
		Type        string
		Public      []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:" + strings.Repeat("x", maxOtherText)})
	if _, err := Parse(ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(long)); err == nil {
		t.Error("a key with a long name of its application is accepted")
	}
	for flags, ok := range map[byte]bool{1: true, 0: false} {
		rest := []byte{flags, 0, 0, 0, 7}
		application, data := sha256.Sum256([]byte("ssh:")), sha256.Sum256([]byte("data"))
		blob := ed25519.Sign(private, slices.Concat(application[:], rest, data[:]))
		sig := ssh.Marshal(ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: blob, Rest: rest})
		if err := Verify(key, base64.StdEncoding.EncodeToString(sig), []byte("data")); (err == nil) != ok {
			t.Errorf("with the flags %d: %v", flags, err)
		}
	}
}

// The tag is of the same hash as the fingerprint, and only of one.
func TestTag(t *testing.T) {
	const fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if got := Tag(fingerprint); got != "aaaa" {
		t.Errorf("the tag of zeros is %q", got)
	}
	for _, s := range []string{"", "SHA256:", fingerprint[1:], fingerprint + "A", fingerprint[:len(fingerprint)-1] + "\n", "MD5:00"} {
		if got := Tag(s); got != "" {
			t.Errorf("the tag of %q is %q", s, got)
		}
	}
}

// Whatever a hello has as its key and signature, there is an error or a key that verifies data that it signed only.
func FuzzKey(f *testing.F) {
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256} {
		signer := newKey(f, kind, 0)
		f.Add(line(signer.PublicKey()), sign(f, signer, kind, []byte("data")))
	}
	signer := newKey(f, ssh.KeyAlgoRSA, 2048)
	f.Add(line(signer.PublicKey()), sign(f, signer, ssh.KeyAlgoRSASHA256, []byte("data")))
	f.Add("sk-ssh-ed25519@openssh.com AAAA", "")
	f.Fuzz(func(t *testing.T, key, signature string) {
		public, err := Parse(key)
		if err != nil {
			return
		}
		if tag := Tag(Fingerprint(public)); len(tag) != tagLength {
			t.Errorf("the tag of %q is %q", key, tag)
		}
		if Verify(public, signature, []byte("data")) == nil && Verify(public, signature, []byte("other data")) == nil {
			t.Errorf("%q signs anything with %q", key, signature)
		}
		if again, err := Parse(line(public)); err != nil || Fingerprint(again) != Fingerprint(public) {
			t.Errorf("%q is printed as %q, which is %v", key, line(public), err)
		}
	})
}
