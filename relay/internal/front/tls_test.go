package front

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/internal/session"
)

// hostConfig returns the configuration of a sealed room, with a new certificate.
var hostConfig = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
})

// sealed are the options of a sealed room.
func sealed() Options { return Options{TLS: hostConfig(), Names: []string{"lab.local"}} }

// dial connects a caller from an IP address by TLS, which sends said after the handshake. below wraps its end of the
// connection, if it is not nil.
func (h *house) dial(ip, said string, config *tls.Config, below func(net.Conn) net.Conn) *caller {
	ours, theirs := net.Pipe()
	if below == nil {
		below = func(conn net.Conn) net.Conn { return conn }
	}
	config = config.Clone()
	config.InsecureSkipVerify = true
	out := &buffered{Conn: ours, wake: make(chan struct{}, 1)}
	h.served.Go(out.send)
	conn := tls.Client(below(out), config)
	c := &caller{Conn: conn, closed: make(chan struct{})}
	h.served.Go(func() {
		h.Serve(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}, nil)
		close(c.closed)
	})
	h.served.Go(func() {
		if err := conn.Handshake(); err == nil && said != "" {
			h.send(c, said)
		}
		if _, err := io.Copy(c, conn); err != nil {
			fmt.Fprintf(c, "[%v]", err)
		}
		out.Close()
	})
	return c
}

// A buffered is one end of a pipe that accepts bytes before the other end reads them, as TCP does: in a handshake, both
// ends may write at the same time.
type buffered struct {
	net.Conn
	wake chan struct{} // closed with the connection

	mu       sync.Mutex // guards all below
	queue    []byte
	isClosed bool
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isClosed {
		return 0, net.ErrClosed
	}
	b.queue = append(b.queue, p...)
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (b *buffered) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queue
	b.queue = nil
	return queue
}

// send passes writes on until the connection is closed.
func (b *buffered) send() {
	for range b.wake {
		if _, err := b.Conn.Write(b.take()); err != nil {
			return
		}
	}
}

func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isClosed {
		b.isClosed = true
		close(b.wake)
	}
	return b.Conn.Close()
}

// comeByTLS is come by TLS.
func (c *crowd) comeByTLS(ip, said string) *caller {
	caller := c.dial(ip, said, &tls.Config{}, nil)
	c.callers = append(c.callers, caller)
	time.Sleep(2 * Silence)
	synctest.Wait()
	return caller
}

// Every kind of client is recognized inside TLS as it is in a plain room.
func TestClientsByTLS(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		for _, ip := range []string{"10.0.0.2", "127.0.0.1"} {
			c.want("a silent person", c.comeByTLS(ip, ""), "* Welcome", false)
			c.want("a person", c.comeByTLS(ip, "soup\n"), "* Welcome", false)
			c.want("a program", c.comeByTLS(ip, helloOfAlice), `"welcome"`, false)
			c.want("a browser", c.comeByTLS(ip, "GET / HTTP/1.1\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n", false)
			c.want("a stranger", c.comeByTLS(ip, "CAP LS 302\r\n"), "ERROR :", true)
			c.want("TLS again", c.comeByTLS(ip, "\x16\x03\x01\x00\x01\x01"), "\x15\x03\x03\x00\x02", true)
			later := c.comeByTLS(ip, "GET / HTTP/1.1\r\n\r\n")
			time.Sleep(time.Minute) // the time for the handshake is over
			c.send(later, "more")
			synctest.Wait()
			c.want("a browser, later", later, "GET / HTTP/1.1\r\n\r\nmore", false)
		}
	})
}

// Connections from other machines that are not encrypted learn that the room is sealed, in their own protocol.
func TestPlainClientsOfSealedRoom(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		const line = "! this room is sealed: join it with its invite, chat join 'https://…'"
		silent := c.come("10.0.0.2", "")
		c.want("a silent person, at first", silent, "", false)
		time.Sleep(sealedSilence)
		c.want("a silent person", silent, line, true)
		c.want("a person", c.come("10.0.0.2", "soup\n"), line, true)
		c.want("a person, too long", c.come("10.0.0.2", strings.Repeat("soup", 5000)+"\n"), line, true)
		c.want("a program", c.come("10.0.0.2", helloOfAlice), `"text":"this room is sealed: join it`, true)
		c.want("a program, too long", c.come("10.0.0.2", "{"+strings.Repeat("soup", 5000)+"\n"), `"code":"sealed"`, true)
		c.want("a stranger", c.come("10.0.0.2", "CAP LS 302\r\n"), "ERROR :", true)
		unfinished := c.come("10.0.0.2", "GET / HT")
		time.Sleep(30 * time.Second)
		c.want("an unfinished line", unfinished, "the first line did not end in time", true)
		c.want("RTSP", c.come("10.0.0.2", "DESCRIBE rtsp://10.0.0.1/x RTSP/1.0\r\n\r\n"), "RTSP/1.0 501", true)
		if c.http.Load() != 0 {
			t.Error("the HTTP handler got a connection")
		}
		for who, local := range map[string]string{"a pipe": "", "loopback": "127.0.0.1"} {
			silent := c.come(local, "")
			time.Sleep(localSilence)
			c.want(who, silent, "* Welcome", false)
			c.want(who, c.come(local, helloOfBob), `"welcome"`, false)
			c.want(who, c.come(local, "GET / HTTP/1.1\r\n\r\n"), "GET /", false)
		}
		if who := c.room.Who(); strings.Contains(fmt.Sprint(who), "alice") {
			t.Errorf("alice entered: %v", who)
		}
	})
}

// A message by HTTP enters the room on a visit, which has the address of the request, and is not encrypted again.
func TestVisitOfSealedRoom(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		visit := c.connect(context.Background(), "10.0.0.2", true)
		c.callers = append(c.callers, visit)
		c.send(visit, helloOfAlice+say)
		time.Sleep(time.Second)
		synctest.Wait()
		c.want("a visit", visit, `"text":"soup"`, false)
	})
}

// A page opened by HTTP is redirected to the same address by HTTPS, at a host that is this machine's.
func TestRedirect(t *testing.T) {
	for _, test := range []struct{ request, want string }{
		{"GET / HTTP/1.1\r\nHost: 192.168.1.5:24280\r\n\r\n", "https://192.168.1.5:24280/"},
		{"GET /a%2fb/c?q=%20&x HTTP/1.1\r\nHost: lab.local:24280\r\nCookie: x=y\r\n\r\n", "https://lab.local:24280/a%2fb/c?q=%20&x"},
		{"HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n", "https://localhost:80/x"},
		{"POST /messages HTTP/1.1\r\nHost: [fe80::1]:24280\r\nContent-Length: 4\r\n\r\nsoup", "https://[fe80::1]:24280/messages"},
		{"GET http://192.168.1.5:1/x HTTP/1.1\r\nHost: 192.168.1.5:1\r\n\r\n", "https://192.168.1.5:1/x"},
		{"GET / HTTP/1.1\r\nHost: evil.example:24280\r\n\r\n", "https://10.9.9.9:24280/"},
		{"GET / HTTP/1.1\r\nHost: localhost:1/@evil.example\r\n\r\n", "https://10.9.9.9:24280/"},
		{"GET //evil.example/ HTTP/1.1\r\nHost: lab.local:24280\r\n\r\n", "https://lab.local:24280//evil.example/"},
		{"GET / HTTP/1.0\r\n\r\n", "https://10.9.9.9:24280/"},
		{"OPTIONS * HTTP/1.1\r\nHost: lab.local:24280\r\n\r\n", "https://lab.local:24280/"},
		{"GET / HTTP/1.1\r\nHost: lab.local\r\n", ""}, // unfinished
		{"GET / HTTP/1.1\r\nno header\r\n\r\n", ""},
		{"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n", ""},
	} {
		inHouse(t, sealed(), func(c *crowd) {
			caller := c.come("10.0.0.2", test.request)
			time.Sleep(redirectTime)
			synctest.Wait()
			got := caller.received()
			if !caller.isClosed() {
				t.Errorf("%q is not closed", test.request)
			}
			if test.want == "" {
				if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
					t.Errorf("%.40q: got %q", test.request, got)
				}
				return
			}
			if !strings.Contains(got, "HTTP/1.1 307 ") || !strings.Contains(got, "\r\nLocation: "+test.want+"\r\n") || !strings.Contains(got, "no-store") || !strings.Contains(got, "nosniff") {
				t.Errorf("%q: got %q, want %q", test.request, got, test.want)
			}
			if isHead := strings.HasPrefix(test.request, "HEAD"); isHead == strings.HasSuffix(got, "\n\r\nthis room is sealed: "+test.want+"\n") {
				t.Errorf("%q: the body of %q", test.request, got)
			}
		})
	}
}

// An address of this machine in a redirect has no zone: another machine has other ones.
func TestRedirectToALinkLocalAddress(t *testing.T) {
	c := &Conn{front: newHouse(sealed()).Front, Conn: linkLocal{}}
	if got := c.sealedHost("evil.example"); got != "[fe80::1]:24280" {
		t.Errorf("got %q", got)
	}
}

// A linkLocal is a connection to a link-local address of this machine.
type linkLocal struct{ net.Conn }

func (linkLocal) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 24280}
}

// A pieces is a connection that sends one byte at a time.
type pieces struct{ net.Conn }

func (p pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		_, err = p.Conn.Write(b[n : n+1])
		n++
	}
	return n, err
}

// Records may arrive in any pieces.
func TestTLSByteByByte(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		caller := c.dial("10.0.0.2", helloOfAlice+say, &tls.Config{}, func(conn net.Conn) net.Conn { return pieces{conn} })
		c.callers = append(c.callers, caller)
		time.Sleep(time.Second)
		c.want("a program", caller, `"text":"soup"`, false)
	})
}

// A handshake that fails ends the connection, with an alert if TLS has one for it.
func TestFailedHandshakes(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		for _, garbage := range []string{"\x16\x03garbage\n", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x04\x01\x00\x00\x00", "\x16\x03\x01\x00\x00", "\x16\x03\x03\x00\x05hello"} {
			for _, ip := range []string{"10.0.0.2", "127.0.0.1"} {
				caller := c.come(ip, garbage)
				time.Sleep(time.Second)
				c.want(fmt.Sprintf("%q", garbage), caller, "\x15\x03", true)
				if got := caller.received(); len(got) != 7 {
					t.Errorf("%q got more than an alert: %q", garbage, got)
				}
			}
		}
		old := c.dial("10.0.0.2", "", &tls.Config{MaxVersion: tls.VersionTLS12}, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		c.want("TLS 1.2", old, "protocol version not supported", true)
	})
}

// A peer that is silent in the handshake is closed when the time for the first line is over.
func TestSilentHandshake(t *testing.T) {
	for _, start := range []string{"\x16", "\x16\x03", "\x16\x03\x01\x00\xff\x01\x00"} {
		inHouse(t, sealed(), func(c *crowd) {
			caller := c.come("10.0.0.2", start)
			time.Sleep(30*time.Second - 2*Silence - time.Millisecond)
			synctest.Wait()
			c.want(fmt.Sprintf("%q, early", start), caller, "", false)
			if problem := c.problem(map[string]int{"10.0.0.2": 1}); problem != "" {
				t.Error(problem)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			c.want(fmt.Sprintf("%q", start), caller, "", true)
		})
	}
}

// Closing the room ends handshakes at once, whatever they wait for.
func TestRoomClosesInHandshake(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		var hello []byte
		recorder := c.dial("10.0.0.2", "", &tls.Config{}, func(conn net.Conn) net.Conn { return recording{conn, &hello} })
		c.callers = append(c.callers, recorder)
		time.Sleep(time.Second)
		c.come("10.0.0.3", "\x16\x03")
		ours, theirs := net.Pipe() // its peer reads nothing
		defer ours.Close()
		c.served.Go(func() {
			c.Serve(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.ParseIP("10.0.0.4"), Port: 1}}, nil)
		})
		ours.Write(hello)
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("closing took %v", took)
		}
	})
}

// The room may close between the first bytes and the handshake: that does not get its time then.
func TestRoomClosesBeforeHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(sealed())
		ours, theirs := net.Pipe()
		defer ours.Close()
		c := newConn(h.Front, theirs, nil)
		c.end()
		c.setInHandshake(true)
		began := time.Now()
		if _, err := c.Conn.Read(make([]byte, 1)); !isTimeout(err) || time.Since(began) > 0 {
			t.Errorf("a handshake waits for its peer for %v, %v", time.Since(began), err)
		}
		h.Close()
	})
}

// A recording keeps the first write.
type recording struct {
	net.Conn
	first *[]byte
}

func (r recording) Write(b []byte) (int, error) {
	if *r.first == nil {
		*r.first = bytes.Clone(b)
	}
	return r.Conn.Write(b)
}

// Of 1,000 handshakes at once, 64 are computed; the host's own machine does not wait.
func TestThousandHandshakes(t *testing.T) {
	var mu sync.Mutex
	running := map[bool]int{} // by whether the peer is on this machine; guarded by mu
	goOn := make(chan struct{})
	opts := sealed()
	opts.MaxConns, opts.MaxPerAddress = 3000, 3000
	opts.TLS = opts.TLS.Clone()
	certificate := opts.TLS.Certificates[0]
	opts.TLS.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		running[isLocal(hello.Conn)]++
		mu.Unlock()
		if !isLocal(hello.Conn) {
			<-goOn
		}
		return &certificate, nil
	}
	opts.TLS.Certificates = nil
	synctest.Test(t, func(t *testing.T) {
		goOn = make(chan struct{})
		c := &crowd{house: newHouse(opts), t: t}
		var hello []byte
		c.dial("127.0.0.1", "", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, func(conn net.Conn) net.Conn {
			return recording{conn, &hello}
		}).Close()
		synctest.Wait()
		running = map[bool]int{}
		for i := range 1000 {
			c.callers = append(c.callers, c.connect(context.Background(), fmt.Sprintf("10.0.%d.%d", i/250, i%250), false))
			c.send(c.callers[i], string(hello))
		}
		for range 20 {
			c.come("10.1.0.1", "\x16\x03\x01") // one that does nothing takes no turn
		}
		synctest.Wait()
		c.want("this machine", c.comeByTLS("127.0.0.1", helloOfAlice), `"welcome"`, false)
		mu.Lock()
		if running[false] != maxHandshakes || running[true] != 1 {
			t.Errorf("%d handshakes are computed, and %d of this machine", running[false], running[true])
		}
		mu.Unlock()
		close(goOn)
		time.Sleep(2 * Silence)
		synctest.Wait()
		for i, caller := range c.callers[:1000] {
			if got := caller.received(); len(got) < 500 || caller.isClosed() {
				t.Fatalf("caller %d got %d bytes", i, len(got))
			}
		}
		if running[false] != 1000 {
			t.Errorf("%d handshakes were computed", running[false])
		}
		c.Close()
		for _, caller := range c.callers {
			caller.Close()
		}
		c.served.Wait()
		if problem := c.empty(); problem != "" {
			t.Error(problem)
		}
	})
}

// A refused client learns why by TLS, too.
func TestRefusedByTLS(t *testing.T) {
	opts := sealed()
	opts.Arrivals = session.NewRate(0.0001, 1)
	inHouse(t, opts, func(c *crowd) {
		const why = "! too many new connections from 10.0.0.2"
		c.want("the first", c.comeByTLS("10.0.0.2", ""), "* Welcome", false)
		c.want("the second", c.comeByTLS("10.0.0.2", ""), why, true)
		c.want("a request", c.comeByTLS("10.0.0.2", "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 503 ", true)
		c.want("a plain person", c.come("10.0.0.2", ""), why, true)
		c.want("a plain request", c.come("10.0.0.2", "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 503 ", true)
		c.want("garbage", c.come("10.0.0.2", "\x16\x03garbage"), "\x15\x03", true)
		unfinished := c.come("10.0.0.2", "\x16\x03\x01\x00\xff\x01\x00")
		time.Sleep(refusedHandshake + 2*time.Second) // and the time for the answer
		synctest.Wait()
		c.want("an unfinished handshake", unfinished, "", true)
	})
}

// Browsers get HTTP/1.1, and what other clients offer is not refused.
func TestALPN(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		for _, test := range []struct {
			offers []string
			want   string
		}{{[]string{"h2", "http/1.1"}, "http/1.1"}, {[]string{"http/1.1"}, "http/1.1"}, {[]string{"irc"}, ""}, {[]string{"h2"}, ""}, {nil, ""}} {
			caller := c.dial("10.0.0.2", "", &tls.Config{NextProtos: test.offers}, nil)
			c.callers = append(c.callers, caller)
			time.Sleep(2 * Silence)
			c.want(fmt.Sprint(test.offers), caller, "* Welcome", false)
			if got := caller.Conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != test.want {
				t.Errorf("of %q it chooses %q, want %q", test.offers, got, test.want)
			}
		}
	})
}

// A client that reconnects resumes its TLS session, without early data.
func TestResumedHandshake(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "lab.local"}
		for i := range 3 {
			caller := c.dial("10.0.0.2", helloOfAlice, config, nil)
			c.callers = append(c.callers, caller)
			time.Sleep(time.Second)
			c.want("alice", caller, `"welcome"`, false)
			if resumed := caller.Conn.(*tls.Conn).ConnectionState().DidResume; resumed != (i > 0) {
				t.Errorf("connection %d is resumed: %v", i, resumed)
			}
		}
	})
}

// The HTTP handler and the session know the connection's exporter; a plain one has none.
func TestExporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(sealed())
		conns := make(chan *Conn, 2)
		h.opts.HTTP = func(conn net.Conn) {
			conns <- conn.(*Conn)
			go h.answer(conn)
		}
		client := h.dial("10.0.0.2", "GET / HTTP/1.1\r\n\r\n", &tls.Config{}, nil)
		conn := <-conns
		ours, err := conn.Exporter("EXPORTER-chat-v1", 32)
		if err != nil || !conn.IsEncrypted() {
			t.Error(conn.IsEncrypted(), err)
		}
		state := client.Conn.(*tls.Conn).ConnectionState()
		if theirs, err := state.ExportKeyingMaterial("EXPORTER-chat-v1", nil, 32); err != nil || !bytes.Equal(ours, theirs) {
			t.Errorf("%x and %x, %v", ours, theirs, err)
		}
		plain := h.connect(context.Background(), "127.0.0.1", false)
		h.send(plain, "GET / HTTP/1.1\r\n\r\n")
		conn = <-conns
		if _, err := conn.Exporter("EXPORTER-chat-v1", 32); err == nil || conn.IsEncrypted() {
			t.Error(conn.IsEncrypted(), err)
		}
		h.Close()
		client.Close()
		plain.Close()
		h.served.Wait()
	})
}

// In a plain room, TLS gets the alert that it always got.
func TestTLSInPlainRoom(t *testing.T) {
	inHouse(t, Options{}, func(c *crowd) {
		caller := c.dial("10.0.0.2", "", &tls.Config{}, nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		c.want("TLS", caller, "protocol version not supported", true)
	})
}

// A plain room has no secret to prove: an auth lets no one in.
func TestAuthInPlainRoom(t *testing.T) {
	inHouse(t, Options{}, func(c *crowd) {
		caller := c.come("10.0.0.2", `{"type":"auth","mechanism":"SCRAM-SHA-256-PLUS","data":""}`+"\n")
		c.want("an auth", caller, `"code":"bad_request"`, false)
		if got := caller.received(); strings.Contains(got, "welcome") {
			t.Errorf("an auth lets a program in: %s", got)
		}
	})
}

// Closing the room delivers the bye, and ends the output as TLS does.
func TestByeByTLS(t *testing.T) {
	inHouse(t, sealed(), func(c *crowd) {
		program, person := c.comeByTLS("10.0.0.2", helloOfAlice), c.comeByTLS("10.0.0.3", "")
		c.Close()
		synctest.Wait()
		for _, caller := range []*caller{program, person} {
			if got := caller.received(); !strings.Contains(got, "the room is closing; goodbye") || strings.HasSuffix(got, "]") {
				t.Errorf("got %q", got)
			}
		}
	})
}

// Whatever arrives first in a sealed room: no plain connection from another machine enters, and each is closed in time.
func FuzzSealedFirstBytes(f *testing.F) {
	for _, start := range []string{
		"", "\x16", "\x16\x03", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "soup\n", helloOfAlice, "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: lab.local:0\r\n\r\n", "\r\nGET", "\x00\x00\x00\x00", "{", "PASS x\r\nNICK y\r\n", "\xff\xfd\x06/me\r\n", "SSH-2.0-x\r\n",
	} {
		f.Add([]byte(start), 1)
	}
	f.Fuzz(func(t *testing.T, start []byte, split int) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(sealed())
			caller := h.connect(context.Background(), "10.0.0.2", false)
			split := min(max(split, 0), len(start))
			h.served.Go(func() {
				for _, part := range [][]byte{start[:split], start[split:]} {
					if len(part) > 0 {
						caller.Conn.Write(part)
					}
				}
			})
			time.Sleep(70 * time.Second)
			synctest.Wait()
			if !caller.isClosed() {
				t.Errorf("not closed; got %q", caller.received())
			}
			if got := caller.received(); strings.Contains(got, "Welcome") || strings.Contains(got, `"welcome"`) || h.http.Load() > 0 {
				t.Errorf("it entered, with %q", got)
			}
			caller.Close()
			h.Close()
			h.served.Wait()
			if problem := h.empty(); problem != "" {
				t.Error(problem)
			}
		})
	})
}
