package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/web"
	"chat/relay/wire"
)

// This file holds attacks.

// frame returns a client's frame of size bytes, masked with zeros (RFC 6455, section 5.2).
// payload can be only its beginning.
func frame(first byte, size int, payload string) string {
	switch {
	case size < 126:
		return string([]byte{first, 0x80 | byte(size), 0, 0, 0, 0}) + payload
	case size < 1<<16:
		return string([]byte{first, 0xfe, byte(size >> 8), byte(size), 0, 0, 0, 0}) + payload
	}
	return string([]byte{first, 0xff, 0, 0, 0, 0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size), 0, 0, 0, 0}) + payload
}

func text(line string) string { return frame(0x81, len(line), line) }

// raw sends a request over a new connection.
func (r *room) raw(request string) net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// rawSocket opens a WebSocket and says hello.
func (r *room) rawSocket() net.Conn {
	r.t.Helper()
	return r.raw("GET /socket HTTP/1.1\r\nHost: " + r.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + text(`{"type":"hello","nick":"eve"}`))
}

// until reads until words have come.
func until(t *testing.T, conn net.Conn, words string) {
	t.Helper()
	var got []byte
	for b := make([]byte, 4<<10); !strings.Contains(string(got), words); {
		n, err := conn.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			t.Fatalf("%q did not come: %.500q, %v", words, got, err)
		}
	}
}

// A message reaches the room even if the bytes after it are not a line, or not a whole one.
func TestNotHeldBack(t *testing.T) {
	for name, more := range map[string]string{
		"a ping":                    frame(0x89, 1, "p"),
		"the beginning of a frame":  frame(0x81, 100, "{"),
		"a message that is no text": frame(0x82, 1, "x"),
		"an unfinished message":     frame(0x01, 1, "{"),
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, relay.Options{}, web.Options{})
			bob := r.person("bob")
			eve := r.rawSocket()
			until(t, eve, "welcome")
			io.WriteString(eve, text(`{"type":"say","text":"soup"}`)+more)
			bob.conn.SetDeadline(time.Now().Add(5 * time.Second))
			bob.expect("<eve> soup")
		})
	}
}

// An endless message uses no more memory than the limit of a line.
func TestHalfMessages(t *testing.T) {
	r := open(t, relay.Options{Rate: -1}, web.Options{})
	const count, size = 20, 3 << 20
	half := strings.Repeat("x", size)
	before := memory()
	for range count {
		eve := r.rawSocket()
		until(t, eve, "welcome")
		io.WriteString(eve, frame(0x81, size+1, half))
		until(t, eve, "too_long")
		post := r.raw(fmt.Sprintf("POST /messages HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", r.addr, size+1))
		io.WriteString(post, half)
		until(t, post, "413")
	}
	if used := int(memory()) - int(before); used > count*256<<10 {
		t.Errorf("%d endless messages take %d KiB", count, used>>10)
	}
}

// Clients that ask for long answers and never read them hold little memory each.
func TestUnreadAnswers(t *testing.T) {
	r := open(t, relay.Options{Rate: -1}, web.Options{})
	for n := range 100 {
		r.do("POST", "/messages", strings.Repeat(fmt.Sprint(n%10), 16<<10))
	}
	answer, next := "", "1"
	for answer != "" || next == "1" { // a client that reads gets every message in order
		res, more := r.ask("GET", "/messages?count=1000&since="+next, nil)
		for line := range strings.Lines(more) {
			e, err := wire.ParseEvent([]byte(line))
			if after, _ := strconv.ParseUint(next, 10, 64); err != nil || e.ID != after+1 || len(e.Text) != 16<<10 {
				t.Fatalf("after %s comes %d with %d bytes, %v", next, e.ID, len(e.Text), err)
			}
			next = strconv.FormatUint(e.ID, 10)
		}
		if answer = more; res.Header.Get("Next") != next {
			t.Errorf("Next is %s, want %s", res.Header.Get("Next"), next)
		}
	}
	if next != "100" {
		t.Errorf("the last event is %s, want 100", next)
	}
	const count, most = 40, 128 << 10 // bytes
	for _, path := range []string{"/messages?count=1000&since=1", "/messages", "/events?since=1", "/files/", "/room", "/", "/page/main.js", "/commands", "/qr.svg"} {
		http.DefaultClient.CloseIdleConnections()
		await(t, "the last connections to end", func() bool { return r.srv.Stats().Sessions == 0 })
		before := memory()
		conns := make([]net.Conn, count)
		for i := range conns {
			// A pipe has no buffer: the host waits at the first byte that is not read.
			conns[i] = r.far(strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 100))
			until(t, conns[i], "HTTP/1.1 ")
		}
		if used := int(memory()) - int(before); used > count*most {
			t.Errorf("%s: each unread answer takes %d KiB", path, used/count>>10)
		}
		for _, conn := range conns {
			conn.Close()
		}
	}
}

func memory() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// Pings are answered no faster than the room accepts lines.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	r := open(t, relay.Options{}, web.Options{})
	eve := r.rawSocket()
	until(t, eve, "welcome")
	const flood = 2 * time.Second
	eve.SetDeadline(time.Now().Add(flood))
	go io.WriteString(eve, strings.Repeat(frame(0x89, 125, strings.Repeat("p", 125)), 100_000)) // until the connection ends
	pongs, _ := io.Copy(io.Discard, eve)
	if pongs /= 127; pongs > 400 {
		t.Errorf("%d pings were answered in %v", pongs, flood)
	}
}

// Requests are answered no faster than the room accepts lines, after a burst.
func TestRequestFlood(t *testing.T) {
	t.Parallel()
	r := open(t, relay.Options{Rate: 20, Burst: 50}, web.Options{})
	const flood = 2 * time.Second
	conn := r.raw("")
	conn.SetDeadline(time.Now().Add(flood))
	go io.WriteString(conn, strings.Repeat("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 10_000))
	answers, _ := io.ReadAll(conn)
	if n := strings.Count(string(answers), "HTTP/1.1 200"); n < 50 || n > 120 {
		t.Errorf("%d requests were answered in %v", n, flood)
	}
}

// A browser that is rejected before its request gets an HTTP answer, and a person a line.
func TestRejected(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: 1}, web.Options{})
	long := r.raw("GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	until(t, long, "HTTP/1.1 414 ")
	long.Close()
	await(t, "the connection to end", func() bool { return r.srv.Stats().Sessions == 0 })
	r.person("bob")
	if status, body := r.do("GET", "/messages", ""); status != 503 || !strings.Contains(body, "full") {
		t.Errorf("%d %s", status, body)
	}
	until(t, r.raw("hello\n"), "! the room is full")
	until(t, r.raw(""), "! the room is full")
}

// The room closes without waiting for bodies that do not arrive, unfinished requests, and a stream
// whose client has sent another request.
func TestClosesWithUnfinishedRequests(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	r.do("POST", "/messages", "soup")
	for _, request := range []string{
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
		"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
		"POST /messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx",
		"GET /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
		"GET /events HTTP/1.1\r\nHo",
		"GE",
	} {
		r.raw(request)
	}
	stream := r.raw("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	until(t, stream, "soup")
	io.WriteString(stream, "GET /healthz HTTP/1.1\r\n") // from here on net/http does not notice the end of the connection
	await(t, "the host to take the connections", func() bool { return r.srv.Stats().Sessions >= 7 })
	await(t, "the host to read the next request", func() bool { return !strings.Contains(stacks(), "backgroundRead") })
	began := time.Now()
	r.close()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the room closed after %v", took)
	}
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// A script that disconnects before its answer frees its nick.
func TestCutOffVisit(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	ours, theirs := net.Pipe()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.srv.ServeVisit(t.Context(), theirs, access.Credentials{})
	}()
	ours.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(ours, `{"type":"hello","nick":"alice","token":"alices-secret"}`+"\n")
	until(t, ours, "welcome")
	ours.Close()
	<-over
	if e := r.browser(`{"type":"hello","nick":"alice"}`).expect(wire.TypeWelcome); e.Nick != "alice" {
		t.Errorf("alice is called %s", e.Nick)
	}
}

// The room remembers its members however many nicks scripts use.
func TestManyNames(t *testing.T) {
	t.Parallel()
	r := open(t, relay.Options{}, web.Options{})
	alice := r.browser(`{"type":"hello","nick":"alice","token":"alices-secret"}`)
	alice.expect(wire.TypeWelcome)
	alice.send(`{"type":"say","seq":7,"text":"soup"}`)
	alice.expect(wire.TypeMessage)
	alice.ws.CloseNow()
	await(t, "alice to leave", func() bool { return r.srv.Stats().Members == 0 })
	var last atomic.Int64
	var visits sync.WaitGroup
	for range 8 {
		visits.Go(func() {
			for n := last.Add(1); n <= 10_010; n = last.Add(1) {
				ours, theirs := net.Pipe()
				go fmt.Fprintf(ours, `{"type":"hello","nick":"n%d","token":"token-%[1]d"}`+"\n"+`{"type":"quit"}`+"\n", n)
				go io.Copy(io.Discard, ours)
				r.srv.ServeVisit(t.Context(), theirs, access.Credentials{})
				ours.Close()
			}
		})
	}
	visits.Wait()
	if e := r.browser(`{"type":"hello","nick":"alice","token":"alices-secret"}`).expect(wire.TypeWelcome); e.Seq != 7 || e.Nick != "alice" {
		t.Errorf("alice is a new member: %+v", e)
	}
}

// A farConn is a connection from another machine, for limits and bans.
type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 1234} }

// far sends a request from another machine, over a pipe.
func (r *room) far(request string) net.Conn {
	ours, theirs := net.Pipe()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.srv.ServeConn(r.t.Context(), farConn{theirs})
	}()
	r.t.Cleanup(func() { ours.Close(); <-over })
	ours.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(ours, request)
	return ours
}

// A message by POST does not count as another connection. A ban ends an open stream.
func TestFarScripts(t *testing.T) {
	r := open(t, relay.Options{HostToken: "hosts-secret", MaxPerAddress: 2}, web.Options{})
	host := r.browser(`{"type":"hello","nick":"ann","token":"hosts-secret"}`)
	host.expect(wire.TypeWelcome)
	stream := r.far("GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	until(t, stream, "event-stream")
	post := r.far("POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nsoup")
	until(t, post, "HTTP/1.1 201 ")
	until(t, r.far("GET /messages HTTP/1.1\r\n"), "too many connections")
	until(t, stream, "soup")
	host.send(`{"type":"ban","nick":"10.0.0.9"}`)
	host.expect(wire.TypeNotice)
	host.send(`{"type":"say","text":"among us"}`)
	rest, _ := io.ReadAll(stream)
	if strings.Contains(string(rest), "among us") {
		t.Errorf("a banned client still receives %s", rest)
	}
}

// An operator can mute and ban a script by the nick of its messages.
func TestMutedScript(t *testing.T) {
	r := open(t, relay.Options{HostToken: "hosts-secret"}, web.Options{})
	host := r.browser(`{"type":"hello","nick":"ann","token":"hosts-secret"}`)
	host.expect(wire.TypeWelcome)
	for _, step := range []struct {
		command string
		status  int
	}{
		{"", 201}, {"mute", 403}, {"unmute", 201}, {"ban", 403}, {"unban", 201},
	} {
		if step.command != "" {
			host.send(`{"type":"` + step.command + `","nick":"ci"}`)
			host.expect(wire.TypeNotice)
		}
		if status, answer := r.do("POST", "/messages?nick=ci", "build done"); status != step.status {
			t.Errorf("after %q: %d %s, want %d", step.command, status, answer, step.status)
		}
		if status, answer := r.do("POST", "/messages?nick=cd", "build done"); status != 201 {
			t.Errorf("another script after %q: %d %s", step.command, status, answer)
		}
	}
}

// openFile opens the room in a history file for a while.
func openFile(t *testing.T, path string, opts relay.Options, use func(*room)) {
	file, err := history.OpenFile(path, history.Keep{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Run("", func(t *testing.T) {
		use(openOn(t, func(opts relay.Options) *relay.Server {
			srv, err := relay.NewOn(file, opts)
			if err != nil {
				t.Fatal(err)
			}
			return srv
		}, opts, web.Options{}))
	})
}

// A script stays muted when the host is started again on the room's history.
func TestMutedScriptAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kitchen.chat")
	host := func(use func(*room)) { openFile(t, path, relay.Options{HostToken: "hosts-secret"}, use) }
	host(func(r *room) {
		if status, answer := r.do("POST", "/messages?nick=ci", "build done"); status != 201 {
			t.Fatalf("%d %s", status, answer)
		}
		ann := r.browser(`{"type":"hello","nick":"ann","token":"hosts-secret"}`)
		ann.expect(wire.TypeWelcome)
		ann.send(`{"type":"mute","nick":"ci"}`)
		ann.expect(wire.TypeNotice)
	})
	host(func(r *room) {
		if status, answer := r.do("POST", "/messages?nick=ci", "build done"); status != 403 {
			t.Errorf("after a restart: %d %s, want 403", status, answer)
		}
		if status, answer := r.do("POST", "/messages?nick=cd", "build done"); status != 201 {
			t.Errorf("another script: %d %s, want 201", status, answer)
		}
	})
}

// Answers are short, however long the history is, and skip events that are not messages.
func TestLongAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kitchen.chat")
	host := func(use func(*room)) { openFile(t, path, relay.Options{Rate: -1}, use) }
	const large = 200
	host(func(r *room) {
		r.do("POST", "/messages", "first")
		bob := r.browser(`{"type":"hello","nick":"bob"}`)
		for n := range 2000 {
			bob.send(fmt.Sprintf(`{"type":"nick","nick":"bob%04d"}`, n))
		}
		for n := range large {
			bob.send(fmt.Sprintf(`{"type":"say","seq":%d,"text":"%s"}`, n+1, strings.Repeat("x", 16<<10)))
		}
		for e := bob.expect(wire.TypeMessage); e.Seq != large; {
			e = bob.expect(wire.TypeMessage)
		}
	})
	host(func(r *room) {
		since, got := "1", 0
		for range 100 {
			res, err := http.Get("http://" + r.addr + "/messages?count=1000&since=" + since)
			if err != nil {
				r.t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || len(b) > 2<<20 {
				r.t.Fatalf("%d bytes in one answer, %v", len(b), err)
			}
			if len(b) == 0 {
				break
			}
			got += strings.Count(string(b), "\n")
			since = res.Header.Get("Next")
		}
		if got != large {
			r.t.Errorf("got %d messages, %d were sent", got, large)
		}
	})
}
