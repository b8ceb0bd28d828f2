package sshkey

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// An authorized_keys file as people have it: comments and options are ignored, and lines that are not
// understood are skipped and reported.
func TestFileLines(t *testing.T) {
	alice, bob, carol := newKey(t, ssh.KeyAlgoED25519, 0), newKey(t, ssh.KeyAlgoECDSA256, 0), newKey(t, ssh.KeyAlgoRSA, 2048)
	weak := newKey(t, ssh.KeyAlgoRSA, 1024)
	content := "# the team\n\n" + line(alice.PublicKey()) + " alice@laptop, her own\r\n" +
		`restrict,command="echo \"hi, there\"",from="10.0.0.0/8" ` + line(bob.PublicKey()) + "\n" +
		"not a key\n" + line(weak.PublicKey()) + "\n  " + line(carol.PublicKey()) // without a newline
	keys, problems := parseLines([]byte(content))
	for name, key := range map[string]ssh.Signer{"alice": alice, "bob": bob, "carol": carol} {
		if !keys[Fingerprint(key.PublicKey())] {
			t.Errorf("%s is not in the file", name)
		}
	}
	got := fmt.Sprint(problems)
	if want := "[line 5 is skipped: it has no public key line 6 is skipped: an RSA key has 2048 to 8192 bits]"; len(keys) != 3 || got != want {
		t.Errorf("%d keys, %s; want 3 and %s", len(keys), got, want)
	}
	authority, expired := "cert-authority "+line(alice.PublicKey()), `no-pty,EXPIRY-TIME="20200101" `+line(bob.PublicKey())
	if keys, problems := parseLines([]byte(authority + "\n" + expired)); len(keys) != 0 || len(problems) != 2 {
		t.Errorf("an authority and an expired key: %d keys, %v", len(keys), problems)
	}
	var many strings.Builder
	for i := range maxKeys + 1 {
		key, err := ssh.NewPublicKey(ed25519.PublicKey(fmt.Sprintf("%032d", i)))
		if err != nil {
			t.Fatal(err)
		}
		many.WriteString(line(key) + "\n")
	}
	if keys, problems := parseLines([]byte(many.String())); len(keys) != maxKeys || len(problems) != 1 || problems[0].Error() != "line 10001 is skipped: a file has at most 10000 keys" {
		t.Errorf("%d keys: %d, %v", maxKeys+1, len(keys), problems)
	}
	if _, problems := parseLines([]byte(strings.Repeat("x\n", 100))); len(problems) != maxProblems+1 || problems[maxProblems].Error() != "80 more lines are skipped" {
		t.Errorf("100 bad lines: %v", problems)
	}
}

// A file that is missing at the start is an error, as is one that is too large.
func TestOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "members")
	if _, err := OpenFile(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("#\n", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file of %d MB: %v", 2*maxFile>>20, err)
	}
	var none *File
	if none.Has("SHA256:x") {
		t.Error("no file has a key")
	}
}

// A File is reread when it changes. If it cannot be read its last keys remain, with one warning.
func TestWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "members")
	alice, bob := newKey(t, ssh.KeyAlgoED25519, 0).PublicKey(), newKey(t, ssh.KeyAlgoED25519, 0).PublicKey()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(line(alice) + "\n")
	synctest.Test(t, func(t *testing.T) {
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards what follows
		var warnings []string
		changes := 0
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() {
			f.Watch(ctx, func(err error) { mu.Lock(); warnings = append(warnings, err.Error()); mu.Unlock() }, func() { mu.Lock(); changes++; mu.Unlock() })
		})
		check := func(step string, hasAlice, hasBob bool, wantChanges, wantWarnings int) {
			t.Helper()
			time.Sleep(3 * rereadEvery)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if a, b := f.Has(Fingerprint(alice)), f.Has(Fingerprint(bob)); a != hasAlice || b != hasBob || changes != wantChanges || len(warnings) != wantWarnings {
				t.Errorf("%s: alice %v, bob %v, %d changes, warnings %q", step, a, b, changes, warnings)
			}
		}
		check("at first", true, false, 0, 0)
		write("# nothing new\n" + line(alice))
		check("with a comment", true, false, 0, 0)
		write(line(alice) + "\n" + line(bob) + "\nbad line\n")
		check("with bob, and a bad line", true, true, 1, 1)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		check("without a file", true, true, 1, 2)
		if err := f.Reread(ctx); !errors.Is(err, fs.ErrNotExist) || !f.Has(Fingerprint(alice)) {
			t.Errorf("Reread without a file: %v", err)
		}
		write(line(bob) + "\n")
		if err := f.Reread(ctx); err != nil || f.Has(Fingerprint(alice)) {
			t.Errorf("Reread: %v; alice has not lost her access: %v", err, f.Has(Fingerprint(alice)))
		}
		check("without alice", false, true, 2, 3) // Reread reported the missing file once more
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		write(line(alice) + "\n")
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		check("with another key of the same length, at the same time", true, false, 3, 3)
		cancel()
		watching.Wait()
		if err := f.Reread(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Reread without Watch: %v", err)
		}
		if want := path + ": line 3 is skipped: it has no public key"; warnings[0] != want || !strings.HasSuffix(warnings[1], "; its last keys remain valid") {
			t.Errorf("warnings are %q, want %q first", warnings, want)
		}
	})
}
