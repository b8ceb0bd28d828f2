package room

import (
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// announcements gather who joined and left, so that the room hears of many at once in one
// notice, and of a connection that is gone at once (a probe, a port scan) not at all.
type announcements struct {
	joining   []*Member // may have left again
	leaving   []string  // nicks
	scheduled bool      // Flush will be called
	last      time.Time // of the last notice
}

// delay is how long the room waits for more before it announces: less than people notice
// in a small room, longer in one where many come and go.
func (r *Room) delayLocked() time.Duration {
	return min(250*time.Millisecond+time.Duration(len(r.members))*time.Millisecond, 5*time.Second)
}

// settlePresenceLocked announces those who came before a newcomer, who finds them in its
// welcome and need not hear that they joined; not if many come at once.
func (r *Room) settlePresenceLocked(now time.Time) {
	if r.presence.scheduled && now.Sub(r.presence.last) >= r.delayLocked() {
		r.flushLocked(now)
	}
}

func (r *Room) announceJoinLocked(m *Member) {
	r.presence.joining = append(r.presence.joining, m)
	r.scheduleLocked()
}

func (r *Room) announceLeaveLocked(nick string) {
	r.presence.leaving = append(r.presence.leaving, nick)
	r.scheduleLocked()
}

func (r *Room) scheduleLocked() {
	if !r.presence.scheduled {
		r.presence.scheduled = true
		r.opts.FlushIn(r.delayLocked())
	}
}

// Flush announces who joined and left. It is called when [Options.FlushIn] asked for it.
func (r *Room) Flush(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.presence.scheduled && !r.closed {
		r.flushLocked(now)
	}
}

// flushLocked announces who joined and left. Those who left come first: another member
// may have their nick by now.
func (r *Room) flushLocked(now time.Time) {
	p := &r.presence
	p.scheduled, p.last = false, now
	r.announceLocked(wire.TypeLeave, p.leaving, 0, now)
	var names []string
	var author history.Author // of the one who joined, to leave out its own notice; 0 for several
	for _, m := range p.joining {
		if m.identity != nil && !m.announced {
			m.announced = true
			names = append(names, m.nick)
			author = m.identity.author
		}
	}
	if len(names) > 1 {
		author = 0
	}
	r.announceLocked(wire.TypeJoin, names, author, now)
	p.joining, p.leaving = nil, nil
	r.log.Wake()
}

// announceLocked puts one notice for each wire.MaxMembers names into the log.
func (r *Room) announceLocked(kind string, names []string, author history.Author, now time.Time) {
	for len(names) > 0 {
		n := min(len(names), wire.MaxMembers)
		r.noticeLocked(&wire.Event{Type: kind, Members: names[:n]}, author, now)
		names = names[n:]
	}
}
