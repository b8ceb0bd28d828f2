package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chat/relay/journal"
	"chat/relay/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A listener is a room and an owner that notes what it is told.
type listener struct {
	mu      sync.Mutex
	carried []string // guarded by mu, as below
	own     int      // of these, those of this relay
	failed  []string
	said    []string
}

func (l *listener) Carry(_ journal.Record, requests [][]byte, own []Proposal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, req := range requests {
		l.carried = append(l.carried, string(req))
		if i < len(own) && bytes.Equal(own[i].Request, req) {
			l.own++
		}
	}
}

func (l *listener) Failed(rejected []Proposal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range rejected {
		l.failed = append(l.failed, string(p.Request))
	}
}

func (l *listener) say(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, what)
}

// notes returns what l has noted so far.
func (l *listener) notes() (carried, failed, said []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.carried), slices.Clone(l.failed), slices.Clone(l.said)
}

func (l *listener) Slow()          { l.say("slow") }
func (l *listener) Failing()       { l.say("failing") }
func (l *listener) Recovered()     { l.say("recovered") }
func (l *listener) Carried(uint64) {}

// run runs a replica of a store in a synctest bubble, until the test ends.
func run(t *testing.T, store *journaltest.Store) (*Replica, *listener) {
	r, l := New(store.Relay(), 0, slog.New(slog.DiscardHandler)), new(listener)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx, l, l); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r, l
}

// propose proposes messages with numbers from one up to another.
func propose(t *testing.T, r *Replica, from, to int) (last uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		var err error
		if last, err = r.Propose(Proposal{Request: fmt.Appendf(nil, "%d", n), Message: true}); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

func TestProposalsAreCarriedOutInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		first, one := run(t, store)
		second, two := run(t, store)
		for n := range 300 {
			propose(t, first, n, n)
			propose(t, second, 1000+n, 1000+n)
			if n%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		synctest.Wait()
		if !slices.Equal(one.carried, two.carried) || len(one.carried) != 600 || one.own != 300 || two.own != 300 {
			t.Errorf("%d and %d requests, %d and %d own", len(one.carried), len(two.carried), one.own, two.own)
		}
		if !first.Settled(first.Last()) || first.Position() != second.Position() {
			t.Errorf("settled up to %d of %d, at %d and %d", first.settled, first.Last(), first.Position(), second.Position())
		}
		if waiting, since := first.Waiting(); waiting != 0 || since != 0 {
			t.Errorf("%d wait for %v", waiting, since)
		}
	})
}

// While the journal is down, messages wait, then they are rejected; other requests are held. What was on its way is in the
// journal afterwards.
func TestJournalDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		r, l := run(t, store)
		store.SetDown(true)
		propose(t, r, 1, 1)
		synctest.Wait()
		last := propose(t, r, 2, 3)
		settled := r.WhenSettled(last)
		time.Sleep(2 * time.Second)
		_, _, said := l.notes()
		if waiting, since := r.Waiting(); waiting != 3 || since != 2*time.Second || !slices.Equal(said, []string{"slow"}) {
			t.Errorf("%d wait for %v; it said %q", waiting, since, said)
		}
		time.Sleep(failAfter)
		if _, failed, said := l.notes(); !slices.Equal(failed, []string{"1", "2", "3"}) || !slices.Equal(said, []string{"slow", "failing"}) {
			t.Errorf("rejected %q; it said %q", failed, said)
		}
		if _, err := r.Propose(Proposal{Message: true}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("a message while it fails: %v", err)
		}
		if _, err := r.Propose(Proposal{Request: []byte("held")}); err != nil {
			t.Error(err)
		}
		select {
		case <-settled:
			t.Error("it is settled while the journal is down")
		default:
		}
		store.SetDown(false)
		<-settled
		time.Sleep(time.Second)
		if carried, _, said := l.notes(); !slices.Equal(carried, []string{"1", "held"}) || said[len(said)-1] != "recovered" {
			t.Errorf("carried out %q; it said %q", carried, said)
		}
		propose(t, r, 4, 4)
		synctest.Wait()
		if carried, _, _ := l.notes(); carried[2] != "4" || !r.Settled(r.Last()) {
			t.Errorf("carried out %q", carried)
		}
	})
}

// Those who propose too much are told to wait, by number and by size; a record has at most journal.MaxRecord bytes.
func TestFull(t *testing.T) {
	for name, request := range map[string]string{"many": "x", "large": strings.Repeat("x", 16<<10)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := journaltest.New()
				r, l := run(t, store)
				store.SetDown(true)
				propose(t, r, 0, 0)
				synctest.Wait()
				n := 1
				for ; r.Full() == nil; n++ {
					if n > maxWaiting {
						t.Fatal("it is never full")
					}
					if _, err := r.Propose(Proposal{Request: []byte(request), Message: true}); err != nil {
						t.Fatal(err)
					}
				}
				space := r.Full()
				store.SetDown(false)
				<-space
				synctest.Wait()
				if len(l.carried) != n {
					t.Errorf("%d of %d were carried out", len(l.carried), n)
				}
				for _, record := range store.Records() {
					if len(record.Data) > journal.MaxRecord {
						t.Errorf("a record has %d bytes", len(record.Data))
					}
				}
			})
		})
	}
}

// A replica continues at a position; a record of another format ends it.
func TestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		first, _ := run(t, store)
		propose(t, first, 1, 1)
		synctest.Wait()
		propose(t, first, 2, 2)
		synctest.Wait()
		l := new(listener)
		late := New(store.Relay(), 1, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- late.Run(ctx, l, l) }()
		<-late.WhenAt(2)
		if !slices.Equal(l.carried, []string{"2"}) {
			t.Errorf("carried out %q", l.carried)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	store := journaltest.New()
	relay := store.Relay()
	if err := relay.Append(t.Context(), []byte{recordFormat + 1, 0}); err != nil {
		t.Fatal(err)
	}
	l := new(listener)
	if err := New(relay, 0, slog.New(slog.DiscardHandler)).Run(t.Context(), l, l); !errors.Is(err, ErrFormat) {
		t.Errorf("a record of a newer format: %v", err)
	}
}

// A record is an error, or has the requests that it is written with again.
func FuzzParseRecord(f *testing.F) {
	f.Add(appendRecord(nil, []Proposal{{Request: []byte("one"), Ticket: 7}, {Request: nil, Ticket: 8}}))
	f.Add([]byte{recordFormat, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		requests, last, err := ParseRecord(data)
		if err != nil || len(requests) == 0 {
			return
		}
		batch := make([]Proposal, len(requests))
		for i := range batch {
			batch[i] = Proposal{Request: requests[i], Ticket: last}
		}
		again, lastAgain, err := ParseRecord(appendRecord(nil, batch))
		if err != nil || lastAgain != last || !slices.EqualFunc(again, requests, bytes.Equal) {
			t.Errorf("%x has %q, and again %q (%v)", data, requests, again, err)
		}
	})
}
