//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A stage is a server with clients.
type stage struct {
	server  *server
	gen     *generator
	stalled *generator // clients that do not read
	orders  net.Conn   // to the bare server
	replies *bufio.Reader
}

// open starts a server and connects the clients.
func (b *bench) open(ctx context.Context, p *peer, s shape) (*stage, error) {
	server, err := b.serve(ctx, p, s.clients)
	if err != nil {
		return nil, err
	}
	st := &stage{server: server}
	if st.gen, err = newGenerator(p.dialect, s.clients, s.senders); err == nil {
		err = st.gen.connect(ctx, server.addr)
	}
	if err == nil && p.bare() {
		err = st.takeOrders()
	}
	if err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// serve starts a server for a number of clients, with additional flags.
func (b *bench) serve(ctx context.Context, p *peer, clients int, flags ...string) (*server, error) {
	if clients > b.maxClients() {
		return nil, fmt.Errorf("a process may have only %d files open", b.maxFiles)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	argv, err := p.argv(b, addr, clients)
	if err != nil {
		return nil, err
	}
	server, err := startServer(b.dir, addr, append(argv, flags...))
	if err != nil {
		return nil, err
	}
	err = server.awaitOpen(ctx)
	if err == nil && p.prepare != nil {
		err = p.prepare(addr)
	}
	if err != nil {
		server.stop()
		return nil, err
	}
	return server, nil
}

// close ends the readers first, which would report the end of the server as a failure.
func (st *stage) close() {
	if st.gen != nil {
		st.gen.stop()
	}
	st.server.stop()
	if st.gen != nil {
		st.gen.close()
	}
	if st.stalled != nil {
		st.stalled.close()
	}
	if st.orders != nil {
		st.orders.Close()
	}
}

func (st *stage) takeOrders() (err error) {
	if st.orders, err = net.Dial("tcp", st.server.addr.String()); err == nil {
		st.replies = bufio.NewReader(st.orders)
	}
	return err
}

// flood sends for a time, up to most messages, and returns when all have arrived.
func (st *stage) flood(ctx context.Context, length time.Duration, most int64) error {
	if st.orders != nil {
		return st.floodBare(ctx, length, most)
	}
	f := st.gen.flow
	f.start(max(1, most/int64(len(f.senders))))
	defer f.close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end, moved, had := clock()+int64(length), clock(), int64(0)
	for now := clock(); now < end && now < moved+int64(patience) && !f.isExhausted(); now = clock() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			f.trySend() // if a reader found mu locked
		}
		if err := st.gen.failed(); err != nil {
			return err
		}
		if has := st.gen.delivered(); has != had {
			moved, had = now, has
		}
	}
	return st.gen.awaitDelivery(ctx, f.stop())
}

func (st *stage) floodBare(ctx context.Context, length time.Duration, most int64) error {
	if _, err := fmt.Fprintln(st.orders, "send", length, most); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go st.reportArrivals(done)
	_ = st.orders.SetReadDeadline(time.Now().Add(length + 2*patience))
	reply, err := st.replies.ReadString('\n')
	if err != nil {
		return err
	}
	sent, err := strconv.ParseInt(strings.TrimSpace(reply), 10, 64)
	if err != nil {
		return err
	}
	return st.gen.awaitDelivery(ctx, []int64{sent})
}

// reportArrivals reports arrivals to the bare server, so that it continues to write.
func (st *stage) reportArrivals(done chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(200 * time.Microsecond):
			if _, err := fmt.Fprintln(st.orders, "got", st.gen.delivered()); err != nil {
				return
			}
		}
	}
}

// warmUp sends for a while, so that buffers grow and the join messages are over.
func (st *stage) warmUp(ctx context.Context) error {
	const deliveries, least = 1_000_000, 16
	return st.flood(ctx, 300*time.Millisecond, max(deliveries/int64(len(st.gen.clients)), least))
}
