package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"chat/relay/seal"
)

// A sealing is what a client knows about the seal of its room. All methods may be called
// concurrently: uploads and downloads connect too.
type sealing struct {
	opts Seal // fixed

	mu sync.Mutex // guards those below

	sealed   bool        // the room is sealed; it stays so
	pin      seal.Pin    // of the host's key; "": not known yet. Only the user's answer changes it
	verified bool        // pin is from an invite or a known host, or its host showed that it knows the secret
	secret   seal.Secret // "": none, or not known yet
}

func newSealing(opts *Options) *sealing {
	o := opts.Seal
	s := &sealing{opts: o, pin: o.Pin, secret: o.Secret, verified: o.Pin != ""}
	s.sealed = !o.Private && (o.Required || o.Pin != "" || o.Secret != "" || opts.Identity.Secret != "")
	if s.secret == "" {
		s.secret = opts.Identity.Secret
	}
	return s
}

// isSealed reports whether connections must be encrypted.
func (s *sealing) isSealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed
}

// config returns how to encrypt a connection to h, whose Pin is set during the handshake. If the
// host has another key than the one that it must have, the handshake ends with a [*PinError].
//
// The dates and names of a certificate do not matter: its key is all that identifies a host.
func (s *sealing) config(h *Host) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection verifies
		VerifyConnection: func(state tls.ConnectionState) error {
			h.Pin = seal.PinOf(state.PeerCertificates[0])
			s.mu.Lock()
			want := s.pin
			s.mu.Unlock()
			if want != "" && h.Pin != want {
				return &PinError{Host: *h, Want: want}
			}
			return nil
		},
	}
}

// encrypt encrypts conn, a connection to addr, which it closes after an error. The handshake must
// end within wait.
func (s *sealing) encrypt(ctx context.Context, conn net.Conn, h Host, wait time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, os.ErrDeadlineExceeded)
	defer cancel()
	sealed := tls.Client(conn, s.config(&h))
	err := sealed.HandshakeContext(ctx)
	if err == nil && s.isUnknown() {
		err = &PinError{Host: h}
	}
	if err == nil {
		return sealed, nil
	}
	conn.Close()
	return nil, handshakeError(ctx, err)
}

// isUnknown reports whether it is not known which key the host must have.
func (s *sealing) isUnknown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin == ""
}

// currentSecret returns the secret that lets the client in; "": it has none.
func (s *sealing) currentSecret() seal.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secret
}

// handshakeError returns the error of a handshake that failed with err.
func handshakeError(ctx context.Context, err error) error {
	if wrong, ok := errors.AsType[*PinError](err); ok {
		return wrong
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return ErrDowngrade
	}
	if errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded) {
		return ErrNoAnswer
	}
	return fmt.Errorf("encrypt the connection: %w", err)
}

// Invite returns the link that lets others into the room that the client is in. It has the secret
// of the client. false: the room is not sealed.
func (c *Client) Invite() (seal.Invite, bool) {
	c.mu.Lock()
	addr := c.hostAddr
	c.mu.Unlock()
	c.sealing.mu.Lock()
	defer c.sealing.mu.Unlock()
	if !c.sealing.sealed {
		return seal.Invite{}, false
	}
	return seal.Invite{Addr: addr, Pin: c.sealing.pin, Secret: c.sealing.secret}, true
}
