package client

import (
	"context"
	"net"
	"time"
)

// dialTCP connects by TCP. If an attempt does not succeed within 250 ms, it starts another
// one beside it: the system repeats a lost SYN only after a second, then after three. The
// first connection wins, and the others are closed unused.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return dialWith(ctx, &net.Dialer{}, addr)
}

// dialWith is dialTCP by d.
func dialWith(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
	const attempts, stagger = 4, 250 * time.Millisecond
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the others
	results := make(chan result)
	next := time.NewTimer(0)
	defer next.Stop()
	for started, ended := 0, 0; ; {
		select {
		case <-next.C:
			if started++; started < attempts {
				next.Reset(stagger)
			}
			go func() {
				conn, err := d.DialContext(ctx, "tcp", addr)
				select {
				case results <- result{conn, err}:
				case <-ctx.Done():
					if conn != nil {
						conn.Close()
					}
				}
			}()
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if ended++; ended == started {
				return nil, r.err // refused, or no route: an immediate retry would fail too
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
