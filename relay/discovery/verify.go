package discovery

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

const (
	dialStagger  = 100 * time.Millisecond // between the dials of one host; RFC 8305 section 5 asks for 100 ms or more
	dialTimeout  = time.Second            // for connecting and the probe
	maxDials     = 32                     // at the same time in one search
	maxPerRecord = 6                      // addresses that are dialed of one host
	maxAttempts  = 5                      // at each of them
)

// worthDialing sorts addrs, those in our subnets first, and drops those that a room on this
// network cannot have: a record must not make a client dial the internet, or services on
// its own machine.
func worthDialing(addrs []netip.AddrPort, lans []LAN) []netip.AddrPort {
	rank := func(ap netip.AddrPort) int {
		a := ap.Addr()
		local := slices.ContainsFunc(lans, func(l LAN) bool {
			return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
		})
		switch {
		case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLoopback():
			return -1
		case a.Is6() && a.IsLinkLocalUnicast():
			if a.Zone() == "" {
				return -1
			}
			return 3
		case local && a.Is4():
			return 1
		case local:
			return 2
		case a.IsPrivate(), a.IsLinkLocalUnicast():
			return 4
		}
		return -1
	}
	var kept []netip.AddrPort
	for _, a := range addrs {
		if rank(a) > 0 && !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b netip.AddrPort) int { return cmp.Compare(rank(a), rank(b)) })
	return kept[:min(len(kept), maxPerRecord)]
}

// verify probes the addresses of rec, each a moment after the one before, until one answers
// with the room of the record (with any room if the record has no ID). It dials each several
// times, unless it failed: the system repeats a lost SYN only after a second. The error says why
// none answered: at the best address, or the first that gave a reason.
func (s *search) verify(ctx context.Context, rec Record, dials chan struct{}) (Room, error) {
	type result struct {
		addr netip.AddrPort
		room wire.RoomInfo
		err  error
	}
	attempts := slices.Repeat(rec.Addrs, maxAttempts)
	var failed map[netip.AddrPort]error // nil: none has
	results := make(chan result)
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := time.NewTimer(0)
	defer next.Stop()
	for running := 0; len(attempts) > 0 || running > 0; {
		var start <-chan time.Time
		if len(attempts) > 0 {
			start = next.C
		}
		select {
		case <-start:
			addr := attempts[0]
			attempts = attempts[1:]
			running++
			next.Reset(dialStagger)
			work.Go(func() {
				room, err := s.probe(ctx, addr.String(), rec.Sealed, dials)
				select {
				case results <- result{addr, room, err}:
				case <-ctx.Done():
				}
			})
		case r := <-results:
			running--
			if r.err == nil && isRoomID(r.room.ID) && (rec.ID == "" || rec.ID == r.room.ID) {
				r.room.Title, r.room.App = text.Title(r.room.Title), text.Title(r.room.App)
				return Room{RoomInfo: r.room, Addr: r.addr.String()}, nil
			}
			if r.err != nil && s.Refused != nil && s.Refused(r.err) && rec.ID != "" { // it is full, as joining it will show
				return Room{RoomInfo: wire.RoomInfo{ID: rec.ID, Title: rec.Title, App: rec.App}, Addr: r.addr.String()}, nil
			}
			if failed == nil {
				failed = map[netip.AddrPort]error{}
			}
			if failed[r.addr] = r.err; r.err == nil {
				failed[r.addr] = errOtherRoom
			}
			attempts = slices.DeleteFunc(attempts, func(a netip.AddrPort) bool { return a == r.addr })
			next.Reset(0)
		case <-ctx.Done():
			return Room{}, whyFailed(rec.Addrs, failed)
		}
	}
	return Room{}, whyFailed(rec.Addrs, failed)
}

// whyFailed returns the error of the best address that has one.
func whyFailed(addrs []netip.AddrPort, failed map[netip.AddrPort]error) error {
	for _, a := range addrs {
		if failed[a] != nil {
			return failed[a]
		}
	}
	return errNoAnswer
}

// probe asks the host at addr which room it has, once dials has a free place.
func (s *search) probe(ctx context.Context, addr string, sealed bool, dials chan struct{}) (wire.RoomInfo, error) {
	select {
	case dials <- struct{}{}:
	case <-ctx.Done():
		return wire.RoomInfo{}, ctx.Err()
	}
	defer func() { <-dials }()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return s.Probe(ctx, addr, sealed)
}
