package history

import (
	"bytes"
	"time"

	"chat/relay/wire"
)

// This file puts off the encoding of messages in JSON until a program reads them. In a room of
// people none does.
//
// The late messages of a block are always its last events: before another event is added to its JSON, they are encoded.

// A lateMessage has the fields of a message that is not encoded in JSON yet, and that its line in the text does not have.
type lateMessage struct {
	at           int64 // in milliseconds, as in JSON
	from, client string
	size         uint32 // bytes of the message's own text: the end of its line in the text encoding
}

// lateBytes estimates by how many bytes a message in JSON is longer than its text.
const lateBytes = 128

// size returns how many bytes the block has in both encodings. What is not encoded is estimated.
func (b *block) size() int {
	return len(b.json) + len(b.text) + b.lateSize
}

// putOff puts off encoding e in JSON, and returns true, if e is like most messages of people: it has no
// other fields, and the line that encodes it as text, which b has already, ends with it unchanged.
func (b *block) putOff(e *wire.Event) bool {
	if e.Type != wire.TypeMessage || e.Seq != 0 || e.Once != "" || e.File != nil || e.Time.IsZero() {
		return false
	}
	line := bytes.TrimSuffix(b.text, []byte("\n"))
	if len(line) < len(e.Text) || string(line[len(line)-len(e.Text):]) != e.Text {
		return false
	}
	b.late = append(b.late, lateMessage{e.Time.UnixMilli(), e.From, e.Client, uint32(len(e.Text))})
	b.lateSize += lateBytes + len(e.Text)
	return true
}

// encodeLate encodes the late messages in JSON.
func (b *block) encodeLate() {
	first := len(b.entries) - len(b.late)
	for i, u := range b.late {
		entry := &b.entries[first+i] // readers of text may read its other fields
		end := entry.text - uint32(len("\n"))
		e := wire.Event{
			Type: wire.TypeMessage, ID: b.first + uint64(first+i), Time: time.UnixMilli(u.at),
			From: u.from, Client: u.client, Text: string(b.text[end-u.size : end]),
		}
		b.json = e.AppendJSON(b.json)
		entry.json = uint32(len(b.json))
	}
	b.late, b.lateSize = nil, 0
}
