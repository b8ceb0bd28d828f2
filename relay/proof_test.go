package relay_test

import (
	"fmt"
	"testing"

	"chat/relay"
	"chat/relay/wire"
)

// prove asks srv to prove that it has the room of a welcome. It returns the answer, and whether the
// proof is right. No member notices.
func prove(t *testing.T, srv *relay.Server, welcome wire.Event) (answer wire.Event, proven bool) {
	t.Helper()
	const nonce = "V5J2QK7RX3MTA4NB"
	p := join(t, srv, "asker")
	defer p.conn.Close()
	p.send(fmt.Sprintf(`{"type":"hello","probe":true,"room":%q,"client":%q,"nonce":%q}`, welcome.Room, welcome.Client, nonce))
	answer = p.expectEvent(wire.TypeRoom)
	return answer, answer.Proof == wire.ProofOf(welcome.Key, welcome.Room, answer.Room, welcome.Client, nonce)
}

// A host in memory proves after a restart that it is the same one if it has the same secret; no
// other host does, not even one with the room's ID.
func TestProofInMemory(t *testing.T) {
	bubble(t, relay.Options{Secret: "the machine's", Room: "00aa00aa00aa00aa"}, func(t *testing.T, srv *relay.Server) {
		alice, welcome := program(t, srv, hello("alice"))
		bob, other := program(t, srv, hello("bob"))
		defer alice.conn.Close()
		defer bob.conn.Close()
		if len(welcome.Key) != 32 || welcome.Key == other.Key {
			t.Errorf("keys %q and %q", welcome.Key, other.Key)
		}
		answer, proven := prove(t, srv, welcome)
		if !proven || answer.Room != welcome.Room || answer.Title != "kitchen" || answer.Count != 2 {
			t.Errorf("the host: proven %v, %+v", proven, answer)
		}
		if again, _ := prove(t, srv, other); again.Instance != answer.Instance || again.Instance == "" {
			t.Errorf("one process has the instances %q and %q", answer.Instance, again.Instance)
		}
		restarted := relay.New(relay.Options{Secret: "the machine's", Title: "kitchen"})
		if answer, proven := prove(t, restarted, welcome); !proven || answer.Room == welcome.Room {
			t.Errorf("restarted: proven %v, %+v", proven, answer)
		}
		for name, opts := range map[string]relay.Options{
			"another machine":             {Title: "kitchen"},
			"another machine, the ID":     {Title: "kitchen", Room: welcome.Room},
			"another machine, its secret": {Title: "kitchen", Room: welcome.Room, Secret: "mine"},
		} {
			got, proven := prove(t, relay.New(opts), welcome)
			if proven || got.Instance == answer.Instance {
				t.Errorf("%s: proven %v, %+v", name, proven, got)
			}
		}
	})
}

// A host with a history file proves itself after a restart, even to a client whose record a crash
// lost.
func TestProofOnFile(t *testing.T) {
	keptRoom(t, relay.Options{Secret: "not used"}, func(t *testing.T, k *kept) {
		alice, welcome := program(t, k.srv, hello("alice"))
		defer alice.conn.Close()
		k.restart()
		if _, proven := prove(t, k.srv, welcome); !proven {
			t.Error("not proven after a restart")
		}
		unknown := welcome
		unknown.Client = "qqqqqqqqqq"
		if answer, proven := prove(t, k.srv, unknown); proven || answer.Proof == "" {
			t.Errorf("with the key of another client: proven %v, %+v", proven, answer)
		}
	})
}

// A probe with a nonce leaves the connection open for the hello. One whose nonce is too short is
// answered like one without.
func TestProbeThenHello(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		p := join(t, srv, "alice")
		defer p.conn.Close()
		p.send(`{"type":"hello","probe":true,"nonce":"0123456789abcdef"}`)
		if e := p.expectEvent(wire.TypeRoom); e.Instance == "" || e.Proof != "" {
			t.Errorf("answer %+v, want an instance and no proof", e)
		}
		p.send(`{"type":"hello","probe":true,"nonce":"0123456789abcdef","room":"a\nb","client":"c"}`)
		if e := p.expectEvent(wire.TypeRoom); e.Proof != "" {
			t.Errorf("a proof for a room with a newline: %+v", e)
		}
		p.send(hello("alice"))
		p.expectEvent(wire.TypeWelcome)

		short := join(t, srv, "short")
		short.send(`{"type":"hello","probe":true,"nonce":"0123"}`)
		if e := short.expectEvent(wire.TypeRoom); e.Instance != "" || e.Proof != "" {
			t.Errorf("answer %+v", e)
		}
		short.closed()
	})
}
