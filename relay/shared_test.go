package relay_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/journal/journaltest"
	"chat/relay/wire"
)

const sharedSecret = "what all relays of the room share"

// relays runs test in a synctest bubble with servers of one shared room.
func relays(t *testing.T, n int, test func(t *testing.T, store *journaltest.Store, servers []*relay.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		var servers []*relay.Server
		for range n {
			srv, stop := sharedServer(t, store, nil)
			defer stop()
			servers = append(servers, srv)
		}
		test(t, store, servers)
	})
}

// sharedServer starts a relay of the room in a store. stop closes it, and may be called again.
func sharedServer(t *testing.T, store *journaltest.Store, file *history.File, change ...func(*relay.Options)) (srv *relay.Server, stop func()) {
	t.Helper()
	return sharedServerOn(t, store.Relay(), file, change...)
}

// sharedServerOn is sharedServer with a journal.
func sharedServerOn(t *testing.T, journal *journaltest.Relay, file *history.File, change ...func(*relay.Options)) (srv *relay.Server, stop func()) {
	t.Helper()
	journal.SetLatency(time.Millisecond)
	opts := relay.Options{Title: "kitchen", Room: "0123456789abcdef", Secret: sharedSecret, HostToken: "host-" + journal.Relay()}
	for _, f := range change {
		f(&opts)
	}
	srv, err := relay.NewShared(t.Context(), journal, file, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := srv.Serve(ctx, newClosedListener()); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return srv, func() {
		cancel()
		served.Wait()
	}
}

// A closedListener accepts nothing until it is closed.
type closedListener struct {
	once   sync.Once
	closed chan struct{}
}

func newClosedListener() *closedListener { return &closedListener{closed: make(chan struct{})} }

func (l *closedListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *closedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *closedListener) Addr() net.Addr { return &net.TCPAddr{} }

// Members of two relays are in one room: messages, private ones, nicks and lists are as at one host, with one order.
func TestSharedRoom(t *testing.T) {
	relays(t, 2, func(t *testing.T, _ *journaltest.Store, servers []*relay.Server) {
		alice := guest(t, servers[0], "alice")
		bob := guest(t, servers[1], "bob")
		alice.expect("bob joined")
		bob.send("/who")
		if line := bob.expect("alice"); !strings.Contains(line, "bob") {
			t.Errorf("who is %q", line)
		}
		carol, welcome := program(t, servers[1], hello("carol"))
		if !slices.Equal(welcome.Members, []string{"alice", "bob"}) || welcome.Count != 2 {
			t.Errorf("the welcome lists %q (%d)", welcome.Members, welcome.Count)
		}
		alice.expect("carol joined")
		dave, _ := program(t, servers[0], hello("dave"))
		for n := range 20 {
			fmt.Fprintf(carol.conn, `{"type":"say","seq":%d,"text":"from carol %d"}`+"\n", n+1, n)
			fmt.Fprintf(dave.conn, `{"type":"say","seq":%d,"text":"from dave %d"}`+"\n", n+1, n)
		}
		var orders [2][]string
		for i, p := range []*peer{carol, dave} {
			for len(orders[i]) < 40 {
				e := p.expectEvent(wire.TypeMessage)
				orders[i] = append(orders[i], fmt.Sprint(e.ID, e.Time, e.From, e.Client, e.Text))
			}
		}
		if !slices.Equal(orders[0], orders[1]) {
			t.Errorf("at one relay:\n%s\nat the other one:\n%s", strings.Join(orders[0], "\n"), strings.Join(orders[1], "\n"))
		}
		bob.send("/msg alice only for you")
		alice.expect("[bob -> you] only for you")
		alice.send("/topic soup")
		if e := carol.expectEvent(wire.TypeTopic); e.Text != "soup" || e.From != "alice" {
			t.Errorf("the topic: %+v", e)
		}
		alice.send("/nick ann")
		bob.expect("alice is now ann")
		bob.send("/quit see you")
		alice.expect("bob left (see you)")
	})
}

// Two clients who ask for one nick at the same time, at different relays, get different ones, and each learns which.
func TestSharedNicks(t *testing.T) {
	relays(t, 2, func(t *testing.T, _ *journaltest.Store, servers []*relay.Server) {
		watcher := guest(t, servers[0], "watcher")
		var peers []*peer
		for i := range 4 {
			p := join(t, servers[i%2], "alice")
			p.send(hello("alice"))
			peers = append(peers, p)
		}
		time.Sleep(2 * time.Second)
		watcher.send("/who")
		line := watcher.expect("here:")
		for _, nick := range []string{"alice,", "alice-2", "alice-3", "alice-4"} {
			if !strings.Contains(line+",", nick) {
				t.Errorf("%q has no %s", line, nick)
			}
		}
		got := make(map[string]bool)
		for _, p := range peers {
			nick := ""
			for len(p.lines) > 0 {
				switch e := p.event(); {
				case e.Type == wire.TypeWelcome, e.Type == wire.TypeNick && e.From == nick:
					nick = e.Nick
				}
			}
			got[nick] = true
		}
		if len(got) != 4 {
			t.Errorf("they believe to be %v", got)
		}
	})
}

// A client that comes to another relay, with its token, misses nothing, and its messages are in the room once; no one
// sees it leave. The connection that it had ends.
func TestSharedMove(t *testing.T) {
	relays(t, 2, func(t *testing.T, _ *journaltest.Store, servers []*relay.Server) {
		bob := guest(t, servers[0], "bob")
		p, _ := program(t, servers[0], `{"type":"hello","nick":"alice","token":"alice-token"}`)
		bob.expect("alice joined")
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		last := p.expectEvent(wire.TypeMessage)
		bob.send("two")
		time.Sleep(time.Second)
		moved, welcome := program(t, servers[1], fmt.Sprintf(`{"type":"hello","nick":"alice","token":"alice-token","since":%d}`, last.ID))
		if welcome.Nick != "alice" || welcome.Seq != 1 {
			t.Errorf("the other relay says %+v", welcome)
		}
		if e := moved.expectEvent(wire.TypeMessage); e.Text != "two" || e.ID != last.ID+1 {
			t.Errorf("missed %+v", e)
		}
		if rest := p.closed(); !strings.Contains(rest[len(rest)-1], `"replaced"`) {
			t.Errorf("the first connection ended with %q", rest)
		}
		moved.send(`{"type":"say","seq":1,"text":"one"}`, `{"type":"say","seq":2,"text":"three"}`)
		if e := moved.expectEvent(wire.TypeError); e.Code != wire.CodeDuplicate || e.Seq != 1 {
			t.Errorf("said again: %+v", e)
		}
		bob.next("<alice> one")
		bob.next("<alice> three")
		bob.quiet(time.Minute)
	})
}

// A client that comes to a relay that lags behind the one it was at waits until the relay has caught up, and is sent away if that
// takes long: it would receive events again. An ID that no relay has is from another log.
func TestSharedLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		first, stop := sharedServer(t, store, nil)
		defer stop()
		journal := store.Relay()
		second, stopSecond := sharedServerOn(t, journal, nil)
		defer stopSecond()
		p, _ := program(t, first, `{"type":"hello","nick":"alice","token":"alice-token"}`)
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		p.expectEvent(wire.TypeMessage)
		time.Sleep(time.Second)
		journal.SetCut(true)
		p.send(`{"type":"say","seq":2,"text":"two"}`)
		last := p.expectEvent(wire.TypeMessage)
		again := fmt.Sprintf(`{"type":"hello","nick":"alice","token":"alice-token","since":%d}`, last.ID)
		away := join(t, second, "alice")
		away.send(again)
		if e := away.event(); e.Type != wire.TypeError || e.Code != wire.CodeNotRead {
			t.Errorf("a relay that cannot catch up says %+v", e)
		}
		away.closed()
		moved := join(t, second, "alice")
		moved.send(again)
		time.Sleep(time.Second)
		journal.SetCut(false)
		if e := moved.expectEvent(wire.TypeWelcome); e.Next != last.ID+1 || e.Seq != 2 {
			t.Errorf("the other relay says %+v", e)
		}
		moved.send(`{"type":"say","seq":3,"text":"three"}`)
		if e := moved.event(); e.Text != "three" {
			t.Errorf("the first event is %+v", e)
		}
		other := join(t, second, "bob")
		other.send(`{"type":"hello","nick":"bob","since":100000}`)
		other.expectEvent(wire.TypeWelcome)
		other.expectEvent(wire.TypeGap)
	})
}

// A relay whose clock is wrong keeps the nick and the private messages of a client that lost its connection as long as others do.
func TestSharedClock(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		relays(t, 1, func(t *testing.T, store *journaltest.Store, servers []*relay.Server) {
			store.SetAhead(ahead)
			alice, _ := program(t, servers[0], hello("alice"))
			bob, _ := program(t, servers[0], `{"type":"hello","nick":"bob","token":"bob-token"}`)
			alice.expectEvent(wire.TypeJoin)
			bob.conn.Close()
			time.Sleep(time.Minute)
			alice.send(`{"type":"msg","seq":1,"to":"bob","text":"for you"}`)
			if e := alice.expectEvent(wire.TypePrivate); e.Text != "for you" {
				t.Errorf("ahead %v: the private message is %+v", ahead, e)
			}
			late, welcome := program(t, servers[0], hello("bob"))
			if welcome.Nick == "bob" {
				t.Errorf("ahead %v: another client gets the nick of bob", ahead)
			}
			time.Sleep(2 * time.Minute)
			if e := late.expectEvent(wire.TypeNick); e.Nick != "bob" {
				t.Errorf("ahead %v: after two minutes: %+v", ahead, e)
			}
		})
	}
}

// Operators moderate members of other relays.
func TestSharedModeration(t *testing.T) {
	relays(t, 2, func(t *testing.T, _ *journaltest.Store, servers []*relay.Server) {
		host := join(t, servers[0], "host")
		host.send(fmt.Sprintf(`{"type":"hello","nick":"ada","token":"host-%s"}`, servers[0].Relay()))
		host.expectEvent(wire.TypeWelcome)
		bob, _ := program(t, servers[1], `{"type":"hello","nick":"bob","token":"bob-token"}`)
		time.Sleep(time.Second)
		host.send(`{"type":"mute","nick":"bob","text":"too loud"}`)
		bob.expect("ada muted you: your messages are not sent: too loud")
		bob.send(`{"type":"say","seq":1,"text":"hello"}`)
		if e := bob.expectEvent(wire.TypeError); e.Code != wire.CodeMuted {
			t.Errorf("muted: %+v", e)
		}
		host.send(`{"type":"unmute","nick":"bob"}`)
		time.Sleep(time.Second)
		bob.send(`{"type":"say","seq":2,"text":"I am back"}`)
		host.expect("I am back")
		host.send(`{"type":"op","nick":"bob"}`)
		time.Sleep(time.Second)
		bob.send(`{"type":"bans"}`)
		bob.expect("banned: no one")
		host.send(`{"type":"deop","nick":"bob"}`)
		time.Sleep(time.Second)
		bob.send(`{"type":"bans"}`)
		bob.expect("only operators can use /bans")
		host.send(`{"type":"kick","nick":"bob","text":"enough"}`)
		if rest := bob.closed(); !strings.Contains(rest[len(rest)-1], "you were kicked by ada: enough") {
			t.Errorf("kicked: %q", rest)
		}
		host.expect(`"bob"`)
		bob, _ = program(t, servers[1], `{"type":"hello","nick":"bob","token":"bob-token"}`)
		time.Sleep(time.Second)
		host.send(`{"type":"ban","nick":"bob"}`)
		bob.closed()
		for _, srv := range servers {
			bob = join(t, srv, "bob")
			bob.send(`{"type":"hello","nick":"bob","token":"bob-token"}`)
			bob.expect("banned")
		}
	})
}

// If a relay is gone, the others announce after a while that its members have left, and the nicks are reserved. One that
// was only silent has its members in the room again.
func TestSharedGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		first, stop := sharedServer(t, store, nil)
		second, stopSecond := sharedServer(t, store, nil)
		defer stopSecond()
		defer stop()
		watcher := guest(t, second, "watcher")
		program(t, first, hello("alice"))
		p, _ := program(t, first, `{"type":"hello","nick":"bob","token":"bob-token"}`)
		watcher.expect("joined")
		stop()
		p.closed()
		program(t, second, `{"type":"hello","nick":"bob","token":"bob-token"}`)
		time.Sleep(2 * time.Second)
		if line := watcher.expect("left"); !strings.Contains(line, "alice") || strings.Contains(line, "bob") {
			t.Errorf("the watcher sees %q", line)
		}
		third, stopThird := sharedServer(t, store, nil)
		defer stopThird()
		late, welcome := program(t, third, hello("alice"))
		if welcome.Nick == "alice" || !slices.Equal(welcome.Members, []string{"bob", "watcher"}) {
			t.Errorf("at a new relay: %+v", welcome)
		}
		late.expect("is reserved")
	})
}

// While the journal does not answer, messages wait; when it takes too long they are rejected, in order, and sent again
// they are in the room once.
func TestSharedJournalDown(t *testing.T) {
	relays(t, 2, func(t *testing.T, store *journaltest.Store, servers []*relay.Server) {
		bob := guest(t, servers[1], "bob")
		p, _ := program(t, servers[0], hello("alice"))
		bob.expect("alice joined")
		store.SetDown(true)
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		p.expect("waiting for the cluster")
		time.Sleep(5 * time.Second)
		store.SetDown(false)
		bob.expect("<alice> one")
		store.SetDown(true)
		p.send(`{"type":"say","seq":2,"text":"two"}`)
		time.Sleep(time.Second)
		p.send(`{"type":"say","seq":3,"text":"three"}`)
		for seq := uint64(2); seq <= 3; seq++ {
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != seq {
				t.Errorf("rejected: %+v, want %d", e, seq)
			}
		}
		p.send(`{"type":"say","seq":4,"text":"four"}`)
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != 4 {
			t.Errorf("while it is down: %+v", e)
		}
		store.SetDown(false)
		time.Sleep(time.Second)
		bob.next("<alice> two") // it was on its way, and is in the journal after all
		p.send(`{"type":"say","seq":3,"text":"three"}`, `{"type":"say","seq":4,"text":"four"}`)
		bob.next("<alice> three")
		bob.next("<alice> four")
		bob.quiet(time.Minute)
	})
}

// The members of a relay learn once that their messages wait for the cluster, and once that they do no longer, whether or not they
// send anything. A cluster that comes and goes is reported once a minute.
func TestSharedOutageIsReported(t *testing.T) {
	const lost, found = "* waiting for the cluster; messages wait until it has stored them", "* the cluster stores messages again"
	relays(t, 2, func(t *testing.T, store *journaltest.Store, servers []*relay.Server) {
		alice, idle, elsewhere := guest(t, servers[0], "alice"), guest(t, servers[0], "idle"), guest(t, servers[1], "elsewhere")
		alice.expect("elsewhere joined")
		idle.expect("elsewhere joined")
		for _, words := range []string{"one", "two"} { // the second time, within a minute, nothing is reported
			store.SetDown(true)
			alice.send(words)
			time.Sleep(5 * time.Second)
			store.SetDown(false)
			if words == "one" {
				alice.next(lost)
				idle.next(lost)
			}
			idle.next("<alice> " + words)
			elsewhere.expect("<alice> " + words)
			if words == "one" {
				alice.next(found)
				idle.next(found)
			}
			idle.quiet(3 * time.Second)
		}
		elsewhere.quiet(time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Int64
		srv, stop := sharedServer(t, journaltest.New(), nil, func(o *relay.Options) {
			o.ClusterLink = func() relay.ClusterLink {
				return relay.ClusterLink{Connected: true, Silent: time.Duration(silent.Load())}
			}
		})
		defer stop()
		bob := guest(t, srv, "bob")
		silent.Store(int64(20 * time.Second))
		bob.next(lost)
		bob.quiet(2 * time.Minute)
		late := guest(t, srv, "late") // learns it, too
		bob.next("late joined")
		late.next(lost)
		silent.Store(0)
		bob.next(found)
		late.next(found)
		bob.quiet(2 * time.Minute)
	})
}

// A person has no numbers, by which a message that is sent twice is recognized: they get to know which messages may still
// be in the room when the journal answers again.
func TestSharedNotSent(t *testing.T) {
	relays(t, 2, func(t *testing.T, store *journaltest.Store, servers []*relay.Server) {
		carol, bob := guest(t, servers[0], "carol"), guest(t, servers[1], "bob")
		carol.expect("bob joined")
		store.SetDown(true)
		carol.send("soup")
		time.Sleep(time.Second)
		carol.send("bread")
		carol.expect("the cluster does not answer; this may still be sent: soup")
		carol.expect("the cluster does not answer; this was not sent: bread")
		store.SetDown(false)
		bob.expect("<carol> soup")
		bob.quiet(time.Minute)
	})
}
