package relay

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A room is who is here, under which nick, and what each may do. What is said
// goes through it into the log, so that the log's order is that of the room.
//
// No I/O happens under its lock. Order of locks: room.mu, session.mu, the log's.
type room struct {
	opts Options
	log  *history.Log

	mu         sync.Mutex
	closed     bool                    // nothing is said any more
	topic      string                  // "" while none is set
	members    []*session              // in no order
	nicks      map[string]*session     // by each of a nick's keys
	identities map[clientKey]*identity // who has a token and is here, or was
	away       *list.List              // of *identity: who was here and may come back, longest away first
	held       map[string]*identity    // by each of a nick's keys: whose connection was lost a moment ago
	guests     int                     // how many guests have had a number
	authors    history.Author          // how many clients there have been
	banned     map[string]string       // key (see marks) -> the nick it was had under
	muted      map[string]string       // likewise
	notices    presence
}

// An identity is somebody who has a token, over all of its sessions, or the person
// behind one connection without.
type identity struct {
	id      string
	author  history.Author
	token   string    // "" for a person, and for one that only the history knows
	key     clientKey // of token
	session *session  // nil while away
	wanted  string    // the nick it asked for
	nick    string    // the one it got
	ignored map[history.Author]string
	place   *list.Element // in room.away

	// what it numbered itself
	seq     uint64 // the highest that was taken
	ticket  uint64 // the log's, of that
	stored  uint64 // the highest that is known to be in the log for good
	refused uint64 // what the disk did not take: this number comes before any higher; 0: nothing

	// while it is away
	heldUntil time.Time // its nick is nobody else's; zero: it is
	waiting   int       // private messages for it
}

// A clientKey is what a client with a token is known by, see [history.ClientKey].
type clientKey = [sha256.Size]byte

// maxAway is how many clients that left the room remembers, with their nicks and
// the numbers of what they said.
const maxAway = 10_000

// nickHeld is how long the nick of a client whose connection was lost is kept for it.
const nickHeld = 2 * time.Minute

func newRoom(opts Options, log *history.Log) *room {
	return &room{
		opts:       opts,
		log:        log,
		nicks:      make(map[string]*session),
		identities: make(map[clientKey]*identity),
		held:       make(map[string]*identity),
		away:       list.New(),
		banned:     make(map[string]string),
		muted:      make(map[string]string),
	}
}

// restore takes over what a file knows of the room. Those who were here when it closed
// have lost their connections just now.
func (r *room) restore(kept history.Room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topic, r.authors = kept.Topic, kept.Authors
	for i := range kept.Away {
		c := identityOf(&kept.Away[i])
		r.identities[c.key] = c
		c.place = r.away.PushFront(c) // latest first in kept
		r.holdLocked(c)
	}
}

// identityOf makes an identity of what a file knows of it.
func identityOf(c *history.Client) *identity {
	return &identity{id: c.ID, author: c.Author, key: c.Key, wanted: c.Nick, nick: c.Nick, seq: c.Seq, stored: c.Seq}
}

// enter lets s in as req asks, and gives it its welcome and its place in the log.
func (r *room) enter(s *session, req wire.Request) *wire.Event {
	known, err := r.log.Client(req.Token) // reads from disk, so before the lock
	if err != nil {
		s.log().Error("a client who comes back is taken for a new one", "error", err)
	}
	from := r.backlogStart(s, &req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.checkHelloLocked(s, &req); fault != nil {
		return fault
	}
	r.notices.settle(r)
	c := r.identityLocked(req.Token, s.isJSON(), known)
	old := c.session
	if old != nil { // the same client on a new connection: the room need not notice
		r.removeLocked(old)
		old.end(byeEvent(wire.CodeReplaced, "you are here on another connection"))
	}
	s.identity, c.session = c, s
	r.unholdLocked(c)
	c.waiting, c.refused = 0, 0
	s.host = r.opts.HostToken != "" && subtle.ConstantTimeCompare([]byte(req.Token), []byte(r.opts.HostToken)) == 1
	s.announced = old != nil && old.announced
	refused := r.nameLocked(s, req.Nick)
	r.addLocked(s)
	r.rememberLocked(c, history.Here)

	live := r.log.Next()
	welcome := wire.Event{
		Type: wire.TypeWelcome, Version: wire.Version, App: r.opts.App,
		Room: r.opts.Room, Title: r.opts.Title, Topic: r.topic,
		Nick: s.nick, Client: c.id, Token: c.token, Seq: r.storedLocked(c), Next: live,
		Count: len(r.members) - 1,
	}
	welcome.Members, welcome.Hosts = r.namesLocked(s, s.welcomeNames())
	if req.Since > 0 {
		from = min(req.Since, live-1) + 1
	}
	s.start(welcome, from, live, c.author, keySet(c.ignored))
	if refused != nil {
		s.deliver(faultf(wire.CodeBadNick, "%v; you are %s", refused, s.nick), s.nick)
	}
	if !s.announced {
		r.notices.joined(r, s)
	}
	s.log().Info("joined", "nick", s.nick, "members", len(r.members))
	return nil
}

// checkHelloLocked finds what keeps s out.
func (r *room) checkHelloLocked(s *session, req *wire.Request) *wire.Event {
	switch {
	case r.closed:
		return faultf(wire.CodeShutdown, "the room closes")
	case req.Version < 0:
		return faultf(wire.CodeBadRequest, "no version of the protocol has the number %d", req.Version)
	case req.Room != "" && req.Room != r.opts.Room:
		return faultf(wire.CodeWrongRoom, "this is %s (%s), not the room that was meant", r.opts.Title, r.opts.Room)
	case req.Token != "" && !isToken(req.Token):
		return faultf(wire.CodeBadRequest, "a token is 8 to 64 letters, digits, - and _")
	case req.Token != "" && r.banned["token "+req.Token] != "":
		return faultf(wire.CodeBanned, "you are banned from this room")
	}
	return nil
}

func isToken(s string) bool {
	return len(s) >= 8 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// backlogStart returns the id with which a newcomer's backlog begins. It may read from disk.
func (r *room) backlogStart(s *session, req *wire.Request) uint64 {
	if req.Since > 0 {
		return 0
	}
	backlog := r.opts.Backlog
	if req.Backlog != nil {
		backlog = max(*req.Backlog, 0)
	}
	from, err := r.log.Back(backlog)
	if err != nil {
		s.log().Error("a newcomer's backlog is shorter than it should be", "error", err)
	}
	return from
}

// identityLocked returns the client with token, or a new one. A program without
// token gets one, to come back with; a person does not. known is what a file says of
// the client, nil for nothing.
func (r *room) identityLocked(token string, program bool, known *history.Client) *identity {
	if token == "" && program {
		token = rand.Text()
	}
	key := history.ClientKey(token)
	if c := r.identities[key]; c != nil && token != "" {
		if c.place != nil {
			r.away.Remove(c.place)
			c.place = nil
		}
		c.token = token
		return c
	}
	var c *identity
	if known != nil {
		c = identityOf(known)
	} else {
		r.authors++
		c = &identity{id: strings.ToLower(rand.Text()[:10]), author: r.authors, key: key}
	}
	if program {
		c.token = token
		r.identities[key] = c
	}
	return c
}

// rememberLocked keeps who has a token for a host that is started again.
func (r *room) rememberLocked(c *identity, gone history.Leave) {
	if c.token != "" && r.log.Durable() {
		r.log.Remember(c.kept(gone))
	}
}

// kept is what a file keeps of the identity.
func (c *identity) kept(gone history.Leave) history.Client {
	return history.Client{Key: c.key, ID: c.id, Author: c.author, Seq: c.seq, Nick: c.nick, Gone: gone}
}

// holdLocked keeps the nick of a client whose connection was lost.
func (r *room) holdLocked(c *identity) {
	c.heldUntil = time.Now().Add(nickHeld)
	for _, key := range wire.NickKeys(c.nick) {
		r.held[key] = c
	}
}

// unholdLocked lets others have it.
func (r *room) unholdLocked(c *identity) {
	if c.heldUntil.IsZero() {
		return
	}
	c.heldUntil = time.Time{}
	for _, key := range wire.NickKeys(c.nick) {
		if r.held[key] == c {
			delete(r.held, key)
		}
	}
}

// holderLocked returns whose nick has the key although it is away, or nil.
func (r *room) holderLocked(key string) *identity {
	c := r.held[key]
	if c != nil && time.Now().After(c.heldUntil) {
		r.unholdLocked(c)
		return nil
	}
	return c
}

// nameLocked gives s a nick: the one it wants, or had; that with a suffix where
// it is taken; a guest's where it wants none. It returns why a nick cannot be had.
func (r *room) nameLocked(s *session, wanted string) error {
	c := s.identity
	if len(wanted) > wire.MaxNickBytes {
		wanted = wanted[:wire.MaxNickBytes+1] // as wrong as all of it, and no more to keep
	}
	if wanted == c.wanted && c.nick != "" && r.isFreeLocked(wire.NickKeys(c.nick), s) {
		s.nick, s.keys = c.nick, wire.NickKeys(c.nick)
		return nil
	}
	c.wanted = wanted
	var err error
	if wanted != "" {
		var nick string
		if nick, err = wire.NormalizeNick(wanted); err == nil {
			s.nick, s.keys = r.freeNickLocked(nick, s)
		}
	}
	if wanted == "" || err != nil {
		r.guests++
		s.nick = wire.Guest(r.guests)
		s.keys = wire.NickKeys(s.nick)
	}
	c.nick = s.nick
	return err
}

// isFreeLocked reports whether s may have the nick with these keys.
func (r *room) isFreeLocked(keys wire.Keys, s *session) bool {
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != s {
			return false
		}
		if c := r.holderLocked(key); c != nil && c != s.identity {
			return false
		}
	}
	return true
}

// freeNickLocked returns nick, with a suffix where it is taken, and its keys.
// After a few suffixes in order it takes any: thousands may want the same nick.
func (r *room) freeNickLocked(nick string, s *session) (string, wire.Keys) {
	try, keys := nick, wire.NickKeys(nick)
	for n := 2; !r.isFreeLocked(keys, s); n++ {
		suffix := n
		if n > 9 {
			suffix = 10 + mathrand.IntN(1_000_000)
		}
		try = wire.NickWithSuffix(nick, suffix)
		keys = wire.NickKeys(try)
	}
	return try, keys
}

func (r *room) addLocked(s *session) {
	for _, key := range s.keys {
		r.nicks[key] = s
	}
	s.slot = len(r.members)
	r.members = append(r.members, s)
}

func (r *room) removeLocked(s *session) {
	r.unnameLocked(s)
	last := len(r.members) - 1
	r.members[s.slot] = r.members[last]
	r.members[s.slot].slot = s.slot
	r.members[last] = nil
	r.members = r.members[:last]
	s.identity = nil
}

func (r *room) unnameLocked(s *session) {
	for _, key := range s.keys {
		delete(r.nicks, key)
	}
}

// drop takes s, whose connection was lost, out of the room, if it is in it. Who has a
// token may come back, and finds the nick still free for a while.
func (r *room) drop(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := s.identity; c != nil && c.token != "" && !r.closed {
		r.holdLocked(c)
		r.rememberLocked(c, history.Dropped)
	}
	r.leaveLocked(s, wire.Event{})
}

// leave takes s out of the room, if it is in it, as it asked, with a last word or "".
func (r *room) leave(s *session, word string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how := wire.Event{Text: word}
	if s.identity != nil && r.isMarkedLocked(r.muted, s) {
		how.Text = ""
	}
	r.goLocked(s, how)
}

// goLocked is leaveLocked for one who is not expected back.
func (r *room) goLocked(s *session, how wire.Event) {
	if s.identity != nil {
		r.rememberLocked(s.identity, history.Left)
	}
	r.leaveLocked(s, how)
}

// leaveLocked takes s out of the room. how tells the others why, if it has a text
// or a code.
func (r *room) leaveLocked(s *session, how wire.Event) {
	c := s.identity
	if c == nil {
		return
	}
	r.removeLocked(s)
	c.session = nil
	if c.token != "" {
		c.place = r.away.PushBack(c)
	}
	if r.away.Len() > maxAway {
		oldest := r.away.Remove(r.away.Front()).(*identity)
		r.unholdLocked(oldest)
		delete(r.identities, oldest.key)
	}
	s.log().Info("left", "nick", s.nick, "members", len(r.members))
	switch {
	case r.closed || !s.announced:
	case how.Text != "" || how.Code != "":
		r.notices.flush(r)
		how.Type, how.Members = wire.TypeLeave, []string{s.nick}
		r.appendLocked(&how, c.author)
		r.log.Wake()
	default:
		r.notices.left(r, s.nick)
	}
}

// close makes the room silent: what is in the log then is what all get.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.notices.stop()
}

// count returns how many are here.
func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members)
}

// namesLocked lists those here but without, at most limit of them in the order of
// their nicks, and which of them host.
func (r *room) namesLocked(without *session, limit int) (names, hosts []string) {
	for _, m := range r.members {
		if m == without {
			continue
		}
		if len(names) == limit {
			break
		}
		names = append(names, m.nick)
		if m.host {
			hosts = append(hosts, m.nick)
		}
	}
	slices.Sort(names)
	return names, hosts
}

// welcomeNames is how many names a session's welcome lists: a person is shown few.
func (s *session) welcomeNames() int {
	if s.isJSON() {
		return wire.MaxMembers
	}
	return wire.NamesShown + 2 // as many as make "and N more" right
}

// appendLocked puts what happened into the log, or has it wait for the disk with the rest.
func (r *room) appendLocked(e *wire.Event, author history.Author) {
	e.Time = now()
	r.log.Append(e, history.Origin{Author: author})
}

// memberLocked checks that s may act in the room, and makes the room know that it
// is here before it hears of what it did.
func (r *room) memberLocked(s *session) *wire.Event {
	switch {
	case r.closed:
		return faultf(wire.CodeShutdown, "the room closes; this was not sent")
	case s.identity == nil:
		return faultf(wire.CodeReplaced, "you are no longer in the room; this was not sent")
	case !s.announced:
		r.notices.flush(r)
	}
	return nil
}

// speakLocked checks that s may say something numbered seq.
func (r *room) speakLocked(s *session, seq uint64) *wire.Event {
	if fault := r.memberLocked(s); fault != nil {
		return fault
	}
	c := s.identity
	switch {
	case dropsDoubles && seq > 0 && seq <= c.seq:
		if seq > r.storedLocked(c) {
			return onItsWay
		}
		return faultf(wire.CodeDuplicate, "number %d was said already; the last one was %d", seq, c.seq)
	case seq > 0 && c.refused > 0 && seq > c.refused:
		return faultf(wire.CodeNotStored, "number %d was not kept; this was not sent, it would come before", c.refused)
	case len(r.muted) > 0 && r.isMarkedLocked(r.muted, s):
		return muted()
	}
	return nil
}

// onItsWay stands for what was said already, and is not on disk yet: it is answered when
// it is, or when it is refused.
var onItsWay = &wire.Event{}

// storedLocked returns the highest number of c's own that is in the log for good. What
// is on its way there may be lost with this host.
func (r *room) storedLocked(c *identity) uint64 {
	if !dropsDoubles {
		return 0
	}
	if r.log.Settled(c.ticket) {
		c.stored = c.seq
	}
	return c.stored
}

// putLocked puts what s said into the log, to be read by all, or by one besides itself.
func (r *room) putLocked(s *session, e *wire.Event, to history.Author) *wire.Event {
	c := s.identity
	e.From, e.Client, e.Time = s.nick, c.id, now()
	by := history.Origin{Author: c.author, To: to}
	r.storedLocked(c) // what is before this one
	before := c.seq
	c.seq = max(c.seq, e.Seq)
	if r.log.Durable() {
		by.Sender = c
		if c.token != "" {
			kept := c.kept(history.Here)
			by.Client = &kept
		}
	}
	ticket, err := r.log.Append(e, by)
	if err != nil {
		c.seq = before
		c.refuse(e.Seq)
		return faultf(wire.CodeNotStored, "%s; this was not sent", reason(err))
	}
	c.ticket = ticket
	if e.Seq >= c.refused {
		c.refused = 0
	}
	return nil
}

// refuse notes that the number seq was not kept: nothing higher may come before it.
func (c *identity) refuse(seq uint64) {
	if seq > 0 && (c.refused == 0 || seq < c.refused) {
		c.refused = seq
	}
}

// takeBack tells those whose words the disk did not take.
func (r *room) takeBack(list []history.Refused, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		e, c := &list[i].Event, list[i].By.Sender.(*identity)
		c.refuse(e.Seq)
		if e.Seq > 0 {
			c.seq, c.ticket = min(c.seq, e.Seq-1), 0
		}
		if c.session != nil {
			fault := faultf(wire.CodeNotStored, "%s; this was not sent: %s", reason(err), shortened(e.Text))
			fault.Seq = e.Seq
			c.session.deliver(fault, c.session.nick)
		}
	}
}

// reason is what people are told of why the disk takes nothing.
func reason(err error) error {
	if errors.Is(err, history.ErrDiskFull) {
		return history.ErrDiskFull
	}
	return history.ErrWrite
}

// shortened returns the beginning of what somebody said, enough to know it again.
func shortened(text string) string {
	const enough = 40
	line, _, more := strings.Cut(text, "\n")
	if len(line) > enough {
		line, more = strings.ToValidUTF8(line[:enough], ""), true
	}
	if more {
		line += "…"
	}
	return line
}

func muted() *wire.Event {
	return faultf(wire.CodeMuted, "the hosting person muted you; this was not sent")
}

// say puts a message or an action of s into the log. The session wakes the log
// when it has no more lines at hand.
func (r *room) say(s *session, kind string, seq uint64, text string) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, seq); fault != nil {
		return fault
	}
	return r.putLocked(s, &wire.Event{Type: kind, Seq: seq, Text: text}, 0)
}

// tell gives a private message of s to the one it is for, also while that one's
// connection is lost: then it returns the nick.
func (r *room) tell(s *session, req *wire.Request) (waitsFor string, _ *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, req.Seq); fault != nil {
		return "", fault
	}
	to := r.addresseeLocked(req.To)
	switch {
	case to == nil:
		return "", noSuchNick(req.To)
	case to.session == nil && to.waiting >= maxWaiting:
		return "", faultf(wire.CodeBusy, "the connection of %s is lost, and %d messages wait already; this was not sent", to.nick, to.waiting)
	}
	if fault := r.putLocked(s, &wire.Event{Type: wire.TypePrivate, Seq: req.Seq, To: to.nick, Text: req.Text}, to.author); fault != nil {
		return "", fault
	}
	if to.session != nil {
		return "", nil
	}
	to.waiting++
	return to.nick, nil
}

// maxWaiting is how many private messages may wait for one whose connection is lost.
const maxWaiting = 100

// addresseeLocked returns who is called nick, here or with a connection lost a moment ago.
func (r *room) addresseeLocked(nick string) *identity {
	if to := r.findLocked(nick); to != nil {
		return to.identity
	}
	if len(nick) > wire.MaxNickBytes {
		return nil
	}
	return r.holderLocked(wire.NickKey(nick))
}

// findLocked returns the member called nick, or nil.
func (r *room) findLocked(nick string) *session {
	if len(nick) > wire.MaxNickBytes {
		return nil
	}
	return r.nicks[wire.NickKey(nick)]
}

func noSuchNick(nick string) *wire.Event {
	if len(nick) > wire.MaxNickBytes {
		return faultf(wire.CodeNoSuchNick, "nobody here has so long a name; /who lists them")
	}
	return faultf(wire.CodeNoSuchNick, "nobody here is called %s; /who lists them", wire.Clean(nick))
}

// rename gives s another nick and returns it.
func (r *room) rename(s *session, wanted string, seq uint64) (string, *wire.Event) {
	nick, err := wire.NormalizeNick(wanted)
	if err != nil {
		return "", faultf(wire.CodeBadNick, "%s", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.identity == nil || r.closed {
		return "", r.memberLocked(s)
	}
	if r.isMarkedLocked(r.muted, s) { // a nick is something said, too
		return "", muted()
	}
	nick, keys := r.freeNickLocked(nick, s)
	old := s.nick
	if nick == old {
		return nick, nil
	}
	r.unnameLocked(s)
	s.nick, s.keys, s.identity.nick, s.identity.wanted = nick, keys, nick, nick
	r.rememberLocked(s.identity, history.Here)
	for _, key := range keys {
		r.nicks[key] = s
	}
	if s.announced { // else the room hears only of the new one
		r.appendLocked(&wire.Event{Type: wire.TypeNick, From: old, Nick: nick, Client: s.identity.id, Seq: seq}, s.identity.author)
		r.log.Wake()
	}
	return nick, nil
}

// setTopic changes the topic; "" clears it.
func (r *room) setTopic(s *session, req *wire.Request) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, 0); fault != nil {
		return fault
	}
	r.topic = req.Text
	r.appendLocked(&wire.Event{Type: wire.TypeTopic, From: s.nick, Client: s.identity.id, Seq: req.Seq, Text: r.topic}, s.identity.author)
	r.log.Wake()
	return nil
}

// topicNow returns the topic.
func (r *room) topicNow() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topic
}

// who lists who is here.
func (r *room) who() wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := wire.Event{Type: wire.TypeWho, Count: len(r.members)}
	e.Members, e.Hosts = r.namesLocked(nil, wire.MaxMembers)
	return e
}

// ignore makes s hear no more of the member called nick, or hear it again.
func (r *room) ignore(s *session, nick string, on bool) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.memberLocked(s); fault != nil {
		return "", fault
	}
	c := s.identity
	if !on {
		if len(nick) > wire.MaxNickBytes {
			return "", faultf(wire.CodeNoSuchNick, "you ignore nobody of that name")
		}
		fold := wire.NickFold(nick)
		for author, name := range c.ignored {
			if wire.NickFold(name) == fold {
				delete(c.ignored, author)
				s.ignore(keySet(c.ignored))
				return name, nil
			}
		}
		return "", faultf(wire.CodeNoSuchNick, "you ignore nobody called %s", wire.Clean(nick))
	}
	other := r.findLocked(nick)
	switch {
	case other == nil:
		return "", noSuchNick(nick)
	case other == s:
		return "", faultf(wire.CodeBadRequest, "that is you")
	case len(c.ignored) >= maxIgnored:
		return "", faultf(wire.CodeBadRequest, "you ignore %d already; /unignore some first", maxIgnored)
	}
	if c.ignored == nil {
		c.ignored = make(map[history.Author]string)
	}
	c.ignored[other.identity.author] = other.nick
	s.ignore(keySet(c.ignored))
	return other.nick, nil
}

// maxIgnored is how many others one client may ignore.
const maxIgnored = 100

// ignoredBy lists whom s ignores.
func (r *room) ignoredBy(s *session) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.identity == nil {
		return nil
	}
	return slices.Sorted(maps.Values(s.identity.ignored))
}

// keySet returns the keys of m in a map of its own, nil for none.
func keySet(m map[history.Author]string) map[history.Author]bool {
	if len(m) == 0 {
		return nil
	}
	set := make(map[history.Author]bool, len(m))
	for k := range m {
		set[k] = true
	}
	return set
}
