package relay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// A peer is a minimal client: it sends lines and reads lines.
type peer struct {
	t     *testing.T
	name  string
	conn  net.Conn
	lines chan string // closed when the host has closed the connection

	skipped []string // by lineOrNotice
}

// join connects a peer to srv through a pipe in memory.
func join(t *testing.T, srv *relay.Server, name string) *peer {
	t.Helper()
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { srv.ServeConn(context.Background(), theirs) })
	t.Cleanup(func() { ours.Close(); served.Wait() })
	return newPeer(t, name, ours)
}

func newPeer(t *testing.T, name string, conn net.Conn) *peer {
	p := &peer{t: t, name: name, conn: conn, lines: make(chan string, 100_000)}
	go func() {
		defer close(p.lines)
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			p.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return p
}

// guest joins as a person, in a bubble, and waits until its join is announced.
func guest(t *testing.T, srv *relay.Server, nick string) *peer {
	t.Helper()
	p := join(t, srv, nick)
	p.expect("* Welcome to ")
	if nick != "" {
		p.send("/nick " + nick)
		p.expect("* you are now " + nick)
	}
	time.Sleep(time.Second) // until the join is announced
	return p
}

// program joins as a program and returns the welcome with it.
func program(t *testing.T, srv *relay.Server, hello string) (*peer, wire.Event) {
	t.Helper()
	p := join(t, srv, "program")
	p.send(hello)
	welcome := p.event()
	if welcome.Type != wire.TypeWelcome {
		t.Fatalf("answer to %s is %+v, want a welcome", hello, welcome)
	}
	return p, welcome
}

func hello(nick string) string { return fmt.Sprintf(`{"type":"hello","version":1,"nick":%q}`, nick) }

func (p *peer) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
			p.t.Fatalf("%s sends %.60q: %v", p.name, line, err)
		}
	}
}

// line returns the next line from the host.
func (p *peer) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("%s: the host closed the connection", p.name)
		}
		return line
	case <-time.After(time.Minute):
		p.t.Fatalf("%s: no line came", p.name)
	}
	return ""
}

// expect reads lines until one contains words, and returns it.
func (p *peer) expect(words string) string {
	p.t.Helper()
	for {
		if line := p.line(); strings.Contains(line, words) {
			return line
		}
	}
}

// next reads one line, which must contain words.
func (p *peer) next(words string) string {
	p.t.Helper()
	line := p.line()
	if !strings.Contains(line, words) {
		p.t.Fatalf("%s got %q, want %q in it", p.name, line, words)
	}
	return line
}

// event reads the next line as an event.
func (p *peer) event() wire.Event {
	p.t.Helper()
	line := p.line()
	var e wire.Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		p.t.Fatalf("%s got %q, want an event: %v", p.name, line, err)
	}
	return e
}

// expectEvent reads events until one is of type kind.
func (p *peer) expectEvent(kind string) wire.Event {
	p.t.Helper()
	for {
		if e := p.event(); e.Type == kind {
			return e
		}
	}
}

// quiet checks that nothing arrives for d.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if ok {
			p.t.Fatalf("%s got %q, want nothing", p.name, line)
		}
		p.t.Fatalf("%s: the host closed the connection", p.name)
	case <-time.After(d):
	}
}

// closed checks that the host closes the connection, and returns the lines before.
func (p *peer) closed() (rest []string) {
	p.t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return rest
			}
			rest = append(rest, line)
		case <-timeout:
			p.t.Fatalf("%s: the host did not close the connection", p.name)
		}
	}
}

// bubble runs test in a synctest bubble, where time passes at once, with a server.
func bubble(t *testing.T, opts relay.Options, test func(t *testing.T, srv *relay.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if opts.Title == "" {
			opts.Title = "kitchen"
		}
		test(t, relay.New(opts))
	})
}
