package plain

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// What a host cannot keep just now, as its disk is full, counts as not taken neither from
// a pipe nor when it is typed: it is told once, and said again.
func TestNotStored(t *testing.T) {
	for name, piped := range map[string]bool{"from a pipe": true, "typed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				go hostWithAFullDisk(theirs, 3)
				dial := func(context.Context, string) (net.Conn, error) { return ours, nil }
				c, err := client.Join(t.Context(), client.Options{Dial: dial})
				if err != nil {
					t.Fatal(err)
				}
				typed, in := io.Pipe()
				go func() {
					io.WriteString(in, "soup is ready\n")
					if !piped { // a person leaves later
						time.Sleep(time.Minute)
					}
					in.Close()
				}()
				var out, errs strings.Builder
				if err := Talk(t.Context(), c, Options{In: Read(typed), Out: &out, Err: &errs, Piped: piped, OutPiped: true}); err != nil {
					t.Errorf("Talk: %v", err)
				}
				want := "! the host's disk is full; what you say is kept and sent again\n* the host has what you said meanwhile\n"
				if !strings.Contains(errs.String(), want) || strings.Count(errs.String(), "!") != 1 || strings.Contains(out.String(), "!") {
					t.Errorf("told %q, printed %q", errs.String(), out.String())
				}
			})
		})
	}
}

// hostWithAFullDisk lets one client in, and keeps what it says after so many refusals.
func hostWithAFullDisk(conn net.Conn, refusals int) {
	defer conn.Close()
	answer := func(e wire.Event) { conn.Write(e.AppendJSON(nil)) }
	lines := wire.NewLineReader(conn, wire.MaxJSONLine)
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		r, err := wire.ParseRequest(line)
		switch {
		case err != nil || r.Type == "quit":
			return
		case r.Type == wire.TypeHello:
			answer(wire.Event{Type: wire.TypeWelcome, Client: "us", Nick: "bob", Title: "kitchen", Next: 1})
		case r.Type == wire.TypePing:
			answer(wire.Event{Type: wire.TypePong})
		case refusals > 0:
			refusals--
			answer(wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Seq: r.Seq, Text: "the host's disk is full; this was not sent: soup"})
		default:
			answer(wire.Event{Type: wire.TypeMessage, ID: 1, Client: "us", From: "bob", Seq: r.Seq, Text: r.Text})
		}
	}
}

// Files are commands of the client: the host hears of them by what comes of them.
func TestFileCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go hostWithAFullDisk(theirs, 0)
		dial := func(_ context.Context, addr string) (net.Conn, error) { return ours, nil }
		c, err := client.Join(t.Context(), client.Options{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		typed, in := io.Pipe()
		go func() {
			io.WriteString(in, "/files\n/send\n/get\n/get x\n/send /no/such/file\n")
			time.Sleep(time.Minute)
			in.Close()
		}()
		var out, errs strings.Builder
		if err := Talk(t.Context(), c, Options{In: Read(typed), Out: &out, Err: &errs}); err != nil {
			t.Errorf("Talk: %v", err)
		}
		const none = "no uploads yet; /send PATH uploads a file\n"
		want := "* " + none + "! usage: /send PATH\n! " + none + "! " + none + "! file was not sent: cannot read the file: no such file or directory\n"
		if errs.String() != want {
			t.Errorf("told %q, want %q", errs.String(), want)
		}
	})
}
