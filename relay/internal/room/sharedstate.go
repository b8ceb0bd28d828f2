package room

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is the state of a shared room, which several relays serve. It knows the relay of each member,
// and gives nicks, so that all relays agree on them.

// A sharedState has the fields that only the state of a shared room has. All of them are derived from the
// clients. The methods do nothing on nil.
type sharedState struct {
	present map[history.Author]*Client // clients that are here
	holders map[string]*Client         // of these, by each key of the nick
	relays  map[string]int             // how many of these each relay has
}

// newSharedState returns the state of a new shared room.
func newSharedState() *State {
	s := NewState()
	s.shared = new(sharedState)
	s.shared.clear()
	return s
}

func (s *sharedState) clear() {
	if s != nil {
		*s = sharedState{make(map[history.Author]*Client), make(map[string]*Client), make(map[string]int)}
	}
}

// fresh returns an empty one, or nil for nil.
func (s *sharedState) fresh() *sharedState {
	if s == nil {
		return nil
	}
	n := new(sharedState)
	n.clear()
	return n
}

// add adds c, which is here.
func (s *sharedState) add(c *Client) {
	if s == nil {
		return
	}
	c.keys, c.counted = text.NickKeys(c.Nick), c.Relay
	s.present[c.Author] = c
	s.relays[c.Relay]++
	for _, key := range c.keys {
		s.holders[key] = c
	}
}

// remove removes c, if it was added, as it was then.
func (s *sharedState) remove(c *Client) {
	if s == nil || s.present[c.Author] == nil {
		return
	}
	delete(s.present, c.Author)
	if s.relays[c.counted]--; s.relays[c.counted] == 0 {
		delete(s.relays, c.counted)
	}
	for _, key := range c.keys {
		if s.holders[key] == c {
			delete(s.holders, key)
		}
	}
}

// holder returns the client that is here and has a nick with this key, or nil.
func (s *State) holder(key string) *Client {
	if s.shared == nil {
		return nil
	}
	return s.shared.holders[key]
}

// decideSharedClient is decideClient in a shared room. A client that asks for a nick that is taken gets another one.
// What a relay says of a client that came back through another one is out of date.
func (s *State) decideSharedClient(r *request) *hidden {
	c := s.clients[r.by.author]
	if r.presence != here && (c == nil || c.Presence != here || c.Relay != r.relay) {
		return nil
	}
	if s.isOutdated(c, r) {
		return nil
	}
	if r.by.visit {
		r.presence = left
	}
	nick := r.by.nick
	if r.presence == here {
		nick = s.nickFor(r.by, nick, r.wanted, r.at)
	}
	return &hidden{
		Type: hiddenClient, At: millisOf(r.at), Author: r.by.author, ID: r.by.id, Key: encodeKey(r.by.key), Relay: r.relay,
		Nick: nick, Wanted: r.wanted, Presence: r.presence, Visit: r.by.visit, Operator: r.by.byRight, Fingerprint: r.by.fingerprint,
		Connection: r.connection,
	}
}

// maxOutdated is by how many milliseconds a connection may be older than another one of its client to count as outdated. If
// it is more, a clock was set, or it is of another program with the same token: then the one that comes last stays.
const maxOutdated = 10 * 60 * 1000

// isOutdated reports whether r records that a client came by an older connection than the one that it has through
// another relay. A relay may have to wait for the journal, or be suspended, while its clients go to another one.
func (s *State) isOutdated(c *Client, r *request) bool {
	return r.presence == here && c != nil && c.Presence == here && c.Relay != r.relay &&
		r.connection != 0 && r.connection < c.Connection && c.Connection-r.connection <= maxOutdated
}

// decideSharedRename is decide for opRename in a shared room.
func (s *State) decideSharedRename(r *request, e *event) error {
	c := s.clients[r.by.author]
	if c == nil || c.Presence != here {
		return wire.Faultf(wire.CodeBadRequest, "your connection was thought to be lost; try again")
	}
	nick := s.nickFor(r.by, r.text, r.wanted, r.at)
	if nick == c.Nick && r.wanted == c.Wanted {
		return nil
	}
	e.Event = wire.Event{Type: wire.TypeNick, From: c.Nick, Client: c.ID, Seq: r.seq, Nick: nick, Time: r.at}
	if r.wanted != nick {
		e.Wanted = r.wanted
	}
	e.by = history.Origin{Author: c.Author}
	return nil
}

// nickFor returns nick, or a nick like the wanted one that by may have. All relays choose the same. The owner of the wanted nick gets
// it; see displacedBy.
func (s *State) nickFor(by *subject, nick, wanted string, at time.Time) string {
	try := nick
	if normal, err := text.NormalizeNick(wanted); err == nil {
		if s.mayTake(by, text.NickKeys(normal)) {
			return normal
		}
		nick = normal
	}
	for n := 2; !s.mayHave(by, text.NickKeys(try), at); n++ {
		switch {
		case text.IsGuest(nick):
			try = text.Guest(len(s.shared.present) + n)
		case n < 10:
			try = text.NickWithSuffix(nick, n)
		default: // thousands of clients may ask for the same nick
			try = text.NickWithSuffix(nick, 10+int(mixed(uint64(by.author), uint64(n))%1_000_000))
		}
	}
	return try
}

// mixed returns a number that looks random.
func mixed(a, b uint64) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, a), b))
	return h.Sum64()
}

// mayHave reports whether by may have the nick with these keys: see Room.isFreeLocked.
func (s *State) mayHave(by *subject, keys text.Keys, at time.Time) bool {
	owner := s.owners.ownerOf(keys)
	if owner != "" && owner != by.fingerprint {
		return false
	}
	for _, key := range keys {
		if c := s.shared.holders[key]; c != nil && c.Author != by.author {
			return false
		}
		if c := s.reservation(key, at); c != nil && owner == "" && c.Author != by.author {
			return false
		}
	}
	return true
}

// mayTake reports whether the nick with these keys belongs to the key of by, and whoever has it can be given another one: a member
// without a key. Operators by right keep theirs.
func (s *State) mayTake(by *subject, keys text.Keys) bool {
	if by.fingerprint == "" || s.owners.ownerOf(keys) != by.fingerprint {
		return false
	}
	for _, key := range keys {
		if c := s.shared.holders[key]; c != nil && c.Author != by.author && (c.Fingerprint != "" || c.Operator) {
			return false
		}
	}
	return true
}

// displacedBy returns the requests by which members get other nicks, because r gives theirs to its owner. They come before r.
func (s *State) displacedBy(r *request) (renames []*request) {
	if s.shared == nil || r.op != opClient && r.op != opRename || r.by.fingerprint == "" {
		return nil
	}
	var e event
	if s.decide(r, &e) != nil {
		return nil
	}
	nick := e.Nick
	if e.hidden != nil {
		if nick = e.hidden.Nick; e.hidden.Presence != here {
			return nil
		}
	}
	for _, key := range text.NickKeys(nick) {
		c := s.shared.holders[key]
		if c == nil || c.Author == r.by.author || slices.ContainsFunc(renames, func(r *request) bool { return r.by.author == c.Author }) {
			continue
		}
		wanted := c.Nick
		if normal, err := text.NormalizeNick(c.Wanted); err == nil {
			wanted = normal // it waits for that one
		}
		renames = append(renames, &request{
			op: opRename, at: r.at, by: c.subject(), relay: c.Relay, text: text.NickWithSuffix(c.Nick, 2), wanted: wanted, byRoom: true,
		})
	}
	return renames
}

// decideSharedOwn is decideOwn in a shared room: the sender must still have the nick, and no one else may have made it theirs.
func (s *State) decideSharedOwn(r *request) *hidden {
	c, owner := s.clients[r.by.author], s.owners.ownerOf(text.NickKeys(r.text))
	if c == nil || c.Presence != here || c.Nick != r.text || r.by.fingerprint == "" || owner != "" && owner != r.by.fingerprint {
		return nil
	}
	return s.decideOwn(r)
}

// resolveEvent sets e to the event of an opEvent. Members who have another nick by now, or are here through another
// relay, are named, or left out, as they are now.
func (s *State) resolveEvent(r *request, e *event) {
	e.Event = *r.event
	e.Time = r.at
	if r.by != nil {
		e.by.Author = r.by.author
	}
	if len(r.authors) != len(e.Members) || len(r.authors) == 0 {
		return
	}
	e.Members, e.Tags, e.Hosts = nil, nil, nil
	for i, author := range r.authors {
		nick, c := r.event.Members[i], s.clients[author]
		if c != nil && c.Presence == here && c.Relay != r.relay {
			if e.Type == wire.TypeLeave { // it has come back through another one
				continue
			}
		}
		if c != nil && e.Type == wire.TypeJoin {
			if e.From == nick {
				e.From = c.Nick
			}
			if slices.Contains(r.event.Hosts, nick) {
				e.Hosts = append(e.Hosts, c.Nick)
			}
			nick = c.Nick
		}
		e.Members = append(e.Members, nick)
		if i < len(r.event.Tags) {
			e.Tags = append(e.Tags, r.event.Tags[i])
		}
	}
	if len(e.Members) == 0 {
		*e = event{}
	}
}

// of returns the clients that are here through a relay, by nick; "": through any.
func (s *sharedState) of(relay string) []*Client {
	var list []*Client
	for _, c := range s.present {
		if relay == "" || c.Relay == relay {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *Client) int { return cmp.Or(cmp.Compare(a.Nick, b.Nick), cmp.Compare(a.Author, b.Author)) })
	return list
}

// applyGone notes that the members of a relay have lost their connections. Their nicks are reserved.
func (s *State) applyGone(h *hidden) {
	if s.shared == nil {
		return
	}
	for _, c := range s.shared.of(h.Relay) {
		c = s.change(c.Author)
		c.Presence, c.At = dropped, h.At
		s.departed(c)
	}
}

// relaysPresent lists the relays through which clients are here.
func (s *State) relaysPresent() []string { return slices.Sorted(maps.Keys(s.shared.relays)) }
