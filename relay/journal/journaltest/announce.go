package journaltest

import (
	"context"
	"sync"

	"chat/relay/journal"
)

// Announce says that one more relay lives, at addresses, until end is called. It serves no one.
func (s *Store) Announce(addrs ...string) (end func()) {
	r := s.Relay()
	ctx, cancel := context.WithCancel(context.Background())
	var announcing sync.WaitGroup
	announcing.Go(func() {
		r.Announce(ctx, journal.Relay{ID: r.Relay(), Addrs: addrs}, func([]journal.Relay) {})
	})
	return func() {
		cancel()
		announcing.Wait()
	}
}
