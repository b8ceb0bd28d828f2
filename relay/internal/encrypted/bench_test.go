package encrypted

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// A busyTurn adds up how long it is held, which is how long the host computes.
type busyTurn struct {
	since time.Time
	busy  time.Duration
}

func (t *busyTurn) Lock()   { t.since = time.Now() }
func (t *busyTurn) Unlock() { t.busy += time.Since(t.since) }

// A handshake, and the host's part of it. A client that was connected before resumes its session.
func BenchmarkHandshake(b *testing.B) {
	for _, test := range []struct {
		name  string
		cache tls.ClientSessionCache
	}{{"full", nil}, {"resumed", tls.NewLRUClientSessionCache(1)}} {
		b.Run(test.name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			config := clientConfig()
			config.ClientSessionCache, config.ServerName = test.cache, "host"
			var turn busyTurn
			for b.Loop() {
				client, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				conn, err := ln.Accept()
				if err != nil {
					b.Fatal(err)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					c := tls.Client(client, config)
					io.Copy(io.Discard, c) // with the session ticket
					c.Close()
				}()
				host := Server(conn, nil, serverConfig())
				if err := host.Handshake(&turn); err != nil {
					b.Fatal(err)
				}
				host.CloseWrite()
				<-done
				host.Close()
			}
			b.ReportMetric(float64(turn.busy.Nanoseconds())/float64(b.N), "host-ns/op")
		})
	}
}
