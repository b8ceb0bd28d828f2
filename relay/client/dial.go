package client

import (
	"context"
	"net"
	"time"
)

// dialTCP connects by TCP. An attempt that has not come through after 250 ms gets
// company: the system repeats a lost SYN only after a second, and then three.
// The first one wins; the others are closed without a word.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
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
				var d net.Dialer
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
				return nil, r.err // refused, or no route: no use in trying again at once
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
