package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"chat/relay"
	"chat/relay/wire"
)

// This file makes it safe to repeat a request whose answer was lost or unknown: requests of one
// client with the same Idempotency-Key
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) are one message.
//
// The event of a message has a hash of its key, so a host that was restarted on its history knows
// the keys of the last events; and a host of a room that others serve, too, those that were sent there.

const (
	// maxKeys is how many keys are remembered, and how many events are searched for keys after a
	// restart.
	maxKeys = 10_000

	// maxKeyMemory is likewise how many bytes their messages may have.
	maxKeyMemory = 16 << 20

	// maxKeyBytes is the limit of a key.
	maxKeyBytes = 255
)

// errOtherContent means that a request has the key of one that sent something else. It must not get
// that one's answer: its sender would believe that the room has what it sent.
var errOtherContent = &statusError{http.StatusUnprocessableEntity, "this Idempotency-Key was used for another message or file"}

// A contentSum is a hash of what a request sends, or of what its header says about that. The
// same request has the same one when it is repeated.
type contentSum [sha256.Size]byte

// contentOf returns the contentSum of a request that consists of parts.
func contentOf(parts ...any) contentSum { return sha256.Sum256(fmt.Appendf(nil, "%q", parts)) }

// idempotencyKey returns the hash of the request's key; "": it has none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || values[0] == "" || len(values[0]) > maxKeyBytes:
		return "", &statusError{http.StatusBadRequest, fmt.Sprintf("Idempotency-Key has to be 1 to %d characters, once", maxKeyBytes)}
	}
	sum := sha256.Sum256([]byte(values[0]))
	return hex.EncodeToString(sum[:16]), nil
}

// keys are the visits with a key. It is safe for concurrent use.
type keys struct {
	room *relay.Server // fixed
	log  *slog.Logger  // fixed

	reading sync.Mutex
	follow  *relay.Follower // where read continues; nil: it has read nothing. Guarded by reading, as below
	done    bool            // read has all that it needs
	oldest  keyOrder        // of old

	mu     sync.Mutex
	visits map[string]*visit     // by token and key; guarded by mu
	order  keyOrder              // of visits; guarded by mu
	old    map[string]wire.Event // by public ID and key: of the events before this run, and of other hosts; guarded by mu
}

// A keyOrder is the order of keys, which are forgotten from the oldest on.
type keyOrder struct {
	keys  []orderedKey
	bytes int // of all
}

type orderedKey struct {
	name  string
	bytes int // of its message
}

// add adds a key, and calls forget for those that are too many now.
func (o *keyOrder) add(name string, bytes int, forget func(name string)) {
	o.keys = append(o.keys, orderedKey{name, bytes})
	o.bytes += bytes
	for len(o.keys) > maxKeys || o.bytes > maxKeyMemory {
		forget(o.keys[0].name)
		o.bytes -= o.keys[0].bytes
		o.keys = o.keys[1:]
	}
}

func newKeys(room *relay.Server, log *slog.Logger) *keys {
	return &keys{room: room, log: log, visits: make(map[string]*visit), old: make(map[string]wire.Event)}
}

// begin returns the visit with the key of v's client: v itself, unless there was one before.
func (k *keys) begin(v *visit, key string) (*visit, error) {
	v.message.Once = key
	name := v.token + " " + key
	k.mu.Lock()
	defer k.mu.Unlock()
	first := k.visits[name]
	switch {
	case first == nil:
		k.visits[name] = v
		k.order.add(name, len(v.message.Text), func(old string) { delete(k.visits, old) })
		return v, nil
	case first.content != v.content:
		return nil, errOtherContent
	}
	return first, nil
}

// lookUp returns the visit with the key of the client with token; nil if there is none.
func (k *keys) lookUp(token, key string) *visit {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.visits[token+" "+key]
}

// end forgets a visit that failed: the next request with its key is a new one.
func (k *keys) end(v *visit, key string, err error) {
	if key == "" || err == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if name := v.token + " " + key; k.visits[name] == v {
		delete(k.visits, name)
	}
}

// stored returns the event of a client with a key from before this run, or from another host.
func (k *keys) stored(client, key string) (wire.Event, bool) {
	if key == "" {
		return wire.Event{}, false
	}
	k.read()
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.old[client+" "+key]
	return e, ok
}

// read reads the keys of the last events: once, unless other hosts of the room add to them.
func (k *keys) read() {
	k.reading.Lock()
	defer k.reading.Unlock()
	if k.done {
		return
	}
	k.done = k.room.Relay() == ""
	if k.follow == nil {
		k.follow = k.room.FollowFrom(max(k.room.Next(), maxKeys+1) - maxKeys)
	}
	for {
		runs, _, err := k.follow.Next()
		if err != nil {
			k.log.Error("the history cannot be searched for Idempotency-Keys", "error", err)
			return
		}
		if len(runs) == 0 {
			return
		}
		for line := range linesOf(runs) {
			if !bytes.Contains(line, []byte(`,"once":"`)) {
				continue
			}
			if e, err := wire.ParseEvent(line); err == nil && e.Once != "" {
				k.add(e, len(line))
			}
		}
	}
}

// add adds an event with a key, of a number of bytes.
func (k *keys) add(e wire.Event, bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := e.Client + " " + e.Once
	k.old[name] = e
	k.oldest.add(name, bytes, func(old string) { delete(k.old, old) })
}
