package relay_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// A kept is a room with a history file, across restarts of its host.
type kept struct {
	t    *testing.T
	path string
	opts relay.Options

	srv  *relay.Server
	stop func()
}

// keptRoom runs a test in a bubble, with a room on a new history file.
func keptRoom(t *testing.T, opts relay.Options, test func(t *testing.T, k *kept)) {
	path := filepath.Join(t.TempDir(), "kitchen.chat")
	synctest.Test(t, func(t *testing.T) {
		k := &kept{t: t, path: path, opts: opts}
		k.open()
		defer func() { k.stop() }()
		test(t, k)
	})
}

// open starts a host on the file.
func (k *kept) open() {
	k.t.Helper()
	file, err := history.OpenFile(k.path, history.Keep{})
	if err != nil {
		k.t.Fatal(err)
	}
	srv, err := relay.NewOn(file, k.opts)
	if err != nil {
		k.t.Fatal(err)
	}
	ln := newPipeListener()
	ctx, cancel := context.WithCancel(k.t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	k.srv = srv
	k.stop = func() {
		cancel()
		if err := <-served; err != nil {
			k.t.Error(err)
		}
		if err := file.Close(); err != nil {
			k.t.Error(err)
		}
	}
}

// restart ends the host and starts another on the same file.
func (k *kept) restart() {
	k.t.Helper()
	k.stop()
	k.open()
}

func TestRoomContinues(t *testing.T) {
	keptRoom(t, relay.Options{Title: "kitchen"}, func(t *testing.T, k *kept) {
		alice, welcome := program(t, k.srv, `{"type":"hello","nick":"alice","token":"alice-token"}`)
		bob := guest(t, k.srv, "bob")
		alice.send(`{"type":"topic","text":"supper"}`, `{"type":"say","seq":3,"text":"one"}`)
		one := alice.expectEvent(wire.TypeMessage)
		bob.send("two")
		two := alice.expectEvent(wire.TypeMessage)
		if two.ID <= one.ID || one.Seq != 3 {
			t.Errorf("got %+v, then %+v", one, two)
		}
		k.restart()

		alice, again := program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"alice","token":"alice-token","room":%q,"since":%d}`, welcome.Room, one.ID))
		if again.Room != welcome.Room || again.Client != welcome.Client || again.Seq != 3 || again.Topic != "supper" || again.Next <= two.ID {
			t.Errorf("welcome back: %+v, was %+v", again, welcome)
		}
		if e := alice.event(); e.ID != two.ID || e.Text != "two" {
			t.Errorf("caught up on %+v, want %+v", e, two)
		}
		alice.send(`{"type":"say","seq":3,"text":"one"}`)
		if e := alice.expectEvent(wire.TypeError); e.Code != wire.CodeDuplicate || e.Seq != 3 {
			t.Errorf("said twice: %+v", e)
		}
		alice.send(`{"type":"say","seq":4,"text":"three"}`)
		if e := alice.expectEvent(wire.TypeMessage); e.ID < again.Next {
			t.Errorf("the next id is %d, was to be %d at least", e.ID, again.Next)
		}
		carol := join(t, k.srv, "carol")
		for _, words := range []string{"* Welcome", "topic", "<alice> one", "<bob> two", "<alice> three"} {
			carol.next(words)
		}
	})
}

// A topic that looks like a number is read back unchanged.
func TestTopicThatIsANumber(t *testing.T) {
	for _, topic := range []string{"007", "1e3", "841954495e697806"} {
		keptRoom(t, relay.Options{}, func(t *testing.T, k *kept) {
			p, _ := program(t, k.srv, hello("p"))
			p.send(fmt.Sprintf(`{"type":"topic","text":%q}`, topic))
			p.expectEvent(wire.TypeTopic)
			k.restart()
			if _, welcome := program(t, k.srv, hello("p")); welcome.Topic != topic {
				t.Errorf("the topic %s came back as %s", topic, welcome.Topic)
			}
		})
	}
}

// The nick of a client whose connection was lost is reserved for the client's token.
func TestNickIsReserved(t *testing.T) {
	const alice = `{"type":"hello","nick":"alice","token":"alice-token"}`
	test := func(t *testing.T, srv *relay.Server, lose func(*peer) *relay.Server) {
		p, _ := program(t, srv, alice)
		srv = lose(p)
		thief, welcome := program(t, srv, hello("alice"))
		if welcome.Nick != "alice-2" {
			t.Errorf("another took the nick at once: %+v", welcome)
		}
		thief.conn.Close()
		if p, welcome = program(t, srv, alice); welcome.Nick != "alice" {
			t.Errorf("came back as %+v", welcome)
		}
		p.conn.Close()
		time.Sleep(2*time.Minute + time.Second)
		if _, welcome = program(t, srv, hello("alice")); welcome.Nick != "alice" {
			t.Errorf("after two minutes another is %+v", welcome)
		}
	}
	t.Run("memory", func(t *testing.T) {
		bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
			test(t, srv, func(p *peer) *relay.Server { p.conn.Close(); time.Sleep(time.Second); return srv })
		})
	})
	t.Run("disk", func(t *testing.T) {
		keptRoom(t, relay.Options{}, func(t *testing.T, k *kept) {
			test(t, k.srv, func(*peer) *relay.Server { k.restart(); return k.srv })
		})
	})
	t.Run("not after a quit", func(t *testing.T) {
		bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
			p, _ := program(t, srv, alice)
			p.send(`{"type":"quit"}`)
			p.closed()
			if _, welcome := program(t, srv, hello("alice")); welcome.Nick != "alice" {
				t.Errorf("another is %+v", welcome)
			}
		})
	})
}

// A private message to a client whose connection is lost waits, and arrives once.
func TestPrivateMessagesWait(t *testing.T) {
	const bob = `{"type":"hello","nick":"bob","token":"bobs-token","room":%q,"since":%d}`
	keptRoom(t, relay.Options{Rate: -1}, func(t *testing.T, k *kept) {
		alice := guest(t, k.srv, "alice")
		p, welcome := program(t, k.srv, fmt.Sprintf(bob, "", 0))
		alice.expect("bob joined")
		alice.send("/msg bob here")
		here := p.expectEvent(wire.TypePrivate)
		p.conn.Close()
		alice.expect("bob left")
		alice.send("/msg bob away")
		alice.expect("bob is disconnected; they get this if they reconnect")
		carol := guest(t, k.srv, "carol")
		carol.send("/history 10")
		carol.expect("no earlier messages")
		k.restart()
		p, _ = program(t, k.srv, fmt.Sprintf(bob, welcome.Room, here.ID))
		p.send(`{"type":"who"}`)
		var private []string
		for e := p.event(); e.Type != wire.TypeWho; e = p.event() {
			if e.Type == wire.TypePrivate {
				private = append(private, e.From+" to "+e.To+": "+e.Text)
			}
		}
		if fmt.Sprint(private) != "[alice to bob: away]" {
			t.Errorf("bob came back to %q", private)
		}
	})
}

func TestFewPrivateMessagesWait(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		p, _ := program(t, srv, hello("bob"))
		p.conn.Close()
		time.Sleep(time.Second)
		for range 100 {
			alice.send("/msg bob x")
			alice.expect("they get this if they reconnect")
		}
		alice.send("/msg bob x")
		alice.expect("! the connection of bob is lost, and 100 messages are waiting already; this was not sent")
		time.Sleep(3 * time.Minute)
		alice.send("/msg bob x")
		alice.expect("! no member is called bob")
	})
}

// Messages that cannot be written are rejected, in order, and accepted once they can be.
func TestDiskCannotBeWritten(t *testing.T) {
	keptRoom(t, relay.Options{Rate: -1}, func(t *testing.T, k *kept) {
		p, _ := program(t, k.srv, hello("p"))
		alice := guest(t, k.srv, "alice")
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		alice.expect("<p> one")
		unlock := lockFile(t, k.path)
		p.send(`{"type":"say","seq":2,"text":"two"}`)
		alice.send("of alice")
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != 2 {
			t.Errorf("two: %+v", e)
		}
		alice.expect("! the host cannot write its history; this was not sent: of alice")
		p.send(`{"type":"say","seq":3,"text":"three"}`)
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != 3 {
			t.Errorf("three: %+v", e)
		}
		for _, line := range []string{"/topic supper", "/nick alicia"} {
			alice.send(line)
			alice.expect("! the host cannot write its history; nothing was changed")
		}
		alice.send("/history 5")
		alice.expect("<p> one")
		unlock()
		time.Sleep(3 * time.Second)
		p.send(`{"type":"say","seq":3,"text":"three"}`) // before two: it would be out of order
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != 3 {
			t.Errorf("three before two: %+v", e)
		}
		p.send(`{"type":"say","seq":2,"text":"two"}`, `{"type":"say","seq":3,"text":"three"}`)
		alice.next("<p> two")
		alice.next("<p> three")
	})
}

// A client whose message without a number was rejected can reconnect while the disk cannot be
// written, and the rejected message delays no one.
func TestReconnectingToAFullDisk(t *testing.T) {
	const bob = `{"type":"hello","nick":"bob","token":"bobs-token"}`
	keptRoom(t, relay.Options{Rate: -1}, func(t *testing.T, k *kept) {
		p, _ := program(t, k.srv, bob)
		lost, _ := program(t, k.srv, hello("lost"))
		time.Sleep(time.Second)
		lost.conn.Close()
		p.expectEvent(wire.TypeLeave)
		unlock := lockFile(t, k.path)
		p.send(`{"type":"say","text":"one"}`)
		for range 100 {
			p.send(`{"type":"msg","to":"lost","text":"x"}`)
		}
		for range 101 {
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored {
				t.Fatalf("refused: %+v", e)
			}
		}
		p.conn.Close()
		p, _ = program(t, k.srv, bob)
		unlock()
		time.Sleep(3 * time.Second)
		p.send(`{"type":"msg","to":"lost","text":"x"}`)
		if e := p.expectEvent(wire.TypeNotice); !strings.Contains(e.Text, "they get this if they reconnect") {
			t.Errorf("got %+v", e)
		}
	})
}

// A message that was not stored stays first: until it is resent, higher numbers are rejected,
// also those that would be rejected for another reason.
func TestNotStoredComesFirst(t *testing.T) {
	opts := relay.Options{Rate: -1}
	var found atomic.Int64
	opts.Files = func(string) (wire.File, error) { found.Add(1); return wire.File{}, fs.ErrNotExist }
	keptRoom(t, opts, func(t *testing.T, k *kept) {
		p, _ := program(t, k.srv, hello("p"))
		p.expectEvent(wire.TypeJoin)
		unlock := lockFile(t, k.path)
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != 1 {
			t.Fatalf("one: %+v", e)
		}
		unlock()
		time.Sleep(3 * time.Second)
		p.send(`{"type":"msg","seq":2,"to":"nobody","text":"two"}`, `{"type":"send","seq":3,"file":"x"}`, `{"type":"say","seq":4,"text":"four"}`)
		for seq := uint64(2); seq <= 4; seq++ {
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored || e.Seq != seq {
				t.Errorf("%d before one: %+v", seq, e)
			}
		}
		if n := found.Load(); n > 0 {
			t.Errorf("the upload was looked up %d times, and is public now", n)
		}
		p.send(`{"type":"say","seq":1,"text":"one"}`, `{"type":"say","seq":4,"text":"four"}`)
		for _, want := range []string{"one", "four"} {
			if e := p.expectEvent(wire.TypeMessage); e.Text != want {
				t.Errorf("got %q, want %q", e.Text, want)
			}
		}
	})
}

// A topic that is held while the disk takes nothing does not keep its sender from
// reconnecting.
func TestReconnectAfterHeldTopic(t *testing.T) {
	const bob = `{"type":"hello","nick":"bob","token":"bobs-token"}`
	keptRoom(t, relay.Options{}, func(t *testing.T, k *kept) {
		p, _ := program(t, k.srv, bob)
		p.expectEvent(wire.TypeJoin)
		unlock := lockFile(t, k.path)
		p.send(`{"type":"topic","text":"supper"}`)
		time.Sleep(time.Second)
		p.conn.Close()
		p, _ = program(t, k.srv, bob)
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotStored {
			t.Errorf("one: %+v", e)
		}
		unlock()
		time.Sleep(3 * time.Second)
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		p.expectEvent(wire.TypeMessage)
	})
}

// Messages sent before a quit are acknowledged before the goodbye.
func TestQuitAfterMessages(t *testing.T) {
	keptRoom(t, relay.Options{}, func(t *testing.T, k *kept) {
		for n := range 10 {
			p, _ := program(t, k.srv, hello("p"))
			p.send(fmt.Sprintf(`{"type":"say","seq":1,"text":"%d"}`, n) + "\n" + `{"type":"quit"}`)
			rest := strings.Join(p.closed(), "\n")
			if !strings.Contains(rest, `"type":"message"`) || !strings.Contains(rest, `"type":"bye"`) {
				t.Errorf("got only %s", rest)
			}
		}
	})
}

// Guests of a restarted host get other nicks than guests who may reconnect.
func TestGuestsAfterARestart(t *testing.T) {
	const guest = `{"type":"hello","token":"some-guests-token"}`
	keptRoom(t, relay.Options{}, func(t *testing.T, k *kept) {
		_, welcome := program(t, k.srv, guest)
		k.restart()
		join(t, k.srv, "newcomer").next("* Welcome to chat, guest-2 ")
		_, again := program(t, k.srv, guest)
		if again.Nick != welcome.Nick {
			t.Errorf("%s came back as %s", welcome.Nick, again.Nick)
		}
		join(t, k.srv, "newcomer").next("* Welcome to chat, guest-3 ")
	})
}

// Reading back leaves out a damaged event, and only that.
func TestReadingBackADamagedEvent(t *testing.T) {
	keptRoom(t, relay.Options{Rate: -1, History: history.Limits{Events: 8}}, func(t *testing.T, k *kept) {
		p, _ := program(t, k.srv, hello("p"))
		for n := range 60 {
			p.send(fmt.Sprintf(`{"type":"say","text":"line %d"}`, n))
			p.expectEvent(wire.TypeMessage)
		}
		k.stop()
		db, err := sql.Open("sqlite", k.path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE event SET json = '{' WHERE id = 30`); err != nil {
			t.Fatal(err)
		}
		db.Close()
		k.open()
		p, _ = program(t, k.srv, `{"type":"hello","nick":"p","backlog":0}`)
		p.send(`{"type":"history","count":200}`)
		if e := p.expectEvent(wire.TypeHistory); len(e.Events) != 59 {
			t.Errorf("%d events are read back", len(e.Events))
		}
	})
}

// lockFile locks the database at path against writers.
func lockFile(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		conn.Close()
		db.Close()
	}
}

// A slow reader reads events that are no longer in memory from disk, without a gap.
func TestCatchingUpFromDisk(t *testing.T) {
	keptRoom(t, relay.Options{Rate: -1, History: history.Limits{Events: 10}}, func(t *testing.T, k *kept) {
		p, welcome := program(t, k.srv, hello("p"))
		for n := range 500 {
			p.send(fmt.Sprintf(`{"type":"say","seq":%d,"text":"line %d"}`, n+1, n))
			p.expectEvent(wire.TypeMessage)
		}
		late, _ := program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"late","room":%q,"since":1}`, welcome.Room))
		person := join(t, k.srv, "person")
		whole, _ := program(t, k.srv, `{"type":"hello","nick":"whole","backlog":1000}`)
		person.next("* Welcome")
		for n := range 500 {
			want := fmt.Sprintf("line %d", n)
			for _, p := range []*peer{late, whole} {
				if e := p.event(); e.Text != want {
					t.Fatalf("%s got %+v, want %s", p.name, e, want)
				}
			}
			if n >= 450 {
				person.next("<p> " + want)
			}
		}
	})
}
