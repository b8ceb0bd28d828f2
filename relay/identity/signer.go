package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"chat/relay/privatefile"
	"chat/relay/sshkey"
)

// This file is about the user's key, which proves to a sealed room that the user is the owner of a
// nick, a member or an operator.

// A Signer signs with the user's key: the one in the state directory, an SSH key, or one that
// an SSH agent has. It is safe for concurrent use. It implements [client.Signer].
type Signer struct {
	load func() (signingKey, error) // returns the same each time; a key without a public one: the user has none
}

// A signingKey is a key that can sign.
type signingKey struct {
	public string // as in authorized_keys
	sign   func(data []byte) (*ssh.Signature, error)
}

// Key implements [client.Signer]. It is "" if the user has no key, and before Sign returns an error.
func (s *Signer) Key() string {
	key, _ := s.load()
	return key.public
}

// Sign implements [client.Signer]: it returns the signature of data by the key, an SSH signature in
// base64; "" if the user has no key.
func (s *Signer) Sign(data []byte) (signature string, err error) {
	key, err := s.load()
	if err != nil || key.public == "" {
		return "", err
	}
	sig, err := key.sign(data)
	if err != nil {
		return "", fmt.Errorf("sign with your key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(ssh.Marshal(sig)), nil
}

// clientKeyFile is the name of the file in the state directory with the user's own key.
const clientKeyFile = "client-key"

// maxKeyFile is the size of a file with a private key, in bytes.
const maxKeyFile = 64 << 10

// OwnSigner returns the Signer of the user's own key in dir, the state directory. It is read when
// it is needed, and created if there is none. If that fails, warn is called once: the user has no key. A
// file that cannot be used is an error of Sign, which names it.
func OwnSigner(dir string, warn func(error)) *Signer {
	return &Signer{sync.OnceValues(func() (signingKey, error) {
		key, err := ownKey(dir)
		if failed, ok := errors.AsType[*createError](err); ok {
			warn(failed)
			return signingKey{}, nil
		}
		return key, err
	})}
}

// OpenSigner returns the Signer that --identity names: "agent" is the first usable key of the SSH
// agent; anything else is a file with a private key, or with the public key (.pub) of one that the
// agent has. ask asks for the passphrase of the file; nil: it cannot be asked for. The error names the file.
func OpenSigner(name string, ask func(path string) (passphrase []byte, err error)) (*Signer, error) {
	var key signingKey
	var err error
	switch {
	case name == "agent":
		key, err = agentKey("")
	case strings.HasSuffix(name, ".pub"):
		key, err = agentKey(name)
	default:
		key, err = fileKey(name, ask)
	}
	if err != nil {
		return nil, err
	}
	return &Signer{func() (signingKey, error) { return key, nil }}, nil
}

// A createError is why the user's own key could not be created.
type createError struct{ err error }

func (e *createError) Error() string { return "you have no key in sealed rooms: " + e.err.Error() }
func (e *createError) Unwrap() error { return e.err }

// ownKey returns the user's own key. It creates one if there is none; the error of that is a [*createError].
func ownKey(dir string) (signingKey, error) {
	if dir == "" {
		return signingKey{}, &createError{errors.New("no home directory")}
	}
	path := filepath.Join(dir, clientKeyFile)
	if _, err := os.Stat(path); err == nil {
		return fileKey(path, nil)
	}
	unlock, err := privatefile.Enter(dir)
	if err != nil {
		return signingKey{}, &createError{err}
	}
	defer unlock()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // else another process created it
		if err := newClientKey(path); err != nil {
			return signingKey{}, &createError{err}
		}
	}
	return fileKey(path, nil)
}

// OwnKey returns the public half of the user's own key in dir, the state directory, as in authorized_keys. If
// there is none yet, the error wraps [fs.ErrNotExist].
func OwnKey(dir string) (public string, err error) {
	key, err := fileKey(filepath.Join(dir, clientKeyFile), nil)
	return key.public, err
}

// newClientKey writes a new Ed25519 key.
func newClientKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "chat")
	if err != nil {
		return err
	}
	return privatefile.Replace(path, pem.EncodeToMemory(block))
}

// fileKey returns the private key in a file.
func fileKey(path string, ask func(path string) ([]byte, error)) (signingKey, error) {
	b, err := privatefile.Read(path, maxKeyFile)
	if err != nil {
		return signingKey{}, err
	}
	signer, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) && ask != nil {
		var passphrase []byte
		if passphrase, err = ask(path); err != nil {
			return signingKey{}, fmt.Errorf("%s: %w", path, err)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(b, passphrase)
	}
	switch {
	case errors.As(err, &locked):
		return signingKey{}, fmt.Errorf("%s has a passphrase\nhint: add the key to an SSH agent, and use --identity %s.pub", path, path)
	case errors.Is(err, x509.IncorrectPasswordError):
		return signingKey{}, fmt.Errorf("%s: the passphrase is wrong", path)
	case err != nil:
		return signingKey{}, fmt.Errorf("%s is not a private key that chat can use: %w\nhint: add it to an SSH agent, as a security key needs, and use --identity %s.pub", path, err, path)
	}
	if err := sshkey.Check(signer.PublicKey()); err != nil {
		return signingKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return newSigningKey(signer.PublicKey(), func(data []byte) (*ssh.Signature, error) {
		return signSHA2(signer, data)
	}), nil
}

func newSigningKey(public ssh.PublicKey, sign func([]byte) (*ssh.Signature, error)) signingKey {
	return signingKey{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), sign}
}

// signSHA2 signs with SHA-2, never with SHA-1, as an RSA key would by default.
func signSHA2(signer ssh.Signer, data []byte) (*ssh.Signature, error) {
	if signer.PublicKey().Type() != ssh.KeyAlgoRSA {
		return signer.Sign(rand.Reader, data)
	}
	with, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, errors.New("this RSA key signs only with SHA-1")
	}
	return with.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
}
