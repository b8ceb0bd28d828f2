package discovery

import (
	"cmp"
	"context"
	"errors"
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

	// Owned by the goroutine that called run.
	on       []string              // names of the interfaces to ask on
	deaf     error                 // why no question could be sent so far; nil: one was
	open     map[string]*verifying // by room ID
	found    map[string]Room       // by ID
	silent   map[string]Heard      // by ID: rooms whose hosts did not answer; nil: none yet
	deadline <-chan time.Time      // ends the search; set with the first room that is enough
	isQuiet  bool                  // no answers have come for a while, or none can come

	answered atomic.Bool   // an answer came
	matched  chan struct{} // closed with the first room that is enough: no more rounds
}

// A verifying has the addresses of one room that are being dialed, from one or more answers.
type verifying struct {
	record  Record // the first answer
	since   time.Time
	addrs   []netip.AddrPort
	running int // calls of verify
}

// A round is the outcome of one round of questions, except for its answers.
type round struct {
	records []Record // to be verified like answers
	on      []string // names of the interfaces; set in the first round
	deaf    error    // why no question could be sent; nil: one was
	err     error    // further rounds would fail too
}

// A verdict ends one call of verify.
type verdict struct {
	id     string
	record Record // with the addresses that were dialed
	room   Room
	ok     bool
	err    error // why it is not ok
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
	s.open, s.found, s.deaf, s.matched = map[string]*verifying{}, map[string]Room{}, errNotAsked, make(chan struct{})
	caller := ctx
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, s.window, errWindow)
	defer cancel() // ends all work at once, except for running questions

	answers, rounds, verdicts, dials := make(chan Record), make(chan round), make(chan verdict), make(chan struct{}, maxDials)
	work.Go(func() { s.ask(ctx, answers, rounds) })
	verify := func(r Record) {
		if r, ok := s.toVerify(r); ok {
			work.Go(func() {
				room, err := s.verify(ctx, r, dials)
				select {
				case verdicts <- verdict{r.ID, r, room, err == nil, err}:
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
		if len(s.open) == 0 && (rounds == nil || s.deadline != nil && s.isQuiet) {
			return s.rooms(), nil
		}
	}
}

// toVerify returns r with the addresses to verify now, and whether there are any. Those being
// dialed are left out, and all if the room was found. Addresses that failed are tried again
// with the next answer.
func (s *search) toVerify(r Record) (Record, bool) {
	_, found := s.found[r.ID]
	v := s.open[r.ID]
	if found || v == nil && len(s.open)+len(s.found) >= MaxHeard {
		return r, false
	}
	if v == nil {
		v = &verifying{record: r, since: time.Now()}
	}
	r.Addrs = filter(r.Addrs, func(a netip.AddrPort) bool { return !slices.Contains(v.addrs, a) })
	r.Addrs = r.Addrs[:min(len(r.Addrs), maxPerRecord-len(v.addrs))]
	if len(r.Addrs) == 0 {
		return r, false
	}
	v.addrs = append(v.addrs, r.Addrs...)
	v.running++
	s.open[r.ID] = v
	return r, true
}

// record notes a verdict. With the first room that is enough the search gets a deadline:
// until then other rooms are verified, so that a person can choose.
func (s *search) record(v verdict) {
	if open := s.open[v.id]; open != nil {
		if open.running--; open.running == 0 || v.ok {
			delete(s.open, v.id)
		}
	}
	if s.noteSilent(v); !v.ok {
		return
	}
	s.found[v.room.ID] = v.room
	if s.deadline == nil && s.enough != nil && s.enough(v.room) {
		s.deadline = time.After(verifyTime)
		close(s.matched)
	}
}

// rooms returns the rooms that were found, sorted by title, then ID.
func (s *search) rooms() []Room {
	rooms := slices.Collect(maps.Values(s.found))
	sortByTitle(rooms, func(r Room) (title, id string) { return r.Title, r.ID })
	return rooms
}

// sortByTitle sorts list by the titles of rooms, in any case, then their IDs.
func sortByTitle[T any](list []T, of func(T) (title, id string)) {
	slices.SortFunc(list, func(a, b T) int {
		titleA, idA := of(a)
		titleB, idB := of(b)
		return cmp.Or(compareTitles(titleA, titleB), strings.Compare(idA, idB))
	})
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
		if n > 0 {
			r.on = nil
		}
		select {
		case rounds <- r:
		case <-ctx.Done():
			return
		}
		if _, hidden := errors.AsType[*ListError](r.deaf); hidden {
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

// merge adds r to list, or its addresses to the record with its ID.
func merge(list []Record, r Record) []Record {
	i := slices.IndexFunc(list, func(have Record) bool { return have.ID == r.ID })
	if i < 0 {
		return append(list, r)
	}
	for _, a := range r.Addrs {
		if !slices.Contains(list[i].Addrs, a) {
			list[i].Addrs = append(slices.Clip(list[i].Addrs), a)
		}
	}
	return list
}
