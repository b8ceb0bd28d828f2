package prooftest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/history"
	"chat/relay/wire"
)

// A room is a network with one host at a time, all of them on the same log, and the room's
// members. Unless a field says otherwise, it is owned by the goroutine of the schedule.
type room struct {
	*rapid.T
	opts        relay.Options
	net         network
	dir         string // empty: the log is in memory
	path        string // of the current host's file
	disk        *disk
	delay       time.Duration // of commits on new disks
	hosts       int
	id          string         // must not change
	stop        func()         // ends the current host
	killedHosts sync.WaitGroup // hosts that were killed: they still run, but are disconnected
	members     []*member      // the first one is the host, whose cable does not fail
	persons     []*person
	nickTakers  sync.WaitGroup

	mu         sync.Mutex
	takenNicks map[string]bool // nicks that another client got; guarded by mu
	nicksAsked map[string]bool // nicks that another client asked for, and may get; guarded by mu
	takings    []taking        // of protected nicks; guarded by mu
	reports    []string        // violated promises; guarded by mu
}

// A taking is that another client got a member's nick.
type taking struct {
	owner    *member
	nick     string
	lastSeen time.Time // when the owner was certainly in the room
	at       time.Time
}

const hostToken = "host-token"

func (r *room) reportf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, fmt.Sprintf(format, args...))
}

// failIfReported ends the schedule if a promise was violated.
func (r *room) failIfReported() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reports) > 0 {
		r.Fatalf("%s", strings.Join(r.reports, "\n"))
	}
}

// open starts a host.
func (r *room) open() {
	var file *history.File
	var srv *relay.Server
	if r.dir == "" {
		srv = relay.New(r.opts)
	} else {
		if r.path == "" {
			r.path = filepath.Join(r.dir, "room")
		}
		r.disk = newDisk(r.path)
		var err error
		if file, err = history.OpenFile(r.path, history.Keep{}); err != nil {
			r.Fatalf("open: %v", err)
		}
		if srv, err = relay.NewOn(file, r.opts); err != nil {
			r.Fatalf("host: %v", err)
		}
	}
	if id := srv.Info().ID; file != nil && r.id != "" && id != r.id {
		r.reportf("the room's ID was %s and is %s now", r.id, id)
	} else {
		r.id = id
	}
	if r.disk != nil {
		r.disk.set(r.delay, false) // only now: the host has opened its file
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	ln, path, disk := r.net.listen(), r.path, r.disk
	go func() { served <- srv.Serve(ctx, ln) }()
	r.stop = func() {
		cancel()
		if err := <-served; err != nil && file == nil { // with a slow disk it may fail
			r.reportf("serve: %v", err)
		}
		if file != nil {
			disk.freeze()
			disks.Delete(path)
			if err := file.Close(); err != nil {
				r.reportf("close: %v", err)
			}
		}
	}
}

// restart ends the host gracefully and starts another one after a while.
func (r *room) restart(down time.Duration) {
	r.stop()
	time.Sleep(down)
	r.open()
}

// crash kills the host. Events that are not on disk are lost. Bytes in transit arrive or
// are lost. The old host still runs for a moment, on its old file and without connections.
func (r *room) crash(arrives bool, down time.Duration) {
	synctest.Wait() // no one is writing now
	r.hosts++
	path := filepath.Join(r.dir, fmt.Sprintf("room-%d", r.hosts))
	if err := copyFile(path, r.path); err != nil {
		r.Fatalf("copy: %v", err)
	}
	r.net.disconnectAll(arrives)
	r.disk.set(0, true)
	r.killedHosts.Go(r.stop)
	r.path = path
	time.Sleep(down)
	r.open()
}

// A member has a token and connects with one client after the other. It is owned by the
// goroutine of the schedule.
type member struct {
	room  *room
	name  string
	token string

	sent         []*sentMessage
	lives        []*life     // the last one may still run
	askedForNick atomic.Bool // whether a change of nick was requested
}

// A sentMessage is a message that a member sent.
type sentMessage struct {
	life *life
	seq  uint64
	text string
	to   string
}

// A life is the life of one client of a member, with the events it received.
type life struct {
	member  *member
	backlog int
	cancel  context.CancelFunc
	ended   chan struct{} // closed when there are no more events

	mu           sync.Mutex
	client       *client.Client // nil until it has joined; guarded by mu
	cable        *cable         // its latest one; guarded by mu
	views        []view         // by connection; guarded by mu
	rejected     map[uint64]string
	unacked      map[uint64]bool // not acknowledged when it ended; guarded by mu
	nick         string          // guarded by mu
	nickOnDisk   bool            // the nick is known to be on disk; guarded by mu
	lastSeen     time.Time       // when it was certainly in the room; guarded by mu
	pausedUntil  time.Time       // it reads nothing until then; guarded by mu
	connected    bool            // guarded by mu
	nickReleased bool            // it may lose its nick: it or a later life left or was kicked; guarded by mu
}

// A view has the events of one connection.
type view struct {
	next   uint64 // from the welcome
	seen   []wire.Event
	missed uint64 // according to gap events
}

// join starts a client, which joins on its own time.
func (m *member) join(backlog int) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{member: m, backlog: backlog, cancel: cancel, ended: make(chan struct{}), rejected: map[uint64]string{}, unacked: map[uint64]bool{}}
	m.lives = append(m.lives, l)
	go l.run(ctx)
}

// current returns the running life, or nil.
func (m *member) current() *life {
	if len(m.lives) == 0 {
		return nil
	}
	l := m.lives[len(m.lives)-1]
	select {
	case <-l.ended:
		return nil
	default:
		return l
	}
}

func (l *life) isHost() bool { return l.member.token == hostToken }

// run joins and reads events until the client ends.
func (l *life) run(ctx context.Context) {
	defer close(l.ended)
	opts := client.Options{Addr: "room", Nick: l.member.name, Token: l.member.token, Backlog: l.backlog, Dial: l.dial}
	var c *client.Client
	for c == nil {
		var err error
		if c, err = client.Join(ctx, opts); err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
	l.mu.Lock()
	l.client = c
	l.mu.Unlock()
	for e := range c.Events() {
		l.recordEvent(e)
		l.mu.Lock()
		sleeps := l.pausedUntil
		l.mu.Unlock()
		select {
		case <-time.After(time.Until(sleeps)):
		case <-ctx.Done():
		}
	}
	pending := c.Pending()
	var rejected *client.RejectedError
	errors.As(c.Flush(ctx), &rejected) // a client that is ended may deliver its last events no more
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range pending {
		l.unacked[r.Seq] = true
	}
	if rejected != nil {
		for _, r := range rejected.Rejections {
			l.rejected[r.Seq] = cmp.Or(l.rejected[r.Seq], string(r.Code)+": "+r.Text)
		}
	}
}

func (l *life) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := l.member.room.net.dial(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cable = conn.cable
	return conn, nil
}

// recordEvent records an event of the client.
func (l *life) recordEvent(e client.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case client.Connected:
		if got := e.Welcome.Nick; l.isProtectedLocked() && got != l.nick && got != l.member.name { // its name may have become free
			l.member.room.reportf("%s had the nick %s until %v, and has %s at %v", l.member.name, l.nick, clock(l.lastSeen), e.Welcome.Nick, clock(time.Now()))
		}
		if e.NewRoom {
			l.member.room.reportf("%s is in another room", l.member.name)
		}
		l.nickOnDisk = l.nickOnDisk && e.Welcome.Nick == l.nick
		l.nick, l.connected = e.Welcome.Nick, true
		l.views = append(l.views, view{next: e.Welcome.Next})
	case client.Disconnected:
		l.connected = false
	case client.Received:
		v := &l.views[len(l.views)-1]
		switch {
		case e.Type == wire.TypeGap:
			v.missed += e.Missed
			v.seen = append(v.seen, e.Event)
		case e.Type == wire.TypeError && e.Seq > 0 && e.Code != wire.CodeNotStored && !e.Code.Final():
			l.rejected[e.Seq] = string(e.Code) + ": " + e.Text
		case e.ID > 0:
			v.seen = append(v.seen, e.Event)
			if e.ID >= v.next {
				l.lastSeen = e.Time
			}
			if e.ID >= v.next && (e.Own || e.Type == wire.TypeJoin && slices.Contains(e.Members, l.nick)) { // so everything before it is on disk, too
				l.nickOnDisk = true
			}
			if e.Own && e.Type == wire.TypeNick {
				l.nick = e.Nick
			}
		}
	}
}

// isProtectedLocked reports whether no one else may get the nick now.
func (l *life) isProtectedLocked() bool {
	const margin = 10 * time.Second
	r := l.member.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.nickOnDisk && !l.nickReleased && !l.member.askedForNick.Load() && !r.takenNicks[l.nick] && time.Since(l.lastSeen) < 2*time.Minute-margin
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// send sends a new message, to the room or to one member.
func (l *life) send(to string, padding int) {
	synctest.Wait() // it may be about to join
	c := l.joinedClient()
	if c == nil {
		return
	}
	m := l.member
	s := &sentMessage{life: l, to: to, text: fmt.Sprintf("%s-%d%s", m.name, len(m.sent)+1, strings.Repeat(".", padding))}
	req := wire.Request{Type: wire.TypeSay, Text: s.text}
	if to != "" {
		req.Type, req.To = "msg", to
	}
	var err error
	if s.seq, err = c.Do(context.Background(), req); err == nil {
		m.sent = append(m.sent, s)
	}
}

// request sends a request with a nick, once.
func (l *life) request(kind, nick string) {
	l.joinedClient().Do(context.Background(), wire.Request{Type: kind, Nick: nick})
}

func (l *life) joinedClient() *client.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

func (l *life) currentNick() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nick
}

// releaseNick records that l may lose its nick. Earlier lives had it for the same client.
func (l *life) releaseNick() {
	for _, l := range l.member.lives {
		l.mu.Lock()
		l.nickReleased = true
		l.mu.Unlock()
	}
}

// end ends the life, gracefully or not.
func (l *life) end(inOrder bool) {
	if c := l.joinedClient(); inOrder && c != nil {
		l.releaseNick()
		c.Close()
	}
	l.cancel()
	<-l.ended
}

// A person types lines in a terminal. Lost lines are not sent again.
type person struct {
	conn  *end
	name  string
	sent  int
	lines []string
	done  chan struct{}
}

// connectPerson connects a new person.
func (r *room) connectPerson() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := r.net.dial(ctx)
	if err != nil {
		return
	}
	p := &person{conn: conn, name: fmt.Sprintf("person%d", len(r.persons)+1), done: make(chan struct{})}
	r.persons = append(r.persons, p)
	go func() {
		defer close(p.done)
		defer conn.Close()
		for in := bufio.NewReader(conn); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			p.lines = append(p.lines, strings.TrimSuffix(line, "\n"))
		}
	}()
}

func (p *person) send() {
	p.sent++
	p.conn.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(p.conn, fmt.Sprintf("%s-%d\n", p.name, p.sent))
}

// takeNick has another client ask for the nick of l and keep it for a while.
func (r *room) takeNick(l *life, stays time.Duration) {
	nick := l.currentNick()
	opts := client.Options{Addr: "room", Nick: nick, Backlog: -1, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := r.net.dial(ctx)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
	r.mu.Lock()
	r.nicksAsked[nick] = true
	r.mu.Unlock()
	r.nickTakers.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		tooLong := time.AfterFunc(time.Minute, cancel)
		c, err := client.Join(ctx, opts)
		if err != nil || !tooLong.Stop() {
			return
		}
		got := func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			protected := l.isProtectedLocked()
			r.mu.Lock()
			defer r.mu.Unlock()
			if protected {
				r.takings = append(r.takings, taking{l.member, nick, l.lastSeen, time.Now()})
			}
			r.takenNicks[nick] = true
		}
		if c.Welcome().Nick == nick {
			got()
		}
		defer time.AfterFunc(stays, func() { c.Close() }).Stop()
		for e := range c.Events() {
			if e, ok := e.(client.Received); ok && e.Own && e.Type == wire.TypeNick && e.Nick == nick { // it has become free
				got()
			}
		}
	})
}

// heal ends all faults and waits until all members are up to date.
func (r *room) heal() {
	if r.disk != nil {
		r.disk.set(0, false)
	}
	r.net.mu.Lock()
	r.net.latency = 0
	for _, c := range r.net.cables {
		c.delay(0)
	}
	r.net.mu.Unlock()
	for _, m := range r.members {
		if l := m.current(); l != nil {
			l.mu.Lock()
			l.pausedUntil = time.Time{}
			l.mu.Unlock()
		}
	}
	time.Sleep(90 * time.Second) // until dead connections are noticed and replaced
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, m := range r.members {
		l := m.current()
		if l == nil {
			continue
		}
		var rejected *client.RejectedError
		if c := l.joinedClient(); c == nil {
			r.reportf("%s did not join", m.name)
		} else if err := c.Flush(ctx); err != nil && !(errors.As(err, &rejected) && c.Unacked() == 0) {
			r.reportf("%s: Flush: %v", m.name, err)
		}
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// close ends everything. The bubble reports any goroutine that is left.
func (r *room) close() {
	for _, m := range r.members {
		if l := m.current(); l != nil {
			l.end(false)
		}
	}
	for _, p := range r.persons {
		p.conn.Close()
		<-p.done
	}
	r.nickTakers.Wait()
	r.stop()
	r.killedHosts.Wait()
}

// GoString returns the member's name for rapid's report.
func (m *member) GoString() string { return m.name }

// GoString returns the person's name for rapid's report.
func (p *person) GoString() string { return p.name }
