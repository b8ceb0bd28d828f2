package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat/relay/client"
)

// claim claims an identity and fails the test on a warning.
func claim(t *testing.T, s *Store, room, nick string) *Claim {
	t.Helper()
	c, err := s.Claim(room, nick, func(err error) { t.Errorf("warned: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Release)
	return c
}

func identityOf(room, name string) client.Identity {
	return client.Identity{Room: room, Client: name, Token: "token-of-" + name, Key: "key-of-" + name}
}

func TestClaim(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "state", "chat"))
	first := claim(t, s, "r1", "alice")
	if first.Token != "" {
		t.Errorf("the first identity is %+v, want none", first.Identity)
	}
	first.Keep(identityOf("r1", "one"))
	second := claim(t, s, "r1", "alice")
	if second.Token != "" {
		t.Errorf("two at the same time are %+v", second.Identity)
	}
	second.Keep(identityOf("r1", "two"))
	for _, other := range []*Claim{claim(t, s, "r2", "alice"), claim(t, s, "r1", "ci"), claim(t, s, "r1", "")} {
		if other.Token != "" {
			t.Errorf("in another room or under another nick: %+v", other.Identity)
		}
	}
	first.Release()
	second.Release()
	again := claim(t, s, "r1", "ALICE")
	if again.Identity != identityOf("r1", "one") {
		t.Errorf("the next one is %+v, want the first", again.Identity)
	}
	if third := claim(t, s, "r1", "alice"); third.Identity != identityOf("r1", "two") {
		t.Errorf("the one after it is %+v, want the second", third.Identity)
	}
}

// A host that was restarted without a history has a new room. Its identity is kept beside that
// of the old one.
func TestKeepInANewRoom(t *testing.T) {
	s := Open(t.TempDir())
	c := claim(t, s, "r1", "alice")
	c.Keep(identityOf("r1", "one"))
	c.Keep(identityOf("r2", "two"))
	if again := claim(t, s, "r1", "alice"); again.Identity != identityOf("r1", "one") {
		t.Errorf("in the old room: %+v", again.Identity)
	}
	if other := claim(t, s, "r2", "alice"); other.Token != "" {
		t.Errorf("in the new room, at the same time: %+v", other.Identity)
	}
	c.Release()
	c.Keep(identityOf("r2", "three")) // too late: another process may have it
	if again := claim(t, s, "r2", "alice"); again.Identity != identityOf("r2", "two") {
		t.Errorf("in the new room: %+v", again.Identity)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chat")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	claim(t, Open(dir), "r1", "alice").Keep(identityOf("r1", "one"))
	if info, err := os.Stat(dir); err != nil || filepath.Separator == '/' && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 3 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || filepath.Separator == '/' && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// A file that is not one of ours, or of another room, is reported and left alone.
func TestDamaged(t *testing.T) {
	valid := `{"room":"r1","nick":"alice","token":"token-of-alice"}`
	for name, content := range map[string]string{
		"empty": "", "no JSON": "token", "no token": `{"room":"r1","nick":"alice"}`, "too long": strings.Repeat(" ", maxFile) + valid,
		"of another room": strings.Replace(valid, "r1", "r2", 1), "of another nick": strings.Replace(valid, "alice", "bob", 1),
		"an invalid token": strings.Replace(valid, "token-of-alice", `token of\nalice`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName("r1", "alice", 0))
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Open(dir).Claim("r1", "alice", func(error) {})
			if c != nil || !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("Claim: %+v, %v", c, err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != content {
				t.Errorf("the file has now %q, %v", after, err)
			}
		})
	}
}

// A folder that cannot be used is an error, and one that fails later a warning.
func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Open(filepath.Join(file, "chat")).Claim("r1", "alice", func(error) {}); err == nil {
		t.Errorf("a folder in a file is claimed: %+v", c)
	}
	dir := filepath.Join(t.TempDir(), "chat")
	var warnings []error
	c, err := Open(dir).Claim("r1", "alice", func(err error) { warnings = append(warnings, err) })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Skip(err) // Windows removes no open file
	}
	if c.Keep(identityOf("r1", "one")); len(warnings) != 1 {
		t.Errorf("warnings: %v", warnings)
	}
	c.Release()
}

// The number of identities is bounded. Those in use stay.
func TestOldOnesAreDeleted(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	used := claim(t, s, "used", "alice")
	used.Keep(identityOf("used", "alice"))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(used.path, old, old); err != nil {
		t.Fatal(err)
	}
	for n := range maxKept {
		room := fmt.Sprint("r", n)
		c := claim(t, s, room, "alice")
		c.Keep(identityOf(room, "alice"))
		at := old.Add(time.Duration(n+1) * time.Second)
		if err := os.Chtimes(c.path, at, at); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	if err := os.WriteFile(filepath.Join(dir, "new-left-by-a-crash"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again := claim(t, s, "r1", "alice") // it is no longer one of the oldest
	again.Release()
	last := claim(t, s, "last", "alice")
	last.Keep(identityOf("last", "alice"))
	for room, kept := range map[string]bool{"used": false, "r0": false, "r1": true, "r2": false, "r3": true, "last": false} {
		if c := claim(t, s, room, "alice"); (c.Token != "") != kept {
			t.Errorf("%s is kept: %v, want %v", room, c.Token != "", kept)
		}
	}
	for _, path := range []string{used.path, last.path} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("one in use is deleted: %v", err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 2*maxKept+10 {
		t.Errorf("%d files are left", len(left))
	}
}
