package files

import (
	"fmt"
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
}

type modelUpload struct {
	content   string // all of it
	at        int
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
		m := &model{map[string]*modelUpload{}, map[uint64]string{}}
		r.Repeat(map[string]func(*rapid.T){
			"begin":   func(r *rapid.T) { m.begin(r, s, limits) },
			"append":  func(r *rapid.T) { m.append(r, s) },
			"publish": func(r *rapid.T) { m.publish(r, s) },
			"drop": func(r *rapid.T) {
				id := m.any(r)
				s.Upload(id).Drop()
				delete(m.uploads, id)
			},
			"restart": func(r *rapid.T) {
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				if s, err = Open(dir, limits); err != nil {
					r.Fatal(err)
				}
				maps.DeleteFunc(m.uploads, func(_ string, u *modelUpload) bool { return !u.resumable })
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

// held returns how many bytes files and uploads account for.
func (m *model) held() (n int64) {
	for _, u := range m.uploads {
		n += int64(len(u.content))
	}
	for _, content := range m.files {
		n += int64(len(content))
	}
	return n
}

func (m *model) begin(r *rapid.T, s *Store, limits Limits) {
	size := rapid.IntRange(0, 100).Draw(r, "size")
	u := &modelUpload{strings.Repeat(string(rune('a'+len(m.uploads))), size), 0, rapid.Bool().Draw(r, "resumable")}
	var want error
	switch {
	case len(m.uploads) >= limits.Uploads:
		want = ErrBusy
	case m.held()+int64(size) > limits.MaxTotal, len(m.files)+len(m.uploads) >= limits.MaxFiles:
		want = ErrNoRoom
	}
	upload, err := s.Begin(Offer{Name: "soup", Size: int64(size), Resumable: u.resumable})
	if err != want {
		r.Fatalf("begin %d bytes: %v, want %v", size, err, want)
	}
	if err == nil {
		m.uploads[upload.ID()] = u
	}
}

func (m *model) append(r *rapid.T, s *Store) {
	id := m.any(r)
	u := m.uploads[id]
	end := rapid.IntRange(u.at, len(u.content)).Draw(r, "end")
	offset, err := s.Upload(id).Append(Piece{Offset: int64(u.at), Body: strings.NewReader(u.content[u.at:end])})
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
		f, file, err := s.File(number)
		if err != nil {
			r.Fatal(err)
		}
		b, err := os.ReadFile(file.Name())
		file.Close()
		if err != nil || string(b) != content || f.Size != int64(len(content)) {
			r.Fatalf("file %d has %q, want %q; %v", number, b, content, err)
		}
		want = append(want, fmt.Sprintf("%d-soup", number))
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
