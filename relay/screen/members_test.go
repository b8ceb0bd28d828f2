package screen

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/client"
	"chat/relay/wire"
)

func crowd(n int) (nicks []string) {
	for i := range n {
		nicks = append(nicks, fmt.Sprint("n", i))
	}
	return nicks
}

func nicksOf(list []*member) (nicks []string) {
	for _, m := range list {
		nicks = append(nicks, m.nick)
	}
	return nicks
}

func TestMembers(t *testing.T) {
	var ms members
	want := func(count int, nicks ...string) {
		t.Helper()
		if got := nicksOf(ms.list()); ms.count() != count || !slices.Equal(got, nicks) {
			t.Errorf("%d members, by nick %q; want %d, %q", ms.count(), got, count, nicks)
		}
	}
	ms.reset(&wire.Event{Members: []string{"carol", "Bob"}, Hosts: []string{"carol", "zoe"}, From: "carol", Count: 5})
	ms.addSelf("alice", ordinary)
	want(6, "carol", "alice", "Bob")
	if ms.byNick["carol"].rank != host || ms.byNick["Bob"].rank != ordinary {
		t.Error("carol is the host, Bob is not")
	}
	ms.join(&wire.Event{Members: []string{"dave", "Bob"}})
	want(7, "carol", "alice", "Bob", "dave")
	ms.join(&wire.Event{Members: []string{"erin"}, Count: 10})
	want(17, "carol", "alice", "Bob", "dave", "erin")
	ms.leave(&wire.Event{Members: []string{"Bob", "frank"}, Count: 4})
	want(13, "carol", "alice", "dave", "erin")
	ms.rename("carol", "Adam")
	want(13, "Adam", "alice", "dave", "erin")
	if ms.byNick["Adam"].rank != host {
		t.Error("the host is not the host any more under another nick")
	}
	ms.leave(&wire.Event{Count: 1000})
	want(4, "Adam", "alice", "dave", "erin")
}

// Hosts come first, then everyone by nick. A nick leaves space for what the member is, and
// colors are those of the members who sent messages.
func TestMembersDrawn(t *testing.T) {
	p := testPainter(ansi.GraphemeWidth, 20)
	var ms members
	ms.reset(&wire.Event{Members: []string{"zoe", "Adam", "carol", strings.Repeat("w", 24)}, Hosts: []string{"zoe"}, From: "zoe", Count: 5})
	ms.addSelf("bob", ordinary)
	p.nicks.setOwn("bob")
	p.nicks.spoke("carol")
	want := []string{
		"zoe" + strings.Repeat(" ", 12) + p.theme.Dim.Draw(" host"), "Adam" + strings.Repeat(" ", 16),
		"\x1b[1mbob" + strings.Repeat(" ", 13) + "\x1b[m" + p.theme.Dim.Draw(" you"),
		p.nicks.of("carol").Draw("carol" + strings.Repeat(" ", 15)), strings.Repeat("w", 19) + "…",
		p.theme.Dim.Draw("1 more" + strings.Repeat(" ", 14)),
	}
	if got := ms.draw(p, 6); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ms.setRank("Adam", operator)
	if got := ansi.Strip(ms.draw(p, 3)[1]); got != "Adam        operator" {
		t.Errorf("an operator: %q", got)
	}
	ms.setRank("Adam", ordinary)
	ms.addSelf("bob", host)
	if got := ansi.Strip(ms.draw(p, 1)[0]); got != "6 more              " {
		t.Errorf("in one row: %q", got)
	}
	if got := ansi.Strip(ms.draw(p, 2)[0]); got != "bob        you, host" {
		t.Errorf("as a host we are not at the top: %q", got)
	}
}

// However members join, leave and change their nicks between two calls of list, it returns
// them all, in order.
func TestMembersRandomly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var ms members
	ms.reset(&wire.Event{})
	present := make(map[string]bool)
	for range 5_000 {
		nick, other := fmt.Sprint("n", random.IntN(40)), fmt.Sprint("N", random.IntN(40))
		switch random.IntN(4) {
		case 0:
			ms.join(&wire.Event{Members: []string{nick, other}})
			present[nick], present[other] = true, true
		case 1:
			if present[nick] {
				ms.leave(&wire.Event{Members: []string{nick}})
				delete(present, nick)
			}
		case 2:
			if ms.rename(nick, other); present[nick] {
				delete(present, nick)
				present[other] = true
			}
		default:
			want := slices.Sorted(maps.Keys(present))
			got := nicksOf(ms.list())
			if inOrder := slices.IsSortedFunc(ms.list(), (*member).compare); !inOrder || !slices.Equal(slices.Sorted(slices.Values(got)), want) || ms.count() != len(want) {
				t.Fatalf("got %q, in order: %v; want %q", got, inOrder, want)
			}
		}
	}
}

// The screen knows only a limited number of members by nick, and counts the others.
func TestMembersAreBounded(t *testing.T) {
	all := crowd(100_000)
	var ms members
	ms.reset(&wire.Event{Members: all, Hosts: all, Count: len(all)})
	if len(ms.byNick) != maxMembers || ms.count() != len(all) {
		t.Errorf("%d are known of %d, want %d of %d", len(ms.byNick), ms.count(), maxMembers, len(all))
	}
	ms.join(&wire.Event{Members: []string{"one more"}})
	if ms.leave(&wire.Event{Members: []string{"one more"}}); len(ms.byNick) != maxMembers || ms.count() != len(all) {
		t.Errorf("after one more joined and left, %d are known of %d", len(ms.byNick), ms.count())
	}
	rows := ms.draw(testPainter(ansi.GraphemeWidth, 30), 10)
	if len(rows) != 10 || !strings.Contains(rows[9], "99991 more") {
		t.Errorf("drawn %q", rows)
	}
}

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A hostile host can send lists and texts of up to 4 MiB in one line, and a line as often as
// it likes. A frame after a change must not cost more than its rows and one pass over the
// members, and any other frame no more than its rows.
func TestHostileListsCostLittle(t *testing.T) {
	all := crowd(100_000)
	for i := range all { // in upper case, so that folding one allocates
		all[i] = strings.ToUpper(all[i]) + strings.Repeat("X", 20)
	}
	long := strings.Repeat("é", 2<<20/len("é"))
	r := newRig(t, 160, 50)
	r.happen(client.Connected{Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: "kitchen", Topic: "soup" + long, Nick: "bob", Client: "us",
		Members: append([]string{"alice" + long}, all...), Hosts: append([]string{"alice" + long}, all...), Count: len(all) + 1,
	}})
	r.keys("f2")
	r.want("kitchen", "100002 here", "alice", "99957 more")
	n := 0
	changed := testing.AllocsPerRun(5, func() {
		n++
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeLeave, Members: all[n : n+1]}})
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, Members: all[n : n+1]}})
		r.m.view()
	})
	if changed > 2_000 {
		t.Errorf("a frame after one member left and joined takes %.0f allocations", changed)
	}
	for name, e := range map[string]wire.Event{
		"welcome": {},
		"join":    {Type: wire.TypeJoin, Members: all},
		"leave":   {Type: wire.TypeLeave, Members: all},
		"who":     {Type: wire.TypeWho, Members: all, Count: len(all)},
		"nick":    {Type: wire.TypeNick, From: all[1], Nick: "zoe" + long},
		"topic":   {Type: wire.TypeTopic, From: "alice" + long, Text: long},
		"message": {Type: wire.TypeMessage, From: "alice" + long, Text: long},
	} {
		r.happen(client.Received{Event: e})
		r.m.view() // wraps the new entry
		if n := testing.AllocsPerRun(5, func() { r.m.view() }); n > 2_000 {
			t.Errorf("after a long %s event a frame takes %.0f allocations", name, n)
		}
		if size := allocated(func() { r.m.view() }); size > 1<<20 {
			t.Errorf("after a long %s event a frame takes %d bytes", name, size)
		}
	}
}

func BenchmarkMembers(b *testing.B) {
	all := crowd(maxMembers)
	p := testPainter(ansi.GraphemeWidth, 30)
	for b.Loop() {
		var ms members
		ms.reset(&wire.Event{Members: all, Hosts: all, Count: len(all)})
		for range 60 {
			ms.draw(p, 40)
		}
	}
}

// In a sealed room the list has the tags of the members' keys, from the welcome, joins and /who. They stay with
// a member whose nick changes.
func TestKeyTags(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.happen(client.Connected{Sealed: true, Welcome: wire.Event{
			Type: wire.TypeWelcome, Title: "lab", Nick: "bob", Client: "us", Members: []string{"alice", "carol"}, Hosts: []string{"alice"}, From: "alice", Tags: []string{"k3v9", ""}, Count: 2,
		}})
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, ID: 1, Time: noon, Members: []string{"alíce", "a-member-with-a-long-nick"}, Tags: []string{"q2wx", "mmmm"}}})
		r.keys("f2")
		rows := func(want ...string) {
			t.Helper()
			frame := r.frame()
			for _, w := range want {
				if !strings.Contains(frame, "│ "+w) {
					t.Errorf("no %q in\n%s", w, frame)
				}
			}
		}
		rows("alice     host k3v9", "alíce          q2wx", "a-member-with… mmmm", "carol\n", "bob             you")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeNick, ID: 2, Time: noon, From: "alíce", Nick: "dora"}})
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeWho, Members: []string{"bob", "carol"}, Tags: []string{"b2b2", "\x1b[31mred"}, Count: 2}})
		rows("dora           q2wx", "bob        you b2b2", "carol")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeWho, Members: []string{"dora"}, Tags: []string{"a", "b"}, Count: 1}})
		rows("dora\n") // tags that are not those of the names are none
		r.resize(30, 24)
		r.keys("f2")
		r.want("k3v9")
	})
}

// An operator is marked in the list, and gets the commands of operators, for as long as it is one.
func TestOperatorsComeAndGo(t *testing.T) {
	inRoom(t, 100, 24, func(t *testing.T, r *rig) {
		c := r.m.conversation
		act := func(code wire.Code, nick, text string) {
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeOperator, ID: 9, Time: time.Now(), From: "alice", Code: code, Nick: nick, Text: text}})
		}
		r.keys("f2")
		act("op", "carol", "made carol an operator")
		r.want("alice made carol an operator", "carol", " operator")
		if c.mayModerate() {
			t.Error("we are an operator because carol is one")
		}
		act("op", "bob", "made bob an operator")
		if !c.mayModerate() || c.members.byNick["bob"].rank != operator || len(commandsLike("kick", c.composer.completer.operator)) != 1 {
			t.Error("we are no operator")
		}
		act("mute", "bob", "muted bob: spam")
		r.want("alice muted bob: spam")
		act("deop", "bob", "made bob an ordinary member")
		if c.mayModerate() || c.members.byNick["bob"].rank != ordinary || c.composer.completer.operator {
			t.Error("we are still an operator")
		}
		act("deop", "alice", "made alice an ordinary member") // no host says so
		if c.members.byNick["alice"].rank != host {
			t.Error("the host is an ordinary member")
		}
	})
}
