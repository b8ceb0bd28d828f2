package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/dustin/go-humanize"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is what is said: from the checks to the log, and what comes back from it.

// speakLocked checks that s may say something numbered seq.
func (r *room) speakLocked(s *session, seq uint64) *wire.Event {
	if fault := r.memberLocked(s); fault != nil {
		return fault
	}
	c := s.identity
	switch {
	case dropsDoubles && seq > 0 && seq <= c.seq:
		if seq > r.storedLocked(c) {
			return onItsWay
		}
		return faultf(wire.CodeDuplicate, "number %d was said already; the last one was %d", seq, c.seq)
	case seq > 0 && c.refused > 0 && seq > c.refused:
		return faultf(wire.CodeNotStored, "number %d was not kept; this was not sent, it would come before", c.refused)
	case len(r.muted) > 0 && r.isMarkedLocked(r.muted, s):
		c.forgo(seq)
		return muted()
	}
	return nil
}

// onItsWay stands for what was said already, and is not on disk yet: it is answered when
// it is, or when it is refused.
var onItsWay = &wire.Event{}

// storedLocked returns the highest number of c's own that is in the log for good. What
// is on its way there may be lost with this host.
func (r *room) storedLocked(c *identity) uint64 {
	if !dropsDoubles {
		return 0
	}
	if r.log.Settled(c.ticket) {
		c.stored = c.seq
	}
	return c.stored
}

// An utterance is what somebody said, until it is on disk.
type utterance struct {
	by      *identity
	waitsOn *identity // whose waiting messages count it; nil: nobody's
}

// putLocked puts what s said into the log, to be read by all (to is nil), or by one besides itself.
func (r *room) putLocked(s *session, e *wire.Event, to *identity) *wire.Event {
	c := s.identity
	e.From, e.Client, e.Time = s.nick, c.id, now()
	by := history.Origin{Author: c.author, Waiter: s}
	if to != nil {
		by.To = to.author
	}
	r.storedLocked(c) // what is before this one
	before := c.seq
	c.seq = max(c.seq, e.Seq)
	if r.log.Durable() {
		u := &utterance{by: c}
		if to != nil && to.session == nil {
			u.waitsOn = to
		}
		by.Sender = u
		if c.token != "" {
			kept := c.kept(history.Here)
			by.Client = &kept
		}
	}
	ticket, err := r.log.Append(e, by)
	if err != nil {
		c.seq = before
		c.refuse(e.Seq)
		return faultf(wire.CodeNotStored, "%s; this was not sent", reason(err))
	}
	c.ticket = ticket
	r.said++
	if e.Seq >= c.refused {
		c.refused = 0
	}
	return nil
}

// refuse notes that the number seq was not kept: nothing higher may come before it.
func (c *identity) refuse(seq uint64) {
	if seq > 0 && (c.refused == 0 || seq < c.refused) {
		c.refused = seq
	}
}

// forgo notes that the number seq was refused for good: none waits for it any more.
func (c *identity) forgo(seq uint64) {
	if seq >= c.refused {
		c.refused = 0
	}
}

// takeBack tells those whose words the disk did not take.
func (r *room) takeBack(list []history.Refused, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		e, u := &list[i].Event, list[i].By.Sender.(*utterance)
		c := u.by
		c.refuse(e.Seq)
		c.ticket = 0 // all of c's that is not on disk is in the list
		if e.Seq > 0 {
			c.seq = min(c.seq, e.Seq-1)
		}
		if u.waitsOn != nil && u.waitsOn.waiting > 0 {
			u.waitsOn.waiting--
		}
		if c.session != nil {
			fault := faultf(wire.CodeNotStored, "%s; this was not sent: %s", reason(err), shortened(e.Text))
			fault.Seq = e.Seq
			c.session.deliver(fault, c.session.nick)
		}
	}
}

// reason is what people are told of why the disk takes nothing.
func reason(err error) error {
	if errors.Is(err, history.ErrDiskFull) {
		return history.ErrDiskFull
	}
	return history.ErrWrite
}

// shortened returns the beginning of what somebody said, enough to know it again.
func shortened(text string) string {
	const enough = 40
	line, _, more := strings.Cut(text, "\n")
	if len(line) > enough {
		line, more = strings.ToValidUTF8(line[:enough], ""), true
	}
	if more {
		line += "…"
	}
	return line
}

func muted() *wire.Event {
	return faultf(wire.CodeMuted, "the hosting person muted you; this was not sent")
}

// say puts a message or an action of s into the log. The session wakes the log
// when it has no more lines at hand.
func (r *room) say(s *session, kind string, seq uint64, text string) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, seq); fault != nil {
		return fault
	}
	return r.putLocked(s, &wire.Event{Type: kind, Seq: seq, Text: text}, nil)
}

// send says that s sent a file, which is found once it is clear that s may say so: that
// makes it everybody's. Finding it can take a while.
func (r *room) send(s *session, seq uint64, find func() (wire.File, string, error)) *wire.Event {
	if fault := r.maySpeak(s, seq); fault != nil {
		return fault
	}
	file, url, err := find()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, seq); fault != nil { // something may have happened meanwhile
		return fault
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.identity.forgo(seq)
		return faultf(wire.CodeNoSuchFile, "the host does not have that file, or not all of it; this was not sent")
	case err != nil:
		s.identity.refuse(seq)
		return faultf(wire.CodeNotStored, "the host cannot keep that file: %s; this was not sent", text.Clean(err.Error()))
	}
	words := fmt.Sprintf("sent %s (%s): %s", file.Name, humanize.Bytes(uint64(file.Size)), url)
	return r.putLocked(s, &wire.Event{Type: wire.TypeAction, Seq: seq, Text: text.Clean(words), File: &file}, nil)
}

func (r *room) maySpeak(s *session, seq uint64) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.speakLocked(s, seq)
}

// tell gives a private message of s to the one it is for, also while that one's
// connection is lost: then it returns the nick.
func (r *room) tell(s *session, req *wire.Request) (waitsFor string, _ *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, req.Seq); fault != nil {
		return "", fault
	}
	to := r.addresseeLocked(req.To)
	switch {
	case to == nil:
		s.identity.forgo(req.Seq)
		return "", noSuchNick(req.To)
	case to.session == nil && to.waiting >= maxWaiting:
		s.identity.forgo(req.Seq)
		return "", faultf(wire.CodeBusy, "the connection of %s is lost, and %d messages wait already; this was not sent", to.nick, to.waiting)
	}
	if fault := r.putLocked(s, &wire.Event{Type: wire.TypePrivate, Seq: req.Seq, To: to.nick, Text: req.Text}, to); fault != nil {
		return "", fault
	}
	if to.session != nil {
		return "", nil
	}
	to.waiting++
	return to.nick, nil
}

// maxWaiting is how many private messages may wait for one whose connection is lost.
const maxWaiting = 100

// addresseeLocked returns who is called nick, here or with a connection lost a moment ago.
func (r *room) addresseeLocked(nick string) *identity {
	if to := r.findLocked(nick); to != nil {
		return to.identity
	}
	if len(nick) > text.MaxNickBytes {
		return nil
	}
	return r.holderLocked(text.NickKey(nick))
}
