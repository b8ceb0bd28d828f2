package history

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Any search in any text gives the same on disk and in memory, and no error.
func FuzzQuery(f *testing.F) {
	for _, words := range []string{"soup", "SOU rea", `"two" words*`, "a AND b", "NEAR(a b, 2)", "-x", "^x", "text:x", "今日 は", "Ünï", "\x00\xff", "'; --", "ﬁne", "a\u0301", "{a b}: c"} {
		f.Add("the soup is ready", words)
		f.Add(words, words)
	}
	x := newIndex(f)
	f.Fuzz(func(t *testing.T, text, words string) { checkSearch(t, x, text, words) })
}

// A file with any damage is either refused or can be read and written, without a hang.
func FuzzDamagedFile(f *testing.F) {
	dir := f.TempDir()
	whole := filepath.Join(dir, "whole")
	makeFile(f, whole, 60)
	bytes, err := os.ReadFile(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte{0, 16, 0xff})
	f.Add([]byte{0, 60, 0xff, 0, 68, 0})
	f.Add([]byte{0x10, 0, 0x05, 0x20, 0, 0x0a, 0x30, 0, 0x0d})
	f.Add([]byte{0x10, 3, 0xff, 0x10, 5, 0xff, 0x20, 3, 0xff, 0x30, 3, 0xff, 0x40, 3, 0xff})
	path := filepath.Join(dir, "damaged")
	f.Fuzz(func(t *testing.T, damage []byte) {
		// Three bytes each: two for the position, one for the new value.
		file := append([]byte(nil), bytes...)
		for ; len(damage) >= 3; damage = damage[3:] {
			file[(int(damage[0])<<8+int(damage[1]))%len(file)] = damage[2]
		}
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			os.Remove(path + beside)
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		defer context.AfterFunc(ctx, func() {
			if ctx.Err() == context.DeadlineExceeded {
				panic("it takes too long")
			}
		})()
		useDamaged(t, path)
	})
}

// useDamaged reads a file in all possible ways, and writes to it.
func useDamaged(t *testing.T, path string) {
	events := 0
	for _, err := range ReadFile(t.Context(), path, Selection{Private: true, Happened: true}) {
		if events++; err != nil && errors.Is(err, ErrInUse) || events > 1000 {
			t.Fatalf("event %d: %v", events, err)
		}
	}
	file, err := OpenFile(path, Keep{})
	if err != nil {
		return
	}
	defer file.Close()
	file.RoomID()
	file.Records(func(string, []byte) error { return nil })
	file.Replay(noFold{}.Apply)
	l, err := NewOn(file, few, wakeAll, nil, failing(func(error) {}), slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	defer l.Close()
	_, err = l.Append(message("new"), Origin{Author: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendHidden([]byte(`{"hidden":1}`), time.Now()); err != nil {
		t.Fatal(err)
	}
	c := first(l.Cursor(1, 1, View{Format: JSON}))
	for steps := 0; ; steps++ {
		runs, _, behind := c.Next(nil)
		if behind {
			if runs, _, err = c.Fetch(nil); err != nil && !errors.Is(err, ErrDamaged) {
				break // the cursor cannot advance; a session would end
			}
		}
		if !behind && len(runs) == 0 {
			break
		}
		if steps > 1000 {
			t.Fatal("the log does not end")
		}
	}
	page := Page{Count: 50, Bytes: 1 << 20}
	l.Before(page, View{})
	l.Search("soup", page, View{})
	l.Back(50)
}
