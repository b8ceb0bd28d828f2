package room

import (
	"fmt"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is about members whose wanted nick was taken. They wait in Room.waiting, and get the
// nick as soon as it is free.

// retryNicks is how long the room waits before it tries again to give nicks, if the log did
// not take them.
const retryNicks = 5 * time.Second

// waitLocked makes m wait for the wanted nick, unless that is m's nick already, or "". A visit is
// too short to wait.
func (r *Room) waitLocked(m *Member, wanted string) {
	if m.Visit || wanted == m.nick {
		wanted = ""
	}
	switch {
	case wanted == "" && m.wish == nil, m.wish != nil && wanted == m.wish.nick:
		return
	case wanted == "":
		r.waiting = slices.DeleteFunc(r.waiting, func(other *Member) bool { return other == m })
		m.wish = nil
		return
	case m.wish == nil:
		r.waiting = append(r.waiting, m)
	}
	m.wish = &wish{wanted, text.NickKeys(wanted)}
}

// explainNickLocked notifies a member that has joined why it did not get the wanted nick.
func (r *Room) explainNickLocked(m *Member, now time.Time) {
	if m.wish != nil && !(r.order != nil && r.state.mayTake(m.subject(), m.wish.keys)) { // else it gets the nick in a moment
		r.notifyLocked(m, fmt.Sprintf("%s; you are %s until it is free", r.whyLocked(m, now), m.nick))
	}
}

// WhyNot returns, in words, why m does not have the nick that it waits for; "" if it waits for
// none.
func (r *Room) WhyNot(m *Member, now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if m.wish == nil {
		return ""
	}
	return r.whyLocked(m, now)
}

// whyLocked is WhyNot for a member that waits.
func (r *Room) whyLocked(m *Member, now time.Time) string {
	if owner := r.ownerLocked(m.wish.keys, m); owner != "" {
		return fmt.Sprintf("%s belongs to another key (%s); an operator can /release it", m.wish.nick, sshkey.Tag(owner))
	}
	until := r.reservedUntilLocked(m.wish.keys, m, now)
	if until.IsZero() {
		return m.wish.nick + " is taken"
	}
	seconds := int(until.Sub(now).Seconds()) + 1
	return fmt.Sprintf("%s is reserved for another %s, for a member whose connection was lost", m.wish.nick, wire.Counted(seconds, "second", "seconds"))
}

func (r *Room) notifyLocked(m *Member, words string) {
	m.Peer.Deliver(&wire.Event{Type: wire.TypeNotice, Text: words}, m.nick)
}

// reservedUntilLocked returns until when the nick with these keys is reserved for a client that
// is away, and not for m's. It is zero if the nick is not reserved, or a member has it.
func (r *Room) reservedUntilLocked(keys text.Keys, m *Member, now time.Time) (until time.Time) {
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != m {
			return time.Time{}
		}
		c := r.state.reservation(key, now)
		if c != nil && c.Author != m.identity.author && until.Before(c.At.Add(nickReserved)) {
			until = c.At.Add(nickReserved)
		}
	}
	return until
}

// GiveNicks gives members the nicks that they wait for and that are no longer reserved, and
// records nicks whose events could not be stored. [Options.GiveNicksIn] arranges the call.
func (r *Room) GiveNicks(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	for _, m := range r.members {
		if c := r.state.clients[m.identity.author]; c != nil && c.Nick != m.nick && r.order == nil {
			r.recordClientLocked(m, here, now)
		}
	}
	r.giveNicksLocked(now)
}

// giveNicksLocked renames the members whose wanted nick is free, in the order in which they
// came. It arranges the next call for when a reservation ends.
func (r *Room) giveNicksLocked(now time.Time) {
	if r.closed {
		return
	}
	for given := len(r.waiting) > 0; given; { // again: each of them leaves a nick to others
		given = false
		var taken text.Keys // thousands may wait for one nick
		for _, m := range slices.Clone(r.waiting) {
			switch {
			case m.wish == nil || m.wish.keys == taken:
				continue
			case !r.isFreeLocked(m.wish.keys, m, now):
				taken = m.wish.keys
				continue
			case isMarked(r.state.mutes, r.askingLocked(m)):
				continue
			}
			nick := m.wish.nick
			if r.renameLocked(m, nick, m.wish.keys, &request{op: opRename, at: now, text: nick, wanted: nick, byRoom: true}) != nil {
				r.giveNicksInLocked(retryNicks)
				return
			}
			r.waitLocked(m, "")
			r.notifyLocked(m, nick+" is free; you are now "+nick)
			given = true
		}
	}
	var next time.Time
	var seen text.Keys
	for _, m := range r.waiting {
		if m.wish.keys == seen {
			continue
		}
		seen = m.wish.keys
		if until := r.reservedUntilLocked(m.wish.keys, m, now); !until.IsZero() && (next.IsZero() || until.Before(next)) {
			next = until
		}
	}
	if !next.IsZero() {
		r.giveNicksInLocked(next.Sub(now) + time.Millisecond) // records have milliseconds
	}
}

func (r *Room) giveNicksInLocked(d time.Duration) {
	if r.opts.GiveNicksIn != nil {
		r.opts.GiveNicksIn(d)
	}
}

// displaceLocked takes the nick with these keys, which m gets, from the members who have it or one
// that looks like it, and returns them. It ends reservations of the nick, too. All of that happens
// only if m is the host's own member, or the nick belongs to m's key.
func (r *Room) displaceLocked(m *Member, keys text.Keys, now time.Time) (displaced []*Member) {
	if r.order != nil { // all relays do that together; see State.displacedBy
		return nil
	}
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != m {
			r.freeNickLocked(other)
			displaced = append(displaced, other)
		}
		if c := r.state.reservation(key, now); c != nil && c.Author != m.identity.author {
			// An error changes little: if the nick is free again, it is still reserved.
			_ = r.submitLocked(nil, &request{op: opClient, at: now, by: c.subject(), presence: left, wanted: c.Wanted})
		}
	}
	return displaced
}

// renameDisplacedLocked gives members whose nick another member, by, has taken one with a suffix:
// the host's own member, or the owner of the nick. They wait for the nick that they had.
func (r *Room) renameDisplacedLocked(displaced []*Member, by *Member, taken string, now time.Time) {
	why := taken + " is the nick of this room's host"
	if !by.identity.host {
		why = taken + " belongs to the key of another member"
	}
	for _, m := range displaced {
		had := m.nick
		nick, keys := r.withFreeSuffixLocked(had, m, now)
		req := &request{op: opRename, at: now, text: nick, wanted: had, byRoom: true}
		if m.wish != nil {
			req.wanted = m.wish.nick
		}
		if r.renameLocked(m, nick, keys, req) != nil { // no event can be stored: /who shows the new nick
			r.setNickLocked(m, nick, keys)
		}
		m.identity.wanted = req.wanted
		r.recordClientLocked(m, here, now) // so that the state has it even if the event is rejected
		r.waitLocked(m, req.wanted)
		r.notifyLocked(m, why+"; you are now "+nick)
	}
}

// takeBackNicksLocked gives members their old nicks back, whose new ones are in events that
// could not be stored. They wait for the new ones. GiveNicks records the others.
func (r *Room) takeBackNicksLocked(rejected []history.Rejected) {
	for i := range slices.Backward(rejected) {
		e := &rejected[i].Event
		id, ok := rejected[i].By.Sender.(*identity)
		if e.Type != wire.TypeNick || !ok || id.member == nil || id.member.nick != e.Nick {
			continue
		}
		r.giveNicksInLocked(retryNicks)
		m, keys := id.member, text.NickKeys(e.From)
		if r.isFreeLocked(keys, m, e.Time) { // else the host's own member has it
			r.setNickLocked(m, e.From, keys)
			r.waitLocked(m, id.wanted)
		}
	}
}
