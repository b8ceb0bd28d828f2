package room

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// A request asks for a change of the state.
type request struct {
	op operation
	at time.Time
	by *subject // the sender; nil: the room itself
	to *subject // the recipient of a private message, or the target of a ban or a mute; nil: there is none

	kind string     // of opPost: the type of the event
	seq  uint64     // the sender's sequence number; 0: none
	once string     // of a message by HTTP; see wire.Event
	text string     // of a message or a topic, or a new nick
	file *wire.File // of an action that announces an upload
	name string     // of opUnban and opUnmute: a nick or an address; of opRelease and opDeop: a nick

	presence   presence // of opClient
	wanted     string   // of opClient and opRename: the nick it asked for
	relay      string   // of a shared room: the relay that made the request; of opGone in name: the one that is gone
	connection uint64   // of opClient in a shared room: from the client's hello
	byRoom     bool     // of opRename: the member did not ask for it now

	event   *wire.Event      // of opEvent
	authors []history.Author // of opEvent: of the members in a join or a leave, in the same order
}

// An operation is the type of a request.
type operation uint8

const (
	opPost   operation = iota // a message, an action or a private message
	opTopic                   // set the topic
	opRename                  // change a nick to a free one
	opClient                  // record that a client is new, joined, left or changed its nick
	opOpen                    // record that a host was started on the room's history
	opBan
	opUnban
	opMute
	opUnmute
	opReject // remember that a numbered message was rejected
	opOwn    // record that the sender's nick belongs to its key
	opRelease
	opOp
	opDeop

	// in shared rooms only; see shared.go
	opEvent // add a visible event that does not change the state: a join, a leave, or what an operator did
	opKick  // disconnect a member of another relay
	opGone  // a relay is gone
)

// A subject is a member or a client in a request.
type subject struct {
	author   history.Author
	id       string
	key      clientKey // zero: it has no token
	nick     string
	address  string // see AddressKey
	operator bool   // by right, or because another one made it one
	byRight  bool   // see identity.byRight

	fingerprint string // of the key that it has proven; "": none

	visit bool
}

// marks returns the marks by which a ban or a mute recognizes s: its public ID, the hash of
// its token, its address, and the fingerprint of its key.
func (s *subject) marks() []string {
	var marks []string
	if s.id != "" { // before a hello is accepted it is not known
		marks = append(marks, "client "+s.id)
	}
	if s.key != (clientKey{}) {
		marks = append(marks, "key "+hex.EncodeToString(s.key[:]))
	}
	if s.address != "" {
		marks = append(marks, s.address)
	}
	if s.fingerprint != "" {
		marks = append(marks, "owner "+s.fingerprint)
	}
	return marks
}

func isMarked(marks map[string]string, s *subject) bool {
	return len(marks) > 0 && slices.ContainsFunc(s.marks(), func(mark string) bool { return marks[mark] != "" })
}

// An event is the result of a decision: a visible event, or a hidden one if hidden is not
// nil.
type event struct {
	wire.Event
	by     history.Origin
	hidden *hidden
}

// decide sets e to the event by which r changes the state, or returns a [*wire.Fault]. It
// does not change the state. A request without effect leaves e empty.
func (s *State) decide(r *request, e *event) error {
	switch r.op {
	case opPost:
		return s.decidePost(r, e)
	case opEvent:
		s.resolveEvent(r, e)
		return nil
	case opKick:
		e.hidden = &hidden{Type: hiddenKick, At: millisOf(r.at), Author: r.by.author, Nick: r.to.nick, Target: r.to.author, By: r.by.nick, Reason: r.text, Code: wire.Code(r.kind)}
		return nil
	case opGone:
		e.hidden = &hidden{Type: hiddenGone, At: millisOf(r.at), Relay: r.name}
		return nil
	case opTopic, opRename:
		if isMarked(s.mutes, r.by) && !r.byRoom { // a nick is a message, too
			return mutedFault()
		}
		e.Event = wire.Event{Type: wire.TypeTopic, From: r.by.nick, Client: r.by.id, Seq: r.seq, Text: r.text, Time: r.at}
		if r.op == opRename {
			if s.shared != nil {
				return s.decideSharedRename(r, e)
			}
			e.Event = wire.Event{Type: wire.TypeNick, From: r.by.nick, Client: r.by.id, Seq: r.seq, Nick: r.text, Time: r.at}
			if r.wanted != r.text {
				e.Wanted = r.wanted
			}
		}
		e.by = history.Origin{Author: r.by.author}
		return nil
	case opClient:
		e.hidden = s.decideClient(r)
		return nil
	case opOpen:
		e.hidden = &hidden{Type: hiddenOpen, At: millisOf(r.at)}
		return nil
	case opReject:
		e.hidden = &hidden{Type: hiddenReject, At: millisOf(r.at), Author: r.by.author, Seq: r.seq, Code: wire.Code(r.text)}
		return nil
	case opOwn:
		if s.shared != nil {
			e.hidden = s.decideSharedOwn(r)
		} else {
			e.hidden = s.decideOwn(r)
		}
		return nil
	case opOp, opDeop:
		return s.decideOperator(r, e)
	case opRelease:
		e.hidden = &hidden{Type: hiddenRelease, At: millisOf(r.at), Author: r.by.author, Nick: r.name}
		return nil
	default:
		return s.decideMarks(r, e)
	}
}

// decidePost decides on a message.
func (s *State) decidePost(r *request, e *event) error {
	if r.seq > 0 {
		if c := s.clients[r.by.author]; c != nil && dropDuplicates && r.seq <= c.Seq {
			return c.repeated(r.seq)
		}
	}
	switch {
	case isMarked(s.mutes, r.by):
		return mutedFault()
	case r.to != nil && s.isFull(r.to):
		return wire.Faultf(wire.CodeBusy, "the connection of %s is lost, and %d messages are waiting already; this was not sent", r.to.nick, maxWaiting)
	}
	// Field by field: a whole Event would be made and copied, and this is nearly every request.
	e.Type, e.Time, e.Seq, e.Once, e.Text, e.File = r.kind, r.at, r.seq, r.once, r.text, r.file
	e.From, e.Client, e.by.Author = r.by.nick, r.by.id, r.by.author
	if r.to != nil {
		e.To, e.by.To = r.to.nick, r.to.author
	}
	return nil
}

// repeated returns the fault for a message of c whose number the state has already.
func (c *Client) repeated(seq uint64) error {
	switch code := c.Rejected[seq]; code {
	case "":
		return wire.Faultf(wire.CodeDuplicate, "number %d was accepted already; the last one was %d", seq, c.Seq)
	case wire.CodeMuted:
		return mutedFault()
	default:
		return wire.Faultf(code, "number %d was rejected; this was not sent", seq)
	}
}

// maxWaiting is how many private messages may wait for a client whose connection is lost.
const maxWaiting = 100

func (s *State) isFull(to *subject) bool {
	c := s.clients[to.author]
	return c != nil && c.Presence != here && c.Waiting >= maxWaiting
}

func mutedFault() error {
	return wire.Faultf(wire.CodeMuted, "an operator muted you; this was not sent")
}

// decideClient returns the hidden event that records a client, or nil if it has no token or,
// for a visitor, if nothing has changed: its joins and leaves are not recorded.
func (s *State) decideClient(r *request) *hidden {
	if r.by.key == (clientKey{}) {
		return nil
	}
	if s.shared != nil {
		return s.decideSharedClient(r)
	}
	c := s.clients[r.by.author]
	if c == nil && s.byKey[r.by.key] != nil { // a visitor that was forgotten while it was here, and has come again as another client
		return nil
	}
	if r.by.visit {
		r.presence = left
		if c != nil && c.Nick == r.by.nick && c.Wanted == r.wanted && c.Visit && c.Fingerprint == r.by.fingerprint {
			return nil
		}
	}
	return &hidden{
		Type: hiddenClient, At: millisOf(r.at), Author: r.by.author, ID: r.by.id, Key: encodeKey(r.by.key),
		Nick: r.by.nick, Wanted: r.wanted, Presence: r.presence, Visit: r.by.visit, Operator: r.by.byRight, Fingerprint: r.by.fingerprint,
	}
}

func encodeKey(key clientKey) string { return hex.EncodeToString(key[:]) }

// decideMarks decides on a ban, a mute, or lifting one.
func (s *State) decideMarks(r *request, e *event) error {
	h := &hidden{At: millisOf(r.at), Author: r.by.author}
	if s.shared != nil {
		h.By, h.Reason = r.by.nick, r.text
	}
	if r.to != nil {
		h.Nick = r.to.nick
	}
	switch r.op {
	case opBan:
		h.Type, h.Marks = hiddenBan, r.to.marks()
		if r.to.id == "" { // an address only
			h.Marks = []string{r.to.address}
		}
	case opMute:
		h.Type, h.Marks = hiddenMute, r.to.marks()
	case opUnban, opUnmute:
		h.Type = hiddenUnban
		if r.op == opUnmute {
			h.Type = hiddenUnmute
		}
		if h.Marks = marksOf(s.marks(h.Type), r.name); len(h.Marks) == 0 {
			if len(r.name) > text.MaxNickBytes {
				return noSuchNick(r.name)
			}
			return wire.Faultf(wire.CodeNoSuchNick, "%s is neither banned nor muted; /bans lists who is", text.Clean(r.name))
		}
	}
	e.hidden = h
	return nil
}

// marksOf returns those of marks that belong to name, a nick or an IP address.
func marksOf(marks map[string]string, name string) (found []string) {
	if len(name) > text.MaxNickBytes {
		return nil
	}
	fold, address := text.NickFold(name), name
	if ip, err := netip.ParseAddr(name); err == nil {
		address = AddressKey(ip)
	}
	for _, mark := range slices.Sorted(maps.Keys(marks)) {
		if mark == address || text.NickFold(marks[mark]) == fold {
			found = append(found, mark)
		}
	}
	return found
}

// AddressKey returns the key of an IP address for bans; "" for this machine.
func AddressKey(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() {
		return ""
	}
	return ip.String()
}
