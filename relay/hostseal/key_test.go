package hostseal

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

func loadKey(t *testing.T, dir string) *Key {
	t.Helper()
	key, err := LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLoadKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "chat")
	if _, err := ReadKey(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a key: %v", err)
	}
	key := loadKey(t, dir)
	if again := loadKey(t, dir); again.Pin() != key.Pin() || !again.private.Equal(key.private) {
		t.Errorf("the second time the pin is %s; want %s", again.Pin(), key.Pin())
	}
	if info, err := os.Stat(keyPath(dir)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	cert, err := selfSigned(key, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if pin := seal.PinOf(cert.Leaf); pin != key.Pin() {
		t.Errorf("the certificate's pin is %s; want %s", pin, key.Pin())
	}
	if other := loadKey(t, t.TempDir()); other.Pin() == key.Pin() {
		t.Error("two keys have the same pin")
	}
	if _, err := LoadKey(""); err == nil {
		t.Error("no error without a folder")
	}
}

// Hosts that start at once get the same key.
func TestLoadKeyAtOnce(t *testing.T) {
	dir := t.TempDir()
	pins := make([]seal.Pin, 8)
	var all sync.WaitGroup
	for i := range pins {
		all.Go(func() {
			if key, err := LoadKey(dir); err != nil {
				t.Error(err)
			} else {
				pins[i] = key.Pin()
			}
		})
	}
	all.Wait()
	for _, pin := range pins {
		if pin != pins[0] {
			t.Fatalf("the pins are %v", pins)
		}
	}
}

func TestDamagedKey(t *testing.T) {
	inPEM := func(kind string, key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "no PEM": "key", "of another type": inPEM("EC PRIVATE KEY", p256), "Ed25519": inPEM(keyType, ed), "P-384": inPEM(keyType, p384),
		"cut": inPEM(keyType, p256)[:100], "no key": string(pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: []byte("key")})),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(keyPath(dir), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadKey(dir)
			if err == nil || !strings.Contains(err.Error(), keyPath(dir)+" is damaged: ") || !strings.Contains(err.Error(), "\nhint: ") {
				t.Errorf("LoadKey: %v", err)
			}
			if after, err := os.ReadFile(keyPath(dir)); err != nil || string(after) != content {
				t.Errorf("the file has now %q, %v", after, err)
			}
		})
	}
}

func TestKeyThatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	key := loadKey(t, dir)
	if err := os.Chmod(keyPath(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := LoadKey(dir)
	if wrong, ok := errors.AsType[*privatefile.ModeError](err); !ok || wrong.Path != keyPath(dir) {
		t.Errorf("LoadKey: %v", err)
	}
	if err := os.Chmod(keyPath(dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := loadKey(t, dir); again.Pin() != key.Pin() {
		t.Error("the key has changed")
	}
}
