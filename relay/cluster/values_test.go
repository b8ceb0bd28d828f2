package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Changes of several relays at the same time come one after the other: none is lost.
func TestChangesAreOrdered(t *testing.T) {
	var relays sync.WaitGroup
	const each = 20
	for range 3 {
		c := open(t, servers(t), "changes")
		relays.Go(func() {
			for range each {
				err := c.Change(t.Context(), "counter", func(old []byte) ([]byte, error) {
					n, _ := strconv.Atoi(string(old))
					return fmt.Append(nil, n+1), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	relays.Wait()
	c := open(t, servers(t), "changes")
	var got string
	err := c.Change(t.Context(), "counter", func(old []byte) ([]byte, error) {
		got = string(old)
		return nil, nil
	})
	if err != nil || got != strconv.Itoa(3*each) {
		t.Errorf("after %d changes it is %q, %v", 3*each, got, err)
	}
	refused := errors.New("no")
	if err := c.Change(t.Context(), "counter", func([]byte) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("a refused change: %v", err)
	}
	if err := c.Change(t.Context(), "big", func([]byte) ([]byte, error) { return make([]byte, 65<<10), nil }); err == nil {
		t.Error("too large a value was stored")
	}
}

// A watch returns existing values, then calls complete, and then returns the changes of others.
func TestWatchValues(t *testing.T) {
	a, b := open(t, servers(t), "watch"), open(t, servers(t), "watch")
	set := func(name, value string) {
		t.Helper()
		if err := a.Change(t.Context(), name, func([]byte) ([]byte, error) { return []byte(value), nil }); err != nil {
			t.Fatal(err)
		}
	}
	set("list.1", "one")
	set("other.1", "not this one")
	ctx, cancel := context.WithCancel(t.Context())
	seen, complete := make(chan string, 8), make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		b.WatchValues(ctx, "list.", func(name string, value []byte) { seen <- name + "=" + string(value) }, func() { close(complete) })
	})
	defer watch.Wait()
	defer cancel()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s did not come", want)
		}
	}
	next("1=one")
	select {
	case <-complete:
	case <-time.After(10 * time.Second):
		t.Fatal("not complete")
	}
	set("list.2", "two")
	next("2=two")
	set("list.1", "uno")
	next("1=uno")
}
