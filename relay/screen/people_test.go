package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/wire"
)

func crowd(n int) (nicks []string) {
	for i := range n {
		nicks = append(nicks, fmt.Sprint("n", i))
	}
	return nicks
}

func TestPeople(t *testing.T) {
	var p people
	list := func(want int, nicks ...string) {
		t.Helper()
		if got := p.sorted(); p.count() != want || !slices.Equal(got, nicks) {
			t.Errorf("%d are here, by name %q; want %d, %q", p.count(), got, want, nicks)
		}
	}
	p.reset(&wire.Event{Members: []string{"carol", "Bob"}, Hosts: []string{"carol", "nobody"}, Count: 5})
	p.we("alice", false)
	list(6, "alice", "Bob", "carol")
	if !p.nicks["carol"] || p.nicks["Bob"] {
		t.Errorf("the hosts are %v", p.nicks)
	}
	p.enter(&wire.Event{Members: []string{"dave", "Bob"}})
	list(7, "alice", "Bob", "carol", "dave")
	p.enter(&wire.Event{Members: []string{"erin"}, Count: 10})
	list(17, "alice", "Bob", "carol", "dave", "erin")
	p.leave(&wire.Event{Members: []string{"Bob", "somebody"}, Count: 4})
	list(13, "alice", "carol", "dave", "erin")
	p.rename("carol", "Adam")
	list(13, "Adam", "alice", "dave", "erin")
	if !p.nicks["Adam"] {
		t.Error("who hosts does no longer, by another name")
	}
	p.leave(&wire.Event{Count: 1000})
	list(4, "Adam", "alice", "dave", "erin")
}

// However many a host names, so many are known by name and the others are counted.
func TestPeopleAreBounded(t *testing.T) {
	all := crowd(100_000)
	var p people
	p.reset(&wire.Event{Members: all, Hosts: all, Count: len(all)})
	if len(p.nicks) != maxPeople || p.count() != len(all) {
		t.Errorf("%d are known of %d, want %d of %d", len(p.nicks), p.count(), maxPeople, len(all))
	}
	p.enter(&wire.Event{Members: []string{"one more"}})
	if p.leave(&wire.Event{Members: []string{"one more"}}); len(p.nicks) != maxPeople || p.count() != len(all) {
		t.Errorf("after one more came and went, %d are known of %d", len(p.nicks), p.count())
	}
	l := testLook(ansi.GraphemeWidth, 30)
	rows := p.draw(l, 10)
	if len(rows) != 10 || !strings.Contains(rows[9], "99991 more") {
		t.Errorf("drawn %q", rows)
	}
}

func BenchmarkPeople(b *testing.B) {
	all := crowd(maxPeople)
	l := testLook(ansi.GraphemeWidth, 30)
	for b.Loop() {
		var p people
		p.reset(&wire.Event{Members: all, Hosts: all, Count: len(all)})
		for range 60 {
			p.draw(l, 40)
		}
	}
}
