package front

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// webProtocol is the protocol that browsers get by ALPN: not HTTP/2, which the room does not speak.
const webProtocol = "http/1.1"

// tlsConfig returns config as the front uses it: TLS 1.3 only, and no certificates of clients, for which browsers
// would show a dialog.
func tlsConfig(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	config.ClientAuth = tls.NoClientCert
	config.DynamicRecordSizingDisabled = true
	config.NextProtos = nil
	web := config.Clone()
	web.NextProtos = []string{webProtocol}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, webProtocol) {
			return web, nil
		}
		return nil, nil // whatever else it offers is not refused
	}
	return config
}

// startTLS reads the first bytes of a connection to a sealed room. If they begin a TLS handshake, it replaces c.Conn by
// the encrypted connection.
func (c *Conn) startTLS() error {
	c.readBy(Silence)
	for len(c.lines.Pending()) < 2 {
		if err := c.lines.Fill(); err != nil {
			return nil // a timeout, or whoever reads next sees the error again
		}
	}
	if !isTLS(c.lines.Pending()) {
		return nil
	}
	c.readBy(c.front.opts.FirstLine)
	encrypted := tls.Server(fanout.NonBlocking(&prefixed{c.Conn, slices.Clone(c.lines.Pending())}), c.front.opts.TLS)
	if err := encrypted.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.mu.Lock()
	c.Conn = encrypted
	c.mu.Unlock()
	c.lines.Release()
	c.lines = wire.NewLineReader(c.Conn, c.front.door.Limits.Line)
	c.lines.OnRead = func(n int) { c.wait(c.bucket.Bytes(n)) }
	c.readBy(Silence)
	return nil
}

// IsEncrypted reports whether the connection is encrypted by TLS.
func (c *Conn) IsEncrypted() bool {
	_, ok := c.Conn.(*tls.Conn)
	return ok
}

// Exporter returns length bytes that only the two ends of this encrypted connection know (RFC 8446, section 7.5). A
// connection without encryption has none.
func (c *Conn) Exporter(label string, length int) ([]byte, error) {
	encrypted, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil, errors.New("the connection is not encrypted")
	}
	state := encrypted.ConnectionState()
	return state.ExportKeyingMaterial(label, nil, length)
}

// prefixed is a connection whose first bytes were read already.
type prefixed struct {
	net.Conn
	head []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.head)
	p.head = p.head[n:]
	return n, nil
}

