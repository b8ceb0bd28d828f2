package files

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/diskspace"
)

// Announcing files takes no space: only bytes that arrive do, and a piece ahead.
func TestAnnouncedFilesTakeNoSpace(t *testing.T) {
	s := open(t, "", Limits{})
	for range 10 {
		if _, err := s.Begin(Offer{Name: "soup", Size: 1 << 30}); err != nil {
			t.Fatal(err)
		}
	}
	u := begin(t, s, "soup", 1<<30)
	if _, err := u.Append(Piece{Body: strings.NewReader("soup")}); err != nil || s.held != reservePiece {
		t.Errorf("held are %d bytes; %v", s.held, err)
	}
	u.Drop()
	if s.held != 0 {
		t.Errorf("held are %d bytes", s.held)
	}
}

// Uploads without a byte keep no one out: the oldest gives way, and all are dropped after a minute, even
// if someone asks for their offset again and again.
func TestEmptyUploadsGiveWay(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		s, err := Open("", Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var uploads []*Upload
		for i := range 64 {
			u, err := s.Begin(Offer{Name: "soup", Size: int64(i % 2), Address: fmt.Sprintf("192.168.2.%d", i/8)})
			if err != nil {
				t.Fatal(err)
			}
			uploads = append(uploads, u)
			time.Sleep(time.Millisecond)
		}
		if _, err := s.Begin(Offer{Name: "soup", Size: 1, Address: "192.168.2.0"}); err != ErrBusy {
			t.Errorf("the ninth from one address: %v", err)
		}
		soup := begin(t, s, "soup", 1)
		if s.Upload(uploads[0].ID()) != nil || s.Upload(uploads[1].ID()) == nil {
			t.Error("the oldest one did not give way")
		}
		if _, err := soup.Append(Piece{Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
		for range 7 {
			time.Sleep(9 * time.Second)
			for _, u := range uploads {
				u.Offset()
			}
		}
		synctest.Wait()
		if s.Upload(soup.ID()) == nil || len(s.uploads) != 1 {
			t.Errorf("there are %d uploads, want the one with a byte", len(s.uploads))
		}
	})
}

// Empty files do not use up the number of files for good.
func TestEmptyFilesGiveWay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{MaxFiles: 3, PerAddress: 3})
	add(t, s, "bread", "bread")
	empty := []uint64{add(t, s, "empty", "").Number, add(t, s, "empty", "").Number}
	u, err := s.Begin(Offer{Name: "soup", Size: 4, Address: "192.168.1.8"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Append(Piece{Body: strings.NewReader("soup")}); err != nil {
		t.Fatal(err)
	}
	soup, err := s.Publish(u.ID())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := s.File(t.Context(), empty[0]); err != ErrGone {
			t.Errorf("the first empty file: %v", err)
		}
		if content(t, s, 1) != "bread" || content(t, s, empty[1]) != "" || content(t, s, soup.Number) != "soup" {
			t.Error("another file is gone")
		}
		s.Close()
		s = open(t, dir, Limits{})
	}
}

// Uploads stop before the disk is full.
func TestReserve(t *testing.T) {
	const gib = 1 << 30
	var log bytes.Buffer
	s := open(t, "", Limits{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, test := range []struct {
		free, total, size int64
		rejected          bool
	}{
		{1*gib + 10, 10 * gib, 10, false},
		{1*gib + 9, 10 * gib, 10, true},
		{5*gib - 1, 100 * gib, 1, true},
		{5*gib + 1, 100 * gib, 1, false},
		{5*gib - 1, 100 * gib, -1, true},
		{0, 0, 1, true},
	} {
		s.space = func() (int64, int64, error) { return test.free, test.total, nil }
		u, err := s.Begin(Offer{Name: "soup", Size: test.size})
		_, low := errors.AsType[*LowDiskError](err)
		if low != test.rejected || (err != nil) != low {
			t.Errorf("%+v: %v", test, err)
		}
		if err == nil {
			u.Drop()
		}
	}

	if low, enough := strings.Count(log.String(), "are rejected"), strings.Count(log.String(), "accepted again"); low != 2 || enough != 1 {
		t.Errorf("logged %d and %d times, want each change once: %s", low, enough, log.String())
	}

	// The disk fills up during the upload.
	free := int64(3 * gib)
	s.space = func() (int64, int64, error) { return free, 10 * gib, nil }
	u := begin(t, s, "soup", 2*reservePiece)
	if _, err := u.Append(Piece{Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	free = gib
	_, err := u.Append(Piece{Offset: 1, Body: strings.NewReader(strings.Repeat("x", 2*reservePiece-1))})
	if _, low := errors.AsType[*LowDiskError](err); !low || s.held != 0 {
		t.Errorf("held are %d bytes; %v", s.held, err)
	}
	if err != nil && err.Error() != "the host's disk is almost full: 1.0 GiB are free, and uploads stop below 1.0 GiB" {
		t.Errorf("it says %q", err)
	}

	s.space = func() (int64, int64, error) { return 0, 0, errors.ErrUnsupported }
	begin(t, s, "soup", 1)
	free, total, err := diskspace.Of(s.folder)
	if err != nil || free <= 0 || total < free {
		t.Errorf("of %d bytes %d are free; %v", total, free, err)
	}
}
