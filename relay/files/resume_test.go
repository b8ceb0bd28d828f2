package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// resumable starts an upload that outlives the store.
func resumable(t *testing.T, s *Store, name string, size int64, sum []byte) *Upload {
	t.Helper()
	u, err := s.Begin(Offer{Name: name, Size: size, Sum: sum, Address: "192.168.1.7", Resumable: true})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// appendText appends a piece of a file and returns the new offset.
func appendText(t *testing.T, u *Upload, at int, text string) int64 {
	t.Helper()
	offset, err := u.Append(Piece{Offset: int64(at), Body: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

// kill stops a store as a killed host does: nothing is cleaned up.
func kill(t *testing.T, s *Store) {
	t.Helper()
	for _, u := range s.uploads {
		u.timer.Stop()
		if u.file != nil {
			u.file.Close()
		}
	}
	if err := errors.Join(s.index.close(), s.root.Close(), s.lock.Close()); err != nil {
		t.Fatal(err)
	}
}

// An upload continues after a restart of the host, from the bytes on disk, wherever it stopped.
func TestUploadsSurviveRestart(t *testing.T) {
	const text = "\x89PNG\r\n\x1a\nsoup is ready, and so is the bread; there is also some salad for those who like it"
	sum := sha256.Sum256([]byte(text))
	for name, stop := range map[string]func(*testing.T, *Store){
		"closed": func(t *testing.T, s *Store) {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		},
		"killed": kill,
	} {
		for _, at := range []int{0, 1, 12, sniffed, sniffed + 1, len(text) - 1} {
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir, Limits{})
				u := resumable(t, s, "soup.png", int64(len(text)), sum[:])
				if at > 0 {
					appendText(t, u, 0, text[:at])
				}
				stop(t, s)

				s = open(t, dir, Limits{})
				u = s.Upload(u.ID())
				if u == nil {
					t.Fatal("the upload is gone")
				}
				if u.Name() != "soup.png" || u.Size() != int64(len(text)) || s.held != u.at() || s.usage["192.168.1.7"] != (usage{uploads: 1, bytes: u.at()}) {
					t.Errorf("%s has %d bytes; held are %d, %v", u.Name(), u.Size(), s.held, s.usage)
				}
				if offset, err := u.Offset(); offset != int64(at) || err != nil {
					t.Errorf("it continues at %d, %v", offset, err)
				}
				if _, err := u.Append(Piece{Offset: int64(at) + 1, Body: strings.NewReader("x")}); err != ErrOffset {
					t.Errorf("at another offset: %v", err)
				}
				appendText(t, u, at, text[at:])
				f, err := s.Publish(u.ID())
				want := wire.File{Number: 1, Name: "soup.png", Size: int64(len(text)), SHA256: fmt.Sprintf("%x", sum), Type: "image/png", Path: "/files/1/soup.png"}
				if err != nil || f != want || content(t, s, 1) != text {
					t.Errorf("published is %+v, %v, want %+v", f, err, want)
				}
				if got, want := namesIn(t, dir), []string{"1-soup.png", indexName}; !slices.Equal(got, want) {
					t.Errorf("the folder has %q, want %q", got, want)
				}
			})
		}
	}
}

// A finished upload can be published after a restart, under the number that it had.
func TestFinishedUploadsSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	one, two := resumable(t, s, "one", 1, nil), resumable(t, s, "two", 2, nil)
	appendText(t, two, 0, "22")
	appendText(t, one, 0, "1")
	empty := resumable(t, s, "empty", 0, nil)
	kill(t, s)

	s = open(t, dir, Limits{})
	if next := add(t, s, "next", "n"); next.Number != 4 {
		t.Errorf("the next file is %d", next.Number)
	}
	for _, test := range []struct {
		u    *Upload
		want string
	}{{one, "2 one 1"}, {two, "1 two 22"}, {empty, "3 empty "}} {
		u := s.Upload(test.u.ID())
		if u == nil {
			t.Fatalf("%s is gone", test.want)
		}
		if f, ok := u.Finished(); !ok || f.Name != u.Name() {
			t.Errorf("%s is not finished", test.want)
		}
		if offset, err := u.Append(Piece{Offset: u.Size(), Body: strings.NewReader("")}); offset != u.Size() || err != nil {
			t.Errorf("the last piece of %s again: %d, %v", test.want, offset, err)
		}
		f, err := s.Publish(u.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s %s", f.Number, f.Name, content(t, s, f.Number)); got != test.want {
			t.Errorf("published is %s, want %s", got, test.want)
		}
	}
	s.Close()
	s = open(t, dir, Limits{})
	if n := len(s.List(0, 10)); n != 4 || len(s.uploads) != 0 {
		t.Errorf("after another restart there are %d files and %d uploads", n, len(s.uploads))
	}
}

// A host that is killed between the last byte and the state of a finished upload finishes it later.
func TestKilledBeforeFinish(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	sum := sha256.Sum256([]byte("soup"))
	u, other := resumable(t, s, "soup", 4, nil), resumable(t, s, "soap", 4, sum[:])
	kill(t, s)
	for _, part := range []struct{ id, text string }{{u.ID(), "soup"}, {other.ID(), "soap"}} {
		if err := os.WriteFile(filepath.Join(dir, part.id+partSuffix), []byte(part.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, Limits{})
	if _, err := s.Publish(u.ID()); err != ErrGone {
		t.Errorf("before it is finished: %v", err)
	}
	appendText(t, s.Upload(u.ID()), 4, "")
	if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "soup" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := s.Upload(other.ID()).Append(Piece{Offset: 4, Body: strings.NewReader("")}); err != ErrChecksum {
		t.Errorf("with another checksum: %v", err)
	}
	if got, want := namesIn(t, dir), []string{"1-soup", indexName}; !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

// Uploads that cannot be continued are deleted when the store opens.
func TestDamagedStates(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	published := add(t, s, "published", "1")
	good := resumable(t, s, "good", 4, nil)
	appendText(t, good, 0, "so")
	put := begin(t, s, "put", 4) // not resumable
	if _, err := put.Append(Piece{Body: strings.NewReader("so")}); err != nil {
		t.Fatal(err)
	}
	kill(t, s)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("soup")))
	file := `{"n":%s,"name":"soup","size":%s,"sha256":"%s","type":"text/html","path":"/etc/passwd"}`
	for i, test := range []struct{ state, part string }{
		{``, "so"},
		{`nonsense`, "so"},
		{`{"name":"../soup","size":4}`, "so"},
		{`{"name":"soup","size":-1}`, "so"},
		{`{"name":"soup","size":1}`, "so"},
		{`{"name":"soup","size":4,"sha256":"00"}`, "so"},
		{`{"name":"soup","size":2000}`, "so"},
		{`{"name":"soup","size":4,"file":` + fmt.Sprintf(file, "9", "4", sum) + `}`, "sou"},
		{`{"name":"soup","size":4,"file":` + fmt.Sprintf(file, "0", "4", sum) + `}`, "soup"},
		{`{"name":"soup","size":4,"file":` + fmt.Sprintf(file, "1", "4", sum) + `}`, "soup"}, // the number of another file
		{`{"name":"soup","size":4,"file":` + fmt.Sprintf(file, "9", "5", sum) + `}`, "soup"},
		{`{"name":"soup","size":4,"file":` + fmt.Sprintf(file, "9", "4", "") + `}`, "soup"},
		{`{"name":"soup","size":4}`, ""}, // no part file
	} {
		id := newID()
		err := os.WriteFile(filepath.Join(dir, id+stateSuffix), []byte(test.state), 0o600)
		if test.part != "" {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, id+partSuffix), []byte(test.part), 0o600))
		}
		if i == 0 {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, id+newStateSuffix), nil, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	s = open(t, dir, Limits{MaxFile: 1000, Log: slog.New(slog.NewTextHandler(&log, nil))})
	want := []string{"1-published", good.ID() + partSuffix, good.ID() + stateSuffix, indexName}
	slices.Sort(want)
	if got := namesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	if got := s.List(0, 10); !slices.Equal(got, []wire.File{published}) || len(s.uploads) != 1 || s.held != 3 {
		t.Errorf("there are %+v and %d uploads, held are %d bytes", got, len(s.uploads), s.held)
	}
	if n := strings.Count(log.String(), "cannot be continued"); n != 12 {
		t.Errorf("%d uploads are reported, want 12:\n%s", n, log.String())
	}
	// A restored type is never one that a browser shows, nor a path another one.
	if u, err := s.parseStateLocked(newID(), []byte(`{"name":"soup","size":4,"file":`+fmt.Sprintf(file, "9", "4", sum)+`}`)); err != nil || u.finished.Type != noType || u.finished.Path != "/files/9/soup" {
		t.Errorf("restored is %+v, %v", u, err)
	}
}

// When the room closes, a request that continues an upload gets the answer to try again later, and
// the upload stays. In a temporary folder it does not.
func TestCloseDuringUpload(t *testing.T) {
	for name, dir := range map[string]string{"stays": t.TempDir(), "temporary": ""} {
		t.Run(name, func(t *testing.T) {
			s := open(t, dir, Limits{})
			u := resumable(t, s, "soup", 10, nil)
			in, out := io.Pipe()
			ended := make(chan error)
			go func() {
				_, err := u.Append(Piece{Body: in, Cut: func() { out.CloseWithError(ErrCut) }})
				ended <- err
			}()
			io.WriteString(out, "01234")
			for u.at() < 5 {
				time.Sleep(time.Millisecond)
			}
			closed := make(chan error)
			go func() { closed <- s.Close() }()
			want := map[string]error{"stays": ErrClosed, "temporary": ErrGone}[name]
			if err := <-ended; err != want {
				t.Errorf("the request ends with %v, want %v", err, want)
			}
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if _, err := u.Offset(); err != ErrClosed {
				t.Errorf("after Close: %v", err)
			}
			if dir == "" {
				return
			}
			s = open(t, dir, Limits{})
			if u = s.Upload(u.ID()); u == nil {
				t.Fatal("the upload is gone")
			}
			appendText(t, u, 5, "56789")
			if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "0123456789" {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

// The limits hold for restored uploads too, and idle ones expire.
func TestRestoredUploadsExpire(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	for i := range 3 {
		appendText(t, resumable(t, s, fmt.Sprint(i), 100, nil), 0, "0")
	}
	s.Close()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Limits{PerAddress: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		s.mu.Lock()
		if len(s.uploads) != 2 || s.held != 2 {
			t.Errorf("%d uploads with %d bytes are restored, want 2", len(s.uploads), s.held)
		}
		s.mu.Unlock()
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := namesIn(t, dir); !slices.Equal(got, []string{indexName}) || s.held != 0 {
			t.Errorf("the folder has %q, held are %d bytes", got, s.held)
		}
	})
}

// A file that cannot get its name is not published; once it can, it is.
func TestPublishFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	u := resumable(t, s, "soup", 4, nil)
	appendText(t, u, 0, "soup")
	blocked := filepath.Join(dir, "1-soup")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Publish(u.ID()); err == nil {
		t.Errorf("published is %+v", f)
	}
	if len(s.List(0, 10)) != 0 || s.Upload(u.ID()) == nil || s.index.size != 0 {
		t.Errorf("there are %+v, the index has %d bytes", s.List(0, 10), s.index.size)
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "soup" {
		t.Errorf("%+v, %v", f, err)
	}
}

// No state or line of the index, however damaged, names a file outside of the folder.
func FuzzParse(f *testing.F) {
	sum := strings.Repeat("0", 64)
	for _, line := range []string{
		`{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA","n":5,"name":"soup","size":1,"sha256":"` + sum + `","type":"image/png"}`,
		`{"name":"soup","size":4,"sha256":"","address":"192.168.1.7","file":{"n":9,"name":"soup","size":4,"sha256":"` + sum + `"}}`,
		`{"n":5,"removed":"2026-11-25T10:02:11Z"}`, `{"name":"soup","size":-1,"partial":true,"deferred":true}`,
		`{"name":"..","size":-1}`, `{"id":"../../../../../../../../..","n":1}`, `null`, `[]`, `{`, ``,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Store{files: map[uint64]file{}, uploads: map[string]*Upload{}}
		check := func(f *wire.File) {
			if f.Number == 0 || f.Number >= maxNumber || f.Size < 0 || len(f.SHA256) != 64 ||
				f.Name != filepath.Base(f.Name) || f.Path != wire.FilePath(f.Number, f.Name) {
				t.Errorf("%q is the file %+v", b, f)
			}
		}
		if f, removed, err := s.parseEntry(b); err == nil && removed {
			if f.Number == 0 || f.Number >= maxNumber {
				t.Errorf("%q removes file %d", b, f.Number)
			}
		} else if err == nil {
			check(&f.File)
			if f.diskName() != filepath.Base(f.diskName()) || !isID(f.id) {
				t.Errorf("%q is called %q", b, f.diskName())
			}
		}
		u, err := s.parseStateLocked("ID", b)
		if err != nil {
			return
		}
		if u.size < 0 != u.deferred || u.name != filepath.Base(u.name) {
			t.Errorf("%q is the upload %q of %d bytes", b, u.name, u.size)
		}
		if u.finished != nil {
			check(u.finished)
		}
		state := uploadState{u.name, u.size, u.partial, u.deferred, fmt.Sprintf("%x", u.sum), u.address, u.finished}
		again, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.parseStateLocked("ID", again); err != nil {
			t.Errorf("%s does not parse again: %v", again, err)
		}
	})
}
