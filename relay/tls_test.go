package relay_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/hostseal"
	"chat/relay/seal"
	"chat/relay/wire"
)

// hostTLS hosts a sealed room until the test ends, or until close is called.
func hostTLS(t *testing.T, opts relay.Options) (addr string, srv *relay.Server, close func()) {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	opts.Seal = &relay.Seal{TLS: certificate.Config(), Secrets: seal.RoomSecrets{Member: memberSecret}}
	srv = relay.New(opts)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	close = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(close)
	return ln.Addr().String(), srv, close
}

// A tlsProgram is a program that is connected by TLS.
type tlsProgram struct {
	*tls.Conn
	t     *testing.T
	lines *bufio.Reader
}

// dialTLS joins a room. Its receive buffer is small, so that the host cannot send far ahead.
func dialTLS(t *testing.T, addr, nick string) *tlsProgram {
	t.Helper()
	below, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	below.(*net.TCPConn).SetReadBuffer(64 << 10)
	conn := tls.Client(below, &tls.Config{InsecureSkipVerify: true})
	t.Cleanup(func() { conn.Close() })
	p := &tlsProgram{conn, t, bufio.NewReader(conn)}
	p.send(`{"type":"hello","version":1,"nick":%q,"token":"token-of-%s","backlog":0,"secret":%q}`, nick, nick, string(memberSecret))
	p.until(wire.TypeWelcome)
	return p
}

func (p *tlsProgram) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next event.
func (p *tlsProgram) next() (e wire.Event, err error) {
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := p.lines.ReadBytes('\n')
	if err == nil {
		e, err = wire.ParseEvent(line)
	}
	return e, err
}

// until returns the next event of a type.
func (p *tlsProgram) until(kind string) wire.Event {
	p.t.Helper()
	for {
		e, err := p.next()
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if e.Type == kind {
			return e
		}
	}
}

// A member who does not read for a while then gets everything, in order: what TCP did not take stayed as ciphertext. The
// others are not held up.
func TestSlowReaderByTLS(t *testing.T) {
	addr, srv, _ := hostTLS(t, relay.Options{Rate: -1, MaxText: 30_000, History: history.Limits{Events: -1, Bytes: -1}})
	slow, sender := dialTLS(t, addr, "slow"), dialTLS(t, addr, "sender")
	const count = 400
	text := strings.Repeat("soup ", 5000)
	go func() {
		for i := range count {
			if _, err := fmt.Fprintf(sender, `{"type":"say","seq":%d,"text":"%d %s"}`+"\n", i+1, i, text); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	check := func(p *tlsProgram) {
		for i := range count {
			want := fmt.Sprintf("%d %s", i, strings.TrimSpace(text))
			if got := p.until(wire.TypeMessage).Text; strings.TrimSpace(got) != want {
				t.Fatalf("message %d is %.20q…, %d bytes", i, got, len(got))
			}
		}
	}
	check(sender)
	check(slow)
	if missed := srv.Stats().Missed; missed != 0 {
		t.Errorf("%d events were missed", missed)
	}
}

// A member who does not read for too long is disconnected.
func TestStalledByTLS(t *testing.T) {
	addr, srv, _ := hostTLS(t, relay.Options{Rate: -1, MaxText: 30_000, Stall: 300 * time.Millisecond})
	stalled, sender := dialTLS(t, addr, "stalled"), dialTLS(t, addr, "sender")
	text := strings.Repeat("soup ", 5000)
	for i := range 500 {
		sender.send(`{"type":"say","seq":%d,"text":"%s"}`, i+1, text)
		sender.until(wire.TypeMessage)
	}
	for deadline := time.Now().Add(20 * time.Second); srv.Stats().Stalled == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not disconnected")
		}
	}
	for {
		if _, err := stalled.next(); err != nil {
			break
		}
	}
	sender.send(`{"type":"ping"}`)
	sender.until(wire.TypePong)
}

// When the room closes, everyone gets the last events and a bye, and then the end as TLS has it.
func TestCloseByTLS(t *testing.T) {
	addr, _, closeRoom := hostTLS(t, relay.Options{})
	member, sender := dialTLS(t, addr, "member"), dialTLS(t, addr, "sender")
	sender.send(`{"type":"say","seq":1,"text":"the last words"}`)
	sender.until(wire.TypeMessage)
	go closeRoom()
	for _, p := range []*tlsProgram{member, sender} {
		if e := p.until(wire.TypeBye); e.Code != wire.CodeShutdown {
			t.Errorf("bye with code %s", e.Code)
		}
		if _, err := p.next(); err != io.EOF {
			t.Errorf("after the bye: %v", err)
		}
	}
	closeRoom()
}

// A client that ends its output has its last messages delivered, and still gets what was on the way. One that is cut off
// in the middle of a line has only sent the lines before.
func TestHalfClosedByTLS(t *testing.T) {
	addr, _, _ := hostTLS(t, relay.Options{})
	member, pipe, cut := dialTLS(t, addr, "member"), dialTLS(t, addr, "pipe"), dialTLS(t, addr, "cut")
	pipe.send(`{"type":"say","seq":1,"text":"soup"}`)
	io.WriteString(pipe, `{"type":"say","seq":2,"text":"without a newline"}`)
	pipe.CloseWrite()
	for _, p := range []*tlsProgram{pipe, member} {
		if got := p.until(wire.TypeMessage).Text + ", " + p.until(wire.TypeMessage).Text; got != "soup, without a newline" {
			t.Errorf("got %q", got)
		}
	}
	for {
		if _, err := pipe.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
	}
	io.WriteString(cut, `{"type":"say","seq":1,"text":"cut off"}`)
	cut.NetConn().Close()
	for e := member.until(wire.TypeLeave); !slices.Contains(e.Members, "cut"); e = member.until(wire.TypeLeave) {
	}
	member.send(`{"type":"say","seq":1,"text":"the end"}`)
	if got := member.until(wire.TypeMessage).Text; got != "the end" {
		t.Errorf("got %q", got)
	}
}

// All members of a large room reconnect at once, as after a power cut of the access point: each is welcomed as the client
// that it was, and what it missed follows.
func TestReconnectsAtOnce(t *testing.T) {
	members := 1000
	if testing.Short() {
		members = 100
	}
	addr, srv, _ := hostTLS(t, relay.Options{MaxSessions: -1, NewConnections: -1, Backlog: -1})
	join := func(n int, since uint64) (*tls.Conn, wire.Event, error) {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		var greeted tls.RecordHeaderError // on a busy machine, a handshake may begin so late that the host takes the client for a person, or closes it
		for tries := 0; tries < 20 && (errors.As(err, &greeted) || errors.Is(err, io.EOF)); tries++ {
			conn, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		}
		if err != nil {
			return nil, wire.Event{}, err
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, `{"type":"hello","version":1,"nick":"m%d","token":"token-of-m%d","since":%d,"secret":%q}`+"\n", n, n, since, string(memberSecret))
		for lines := bufio.NewReader(conn); ; { // before a hello that comes late there is a greeting for people
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return conn, wire.Event{}, err
			}
			if line[0] == '{' {
				e, err := wire.ParseEvent(line)
				return conn, e, err
			}
		}
	}
	before, after := make([]wire.Event, members), make([]wire.Event, members)
	for round, welcomes := range [][]wire.Event{before, after} {
		conns := make([]*tls.Conn, members)
		var work sync.WaitGroup
		for n := range members {
			work.Go(func() {
				var err error
				if conns[n], welcomes[n], err = join(n, before[n].Next); err != nil || welcomes[n].Type != wire.TypeWelcome {
					t.Errorf("round %d, member %d: %+v, %v", round, n, welcomes[n], err)
				}
			})
		}
		work.Wait()
		for _, conn := range conns {
			if conn != nil {
				conn.NetConn().Close() // without a goodbye
			}
		}
	}
	for n := range members {
		if before[n].Client != after[n].Client || before[n].Nick != after[n].Nick {
			t.Errorf("member %d was %s (%s), and is %s (%s)", n, before[n].Nick, before[n].Client, after[n].Nick, after[n].Client)
		}
	}
	if info := srv.Info(); info.Members > members {
		t.Errorf("%d members of %d", info.Members, members)
	}
}
