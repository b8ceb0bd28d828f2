package room

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is the path of a message through the room, and the way back of one that the
// disk did not take.

// ErrPending is the error of a message that was sent before, and is not committed yet: it
// is answered when it is, or when it is rejected.
var ErrPending = errors.New("not committed yet")

// Post puts a message or an action of m into the log. The caller wakes the log when it has
// no more lines at hand. The error is a [*wire.Fault] or [ErrPending].
func (r *Room) Post(m *Member, kind string, seq uint64, message string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	return r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: kind, seq: seq, text: message})
}

// postLocked puts a message of m into the log.
func (r *Room) postLocked(m *Member, req *request) error {
	id := m.identity
	if req.seq > 0 && id.rejected > 0 && req.seq > id.rejected {
		return wire.Faultf(wire.CodeNotStored, "number %d was not stored; this was not sent, it would come first", id.rejected)
	}
	if req.seq > 0 {
		r.committedLocked(id) // of what comes before this one
	}
	err := r.pendingLocked(m, req.seq, r.submitLocked(m, req))
	fault, isFault := errors.AsType[*wire.Fault](err)
	switch {
	case err == nil:
		r.accepted++
		if req.seq >= id.rejected {
			id.rejected = 0
		}
		return nil
	case err == ErrPending:
		return err
	case !isFault: // the disk takes nothing
		id.reject(req.seq)
		return faultOf(err, notSent)
	}
	r.forgoLocked(m, req.seq, fault.Code, req.at)
	return err
}

// forgoLocked notes that the message numbered seq was rejected for good: none waits for it,
// and it is rejected again if it is repeated.
func (r *Room) forgoLocked(m *Member, seq uint64, code wire.Code, now time.Time) {
	id := m.identity
	if seq >= id.rejected {
		id.rejected = 0
	}
	c := r.state.clients[id.author]
	if seq == 0 || c == nil || seq <= c.Seq || c.Rejected[seq] == code {
		return
	}
	// A disk that is full forgets this, and the client is told now.
	_ = r.submitLocked(nil, &request{op: opReject, at: now, by: r.askingLocked(m), seq: seq, text: string(code)})
}

// reject notes that the disk did not take the number seq: nothing above it may come first.
func (id *identity) reject(seq uint64) {
	if seq > 0 && (id.rejected == 0 || seq < id.rejected) {
		id.rejected = seq
	}
}

// committedLocked returns the highest number of a client that is committed. Those above it
// may be lost with this host.
func (r *Room) committedLocked(id *identity) uint64 {
	if !dropDuplicates {
		return 0
	}
	if c := r.state.clients[id.author]; c != nil && r.log.Settled(id.ticket) {
		id.committed = c.Seq
	}
	return id.committed
}

// Committed returns a channel that is closed when all that m sent is committed or was
// rejected.
func (r *Room) Committed(m *Member) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil {
		return r.log.WhenSettled(0)
	}
	return r.log.WhenSettled(m.identity.ticket)
}

// Announce puts the upload that find returns, with its URL, into the log as an action of m.
// It calls find, which may take a while, once it is clear that m may send: that makes the
// upload everyone's. The error is a [*wire.Fault] or [ErrPending].
func (r *Room) Announce(m *Member, seq uint64, find func() (wire.File, string, error), now time.Time) error {
	if err := r.mayPost(m, seq, now); err != nil {
		return err
	}
	file, url, err := find()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil { // something may have happened meanwhile
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.forgoLocked(m, seq, wire.CodeNoSuchFile, now)
		return wire.Faultf(wire.CodeNoSuchFile, "the host does not have that file, or not all of it; this was not sent")
	case err != nil:
		m.identity.reject(seq)
		return wire.Faultf(wire.CodeNotStored, "the host cannot keep that file: %s; this was not sent", text.Clean(err.Error()))
	}
	message := text.Clean(fmt.Sprintf("sent %s (%s): %s", file.Name, humanize.Bytes(uint64(file.Size)), url))
	return r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeAction, seq: seq, text: message, file: &file})
}

// mayPost returns the fault for which m may not post a message numbered seq.
func (r *Room) mayPost(m *Member, seq uint64, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	return r.mayPostLocked(m, seq, now)
}

func (r *Room) mayPostLocked(m *Member, seq uint64, now time.Time) error {
	err := r.state.decide(&request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeMessage, seq: seq}, new(event))
	return r.pendingLocked(m, seq, err)
}

// pendingLocked returns [ErrPending] for the fault of a duplicate that is not committed yet.
func (r *Room) pendingLocked(m *Member, seq uint64, err error) error {
	if fault, ok := errors.AsType[*wire.Fault](err); ok && fault.Code == wire.CodeDuplicate && seq > r.committedLocked(m.identity) {
		return ErrPending
	}
	return err
}

// Tell puts a private message of m into the log, for a member or for one whose connection
// was lost a moment ago: then it returns that one's nick. The error is a [*wire.Fault] or
// [ErrPending].
func (r *Room) Tell(m *Member, req *wire.Request, now time.Time) (waitsFor string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return "", err
	}
	to, isHere := r.recipientLocked(req.To, now)
	if to == nil {
		if err := r.mayPostLocked(m, req.Seq, now); err != nil {
			return "", err
		}
		r.forgoLocked(m, req.Seq, wire.CodeNoSuchNick, now)
		return "", noSuchNick(req.To)
	}
	err = r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), to: to, kind: wire.TypePrivate, seq: req.Seq, text: req.Text})
	if err != nil || isHere {
		return "", err
	}
	return to.nick, nil
}

// recipientLocked returns who is called nick, here or with a connection that was lost a
// moment ago; nil: no one is.
func (r *Room) recipientLocked(nick string, now time.Time) (to *subject, isHere bool) {
	if m := r.memberNamedLocked(nick); m != nil {
		return m.subject(), true
	}
	if len(nick) > text.MaxNickBytes {
		return nil, false
	}
	if c := r.state.reservation(text.NickKey(nick), now); c != nil {
		return c.subject(), false
	}
	return nil, false
}

// subject returns who c is, for a decision.
func (c *Client) subject() *subject {
	return &subject{author: c.Author, id: c.ID, key: c.Key, nick: c.Nick, operator: c.Operator, visit: c.Visit}
}

// CommitFailed rebuilds the state when the history file took no more: from the committed
// state and the events that are still to be written. The senders of rejected messages get a
// fault. It is [history.Owner.Failed], called by the log's committer.
func (r *Room) CommitFailed(err error, split func() (rejected []history.Rejected, held []history.Held)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commitFailedLocked(err, split)
}

func (r *Room) commitFailedLocked(err error, split func() (rejected []history.Rejected, held []history.Held)) {
	rejected, held := split()
	r.state = r.committed.state.clone()
	for _, h := range held {
		if id, ok := h.By.Sender.(*identity); ok {
			id.ticket = 0 // no message of this sender is pending: its next connection does not wait for the disk
		}
		if h.Hidden == nil {
			r.state.apply(h.Event, nil, h.By)
		} else if parsed, err := parseHidden(h.Hidden); err == nil {
			r.state.apply(nil, parsed, h.By)
		}
	}
	r.state.forgotten = nil
	for i := range rejected {
		e := &rejected[i].Event
		id, ok := rejected[i].By.Sender.(*identity)
		if !ok {
			continue
		}
		id.reject(e.Seq)
		id.ticket = 0 // everything of this sender that is not committed is in the list
		if id.member != nil {
			fault := wire.Faultf(wire.CodeNotStored, "%s; this was not sent: %s", diskFault(err), shortened(e.Text)).Event(e.Seq)
			id.member.Peer.Deliver(&fault, id.member.nick)
		}
	}
}

// faultOf returns err as a fault: the log's errors say that the disk takes nothing.
// consequence is what follows from that.
func faultOf(err error, consequence string) error {
	if _, ok := errors.AsType[*wire.Fault](err); ok || err == nil {
		return err
	}
	return wire.Faultf(wire.CodeNotStored, "%s; %s", diskFault(err), consequence)
}

// The consequences of a disk that takes nothing, for faultOf.
const (
	notSent    = "this was not sent"
	notChanged = "nothing was changed"
)

// diskFault is what members are told of why the disk takes nothing.
func diskFault(err error) error {
	if errors.Is(err, history.ErrDiskFull) {
		return history.ErrDiskFull
	}
	return history.ErrWrite
}

// shortened returns the start of a message, enough to recognize it.
func shortened(message string) string {
	const enough = 40 // bytes
	line, _, more := strings.Cut(message, "\n")
	if len(line) > enough {
		line, more = strings.ToValidUTF8(line[:enough], ""), true
	}
	if more {
		line += "…"
	}
	return line
}
