package plain

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"testing"

	"chat/relay/client"
	"chat/relay/wire"
)

// printed returns the output of a conversation with opts, on Out and Err, for events.
func printed(t *testing.T, opts Options, events ...client.Event) string {
	t.Helper()
	var out, errs bytes.Buffer
	opts.Out, opts.Err = &out, &errs
	v := &conversation{Options: opts, out: bufio.NewWriter(&out), unread: make(chan struct{})}
	for _, e := range events {
		switch e := e.(type) {
		case client.Connected:
			v.printConnected(e)
		case client.Received:
			v.printReceived(e)
		}
	}
	v.flush(context.CancelFunc(func() { t.Error("the output cannot be written to") }))
	return out.String() + errs.String()
}

func connected(sealed bool, access string) client.Connected {
	return client.Connected{Addr: "192.168.1.5:24280", Sealed: sealed, Access: access, Welcome: wire.Event{
		Type: wire.TypeWelcome, Nick: "bob", Title: "lab", Sealed: sealed, Access: access,
	}}
}

// The greeting says who can read the room, in every mode for people.
func TestGreetingSaysSealedOrPlain(t *testing.T) {
	own := connected(true, "")
	own.Addr, own.Sealed = "", false // the host's own member is inside the program
	claims := connected(true, "")
	claims.Sealed = false
	for _, opts := range []Options{{}, {Accessible: true}, {OutPiped: true}} {
		for _, test := range []struct {
			name string
			e    client.Connected
			want string
		}{
			{"sealed", connected(true, ""), SealedNotice}, {"plain", connected(false, ""), PlainNotice}, {"the host's own", own, SealedNotice},
			{"a host that only claims it", claims, PlainNotice},
		} {
			got := printed(t, opts, test.e)
			if !strings.Contains(got, test.want) || strings.Count(got, "this room is ") != 1 || strings.Contains(got, "only read") {
				t.Errorf("%s: %q", test.name, got)
			}
		}
	}
	for sealed, want := range map[bool]string{true: "* joined lab as bob (0 others here; sealed)\n", false: "* joined lab as bob (0 others here)\n"} {
		if got := printed(t, Options{Piped: true}, connected(sealed, "")); got != want {
			t.Errorf("in a pipe: %q, want %q", got, want)
		}
	}
}

// Those who may only read get a line that says so, and another one when that changes.
func TestListenOnly(t *testing.T) {
	again := connected(true, "")
	again.Resumed = true
	got := printed(t, Options{}, connected(true, "listen"), again)
	if !strings.Contains(got, "* you may only read here; commands work\n") || !strings.HasSuffix(got, "* reconnected\n* you may send messages here now\n") {
		t.Errorf("printed %q", got)
	}
}

// The secret of a new invite is not printed, as JSON neither. A notice says that there is one.
func TestNewInviteIsNotPrinted(t *testing.T) {
	const secret = "M2V7ABCDEFGHIJKL"
	for _, opts := range []Options{{}, {JSON: true}, {Accessible: true}, {OutPiped: true}, {Piped: true, OutPiped: true}} {
		got := printed(t, opts, connected(true, ""),
			client.Received{Event: wire.Event{Type: "invite", Data: secret}},
			client.Received{Event: wire.Event{Type: wire.TypeNotice, Text: "alice made a new invite"}})
		if strings.Contains(got, secret) || !strings.Contains(got, "alice made a new invite") {
			t.Errorf("printed %q", got)
		}
	}
}

// Links to uploads in a sealed room are encrypted.
func TestLinksInASealedRoom(t *testing.T) {
	for sealed, want := range map[bool]string{true: "https://192.168.1.5:24280/files/3/soup.png", false: "http://192.168.1.5:24280/files/3/soup.png"} {
		got := printed(t, Options{}, connected(sealed, ""), client.Received{Event: wire.Event{
			Type: wire.TypeAction, From: "alice", Text: "sent soup.png (1 kB): /files/3/soup.png", File: &wire.File{Number: 3, Name: "soup.png", Path: "/files/3/soup.png"},
		}})
		if !strings.Contains(got, ": "+want) {
			t.Errorf("sealed %v: %q", sealed, got)
		}
	}
}
