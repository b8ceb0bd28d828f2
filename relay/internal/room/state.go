package room

import (
	"cmp"
	"container/list"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// State is the fold of a room's log: everything durable that the room knows. It is not safe
// for concurrent use. Room.mu guards that of a Room; the log's committer owns that of a Fold.
type State struct {
	topic   string
	authors history.Author // the highest one in the log
	clients map[history.Author]*Client
	bans    map[string]string // mark (see subject.marks) -> nick at the time of the ban
	mutes   map[string]string // likewise
	owners  owners            // of nicks

	operators map[string]string // mark (see subject.operatorMark) -> nick when an operator made it one

	maxAway int // see the constant; fixed

	shared *sharedState // nil: one host has the room

	// derived from clients
	byKey    map[clientKey]*Client
	reserved map[string]*Client // by key of the nick (text.Keys): clients whose connection was lost
	away     *list.List         // of *Client: clients not present, by when they left
	visitors *list.List         // of *Client: likewise, those with Visit

	// forgotten are clients that apply removed. The Room removes their identities and
	// clears the list.
	forgotten []history.Author

	// undo has what changed since the last Commit or Rollback. It is nil except in a Fold.
	undo *undo
}

// A Client is a program with a token, in the room or away.
type Client struct {
	Author   history.Author `json:"-"`
	Key      clientKey      `json:"-"`  // hash of its token
	ID       string         `json:"id"` // public
	Nick     string         `json:"nick"`
	Wanted   string         `json:"wanted,omitempty"` // the nick it asked for; "": none
	Seq      uint64         `json:"seq"`              // the highest sequence number in the log
	Presence presence       `json:"gone"`
	At       millis         `json:"at"`             // when Presence changed
	Visit    bool           `json:"visit,omitzero"` // see Member.Visit
	Operator bool           `json:"operator,omitzero"`

	Relay string `json:"relay,omitempty"` // in a shared room: its relay now, or its last one

	// Connection is the number of the connection by which it came last, in a shared room.
	Connection uint64 `json:"connection,omitzero"`

	// Fingerprint is that of the key that it proved to have when it was here last; "": none.
	Fingerprint string `json:"fingerprint,omitempty"`

	Waiting int    `json:"waiting,omitzero"` // private messages since it left
	Left    uint64 `json:"left,omitzero"`    // orders clients that are away by when they left

	// Rejected has the codes of numbered messages that were rejected permanently, by number:
	// only the highest maxRejected of them. A client that resends one gets the same answer.
	Rejected map[uint64]wire.Code `json:"rejected,omitempty"`

	place *list.Element // in State.away or State.visitors; nil while here
	keys  text.Keys     // of Nick while it is in State.reserved, or in a sharedState

	counted string // its relay while it is in a sharedState
}

// A clientKey is the SHA-256 of a client's token. The token is a secret, so files and events
// have only its hash.
type clientKey = [sha256.Size]byte

// A presence says whether a client is in the room, and how it left.
type presence string

const (
	here    presence = "here"
	dropped presence = "dropped" // its connection was lost: its nick is reserved for a while
	left    presence = "left"    // it left, or an operator removed it

	forgotten presence = "forgotten" // likewise, a person in a shared room, who cannot come back as the same client
)

const (
	// nickReserved is how long the nick of a client whose connection was lost is reserved.
	nickReserved = 2 * time.Minute

	// maxAway is how many clients a room remembers after they left, with their nicks and
	// sequence numbers. Beyond it, visitors and then those who left first are forgotten.
	maxAway = 20_000

	// maxRejected is how many rejected numbers are remembered for a client.
	maxRejected = 100
)

// NewState returns the state of a new room.
func NewState() *State {
	s := &State{
		clients: make(map[history.Author]*Client),
		bans:    make(map[string]string),
		mutes:   make(map[string]string),
		owners:  newOwners(make(map[string]*owned)),
		maxAway: maxAway,

		operators: make(map[string]string),
	}
	s.index()
	return s
}

// index rebuilds the fields that are derived from clients.
func (s *State) index() {
	s.byKey = make(map[clientKey]*Client, len(s.clients))
	s.reserved = make(map[string]*Client)
	s.away, s.visitors = list.New(), list.New()
	s.shared.clear()
	for _, c := range slices.SortedFunc(maps.Values(s.clients), func(a, b *Client) int {
		return cmp.Or(cmp.Compare(a.Left, b.Left), a.At.Compare(b.At.Time), cmp.Compare(a.Author, b.Author))
	}) {
		s.byKey[c.Key] = c
		c.place = nil
		s.place(c)
	}
}

// arrived removes c from the list of clients that are away.
func (s *State) arrived(c *Client) {
	c.Left = 0
	s.place(c)
}

// departed puts c on the list of those who are away, as the last who left.
func (s *State) departed(c *Client) {
	c.Left = 1 + max(lastLeft(s.away), lastLeft(s.visitors)) // not a counter: the records have none
	if c.Presence == dropped {
		s.endReservations(c)
	}
	s.place(c)
}

// endReservations ends the reservations of other clients that had the nick of c before it. A nick is
// reserved for one client: otherwise the records would not say for which.
func (s *State) endReservations(c *Client) {
	for _, key := range text.NickKeys(c.Nick) {
		if other := s.reserved[key]; other != nil && other != c {
			s.change(other.Author).Presence = left
			for _, key := range other.keys {
				delete(s.reserved, key)
			}
			other.keys = text.Keys{}
		}
	}
}

// lastLeft returns the Client.Left of the one on a list who left last; 0 if it is empty.
func lastLeft(l *list.List) uint64 {
	if last := l.Back(); last != nil {
		return last.Value.(*Client).Left
	}
	return 0
}

// place adds c to the lists where its presence belongs: to away or visitors, and its nick to
// reserved. It first removes c from all of them.
func (s *State) place(c *Client) {
	s.unplace(c)
	switch {
	case c.Presence == here:
		s.shared.add(c)
		return
	case c.Visit:
		c.place = s.visitors.PushBack(c)
	default:
		c.place = s.away.PushBack(c)
	}
	if c.Presence == dropped {
		c.keys = text.NickKeys(c.Nick)
		for _, key := range c.keys {
			s.reserved[key] = c
		}
	}
}

// unplace removes c from all lists.
func (s *State) unplace(c *Client) {
	if c.place != nil {
		s.away.Remove(c.place) // does nothing if c is in visitors
		s.visitors.Remove(c.place)
		c.place = nil
	}
	for _, key := range c.keys {
		if s.reserved[key] == c {
			delete(s.reserved, key)
		}
	}
	s.shared.remove(c)
	c.keys = text.Keys{}
}

// reservation returns the client for which the nick with that key is reserved, or nil. A
// connection that was lost when the clock was far ahead reserves nothing.
func (s *State) reservation(key string, at time.Time) *Client {
	if c := s.reserved[key]; c != nil && at.Before(c.At.Add(nickReserved)) && !c.At.After(at.Add(nickReserved)) {
		return c
	}
	return nil
}

// apply adds an event of the log to the state: e, or a hidden one if h is not nil. It
// depends on the state and its arguments only. Joins and leaves change nothing, since the
// log drops some while the disk is full.
func (s *State) apply(e *wire.Event, h *hidden, by history.Origin) {
	if h == nil && (e.Type == wire.TypeJoin || e.Type == wire.TypeLeave) {
		return
	}
	s.sawAuthor(max(by.Author, by.To))
	switch {
	case h != nil:
		s.applyHidden(h)
	case e.IsMessage():
		if e.Seq > 0 {
			s.accept(by.Author, e.Seq)
		}
		if by.To != 0 {
			if c := s.clients[by.To]; c != nil && c.Presence != here {
				s.change(by.To).Waiting++
			}
		}
	case e.Type == wire.TypeTopic:
		s.undo.saveTopic(s)
		s.topic = e.Text
	case e.Type == wire.TypeNick:
		if c := s.change(by.Author); c != nil {
			c.Nick, c.Wanted = e.Nick, cmp.Or(e.Wanted, e.Nick)
			if s.shared != nil && c.Presence == here {
				s.place(c)
			}
		}
	}
}

// accept records that the author's message numbered seq is in the log.
func (s *State) accept(author history.Author, seq uint64) {
	if c := s.change(author); c != nil {
		c.Seq = max(c.Seq, seq)
		delete(c.Rejected, seq)
	}
}

func (s *State) sawAuthor(a history.Author) {
	if a > s.authors {
		s.undo.saveAuthors(s)
		s.authors = a
	}
}

func (s *State) applyHidden(h *hidden) {
	s.sawAuthor(h.Author)
	switch h.Type {
	case hiddenClient:
		s.applyClient(h)
	case hiddenOpen:
		s.applyOpen(h.At)
	case hiddenBan, hiddenMute:
		m := s.marks(h.Type)
		s.undo.saveMarks(s)
		for _, mark := range h.Marks {
			m[mark] = h.Nick
		}
	case hiddenUnban, hiddenUnmute:
		m := s.marks(h.Type)
		s.undo.saveMarks(s)
		for _, mark := range h.Marks {
			delete(m, mark)
		}
	case hiddenOp, hiddenDeop:
		s.applyOperator(h)
	case hiddenOwn:
		s.applyOwn(h)
	case hiddenRelease:
		s.owners.remove(text.NickFold(h.Nick), s.undo)
	case hiddenGone:
		s.applyGone(h)
	case hiddenReject:
		if c := s.change(h.Author); c != nil {
			c.reject(h.Seq, h.Code)
		}
	}
}

// marks returns the bans or the mutes, by the type of a hidden event.
func (s *State) marks(kind string) map[string]string {
	if kind == hiddenBan || kind == hiddenUnban {
		return s.bans
	}
	return s.mutes
}

// applyClient adds a new client, or updates one that joined, left or changed its nick.
func (s *State) applyClient(h *hidden) {
	c := s.change(h.Author)
	if c == nil {
		s.undo.saveClient(s, h.Author)
		c = &Client{Author: h.Author, ID: h.ID, Key: h.key()}
		s.clients[c.Author], s.byKey[c.Key] = c, c
	}
	c.Nick, c.Wanted, c.Presence, c.At, c.Visit, c.Operator = h.Nick, h.Wanted, h.Presence, h.At, h.Visit, h.Operator
	c.Fingerprint, c.Relay = h.Fingerprint, h.Relay
	if s.shared != nil {
		c.repair() // as when it is read from a snapshot
	}
	if c.Presence == forgotten {
		s.forget(c)
		return
	}
	if c.Presence == here {
		c.Waiting = 0
		c.Connection = h.Connection
		s.arrived(c)
	} else {
		s.departed(c)
	}
	for s.away.Len()+s.visitors.Len() > s.maxAway {
		s.forget(cmp.Or(s.visitors.Front(), s.away.Front()).Value.(*Client)) // a script can have as many nicks as it likes
	}
}

func (s *State) forget(c *Client) {
	s.undo.saveClient(s, c.Author)
	s.unplace(c)
	delete(s.clients, c.Author)
	delete(s.byKey, c.Key)
	s.forgotten = append(s.forgotten, c.Author)
}

// applyOpen reopens the room for a host that was started on its history. Members who were
// present have lost their connections. Their nicks are reserved, and reservations from
// before start again.
func (s *State) applyOpen(at millis) {
	var last millis
	for _, c := range s.clients {
		if c.At.After(last.Time) {
			last = c.At
		}
	}
	for _, author := range slices.Sorted(maps.Keys(s.clients)) {
		c := s.clients[author]
		if c.Presence == here || c.Presence == dropped && c.At.After(last.Add(-nickReserved)) {
			c = s.change(author)
			c.Presence, c.At = dropped, at
			s.departed(c)
		}
	}
}

// reject records that the message numbered seq was rejected permanently.
func (c *Client) reject(seq uint64, code wire.Code) {
	if c.Rejected == nil {
		c.Rejected = make(map[uint64]wire.Code)
	}
	c.Rejected[seq] = code
	if len(c.Rejected) > maxRejected {
		delete(c.Rejected, slices.Min(slices.Collect(maps.Keys(c.Rejected))))
	}
}

// change returns the client of an author, or nil. It saves the client for Rollback first, so
// that the caller may change it.
func (s *State) change(author history.Author) *Client {
	c := s.clients[author]
	if c != nil {
		s.undo.saveClient(s, author)
	}
	return c
}

// clientNamed returns the client that had nick last, or nil.
func (s *State) clientNamed(nick string) (named *Client) {
	fold := text.NickFold(nick)
	for _, c := range s.clients {
		if text.NickFold(c.Nick) == fold && (named == nil || c.At.After(named.At.Time) || c.At.Equal(named.At.Time) && c.Author > named.Author) {
			named = c
		}
	}
	return named
}

// clone returns a copy of the state, without undo.
func (s *State) clone() *State {
	n := &State{
		topic: s.topic, authors: s.authors, bans: maps.Clone(s.bans), mutes: maps.Clone(s.mutes), maxAway: s.maxAway,
		clients: make(map[history.Author]*Client, len(s.clients)),
		owners:  s.owners.clone(),

		operators: maps.Clone(s.operators),
		shared:    s.shared.fresh(),
	}
	for author, c := range s.clients {
		n.clients[author] = c.clone()
	}
	n.index()
	return n
}

func (c *Client) clone() *Client {
	n := *c
	n.Rejected = maps.Clone(c.Rejected)
	n.place, n.keys = nil, text.Keys{}
	return &n
}

// nicksIn lists the nicks of marks in words, each with its addresses.
func nicksIn(marks map[string]string) string {
	var names []string
	for _, mark := range marksIn(marks) {
		if len(mark.Addresses) > 0 {
			mark.Name += " (" + strings.Join(mark.Addresses, ", ") + ")"
		}
		names = append(names, mark.Name)
	}
	if len(names) == 0 {
		return "no one"
	}
	return strings.Join(names, ", ")
}
