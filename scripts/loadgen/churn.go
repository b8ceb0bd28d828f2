//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// runChurn measures how fast visitors can join and leave a full room.
func runChurn(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	st, err := b.open(ctx, p, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	if err := st.warmUp(ctx); err != nil {
		return nil, err
	}
	before, err := cpuTime(st.server.pid())
	if err != nil {
		return nil, err
	}
	start := clock()
	visits, err := st.churn(ctx, p.dialect, b.opts.length)
	if err != nil {
		return nil, err
	}
	seconds := float64(clock()-start) / 1e9
	after, err := cpuTime(st.server.pid())
	if err != nil {
		return nil, err
	}
	// The members still receive every message.
	if err := st.warmUp(ctx); err != nil {
		return nil, fmt.Errorf("after the churn: %w", err)
	}
	return values{
		"visits": float64(visits),
		"rate":   float64(visits) / seconds,
		"cpu":    (after - before) / float64(visits) * 1e3,
	}, nil
}

func (st *stage) churn(ctx context.Context, d *dialect, length time.Duration) (visits int64, err error) {
	const visitors = 32
	var count atomic.Int64
	var all sync.WaitGroup
	for id := range visitors {
		all.Go(func() {
			for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil && st.gen.failed() == nil; {
				if err := visit(st.server.addr.String(), d, fmt.Sprintf("v%04d", id)); err != nil {
					st.gen.fail(fmt.Errorf("visitor %d: %w", id, err))
				}
				count.Add(1)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return count.Load(), st.gen.failed()
}

// visit joins, leaves and waits until the server has closed the connection.
func visit(addr string, d *dialect, nick string) error {
	conn, lines, err := connectClient(addr, d, nick)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d.quit != "" {
		_, err = conn.Write([]byte(d.quit))
	} else {
		err = conn.CloseWrite()
	}
	if err != nil {
		return err
	}
	for err == nil {
		_, err = lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			err = nil
		}
	}
	if opErr, ok := err.(net.Error); ok && opErr.Timeout() {
		return err
	}
	return nil
}

// A halfCloser is a connection whose output can be ended: by TCP or TLS.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// connectClient connects and waits until the server has let the client in.
func connectClient(addr string, d *dialect, nick string) (halfCloser, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	tcp := conn.(halfCloser)
	if d.tls {
		tcp = tls.Client(conn, tlsConfig)
	}
	_ = tcp.SetDeadline(time.Now().Add(patience))
	lines := bufio.NewReader(tcp)
	reply, in := d.hello(nick, true), false
	for !in && err == nil {
		if _, err = tcp.Write([]byte(reply)); err != nil {
			break
		}
		var line []byte
		if line, err = lines.ReadSlice('\n'); err == bufio.ErrBufferFull {
			// The rest of a long line cannot match.
			err = nil
		}
		reply, in = d.handleControl(slices.Clone(line), true)
	}
	if err != nil {
		tcp.Close()
		return nil, nil, err
	}
	return tcp, lines, nil
}
