package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/journal"
	"chat/relay/journal/journaltest"
)

// Whoever runs a host sees all relays and their members, what waits for the cluster, and that it does not answer.
func TestClusterStatus(t *testing.T) {
	relays(t, 2, func(t *testing.T, store *journaltest.Store, servers []*relay.Server) {
		alice := guest(t, servers[0], "alice")
		bob := guest(t, servers[1], "bob")
		alice.expect("bob joined")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for i, s := range servers {
			status, ok := s.Cluster()
			if !ok || status.Relay != s.Relay() || len(status.Relays) != 2 || status.Records == 0 || status.Requests != 0 || status.Wait != 0 || status.Problem != "" {
				t.Errorf("relay %d: %+v", i, status)
			}
			for _, r := range status.Relays {
				if !r.Lives || r.Members != 1 {
					t.Errorf("relay %d sees %+v", i, r)
				}
			}
			other := []string{"bob", "alice"}[i]
			if list := s.Elsewhere(); len(list) != 1 || list[0].Nick != other || list[0].Relay != servers[1-i].Relay() || !list[0].IsMember() || list[0].Since.IsZero() {
				t.Errorf("members elsewhere of relay %d: %+v", i, list)
			}
			if list := s.Connections(); len(list) != 1 || list[0].Relay != s.Relay() {
				t.Errorf("connections of relay %d: %+v", i, list)
			}
		}
		store.SetDown(true)
		alice.send("hello")
		time.Sleep(5 * time.Second)
		if status, _ := servers[0].Cluster(); status.Requests != 1 || status.Wait < 4 || len(servers[0].Problems()) > 0 {
			t.Errorf("after 5 s: %+v, %q", status, servers[0].Problems())
		}
		time.Sleep(12 * time.Second)
		if got := servers[0].Problems(); !slices.Equal(got, []string{"the cluster does not answer"}) {
			t.Errorf("after 17 s the problems are %q", got)
		}
		store.SetDown(false)
		time.Sleep(5 * time.Second)
		bob.send("hello")
		time.Sleep(time.Second)
		if status, _ := servers[0].Cluster(); status.Requests != 0 || len(servers[0].Problems()) > 0 {
			t.Errorf("later: %+v, %q", status, servers[0].Problems())
		}
	})
	if _, ok := relay.New(relay.Options{}).Cluster(); ok {
		t.Error("a room of one host has a cluster")
	}
}

// A cluster that stores nothing is a problem also while no one sends anything; for how long it has not is known to its connection.
func TestSilentCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var link relay.ClusterLink
		srv, stop := sharedServer(t, journaltest.New(), nil, func(o *relay.Options) { o.ClusterLink = func() relay.ClusterLink { return link } })
		defer stop()
		for _, silent := range []time.Duration{0, 14 * time.Second, 16 * time.Second} {
			link = relay.ClusterLink{Connected: true, Server: "nats://a:4222", Silent: silent}
			if got := fmt.Sprint(srv.Problems()); (got == "[the cluster does not answer]") != (silent > 15*time.Second) {
				t.Errorf("after %v: %s", silent, got)
			}
		}
		if status, _ := srv.Cluster(); status.Server != "nats://a:4222" {
			t.Errorf("the status is %+v", status)
		}
	})
}

// A failingJournal is a relay's journal that cannot be read any more once fail is closed.
type failingJournal struct {
	journal.Journal
	fail chan struct{}
}

func (j *failingJournal) Read(ctx context.Context, after uint64, receive func(journal.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-j.fail:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := j.Journal.Read(ctx, after, receive); err != nil {
		return err
	}
	select {
	case <-j.fail:
		return errors.New("the stream is gone")
	default:
		return nil
	}
}

// A journal that cannot be read any more is a problem.
func TestUnreadableCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &failingJournal{journaltest.New().Relay(), make(chan struct{})}
		srv, err := relay.NewShared(t.Context(), j, nil, relay.Options{Title: "kitchen", Room: "0123456789abcdef", Secret: sharedSecret})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- srv.Serve(t.Context(), newClosedListener()) }()
		synctest.Wait()
		if got := srv.Problems(); len(got) > 0 {
			t.Errorf("at first: %q", got)
		}
		close(j.fail)
		synctest.Wait()
		if got := srv.Problems(); !slices.Contains(got, "the room in the cluster cannot be read any more") {
			t.Errorf("then: %q", got)
		}
		if err := <-served; err == nil || !strings.Contains(err.Error(), "the stream is gone") {
			t.Errorf("Serve returns %v", err)
		}
	})
}
