package discovery

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// devicesRound is the round of a search that has heard no room in which it asks for other devices.
	devicesRound = 2

	// devicesEvery is the shortest time between two such questions: each device on the network
	// answers one, and a lobby searches again and again.
	devicesEvery = 30 * time.Second

	// maxDevices is how many devices are counted.
	maxDevices = 256
)

// devices are the other devices on the network that were heard, by whatever they sent. If a search
// finds no room, they distinguish a network that drops multicast from one without a room.
type devices struct {
	mu    sync.Mutex
	asked time.Time           // when they were last asked for; guarded by mu
	heard map[netip.Addr]bool // since then; guarded by mu
}

// begin forgets the devices, to ask for them again. It returns false if that was done a moment ago.
func (d *devices) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.asked.IsZero() && time.Since(d.asked) < devicesEvery {
		return false
	}
	d.asked, d.heard = time.Now(), map[netip.Addr]bool{}
	return true
}

func (d *devices) add(a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.heard) < maxDevices {
		d.heard[a.Unmap().WithZone("")] = true
	}
}

// count returns how many devices were heard; -1: they were not asked for. One that has addresses of
// both IP versions counts once.
func (d *devices) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked.IsZero() {
		return -1
	}
	v4 := 0
	for a := range d.heard {
		if a.Is4() {
			v4++
		}
	}
	return max(v4, len(d.heard)-v4)
}

// askDevices asks for the other devices on the network, and returns at once. The questions may
// outlive the search, until wait is over.
func (s *search) askDevices(ctx context.Context, wait time.Duration) {
	if s.AskDevices == nil || wait <= 0 {
		return
	}
	all, err := s.LANs()
	if err != nil {
		return // the search reports it
	}
	lans, err := Usable(all, s.Ifaces)
	if err != nil || len(lans) == 0 || !s.devices.begin() {
		return
	}
	isOurs := func(a netip.Addr) bool {
		return a.IsLoopback() || slices.ContainsFunc(all, func(l LAN) bool {
			return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == a })
		})
	}
	heard := func(a netip.Addr) {
		if a = a.Unmap().WithZone(""); !isOurs(a) {
			s.devices.add(a)
		}
	}
	for _, l := range lans {
		for _, v6 := range []bool{false, true} {
			if l.has(v6) {
				go s.AskDevices(ctx, l, v6, wait, heard) // an error: Ask has it too, and the search reports that
			}
		}
	}
}
