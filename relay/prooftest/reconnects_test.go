package prooftest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/hostseal"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A Wi-Fi that drops: all members of a sealed room lose their connections at once, and each is back with every message, once,
// although the host computes the handshakes of other machines in turns.
func TestThousandReconnects(t *testing.T) {
	const members, senders = 1000 / slowdown, 20
	h := hostSealed(t)
	var clients [members]*client.Client
	var joined sync.WaitGroup
	turns := make(chan struct{}, 32)
	for i := range clients {
		turns <- struct{}{}
		joined.Go(func() {
			defer func() { <-turns }()
			c, err := client.Join(t.Context(), client.Options{Addr: h.Addr().String(), Backlog: -1, DialTimeout: time.Minute, Seal: client.Seal{Pin: h.pin, Secret: h.secret}})
			if err != nil {
				t.Errorf("member %d: %v", i, err)
				return
			}
			clients[i] = c
			t.Cleanup(func() { c.Close() })
			for e := range c.Events() { // the first one is a Connected
				if _, ok := e.(client.Connected); ok {
					return
				}
			}
		})
	}
	joined.Wait()
	if t.Failed() {
		return
	}

	h.cut()
	for i, c := range clients[:senders] {
		if _, err := c.Say(t.Context(), fmt.Sprint("message ", i)); err != nil {
			t.Fatal(err)
		}
	}
	var read sync.WaitGroup
	for i, c := range clients {
		read.Go(func() {
			reconnects, seen := 0, make(map[string]bool)
			for len(seen) < senders {
				switch e := (<-c.Events()).(type) {
				case nil:
					t.Errorf("member %d: %v", i, c.Err())
					return
				case client.Connected:
					if reconnects++; !e.Resumed || e.NewRoom || !e.Sealed {
						t.Errorf("member %d: %+v", i, e)
					}
				case client.Received:
					if e.Type == wire.TypeGap || e.Type == wire.TypeMessage && seen[e.Text] {
						t.Errorf("member %d receives %+v", i, e)
					}
					if e.Type == wire.TypeMessage {
						seen[e.Text] = true
					}
				}
			}
			if reconnects == 0 {
				t.Errorf("member %d was not cut off", i)
			}
		})
	}
	read.Wait()
}

// A sealedHost is a listener that a sealed room is served on. Each connection comes from another machine, as it seems.
type sealedHost struct {
	net.Listener
	pin    seal.Pin
	secret seal.Secret

	accepted atomic.Uint32 // connections

	mu    sync.Mutex
	conns []*net.TCPConn // since the last cut; guarded by mu
}

// hostSealed hosts a sealed room until the test ends.
func hostSealed(t *testing.T) *sealedHost {
	t.Helper()
	dir := t.TempDir()
	key, err := hostseal.LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := hostseal.KeptCertificate(dir, key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &sealedHost{Listener: ln, pin: certificate.Pin(), secret: seal.NewSecret()}
	srv := relay.New(relay.Options{Seal: &relay.Seal{TLS: certificate.Config(), Secrets: seal.RoomSecrets{Member: h.secret}}, MaxSessions: -1})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h
}

// Accept implements [net.Listener].
func (h *sealedHost) Accept() (net.Conn, error) {
	conn, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, conn.(*net.TCPConn))
	n := h.accepted.Add(1)
	ip := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})
	return fromElsewhere{conn.(*net.TCPConn), net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 40000))}, nil
}

// cut resets all connections.
func (h *sealedHost) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, conn := range h.conns {
		conn.SetLinger(0)
		conn.Close()
	}
	h.conns = nil
}

// fromElsewhere is a connection that seems to come from another address.
type fromElsewhere struct {
	*net.TCPConn
	remote net.Addr
}

func (c fromElsewhere) RemoteAddr() net.Addr { return c.remote }
