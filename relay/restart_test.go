package relay_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// Bans, mutes, the topic, operators, exactly-once numbers and reserved nicks outlive the host.
func TestStateSurvivesRestart(t *testing.T) {
	const operator = "operators-own-token"
	helloAs := func(nick string) string {
		return fmt.Sprintf(`{"type":"hello","nick":%q,"token":"token-of-%s"}`, nick, nick)
	}
	keptRoom(t, relay.Options{HostToken: operator, Rate: -1}, func(t *testing.T, k *kept) {
		op, _ := program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		eve, _ := program(t, k.srv, helloAs("eve"))
		mallory, _ := program(t, k.srv, helloAs("mallory"))
		alice, was := program(t, k.srv, helloAs("alice"))
		dave := joinFrom(t, k.srv, "10.66.1.4")
		dave.expect("* Welcome")
		alice.send(`{"type":"say","seq":7,"text":"soup"}`)
		alice.expectEvent(wire.TypeMessage)
		for _, command := range []string{"/topic supper", "/mute eve", "/ban mallory", "/ban 10.66.1.4"} {
			op.send(fmt.Sprintf(`{"type":"command","text":%q}`, command))
		}
		mallory.closed()
		dave.closed()
		eve.send(`{"type":"say","seq":3,"text":"hi"}`)
		if e := eve.expectEvent(wire.TypeError); e.Code != wire.CodeMuted || e.Seq != 3 {
			t.Errorf("a muted message: %+v", e)
		}
		for range 2 {
			k.restart()
			thief, welcome := program(t, k.srv, hello("alice"))
			if welcome.Nick != "alice-2" || welcome.Topic != "supper" {
				t.Errorf("another alice is welcomed with %+v", welcome)
			}
			thief.send(`{"type":"quit"}`)
			thief.closed()
			alice, welcome = program(t, k.srv, helloAs("alice"))
			if welcome.Nick != "alice" || welcome.Client != was.Client || welcome.Seq != 7 {
				t.Errorf("alice is welcomed with %+v, was %+v", welcome, was)
			}
			alice.send(`{"type":"say","seq":7,"text":"soup"}`)
			if e := alice.expectEvent(wire.TypeError); e.Code != wire.CodeDuplicate {
				t.Errorf("a message sent again: %+v", e)
			}
			eve, _ = program(t, k.srv, helloAs("eve"))
			eve.send(`{"type":"say","seq":3,"text":"hi"}`, `{"type":"topic","text":"BUY"}`)
			for range 2 {
				if e := eve.expectEvent(wire.TypeError); e.Code != wire.CodeMuted {
					t.Errorf("a muted member: %+v", e)
				}
			}
			again := join(t, k.srv, "mallory")
			again.send(helloAs("mallory"))
			if e := again.event(); e.Code != wire.CodeBanned {
				t.Errorf("a banned client: %+v", e)
			}
			joinFrom(t, k.srv, "10.66.1.4").next("! you are banned from this room")
			op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
			op.send(`{"type":"bans"}`)
			op.expect(`banned: 10.66.1.4, mallory\nmuted: eve"`)
		}
		k.opts.HostToken = "another-hosts-token" // the file makes no one an operator
		k.restart()
		op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		op.send(`{"type":"bans"}`)
		op.expect("only operators")
		k.opts.HostToken = operator
		k.restart()
		op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		op.send(`{"type":"unban","nick":"mallory"}`, `{"type":"unban","nick":"10.66.1.4"}`, `{"type":"unmute","nick":"eve"}`)
		op.expect("eve is no longer muted")
		k.restart()
		program(t, k.srv, helloAs("mallory"))
		dave = joinFrom(t, k.srv, "10.66.1.4")
		dave.expect("* Welcome")
		dave.conn.Close()
		eve, _ = program(t, k.srv, helloAs("eve"))
		eve.send(`{"type":"say","seq":3,"text":"hi"}`)
		for e := eve.expectEvent(wire.TypeMessage); e.From != "eve" || e.Seq != 3; e = eve.expectEvent(wire.TypeMessage) {
		}
		// The file makes no operators: a stranger may have written it.
		k.opts.HostToken = "another-operators-token"
		k.restart()
		op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		op.send(`{"type":"bans"}`)
		if e := op.expectEvent(wire.TypeError); e.Code != wire.CodeNotAllowed {
			t.Errorf("an operator of an earlier host: %+v", e)
		}
	})
}

// A file of version 1 opens in a server, with its clients, topic and messages.
func TestServeVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	zipped, err := os.Open(filepath.Join("history", "testdata", "version1.chat.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer zipped.Close()
	unzipped, err := gzip.NewReader(zipped)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		k := &kept{t: t, path: path, opts: relay.Options{Rate: -1}}
		k.open()
		defer func() { k.stop() }()
		for range 2 {
			if info := k.srv.Info(); info.ID != "29dbd80f7d66ff37" {
				t.Errorf("the room is %+v", info)
			}
			p, welcome := program(t, k.srv, `{"type":"hello","nick":"newcomer","backlog":100}`)
			if welcome.Topic != "supper: \"pea\" soup 🍲" {
				t.Errorf("the topic is %q", welcome.Topic)
			}
			for _, nick := range []string{"alice", `bob "the cook"`} { // one was here, the other's connection was lost
				thief, got := program(t, k.srv, hello(nick))
				if got.Nick == nick {
					t.Errorf("another member is %s", got.Nick)
				}
				thief.conn.Close()
			}
			p.send(`{"type":"history","count":100}`)
			e := p.expectEvent(wire.TypeHistory)
			if len(e.Events) == 0 {
				t.Error("it has no messages")
			}
			p.send(`{"type":"say","text":"soup of today"}`)
			if said := p.expectEvent(wire.TypeMessage); said.ID < 17 {
				t.Errorf("a new message has the ID %d, want 17 or more", said.ID)
			}
			time.Sleep(time.Second)
			k.restart()
		}
		// Authors of before are not given out again.
		p, _ := program(t, k.srv, `{"type":"hello","nick":"eve","backlog":1000}`)
		person := join(t, k.srv, "person")
		person.send("hello")
		p.expect("hello")
		p.send(`{"type":"search","text":"soup","count":200}`)
		if found := p.expectEvent(wire.TypeHistory); !strings.Contains(fmt.Sprint(found.Events), "soup") {
			t.Errorf("a search finds %v", found.Events)
		}
	})
}
