package room

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// acts lists what operators did, in words, as the log of the room has it.
func (r *Room) acts() (acts []string) {
	cursor := r.log.Cursor(1, 1, history.View{Format: history.JSON})
	for behind := true; behind; {
		var runs [][]byte
		runs, _, behind = cursor.Next(nil)
		for line := range bytes.Lines(bytes.Join(runs, nil)) {
			if e, err := wire.ParseEvent(line); err == nil && e.Type == wire.TypeOperator {
				acts = append(acts, e.From+" "+e.Text)
			}
		}
	}
	return acts
}

// refusal returns the text of a fault.
func refusal(_ string, err error) string {
	fault, ok := errors.AsType[*wire.Fault](err)
	if !ok {
		return fmt.Sprintf("the error %v is no fault", err)
	}
	return fault.Text
}

// An operator makes other members operators, by key or by token, and ends that, also while they are away.
func TestOperators(t *testing.T) {
	r := newSealedRoom(t)
	op, _ := r.join("op", operatorToken, "")
	alice, _ := r.join("alice", "token-of-alice", "a")
	bob, toBob := r.join("bob", "token-of-bob", "")
	guest, _ := r.join("nina", "token-of-nina", "")
	guest.Level = access.Listen
	if got := refusal(r.Op(bob, "bob", "", r.now)); got != "only operators can do that" {
		t.Errorf("bob makes himself an operator: %s", got)
	}
	for _, nick := range []string{"alice", "bob"} {
		if _, err := r.Op(op, nick, "until Friday", r.now); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"op": "op is an operator already", "alice": "alice is an operator already", "carol": "no member is called carol",
		"nina": "nina may only read: it joined by an invite for that",
	} {
		if got := refusal(r.Op(alice, name, "", r.now)); !strings.HasPrefix(got, want) {
			t.Errorf("/op %s: %s", name, got)
		}
	}
	if got := refusal(r.Kick(alice, "bob", "", r.now)); got != "bob is an operator; /deop bob first" {
		t.Errorf("alice kicks an operator: %s", got)
	}
	if who := r.Who(); !slices.Equal(who.Hosts, []string{"alice", "bob", "op"}) || who.From != "op" {
		t.Errorf("the operators are %q, the host is %q", who.Hosts, who.From)
	}

	r.Drop(alice, r.now)
	r.Drop(bob, r.now)
	if again, p := r.join("eve", "token-of-eve", "a"); !r.IsOperator(again) || p.welcome.Access != "operator" {
		t.Error("alice's key makes no operator of another client")
	}
	if stolen, _ := r.join("mallory", "token-of-alice", ""); r.IsOperator(stolen) {
		t.Error("alice's token makes an operator of someone without her key")
	}
	if _, err := r.Deop(op, "bob", "it is Friday", r.now); err != nil { // while away
		t.Error(err)
	}
	bob, _ = r.join("bob", "token-of-bob", "")
	if r.IsOperator(bob) || toBob.welcome.Access != "" {
		t.Error("bob is still an operator")
	}
	for name, want := range map[string]string{
		"op":  "op is an operator by the host's token, its operator secret or a key: only the host can change that",
		"bob": "bob is no operator", "carol": "no member is called carol",
	} {
		if got := refusal(r.Deop(op, name, "", r.now)); !strings.HasPrefix(got, want) {
			t.Errorf("/deop %s: %s", name, got)
		}
	}
	if notice, err := r.Op(op, "", "", r.now); notice != "operators: eve, op (host)" || err != nil {
		t.Errorf("/op: %q, %v", notice, err)
	}
	if got, want := r.acts(), []string{"op made alice an operator: until Friday", "op made bob an operator: until Friday", "op made bob an ordinary member: it is Friday"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// A client that comes back on a new connection with the operator secret, or without it, is announced with its new rank.
func TestReconnectedAsOperator(t *testing.T) {
	r := newSealedRoom(t)
	join := func(level access.Level) *Member {
		m := &Member{Peer: new(testPeer), Address: "10.0.0.1", Program: true, Level: level}
		if _, err := r.Enter(m, &wire.Request{Nick: "bob", Token: "token-of-bob"}, 1, r.now); err != nil {
			t.Fatal(err)
		}
		r.Flush(r.now)
		return m
	}
	for _, level := range []access.Level{access.Member, access.Operator, access.Operator, access.Member} {
		if m := join(level); r.IsOperator(m) != (level == access.Operator) {
			t.Errorf("with the access %v, bob is an operator: %v", level, r.IsOperator(m))
		}
	}
	if got, want := r.acts(), []string{"bob is an operator now", "bob is no longer an operator"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// The log says who did what to whom, and why, once for each act, and no address.
func TestActsAreInTheLog(t *testing.T) {
	r := newSealedRoom(t)
	op, _ := r.join("op", operatorToken, "")
	join := func(nick string) *Member { m, _ := r.join(nick, "token-of-"+nick, ""); return m }
	mallory := join("mallory")
	join("eve")
	r.Drop(join("dave"), r.now)
	admin := r.Admin()
	for _, act := range []func() (string, error){
		func() (string, error) { return r.Mute(op, "mallory", "spam", r.now) },
		func() (string, error) { return r.Unmute(op, "mallory", r.now) },
		func() (string, error) { return r.Ban(op, "dave", "he knows", r.now) },
		func() (string, error) { return r.Unban(op, "dave", r.now) },
		func() (string, error) { return r.Ban(admin, "10.6.6.6", "a flood", r.now) },
		func() (string, error) { return r.Unban(admin, "10.6.6.6", r.now) },
		func() (string, error) { return r.Kick(admin, "eve", "the leave says that", r.now) },
		func() (string, error) { return "", r.Record(admin, "limits", "changed the limit rate to 5", r.now) },
	} {
		if _, err := act(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"op muted mallory: spam", "op lifted the mute of mallory", "op banned dave: he knows", "op lifted the ban of dave",
		"host (admin) banned an address: a flood", "host (admin) lifted the ban of an address", "host (admin) changed the limit rate to 5",
	}
	if got := r.acts(); !slices.Equal(got, want) {
		t.Errorf("the log has\n%q, want\n%q", got, want)
	}
	if got := refusal("", r.Record(mallory, "limits", "changed all limits", r.now)); got != "only operators can do that" {
		t.Errorf("mallory's act is recorded: %s", got)
	}
	r.Close()
	if _, err := r.Ban(admin, "mallory", "", time.Now()); err != nil {
		t.Errorf("in a closed room: %v", err)
	}
}

// Operators in a file are few, and only those that a room could have made.
func TestOperatorsInAFile(t *testing.T) {
	records := map[string]string{
		"operator/10.0.0.7": `"x"`, "operator/client m": `"x"`, "operator/key ab": `"x"`, "operator/": `"x"`, "operator/owner x": `"x"`,
		"client/1": recordOf(`"id":"m","nick":"mallory"`),
	}
	r := hostOn(t, records)
	if m, _ := r.admit(t, "mallory", "token-of-mallory"); r.IsOperator(m) || len(r.state.operators) > 0 {
		t.Errorf("the operators are %v", r.state.operators)
	}
	key := (&subject{key: keyOf("token-of-mallory")}).operatorMark()
	records["operator/"+key] = `"once"`
	r = hostOn(t, records)
	if m, welcome := r.admit(t, "mallory", "token-of-mallory"); !r.IsOperator(m) || welcome.Access != "operator" || !slices.Equal(r.Operators(), []string{"mallory"}) {
		t.Errorf("the operators are %v", r.Operators())
	}
}
