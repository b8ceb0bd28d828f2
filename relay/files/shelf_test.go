package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A memoryShelf is a Shelf in memory, for several stores.
type memoryShelf struct {
	mu       sync.Mutex
	down     bool // guarded by mu, as all below
	entries  map[uint64][]byte
	log      []uint64 // numbers of entries in the order of their changes
	contents map[uint64][]byte
	opened   int           // how often a content was opened
	changed  chan struct{} // closed, and replaced, by each change
}

func newMemoryShelf() *memoryShelf {
	return &memoryShelf{entries: make(map[uint64][]byte), contents: make(map[uint64][]byte), changed: make(chan struct{})}
}

// reach waits until the shelf can be reached, and locks it.
func (m *memoryShelf) reach(ctx context.Context) error {
	m.mu.Lock()
	for m.down {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		m.mu.Lock()
	}
	return nil
}

func (m *memoryShelf) changedLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memoryShelf) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
	m.changedLocked()
}

func (m *memoryShelf) Change(ctx context.Context, number uint64, change func([]byte) ([]byte, error)) error {
	if err := m.reach(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	value, err := change(m.entries[number])
	if err != nil || value == nil {
		return err
	}
	m.entries[number] = value
	m.log = append(m.log, number)
	m.changedLocked()
	return nil
}

func (m *memoryShelf) Watch(ctx context.Context, receive func(uint64, []byte), complete func()) {
	for at := 0; ; {
		if m.reach(ctx) != nil {
			return
		}
		numbers, changed := m.log[at:], m.changed
		at = len(m.log)
		var values [][]byte
		for _, n := range numbers {
			values = append(values, m.entries[n])
		}
		m.mu.Unlock()
		for i, n := range numbers {
			receive(n, values[i])
		}
		if complete != nil {
			complete()
			complete = nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (m *memoryShelf) Put(ctx context.Context, number uint64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := m.reach(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.contents[number] != nil {
		return fs.ErrExist
	}
	m.contents[number] = append([]byte{}, b...)
	return nil
}

func (m *memoryShelf) Open(ctx context.Context, number uint64) (Content, error) {
	if err := m.reach(ctx); err != nil {
		return Content{}, err
	}
	defer m.mu.Unlock()
	b := m.contents[number]
	if b == nil {
		return Content{}, fs.ErrNotExist
	}
	m.opened++
	return Content{bytes.NewReader(b), int64(len(b)), fmt.Sprintf("%x", sha256.Sum256(b))}, nil
}

func (m *memoryShelf) Delete(ctx context.Context, number uint64) error {
	if err := m.reach(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.contents, number)
	return nil
}

// has returns whether the shelf has the content of a file.
func (m *memoryShelf) has(number uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.contents[number] != nil
}

// openShelf opens the store of a relay. stop closes it.
func openShelf(t *testing.T, shelf Shelf, dir string, l Limits) (s *Store, stop func()) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	s, err := OpenShelf(t.Context(), dir, l, shelf)
	if err != nil {
		t.Fatal(err)
	}
	return s, sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// arrive uploads a file without publishing it.
func arrive(t *testing.T, s *Store, name, content string) *Upload {
	t.Helper()
	u := begin(t, s, name, int64(len(content)))
	if content != "" {
		if _, err := u.Append(Piece{Body: strings.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// Each relay lists and serves the files of all, also of a relay that is gone, and no number is used twice.
func TestRelaysShareFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopA()
		defer stopB()
		soup := arrive(t, a, "soup.png", "\x89PNG\r\n\x1a\nsoup")
		tea := arrive(t, b, "tea", "green") // before the soup is published
		for _, u := range []*Upload{soup, tea} {
			if _, err := u.store.Publish(u.ID()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		list := a.List(0, 10)
		if got := b.List(0, 10); len(list) != 2 || !slices.Equal(got, list) || list[0].Number == list[1].Number {
			t.Errorf("one relay lists %+v, the other one %+v", list, got)
		}
		stopA()
		c, stopC := openShelf(t, shelf, "", Limits{})
		defer stopC()
		if got := c.List(0, 10); !slices.Equal(got, list) {
			t.Errorf("a new relay lists %+v, want %+v", got, list)
		}
		for _, f := range list {
			want := map[string]string{"soup.png": "\x89PNG\r\n\x1a\nsoup", "tea": "green"}[f.Name]
			if got := content(t, c, f.Number); got != want {
				t.Errorf("%s is %q", f.Name, got)
			}
		}
		opened := shelf.opened
		if content(t, c, list[0].Number); shelf.opened != opened {
			t.Error("a file was read from the shelf again")
		}
		if next := add(t, c, "next", "1"); next.Number <= list[0].Number {
			t.Errorf("the next file is number %d after %d", next.Number, list[0].Number)
		}
		if u := c.Usage(); u.Files != 3 || u.Bytes != 12+5+1 {
			t.Errorf("the usage is %+v", u)
		}
	})
}

// An upload that one relay has can be published at another one, once: its sender has moved.
func TestPublishedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopB()
		soup, tea := arrive(t, a, "soup", "hot"), arrive(t, a, "tea", "green")
		synctest.Wait()
		if list := b.List(0, 10); len(list) != 0 {
			t.Errorf("unpublished files are listed: %+v", list)
		}
		if _, _, err := b.File(t.Context(), 1); err != ErrGone {
			t.Errorf("an unpublished file: %v", err)
		}
		f, err := b.Publish(soup.ID())
		if err != nil || f.Name != "soup" {
			t.Fatalf("published at another relay: %+v, %v", f, err)
		}
		again, err := a.Publish(soup.ID())
		if err != nil || again != f || len(a.List(0, 10)) != 1 {
			t.Errorf("published again: %+v, %v", again, err)
		}
		if _, err := os.Stat(filepath.Join(a.folder, "1-soup")); err != nil {
			t.Errorf("the upload did not get its name: %v", err)
		}
		stopA()
		if f, err := b.Publish(tea.ID()); err != nil || content(t, b, f.Number) != "green" {
			t.Errorf("published after the relay was gone: %+v, %v", f, err)
		}
		if _, err := b.Publish("NEVER"); err != ErrGone {
			t.Errorf("an unknown upload: %v", err)
		}
	})
}

// What an operator removes at one relay is gone at all of them, and so is its content; uploads are off everywhere.
func TestRemovedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopA()
		defer stopB()
		f := add(t, a, "soup", "hot")
		synctest.Wait()
		content(t, b, f.Number) // it has a copy
		if got, err := b.Remove(f.Number); err != nil || got != f {
			t.Fatalf("removed: %+v, %v", got, err)
		}
		synctest.Wait()
		for _, s := range []*Store{a, b} {
			if _, _, err := s.File(t.Context(), f.Number); err != ErrRemoved {
				t.Errorf("a removed file: %v", err)
			}
			if names := namesIn(t, s.folder); len(names) != 0 {
				t.Errorf("the folder has %q", names)
			}
			if _, err := s.Remove(f.Number); err != ErrRemoved {
				t.Errorf("removed again: %v", err)
			}
		}
		if shelf.has(f.Number) {
			t.Error("the content is still on the shelf")
		}
		waiting := begin(t, a, "half", 9)
		if err := b.Allow(false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := waiting.Append(Piece{Body: strings.NewReader("half")}); err != ErrGone || !a.IsOff() {
			t.Errorf("an upload at another relay continues: %v", err)
		}
		c, stopC := openShelf(t, shelf, "", Limits{})
		defer stopC()
		if _, err := c.Begin(Offer{Name: "x", Size: 1}); err != ErrOff {
			t.Errorf("an upload at a new relay: %v", err)
		}
		if err := c.Allow(true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if next := add(t, a, "next", "x"); next.Number == f.Number {
			t.Error("a number was used again")
		}
	})
}

// While the shelf cannot be reached, uploads, publishing and removing fail in time, and files in the folder are served.
func TestShelfDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		s, stop := openShelf(t, shelf, "", Limits{})
		defer stop()
		f := add(t, s, "soup", "hot")
		waiting := arrive(t, s, "tea", "green")
		shelf.setDown(true)
		if got := content(t, s, f.Number); got != "hot" {
			t.Errorf("the file is %q", got)
		}
		if _, err := s.Publish(waiting.ID()); err != ErrShelf {
			t.Errorf("published: %v", err)
		}
		if _, err := s.Remove(f.Number); err != ErrShelf {
			t.Errorf("removed: %v", err)
		}
		if err := s.Allow(false); err != ErrShelf || s.IsOff() {
			t.Errorf("turned off: %v", err)
		}
		if _, err := begin(t, s, "late", 4).Append(Piece{Body: strings.NewReader("late")}); err != ErrShelf {
			t.Errorf("uploaded: %v", err)
		}
		shelf.setDown(false)
		if got, err := s.Publish(waiting.ID()); err != nil || content(t, s, got.Number) != "green" {
			t.Errorf("published later: %+v, %v", got, err)
		}
	})
}

// An upload that no one publishes does not stay on the shelf: it is removed when it is dropped, or a day later if its relay is gone. So
// is the content of a file that could not be deleted when it was removed.
func TestShelfIsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		defer stopA()
		dropped := arrive(t, a, "dropped", "1")
		number := dropped.finished.Number
		if !shelf.has(number) {
			t.Fatal("the upload is not on the shelf")
		}
		dropped.Drop()
		synctest.Wait()
		if shelf.has(number) {
			t.Error("a dropped upload is on the shelf")
		}
		left := arrive(t, a, "left", "2").finished.Number
		stopA()
		shelf.mu.Lock()
		shelf.entries[9] = []byte(`{"n":9,"removed":"2000-01-01T00:00:00Z","stored":true}`)
		shelf.contents[9], shelf.log = []byte("old"), append(shelf.log, 9)
		shelf.mu.Unlock()
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopB()
		time.Sleep(23 * time.Hour)
		if !shelf.has(left) || shelf.has(9) {
			t.Errorf("after 23 h: the upload is there: %t, a removed one: %t", shelf.has(left), shelf.has(9))
		}
		time.Sleep(3 * time.Hour)
		if shelf.has(left) || len(b.List(0, 9)) != 0 {
			t.Error("after 26 h the upload is still there")
		}
	})
}

// Files count at all relays: MaxTotal and Share are for the room.
func TestShelfLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf, l := newMemoryShelf(), Limits{MaxTotal: 100, Share: 60}
		a, stopA := openShelf(t, shelf, "", l)
		b, stopB := openShelf(t, shelf, "", l)
		defer stopA()
		defer stopB()
		add(t, a, "soup", strings.Repeat("x", 40)) // from the same address as those below
		synctest.Wait()
		if _, err := b.Begin(Offer{Name: "more", Size: 30, Address: "192.168.1.7"}); err != ErrShare {
			t.Errorf("beyond the share of an address: %v", err)
		}
		if _, err := b.Begin(Offer{Name: "more", Size: 61, Address: "192.168.1.8"}); !errors.Is(err, ErrNoRoom) {
			t.Errorf("beyond the total: %v", err)
		}
	})
}

// A folder that stays has copies after a restart, without those that were removed meanwhile; damaged and hostile entries of the list are skipped.
func TestShelfFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf, dir := newMemoryShelf(), t.TempDir()
		a, stopA := openShelf(t, shelf, dir, Limits{})
		kept, removed := add(t, a, "kept", "1"), add(t, a, "removed", "2")
		resumed, err := a.Begin(Offer{Name: "resumed", Size: 4, Resumable: true})
		if err == nil {
			_, err = resumed.Append(Piece{Body: strings.NewReader("done")})
		}
		if err != nil {
			t.Fatal(err)
		}
		stopA()
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopB()
		if _, err := b.Remove(removed.Number); err != nil {
			t.Fatal(err)
		}
		shelf.mu.Lock()
		for n, entry := range map[uint64]string{
			20: `{"n":20`, 21: `{"id":"x","n":21,"published":true}`, 1 << 60: `{}`,
			22: `{"id":"` + newID() + `","n":22,"name":"../../etc/passwd","size":1,"sha256":"` + strings.Repeat("ab", 32) + `","published":true}`,
			23: `{"x":"` + strings.Repeat("x", 5000) + `"}`,
		} {
			shelf.entries[n], shelf.log = []byte(entry), append(shelf.log, n)
		}
		shelf.mu.Unlock()
		a, stopA = openShelf(t, shelf, dir, Limits{})
		defer stopA()
		if list := a.List(0, 99); !slices.Equal(list, []wire.File{kept}) {
			t.Errorf("there are %+v", list)
		}
		names := namesIn(t, dir)
		if want := []string{"1-kept", resumed.ID() + partSuffix, resumed.ID() + stateSuffix}; !slices.Equal(names, want) {
			t.Errorf("the folder has %q, want %q", names, want)
		}
		opened := shelf.opened
		if got := content(t, a, kept.Number); got != "1" || shelf.opened != opened {
			t.Errorf("the copy was not used: %q", got)
		}
		if f, err := a.Publish(resumed.ID()); err != nil || content(t, a, f.Number) != "done" {
			t.Errorf("an upload from before the restart: %+v, %v", f, err)
		}
	})
}

// A file too large to be copied first is served from the shelf at once, with ranges; another content than the listed one is not served.
func TestLargeFromShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopA()
		defer stopB()
		large := strings.Repeat("0123456789abcdef", wholeFile/16+1)
		f := add(t, a, "large", large)
		other := add(t, a, "other", "right")
		synctest.Wait()
		_, r, err := b.File(t.Context(), f.Number)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, ok := r.(*os.File); ok {
			t.Error("it was copied first")
		}
		if _, err := r.Seek(-3, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		if tail, err := io.ReadAll(r); err != nil || string(tail) != large[len(large)-3:] {
			t.Errorf("its end is %q, %v", tail, err)
		}
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(b.folder, "1-large")); err != nil {
			t.Errorf("it was not copied meanwhile: %v", err)
		}
		shelf.mu.Lock()
		shelf.contents[other.Number] = []byte("wrong")
		shelf.mu.Unlock()
		if _, _, err := b.File(t.Context(), other.Number); err == nil {
			t.Error("another content was served")
		}
	})
}

// A download that comes before the list waits for it, but not for long.
func TestFileAheadOfList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		a, stopA := openShelf(t, shelf, "", Limits{})
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopA()
		defer stopB()
		time.AfterFunc(time.Second, func() { add(t, a, "soon", "now") })
		if got := content(t, b, 1); got != "now" {
			t.Errorf("it is %q", got)
		}
		before := time.Now()
		if _, _, err := b.File(t.Context(), 2); err != ErrGone || time.Since(before) != aheadTime {
			t.Errorf("a file that never comes: %v after %v", err, time.Since(before))
		}
		before = time.Now()
		if _, _, err := b.File(t.Context(), 1_000_000); err != ErrGone || time.Since(before) != 0 {
			t.Errorf("a number far ahead: %v after %v", err, time.Since(before))
		}
	})
}

// An upload that has arrived while the cluster does not answer is kept: its sender asks for its offset, which finishes it.
func TestFinishedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemoryShelf()
		s, stop := openShelf(t, shelf, t.TempDir(), Limits{})
		defer stop()
		u, err := s.Begin(Offer{Name: "tea", Size: 5, Resumable: true})
		if err != nil {
			t.Fatal(err)
		}
		shelf.setDown(true)
		if n, err := u.Append(Piece{Body: strings.NewReader("green")}); n != 5 || err != ErrShelf {
			t.Errorf("appended: %d, %v", n, err)
		}
		if _, err := s.Publish(u.ID()); err != ErrGone {
			t.Errorf("published: %v", err)
		}
		if _, err := u.Offset(); err != ErrShelf {
			t.Errorf("still down: %v", err)
		}
		shelf.setDown(false)
		if n, err := u.Offset(); n != 5 || err != nil {
			t.Errorf("later: %d, %v", n, err)
		}
		if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "green" {
			t.Errorf("published later: %+v, %v", f, err)
		}
	})
}

// A host that ends while it puts an upload on the shelf does so after its restart. Until then no one can publish it.
func TestFinishedAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf, dir := newMemoryShelf(), t.TempDir()
		a, stopA := openShelf(t, shelf, dir, Limits{})
		u, err := a.Begin(Offer{Name: "tea", Size: 5, Resumable: true})
		if err != nil {
			t.Fatal(err)
		}
		shelf.setDown(true)
		appended := make(chan error)
		go func() {
			_, err := u.Append(Piece{Body: strings.NewReader("green")})
			appended <- err
		}()
		synctest.Wait()
		stopA()
		if err := <-appended; err != ErrClosed {
			t.Errorf("appended: %v", err)
		}
		shelf.setDown(false)
		a, stopA = openShelf(t, shelf, dir, Limits{})
		defer stopA()
		b, stopB := openShelf(t, shelf, "", Limits{})
		defer stopB()
		again := a.Upload(u.ID())
		if again == nil {
			t.Fatal("the upload is gone")
		}
		if _, err := b.Publish(u.ID()); err != ErrGone {
			t.Errorf("published before it is complete: %v", err)
		}
		if n, err := again.Offset(); n != 5 || err != nil {
			t.Errorf("after the restart: %d, %v", n, err)
		}
		synctest.Wait()
		if f, err := b.Publish(u.ID()); err != nil || content(t, b, f.Number) != "green" {
			t.Errorf("published: %+v, %v", f, err)
		}
	})
}
