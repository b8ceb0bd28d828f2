package room

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/replica"
	"chat/relay/journal/journaltest"
	"chat/relay/text"
	"chat/relay/wire"
)

// sealedSites runs test with relays of one sealed room.
func sealedSites(t *testing.T, n int, test func(t *testing.T, sites []*sealedSite)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		var sites []*sealedSite
		for range n {
			s := newSealedSite(t, store)
			defer s.stop()
			sites = append(sites, s)
		}
		test(t, sites)
		first := stateOf(sites[0])
		for _, s := range sites[1:] {
			if got := stateOf(s); got != first {
				t.Errorf("one relay has the state\n%s\nanother one has\n%s", first, got)
			}
			if !slices.Equal(s.events(), sites[0].events()) {
				t.Errorf("one relay has the events\n%s\nanother one has\n%s", strings.Join(sites[0].events(), ""), strings.Join(s.events(), ""))
			}
		}
	})
}

// stateOf returns the state of a relay.
func stateOf(s *sealedSite) string {
	synctest.Wait()
	return string((&Snapshot{s.log.Next(), s.room.state}).Encode())
}

// A sealedSite is a relay of a sealed room.
type sealedSite struct {
	*testing.T
	site
}

func newSealedSite(t *testing.T, store *journaltest.Store) *sealedSite {
	s := &sealedSite{T: t, site: site{journal: store.Relay(), first: 1}}
	s.journal.SetLatency(10 * time.Millisecond)
	fold, next, err := ReadSnapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.replica = replica.New(s.journal, 0, slog.New(slog.DiscardHandler))
	s.log = history.NewOrdered(history.Limits{}, func([]history.Waiter) {}, s.replica, next)
	s.room = NewShared(Options{ID: "room", Secret: "secret", Sealed: true, FlushIn: func(d time.Duration) {
		time.AfterFunc(d, func() { s.room.Flush(time.Now()) })
	}, GiveNicksIn: func(d time.Duration) { time.AfterFunc(d, func() { s.room.GiveNicks(time.Now()) }) }}, s.log, s.replica, fold)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.done.Go(func() {
		if err := s.replica.Run(ctx, s.room, s); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

// join lets a member in, with a key unless it is "", and waits until all relays know it.
func (s *sealedSite) join(nick, key string) (*Member, *testPeer) {
	s.Helper()
	p := new(testPeer)
	m := &Member{Peer: p, Program: true, Level: access.Member}
	if key != "" {
		m.Key = testKey(key)
	}
	if _, err := s.room.Enter(m, &wire.Request{Nick: nick, Token: fmt.Sprintf("token-of-%s-%s", nick, key)}, 1, time.Now()); err != nil {
		s.Fatalf("%s is kept out: %v", nick, err)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	return m, p
}

// Each relay calls its own host's member the host. Those of others are operators, in lists as in joins.
func TestSharedHosts(t *testing.T) {
	sealedSites(t, 2, func(t *testing.T, sites []*sealedSite) {
		for i, s := range sites {
			s.room.opts.HostToken = fmt.Sprintf("token-of-host%d-", i)
		}
		for i, s := range sites {
			s.join(fmt.Sprintf("host%d", i), "")
		}
		_, p := sites[1].join("bob", "")
		if w := p.welcome; w.From != "host1" || !slices.Equal(w.Hosts, []string{"host1", "host0"}) {
			t.Errorf("of %q, %q is the host", w.Hosts, w.From)
		}
		for _, line := range sites[0].events() {
			if e, err := wire.ParseEvent([]byte(line)); err != nil || e.Type == wire.TypeJoin && e.From != "" {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}

// giveOwner makes a nick belong to a key at all relays, as in a room that was another one before.
func giveOwner(sites []*sealedSite, nick, key string) {
	synctest.Wait()
	h := own(nick, key, time.Now())
	for _, s := range sites {
		s.room.mu.Lock()
		s.room.state.apply(nil, h, history.Origin{})
		s.room.mu.Unlock()
	}
}

// The owner of a nick gets it from a member of another relay, or of the same one, that has no key. That member learns why it has another
// nick, and all relays agree on both. A member with a key keeps its nick.
func TestSharedOwnerGetsNickBack(t *testing.T) {
	for _, place := range []int{0, 1} {
		sealedSites(t, 2, func(t *testing.T, sites []*sealedSite) {
			bob, p := sites[0].join("bob", "")
			carol, _ := sites[0].join("carol", "c2")
			giveOwner(sites, "bob", "b")
			giveOwner(sites, "carol", "c")
			owner, told := sites[place].join("bob", "b")
			second, _ := sites[place].join("carol", "c")
			for m, want := range map[*Member]string{owner: "bob", bob: "bob-2", carol: "carol", second: "carol-2"} {
				if m.nick != want {
					t.Errorf("at relay %d: a member is %s, want %s", place, m.nick, want)
				}
			}
			if got := p.notices(); got != "bob belongs to the key of another member; you are now bob-2" {
				t.Errorf("bob gets %q", got)
			}
			if got := told.notices(); strings.Contains(got, "taken") {
				t.Errorf("the owner gets %q", got)
			}
			if got := sites[1-place].room.state.holder(text.NickKey("bob")); got == nil || got.Fingerprint != testKey("b").Fingerprint {
				t.Errorf("at the other relay bob is %+v", got)
			}
		})
	}
}

// An owner that changes its nick to its own gets it, too, and the others see the other change first.
func TestSharedOwnerRenames(t *testing.T) {
	sealedSites(t, 2, func(t *testing.T, sites []*sealedSite) {
		alice, _ := sites[0].join("alice", "")
		owner, _ := sites[1].join("ally", "a")
		giveOwner(sites, "alice", "a")
		if nick, err := sites[1].room.Rename(owner, "alice", 0, time.Now()); nick != "alice" || err != nil {
			t.Errorf("Rename: %s, %v", nick, err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if owner.nick != "alice" || alice.nick != "alice-2" {
			t.Errorf("the owner is %s, the other one %s", owner.nick, alice.nick)
		}
		var renames []string
		for _, line := range sites[0].events() {
			if e, err := wire.ParseEvent([]byte(line)); err == nil && e.Type == wire.TypeNick {
				renames = append(renames, e.From+" "+e.Nick)
			}
		}
		if want := []string{"alice alice-2", "ally alice"}; !slices.Equal(renames, want) {
			t.Errorf("the others see %q, want %q", renames, want)
		}
	})
}

// Two members with different keys who ask for a free nick at the same time at two relays: it belongs to the one who got it.
func TestSharedNickHasOneOwner(t *testing.T) {
	sealedSites(t, 2, func(t *testing.T, sites []*sealedSite) {
		members := make([]*Member, 2)
		for i, s := range sites {
			members[i] = &Member{Peer: new(testPeer), Program: true, Level: access.Member, Key: testKey(fmt.Sprint(i))}
			if _, err := s.room.Enter(members[i], &wire.Request{Nick: "dora", Token: fmt.Sprint("a-token-", i)}, 1, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		owner := sites[0].room.state.owners.named("dora")
		if owner == nil {
			t.Fatal("no one owns the nick")
		}
		for _, m := range members {
			if (m.nick == "dora") != (m.Key.Fingerprint == owner.Key) {
				t.Errorf("%s has the key %s, and dora belongs to %s", m.nick, m.Key.Fingerprint, owner.Key)
			}
		}
	})
}
