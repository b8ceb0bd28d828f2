package client_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/files"
	"chat/relay/web"
)

// A slowLine passes the bytes of all connections to the host on, one packet after another, at
// a speed. A connection writes as far ahead as its buffer allows.
type slowLine struct {
	speed   int // bytes per second
	packets chan packet
}

type packet struct {
	from *slowConn
	data []byte
}

const packetSize = 1 << 10

func (l *slowLine) run() {
	for p := range l.packets {
		time.Sleep(time.Duration(len(p.data)) * time.Second / time.Duration(l.speed))
		p.from.Conn.Write(p.data)
		p.from.sent(len(p.data))
	}
}

// A slowConn is a client's connection over a slowLine. What the host sends is not slowed down.
type slowConn struct {
	net.Conn
	line *slowLine

	mu     sync.Mutex
	wake   *sync.Cond
	buffer int // guarded by mu
	queued int // guarded by mu
	closed bool
}

func (c *slowConn) SetWriteBuffer(bytes int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buffer = bytes
	return nil
}

func (c *slowConn) sent(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= n
	c.wake.Broadcast()
}

func (c *slowConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.wake.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *slowConn) Write(b []byte) (n int, err error) {
	for n < len(b) {
		data := append([]byte(nil), b[n:min(n+packetSize, len(b))]...)
		c.mu.Lock()
		for c.queued >= c.buffer && !c.closed {
			c.wake.Wait()
		}
		c.queued += len(data)
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return n, net.ErrClosed
		}
		c.line.packets <- packet{c, data}
		n += len(data)
	}
	return n, nil
}

// On a slow line an upload does not cut the conversation off.
func TestUploadOverASlowLine(t *testing.T) {
	path, _ := randomFile(t, "soup.bin", 300<<10)
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := files.Open(folder, files.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var page *web.Handler
		srv := relay.New(relay.Options{
			Title: "kitchen",
			Web:   func(conn net.Conn) { page.StartServing(conn) },
			Files: store.Publish,
		})
		page = web.New(srv, web.Options{Files: store})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		line := &slowLine{speed: 8 << 10, packets: make(chan packet, 1<<12)}
		running.Go(line.run)
		c, err := client.Join(t.Context(), client.Options{Nick: "alice", Dial: func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			running.Go(func() { srv.ServeConn(ctx, theirs) })
			conn := &slowConn{Conn: ours, line: line, buffer: 2 << 20}
			conn.wake = sync.NewCond(&conn.mu)
			return conn, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		lost := 0
		running.Go(func() {
			for e := range c.Events() {
				if _, ok := e.(client.Disconnected); ok {
					lost++
				}
			}
		})
		sent := make(chan error, 1)
		began := time.Now()
		var complete time.Time
		go func() {
			sent <- c.Send(t.Context(), path, func(p client.Progress) {
				if p.Done == p.Total {
					complete = time.Now()
				}
			})
		}()
		for {
			time.Sleep(2 * time.Second)
			if _, err := c.Say(t.Context(), "soup"); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-sent:
				if took := time.Since(began); err != nil || took > 50*time.Second {
					t.Errorf("the upload took %v, %v", took, err)
				}
				if ahead := time.Since(complete); ahead > 4*time.Second {
					t.Errorf("it was shown as complete %v before it was", ahead)
				}
			default:
				continue
			}
			break
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
		cancel()
		page.Close()
		store.Close()
		close(line.packets)
		running.Wait()
		if lost > 0 {
			t.Errorf("the connection was lost %d times", lost)
		}
	})
}
