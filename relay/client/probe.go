package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	// probeTimeout bounds a probe whose context has no deadline: a host on the same
	// network answers within milliseconds.
	probeTimeout = 2 * time.Second
	// maxProbeLine bounds the answer in bytes; it holds little more than a title.
	maxProbeLine = 4 << 10
	// maxProbeRead bounds the bytes read in all: any program may answer.
	maxProbeRead = 1 << 20
)

// Probe asks the host at addr ("host:port") which room it has. It does not join, and the
// members do not notice. It takes at most two seconds, unless ctx has a deadline. The
// texts in the answer are cleaned.
//
// A sealed room is asked over an encrypted connection, whoever is at its other end: the answer's
// Pin is that of the key there. Nothing else is sent.
//
// The error is a [*RefusedError] if the host accepts no more sessions, and wraps
// [ErrNoRoom] if the program at addr is not a chat host.
func Probe(ctx context.Context, addr string) (wire.RoomInfo, error) {
	return ProbeWith(ctx, addr, "", false)
}

// ProbeWith is Probe with a nonce, which fills the answer's Instance: with the same nonce, the
// same process gives the same one; see [wire.NewNonce]. sealed says that the room is announced as
// a sealed one, which saves an attempt.
func ProbeWith(ctx context.Context, addr, nonce string, sealed bool) (info wire.RoomInfo, err error) {
	err = onProbe(ctx, addr, sealed, func(conn net.Conn, pin seal.Pin) error {
		e, err := probe(conn, wire.Request{Type: wire.TypeHello, Version: wire.Version, Probe: true, Nonce: nonce})
		info = roomInfo(&e)
		if err == nil && e.Sealed && pin == "" { // a host on this machine; the others refuse to answer
			return errIsSealed
		}
		info.Pin = string(pin)
		info.Sealed = pin != "" // it is, whatever the host says
		return err
	})
	return info, err
}

// onProbe calls f with a connection to addr, for as long as a probe may take. If the room there is
// a sealed one, which f's error says, it calls f again with an encrypted connection and the pin of
// the key at its other end. With sealed it tries that first.
func onProbe(ctx context.Context, addr string, sealed bool, f func(conn net.Conn, pin seal.Pin) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probeTimeout)
		defer cancel()
	}
	err := onProbeOnce(ctx, addr, sealed, f)
	refusal, refused := errors.AsType[*RefusedError](err)
	if sealed && errors.Is(err, ErrDowngrade) || !sealed && refused && refusal.Code == wire.CodeSealed {
		err = onProbeOnce(ctx, addr, !sealed, f)
	}
	if err != nil {
		return fmt.Errorf("probe %s: %w", addr, err)
	}
	return nil
}

// onProbeOnce calls f with a connection to addr.
func onProbeOnce(ctx context.Context, addr string, sealed bool, f func(conn net.Conn, pin seal.Pin) error) (err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if !sealed {
		return f(conn, "")
	}
	h := Host{Addr: addr}
	encrypted := tls.Client(conn, new(sealing).config(&h))
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return handshakeError(ctx, h, err)
	}
	return f(encrypted, h.Pin)
}

// probe sends a hello with Probe on conn and reads the answer.
func probe(conn io.ReadWriter, hello wire.Request) (wire.Event, error) {
	if _, err := conn.Write(hello.AppendJSON(nil)); err != nil {
		return wire.Event{}, err
	}
	lines := wire.NewLineReader(io.LimitReader(conn, maxProbeRead), maxProbeLine)
	line, err := firstJSON(lines)
	if err != nil {
		return wire.Event{}, err
	}
	e, err := wire.ParseEvent(line)
	if err != nil {
		return wire.Event{}, ErrNoRoom
	}
	switch e = sanitize(e); e.Type {
	case wire.TypeRoom:
		return e, nil
	case wire.TypeError, wire.TypeBye:
		return wire.Event{}, refused(e)
	}
	return wire.Event{}, ErrNoRoom
}

// roomInfo returns the room that an answer to a probe describes.
func roomInfo(e *wire.Event) wire.RoomInfo {
	return wire.RoomInfo{ID: e.Room, Title: e.Title, Version: e.Version, App: e.App, Members: e.Count, Instance: e.Instance}
}
