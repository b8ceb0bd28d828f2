package client

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A pacedConn is a connection on which lines come in each interval.
type pacedConn struct {
	net.Conn
	began    time.Time
	interval time.Duration
	burst    int // lines in each
	read     int // bytes so far
	reads    int
	late     time.Duration // the longest that a line waited to be read
}

const pacedLine = "{\"type\":\"message\"}\n"

func (c *pacedConn) Read(p []byte) (int, error) {
	size := c.burst * len(pacedLine)
	next := c.began.Add(time.Duration(c.read/size+1) * c.interval)
	if wait := time.Until(next); wait > 0 {
		time.Sleep(wait)
	}
	c.late = max(c.late, time.Since(next))
	n := min(int(time.Since(c.began)/c.interval)*size-c.read, len(p))
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
		burst            int
		lines, reads     int
		late             time.Duration
	}{
		{"a stream", time.Millisecond, 10 * time.Millisecond, 1, 1000, 110, 10 * time.Millisecond},
		{"a backlog", time.Millisecond, 10 * time.Millisecond, 500, 50_000, 2000, 0},
		{"single lines", 20 * time.Millisecond, 10 * time.Millisecond, 1, 100, 100, 0},
		{"no gathering", time.Millisecond, 0, 1, 1000, 1000, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &pacedConn{began: time.Now(), interval: test.interval, burst: test.burst}
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
