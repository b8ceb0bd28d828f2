package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/fanout"
	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// A house is a front with a room, and an HTTP handler that echoes its input.
type house struct {
	*Front
	room   *room.Room
	served sync.WaitGroup
	http   atomic.Int64 // connections that the handler got
}

func newHouse(opts Options) *house {
	fan := fanout.New()
	log := history.New(history.Limits{}, fan.Wake)
	fan.Attach(log)
	h := new(house)
	h.room = room.New(room.Options{ID: "room", Title: "kitchen", HostToken: "operators-own-token", FlushIn: func(time.Duration) {}}, log)
	door := &session.Door{
		Room: h.room, Log: log, Fanout: fan, Logger: slog.New(slog.DiscardHandler),
		Info:   func() wire.RoomInfo { return wire.RoomInfo{ID: "room", Title: "kitchen"} },
		Limits: session.Limits{Line: 8 << 10, JSONLine: 32 << 10, Text: 16 << 10, TextLines: 100, Stall: 30 * time.Second, FirstLine: 30 * time.Second},
	}
	door.Open()
	if opts.MaxConns == 0 {
		opts.MaxConns, opts.MaxPerAddress = 1000, 64
	}
	opts.FirstLine, opts.DeadPeer = 30*time.Second, 45*time.Second
	opts.HTTP = func(conn net.Conn) {
		h.http.Add(1)
		go h.answer(conn)
	}
	h.Front = New(opts, door, slog.New(slog.DiscardHandler))
	return h
}

// answer is an HTTP handler that echoes its input, until the peer or the room closes.
func (h *house) answer(conn net.Conn) {
	defer conn.Close()
	defer conn.Close() // as an http.Server may
	io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
}

// A caller is the far end of a connection to a house.
type caller struct {
	net.Conn
	closed chan struct{} // when the front has served it

	mu  sync.Mutex
	got strings.Builder // guarded by mu
}

// connect connects a caller from an IP address, "": without one.
func (h *house) connect(ctx context.Context, ip string, visit bool) *caller {
	ours, theirs := net.Pipe()
	c := &caller{Conn: ours, closed: make(chan struct{})}
	var conn net.Conn = theirs
	if ip != "" {
		conn = addressed{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
	}
	var proven *access.Credentials
	if visit {
		proven = new(access.Credentials)
	}
	h.served.Go(func() {
		h.Serve(ctx, conn, proven)
		close(c.closed)
	})
	h.served.Go(func() { io.Copy(c, ours) })
	return c
}

type addressed struct {
	net.Conn
	addr net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.addr }
func (a addressed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 24280} }

// Write keeps bytes that were read from the connection.
func (c *caller) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.Write(b)
}

func (c *caller) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

// send sends bytes, unless the front closes the connection before it has read them.
func (h *house) send(c *caller, s string) {
	h.served.Go(func() { io.WriteString(c.Conn, s) })
}

func (c *caller) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// problem describes how the counts of a house differ from its open connections, of which
// open has the number by address; "": they do not.
func (h *house) problem(open map[string]int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	total := 0
	counts := h.places.counts
	for address, n := range open {
		total += n
		if address != "" && counts[address] != n {
			return fmt.Sprintf("%d connections are counted for %s, want %d", counts[address], address, n)
		}
	}
	for address, n := range counts {
		if n <= 0 || open[address] != n {
			return fmt.Sprintf("%d connections are counted for %s, want %d", n, address, open[address])
		}
	}
	if len(h.conns) != total {
		return fmt.Sprintf("%d connections are open, want %d", len(h.conns), total)
	}
	return ""
}

// empty is problem for a house that has served all its connections.
func (h *house) empty() string {
	h.mu.Lock()
	browsers, p := len(h.browsers), &h.places
	counted := p.placed + p.guests + p.door + len(p.doorByGroup)
	h.mu.Unlock()
	if browsers > 0 || counted != 0 {
		return fmt.Sprintf("browsers of %d addresses are counted, and %+v", browsers, p)
	}
	if members, _ := h.room.Count(); members > 0 {
		return fmt.Sprintf("%d members are in the room", members)
	}
	return h.problem(nil)
}

// Whoever speaks, by whatever protocol, a connection is admitted once and counted once,
// until it is closed; then nothing of it is left.
func TestEveryConnectionIsCountedOnce(t *testing.T) {
	starts := map[string]string{
		"person": "hello\n", "program": "{\"type\":\"hello\",\"nick\":\"p\"}\n{\"type\":\"say\",\"text\":\"x\"}\n", "probe": "{\"type\":\"hello\",\"probe\":true}\n",
		"http": "GET /messages HTTP/1.1\r\n\r\n", "page": "GET / HTTP/1.1\r\n\r\n", "ssh": "SSH-2.0-x\r\n", "tls": "\x16\x03\x01\x02\x00\x01", "silent": "", "unfinished": "{\"type\":", "unfinished request": "GET /",
		"too long": strings.Repeat("x", 9<<10) + "\n", "too long a request": "GET /" + strings.Repeat("x", 9<<10) + "\n", "empty": "\n", "not a hello": "{}\n",
		"known": "{\"type\":\"hello\",\"token\":\"token-of-a-client\"}\n", "quits": "{\"type\":\"hello\"}\n{\"type\":\"quit\"}\n",
		"operator": "{\"type\":\"hello\",\"token\":\"operators-own-token\"}\n{\"type\":\"ban\",\"nick\":\"10.0.0.3\"}\n",
	}
	names := rapid.SampledFrom([]string{
		"person", "program", "probe", "http", "page", "ssh", "tls", "silent", "unfinished", "unfinished request",
		"too long", "too long a request", "empty", "not a hello", "known", "known", "quits", "operator",
	})
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			h := newHouse(Options{MaxConns: 6, MaxPerAddress: 3})
			var callers []*caller
			address := make(map[*caller]string)
			var opened, refused uint64
			check := func() {
				synctest.Wait()
				open := make(map[string]int)
				for _, c := range callers {
					if !c.isClosed() {
						open[address[c]]++
					}
				}
				if problem := h.problem(open); problem != "" {
					rt.Fatal(problem)
				}
				if stats := h.Stats(); stats.Opened != opened-refused {
					rt.Fatalf("%d connections were admitted, want %d of %d", stats.Opened, opened-refused, opened)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"connect": func(rt *rapid.T) {
					ip := rapid.SampledFrom([]string{"", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"}).Draw(rt, "ip")
					admitted := h.Stats().Opened
					c := h.connect(context.Background(), ip, false)
					synctest.Wait()
					opened++
					callers = append(callers, c)
					address[c] = group(ip)
					if h.Stats().Opened > admitted {
						h.send(c, starts[names.Draw(rt, "who")])
						check()
						return
					}
					h.send(c, starts[rapid.SampledFrom([]string{"http", "known", "person"}).Draw(rt, "who waits at the door")])
					time.Sleep(2 * httpWait)
					synctest.Wait()
					if c.isClosed() && !strings.Contains(c.received(), "elcome") {
						refused++
					}
					check()
				},
				"speak": func(rt *rapid.T) {
					if len(callers) > 0 {
						h.send(rapid.SampledFrom(callers).Draw(rt, "caller"), starts[names.Draw(rt, "late")])
					}
				},
				"hang up": func(rt *rapid.T) {
					if len(callers) > 0 {
						rapid.SampledFrom(callers).Draw(rt, "caller").Close()
					}
				},
				"wait": func(rt *rapid.T) {
					time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, Silence, browserSilence, 30 * time.Second}).Draw(rt, "for"))
					check()
				},
			})
			check()
			if rapid.Bool().Draw(rt, "callers hang up first") {
				for _, c := range callers {
					c.Close()
				}
			}
			h.Close()
			for _, c := range callers {
				c.Close()
			}
			h.served.Wait()
			if problem := h.empty(); problem != "" {
				rt.Fatal(problem)
			}
			if stats := h.Stats(); stats.Open != 0 || stats.Opened != opened-refused {
				rt.Fatalf("%+v, want %d admitted", stats, opened-refused)
			}
		})
	})
}

// group is endpoint.Group of an IP address, or "".
func group(ip string) string {
	_, group := AddressOf(&net.TCPAddr{IP: net.ParseIP(ip), Port: 1})
	if ip == "" {
		return ""
	}
	return group
}

// GoString is how a failing schedule shows a caller.
func (c *caller) GoString() string { return "caller" }

// Stats has what all sessions were sent, while they last and after that.
func TestStatsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(Options{})
		var callers []*caller
		for n := range 3 {
			callers = append(callers, h.connect(context.Background(), "10.0.0.2", false))
			h.send(callers[n], fmt.Sprintf("{\"type\":\"hello\",\"nick\":\"n%d\",\"backlog\":0}\n", n))
			synctest.Wait()
		}
		h.send(callers[0], "{\"type\":\"say\",\"text\":\"soup\"}\n")
		time.Sleep(time.Minute)
		bytes := func() (n uint64) {
			for _, c := range callers {
				n += uint64(len(c.received()))
			}
			return n
		}
		before := h.Stats()
		if before.Open != 3 || before.Opened != 3 || before.Delivered < 3 || before.Sent != bytes() {
			t.Errorf("%+v, with %d bytes received", before, bytes())
		}
		callers[1].Close()
		synctest.Wait()
		if after := h.Stats(); after.Open != 2 || after.Counts != before.Counts {
			t.Errorf("after one has left: %+v, was %+v", after, before)
		}
		h.Close()
		after := h.Stats()
		for _, c := range callers {
			c.Close()
		}
		h.served.Wait()
		if after.Open != 0 || after.Opened != 3 || after.Sent < before.Sent {
			t.Errorf("after all have left: %+v, was %+v", after, before)
		}
		if problem := h.empty(); problem != "" {
			t.Error(problem)
		}
	})
}

// A visit counts against no limit: it is admitted to a full room, and keeps no one out.
func TestVisitTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(Options{MaxConns: 2, MaxPerAddress: 1})
		page := h.connect(context.Background(), "10.0.0.2", false)
		h.send(page, "GET / HTTP/1.1\r\n\r\n")
		visit := h.connect(context.Background(), "10.0.0.2", true)
		h.send(visit, "{\"type\":\"hello\",\"nick\":\"cron\",\"token\":\"token-of-cron\"}\n")
		synctest.Wait()
		other := h.connect(context.Background(), "10.0.0.3", false)
		h.send(other, "{\"type\":\"hello\",\"nick\":\"other\"}\n")
		synctest.Wait()
		for name, c := range map[string]*caller{"visit": visit, "other": other} {
			if got := c.received(); !strings.Contains(got, `"welcome"`) {
				t.Errorf("the %s got %q, want a welcome", name, got)
			}
		}
		h.Close()
		page.Close()
		visit.Close()
		other.Close()
		h.served.Wait()
		if problem := h.empty(); problem != "" {
			t.Error(problem)
		}
	})
}

// The room closes while a connection is in each of its phases: it ends, and nothing is left.
func TestCloseInEveryPhase(t *testing.T) {
	for _, test := range []struct {
		name, sent string
		after      time.Duration
		want       string // a part of the output
	}{
		{"silent", "", 0, ""},
		{"silent long enough", "", Silence + time.Millisecond, "* Welcome"},
		{"unfinished", "{\"type\":", 0, ""},
		{"unfinished, and waited for", "{\"type\":", time.Second, ""},
		{"hello is still to come", "{}\n", time.Second, "bad_json"},
		{"program", "{\"type\":\"hello\"}\n", time.Second, "shutdown"},
		{"person", "hi\n", time.Second, "goodbye"},
		{"request", "GET / HTTP/1.1\r\n\r\n", time.Second, "GET / HTTP/1.1"},
		{"unfinished request", "GET / HT", time.Second, ""},
		{"half a TLS head", "\x16", time.Second, "* Welcome"},
	} {
		for how, end := range map[string]func(h *house, cancel func()){"the front closes": func(h *house, _ func()) { h.Close() }, "its context ends": func(_ *house, cancel func()) { cancel() }} {
			t.Run(test.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(Options{})
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					c := h.connect(ctx, "10.0.0.2", false)
					h.send(c, test.sent)
					time.Sleep(test.after)
					synctest.Wait()
					began := time.Now()
					end(h, cancel)
					<-c.closed
					if d := time.Since(began); d > 3*time.Second {
						t.Errorf("it took %v", d)
					}
					c.Close()
					h.served.Wait()
					if got := c.received(); !strings.Contains(got, test.want) {
						t.Errorf("it got %q, want %q in it", got, test.want)
					}
					if problem := h.empty(); problem != "" {
						t.Error(problem)
					}
					h.Close()
				})
			})
		}
	}
}

// Accept returns once its context ends, or with the error of a listener that failed.
// Refused connections get the reason before that.
func TestAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(Options{MaxConns: 1, MaxPerAddress: 1})
		conns := make(chan net.Conn)
		ctx, cancel := context.WithCancel(t.Context())
		accepted := make(chan error)
		ln := listener{conns}
		go func() { accepted <- h.Accept(ctx, ln) }()
		first, theirs := net.Pipe()
		conns <- theirs
		second, theirs := net.Pipe()
		conns <- theirs
		got, _ := io.ReadAll(second)
		if !strings.HasPrefix(string(got), "! the room is full (1 connections)") {
			t.Errorf("the second got %q", got)
		}
		cancel()
		close(conns)
		if err := <-accepted; err != nil {
			t.Errorf("Accept: %v", err)
		}
		if err := h.Accept(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept of a closed listener: %v", err)
		}
		first.Close()
		h.Close()
		if problem := h.empty(); problem != "" {
			t.Error(problem)
		}
		third, theirs := net.Pipe()
		defer third.Close()
		if c, err := h.admit(theirs, nil); c != nil || err == nil {
			t.Errorf("after Close, admit returns %v, %v", c, err)
		}
	})
}

type listener struct{ conns chan net.Conn }

func (l listener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l listener) Close() error   { return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }
