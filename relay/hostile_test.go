package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

func TestHostileLines(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, mallory := guest(t, srv, "alice"), guest(t, srv, "mallory")
		alice.expect("mallory joined")
		for _, test := range []struct{ sent, shown string }{
			{strings.Repeat("x", 8<<10-1), strings.Repeat("x", 8<<10-1)},
			{"a\x00b\x07c", "a␀b␇c"},
			{"\x1b]0;owned\x07\x1b[2J\x1b[31mred", "␛]0;owned␇␛[2J␛[31mred"},
			{"\xff\xfeh\xe4", "h\ufffd"}, // 0xFF 0xFE x is a telnet command
			{"abc\u202edef\u2066x", "abc\ufffddef\ufffdx"},
			{"zero\u200bwidth\u2060", "zerowidth"},
			{"e\u0301\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301\u0301"},
			{"\r10:02 <alice> forged", "␍10:02 <alice> forged"},
			{"\xff\xf4\xff\xfd\x06typed in telnet", "typed in telnet"},
		} {
			mallory.send(test.sent)
			line := alice.line()
			if _, text, _ := strings.Cut(line, " <mallory> "); text != strings.TrimPrefix(test.shown, "h") && text != test.shown {
				t.Errorf("%.40q became %.80q, want %.40q", test.sent, text, test.shown)
			}
		}
	})
}

func TestLongLines(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		alice.expect("bob joined")
		bob.send(strings.Repeat("x", 8<<10), "after")
		bob.next("! a line has at most 8192 bytes; this one was dropped")
		alice.next("<bob> after")
		p, _ := program(t, srv, hello("p"))
		alice.expect("p joined")
		p.send(`{"type":"say","seq":1,"text":"`+strings.Repeat("x", 32<<10)+`"}`,
			`{"type":"say","seq":2,"text":"`+strings.Repeat("y", 16<<10+1)+`"}`,
			`{"type":"say","seq":3,"text":"`+strings.Repeat(`z\n`, 100)+`z"}`,
			`{"type":"say","seq":4,"text":"after"}`)
		for _, seq := range []uint64{0, 2, 3} {
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeTooLong || e.Seq != seq {
				t.Errorf("got %+v, want too_long for %d", e, seq)
			}
		}
		alice.next("<p> after")
	})
}

// A peer that sends endless bytes without a newline is read slowly, gets one error, and does
// not disturb the others.
func TestEndlessLine(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, mallory := guest(t, srv, "alice"), guest(t, srv, "mallory")
		alice.expect("mallory joined")
		began := time.Now()
		for range 400 {
			mallory.conn.SetWriteDeadline(time.Time{})
			if _, err := mallory.conn.Write(bytes.Repeat([]byte("x"), 8<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d < 8*time.Second {
			t.Errorf("400 times 8 KiB were read in %v: that is no back-pressure", d)
		}
		mallory.next("! a line has at most")
		mallory.send("", "done")
		alice.next("<mallory> done")
		mallory.quiet(time.Second)
	})
}

func TestBytePerSecond(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, slow := guest(t, srv, "alice"), join(t, srv, "slow")
		for _, b := range []byte("slow but sure\n") {
			slow.conn.SetWriteDeadline(time.Time{})
			slow.conn.Write([]byte{b})
			time.Sleep(time.Second)
		}
		alice.expect("<guest-2> slow but sure")
	})
}

func TestRate(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		alice.expect("bob joined")
		time.Sleep(time.Minute)
		began := time.Now()
		for n := range 300 {
			bob.send(fmt.Sprintf("line %d", n))
		}
		for n := range 300 {
			alice.next(fmt.Sprintf("line %d", n))
		}
		if d := time.Since(began); d < 4500*time.Millisecond || d > 5500*time.Millisecond {
			t.Errorf("300 lines took %v; 200 at once and 20 a second are 5 s", d)
		}
	})
}

// A session that reads nothing is closed after the stall time, and no one else waits for it. A
// session that reads slowly stays.
func TestStall(t *testing.T) {
	bubble(t, relay.Options{Rate: -1, History: history.Limits{Events: 100_000}}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		alice.expect("bob joined")
		ours, theirs := net.Pipe()
		ended := make(chan struct{})
		go func() { srv.ServeConn(context.Background(), theirs); close(ended) }()
		defer ours.Close()
		slow, theirs2 := net.Pipe()
		go srv.ServeConn(context.Background(), theirs2)
		time.Sleep(time.Second)
		began := time.Now()
		slowGot, stop := atomic.Int64{}, make(chan struct{})
		go func() {
			defer close(stop)
			for b := make([]byte, 100); ; time.Sleep(20 * time.Second) {
				n, err := slow.Read(b)
				if slowGot.Add(int64(n)); err != nil {
					return
				}
			}
		}()
		bob.send("one")
		alice.expect("one")
		if d := time.Since(began); d > time.Millisecond {
			t.Errorf("the others waited %v", d)
		}
		<-ended
		if d := time.Since(began); d > 31*time.Second {
			t.Errorf("a session that takes nothing was closed after %v, want 30s", d)
		}
		for n := range 50 {
			bob.send(fmt.Sprintf("line %d", n))
			time.Sleep(10 * time.Second)
		}
		if slowGot.Load() < 1000 {
			t.Errorf("the slow reader got %d bytes", slowGot.Load())
		}
		slow.Close()
		<-stop
	})
}

// A session that was slow once and has caught up is not closed by its next write after the
// stall time.
func TestCatchingUpIsForgiven(t *testing.T) {
	const stall = time.Second
	srv := relay.New(relay.Options{Rate: -1, Stall: stall, History: history.Limits{Bytes: -1}})
	addr := serveTCP(t, srv)
	alice := newPeer(t, "alice", dialTCP(t, addr))
	alice.send(hello("alice"))
	alice.expectEvent(wire.TypeWelcome)
	conn := dialTCP(t, addr)
	fmt.Fprintln(conn, hello("slow"))
	alice.expectEvent(wire.TypeJoin)
	said := fmt.Sprintf(`{"type":"say","text":%q}`, strings.Repeat("x", 16<<10))
	for range 1000 { // more than a connection's buffers hold
		alice.send(said)
	}
	alice.send(`{"type":"say","text":"caught up"}`)
	slow := newPeer(t, "slow", conn)
	slow.expect("caught up")
	time.Sleep(stall + stall/2)
	alice.send(`{"type":"say","text":"are you there?"}`)
	slow.expect("are you there?")
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{MaxSessions: 3, MaxPerAddress: 2})
		from := func(ip string) *peer { return joinFrom(t, srv, ip) }
		a, b := from("10.77.0.2"), from("10.77.0.2")
		third := from("10.77.0.2")
		third.next("! too many connections from 10.77.0.2 (2); close one first")
		third.closed()
		c := from("fd00::1")
		full := from("10.77.0.9")
		full.next("! the room is full (3 connections); try again later")
		full.closed()
		a.conn.Close()
		time.Sleep(time.Second)
		d := from("10.77.0.2")
		d.expect("* Welcome")
		for _, p := range []*peer{b, c, d} {
			p.conn.Close()
		}
	})
}

// Hellos count as lines: an address that connects again and again is slowed down. Each is an event
// in a history file, and new clients push out those that are remembered.
func TestHelloFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{})
		began := time.Now()
		for n := range 300 {
			p := joinFrom(t, srv, "10.77.0.2")
			p.send(fmt.Sprintf(`{"type":"hello","nick":"x","token":"token-of-%d"}`, n))
			p.expectEvent(wire.TypeWelcome)
			p.conn.Close()
			synctest.Wait()
		}
		if d := time.Since(began); d < 4500*time.Millisecond || d > 6*time.Second {
			t.Errorf("300 hellos took %v; 200 at once and 20 a second are 5 s", d)
		}
	})
}

// joinFrom connects a peer whose address is ip. To a sealed room it connects by TLS.
func joinFrom(t *testing.T, srv *relay.Server, ip string) *peer {
	ours, theirs := net.Pipe()
	go srv.ServeConn(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
	synctest.Wait()
	if srv.Info().Sealed {
		t.Cleanup(func() { ours.Close() }) // by TLS the host waits for that
		return newPeer(t, ip, encrypt(t, ours))
	}
	return newPeer(t, ip, ours)
}

type addressed struct {
	net.Conn
	addr net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.addr }

// Running out of file descriptors pauses accepting, until there are some again.
func TestAcceptRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{})
		ln := &failingListener{pipeListener: newPipeListener()}
		ln.failures.Store(10)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- srv.Serve(ctx, ln) }()
		p := newPeer(t, "p", ln.dial())
		p.next("* Welcome")
		if n := ln.failures.Load(); n > 0 {
			t.Errorf("%d failures were not met", n)
		}
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		p.closed()
	})
}

type failingListener struct {
	*pipeListener
	failures atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.pipeListener.Accept()
}

// serveTCP serves srv on loopback until the test ends.
func serveTCP(t *testing.T, srv *relay.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := srv.Serve(ctx, ln); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait() })
	return ln.Addr().String()
}

func dialTCP(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// Peers that reset their connections disturb no one and leave no goroutine.
func TestResets(t *testing.T) {
	srv := relay.New(relay.Options{})
	addr := serveTCP(t, srv)
	alice := newPeer(t, "alice", dialTCP(t, addr))
	alice.send(hello("alice"))
	alice.expectEvent(wire.TypeWelcome)
	for n := range 100 {
		conn := dialTCP(t, addr)
		fmt.Fprintf(conn, "%s\n", hello(fmt.Sprintf("p%d", n)))
		if n%2 == 0 {
			conn.Read(make([]byte, 10))
		}
		conn.SetLinger(0) // Close sends a reset
		conn.Close()
	}
	alice.send(`{"type":"say","text":"still here"}`)
	alice.expectEvent(wire.TypeMessage)
	for range 1000 {
		if srv.Info().Members == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d members, want 1", srv.Info().Members)
}

// 10,000 connections at once: those over the limit get an answer or are just closed, and the
// room continues.
func TestConnectBurst(t *testing.T) {
	srv := relay.New(relay.Options{MaxSessions: 2})
	addr := serveTCP(t, srv)
	a, b := newPeer(t, "a", dialTCP(t, addr)), newPeer(t, "b", dialTCP(t, addr))
	for _, p := range []*peer{a, b} {
		p.send(hello(p.name))
		p.expectEvent(wire.TypeWelcome)
	}
	var answered, closed, failed atomic.Int64
	var burst sync.WaitGroup
	for range 1000 { // each connection mostly waits for the host to recognize its peer
		burst.Go(func() {
			for range 10 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					failed.Add(1)
					continue
				}
				got, _ := io.ReadAll(io.LimitReader(conn, 2))
				if string(got) == "! " {
					answered.Add(1)
				} else {
					closed.Add(1)
				}
				conn.Close()
			}
		})
	}
	for n := range 100 {
		a.send(fmt.Sprintf(`{"type":"say","text":"line %d"}`, n))
	}
	for n := range 100 {
		if e := b.expectEvent(wire.TypeMessage); e.Text != fmt.Sprintf("line %d", n) {
			t.Fatalf("got %q, want line %d", e.Text, n)
		}
	}
	burst.Wait()
	t.Logf("answered %d, closed %d, failed %d", answered.Load(), closed.Load(), failed.Load())
	if answered.Load() == 0 || failed.Load() > 100 {
		t.Errorf("%d connections got an answer, %d failed", answered.Load(), failed.Load())
	}
}

// A client's messages reach the others at once, even if its next requests wait because it does
// not read its answers.
func TestMessagesDoNotWaitForAnswers(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		ours, theirs := net.Pipe()
		defer ours.Close()
		go srv.ServeConn(context.Background(), theirs)
		long := strings.Repeat("x", 8000) + "\n" // makes the host read much at once from here on
		go io.WriteString(ours, long+"said first\n"+strings.Repeat("/help\n", 2000))
		began := time.Now()
		alice.expect("<guest-2> said first")
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// Clients that search and do not read the answers keep no one else from searching.
func TestSearchesDoNotWaitForSlowReaders(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice, _ := program(t, srv, hello("alice"))
		for range 300 {
			alice.send(`{"type":"say","text":"soup ` + strings.Repeat("x", 2000) + `"}`)
		}
		for range 5 {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go srv.ServeConn(context.Background(), theirs)
			go io.WriteString(ours, hello("deaf")+"\n"+strings.Repeat(`{"type":"search","text":"soup","count":200}`+"\n", 20))
		}
		time.Sleep(time.Second)
		bob, _ := program(t, srv, `{"type":"hello","backlog":0}`)
		began := time.Now()
		bob.send(`{"type":"search","text":"soup"}`)
		bob.expectEvent(wire.TypeHistory)
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
}
