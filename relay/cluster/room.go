package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/history"
)

// Format is the version of the content of a room's streams.
const Format = 1

// Keys of the metadata of a room's stream.
const (
	metaFormat = "chat_format"
	metaRoom   = "chat_room" // the room's ID
)

// maxShared is how many bytes a value of the bucket "shared" may have.
const maxShared = 64 << 10

// Common has the decisions of a room's first relay for all of them. Whoever may read the room's streams can read it.
type Common struct {
	ID      string    `json:"id"` // of the room: 16 hex digits
	Title   string    `json:"title"`
	Secret  string    `json:"secret"` // from which the relays derive values that are the same for all, and that clients must not guess
	Created time.Time `json:"created"`
}

var roomID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// A stream is a stream of messages in JetStream.
type stream struct {
	name     string
	subjects []string // of its messages
}

// open opens the room's streams, and makes those that do not exist.
func (c *Cluster) open(ctx context.Context, opts Options) error {
	id, err := c.openStream(ctx, jetstream.StreamConfig{
		Name: c.records.name, Subjects: c.records.subjects, Description: "the journal of a chat room", DenyDelete: true,
		Metadata: map[string]string{metaRoom: history.NewRoomID()},
	}, opts.Replicas)
	if err != nil {
		return err
	}
	c.common.ID = id
	if _, err := c.openStream(ctx, jetstream.StreamConfig{
		Name: c.files.name, Subjects: c.files.subjects, Description: "files and snapshots of a chat room", AllowDirect: true,
		Metadata: map[string]string{metaRoom: id}, // another one if the stream of records has been deleted and made again
	}, c.replicas); err != nil {
		return err
	}
	if err := c.try(ctx, func(ctx context.Context) (err error) {
		c.parts, err = c.js.Stream(ctx, c.files.name)
		return err
	}); err != nil {
		return err
	}
	if c.shared, err = c.openBucket(ctx, jetstream.KeyValueConfig{
		Bucket: c.records.name + "_shared", Description: "values shared by the relays of a chat room", MaxValueSize: maxShared + 1<<10,
	}); err != nil {
		return err
	}
	if c.relays, err = c.openBucket(ctx, jetstream.KeyValueConfig{
		Bucket: c.records.name + "_relays", Description: "the relays of a chat room", MaxValueSize: maxAnnouncement, TTL: keepAnnouncements,
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
	if err := c.out.mayWrite(ctx); err != nil {
		return err
	}
	part := writer{c: c, stream: c.files, subject: c.path(filePath, "none") + "0"}
	return part.mayWrite(ctx)
}

// openStream opens a stream, and makes it if it does not exist. It returns the ID of the room that it belongs to. replicas is 0
// for the stream of records if the user does not say.
func (c *Cluster) openStream(ctx context.Context, config jetstream.StreamConfig, replicas int) (id string, err error) {
	config.Replicas = replicas
	if replicas == 0 {
		config.Replicas = 3
	}
	config.Storage = jetstream.FileStorage
	config.Metadata[metaFormat] = strconv.Itoa(Format)
	started := time.Now()
	err = c.try(ctx, func(ctx context.Context) error {
		handle, err := c.js.Stream(ctx, config.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			handle, err = c.js.CreateStream(ctx, config)
			if code(err) == codeNotCluster && replicas == 0 { // there is only one server
				config.Replicas = 1
				handle, err = c.js.CreateStream(ctx, config)
			}
		}
		switch {
		case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), time.Since(started) > connectTimeout && (errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrNoResponders)): // before, a server may be about to start
			return fmt.Errorf("%w: %w", errGivenUp, err)
		case rejected(err):
			return fmt.Errorf("%w: %w", errGivenUp, err)
		case err != nil:
			return err
		}
		info := handle.CachedInfo()
		id, err = roomOf(info, config.Subjects)
		c.replicas = info.Config.Replicas
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) && !final(err) {
		err = fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return id, err
}

// errGivenUp says that an error does not pass.
var errGivenUp = errors.New("given up")

// rejected returns whether JetStream rejected a request as such. That the stream exists is no such error: another relay made it at the same
// time, and the next attempt finds it.
func rejected(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.Code == 400 || api.ErrorCode == codeInvalid) && api.ErrorCode != jetstream.JSErrCodeStreamNameInUse && !final(explain(err, ""))
}

// look asks the leader of a stream for its state. The stream of records must still be that of this room.
func (c *Cluster) look(ctx context.Context, s stream) (jetstream.Stream, *jetstream.StreamInfo, error) {
	handle, err := c.js.Stream(ctx, s.name)
	if err != nil {
		return nil, nil, err
	}
	info := handle.CachedInfo()
	if s.name != c.records.name {
		return handle, info, nil
	}
	if id, err := roomOf(info, s.subjects); err != nil || id != c.common.ID {
		return nil, nil, ErrGone // and there is another one of its name
	}
	if info.Cluster != nil {
		c.mu.Lock()
		c.leader = info.Cluster.Leader
		c.mu.Unlock()
	}
	return handle, info, nil
}

// roomOf returns the ID of the room that a stream belongs to.
func roomOf(info *jetstream.StreamInfo, subjects []string) (string, error) {
	meta := info.Config.Metadata
	format, err := strconv.Atoi(meta[metaFormat])
	switch {
	case err != nil || format < 1 || !roomID.MatchString(meta[metaRoom]):
		return "", fmt.Errorf("stream %s: %w", info.Config.Name, ErrForeign)
	case format > Format:
		return "", fmt.Errorf("stream %s has format %d, this version knows %d: %w", info.Config.Name, format, Format, ErrNewer)
	case !slices.Equal(info.Config.Subjects, subjects):
		return "", fmt.Errorf("stream %s has the subjects %q, not %q: %w", info.Config.Name, info.Config.Subjects, subjects, ErrForeign)
	case info.Config.Retention != jetstream.LimitsPolicy:
		return "", fmt.Errorf("stream %s deletes records: %w", info.Config.Name, ErrForeign)
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
	key := c.key(name)
	err := c.try(ctx, func(ctx context.Context) error {
		// If a server lags and does not have the value yet, Create fails, and the next attempt looks again.
		entry, err := c.shared.Get(ctx, key)
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
		if _, err := c.shared.Create(ctx, key, made); err != nil {
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
