package prooftest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/history"
	"chat/relay/wire"
)

// A room is a host that lives on a network, through its restarts and its deaths, and all
// who come to it.
type room struct {
	*rapid.T
	opts    relay.Options
	net     network
	dir     string // "": the log is in memory
	path    string // of the file of today's host
	disk    *disk
	delay   time.Duration // of the disks to come
	hosts   int
	id      string         // it keeps that
	stop    func()         // ends today's host
	killed  sync.WaitGroup // hosts that are dead to the network, and do not know it
	members []*member      // the first one is the hosting person, whose cable does not fail
	persons []*person
	thieves sync.WaitGroup

	mu     sync.Mutex
	stolen map[string]bool // nicks that somebody else got; under mu
	faults []string        // what was found; under mu
}

const hostToken = "hosting-person"

func (r *room) faultf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// failOnFault ends the schedule if something was found.
func (r *room) failOnFault() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) > 0 {
		r.Fatalf("%s", strings.Join(r.faults, "\n"))
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
		r.faultf("the room was %s, and is %s", r.id, id)
	} else {
		r.id = id
	}
	if r.disk != nil {
		r.disk.set(r.delay, false) // it may take its time from here on
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	ln, path, disk := r.net.listen(), r.path, r.disk
	go func() { served <- srv.Serve(ctx, ln) }()
	r.stop = func() {
		cancel()
		if err := <-served; err != nil && file == nil { // a disk may be too slow for it
			r.faultf("serve: %v", err)
		}
		if file != nil {
			disk.rest()
			disks.Delete(path)
			if err := file.Close(); err != nil {
				r.faultf("close: %v", err)
			}
		}
	}
}

// restart ends the host in order, and starts another one after a while.
func (r *room) restart(down time.Duration) {
	r.stop()
	time.Sleep(down)
	r.open()
}

// crash kills the host: what was not on disk is lost, and what it had written to its
// connections arrives, or not. The host itself goes on for a moment, on a file and on
// connections that nobody sees any more.
func (r *room) crash(arrives bool, down time.Duration) {
	synctest.Wait() // so that nothing is being written
	r.hosts++
	path := filepath.Join(r.dir, fmt.Sprintf("room-%d", r.hosts))
	if err := copyFile(path, r.path); err != nil {
		r.Fatalf("copy: %v", err)
	}
	r.net.unplug(arrives)
	r.disk.set(0, true)
	r.killed.Go(r.stop)
	r.path = path
	time.Sleep(down)
	r.open()
}

// A member is somebody with a token who talks through clients, one after the other.
type member struct {
	room  *room
	name  string
	token string

	said  []*said
	lives []*life // the last one may go on
	names int     // nicks asked for
}

// Said is what a member said.
type said struct {
	life *life
	seq  uint64
	text string
	to   string
}

// A life is what one client was told.
type life struct {
	member  *member
	backlog int
	cancel  context.CancelFunc
	ended   chan struct{} // closed when there is nothing more to come

	mu        sync.Mutex
	client    *client.Client // nil until it has joined; under mu
	cable     *cable         // its last one; under mu
	views     []view         // by connection; under mu
	rejected  map[uint64]string
	unsure    map[uint64]bool // what was not acknowledged at its end; under mu
	nick      string          // under mu
	sure      bool            // the nick is known to be on disk; under mu
	alive     time.Time       // when it was in the room for certain; under mu
	sleeps    time.Time       // until when it reads nothing; under mu
	connected bool            // under mu
	expelled  bool            // somebody wanted it to be; under mu
}

// A view is what came by one connection.
type view struct {
	next   uint64 // of the welcome
	seen   []wire.Event
	missed uint64 // by gaps
}

// come begins a life. The client joins in its own time.
func (m *member) come(backlog int) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{member: m, backlog: backlog, cancel: cancel, ended: make(chan struct{}), rejected: map[uint64]string{}, unsure: map[uint64]bool{}}
	m.lives = append(m.lives, l)
	go l.live(ctx)
}

// now returns the life that goes on, or nil.
func (m *member) now() *life {
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

// live joins and reads until the client ends.
func (l *life) live(ctx context.Context) {
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
		l.take(e)
		l.mu.Lock()
		sleeps := l.sleeps
		l.mu.Unlock()
		select {
		case <-time.After(time.Until(sleeps)):
		case <-ctx.Done():
		}
	}
	pending := c.Pending()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range pending {
		l.unsure[r.Seq] = true
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

// take notes what the client tells.
func (l *life) take(e client.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case client.Connected:
		if l.isProtectedLocked() && e.Welcome.Nick != l.nick {
			l.member.room.faultf("%s was %s until %v, and is %s at %v", l.member.name, l.nick, clock(l.alive), e.Welcome.Nick, clock(time.Now()))
		}
		if e.NewRoom {
			l.member.room.faultf("%s finds another room", l.member.name)
		}
		l.sure = l.sure && e.Welcome.Nick == l.nick
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
				l.alive = e.Time
			}
			if e.ID >= v.next && (e.Own || e.Type == wire.TypeJoin && slices.Contains(e.Members, l.nick)) { // what the room knew of it before is on disk, too
				l.sure = true
			}
			if e.Own && e.Type == wire.TypeNick {
				l.nick = e.Nick
			}
		}
	}
}

// isProtectedLocked reports whether nobody else may have the nick now.
func (l *life) isProtectedLocked() bool {
	const margin = 10 * time.Second
	r := l.member.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.sure && !l.expelled && l.member.names == 0 && !r.stolen[l.nick] && time.Since(l.alive) < 2*time.Minute-margin
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// say says something new, to all or to one.
func (l *life) say(to string, padding int) {
	synctest.Wait() // it may be about to join
	c := l.joined()
	if c == nil {
		return
	}
	m := l.member
	s := &said{life: l, to: to, text: fmt.Sprintf("%s-%d%s", m.name, len(m.said)+1, strings.Repeat(".", padding))}
	req := wire.Request{Type: wire.TypeSay, Text: s.text}
	if to != "" {
		req.Type, req.To = "msg", to
	}
	var err error
	if s.seq, err = c.Do(context.Background(), req); err == nil {
		m.said = append(m.said, s)
	}
}

// request asks for something with a nick, once.
func (l *life) request(kind, nick string) {
	l.joined().Do(context.Background(), wire.Request{Type: kind, Nick: nick})
}

func (l *life) joined() *client.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

func (l *life) nickNow() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nick
}

// letGo notes that l may lose its nick.
func (l *life) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expelled = true
}

// die ends the life, in order or not.
func (l *life) die(inOrder bool) {
	if c := l.joined(); inOrder && c != nil {
		l.letGo()
		c.Close()
	}
	l.cancel()
	<-l.ended
}

// A person is a terminal: lines in both directions, and no second try.
type person struct {
	conn *end
	name string
	said int
	saw  []string
	done chan struct{}
}

// letIn lets a person in.
func (r *room) letIn() {
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
			p.saw = append(p.saw, strings.TrimSuffix(line, "\n"))
		}
	}()
}

func (p *person) say() {
	p.said++
	p.conn.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(p.conn, fmt.Sprintf("%s-%d\n", p.name, p.said))
}

// steal has somebody else ask for the nick of l for a while.
func (r *room) steal(l *life, stays time.Duration) {
	nick := l.nickNow()
	opts := client.Options{Addr: "room", Nick: nick, Backlog: -1, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := r.net.dial(ctx)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
	r.thieves.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		tooLong := time.AfterFunc(time.Minute, cancel)
		c, err := client.Join(ctx, opts)
		if err != nil || !tooLong.Stop() {
			return
		}
		l.mu.Lock()
		if got := c.Welcome().Nick; got == nick {
			if l.isProtectedLocked() {
				r.faultf("at %v somebody got the nick %s, whose owner was here at %v", clock(time.Now()), nick, clock(l.alive))
			}
			r.mu.Lock()
			r.stolen[nick] = true
			r.mu.Unlock()
		}
		l.mu.Unlock()
		defer time.AfterFunc(stays, func() { c.Close() }).Stop()
		for range c.Events() {
		}
	})
}

// heal ends all faults, and waits until everybody has everything.
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
		if l := m.now(); l != nil {
			l.mu.Lock()
			l.sleeps = time.Time{}
			l.mu.Unlock()
		}
	}
	time.Sleep(90 * time.Second) // until dead connections are found, and new ones made
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, m := range r.members {
		l := m.now()
		if l == nil {
			continue
		}
		var rejected *client.RejectedError
		if c := l.joined(); c == nil {
			r.faultf("%s did not get in", m.name)
		} else if err := c.Flush(ctx); err != nil && !(errors.As(err, &rejected) && c.Unacked() == 0) {
			r.faultf("%s: Flush: %v", m.name, err)
		}
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// close ends everything. What is left after it is a leak, which the bubble reports.
func (r *room) close() {
	for _, m := range r.members {
		if l := m.now(); l != nil {
			l.die(false)
		}
	}
	for _, p := range r.persons {
		p.conn.Close()
		<-p.done
	}
	r.thieves.Wait()
	r.stop()
	r.killed.Wait()
}

// GoString is how a schedule names a member.
func (m *member) GoString() string { return m.name }

// GoString is how a schedule names a person.
func (p *person) GoString() string { return p.name }
