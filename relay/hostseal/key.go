package hostseal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

// A Key is the key by which clients recognize a host. It is an ECDSA key on P-256, which every
// browser accepts in a certificate, unlike Ed25519. It does not change.
type Key struct {
	private *ecdsa.PrivateKey
	pin     seal.Pin
}

const (
	// keyType is the type of the PEM block, with the key in PKCS #8.
	keyType = "PRIVATE KEY"

	// maxKeyFile is the limit of the file in bytes.
	maxKeyFile = 16 << 10
)

// keyPath returns the path of the key in the folder dir.
func keyPath(dir string) string { return filepath.Join(dir, "key.pem") }

// LoadKey returns the key of this user's hosts on this machine from dir, and creates it if there is
// none. Hosts that start at once get the same one. The error names the file, which is left as it
// is.
func LoadKey(dir string) (*Key, error) {
	if dir == "" {
		return nil, errors.New("no home directory to keep the host's key in")
	}
	key, err := ReadKey(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	unlock, err := privatefile.Enter(dir)
	if err != nil {
		return nil, fmt.Errorf("keep the host's key: %w", err)
	}
	defer unlock()
	if key, err = ReadKey(dir); !errors.Is(err, fs.ErrNotExist) {
		return key, err // another host created it
	}
	return newKey(keyPath(dir))
}

// ReadKey reads the key in dir. Without one the error wraps [fs.ErrNotExist].
func ReadKey(dir string) (*Key, error) {
	path := keyPath(dir)
	b, err := privatefile.Read(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the host's key: %w", err)
	}
	damaged := func(why string) error {
		return fmt.Errorf("the host's key %s is damaged: %s\nhint: restore it from a backup, or move it away: the host then makes a new key, which members have to trust", path, why)
	}
	key, err := ParseKey(b)
	if err != nil {
		return nil, damaged(err.Error())
	}
	return key, nil
}

// ParseKey parses a key in PEM.
func ParseKey(b []byte) (*Key, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != keyType {
		return nil, errors.New("it has no " + keyType + " in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it holds no key")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("the key is not on the curve P-256")
	}
	return keyOf(private)
}

// NewKey returns a new key in PEM.
func NewKey() ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der}), nil
}

// newKey writes a new key. The caller has entered the folder.
func newKey(path string) (*Key, error) {
	b, err := NewKey()
	if err != nil {
		return nil, err
	}
	if err := privatefile.Replace(path, b); err != nil {
		return nil, fmt.Errorf("write the host's key: %w", err)
	}
	return ParseKey(b)
}

func keyOf(private *ecdsa.PrivateKey) (*Key, error) {
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &Key{private, seal.PinOfPublicKey(spki)}, nil
}

// Pin returns the key's pin.
func (k *Key) Pin() seal.Pin { return k.pin }
