package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"chat/relay/seal"
	"chat/relay/text"
	"chat/relay/wire"
)

// A sealing is what a client knows about the seal of its room. All methods may be called
// concurrently: uploads and downloads connect too.
type sealing struct {
	opts Seal // fixed

	mu sync.Mutex // guards those below

	sealed   bool        // the room is sealed; it stays so
	pin      seal.Pin    // of the host's key; "": not known yet. Once it is, it does not change
	from     KnownHost   // where pin is kept; the zero value: in no file
	verified bool        // pin is from an invite or a known host, or its host proved that it knows the secret
	curlPin  string      // see [seal.CurlPin]; "": not known yet
	secret   seal.Secret // "": none, or not known yet
	byKey    bool        // the user has no secret, and enters by key
	listener bool        // secret is tried as that of those who only listen
	room     string      // the room's ID; "": not known yet
	title    string      // its title; "": not known yet
}

func newSealing(opts *Options) *sealing {
	o := opts.Seal
	return &sealing{
		opts: o, room: opts.Room, title: o.Title, pin: o.Pin, verified: o.Pin != "", secret: cmp.Or(o.Secret, opts.Identity.Secret),
		// A kept secret alone says nothing if there are known hosts: the user may have deleted the room there.
		sealed: !o.Private && (o.Required || o.Pin != "" || o.Secret != "" || opts.Identity.Secret != "" && o.Known == nil),
	}
}

// isSealed reports whether connections must be encrypted.
func (s *sealing) isSealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed
}

// host describes the host at addr. Its Pin is the expected one.
func (s *sealing) host(addr string) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Host{Addr: addr, Room: s.room, Title: s.title, Pin: s.pin}
}

// setRoom notes which room it is.
func (s *sealing) setRoom(id, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room, s.title = id, title
}

// isPlain reports whether the room is not known to be sealed. Hosts on this machine are the only ones
// that answer to it, as their own programs need no encryption.
func (s *sealing) isPlain() bool { return !s.opts.Private && !s.isSealed() }

// canSeal reports whether the options allow to join a sealed room.
func (s *sealing) canSeal() bool {
	if s.opts.Private {
		return false
	}
	return s.opts.Required || s.opts.Pin != "" || s.opts.Secret != "" || s.opts.Known != nil || s.opts.Trust != nil
}

// require makes the room a sealed one: its host said so.
func (s *sealing) require() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// lookUp looks for h among the known hosts, unless the pin is known: by the room's ID, and if
// there is none by the address, which another host may have by now. The error is an
// [*DowngradeError] if h is a room that is announced as a plain one, with a title that looks like that
// of a sealed one that the user knows: anyone can announce a title.
func (s *sealing) lookUp(h Host) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Known == nil || s.pin != "" || s.opts.Private {
		return nil
	}
	known, err := s.opts.Known.Hosts()
	if err != nil {
		return err
	}
	for _, k := range known {
		if h.Room != "" && k.Room == h.Room || h.Room == "" && k.Room == "" && k.Addr == h.Addr {
			s.sealed, s.pin, s.from, s.verified = true, k.Pin, k, true
			return nil
		}
	}
	if s.sealed || h.Title == "" {
		return nil
	}
	for _, k := range known {
		if k.Room != "" && looksLike(k.Title, h.Title) {
			return &DowngradeError{Host: h, Known: k}
		}
	}
	return nil
}

// checkRoom returns an error if the user knows the room that the host of h says it has, and that host cannot be its own: a
// [*PinError] if the host has another key, and a [*DowngradeError] if it does not encrypt.
func (s *sealing) checkRoom(h Host) error {
	if s.opts.Known == nil || s.opts.Private {
		return nil
	}
	known, err := s.opts.Known.Hosts()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range known {
		switch h.Pin = s.pin; {
		case k.Room != h.Room:
		case !s.sealed:
			return &DowngradeError{Host: h, File: k.File, Line: k.Line}
		case k.Pin != s.pin:
			return &PinError{Host: h, Want: k.Pin, File: k.File, Line: k.Line}
		}
	}
	return nil
}

// recognize makes the pin of h the expected one, if the user trusts the machine
// with this key: it has the same address as before, or a room of the same title.
func (s *sealing) recognize(h *Host) (known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pin != "" {
		return true, nil
	}
	if s.opts.Known == nil {
		return false, nil
	}
	hosts, err := s.opts.Known.Hosts()
	if err != nil {
		return false, err
	}
	for _, k := range hosts {
		switch same := k.Pin == h.Pin; {
		case same && (k.Addr == h.Addr || k.Room != "" && (k.Room == h.Room || k.Title == h.Title)):
			s.pin, s.from, s.verified = k.Pin, k, true
			return true, nil
		case same && k.Title != "" && !slices.Contains(h.Names, k.Title):
			h.Names = append(h.Names, k.Title)
		case !same && k.Room != "" && looksLike(k.Title, h.Title):
			h.Namesake = k
		}
	}
	return false, nil
}

// looksLike reports whether a person may take one title for the other.
func looksLike(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	keys := text.NickKeys(a)
	for _, key := range text.NickKeys(b) {
		if slices.Contains(keys[:], key) {
			return true
		}
	}
	return false
}

// trust makes pin the expected one: the user said so.
func (s *sealing) trust(pin seal.Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin = pin
}

// remember adds the host to the known ones, if its room is sealed. It has the expected key.
func (s *sealing) remember(h Host) {
	s.mu.Lock()
	pin := s.pin
	s.mu.Unlock()
	if s.opts.Known == nil || pin == "" {
		return
	}
	s.opts.Known.Add(KnownHost{Room: h.Room, Pin: pin, Title: h.Title}, KnownHost{Addr: h.Addr, Pin: pin, Title: h.Title})
}

// config returns how to encrypt a connection to h, whose Pin is set during the handshake. If the
// host has another key than the expected one, the handshake ends with a [*PinError].
//
// The dates and names of a certificate do not matter: its key is all that identifies a host.
func (s *sealing) config(h *Host) *tls.Config {
	s.mu.Lock()
	want, from := s.pin, s.from
	s.mu.Unlock()
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection verifies
		VerifyConnection: func(state tls.ConnectionState) error {
			if h.Pin = seal.PinOf(state.PeerCertificates[0]); want != "" && h.Pin != want {
				h.Title = cmp.Or(h.Title, from.Title)
				return &PinError{Host: *h, Want: want, File: from.File, Line: from.Line}
			}
			return nil
		},
	}
}

// encrypt encrypts conn, a connection to h, which it closes after an error. The handshake must end
// within wait. A host whose key is not known gets not a byte beyond the handshake.
func (s *sealing) encrypt(ctx context.Context, conn net.Conn, h Host, wait time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, os.ErrDeadlineExceeded)
	defer cancel()
	sealed := tls.Client(conn, s.config(&h))
	err := sealed.HandshakeContext(ctx)
	if err == nil {
		var known bool
		if known, err = s.recognize(&h); err == nil && !known {
			err = &PinError{Host: h}
		}
	}
	if err == nil {
		s.noteCurlPin(sealed.ConnectionState().PeerCertificates[0])
		return sealed, nil
	}
	conn.Close()
	err = handshakeError(ctx, h, err)
	if downgrade, ok := errors.AsType[*DowngradeError](err); ok {
		s.mu.Lock()
		downgrade.File, downgrade.Line = s.from.File, s.from.Line
		s.mu.Unlock()
	}
	return nil, err
}

// noteCurlPin notes the pin of the host's key as curl takes it.
func (s *sealing) noteCurlPin(cert *x509.Certificate) {
	pin := seal.CurlPin(cert)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.curlPin = pin
}

// alertVersion is the alert by which hosts of plain rooms answer a handshake: protocol_version,
// RFC 8446, section 6.
const alertVersion = tls.AlertError(70)

// handshakeError returns the error of a handshake with h that failed with err.
func handshakeError(ctx context.Context, h Host, err error) error {
	if wrong, ok := errors.AsType[*PinError](err); ok {
		return wrong
	}
	_, isPlain := errors.AsType[tls.RecordHeaderError](err)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		isPlain = isPlain || op.Err.Error() == alertVersion.Error()
	}
	switch {
	case isPlain:
		return &DowngradeError{Host: h}
	case errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded):
		return ErrNoAnswer
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF): // it is full, and has no time for a reason
		return errHungUp
	}
	return fmt.Errorf("encrypt the connection: %w", err)
}

// --- the secret --------------------------------------------------------------------------

// useSecret replaces the secret. "": the user has none.
func (s *sealing) useSecret(secret seal.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.byKey, s.listener = secret, secret == "", false
}

// hasKey reports whether the client has a key of its own.
func (s *sealing) hasKey() bool { return s.opts.Signer != nil && s.opts.Signer.Key() != "" }

// offer gives the client the secret that was kept for its room, unless it has one.
func (s *sealing) offer(kept seal.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = cmp.Or(s.secret, kept)
}

// isAskable reports whether the user may know a better answer, given that the host refused with code.
func (s *sealing) isAskable(code wire.Code) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return code == wire.CodeNoSecret && !s.byKey || code == wire.CodeAuthFailed && s.secret != ""
}

// tryListening reports whether the secret was tried only as that of members, and makes it that of
// those who only listen: with SCRAM, unlike in a hello, the host must know which one is meant.
func (s *sealing) tryListening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verified || s.listener || s.secret == "" {
		return false
	}
	s.listener = true
	return true
}

// toProve returns the secret that the host must prove to know before it gets a hello, because the user
// trusts it for the first time, and the user name of that secret; "": the host need not. needed reports
// that the client has no secret for that, and must ask its user.
func (s *sealing) toProve() (secret seal.Secret, user string, needed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.sealed || s.verified || s.byKey:
		return "", "", false
	case s.secret == "":
		return "", "", true
	case s.listener:
		return s.secret, seal.ListenUser, false
	}
	return s.secret, seal.MemberUser, false
}

// secretToSend returns the secret for the hello; "": none. The host has the right key, or the connection is
// private without TLS.
func (s *sealing) secretToSend() seal.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed && s.verified || s.opts.Private {
		return s.secret
	}
	return ""
}

// noteProof notes that the host has proved that it knows the secret.
func (s *sealing) noteProof() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified = true
}

// Invite returns the link that lets others into the room that the client is in. It has the secret
// of the client. false: the room is not sealed, or the client knows no key of its host.
func (c *Client) Invite() (seal.Invite, bool) {
	c.mu.Lock()
	addr := c.hostAddr
	c.mu.Unlock()
	c.sealing.mu.Lock()
	defer c.sealing.mu.Unlock()
	if !c.sealing.sealed || c.sealing.pin == "" {
		return seal.Invite{}, false
	}
	return seal.Invite{Addr: addr, Pin: c.sealing.pin, Secret: c.sealing.secret}, true
}

// CurlPin returns the pin of the host's key as curl --pinnedpubkey takes it; "": the room is not sealed, or the
// connection is private without TLS.
func (c *Client) CurlPin() string {
	c.sealing.mu.Lock()
	defer c.sealing.mu.Unlock()
	return c.sealing.curlPin
}
