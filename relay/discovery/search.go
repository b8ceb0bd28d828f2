package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/wire"
)

const (
	// MaxHeard is how many rooms one search considers: a hostile network can announce any
	// number.
	MaxHeard = 128

	// maxClaims is how many records of one room are verified at the same time, with the hosts
	// found that claim to have it.
	maxClaims = 8

	verifyTail = 250 * time.Millisecond // at the end of a search, to verify the last answers

	// verifyTime is how long a search continues after the first verified room that matches, to
	// verify others. That takes two round trips, of 80 ms each on a slow Wi-Fi, and more
	// if a packet is lost.
	verifyTime = 650 * time.Millisecond

	// quiet is how long no answer must come for a search to assume that there are no more.
	// Answers may take 80 ms on a slow Wi-Fi.
	quiet = 100 * time.Millisecond

	// maxLate is how late the timer for quiet may be. If it is later, this machine is busy,
	// and answers may be waiting too.
	maxLate = 5 * time.Millisecond

	// linger is how much longer than its round a question waits for answers.
	linger = 200 * time.Millisecond
)

// rounds is how long after a round of questions the next one begins. A room on a good
// network answers within 1 ms. RFC 6762 5.2 asks for a second between repeated questions;
// the first four are quicker because a person is waiting, all later ones are not.
var rounds = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second,
}

// askAgain is when the first round repeats its question. Wi-Fi does not retransmit
// multicast, and if one of two rooms is missed, the other is joined without asking.
const askAgain = 40 * time.Millisecond

// loopbackRound is how many rounds a search waits before it tries this machine's default
// port, if no answers come. Without a network it does so at once.
const loopbackRound = 3

// A search is one run of Find or List. Survey only asks and verifies with one.
type search struct {
	*Finder
	window time.Duration
	enough func(Room) bool // whether a room ends the search early; nil: none does
	each   func(Room)      // is called for each of those, when it is found; nil: it is not

	// Owned by the goroutine that called run.
	on       []string              // names of the interfaces to ask on
	deaf     error                 // why no question could be sent so far; nil: one was
	open     map[string]Record     // that are being verified, by key
	since    map[string]time.Time  // when they were first verified, by key
	silent   map[string]Heard      // by room ID: those whose hosts did not answer; nil: none yet
	awaited  map[string]bool       // keys of those that the search waits for
	found    map[foundKey]Room     // one for each host, or for all relays of a room
	also     map[foundKey][]string // the other addresses that answered for it
	reached  map[string][]string   // by room ID: the addresses that answered
	deadline <-chan time.Time      // ends the search; set with the first room that is enough
	isQuiet  bool                  // no answers have come for a while, or none can come

	answered atomic.Bool   // an answer came
	matched  chan struct{} // closed with the first room that is enough: no more rounds
}

// A foundKey identifies a host, or the relays of one room, which prove together that they know its secret. Several may
// claim to have one room.
type foundKey struct{ id, instance, pin string }

func keyOf(r *Room) foundKey { return foundKey{r.ID, r.Instance, r.Pin} }

// A round is the outcome of one round of questions, except for its answers.
type round struct {
	records []Record // to be verified like answers
	on      []string // names of the interfaces; set in the first round
	deaf    error    // why no question could be sent; nil: one was
	err     error    // further rounds would fail too
}

// A verdict ends one call of verify.
type verdict struct {
	record string // its key
	room   Room
	err    error // why it did not answer with the room
}

var (
	errWindow   = errors.New("the search timed out")
	errNotAsked = errors.New("this machine has no network")
)

// errUnlessListing returns err, or nil if it only says that interfaces cannot be listed.
func errUnlessListing(err error) error {
	if _, ok := errors.AsType[*ListError](err); ok {
		return nil
	}
	return err
}

// stillDeaf returns why no question could be sent, after a round that was or was not deaf.
func stillDeaf(before, round error) error {
	if before == nil || round == nil {
		return nil
	}
	return round
}

// run asks in rounds, and meanwhile verifies the rooms that answer.
func (s *search) run(ctx context.Context) ([]Room, error) {
	s.open, s.awaited, s.found, s.reached = map[string]Record{}, map[string]bool{}, map[foundKey]Room{}, map[string][]string{}
	s.also = map[foundKey][]string{}
	s.deaf, s.matched = errNotAsked, make(chan struct{})
	caller := ctx
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, s.window, errWindow)
	defer cancel() // ends all work at once, except for running questions

	answers, rounds, verdicts, dials := make(chan Record), make(chan round), make(chan verdict), make(chan struct{}, maxDials)
	work.Go(func() { s.ask(ctx, answers, rounds) })
	verify := func(r Record) {
		key, fresh := r.key(), s.freshFirst(r)
		if s.toVerify(r) {
			work.Go(func() {
				room, err := s.verify(ctx, fresh, dials)
				select {
				case verdicts <- verdict{key, room, err}:
				case <-ctx.Done():
				}
			})
		}
	}
	silence, silentAt := time.NewTimer(quiet), time.Now().Add(quiet)
	await := func() { // more answers
		silence.Reset(quiet)
		silentAt, s.isQuiet = time.Now().Add(quiet), false
	}
	for {
		select {
		case r := <-answers:
			await()
			verify(r)
		case <-silence.C:
			if s.isQuiet = time.Since(silentAt) <= maxLate; !s.isQuiet {
				await()
			}
		case r, ok := <-rounds:
			if r.err != nil {
				return nil, r.err
			}
			if !ok {
				rounds = nil // all questions were asked
				break
			}
			s.on = append(s.on, r.on...)
			s.deaf, s.isQuiet = stillDeaf(s.deaf, r.deaf), s.isQuiet || r.deaf != nil
			for _, r := range r.records {
				verify(r)
			}
		case v := <-verdicts:
			s.record(v)
		case <-s.deadline:
			return s.rooms(), nil
		case <-ctx.Done():
			return s.rooms(), caller.Err()
		}
		if len(s.awaited) == 0 && (rounds == nil || s.deadline != nil && s.isQuiet) {
			return s.rooms(), nil
		}
	}
}

// toVerify notes that r is being verified. It returns false if it is already, or one of its
// addresses has answered with its room. Records of one room with different addresses are
// verified each: one of them may be from another host, which claims to have the room. A record
// that failed is tried again with the next answer.
func (s *search) toVerify(r Record) bool {
	key := r.key()
	_, open := s.open[key]
	if open || len(r.Addrs) == 0 || s.isReached(r) || len(s.open)+len(s.found) >= MaxHeard {
		return false
	}
	claims := 0
	for _, other := range s.open {
		if other.ID == r.ID {
			claims++
		}
	}
	for key := range s.found {
		if key.id == r.ID {
			claims++
		}
	}
	if claims >= maxClaims {
		return false
	}
	s.open[key], s.awaited[key] = r, true
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	s.since[key] = time.Now()
	return true
}

// freshFirst returns r with those addresses first that are not being dialed for its room.
func (s *search) freshFirst(r Record) Record {
	isDialed := func(a netip.AddrPort) bool {
		for _, other := range s.open {
			if other.ID == r.ID && slices.Contains(other.Addrs, a) {
				return true
			}
		}
		return false
	}
	fresh := filter(r.Addrs, func(a netip.AddrPort) bool { return !isDialed(a) })
	r.Addrs = append(fresh, filter(r.Addrs, isDialed)...)
	return r
}

// isReached reports whether an address of r has answered with r's room.
func (s *search) isReached(r Record) bool {
	return slices.ContainsFunc(r.Addrs, func(a netip.AddrPort) bool { return slices.Contains(s.reached[r.ID], a.String()) })
}

// isPartOf reports whether other has all addresses of r.
func (r *Record) isPartOf(other Record) bool {
	return !slices.ContainsFunc(r.Addrs, func(a netip.AddrPort) bool { return !slices.Contains(other.Addrs, a) })
}

// key identifies a record by its room and its addresses.
func (r *Record) key() string { return fmt.Sprint(r.ID, r.Addrs) }

// record notes a verdict. With the first room that is enough the search gets a deadline:
// until then other rooms are verified, so that a person can choose.
func (s *search) record(v verdict) {
	verified := s.open[v.record]
	delete(s.open, v.record)
	delete(s.awaited, v.record)
	delete(s.since, v.record)
	if v.err != nil {
		s.noteSilent(verified, v.err)
		return
	}
	delete(s.silent, v.room.ID)
	s.reached[v.room.ID] = append(s.reached[v.room.ID], v.room.Addr)
	for key, r := range s.open { // do not wait for records that are likely from the same host
		if s.isReached(r) || r.ID == verified.ID && r.isPartOf(verified) {
			delete(s.awaited, key)
		}
	}
	if key := keyOf(&v.room); s.found[key].ID != "" {
		if v.room.Addr != s.found[key].Addr && !slices.Contains(s.also[key], v.room.Addr) {
			s.also[key] = append(s.also[key], v.room.Addr)
		}
	} else {
		s.found[key] = v.room
		if s.each != nil && s.enough(v.room) {
			s.each(v.room)
		}
	}
	if s.deadline == nil && s.enough != nil && s.enough(v.room) {
		s.deadline = time.After(verifyTime)
		close(s.matched)
	}
}

// rooms returns the rooms that were found, sorted by title, ID and address.
func (s *search) rooms() []Room {
	list := slices.SortedFunc(maps.Values(s.found), func(a, b Room) int {
		return cmp.Or(compareTitles(a.Title, b.Title), strings.Compare(a.ID, b.ID), strings.Compare(a.Addr, b.Addr))
	})
	for i, r := range list {
		if also := s.also[keyOf(&r)]; len(also) > 0 {
			list[i].Addrs = append([]string{r.Addr}, also...)
		}
	}
	hosts := make(map[string]int) // by ID
	for _, r := range list {
		hosts[r.ID]++
	}
	for i := range list {
		list[i].Contested = hosts[list[i].ID] > 1
	}
	return list
}

// ask asks in rounds until the search is nearly over, or a room is enough. It sends the
// answers to answers, and the outcome of each round to rounds, which it closes at its end.
func (s *search) ask(ctx context.Context, answers chan<- Record, rounds chan<- round) {
	defer close(rounds)
	end := time.Now().Add(s.window - min(verifyTail, s.window/4))
	for n := 0; ; n++ {
		wait := min(pauseAfter(n), time.Until(end))
		if n > 0 && wait < pauseAfter(0)/2 {
			break
		}
		over := time.Now().Add(wait)
		r := s.askAll(ctx, over, min(wait+linger, time.Until(end)), n == 0, answers)
		if !s.answered.Load() && (r.deaf != nil || s.DeafToSelf || n+1 >= loopbackRound) {
			r.records = []Record{thisMachine()}
		}
		if n == devicesRound && !s.answered.Load() && r.deaf == nil {
			s.askDevices(ctx, time.Until(end))
		}
		if n > 0 {
			r.on = nil
		}
		select {
		case rounds <- r:
		case <-ctx.Done():
			return
		}
		if r.deaf != nil && errUnlessListing(r.deaf) == nil {
			return // more rounds would meet the same
		}
		select {
		case <-time.After(time.Until(over)): // a round without questions takes as long as any
		case <-ctx.Done():
			return
		}
		select {
		case <-s.matched: // another round would bring the same answers
			<-ctx.Done()
			return
		default:
		}
	}
	select { // the last answers
	case <-time.After(time.Until(end)):
	case <-ctx.Done():
	}
}

// pauseAfter returns how long after round n, from 0, the next one begins.
func pauseAfter(n int) time.Duration { return rounds[min(n, len(rounds)-1)] }

// thisMachine is a record for a room on this machine's default port: finding it needs no
// multicast.
func thisMachine() Record {
	return Record{Addrs: []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), wire.DefaultPort),
		netip.AddrPortFrom(netip.IPv6Loopback(), wire.DefaultPort),
	}}
}

// askAll sends a question on every interface over every IP version it has, or two. It
// returns at over, or once it is clear that no question can be sent. Answers go to answers
// until wait has passed. Each question has its own sockets: sending may fail over one IP
// version and work over the other.
func (s *search) askAll(ctx context.Context, over time.Time, wait time.Duration, twice bool, answers chan<- Record) round {
	all, err := s.LANs()
	if err != nil { // a room on this machine can still be found
		return round{deaf: err, err: errUnlessListing(err)}
	}
	lans, err := Usable(all, s.Ifaces)
	if err != nil {
		return round{err: err}
	}
	heard := func(r Record) {
		s.answered.Store(true)
		r.Addrs = worthDialing(r.Addrs, all)
		select {
		case answers <- r:
		case <-ctx.Done():
		}
	}
	results, asked := make(chan error, 4*len(lans)), 0 // buffered: not all are read
	for _, l := range lans {
		for _, v6 := range []bool{false, true} {
			for again := range 2 {
				if !l.has(v6) || again == 1 && (!twice || wait < 2*askAgain) {
					continue
				}
				asked++
				go func() {
					delay := time.Duration(again) * askAgain
					time.Sleep(delay)
					results <- s.Ask(ctx, l, v6, wait-delay, heard)
				}()
			}
		}
	}
	r := round{on: lanNames(lans), deaf: errNotAsked}
	timer := time.NewTimer(time.Until(over))
	defer timer.Stop()
	for range asked {
		select {
		case err := <-results:
			r.deaf = stillDeaf(r.deaf, err)
		case <-timer.C:
			r.deaf = nil
			return r
		case <-ctx.Done():
			r.deaf = nil
			return r
		}
	}
	return r
}
