package doctor

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"

	"chat/relay/hostseal"
	"chat/relay/seal"
)

// The handshake of the examination shows the key of a host, and that it refuses TLS 1.2.
func TestHandshake(t *testing.T) {
	dir, err := os.MkdirTemp("", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) // not t.TempDir, which fails under Wine if it has a file
	key, err := hostseal.LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(dir, key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer ln.Close()
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			tls.Server(conn, source.Config()).HandshakeContext(t.Context()) // its end is the client's error
			conn.Close()
		}
	})
	shake := Local().Handshake
	cert, err := shake(t.Context(), ln.Addr().String(), tls.VersionTLS13)
	if err != nil || seal.PinOf(cert) != key.Pin() {
		t.Errorf("TLS 1.3: %v", err)
	}
	if _, err := shake(t.Context(), ln.Addr().String(), tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shake(ctx, ln.Addr().String(), tls.VersionTLS13); err == nil {
		t.Error("no error after the end of the context")
	}
}
