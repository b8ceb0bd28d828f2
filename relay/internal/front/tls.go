package front

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"chat/relay/internal/encrypted"
	"chat/relay/wire"
)

// webProtocol is what browsers get by ALPN: not HTTP/2, which the room does not speak.
const webProtocol = "http/1.1"

// tlsConfig returns config as the front uses it; nil if it is nil. Of TLS there is version 1.3 only, and no certificates
// of clients, for which browsers would show a dialog. A client that offers protocols of which none is ours is served
// anyway: its first line shows what it speaks.
//
// Session tickets stay on. With one, a handshake costs the host 0.2 ms instead of 0.33 ms, and the client half, which helps
// when everyone reconnects at once. The keys are still fresh (psk_dhe_ke), and crypto/tls has no early data (0-RTT), which
// could be replayed.
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
		return nil, nil // config
	}
	return config
}

// maxHandshakes is how many handshakes with other machines are computed at the same time, each for about 0.3 ms. More
// wait, so that sessions are not held up when everyone reconnects. A handshake that waits for its peer does not count.
const maxHandshakes = 64

// turns are a semaphore; nil: without a limit. They implement sync.Locker.
type turns chan struct{}

func (t turns) Lock() {
	if t != nil {
		t <- struct{}{}
	}
}

func (t turns) Unlock() {
	if t != nil {
		<-t
	}
}

// handshakesWith returns the semaphore that bounds handshakes with peers like that of conn.
func (f *Front) handshakesWith(conn net.Conn) turns {
	if isLocal(conn) {
		return nil
	}
	return f.handshakes
}

// isLocal reports whether the peer of conn is on this machine.
func isLocal(conn net.Conn) bool {
	address, _ := AddressOf(conn.RemoteAddr())
	return address == ""
}

// sealedSilence replaces Silence before TLS in a sealed room, where hardly anyone types in plain text; localSilence does on this
// machine, where some do. On a bad network or a busy machine the first bytes of TLS come late, and a client that got a line
// of plain text before its handshake would report an attack.
const (
	sealedSilence = 5 * time.Second
	localSilence  = 2 * time.Second
)

// startTLS reads the first bytes of a connection to a sealed room. If they begin a TLS handshake, the connection is
// encrypted from then on. silence is how long to wait for the first line now; 0: the peer was silent for long enough. ok is
// false if the handshake failed; then the connection is closed.
func (c *Conn) startTLS() (silence time.Duration, ok bool) {
	silence = sealedSilence
	if isLocal(c.Conn) {
		silence = localSilence
	}
	firstLine := c.front.times.Load().firstLine
	c.readBy(silence)
	for !showsTLS(c.lines.Pending()) {
		err := c.lines.Fill()
		switch {
		case isTimeout(err) && len(c.lines.Pending()) == 0:
			return 0, true
		case isTimeout(err) && silence < firstLine:
			c.readBy(firstLine - silence)
			silence = firstLine
		case err != nil:
			return Silence, true // the next read fails, too
		}
	}
	if !isTLS(c.lines.Pending()) {
		return Silence, true
	}
	if err := c.handshake(); err != nil {
		c.log().Debug("not encrypted; closed", "error", err)
		sendAndClose(c.Conn, nil) // after the alert
		c.Over()
		return 0, false
	}
	return Silence, true
}

// showsTLS reports whether start is enough for isTLS.
func showsTLS(start []byte) bool { return len(start) >= 2 || len(start) == 1 && start[0] != 0x16 }

// handshake replaces c.Conn by an encrypted connection. It must end within the time for the first line.
func (c *Conn) handshake() error {
	head := slices.Clone(c.lines.Pending())
	c.lines.Release()
	conn := encrypted.Server(c.Conn, head, c.front.opts.TLS)
	c.setInHandshake(true)
	err := conn.Handshake(c.front.handshakesWith(c.Conn))
	c.setInHandshake(false)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.Conn = conn.NonBlocking()
	c.mu.Unlock()
	c.lines = wire.NewLineReader(c.Conn, c.front.door.CurrentLimits().Line)
	c.lines.OnRead = func(n int) { c.slowDown(c.bucket.Bytes(n)) }
	return nil
}

// setInHandshake notes whether a TLS handshake runs, and sets or removes the deadlines of its reads and writes, unless
// the connection ends.
func (c *Conn) setInHandshake(inHandshake bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inHandshake = inHandshake
	if c.isEnding || c.yields != nil {
		return
	}
	deadline := time.Time{}
	if inHandshake {
		deadline = time.Now().Add(c.front.times.Load().firstLine)
	}
	c.Conn.SetDeadline(deadline)
}

// interruptLocked ends the wait for a handshake or a first line.
func (c *Conn) interruptLocked() {
	c.Conn.SetReadDeadline(time.Now())
	if c.inHandshake {
		c.Conn.SetWriteDeadline(time.Now())
	}
}

// An exporter is an encrypted connection.
type exporter interface {
	Exporter(label string, length int) ([]byte, error)
}

// IsEncrypted reports whether the connection is encrypted by TLS.
func (c *Conn) IsEncrypted() bool {
	_, ok := c.Conn.(exporter)
	return ok
}

// Exporter returns length bytes that only the two ends of this encrypted connection know (RFC 8446, section 7.5). A
// connection without encryption has none.
func (c *Conn) Exporter(label string, length int) ([]byte, error) {
	if conn, ok := c.Conn.(exporter); ok {
		return conn.Exporter(label, length)
	}
	return nil, errors.New("the connection is not encrypted")
}

// encryptRefused returns an encrypted connection on conn if start, which was read from it, begins a TLS handshake to a sealed
// room: the answer that explains the refusal is then encrypted. Otherwise it returns conn. The deadline of conn bounds it.
func (f *Front) encryptRefused(conn net.Conn, start []byte) (net.Conn, error) {
	if f.opts.TLS == nil || !isTLS(start) {
		return conn, nil
	}
	encryptedConn := encrypted.Server(conn, start, f.opts.TLS)
	if err := encryptedConn.Handshake(f.handshakesWith(conn)); err != nil {
		return conn, err
	}
	return encryptedConn, nil
}
