package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/journal"
)

const (
	renewEvery        = 3 * time.Second  // a relay renews its announcement so often
	livesFor          = 12 * time.Second // after its last one; with the time until the next one of another relay, at most 15 s
	keepAnnouncements = 2 * time.Minute  // then the servers delete them
	watchPatience     = 10 * time.Second // how long not even our own announcements may be missing before the watch is renewed

	goodbyeTimeout = 2 * time.Second // for a relay that ends to say so

	maxAnnouncement = 4 << 10 // bytes
	maxAddrs        = 8       // addresses of a relay
	maxAddr         = 255     // bytes of an address
	maxRelays       = 64      // relays of a room
)

// An announcement is the value of a relay's key, in JSON.
type announcement struct {
	Addrs []string `json:"addrs"`
}

// Announce announces this relay and watches the others.
func (c *Cluster) Announce(ctx context.Context, self journal.Relay, changed func([]journal.Relay)) {
	var renewing sync.WaitGroup
	defer renewing.Wait()
	renewing.Go(func() { c.renew(ctx, self.Addrs) })
	living := newCensus()
	for n := 0; ctx.Err() == nil; n++ {
		if err := c.watch(ctx, living, changed); err != nil {
			c.log.Debug("watching the relays begins again", "err", err)
		}
		c.wait(ctx, n) // an error says that ctx has ended
	}
}

// renew announces this relay until ctx ends, and then takes the announcement back.
func (c *Cluster) renew(ctx context.Context, addrs []string) {
	value, err := json.Marshal(announcement{Addrs: addrs[:min(len(addrs), maxAddrs)]})
	if err != nil {
		c.log.Error("cannot announce this relay", "err", err)
		return
	}
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	c.wasAnnounced()
	stored, logged := time.Now(), false
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, renewEvery)
		switch _, err := c.relays.Put(attempt, c.relay, value); {
		case err == nil:
			c.wasAnnounced()
			stored, logged = time.Now(), false
		case ctx.Err() == nil && !logged && time.Since(stored) > livesFor: // others may be all right
			logged = true
			c.log.Warn("the cluster does not store that this relay lives; others may report that its members have left", "err", err)
		}
		cancel()
		select {
		case <-ticker.C:
		case <-c.newConnection():
		case <-ctx.Done():
		}
	}
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := c.relays.Delete(goodbye, c.relay); err != nil {
		c.log.Debug("the cluster does not store that this relay ends", "err", err) // the others notice after livesFor
	}
}

// wasAnnounced notes that the cluster has stored something.
func (c *Cluster) wasAnnounced() {
	c.mu.Lock()
	c.announced = time.Now()
	c.mu.Unlock()
}

// noteHeard notes when each relay was heard last.
func (c *Cluster) noteHeard(at map[string]time.Time) {
	c.mu.Lock()
	c.heard = at
	c.mu.Unlock()
}

// watch reads announcements into living, and calls changed when there are others than before, until the watch fails.
func (c *Cluster) watch(ctx context.Context, living *census, changed func([]journal.Relay)) error {
	watcher, err := c.relays.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer watcher.Stop()
	complete := false
	silence := time.NewTimer(watchPatience)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-silence.C:
			return errAgain
		case entry, ok := <-watcher.Updates():
			if !ok {
				return errAgain
			}
			silence.Reset(watchPatience)
			if entry == nil { // all that was there has come
				complete = true
			} else if err := living.hear(entry.Key(), entry.Operation() == jetstream.KeyValuePut, entry.Value(), entry.Created()); err != nil {
				c.log.Warn("the announcement of a relay cannot be read", "err", err)
			} else {
				c.noteHeard(living.heard())
			}
			// A list without this relay is from before its announcement.
			if complete && living.differs() && living.has(c.relay) {
				changed(living.report())
			}
		}
	}
}

// A census is who lives, as announcements in the bucket's order say. Its clock is their times: it stands still while the cluster stores
// nothing, so that a relay is not taken for dead because no one could announce itself.
// Owned by the goroutine that calls Announce.
type census struct {
	clock    time.Duration // the sum of the times between announcements, each at most renewEvery
	at       time.Time     // time of the last announcement
	members  map[string]*censused
	reported []journal.Relay // the list that was last reported
}

// A censused is a relay in the census.
type censused struct {
	relay journal.Relay
	at    time.Time     // of its last announcement, by the servers' clock
	heard time.Duration // the same by the census's clock
	seen  time.Time     // when its last announcement arrived, by this machine's clock
	ended bool          // it took its announcement back
}

func newCensus() *census { return &census{members: make(map[string]*censused)} }

// hear notes an announcement, or that one was taken back.
func (c *census) hear(id string, lives bool, value []byte, at time.Time) error {
	if c.at.IsZero() {
		c.at = at
	}
	if gap := at.Sub(c.at); gap > 0 {
		c.clock += min(gap, renewEvery)
		c.at = at
	}
	for id, m := range c.members {
		if c.clock-m.heard > livesFor {
			delete(c.members, id)
		}
	}
	m := c.members[id]
	if m != nil && !at.After(m.at) {
		return nil // a watch that began again repeats old announcements
	}
	if m == nil {
		if !relayID.MatchString(id) || len(c.members) >= maxRelays {
			return nil
		}
		m = &censused{relay: journal.Relay{ID: id}}
		c.members[id] = m
	}
	m.at, m.heard, m.seen, m.ended = at, c.clock, time.Now(), !lives
	if !lives {
		return nil
	}
	var said announcement
	if err := json.Unmarshal(value, &said); err != nil {
		m.ended = true
		return err
	}
	said.Addrs = slices.DeleteFunc(said.Addrs, func(addr string) bool {
		_, _, err := net.SplitHostPort(addr)
		return err != nil || len(addr) > maxAddr
	})
	m.relay.Addrs = said.Addrs[:min(len(said.Addrs), maxAddrs)]
	return nil
}

// living returns the relays that live, by ID.
func (c *census) living() []journal.Relay {
	var relays []journal.Relay
	for _, m := range c.members {
		if !m.ended {
			relays = append(relays, m.relay)
		}
	}
	slices.SortFunc(relays, func(a, b journal.Relay) int { return cmp.Compare(a.ID, b.ID) })
	return relays
}

// heard returns when each relay that lives was heard last.
func (c *census) heard() map[string]time.Time {
	at := make(map[string]time.Time, len(c.members))
	for id, m := range c.members {
		if !m.ended {
			at[id] = m.seen
		}
	}
	return at
}

// has returns whether a relay lives.
func (c *census) has(id string) bool { return c.members[id] != nil && !c.members[id].ended }

// differs returns whether the relays that live are others than those last reported, or say something else.
func (c *census) differs() bool {
	return !slices.EqualFunc(c.living(), c.reported, func(a, b journal.Relay) bool { return a.ID == b.ID && slices.Equal(a.Addrs, b.Addrs) })
}

// report returns the relays that live, and notes that they have been reported.
func (c *census) report() []journal.Relay {
	c.reported = c.living()
	return slices.Clone(c.reported)
}
