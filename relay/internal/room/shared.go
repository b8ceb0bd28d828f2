package room

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/internal/replica"
	"chat/relay/journal"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is a room that several relays serve. A relay does not decide on its members' requests when they come. It
// proposes them, and every relay decides on all of them in the same order, when it reads them from the journal: so
// all come to the same events and the same state. A request that is late, because a nick is taken or a number known
// by then, becomes a fault for its sender.

// An Order brings the requests of all relays into one order; see [replica.Replica].
type Order interface {
	Relay() string
	Propose(p replica.Proposal) (ticket uint64, err error)
	Last() (ticket uint64) // of the last proposal
}

// NewShared returns a room that several relays serve, with the state of a fold; see NewSharedFold. The order calls
// Carry and Failed.
func NewShared(opts Options, log *history.Log, order Order, fold *Fold) *Room {
	r := newRoom(opts, log, fold.state.clone())
	r.order = order
	return r
}

// sharedIdentity returns the public ID and the author of the client with a token, which all relays derive alike.
// Both depend on the room's secret, so that no one can guess a token from them.
func (r *Room) sharedIdentity(token string) (id string, author history.Author) {
	id = wire.MAC(r.opts.Secret, "client", token)[:10]
	sum := sha256.Sum256([]byte(wire.MAC(r.opts.Secret, "author", token)))
	const most = 1<<51 - 1 // a history file has half of the numbers of the protocol
	return id, history.Author(binary.LittleEndian.Uint64(sum[:])&most | 1)
}

// proposeLocked proposes a request. What is rejected on the state so far is rejected at once; the error is as that of
// submitLocked.
func (r *Room) proposeLocked(by *Member, req *request) error {
	req.relay = r.order.Relay()
	switch req.op {
	case opClient, opEvent, opKick, opGone, opReject, opOwn: // these may depend on requests that are on their way
	default:
		e := new(event)
		if err := r.state.decide(req, e); err != nil {
			return err
		}
		if e.hidden == nil && e.Type == "" {
			return nil
		}
	}
	p := replica.Proposal{Request: req.encode(), Message: req.op == opPost, Seq: req.seq, Text: req.text}
	if by != nil {
		p.Sender = by.identity
	}
	ticket, err := r.order.Propose(p)
	if err == nil && by != nil {
		by.identity.ticket = ticket
	}
	return err
}

// proposeEventLocked proposes a visible event that does not change the state. members are those of a join or a leave.
func (r *Room) proposeEventLocked(e *wire.Event, author history.Author, members []history.Author) error {
	return r.proposeLocked(nil, &request{op: opEvent, at: e.Time, by: &subject{author: author}, event: e, authors: members})
}

// Carry implements [replica.Room].
func (r *Room) Carry(record journal.Record, requests [][]byte, own []replica.Proposal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := record.Time.UTC().Truncate(time.Millisecond)
	for i, data := range requests {
		var p *replica.Proposal
		if i < len(own) {
			p = &own[i]
		}
		if c := &r.carrying; c.decode(data) == nil { // else it is skipped by all relays
			c.at, c.relay = at, record.Relay
			r.carryLocked(&c.request, &c.event, p)
		}
		if p != nil {
			r.carried = p.Ticket
			r.noteStoredLocked(p.Ticket, at)
		}
	}
	r.log.PutAll(record.Position)
	r.log.Wake()
}

// carryLocked decides on a request and carries out what follows from it. e is empty; p is the proposal if it is this
// relay's own.
func (r *Room) carryLocked(req *request, e *event, p *replica.Proposal) {
	if req.op != opClient {
		r.state.complete(req.by)
	}
	r.state.complete(req.to)
	if req.op == opGone {
		r.announceGoneLocked(req)
	}
	for _, rename := range r.state.displacedBy(req) {
		r.displaceSharedLocked(rename)
	}
	err := r.state.decide(req, e)
	if err != nil {
		r.answerLateLocked(req, p, err)
		return
	}
	switch {
	case e.hidden == nil && e.Type == "":
		if p != nil && req.op == opClient && req.presence == here {
			r.endOutdatedLocked(req, p)
		}
		return
	case e.hidden == nil:
		r.log.Put(&e.Event, r.originLocked(e, p))
	default:
		r.log.PutHidden(e.hidden.encode(), req.at)
	}
	r.state.apply(&e.Event, e.hidden, e.by)
	for _, author := range r.state.forgotten {
		delete(r.identities, author)
	}
	r.state.forgotten = r.state.forgotten[:0]
	r.noteCarriedLocked(p, req)
	r.actOnLocked(e, p, req)
}

// displaceSharedLocked carries out that a member gets another nick, as the one it had goes to its owner.
func (r *Room) displaceSharedLocked(rename *request) {
	had := rename.by.nick
	r.carryLocked(rename, new(event), nil)
	if m := r.memberOfLocked(rename.by.author); m != nil && m.nick != had {
		r.notifyLocked(m, had+" belongs to the key of another member; you are now "+m.nick)
	}
}

// complete fills in the fields that the state has of a client.
func (s *State) complete(by *subject) {
	if by == nil || by.author == 0 {
		return
	}
	if c := s.clients[by.author]; c != nil {
		by.id, by.key, by.fingerprint = c.ID, c.Key, c.Fingerprint
		by.nick = cmp.Or(c.Nick, by.nick)
	}
}

// originLocked returns who the event of a decision is from.
func (r *Room) originLocked(e *event, p *replica.Proposal) history.Origin {
	origin := history.Origin{Author: e.by.Author, To: e.by.To}
	if p != nil {
		if id, ok := p.Sender.(*identity); ok && id.member != nil {
			origin.Waiter = id.member.Peer
		}
	}
	return origin
}

// noteCarriedLocked notes that a message of a member of this relay is in the log.
func (r *Room) noteCarriedLocked(p *replica.Proposal, req *request) {
	if p == nil || req.op != opPost {
		return
	}
	if id, ok := p.Sender.(*identity); ok && req.seq >= id.rejected {
		id.rejected = 0 // even if its sender got the answer that it might not be
	}
}

// answerLateLocked answers the sender of a request that was rejected after all.
func (r *Room) answerLateLocked(req *request, p *replica.Proposal, err error) {
	if p == nil {
		return
	}
	id, ok := p.Sender.(*identity)
	fault, isFault := errors.AsType[*wire.Fault](err)
	if !ok || !isFault {
		return
	}
	if m := id.member; m != nil {
		if req.op == opPost && fault.Code != wire.CodeDuplicate {
			r.rejectPermanentlyLocked(m, req.seq, fault.Code, req.at)
		}
		e := fault.Event(req.seq)
		m.Peer.Deliver(&e, m.nick)
	}
}

// actOnLocked does what follows from an event for the members of this relay.
func (r *Room) actOnLocked(e *event, p *replica.Proposal, req *request) {
	if e.hidden == nil {
		if e.Type == wire.TypeNick {
			r.takeNickLocked(e.by.Author, e.Nick, cmp.Or(e.Wanted, e.Nick), req.at)
		}
		return
	}
	h := e.hidden
	switch h.Type {
	case hiddenClient:
		r.actOnClientLocked(h, p, req)
	case hiddenKick:
		r.kickHereLocked(h, req.at)
	case hiddenBan:
		if p == nil {
			r.addAddressLocked(opBan, h, req.at)
		}
		r.banHereLocked(h, req.at)
	case hiddenMute:
		if p == nil {
			r.notifyMutedLocked(h)
			r.addAddressLocked(opMute, h, req.at)
		}
	case hiddenUnmute:
		r.giveNicksLocked(req.at)
	case hiddenOp, hiddenDeop:
		r.reviewAllLocked()
	case hiddenGone:
		if h.Relay == r.order.Relay() {
			r.stillHereLocked(req.at)
		}
		r.giveNicksLocked(req.at)
	}
}

// memberOfLocked returns the member of this relay that is the client of an author, or nil.
func (r *Room) memberOfLocked(author history.Author) *Member {
	if id := r.identities[author]; id != nil {
		return id.member
	}
	return nil
}

// takeNickLocked gives the member of this relay that is the client of an author the nick that the state has.
func (r *Room) takeNickLocked(author history.Author, nick, wanted string, now time.Time) {
	if m := r.memberOfLocked(author); m != nil {
		r.setNickLocked(m, nick, text.NickKeys(nick))
		m.identity.wanted = wanted
		r.waitLocked(m, wanted)
		r.ownNickLocked(m, now)
	}
	r.giveNicksLocked(now) // a nick is free now
}

// actOnClientLocked does what follows from a client's coming or going.
func (r *Room) actOnClientLocked(h *hidden, p *replica.Proposal, req *request) {
	m := r.memberOfLocked(h.Author)
	switch {
	case h.Presence != here:
		r.giveNicksLocked(req.at)
	case m == nil:
	case p == nil && r.carried >= m.identity.came: // the client has come to another relay since
		r.endReplacedLocked(m)
	case p != nil && p.Ticket == m.identity.came && m.nick != h.Nick:
		r.giveOtherNickLocked(m, h.Nick, req.at)
	}
}

// endReplacedLocked ends the connection of m: its client is here through another relay.
func (r *Room) endReplacedLocked(m *Member) {
	r.releaseLocked(m)
	m.identity.member = nil
	if m.identity.owner == m {
		m.identity.owner = nil
	}
	r.removeLocked(m)
	m.departed = false
	m.Peer.End(byeEvent(wire.CodeReplaced, "you are here on another connection"))
}

// endOutdatedLocked ends the connection of a client of this relay that had come to another one before this one could say so.
func (r *Room) endOutdatedLocked(req *request, p *replica.Proposal) {
	if m := r.memberOfLocked(req.by.author); m != nil && p.Ticket == m.identity.came {
		r.endReplacedLocked(m)
	}
}

// giveOtherNickLocked gives m, which has just come, another nick: its nick here was taken at another relay.
func (r *Room) giveOtherNickLocked(m *Member, nick string, now time.Time) {
	had := m.nick
	r.setNickLocked(m, nick, text.NickKeys(nick))
	if wanted, err := text.NormalizeNick(m.identity.wanted); err == nil {
		r.waitLocked(m, wanted)
	}
	if !m.Program {
		if r.ownsLocked(text.NickKeys(nick), m) {
			r.notifyLocked(m, fmt.Sprintf("%s belongs to your key; you are now %s", nick, nick))
		} else {
			r.notifyLocked(m, fmt.Sprintf("%s is taken; you are %s", had, nick))
		}
		return
	}
	e := wire.Event{Type: wire.TypeNick, From: had, Nick: nick, Client: m.identity.id, Time: now}
	if m.identity.wanted != nick {
		e.Wanted = m.identity.wanted
	}
	m.Peer.Deliver(&e, nick)
}

// byOperator returns a stand-in for the operator of an event.
func byOperator(h *hidden) *Member {
	return &Member{nick: h.By, identity: &identity{author: h.Author}}
}

// kickHereLocked disconnects the target of a kick if it is at this relay.
func (r *Room) kickHereLocked(h *hidden, now time.Time) {
	if m := r.memberOfLocked(h.Target); m != nil && !m.identity.operator {
		r.expelLocked(m, byOperator(h), h.Code, h.Reason, now)
	}
}

// concernedLocked returns the members of this relay that a ban or a mute is about: a client, or all at an address. Others
// at the address of a client stay, as at one host. One that only adds an address is about no one.
func (r *Room) concernedLocked(h *hidden) (members []*Member) {
	if h.By == "" {
		return nil
	}
	for _, m := range r.members {
		s := m.subject()
		if len(h.Marks) > 1 {
			s.address = ""
		}
		if slices.ContainsFunc(s.marks(), func(mark string) bool { return slices.Contains(h.Marks, mark) }) {
			members = append(members, m)
		}
	}
	return members
}

// banHereLocked disconnects those members of this relay that a ban is about.
func (r *Room) banHereLocked(h *hidden, now time.Time) {
	for _, m := range r.concernedLocked(h) {
		if !m.identity.operator {
			r.expelLocked(m, byOperator(h), wire.CodeBanned, h.Reason, now)
		}
	}
}

// notifyMutedLocked notifies a member of this relay that it was muted.
func (r *Room) notifyMutedLocked(h *hidden) {
	for _, m := range r.concernedLocked(h) {
		r.notifyLocked(m, because(h.By+" muted you: your messages are not sent", h.Reason))
	}
}

// addAddressLocked adds the address of a member of this relay to a ban or a mute from another relay, which did not know
// it.
func (r *Room) addAddressLocked(op operation, h *hidden, now time.Time) {
	for _, m := range r.concernedLocked(h) {
		if m.Address != "" && len(h.Marks) > 1 {
			// If it fails, the client is recognized by its other marks.
			_ = r.submitLocked(nil, &request{op: op, at: now, by: new(subject), to: &subject{nick: h.Nick, address: m.Address}})
		}
	}
}

// announceGoneLocked announces that the members of a relay that is gone have left.
func (r *Room) announceGoneLocked(req *request) {
	for part := range slices.Chunk(r.state.shared.of(req.name), wire.MaxMembers) {
		e := &wire.Event{Type: wire.TypeLeave, Time: req.at}
		for _, c := range part {
			e.Members = append(e.Members, c.Nick)
		}
		r.log.Put(e, history.Origin{})
	}
}

// stillHereLocked records the members of this relay again: the others thought that it was gone.
func (r *Room) stillHereLocked(now time.Time) {
	for _, m := range r.members {
		if m.Visit {
			continue
		}
		r.recordClientLocked(m, here, now)
		m.announced = false
		r.announceJoinLocked(m)
	}
}

// isElsewhereLocked reports whether a client is here through another relay.
func (r *Room) isElsewhereLocked(id *identity) bool {
	c := r.holderLocked(id.author)
	return c != nil && c.Relay != r.order.Relay()
}

// holderLocked returns the client of an author if it is here, through any relay of a shared room, or nil.
func (r *Room) holderLocked(author history.Author) *Client {
	if r.order == nil {
		return nil
	}
	return r.state.shared.present[author]
}

// countElsewhereLocked returns how many members only the other relays have: those who move are here before the state
// says so.
func (r *Room) countElsewhereLocked() int {
	if r.order == nil {
		return 0
	}
	n := len(r.state.shared.present) - r.state.shared.relays[r.order.Relay()]
	for _, m := range r.members {
		if n > 0 && r.isElsewhereLocked(m.identity) {
			n--
		}
	}
	return n
}

// nameElsewhereLocked adds members of other relays to e, up to a limit.
func (r *Room) nameElsewhereLocked(e *wire.Event, limit int) {
	if r.order == nil || r.countElsewhereLocked() == 0 {
		return
	}
	for _, c := range r.state.shared.of("") {
		if c.Relay == r.order.Relay() || r.memberOfLocked(c.Author) != nil {
			continue
		}
		if len(e.Members) >= limit {
			return
		}
		s := c.subject()
		e.Members = append(e.Members, c.Nick)
		if s.byRight || r.state.wasMade(s) {
			e.Hosts = append(e.Hosts, c.Nick)
		}
		if tag := sshkey.Tag(c.Fingerprint); tag != "" || e.Tags != nil {
			for len(e.Tags) < len(e.Members)-1 {
				e.Tags = append(e.Tags, "")
			}
			e.Tags = append(e.Tags, tag)
		}
	}
}

// Failed implements [replica.Room].
func (r *Room) Failed(rejected []replica.Proposal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range rejected {
		id, ok := p.Sender.(*identity)
		if !ok {
			continue
		}
		id.notStored(p.Seq)
		id.pending = slices.DeleteFunc(id.pending, func(n numbered) bool { return n.ticket == p.Ticket })
		if id.member != nil {
			outcome := "was not sent"
			if p.Unsure {
				outcome = "may still be sent" // who has no numbers should not send it again without a look
			}
			fault := wire.Faultf(wire.CodeNotStored, "%s; this %s: %s", replica.ErrUnreachable, outcome, shortened(p.Text)).Event(p.Seq)
			id.member.Peer.Deliver(&fault, id.member.nick)
		}
	}
}

// Gone proposes that the members of relays that do not live any more have left. lives are the IDs of those that do.
func (r *Room) Gone(lives func(relay string) bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for _, relay := range r.state.relaysPresent() {
		if !lives(relay) {
			_ = r.submitLocked(nil, &request{op: opGone, at: now, name: relay}) // it is proposed again
		}
	}
}
