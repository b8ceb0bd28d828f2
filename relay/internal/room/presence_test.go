package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// 15,000 visitors of one address who send nothing leave few joins and leaves in the log. Members
// who stay or send something are announced, and every list of members agrees with the joins
// and leaves before it.
func TestSilentVisits(t *testing.T) {
	log := history.New(history.Limits{Events: 100_000, Bytes: 64 << 20}, func([]history.Waiter) {})
	r := New(Options{FlushIn: func(time.Duration) {}}, log)
	now := time.Unix(1e9, 0)
	enter := func(nick string) (*Member, wire.Event) {
		p := new(silentPeer)
		m := &Member{Peer: p, Program: true, Address: "10.0.0.2"}
		if _, err := r.Enter(m, &wire.Request{Nick: nick, Token: "token-of-" + nick}, 1, now); err != nil {
			t.Fatal(err)
		}
		return m, p.welcome
	}
	pass := func(d time.Duration) {
		now = now.Add(d)
		r.Flush(now)
	}
	for n := range 15_000 {
		m, _ := enter(fmt.Sprintf("n%d", n))
		pass(time.Second / 2000)
		r.Drop(m, now)
		pass(time.Second / 2000)
	}
	if names := len(seen(t, log)); names > 2*(silentQuota.Burst+20) {
		t.Errorf("15,000 visits left %d names in the log", names)
	}
	stays, _ := enter("alice")
	speaks, _ := enter("bob")
	pass(time.Second)
	if got := hereByLog(t, log); len(got) > 0 {
		t.Errorf("%q are announced already", got)
	}
	if err := r.Post(speaks, wire.TypeMessage, 1, "soup", now); err != nil {
		t.Fatal(err)
	}
	checkLists := func(want ...string) {
		t.Helper()
		who := r.Who()
		last, welcome := enter("last")
		defer func() { r.Drop(last, now) }()
		if got := hereByLog(t, log); !slices.Equal(got, want) || !slices.Equal(welcome.Members, want) || !slices.Equal(who.Members, want) || welcome.Count != len(want) || who.Count != len(want) {
			t.Errorf("by the log %q are here, by a welcome %q (%d), by /who %q (%d); want %q", got, welcome.Members, welcome.Count, who.Members, who.Count, want)
		}
	}
	checkLists("bob")
	pass(holdTime)
	checkLists("alice", "bob")
	r.Drop(stays, now)
	pass(time.Second)
	checkLists("bob")
	pass(holdTime)
	if r.presence.held != 0 {
		t.Errorf("%d members are held back, want none", r.presence.held)
	}
}

// A visitor that was forgotten while it was here, as many others have come since, and is then recorded
// again is still one client: its next connection replaces it.
func TestForgottenVisitorIsOneClient(t *testing.T) {
	r := New(Options{FlushIn: func(time.Duration) {}}, history.New(history.Limits{}, func([]history.Waiter) {}))
	r.state.maxAway = 2
	now := time.Unix(1e9, 0)
	enter := func(token, nick string) *Member {
		m := &Member{Peer: new(silentPeer), Program: true, Visit: true}
		if _, err := r.Enter(m, &wire.Request{Nick: nick, Token: token}, 1, now); err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := enter("token-of-alice", "alice")
	for n := range 2 {
		enter(fmt.Sprint("token-of-another-", n), "guest")
	}
	if r.Standing(new(Member), "token-of-alice").Known {
		t.Fatal("she was not forgotten")
	}
	if _, err := r.Rename(first, "zoe", 0, now); err != nil {
		t.Fatal(err)
	}
	if !r.Standing(new(Member), "token-of-alice").Known {
		t.Fatal("she was not recorded again")
	}
	second := enter("token-of-alice", "alice")
	if slices.Contains(r.members, first) || second.identity != r.identities[second.identity.author] {
		t.Errorf("%d members are here, her first connection among them", len(r.members))
	}
}

// seen returns the names in the joins and leaves of a log, each with + or -.
func seen(t *testing.T, log *history.Log) (names []string) {
	t.Helper()
	cursor := log.Cursor(1, 1, history.View{Format: history.JSON, Echo: true})
	for runs, _, _ := cursor.Next(nil); len(runs) > 0; runs, _, _ = cursor.Next(nil) {
		for _, run := range runs {
			for line := range strings.Lines(string(run)) {
				e, err := wire.ParseEvent([]byte(strings.TrimSpace(line)))
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range e.Members {
					names = append(names, map[string]string{wire.TypeJoin: "+", wire.TypeLeave: "-"}[e.Type]+name)
				}
			}
		}
	}
	return names
}

// hereByLog returns the members who are in the room by its log, sorted.
func hereByLog(t *testing.T, log *history.Log) []string {
	t.Helper()
	members := []string{}
	for _, name := range seen(t, log) {
		members = slices.DeleteFunc(members, func(other string) bool { return other == name[1:] })
		if name[0] == '+' {
			members = append(members, name[1:])
		}
	}
	slices.Sort(members)
	return members
}

// A client that replaces its connection by one with another nick, or another key, does not do so in silence.
func TestReplacedByAnother(t *testing.T) {
	for _, test := range []struct{ nick, key, want string }{
		{"alice", "a", ""},
		{"alicia", "a", "* alice is now alicia"},
		{"alice", "b", "* alice left\n* alice-2 joined"},
		{"alicia", "", "* alice left\n* alicia joined"},
	} {
		r := newSealedRoom(t)
		r.join("alice", "a-token-1", "a")
		from := r.log.Next()
		r.join(test.nick, "a-token-1", test.key)
		var got []string
		cursor := r.log.Cursor(from, from, history.View{Format: history.Text, Echo: true})
		for runs, _, _ := cursor.Next(nil); len(runs) > 0; runs, _, _ = cursor.Next(nil) {
			for line := range strings.Lines(string(slices.Concat(runs...))) {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if got := strings.Join(got, "\n"); got != test.want {
			t.Errorf("as %s with the key %q: the others see %q, want %q", test.nick, test.key, got, test.want)
		}
	}
}
