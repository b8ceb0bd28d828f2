//go:build linux

package main

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A proxy stands between one client and the host, and lets things happen to their
// connections.
//
// It is our own because github.com/Shopify/toxiproxy (v2.5.0, the latest that the module
// proxy has) falls short: its reset_peer sets the linger of new connections only, those
// that stand end by FIN; what it swallowed (timeout) it closes at both ends in one, where a
// cable that was pulled or a machine that slept leaves one end to find out for itself; and
// as a library it brings 38 modules into the list of a chat that has 72, Prometheus and
// protobuf among them.
type proxy struct {
	addr string // where the client connects to
	host string

	mu      sync.Mutex
	ln      net.Listener // nil while connections are refused
	weather weather
	links   map[*link]bool
	closed  bool
}

// weather is what befalls all that passes.
type weather struct {
	swallow bool          // nothing comes through, and nobody is told
	oneWay  bool          // nothing comes from the host, and nobody is told
	delay   time.Duration // it comes later
	loss    bool          // at times it comes as late as after a lost packet
	slice   bool          // it comes in small pieces
}

func newProxy(addr, host string) (*proxy, error) {
	p := &proxy{addr: addr, host: host, links: make(map[*link]bool)}
	return p, p.allow()
}

// allow lets connections come.
func (p *proxy) allow() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln != nil || p.closed {
		return nil
	}
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.ln = ln
	go p.accept(ln)
	return nil
}

func (p *proxy) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go p.connect(conn.(*net.TCPConn))
	}
}

// connect makes the other half of a connection. In a network that swallows everything
// there is none: the client's own SYN would have been answered by nobody, but a listener
// cannot keep silent.
func (p *proxy) connect(client *net.TCPConn) {
	l := &link{proxy: p, client: client}
	l.toHost.Store(whole)
	l.toClient.Store(whole)
	if p.now().swallow {
		l.dead.Store(true)
	} else {
		conn, err := net.DialTimeout("tcp", p.host, 5*time.Second)
		if err != nil {
			abort(client)
			return
		}
		l.host = conn.(*net.TCPConn)
	}
	p.mu.Lock()
	if p.closed || p.ln == nil {
		p.mu.Unlock()
		l.abort()
		return
	}
	p.links[l] = true
	p.mu.Unlock()
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *proxy) now() weather {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather
}

func (p *proxy) change(f func(w *weather)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.weather)
}

func (p *proxy) each(f func(l *link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		f(l)
	}
}

// refuse ends all connections, and lets none come until allow.
func (p *proxy) refuse() {
	p.mu.Lock()
	if p.ln != nil {
		p.ln.Close()
		p.ln = nil
	}
	p.mu.Unlock()
	p.each((*link).close)
}

// reset ends all connections at once; what is on its way is gone.
func (p *proxy) reset() { p.each((*link).abort) }

// truncate ends the connections that stand in the middle of a line, after about so many
// further bytes in one direction.
func (p *proxy) truncate(toHost bool, bytes int) {
	p.each(func(l *link) {
		if toHost {
			l.toHost.Store(int64(bytes))
		} else {
			l.toClient.Store(int64(bytes))
		}
	})
}

// Who is told at the end of a time in which all was swallowed.
const (
	tellBoth = iota
	tellClient
	tellHost
	tellings // how many there are
)

// swallow lets nothing through any more.
func (p *proxy) swallow() { p.change(func(w *weather) { w.swallow = true }) }

// restore ends that: as no byte of a connection may be missing, those that stand have to
// end. An end that is not told finds out by itself, or never.
func (p *proxy) restore(tell int) {
	p.change(func(w *weather) { w.swallow = false })
	p.each(func(l *link) {
		l.dead.Store(true)
		if tell != tellHost {
			abort(l.client)
		}
		if tell != tellClient && l.host != nil {
			abort(l.host)
		}
	})
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.refuse()
}

// allowBothWays ends oneWay. A connection that lost bytes must not continue: all are reset.
func (p *proxy) allowBothWays() {
	p.change(func(w *weather) { w.oneWay = false })
	p.reset()
}

// whole is for a direction that is not to be truncated.
const whole = -1

// A link is one connection of a client, and the one to the host that belongs to it.
type link struct {
	proxy            *proxy
	client, host     *net.TCPConn // host is nil where nobody was reached
	dead             atomic.Bool  // nothing passes any more; the ends are on their own
	toHost, toClient atomic.Int64 // bytes until the end; or whole
}

// run lasts until both ends have ended.
func (l *link) run() {
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(l.client, l.host, &l.toHost) })
	if l.host != nil {
		pumps.Go(func() { l.pump(l.host, l.client, &l.toClient) })
	}
	pumps.Wait()
	l.close()
}

// pump passes on what one end sends, until that ends; then the other one learns of it,
// in the same manner.
func (l *link) pump(from, to *net.TCPConn, left *atomic.Int64) {
	buf := make([]byte, 32<<10)
	silent := false // lost bytes of the host: it is reset soon
	for {
		n, err := from.Read(buf)
		w := l.proxy.now()
		if w.swallow {
			l.dead.Store(true) // with a hole in it, it must never go on
		}
		if w.oneWay && from == l.host {
			silent = true
		}
		if n > 0 && !silent && !l.dead.Load() {
			if !l.pass(to, buf[:n], w, left) {
				l.abort()
				return
			}
		}
		switch {
		case err == nil:
		case l.dead.Load():
			from.Close()
			return
		case silent:
			return
		case err == io.EOF:
			to.CloseWrite()
			return
		default:
			l.abort()
			return
		}
	}
}

// pass sends b as the weather has it. It reports whether the connection goes on.
func (l *link) pass(to *net.TCPConn, b []byte, w weather, left *atomic.Int64) bool {
	if n := left.Load(); n != whole {
		if int(n) >= len(b) {
			left.Add(-int64(len(b)))
		} else {
			if n > 0 && b[n-1] == '\n' {
				n-- // in the middle of a line
			}
			to.Write(b[:n])
			return false
		}
	}
	time.Sleep(w.delay)
	if w.loss {
		for pause := 200 * time.Millisecond; pause < time.Second && rand.IntN(4) == 0; pause *= 2 {
			time.Sleep(pause)
		}
	}
	for w.slice && len(b) > 0 && !l.dead.Load() {
		n := min(1+rand.IntN(400), len(b))
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
		time.Sleep(time.Millisecond)
		w = l.proxy.now()
	}
	if len(b) == 0 {
		return true
	}
	_, err := to.Write(b)
	return err == nil || l.dead.Load()
}

func (l *link) close() {
	l.client.Close()
	if l.host != nil {
		l.host.Close()
	}
}

func (l *link) abort() {
	abort(l.client)
	if l.host != nil {
		abort(l.host)
	}
}

// abort ends a connection by RST.
func abort(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}
