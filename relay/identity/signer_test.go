package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"chat/relay/privatefile"
	"chat/relay/sshkey"
)

// check fails the test unless the signer's signatures are accepted by a host.
func check(t *testing.T, s *Signer) {
	t.Helper()
	key, err := sshkey.Parse(s.Key())
	if err != nil {
		t.Fatalf("%s: %v", s.Key(), err)
	}
	signature, err := s.Sign([]byte("data"))
	if err != nil {
		t.Fatalf("%s: %v", s.Key(), err)
	}
	if err := sshkey.Verify(key, signature, []byte("data")); err != nil {
		t.Errorf("%s signs %q: %v", s.Key(), signature, err)
	}
}

// newPrivate returns a new private key: "ed25519", "ecdsa", or "rsa" with so many bits.
func newPrivate(t *testing.T, kind string, bits int) (private any) {
	t.Helper()
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// writePrivate writes a private key, with a passphrase unless it is "", and returns the path.
func writePrivate(t *testing.T, private any, passphrase string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The user's own key is created once, whoever comes first, and only the user can read it.
func TestClientKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "chat")
	own := func(dir string) *Signer { return OwnSigner(dir, func(err error) { t.Errorf("warned: %v", err) }) }
	if _, err := OwnKey(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	keys := make([]string, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i] = own(dir).Key() })
	}
	all.Wait()
	for _, key := range keys {
		if key != keys[0] || !strings.HasPrefix(key, "ssh-ed25519 ") {
			t.Fatalf("the keys are %q", keys)
		}
	}
	check(t, own(dir))
	if key, err := OwnKey(dir); key != keys[0] || err != nil {
		t.Errorf("OwnKey: %q, %v", key, err)
	}
	path := filepath.Join(dir, "client-key")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := own(dir).Sign(nil); err == nil || !strings.Contains(err.Error(), path+" has mode 0644") {
			t.Errorf("others can read it: %v", err)
		}
		_, err := OwnKey(dir)
		if wrong, ok := errors.AsType[*privatefile.ModeError](err); !ok || wrong.Path != path {
			t.Errorf("OwnKey: %v", err)
		}
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("half a key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := own(dir).Sign(nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged file: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != "half a key" {
		t.Errorf("the damaged file has %q now, %v", after, err)
	}
}

// Without a place to keep a key, the user has none, and is warned once.
func TestNoClientKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", filepath.Join(file, "chat")} {
		warnings := 0
		s := OwnSigner(dir, func(error) { warnings++ })
		if signature, err := s.Sign(nil); s.Key() != "" || signature != "" || err != nil || warnings != 1 {
			t.Errorf("in %q: the key %q signs %q, %v, %d warnings", dir, s.Key(), signature, err, warnings)
		}
	}
}

func TestIdentityFile(t *testing.T) {
	for _, private := range []any{newPrivate(t, "ed25519", 0), newPrivate(t, "ecdsa", 0), newPrivate(t, "rsa", 2048)} {
		s, err := OpenSigner(writePrivate(t, private, ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
	}
	if _, err := OpenSigner(writePrivate(t, newPrivate(t, "rsa", 1024), ""), nil); err == nil || !strings.Contains(err.Error(), "an RSA key has 2048 to 8192 bits") {
		t.Errorf("an RSA key of 1024 bits: %v", err)
	}
	if _, err := OpenSigner(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	path := writePrivate(t, newPrivate(t, "ed25519", 0), "correct horse")
	asked := ""
	ask := func(answer string, err error) func(string) ([]byte, error) {
		return func(path string) ([]byte, error) { asked = path; return []byte(answer), err }
	}
	s, err := OpenSigner(path, ask("correct horse", nil))
	if err != nil || asked != path {
		t.Fatalf("asked for %q, %v", asked, err)
	}
	check(t, s)
	if _, err := OpenSigner(path, ask("wrong", nil)); err == nil || !strings.HasSuffix(err.Error(), "the passphrase is wrong") {
		t.Errorf("a wrong one: %v", err)
	}
	canceled := errors.New("canceled")
	if _, err := OpenSigner(path, ask("", canceled)); !errors.Is(err, canceled) {
		t.Errorf("none: %v", err)
	}
	if _, err := OpenSigner(path, nil); err == nil || !strings.Contains(err.Error(), "--identity "+path+".pub") {
		t.Errorf("without a terminal: %v", err)
	}
}

// serveAgent serves an SSH agent with these keys until the test ends.
func serveAgent(t *testing.T, privates ...any) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("its agent listens on a pipe")
	}
	keyring := agent.NewKeyring()
	for _, private := range privates {
		if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { agent.ServeAgent(keyring, conn); conn.Close() })
		}
	})
	t.Setenv("SSH_AUTH_SOCK", ln.Addr().String())
}

// publicFile writes a file with the public key of a private one.
func publicFile(t *testing.T, private any) string {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(path, ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAgent(t *testing.T) {
	weak, ed, long := newPrivate(t, "rsa", 1024), newPrivate(t, "ed25519", 0), newPrivate(t, "rsa", 2048)
	serveAgent(t, weak, ed, long)
	first, err := OpenSigner("agent", nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, first)
	for i, private := range []any{ed, long} {
		path := publicFile(t, private)
		s, err := OpenSigner(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
		if b, _ := os.ReadFile(path); s.Key() != strings.TrimSpace(string(b)) {
			t.Errorf("%s is the key of %s", s.Key(), b)
		}
		if i == 0 && s.Key() != first.Key() {
			t.Errorf("the first usable key is %s, want %s", first.Key(), s.Key())
		}
	}
	missing := publicFile(t, newPrivate(t, "ed25519", 0))
	if _, err := OpenSigner(missing, nil); err == nil || !strings.Contains(err.Error(), "does not have the private key of "+missing) {
		t.Errorf("a key that it does not have: %v", err)
	}
}

func TestNoAgent(t *testing.T) {
	serveAgent(t)
	if _, err := OpenSigner("agent", nil); err == nil || !strings.HasPrefix(err.Error(), "the SSH agent has no usable key") {
		t.Errorf("an agent without keys: %v", err)
	}
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "none"))
	if _, err := OpenSigner("agent", nil); err == nil || !strings.HasPrefix(err.Error(), "connect to the SSH agent: ") {
		t.Errorf("an agent that has ended: %v", err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := OpenSigner("agent", nil); !errors.Is(err, errNoAgent) {
		t.Errorf("no agent: %v", err)
	}
}

// A file with a public key that is none is an error that names it.
func TestPublicFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString([]byte("x"))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSigner(path, nil); err == nil || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("%v", err)
	}
	weak := publicFile(t, newPrivate(t, "rsa", 1024))
	if _, err := OpenSigner(weak, nil); err == nil || err.Error() != weak+": an RSA key has 2048 to 8192 bits" {
		t.Errorf("an RSA key of 1024 bits: %v", err)
	}
}

// An agent that does not answer is not waited for without end.
func TestAgentHangs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its agent listens on a pipe")
	}
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("SSH_AUTH_SOCK", ln.Addr().String())
	conn, err := dialAgent(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer time.AfterFunc(time.Minute, func() { conn.Close() }).Stop()
	if _, err := agent.NewClient(conn).List(); err == nil || !strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Errorf("it lists its keys: %v", err)
	}
}
