package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay/wire"
)

// A backup that is made while 20 members talk is a whole history: the fold of its events is the state in it,
// and it has all that was committed before it began.
func TestBackupWhileHosting(t *testing.T) {
	for name, back := range map[string]func(f *File, to string) error{
		"of an open file": func(f *File, to string) error { return f.Backup(t.Context(), to, nil) },
		"of a file": func(f *File, to string) error {
			db, err := openToRead(f.path) // not Backup, which is for other processes
			if err != nil {
				return err
			}
			return errors.Join(copyDatabase(t.Context(), db, to, nil), db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := openToyRoom(&hosted{t: t, path: filepath.Join(dir, "room.chat"), limits: few})
			defer r.close()
			talkers := startTalking(r, 20)
			for n := range 3 {
				talkers.wait(100 * (n + 1))
				committed := r.log.Next() - 1
				to := filepath.Join(dir, fmt.Sprint("copy", n))
				if err := back(r.file, to); err != nil {
					t.Fatal(err)
				}
				if last := checkRestored(t, to); last < committed {
					t.Errorf("the backup ends with event %d; event %d was committed before", last, committed)
				}
			}
			talkers.stop()
		})
	}
}

// Commits during a backup neither make it start again nor wait for it, and are not in it.
func TestCommitsDuringBackup(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "room.chat"), filepath.Join(dir, "copy")
	makeFile(t, from, 4_000)
	h := host(t, from, few)
	defer h.close()
	var places []int64
	err := h.file.Backup(t.Context(), to, func(done, all int64) {
		places = append(places, done)
		h.waitUntilSettled(h.put(message("soup"), Origin{Author: 1}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(places) < 3 || !slices.IsSorted(places) {
		t.Errorf("the copy grew in the steps %d", places)
	}
	if n := len(readAllOf(t, to, Selection{})); n != 4_000 {
		t.Errorf("the backup has %d messages", n)
	}
}

// A talk is members of a room who write messages and hidden events without a pause.
type talk struct {
	done    chan struct{}
	members sync.WaitGroup
	mu      sync.Mutex
	said    int // guarded by mu
}

func startTalking(r *toyRoom, members int) *talk {
	talk := &talk{done: make(chan struct{})}
	for n := range members {
		talk.members.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-talk.done:
					return
				default:
				}
				e := message(fmt.Sprintf("+key%d value%d", n, i))
				ticket, err := r.log.Append(e, Origin{Author: Author(n + 1)})
				if err != nil {
					r.t.Error(err)
					return
				}
				if i%10 == 0 {
					r.hide(fmt.Sprintf("+hidden%d %d", n, i), time.Now())
				}
				<-r.log.WhenSettled(ticket)
				talk.mu.Lock()
				talk.said++
				talk.mu.Unlock()
			}
		})
	}
	return talk
}

// wait waits until so many messages are committed.
func (t *talk) wait(messages int) {
	for {
		t.mu.Lock()
		said := t.said
		t.mu.Unlock()
		if said >= messages {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (t *talk) stop() {
	close(t.done)
	t.members.Wait()
}

// checkRestored opens a backup to host on it, checks it and returns the id of its last event.
func checkRestored(t *testing.T, path string) (last uint64) {
	t.Helper()
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records := make(map[string]string)
	err = f.Records(func(key string, value []byte) error { records[key] = string(value); return nil })
	if err != nil {
		t.Fatal(err)
	}
	replayed := newToyFold()
	err = f.Replay(func(e *wire.Event, hidden []byte, by Origin, at time.Time) {
		if e != nil {
			if last++; e.ID != last {
				t.Errorf("event %d is the %dth", e.ID, last)
			}
		}
		replayed.Apply(e, hidden, by, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(records, replayed.all()) {
		t.Errorf("the backup has the state %q, its events add up to %q", records, replayed.all())
	}
	return last
}

// No one but the owner can read a backup, not even while it is being made.
func TestBackupIsPrivate(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "room.chat"), filepath.Join(dir, "backups", "copy?#%.chat")
	makeFile(t, from, 4_000)
	if err := os.Mkdir(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	seen := 0
	look := func(int64, int64) {
		for name, info := range filesIn(t, filepath.Dir(to)) {
			seen++
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
			if !strings.HasSuffix(name, ".partial") {
				t.Errorf("%s is there before the backup is complete", name)
			}
		}
	}
	umask(t, 0)
	if err := Backup(t.Context(), from, to, look); err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("there were no files to look at")
	}
	left := filesIn(t, filepath.Dir(to))
	if names := slices.Collect(maps.Keys(left)); len(names) != 1 || names[0] != filepath.Base(to) || left[names[0]].Mode().Perm() != 0o600 {
		t.Errorf("there are %v", left)
	}
	if got, want := len(readAllOf(t, to, Selection{})), 4_000; got != want {
		t.Errorf("the backup has %d messages, not %d", got, want)
	}
}

// filesIn returns what is in a folder.
func filesIn(t *testing.T, dir string) map[string]os.FileInfo {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]os.FileInfo)
	for _, entry := range entries {
		if found[entry.Name()], err = entry.Info(); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// What is at the place of a backup stays, and an attempt that fails leaves nothing.
func TestBackupRefused(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T, dir string) (from, to string)
		want error
	}{
		"there is a file": {func(t *testing.T, dir string) (string, string) {
			copyFile(t, filepath.Join(dir, "room.chat"), filepath.Join(dir, "other"))
			return "room.chat", "other"
		}, ErrExists},
		"onto itself": {func(*testing.T, string) (string, string) { return "room.chat", "room.chat" }, ErrExists},
		"there is a folder": {func(t *testing.T, dir string) (string, string) {
			return "room.chat", "."
		}, ErrExists},
		"there is a link": {func(t *testing.T, dir string) (string, string) {
			if err := os.Symlink("room.chat", filepath.Join(dir, "link")); err != nil {
				t.Skip(err)
			}
			return "room.chat", "link"
		}, ErrExists},
		"no folder":  {func(*testing.T, string) (string, string) { return "room.chat", "no/copy" }, os.ErrNotExist},
		"no history": {func(*testing.T, string) (string, string) { return "nothing", "copy" }, os.ErrNotExist},
		"another file": {func(t *testing.T, dir string) (string, string) {
			if err := os.WriteFile(filepath.Join(dir, "text"), []byte("not a database"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "text", "copy"
		}, ErrNotHistory},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			makeFile(t, filepath.Join(dir, "room.chat"), 10)
			from, to := test.make(t, dir)
			before := files(t, dir)
			err := Backup(t.Context(), filepath.Join(dir, from), filepath.Join(dir, to), nil)
			if !errors.Is(err, test.want) {
				t.Errorf("the error is %v", err)
			}
			if after := files(t, dir); !maps.Equal(before, after) {
				t.Errorf("there were %v, now there are %v", sizes(before), sizes(after))
			}
		})
	}
}

// A backup that is interrupted leaves nothing, and neither does one whose name is taken meanwhile.
func TestBackupInterrupted(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "room.chat"), filepath.Join(dir, "copy")
	makeFile(t, from, 4_000)
	before := files(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	if err := Backup(ctx, from, to, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if after := files(t, dir); !maps.Equal(before, after) {
		t.Errorf("there were %v, now there are %v", sizes(before), sizes(after))
	}
	taken := func(int64, int64) {
		if err := os.WriteFile(to, []byte("mine"), 0o600); err != nil {
			t.Error(err)
		}
	}
	if err := Backup(t.Context(), from, to, taken); !errors.Is(err, ErrExists) {
		t.Errorf("the error is %v", err)
	}
	before["copy"] = "mine"
	if after := files(t, dir); !maps.Equal(before, after) {
		t.Errorf("there were %v, now there are %v", sizes(before), sizes(after))
	}
}
