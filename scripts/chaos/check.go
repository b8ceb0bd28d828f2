//go:build linux

package main

import (
	"fmt"
	"strings"

	"chat/relay/wire"
)

// A life is one process that was a client.
type life struct {
	label    string
	record   string // the file
	format   format
	stays    bool // it was never to be killed
	finished bool // the host has all that it said: it waited for that
	hears    bool // it was there to the end
	echoless bool // its format does not show what it said itself
	fed      int  // messages that it was given to say, where its record does not tell
}

// A check compares records with the file.
type check struct {
	archive *archive
	verdict *verdict
	refused map[string]int // to their senders, by code
	shown   int            // lines in all records
	acked   int            // of them, those that came back to their senders
	records int
}

// checkAll compares the records of all lives.
func checkAll(a *archive, lives []life, v *verdict) (*check, error) {
	c := &check{archive: a, verdict: v, refused: make(map[string]int)}
	for _, l := range lives {
		if err := c.life(l); err != nil {
			return nil, err
		}
		c.records++
	}
	return c, nil
}

// A hearing is what one record says, on the way through it.
type hearing struct {
	*check
	life
	me      string             // the client's id
	from    int                // the first place shown; 0: none yet
	at      int                // the last one
	seen    []bool             // by place
	said    map[uint64]message // by seq
	refused map[uint64]bool    // seqs that will not be said again
	has     uint64             // the host has all up to this seq
	acked   map[message]bool   // came back
}

// life compares one record.
func (c *check) life(l life) error {
	h := &hearing{check: c, life: l, seen: make([]bool, len(c.archive.lines)),
		said: make(map[uint64]message), refused: make(map[uint64]bool), acked: make(map[message]bool)}
	if err := readRecord(l.record, l.format, h.take); err != nil {
		return err
	}
	h.settle()
	return nil
}

func (h *hearing) take(e entry) {
	switch e.kind {
	case shown:
		h.shown(e)
	case said:
		h.said[e.seq] = message{e.label, e.first}
	case refused:
		h.check.refused[e.text]++
		h.refused[e.seq] = e.text != string(wire.CodeNotStored) // what the disk did not take is said again
	case welcomed:
		h.welcomed(e)
	case missed:
		h.verdict.add(gaps, h.label, h.verdict.count(gaps), fmt.Sprintf("was told that %d events are missing", e.seq))
	case strange:
		h.verdict.add(changed, e.text, 0, "shown to "+h.label+"; nobody said that")
	case newRoom:
		h.verdict.add(changed, h.label, 0, "was told that the room is another one")
	}
}

// welcomed begins a connection. People are not known again: for them it is the first one.
func (h *hearing) welcomed(e entry) {
	if e.client == "" {
		h.compareShown()
		return
	}
	// A host that was killed before the disk had the newcomer gives it another id. Nobody
	// can tell, as long as nothing that it said is under the first one.
	if e.client != h.me && h.me != "" && (h.has > 0 || len(h.acked) > 0) {
		h.verdict.add(changed, h.label, 0, "is another client to the host: "+e.client)
	}
	if e.text != h.label {
		h.verdict.add(nicks, h.label, 0, "is called "+e.text)
	}
	h.me, h.has = e.client, max(h.has, e.seq)
}

// shown compares a message that was shown.
func (h *hearing) shown(e entry) {
	speaker, _, _ := strings.Cut(e.label, ">")
	h.check.shown += e.count
	for n := e.first; n < e.first+e.count; n++ {
		if speaker == h.label {
			h.acked[message{e.label, n}] = true
			h.check.acked++
		}
		if !concerns(h.label, e.label) {
			h.verdict.add(changed, e.label, n, "shown to "+h.label+", for whom it is not")
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
		h.follow(e.label, n, place)
	}
}

// placeOf returns where the message n of e is in the file; 0 if nowhere. If it is there
// twice, it is the one of the same id, or else the next one from here on.
func (h *hearing) placeOf(e entry, n int) int {
	place := h.archive.place(e.label, n)
	for _, twin := range h.archive.twins[message{e.label, n}] {
		if e.id == h.archive.lines[twin].id || e.id == 0 && place <= h.at {
			place = twin
		}
	}
	return place
}

// follow compares the place of a message that was shown with that of the last one.
func (h *hearing) follow(label string, n, place int) {
	switch {
	case h.seen[place]:
		h.verdict.add(doubled, label, n, "shown twice to "+h.label)
		return
	case place < h.at:
		h.verdict.add(reordered, label, n, fmt.Sprintf("shown to %s behind %s %d", h.label, h.archive.lines[h.at].label, h.archive.lines[h.at].n))
	}
	h.seen[place] = true
	h.at = max(h.at, place)
	if h.from == 0 || place < h.from {
		h.from = place
	}
}

// compareShown notes what was not shown between the first and the last, and begins anew.
func (h *hearing) compareShown() {
	for p := h.from; p < h.at; p++ {
		if !h.seen[p] {
			h.notShown(p, "not shown to %s, which was shown what is around it")
		}
	}
	clear(h.seen[h.from : h.at+1])
	h.from, h.at = 0, 0
}

// notShown notes that a message is missing in the record; but not where it is for another
// one, or where the format leaves out what the client said itself.
func (h *hearing) notShown(place int, how string) {
	if in := h.archive.lines[place]; concerns(h.label, in.label) && !(h.echoless && in.label == h.label) {
		h.verdict.add(lost, in.label, int(in.n), fmt.Sprintf(how, h.label))
	}
}

// settle compares what was acknowledged, once the whole record was read.
func (h *hearing) settle() {
	for seq, m := range h.said {
		switch {
		case h.refused[seq]:
		case h.finished:
			h.mustBeThere(m, "the host had taken it when "+h.label+" ended")
		case seq <= h.has:
			h.mustBeThere(m, "the host told "+h.label+" that it has it")
		}
	}
	for m := range h.acked {
		h.mustBeThere(m, "acknowledged to "+h.label)
	}
	for n := 1; h.finished && n <= h.fed; n++ {
		h.mustBeThere(message{h.label, n}, h.label+" ended well with it")
	}
	for p := h.at + 1; h.hears && p < len(h.archive.lines); p++ {
		h.notShown(p, "not shown to %s, which was there to the end")
	}
	h.compareShown()
}

func (h *hearing) mustBeThere(m message, how string) {
	if h.archive.place(m.label, m.n) == 0 {
		h.verdict.add(lost, m.label, m.n, how+", and it is not in the file")
	}
}
