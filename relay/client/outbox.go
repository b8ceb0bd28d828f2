package client

import (
	"context"
	"sync"
	"time"

	"chat/relay/wire"
)

// MaxRequest is the longest request, in bytes of JSON with its newline: hosts drop longer
// lines.
const MaxRequest = 32 << 10

// writeSize is about how many bytes go into one write: enough for speed, and few enough
// that a ping does not wait for a thousand messages.
const writeSize = 32 << 10

// retryPause is how long messages wait after the host could not store one.
const retryPause = time.Second

// A queued request is in the outbox.
type queued struct {
	n       uint64 // its number, also its seq if it has one
	request wire.Request
	line    []byte // the request as JSON
}

// mayBeRejected reports whether the host may reject the request because of the state of
// the room: there is no member of that nick, or the upload is gone. Messages to the room
// are rejected only if their sender is muted.
func (q *queued) mayBeRejected() bool {
	return q.request.Type == typeMsg || q.request.Type == typeCommand || q.request.Type == wire.TypeSend
}

// An outbox holds requests in order: messages until they are acknowledged or rejected,
// other requests until they are written. All methods may be called concurrently.
type outbox struct {
	wake chan struct{} // capacity 1: nextBatch has something to return
	max  int           // how many requests the queue may have before add blocks

	// Guarded by mu.
	mu        sync.Mutex
	next      uint64        // number of the next request
	queue     []queued      // by number
	sent      int           // queue[:sent] was sent on this connection
	written   uint64        // number of the last message that was sent, on any connection
	unwritten int           // requests without seq in queue
	retryAt   time.Time     // no messages are sent before; zero: now
	retrying  bool          // only the first message is sent: the host could not store it
	closing   bool          // no more requests are added; after the last one a quit is sent
	quit      bool          // the quit was sent
	ended     error         // set once: nothing will be sent any more
	rejected  RejectedError // since the last flush
	changed   chan struct{} // closed at the next change; nil when no one waits
}

func newOutbox(limit int) *outbox {
	return &outbox{wake: make(chan struct{}, 1), max: limit, next: 1}
}

// add appends r to the queue, with the next number as its seq if it is a message.
// It blocks while the queue is full.
func (o *outbox) add(ctx context.Context, r wire.Request) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch {
		case o.ended != nil:
			return 0, o.ended
		case o.closing:
			return 0, ErrClosed
		case len(o.queue) < o.max:
			return o.addLocked(r)
		}
		if err := o.waitLocked(ctx); err != nil {
			return 0, err
		}
	}
}

func (o *outbox) addLocked(r wire.Request) (uint64, error) {
	n := o.next
	r.Seq = 0
	if isMessage(r) {
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
	o.queue = append(o.queue, queued{n, r, line})
	o.wakeLocked()
	return r.Seq, nil
}

// nextBatch appends the next requests to dst, about writeSize bytes of them, and marks
// them as sent. Requests without seq are removed.
func (o *outbox) nextBatch(dst []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now() // once, so that no message overtakes an earlier one
	for i := o.sent; i < len(o.queue) && len(dst) < writeSize; {
		q := o.queue[i]
		switch {
		case q.request.Seq == 0:
			dst = append(dst, q.line...)
			o.removeLocked(i)
			o.unwritten--
		case o.mustWaitLocked(now):
			i++ // requests after it need not wait
		default:
			dst = append(dst, q.line...)
			o.written = max(o.written, q.n)
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

// mustWaitLocked reports whether no message may be sent now. A message that may be
// rejected must be answered before the next one is sent: if the rejection is lost with the
// connection, and the host has accepted a higher seq by then, the message would count as
// acknowledged.
func (o *outbox) mustWaitLocked(now time.Time) bool {
	return o.sent > 0 && (o.retrying || o.queue[o.sent-1].mayBeRejected()) || now.Before(o.retryAt)
}

// acknowledge removes the message with seq: the host has it.
func (o *outbox) acknowledge(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := o.findLocked(seq); i >= 0 {
		o.removeLocked(i)
		o.retrying = false
	}
}

// retry resends the message with seq, and all after it, in a while: the host could not
// store it. It reports whether this is the first time since the host could store one.
func (o *outbox) retry(seq uint64) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.findLocked(seq) < 0 {
		return false
	}
	first = !o.retrying
	o.sent, o.retrying, o.retryAt = 0, true, time.Now().Add(retryPause)
	time.AfterFunc(retryPause, o.wakeWriter)
	return first
}

// wakeWriter makes the writer call nextBatch again.
func (o *outbox) wakeWriter() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked()
}

// reject removes the message with e.Seq, for the reason in e.
func (o *outbox) reject(e wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := o.findLocked(e.Seq); i >= 0 {
		o.rejectLocked(i, e)
	}
}

// rejectLongest removes the longest message that was sent: the host dropped a line as too
// long without reading it, and cannot say which. If it was another one, the host drops the
// longer one as well, and reports that too.
func (o *outbox) rejectLongest(e wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	longest := -1
	for i, q := range o.queue[:o.sent] {
		if longest < 0 || len(q.line) > len(o.queue[longest].line) {
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

// restart prepares the outbox for a new connection, whose host has all messages up to seq:
// they are acknowledged, the rest is sent again.
func (o *outbox) restart(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = max(o.next, seq+1)
	o.sent, o.retrying, o.retryAt = 0, false, time.Time{}
	for i := 0; i < len(o.queue) && o.queue[i].n <= seq; {
		if o.queue[i].request.Seq == 0 {
			i++
			continue
		}
		o.removeLocked(i)
	}
	o.wakeLocked()
}

// resend sends all unacknowledged messages again: their acknowledgements may be among the
// events that this session missed. The host reports those that it has as duplicates.
func (o *outbox) resend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = 0
	o.wakeLocked()
}

// close sends the rest of the queue, then a quit.
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

// end stops the outbox: there will be no more connections. From now on add returns err.
func (o *outbox) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = err
	o.changeLocked()
}

// flush waits until all requests added before the call are acknowledged, rejected or
// (without seq) written. It returns how many are not, and the rejections since the last
// flush.
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

// pending returns copies of the unacknowledged messages.
func (o *outbox) pending() []wire.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]wire.Request, 0, len(o.queue))
	for _, q := range o.queue {
		if q.request.Seq != 0 {
			list = append(list, q.request)
		}
	}
	return list
}

// unconfirmed returns how many unacknowledged messages were sent on some connection.
func (o *outbox) unconfirmed() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.queue {
		if q.request.Seq != 0 && q.n <= o.written {
			n++
		}
	}
	return n
}

// oldestSent returns the seq of the oldest message that was sent and is unacknowledged; 0: none.
func (o *outbox) oldestSent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.queue[:o.sent] {
		if q.request.Seq != 0 {
			return q.request.Seq
		}
	}
	return 0
}

// unacked returns the number of unacknowledged messages.
func (o *outbox) unacked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) - o.unwritten
}

func (o *outbox) findLocked(seq uint64) int {
	for i := range o.queue { // acknowledgements come in order: it is nearly always the first
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
	if i == 0 { // the usual case, without moving all others
		o.queue[0] = queued{}
		o.queue = o.queue[1:]
	} else {
		o.queue = append(o.queue[:i], o.queue[i+1:]...)
	}
	o.changeLocked()
	if o.sent < len(o.queue) { // the next one may have waited for this one
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

// waitLocked releases the lock until something changes.
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
