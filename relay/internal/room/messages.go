package room

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/history"
	"chat/relay/internal/replica"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is the path of a message through the room, and of its rejection if it could not
// be stored.

// ErrPending is the error for a message that was resent while it is pending. The client gets
// its answer once the message is committed or rejected.
var ErrPending = errors.New("not committed yet")

// Post appends a message or an action of m to the log. The caller then wakes the log, once
// for all lines that have arrived together. The error is a [*wire.Fault] or [ErrPending].
func (r *Room) Post(m *Member, kind string, seq uint64, message string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	return r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: kind, seq: seq, text: message})
}

// A Draft is a message that is not posted yet.
type Draft struct {
	Seq  uint64
	Text string
}

// PostAll is Post for messages of m that arrived together. It stops at the first that is
// rejected, and returns how many come before it; err is the answer to that one.
func (r *Room) PostAll(m *Member, drafts []Draft, now time.Time) (posted int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return 0, err
	}
	for i := range drafts {
		d := &drafts[i]
		err := r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeMessage, seq: d.Seq, text: d.Text})
		if err != nil {
			return i, err
		}
	}
	return len(drafts), nil
}

// PostKeyed is Post for a message with a key.
func (r *Room) PostKeyed(m *Member, req *wire.Request, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	return r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeMessage, seq: req.Seq, once: req.Once, text: req.Text})
}

// postLocked appends a message of m to the log.
func (r *Room) postLocked(m *Member, req *request) error {
	id := m.identity
	if err := r.checkOrderLocked(id, req.seq); err != nil {
		return err
	}
	err := r.answerLocked(m, req, r.submitLocked(m, req))
	if err == nil {
		r.accepted++
		if req.seq > 0 && r.log.Durable() {
			r.dropCommittedLocked(id)
			id.pending = append(id.pending, numbered{req.seq, id.ticket})
		}
		if req.seq >= id.rejected {
			id.rejected = 0
		}
	}
	return err
}

// answerLocked returns the sender's answer to a message: nil, a [*wire.Fault] or
// [ErrPending]. err is from the decision or the log. It also notes the consequences for
// messages with higher numbers.
func (r *Room) answerLocked(m *Member, req *request, err error) error {
	fault, isFault := errors.AsType[*wire.Fault](err)
	switch {
	case err == nil:
		return nil
	case !isFault: // the disk cannot be written
		m.identity.notStored(req.seq)
		return faultOf(err, notSent)
	case fault.Code == wire.CodeDuplicate && r.isPendingLocked(m.identity, req.seq):
		return ErrPending
	}
	r.rejectPermanentlyLocked(m, req.seq, fault.Code, req.at)
	return err
}

// rejectPermanentlyLocked records that the message numbered seq was rejected, and will be
// again if it is resent. Higher numbers do not wait for it.
func (r *Room) rejectPermanentlyLocked(m *Member, seq uint64, code wire.Code, now time.Time) {
	id := m.identity
	if seq >= id.rejected {
		id.rejected = 0
	}
	c := r.state.clients[id.author]
	if seq == 0 || c == nil || seq <= c.Seq || c.Rejected[seq] == code {
		return
	}
	// If the disk is full this is not recorded, but the client gets its answer now.
	_ = r.submitLocked(nil, &request{op: opReject, at: now, by: r.askingLocked(m), seq: seq, text: string(code)})
}

// notStored notes that the message numbered seq could not be stored: higher numbers are
// rejected until it is resent, so that they do not overtake it.
func (id *identity) notStored(seq uint64) {
	if seq > 0 && (id.rejected == 0 || seq < id.rejected) {
		id.rejected = seq
	}
}

// checkOrderLocked returns the fault of a message numbered seq that would overtake one that was
// not stored. In a shared room it returns ErrPending for one that is on its way.
func (r *Room) checkOrderLocked(id *identity, seq uint64) error {
	if r.order != nil && seq > 0 && r.isPendingLocked(id, seq) {
		return ErrPending
	}
	if seq > 0 && id.rejected > 0 && seq > id.rejected {
		return wire.Faultf(wire.CodeNotStored, "number %d was not stored; this was not sent, it would come first", id.rejected)
	}
	return nil
}

// committedLocked returns the highest number of a client that is known to be committed.
// Messages with higher numbers may be lost if this host fails.
func (r *Room) committedLocked(id *identity) uint64 {
	c := r.state.clients[id.author]
	if !dropDuplicates || c == nil {
		return 0
	}
	if r.dropCommittedLocked(id); len(id.pending) > 0 && r.order == nil { // in a shared room, the state has only events of the journal
		return id.pending[0].seq - 1
	}
	return c.Seq
}

// isPendingLocked reports whether the client's message numbered seq is pending: its answer is
// still to come. The log publishes a message in the same instant as it is committed, so the
// answer to a message that is not pending was sent, or can be read in the log.
func (r *Room) isPendingLocked(id *identity, seq uint64) bool {
	r.dropCommittedLocked(id)
	_, found := slices.BinarySearchFunc(id.pending, seq, func(n numbered, seq uint64) int { return cmp.Compare(n.seq, seq) })
	return found
}

// dropCommittedLocked drops those of the client's pending messages that are committed by now.
func (r *Room) dropCommittedLocked(id *identity) {
	if len(id.pending) == 0 {
		return
	}
	committed := sort.Search(len(id.pending), func(i int) bool { return !r.log.Settled(id.pending[i].ticket) })
	id.pending = slices.Delete(id.pending, 0, committed)
	if len(id.pending) == 0 && cap(id.pending) > 16 { // after a flood
		id.pending = nil
	}
}

// Committed returns a channel that is closed once all messages of m are committed or
// rejected.
func (r *Room) Committed(m *Member) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil {
		return r.log.WhenSettled(0)
	}
	return r.log.WhenSettled(m.identity.ticket)
}

// Announce appends an action of m, as req asks, to the log that announces the upload returned by find,
// with its path. It calls find, without holding the lock, only if m may post: find makes the
// upload public, and may be slow. The error is a [*wire.Fault] or [ErrPending].
func (r *Room) Announce(m *Member, req *wire.Request, find func() (wire.File, error), now time.Time) error {
	seq := req.Seq
	if err := r.mayPost(m, seq, now); err != nil {
		return err
	}
	file, err := find()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.mayPostLocked(m, seq, now); err != nil { // much may have happened meanwhile
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.rejectPermanentlyLocked(m, seq, wire.CodeNoSuchFile, now)
		return wire.Faultf(wire.CodeNoSuchFile, "the host does not have that file, or not all of it; this was not sent")
	case err != nil:
		m.identity.notStored(seq)
		return wire.Faultf(wire.CodeNotStored, "the host cannot keep that file: %s; this was not sent", text.Clean(err.Error()))
	}
	message := text.Clean(fmt.Sprintf("sent %s (%s): %s", file.Name, humanize.Bytes(uint64(file.Size)), file.Path))
	return r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeAction, seq: seq, once: req.Once, text: message, file: &file})
}

// mayPost returns nil if m may post a message numbered seq, and otherwise the same error
// as Post.
func (r *Room) mayPost(m *Member, seq uint64, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mayPostLocked(m, seq, now)
}

func (r *Room) mayPostLocked(m *Member, seq uint64, now time.Time) error {
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	if err := r.checkOrderLocked(m.identity, seq); err != nil {
		return err
	}
	req := &request{op: opPost, at: now, by: r.askingLocked(m), kind: wire.TypeMessage, seq: seq}
	return r.answerLocked(m, req, r.state.decide(req, new(event)))
}

// PostPrivate appends a private message of m to the log. The recipient is a member, or a
// client whose connection was lost and whose nick is still reserved; in this case waitsFor
// is its nick. The error is a [*wire.Fault] or [ErrPending].
func (r *Room) PostPrivate(m *Member, req *wire.Request, now time.Time) (waitsFor string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if err := r.checkMemberLocked(m, now); err != nil {
		return "", err
	}
	to, isHere := r.recipientLocked(req.To, now)
	if to == nil {
		if err := r.mayPostLocked(m, req.Seq, now); err != nil {
			return "", err
		}
		r.rejectPermanentlyLocked(m, req.Seq, wire.CodeNoSuchNick, now)
		return "", noSuchNick(req.To)
	}
	err = r.postLocked(m, &request{op: opPost, at: now, by: r.askingLocked(m), to: to, kind: wire.TypePrivate, seq: req.Seq, text: req.Text})
	if err != nil || isHere {
		return "", err
	}
	return to.nick, nil
}

// recipientLocked returns the member with this nick, or the client for which it is reserved,
// or nil.
func (r *Room) recipientLocked(nick string, now time.Time) (to *subject, isHere bool) {
	if m := r.memberNamedLocked(nick); m != nil {
		return m.subject(), true
	}
	if len(nick) > text.MaxNickBytes {
		return nil, false
	}
	if c := r.state.holder(text.NickKey(nick)); c != nil {
		return c.subject(), true
	}
	if c := r.state.reservation(text.NickKey(nick), now); c != nil {
		return c.subject(), false
	}
	return nil, false
}

// subject returns c as the subject of a request.
func (c *Client) subject() *subject {
	return &subject{author: c.Author, id: c.ID, key: c.Key, nick: c.Nick, operator: c.Operator, byRight: c.Operator, visit: c.Visit, fingerprint: c.Fingerprint}
}

// CommitFailed rebuilds the state from the committed one and the events that are still to be
// written, after the history file could not be written. The senders of rejected messages get
// a fault. The log's committer calls it, by [history.Owner.Failed].
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
			id.ticket, id.pending = 0, nil // no message of this sender is pending: its next connection does not wait for the disk
		}
		if h.Hidden == nil {
			r.state.apply(h.Event, nil, h.By)
		} else if parsed, err := parseHidden(h.Hidden); err == nil {
			r.state.apply(nil, parsed, h.By)
		}
	}
	r.state.forgotten = nil
	r.reviewAllLocked()
	r.takeBackNicksLocked(rejected)
	for i := range rejected {
		e := &rejected[i].Event
		id, ok := rejected[i].By.Sender.(*identity)
		if !ok {
			continue
		}
		id.notStored(e.Seq)
		id.ticket, id.pending = 0, nil // none of the sender's messages is pending: rejected has all of them
		if id.member != nil {
			fault := wire.Faultf(wire.CodeNotStored, "%s; this was not sent: %s", diskFault(err), shortened(e.Text)).Event(e.Seq)
			id.member.Peer.Deliver(&fault, id.member.nick)
		}
	}
}

// faultOf returns err as a fault. An error that is none is the log's: the disk cannot be
// written. consequence says in words what that means for the request.
func faultOf(err error, consequence string) error {
	if _, ok := errors.AsType[*wire.Fault](err); ok || err == nil {
		return err
	}
	return wire.Faultf(wire.CodeNotStored, "%s; %s", diskFault(err), consequence)
}

// The consequences of a failed write, for faultOf.
const (
	notSent    = "this was not sent"
	notChanged = "nothing was changed"
)

// diskFault returns the reason, without details of the host, why the disk cannot be written.
func diskFault(err error) error {
	if errors.Is(err, replica.ErrUnreachable) {
		return replica.ErrUnreachable
	}
	if errors.Is(err, history.ErrDiskFull) {
		return history.ErrDiskFull
	}
	return history.ErrWrite
}

// shortened returns the start of a message, for its sender to recognize it.
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

// slowEvery is how often a member is notified that the disk is slow, at most.
const slowEvery = time.Minute

// NotifySlow notifies the members, in words, why their messages wait: they are slow to be stored.
func (r *Room) NotifySlow(why string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		r.notifySlowLocked(m, why, now)
	}
}

// notifySlowLocked is NotifySlow for one member. It reports whether the member was not notified within the last minute.
func (r *Room) notifySlowLocked(m *Member, why string, now time.Time) bool {
	if last := time.Unix(m.slowAt, 0); !now.Before(last) && now.Sub(last) < slowEvery {
		return false
	}
	m.slowAt = now.Unix()
	r.notifyLocked(m, why)
	return true
}

// NotifyStalled is NotifySlow for those who have not been notified since the last NotifyResumed.
func (r *Room) NotifyStalled(why string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hasStalled = true
	for _, m := range r.members {
		if !m.stalled {
			m.stalled = r.notifySlowLocked(m, why, now)
		}
	}
}

// NotifyResumed notifies those whom NotifyStalled has notified that it is over. It may be called often.
func (r *Room) NotifyResumed(words string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.hasStalled {
		return
	}
	r.hasStalled = false
	for _, m := range r.members {
		if m.stalled {
			m.stalled = false
			r.notifyLocked(m, words)
		}
	}
}
