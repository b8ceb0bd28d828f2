package files

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A model has the expected contents of a Store.
type model struct {
	uploads map[string]*modelUpload // by ID
	files   map[uint64]string       // contents by number
	removed []uint64                // numbers of files that an operator removed
}

type modelUpload struct {
	content   string // all of it
	at        int
	reserved  bool // all of it, by this run
	resumable bool
}

// Whatever happens to uploads, in whatever order and with restarts in between, the store
// holds what it should, the folder nothing else, and the accounts are right.
func TestModel(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		limits := Limits{MaxTotal: 300, MaxFiles: 12, Uploads: 6}
		s, err := Open(dir, limits)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		m := &model{uploads: map[string]*modelUpload{}, files: map[uint64]string{}}
		r.Repeat(map[string]func(*rapid.T){
			"begin":   func(r *rapid.T) { m.begin(r, s, limits) },
			"append":  func(r *rapid.T) { m.append(r, s, limits) },
			"publish": func(r *rapid.T) { m.publish(r, s) },
			"drop": func(r *rapid.T) {
				id := m.any(r)
				s.Upload(id).Drop()
				delete(m.uploads, id)
			},
			"remove": func(r *rapid.T) {
				if len(m.files) == 0 {
					r.Skip("there are no files")
				}
				number := rapid.SampledFrom(slices.Sorted(maps.Keys(m.files))).Draw(r, "file")
				if f, err := s.Remove(number); err != nil || f.Number != number {
					r.Fatalf("remove %d: %+v, %v", number, f, err)
				}
				delete(m.files, number)
				m.removed = append(m.removed, number)
			},
			"restart": func(r *rapid.T) {
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				if s, err = Open(dir, limits); err != nil {
					r.Fatal(err)
				}
				maps.DeleteFunc(m.uploads, func(_ string, u *modelUpload) bool { return !u.resumable })
				for _, u := range m.uploads {
					u.reserved = false
				}
			},
			"": func(r *rapid.T) { m.check(r, s, dir) },
		})
	})
}

// any returns the ID of an upload.
func (m *model) any(r *rapid.T) string {
	if len(m.uploads) == 0 {
		r.Skip("there are no uploads")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.uploads))).Draw(r, "upload")
}

// held returns how many bytes files and uploads account for: those of an upload from its first one
// on, since they are fewer than it reserves at a time.
func (m *model) held() (n int64) {
	for _, u := range m.uploads {
		if u.reserved {
			n += int64(len(u.content))
		} else {
			n += int64(u.at)
		}
	}
	for _, content := range m.files {
		n += int64(len(content))
	}
	return n
}

func (m *model) begin(r *rapid.T, s *Store, limits Limits) {
	size := rapid.IntRange(0, 100).Draw(r, "size")
	u := &modelUpload{content: strings.Repeat(string(rune('a'+len(m.uploads))), size), resumable: rapid.Bool().Draw(r, "resumable")}
	full, many := len(m.uploads) >= limits.Uploads, len(m.files)+len(m.uploads) >= limits.MaxFiles
	var want error
	switch {
	case m.held()+int64(size) > limits.MaxTotal:
		want = ErrNoRoom
	case full && !m.hasIdle():
		want = ErrBusy
	case many && !full && m.firstEmpty() == 0:
		want = ErrNoRoom
	}
	upload, err := s.Begin(Offer{Name: "soup", Size: int64(size), Resumable: u.resumable})
	if err != want {
		r.Fatalf("begin %d bytes: %v, want %v", size, err, want)
	}
	if err != nil {
		return
	}
	switch {
	case full:
		m.loseIdle(r, s)
	case many:
		delete(m.files, m.firstEmpty())
	}
	m.uploads[upload.ID()] = u
}

func (m *model) hasIdle() bool {
	for _, u := range m.uploads {
		if u.at == 0 {
			return true
		}
	}
	return false
}

// loseIdle removes the upload that gave way: one without a byte.
func (m *model) loseIdle(r *rapid.T, s *Store) {
	for id, u := range m.uploads {
		if s.Upload(id) == nil && u.at == 0 {
			delete(m.uploads, id)
			return
		}
	}
	r.Fatal("no upload without a byte gave way")
}

// firstEmpty returns the lowest number of an empty file; 0: there is none.
func (m *model) firstEmpty() uint64 {
	for _, number := range slices.Sorted(maps.Keys(m.files)) {
		if m.files[number] == "" {
			return number
		}
	}
	return 0
}

func (m *model) append(r *rapid.T, s *Store, limits Limits) {
	id := m.any(r)
	u := m.uploads[id]
	end := rapid.IntRange(u.at, len(u.content)).Draw(r, "end")
	before := m.held()
	offset, err := s.Upload(id).Append(Piece{Offset: int64(u.at), Body: strings.NewReader(u.content[u.at:end])})
	if end > u.at && !u.reserved {
		if before+int64(len(u.content)-u.at) > limits.MaxTotal && before+int64(end-u.at) > limits.MaxTotal {
			if err != ErrNoRoom || s.Upload(id) != nil {
				r.Fatalf("append to %d in a full store: %v", end, err)
			}
			delete(m.uploads, id)
			return
		}
		u.reserved = before+int64(len(u.content)-u.at) <= limits.MaxTotal
	}
	if end == len(u.content) {
		u.reserved = true
	}
	if err != nil || offset != int64(end) {
		r.Fatalf("append to %d: %d, %v", end, offset, err)
	}
	u.at = end
}

func (m *model) publish(r *rapid.T, s *Store) {
	id := m.any(r)
	u := m.uploads[id]
	f, err := s.Publish(id)
	if u.at < len(u.content) {
		if err != ErrGone {
			r.Fatalf("publish an unfinished upload: %+v, %v", f, err)
		}
		return
	}
	if _, taken := m.files[f.Number]; err != nil || taken || f.Number == 0 {
		r.Fatalf("publish: %+v, %v", f, err)
	}
	m.files[f.Number] = u.content
	delete(m.uploads, id)
}

// check compares the store and its folder with the model.
func (m *model) check(r *rapid.T, s *Store, dir string) {
	want := []string{indexName}
	for id, u := range m.uploads {
		upload := s.Upload(id)
		if upload == nil {
			r.Fatalf("upload %s is gone", id)
		}
		_, finished := upload.Finished()
		if offset, err := upload.Offset(); err != nil || offset != int64(u.at) || finished != (u.at == len(u.content)) {
			r.Fatalf("upload %s is at %d of %d, finished %v, want %d; %v", id, offset, len(u.content), finished, u.at, err)
		}
		want = append(want, id+partSuffix)
		if u.resumable {
			want = append(want, id+stateSuffix)
		}
	}
	for number, content := range m.files {
		f, file, err := s.File(context.Background(), number)
		if err != nil {
			r.Fatal(err)
		}
		b, err := io.ReadAll(file)
		file.Close()
		if err != nil || string(b) != content || f.Size != int64(len(content)) {
			r.Fatalf("file %d has %q, want %q; %v", number, b, content, err)
		}
		want = append(want, fmt.Sprintf("%d-soup", number))
	}
	for _, number := range m.removed {
		if _, _, err := s.File(context.Background(), number); err != ErrRemoved {
			r.Fatalf("file %d was removed: %v", number, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Name() != lockName {
			got = append(got, e.Name())
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.Fatalf("the folder has %q, want %q", got, want)
	}
	if s.held != m.held() || len(s.uploads) != len(m.uploads) || len(s.List(0, 100)) != len(m.files) {
		r.Fatalf("held are %d bytes in %d uploads and %d files, want %d, %d and %d",
			s.held, len(s.uploads), len(s.List(0, 100)), m.held(), len(m.uploads), len(m.files))
	}
}
