package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/history"
)

// Format is the version of what the streams of a room hold.
const Format = 1

// Keys of the metadata of a room's stream.
const (
	metaFormat = "chat_format"
	metaRoom   = "chat_room" // the room's ID
)

// maxShared is how many bytes a value of the bucket "shared" may have.
const maxShared = 64 << 10

// Common is what the first relay of a room decided for all of them. Whoever may read the room's streams can read it.
type Common struct {
	ID      string    `json:"id"` // of the room: 16 hex digits
	Title   string    `json:"title"`
	Secret  string    `json:"secret"` // from which the relays derive what they must agree on and clients must not guess
	Created time.Time `json:"created"`
}

var roomID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// open opens the room's streams, and makes those that do not exist.
func (c *Cluster) open(ctx context.Context, opts Options) error {
	id, err := c.openStream(ctx, opts.Replicas)
	if err != nil {
		return err
	}
	c.common.ID = id
	if c.shared, err = c.openBucket(ctx, jetstream.KeyValueConfig{
		Bucket: c.name + "_shared", Description: "what the relays of a chat room have in common", MaxValueSize: maxShared + 1<<10,
	}); err != nil {
		return err
	}
	if c.relays, err = c.openBucket(ctx, jetstream.KeyValueConfig{
		Bucket: c.name + "_relays", Description: "the relays of a chat room", MaxValueSize: maxAnnouncement, TTL: keepAnnouncements,
	}); err != nil {
		return err
	}
	value, err := c.Shared(ctx, "common", func() ([]byte, error) {
		return json.Marshal(Common{ID: id, Title: opts.Title, Secret: rand.Text(), Created: time.Now().UTC().Truncate(time.Second)})
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, &c.common); err != nil || c.common.ID != id || c.common.Secret == "" {
		return fmt.Errorf("%w: what its relays have in common cannot be read", ErrForeign)
	}
	return c.mayAppend(ctx)
}

// openStream opens the stream of the records and returns the room's ID.
func (c *Cluster) openStream(ctx context.Context, replicas int) (id string, err error) {
	wanted := replicas
	if replicas == 0 {
		wanted = 3
	}
	started := time.Now()
	err = c.try(ctx, func(ctx context.Context) error {
		info, err := c.look(ctx)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			var stream jetstream.Stream
			stream, err = c.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: c.name, Description: "the journal of a chat room", Subjects: []string{c.subjects},
				Storage: jetstream.FileStorage, Replicas: wanted, DenyDelete: true,
				Metadata: map[string]string{metaFormat: strconv.Itoa(Format), metaRoom: history.NewRoomID()},
			})
			switch {
			case err == nil:
				info, err = stream.CachedInfo(), nil
				c.log.Info("created the room in the cluster", "stream", c.name, "replicas", wanted)
			case code(err) == codeNotCluster && replicas == 0 && wanted > 1:
				wanted = 1 // there is only one server
			}
		}
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			if time.Since(started) > connectTimeout { // before, a server may be about to start
				return fmt.Errorf("%w: %w", errGivenUp, err)
			}
		}
		if err != nil {
			if code(err) == codeNotCluster && wanted == 1 {
				return errors.New("there is only one server") // try again with one replica
			}
			return err
		}
		id, err = roomOf(info, c.subjects)
		c.replicas = info.Config.Replicas
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoJetStream) {
		err = fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return id, err
}

// errGivenUp says that an error that may pass has not passed.
var errGivenUp = errors.New("given up")

// look asks the leader of the stream of records for its state.
func (c *Cluster) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	stream, err := c.js.Stream(ctx, c.name)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if info.Cluster != nil {
		c.mu.Lock()
		c.leader = info.Cluster.Leader
		c.mu.Unlock()
	}
	return info, nil
}

// roomOf returns the ID of the room whose stream info describes.
func roomOf(info *jetstream.StreamInfo, subjects string) (string, error) {
	meta := info.Config.Metadata
	format, err := strconv.Atoi(meta[metaFormat])
	switch {
	case err != nil || format < 1 || !roomID.MatchString(meta[metaRoom]):
		return "", fmt.Errorf("stream %s: %w", info.Config.Name, ErrForeign)
	case format > Format:
		return "", fmt.Errorf("stream %s has format %d, this version knows %d: %w", info.Config.Name, format, Format, ErrNewer)
	case len(info.Config.Subjects) != 1 || info.Config.Subjects[0] != subjects:
		return "", fmt.Errorf("stream %s has the subjects %q, not %q: %w", info.Config.Name, info.Config.Subjects, subjects, ErrForeign)
	case info.Config.Retention != jetstream.LimitsPolicy:
		return "", fmt.Errorf("stream %s deletes what has been read: %w", info.Config.Name, ErrForeign)
	}
	return meta[metaRoom], nil
}

// openBucket opens a key-value bucket, and makes it if it does not exist, with as many replicas as the stream of records has.
func (c *Cluster) openBucket(ctx context.Context, config jetstream.KeyValueConfig) (bucket jetstream.KeyValue, err error) {
	config.Replicas = c.replicas
	err = c.try(ctx, func(ctx context.Context) error {
		var err error
		bucket, err = c.js.KeyValue(ctx, config.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			bucket, err = c.js.CreateKeyValue(ctx, config)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", config.Bucket, err)
	}
	return bucket, nil
}

// Shared returns the value of a name that the first relay made: the others get the same one. Names have letters, digits, -, _
// and dots; values at most 64 KiB. make is called at most once. While the cluster cannot be reached, Shared waits.
func (c *Cluster) Shared(ctx context.Context, name string, make func() ([]byte, error)) ([]byte, error) {
	var made, value []byte
	err := c.try(ctx, func(ctx context.Context) error {
		// A server that lags may not have the value yet. Then Create fails, and the next attempt looks again.
		entry, err := c.shared.Get(ctx, name)
		if err == nil {
			value = entry.Value()
			return nil
		}
		if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return err
		}
		if made == nil {
			if made, err = make(); err != nil {
				return fmt.Errorf("%w: %w", errNotMade, err)
			}
			if len(made) > maxShared {
				return fmt.Errorf("%w: %d bytes", errTooLarge, len(made))
			}
		}
		if _, err := c.shared.Create(ctx, name, made); err != nil {
			return err
		}
		value = made
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("share %s among the relays: %w", name, err)
	}
	return value, nil
}

// errNotMade says that the value to be shared could not be made.
var errNotMade = errors.New("make it")
