package room

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is the form of a request in the journal that the relays of a room share. Numbers are as in
// encoding/binary.Uvarint; a string has its length before it. A field that is zero is left out.

// The parts of an encoded request: bits of the number after its operation.
const (
	hasBy = 1 << iota
	hasTo
	hasKind
	hasSeq
	hasOnce
	hasText
	hasFile
	hasName
	hasPresence
	hasWanted
	isByRoom
	hasEvent
	hasAuthors
	hasConnection
)

// The parts of an encoded subject.
const (
	hasID = 1 << iota
	hasKey
	hasAddress
	isOperator
	isByRight
	hasFingerprint
	isVisit
)

// errRequest says that a request in the journal is damaged, or of a newer version.
var errRequest = errors.New("a request cannot be read")

// encode returns the request in the form of the journal. Its time is that of the record.
func (r *request) encode() []byte {
	b := make([]byte, 0, 48+len(r.text)+len(r.name))
	b = append(b, byte(r.op))
	var file, event []byte
	if r.file != nil {
		file = encodeRecord(r.file)
	}
	if r.event != nil {
		event = r.event.AppendJSON(nil)
	}
	b = binary.AppendUvarint(b, bits(r.by != nil, r.to != nil, r.kind != "", r.seq != 0, r.once != "", r.text != "", file != nil, r.name != "", r.presence != "", r.wanted != "", r.byRoom, event != nil, len(r.authors) > 0, r.connection != 0))
	if r.by != nil {
		b = r.by.append(b)
	}
	if r.to != nil {
		b = r.to.append(b)
	}
	b = appendFilled(b, r.kind)
	if r.seq != 0 {
		b = binary.AppendUvarint(b, r.seq)
	}
	for _, s := range [...]string{r.once, r.text, string(file), r.name, string(r.presence), r.wanted, string(event)} {
		b = appendFilled(b, s)
	}
	if len(r.authors) > 0 {
		b = binary.AppendUvarint(b, uint64(len(r.authors)))
		for _, a := range r.authors {
			b = binary.AppendUvarint(b, uint64(a))
		}
	}
	if r.connection != 0 {
		b = binary.AppendUvarint(b, r.connection)
	}
	return b
}

// bits returns a number whose lowest bits are the first conditions.
func bits(conditions ...bool) (n uint64) {
	for i, is := range conditions {
		if is {
			n |= 1 << i
		}
	}
	return n
}

// appendFilled appends a string with its length, unless it is empty.
func appendFilled(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (s *subject) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.author))
	hasKeyBytes := s.key != (clientKey{})
	b = binary.AppendUvarint(b, bits(s.id != "", hasKeyBytes, s.address != "", s.operator, s.byRight, s.fingerprint != "", s.visit))
	b = append(binary.AppendUvarint(b, uint64(len(s.nick))), s.nick...)
	b = appendFilled(b, s.id)
	if hasKeyBytes {
		b = append(b, s.key[:]...)
	}
	b = appendFilled(b, s.address)
	return appendFilled(b, s.fingerprint)
}

// A carrying is a request that is carried out, and the memory for it, which is used again for the next one.
type carrying struct {
	request
	sender, target subject
	event          event
}

// decode sets c to the request that encode encoded. The error wraps errRequest.
func (c *carrying) decode(data []byte) error {
	*c = carrying{}
	if len(data) == 0 {
		return errRequest
	}
	r := &c.request
	r.op = operation(data[0])
	d := decoder{rest: data[1:]}
	parts := d.number()
	if parts&hasBy != 0 {
		r.by = &c.sender
		d.subject(r.by)
	}
	if parts&hasTo != 0 {
		r.to = &c.target
		d.subject(r.to)
	}
	r.kind = d.text(parts & hasKind)
	if parts&hasSeq != 0 {
		r.seq = d.number()
	}
	r.once, r.text = d.text(parts&hasOnce), d.text(parts&hasText)
	if file := d.text(parts & hasFile); file != "" {
		r.file = new(wire.File)
		d.failed = json.Unmarshal([]byte(file), r.file) != nil || d.failed
	}
	r.name, r.presence, r.wanted = d.text(parts&hasName), presence(d.text(parts&hasPresence)), d.text(parts&hasWanted)
	r.byRoom = parts&isByRoom != 0
	if event := d.text(parts & hasEvent); event != "" {
		e, err := wire.ParseEvent([]byte(event))
		r.event, d.failed = &e, d.failed || err != nil
	}
	if parts&hasAuthors != 0 {
		for range min(d.number(), wire.MaxMembers) {
			r.authors = append(r.authors, history.Author(d.number()))
		}
	}
	if parts&hasConnection != 0 {
		r.connection = d.number()
	}
	if r.seq > wire.MaxNumber || len(d.rest) > 0 {
		d.failed = true
	}
	if d.failed || !r.isWhole() {
		return fmt.Errorf("%w: operation %d", errRequest, r.op)
	}
	return nil
}

// A decoder reads a request. After a failure it returns zeros.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// text returns a string, or "" if a part is not there.
func (d *decoder) text(part uint64) string {
	if part == 0 {
		return ""
	}
	b := d.bytes(d.number())
	if string(b) == wire.TypeMessage { // nearly always the kind: it needs no memory of its own
		return wire.TypeMessage
	}
	if !utf8.Valid(b) {
		d.failed = true
	}
	return string(b)
}

func (d *decoder) subject(s *subject) {
	s.author = history.Author(d.number())
	parts := d.number()
	s.nick = d.text(1)
	s.id = d.text(parts & hasID)
	if parts&hasKey != 0 {
		copy(s.key[:], d.bytes(uint64(len(s.key))))
	}
	s.address = d.text(parts & hasAddress)
	s.operator, s.byRight, s.visit = parts&isOperator != 0, parts&isByRight != 0, parts&isVisit != 0
	s.fingerprint = d.text(parts & hasFingerprint)
	if s.author >= maxAuthor {
		d.failed = true
	}
}

// isWhole reports whether a request from the journal has what its operation needs.
func (r *request) isWhole() bool {
	switch r.op {
	case opPost:
		return r.by != nil && (&wire.Event{Type: r.kind}).IsMessage()
	case opRename:
		return r.by != nil && isNick(r.text)
	case opTopic:
		return r.by != nil && cleaned(r.text, MaxTopic) == r.text
	case opReject, opOwn, opUnban, opUnmute, opRelease, opDeop:
		return r.by != nil
	case opClient:
		return r.by != nil && r.by.author != 0 && r.by.key != (clientKey{}) && isNick(r.by.nick)
	case opBan, opMute, opOp, opKick:
		return r.by != nil && r.to != nil && r.to.nick != "" && cleaned(r.to.nick, text.MaxNickBytes) == r.to.nick
	case opEvent:
		return r.event != nil && (r.event.Type == wire.TypeJoin || r.event.Type == wire.TypeLeave || r.event.Type == wire.TypeOperator)
	case opGone:
		return r.name != ""
	}
	return false
}

// isNick reports whether a member can have a nick.
func isNick(nick string) bool {
	normal, err := text.NormalizeNick(nick)
	return err == nil && normal == nick || text.IsGuest(nick)
}
