package room

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/internal/replica"
	"chat/relay/journal"
	"chat/relay/wire"
)

// A record that a file holds is an error, or loads into a state that stores it the same way
// again. A hidden event is an error, or is applied and can be rolled back.
func FuzzRecords(f *testing.F) {
	for key, value := range map[string]string{
		"topic": `"soup"`, "authors": "7", "ban/192.168.1.7": `"mallory"`, "mute/client k3v9": `"bob"`, "mute/\x00": `""`, "ban/\u200b": `""`, "client/": "{", "other": "1",
		"operator/key " + strings.Repeat("ab", 32): `"bob"`, "operator/owner " + testKey("a").Fingerprint: `"` + strings.Repeat(`\u0001`, 300) + `"`, "operator/10.0.0.1": `"bob"`,
		"nick/alice": `{"nick":"Alice","key":"` + testKey("a").Fingerprint + `","at":1764064931120}`,
		"client/3":   `{"key":"` + string(bytes.Repeat([]byte("ab"), 32)) + `","id":"k3v9","nick":"bob","seq":5,"gone":"dropped","at":1764064931120,"rejected":{"4":"muted"}}`,
		"nick/":      `{"nick":"` + string(bytes.Repeat([]byte("a"), 999)) + `"}`,
		"client/7":   `{"key":"` + string(bytes.Repeat([]byte("ab"), 32)) + `","wanted":"` + strings.Repeat(`\u0000`, 300) + `"}`,
		"ban/x":      `"` + strings.Repeat(`\u0001`, 300) + `"`,
	} {
		f.Add(key, value, []byte(`{"type":"own","at":1,"nick":"alice","fingerprint":"`+testKey("b").Fingerprint+`"}`))
		f.Add(key, value, []byte(`{"type":"op","at":1,"nick":"bob","marks":["key `+strings.Repeat("ab", 32)+`"]}`))
		f.Add(key, value, []byte(`{"type":"deop","at":1,"marks":["key `+strings.Repeat("ab", 32)+`","owner x"]}`))
		f.Add(key, value, []byte(`{"type":"release","at":1,"nick":"Alice"}`))
		f.Add(key, value, []byte(`{"type":"client","at":1,"author":3,"id":"x","key":"00","nick":"bob","presence":"left"}`))
	}
	f.Fuzz(func(t *testing.T, key, value string, hiddenJSON []byte) {
		fold, err := NewFold(func(load func(string, []byte) error) error { return load(key, []byte(value)) })
		if err != nil {
			return
		}
		if stored := fold.state.record(key); stored != nil {
			again, err := NewFold(func(load func(string, []byte) error) error { return load(key, stored) })
			if err != nil {
				t.Fatalf("%q: %q is stored as %q, which does not load: %v", key, value, stored, err)
			}
			if twice := again.state.record(key); !bytes.Equal(twice, stored) {
				t.Errorf("%q: %q is stored as %q, then as %q", key, value, stored, twice)
			}
		}
		if h, err := parseHidden(hiddenJSON); err == nil {
			before := fold.state.record(key)
			fold.state.apply(&wire.Event{}, h, history.Origin{})
			fold.Rollback()
			if after := fold.state.record(key); !bytes.Equal(before, after) {
				t.Errorf("%s: %q became %q by an event that was rolled back: %s", key, before, after, hiddenJSON)
			}
		}
	})
}

// silentOrder takes proposals, and never carries them out.
type silentOrder struct{ tickets uint64 }

func (o *silentOrder) Relay() string { return "here" }

func (o *silentOrder) Propose(replica.Proposal) (uint64, error) {
	o.tickets++
	return o.tickets, nil
}

func (o *silentOrder) Position() uint64                   { return 0 }
func (o *silentOrder) Last() uint64                       { return o.tickets }
func (o *silentOrder) Settled(uint64) bool                { return false }
func (o *silentOrder) WhenSettled(uint64) <-chan struct{} { return nil }
func (o *silentOrder) Full() <-chan struct{}              { return nil }
func (o *silentOrder) Waiting() (n int, d time.Duration)  { return 0, 0 }

// newSharedRoom returns a shared room with one member, alice, who is an operator.
func newSharedRoom(tb testing.TB) *Room {
	order := new(silentOrder)
	log := history.NewOrdered(history.Limits{}, func([]history.Waiter) {}, order, 1)
	fold, _, err := ReadSnapshot(nil)
	if err != nil {
		tb.Fatal(err)
	}
	r := NewShared(Options{ID: "room", Secret: "secret", HostToken: "host-token", FlushIn: func(time.Duration) {}}, log, order, fold)
	m := &Member{Peer: deafPeer{}, Program: true}
	if _, err := r.Enter(m, &wire.Request{Nick: "alice", Token: "host-token"}, 1, time.Now()); err != nil {
		tb.Fatal(err)
	}
	return r
}

// Whatever another program puts into the journal: a relay skips it, or carries it out, and its state can be kept and
// read.
func FuzzCarry(f *testing.F) {
	alice := &subject{author: 7, id: "a", key: keyOf("alice"), nick: "alice", address: "10.0.0.1", operator: true}
	bob := &subject{author: 8, id: "b", key: keyOf("bob"), nick: "alice", fingerprint: testKey("a").Fingerprint}
	for _, req := range []*request{
		{op: opPost, by: alice, kind: wire.TypeMessage, seq: 1, text: "hello", once: "once"},
		{op: opPost, by: alice, to: bob, kind: wire.TypePrivate, text: "psst", file: &wire.File{Name: "soup", Path: "/files/1/soup"}},
		{op: opTopic, by: bob, text: "soup"}, {op: opRename, by: bob, text: "alice", wanted: "alice"},
		{op: opClient, by: alice, presence: here, wanted: "alice"}, {op: opClient, by: bob, presence: here}, {op: opClient, by: bob, presence: left},
		{op: opClient, by: bob, presence: "other"}, {op: opClient, by: bob, presence: forgotten},
		{op: opBan, by: alice, to: bob, text: "loud"}, {op: opMute, by: alice, to: &subject{nick: "bob", address: "10.0.0.2"}}, {op: opUnban, by: alice, name: "alice"},
		{op: opReject, by: bob, seq: 3, text: "muted"}, {op: opOwn, by: bob, text: "alice"}, {op: opRelease, by: bob, name: "alice"},
		{op: opOp, by: alice, to: bob}, {op: opDeop, by: alice, name: "alice"}, {op: opKick, by: alice, to: bob, kind: "kicked"}, {op: opGone, by: alice, name: "here"},
		{op: opEvent, by: alice, event: &wire.Event{Type: wire.TypeJoin, Members: []string{"alice"}, Hosts: []string{"alice"}}, authors: []history.Author{7}},
	} {
		f.Add(req.encode(), (&request{op: opClient, by: bob, presence: here, wanted: "bob"}).encode())
		f.Add((&request{op: opClient, by: alice, presence: here, wanted: "alice"}).encode(), req.encode())
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := newSharedRoom(t)
		r.Carry(journal.Record{Position: 1, Relay: "there", Time: time.UnixMilli(1764064931120)}, [][]byte{first, second, first}, nil)
		r.Carry(journal.Record{Position: 2, Relay: "here", Time: time.UnixMilli(1764064931121)}, [][]byte{second, first}, nil)
		kept := r.Snapshot().Encode()
		fold, next, err := ReadSnapshot(kept)
		if err != nil {
			t.Fatalf("the state cannot be read: %v\n%s", err, kept)
		}
		if again := (&Snapshot{next, fold.state}).Encode(); !bytes.Equal(again, kept) {
			t.Errorf("the state\n%s\nis read as\n%s", kept, again)
		}
	})
}
