package files

import (
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func check(text string) *Check {
	sum := sha1.Sum([]byte(text))
	return &Check{sha1.New(), sum[:]}
}

// A piece whose checksum is wrong is removed again, and the upload continues.
func TestCheckedPieces(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	text := "\x89PNG\r\n\x1a\n" + strings.Repeat("soup", 100_000)
	u := resumable(t, s, "soup", int64(len(text)), nil)
	step := func(p Piece, wantAt int, want error) {
		t.Helper()
		if at, err := u.Append(p); at != int64(wantAt) || err != want {
			t.Errorf("at %d: %v, want %d and %v", at, err, wantAt, want)
		}
	}
	step(Piece{Body: strings.NewReader("soup"), Check: check("soap")}, 0, ErrChecksum)
	step(Piece{Body: strings.NewReader(text[:5]), Check: check(text[:5])}, 5, nil)
	step(Piece{Offset: 5, Body: strings.NewReader("soup"), Check: check("soap")}, 5, ErrChecksum)
	cable := errors.New("the cable is pulled")
	step(Piece{Offset: 5, Body: io.MultiReader(strings.NewReader("soup"), iotest.ErrReader(cable)), Check: check("soup is ready")}, 5, cable)
	step(Piece{Offset: 5, Body: strings.NewReader(text[5:300_000]), Check: check(text[5:300_000])}, 300_000, nil)
	whole := sha256.Sum256([]byte(text)) // as clients of earlier versions send it with the last piece
	step(Piece{Offset: 300_000, Body: strings.NewReader(text[300_000:]), Check: &Check{sha256.New(), whole[:]}}, len(text), nil)
	step(Piece{Offset: int64(len(text)), Body: strings.NewReader(""), Check: &Check{sha256.New(), whole[:]}}, len(text), nil)
	step(Piece{Offset: int64(len(text)), Body: strings.NewReader(""), Check: check("soap")}, len(text), ErrChecksum)
	f, err := s.Publish(u.ID())
	if err != nil || content(t, s, f.Number) != text || f.Type != "image/png" {
		t.Errorf("%+v, %v", f, err)
	}
}

// The size of an upload can be named later, also after a restart.
func TestDeferredSize(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{MaxFile: 100})
	u, err := s.Begin(Offer{Name: "soup", Size: -1, Deferred: true, Resumable: true})
	if err != nil {
		t.Fatal(err)
	}
	appendText(t, u, 0, "so")
	if _, ok := u.Finished(); ok || u.Size() != -1 {
		t.Error("the end of a piece is not the end of the file")
	}
	s.Close()
	s = open(t, dir, Limits{MaxFile: 100})
	u = s.Upload(u.ID())
	if u == nil || u.Size() != -1 {
		t.Fatal("it is not restored")
	}
	size := func(n int64) *int64 { return &n }
	for _, n := range []int64{1, 101} {
		if _, err := u.Append(Piece{Offset: 2, Body: strings.NewReader("up"), Size: size(n)}); err == nil {
			t.Errorf("%d bytes are accepted", n)
		}
	}
	if at, err := u.Append(Piece{Offset: 2, Body: strings.NewReader("u"), Size: size(4)}); at != 3 || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if _, err := u.Append(Piece{Offset: 3, Body: strings.NewReader("p"), Size: size(5)}); err != ErrSize {
		t.Errorf("another size: %v", err)
	}
	if at, err := u.Append(Piece{Offset: 3, Body: strings.NewReader("p"), Size: size(4)}); at != 4 || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "soup" {
		t.Errorf("%+v, %v", f, err)
	}
	u, err = s.Begin(Offer{Name: "soup", Size: -1, Deferred: true})
	if err != nil {
		t.Fatal(err)
	}
	appendText(t, u, 0, "soup")
	if at, err := u.Append(Piece{Offset: 4, Body: strings.NewReader(""), Size: size(4)}); at != 4 || err != nil {
		t.Errorf("%d, %v", at, err)
	}
	if f, err := s.Publish(u.ID()); err != nil || content(t, s, f.Number) != "soup" {
		t.Errorf("%+v, %v", f, err)
	}
}

// A file can be put together from uploads, also after a restart.
func TestConcat(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	var ids []string
	for _, text := range []string{"soup", "", " is", " ready"} {
		u, err := s.Begin(Offer{Size: int64(len(text)), Partial: true, Resumable: true, Address: "192.168.1.7"})
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			appendText(t, u, 0, text)
		}
		if _, err := s.Publish(u.ID()); err != ErrGone {
			t.Errorf("a part is published: %v", err)
		}
		ids = append(ids, u.ID())
	}
	s.Close()
	s = open(t, dir, Limits{})
	half, err := s.Begin(Offer{Size: 4, Partial: true})
	if err != nil {
		t.Fatal(err)
	}
	other := begin(t, s, "other", 0)
	for _, wrong := range [][]string{{ids[0], half.ID()}, {ids[0], other.ID()}, {ids[0], ids[0]}, {ids[0], "nonsense"}} {
		if u, err := s.Concat(Offer{Name: "soup"}, wrong); err != ErrGone {
			t.Errorf("of %q: %v, %v", wrong, u, err)
		}
	}
	slices.Reverse(ids[2:])
	u, err := s.Concat(Offer{Name: "soup", Address: "192.168.1.7"}, ids)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Publish(u.ID())
	if err != nil || content(t, s, f.Number) != "soup ready is" {
		t.Errorf("%+v, %v", f, err)
	}
	half.Drop()
	other.Drop()
	if s.held != f.Size || len(s.uploads) != 0 || len(namesIn(t, dir)) != 2 {
		t.Errorf("held are %d bytes in %d uploads; the folder has %q", s.held, len(s.uploads), namesIn(t, dir))
	}
}
