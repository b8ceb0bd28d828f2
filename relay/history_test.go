package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// askHistory asks for the messages before an ID, and returns the line of the answer.
func (p *peer) askHistory(before uint64, count int) (line string, e wire.Event) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"type":"history","before":%d,"count":%d}`, before, count))
	for {
		line = p.line()
		e = wire.Event{}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("%s got %.100q: %v", p.name, line, err)
		}
		if e.Type == wire.TypeHistory {
			return line, e
		}
	}
}

// texts returns the texts of events.
func texts(events []wire.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Text)
	}
	return list
}

func TestHistory(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		alice.send("one", "/me twos", "/msg bob psst", "/topic lunch")
		bob.expect("lunch")
		bob.send("three\tlines")
		alice.expect("three")
		p, welcome := program(t, srv, `{"type":"hello","nick":"p","backlog":0}`)

		line, all := p.askHistory(0, 0)
		if got := texts(all.Events); !slices.Equal(got, []string{"one", "twos", "three\tlines"}) || all.Before != 0 {
			t.Errorf("answer %s", line)
		}
		first, second, third := all.Events[0], all.Events[1], all.Events[2]
		if first.Type != wire.TypeMessage || second.Type != wire.TypeAction || first.From != "alice" || first.Client == "" ||
			first.Time.IsZero() || first.ID == 0 || third.ID >= welcome.Next {
			t.Errorf("answer %s", line)
		}
		for _, test := range []struct {
			name   string
			before uint64
			count  int
			want   []string
		}{
			{"from the end, fewer than there are", 0, 2, []string{"twos", "three\tlines"}},
			{"before the last", third.ID, 50, []string{"one", "twos"}},
			{"one before the last", third.ID, 1, []string{"twos"}},
			{"before the first", first.ID, 50, nil},
			{"before what there is", 1, 50, nil},
			{"before what will be", 1 << 53, 1, []string{"three\tlines"}},
			{"before anything there can be", 1<<64 - 1, 1, []string{"three\tlines"}},
			{"more than may be", 0, math.MaxInt32, []string{"one", "twos", "three\tlines"}},
		} {
			line, e := p.askHistory(test.before, test.count)
			if !slices.Equal(texts(e.Events), test.want) || e.Before != test.before {
				t.Errorf("%s: answer %s, want %q", test.name, line, test.want)
			}
		}
		p.send(`{"type":"history","count":-1}`, `{"type":"history","before":-1}`, `{"type":"history","count":"all"}`)
		for _, want := range []wire.Code{wire.CodeBadRequest, wire.CodeBadJSON, wire.CodeBadJSON} {
			if e := p.expectEvent(wire.TypeError); e.Code != want {
				t.Errorf("got %+v, want the error %s", e, want)
			}
		}
		p.send(`{"type":"command","text":"/history 1"}`)
		if e := p.expectEvent(wire.TypeHistory); !slices.Equal(texts(e.Events), []string{"three\tlines"}) {
			t.Errorf("/history 1 of a program: %+v", e)
		}
	})
}

// The bytes of older messages are the same as those of the live ones.
func TestHistoryIsTheSameBytes(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		p, _ := program(t, srv, hello("p"))
		p.expectEvent(wire.TypeJoin)
		p.send(`{"type":"say","seq":3,"text":"\"a\"\nb <soup>"}`)
		said := p.next(`"seq":3`)
		line, _ := p.askHistory(9, 0)
		if want := `{"type":"history","before":9,"events":[` + said + `]}`; line != want {
			t.Errorf("got  %s\nwant %s", line, want)
		}
	})
}

func TestHistoryForPeople(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		alice.send("/history")
		alice.next("* no earlier messages")
		bob := guest(t, srv, "bob")
		alice.next("* bob joined")
		for n := range 60 {
			bob.send(fmt.Sprintf("line %d", n))
			alice.next(fmt.Sprintf("<bob> line %d", n))
		}
		alice.send("my own", "/history 3")
		bob.next("<alice> my own")
		alice.next("* 3 earlier messages:")
		for _, want := range []string{"<bob> line 58", "<bob> line 59", "<alice> my own"} {
			alice.next(want)
		}
		alice.send("/history 1")
		alice.next("* 1 earlier message:")
		alice.next("<alice> my own")
		alice.send("/history")
		alice.next("* 50 earlier messages:")
		alice.next("<bob> line 11")
		alice.expect("<alice> my own")
		alice.send("/history 0", "/history -1", "/history all", "/history 1 2", "/history 99999999999999999999")
		for range 5 {
			alice.next("! usage: /history [N]")
		}
		alice.quiet(time.Second)
		bob.quiet(time.Second) // the answer is only for alice
	})
}

func TestHistoryLeavesIgnoredOut(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		p, _ := program(t, srv, hello("p"))
		alice.expect("p joined")
		alice.send("one")
		bob.expect("one")
		bob.send("two")
		alice.expect("two")
		alice.send("three")
		bob.expect("three")
		p.send(`{"type":"ignore","nick":"bob"}`)
		p.expectEvent(wire.TypeNotice)
		if line, e := p.askHistory(0, 2); !slices.Equal(texts(e.Events), []string{"one", "three"}) {
			t.Errorf("answer %s", line)
		}
		alice.send("/ignore bob", "/history 2")
		alice.next("messages from bob are hidden")
		alice.next("2 earlier")
		alice.next("<alice> one")
		alice.next("<alice> three")
		p.send(`{"type":"unignore","nick":"bob"}`)
		p.expectEvent(wire.TypeNotice)
		if line, e := p.askHistory(0, 2); !slices.Equal(texts(e.Events), []string{"two", "three"}) {
			t.Errorf("answer %s", line)
		}
	})
}

// The history ends at the oldest event that the log has.
func TestHistoryOfADroppedRange(t *testing.T) {
	bubble(t, relay.Options{Rate: -1, History: history.Limits{Events: 80}}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		for n := range 1000 {
			alice.send(fmt.Sprintf("line %d", n))
		}
		time.Sleep(time.Second)
		p, welcome := program(t, srv, `{"type":"hello","nick":"p","backlog":0}`)
		got, before := 0, welcome.Next
		for {
			_, e := p.askHistory(before, 30)
			if len(e.Events) == 0 {
				break
			}
			if last := e.Events[len(e.Events)-1]; last.ID != before-1 {
				t.Errorf("before %d comes %d", before, last.ID)
			}
			got, before = got+len(e.Events), e.Events[0].ID
		}
		if got < 80 || got > 100 {
			t.Errorf("read back %d messages, want the 80 to 90 that are kept", got)
		}
		if line, e := p.askHistory(before-100, 30); len(e.Events) > 0 {
			t.Errorf("got %s for dropped events", line)
		}
	})
}

// The size of an answer is limited, and continuing before its first message misses none. A
// message longer than the limit is an answer of its own.
func TestHistoryIsBounded(t *testing.T) {
	bubble(t, relay.Options{Rate: -1, Backlog: -1, MaxText: 300 << 10, MaxJSONLine: 1 << 20}, func(t *testing.T, srv *relay.Server) {
		p, _ := program(t, srv, hello("p"))
		const messages, long = 250, 120
		for n := range messages {
			text := fmt.Sprintf("%d %s", n, strings.Repeat("x", n*50))
			if n == long {
				text += strings.Repeat("y", 290<<10)
			}
			p.send(fmt.Sprintf(`{"type":"say","text":%q}`, text))
			p.expectEvent(wire.TypeMessage)
		}
		before, next := uint64(0), messages-1
		for {
			line, e := p.askHistory(before, 1000)
			if len(e.Events) == 0 {
				break
			}
			if len(e.Events) > wire.MaxHistory || len(line) > 129<<10 && len(e.Events) > 1 {
				t.Errorf("%d events in %d bytes", len(e.Events), len(line))
			}
			for _, old := range slices.Backward(e.Events) {
				if !strings.HasPrefix(old.Text, fmt.Sprint(next, " ")) {
					t.Fatalf("got %.20q, want number %d", old.Text, next)
				}
				next--
			}
			before = e.Events[0].ID
		}
		if next != -1 {
			t.Errorf("it ends before number %d", next)
		}
	})
}

// A client that keeps asking and does not read the answers is no longer read: no more
// answers wait for it than its queue holds.
func TestHistoryWaitsForItsReader(t *testing.T) {
	bubble(t, relay.Options{Rate: -1, Backlog: -1}, func(t *testing.T, srv *relay.Server) {
		alice, _ := program(t, srv, hello("alice"))
		for range 20 {
			alice.send(fmt.Sprintf(`{"type":"say","text":%q}`, strings.Repeat("x", 10_000)))
			alice.expectEvent(wire.TypeMessage)
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		go srv.ServeConn(context.Background(), theirs)
		io.WriteString(ours, hello("stuck")+"\n")
		time.Sleep(time.Second)
		taken := 0
		for ; taken < 20; taken++ {
			ours.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := io.WriteString(ours, `{"type":"history"}`+"\n"); err != nil {
				break
			}
		}
		if taken > 4 { // two in the queue, one waiting for space there, one being read
			t.Errorf("%d requests for 120 KiB were taken from a session that reads nothing", taken)
		}
		stuck := newPeer(t, "stuck", ours)
		for range taken {
			if e := stuck.expectEvent(wire.TypeHistory); len(e.Events) != 12 {
				t.Errorf("answered with %d events, want 12", len(e.Events))
			}
		}
	})
}
