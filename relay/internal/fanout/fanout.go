package fanout

import (
	"runtime"
	"sync"

	"chat/relay/history"
)

// A Target is a session, as a Fanout knows it. Every [history.Waiter] of the fanout's log
// is a Target.
type Target interface {
	// Begin is called when the log has new events for a target that waited for them. It
	// marks the target as being written. It returns false if another worker or goroutine
	// writes it already, or if the fanout has nothing to write.
	Begin() bool

	// WriteSome writes the target's next bytes, as many as its connection accepts without
	// blocking. It reports whether there may be more. w belongs to the calling worker.
	WriteSome(w *Writer) (more bool)
}

// A Fanout writes to targets. It has workers only while there is work, at most one per
// processor. It is safe for concurrent use.
type Fanout struct {
	log     *history.Log // set before the first use
	workers int          // limit of running

	mu      sync.Mutex
	batches []batch            // to be written, oldest first; guarded by mu
	spare   [][]history.Waiter // arrays for batches of Write, for reuse; guarded by mu
	running int                // workers; guarded by mu
}

// A batch is a list of targets to write to. Workers remove targets from its front.
type batch struct {
	list  []history.Waiter // a Target each
	whole []history.Waiter // the array of list, for reuse
	begun bool             // Begin need not be called
}

// chunk is how many targets a worker removes at a time: few enough for the workers to share
// a small room.
const chunk = 8

// maxSpare is the limit of Fanout.spare: enough for a room of 2,000.
const maxSpare = 256

// New returns a Fanout without a log; see [Fanout.Attach].
func New() *Fanout { return &Fanout{workers: runtime.GOMAXPROCS(0)} }

// Attach sets the fanout's log, which calls [Fanout.Wake]. Call it once, before the first
// use.
func (f *Fanout) Attach(log *history.Log) { f.log = log }

// Wake writes to targets that waited for the log. The fanout owns list until it returns it
// by [history.Log.Recycle].
func (f *Fanout) Wake(list []history.Waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enqueueLocked(batch{list: list, whole: list})
}

// Write writes to targets that are marked as being written already.
func (f *Fanout) Write(targets ...history.Waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []history.Waiter
	if last := len(f.spare) - 1; last >= 0 {
		list, f.spare = f.spare[last], f.spare[:last]
	}
	list = append(list, targets...)
	f.enqueueLocked(batch{list: list, whole: list, begun: true})
}

func (f *Fanout) enqueueLocked(b batch) {
	f.batches = append(f.batches, b)
	if f.running == 0 {
		f.running++
		go f.work()
	}
}

// next moves the next targets to dst. If more remain, it starts another worker, unless all
// are running. If there are none, it returns none, and the calling worker ends.
func (f *Fanout) next(dst []history.Waiter) (_ []history.Waiter, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.batches) == 0 {
		f.running--
		return nil, false
	}
	b := &f.batches[0]
	n := min(len(b.list), chunk)
	dst, begun = append(dst, b.list[:n]...), b.begun
	if b.list = b.list[n:]; len(b.list) == 0 {
		f.removeFirstLocked()
	}
	if len(f.batches) > 0 && f.running < f.workers {
		f.running++
		go f.work()
	}
	return dst, begun
}

// removeFirstLocked removes the first batch and keeps its array for reuse.
func (f *Fanout) removeFirstLocked() {
	switch b := &f.batches[0]; {
	case !b.begun:
		f.log.Recycle(b.whole)
	case len(f.spare) < maxSpare:
		clear(b.whole)
		f.spare = append(f.spare, b.whole[:0])
	}
	copy(f.batches, f.batches[1:])
	f.batches[len(f.batches)-1] = batch{}
	f.batches = f.batches[:len(f.batches)-1]
}

// work runs a worker until there is no more work.
func (f *Fanout) work() {
	w := writers.Get().(*Writer)
	defer w.release()
	targets, again := make([]history.Waiter, 0, chunk), make([]history.Waiter, 0, chunk)
	for {
		var begun bool
		if targets, begun = f.next(targets[:0]); len(targets) == 0 {
			return
		}
		runtime.Gosched() // let sessions read first, so that one write carries more; free if none has input
		again = again[:0]
		for _, r := range targets {
			target := r.(Target)
			if (begun || target.Begin()) && target.WriteSome(w) {
				again = append(again, r)
			}
		}
		if len(again) > 0 { // at the end of the line: the others come first
			f.Write(again...)
		}
	}
}
