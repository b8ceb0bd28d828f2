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
	"time"

	"chat/relay/wire"
)

const (
	// MaxHeard is how many hosts one search looks at: it bounds what a hostile
	// network can cause.
	MaxHeard = 128

	verifyTail = 250 * time.Millisecond // of a search's time, kept for verifying the last answers

	// settle is how long a verified room waits for others being verified. That takes
	// two round trips, of 80 ms each on a slow Wi-Fi, and more where a packet is lost.
	settle = 650 * time.Millisecond
)

// rounds is how long each round of questions waits for answers. A reply that
// comes after its round is lost, so they grow; a room on a good network answers
// within 1 ms. RFC 6762 5.2 asks for a second between repeated questions; the
// first four are quicker because a person is waiting, all later ones are not.
var rounds = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second,
}

// askAgain is when the first round repeats its question. Multicast is not
// repeated by Wi-Fi itself; a second room unheard in the first round would
// mean joining the first one unasked.
const askAgain = 40 * time.Millisecond

// loopbackRound is the round before which a finder that heard nothing also
// tries this machine's default port. Without any network it does so at once.
const loopbackRound = 3

// A search is one run of Find or List; its fields belong to the goroutine that
// called run. Survey only listens and verifies with one.
type search struct {
	*Finder
	window time.Duration
	enough func(Room) bool // ends the search early; nil: nothing does

	on      []string         // names of the interfaces to be asked on
	deaf    bool             // no round could ask anything
	open    map[string]bool  // ids being verified
	found   map[string]Room  // by id
	settled <-chan time.Time // when to wait no longer, set once enough is found
}

// A round is what one round of questions brought.
type round struct {
	records []Record
	on      []string // interfaces to be asked on; told in the first round
	deaf    bool     // not one question could be sent
	err     error    // asking again will not help
}

// A verdict ends the verifying of one record.
type verdict struct {
	id   string
	room Room
	ok   bool
}

var errWindow = errors.New("the search's time is over")

// run asks in rounds, and verifies what is heard while the next round is on.
func (s *search) run(ctx context.Context) ([]Room, error) {
	s.open, s.found = map[string]bool{}, map[string]Room{}
	s.deaf = true
	caller := ctx
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, s.window, errWindow)
	defer cancel() // ends all work at once, but for questions on their way (see askAll)

	heard, verdicts, dials := make(chan round), make(chan verdict), make(chan struct{}, maxDials)
	work.Go(func() { s.listen(ctx, heard) })
	for {
		select {
		case r, ok := <-heard:
			if r.err != nil {
				return nil, r.err
			}
			if !ok {
				heard = nil // all questions asked
			}
			s.on = append(s.on, r.on...)
			s.deaf = s.deaf && (!ok || r.deaf)
			for _, rec := range s.fresh(r.records) {
				work.Go(func() {
					room, ok := s.verify(ctx, rec, dials)
					select {
					case verdicts <- verdict{rec.ID, room, ok}:
					case <-ctx.Done():
					}
				})
			}
		case v := <-verdicts:
			s.settle(v)
		case <-s.settled:
			return s.rooms(), nil
		case <-ctx.Done():
			return s.rooms(), caller.Err()
		}
		if len(s.open) == 0 && (heard == nil || s.settled != nil) {
			return s.rooms(), nil
		}
	}
}

// fresh picks the records to be verified now: those neither known to be alive
// nor being verified. One that failed is tried again when it is heard again.
func (s *search) fresh(records []Record) []Record {
	var fresh []Record
	for _, r := range records {
		_, alive := s.found[r.ID]
		if alive || s.open[r.ID] || len(s.open)+len(s.found) >= MaxHeard {
			continue
		}
		s.open[r.ID] = true
		fresh = append(fresh, r)
	}
	return fresh
}

// settle notes a verdict. The first room that is enough waits a moment for
// others still being verified, so that several rooms are seen as several.
func (s *search) settle(v verdict) {
	delete(s.open, v.id)
	if !v.ok {
		return
	}
	s.found[v.room.ID] = v.room
	if s.settled == nil && s.enough != nil && s.enough(v.room) {
		s.settled = time.After(settle)
	}
}

// rooms are all found, sorted by title, then id.
func (s *search) rooms() []Room {
	return slices.SortedFunc(maps.Values(s.found), func(a, b Room) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.ID, b.ID))
	})
}

// listen asks in rounds until the search's time is nearly over, and closes heard.
func (s *search) listen(ctx context.Context, heard chan<- round) {
	defer close(heard)
	end := time.Now().Add(s.window - min(verifyTail, s.window/4))
	silent := true
	for n := 0; ; n++ {
		wait := min(rounds[min(n, len(rounds)-1)], time.Until(end))
		if n > 0 && wait < rounds[0]/2 {
			return
		}
		over := time.After(wait)
		r := s.askAll(ctx, wait, n == 0)
		if silent = silent && len(r.records) == 0; silent && (r.deaf || s.DeafToSelf || n+1 >= loopbackRound) {
			r.records = []Record{thisMachine()}
		}
		if n > 0 {
			r.on = nil
		}
		select {
		case heard <- r:
		case <-ctx.Done():
			return
		}
		select {
		case <-over: // a round without questions lasts as long as any
		case <-ctx.Done():
			return
		}
	}
}

// thisMachine stands for a room on this machine's default port, where no
// multicast is needed to find it.
func thisMachine() Record {
	return Record{Addrs: []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), wire.DefaultPort),
		netip.AddrPortFrom(netip.IPv6Loopback(), wire.DefaultPort),
	}}
}

// askAll asks once on every interface in every family it has, twice if asked
// to, and merges the answers by room. Each question stands alone: hashicorp/mdns
// gives up all families when sending fails in one. When ctx ends askAll returns
// at once; a question on its way cannot be ended and dies with its wait.
func (s *search) askAll(ctx context.Context, wait time.Duration, twice bool) round {
	all, err := s.LANs()
	if err != nil {
		return round{err: err}
	}
	lans, err := Usable(all, s.Ifaces)
	if err != nil {
		return round{err: err}
	}
	type answer struct {
		records []Record
		err     error
	}
	// As many places as there can be answers: nobody may be there to take them.
	answers, asked := make(chan answer, 4*len(lans)), 0
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
					records, err := s.Ask(ctx, l, v6, wait-delay)
					answers <- answer{records, err}
				}()
			}
		}
	}
	merged, failed := round{on: lanNames(lans)}, 0
	for range asked {
		select {
		case a := <-answers:
			merged.records = merge(merged.records, a.records)
			if a.err != nil {
				failed++
			}
		case <-ctx.Done():
			return merged
		}
	}
	merged.deaf = failed == asked
	for i, r := range merged.records {
		merged.records[i].Addrs = worthDialing(r.Addrs, all)
	}
	return merged
}

// merge adds records to list, those of one id as one.
func merge(list, records []Record) []Record {
	for _, r := range records {
		i := slices.IndexFunc(list, func(have Record) bool { return have.ID == r.ID })
		if i < 0 {
			list = append(list, r)
		} else {
			for _, a := range r.Addrs {
				if !slices.Contains(list[i].Addrs, a) {
					list[i].Addrs = append(slices.Clip(list[i].Addrs), a)
				}
			}
		}
	}
	return list
}
