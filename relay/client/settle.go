package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	// maxAsked is how often the user is asked for a secret. The host accepts at most a few from
	// one address.
	maxAsked = 3

	// tooManyPause is how long a host accepts no secret from an address that had too many wrong ones.
	tooManyPause = time.Minute
)

// settle gets what an attempt to join lacked, given its error: it asks the user if a sealed room needs an
// answer. asked counts the questions for a secret. It reports whether another attempt may succeed; if
// not, the error says why.
func (s *membership) settle(ctx context.Context, err error, asked *int) (again bool, _ error) {
	refusal, _ := errors.AsType[*RefusedError](err)
	unknown, _ := errors.AsType[*PinError](err)
	secret, _ := errors.AsType[*SecretError](err)
	switch {
	case refusal != nil && (refusal.Code == wire.CodeSealed || refusal.Code == wire.CodeNoSecret) && s.seal.isPlain():
		if !s.seal.canSeal() {
			return false, fmt.Errorf("join %s: %w", s.addr, ErrSealed)
		}
		s.seal.require()
		if s.known.Key == "" {
			s.known.Token = newToken() // the one before was sent in the clear
		}
		return true, nil
	case unknown != nil && !unknown.IsChanged() && s.opts.Seal.Trust != nil:
		if err := s.opts.Seal.Trust(ctx, unknown.Host); err != nil {
			return false, err
		}
		s.seal.trust(unknown.Pin)
		return true, nil
	case secret != nil && secret.Code == wire.CodeAuthFailed && s.seal.tryListening():
		return true, nil
	case secret != nil && s.seal.isAskable(secret.Code) && s.opts.Seal.AskSecret != nil && *asked < maxAsked:
		h := s.seal.host(s.addr)
		q := SecretQuestion{Addr: h.Addr, Room: h.Room, Title: h.Title, Pin: h.Pin, Tries: *asked}
		if secret.Code == wire.CodeAuthFailed {
			q.Tries = max(q.Tries, 1) // a kept one may be wrong too
		}
		typed, err := s.opts.Seal.AskSecret(ctx, q)
		if err != nil {
			return false, err
		}
		*asked++
		s.seal.useSecret(typed)
		return true, nil
	}
	return false, err
}

// identify proves over l, before hello or in it, that the client may enter. Only a host with the right key gets the secret;
// any other must first prove that it knows it.
func (s *membership) identify(ctx context.Context, l *link, hello *wire.Request) error {
	secret, user, needed := s.seal.toProve()
	switch {
	case needed:
		return &SecretError{Code: wire.CodeNoSecret}
	case user != "":
		if err := l.authenticate(ctx, user, secret, s.answerTime()); err != nil {
			return err
		}
		s.seal.noteProof()
	default:
		hello.Secret = string(s.seal.secretToSend())
	}
	return s.sign(l, hello)
}

// sign adds the client's key to hello, and its signature for the room and the connection of l.
func (s *membership) sign(l *link, hello *wire.Request) error {
	conn, ok := l.conn.(*tls.Conn)
	if !ok || s.opts.Seal.Signer == nil {
		return nil
	}
	binding, err := bindingOf(conn)
	if err != nil {
		return err
	}
	hello.Signature, err = s.opts.Seal.Signer.Sign(seal.SignedData(hello.Room, binding))
	if hello.Signature != "" {
		hello.Key = s.opts.Seal.Signer.Key()
	}
	return err
}

// bindingOf returns what a signature for conn includes.
func bindingOf(conn *tls.Conn) ([]byte, error) {
	state := conn.ConnectionState()
	return state.ExportKeyingMaterial(seal.ExporterLabel, nil, seal.BindingLength)
}

// adoptSecret replaces the secret by the one of a new invite, which the host sends to everyone in
// the room.
func (s *membership) adoptSecret(e *wire.Event) {
	secret, err := seal.ParseSecret(e.Data)
	if err != nil || s.seal.isPlain() {
		return
	}
	s.seal.useSecret(secret)
	s.known.Secret = secret
	if !s.stranger {
		s.opts.Keeper.Keep(s.known)
	}
	s.mu.Lock()
	s.identity = s.known
	s.mu.Unlock()
}
