package diskspace

import (
	"context"
	"sync"
	"time"
)

// A Disk is a disk that is watched, with what was found last.
type Disk struct {
	Name    string // what is on it, for people and metrics
	Folder  string // on it
	Reserve int64  // bytes below which it is low, or 5 % of the disk, if that is more; not positive: it is never low

	Free, Total int64 // bytes; Total is 0 before they are known
	Level       Level
}

// A Level says whether a disk has enough space.
type Level int

// The levels of a disk.
const (
	Enough   Level = iota
	Low            // less than the reserve is free
	Critical       // nearly nothing is free
)

const (
	// every is how often disks are looked at.
	every = 10 * time.Second

	// critical is how much is nearly nothing, or 5 % of the disk, if that is less.
	critical = 64 << 20

	// percent is the part of a disk that counts instead of a number of bytes.
	percent = 5
)

// IsCritical reports whether nearly nothing is free.
func (d *Disk) IsCritical() bool { return d.Level == Critical }

// limit returns how many bytes have to be free for the disk not to be at a level.
func (d *Disk) limit(level Level) int64 {
	part := d.Total / 100 * percent
	switch {
	case level == Critical:
		return min(critical, part)
	case d.Reserve > 0:
		return max(d.Reserve, part)
	}
	return 0
}

// measured returns d with what was found. It leaves a level only when a tenth more is free than the level asks for, so
// that a file that comes and goes is not reported again and again.
func (d Disk) measured(free, total int64) Disk {
	was := d.Level
	d.Free, d.Total, d.Level = free, total, Enough
	for _, level := range []Level{Low, Critical} {
		limit := d.limit(level)
		if was >= level {
			limit += limit / 10
		}
		if free < limit {
			d.Level = level
		}
	}
	return d
}

// A Watch looks again and again how much space disks have. It is safe for concurrent use.
type Watch struct {
	of    func(folder string) (free, total int64, err error) // fixed: Of, except in tests
	again chan struct{}                                      // fixed; one element: Run looks before the next tick

	mu    sync.Mutex
	disks []Disk // guarded by mu
}

// NewWatch returns a watch of disks.
func NewWatch(disks ...Disk) *Watch {
	return &Watch{of: Of, again: make(chan struct{}, 1), disks: disks}
}

// SetReserve sets the reserve of all disks. Run looks at them again at once.
func (w *Watch) SetReserve(reserve int64) {
	w.mu.Lock()
	for i := range w.disks {
		w.disks[i].Reserve = reserve
	}
	w.mu.Unlock()
	select {
	case w.again <- struct{}{}:
	default: // it is about to look
	}
}

// Disks returns the disks as they were found last. Those that could not be asked yet are left out.
func (w *Watch) Disks() (known []Disk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.disks {
		if d.Total > 0 {
			known = append(known, d)
		}
	}
	return known
}

// Run watches until ctx ends. It calls changed when the level of a disk has changed, once for folders on the same disk.
// It returns late if the disk does not answer.
func (w *Watch) Run(ctx context.Context, changed func(d Disk, was Level)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		w.look(changed)
		select {
		case <-ticker.C:
		case <-w.again:
		case <-ctx.Done():
			return
		}
	}
}

// look asks the system about all disks. What cannot be asked stays as it was.
func (w *Watch) look(changed func(d Disk, was Level)) {
	w.mu.Lock()
	disks := append([]Disk(nil), w.disks...)
	w.mu.Unlock()
	reported := make(map[[2]int64]bool) // by free and total bytes
	for i := range disks {
		free, total, err := w.of(disks[i].Folder) // without the lock: it may hang
		if err != nil {
			continue
		}
		w.mu.Lock()
		before := w.disks[i] // SetReserve may have changed it
		d := before.measured(free, total)
		w.disks[i] = d
		w.mu.Unlock()
		if same := [2]int64{free, total}; d.Level != before.Level && !reported[same] {
			reported[same] = true
			changed(d, before.Level)
		}
	}
}
