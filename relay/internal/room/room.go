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
	"chat/relay/internal/access"
	"chat/relay/internal/pace"
	"chat/relay/text"
	"chat/relay/wire"
)

// Options configure a Room.
type Options struct {
	ID    string
	Title string
	App   string // the host's program and version, shown in welcomes; may be ""

	// Secret is a random string that no client knows; see Room.key.
	Secret string

	// HostToken is the token of the host's own member: an operator, whose nick is never
	// taken. It counts only on the host's machine. "": there is none.
	HostToken string

	// OperatorToken makes other clients on the host's machine operators of a plain room; "": there is none.
	OperatorToken string

	// Sealed says that the room is a sealed one.
	Sealed bool

	// HandsOut says that the host hands out the program, at /get.
	HandsOut bool

	// HostMemberKey is the key of the host's own member, in a sealed room; nil: it has none.
	HostMemberKey *access.Key

	// Relays returns the addresses of all hosts that serve the room; it must not block. nil: there is only this one.
	Relays func() []string

	// FlushIn must arrange that [Room.Flush] is called once after d. The room calls FlushIn
	// with its lock held.
	FlushIn func(d time.Duration)

	// GiveNicksIn is likewise for [Room.GiveNicks]. nil: members who wait for a reserved nick
	// get it with the next change in the room.
	GiveNicksIn func(d time.Duration)
}

// A Room is a chat room. It is safe for concurrent use.
//
// It never waits for a network or a disk while it holds its lock. Lock order: Room.mu, then
// that of a Peer, then that of the log.
type Room struct {
	// fixed after NewOn
	opts      Options
	instance  string // a random string that no one else knows, except other relays of the room; see Prove
	log       *history.Log
	admin     *Member // see Admin
	committed *Fold   // nil: there is no file. Owned by the log's committer; see CommitFailed
	order     Order   // nil: no other host serves the room

	mu         sync.Mutex                   // guards all below
	state      *State                       // includes events that are not yet committed
	closed     bool                         // no more events
	members    []*Member                    // in no order
	nicks      map[string]*Member           // by each key of the member's nick
	waiting    []*Member                    // for the nick that they want, first come first
	identities map[history.Author]*identity // of clients, present or away
	guests     int                          // the highest number of a guest
	authors    history.Author               // the highest one assigned
	accepted   uint64                       // messages, actions and private messages so far
	carried    uint64                       // in a shared room: the ticket of the last own request that was carried out
	skew       skew                         // zero in a room of one host
	hasStalled bool                         // a member may be stalled; see NotifyStalled
	presence   announcements
	owning     pace.Dues // nicks that began to belong to a key, by address group; see ownQuota
	asking     subject   // scratch space of askingLocked
	carrying   carrying  // of Carry
}

// A Peer is the connection of a member. The room calls its methods with its lock held, so
// none of them may block.
type Peer interface {
	// Start sends the welcome, and then the log from the ID from, filtered and encoded by v.
	// Of the events before the ID live it sends only messages.
	Start(welcome wire.Event, from, live uint64, v history.View)
	// Deliver sends e to this member only, whose nick is nick. It returns false if it drops
	// e because the connection does not keep up.
	Deliver(e *wire.Event, nick string) bool
	// Ignore skips messages of these authors from now on. The caller must not change the map
	// afterwards.
	Ignore(authors map[history.Author]bool)
	// End sends a last event and closes the connection.
	End(bye wire.Event)
}

// A Member is one connection in a room. The zero value is not in the room.
type Member struct {
	// fixed before Enter
	Peer    Peer
	Address string // see AddressKey
	Program bool   // receives a token, and events as JSON
	Page    bool   // of the web page, or another client that comes by HTTP
	Visit   bool   // connects only to send something: the room sees no join and no leave

	// access.Credentials in a sealed room; in a plain one zero, or Level is access.Operator. See Regrade. Apart, the levels take no word of their
	// own. Fixed before Enter.
	Level, BySecret access.Level
	Key             *access.Key

	// guarded by Room.mu
	claimed   *identity // that TakeOver gave it, until Enter
	identity  *identity // nil while it is not in the room
	nick      string
	wish      *wish      // the nick that it waits for, as in Room.waiting; nil: none
	heldUntil *time.Time // its join is announced after this; nil: as soon as possible
	announced bool       // its join is in the log
	spoke     bool       // it has sent something
	departed  bool       // it left the room, and not for another connection of its client
	stalled   bool       // it was notified that messages wait; see NotifyStalled
	slowAt    int64      // when it was notified that the disk or the cluster is slow, in seconds since 1970
	slot      int        // index in Room.members
}

// A wish is a nick that a member waits for. It does not change.
type wish struct {
	nick string
	keys text.Keys
}

// keys returns the keys of the member's nick, as in Room.nicks. They are not kept: a member is
// often idle.
func (m *Member) keys() text.Keys { return text.NickKeys(m.nick) }

// An identity has the data of a client that is not durable, or that of a person on one
// connection without a token. It is guarded by Room.mu.
type identity struct {
	id       string         // public
	author   history.Author // of its events
	key      clientKey      // zero without a token
	token    string
	wanted   string                    // the nick it asked for last; its member may have another one
	host     bool                      // it is the host's own
	byRight  bool                      // it is an operator because of its token, its secret or its key: no one can change that in the room
	operator bool                      // it is one by right, or because an operator made it one; see reviewLocked
	member   *Member                   // nil while away
	owner    *Member                   // the connection that may send: the last one to say hello
	ignored  map[history.Author]string // nicks of the authors whose messages it hides

	ticket     uint64 // of its last event; see history.Log.WhenSettled
	connection uint64 // from its last hello; see State.isOutdated
	came       uint64 // in a shared room: the ticket of the last request that recorded its member here

	// of its numbered messages
	pending  []numbered // in order; until dropCommittedLocked, also some that are committed by now. As bounded as the log's pending events
	rejected uint64     // could not be stored: higher numbers are rejected until it is resent; 0: none
}

// A numbered is the number of a pending message, and its ticket; see history.Log.Settled.
type numbered struct{ seq, ticket uint64 }

// New returns a room whose log is in memory.
func New(opts Options, log *history.Log) *Room { return newRoom(opts, log, NewState()) }

// NewOn returns a room whose log is on a file; committed is the fold of that file. The log's
// committer owns committed from then on.
func NewOn(opts Options, log *history.Log, committed *Fold, now time.Time) *Room {
	r := newRoom(opts, log, committed.state.clone())
	r.committed = committed
	r.submitLocked(nil, &request{op: opOpen, at: now}) // an error here recurs with the next event
	return r
}

func newRoom(opts Options, log *history.Log, state *State) *Room {
	instance := rand.Text()
	if opts.Relays != nil { // all relays of a room are one host
		instance = wire.MAC(opts.Secret, "chat relays", opts.ID)
	}
	return &Room{
		opts:       opts,
		instance:   instance,
		log:        log,
		admin:      newAdmin(),
		state:      state,
		authors:    state.authors,
		nicks:      make(map[string]*Member),
		identities: make(map[history.Author]*identity),
	}
}

// Welcomed is the result of Enter.
type Welcomed struct {
	Nick    string
	Members int // including the new one
}

// TakeOver makes m the only connection of req's client that may send. If messages of older
// connections are pending, it returns a channel that is closed once they are committed or
// rejected; the caller then calls TakeOver again. Only then does the welcome have the right
// Seq. The error is a [*wire.Fault].
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
	case m.claimed == id && id.owner != m: // another connection took over while m waited
		return nil, replacedFault()
	}
	id.owner, m.claimed = m, id
	if settled := r.log.WhenSettled(id.ticket); !isClosed(settled) {
		return settled, nil
	}
	return nil, nil
}

// Enter adds m to the room as req asks, and starts its peer: at the ID from, or after
// req.Since. The error is a [*wire.Fault].
func (r *Room) Enter(m *Member, req *wire.Request, from uint64, now time.Time) (Welcomed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clock, now := now, r.timeLocked(now)
	if err := r.checkHelloLocked(m, req); err != nil {
		return Welcomed{}, err
	}
	r.flushOlderLocked(now)
	id := r.identifyLocked(m, req.Token)
	old, wasOperator := id.member, id.operator
	if old != nil { // the same client on a new connection: no one sees a join or a leave, see announceReplacedLocked
		r.releaseLocked(old)
		m.spoke = old.spoke
		r.removeLocked(old)
		old.Peer.End(byeEvent(wire.CodeReplaced, "you are here on another connection"))
	}
	m.identity, id.member, id.owner, m.claimed = id, m, m, nil
	id.connection = req.Connection
	id.rejected = 0
	id.host = r.IsHost(m, req.Token)
	id.byRight = id.host || m.Level == access.Operator
	m.announced, m.departed = old != nil && old.announced || r.isElsewhereLocked(id), false
	if id.host && m.Key == nil {
		m.Key = r.opts.HostMemberKey
	}
	r.reviewLocked(m)
	invalid := r.nameLocked(m, req.Nick, now)
	displaced := r.displaceLocked(m, m.keys(), now)
	r.addLocked(m)
	r.renameDisplacedLocked(displaced, m, m.nick, now)
	r.announceReplacedLocked(m, old, wasOperator, now)
	r.recordClientLocked(m, here, now)
	r.measureSkewLocked(clock)
	r.ownNickLocked(m, now)

	r.welcomeLocked(m, req, from, now)
	if invalid != nil {
		r.rejectNickLocked(m, invalid)
	}
	r.explainNickLocked(m, now)
	r.giveNicksLocked(now)
	if !m.announced && !m.Visit {
		r.holdLocked(m, now)
		r.announceJoinLocked(m)
	}
	return Welcomed{m.nick, len(r.members)}, nil
}

// welcomeLocked sends the welcome to m, and the log from the ID from on, or as req asks.
func (r *Room) welcomeLocked(m *Member, req *wire.Request, from uint64, now time.Time) {
	id := m.identity
	live := r.log.Next()
	welcome := wire.Event{
		Type: wire.TypeWelcome, Time: now, Version: wire.Version, App: r.opts.App,
		Room: r.opts.ID, Title: r.opts.Title, Topic: r.state.topic,
		Nick: m.nick, Client: id.id, Token: id.token, Key: r.keyFor(m), Seq: r.committedLocked(id), Next: live,
		Count: len(r.members) - 1 - r.presence.held + r.countElsewhereLocked(), Sealed: r.opts.Sealed, Get: r.opts.HandsOut,
	}
	if m.Program {
		welcome.Relays = r.relays()
	}
	switch {
	case id.operator:
		welcome.Access = access.Operator.String()
	case r.opts.Sealed && m.Level != access.Member:
		welcome.Access = m.Level.String()
	}
	r.nameMembersLocked(&welcome, m, m.welcomeNames())
	if req.Since > 0 {
		from = min(req.Since, live-1) + 1
	}
	m.Peer.Start(welcome, from, live, history.View{Format: m.format(), Me: id.author, Echo: m.Program, Ignored: keySet(id.ignored)})
	if req.Since > max(live-1, 1) { // an ID of another log, such as that of a host before its restart; 1 stands for none
		m.Peer.Deliver(&wire.Event{Type: wire.TypeGap}, m.nick)
	}
}

// rejectNickLocked sends m a fault: its wanted nick is invalid.
func (r *Room) rejectNickLocked(m *Member, invalid error) {
	e := wire.Faultf(wire.CodeBadNick, "%v; you are %s", invalid, m.nick).Event(0)
	m.Peer.Deliver(&e, m.nick)
}

// checkHelloLocked returns the fault for which m is rejected, or nil.
func (r *Room) checkHelloLocked(m *Member, req *wire.Request) error {
	switch {
	case r.closed:
		return wire.Faultf(wire.CodeShutdown, "the room is closing")
	case req.Version < 0:
		return wire.Faultf(wire.CodeBadRequest, "invalid protocol version %d", req.Version)
	case req.Room != "" && req.Room != r.opts.ID:
		return wire.Faultf(wire.CodeWrongRoom, "this is %s (%s), not the room you asked for", r.opts.Title, r.opts.ID)
	case req.Token != "" && !wire.IsToken(req.Token):
		return wire.Faultf(wire.CodeBadRequest, wire.TokenRule)
	case isMarked(r.state.bans, &subject{key: keyOf(req.Token), address: m.Address, fingerprint: m.fingerprint()}):
		return bannedFault()
	}
	return nil
}

// Admit returns a fault if connections from the address are banned; see [AddressKey].
func (r *Room) Admit(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if address != "" && r.state.bans[address] != "" {
		return bannedFault()
	}
	return nil
}

// BansKey reports whether whoever has the key with a fingerprint is banned.
func (r *Room) BansKey(fingerprint string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return isMarked(r.state.bans, &subject{fingerprint: fingerprint})
}

// A Standing is a client's record in the room, found by its token.
type Standing struct {
	Known bool // it was in the room before
	Spoke bool // it has sent messages
}

// IsHost reports whether m, with a token, is the host's own member. From another machine it is not: there, in a
// plain room, others on the network may have read the token.
func (r *Room) IsHost(m *Member, token string) bool {
	return m.countsHere(token, r.opts.HostToken)
}

// IsOperatorToken reports whether the secret in m's hello makes it an operator of the room, which is a plain one.
func (r *Room) IsOperatorToken(m *Member, secret string) bool {
	return m.countsHere(secret, r.opts.OperatorToken)
}

// countsHere reports whether token is want, which is "" if there is none, and m is on the host's machine.
func (m *Member) countsHere(token, want string) bool {
	return m.Address == "" && want != "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
}

// Standing returns the Standing of m with a token: the zero one if the token is banned. Whoever may send in a
// sealed room is no stranger: those who know no secret cannot keep them out.
func (r *Room) Standing(m *Member, token string) Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isMarked(r.state.bans, &subject{key: keyOf(token)}) {
		return Standing{}
	}
	if c := r.state.byKey[keyOf(token)]; c != nil && token != "" {
		return Standing{Known: true, Spoke: c.Seq > 0}
	}
	return Standing{Known: r.IsHost(m, token) || m.Level >= access.Member}
}

func bannedFault() error { return wire.Faultf(wire.CodeBanned, "you are banned from this room") }

func replacedFault() error {
	return wire.Faultf(wire.CodeReplaced, "you are here on another connection")
}

func byeEvent(code wire.Code, text string) wire.Event {
	return wire.Event{Type: wire.TypeBye, Code: code, Text: text}
}

// keyOf returns the key of a token; zero for "".
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
	if r.order != nil { // it may not be in the state yet
		_, author := r.sharedIdentity(token)
		return r.identities[author]
	}
	c := r.state.byKey[keyOf(token)]
	if c == nil {
		return nil
	}
	return r.identities[c.Author]
}

// identifyLocked returns the identity of the client with token, or a new one. It gives a
// token to a program without one, so that it can reconnect; a person gets none.
func (r *Room) identifyLocked(m *Member, token string) *identity {
	if token == "" && (m.Program || r.order != nil) { // in a shared room, every member is a client
		token = rand.Text()
	}
	id := r.identityOfLocked(token)
	if id != nil {
		id.token = token
		return id
	}
	id = &identity{token: token, key: keyOf(token)}
	if c := r.state.byKey[id.key]; c != nil && token != "" {
		id.id, id.author, id.wanted = c.ID, c.Author, c.Wanted
	} else if r.order != nil {
		id.id, id.author = r.sharedIdentity(token)
	} else {
		r.authors++
		id.id, id.author = strings.ToLower(rand.Text()[:10]), r.authors
	}
	if token != "" {
		r.identities[id.author] = id
	}
	return id
}

// subject returns m as the subject of a request.
func (m *Member) subject() *subject {
	id := m.identity
	return &subject{
		author: id.author, id: id.id, key: id.key, operator: id.operator, byRight: id.byRight,
		nick: m.nick, address: m.Address, visit: m.Visit, fingerprint: m.fingerprint(),
	}
}

// askingLocked returns m as the sender of a request. The subject is valid until the next
// call, so that a message costs no allocation.
func (r *Room) askingLocked(m *Member) *subject {
	id, s := m.identity, &r.asking
	s.author, s.id, s.key, s.operator, s.byRight = id.author, id.id, id.key, id.operator, id.byRight
	s.nick, s.address, s.visit, s.fingerprint = m.nick, m.Address, m.Visit, m.fingerprint()
	return s
}

// submitLocked decides on a request, appends the event to the log and applies it. by is the
// member who asks; nil means the room. The error is a [*wire.Fault], or the log's.
func (r *Room) submitLocked(by *Member, req *request) error {
	if r.order != nil {
		return r.proposeLocked(by, req)
	}
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

// appendLocked appends a visible event to the log.
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

// recordClientLocked records in the log that m's client joined, left or changed its nick.
func (r *Room) recordClientLocked(m *Member, p presence, now time.Time) {
	if r.closed { // clients present now remain so until the room is reopened
		return
	}
	// It fails only if 20,000 such events wait for a full disk. The client is then treated as new.
	if r.order != nil && !m.Program && p != here {
		p = forgotten
	}
	_ = r.submitLocked(nil, &request{op: opClient, at: now, by: r.askingLocked(m), presence: p, wanted: m.identity.wanted, connection: m.identity.connection})
	if r.order != nil && p == here {
		m.identity.came = r.order.Last()
	}
	if id := m.identity; id.token != "" && (r.state.clients[id.author] != nil || r.order != nil && p == here) {
		r.identities[id.author] = id // it may have been forgotten while it was here: its next connection must find it
	}
}

// Leave removes m from the room, if it is there, with a last message, which may be "". The
// client's nick is free at once.
func (r *Room) Leave(m *Member, parting string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if m.identity == nil {
		return
	}
	if m.Level == access.Listen || isMarked(r.state.mutes, r.askingLocked(m)) { // the last message is one, too
		parting = ""
	}
	r.leaveLocked(m, left, wire.Event{Text: parting}, now)
}

// A Departure is the result of Drop.
type Departure struct {
	Nick    string
	Members int // still in the room
}

// Drop removes m, whose connection has ended, from the room, if it is there. A client's nick
// stays reserved for two minutes. Drop reports whether m left, now or before; it is false if
// another connection of its client has replaced m.
func (r *Room) Drop(m *Member, now time.Time) (Departure, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if m.identity != nil {
		r.leaveLocked(m, dropped, wire.Event{}, now)
	}
	return Departure{m.nick, len(r.members)}, m.departed
}

// leaveLocked removes m from the room. The others see how, if it has a text or a code, or
// else a plain leave.
func (r *Room) leaveLocked(m *Member, p presence, how wire.Event, now time.Time) {
	r.recordClientLocked(m, p, now)
	r.countVisitLocked(m, now)
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
		r.appendPresenceLocked(&how, []history.Author{id.author}, now)
		r.log.Wake()
	default:
		r.announceLeaveLocked(m.nick, id.author)
	}
	r.giveNicksLocked(now)
}

// appendPresenceLocked appends a join or a leave of members to the log. They do not change the state.
func (r *Room) appendPresenceLocked(e *wire.Event, members []history.Author, now time.Time) {
	e.Time = now
	author := history.Author(0) // of a single member, who does not receive its own join; 0: several
	if len(members) == 1 && (e.Type == wire.TypeJoin || e.Text != "" || e.Code != "") {
		author = members[0]
	}
	if r.order != nil {
		r.proposeEventLocked(e, author, members)
		return
	}
	r.log.Append(e, history.Origin{Author: author}) // the log holds it while the disk is full
}

func (r *Room) addLocked(m *Member) {
	for _, key := range m.keys() {
		r.nicks[key] = m
	}
	m.slot = len(r.members)
	r.members = append(r.members, m)
}

func (r *Room) removeLocked(m *Member) {
	r.freeNickLocked(m)
	r.waitLocked(m, "")
	last := len(r.members) - 1
	r.members[m.slot] = r.members[last]
	r.members[m.slot].slot = m.slot
	r.members[last] = nil
	r.members = r.members[:last]
	m.identity = nil
}

// Close closes the room: from now on it rejects all requests, and appends no more events to
// its log.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Count returns the number of members, and that of the messages, actions and private
// messages accepted so far.
func (r *Room) Count() (members int, accepted uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members) + r.countElsewhereLocked(), r.accepted
}

// Who lists the members.
func (r *Room) Who() wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := wire.Event{Type: wire.TypeWho, Count: len(r.members) - r.presence.held + r.countElsewhereLocked()}
	r.nameMembersLocked(&e, nil, wire.MaxMembers)
	return e
}

// IsOperator reports whether m may moderate.
func (r *Room) IsOperator(m *Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.identity != nil && m.identity.operator
}

// nameMembersLocked lists in e the nicks of at most limit members, except that of without, the operators
// among them, which of these is the host's own, and the tags of their keys; see wire.Event.
func (r *Room) nameMembersLocked(e *wire.Event, without *Member, limit int) {
	var listed []*Member
	for _, m := range r.members {
		if m == without || m.heldUntil != nil {
			continue
		}
		if len(listed) == limit {
			break
		}
		listed = append(listed, m)
	}
	if r.opts.Sealed { // members may have tags, which stay beside their nicks
		slices.SortFunc(listed, func(a, b *Member) int { return strings.Compare(a.nick, b.nick) })
	}
	nameMembers(e, listed)
	r.nameElsewhereLocked(e, limit)
	if !r.opts.Sealed {
		slices.Sort(e.Members)
	}
}

// nameMembers lists members in e; see nameMembersLocked. Room.mu is locked.
func nameMembers(e *wire.Event, members []*Member) {
	e.Members, e.Tags = nicksAndTags(members)
	for _, m := range members {
		if m.identity.operator {
			e.Hosts = append(e.Hosts, m.nick)
		}
		if m.identity.host {
			e.From = m.nick
		}
	}
}

// welcomeNames returns how many nicks m's welcome lists: few for a person.
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

// checkMemberLocked returns the fault for which m's request is rejected, or nil. If m's join
// is not announced yet, checkMemberLocked announces it, so that it precedes m's messages.
func (r *Room) checkMemberLocked(m *Member, now time.Time) error {
	switch {
	case r.closed:
		return wire.Faultf(wire.CodeShutdown, "the room is closing; this was not sent")
	case m.identity == nil || m.identity.owner != m:
		return wire.Faultf(wire.CodeReplaced, "you are no longer in the room; this was not sent")
	case !m.announced && !m.Visit:
		r.releaseLocked(m)
		r.flushLocked(now)
	}
	m.spoke = true
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

// ID returns the room's ID.
func (r *Room) ID() string { return r.opts.ID }

// Topic returns the topic.
func (r *Room) Topic() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.topic
}

// keySet returns a new map with the keys of m, or nil if there are none.
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
