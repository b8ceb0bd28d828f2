package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	keptSnapshots = 2
	maxSnapshot   = 256 << 20 // bytes

	snapshotTimeout = time.Minute // for saving or reading one: 256 MB take seconds
)

// SaveSnapshot keeps a snapshot, compressed, and deletes all but the two latest ones. It tries once. Snapshots are at most 256 MB.
func (c *Cluster) SaveSnapshot(ctx context.Context, position uint64, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	if err := c.saveSnapshot(ctx, position, data); err != nil {
		return fmt.Errorf("save a snapshot in the cluster: %w", c.explain(err))
	}
	return nil
}

func (c *Cluster) saveSnapshot(ctx context.Context, position uint64, data []byte) error {
	if len(data) > maxSnapshot {
		return fmt.Errorf("%w: %d bytes", errTooLarge, len(data))
	}
	store, err := c.snapshots(ctx)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// Each relay's snapshots have names of their own: two that saved under one name at the same time could delete each other's chunks.
	name := fmt.Sprintf("%020d.%s", position, c.relay)
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: name, Metadata: map[string]string{metaFormat: strconv.Itoa(Format)}}, &packed); err != nil {
		return err
	}
	saved, err := c.savedSnapshots(ctx, store)
	if err != nil {
		return err
	}
	for _, old := range saved[min(keptSnapshots, len(saved)):] {
		if err := store.Delete(ctx, old.name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
			return err
		}
	}
	return nil
}

// Snapshot returns the last snapshot that can be read. While the cluster cannot be reached, it waits.
func (c *Cluster) Snapshot(ctx context.Context) (position uint64, data []byte, err error) {
	err = c.try(ctx, func(context.Context) error { // it has not only requestTimeout: a snapshot may be large
		ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
		defer cancel()
		store, err := c.snapshots(ctx)
		if err != nil {
			return err
		}
		saved, err := c.savedSnapshots(ctx, store)
		if err != nil {
			return err
		}
		for _, s := range saved {
			if data, err = readSnapshot(ctx, store, s.name); err == nil {
				position = s.position
				return nil
			}
			if errors.Is(err, ErrNewer) {
				return err
			}
			c.log.Warn("a snapshot in the cluster cannot be read", "name", s.name, "err", err)
		}
		return err // that of the last one; nil if there is none
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read the snapshot in the cluster: %w", err)
	}
	return position, data, nil
}

func readSnapshot(ctx context.Context, store jetstream.ObjectStore, name string) ([]byte, error) {
	object, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	info, err := object.Info()
	if err != nil {
		return nil, err
	}
	if format, err := strconv.Atoi(info.Metadata[metaFormat]); err != nil || format > Format {
		return nil, fmt.Errorf("snapshot %s has format %q: %w", name, info.Metadata[metaFormat], ErrNewer)
	}
	r, err := gzip.NewReader(object)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err == nil && len(data) > maxSnapshot {
		err = errTooLarge
	}
	return data, err
}

// A savedSnapshot is a snapshot in the object store.
type savedSnapshot struct {
	name     string
	position uint64
}

// savedSnapshots returns the snapshots, the latest first.
func (c *Cluster) savedSnapshots(ctx context.Context, store jetstream.ObjectStore) ([]savedSnapshot, error) {
	infos, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, err
	}
	var saved []savedSnapshot
	for _, info := range infos {
		digits, _, _ := strings.Cut(info.Name, ".")
		if position, err := strconv.ParseUint(digits, 10, 64); err == nil {
			saved = append(saved, savedSnapshot{name: info.Name, position: position})
		}
	}
	slices.SortFunc(saved, func(a, b savedSnapshot) int { return strings.Compare(b.name, a.name) })
	return saved, nil
}

// snapshots opens the object store of the snapshots, and makes it if it does not exist.
func (c *Cluster) snapshots(ctx context.Context) (jetstream.ObjectStore, error) {
	return c.openStore(ctx, jetstream.ObjectStoreConfig{Bucket: c.name + "_snapshots", Description: "snapshots of a chat room"})
}

// openStore opens an object store, and makes it if it does not exist, with as many replicas as the stream of records has.
func (c *Cluster) openStore(ctx context.Context, config jetstream.ObjectStoreConfig) (jetstream.ObjectStore, error) {
	config.Replicas = c.replicas
	store, err := c.js.ObjectStore(ctx, config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		store, err = c.js.CreateObjectStore(ctx, config)
	}
	return store, err
}
