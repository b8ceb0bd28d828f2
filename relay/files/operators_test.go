package files

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chat/relay/wire"
)

// A removed file is gone from the folder, its number says why, and that stays so after a restart.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	soup, bread := add(t, s, "soup", "soup"), add(t, s, "bread", "bread")
	if f, err := s.Remove(soup.Number); err != nil || f != soup {
		t.Errorf("%+v, %v", f, err)
	}
	check := func(when string) {
		t.Helper()
		_, _, err := s.File(t.Context(), soup.Number)
		if _, again := s.Remove(soup.Number); err != ErrRemoved || again != ErrRemoved {
			t.Errorf("%s: the file: %v, removed again: %v", when, err, again)
		}
		if _, err := s.Remove(7); err != ErrGone {
			t.Errorf("%s: a file that never was: %v", when, err)
		}
		if got := s.List(0, 10); !slices.Equal(got[len(got)-1:], []wire.File{bread}) {
			t.Errorf("%s: there are %+v", when, got)
		}
		if got := namesIn(t, dir); slices.Contains(got, "1-soup") || !slices.Contains(got, "2-bread") {
			t.Errorf("%s: the folder has %q", when, got)
		}
	}
	check("at once")
	if s.held != 5 || s.usage["192.168.1.7"] != (usage{files: 1, bytes: 5}) {
		t.Errorf("held are %d bytes, %+v", s.held, s.usage)
	}
	s.Close()
	// The host was killed before it deleted the file.
	if err := os.WriteFile(filepath.Join(dir, "1-soup"), []byte("soup"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{})
	check("after a restart")
	if s.held != 5 || s.usage["192.168.1.7"] != (usage{files: 1, bytes: 5}) {
		t.Errorf("after a restart held are %d bytes, %+v", s.held, s.usage)
	}
	if next := add(t, s, "salad", ""); next.Number != 3 {
		t.Errorf("the next one is %d", next.Number)
	}
}

// While uploads are off there are none, also after a restart. Files stay.
func TestOff(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	soup := add(t, s, "soup", "soup")
	half, unpublished := begin(t, s, "half", 10), begin(t, s, "unpublished", 0)
	if err := s.Allow(false); err != nil {
		t.Fatal(err)
	}
	if s.Upload(half.ID()) != nil || s.Upload(unpublished.ID()) != nil {
		t.Error("uploads continue")
	}
	if _, err := s.Publish(unpublished.ID()); err != ErrGone {
		t.Errorf("published: %v", err)
	}
	for range 2 {
		if _, err := s.Begin(Offer{Name: "more", Size: 1}); err != ErrOff || !s.IsOff() {
			t.Errorf("while it is off: %v", err)
		}
		if content(t, s, soup.Number) != "soup" {
			t.Error("the file is gone")
		}
		s.Close()
		s = open(t, dir, Limits{})
	}
	if err := errors.Join(s.Allow(true), s.Allow(true)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir, Limits{})
	add(t, s, "bread", "bread")
}
