package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestCensus plays announcements: at a time in seconds, a relay says its address, or "-" when it ends.
func TestCensus(t *testing.T) {
	type said struct {
		at    float64
		relay string
		addr  string
	}
	steady := func(from, to float64, relays ...string) (list []said) {
		for at := from; at <= to; at += 3 {
			for i, relay := range relays {
				list = append(list, said{at + float64(i)/10, relay, relay + ":1"})
			}
		}
		return list
	}
	tests := []struct {
		name string
		said []said
		want string // who lives at the end
	}{
		{"two live", steady(0, 30, "a", "b"), "a b"},
		{"one ends", append(steady(0, 30, "a", "b"), said{31, "b", "-"}), "a"},
		{"one comes back", append(steady(0, 30, "a", "b"), said{31, "b", "-"}, said{32, "b", "b:1"}), "a b"},
		{"one is silent for 9 s", append(steady(0, 30, "a", "b"), steady(33, 39, "a")...), "a b"},
		{"one is silent for 15 s", append(steady(0, 30, "a", "b"), steady(33, 45, "a")...), "a"},
		// While the cluster stores nothing, no one is heard; that does not count.
		{"all are silent for a minute", append(steady(0, 30, "a", "b", "c"), said{90, "a", "a:1"}), "a b c"},
		{"one does not come back from it", append(steady(0, 30, "a", "b", "c"), steady(90, 105, "a", "b")...), "a b"},
		// A newcomer finds the announcement of a dead relay, and waits for another.
		{"a dead one's is left", []said{{0, "dead", "d:1"}, {50, "a", "a:1"}, {51, "new", "n:1"}}, "a dead new"},
		{"and is dead soon", append([]said{{0, "dead", "d:1"}}, steady(50, 65, "a", "new")...), "a new"},
		{"a watch repeats", append(steady(0, 30, "a", "b"), said{30, "a", "a:1"}, said{30.1, "b", "b:1"}), "a b"},
		{"a strange name", []said{{0, "a", "a:1"}, {1, "x.y", "x:1"}}, "a"},
	}
	start := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCensus()
			for _, s := range test.said {
				at := start.Add(time.Duration(s.at * float64(time.Second)))
				if err := c.hear(s.relay, s.addr != "-", fmt.Appendf(nil, `{"addrs":[%q]}`, s.addr), at); err != nil {
					t.Error(err)
				}
			}
			var ids []string
			for _, r := range c.report() {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != test.want {
				t.Errorf("%q live, want %q", got, test.want)
			}
			if c.differs() {
				t.Error("it differs from the list just reported")
			}
		})
	}
}

// TestCensusIsBounded hears announcements that no relay makes.
func TestCensusIsBounded(t *testing.T) {
	c := newCensus()
	at := time.Now()
	if err := c.hear("bad", true, []byte("no JSON"), at); err == nil || c.has("bad") {
		t.Errorf("not an announcement: %v, %v", err, c.living())
	}
	many := `{"addrs":[` + strings.Repeat(`"a:1",`, 20) + `"a:1"]}`
	if err := c.hear("many", true, []byte(many), at); err != nil || len(c.members["many"].relay.Addrs) != maxAddrs {
		t.Errorf("many addresses: %v, %v", err, c.living())
	}
	strange := `{"addrs":["no port","` + strings.Repeat("x", 300) + `:1","ok:1"]}`
	if err := c.hear("strange", true, []byte(strange), at); err != nil || len(c.members["strange"].relay.Addrs) != 1 {
		t.Errorf("strange addresses: %v, %v", err, c.living())
	}
	for i := range 2 * maxRelays {
		if err := c.hear(fmt.Sprint("r", i), true, []byte(`{}`), at); err != nil {
			t.Error(err)
		}
	}
	if n := len(c.living()); n > maxRelays {
		t.Errorf("%d relays live", n)
	}
}
