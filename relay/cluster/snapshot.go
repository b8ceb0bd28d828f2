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
	snapshotPath  = "snapshot"

	snapshotTries = 3 // other relays may delete both while they are read, as they have saved newer ones
)

// SaveSnapshot keeps a snapshot, compressed, and deletes all but the two latest ones. Snapshots have at most 256 MB. While the cluster cannot
// be reached, it waits.
func (c *Cluster) SaveSnapshot(ctx context.Context, position uint64, data []byte) error {
	if len(data) > maxSnapshot {
		return fmt.Errorf("save a snapshot of %d bytes in the cluster: %w", len(data), errTooLarge)
	}
	packed, err := compress(data)
	if err == nil {
		// Several relays may save a snapshot of one position, and one relay may do so twice.
		name := fmt.Sprintf("%020d-%s-%d", position, c.relay, c.written.Load())
		_, _, err = c.put(ctx, c.path(snapshotPath, name), packed)
	}
	if err == nil {
		err = c.sweepSnapshots(ctx)
	}
	if err != nil {
		return fmt.Errorf("save a snapshot in the cluster: %w", err)
	}
	return nil
}

func compress(data []byte) (*bytes.Buffer, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	return &packed, w.Close()
}

// sweepSnapshots deletes old snapshots.
func (c *Cluster) sweepSnapshots(ctx context.Context) error {
	saved, err := c.savedSnapshots(ctx)
	if err != nil {
		return err
	}
	kept := 0
	for _, s := range saved {
		if s.complete && kept < keptSnapshots {
			kept++
			continue
		}
		if !s.complete {
			// Another relay may still be writing it.
			if old, err := c.isAbandoned(ctx, s); err != nil || !old {
				continue // the next sweep may find out
			}
		}
		if err := c.delete(ctx, s.path); err != nil {
			return err
		}
	}
	return nil
}

// isAbandoned returns whether no one has written to a snapshot for an hour, by the servers' clocks and this relay's.
func (c *Cluster) isAbandoned(ctx context.Context, s savedSnapshot) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := c.parts.GetLastMsgForSubject(ctx, fmt.Sprint(s.path, s.parts-1))
	if err != nil {
		return false, err
	}
	return time.Since(msg.Time) > abandoned, nil
}

// Snapshot returns the last snapshot that can be read. While the cluster cannot be reached, it waits.
func (c *Cluster) Snapshot(ctx context.Context) (position uint64, data []byte, err error) {
	for range snapshotTries {
		var saved []savedSnapshot
		saved, err = c.savedSnapshots(ctx)
		for _, s := range saved {
			if !s.complete {
				continue
			}
			if data, err = c.readSnapshot(ctx, s.path); err == nil {
				return s.position, data, nil
			}
			if errors.Is(err, ErrNewer) || ctx.Err() != nil {
				break
			}
			c.log.Warn("a snapshot in the cluster cannot be read", "position", s.position, "err", err)
		}
		if !errors.Is(err, ErrNoFile) {
			break
		}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the snapshot in the cluster: %w", err)
	}
	return 0, nil, nil
}

func (c *Cluster) readSnapshot(ctx context.Context, path string) ([]byte, error) {
	file, err := c.openFile(ctx, path)
	if err != nil {
		return nil, err
	}
	packed, err := io.ReadAll(file.Reader()) // with its hash checked
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err == nil && len(data) > maxSnapshot {
		err = errTooLarge
	}
	return data, err
}

// A savedSnapshot is a snapshot in the cluster.
type savedSnapshot struct {
	path     string
	position uint64
	parts    int // without the description
	complete bool
}

// savedSnapshots returns the snapshots, the latest first.
func (c *Cluster) savedSnapshots(ctx context.Context) (saved []savedSnapshot, err error) {
	prefix := c.path(snapshotPath, "")
	prefix = prefix[:len(prefix)-1]
	err = c.try(ctx, func(ctx context.Context) error {
		saved = nil
		handle, _, err := c.look(ctx, c.files)
		if err != nil {
			return err
		}
		info, err := handle.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
		if err != nil {
			return err
		}
		for subject := range info.State.Subjects {
			path := subject[:strings.LastIndexByte(subject, '.')+1]
			digits, _, _ := strings.Cut(strings.TrimPrefix(path, prefix), "-")
			position, err := strconv.ParseUint(digits, 10, 64)
			if err != nil {
				continue // not a snapshot of ours
			}
			i := slices.IndexFunc(saved, func(s savedSnapshot) bool { return s.path == path })
			if i < 0 {
				i = len(saved)
				saved = append(saved, savedSnapshot{path: path, position: position})
			}
			if subject == path+endOfFile {
				saved[i].complete = true
			} else {
				saved[i].parts++
			}
		}
		return nil
	})
	slices.SortFunc(saved, func(a, b savedSnapshot) int { return strings.Compare(b.path, a.path) })
	return saved, err
}
