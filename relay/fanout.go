package relay

import (
	"runtime"
	"sync"

	"chat/relay/history"
)

// A fanout writes what the log has to the sessions that wait for it: a few workers
// over all of them, each session in its turn with all that has come for it
// meanwhile, by writes that do not wait. A session that takes no more at the moment
// gets a goroutine of its own until it has caught up, so that nobody waits for it.
//
// Workers are there only while there is work; the log's Append and the queue of a
// session give it.
type fanout struct {
	log     *history.Log
	limit   int // of workers
	mu      sync.Mutex
	batches []batch            // in order; under mu
	spare   [][]history.Reader // arrays for lists to come; under mu
	workers int                // that run; under mu
}

// A batch is a list of sessions with something to write. It is worked off from
// the front.
type batch struct {
	list  []history.Reader // *session each, or *Follower
	whole []history.Reader // the array of list, to be used again
	begun bool             // they are marked as writing
}

// fanoutChunk is how many sessions a worker takes at a time: few enough for the
// workers to share a small room.
const fanoutChunk = 8

// maxSpare is how many arrays for lists are kept: those of a room of 2,000.
const maxSpare = 256

// add gives the fanout a list of the log's: sessions that waited for it. It owns it.
func (f *fanout) add(list []history.Reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addLocked(batch{list: list, whole: list})
}

// begin gives the fanout sessions that are marked as writing.
func (f *fanout) begin(sessions ...history.Reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []history.Reader
	if last := len(f.spare) - 1; last >= 0 {
		list, f.spare = f.spare[last], f.spare[:last]
	}
	list = append(list, sessions...)
	f.addLocked(batch{list: list, whole: list, begun: true})
}

func (f *fanout) addLocked(b batch) {
	f.batches = append(f.batches, b)
	if f.workers == 0 {
		f.workers++
		go f.work()
	}
}

// take moves the next sessions to chunk. When more remain and there may be another
// worker, it starts one; when none are left, it returns none and the worker ends.
func (f *fanout) take(chunk []history.Reader) (_ []history.Reader, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.batches) == 0 {
		f.workers--
		return nil, false
	}
	b := &f.batches[0]
	n := min(len(b.list), fanoutChunk)
	chunk, begun = append(chunk, b.list[:n]...), b.begun
	if b.list = b.list[n:]; len(b.list) == 0 {
		switch {
		case !begun:
			f.log.Recycle(b.whole)
		case len(f.spare) < maxSpare:
			clear(b.whole)
			f.spare = append(f.spare, b.whole[:0])
		}
		copy(f.batches, f.batches[1:])
		f.batches[len(f.batches)-1] = batch{}
		f.batches = f.batches[:len(f.batches)-1]
	}
	if len(f.batches) > 0 && f.workers < f.limit {
		f.workers++
		go f.work()
	}
	return chunk, begun
}

// work is one worker.
func (f *fanout) work() {
	w := writers.Get().(*writer)
	defer w.release()
	chunk, again := make([]history.Reader, 0, fanoutChunk), make([]history.Reader, 0, fanoutChunk)
	for {
		var begun bool
		if chunk, begun = f.take(chunk[:0]); len(chunk) == 0 {
			return
		}
		runtime.Gosched() // readers that have lines go first: more for each write. When there are none, this costs nothing
		again = again[:0]
		for _, r := range chunk {
			s, ok := r.(*session)
			if !ok {
				r.(*Follower).wake()
				continue
			}
			if !begun && !s.begin() {
				continue
			}
			if s.writeSome(w) {
				again = append(again, s)
			}
		}
		if len(again) > 0 { // at the end of the line: others' turn
			f.begin(again...)
		}
	}
}
