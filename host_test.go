package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"chat/relay/client"
)

// hostedFromLobby returns what opens a room from the lobby, on a free port of the loopback interface.
func hostedFromLobby(t *testing.T) (h *lobbyHost, out *bytes.Buffer) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	opts, _, err := hostOptionsFrom(t, "--no-discovery", "--addr", "127.0.0.1:0", "--nick", "alice", "--room", "lab-7")
	if err != nil {
		t.Fatal(err)
	}
	out = new(bytes.Buffer)
	opts.Out, opts.LogTo, opts.NoMember, opts.Screen = out, io.Discard, false, true
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return &lobbyHost{opts: opts, ctx: ctx, ended: func() { t.Error("serving failed") }}, out
}

// A room that is hosted from the lobby is that of chat host: others can join it until the screen ends.
func TestHostFromTheLobby(t *testing.T) {
	h, out := hostedFromLobby(t)
	c, hosting, err := h.open(t.Context(), "den")
	if err != nil {
		t.Fatal(err)
	}
	addr := hosting.Addrs()[0]
	if w := c.Welcome(); w.Title != "den" || w.Nick != "alice" || hosting.NoPage || hosting.Discovered {
		t.Errorf("joined %+v as the host of %+v", w, hosting)
	}
	if info, err := client.Probe(t.Context(), addr); err != nil || info.Title != "den" {
		t.Errorf("at %s is %+v, %v", addr, info, err)
	}
	h.ended = nil
	h.forget() // the test reports a failure, and closing is none
	c.Close()
	reason := errors.New("the reason")
	if err := h.close(reason); !errors.Is(err, reason) || out.String() != "The room den is closed.\n" {
		t.Errorf("closed with %v, printed %q", err, out.String())
	}
	if _, err := client.Probe(t.Context(), addr); err == nil {
		t.Error("the room is still open")
	}
	if _, _, err := h.open(t.Context(), "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("a room was opened after the screen has ended: %v", err)
	}
}

// Who goes back to the lobby leaves no room behind, and can host another one.
func TestAbandonedRoom(t *testing.T) {
	h, out := hostedFromLobby(t)
	if _, _, err := h.open(t.Context(), strings.Repeat("long ", 30)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long title: %v", err)
	}
	for range 2 {
		c, hosting, err := h.open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := h.abandon(); err != nil {
			t.Error(err)
		}
		if _, err := client.Probe(t.Context(), hosting.Addrs()[0]); err == nil {
			t.Error("the room is still open")
		}
	}
	if err := h.close(nil); err != nil || out.String() != "" {
		t.Errorf("closed with %v, printed %q", err, out.String())
	}
}

// Hosting from the lobby takes what chat host without options takes from the environment.
func TestHostDefaults(t *testing.T) {
	for name, value := range map[string]string{"CHAT_ROOM": "kitchen", "CHAT_HISTORY": "kitchen.chat", "CHAT_NICK": "alice", "CHAT_QUIET": "1"} {
		t.Setenv(name, value)
	}
	want, _, err := hostOptionsFrom(t)
	if err != nil {
		t.Fatal(err)
	}
	var got hostOptions
	app := newApp(io.Discard, io.Discard)
	app.Action = func(c *cli.Context) (err error) {
		got, err = hostDefaults(c)
		got.Out, got.LogTo, got.Sealing.Signer = nil, nil, nil
		return err
	}
	if err := app.RunContext(t.Context(), []string{"chat"}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.HistoryFile != "kitchen.chat" || got.announcedTitle() != "kitchen" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got.Title = ""
	if got.announcedTitle() != "" {
		t.Errorf("the title is in the history file, not %q", got.announcedTitle())
	}
}
