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
	h := &recordCheck{checker: c, life: l, seen: make([]bool, len(c.archive.lines)),
		sent: make(map[uint64]message), rejected: make(map[uint64]bool), acked: make(map[message]bool)}
	if err := readRecord(l.record, l.format, h.checkEntry); err != nil {
		return err
	}
	h.checkAcknowledged()
	return nil
}

func (h *recordCheck) checkEntry(e entry) {
	switch e.kind {
	case shown:
		h.checkShown(e)
	case sent:
		h.sent[e.seq] = message{e.label, e.first}
	case rejected:
		h.checker.rejected[e.text]++
		h.rejected[e.seq] = e.text != string(wire.CodeNotStored) // a message that could not be stored is sent again
	case welcomed:
		h.checkWelcome(e)
	case missed:
		h.verdict.add(gaps, h.label, h.verdict.count(gaps), fmt.Sprintf("got a gap of %d events", e.seq))
	case unknown:
		h.verdict.add(changed, e.text, 0, "shown to "+h.label+"; no client sent that")
	case newRoom:
		h.verdict.add(changed, h.label, 0, "was moved to another room")
	}
}

// checkWelcome begins a connection. The host does not recognize people who reconnect, so
// for them each connection is the first.
func (h *recordCheck) checkWelcome(e entry) {
	if e.client == "" {
		h.checkComplete()
		return
	}
	// A host that was killed before a new client was on disk gives that client another id.
	// That goes unnoticed as long as no message was stored under the first id.
	if e.client != h.clientID && h.clientID != "" && (h.hostHas > 0 || len(h.acked) > 0) {
		h.verdict.add(changed, h.label, 0, "has another client id: "+e.client)
	}
	if e.text != h.label {
		h.verdict.add(nicks, h.label, 0, "has the nick "+e.text)
	}
	h.clientID, h.hostHas = e.client, max(h.hostHas, e.seq)
}

// checkShown checks a message that was shown.
func (h *recordCheck) checkShown(e entry) {
	speaker, _, _ := strings.Cut(e.label, ">")
	h.checker.shownCount += e.count
	for n := e.first; n < e.first+e.count; n++ {
		if speaker == h.label {
			h.acked[message{e.label, n}] = true
			h.checker.ackedCount++
		}
		if !concerns(h.label, e.label) {
			h.verdict.add(changed, e.label, n, "shown to "+h.label+", whom it is not for")
		}
		place := h.placeOf(e, n)
		if place == 0 {
			h.verdict.add(lost, e.label, n, "shown to "+h.label+", and not in the file")
			continue
		}
		if in := h.archive.lines[place]; e.id != 0 && (in.id != e.id || in.client != e.client) {
			h.seen[place] = true
			h.verdict.add(changed, e.label, n, fmt.Sprintf("shown to %s as %d of %s, in the file as %d of %s", h.label, e.id, e.client, in.id, in.client))
			continue
		}
		h.checkOrder(e.label, n, place)
	}
}

// placeOf returns the place of message n of e, or 0 if it is not in the file. If the
// message is there several times, placeOf chooses the place with the same id or, without an
// id, the next one after the last place shown.
func (h *recordCheck) placeOf(e entry, n int) int {
	place := h.archive.place(e.label, n)
	for _, twin := range h.archive.duplicates[message{e.label, n}] {
		if e.id == h.archive.lines[twin].id || e.id == 0 && place <= h.lastPlace {
			place = twin
		}
	}
	return place
}

// checkOrder checks that the message was not shown before, and in the order of the file.
func (h *recordCheck) checkOrder(label string, n, place int) {
	switch {
	case h.seen[place]:
		h.verdict.add(doubled, label, n, "shown twice to "+h.label)
		return
	case place < h.lastPlace:
		h.verdict.add(reordered, label, n, fmt.Sprintf("shown to %s after %s %d", h.label, h.archive.lines[h.lastPlace].label, h.archive.lines[h.lastPlace].n))
	}
	h.seen[place] = true
	h.lastPlace = max(h.lastPlace, place)
	if h.firstPlace == 0 || place < h.firstPlace {
		h.firstPlace = place
	}
}

// checkComplete adds a loss for each message between the first and the last one shown that
// was not shown, and begins a new connection.
func (h *recordCheck) checkComplete() {
	for p := h.firstPlace; p < h.lastPlace; p++ {
		if !h.seen[p] {
			h.addMissing(p, "not shown to %s, although messages before and after it were")
		}
	}
	clear(h.seen[h.firstPlace : h.lastPlace+1])
	h.firstPlace, h.lastPlace = 0, 0
}

// addMissing adds a loss, unless the message is not for this client or the record's format
// hides the client's own messages.
func (h *recordCheck) addMissing(place int, how string) {
	if in := h.archive.lines[place]; concerns(h.label, in.label) && !(h.hidesOwn && in.label == h.label) {
		h.verdict.add(lost, in.label, int(in.n), fmt.Sprintf(how, h.label))
	}
}

// checkAcknowledged checks, at the end of the record, that all acknowledged messages are in
// the file.
func (h *recordCheck) checkAcknowledged() {
	for seq, m := range h.sent {
		switch {
		case h.rejected[seq]:
		case h.finished:
			h.requireStored(m, "the host had accepted it when "+h.label+" ended")
		case seq <= h.hostHas:
			h.requireStored(m, "the host confirmed to "+h.label+" that it has it")
		}
	}
	for m := range h.acked {
		h.requireStored(m, "acknowledged to "+h.label)
	}
	for n := 1; h.finished && n <= h.given; n++ {
		h.requireStored(message{h.label, n}, h.label+" reported success after sending it")
	}
	for p := h.lastPlace + 1; h.stayedToEnd && p < len(h.archive.lines); p++ {
		h.addMissing(p, "not shown to %s, which was connected to the end")
	}
	h.checkComplete()
}

func (h *recordCheck) requireStored(m message, how string) {
	if h.archive.place(m.label, m.n) == 0 {
		h.verdict.add(lost, m.label, m.n, how+", and it is not in the file")
	}
}
