package room

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"chat/relay/wire"
)

// This file is the state of a shared room as the journal keeps it, so that a relay that is started need not read the
// journal from its beginning. It has a line of JSON for the room, and one for each record of the state.

// A Snapshot is the state of a shared room, and the ID of the next event.
type Snapshot struct {
	next  uint64
	state *State
}

const (
	snapshotFormat = 1
	maxRecord      = 1 << 20 // bytes of a line
)

// ErrSnapshot says that a snapshot was written by a newer version of the program, or is damaged.
var ErrSnapshot = errors.New("the snapshot of the room cannot be read")

type (
	snapshotHead struct {
		Format int    `json:"format"`
		Next   uint64 `json:"next"`
	}
	snapshotRecord struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	}
)

// Snapshot returns the state as it is now.
func (r *Room) Snapshot() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Snapshot{r.log.Next(), r.state.clone()}
}

// Next returns the ID of the next event.
func (s *Snapshot) Next() uint64 { return s.next }

// Encode returns the snapshot for [ReadSnapshot].
func (s *Snapshot) Encode() []byte {
	b := append(encodeRecord(snapshotHead{snapshotFormat, s.next}), '\n')
	for key := range s.state.recordKeys() {
		b = append(append(b, encodeRecord(snapshotRecord{key, s.state.record(key)})...), '\n')
	}
	return b
}

// recordKeys iterates over the keys of all records, in the order in which they are loaded.
func (s *State) recordKeys() iter.Seq[string] {
	return func(yield func(string) bool) {
		var keys []string
		if s.topic != "" {
			keys = append(keys, topicKey)
		}
		keys = append(keys, authorsKey)
		for _, marks := range []struct {
			prefix string
			marks  map[string]string
		}{{banPrefix, s.bans}, {mutePrefix, s.mutes}, {operatorPrefix, s.operators}} {
			for mark := range marks.marks {
				keys = append(keys, marks.prefix+mark)
			}
		}
		for author := range s.clients {
			keys = append(keys, clientPrefix+strconv.FormatUint(uint64(author), 10))
		}
		for fold := range maps.Keys(s.owners.nicks) {
			keys = append(keys, nickPrefix+fold)
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !yield(key) {
				return
			}
		}
	}
}

// ReadSnapshot returns the fold in a snapshot, and the ID of the next event. Without data, these are those of a new room.
// The error wraps ErrSnapshot.
func ReadSnapshot(data []byte) (fold *Fold, next uint64, err error) {
	if len(data) == 0 {
		return &Fold{newSharedState()}, 1, nil
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxRecord)
	var head snapshotHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Format != snapshotFormat || head.Next == 0 || head.Next > wire.MaxNumber/2 {
		return nil, 0, ErrSnapshot
	}
	fold, err = NewSharedFold(func(load func(key string, value []byte) error) error {
		for lines.Scan() {
			var record snapshotRecord
			if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
				return err
			}
			if err := load(record.Key, record.Value); err != nil {
				return fmt.Errorf("record %q: %w", record.Key, err)
			}
		}
		return lines.Err()
	})
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return fold, head.Next, nil
}
