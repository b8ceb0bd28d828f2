package relay_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// A host's answers to send requests.
func TestSend(t *testing.T) {
	soup := wire.File{Number: 3, Name: "soup.png", Size: 1_234_567, SHA256: "00", Type: "image/png", Path: "/files/3/soup.png"}
	full := errors.New("the host's disk is full")
	find := func(id string) (wire.File, error) {
		switch id {
		case "SOUP":
			return soup, nil
		case "FULL":
			return wire.File{}, full
		}
		return wire.File{}, fmt.Errorf("gone: %w", fs.ErrNotExist)
	}
	for _, test := range []struct {
		name  string
		find  func(string) (wire.File, error)
		id    string
		event wire.Event
	}{
		{"posted", find, "SOUP", wire.Event{Type: wire.TypeAction, Text: "sent soup.png (1.2 MB): /files/3/soup.png"}},
		{"gone", find, "NONE", wire.Event{Type: wire.TypeError, Code: wire.CodeNoSuchFile, Text: "the host does not have that file, or not all of it; this was not sent"}},
		{"full", find, "FULL", wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Text: "the host cannot keep that file: the host's disk is full; this was not sent"}},
		{"none", nil, "SOUP", wire.Event{Type: wire.TypeError, Code: wire.CodeBadRequest, Text: "this host accepts no files"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := relay.New(relay.Options{Files: test.find})
			ours, theirs := net.Pipe()
			served := make(chan struct{})
			go func() { srv.ServeConn(t.Context(), theirs); close(served) }()
			defer func() { ours.Close(); <-served }()
			go fmt.Fprintf(ours, "{\"type\":\"hello\",\"nick\":\"alice\"}\n{\"type\":\"send\",\"seq\":7,\"file\":%q}\n", test.id)
			for lines := bufio.NewScanner(ours); lines.Scan(); {
				e, err := wire.ParseEvent(lines.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				if e.Seq != 7 {
					continue
				}
				if e.Type != test.event.Type || e.Code != test.event.Code || e.Text != test.event.Text {
					t.Errorf("got %s", lines.Bytes())
				}
				if said := e.Type == wire.TypeAction; said && (e.File == nil || *e.File != soup || e.From != "alice" || e.ID == 0) {
					t.Errorf("got %s", lines.Bytes())
				}
				return
			}
			t.Error("nothing came")
		})
	}
}

// A program gets the path of an upload. A person gets a link at the address by which they reach
// the host, live, in the backlog and in the history.
func TestLinksToUploads(t *testing.T) {
	soup := wire.File{Number: 3, Name: "soup.png", Size: 5, Path: "/files/3/soup.png"}
	find := func(string) (wire.File, error) { return soup, nil }
	for name, path := range map[string]string{"in memory": "", "in a file": filepath.Join(t.TempDir(), "room.chat")} {
		t.Run(name, func(t *testing.T) {
			options := relay.Options{Files: find}
			srv := relay.New(options)
			if path != "" {
				file, err := history.OpenFile(path, history.Keep{})
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				if srv, err = relay.NewOn(file, options); err != nil {
					t.Fatal(err)
				}
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan struct{})
			go func() { srv.Serve(ctx, ln); close(served) }()
			defer func() { cancel(); <-served }()

			connect := func(first string) *bufio.Scanner {
				conn, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				fmt.Fprint(conn, first)
				return bufio.NewScanner(conn)
			}
			expect := func(lines *bufio.Scanner, what, want string) {
				t.Helper()
				for lines.Scan() {
					if strings.Contains(lines.Text(), "sent soup.png") {
						if !strings.Contains(lines.Text(), want) {
							t.Errorf("%s: %s; want %s", what, lines.Text(), want)
						}
						return
					}
				}
				t.Fatalf("%s: the upload is not mentioned: %v", what, lines.Err())
			}
			link := ": http://" + ln.Addr().String() + soup.Path
			bob := connect("bob\n")
			if !bob.Scan() { // the welcome
				t.Fatal(bob.Err())
			}
			alice := connect("{\"type\":\"hello\",\"nick\":\"alice\"}\n{\"type\":\"say\",\"seq\":1,\"text\":\"before\"}\n{\"type\":\"send\",\"seq\":2,\"file\":\"x\"}\n{\"type\":\"say\",\"seq\":3,\"text\":\"after\"}\n")
			expect(alice, "a program", ": "+soup.Path+`"`)
			expect(bob, "a person", link)
			if !bob.Scan() || !strings.HasSuffix(bob.Text(), "<alice> after") {
				t.Errorf("after the link comes %q", bob.Text())
			}
			expect(connect("carol\n"), "the backlog", link)
			dave := connect("dave\n/history\n")
			expect(dave, "the backlog", link)
			expect(dave, "the history", link)
		})
	}
}
