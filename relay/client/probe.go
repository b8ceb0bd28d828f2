package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

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
// The error is a [*RefusedError] if the host accepts no more sessions, and wraps
// [ErrNoRoom] if the program at addr is not a chat host.
func Probe(ctx context.Context, addr string) (wire.RoomInfo, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probeTimeout)
		defer cancel()
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return wire.RoomInfo{}, fmt.Errorf("probe %s: %w", addr, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	info, err := probe(conn)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return wire.RoomInfo{}, fmt.Errorf("probe %s: %w", addr, err)
	}
	return info, nil
}

// probe sends the hello of a probe on conn and reads the answer.
func probe(conn io.ReadWriter) (wire.RoomInfo, error) {
	hello := wire.Request{Type: wire.TypeHello, Version: wire.Version, Probe: true}
	if _, err := conn.Write(hello.AppendJSON(nil)); err != nil {
		return wire.RoomInfo{}, err
	}
	lines := wire.NewLineReader(io.LimitReader(conn, maxProbeRead), maxProbeLine)
	line, err := firstJSON(lines)
	if err != nil {
		return wire.RoomInfo{}, err
	}
	e, err := wire.ParseEvent(line)
	if err != nil {
		return wire.RoomInfo{}, ErrNoRoom
	}
	switch e = sanitize(e); e.Type {
	case wire.TypeRoom:
		return wire.RoomInfo{ID: e.Room, Title: e.Title, Version: e.Version, App: e.App, Members: e.Count}, nil
	case wire.TypeError, wire.TypeBye:
		return wire.RoomInfo{}, refused(e)
	}
	return wire.RoomInfo{}, ErrNoRoom
}
