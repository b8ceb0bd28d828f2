//go:build linux

package main

import (
	"fmt"
	"time"

	"chat/relay/wire"
)

// An archive is the file in memory, by numbers alone: which line has which place. A line
// is a message, or one of those that went together in one.
type archive struct {
	places  map[string][]int32 // by label and number: the place, from 1; 0: it is not there
	lines   []stored           // by place; the one at 0 is none
	twins   map[message][]int  // places of what is there more than once, but for the first
	private int                // how many are for one alone
	jump    time.Duration      // the longest way that the clock went from one to the next
	last    time.Time
	seen    *verdict
}

// stored is one line in the file.
type stored struct {
	id     uint64
	label  string
	client string
	n      int32
}

// readArchive reads what `chat history --json --private` printed. What is wrong with the
// file by itself goes into v.
func readArchive(name string, v *verdict) (*archive, error) {
	a := &archive{places: make(map[string][]int32), twins: make(map[message][]int), lines: make([]stored, 1), seen: v}
	err := readRecord(name, func(r *recordReader, line []byte) (entry, error) {
		e, err := wire.ParseEvent(line)
		if err != nil {
			return entry{}, err
		}
		a.watchClock(e.Time)
		en := entryOf(e)
		en.label, en.client = r.name([]byte(en.label)), r.name([]byte(en.client))
		return en, nil
	}, a.add)
	return a, err
}

// watchClock measures how far the clock jumped.
func (a *archive) watchClock(t time.Time) {
	if t.IsZero() {
		return
	}
	if !a.last.IsZero() {
		a.jump = max(a.jump, t.Sub(a.last).Abs())
	}
	a.last = t
}

func (a *archive) add(e entry) {
	switch e.kind {
	case shown:
		a.addShown(e)
	case strange:
		a.seen.add(changed, e.text, 0, "in the file; nobody said that")
	}
}

func (a *archive) addShown(e entry) {
	if before := a.lines[len(a.lines)-1]; e.id <= before.id {
		a.seen.add(reordered, e.label, e.first, fmt.Sprintf("id %d behind %d in the file", e.id, before.id))
	}
	for n := e.first; n < e.first+e.count; n++ {
		list := a.places[e.label]
		if n < len(list) {
			if list[n] != 0 {
				a.seen.add(doubled, e.label, n, fmt.Sprintf("in the file as %d and %d", a.lines[list[n]].id, e.id))
				a.twins[message{e.label, n}] = append(a.twins[message{e.label, n}], len(a.lines))
				a.lines = append(a.lines, stored{e.id, e.label, e.client, int32(n)})
				continue
			}
			a.seen.add(reordered, e.label, n, fmt.Sprintf("behind %d in the file", len(list)-1))
		}
		for len(list) <= n {
			list = append(list, 0)
		}
		if isPrivate(e.label) {
			a.private++
		}
		list[n] = int32(len(a.lines))
		a.places[e.label] = list
		a.lines = append(a.lines, stored{e.id, e.label, e.client, int32(n)})
	}
}

// place returns where message n of label is; 0 if it is not there.
func (a *archive) place(label string, n int) int {
	if list := a.places[label]; n < len(list) {
		return int(list[n])
	}
	return 0
}

// messages is how many are for all.
func (a *archive) messages() int { return len(a.lines) - 1 - a.private }
