package client

import (
	"context"
	"sync"
	"time"

	"chat/relay/wire"
)

// MaxRequest bounds a request in bytes of JSON, with its newline: a host drops
// longer lines.
const MaxRequest = 32 << 10

// writeSize is about how many bytes go out in one write: enough to be quick, and
// little enough that a ping need not wait behind a thousand messages.
const writeSize = 32 << 10

// A waiting is a request on its way to the host.
type waiting struct {
	n       uint64 // its number; the seq on the wire, if it has one there
	request wire.Request
	line    []byte // the request as JSON
}

// mayFail reports whether the host refuses it for what is so just then: nobody is called
// that, the file is no longer there. What is said to all it takes, unless its speaker was muted.
func (w *waiting) mayFail() bool {
	return w.request.Type == typeMsg || w.request.Type == typeCommand || w.request.Type == wire.TypeSend
}

// An outbox holds what was asked of the host, in order, until the host has it:
// what is said until it is acknowledged or rejected, the rest until it is
// written. All methods may run at the same time.
type outbox struct {
	wake chan struct{} // capacity 1: there is something to take

	mu        sync.Mutex
	max       int           // how many requests wait before put blocks
	next      uint64        // the next request's number
	queue     []waiting     // by number
	sent      int           // queue[:sent] went out on this connection
	closing   bool          // nothing comes behind what is there; then quit
	quit      bool          // the quit was taken
	ended     error         // set once: nothing will be sent any more
	rejected  RejectedError // since the last flush
	changed   chan struct{} // closed at the next change; nil when nobody waits
	unwritten int           // requests without seq in queue
	retryAt   time.Time     // what is said goes out from then on; zero: now
	trial     bool          // the first goes alone: the host could keep none a moment ago
}

// retryPause is how long what is said waits when the host could not keep it.
const retryPause = time.Second

func newOutbox(limit int) *outbox {
	return &outbox{wake: make(chan struct{}, 1), max: limit, next: 1}
}

// put appends r, with the next number as its seq if it is said to somebody.
// It blocks while the outbox is full.
func (o *outbox) put(ctx context.Context, r wire.Request) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch {
		case o.ended != nil:
			return 0, o.ended
		case o.closing:
			return 0, ErrClosed
		case len(o.queue) < o.max:
			return o.putLocked(r)
		}
		if err := o.waitLocked(ctx); err != nil {
			return 0, err
		}
	}
}

func (o *outbox) putLocked(r wire.Request) (uint64, error) {
	n := o.next
	r.Seq = 0
	if isSaid(r) {
		r.Seq = n
	}
	line := r.AppendJSON(nil)
	if len(line) > MaxRequest {
		return 0, ErrTooLong
	}
	if r.Seq == 0 {
		o.unwritten++
	}
	o.next++
	o.queue = append(o.queue, waiting{n, r, line})
	o.wakeLocked()
	return r.Seq, nil
}

// take appends the next requests to dst, about writeSize bytes of them, and
// counts them as sent. Requests without seq are forgotten with it.
func (o *outbox) take(dst []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now() // once: what waits must not be passed over
	for i := o.sent; i < len(o.queue) && len(dst) < writeSize; {
		w := o.queue[i]
		switch {
		case w.request.Seq == 0:
			dst = append(dst, w.line...)
			o.removeLocked(i)
			o.unwritten--
		case o.waitsLocked(now):
			i++ // what is asked for need not wait with it
		default:
			dst = append(dst, w.line...)
			i++
			o.sent = i
		}
	}
	if o.closing && !o.quit && o.sent == len(o.queue) {
		o.quit = true
		dst = (&wire.Request{Type: typeQuit}).AppendJSON(dst)
	}
	return dst
}

// waitsLocked reports whether nothing more may be said at the moment. Behind a private
// message its answer comes first: if it is refused, and that is lost with the connection,
// the host must not have taken a higher number, by which it would pass for taken.
func (o *outbox) waitsLocked(now time.Time) bool {
	return o.sent > 0 && (o.trial || o.queue[o.sent-1].mayFail()) || now.Before(o.retryAt)
}

// settle forgets the request with seq: the host has it.
func (o *outbox) settle(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := o.findLocked(seq); i >= 0 {
		o.removeLocked(i)
		o.trial = false
	}
}

// retry says the request with seq and all behind it again after a while: the host could
// not keep it. It reports whether that is news.
func (o *outbox) retry(seq uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.findLocked(seq) < 0 {
		return false
	}
	news := !o.trial
	o.sent, o.trial, o.retryAt = 0, true, time.Now().Add(retryPause)
	time.AfterFunc(retryPause, o.nudge)
	return news
}

// nudge has the writer look again.
func (o *outbox) nudge() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked()
}

// reject forgets the request with e.Seq: the host does not want it.
func (o *outbox) reject(e wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := o.findLocked(e.Seq); i >= 0 {
		o.rejectLocked(i, e)
	}
}

// rejectLongest forgets the longest line that went out: the host dropped one as
// too long, unread, and so cannot say which. Where it was another, that one is
// shorter; then the longest is dropped too, and the host will say so once more.
func (o *outbox) rejectLongest(e wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	longest := -1
	for i, w := range o.queue[:o.sent] {
		if longest < 0 || len(w.line) > len(o.queue[longest].line) {
			longest = i
		}
	}
	if longest >= 0 {
		o.rejectLocked(longest, e)
	}
}

func (o *outbox) rejectLocked(i int, e wire.Event) {
	r := o.queue[i].request
	o.rejected.Count++
	if len(o.rejected.Rejections) < maxRejections {
		o.rejected.Rejections = append(o.rejected.Rejections, Rejection{Seq: r.Seq, Said: r.Text, Code: e.Code, Text: e.Text})
	}
	o.removeLocked(i)
}

// restart begins anew on a connection whose host has everything up to seq.
func (o *outbox) restart(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = max(o.next, seq+1)
	o.sent, o.trial, o.retryAt = 0, false, time.Time{}
	for i := 0; i < len(o.queue) && o.queue[i].n <= seq; {
		if o.queue[i].request.Seq == 0 {
			i++
			continue
		}
		o.removeLocked(i)
	}
	o.wakeLocked()
}

// resend sends what is not acknowledged once more: the acknowledgements may be
// among the events that this session missed. The host knows by their seq which
// requests it has, and says so.
func (o *outbox) resend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = 0
	o.wakeLocked()
}

// close lets what is there go out, and a quit behind it.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.wakeLocked()
	o.changeLocked()
}

func (o *outbox) isClosing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}

// end says that no connection will come any more; err is what put returns then.
func (o *outbox) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = err
	o.changeLocked()
}

// flush waits until all that was put before is settled, rejected or (without
// seq) written. It returns how many are not, and what was rejected.
func (o *outbox) flush(ctx context.Context) (left int, rejected *RejectedError, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.next
	for len(o.queue) > 0 && o.queue[0].n < before && err == nil {
		if err = o.ended; err == nil {
			err = o.waitLocked(ctx)
		}
	}
	for left < len(o.queue) && o.queue[left].n < before {
		left++
	}
	if o.rejected.Count > 0 {
		rejected = &RejectedError{}
		*rejected, o.rejected = o.rejected, RejectedError{}
	}
	return left, rejected, err
}

// pending returns a copy of the requests with a seq that are not settled.
func (o *outbox) pending() []wire.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]wire.Request, 0, len(o.queue))
	for _, w := range o.queue {
		if w.request.Seq != 0 {
			list = append(list, w.request)
		}
	}
	return list
}

// unacked counts what pending would return.
func (o *outbox) unacked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) - o.unwritten
}

func (o *outbox) findLocked(seq uint64) int {
	for i := range o.queue { // acknowledgements come in order: nearly always the first
		if o.queue[i].n >= seq {
			if o.queue[i].request.Seq == seq {
				return i
			}
			break
		}
	}
	return -1
}

func (o *outbox) removeLocked(i int) {
	if i < o.sent {
		o.sent--
	}
	if i == 0 { // no copying of a thousand others for each acknowledgement
		o.queue[0] = waiting{}
		o.queue = o.queue[1:]
	} else {
		o.queue = append(o.queue[:i], o.queue[i+1:]...)
	}
	o.changeLocked()
	if o.sent < len(o.queue) { // it may have been waited for
		o.wakeLocked()
	}
}

func (o *outbox) wakeLocked() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) changeLocked() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// waitLocked gives the lock away until something changes.
func (o *outbox) waitLocked(ctx context.Context) error {
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	changed := o.changed
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
