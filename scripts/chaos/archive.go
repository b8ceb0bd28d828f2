//go:build linux

package main

import (
	"fmt"
	"time"

	"chat/relay/wire"
)

// An archive is the history file in memory, without texts: which message line is at which
// place. A message that `chat join` made of several lines counts as several message lines.
type archive struct {
	places       map[string][]int32 // place by label and number, from 1; 0: not in the file
	lines        []storedLine       // by place; the first one is unused
	duplicates   map[message][]int  // further places of lines that are in the file more than once
	privates     int                // lines of private messages
	maxClockJump time.Duration      // the largest step of the clock from one event to the next
	lastTime     time.Time
	verdict      *verdict
}

// A storedLine is one message line in the file.
type storedLine struct {
	id     uint64
	label  string
	client string
	n      int32
}

// readArchive reads the output of `chat history --json --private`. It adds the
// file's own faults to v.
func readArchive(name string, v *verdict) (*archive, error) {
	a := &archive{places: make(map[string][]int32), duplicates: make(map[message][]int), lines: make([]storedLine, 1), verdict: v}
	err := readRecord(name, func(r *recordReader, line []byte) (entry, error) {
		e, err := wire.ParseEvent(line)
		if err != nil {
			return entry{}, err
		}
		a.watchClock(e.Time)
		en := entryOf(e)
		en.label, en.client = r.intern([]byte(en.label)), r.intern([]byte(en.client))
		return en, nil
	}, a.add)
	return a, err
}

// watchClock measures how far the clock jumped.
func (a *archive) watchClock(t time.Time) {
	if t.IsZero() {
		return
	}
	if !a.lastTime.IsZero() {
		a.maxClockJump = max(a.maxClockJump, t.Sub(a.lastTime).Abs())
	}
	a.lastTime = t
}

func (a *archive) add(e entry) {
	switch e.kind {
	case shown:
		a.addMessage(e)
	case unknown:
		a.verdict.add(changed, e.text, 0, "in the file; no client sent that")
	}
}

func (a *archive) addMessage(e entry) {
	if before := a.lines[len(a.lines)-1]; e.id <= before.id {
		a.verdict.add(reordered, e.label, e.first, fmt.Sprintf("id %d after %d in the file", e.id, before.id))
	}
	for n := e.first; n < e.first+e.count; n++ {
		list := a.places[e.label]
		if n < len(list) {
			if list[n] != 0 {
				a.verdict.add(doubled, e.label, n, fmt.Sprintf("in the file as %d and %d", a.lines[list[n]].id, e.id))
				a.duplicates[message{e.label, n}] = append(a.duplicates[message{e.label, n}], len(a.lines))
				a.lines = append(a.lines, storedLine{e.id, e.label, e.client, int32(n)})
				continue
			}
			a.verdict.add(reordered, e.label, n, fmt.Sprintf("after %d in the file", len(list)-1))
		}
		for len(list) <= n {
			list = append(list, 0)
		}
		if isPrivate(e.label) {
			a.privates++
		}
		list[n] = int32(len(a.lines))
		a.places[e.label] = list
		a.lines = append(a.lines, storedLine{e.id, e.label, e.client, int32(n)})
	}
}

// place returns the place of message n of label, or 0 if it is not in the file.
func (a *archive) place(label string, n int) int {
	if list := a.places[label]; n < len(list) {
		return int(list[n])
	}
	return 0
}

// publicCount returns the number of lines sent to the room.
func (a *archive) publicCount() int { return len(a.lines) - 1 - a.privates }
