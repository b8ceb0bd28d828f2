package prooftest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A record is the log with which the members' views are compared: the file or, without one,
// the union of all views.
type record struct {
	room     *room
	events   []wire.Event
	byID     map[uint64]wire.Event
	complete bool // nothing can be missing in it
}

// eachSeen calls f with each event that a member saw.
func (r *room) eachSeen(f func(m *member, e *wire.Event)) {
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
	rec := &record{room: r, byID: map[uint64]wire.Event{}, complete: true}
	if r.dir == "" {
		rec.complete = r.opts.History.Events == 0
		r.eachSeen(func(_ *member, e *wire.Event) { rec.byID[e.ID] = *e })
		for _, e := range rec.byID {
			rec.events = append(rec.events, e)
		}
		slices.SortFunc(rec.events, func(a, b wire.Event) int { return cmp.Compare(a.ID, b.ID) })
		return rec
	}
	for e, err := range history.ReadFile(context.Background(), r.path, history.Selection{Private: true, Happened: true}) {
		if err != nil {
			r.reportf("read: %v", err)
			break
		}
		if want := uint64(len(rec.events)) + 1; e.ID != want {
			r.reportf("the file has event %d, want %d", e.ID, want)
		}
		rec.events = append(rec.events, e)
		rec.byID[e.ID] = e
	}
	return rec
}

// checkSoFar checks what must be true at any time: the events that members saw, and the
// messages acknowledged to them, are in the file.
func (r *room) checkSoFar() {
	synctest.Wait() // no member sees more while the file is read
	rec := r.record()
	rec.checkSeen()
	texts := rec.texts()
	for _, m := range r.members {
		for _, s := range m.sent {
			if s.isAcknowledged() && len(texts[s.text]) != 1 && rec.complete {
				r.reportf("number %[2]d of %[1]s, %.20[3]q, was acknowledged, but is in the log %[4]d times; at %[5]v, life %[6]d of %[7]d; %[8]s", m.name, s.seq, s.text, len(texts[s.text]), clock(time.Now()), slices.Index(m.lives, s.life), len(m.lives), rec.describe(m))
			}
		}
	}
	r.failIfReported()
}

// describe returns the messages of m in the log, for a report.
func (rec *record) describe(m *member) string {
	var b strings.Builder
	for _, e := range rec.events {
		if name, _, _ := strings.Cut(e.Text, "-"); name == m.name {
			fmt.Fprintf(&b, "%d: %d %.20s %v; ", e.ID, e.Seq, e.Text, clock(e.Time))
		}
	}
	return b.String()
}

// isAcknowledged reports whether the sender knows that the message is in the log.
func (s *sentMessage) isAcknowledged() bool {
	pending := false
	if c := s.life.joinedClient(); c != nil {
		pending = slices.ContainsFunc(c.Pending(), func(r wire.Request) bool { return r.Seq == s.seq })
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return !pending && !s.life.unacked[s.seq] && s.life.rejected[s.seq] == "" && s.life.pausedUntil.IsZero()
}

// checkSeen checks that each event a member saw is in the log, unchanged.
func (rec *record) checkSeen() {
	rec.room.eachSeen(func(m *member, e *wire.Event) {
		logged, ok := rec.byID[e.ID]
		if got, want := string(e.AppendJSON(nil)), string(logged.AppendJSON(nil)); !ok || got != want {
			rec.room.reportf("%s saw %s, the log has %s", m.name, got, want)
		}
	})
}

// texts returns the messages in the log, by text.
func (rec *record) texts() map[string][]wire.Event {
	texts := make(map[string][]wire.Event)
	for _, e := range rec.events {
		if e.IsPublicMessage() || e.Type == wire.TypePrivate {
			texts[e.Text] = append(texts[e.Text], e)
		}
	}
	return texts
}

// checkSent checks that each message is in the log once, in order and with the right
// sender.
func (rec *record) checkSent() {
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
				r.reportf("%s has client ID %s and last sent number %d: %s", m.name, id, last, e.AppendJSON(nil))
			}
			last = e.Seq
		}
		for _, s := range m.sent {
			known[s.text] = true
			why, n := s.life.rejected[s.seq], len(texts[s.text])
			switch {
			case n > 1:
				r.reportf("duplicate: %q is in the log %d times", s.text, n)
			case n == 1 && (texts[s.text][0].Seq != s.seq || (texts[s.text][0].Type == wire.TypePrivate) != (s.to != "") || texts[s.text][0].To != s.to):
				r.reportf("%q was sent with number %d to %q, but the log has %+v", s.text, s.seq, s.to, texts[s.text][0])
			case n == 1 && why != "":
				r.reportf("%q is in the log, but was rejected: %s", s.text, why)
			case n == 0 && why == "" && !s.life.unacked[s.seq] && rec.complete:
				r.reportf("lost: %.20q, number %d of %s, life %d of %d; the log has %s", s.text, s.seq, m.name, slices.Index(m.lives, s.life), len(m.lives), rec.describe(m))
			}
		}
	}
	for text, list := range texts {
		if !known[text] && !strings.HasPrefix(text, "person") {
			r.reportf("no member sent %q", text)
		}
		if len(list) > 1 && !known[text] {
			r.reportf("duplicate: %q is in the log %d times", text, len(list))
		}
	}
}

// isShownTo reports whether m receives e, and whether that is certain.
func (rec *record) isShownTo(m *member, e *wire.Event) (shows, certain bool) {
	if e.Type != wire.TypePrivate {
		return true, true
	}
	name, _, _ := strings.Cut(e.Text, "-")
	to := strings.FieldsFunc(e.To, func(r rune) bool { return r == '_' || r == '-' })[0] // ada_home-2 belongs to ada
	rec.room.mu.Lock()
	defer rec.room.mu.Unlock()
	return name == m.name || to == m.name, name == m.name || !rec.room.nicksAsked[e.To]
}

// checkLife checks that a member saw all events once and in order. A member that did not
// stay need not have seen the last ones.
func (rec *record) checkLife(m *member, l *life, stayed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.views) == 0 {
		return
	}
	r := rec.room
	at := uint64(0)     // the last event seen
	missed := uint64(0) // events missed since then, according to gap events
	first := l.views[0].next
	began := false
	missing := func(until, next uint64) {
		lost := uint64(0)
		var example wire.Event
		for _, e := range rec.events {
			shown, certain := rec.isShownTo(m, &e)
			isMessage := e.IsPublicMessage() || e.Type == wire.TypePrivate
			if e.ID <= at || e.ID >= until || !shown || !certain || !isMessage && e.ID < next || !began && e.ID < first {
				continue
			}
			lost++
			example = e
		}
		if lost > missed {
			r.reportf("%s missed %d events between %d and %d, but the gaps say %d; one is %s", m.name, lost, at, until, missed, example.AppendJSON(nil))
		}
	}
	for _, v := range l.views {
		for i := range v.seen {
			e := &v.seen[i]
			if e.ID == 0 {
				if missed += e.Missed; rec.complete {
					r.reportf("%s got a gap: %s", m.name, e.AppendJSON(nil))
				}
				continue
			}
			if e.ID <= at {
				r.reportf("%s saw %d after %d: %s", m.name, e.ID, at, e.AppendJSON(nil))
			}
			missing(e.ID, v.next)
			if shown, _ := rec.isShownTo(m, e); !shown {
				r.reportf("%s was shown a message for %s: %s", m.name, e.To, e.AppendJSON(nil))
			}
			if isMessage := e.IsPublicMessage() || e.Type == wire.TypePrivate; !isMessage && e.ID < v.next {
				r.reportf("%s was shown a past event: %s", m.name, e.AppendJSON(nil))
			}
			at, missed, began = e.ID, 0, true
		}
	}
	if stayed {
		missing(1<<62, l.views[len(l.views)-1].next)
	}
}

// check checks all promises.
func (r *room) check() {
	rec := r.record()
	rec.checkSeen()
	rec.checkSent()
	for _, m := range r.members {
		for _, l := range m.lives {
			rec.checkLife(m, l, l == m.current())
		}
	}
	for _, p := range r.persons {
		rec.checkPerson(p)
	}
	rec.checkTakings()
	r.failIfReported()
}

// checkTakings checks that no other client got a member's nick, unless the nick was only a
// replacement and the member got its own name before.
func (rec *record) checkTakings() {
	rec.room.mu.Lock()
	takings := rec.room.takings
	rec.room.mu.Unlock()
	for _, t := range takings {
		gotName := slices.ContainsFunc(rec.events, func(e wire.Event) bool {
			return !e.Time.Before(t.lastSeen) && !e.Time.After(t.at) && (e.Nick == t.owner.name || e.Type == wire.TypeJoin && slices.Contains(e.Members, t.owner.name))
		})
		if t.nick == t.owner.name || !gotName && rec.complete {
			rec.room.reportf("at %v another client got the nick %s, whose owner was in the room at %v", clock(t.at), t.nick, clock(t.lastSeen))
		}
	}
}

// checkPerson checks that a person saw messages of the log once and in order.
func (rec *record) checkPerson(p *person) {
	at := -1
	for _, line := range p.lines {
		_, text, ok := strings.Cut(line, "> ")
		if !ok || !strings.Contains(line, " <") {
			continue
		}
		i := slices.IndexFunc(rec.events, func(e wire.Event) bool { return e.IsPublicMessage() && e.Text == text })
		if i <= at && rec.complete {
			rec.room.reportf("%s saw %q, event %d of the log, after event %d", p.name, text, i, at)
		}
		at = i
	}
}
