package relay_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"testing"

	"chat/relay"
	"chat/relay/wire"
)

// A host's answers to send requests.
func TestSend(t *testing.T) {
	soup := wire.File{Number: 3, Name: "soup.png", Size: 1_234_567, SHA256: "00", Type: "image/png", Path: "/files/3/soup.png"}
	full := errors.New("the host's disk is full")
	find := func(id string) (wire.File, string, error) {
		switch id {
		case "SOUP":
			return soup, "http://192.168.1.5:24280" + soup.Path, nil
		case "FULL":
			return wire.File{}, "", full
		}
		return wire.File{}, "", fmt.Errorf("gone: %w", fs.ErrNotExist)
	}
	for _, test := range []struct {
		name  string
		find  func(string) (wire.File, string, error)
		id    string
		event wire.Event
	}{
		{"posted", find, "SOUP", wire.Event{Type: wire.TypeAction, Text: "sent soup.png (1.2 MB): http://192.168.1.5:24280/files/3/soup.png"}},
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
