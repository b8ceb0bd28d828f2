package prooftest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A record is the log that all that was seen is compared with: the file, or, where there
// is none, all that anybody saw, put together.
type record struct {
	room   *room
	events []wire.Event
	byID   map[uint64]wire.Event
	whole  bool // nothing can be missing in it
}

// seenByAll calls f with each event that a member saw.
func (r *room) seenByAll(f func(m *member, e *wire.Event)) {
	for _, m := range r.members {
		for _, l := range m.lives {
			l.mu.Lock()
			for i := range l.views {
				for j := range l.views[i].seen {
					if e := &l.views[i].seen[j]; e.ID > 0 {
						f(m, e)
					}
				}
			}
			l.mu.Unlock()
		}
	}
}

// record reads the log.
func (r *room) record() *record {
	rec := &record{room: r, byID: map[uint64]wire.Event{}, whole: true}
	if r.dir == "" {
		rec.whole = r.opts.History.Events == 0
		r.seenByAll(func(_ *member, e *wire.Event) { rec.byID[e.ID] = *e })
		for _, e := range rec.byID {
			rec.events = append(rec.events, e)
		}
		slices.SortFunc(rec.events, func(a, b wire.Event) int { return cmp.Compare(a.ID, b.ID) })
		return rec
	}
	for e, err := range history.ReadFile(r.path, history.Selection{Private: true, Happened: true}) {
		if err != nil {
			r.faultf("read: %v", err)
			break
		}
		if want := uint64(len(rec.events)) + 1; e.ID != want {
			r.faultf("the file has %d where %d should be", e.ID, want)
		}
		rec.events = append(rec.events, e)
		rec.byID[e.ID] = e
	}
	return rec
}

// look checks what has to hold at any time: what anybody was shown, or saw acknowledged, is
// in the file.
func (r *room) look() {
	synctest.Wait() // so that nobody sees more while the file is read
	rec := r.record()
	rec.checkSeen()
	texts := rec.texts()
	for _, m := range r.members {
		for _, s := range m.said {
			if s.isTaken() && len(texts[s.text]) != 1 && rec.whole {
				r.faultf("%s was told that number %d, %.20q, is in the log, and it is there %d times; at %v, life %d of %d; %s", m.name, s.seq, s.text, len(texts[s.text]), clock(time.Now()), slices.Index(m.lives, s.life), len(m.lives), rec.of(m))
			}
		}
	}
	r.failOnFault()
}

// of tells what m said, as the log has it.
func (rec *record) of(m *member) string {
	var b strings.Builder
	for _, e := range rec.events {
		if name, _, _ := strings.Cut(e.Text, "-"); name == m.name {
			fmt.Fprintf(&b, "%d: %d %.20s %v; ", e.ID, e.Seq, e.Text, clock(e.Time))
		}
	}
	return b.String()
}

// isTaken reports whether its sender knows that it is in the log.
func (s *said) isTaken() bool {
	pending := false
	if c := s.life.joined(); c != nil {
		pending = slices.ContainsFunc(c.Pending(), func(r wire.Request) bool { return r.Seq == s.seq })
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return !pending && !s.life.unsure[s.seq] && s.life.rejected[s.seq] == "" && s.life.sleeps.IsZero()
}

// checkSeen checks that what was seen is in the log, as it was seen.
func (rec *record) checkSeen() {
	rec.room.seenByAll(func(m *member, e *wire.Event) {
		logged, ok := rec.byID[e.ID]
		if got, want := string(e.AppendJSON(nil)), string(logged.AppendJSON(nil)); !ok || got != want {
			rec.room.faultf("%s saw %s, the log has %s", m.name, got, want)
		}
	})
}

// texts returns what was said, by its text.
func (rec *record) texts() map[string][]wire.Event {
	texts := make(map[string][]wire.Event)
	for _, e := range rec.events {
		if e.Said() || e.Type == wire.TypePrivate {
			texts[e.Text] = append(texts[e.Text], e)
		}
	}
	return texts
}

// checkSaid checks that what was said is in the log once, in its order and by whom it was.
func (rec *record) checkSaid() {
	r, texts := rec.room, rec.texts()
	known := make(map[string]bool)
	for _, m := range r.members {
		var last uint64
		var id string
		for _, e := range rec.events {
			if name, _, _ := strings.Cut(e.Text, "-"); name != m.name {
				continue
			}
			if id = cmp.Or(id, e.Client); e.Client != id || e.Seq <= last {
				r.faultf("%s is %s and said %d before: %s", m.name, id, last, e.AppendJSON(nil))
			}
			last = e.Seq
		}
		for _, s := range m.said {
			known[s.text] = true
			why, n := s.life.rejected[s.seq], len(texts[s.text])
			switch {
			case n > 1:
				r.faultf("doubled: %q is in the log %d times", s.text, n)
			case n == 1 && (texts[s.text][0].Seq != s.seq || (texts[s.text][0].Type == wire.TypePrivate) != (s.to != "") || texts[s.text][0].To != s.to):
				r.faultf("%q was numbered %d for %q, and is %+v", s.text, s.seq, s.to, texts[s.text][0])
			case n == 1 && why != "":
				r.faultf("%q is in the log, and was refused: %s", s.text, why)
			case n == 0 && why == "" && !s.life.unsure[s.seq] && rec.whole:
				r.faultf("lost: %.20q, number %d of %s, life %d of %d; the log has %s", s.text, s.seq, m.name, slices.Index(m.lives, s.life), len(m.lives), rec.of(m))
			}
		}
	}
	for text, list := range texts {
		if !known[text] && !strings.HasPrefix(text, "person") {
			r.faultf("nobody said %q", text)
		}
		if len(list) > 1 && !known[text] {
			r.faultf("doubled: %q is in the log %d times", text, len(list))
		}
	}
}

// shows reports whether m gets e, and whether that is certain.
func (rec *record) shows(m *member, e *wire.Event) (shows, certain bool) {
	if e.Type != wire.TypePrivate {
		return true, true
	}
	name, _, _ := strings.Cut(e.Text, "-")
	to := strings.FieldsFunc(e.To, func(r rune) bool { return r == '_' || r == '-' })[0] // ada_home-2
	rec.room.mu.Lock()
	defer rec.room.mu.Unlock()
	return name == m.name || to == m.name, name == m.name || !rec.room.stolen[e.To]
}

// checkLife checks that a member was shown what it should have been: all, once and in
// order. Whose life has ended may not have come to the end.
func (rec *record) checkLife(m *member, l *life, stayed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.views) == 0 {
		return
	}
	r := rec.room
	at := uint64(0)     // what was seen last
	missed := uint64(0) // by gaps that were told since
	first := l.views[0].next
	began := false
	missing := func(until, next uint64, all bool) {
		lost := uint64(0)
		var example wire.Event
		for _, e := range rec.events {
			shown, certain := rec.shows(m, &e)
			said := e.Said() || e.Type == wire.TypePrivate
			if e.ID <= at || e.ID >= until || !shown || !certain || !said && (e.ID < next || !all) || !began && e.ID < first {
				continue
			}
			lost++
			example = e
		}
		if lost > missed {
			r.faultf("%s missed %d events between %d and %d, was told of %d; one is %s", m.name, lost, at, until, missed, example.AppendJSON(nil))
		}
	}
	for _, v := range l.views {
		for i := range v.seen {
			e := &v.seen[i]
			if e.ID == 0 {
				if missed += e.Missed; rec.whole {
					r.faultf("%s was told of a gap: %s", m.name, e.AppendJSON(nil))
				}
				continue
			}
			if e.ID <= at {
				r.faultf("%s saw %d after %d: %s", m.name, e.ID, at, e.AppendJSON(nil))
			}
			missing(e.ID, v.next, true)
			if shown, _ := rec.shows(m, e); !shown {
				r.faultf("%s was shown what is for %s: %s", m.name, e.To, e.AppendJSON(nil))
			}
			if said := e.Said() || e.Type == wire.TypePrivate; !said && e.ID < v.next {
				r.faultf("%s was shown what is over: %s", m.name, e.AppendJSON(nil))
			}
			at, missed, began = e.ID, 0, true
		}
	}
	if stayed {
		missing(1<<62, l.views[len(l.views)-1].next, true)
	}
}

// check checks all that was promised.
func (r *room) check() {
	rec := r.record()
	rec.checkSeen()
	rec.checkSaid()
	for _, m := range r.members {
		for _, l := range m.lives {
			rec.checkLife(m, l, l == m.now())
		}
	}
	for _, p := range r.persons {
		rec.checkPerson(p)
	}
	r.failOnFault()
}

// checkPerson checks that a person was shown what is in the log, once and in its order.
func (rec *record) checkPerson(p *person) {
	at := -1
	for _, line := range p.saw {
		_, text, ok := strings.Cut(line, "> ")
		if !ok || !strings.Contains(line, " <") {
			continue
		}
		i := slices.IndexFunc(rec.events, func(e wire.Event) bool { return e.Said() && e.Text == text })
		if i <= at && rec.whole {
			rec.room.faultf("%s saw %q, which is event %d of the log, behind event %d", p.name, text, i, at)
		}
		at = i
	}
}
