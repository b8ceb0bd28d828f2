package files

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chat/relay/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, l Limits) *Store {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s, err := Open(dir, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func begin(t *testing.T, s *Store, name string, size int64) *Upload {
	t.Helper()
	u, err := s.Begin(Offer{Name: name, Size: size, Address: "192.168.1.7"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// add uploads and publishes a file.
func add(t *testing.T, s *Store, name, content string) wire.File {
	t.Helper()
	u := begin(t, s, name, int64(len(content)))
	if content != "" {
		if _, err := u.Append(Piece{Body: strings.NewReader(content)}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := s.Publish(u.ID())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, s *Store, number uint64) string {
	t.Helper()
	_, r, err := s.File(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestFilesStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	s := open(t, dir, Limits{})
	soup := add(t, s, "soup.png", "\x89PNG\r\n\x1a\nsoup")
	want := wire.File{Number: 1, Name: "soup.png", Size: 12, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("\x89PNG\r\n\x1a\nsoup"))), Type: "image/png", Path: "/files/1/soup.png"}
	if soup != want {
		t.Errorf("got %+v, want %+v", soup, want)
	}
	passwd := add(t, s, "../../etc/passwd", "root")
	empty := add(t, s, "CON", "")
	again, err := s.Publish(s.files[2].id)
	if err != nil || again != passwd {
		t.Errorf("published again it is %+v, %v", again, err)
	}
	unfinished := begin(t, s, "never", 4)
	if got, want := namesIn(t, dir), []string{"1-soup.png", "2-passwd", "3-_CON", "index.jsonl"}; !slices.Equal(slices.DeleteFunc(got, func(n string) bool { return n == unfinished.ID()+".part" }), want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	if _, err := Open(dir, Limits{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second host: %v", err)
	}
	s.Close()

	s = open(t, dir, Limits{})
	if got := s.List(0, 10); !slices.Equal(got, []wire.File{empty, passwd, soup}) {
		t.Errorf("after the restart there are %+v", got)
	}
	if got := s.List(3, 1); !slices.Equal(got, []wire.File{passwd}) {
		t.Errorf("before 3 there is %+v", got)
	}
	if got := content(t, s, 2); got != "root" {
		t.Errorf("in file 2 is %q", got)
	}
	if next := add(t, s, "next", "1"); next.Number != 4 {
		t.Errorf("the next one is %d", next.Number)
	}
	if err := os.Remove(filepath.Join(dir, "2-passwd")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.File(t.Context(), 2); err != ErrGone || len(s.List(0, 10)) != 3 {
		t.Errorf("a file that the folder's owner deleted: %v", err)
	}
	s.Close()
	if s = open(t, dir, Limits{}); len(s.List(0, 10)) != 3 {
		t.Errorf("there are %+v", s.List(0, 10))
	}
}

// The folder is repaired after a crash. Damaged lines of the index are logged and skipped.
func TestDamagedFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	one, two := add(t, s, "one", "1"), add(t, s, "two", "2")
	id := s.files[2].id
	s.Close()
	index := filepath.Join(dir, indexName)
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The host was killed after a line of the index and before the rename, within a line, and during an upload.
	if err := os.Rename(filepath.Join(dir, "2-two"), filepath.Join(dir, id+partSuffix)); err != nil {
		t.Fatal(err)
	}
	write(newID()+partSuffix, "half")
	write("7-notes.txt", "its owner's")
	write(indexName, "{nonsense}\n"+strings.Repeat("x", 3*maxEntry)+"\n"+
		`{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA","n":5,"name":"../../etc/passwd","size":1,"sha256":"`+one.SHA256+"\"}\n"+string(whole)+`{"id":"AAAA`)
	var log bytes.Buffer
	s = open(t, dir, Limits{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := s.List(0, 10); !slices.Equal(got, []wire.File{two, one}) || content(t, s, 2) != "2" {
		t.Errorf("there are %+v", got)
	}
	if !strings.Contains(log.String(), "lines=3") {
		t.Errorf("logged %s", log.String())
	}
	if got, want := namesIn(t, dir), []string{"1-one", "2-two", "7-notes.txt", indexName}; !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	if next := add(t, s, "notes.txt", "ours"); next.Number != 8 {
		t.Errorf("the next one is %d, and 7 is taken", next.Number)
	}
	s.Close()
	if s = open(t, dir, Limits{}); len(s.List(0, 10)) != 3 {
		t.Errorf("there are %+v", s.List(0, 10))
	}
}

func TestTemporaryFolder(t *testing.T) {
	s := open(t, "", Limits{First: 42})
	if f := add(t, s, "one", "1"); f.Number != 42 {
		t.Errorf("the first one is %d", f.Number)
	}
	begin(t, s, "half", 100)
	// The folder of a host that was killed.
	left := filepath.Join(filepath.Dir(s.folder), tempPrefix+"left")
	if err := errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, lockName), nil, 0o600),
		os.Chtimes(filepath.Join(left, lockName), time.Unix(1, 0), time.Unix(1, 0)), os.WriteFile(filepath.Join(left, "1-one"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	os.Chtimes(filepath.Join(s.folder, lockName), time.Unix(1, 0), time.Unix(1, 0)) // but its host runs
	t.Setenv("XDG_CACHE_HOME", filepath.Dir(filepath.Dir(s.folder)))
	other, err := Open("", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, 42); got != "1" {
		t.Errorf("the folder of another host has %q", got)
	}
	other.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if names := namesIn(t, filepath.Dir(s.folder)); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

func TestPieces(t *testing.T) {
	s := open(t, "", Limits{})
	text := strings.Repeat("soup", 100_000)
	sum := sha256.Sum256([]byte(text))
	u := begin(t, s, "soup", int64(len(text)))
	cable := errors.New("the cable is pulled")
	at, err := u.Append(Piece{Body: io.MultiReader(strings.NewReader(text[:100_001]), iotest.ErrReader(cable))})
	if at != 100_001 || err != cable {
		t.Errorf("%d, %v", at, err)
	}
	if at, err := u.Append(Piece{Offset: 100_000, Body: strings.NewReader(text)}); at != 100_001 || err != ErrOffset {
		t.Errorf("at a wrong offset: %d, %v", at, err)
	}
	if at, err := u.Append(Piece{Offset: 100_001, Body: iotest.OneByteReader(strings.NewReader(text[100_001:100_100]))}); at != 100_100 || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if _, err := s.Publish(u.ID()); err != ErrGone {
		t.Errorf("published before it has arrived: %v", err)
	}
	if at, err := u.Append(Piece{Offset: 100_100, Body: strings.NewReader(text[100_100:] + "and more"), Sum: sum[:]}); at != int64(len(text)) || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if at, err := u.Append(Piece{Offset: int64(len(text)), Body: strings.NewReader(""), Sum: sum[:]}); at != int64(len(text)) || err != nil {
		t.Errorf("the last one again: %d, %v", at, err)
	}
	f, err := s.Publish(u.ID())
	if err != nil || f.SHA256 != fmt.Sprintf("%x", sum) || content(t, s, f.Number) != text {
		t.Errorf("%+v, %v", f, err)
	}

	u = begin(t, s, "soup", 4)
	if _, err := u.Append(Piece{Body: strings.NewReader("soap"), Sum: sum[:]}); err != ErrChecksum {
		t.Errorf("with a wrong checksum: %v", err)
	}
	if _, err := u.Offset(); err != ErrGone || s.Upload(u.ID()) != nil {
		t.Errorf("and then: %v", err)
	}
}

// Of two requests for one upload, the later one continues from the bytes on disk.
func TestTwoAtOnce(t *testing.T) {
	s := open(t, "", Limits{})
	u := begin(t, s, "soup", 10)
	in, out := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := u.Append(Piece{Body: in, Cut: func() { out.CloseWithError(ErrCut) }})
		first <- err
	}()
	io.WriteString(out, "01234")
	at, err := u.Offset()
	if at != 5 || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if err := <-first; err != ErrCut {
		t.Errorf("the first one: %v", err)
	}
	var both sync.WaitGroup
	var errs [8]error
	for i := range errs {
		both.Go(func() { _, errs[i] = u.Append(Piece{Offset: 5, Body: strings.NewReader("56789")}) })
	}
	both.Wait()
	ok := 0
	for _, err := range errs {
		if err == nil {
			ok++
		} else if err != ErrOffset {
			t.Error(err)
		}
	}
	if f, err := s.Publish(u.ID()); ok != 1 || err != nil || content(t, s, f.Number) != "0123456789" {
		t.Errorf("%d succeeded; %v", ok, err)
	}
}

func TestLimits(t *testing.T) {
	s := open(t, "", Limits{MaxFile: 100, MaxTotal: 150, MaxFiles: 8, Uploads: 3, PerAddress: 2})
	refused := func(want error, size int64, address string) {
		t.Helper()
		if _, err := s.Begin(Offer{Name: "soup", Size: size, Address: address}); err != want {
			t.Errorf("%d bytes from %s: %v, want %v", size, address, err, want)
		}
	}
	if _, err := s.Begin(Offer{Size: 101}); err == nil || err.Error() != "a file has at most 100 B here" {
		t.Error(err)
	}
	one, announced := begin(t, s, "one", 100), begin(t, s, "announced", 100) // announcing takes no space
	announced.Drop()
	if _, err := one.Append(Piece{Body: strings.NewReader(strings.Repeat("x", 99))}); err != nil || s.held != 100 {
		t.Errorf("held are %d bytes; %v", s.held, err)
	}
	refused(ErrNoRoom, 51, "192.168.1.8")
	two := begin(t, s, "two", 10)
	refused(ErrBusy, 1, "192.168.1.7")
	if _, err := two.Append(Piece{Body: strings.NewReader("x")}); err != nil || s.held != 110 {
		t.Errorf("held are %d bytes; %v", s.held, err)
	}
	three, err := s.Begin(Offer{Name: "three", Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := three.Append(Piece{Body: io.MultiReader(strings.NewReader("x"), iotest.ErrReader(io.ErrUnexpectedEOF))}); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	refused(ErrBusy, 1, "")
	if at, err := three.Append(Piece{Offset: 1, Body: strings.NewReader(strings.Repeat("x", 41))}); at != 1 || err != ErrNoRoom {
		t.Errorf("a file that becomes too large for the room: %d, %v", at, err)
	}
	one.Drop()
	three, err = s.Begin(Offer{Name: "three", Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := three.Append(Piece{Body: strings.NewReader(strings.Repeat("x", 101))}); err == nil || err.Error() != "a file has at most 100 B here" {
		t.Error(err)
	}
	two.Drop()
	two.Drop()
	if s.held != 0 || len(s.uploads) != 0 || len(s.usage) != 0 || len(namesIn(t, s.folder)) != 0 {
		t.Errorf("held are %d bytes, %v, %v, %q", s.held, s.uploads, s.usage, namesIn(t, s.folder))
	}
	for range 2 {
		add(t, s, "soup", "x")
	}
	refused(ErrShare, 1, "192.168.1.7") // a quarter of all
	for len(s.files) < 8 {
		u, err := s.Begin(Offer{Name: "soup", Size: 1})
		if err == nil {
			_, err = u.Append(Piece{Body: strings.NewReader("x")})
		}
		if err == nil {
			_, err = s.Publish(u.ID())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	refused(ErrNoRoom, 1, "")
	if s.held != 8 {
		t.Errorf("held are %d bytes", s.held)
	}
}

// A fullPart is on a disk with space for only some bytes.
type fullPart struct {
	part
	left int // bytes
}

func (p *fullPart) WriteAt(b []byte, at int64) (int, error) {
	n, err := p.part.WriteAt(b[:min(len(b), p.left)], at)
	if p.left -= n; n < len(b) && err == nil {
		err = &os.PathError{Op: "write", Path: "soup", Err: syscall.ENOSPC}
	}
	return n, err
}

func TestDiskFull(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	kept := add(t, s, "kept", "soup")
	create := s.create
	s.create = func(name string) (part, error) {
		p, err := create(name)
		return &fullPart{p, 100}, err
	}
	u := begin(t, s, "soup", 200)
	if at, err := u.Append(Piece{Body: strings.NewReader(strings.Repeat("x", 200))}); at != 100 || err != ErrDiskFull {
		t.Errorf("%d, %v", at, err)
	}
	if got, want := namesIn(t, s.folder), []string{"1-kept", indexName}; !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	if content(t, s, kept.Number) != "soup" || s.held != 4 {
		t.Errorf("held are %d bytes", s.held)
	}
}

// An upload that is not continued or published in time is deleted.
func TestIdle(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		s, err := Open("", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		half, unpublished := begin(t, s, "half", 10), begin(t, s, "unpublished", 4)
		if _, err := unpublished.Append(Piece{Body: strings.NewReader("soup")}); err != nil {
			t.Error(err)
		}
		if _, err := half.Append(Piece{Body: strings.NewReader("0")}); err != nil {
			t.Error(err)
		}
		time.Sleep(9 * time.Minute)
		if _, err := half.Append(Piece{Offset: 1, Body: strings.NewReader("1")}); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if s.Upload(half.ID()) == nil || s.Upload(unpublished.ID()) != nil {
			t.Error("the wrong upload was deleted")
		}
		in, out := io.Pipe()
		ended := make(chan error)
		go func() {
			_, err := half.Append(Piece{Offset: 2, Body: in, Cut: func() { out.CloseWithError(ErrCut) }})
			ended <- err
		}()
		time.Sleep(time.Hour) // it still has a request, however slow
		io.WriteString(out, "2")
		if s.Upload(half.ID()) == nil {
			t.Error("an upload with a request was deleted")
		}
		go func() { s.Close() }()
		if err := <-ended; !errors.Is(err, ErrGone) {
			t.Errorf("when the room closes: %v", err)
		}
		synctest.Wait()
		if _, err := s.Begin(Offer{}); err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestTypeOf(t *testing.T) {
	for head, want := range map[string]string{
		"\x89PNG\r\n\x1a\n...":         "image/png",
		"\xff\xd8\xff\xe0":             "image/jpeg",
		"GIF89a":                       "image/gif",
		"RIFF\x10\x00\x00\x00WEBPVP8 ": "image/webp",
		"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1miaf": "image/avif",
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00miafavif": "image/avif",
		"\x00\x00\x00\x10ftypmif1\x00\x00\x00\x00avif":     noType, // after its box
		"\x00\x00\x00\x18ftypmp42avifmif1miaf":             noType,
		"<svg onload=alert(1)>":                            noType,
		"<!doctype html><script>alert(1)</script>":         noType,
		"": noType,
	} {
		if got := typeOf([]byte(head)); got != want {
			t.Errorf("%q is %s, want %s", head, got, want)
		}
	}
}
