package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// selected returns the first word of each selected event of a file.
func selected(t *testing.T, path string, wanted Selection) (words []string) {
	t.Helper()
	for _, e := range readAllOf(t, path, wanted) {
		word, _, _ := strings.Cut(e.Text+strings.Join(e.Members, ""), " ")
		words = append(words, word)
	}
	return words
}

// Each field of a Selection selects events, while a host has the file open.
func TestSelection(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		for n, e := range []wire.Event{
			{Type: wire.TypeJoin, Members: []string{"joined"}},
			{Type: wire.TypeMessage, From: "alice", Text: "one soup"},
			{Type: wire.TypeAction, From: "Bob", Text: "two Soups"},
			{Type: wire.TypePrivate, From: "alice", To: "bob", Text: "three soup"},
			{Type: wire.TypeTopic, From: "bob", Text: "four soup"},
			{Type: wire.TypeMessage, From: "bob", Text: "five\nbread"},
		} {
			e.Time = noon.Add(time.Duration(n) * time.Minute)
			by := Origin{Author: 1}
			if e.Type == wire.TypePrivate {
				by.To = 2
			}
			h.put(&e, by)
		}
		synctest.Wait()
		for _, test := range []struct {
			name   string
			wanted Selection
			want   string
		}{
			{"all that is for all", Selection{}, "one two five\nbread"},
			{"private", Selection{Private: true}, "one two three five\nbread"},
			{"happened", Selection{Happened: true}, "joined one two four five\nbread"},
			{"everything", Selection{Private: true, Happened: true}, "joined one two three four five\nbread"},
			{"since", Selection{Since: noon.Add(2 * time.Minute)}, "two five\nbread"},
			{"until", Selection{Until: noon.Add(2 * time.Minute)}, "one"},
			{"since and until", Selection{Since: noon.Add(2 * time.Minute), Until: noon.Add(5 * time.Minute), Happened: true}, "two four"},
			{"from", Selection{From: "bob"}, "two five\nbread"},
			{"from, folded", Selection{From: "ALICE", Private: true, Happened: true}, "one three"},
			{"from nobody", Selection{From: "carol"}, ""},
			{"text", Selection{Text: regexp.MustCompile(`soup$`)}, "one"},
			{"text, without case", Selection{Text: regexp.MustCompile(`(?i)soup`), Private: true}, "one two three"},
			{"all at once", Selection{Text: regexp.MustCompile(`soup`), From: "alice", Private: true, Since: noon.Add(2 * time.Minute)}, "three"},
		} {
			if got := strings.Join(selected(t, h.path, test.wanted), " "); got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
		h.put(message("six"), Origin{Author: 1}) // the host continues to write
		synctest.Wait()
		if got := selected(t, h.path, Selection{}); !slices.Contains(got, "six") {
			t.Errorf("the new message is not read: %q", got)
		}
	})
}

// Many events are read in pages, and a reader can stop anywhere.
func TestReadInPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	const events = 2*pageEvents + 7
	makeFile(t, path, events)
	for i, e := range readAllOf(t, path, Selection{}) {
		if e.ID != uint64(i)+1 {
			t.Fatalf("event %d has the id %d", i+1, e.ID)
		}
	}
	if got := len(readAllOf(t, path, Selection{})); got != events {
		t.Errorf("%d of %d events are read", got, events)
	}
	if got := len(readAllOf(t, path, Selection{Text: regexp.MustCompile("number 20.7")})); got != 1 {
		t.Errorf("%d events of one are read", got)
	}
	n := 0
	for range ReadFile(t.Context(), path, Selection{}) {
		if n++; n == pageEvents+3 {
			break
		}
	}
	if left := files(t, filepath.Dir(path)); len(left) != 2 { // it and its lock
		t.Errorf("reading leaves behind %v", sizes(left))
	}
}

// All events that a killed host has left can be read, and the files do not change.
func TestReadAfterCrash(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.put(message("in the file"), Origin{Author: 1})
		h.reopen()
		h.put(message("in the log beside it"), Origin{Author: 1})
		synctest.Wait()
		left := filepath.Join(t.TempDir(), "left.chat")
		copyFile(t, h.path, left)
		copyFile(t, h.path+"-wal", left+"-wal")
		before := files(t, filepath.Dir(left))
		for range 2 {
			if got := readAllOf(t, left, Selection{}); len(got) != 2 {
				t.Errorf("%+v is read", got)
			}
		}
		after := files(t, filepath.Dir(left))
		for name, content := range before {
			if after[name] != content {
				t.Errorf("%s had %d bytes and has other %d", name, len(content), len(after[name]))
			}
		}
	})
}

// A file that a host has closed can be read without permission to write.
func TestReadWithoutWriting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "room.chat")
	makeFile(t, path, 10)
	err := errors.Join(os.Chmod(path, 0o444), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o555))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755) // to be removed
	asOtherUser(t, func() {
		n := 0
		for _, err := range ReadFile(t.Context(), path, Selection{}) {
			if n++; err != nil {
				t.Error(err)
			}
		}
		if n != 10 {
			t.Errorf("%d of 10 events are read", n)
		}
		if f, err := OpenFile(path, Keep{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("hosting on it: %v, %v", f, err)
		}
	})
}

func TestReadNothing(t *testing.T) {
	for _, err := range ReadFile(t.Context(), filepath.Join(t.TempDir(), "none"), Selection{}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a missing file: %v", err)
		}
	}
	path := filepath.Join(t.TempDir(), "room.chat")
	makeFile(t, path, 0)
	if got := readAllOf(t, path, Selection{}); len(got) > 0 {
		t.Errorf("a new room has %+v", got)
	}
}

// Text from a file is cleaned for the terminal: a stranger may have made the file.
func TestReadIsCleaned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	makeFile(t, path, 1)
	makeDatabase(t, path, `UPDATE event SET json = '{"type":"message","id":1,"from":"a\u001b[2J","text":"b\u001b]0;x\u0007"}'`)
	for _, e := range readAllOf(t, path, Selection{}) {
		if strings.ContainsAny(e.From+e.Text, "\x1b\x07") {
			t.Errorf("%+q", e.From+e.Text)
		}
	}
}

// Print writes text or JSON.
func TestPrint(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
		for _, e := range []wire.Event{
			{Type: wire.TypeMessage, From: "alice", Text: "one\ntwo", Time: at},
			{Type: wire.TypeTopic, From: "bob", Text: "soup", Time: at},
			{Type: wire.TypePrivate, From: "alice", To: "bob", Text: "psst", Time: at},
		} {
			by := Origin{Author: 1}
			if e.To != "" {
				by.To = 2
			}
			h.put(&e, by)
		}
		synctest.Wait()
		all := Selection{Private: true, Happened: true}
		var people, programs bytes.Buffer
		if err := errors.Join(Print(t.Context(), &people, h.path, all, false), Print(t.Context(), &programs, h.path, all, true)); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(people.String()), "\n") {
			want := []string{" <alice> one", " <alice> two", " -- bob set the topic: soup", " [alice -> bob] psst"}[i]
			if !strings.HasPrefix(line, "2026-11-25 12:00:00"+want) {
				t.Errorf("line %d is %q, want its date and %q", i, line, want)
			}
		}
		if got := parse(t, programs.String()); len(got) != 3 || got[2].ID != 3 {
			t.Errorf("for programs: %s", programs.String())
		}
		if err := Print(t.Context(), brokenPipe{}, h.path, all, true); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("to a closed pipe: %v", err)
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", fs.ErrClosed) }
