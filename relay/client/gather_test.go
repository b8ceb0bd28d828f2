package client

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A pacedConn is a connection on which a line comes in each interval.
type pacedConn struct {
	net.Conn
	began    time.Time
	interval time.Duration
	read     int // bytes so far
	reads    int
	late     time.Duration // the longest that a line waited to be read
}

const pacedLine = "{\"type\":\"message\"}\n"

func (c *pacedConn) Read(p []byte) (int, error) {
	next := c.began.Add(time.Duration(c.read/len(pacedLine)+1) * c.interval)
	if wait := time.Until(next); wait > 0 {
		time.Sleep(wait)
	}
	c.late = max(c.late, time.Since(next))
	n := min(int(time.Since(c.began)/c.interval)*len(pacedLine)-c.read, len(p))
	for i := range n {
		p[i] = pacedLine[(c.read+i)%len(pacedLine)]
	}
	c.read += n
	c.reads++
	return n, nil
}

func (c *pacedConn) SetReadDeadline(time.Time) error { return nil }

// The lines of a stream are read together. Single ones do not wait, and without the option none
// does.
func TestGather(t *testing.T) {
	for _, test := range []struct {
		name             string
		interval, gather time.Duration
		lines, reads     int
		late             time.Duration
	}{
		{"a stream", time.Millisecond, 10 * time.Millisecond, 1000, 110, 10 * time.Millisecond},
		{"single lines", 20 * time.Millisecond, 10 * time.Millisecond, 100, 100, 0},
		{"no gathering", time.Millisecond, 0, 1000, 1000, 0},
		{"more than is read at once", time.Microsecond, 10 * time.Millisecond, 100_000, 4_000, 12 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &pacedConn{began: time.Now(), interval: test.interval}
				l := newLink(conn, "", 10*time.Second, new(lastTime))
				l.live, l.gather, l.out = true, test.gather, newOutbox(1)
				for range test.lines {
					if _, err := l.next(); err != nil {
						t.Fatal(err)
					}
				}
				if conn.reads > test.reads || conn.late > test.late {
					t.Errorf("%d reads, and a line waited %v; want at most %d and %v", conn.reads, conn.late, test.reads, test.late)
				}
			})
		})
	}
}
