package room

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// A silentPeer is a connection that takes everything and keeps only its welcomes.
type silentPeer struct{ welcome wire.Event }

func (p *silentPeer) Start(welcome wire.Event, _, _ uint64, _ history.View) { p.welcome = welcome }
func (p *silentPeer) Deliver(*wire.Event, string) bool                      { return true }
func (p *silentPeer) Ignore(map[history.Author]bool)                        {}
func (p *silentPeer) End(wire.Event)                                        {}

// hostOn returns a room in memory, with the state of the records as a file would have them.
func hostOn(t *testing.T, records map[string]string) *Room {
	t.Helper()
	fold, err := NewFold(func(load func(string, []byte) error) error {
		for key, value := range records {
			if err := load(key, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	log := history.New(history.Limits{}, func([]history.Waiter) {})
	return newRoom(Options{ID: "room", HostToken: "token-of-the-host", FlushIn: func(time.Duration) {}}, log, fold.state.clone())
}

func (r *Room) admit(t *testing.T, nick, token string) (*Member, wire.Event) {
	t.Helper()
	p := new(silentPeer)
	m := &Member{Peer: p, Program: true}
	if _, err := r.Enter(m, &wire.Request{Nick: nick, Token: token}, 1, time.Now()); err != nil {
		t.Fatalf("%s is kept out: %v", nick, err)
	}
	return m, p.welcome
}

// recordOf returns the record of the client with the token "token-of-mallory".
func recordOf(fields string) string {
	key := keyOf("token-of-mallory")
	return fmt.Sprintf(`{"key":"%s",%s}`, hex.EncodeToString(key[:]), fields)
}

// A file that a stranger made gives nobody the rights of an operator, and keeps nobody out whom
// no one can let in again.
func TestFileOfAStranger(t *testing.T) {
	r := hostOn(t, map[string]string{
		"client/1":    recordOf(`"id":"m","nick":"mallory","operator":true`),
		"ban/client ": `"x"`, "ban/": `"x"`, "ban/10.0.0.7": `""`, "mute/client ": `"x"`,
	})
	mallory, _ := r.admit(t, "mallory", "token-of-mallory")
	if r.IsOperator(mallory) {
		t.Error("a client is an operator because the file says so")
	}
	host, _ := r.admit(t, "host", "token-of-the-host")
	if err := r.Post(mallory, wire.TypeMessage, 1, "soup", time.Now()); err != nil {
		t.Errorf("a mute without an ID mutes all: %v", err)
	}
	if r.Admit("10.0.0.7") == nil {
		t.Error("a ban without a nick is not in force")
	}
	if _, err := r.Unban(host, "10.0.0.7", time.Now()); err != nil || r.Admit("10.0.0.7") != nil {
		t.Errorf("a ban without a nick is not lifted: %v", err)
	}
	if _, err := r.Ban(host, "mallory", "", time.Now()); err != nil {
		t.Errorf("a client that the file calls an operator cannot be banned: %v", err)
	}
}

// Values that no room gives a client are repaired.
func TestClientOfAStranger(t *testing.T) {
	for _, fields := range []string{
		`"id":"","nick":"mallory"`, `"id":"a\nb","nick":"<host>"`, `"id":"` + strings.Repeat("x", 1<<20) + `","nick":"host"`,
		`"id":"x","nick":"` + strings.Repeat("x", 1<<20) + `","wanted":"` + strings.Repeat("x", 1<<20) + `"`,
		`"id":"x","nick":"guest-00","waiting":-1000000`, `"id":"x","nick":"guest-99999999999999999999"`,
	} {
		r := hostOn(t, map[string]string{"client/1": recordOf(fields), "topic": `"` + strings.Repeat("x", 1<<20) + `"`})
		_, welcome := r.admit(t, r.state.clients[1].Wanted, "token-of-mallory")
		if welcome.Client == "" || len(welcome.Client) > 64 || strings.Contains(welcome.Client, "\n") {
			t.Errorf("%.60s: its ID is %.60q", fields, welcome.Client)
		}
		if _, err := text.NormalizeNick(welcome.Nick); err != nil && !text.IsGuest(welcome.Nick) {
			t.Errorf("%.60s: its nick is %.60q", fields, welcome.Nick)
		}
		if len(welcome.Topic) > MaxTopic || r.state.clients[1].Waiting < 0 {
			t.Errorf("%.60s: a topic of %d bytes, %d messages wait", fields, len(welcome.Topic), r.state.clients[1].Waiting)
		}
	}
}

// Of thousands of rejected numbers in a record the newest are kept.
func TestRejectedNumbersOfAStranger(t *testing.T) {
	var numbers []string
	for n := range 10_000 {
		numbers = append(numbers, fmt.Sprintf(`"%d":"muted"`, n+1))
	}
	s := hostOn(t, map[string]string{"client/1": recordOf(`"id":"m","nick":"m","rejected":{` + strings.Join(numbers, ",") + `}`)}).state
	if c := s.clients[1]; len(c.Rejected) != maxRejected || c.Rejected[10_000] != wire.CodeMuted {
		t.Errorf("%d rejected numbers are kept", len(c.Rejected))
	}
}

// A file with more clients than a room remembers is damaged: opening it would take long.
func TestMillionsOfClients(t *testing.T) {
	_, err := NewFold(func(load func(string, []byte) error) error {
		for n := range maxStored + 1 {
			if err := load(fmt.Sprintf("client/%d", n+1), fmt.Appendf(nil, `{"key":"%064x","id":"x","nick":"%d"}`, n, n)); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, history.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// Connections that were lost when the clock was ahead reserve no nick until then.
func TestReservedWhenTheClockWasAhead(t *testing.T) {
	s := NewState()
	at := time.Now()
	s.apply(nil, &hidden{Type: hiddenClient, Author: 1, ID: "a", Nick: "alice", Presence: dropped, At: millisOf(at.AddDate(1, 0, 0))}, history.Origin{})
	if s.reservation(text.NickKey("alice"), at) != nil {
		t.Error("alice is reserved for a year")
	}
}

// A connection whose client has said hello on another one cannot change the client's nick.
func TestRenameOnAReplacedConnection(t *testing.T) {
	r := hostOn(t, nil)
	m, _ := r.admit(t, "alice", "token-of-alice")
	if _, err := r.TakeOver(new(Member), &wire.Request{Token: "token-of-alice"}); err != nil {
		t.Fatal(err)
	}
	if nick, err := r.Rename(m, "mallory", 0, time.Now()); err == nil {
		t.Errorf("it is %s now", nick)
	}
	if who := r.Who(); !slices.Equal(who.Members, []string{"alice"}) {
		t.Errorf("the members are %q", who.Members)
	}
}

// Members are told once a minute that the disk is slow; those who come meanwhile are told at once.
func TestNotifySlow(t *testing.T) {
	r := hostOn(t, nil)
	var peers []*testPeer
	enter := func() {
		p := new(testPeer)
		if _, err := r.Enter(&Member{Peer: p, Program: true}, &wire.Request{}, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, p)
	}
	now := time.Now()
	enter()
	for i, test := range []struct {
		after time.Duration
		enter bool
		want  []int // notices of each member, in all
	}{{0, false, []int{1}}, {time.Second, true, []int{1, 1}}, {slowEvery - time.Second, false, []int{2, 1}}, {slowEvery, false, []int{3, 2}}} {
		if test.enter {
			enter()
		}
		now = now.Add(test.after)
		r.NotifySlow("it is slow", now)
		for n, p := range peers {
			got := 0
			for _, e := range p.delivered {
				if e.Type == wire.TypeNotice && strings.Contains(e.Text, "slow") {
					got++
				}
			}
			if got != test.want[n] {
				t.Errorf("step %d: member %d was told %d times, want %d", i, n, got, test.want[n])
			}
		}
	}
}
