package relay_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// A slowHandler is a slog.Handler that takes its time once it is slow.
type slowHandler struct {
	slog.Handler
	slow    *atomic.Bool
	handled *atomic.Int64
}

func (h slowHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h slowHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.slow.Load() {
		h.handled.Add(1)
		time.Sleep(1500 * time.Millisecond)
	}
	return h.Handler.Handle(ctx, r)
}

func (h slowHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// A logger that blocks while members come and go delays no other member's messages.
func TestSlowLoggerDelaysNoMessages(t *testing.T) {
	// In a bubble, a goroutine that waits for a mutex stops the clock.
	watchdog := time.AfterFunc(30*time.Second, func() { panic("nothing happens any more: a line is logged under a lock") })
	defer watchdog.Stop()
	var slow atomic.Bool
	var handled atomic.Int64
	opts := relay.Options{Rate: -1, HostToken: "operators-own-token", Log: slog.New(slowHandler{slog.DiscardHandler, &slow, &handled})}
	test := func(t *testing.T, srv *relay.Server) {
		op, _ := program(t, srv, `{"type":"hello","nick":"op","token":"operators-own-token"}`)
		alice, _ := program(t, srv, hello("alice"))
		kicked := guest(t, srv, "kicked")
		leaving := []*peer{guest(t, srv, ""), guest(t, srv, ""), guest(t, srv, "")}
		time.Sleep(time.Minute)
		slow.Store(true)
		defer slow.Store(false)
		leaving[0].conn.Close()
		leaving[1].send("/quit soup")
		op.send(`{"type":"kick","nick":"kicked"}`)
		kicked.expect("you were kicked")
		for n := range 5 {
			joining := join(t, srv, "joining")
			go io.WriteString(joining.conn, hello("joining")+"\n")
			scan := join(t, srv, "scan")
			go io.WriteString(scan.conn, "SSH-2.0-x\r\n")
			time.Sleep(time.Duration(n) * 100 * time.Millisecond)
			began := time.Now()
			alice.send(fmt.Sprintf(`{"type":"say","text":"%d"}`, n))
			for _, p := range []*peer{alice, op} {
				for p.expectEvent(wire.TypeMessage).Text != fmt.Sprint(n) {
				}
			}
			if d := time.Since(began); d > 100*time.Millisecond {
				t.Errorf("message %d took %v", n, d)
			}
		}
		synctest.Wait()
		if handled.Load() < 5 {
			t.Errorf("%d lines were logged meanwhile, want 5 or more", handled.Load())
		}
	}
	t.Run("memory", func(t *testing.T) { bubble(t, opts, test) })
	t.Run("disk", func(t *testing.T) { keptRoom(t, opts, func(t *testing.T, k *kept) { test(t, k.srv) }) })
}

// Numbers that JavaScript cannot read are rejected, and broadcast to no one.
func TestHighestNumber(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		p, _ := program(t, srv, hello("p"))
		for _, seq := range []string{"9007199254740992", "18446744073709551615"} {
			for _, request := range []string{`{"type":"say","seq":%s,"text":"x"}`, `{"type":"command","seq":%s,"text":"/me x"}`, `{"type":"topic","seq":%s,"text":"x"}`} {
				p.send(fmt.Sprintf(request, seq))
				if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeBadRequest || e.Seq != 0 {
					t.Errorf("number %s: %+v", seq, e)
				}
			}
		}
		for _, seq := range []string{"18446744073709551616", "-1", "1.5", "1e300"} {
			p.send(fmt.Sprintf(`{"type":"say","seq":%s,"text":"x"}`, seq))
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeBadJSON && e.Code != wire.CodeBadRequest {
				t.Errorf("number %s: %+v", seq, e)
			}
		}
		p.send(`{"type":"say","seq":9007199254740991,"text":"x"}`)
		if e := p.expectEvent(wire.TypeMessage); e.Seq != 1<<53-1 {
			t.Errorf("the highest number came back as %d", e.Seq)
		}
	})
}

// A rejected message whose answer is lost with the connection is rejected for the same
// reason when it is sent again, though a later number was accepted; also by the next host.
func TestRejectionIsRemembered(t *testing.T) {
	const operator = "operators-own-token"
	const bob = `{"type":"hello","nick":"bob","token":"token-of-bob"}`
	files := func(string) (wire.File, error) { return wire.File{}, fs.ErrNotExist }
	keptRoom(t, relay.Options{HostToken: operator, Rate: -1, Files: files}, func(t *testing.T, k *kept) {
		op, _ := program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		program(t, k.srv, bob)
		op.send(`{"type":"mute","nick":"bob"}`)
		op.expect("bob is muted")
		p, _ := program(t, k.srv, bob) // the answers on the first connection do not arrive
		lose := func(lines ...string) {
			go io.WriteString(p.conn, strings.Join(lines, "\n")+"\n")
			time.Sleep(time.Second)
			p.conn.Close()
			p, _ = program(t, k.srv, bob)
		}
		lose(`{"type":"say","seq":1,"text":"one"}`)
		lose(`{"type":"msg","to":"no-one","seq":2,"text":"two"}`, `{"type":"send","seq":3,"file":"x"}`)
		op.send(`{"type":"unmute","nick":"bob"}`)
		op.expect("no longer muted")
		lose(`{"type":"msg","to":"no-one","seq":4,"text":"four"}`)
		p.send(`{"type":"say","seq":5,"text":"five"}`)
		p.expectEvent(wire.TypeMessage)
		for range 2 {
			p.send(`{"type":"say","seq":1,"text":"one"}`, `{"type":"msg","to":"no-one","seq":2,"text":"two"}`, `{"type":"send","seq":3,"file":"x"}`,
				`{"type":"msg","to":"no-one","seq":4,"text":"four"}`, `{"type":"say","seq":5,"text":"five"}`)
			for seq, code := range []wire.Code{wire.CodeMuted, wire.CodeMuted, wire.CodeMuted, wire.CodeNoSuchNick, wire.CodeDuplicate} {
				if e := p.expectEvent(wire.TypeError); e.Code != code || e.Seq != uint64(seq+1) {
					t.Errorf("repeated: %+v, want %s for %d", e, code, seq+1)
				}
			}
			k.restart()
			p, _ = program(t, k.srv, bob)
		}
	})
}

// HTTP visitors can be muted and banned by their nick.
func TestVisitorsAreModerated(t *testing.T) {
	const operator = "operators-own-token"
	visit := func(t *testing.T, srv *relay.Server, text string) (last wire.Event) {
		ours, theirs := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			srv.ServeVisit(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.IPv4(10, 66, 1, 2), Port: 1}}, access.Credentials{})
		}()
		p := newPeer(t, "visitor", ours)
		defer func() { ours.Close(); <-served }()
		go fmt.Fprintf(ours, "{\"type\":\"hello\",\"nick\":\"cron\",\"token\":\"token-of-cron\",\"backlog\":0}\n{\"type\":\"say\",\"seq\":%s,\"text\":\"x\"}\n", text)
		for line := range p.lines {
			e, err := wire.ParseEvent([]byte(line))
			if err != nil { // refused before the hello
				return wire.Event{Type: wire.TypeError, Text: line}
			}
			if e.Type == wire.TypeMessage || e.Type == wire.TypeError || e.Type == wire.TypeBye {
				return e
			}
		}
		return last
	}
	keptRoom(t, relay.Options{HostToken: operator, Rate: -1}, func(t *testing.T, k *kept) {
		op, _ := program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		command := func(request, want string) {
			op.send(request)
			op.expect(want)
		}
		if e := visit(t, k.srv, "1"); e.Type != wire.TypeMessage || e.From != "cron" {
			t.Fatalf("a visit: %+v", e)
		}
		command(`{"type":"mute","nick":"cron"}`, "cron is muted")
		for range 2 {
			if e := visit(t, k.srv, "2"); e.Code != wire.CodeMuted {
				t.Errorf("muted: %+v", e)
			}
			k.restart()
			op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		}
		command(`{"type":"unmute","nick":"cron"}`, "no longer muted")
		if e := visit(t, k.srv, "3"); e.Type != wire.TypeMessage {
			t.Errorf("no longer muted: %+v", e)
		}
		command(`{"type":"ban","nick":"cron"}`, "cron is banned")
		for range 2 {
			if e := visit(t, k.srv, "4"); e.Code != wire.CodeBanned {
				t.Errorf("banned: %+v", e)
			}
			k.restart()
			op, _ = program(t, k.srv, fmt.Sprintf(`{"type":"hello","nick":"op","token":%q}`, operator))
		}
		command(`{"type":"unban","nick":"cron"}`, "no longer banned")
		if e := visit(t, k.srv, "5"); e.Type != wire.TypeMessage {
			t.Errorf("no longer banned: %+v", e)
		}
	})
}

// A connection that asks for history again and again and reads nothing holds little memory.
func TestUnreadHistoryIsBounded(t *testing.T) {
	const sessions, most = 50, 300 << 10
	for name, ask := range map[string]string{
		"history of a program": hello("deaf") + "\n" + strings.Repeat(`{"type":"history","count":200}`+"\n", 50),
		"search of a program":  hello("deaf") + "\n" + strings.Repeat(`{"type":"search","text":"soup","count":200}`+"\n", 50),
		"history of a person":  strings.Repeat("/history 200\n", 50),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, relay.Options{Rate: -1, Backlog: -1}, func(t *testing.T, srv *relay.Server) {
				alice, _ := program(t, srv, hello("alice"))
				for range 300 {
					alice.send(`{"type":"say","text":"soup ` + strings.Repeat("x", 2000) + `"}`)
					alice.expectEvent(wire.TypeMessage)
				}
				before := heap()
				for range sessions {
					ours, theirs := net.Pipe()
					defer ours.Close()
					go srv.ServeConn(context.Background(), theirs)
					go io.WriteString(ours, ask)
					go io.CopyN(io.Discard, ours, 1000) // the welcome, and the start of the first reply
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				each := (heap() - before) / sessions
				t.Logf("%d KiB for each", each>>10)
				if each > most {
					t.Errorf("a session that does not read holds %d KiB, want %d at most", each>>10, most>>10)
				}
			})
		})
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
