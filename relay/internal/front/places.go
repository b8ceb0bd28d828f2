package front

import (
	"bytes"
	"strings"
	"time"

	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// This file decides who gets a place when there are not enough.
//
// A tenth of the places is kept for members whom the room knows by their token and for the
// host's machine. A connection that finds no place waits at the door until its first line:
// only a hello shows a token. A page is loaded at the door, for its WebSocket sends the hello. If its claim is better than that of a connection on which nothing
// was sent, it gets the place of the one that has been silent for longest; if not, it is refused.
// Only a connection at the door has a timer, so one that waits in the room costs nothing more.

// A rank orders connections by their claim to a place.
type rank uint8

const (
	spare        rank = iota // a browser's, between two requests: it opens it again when it needs it
	silentGuest              // the room does not know it, and it has sent no message
	silentLocal              // likewise, on the host's machine
	silentMember             // its token is known to the room, and it has never sent a message
	speaker                  // it has sent a message, on this connection or before
)

// A place is the share that a connection has of the limits. It is guarded by Front.mu.
type place struct {
	state  placeState
	rank   rank
	idle   bool        // a browser's, between two HTTP requests: its rank is spare
	guest  bool        // the room does not know its token, and it is on another machine
	opened bool        // it has had a place
	order  uint64      // a later connection has a higher one
	timer  *time.Timer // ends the wait at the door; nil: it does not wait
}

// current returns the rank of the connection at the moment.
func (p *place) current() rank {
	if p.idle {
		return spare
	}
	return p.rank
}

// A placeState says how a connection counts against the limits.
type placeState uint8

const (
	uncounted placeState = iota // a visit, or it lost its place to another connection
	atDoor                      // it may show its token
	placed
)

const (
	// reservedPart is the part of the places that is kept for known members and the host's
	// machine: one in ten.
	reservedPart = 10

	// doorTime is how long a connection without a place may take to show a known token.
	doorTime = 10 * time.Second

	// maxAtDoor and maxAtDoorPerGroup are how many connections may wait at the door, in total
	// and from one address group, in addition to those with a place.
	maxAtDoor         = 256
	maxAtDoorPerGroup = 64
)

// places count the connections that are not visits. They are guarded by Front.mu.
type places struct {
	max, maxPerGroup int // see Front.SetLimits

	opened      uint64 // connections so far
	placed      int
	guests      int            // placed, of guests
	counts      map[string]int // placed, by address group
	door        int            // at the door
	doorByGroup map[string]int
}

func newPlaces(max, maxPerGroup int) places {
	return places{max: max, maxPerGroup: maxPerGroup, counts: make(map[string]int), doorByGroup: make(map[string]int)}
}

// arriveLocked gives a new connection a place, or has it wait at the door. It returns the
// fault for which the connection is refused otherwise.
func (f *Front) arriveLocked(c *Conn) error {
	p := &f.places
	if c.group != "" {
		arrival := session.Bucket{Rate: &f.arriving, Due: f.arrivals[c.group]}
		if arrival.Line() > 0 {
			f.refused.tooFast.Add(1)
			return wire.Faultf(wire.CodeFull, "too many new connections from %s; try again later", c.group)
		}
		f.arrivals.Keep(c.group, arrival.Due, time.Now())
	}
	p.opened++
	c.place = place{rank: silentGuest, order: p.opened, guest: c.group != ""}
	if c.group == "" {
		c.place.rank = silentLocal
	}
	if f.takePlaceLocked(c) == nil {
		return nil
	}
	if !f.makeSpaceAtDoorLocked(c.group) {
		f.refused.full.Add(1)
		return p.fault(c)
	}
	c.place.state = atDoor
	p.door++
	if c.group != "" {
		p.doorByGroup[c.group]++
	}
	c.place.timer = time.AfterFunc(doorTime, func() { f.leaveDoor(c) })
	return nil
}

// makeSpaceAtDoorLocked reports whether a connection of group may wait at the door. If there are too many, a
// browser's that is between two requests ends, or one of a group with more of them than this one: whoever opens many
// that never say anything keeps no one else from showing a token or a secret.
func (f *Front) makeSpaceAtDoorLocked(group string) bool {
	p := &f.places
	isGroupFull := func() bool { return group != "" && p.doorByGroup[group] >= maxAtDoorPerGroup }
	if p.door < maxAtDoor && !isGroupFull() {
		return true
	}
	for other := range f.conns {
		if o := &other.place; o.state == atDoor && o.idle && (!isGroupFull() || other.group == group) {
			f.endAtDoorLocked(other)
			return true
		}
	}
	if isGroupFull() {
		return false
	}
	victim := f.crowdedOutLocked(group)
	if victim == nil {
		return false
	}
	f.refused.full.Add(1)
	f.endAtDoorLocked(victim)
	victim.cut() // without an answer, which could take a second: there may be thousands
	return true
}

// endAtDoorLocked ends a connection at the door, as another one gets its space there.
func (f *Front) endAtDoorLocked(c *Conn) {
	f.places.remove(c)
	c.yield(wire.Faultf(wire.CodeFull, "the room is full"))
}

// crowdedOutLocked returns the connection at the door that makes space for one of group: of the group with the most, the
// one that has waited for longest. nil: none has more than group.
func (f *Front) crowdedOutLocked(group string) (victim *Conn) {
	door := f.places.doorByGroup
	most := door[group] // 0 for this machine
	for other := range f.conns {
		if other.place.state != atDoor {
			continue
		}
		if n := door[other.group]; n > most || n == most && victim != nil && other.place.order < victim.place.order {
			victim, most = other, n
		}
	}
	return victim
}

// takePlaceLocked gives c a place. If there is none, c gets that of a silent connection of a
// lower rank. It returns a fault if there is none of those either.
func (f *Front) takePlaceLocked(c *Conn) error {
	p := &f.places
	fault := p.fault(c)
	if fault != nil {
		victim := f.victimLocked(c)
		if victim == nil {
			return fault
		}
		reason := "the room is full"
		if p.isGroupFull(c.group) {
			reason = "too many connections from " + c.group
		}
		p.remove(victim)
		f.refused.displaced.Add(1)
		victim.yield(wire.Faultf(wire.CodeFull, "%s, and you have sent nothing yet: your place went to a member who came back; join again later", reason))
	}
	p.remove(c) // from the door
	if c.place.state = placed; !c.place.opened {
		c.place.opened = true
		f.past.Opened++
	}
	p.placed++
	if c.place.guest {
		p.guests++
	}
	if c.group != "" {
		p.counts[c.group]++
	}
	return nil
}

// victimLocked returns the connection whose place c gets: of the lowest rank below that of c,
// the oldest. It is one of c's own address group if that is at its limit. nil: there is none.
func (f *Front) victimLocked(c *Conn) (victim *Conn) {
	sameGroup := f.places.isGroupFull(c.group)
	for other := range f.conns {
		o := &other.place
		switch {
		case o.state != placed || o.current() >= c.place.rank || sameGroup && other.group != c.group:
		case victim == nil || o.current() < victim.place.current() || o.current() == victim.place.current() && o.order < victim.place.order:
			victim = other
		}
	}
	return victim
}

// fault returns why there is no place for c, or nil.
func (p *places) fault(c *Conn) *wire.Fault {
	switch {
	case p.placed >= p.max, c.place.guest && p.guests >= p.max-p.max/reservedPart:
		return wire.Faultf(wire.CodeFull, "the room is full (%d connections); try again later", p.max)
	case p.isGroupFull(c.group):
		return wire.Faultf(wire.CodeFull, "too many connections from %s (%d); close one first", c.group, p.maxPerGroup)
	}
	return nil
}

func (p *places) isGroupFull(group string) bool {
	return group != "" && p.counts[group] >= p.maxPerGroup
}

// remove takes c out of the counts.
func (p *places) remove(c *Conn) {
	switch c.place.state {
	case placed:
		p.placed--
		if c.place.guest {
			p.guests--
		}
		countDown(p.counts, c.group)
	case atDoor:
		c.place.timer.Stop()
		c.place.timer = nil
		p.door--
		countDown(p.doorByGroup, c.group)
	}
	c.place.state = uncounted
}

func countDown(counts map[string]int, group string) {
	if counts[group]--; counts[group] <= 0 {
		delete(counts, group)
	}
}

// leaveDoor ends the wait of c at the door.
func (f *Front) leaveDoor(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.place.state != atDoor {
		return
	}
	fault := f.places.fault(c)
	if fault == nil { // a place has become free; the client is to try again
		fault = wire.Faultf(wire.CodeFull, "the first line did not end in time")
	}
	f.refused.full.Add(1)
	c.yield(fault)
}

// Claim implements [session.Place].
func (c *Conn) Claim(s room.Standing) error {
	f := c.front
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.places
	wasGuest := c.place.guest
	switch {
	case s.Spoke:
		c.place.rank, c.place.guest = speaker, false
	case s.Known:
		c.place.rank, c.place.guest = max(c.place.rank, silentMember), false
	}
	switch c.place.state {
	case atDoor:
		return c.countRefusal(f.takePlaceLocked(c))
	case placed:
		if wasGuest && !c.place.guest {
			p.guests--
		}
	}
	return nil
}

// countRefusal counts that there is no place for c, if err says so, and returns err.
func (c *Conn) countRefusal(err error) error {
	if err != nil {
		c.front.refused.full.Add(1)
	}
	return err
}

// Spoke implements [session.Place].
func (c *Conn) Spoke() {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	c.place.rank = speaker
}

// admitHTTP is Admit for the first request of the connection, which begins with line.
func (c *Conn) admitHTTP(line []byte) error {
	_, target, _ := bytes.Cut(line, []byte(" "))
	target, _, _ = bytes.Cut(target, []byte(" "))
	path, _, _ := bytes.Cut(target, []byte("?"))
	return c.Admit(string(path))
}

// Admit waits at the door until there is a place for a request for path, for up to httpWait, and returns why
// there is none. The requests of a page before it has shown its token are then served at the door.
func (c *Conn) Admit(path string) error {
	if path == "/socket" { // its token decides
		return nil
	}
	if isForPage(path) {
		c.tryPlace()
		return nil
	}
	for began := time.Now(); ; c.wait(httpRetry) {
		if err := c.tryPlace(); err == nil || time.Since(began) >= httpWait {
			return c.countRefusal(err)
		}
	}
}

// isForPage reports whether path is of the page, or requested by it before its socket has shown a
// token.
func isForPage(path string) bool {
	switch path {
	case "/", "/room", "/enter", "/commands", "/nick":
		return true
	}
	return strings.HasPrefix(path, "/page/")
}

const (
	httpWait  = time.Second
	httpRetry = 50 * time.Millisecond
)

// tryPlace gives the connection a place if it is at the door.
func (c *Conn) tryPlace() error {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	if c.place.state != atDoor {
		return nil
	}
	return c.front.takePlaceLocked(c)
}

// SetIdle notes whether an HTTP connection is between two requests. If it is a browser's, its
// place then goes to anyone who needs one.
func (c *Conn) SetIdle(idle bool) {
	if idle {
		c.answered()
	}
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	if idle && c.isForwarding() {
		c.front.moveLocked(c, c.Conn.RemoteAddr())
	}
	c.place.idle = idle && c.isBrowser
}

// yield ends the connection because another one got its place, and sends the peer the reason.
func (c *Conn) yield(why *wire.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEnding || c.yields != nil {
		return
	}
	c.yields = why
	switch {
	case c.session != nil:
		c.session.End(why)
	case c.isHandled:
		c.closeHandledLocked(yieldedAnswer)
	default:
		c.interruptLocked()
	}
}

// cut closes the connection below at once. The goroutine that reads it cleans up.
func (c *Conn) cut() {
	c.mu.Lock()
	conn := c.Conn
	c.mu.Unlock()
	conn.Close()
}

// yielded returns why the connection lost its place; nil: it did not.
func (c *Conn) yielded() *wire.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.yields
}
