package room

import (
	"net/netip"
	"slices"
	"time"

	"chat/relay/endpoint"
	"chat/relay/history"
	"chat/relay/internal/pace"
	"chat/relay/wire"
)

// announcements collect joins and leaves, so that many become one event, and a connection
// that closes at once (a port scan) becomes none. They are guarded by Room.mu.
type announcements struct {
	joining   []*Member // some may have left again, some are held back
	held      int       // members whose join is held back
	leaving   []leaving
	scheduled bool      // Flush will be called
	last      time.Time // of the last flush
	silent    pace.Dues // visits without a message, by address group
}

// A leaving is a member that has left.
type leaving struct {
	nick   string
	author history.Author
}

// silentQuota is how many joins and leaves of visitors who send nothing each address group may cause.
// Beyond that, a join is announced only once the member has stayed for holdTime or sends
// something: until then, the others do not see it.
var silentQuota = pace.Quota{Burst: 60, Every: 2 * time.Second, BurstOfAll: 600, EveryOfAll: 100 * time.Millisecond}

const holdTime = 10 * time.Second

// group returns m's address group; see endpoint.Group.
func (m *Member) group() string {
	ip, err := netip.ParseAddr(m.Address)
	if err != nil { // this machine
		return m.Address
	}
	return endpoint.Group(ip)
}

// holdLocked holds the join of m back if there were many visits like it.
func (r *Room) holdLocked(m *Member, now time.Time) {
	if silentQuota.IsAhead(r.presence.silent, m.group(), now) {
		until := now.Add(holdTime)
		m.heldUntil = &until
		r.presence.held++
	}
}

// releaseLocked lets the join of m be announced.
func (r *Room) releaseLocked(m *Member) {
	if m.heldUntil != nil {
		m.heldUntil = nil
		r.presence.held--
	}
}

// countVisitLocked counts a visit that is over.
func (r *Room) countVisitLocked(m *Member, now time.Time) {
	r.releaseLocked(m)
	if !m.announced || m.spoke {
		return
	}
	if r.presence.silent == nil {
		r.presence.silent = make(pace.Dues)
	}
	silentQuota.Count(r.presence.silent, m.group(), now)
}

// delayLocked returns how long the room collects joins and leaves before it announces them:
// too short to notice in a small room, longer in a large one.
func (r *Room) delayLocked() time.Duration {
	return min(250*time.Millisecond+time.Duration(len(r.members))*time.Millisecond, 5*time.Second)
}

// flushOlderLocked announces earlier joins before a new member enters, so that it does not
// receive joins of members whom its welcome lists. It does not if many join at once.
func (r *Room) flushOlderLocked(now time.Time) {
	if r.presence.scheduled && now.Sub(r.presence.last) >= r.delayLocked() {
		r.flushLocked(now)
	}
}

func (r *Room) announceJoinLocked(m *Member) {
	r.presence.joining = append(r.presence.joining, m)
	r.scheduleLocked()
}

// announceReplacedLocked announces the news about m, whose client was here as old: another nick or rank,
// or, as if it were another client, another key. A nil old was not here.
func (r *Room) announceReplacedLocked(m, old *Member, wasOperator bool, now time.Time) {
	switch {
	case old == nil || !old.announced:
		return
	case old.fingerprint() != m.fingerprint():
		m.announced = false
		r.announceLeaveLocked(old.nick, m.identity.author)
		return
	case old.nick != m.nick:
		if len(r.presence.leaving) > 0 { // perhaps of the member who had the nick
			r.flushLocked(now)
		}
		by := m.subject()
		by.nick = old.nick
		// It fails only if the disk is full. /who shows the nick.
		_ = r.submitLocked(m, &request{op: opRename, at: now, by: by, text: m.nick, wanted: m.identity.wanted, byRoom: true})
		r.log.Wake()
	}
	if m.identity.operator != wasOperator {
		r.recordRankLocked(m, now)
	}
}

func (r *Room) announceLeaveLocked(nick string, author history.Author) {
	r.presence.leaving = append(r.presence.leaving, leaving{nick, author})
	r.scheduleLocked()
}

func (r *Room) scheduleLocked() {
	if !r.presence.scheduled {
		r.presence.scheduled = true
		r.opts.FlushIn(r.delayLocked())
	}
}

// Flush announces joins and leaves. [Options.FlushIn] arranges the call.
func (r *Room) Flush(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if r.presence.scheduled && !r.closed {
		r.flushLocked(now)
	}
}

// flushLocked announces joins and leaves. Leaves come first, because another member may
// have the nick by now.
func (r *Room) flushLocked(now time.Time) {
	p := &r.presence
	p.scheduled, p.last = false, now
	for part := range slices.Chunk(p.leaving, wire.MaxMembers) {
		e, authors := &wire.Event{Type: wire.TypeLeave}, make([]history.Author, len(part))
		for i, l := range part {
			e.Members, authors[i] = append(e.Members, l.nick), l.author
		}
		r.appendPresenceLocked(e, authors, now)
	}
	var joined []*Member
	joining := p.joining
	p.joining, p.leaving = nil, nil
	for _, m := range joining {
		switch {
		case m.identity == nil || m.announced:
		case m.heldUntil != nil && now.Before(*m.heldUntil):
			p.joining = append(p.joining, m)
		default:
			r.releaseLocked(m)
			m.announced = true
			joined = append(joined, m)
		}
	}
	if len(p.joining) > 0 {
		r.scheduleLocked()
	}
	for part := range slices.Chunk(joined, wire.MaxMembers) {
		e, authors := &wire.Event{Type: wire.TypeJoin}, make([]history.Author, len(part))
		for i, m := range part {
			authors[i] = m.identity.author
		}
		nameMembers(e, part)
		if r.order != nil { // each relay has a host, and the event is the same at all
			e.From = ""
		}
		r.appendPresenceLocked(e, authors, now)
	}
	r.log.Wake()
}
