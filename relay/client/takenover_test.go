package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
)

// An impostor has the address of a host that is gone, and a key of its own. It keeps all that clients send to
// it over encrypted connections.
type impostor struct {
	addr  string
	calls atomic.Int64 // connections

	mu   sync.Mutex
	read []byte // guarded by mu
}

func newImpostor(t *testing.T) *impostor {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", newSource(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	p := &impostor{addr: ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.calls.Add(1)
			serving.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				b, _ := io.ReadAll(conn)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.read = append(p.read, b...)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
		if len(p.read) > 0 {
			t.Errorf("the impostor read %q", p.read)
		}
	})
	return p
}

// A takeover makes connections to the host until the impostor has its address.
type takeover struct {
	impostor *impostor

	mu    sync.Mutex
	taken bool       // guarded by mu
	conns []net.Conn // to the host; guarded by mu
}

func (d *takeover) dial(ctx context.Context, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken {
		addr = d.impostor.addr
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil && !d.taken {
		d.conns = append(d.conns, conn)
	}
	return conn, err
}

// take gives the impostor the address, and breaks all connections to the host.
func (d *takeover) take() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = true
	for _, conn := range d.conns {
		conn.Close()
	}
}

// If another machine takes the host's address during an upload or download, nothing more is sent to it, and the
// client ends.
func TestHostReplacedDuringTransfer(t *testing.T) {
	host, pin := hostSealed(t, relay.Seal{})
	bob := host.enterAs(t, client.Options{Nick: "bob", Seal: client.Seal{Pin: pin, Secret: memberSecret}})
	path, _ := randomFile(t, "plan.bin", 8<<20)
	if err := bob.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	file, _ := awaitFile(t, bob)
	for name, run := range map[string]func(c *client.Client, progress func(client.Progress)) error{
		"upload": func(c *client.Client, progress func(client.Progress)) error {
			return c.Send(t.Context(), path, progress)
		},
		"download": func(c *client.Client, progress func(client.Progress)) error {
			_, err := c.Get(t.Context(), file, t.TempDir(), progress)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &takeover{impostor: newImpostor(t)}
			alice := host.enterAs(t, client.Options{Nick: "alice", Dial: d.dial, Seal: client.Seal{Pin: pin, Secret: memberSecret}})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range alice.Events() {
				}
			}()
			err := run(alice, func(p client.Progress) {
				if p.Done > 0 {
					d.take()
				}
			})
			<-ended
			if _, ok := errors.AsType[*client.PinError](alice.Err()); !ok || err == nil {
				t.Errorf("the transfer ends with %v, the client with %v", err, alice.Err())
			}
			if d.impostor.calls.Load() == 0 {
				t.Error("the client did not connect to the impostor")
			}
		})
	}
}
