package fanout

import (
	"runtime"
	"sync"

	"chat/relay/history"
)

// A Target is what a Fanout writes to. Every reader that waits for the log of a Fanout is one.
type Target interface {
	// Begin marks a target that waited for the log as being written to. It returns
	// false if it already is, or has nothing to write.
	Begin() bool

	// WriteSome writes with w what the target has, as far as its connection takes it
	// without waiting. It reports whether there may be more.
	WriteSome(w *Writer) (more bool)
}

// A Fanout has workers only while there is work, at most one for each processor. It is
// safe for concurrent use.
type Fanout struct {
	log     *history.Log // set before the first use
	workers int          // limit of running

	mu      sync.Mutex
	batches []batch            // in order; guarded by mu
	spare   [][]history.Waiter // arrays for batches of Write; guarded by mu
	running int                // workers that run; guarded by mu
}

// A batch is a list of targets with something to write. Workers take from its front.
type batch struct {
	list  []history.Waiter // a Target each
	whole []history.Waiter // the array of list, for reuse
	begun bool             // they are marked as being written to
}

// chunk is how many targets a worker takes at a time: few enough for the workers to
// share a small room.
const chunk = 8

// maxSpare is how many arrays for batches are kept: enough for a room of 2,000.
const maxSpare = 256

// New returns a Fanout without a log; see [Fanout.Attach].
func New() *Fanout { return &Fanout{workers: runtime.GOMAXPROCS(0)} }

// Attach gives the fanout its log, whose wake function is [Fanout.Wake]. It is called
// once, before anything is written.
func (f *Fanout) Attach(log *history.Log) { f.log = log }

// Wake writes to a list of the log's: targets that waited for it. The fanout owns the
// list and returns it by [history.Log.Recycle].
func (f *Fanout) Wake(list []history.Waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enqueueLocked(batch{list: list, whole: list})
}

// Write writes to targets that are marked as being written to.
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

// next moves the next targets to dst. If more remain and there may be another worker, it
// starts one; if none remain, it returns none and the calling worker ends.
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

// removeFirstLocked removes the first batch and keeps its array.
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

// work is one worker.
func (f *Fanout) work() {
	w := writers.Get().(*Writer)
	defer w.release()
	targets, again := make([]history.Waiter, 0, chunk), make([]history.Waiter, 0, chunk)
	for {
		var begun bool
		if targets, begun = f.next(targets[:0]); len(targets) == 0 {
			return
		}
		runtime.Gosched() // sessions with input go first: more for each write. If there are none, this costs nothing
		again = again[:0]
		for _, r := range targets {
			target := r.(Target)
			if (begun || target.Begin()) && target.WriteSome(w) {
				again = append(again, r)
			}
		}
		if len(again) > 0 { // to the end of the line: others' turn
			f.Write(again...)
		}
	}
}
