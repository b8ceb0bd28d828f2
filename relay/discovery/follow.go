package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxFollowed is how many sets of addresses Follow remembers for one room. Once there are more,
// as only a hostile network announces, it reports none.
const maxFollowed = 64

// Await listens to announcements until one of a room comes, at most for a time, and returns it.
func (f *Finder) Await(ctx context.Context, most time.Duration) ([]Heard, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var mu sync.Mutex // guards rooms
	var rooms []Heard
	err := f.listen(ctx, func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		if len(rooms) == 0 && len(r.Addrs) > 0 {
			rooms = append(rooms, Heard{Record: r})
			cancel()
		}
	})
	return rooms, err
}

// listen calls heard for each announcement on the usable interfaces, until ctx ends. It is called
// from several goroutines at the same time. The error says why nothing can be received.
func (f *Finder) listen(ctx context.Context, heard func(Record)) error {
	all, err := f.LANs()
	if err != nil {
		return err
	}
	lans, err := Usable(all, f.Ifaces)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	for _, l := range lans {
		for _, v6 := range []bool{false, true} {
			if l.has(v6) {
				work.Go(func() { f.Listen(ctx, l, v6, heard) }) // an error: nothing is received there
			}
		}
	}
	work.Wait()
	return nil
}

// Follow listens to announcements until ctx ends, and calls moved if the host of the room id
// announces addresses without at: it has probably left that one. It calls moved once for each
// set of addresses, one call at a time. If nothing can be received, it returns at once.
func (f *Finder) Follow(ctx context.Context, id string, at netip.Addr, moved func()) {
	at = at.Unmap().WithZone("")
	var mu sync.Mutex // guards seen, and orders the calls of moved
	seen := map[string]bool{}
	heard := func(r Record) {
		if r.ID != id || len(r.Addrs) == 0 {
			return
		}
		addrs := make([]netip.Addr, len(r.Addrs))
		for i, a := range r.Addrs {
			addrs[i] = a.Addr().WithZone("")
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		set := fmt.Sprint(slices.Compact(addrs))
		mu.Lock()
		defer mu.Unlock()
		if slices.Contains(addrs, at) || seen[set] || len(seen) >= maxFollowed {
			return
		}
		seen[set] = true
		moved()
	}
	f.listen(ctx, heard) // an error: nothing can be received
}
