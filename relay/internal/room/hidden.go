package room

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A hidden event changes the state, and no client receives it. The log keeps it as JSON.
type hidden struct {
	Type string `json:"type"`
	At   millis `json:"at"`

	// of hiddenClient; Author and Nick also of the others
	Author   history.Author `json:"author,omitzero"`
	ID       string         `json:"id,omitempty"`
	Key      string         `json:"key,omitempty"` // hexadecimal, see clientKey
	Nick     string         `json:"nick,omitempty"`
	Wanted   string         `json:"wanted,omitempty"`
	Presence presence       `json:"presence,omitempty"`
	Visit    bool           `json:"visit,omitzero"`
	Operator bool           `json:"operator,omitzero"`

	// of hiddenOwn, with Nick; of hiddenClient, if the client has proven a key
	Fingerprint string `json:"fingerprint,omitempty"`

	Marks []string `json:"marks,omitempty"` // of a ban, a mute or operators, set or lifted

	Relay      string `json:"relay,omitempty"`     // of hiddenClient and hiddenGone, in a shared room
	Connection uint64 `json:"connection,omitzero"` // of hiddenClient, in a shared room: from the client's hello

	Target history.Author `json:"target,omitzero"`  // of hiddenKick
	By     string         `json:"by,omitempty"`     // of hiddenKick, and of bans and mutes in a shared room: the operator
	Reason string         `json:"reason,omitempty"` // likewise

	// of hiddenReject; Code also of hiddenKick
	Seq  uint64    `json:"seq,omitzero"`
	Code wire.Code `json:"code,omitempty"`
}

// The types of hidden events.
const (
	hiddenClient = "client" // a client is new, joined, left or changed its nick
	hiddenOpen   = "open"   // a host was started on the room's history
	hiddenBan    = "ban"
	hiddenUnban  = "unban"
	hiddenMute   = "mute"
	hiddenUnmute = "unmute"
	hiddenOp     = "op"     // an operator made a client one, too
	hiddenDeop   = "deop"   // it is none any more
	hiddenReject = "reject" // a numbered message was rejected permanently

	hiddenKick = "kick" // a member was disconnected; changes nothing
	hiddenGone = "gone" // a relay of a shared room is gone: its members have lost their connections

	hiddenImport = "import" // the events that follow are those of another room; changes nothing

	hiddenOwn     = "own"     // a nick belongs to the key with a fingerprint
	hiddenRelease = "release" // it belongs to no key any more
)

// millis is a time in UTC, with the precision of the log: milliseconds. Its JSON is their
// number since 1970.
type millis struct{ time.Time }

func (m millis) MarshalJSON() ([]byte, error) { return json.Marshal(m.UnixMilli()) }

func (m *millis) UnmarshalJSON(b []byte) error {
	var n int64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	m.Time = time.UnixMilli(n).UTC()
	return nil
}

// millisOf rounds t as the log does, so that the live state equals the replayed one.
func millisOf(t time.Time) millis { return millis{time.UnixMilli(t.UnixMilli()).UTC()} }

func (h *hidden) key() (key clientKey) {
	hex.Decode(key[:], []byte(h.Key)[:min(len(h.Key), 2*len(key))]) // fails only for a damaged file: then no token has the key
	return key
}

func (h *hidden) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil { // strings and numbers only: it cannot fail
		panic(fmt.Sprintf("encode a hidden event: %v", err))
	}
	return b
}

func parseHidden(b []byte) (*hidden, error) {
	h := new(hidden)
	if err := json.Unmarshal(b, h); err != nil {
		return nil, fmt.Errorf("hidden event: %w", err)
	}
	return h, nil
}

// Imported returns the hidden event with which the log of an imported history begins.
func Imported(at time.Time) []byte {
	h := hidden{Type: hiddenImport, At: millisOf(at)}
	return h.encode()
}
