//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A generator has the clients on one server. Clients 0 to senders-1 send.
type generator struct {
	// Fixed before connect; each reader owns its share of clients.
	dialect *dialect
	clients []client
	readers []*reader
	senders int
	receive int // bytes of a client's receive buffer; 0: the system's default
	flow    *flow

	acksOnly bool // measure only the latency of a sender's own messages; set before pace

	// For all goroutines.
	joinedCount atomic.Int64
	schedule    atomic.Pointer[schedule]
	failure     atomic.Pointer[error]
	stopped     atomic.Bool
	reading     sync.WaitGroup
}

const (
	patience   = 10 * time.Second // how long to wait without progress
	maxJoining = 1000             // clients that may be joining at a time
	perSource  = 20_000           // connections per source address: the number of ports is limited
)

func newGenerator(d *dialect, clients, senders int) (*generator, error) {
	g := &generator{dialect: d, clients: make([]client, clients), senders: senders}
	slots := make([]receiveState, clients*max(senders, 1))
	for id := range g.clients {
		from := slots[id*max(senders, 1):][:max(senders, 1):max(senders, 1)]
		for s := range from {
			from[s].next = number(0)
		}
		g.clients[id] = client{fd: -1, id: id, dialect: d, sends: id < senders, received: from, joinedCount: &g.joinedCount}
	}
	for range max(1, runtime.NumCPU()/2) { // the server gets the other half
		r, err := newReader(g)
		if err != nil {
			g.close()
			return nil, err
		}
		g.readers = append(g.readers, r)
	}
	g.flow = newFlow(g)
	for _, r := range g.readers {
		g.reading.Add(1)
		go r.loop()
	}
	return g, nil
}

// connect connects all clients and returns when the server has let all of them in.
func (g *generator) connect(ctx context.Context, addrs ...netip.AddrPort) error {
	for id := range g.clients {
		c := &g.clients[id]
		if err := c.dial(addrs[id%len(addrs)], g.receive); err != nil {
			return fmt.Errorf("client %d: %w", id, err)
		}
		if err := g.readerOf(c).add(c); err != nil {
			return err
		}
		if hello := g.dialect.hello(nick(id), c.sends); hello != "" {
			if _, err := c.write([]byte(hello)); err != nil {
				return err
			}
		}
		if err := g.await(ctx, "clients were not let in", func() int64 { return g.joinedCount.Load() }, int64(id+1-maxJoining)); err != nil {
			return err
		}
	}
	return g.await(ctx, "clients were not let in", func() int64 { return g.joinedCount.Load() }, int64(len(g.clients)))
}

func (g *generator) readerOf(c *client) *reader { return g.readers[c.id%len(g.readers)] }

// dial connects the client. receive is the size of its receive buffer, 0 for the system's
// default.
func (c *client) dial(addr netip.AddrPort, receive int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.fd = fd
	if receive > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receive); err != nil {
			return err
		}
	}
	if c.id >= perSource {
		source := [4]byte{127, 0, 0, byte(1 + c.id/perSource)}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source}); err != nil {
			return err
		}
	}
	to := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	for {
		if err = unix.Connect(fd, to); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if c.dialect.tls {
		if c.sealed, err = newTLSEnd(fd, c.dialect.record); err != nil {
			return err
		}
	}
	return unix.SetNonblock(fd, true)
}

// await waits until count reaches want. It gives up after patience without progress.
func (g *generator) await(ctx context.Context, complaint string, count func() int64, want int64) error {
	last, since := int64(-1), time.Now()
	for {
		have := count()
		if err := g.failed(); err != nil {
			return err
		}
		if have >= want {
			return nil
		}
		if have != last {
			last, since = have, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("%s: %d of %d, no more for %v", complaint, have, want, patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

func (g *generator) delivered() (n int64) {
	for _, r := range g.readers {
		n += r.delivered.Load()
	}
	return n
}

// lastArrival returns when the last message arrived.
func (g *generator) lastArrival() (t int64) {
	for _, r := range g.readers {
		t = max(t, r.lastArrival.Load())
	}
	return t
}

// receivers returns how many clients receive a message.
func (g *generator) receivers() int {
	if g.dialect.echo || g.senders == 0 {
		return len(g.clients)
	}
	return len(g.clients) - 1
}

// awaitDelivery waits until all sent messages have arrived, and checks that each client has
// each of them once.
func (g *generator) awaitDelivery(ctx context.Context, sent []int64) error {
	want := int64(0)
	for _, n := range sent {
		want += n * int64(g.receivers())
	}
	if err := g.await(ctx, "messages did not arrive", g.delivered, want); err != nil {
		return err
	}
	time.Sleep(2 * idleMillis * time.Millisecond) // a duplicate would arrive by then
	if err := g.failed(); err != nil {
		return err
	}
	if got := g.delivered(); got != want {
		return fmt.Errorf("%d messages arrived, want %d", got, want)
	}
	for id := range g.clients {
		for s := range sent {
			due := sent[s]
			if id == s && !g.dialect.echo {
				due = 0
			}
			if got := g.clients[id].received[s].count; got != due {
				return fmt.Errorf("client %d got %d messages of sender %d, want %d", id, got, s, due)
			}
		}
	}
	return nil
}

func (g *generator) trySend() {
	if g.flow != nil {
		g.flow.trySend()
	}
}

func (g *generator) fail(err error) { g.failure.CompareAndSwap(nil, &err) }

func (g *generator) failed() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// stop ends the readers.
func (g *generator) stop() {
	g.stopped.Store(true)
	g.reading.Wait()
}

// close ends the readers and the connections.
func (g *generator) close() {
	g.stop()
	for _, r := range g.readers {
		unix.Close(r.poll)
	}
	for id := range g.clients {
		if fd := g.clients[id].fd; fd >= 0 {
			unix.Close(fd)
		}
	}
}
