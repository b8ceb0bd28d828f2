package relay

import (
	"container/list"
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
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
// Nothing waits for a network or a disk under its lock. Order of locks: server.mu or room.mu,
// session.mu, then those of the log, its committer and the fanout.
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
	said       uint64                  // messages, actions and private messages that were taken
	notices    presence
}

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

// enter lets s in as req asks, and gives it its welcome and its place in the log.
func (r *room) enter(s *session, req wire.Request) *wire.Event {
	if fault := r.claim(s, &req); fault != nil {
		return fault
	}
	known, err := r.log.Client(req.Token) // reads from disk, so before the lock
	switch {
	case errors.Is(err, history.ErrDamaged):
		s.log().Error("a client who comes back is taken for a new one", "error", err)
	case err != nil: // as a new one it would say again what it said
		s.log().Error("a client who comes back has to wait", "error", err)
		return faultf(wire.CodeNotRead, "the host cannot read its history just now")
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
	s.identity, c.session, c.claimed = c, s, s
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
	if !s.announced && !s.visits {
		r.notices.joined(r, s)
	}
	s.log().Log(context.Background(), s.presenceLevel(), "joined", "nick", s.nick, "members", len(r.members))
	return nil
}

// A client that waits for what it said before looks again after minSettle, and then
// after longer pauses.
const (
	minSettle = 2 * time.Millisecond
	maxSettle = 500 * time.Millisecond
)

// claim makes s the connection of the client that req names, and waits until all that the
// client said on others is in the log for good, or was handed back: what is on its way has
// numbers that it does not know of, if it begins anew. Nothing more is taken from the others.
func (r *room) claim(s *session, req *wire.Request) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.identities[history.ClientKey(req.Token)]
	if c == nil || req.Token == "" || r.checkHelloLocked(s, req) != nil {
		return nil
	}
	c.claimed = s
	for pause := minSettle; c.claimed == s && !r.log.Settled(c.ticket); pause = min(2*pause, maxSettle) {
		r.mu.Unlock()
		select {
		case <-time.After(pause):
			r.mu.Lock()
		case <-s.hasEnded():
			r.mu.Lock()
			return faultf(wire.CodeShutdown, "the room closes")
		}
	}
	if c.claimed != s {
		return faultf(wire.CodeReplaced, "you are here on another connection")
	}
	return nil
}

// awaitSettled waits until what s said is in the log for good, or was handed back, for limit
// at most: then it can be told.
func (r *room) awaitSettled(s *session, limit time.Duration) {
	end := time.Now().Add(limit)
	for pause := minSettle; !r.isSettled(s) && time.Now().Before(end); pause = min(2*pause, maxSettle) {
		time.Sleep(pause)
	}
}

func (r *room) isSettled(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.identity == nil || r.log.Settled(s.identity.ticket)
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

// drop takes s, whose connection was lost, out of the room, if it is in it. Who has a
// token may come back, and finds the nick still free for a while.
func (r *room) drop(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.visits { // its next request is a visit of its own: there is no connection that comes back
		r.goLocked(s, wire.Event{})
		return
	}
	if c := s.identity; c != nil && c.token != "" {
		r.holdLocked(c, s.keys)
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
	if c.claimed == s {
		c.claimed = nil
	}
	switch {
	case c.token == "":
	case s.visits: // forgotten before those who were here: a script can have as many nicks as it likes
		c.place = r.away.PushFront(c)
	default:
		c.place = r.away.PushBack(c)
	}
	if r.away.Len() > maxAway {
		oldest := r.away.Remove(r.away.Front()).(*identity)
		r.unholdLocked(oldest)
		delete(r.identities, oldest.key)
	}
	s.log().Log(context.Background(), s.presenceLevel(), "left", "nick", s.nick, "members", len(r.members))
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

// presenceLevel is that of the log lines of who comes and goes.
func (s *session) presenceLevel() slog.Level {
	if s.visits {
		return slog.LevelDebug
	}
	return slog.LevelInfo
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

// appendLocked puts e into the log. While the history cannot be written, it is rejected, unless
// it is a join or a leave.
func (r *room) appendLocked(e *wire.Event, author history.Author) *wire.Event {
	e.Time = now()
	if _, err := r.log.Append(e, history.Origin{Author: author}); err != nil {
		return faultf(wire.CodeNotStored, "%s; nothing was changed", reason(err))
	}
	return nil
}

// memberLocked checks that s may act in the room, and makes the room know that it
// is here before it hears of what it did.
func (r *room) memberLocked(s *session) *wire.Event {
	switch {
	case r.closed:
		return faultf(wire.CodeShutdown, "the room closes; this was not sent")
	case s.identity == nil || s.identity.claimed != s:
		return faultf(wire.CodeReplaced, "you are no longer in the room; this was not sent")
	case !s.announced && !s.visits:
		r.notices.flush(r)
	}
	return nil
}

// setTopic changes the topic; "" clears it.
func (r *room) setTopic(s *session, req *wire.Request) *wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.speakLocked(s, 0); fault != nil {
		return fault
	}
	topic := &wire.Event{Type: wire.TypeTopic, From: s.nick, Client: s.identity.id, Seq: req.Seq, Text: req.Text}
	if fault := r.appendLocked(topic, s.identity.author); fault != nil {
		return fault
	}
	r.topic = req.Text
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
