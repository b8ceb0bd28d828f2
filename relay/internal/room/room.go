package room

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// Options say what a room is. The zero value works.
type Options struct {
	ID    string
	Title string
	App   string // the host's program and version, shown to those who join

	// OperatorToken is the token whose client is an operator; "": none is.
	OperatorToken string

	// FlushIn has [Room.Flush] called once after d. It must not call it itself.
	FlushIn func(d time.Duration)
}

// A Room is a chat room. It is safe for concurrent use.
//
// Nothing waits for a network or a disk while its lock is held. Order of locks: Room.mu,
// then those of a Peer, then those of the log.
type Room struct {
	opts      Options
	log       *history.Log
	committed *Fold // nil: there is no file. Owned by the log's committer; see CommitFailed

	mu         sync.Mutex
	state      *State                       // includes events that are still to be committed; guarded by mu
	closed     bool                         // no more events; guarded by mu
	members    []*Member                    // in no order; guarded by mu
	nicks      map[string]*Member           // by each key of the member's nick; guarded by mu
	identities map[history.Author]*identity // of clients, here or away; guarded by mu
	guests     int                          // how many guests have got a number; guarded by mu
	authors    history.Author               // the highest given out; guarded by mu
	accepted   uint64                       // messages, actions and private messages; guarded by mu
	presence   announcements                // guarded by mu
	asking     subject                      // scratch space of askingLocked; guarded by mu
}

// A Peer is the connection of a member. The room calls its methods with its lock held;
// none of them waits.
type Peer interface {
	// Start sends the welcome and then the log from an ID on, as v says. Of the events
	// before live it sends messages only.
	Start(welcome wire.Event, from, live uint64, v history.View)
	// Deliver sends an event to this member only, for a reader called nick. It returns
	// false if the connection does not keep up.
	Deliver(e *wire.Event, nick string) bool
	// Ignore has the connection skip the messages of these authors. The map is not
	// changed any more.
	Ignore(authors map[history.Author]bool)
	// End closes the connection after a last event.
	End(bye wire.Event)
}

// A Member is the place of one connection in a room. The zero value is not in it.
type Member struct {
	// fixed before Enter
	Peer    Peer
	Address string // see AddressKey
	Program bool   // it gets a token and all events as JSON
	Visit   bool   // it comes to send something and leaves: the room is not told of that

	// guarded by Room.mu
	claimed   *identity // whose owner TakeOver made it
	identity  *identity // nil while it is not in the room
	nick      string
	keys      text.Keys // of nick, as in Room.nicks
	announced bool      // the room was told that it joined
	departed  bool      // it left the room, and not for another connection of its client
	slot      int       // index in Room.members
}

// An identity is what a room knows of a client only as long as it runs, or of the person
// behind one connection without a token. It is guarded by Room.mu.
type identity struct {
	id       string
	author   history.Author
	key      clientKey // zero without a token
	token    string
	wanted   string // the nick that was asked for
	operator bool
	member   *Member // nil while away
	owner    *Member // the connection that may send: the one that said hello last
	ignored  map[history.Author]string

	// of the messages it numbered
	ticket    uint64 // of the last one; see history.Log.WhenSettled
	committed uint64 // the highest number that is known to be committed
	rejected  uint64 // the disk did not take this number, and none above it may come first; 0: none
}

// New returns a room whose log is in memory.
func New(opts Options, log *history.Log) *Room { return newRoom(opts, log, NewState()) }

// NewOn returns a room whose log is in a file, of which committed is the fold. The log's
// committer owns it from here on.
func NewOn(opts Options, log *history.Log, committed *Fold, now time.Time) *Room {
	r := newRoom(opts, log, committed.state.clone())
	r.committed = committed
	r.submitLocked(nil, &request{op: opOpen, at: now}) // its error comes with the next one again
	return r
}

func newRoom(opts Options, log *history.Log, state *State) *Room {
	return &Room{
		opts:       opts,
		log:        log,
		state:      state,
		authors:    state.authors,
		nicks:      make(map[string]*Member),
		identities: make(map[history.Author]*identity),
	}
}

// Welcomed is what Enter says of the one who came.
type Welcomed struct {
	Nick    string
	Members int // with the new one
}

// TakeOver makes m the only connection of the client that req names. Until the returned
// channel, if there is one, is closed, messages sent on its older connections are neither
// committed nor rejected; then TakeOver is to be called again: the client would not know
// their numbers. The error is a [*wire.Fault].
func (r *Room) TakeOver(m *Member, req *wire.Request) (wait <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkHelloLocked(m, req); err != nil {
		return nil, err
	}
	id := r.identityOfLocked(req.Token)
	switch {
	case id == nil:
		return nil, nil
	case m.claimed == id && id.owner != m: // another one came while m waited
		return nil, replacedFault()
	}
	id.owner, m.claimed = m, id
	if settled := r.log.WhenSettled(id.ticket); !isClosed(settled) {
		return settled, nil
	}
	return nil, nil
}

// Enter lets m in as req asks, and starts it in the log: from the ID from on, or after
// req.Since. The error is a [*wire.Fault].
func (r *Room) Enter(m *Member, req *wire.Request, from uint64, now time.Time) (Welcomed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkHelloLocked(m, req); err != nil {
		return Welcomed{}, err
	}
	r.settlePresenceLocked(now)
	id := r.identifyLocked(m, req.Token)
	old := id.member
	if old != nil { // the same client on a new connection: the room need not notice
		r.removeLocked(old)
		old.Peer.End(byeEvent(wire.CodeReplaced, "you are here on another connection"))
	}
	m.identity, id.member, id.owner, m.claimed = id, m, m, nil
	id.rejected = 0
	id.operator = id.operator || r.opts.OperatorToken != "" && subtle.ConstantTimeCompare([]byte(req.Token), []byte(r.opts.OperatorToken)) == 1
	m.announced, m.departed = old != nil && old.announced, false
	invalid := r.nameLocked(m, req.Nick, now)
	r.addLocked(m)
	r.noteClientLocked(m, here, now)

	live := r.log.Next()
	welcome := wire.Event{
		Type: wire.TypeWelcome, Version: wire.Version, App: r.opts.App,
		Room: r.opts.ID, Title: r.opts.Title, Topic: r.state.topic,
		Nick: m.nick, Client: id.id, Token: id.token, Seq: r.committedLocked(id), Next: live,
		Count: len(r.members) - 1,
	}
	welcome.Members, welcome.Hosts = r.namesLocked(m, m.welcomeNames())
	if req.Since > 0 {
		from = min(req.Since, live-1) + 1
	}
	m.Peer.Start(welcome, from, live, history.View{Format: m.format(), Me: id.author, Echo: m.Program, Ignored: keySet(id.ignored)})
	if invalid != nil {
		e := wire.Faultf(wire.CodeBadNick, "%v; you are %s", invalid, m.nick).Event(0)
		m.Peer.Deliver(&e, m.nick)
	}
	if !m.announced && !m.Visit {
		r.announceJoinLocked(m)
	}
	return Welcomed{m.nick, len(r.members)}, nil
}

// checkHelloLocked returns the fault that keeps m out.
func (r *Room) checkHelloLocked(m *Member, req *wire.Request) error {
	switch {
	case r.closed:
		return wire.Faultf(wire.CodeShutdown, "the room is closing")
	case req.Version < 0:
		return wire.Faultf(wire.CodeBadRequest, "invalid protocol version %d", req.Version)
	case req.Room != "" && req.Room != r.opts.ID:
		return wire.Faultf(wire.CodeWrongRoom, "this is %s (%s), not the room you asked for", r.opts.Title, r.opts.ID)
	case req.Token != "" && !isToken(req.Token):
		return wire.Faultf(wire.CodeBadRequest, "a token has 8 to 64 letters, digits, - and _")
	case isMarked(r.state.bans, &subject{key: keyOf(req.Token), address: m.Address}):
		return bannedFault()
	}
	return nil
}

// Admit returns the fault that keeps connections from an address out, if there is one.
func (r *Room) Admit(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if address != "" && r.state.bans[address] != "" {
		return bannedFault()
	}
	return nil
}

func bannedFault() error { return wire.Faultf(wire.CodeBanned, "you are banned from this room") }

func replacedFault() error {
	return wire.Faultf(wire.CodeReplaced, "you are here on another connection")
}

func byeEvent(code wire.Code, text string) wire.Event {
	return wire.Event{Type: wire.TypeBye, Code: code, Text: text}
}

func isToken(s string) bool {
	return len(s) >= 8 && len(s) <= 64 && !strings.ContainsFunc(s, isNotInToken)
}

func isNotInToken(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

// keyOf returns the key of a token; zero for none.
func keyOf(token string) clientKey {
	if token == "" {
		return clientKey{}
	}
	return sha256.Sum256([]byte(token))
}

// identityOfLocked returns the identity of the client with token, or nil.
func (r *Room) identityOfLocked(token string) *identity {
	if token == "" {
		return nil
	}
	c := r.state.byKey[keyOf(token)]
	if c == nil {
		return nil
	}
	return r.identities[c.Author]
}

// identifyLocked returns the identity of the client with token, or a new one. A program
// without a token gets one, to come back with; a person does not.
func (r *Room) identifyLocked(m *Member, token string) *identity {
	if token == "" && m.Program {
		token = rand.Text()
	}
	id := r.identityOfLocked(token)
	if id != nil {
		id.token = token
		return id
	}
	id = &identity{token: token, key: keyOf(token)}
	if c := r.state.byKey[id.key]; c != nil && token != "" {
		id.id, id.author, id.wanted, id.committed = c.ID, c.Author, c.Wanted, c.Seq
	} else {
		r.authors++
		id.id, id.author = strings.ToLower(rand.Text()[:10]), r.authors
	}
	if token != "" {
		r.identities[id.author] = id
	}
	return id
}

// subject returns who m is, for a decision.
func (m *Member) subject() *subject {
	id := m.identity
	return &subject{
		author: id.author, id: id.id, key: id.key, operator: id.operator,
		nick: m.nick, address: m.Address, visit: m.Visit,
	}
}

// askingLocked returns who m is, for a decision on its own request. It is valid until the
// next call: a message is not to cost an allocation.
func (r *Room) askingLocked(m *Member) *subject {
	id, s := m.identity, &r.asking
	s.author, s.id, s.key, s.operator = id.author, id.id, id.key, id.operator
	s.nick, s.address, s.visit = m.nick, m.Address, m.Visit
	return s
}

// submitLocked decides on a request and puts the event into the log. by is the member
// who asks; nil: the room itself. The error is a [*wire.Fault], or the log's.
func (r *Room) submitLocked(by *Member, req *request) error {
	e := new(event)
	if err := r.state.decide(req, e); err != nil {
		return err
	}
	switch {
	case e.hidden != nil:
		if _, err := r.log.AppendHidden(e.hidden.encode(), req.at); err != nil {
			return err
		}
	case e.Type != "":
		if err := r.appendLocked(by, e); err != nil {
			return err
		}
	default:
		return nil
	}
	r.state.apply(&e.Event, e.hidden, e.by)
	for _, author := range r.state.forgotten {
		delete(r.identities, author)
	}
	r.state.forgotten = r.state.forgotten[:0]
	return nil
}

// appendLocked puts a visible event into the log.
func (r *Room) appendLocked(by *Member, e *event) error {
	if by == nil {
		_, err := r.log.Append(&e.Event, e.by)
		return err
	}
	id := by.identity
	ticket, err := r.log.Append(&e.Event, history.Origin{Author: e.by.Author, To: e.by.To, Sender: id, Waiter: by.Peer})
	if err == nil {
		id.ticket = ticket
	}
	return err
}

// noteClientLocked notes in the log that m's client came, left or has another nick.
func (r *Room) noteClientLocked(m *Member, p presence, now time.Time) {
	if r.closed { // who is here now is so until the room is opened again
		return
	}
	// It fails only when 20,000 such events wait for a full disk: the client is then taken for a new one.
	_ = r.submitLocked(nil, &request{op: opClient, at: now, by: r.askingLocked(m), presence: p, wanted: m.identity.wanted})
}

// Leave takes m out of the room, if it is in it, with a parting message or "". A client
// that leaves so is not expected back.
func (r *Room) Leave(m *Member, parting string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil {
		return
	}
	if isMarked(r.state.mutes, r.askingLocked(m)) {
		parting = ""
	}
	r.leaveLocked(m, left, wire.Event{Text: parting}, now)
}

// A Departure is what Drop says of one who left.
type Departure struct {
	Nick    string
	Members int // who are in the room now
}

// Drop takes m, whose connection ended, out of the room, if it is in it. The nick of a
// client stays reserved for a while. It reports whether m left the room, now or before,
// but for another connection of its client.
func (r *Room) Drop(m *Member, now time.Time) (Departure, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity != nil {
		r.leaveLocked(m, dropped, wire.Event{}, now)
	}
	return Departure{m.nick, len(r.members)}, m.departed
}

// leaveLocked takes m out of the room. how tells the others why, if it has a text or a code.
func (r *Room) leaveLocked(m *Member, p presence, how wire.Event, now time.Time) {
	r.noteClientLocked(m, p, now)
	id := m.identity
	r.removeLocked(m)
	m.departed = true
	id.member = nil
	if id.owner == m {
		id.owner = nil
	}
	switch {
	case r.closed || !m.announced:
	case how.Text != "" || how.Code != "":
		r.flushLocked(now)
		how.Type, how.Members = wire.TypeLeave, []string{m.nick}
		r.noticeLocked(&how, id.author, now)
		r.log.Wake()
	default:
		r.announceLeaveLocked(m.nick)
	}
}

// noticeLocked puts an event into the log that changes no state: who came and went.
func (r *Room) noticeLocked(e *wire.Event, author history.Author, now time.Time) {
	e.Time = now
	r.log.Append(e, history.Origin{Author: author}) // the log holds it if the disk is full
}

func (r *Room) addLocked(m *Member) {
	for _, key := range m.keys {
		r.nicks[key] = m
	}
	m.slot = len(r.members)
	r.members = append(r.members, m)
}

func (r *Room) removeLocked(m *Member) {
	r.freeNickLocked(m)
	last := len(r.members) - 1
	r.members[m.slot] = r.members[last]
	r.members[m.slot].slot = m.slot
	r.members[last] = nil
	r.members = r.members[:last]
	m.identity = nil
}

// Close makes the room silent: nothing goes into its log any more.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Count returns how many members are in the room, and how many messages, actions and
// private messages it has accepted.
func (r *Room) Count() (members int, accepted uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members), r.accepted
}

// Who lists the members.
func (r *Room) Who() wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := wire.Event{Type: wire.TypeWho, Count: len(r.members)}
	e.Members, e.Hosts = r.namesLocked(nil, wire.MaxMembers)
	return e
}

// IsOperator reports whether m may moderate.
func (r *Room) IsOperator(m *Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.identity != nil && m.identity.operator
}

// namesLocked lists the members but one, at most limit of them by their nicks, and which
// of them are operators.
func (r *Room) namesLocked(without *Member, limit int) (names, operators []string) {
	for _, m := range r.members {
		if m == without {
			continue
		}
		if len(names) == limit {
			break
		}
		names = append(names, m.nick)
		if m.identity.operator {
			operators = append(operators, m.nick)
		}
	}
	slices.Sort(names)
	return names, operators
}

// welcomeNames is how many names the welcome lists: a person is shown few.
func (m *Member) welcomeNames() int {
	if m.Program {
		return wire.MaxMembers
	}
	return wire.NamesShown + 2 // enough for "and N more"
}

func (m *Member) format() history.Format {
	if m.Program {
		return history.JSON
	}
	return history.Text
}

// checkMemberLocked returns the fault for which m may not act in the room. If it may, the
// room is told first that it is here.
func (r *Room) checkMemberLocked(m *Member, now time.Time) error {
	switch {
	case r.closed:
		return wire.Faultf(wire.CodeShutdown, "the room is closing; this was not sent")
	case m.identity == nil || m.identity.owner != m:
		return wire.Faultf(wire.CodeReplaced, "you are no longer in the room; this was not sent")
	case !m.announced && !m.Visit:
		r.flushLocked(now)
	}
	return nil
}

// SetTopic changes the topic; "" clears it. The error is a [*wire.Fault].
func (r *Room) SetTopic(m *Member, topic string, seq uint64, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return err
	}
	err := r.submitLocked(m, &request{op: opTopic, at: now, by: r.askingLocked(m), seq: seq, text: topic})
	r.log.Wake()
	return faultOf(err, notChanged)
}

// Topic returns the topic.
func (r *Room) Topic() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.topic
}

// keySet returns the keys of m in a map of its own, nil for none.
func keySet(m map[history.Author]string) map[history.Author]bool {
	if len(m) == 0 {
		return nil
	}
	set := make(map[history.Author]bool, len(m))
	for k := range maps.Keys(m) {
		set[k] = true
	}
	return set
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
