package client

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"chat/relay/seal"
	"chat/relay/wire"
)

// Anyone on the network can claim to have a room: its ID is public. So a client that was in a
// room before shows its token, and sends pending messages, only to a host that proves
// itself; see "Proof" in PROTOCOL.md.

// Identity returns the identity of the client in the room that it is in. A program that keeps
// it can return as the same client; see [Options.Identity].
func (c *Client) Identity() Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity
}

// question returns the request for a proof. Without a key it only asks which room is there.
func (id *Identity) question() wire.Request {
	r := wire.Request{Type: wire.TypeHello, Version: wire.Version, Probe: true, Nonce: wire.NewNonce()}
	if id.Key != "" {
		r.Room, r.Client = id.Room, id.Client
	}
	return r
}

// isProof reports whether answer, which is to question, has a proof by id's key.
func (id *Identity) isProof(question *wire.Request, answer *wire.Event) bool {
	if id.Key == "" || question.Room != id.Room || question.Client != id.Client {
		return false
	}
	want := wire.ProofOf(id.Key, id.Room, answer.Room, id.Client, question.Nonce)
	return hmac.Equal([]byte(answer.Proof), []byte(want))
}

// A claim is a host's answer to a question.
type claim struct {
	wire.RoomInfo
	proven bool // the host has the key of our identity. The room may have another ID
}

// ask connects to addr, and asks which room is there and for a proof that it is ours. The link
// is ready for a hello.
func (s *membership) ask(ctx context.Context, addr string) (*link, claim, error) {
	l, err := s.open(ctx, addr)
	if err != nil {
		return nil, claim{}, err
	}
	return s.askOn(ctx, l)
}

// askOn is ask on l, which it closes after an error.
func (s *membership) askOn(ctx context.Context, l *link) (*link, claim, error) {
	addr, question, wait := l.addr, s.known.question(), s.answerTime()
	if addr != s.addr { // it may belong to anyone
		wait = probeTimeout
	}
	e, err := l.hello(ctx, question, wait)
	if err != nil {
		l.conn.Close()
		return nil, claim{}, fmt.Errorf("ask %s for its room: %w", addr, err)
	}
	if e.Sealed && s.seal.isPlain() { // a host on this machine; the others refuse to answer
		l.conn.Close()
		return nil, claim{}, fmt.Errorf("ask %s for its room: %w", addr, errIsSealed)
	}
	c := claim{roomInfo(&e), s.known.isProof(&question, &e)}
	if e.Instance == "" { // an older host closes the connection after its answer
		l.conn.Close()
		l, err = s.open(ctx, addr)
	}
	return l, c, err
}

// prove returns an error if the host at addr does not prove that it has the room of known.
func (c *Client) prove(ctx context.Context, addr string, known Identity) error {
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(probeTimeout))
	proven, err := proveOn(conn, known)
	if err == nil && !proven {
		err = errOtherRoom
	}
	return err
}

// proveOn asks the host on conn for a proof that it has the room of known.
func proveOn(conn net.Conn, known Identity) (proven bool, err error) {
	question := known.question()
	e, err := probe(conn, question)
	return err == nil && e.Room == known.Room && known.isProof(&question, &e), err
}

// Prove asks the host at addr ("host:port") to prove that it has the room of known. It does not
// show the token. It takes at most two seconds, unless ctx has a deadline. The errors are those
// of [Probe].
func Prove(ctx context.Context, addr string, known Identity) (proven bool, err error) {
	err = onProbe(ctx, addr, known.Secret != "", func(conn net.Conn, _ seal.Pin) (err error) {
		proven, err = proveOn(conn, known)
		return err
	})
	return proven, err
}

// An OtherRoomError ends a client whose room is gone: another one is at its address, and its
// host does not prove to be that of the room. Messages that were not sent are in
// [Client.Pending].
type OtherRoomError struct {
	Addr  string        // of the host
	Was   string        // the title of the room that the client was in
	Now   wire.RoomInfo // the room that is there now, by its host's words
	Claim bool          // the host claims that it is the same room
}

func (e *OtherRoomError) Error() string {
	was, now := cutReason(e.Was), cutReason(e.Now.Title)
	switch {
	case e.Claim:
		return was + " is gone; the host at this address cannot prove that it has the same room"
	case now == was:
		return was + " is gone; another room, also called " + now + ", is at this address"
	}
	return was + " is gone; another room, " + now + ", is at this address"
}

// isOtherRoom reports whether err is an [*OtherRoomError].
func isOtherRoom(err error) bool {
	_, ok := errors.AsType[*OtherRoomError](err)
	return ok
}

// CodeNotSent is the code of the error events that the client itself makes, one for each
// message that it does not send, because the room is not the one that they were written for.
const CodeNotSent wire.Code = "not_sent"

// UnprovenWarning is for the user of a client that is [Connected] with Unproven.
const UnprovenWarning = "this host cannot prove that it has the room where you were before; your messages go to a stranger, perhaps"

// returnPending rejects all messages that the host of the room that we were in did not
// acknowledge.
func (s *membership) returnPending(stay context.Context, reason string) {
	for _, r := range s.out.pending() {
		e := wire.Event{Type: wire.TypeError, Code: CodeNotSent, Seq: r.Seq, Text: reason + ": " + cutReason(r.Text)}
		s.emit(stay, Received{Event: e})
		s.out.reject(e)
	}
}

// newToken returns a token that no host knows.
func newToken() string { return rand.Text() }
