package relay

import (
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A presence gathers who came and who went, so that the room hears of many at
// once in one notice, and of somebody who only looked in (a probe, a port scan)
// not at all. It is part of the room and under its lock.
type presence struct {
	joining []*session // who came and may have gone again
	leaving []string   // nicks
	timer   *time.Timer
	told    time.Time // when the room was last told
}

// delay is how long the room waits for more before it is told: less than a
// person notices in a small room, longer in one where many come and go.
func (p *presence) delay(members int) time.Duration {
	return min(250*time.Millisecond+time.Duration(members)*time.Millisecond, 5*time.Second)
}

// settle tells the room of those before a newcomer, who finds them in its welcome
// and need not hear that they joined. When many come at once it does not.
func (p *presence) settle(r *room) {
	if p.timer != nil && time.Since(p.told) >= p.delay(len(r.members)) {
		p.flush(r)
	}
}

// joined notes that s came.
func (p *presence) joined(r *room, s *session) {
	p.joining = append(p.joining, s)
	p.schedule(r)
}

// left notes that the member called nick went.
func (p *presence) left(r *room, nick string) {
	p.leaving = append(p.leaving, nick)
	p.schedule(r)
}

func (p *presence) schedule(r *room) {
	if p.timer == nil {
		p.timer = time.AfterFunc(p.delay(len(r.members)), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !r.closed {
				p.flush(r)
			}
		})
	}
}

// flush tells the room. Who went comes first: a nick may have passed on.
func (p *presence) flush(r *room) {
	p.stop()
	p.told = time.Now()
	p.tell(r, wire.TypeLeave, p.leaving, 0)
	var names []string
	var author history.Author // of the one who came, to leave out its own notice; 0 for several
	for _, s := range p.joining {
		if s.identity != nil && !s.announced {
			s.announced = true
			names = append(names, s.nick)
			author = s.identity.author
		}
	}
	if len(names) > 1 {
		author = 0
	}
	p.tell(r, wire.TypeJoin, names, author)
	p.joining, p.leaving = nil, nil
	r.log.Wake()
}

// tell puts one notice for each wire.MaxMembers names into the log.
func (p *presence) tell(r *room, kind string, names []string, author history.Author) {
	for len(names) > 0 {
		n := min(len(names), wire.MaxMembers)
		r.appendLocked(&wire.Event{Type: kind, Members: names[:n]}, author)
		names = names[n:]
	}
}

// stop ends the waiting, if there is any.
func (p *presence) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
