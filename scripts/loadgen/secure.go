//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// The dialects of servers that are reached by TLS.
var (
	sealedDialect = byTLS(textDialect)
	natsTLS       = byTLS(natsDialect)
	ircTLS        = byTLS(ircDialect)
	ncatTLS       = byTLS(ncatDialect)
)

// roomSecret is the secret of the sealed rooms. Clients type it before anything else.
const roomSecret = "secret-of-the-bench"

func init() {
	ircTLS.record = 2000 // ngircd reads that much, and waits for the socket although it has the rest of a record
	sealedDialect.hello = func(nick string, sends bool) string { return roomSecret + "\n" + textDialect.hello(nick, sends) }
}

func byTLS(d dialect) dialect {
	d.tls, d.record = true, 16<<10
	return d
}

// certificate writes a self-signed certificate and its key, both of the kind that chat uses, and returns their paths.
func (b *bench) certificate() (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	if cert, err = b.file("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER}))); err != nil {
		return "", "", err
	}
	key, err = b.file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return cert, key, err
}

// sealedPeer returns chat with a sealed room as a peer.
func sealedPeer(name, binary string) *peer {
	p := chatPeer(name, binary)
	plain := p.argv
	p.dialect, p.front = &sealedDialect, nil
	p.argv = func(b *bench, addr netip.AddrPort, clients int) ([]string, error) {
		argv, err := plain(b, addr, clients)
		if err != nil {
			return nil, err
		}
		path, err := b.file("secret", roomSecret+"\n")
		if err == nil {
			err = os.Chmod(path, 0o600)
		}
		return append(argv, "--secure", "--secret-file", path), err
	}
	return p
}

func natsTLSArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	cert, key, err := b.certificate()
	if err != nil {
		return nil, err
	}
	path, err := b.file("nats-tls.conf", fmt.Sprintf("listen: %q\nmax_connections: 1000000\nwrite_deadline: \"120s\"\n"+
		"tls {\n cert_file: %q\n key_file: %q\n handshake_first: true\n timeout: 60\n}\n", addr, cert, key))
	return []string{b.opts.nats, "-c", path}, err
}

// ircTLSArgv has ngircd listen for plain connections, too: it cannot do without.
func ircTLSArgv(b *bench, addr netip.AddrPort, _ int) ([]string, error) {
	cert, key, err := b.certificate()
	if err != nil {
		return nil, err
	}
	plain, err := freeAddr()
	if err != nil {
		return nil, err
	}
	path, err := b.file("ngircd-tls.conf", ircConf(plain)+fmt.Sprintf("[SSL]\nCertFile = %s\nKeyFile = %s\nPorts = %d\n", cert, key, addr.Port()))
	return []string{b.opts.ngircd, "-n", "-f", path}, err
}

func ncatTLSArgv(b *bench, addr netip.AddrPort, clients int) ([]string, error) {
	cert, key, err := b.certificate()
	if err != nil {
		return nil, err
	}
	argv, err := ncatArgv(b, addr, clients)
	return slices.Insert(argv, 1, "--ssl", "--ssl-cert", cert, "--ssl-key", key), err
}

// welcomes is how many clients join one after the other for the time until the welcome.
const welcomes = 201

// runSecure measures what encryption costs: a flood, the latency, the time until a client is let in, and the memory of
// idle clients.
func runSecure(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	flood, err := runFlood(ctx, b, p, s)
	if err != nil {
		return nil, fmt.Errorf("flood: %w", err)
	}
	latency, err := runLatency(ctx, b, p, s)
	if err != nil {
		return nil, fmt.Errorf("latency: %w", err)
	}
	welcome, err := b.welcomeTime(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("welcome: %w", err)
	}
	all := values{"rate": flood["rate"], "cpu": flood["cpu"], "p50": latency["p50"], "p99": latency["p99"], "welcome": welcome}
	idle := shape{clients: 2000} // enough for the memory of each to show
	if p.maxClients > 0 {
		idle.clients = p.maxClients
	}
	memory, err := runIdle(ctx, b, p, idle)
	if err != nil {
		return nil, fmt.Errorf("idle: %w", err)
	}
	all["each"] = memory["each"]
	return all, nil
}

// welcomeTime returns the median time, in nanoseconds, from connecting until the server has let a client in.
func (b *bench) welcomeTime(ctx context.Context, p *peer) (float64, error) {
	server, err := b.serve(ctx, p, welcomes)
	if err != nil {
		return 0, err
	}
	defer server.stop()
	var took []int64
	for range welcomes {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		start := clock()
		conn, _, err := connectClient(server.addr.String(), p.dialect, nick(len(took)))
		if err != nil {
			return 0, err
		}
		took = append(took, clock()-start)
		conn.Close()
	}
	slices.Sort(took)
	return float64(took[len(took)/2]), nil
}

// tlsConfig is that of all clients. They trust anyone: the certificates are made for the measurement.
var tlsConfig = &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}
