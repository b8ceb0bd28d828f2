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
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"chat/relay/privatefile"
	"chat/relay/sshkey"
)

// This file is about the user's key, which tells a sealed room that the user is the owner of a
// nick, a member or an operator.

// A Signer signs with the user's key: the one in the state directory, an SSH key, or one that
// an SSH agent has. It is safe for concurrent use, and fits the interface that relay/client takes.
type Signer struct {
	key  string                                    // fixed
	sign func(data []byte) (*ssh.Signature, error) // fixed; safe for concurrent use
}

// Key returns the public key in the form of authorized_keys: "ssh-ed25519 AAAA…".
func (s *Signer) Key() string { return s.key }

// Sign returns the signature of data by the key: an SSH signature in base64.
func (s *Signer) Sign(data []byte) (signature string, err error) {
	sig, err := s.sign(data)
	if err != nil {
		return "", fmt.Errorf("sign with your key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(ssh.Marshal(sig)), nil
}

// clientKeyFile is the name of the file in the state directory with the user's own key.
const clientKeyFile = "client-key"

// maxKeyFile is the size of a file with a private key, in bytes.
const maxKeyFile = 64 << 10

// OpenSigner returns the Signer that --identity names: "" is the user's own key in dir, the state
// directory, which is created if there is none; "agent" is the first usable key of the SSH agent;
// anything else is a file with a private key, or with the public key (.pub) of one that the agent
// has. ask asks for the passphrase of the file; it may be nil. The error names the file.
func OpenSigner(name, dir string, ask func(path string) (passphrase []byte, err error)) (*Signer, error) {
	switch {
	case name == "":
		return clientKey(dir)
	case name == "agent":
		return agentSigner("")
	case strings.HasSuffix(name, ".pub"):
		return agentSigner(name)
	}
	return fileSigner(name, ask)
}

// clientKey returns the Signer of the user's own key. It creates one if there is none.
func clientKey(dir string) (*Signer, error) {
	if dir == "" {
		return nil, errors.New("your key is not kept: no home directory")
	}
	unlock, err := privatefile.Enter(dir)
	if err != nil {
		return nil, fmt.Errorf("your key: %w", err)
	}
	defer unlock()
	path := filepath.Join(dir, clientKeyFile)
	signer, err := fileSigner(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		if err := newClientKey(path); err != nil {
			return nil, fmt.Errorf("write your key: %w", err)
		}
		signer, err = fileSigner(path, nil)
	}
	return signer, err
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

// fileSigner returns the Signer of the private key in a file.
func fileSigner(path string, ask func(path string) ([]byte, error)) (*Signer, error) {
	b, err := privatefile.Read(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) && ask != nil {
		var passphrase []byte
		if passphrase, err = ask(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(b, passphrase)
	}
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%s has a passphrase\nhint: add the key to an SSH agent, and use --identity %s.pub", path, path)
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, fmt.Errorf("%s: the passphrase is wrong", path)
	case err != nil:
		return nil, fmt.Errorf("%s is no private key of OpenSSH: %w", path, err)
	}
	if err := sshkey.Check(signer.PublicKey()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return newSigner(signer.PublicKey(), func(data []byte) (*ssh.Signature, error) {
		return signSHA2(signer, data)
	}), nil
}

func newSigner(public ssh.PublicKey, sign func([]byte) (*ssh.Signature, error)) *Signer {
	return &Signer{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), sign}
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
