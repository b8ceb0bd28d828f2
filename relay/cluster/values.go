package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// This file has values that the relays share and that change, unlike those of Shared. They are in the same bucket.

// Change replaces the value of a name by what change returns for it. nil is a value that is not there; if change returns nil,
// nothing changes. Names have letters, digits, -, _ and dots; values at most 64 KiB. change may be called several times: of changes at
// the same time, one comes after the other. While the cluster cannot be reached, Change waits, until ctx ends.
func (c *Cluster) Change(ctx context.Context, name string, change func(old []byte) (value []byte, err error)) error {
	err := c.try(ctx, func(ctx context.Context) error {
		// A server that lags may have an older value. Then the revision is another one, and the next attempt looks again.
		var old []byte
		var revision uint64
		entry, err := c.shared.Get(ctx, c.key(name))
		switch {
		case err == nil:
			old, revision = entry.Value(), entry.Revision()
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return err
		}
		value, err := change(old)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errNotMade, err)
		case value == nil:
			return nil
		case len(value) > maxShared:
			return fmt.Errorf("%w: %d bytes", errTooLarge, len(value))
		case revision == 0:
			_, err = c.shared.Create(ctx, c.key(name), value)
		default:
			_, err = c.shared.Update(ctx, c.key(name), value, revision)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change %s in the cluster: %w", name, err)
	}
	return nil
}

// key returns the key of a name in the bucket. What another room of this name has left has other keys.
func (c *Cluster) key(name string) string { return c.common.ID + "." + name }

// WatchValues calls receive with each value whose name begins with a prefix, which ends with a dot, and with each later one,
// from one goroutine, until ctx ends. It may repeat values. After the values that were there at the start, it calls complete, once.
// name is without the prefix.
func (c *Cluster) WatchValues(ctx context.Context, prefix string, receive func(name string, value []byte), complete func()) {
	for n := 0; ctx.Err() == nil; n++ {
		if err := c.watchValues(ctx, c.key(prefix), receive, &complete); err != nil {
			c.log.Debug("watching values begins again", "values", prefix, "err", err)
		}
		c.wait(ctx, n) // an error says that ctx has ended
	}
}

// watchValues watches until the watch fails or there is a new connection: values may have changed while there was none.
func (c *Cluster) watchValues(ctx context.Context, prefix string, receive func(name string, value []byte), complete *func()) error {
	again := c.newConnection()
	watcher, err := c.shared.Watch(ctx, prefix+">")
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			return errAgain
		case entry, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errAgain
			case entry != nil && entry.Operation() == jetstream.KeyValuePut:
				receive(strings.TrimPrefix(entry.Key(), prefix), entry.Value())
			case entry == nil && *complete != nil:
				(*complete)()
				*complete = nil
			}
		}
	}
}
