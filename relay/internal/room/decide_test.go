package room

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 123_456_789, time.UTC)

// keyFor returns the key of a client called nick, and its text.
func keyFor(nick string) (key clientKey, text string) {
	key = keyOf("token-of-" + nick)
	return key, hex.EncodeToString(key[:])
}

// client is the hidden event by which a client called nick has a presence.
func client(author history.Author, nick string, p presence, at time.Time) *hidden {
	_, key := keyFor(nick)
	return &hidden{Type: hiddenClient, At: millisOf(at), Author: author, ID: "id-" + nick, Key: key, Nick: nick, Wanted: nick, Presence: p}
}

// by is a client as it asks for something from 10.0.0.N, where N is its author.
func by(author history.Author, nick string) *subject {
	key, _ := keyFor(nick)
	return &subject{author: author, id: "id-" + nick, key: key, nick: nick, address: fmt.Sprint("10.0.0.", author)}
}

// kitchen is a state in which alice (1) and bob (2) are here, carol's (3) connection is lost
// and dave (4) has left. His nick belongs to his key. Numbers up to 7 of alice's are accepted; of bob's, 3 was rejected
// because he was muted, and 5 since its recipient was not there.
func kitchen() *State {
	s := NewState()
	for i, c := range []struct {
		nick string
		presence
	}{{"alice", here}, {"bob", here}, {"carol", dropped}, {"dave", left}} {
		s.apply(nil, client(history.Author(i+1), c.nick, c.presence, noon), history.Origin{})
	}
	s.apply(&wire.Event{Type: wire.TypeMessage, Seq: 7, Text: "x"}, nil, history.Origin{Author: 1})
	for seq, code := range map[uint64]wire.Code{3: wire.CodeMuted, 5: wire.CodeNoSuchNick} {
		s.apply(nil, &hidden{Type: hiddenReject, Author: 2, Seq: seq, Code: code}, history.Origin{})
	}
	s.apply(&wire.Event{Type: wire.TypeMessage, Seq: 6, Text: "x"}, nil, history.Origin{Author: 2})
	s.apply(nil, own("dave", "d", noon.Add(-time.Hour)), history.Origin{})
	return s
}

// mute mutes a client of the kitchen, and another address.
func mute(s *State, who *subject) {
	s.apply(nil, &hidden{Type: hiddenMute, Nick: who.nick, Marks: append(who.marks(), "192.168.1.9")}, history.Origin{})
}

func TestDecide(t *testing.T) {
	alice, bob, carol := by(1, "alice"), by(2, "bob"), by(3, "carol")
	stranger := &subject{author: 9, id: "id-x", nick: "x", address: "192.168.1.9"} // without a token
	for _, test := range []struct {
		name  string
		given func(s *State)
		request
		fault wire.Code
		want  string // the event as JSON, without its time; "": none
		by    history.Origin
	}{
		{name: "message", request: request{op: opPost, by: alice, kind: wire.TypeMessage, text: "soup"},
			want: `{"type":"message","from":"alice","client":"id-alice","text":"soup"}`, by: history.Origin{Author: 1}},
		{name: "numbered message", request: request{op: opPost, by: alice, kind: wire.TypeMessage, seq: 8, text: "soup"},
			want: `{"type":"message","from":"alice","client":"id-alice","seq":8,"text":"soup"}`, by: history.Origin{Author: 1}},
		{name: "duplicate", request: request{op: opPost, by: alice, kind: wire.TypeMessage, seq: 7}, fault: wire.CodeDuplicate},
		{name: "old duplicate", request: request{op: opPost, by: alice, kind: wire.TypeAction, seq: 1}, fault: wire.CodeDuplicate},
		{name: "rejected as muted, and repeated", request: request{op: opPost, by: bob, kind: wire.TypeMessage, seq: 3}, fault: wire.CodeMuted},
		{name: "rejected without a recipient, and repeated", request: request{op: opPost, by: bob, kind: wire.TypeMessage, seq: 5}, fault: wire.CodeNoSuchNick},
		{name: "accepted between rejected ones", request: request{op: opPost, by: bob, kind: wire.TypeMessage, seq: 4}, fault: wire.CodeDuplicate},
		{name: "number of a person", request: request{op: opPost, by: stranger, kind: wire.TypeMessage, seq: 1, text: "hi"},
			want: `{"type":"message","from":"x","client":"id-x","seq":1,"text":"hi"}`, by: history.Origin{Author: 9}},
		{name: "muted", given: func(s *State) { mute(s, alice) }, request: request{op: opPost, by: alice, kind: wire.TypeMessage}, fault: wire.CodeMuted},
		{name: "muted by address", given: func(s *State) { mute(s, alice) }, request: request{op: opPost, by: stranger, kind: wire.TypeMessage}, fault: wire.CodeMuted},
		{name: "muted, and a duplicate", given: func(s *State) { mute(s, alice) }, request: request{op: opPost, by: alice, kind: wire.TypeMessage, seq: 7}, fault: wire.CodeDuplicate},
		{name: "private", request: request{op: opPost, by: alice, to: bob, kind: wire.TypePrivate, text: "psst"},
			want: `{"type":"private","from":"alice","client":"id-alice","to":"bob","text":"psst"}`, by: history.Origin{Author: 1, To: 2}},
		{name: "private to one whose connection is lost", request: request{op: opPost, by: alice, to: carol, kind: wire.TypePrivate, text: "psst"},
			want: `{"type":"private","from":"alice","client":"id-alice","to":"carol","text":"psst"}`, by: history.Origin{Author: 1, To: 3}},
		{name: "private, and too many wait", given: func(s *State) { s.clients[3].Waiting = maxWaiting },
			request: request{op: opPost, by: alice, to: carol, kind: wire.TypePrivate}, fault: wire.CodeBusy},
		{name: "private, and many waited before", given: func(s *State) { s.clients[2].Waiting = maxWaiting },
			request: request{op: opPost, by: alice, to: bob, kind: wire.TypePrivate, text: "psst"},
			want:    `{"type":"private","from":"alice","client":"id-alice","to":"bob","text":"psst"}`, by: history.Origin{Author: 1, To: 2}},
		{name: "topic", request: request{op: opTopic, by: alice, text: "supper"},
			want: `{"type":"topic","from":"alice","client":"id-alice","text":"supper"}`, by: history.Origin{Author: 1}},
		{name: "topic of one muted", given: func(s *State) { mute(s, alice) }, request: request{op: opTopic, by: alice}, fault: wire.CodeMuted},
		{name: "nick", request: request{op: opRename, by: alice, seq: 4, text: "alicia"},
			want: `{"type":"nick","from":"alice","client":"id-alice","seq":4,"nick":"alicia"}`, by: history.Origin{Author: 1}},
		{name: "nick of one muted", given: func(s *State) { mute(s, alice) }, request: request{op: opRename, by: alice, text: "BUY"}, fault: wire.CodeMuted},
		{name: "a client came", request: request{op: opClient, by: alice, presence: here, wanted: "al"},
			want: `{"type":"client","at":1795867200123,"author":1,"id":"id-alice","key":"KEY","nick":"alice","wanted":"al","presence":"here"}`},
		{name: "a person came", request: request{op: opClient, by: stranger, presence: here}},
		{name: "a visitor came", request: request{op: opClient, by: visiting(by(7, "eve")), presence: here},
			want: `{"type":"client","at":1795867200123,"author":7,"id":"id-eve","key":"KEY","nick":"eve","presence":"left","visit":true}`},
		{name: "a visitor came again", given: func(s *State) { s.applyHidden(visit(client(7, "eve", left, noon))) },
			request: request{op: opClient, by: visiting(by(7, "eve")), presence: here, wanted: "eve"}},
		{name: "a visitor came by another nick", given: func(s *State) { s.applyHidden(visit(client(7, "eve", left, noon))) },
			request: request{op: opClient, by: visiting(by(7, "eve")), presence: here, wanted: "eva"},
			want:    `{"type":"client","at":1795867200123,"author":7,"id":"id-eve","key":"KEY","nick":"eve","wanted":"eva","presence":"left","visit":true}`},
		{name: "a forgotten visitor left, which is another client by now", request: request{op: opClient, by: visiting(by(8, "bob")), presence: left}},
		{name: "open", request: request{op: opOpen}, want: `{"type":"open","at":1795867200123}`},
		{name: "ban", request: request{op: opBan, by: alice, to: bob},
			want: `{"type":"ban","at":1795867200123,"author":1,"nick":"bob","marks":["client id-bob","key KEY","10.0.0.2"]}`},
		{name: "ban of a person", request: request{op: opBan, by: alice, to: stranger},
			want: `{"type":"ban","at":1795867200123,"author":1,"nick":"x","marks":["client id-x","192.168.1.9"]}`},
		{name: "ban of an address", request: request{op: opBan, by: alice, to: &subject{nick: "10.0.0.7", address: "10.0.0.7"}},
			want: `{"type":"ban","at":1795867200123,"author":1,"nick":"10.0.0.7","marks":["10.0.0.7"]}`},
		{name: "mute", request: request{op: opMute, by: alice, to: bob},
			want: `{"type":"mute","at":1795867200123,"author":1,"nick":"bob","marks":["client id-bob","key KEY","10.0.0.2"]}`},
		{name: "unmute", given: func(s *State) { mute(s, stranger) }, request: request{op: opUnmute, by: alice, name: "X"},
			want: `{"type":"unmute","at":1795867200123,"author":1,"marks":["192.168.1.9","client id-x"]}`},
		{name: "unmute an address", given: func(s *State) { mute(s, stranger) }, request: request{op: opUnmute, by: alice, name: "::ffff:192.168.1.9"},
			want: `{"type":"unmute","at":1795867200123,"author":1,"marks":["192.168.1.9"]}`},
		{name: "unmute one banned", given: func(s *State) { s.bans["key x"] = "x" }, request: request{op: opUnmute, by: alice, name: "x"}, fault: wire.CodeNoSuchNick},
		{name: "unban", given: func(s *State) { s.bans["key x"] = "x" }, request: request{op: opUnban, by: alice, name: "x"},
			want: `{"type":"unban","at":1795867200123,"author":1,"marks":["key x"]}`},
		{name: "unban one muted", given: func(s *State) { mute(s, stranger) }, request: request{op: opUnban, by: alice, name: "x"}, fault: wire.CodeNoSuchNick},
		{name: "unban no one", request: request{op: opUnban, by: alice, name: strings.Repeat("x", text.MaxNickBytes+1)}, fault: wire.CodeNoSuchNick},
		{name: "reject", request: request{op: opReject, by: alice, seq: 9, text: string(wire.CodeBusy)},
			want: `{"type":"reject","at":1795867200123,"author":1,"seq":9,"code":"busy"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kitchen()
			if test.given != nil {
				test.given(s)
			}
			before := s.clone()
			test.at = noon
			var e event
			err := s.decide(&test.request, &e)
			if diff := difference(s, before, noon); diff != "" {
				t.Errorf("it changed the state: %s", diff)
			}
			fault, _ := err.(*wire.Fault)
			if test.fault != "" && (fault == nil || fault.Code != test.fault) || test.fault == "" && err != nil {
				t.Fatalf("got %v, want the fault %q", err, test.fault)
			}
			got := ""
			switch {
			case e.hidden != nil:
				whose := test.request.by
				if test.to != nil {
					whose = test.to
				}
				if got = string(e.hidden.encode()); whose != nil {
					_, key := keyFor(whose.nick)
					got = strings.ReplaceAll(got, key, "KEY")
				}
			case e.Type != "":
				if !e.Time.Equal(noon) {
					t.Errorf("the event's time is %v, want %v", e.Time, noon)
				}
				e.Time = time.Time{}
				got = strings.TrimSpace(string(e.Event.AppendJSON(nil)))
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
			if e.by != test.by {
				t.Errorf("it is by %+v, want %+v", e.by, test.by)
			}
		})
	}
}

func visiting(s *subject) *subject {
	s.visit = true
	return s
}

func visit(h *hidden) *hidden {
	h.Visit = true
	return h
}

func TestAddressKey(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1", "FD00::1": "fd00::1",
		"127.0.0.1": "", "127.9.9.9": "", "::1": "", "::ffff:127.0.0.1": "",
	} {
		if got := AddressKey(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is counted by %q, want %q", address, got, want)
		}
	}
}
