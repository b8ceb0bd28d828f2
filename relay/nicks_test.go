package relay_test

import (
	"fmt"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// hasNick reads events until one says that p's nick is now nick.
func (p *peer) hasNick(client, nick string) {
	p.t.Helper()
	for e := p.expectEvent(wire.TypeNick); e.Client != client || e.Nick != nick; e = p.expectEvent(wire.TypeNick) {
	}
}

// A member whose nick was taken gets it as soon as it is free, and is told why it has another
// one until then.
func TestWantedNick(t *testing.T) {
	const token = `{"type":"hello","nick":"greta","token":"token-of-greta"}`
	tests := []struct {
		name string
		free func(t *testing.T, srv *relay.Server, greta *peer) // until then greta is taken
	}{
		{"its member leaves", func(_ *testing.T, _ *relay.Server, greta *peer) { greta.send(`{"type":"quit"}`) }},
		{"its member takes another", func(_ *testing.T, _ *relay.Server, greta *peer) { greta.send(`{"type":"nick","nick":"anna"}`) }},
		{"its member asks for another when it reconnects", func(t *testing.T, srv *relay.Server, _ *peer) {
			program(t, srv, `{"type":"hello","nick":"anna","token":"token-of-greta"}`)
		}},
		{"it is no longer reserved", func(t *testing.T, _ *relay.Server, greta *peer) {
			greta.conn.Close()
			time.Sleep(2*time.Minute + time.Second)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
				greta, _ := program(t, srv, token)
				other, welcome := program(t, srv, hello("greta"))
				if welcome.Nick != "greta-2" {
					t.Fatalf("the second greta is %s", welcome.Nick)
				}
				if e := other.expectEvent(wire.TypeNotice); e.Text != "greta is taken; you are greta-2 until it is free" {
					t.Errorf("it is told %q", e.Text)
				}
				third := guest(t, srv, "")
				third.send("/nick Greta")
				third.expect("* you are now Greta-3 (Greta is taken); you get the nick when it is free")
				test.free(t, srv, greta)
				other.hasNick(welcome.Client, "greta")
				other.conn.Close()
				time.Sleep(2*time.Minute + time.Second)
				third.expect("* Greta is free; you are now Greta")
			})
		})
	}
}

// A member is told for how long its nick is reserved for another client.
func TestReservedNickIsExplained(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		greta, _ := program(t, srv, `{"type":"hello","nick":"greta","token":"token-of-greta"}`)
		greta.conn.Close()
		time.Sleep(20*time.Second + time.Millisecond)
		other, _ := program(t, srv, hello("greta"))
		if e := other.expectEvent(wire.TypeNotice); e.Text != "greta is reserved for another 100 seconds, for a member whose connection was lost; you are greta-2 until it is free" {
			t.Errorf("it is told %q", e.Text)
		}
		third := guest(t, srv, "") // and a second until its join is announced
		third.send("/nick greta")
		third.expect("* you are now greta-3 (greta is reserved for another 99 seconds, for a member whose connection was lost); you get the nick when it is free")
		_, welcome := program(t, srv, `{"type":"hello","nick":"greta","token":"token-of-greta"}`)
		if welcome.Nick != "greta" {
			t.Errorf("greta comes back as %s", welcome.Nick)
		}
	})
}

// A nick that a member chose itself stays, although it looks like one with a suffix.
func TestChosenSuffixStays(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		greta := guest(t, srv, "greta")
		other, _ := program(t, srv, hello("greta"))
		other.send(`{"type":"nick","nick":"greta-2"}`)
		other.expect("you are now greta-2")
		greta.send("/quit")
		greta.closed()
		third, welcome := program(t, srv, hello("greta"))
		if welcome.Nick != "greta" {
			t.Errorf("the third is %s", welcome.Nick)
		}
		third.send(`{"type":"who"}`)
		if e := third.expectEvent(wire.TypeWho); fmt.Sprint(e.Members) != "[greta greta-2]" {
			t.Errorf("in the room are %q", e.Members)
		}
	})
}

// A muted member does not get its nick while it is muted.
func TestMutedMemberWaitsForItsNick(t *testing.T) {
	bubble(t, relay.Options{HostToken: "token-of-the-host"}, func(t *testing.T, srv *relay.Server) {
		host, _ := program(t, srv, `{"type":"hello","nick":"alice","token":"token-of-the-host"}`)
		greta := guest(t, srv, "greta")
		other, welcome := program(t, srv, hello("greta"))
		host.send(`{"type":"mute","nick":"greta-2"}`)
		other.expect("alice muted you")
		greta.send("/quit")
		greta.closed()
		host.send(`{"type":"who"}`)
		if e := host.expectEvent(wire.TypeWho); fmt.Sprint(e.Members) != "[alice greta-2]" {
			t.Errorf("in the room are %q", e.Members)
		}
		host.send(`{"type":"unmute","nick":"greta-2"}`)
		other.hasNick(welcome.Client, "greta")
	})
}

// The host's own member gets its nick even if another member has it, or one that looks like it.
// That member is told, and gets the nick when it is free.
func TestHostGetsItsNick(t *testing.T) {
	for _, nick := range []string{"alice", "a1ice"} {
		t.Run(nick, func(t *testing.T) {
			bubble(t, relay.Options{HostToken: "token-of-the-host"}, func(t *testing.T, srv *relay.Server) {
				other, was := program(t, srv, hello(nick))
				time.Sleep(time.Second)
				host, welcome := program(t, srv, `{"type":"hello","nick":"alice","token":"token-of-the-host"}`)
				if welcome.Nick != "alice" || fmt.Sprint(welcome.Members) != "["+nick+"-2]" {
					t.Errorf("the host's own member is welcomed with %+v", welcome)
				}
				// The notice is not in the log, and may come before or after the event.
				for noticed, renamed := false, false; !noticed || !renamed; {
					switch e := other.event(); e.Type {
					case wire.TypeNotice:
						noticed = true
						if e.Text != fmt.Sprintf("alice is the nick of this room's host; you are now %s-2", nick) {
							t.Errorf("the other is told %q", e.Text)
						}
					case wire.TypeNick:
						renamed = renamed || e.Client == was.Client && e.Nick == nick+"-2"
					}
				}
				other.send(`{"type":"say","seq":1,"text":"soup"}`)
				if e := host.expectEvent(wire.TypeMessage); e.From != nick+"-2" {
					t.Errorf("a message comes from %s", e.From)
				}
				host.send(`{"type":"quit"}`)
				other.hasNick(was.Client, nick)
			})
		})
	}
}

// After a restart the host's own member and others have their nicks, whatever was reserved.
func TestNicksAfterRestart(t *testing.T) {
	keptRoom(t, relay.Options{Rate: -1, HostToken: "token-of-the-host"}, func(t *testing.T, k *kept) {
		program(t, k.srv, `{"type":"hello","nick":"alice","token":"token-of-the-host"}`)
		program(t, k.srv, `{"type":"hello","nick":"greta","token":"token-of-greta"}`)
		program(t, k.srv, `{"type":"hello","nick":"greta","token":"token-of-the-other"}`)
		k.opts.HostToken = "token-of-another-host" // as hosts of the version before
		k.restart()
		other, welcome := program(t, k.srv, `{"type":"hello","nick":"greta","token":"token-of-the-other"}`)
		if welcome.Nick != "greta-2" {
			t.Errorf("the second greta comes back as %s", welcome.Nick)
		}
		if _, welcome := program(t, k.srv, `{"type":"hello","nick":"alice","token":"token-of-another-host"}`); welcome.Nick != "alice" {
			t.Errorf("the host comes back as %s", welcome.Nick)
		}
		time.Sleep(2*time.Minute + time.Second)
		other.hasNick(welcome.Client, "greta")
		k.restart()
		if _, welcome := program(t, k.srv, `{"type":"hello","nick":"greta","token":"token-of-the-other"}`); welcome.Nick != "greta" {
			t.Errorf("the second greta comes back as %s", welcome.Nick)
		}
	})
}
