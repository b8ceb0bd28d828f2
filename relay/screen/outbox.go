package screen

import (
	"context"
	"slices"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// An outbox holds the messages and commands that the host has not acknowledged, in order.
// It is owned by Bubble Tea's event loop.
type outbox struct {
	room    Room           // fixed
	items   []outgoing     // all of them
	unsent  []wire.Request // those of the last items that were not passed to the room yet
	heldSeq uint64         // number of the last message that the host could not store; the client resends it
}

// An outgoing is a message or command in the outbox.
type outgoing struct {
	seq   uint64 // 0: not passed to the room yet
	entry entry  // how a message is shown meanwhile; a command is not
	typed string // goes back to the input history if the host rejects it
}

// ackTime is how long the host may take to acknowledge a message before it is reported
// as pending.
const ackTime = 2 * time.Second

// A sendError is why something was not passed to the room.
type sendError struct {
	typed string
	err   error
}

func (o *outbox) add(r wire.Request, n entry, typed string) {
	o.unsent = append(o.unsent, r)
	o.items = append(o.items, outgoing{entry: n, typed: typed})
}

// flush passes requests to the room, as long as it has fewer than maxUnacked. It returns
// those that failed; they are no longer in the outbox.
func (o *outbox) flush(ctx context.Context) (failed []sendError) {
	for len(o.unsent) > 0 && o.room.Unacked() < maxUnacked {
		r := o.unsent[0]
		o.unsent = o.unsent[1:]
		i := slices.IndexFunc(o.items, func(s outgoing) bool { return s.seq == 0 })
		seq, err := o.room.Do(ctx, r)
		if err != nil {
			failed = append(failed, sendError{o.items[i].typed, err})
		}
		if err != nil || seq == 0 { // nothing will acknowledge it
			o.items = slices.Delete(o.items, i, i+1)
		} else {
			o.items[i].seq = seq
		}
	}
	return failed
}

// acknowledge removes the message numbered seq.
func (o *outbox) acknowledge(seq uint64) {
	o.items = slices.DeleteFunc(o.items, func(s outgoing) bool { return s.seq == seq })
}

// reject removes the message that an error is about, if there is one, and returns it as it
// was typed.
func (o *outbox) reject(e *client.Received) (typed string, ok bool) {
	i := -1
	switch {
	case e.Seq > 0:
		i = slices.IndexFunc(o.items, func(s outgoing) bool { return s.seq == e.Seq })
	case e.Code == wire.CodeTooLong: // the host does not know the number of a line that it did not read
		pending := o.inRoom()
		i = slices.IndexFunc(o.items, func(s outgoing) bool { return s.seq > 0 && !pending[s.seq] })
	}
	if i < 0 {
		return "", false
	}
	typed = o.items[i].typed
	o.items = slices.Delete(o.items, i, i+1)
	return typed, true
}

// hold notes that the host could not store the message numbered seq. It reports whether
// that is news: no other message was held.
func (o *outbox) hold(seq uint64) bool {
	first := !o.isHeld()
	o.heldSeq = seq
	return first
}

// isHeld reports whether a message waits that the host could not store.
func (o *outbox) isHeld() bool {
	return slices.ContainsFunc(o.items, func(s outgoing) bool { return s.seq > 0 && s.seq == o.heldSeq })
}

// isLate reports whether the host should have acknowledged a message by now.
func (o *outbox) isLate() bool {
	return len(o.items) > 0 && time.Since(o.items[0].entry.time()) >= ackTime
}

// inRoom returns the numbers of the requests that the room still has to send or resend.
func (o *outbox) inRoom() map[uint64]bool {
	pending := make(map[uint64]bool)
	for _, r := range o.room.Pending() {
		pending[r.Seq] = true
	}
	return pending
}

// dropSettled removes, after a reconnect, the messages that the host had received when the
// connection broke although it could not acknowledge them. It returns the private ones:
// they are in no log, so the host will not send them again.
func (o *outbox) dropSettled() (private []entry) {
	pending := o.inRoom()
	o.items = slices.DeleteFunc(o.items, func(s outgoing) bool {
		settled := s.seq > 0 && !pending[s.seq]
		if settled && s.entry.kind == kindPrivate {
			private = append(private, s.entry)
		}
		return settled
	})
	return private
}

// takeBack removes the items that were not passed to the room yet, and returns their text
// as it was typed.
func (o *outbox) takeBack() (typed []string) {
	o.unsent = nil
	o.items = slices.DeleteFunc(o.items, func(s outgoing) bool {
		if s.seq == 0 {
			typed = append(typed, s.typed)
		}
		return s.seq == 0
	})
	return typed
}

// returnAll empties the outbox, and returns the text of its items as it was typed.
func (o *outbox) returnAll() (typed []string) {
	for _, s := range o.items {
		typed = append(typed, s.typed)
	}
	o.items, o.unsent = nil, nil
	return typed
}

// pending returns how many messages would be lost if the program ended now. Over a working
// connection those that were sent a moment ago are not counted.
func (o *outbox) pending(connected bool) int {
	if connected && len(o.unsent) == 0 && !o.isHeld() && !o.isLate() {
		return 0
	}
	return len(o.items)
}
