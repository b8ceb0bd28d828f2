//go:build linux

package main

import (
	"fmt"
	"strings"

	"chat/relay/wire"
)

// A life is one client process, from its start to its end.
type life struct {
	label       string
	record      string // path of the file
	format      format
	mustStay    bool // it was never to be killed
	finished    bool // it waited until the host had all its messages
	stayedToEnd bool // it was connected to the end
	hidesOwn    bool // its record does not show its own messages
	given       int  // number of messages it was given to send, if its record does not show that
}

// A checker compares records with the archive.
type checker struct {
	archive     *archive
	verdict     *verdict
	rejected    map[string]int // messages rejected, by code
	shownCount  int            // message lines in all records
	ackedCount  int            // of those, the ones that came back to their senders
	recordCount int
}

// checkAll compares the records of all lives with the archive.
func checkAll(a *archive, lives []life, v *verdict) (*checker, error) {
	c := &checker{archive: a, verdict: v, rejected: make(map[string]int)}
	for _, l := range lives {
		if err := c.checkRecord(l); err != nil {
			return nil, err
		}
		c.recordCount++
	}
	return c, nil
}

// A recordCheck is the state of the check of one record.
type recordCheck struct {
	*checker
	life
	clientID   string             // assigned by the host
	firstPlace int                // the first place shown on this connection; 0: none yet
	lastPlace  int                // the highest place shown so far
	seen       []bool             // by place
	sent       map[uint64]message // messages by seq
	rejected   map[uint64]bool    // seqs that the client does not send again
	hostHas    uint64             // the host has confirmed everything up to this seq
	acked      map[message]bool   // shown to their sender
}

// checkRecord compares one record with the archive.
func (c *checker) checkRecord(l life) error {
	rc := &recordCheck{checker: c, life: l, seen: make([]bool, len(c.archive.lines)),
		sent: make(map[uint64]message), rejected: make(map[uint64]bool), acked: make(map[message]bool)}
	if err := readRecord(l.record, l.format, rc.checkEntry); err != nil {
		return err
	}
	rc.checkAcknowledged()
	return nil
}

func (c *recordCheck) checkEntry(e entry) {
	switch e.kind {
	case shown:
		c.checkShown(e)
	case sent:
		c.sent[e.seq] = message{e.label, e.first}
	case rejected:
		c.checker.rejected[e.text]++
		c.rejected[e.seq] = e.text != string(wire.CodeNotStored) // a message that could not be stored is sent again
	case welcomed:
		c.checkWelcome(e)
	case missed:
		c.verdict.add(gaps, c.label, c.verdict.count(gaps), fmt.Sprintf("got a gap of %d events", e.seq))
	case unknown:
		c.verdict.add(changed, e.text, 0, "shown to "+c.label+"; no client sent that")
	case newRoom:
		c.verdict.add(changed, c.label, 0, "was moved to another room")
	}
}

// checkWelcome begins a connection. The host does not recognize people who reconnect, so
// for them each connection is the first.
func (c *recordCheck) checkWelcome(e entry) {
	if e.client == "" {
		c.checkComplete()
		return
	}
	// A host that was killed before a new client was on disk gives that client another id.
	// That goes unnoticed as long as no message was stored under the first id.
	if e.client != c.clientID && c.clientID != "" && (c.hostHas > 0 || len(c.acked) > 0) {
		c.verdict.add(changed, c.label, 0, "has another client id: "+e.client)
	}
	if e.text != c.label {
		c.verdict.add(nicks, c.label, 0, "has the nick "+e.text)
	}
	c.clientID, c.hostHas = e.client, max(c.hostHas, e.seq)
}

// checkShown checks a message that was shown.
func (c *recordCheck) checkShown(e entry) {
	sender, _, _ := strings.Cut(e.label, ">")
	c.checker.shownCount += e.count
	for n := e.first; n < e.first+e.count; n++ {
		if sender == c.label {
			c.acked[message{e.label, n}] = true
			c.checker.ackedCount++
		}
		if !concerns(c.label, e.label) {
			c.verdict.add(changed, e.label, n, "shown to "+c.label+", whom it is not for")
		}
		place := c.placeOf(e, n)
		if place == 0 {
			c.verdict.add(lost, e.label, n, "shown to "+c.label+", and not in the file")
			continue
		}
		if in := c.archive.lines[place]; e.id != 0 && (in.id != e.id || in.client != e.client) {
			c.seen[place] = true
			c.verdict.add(changed, e.label, n, fmt.Sprintf("shown to %s as %d of %s, in the file as %d of %s", c.label, e.id, e.client, in.id, in.client))
			continue
		}
		c.checkOrder(e.label, n, place)
	}
}

// placeOf returns the place of message n of e, or 0 if it is not in the file. If the
// message is there several times, placeOf chooses the place with the same id or, without an
// id, the next one after the last place shown.
func (c *recordCheck) placeOf(e entry, n int) int {
	place := c.archive.place(e.label, n)
	for _, twin := range c.archive.duplicates[message{e.label, n}] {
		if e.id == c.archive.lines[twin].id || e.id == 0 && place <= c.lastPlace {
			place = twin
		}
	}
	return place
}

// checkOrder checks that the message was not shown before, and in the order of the file.
func (c *recordCheck) checkOrder(label string, n, place int) {
	switch {
	case c.seen[place]:
		c.verdict.add(doubled, label, n, "shown twice to "+c.label)
		return
	case place < c.lastPlace:
		c.verdict.add(reordered, label, n, fmt.Sprintf("shown to %s after %s %d", c.label, c.archive.lines[c.lastPlace].label, c.archive.lines[c.lastPlace].n))
	}
	c.seen[place] = true
	c.lastPlace = max(c.lastPlace, place)
	if c.firstPlace == 0 || place < c.firstPlace {
		c.firstPlace = place
	}
}

// checkComplete adds a loss for each message between the first and the last one shown that
// was not shown, and begins a new connection.
func (c *recordCheck) checkComplete() {
	for p := c.firstPlace; p < c.lastPlace; p++ {
		if !c.seen[p] {
			c.addMissing(p, "not shown to %s, although messages before and after it were")
		}
	}
	clear(c.seen[c.firstPlace : c.lastPlace+1])
	c.firstPlace, c.lastPlace = 0, 0
}

// addMissing adds a loss, unless the message is not for this client or the record's format
// hides the client's own messages.
func (c *recordCheck) addMissing(place int, how string) {
	if in := c.archive.lines[place]; concerns(c.label, in.label) && !(c.hidesOwn && in.label == c.label) {
		c.verdict.add(lost, in.label, int(in.n), fmt.Sprintf(how, c.label))
	}
}

// checkAcknowledged checks, at the end of the record, that all acknowledged messages are in
// the file.
func (c *recordCheck) checkAcknowledged() {
	for seq, m := range c.sent {
		switch {
		case c.rejected[seq]:
		case c.finished:
			c.requireStored(m, "the host had accepted it when "+c.label+" ended")
		case seq <= c.hostHas:
			c.requireStored(m, "the host confirmed to "+c.label+" that it has it")
		}
	}
	for m := range c.acked {
		c.requireStored(m, "acknowledged to "+c.label)
	}
	for n := 1; c.finished && n <= c.given; n++ {
		c.requireStored(message{c.label, n}, c.label+" reported success after sending it")
	}
	for p := c.lastPlace + 1; c.stayedToEnd && p < len(c.archive.lines); p++ {
		c.addMissing(p, "not shown to %s, which was connected to the end")
	}
	c.checkComplete()
}

func (c *recordCheck) requireStored(m message, how string) {
	if c.archive.place(m.label, m.n) == 0 {
		c.verdict.add(lost, m.label, m.n, how+", and it is not in the file")
	}
}
