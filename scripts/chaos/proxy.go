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

// A proxy stands between one client and the host and injects network faults.
//
// github.com/Shopify/toxiproxy (v2.5.0, the latest on the module proxy) would not do. Its
// reset_peer sets SO_LINGER only on new connections, so existing ones end by FIN. Its
// timeout closes both ends at once, but after a pulled cable or a suspended machine one end
// has to notice it. As a library it adds 38 modules, Prometheus and protobuf among
// them.
type proxy struct {
	addr string // the client connects to it
	host string

	// Guarded by mu.
	mu         sync.Mutex
	ln         net.Listener // nil while connections are refused
	impairment impairment
	links      map[*link]bool
	closed     bool
}

// An impairment is what happens to the bytes that pass.
type impairment struct {
	blackhole bool          // all bytes are dropped; connections stay open
	oneWay    bool          // bytes from the host are dropped; connections stay open
	delay     time.Duration // bytes arrive so much later
	loss      bool          // some bytes arrive as late as after a lost packet
	slice     bool          // bytes arrive in small pieces
}

func newProxy(addr, host string) (*proxy, error) {
	p := &proxy{addr: addr, host: host, links: make(map[*link]bool)}
	return p, p.listen()
}

// listen accepts connections.
func (p *proxy) listen() error {
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

// connect makes the connection to the host. During a blackhole there is none. A real
// network would not answer the client's SYN either, but a listener always does.
func (p *proxy) connect(client *net.TCPConn) {
	l := &link{proxy: p, client: client}
	l.toHost.Store(unlimited)
	l.toClient.Store(unlimited)
	if p.currentImpairment().blackhole {
		l.blackholed.Store(true)
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

func (p *proxy) currentImpairment() impairment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.impairment
}

func (p *proxy) setImpairment(f func(w *impairment)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.impairment)
}

func (p *proxy) eachLink(f func(l *link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		f(l)
	}
}

// refuse ends all connections and refuses new ones until listen.
func (p *proxy) refuse() {
	p.mu.Lock()
	if p.ln != nil {
		p.ln.Close()
		p.ln = nil
	}
	p.mu.Unlock()
	p.eachLink((*link).close)
}

// reset ends all connections by RST and drops all bytes in transit.
func (p *proxy) reset() { p.eachLink((*link).abort) }

// truncate ends all connections in the middle of a line, after about this many more bytes
// in one direction.
func (p *proxy) truncate(toHost bool, bytes int) {
	p.eachLink(func(l *link) {
		if toHost {
			l.toHost.Store(int64(bytes))
		} else {
			l.toClient.Store(int64(bytes))
		}
	})
}

// Which ends of a connection get an RST when a blackhole ends.
const (
	resetBoth = iota
	resetClient
	resetHost
	resetCount // the number of them
)

// blackhole drops all bytes from now on.
func (p *proxy) blackhole() { p.setImpairment(func(w *impairment) { w.blackhole = true }) }

// endBlackhole ends a blackhole. A connection that lost bytes must not continue, so all
// connections end. An end that gets no RST has to notice it.
func (p *proxy) endBlackhole(ends int) {
	p.setImpairment(func(w *impairment) { w.blackhole = false })
	p.eachLink(func(l *link) {
		l.blackholed.Store(true)
		if ends != resetHost {
			abort(l.client)
		}
		if ends != resetClient && l.host != nil {
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

// endOneWay ends the one-way impairment. A connection that lost bytes must not continue, so
// all are reset.
func (p *proxy) endOneWay() {
	p.setImpairment(func(w *impairment) { w.oneWay = false })
	p.reset()
}

// unlimited is the limit of a direction that is not truncated.
const unlimited = -1

// A link is a connection of a client together with the proxy's connection to the host.
type link struct {
	proxy            *proxy
	client, host     *net.TCPConn // host is nil if it was not reached
	blackholed       atomic.Bool  // it forwards no more bytes
	toHost, toClient atomic.Int64 // bytes until it is truncated, or unlimited
}

// run forwards bytes until both ends have closed.
func (l *link) run() {
	var pumps sync.WaitGroup
	pumps.Go(func() { l.copy(l.client, l.host, &l.toHost) })
	if l.host != nil {
		pumps.Go(func() { l.copy(l.host, l.client, &l.toClient) })
	}
	pumps.Wait()
	l.close()
}

// copy forwards bytes from one end until that end closes, then closes the other end in the
// same way.
func (l *link) copy(from, to *net.TCPConn, left *atomic.Int64) {
	buf := make([]byte, 32<<10)
	silent := false // bytes of the host were dropped: a reset will follow
	for {
		n, err := from.Read(buf)
		w := l.proxy.currentImpairment()
		if w.blackhole {
			l.blackholed.Store(true) // it lost bytes and must not continue
		}
		if w.oneWay && from == l.host {
			silent = true
		}
		if n > 0 && !silent && !l.blackholed.Load() {
			if !l.forward(to, buf[:n], w, left) {
				l.abort()
				return
			}
		}
		switch {
		case err == nil:
		case l.blackholed.Load():
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

// forward sends b, impaired by w. It reports whether the connection continues.
func (l *link) forward(to *net.TCPConn, b []byte, w impairment, left *atomic.Int64) bool {
	if n := left.Load(); n != unlimited {
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
	for w.slice && len(b) > 0 && !l.blackholed.Load() {
		n := min(1+rand.IntN(400), len(b))
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
		time.Sleep(time.Millisecond)
		w = l.proxy.currentImpairment()
	}
	if len(b) == 0 {
		return true
	}
	_, err := to.Write(b)
	return err == nil || l.blackholed.Load()
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
