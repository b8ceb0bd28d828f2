package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chat/relay/cluster"
	"chat/relay/journal"
)

// read reads n records after a position, at most for 20 s.
func read(t *testing.T, c *cluster.Cluster, after uint64, n int) []journal.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var records []journal.Record
	enough := errors.New("enough")
	err := c.Read(ctx, after, func(r journal.Record) error {
		records = append(records, r)
		if len(records) == n {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("read %d of %d records: %v", len(records), n, err)
	}
	return records
}

func TestRelaysReadOneOrder(t *testing.T) {
	a, b := open(t, servers(t), "order"), open(t, servers(t), "order")
	if a.Common() != b.Common() || a.Common().Title != "The order" || a.Relay() == b.Relay() {
		t.Fatalf("a has %+v and is %s, b has %+v and is %s", a.Common(), a.Relay(), b.Common(), b.Relay())
	}
	const each = 100
	var appending sync.WaitGroup
	for _, c := range []*cluster.Cluster{a, b} {
		appending.Go(func() {
			for i := range each {
				if err := c.Append(t.Context(), fmt.Appendf(nil, "%s %d", c.Relay(), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ofA, ofB := read(t, a, 0, 2*each), read(t, b, 0, 2*each)
	appending.Wait()
	if !slices.EqualFunc(ofA, ofB, func(x, y journal.Record) bool {
		return x.Position == y.Position && x.Relay == y.Relay && x.Time.Equal(y.Time) && bytes.Equal(x.Data, y.Data)
	}) {
		t.Error("the relays read different records")
	}
	next := map[string]int{}
	for i, r := range ofA {
		if got, want := string(r.Data), fmt.Sprintf("%s %d", r.Relay, next[r.Relay]); got != want || r.Position != uint64(i+1) {
			t.Fatalf("record %d at %d is %q, want %q", i, r.Position, got, want)
		}
		next[r.Relay]++
		if age := time.Since(r.Time); age < 0 || age > time.Minute {
			t.Fatalf("record %d is from %v", i, r.Time)
		}
	}
	end, err := a.End(t.Context())
	if err != nil || end != 2*each {
		t.Errorf("the end is %d, %v", end, err)
	}
	if got := read(t, b, 150, 1); got[0].Position != 151 {
		t.Errorf("behind 150 comes %d", got[0].Position)
	}
}

// announce has a relay announce itself until stop is called, and returns the lists of relays that it is given.
func announce(t *testing.T, c *cluster.Cluster, addr string) (lists chan []journal.Relay, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	lists = make(chan []journal.Relay, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Announce(ctx, journal.Relay{ID: c.Relay(), Addrs: []string{addr}}, func(relays []journal.Relay) { lists <- relays })
	}()
	return lists, func() { cancel(); <-done }
}

// waitFor waits until a list of relays, with their addresses, is want.
func waitFor(t *testing.T, lists chan []journal.Relay, want string) {
	t.Helper()
	var got string
	for timeout := time.After(25 * time.Second); got != want; {
		select {
		case list := <-lists:
			got = ""
			for _, r := range list {
				got += r.ID + r.Addrs[0] + " "
			}
		case <-timeout:
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// TestDeadRelayIsNoticed loses a relay that cannot say that it ends.
func TestDeadRelayIsNoticed(t *testing.T) {
	t.Parallel() // it waits for 12 to 15 s
	a, b := open(t, servers(t), "dead"), open(t, servers(t), "dead")
	ofA, stopA := announce(t, a, "a:1")
	defer stopA()
	_, stopB := announce(t, b, "b:2")
	defer stopB()
	both := []string{a.Relay() + "a:1 ", b.Relay() + "b:2 "}
	slices.Sort(both)
	waitFor(t, ofA, both[0]+both[1])
	b.Close()
	waitFor(t, ofA, a.Relay()+"a:1 ")
}

func TestRelaysKnowEachOther(t *testing.T) {
	a, b := open(t, servers(t), "relays"), open(t, servers(t), "relays")
	ofA, stopA := announce(t, a, "a:1")
	defer stopA()
	onlyA := a.Relay() + "a:1 "
	waitFor(t, ofA, onlyA)
	ofB, stopB := announce(t, b, "b:2")
	both := []string{onlyA, b.Relay() + "b:2 "}
	slices.Sort(both)
	waitFor(t, ofA, both[0]+both[1])
	waitFor(t, ofB, both[0]+both[1])
	stopB() // in order: the others learn of it at once
	waitFor(t, ofA, onlyA)
}
