package room

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A hidden event changes the state and has no reader. The log keeps it as JSON.
type hidden struct {
	Type string `json:"type"`
	At   millis `json:"at"`

	// of a client that is new, came, left or changed its nick; Author and Nick of others too
	Author   history.Author `json:"author,omitzero"`
	ID       string         `json:"id,omitempty"`
	Key      string         `json:"key,omitempty"` // hexadecimal, see clientKey
	Nick     string         `json:"nick,omitempty"`
	Wanted   string         `json:"wanted,omitempty"`
	Presence presence       `json:"presence,omitempty"`
	Visit    bool           `json:"visit,omitzero"`
	Operator bool           `json:"operator,omitzero"`

	Marks []string `json:"marks,omitempty"` // of a ban or a mute, or its end

	// of a rejection
	Seq  uint64    `json:"seq,omitzero"`
	Code wire.Code `json:"code,omitempty"`
}

// The types of hidden events.
const (
	hiddenClient = "client" // a client is new, came, left or changed its nick
	hiddenOpen   = "open"   // a host was started on the room's history
	hiddenBan    = "ban"
	hiddenUnban  = "unban"
	hiddenMute   = "mute"
	hiddenUnmute = "unmute"
	hiddenReject = "reject" // a numbered message was rejected for good
)

// millis is a time in milliseconds since 1970, UTC: what a log keeps of it.
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
	hex.Decode(key[:], []byte(h.Key)[:min(len(h.Key), 2*len(key))]) // wrong in a damaged file only: then it is no token's
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
