package room

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// changes are events, each of which changes the kitchen.
var changes = []struct {
	name   string
	event  *wire.Event // nil: it is hidden
	hidden *hidden
	by     history.Origin
	check  func(s *State) bool // of the state after it
}{
	{"message", &wire.Event{Type: wire.TypeMessage, Seq: 9}, nil, history.Origin{Author: 1}, func(s *State) bool { return s.clients[1].Seq == 9 }},
	{"old message", &wire.Event{Type: wire.TypeMessage, Seq: 5}, nil, history.Origin{Author: 2},
		func(s *State) bool {
			return s.clients[2].Seq == 6 && s.clients[2].Rejected[5] == "" && s.clients[2].Rejected[3] == wire.CodeMuted
		}},
	{"person's message", &wire.Event{Type: wire.TypeMessage}, nil, history.Origin{Author: 9}, func(s *State) bool { return s.authors == 9 && len(s.clients) == 4 }},
	{"private that waits", &wire.Event{Type: wire.TypePrivate, Seq: 8}, nil, history.Origin{Author: 1, To: 3},
		func(s *State) bool { return s.clients[3].Waiting == 1 && s.clients[1].Seq == 8 }},
	{"topic", &wire.Event{Type: wire.TypeTopic, Text: "supper"}, nil, history.Origin{Author: 1}, func(s *State) bool { return s.topic == "supper" }},
	{"nick", &wire.Event{Type: wire.TypeNick, Nick: "alicia"}, nil, history.Origin{Author: 1},
		func(s *State) bool { return s.clients[1].Nick == "alicia" && s.clients[1].Wanted == "alicia" }},
	{"a client that is new", nil, client(5, "eve", here, noon), history.Origin{},
		func(s *State) bool {
			return s.clients[5].Nick == "eve" && s.byKey[keyOf("token-of-eve")] == s.clients[5] && s.authors == 5
		}},
	{"a client left", nil, client(1, "alice", left, noon.Add(time.Hour)), history.Origin{},
		func(s *State) bool {
			return slices.Equal(authorsOn(s.away), []history.Author{3, 4, 1}) && s.clients[1].Seq == 7
		}},
	{"a connection was lost", nil, client(2, "bob", dropped, noon.Add(time.Hour)), history.Origin{},
		func(s *State) bool { return s.reservation(text.NickKey("bob"), noon.Add(time.Hour)) == s.clients[2] }},
	{"a client came back", nil, client(3, "carol", here, noon.Add(time.Hour)), history.Origin{},
		func(s *State) bool {
			return s.reservation(text.NickKey("carol"), noon.Add(time.Hour)) == nil && s.clients[3].Left == 0
		}},
	{"a visitor came", nil, visit(client(6, "vi", left, noon)), history.Origin{},
		func(s *State) bool {
			return slices.Equal(authorsOn(s.visitors), []history.Author{6}) && s.reservation(text.NickKey("vi"), noon) == nil
		}},
	{"open", nil, &hidden{Type: hiddenOpen, At: millisOf(noon.Add(time.Minute))}, history.Origin{},
		func(s *State) bool {
			return s.clients[1].Presence == dropped && slices.Equal(authorsOn(s.away), []history.Author{4, 1, 2, 3})
		}},
	{"ban", nil, &hidden{Type: hiddenBan, Nick: "x", Marks: []string{"key a", "10.0.0.9"}}, history.Origin{},
		func(s *State) bool { return s.bans["key a"] == "x" && s.bans["10.0.0.9"] == "x" && len(s.mutes) == 0 }},
	{"mute", nil, &hidden{Type: hiddenMute, Nick: "x", Marks: []string{"key a"}}, history.Origin{},
		func(s *State) bool { return s.mutes["key a"] == "x" && len(s.bans) == 0 }},
	{"a nick belongs to a key", nil, own("alice", "a", noon), history.Origin{},
		func(s *State) bool { return s.owners.ownerOf(text.NickKeys("a1ice")) == testKey("a").Fingerprint }},
	{"another spelling of it", nil, own("Dave", "d", noon), history.Origin{},
		func(s *State) bool { return len(s.owners.nicks) == 1 && s.owners.named("dave").Nick == "Dave" }},
	{"a nick is released", nil, &hidden{Type: hiddenRelease, Nick: "DAVE"}, history.Origin{},
		func(s *State) bool { return len(s.owners.nicks)+len(s.owners.byKey)+len(s.owners.taken) == 0 }},
	{"reject", nil, &hidden{Type: hiddenReject, Author: 1, Seq: 8, Code: wire.CodeMuted}, history.Origin{},
		func(s *State) bool { return s.clients[1].Rejected[8] == wire.CodeMuted && s.clients[1].Seq == 7 }},
}

func TestApply(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			s := kitchen()
			if s.apply(c.event, c.hidden, c.by); !c.check(s) {
				t.Errorf("the state is %v, with %v", s.records(), s.derived(noon))
			}
		})
	}
	for _, e := range []wire.Event{{Type: wire.TypeJoin, Members: []string{"x"}}, {Type: wire.TypeLeave, Members: []string{"x"}}, {Type: "of a later version"}} {
		s := kitchen()
		s.apply(&e, nil, history.Origin{Author: 1})
		s.apply(nil, &hidden{Type: e.Type}, history.Origin{})
		if diff := difference(s, kitchen(), noon); diff != "" {
			t.Errorf("a %s changes %s", e.Type, diff)
		}
	}
}

// What ends: bans and mutes, each only its own.
func TestApplyUnban(t *testing.T) {
	s := NewState()
	for _, h := range []*hidden{
		{Type: hiddenBan, Nick: "x", Marks: []string{"a", "b"}}, {Type: hiddenMute, Nick: "x", Marks: []string{"a", "b"}},
		{Type: hiddenUnban, Marks: []string{"a"}}, {Type: hiddenUnmute, Marks: []string{"b", "c"}},
	} {
		s.apply(nil, h, history.Origin{})
	}
	if fmt.Sprint(s.bans, s.mutes) != "map[b:x] map[a:x]" {
		t.Errorf("banned %v, muted %v", s.bans, s.mutes)
	}
}

// Rollback restores everything, derived indexes too, after each change and after all of
// them; Changes lists what differs before that, and Commit keeps it.
func TestRollback(t *testing.T) {
	records := func(s *State) func(func(string, []byte) error) error {
		return func(load func(string, []byte) error) error {
			for key, value := range s.records() {
				if err := load(key, []byte(value)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	given := kitchen()
	given.bans["key a"], given.mutes["key b"] = "eve", "mallory"
	check := func(t *testing.T, apply func(f *Fold)) {
		f, err := NewFold(records(given))
		if err != nil {
			t.Fatal(err)
		}
		if diff := difference(f.state, given, noon); diff != "" {
			t.Fatalf("the records do not have it: %s", diff)
		}
		apply(f)
		changed := f.state.clone()
		written := given.records()
		for key, value := range f.Changes() {
			written[key] = string(value)
			if value == nil {
				delete(written, key)
			}
		}
		if diff := differences(written, changed.records()); len(diff) > 0 {
			t.Errorf("Changes leaves out %q", diff)
		}
		f.Rollback()
		if diff := difference(f.state, given, noon); diff != "" {
			t.Errorf("after Rollback %s", diff)
		}
		apply(f) // again, and commit it
		f.Commit()
		for key := range f.Changes() {
			t.Errorf("after Commit, %s has changed", key)
		}
		f.Rollback()
		if diff := difference(f.state, changed, noon); diff != "" {
			t.Errorf("after Commit and Rollback %s", diff)
		}
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) { check(t, func(f *Fold) { f.state.apply(c.event, c.hidden, c.by) }) })
	}
	t.Run("all", func(t *testing.T) {
		check(t, func(f *Fold) {
			f.state.maxAway = 2 // some are forgotten, too
			for _, c := range changes {
				f.state.apply(c.event, c.hidden, c.by)
			}
			f.state.apply(nil, &hidden{Type: hiddenUnban, Marks: []string{"key a", "10.0.0.9"}}, history.Origin{})
			f.state.apply(nil, &hidden{Type: hiddenUnmute, Marks: []string{"key b"}}, history.Origin{})
		})
	})
}

// Beyond maxAway, visitors are forgotten first, then those who left first. Who is here stays.
func TestMostAreForgotten(t *testing.T) {
	s := NewState()
	apply := func(h *hidden) { s.apply(nil, h, history.Origin{}) }
	nick := func(n int) string { return fmt.Sprint("n", n) }
	apply(client(1, nick(1), here, noon))
	for n := 2; n <= maxAway-1; n++ {
		apply(client(history.Author(n), nick(n), left, noon))
	}
	apply(visit(client(maxAway, nick(maxAway), left, noon)))
	apply(visit(client(maxAway+1, nick(maxAway+1), left, noon)))
	if len(s.clients) != maxAway+1 || len(s.forgotten) != 0 {
		t.Fatalf("%d clients are known, %d were forgotten, want %d and 0", len(s.clients), len(s.forgotten), maxAway+1)
	}
	apply(client(2, nick(2), here, noon))    // was the first who left
	apply(client(2, nick(2), dropped, noon)) // and is the last now
	for n := maxAway + 2; n < maxAway+5; n++ {
		apply(client(history.Author(n), nick(n), left, noon))
	}
	if want := []history.Author{maxAway, maxAway + 1, 3}; !slices.Equal(s.forgotten, want) {
		t.Errorf("%d were forgotten, want %d", s.forgotten, want)
	}
	if len(s.clients) != maxAway+1 || s.away.Len() != maxAway || s.visitors.Len() != 0 || len(s.byKey) != maxAway+1 {
		t.Errorf("%d clients, %d away, %d visitors, %d keys", len(s.clients), s.away.Len(), s.visitors.Len(), len(s.byKey))
	}
	if s.clients[1] == nil || s.byKey[keyOf("token-of-n3")] != nil {
		t.Error("the present member was forgotten, or the key of a forgotten client is still known")
	}
}

// A client's newest rejected numbers are remembered.
func TestRejectedNumbersAreBounded(t *testing.T) {
	s := kitchen()
	for seq := uint64(10); seq < 10+2*maxRejected; seq++ {
		s.apply(nil, &hidden{Type: hiddenReject, Author: 1, Seq: seq, Code: wire.CodeMuted}, history.Origin{})
	}
	r := s.clients[1].Rejected
	if len(r) != maxRejected || r[10+maxRejected] == "" || r[10+maxRejected-1] != "" {
		t.Errorf("%d numbers are remembered", len(r))
	}
}

// A lost connection's nick, and all that looks like it, is reserved for two minutes.
func TestReservation(t *testing.T) {
	s := NewState()
	s.apply(nil, client(1, "alice", dropped, noon), history.Origin{})
	lost := s.clients[1].At
	for _, nick := range []string{"alice", "ALICE", "a1ice"} {
		found := false
		for _, key := range text.NickKeys(nick) {
			found = found || s.reservation(key, lost.Add(nickReserved-time.Millisecond)) != nil
			if s.reservation(key, lost.Add(nickReserved)) != nil {
				t.Errorf("%s is reserved after %v", nick, nickReserved)
			}
		}
		if !found {
			t.Errorf("%s is not reserved", nick)
		}
	}
	s.apply(nil, client(1, "alice", left, noon), history.Origin{})
	if len(s.reserved) > 0 {
		t.Errorf("reserved after it left: %v", s.reserved)
	}
}

// A nick is reserved for one client, whatever was reserved before: a state that is rebuilt from its records
// has the same reservations.
func TestNickReservedOnce(t *testing.T) {
	s := NewState()
	s.apply(nil, client(1, "Alice", dropped, noon), history.Origin{})
	s.apply(nil, client(2, "alice", here, noon), history.Origin{}) // it was given the nick when the reservation had ended
	later := noon.Add(nickReserved)
	s.apply(nil, &hidden{Type: hiddenOpen, At: millisOf(later)}, history.Origin{}) // it renews reservations
	s.apply(nil, client(2, "alice", here, later), history.Origin{})
	if diff := difference(s.clone(), s, later); diff != "" {
		t.Errorf("a copy made from the clients differs:\n%s", diff)
	}
	if c := s.reservation(text.NickKey("alice"), later); c != nil {
		t.Errorf("the nick of client 2, which is here, is reserved for client %d", c.Author)
	}
}

// When a host is started again, all who were in the room have lost their connections, and
// the nicks that were reserved when the last host ended are reserved for two more minutes.
func TestOpen(t *testing.T) {
	end := noon.Add(time.Hour)
	for _, test := range []struct {
		name     string
		presence presence
		at       time.Time
		want     presence
		reserved bool
	}{
		{"here", here, noon, dropped, true},
		{"dropped just before the end", dropped, end.Add(-time.Second), dropped, true},
		{"dropped at the boundary", dropped, end.Add(-nickReserved), dropped, false},
		{"dropped within the boundary", dropped, end.Add(-nickReserved + time.Millisecond), dropped, true},
		{"left", left, end, left, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewState()
			s.apply(nil, client(1, "alice", test.presence, test.at), history.Origin{})
			s.apply(nil, client(2, "last", left, end), history.Origin{})
			again := end.Add(24 * time.Hour)
			s.apply(nil, &hidden{Type: hiddenOpen, At: millisOf(again)}, history.Origin{})
			if c := s.clients[1]; c.Presence != test.want || test.reserved != c.At.Equal(millisOf(again).Time) {
				t.Errorf("alice is %s since %v", c.Presence, c.At)
			}
			if r := s.reservation(text.NickKey("alice"), again.Add(time.Minute)); (r != nil) != test.reserved {
				t.Errorf("reserved: %v, want %v", r != nil, test.reserved)
			}
		})
	}
}

// Records that no room wrote are rejected, and those of a later version are skipped.
func TestDamagedRecords(t *testing.T) {
	_, key := keyFor("alice")
	for _, test := range []struct {
		key, value string
		damaged    bool
	}{
		{"topic", `7`, true}, {"topic", `"x"`, false},
		{"authors", `-1`, true}, {"authors", `9007199254740991`, true}, {"authors", `9007199254740990`, false},
		{"client/x", `{}`, true}, {"client/1", `{"key":"zz"}`, true}, {"client/1", `{"key":"00"}`, true}, {"client/1", `[]`, true},
		{"client/9007199254740991", `{"key":"` + key + `"}`, true}, {"client/1", `{"key":"` + key + `","seq":9007199254740992}`, true},
		{"client/1", `{"key":"` + key + `","seq":9007199254740991}`, false},
		{"ban/10.0.0.1", `{}`, true}, {"mute/key x", `3`, true}, {"later/x", `{`, false},
	} {
		_, err := NewFold(func(load func(string, []byte) error) error { return load(test.key, []byte(test.value)) })
		if errors.Is(err, history.ErrDamaged) != test.damaged || err != nil != test.damaged {
			t.Errorf("%s = %s: %v", test.key, test.value, err)
		}
	}
	f := &Fold{NewState()}
	f.Apply(nil, []byte(`{"type":`), history.Origin{}, noon)
	if diff := difference(f.state, NewState(), noon); diff != "" {
		t.Errorf("a damaged hidden event changes %s", diff)
	}
}
