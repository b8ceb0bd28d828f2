package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chat/relay/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHelloAndWelcome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var hello wire.Request
		c, _, end := join(t, Options{Nick: "alice", Backlog: 7}, func(h *scriptedHost) *hostEnd {
			end := h.accept()
			hello = end.want(wire.TypeHello)
			end.sendText("* Welcome to kitchen, guest-3\n10:02 <bob> a greeting for a person\n")
			end.send(welcomeTo("r1", wire.Event{Token: "secret", Topic: "soup\x1b[2J", Next: 3}))
			return end
		})
		if hello.Version != wire.Version || hello.Nick != "alice" || len(hello.Token) < 20 || hello.Room != "" ||
			hello.Since != 0 || hello.Backlog == nil || *hello.Backlog != 7 {
			t.Errorf("hello = %+v", hello)
		}
		got := nextEvent[Connected](t, c)
		if got.Resumed || got.NewRoom || got.Welcome.Title != "kitchen" {
			t.Errorf("connected = %+v", got)
		}
		if got.Welcome.Token != "" || c.Welcome().Token != "" {
			t.Error("the program can see the token")
		}
		if strings.ContainsRune(got.Welcome.Topic, 0x1b) {
			t.Errorf("topic %q is not cleaned", got.Welcome.Topic)
		}
		end.send(message(2, "before"), message(3, "red\x1b[31m"), wire.Event{Type: wire.TypePong}, wire.Event{Type: "later", ID: 4})
		for i, want := range []struct {
			past bool
			text string
		}{{true, "before"}, {false, "red␛[31m"}, {false, ""}} {
			if got := nextEvent[Received](t, c); got.Past != want.past || got.Text != want.text || got.Own {
				t.Errorf("event %d = %+v, want %+v", i, got, want)
			}
		}
		closeClient(t, c, end)
	})
}

// closeClient closes c, while end plays the host and says goodbye.
func closeClient(t *testing.T, c *Client, end *hostEnd) {
	t.Helper()
	var host sync.WaitGroup
	host.Go(func() {
		end.want(typeQuit)
		end.send(wire.Event{Type: wire.TypeBye, Code: wire.CodeQuit, Text: "goodbye"})
		end.conn.Close()
	})
	begin := time.Now()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(begin); took != 0 {
		t.Errorf("Close took %v though the host answered", took)
	}
	host.Wait()
	for range c.Events() {
	}
	if err := c.Err(); err != nil {
		t.Errorf("Err after Close = %v", err)
	}
	if _, err := c.Say(t.Context(), "late"); !errors.Is(err, ErrClosed) {
		t.Errorf("Say after Close: %v, want ErrClosed", err)
	}
}

func TestJoinRefused(t *testing.T) {
	tests := []struct {
		name string
		host func(*hostEnd)
		code wire.Code
		text string
		is   error
	}{
		{"in words", func(h *hostEnd) { h.sendText("! the room is full\n") }, "", "the room is full", nil},
		{"in words after a greeting", func(h *hostEnd) { h.sendText("* hello\n! you are banned\x1b[m\n") }, "", "you are banned␛[m", nil},
		{"by code", func(h *hostEnd) {
			h.send(wire.Event{Type: wire.TypeError, Code: wire.CodeWrongRoom, Text: "this is the pantry"})
		}, wire.CodeWrongRoom, "this is the pantry", nil},
		{"by goodbye", func(h *hostEnd) {
			h.send(wire.Event{Type: wire.TypeBye, Code: wire.CodeBanned, Text: "not you"})
		}, wire.CodeBanned, "not you", nil},
		{"by something else", func(h *hostEnd) { h.sendText("SSH-2.0-OpenSSH_9.9\r\n") }, "", "", ErrNoRoom},
		{"by other JSON", func(h *hostEnd) { h.sendText("{\"jsonrpc\":\"2.0\"}\n") }, "", "", ErrNoRoom},
		{"by silence", func(h *hostEnd) { h.wantHangUp() }, "", "", ErrNoAnswer},
		{"by silence after a greeting", func(h *hostEnd) { h.sendText("* hello\n10:02 <alice> soup\n"); h.wantHangUp() }, "", "", ErrNoAnswer},
		{"by hanging up", func(h *hostEnd) {}, "", "", errHungUp},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newScriptedHost(t)
				go func() {
					end := h.accept()
					defer end.conn.Close()
					end.want(wire.TypeHello)
					test.host(end)
				}()
				_, err := Join(t.Context(), Options{Dial: h.dial})
				if test.is != nil {
					if !errors.Is(err, test.is) {
						t.Errorf("Join: %v, want %v", err, test.is)
					}
					return
				}
				refusal, ok := errors.AsType[*RefusedError](err)
				if !ok || refusal.Code != test.code || refusal.Text != test.text {
					t.Errorf("Join: %#v, want a refusal %q %q", err, test.code, test.text)
				}
			})
		})
	}
}

func TestAcknowledgements(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		requests := []wire.Request{
			{Type: wire.TypeSay, Text: "one"},
			{Type: "nick", Nick: "al"},
			{Type: typeMe, Text: "waves"},
			{Type: typeCommand, Text: "/who"},
			{Type: typeCommand, Text: "/msg bob hi"},
		}
		var want []uint64
		for _, r := range requests {
			seq, err := c.Do(t.Context(), r)
			if err != nil {
				t.Fatalf("Do %+v: %v", r, err)
			}
			want = append(want, seq)
		}
		var got []uint64
		for _, r := range requests {
			got = append(got, end.want(r.Type).Seq)
		}
		if !slices.Equal(got, want) || want[0] == 0 || want[1] != 0 || want[2] <= want[0] || want[3] != 0 || want[4] <= want[2] {
			t.Errorf("seqs sent %v, returned %v", got, want)
		}
		if n := c.Unacked(); n != 3 {
			t.Errorf("%d unacknowledged, want 3", n)
		}
		end.send(
			wire.Event{Type: wire.TypeMessage, ID: 1, Client: "me", Seq: want[0], Text: "one"},
			wire.Event{Type: wire.TypeNick, ID: 2, Client: "me", From: "alice", Nick: "al"},
			wire.Event{Type: wire.TypeAction, ID: 3, Client: "bob", Seq: want[2], Text: "not ours"},
			wire.Event{Type: wire.TypeError, Seq: want[2], Code: wire.CodeMuted, Text: "you are muted"},
		)
		for i, own := range []bool{true, true, false, false} {
			if e := nextEvent[Received](t, c); e.Own != own {
				t.Errorf("event %d: own = %v", i, e.Own)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.Flush(ctx)
		rejected, ok := errors.AsType[*RejectedError](err)
		if !errors.Is(err, context.DeadlineExceeded) || !ok || rejected.Count != 1 || rejected.Rejections[0].Said != "waves" {
			t.Errorf("Flush: %v", err)
		}
		if list := c.Pending(); len(list) != 1 || list[0].Text != "/msg bob hi" {
			t.Errorf("pending %+v", list)
		}
		end.send(wire.Event{Type: wire.TypePrivate, Client: "me", From: "al", To: "bob", Seq: want[4], Text: "hi"})
		nextEvent[Received](t, c)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("Flush when all is acknowledged: %v", err)
		}
		closeClient(t, c, end)
	})
}

func TestTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		if _, err := c.Say(t.Context(), strings.Repeat("x", MaxRequest)); !errors.Is(err, ErrTooLong) {
			t.Errorf("Say: %v, want ErrTooLong", err)
		}
		closeClient(t, c, end)
	})
}

func TestLineDroppedUnread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		for _, text := range []string{"short", strings.Repeat("long", 5000), "short"} {
			if _, err := c.Say(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		first := end.want(wire.TypeSay)
		end.want(wire.TypeSay)
		third := end.want(wire.TypeSay)
		end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeTooLong, Text: "a line was dropped"}, said(1, first), said(2, third))
		rejected, ok := errors.AsType[*RejectedError](c.Flush(t.Context()))
		if !ok || rejected.Count != 1 || rejected.Rejections[0].Seq != 2 {
			t.Errorf("rejected %+v, want the long one", rejected)
		}
		closeClient(t, c, end)
	})
}

func TestSayBlocksWhenTooMuchIsUnacknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{MaxUnacked: 2}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		for n := range 2 {
			if _, err := c.Say(t.Context(), lineOf(n)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Say(ctx, "third"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("third Say: %v, want to wait until the deadline", err)
		}
		go func() {
			for range 3 {
				r := end.want(wire.TypeSay)
				time.Sleep(time.Second / 2)
				end.send(said(r.Seq, r))
			}
		}()
		if _, err := c.Say(t.Context(), "third"); err != nil {
			t.Errorf("third Say: %v", err)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeClient(t, c, end)
	})
}

func TestPingFindsDeadHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		begin := time.Now()
		for range 3 { // an idle room is not dead
			end.want(wire.TypePing)
			end.send(wire.Event{Type: wire.TypePong})
		}
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("three pings in %v, want 30s", took)
		}
		end.want(wire.TypePing)
		if e := nextEvent[Disconnected](t, c); !errors.Is(e.Err, errSilent) {
			t.Errorf("disconnected: %v", e.Err)
		}
		if took := time.Since(begin); took != 50*time.Second {
			t.Errorf("found dead after %v, want 50s", took)
		}
		end = h.welcome(wire.Event{})
		nextEvent[Connected](t, c)
		closeClient(t, c, end)
	})
}

// On a slow line, or with a slow host, patience is three times the time of an answer.
func TestPatienceOnASlowLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const answer = 2500 * time.Millisecond
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd {
			end := h.accept()
			end.want(wire.TypeHello)
			time.Sleep(answer)
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		nextEvent[Connected](t, c)
		begin := time.Now()
		c.Say(t.Context(), "one")
		end.want(wire.TypeSay)
		end.want(wire.TypePing)
		nextEvent[Disconnected](t, c)
		if took := time.Since(begin); took != 6*answer {
			t.Errorf("found dead after %v, want %v", took, 6*answer)
		}
		end = h.welcome(wire.Event{})
		nextEvent[Connected](t, c)
		end.send(said(1, end.want(wire.TypeSay)))
		nextEvent[Received](t, c)
		closeClient(t, c, end)
	})
}

// While a message is unacknowledged, a silent host is pinged sooner and given up sooner;
// further messages do not delay that.
func TestDeadHostIsFoundSoonerBySenders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		time.Sleep(4 * time.Second) // the reader is waiting
		begin := time.Now()
		c.Say(t.Context(), "one")
		first := end.want(wire.TypeSay)
		for range 2 { // a slow host is not dead
			end.want(wire.TypePing)
			end.send(wire.Event{Type: wire.TypePong})
		}
		if took := time.Since(begin); took != 2*hurriedIdle {
			t.Errorf("two pings in %v, want %v", took, 2*hurriedIdle)
		}
		end.send(said(1, first))
		nextEvent[Received](t, c)
		begin = time.Now()
		end.want(wire.TypePing)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("an idle client pings after %v, want 10s", took)
		}
		end.send(wire.Event{Type: wire.TypePong})

		begin = time.Now()
		go func() {
			for n := range 5 {
				c.Say(t.Context(), lineOf(n))
				time.Sleep(time.Second)
			}
		}()
		go func() {
			for range 6 {
				end.lines.ReadLine()
			}
		}()
		nextEvent[Disconnected](t, c)
		if took := time.Since(begin); took != 2*hurriedIdle {
			t.Errorf("found dead after %v, want %v", took, 2*hurriedIdle)
		}
		end = h.welcome(wire.Event{Next: 2})
		nextEvent[Connected](t, c)
		for n := range 5 {
			end.send(said(uint64(n+2), end.want(wire.TypeSay)))
			nextEvent[Received](t, c)
		}
		closeClient(t, c, end)
	})
}

// A message that the host cannot store for now is reported once, not rejected, and resent
// until it arrives.
func TestNotStoredIsRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		c.Say(t.Context(), "one")
		c.Say(t.Context(), "two")
		for try := range 10 {
			one := end.want(wire.TypeSay)
			if one.Text != "one" {
				t.Fatalf("sent %+v", one)
			}
			if try == 0 { // both were sent
				two := end.want(wire.TypeSay)
				end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Seq: one.Seq, Text: "the disk is full"},
					wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Seq: two.Seq, Text: "an earlier one is missing"})
				if e := nextEvent[Received](t, c); !e.Waits() || e.Seq != one.Seq {
					t.Errorf("got %+v, want the report", e)
				}
				continue
			}
			end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Seq: one.Seq, Text: "the disk is full"})
		}
		for id := range uint64(2) {
			end.send(said(id+1, end.want(wire.TypeSay)))
			if e := nextEvent[Received](t, c); e.ID != id+1 || !e.Own {
				t.Errorf("got %+v, want the acknowledgement", e)
			}
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeClient(t, c, end)
	})
}

func TestPauses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		end.conn.Close()
		want := firstPause
		for attempt := range 15 {
			e := nextEvent[Disconnected](t, c)
			if low, high := want*69/100, want*131/100; e.RetryIn < low || e.RetryIn > high || e.Attempt != attempt {
				t.Errorf("attempt %d in %v, want %d in %v ± 30 %%", e.Attempt, e.RetryIn, attempt, want)
			}
			want = min(time.Duration(float64(want)*pauseGrowth), maxPause)
		}
		end = h.welcome(wire.Event{})
		nextEvent[Connected](t, c)
		end.conn.Close() // at once: the pauses keep growing
		if e := nextEvent[Disconnected](t, c); e.RetryIn < maxPause/2 || e.Attempt != 0 {
			t.Errorf("a host that crashes is dialed again in %v (attempt %d)", e.RetryIn, e.Attempt)
		}
		end = h.welcome(wire.Event{})
		nextEvent[Connected](t, c)
		time.Sleep(steady - time.Second)
		end.send(message(1, "still here"))
		nextEvent[Received](t, c)
		time.Sleep(2 * time.Second)
		end.conn.Close()
		if e := nextEvent[Disconnected](t, c); e.RetryIn > 2*firstPause {
			t.Errorf("after a steady connection the first pause is %v", e.RetryIn)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{GiveUp: time.Minute}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		if _, err := c.Say(t.Context(), "lost"); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		end.conn.Close()
		var flushed error
		go func() { flushed = c.Flush(t.Context()) }()
		for range c.Events() {
		}
		if took := time.Since(begin); took < time.Minute || took > time.Minute+6*time.Second {
			t.Errorf("gave up after %v, want a minute", took)
		}
		synctest.Wait()
		if !errors.Is(c.Err(), ErrGaveUp) || !errors.Is(flushed, ErrGaveUp) {
			t.Errorf("Err = %v, Flush = %v; want ErrGaveUp", c.Err(), flushed)
		}
		if err := c.Close(); err == nil || len(c.Pending()) != 1 {
			t.Errorf("Close = %v, pending %v; want the lost message", err, c.Pending())
		}
	})
}

// Find runs beside the attempts to reconnect. An attempt that gets no answer ends when Find has
// found the room at another address.
func TestFindBesideTheFirstRedial(t *testing.T) {
	for name, delay := range map[string]time.Duration{"at once": 0, "while an attempt gets no answer": time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newScriptedHost(t)
				moved := make(chan struct{})
				c, _, end := join(t, Options{
					Addr: "old:1",
					Dial: func(ctx context.Context, addr string) (net.Conn, error) {
						select {
						case <-moved:
							if addr == "old:1" { // drops packets
								<-ctx.Done()
								return nil, ctx.Err()
							}
						default:
						}
						return h.dial(ctx, addr)
					},
					Find: func(ctx context.Context, room wire.RoomInfo) ([]string, error) {
						if room.ID != "r1" || room.Title != "kitchen" {
							t.Errorf("asked to find %+v", room)
						}
						sleep(ctx, delay)
						return []string{"new:1"}, nil
					},
				}, func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
				lost := time.Now()
				close(moved)
				end.conn.Close()
				end = h.accept()
				question := end.wantAny(wire.TypeHello)
				if !question.Probe || question.Token != "" {
					t.Errorf("hello to a found address = %+v, want a question", question)
				}
				end.send(answerTo("r1", question))
				end.want(wire.TypeHello)
				end.send(welcomeTo("r1", wire.Event{}))
				for e := range c.Events() {
					if e, ok := e.(Connected); ok && e.Resumed {
						break
					}
				}
				if took, most := time.Since(lost), max(delay, firstPause*3/2); took > most {
					t.Errorf("back after %v, want within %v", took, most)
				}
				closeClient(t, c, end)
			})
		})
	}
}

// A long pause before an attempt ends when this machine comes into another network.
func TestAnotherNetworkEndsAPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newScriptedHost(t)
		var away, network atomic.Bool
		c, _, end := join(t, Options{
			Addr: "host:1",
			Dial: func(ctx context.Context, addr string) (net.Conn, error) {
				if away.Load() {
					return nil, errors.New("network is unreachable")
				}
				return h.dial(ctx, addr)
			},
			network: func() string { return fmt.Sprint(network.Load()) },
		}, func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		away.Store(true)
		end.conn.Close()
		for e := range c.Events() {
			if e, ok := e.(Disconnected); ok && e.RetryIn > 8*time.Second {
				break
			}
		}
		time.Sleep(time.Second)
		away.Store(false)
		network.Store(true)
		back := time.Now()
		end = h.welcome(wire.Event{})
		if took := time.Since(back); took > lookEvery {
			t.Errorf("back after %v, want within %v", took, lookEvery)
		}
		for e := range c.Events() {
			if e, ok := e.(Connected); ok && e.Resumed {
				break
			}
		}
		closeClient(t, c, end)
	})
}

// Signs that the host has moved make the client ask for an answer soon: without one the
// connection is lost, with one it stays.
func TestDoubts(t *testing.T) {
	for name, answers := range map[string]bool{"no answer": false, "an answer": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLink(nil, "", 10*time.Second, new(lastTime))
				l.out = newOutbox(1)
				ours, theirs := net.Pipe()
				l.conn, l.live = ours, true
				defer theirs.Close()
				go l.write()
				defer close(l.ended)
				began := time.Now()
				time.AfterFunc(time.Second, l.doubt)
				go func() {
					buf := make([]byte, 100)
					for {
						if _, err := theirs.Read(buf); err != nil {
							return
						}
						if answers && time.Since(began) < 2*time.Second {
							io.WriteString(theirs, "{\"type\":\"pong\"}\n")
						}
					}
				}()
				buf := make([]byte, 100)
				for {
					if _, err := l.Read(buf); err != nil {
						break
					}
				}
				want := time.Second + doubtTime
				if answers {
					want = time.Second + 2*l.idle // as if there had been no doubts
				}
				if took := time.Since(began); took != want {
					t.Errorf("lost after %v, want %v", took, want)
				}
			})
		})
	}
}

func TestIsGone(t *testing.T) {
	if isGone(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}) {
		t.Error("the loopback address is gone")
	}
	if !isGone(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 77)}) { // TEST-NET-1, RFC 5737
		t.Error("an address that this machine never had is there")
	}
}

func TestResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{Nick: "alice"}, func(h *scriptedHost) *hostEnd {
			return h.welcome(wire.Event{Nick: "alice-2", Next: 5, Seq: 3})
		})
		nextEvent[Connected](t, c)
		for n := range 3 {
			if seq, err := c.Say(t.Context(), lineOf(n)); err != nil || seq != uint64(n+4) {
				t.Fatalf("Say: seq %d, %v; want one above the host's last for this token", seq, err)
			}
		}
		first := end.want(wire.TypeSay)
		end.want(wire.TypeSay)
		end.send(message(5, "x"), said(6, first))
		nextEvent[Received](t, c)
		nextEvent[Received](t, c)
		end.conn.Close()
		nextEvent[Disconnected](t, c)

		end = h.accept()
		hello := end.want(wire.TypeHello)
		if hello.Since != 6 || hello.Room != "r1" || hello.Nick != "alice" || hello.Backlog != nil {
			t.Errorf("hello = %+v", hello)
		}
		end.send(welcomeTo("r1", wire.Event{Seq: 5, Next: 9}))
		if e := nextEvent[Connected](t, c); !e.Resumed || e.NewRoom {
			t.Errorf("connected = %+v", e)
		}
		if r := end.want(wire.TypeSay); r.Text != lineOf(2) || r.Seq != 6 {
			t.Errorf("resent %+v, want only the third line, with its seq", r)
		}
		end.send(message(6, "again"), message(7, "missed"), said(9, wire.Request{Seq: 6, Text: "line 2"}))
		if e := nextEvent[Received](t, c); e.Text != "missed" || !e.Past {
			t.Errorf("after the resume: %+v", e)
		}
		if e := nextEvent[Received](t, c); !e.Own || e.Past {
			t.Errorf("own line: %+v", e)
		}
		closeClient(t, c, end)
	})
}

// A host that was restarted without a history proves that it is the same one. It gets what was
// not sent, unless it had closed the room.
func TestRestartedHostIsANewRoom(t *testing.T) {
	for name, goodbye := range map[string]bool{"killed": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, h, end := join(t, Options{Room: "r1"}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Next: 90}) })
				nextEvent[Connected](t, c)
				if _, err := c.Say(t.Context(), "kept"); err != nil {
					t.Fatal(err)
				}
				end.want(wire.TypeSay)
				end.send(message(90, "x"))
				nextEvent[Received](t, c)
				if goodbye {
					end.send(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "back soon"})
					if e := nextEvent[Received](t, c); e.Type != wire.TypeBye {
						t.Errorf("got %+v, want the goodbye", e)
					}
				} else {
					end.conn.Close()
				}
				if e := nextEvent[Disconnected](t, c); hasCode(e.Err, wire.CodeShutdown) != goodbye {
					t.Errorf("disconnected: %v", e.Err)
				}

				end = h.accept()
				question := end.wantAny(wire.TypeHello)
				if !question.Probe || question.Room != "r1" || question.Client != "me" || !wire.IsNonce(question.Nonce) || question.Token != "" {
					t.Errorf("question = %+v", question)
				}
				end.send(answerTo("r2", question))
				if hello := end.wantAny(wire.TypeHello); hello.Room != "r2" || hello.Since != 0 || hello.Token == "" || hello.Token == c.Identity().Token {
					t.Errorf("hello = %+v", hello)
				}
				end.send(welcomeTo("r2", wire.Event{Title: "renamed"}))
				if goodbye {
					if e := nextEvent[Received](t, c); e.Code != CodeNotSent || e.Seq != 1 {
						t.Errorf("got %+v, want that the message was not sent", e)
					}
				}
				if e := nextEvent[Connected](t, c); !e.Resumed || !e.NewRoom {
					t.Errorf("connected = %+v", e)
				}
				if goodbye {
					if _, err := c.Say(t.Context(), "new"); err != nil {
						t.Fatal(err)
					}
				}
				r := end.want(wire.TypeSay)
				end.send(said(1, r))
				if e := nextEvent[Received](t, c); e.ID != 1 || e.Text != map[bool]string{false: "kept", true: "new"}[goodbye] || !e.Own {
					t.Errorf("the first message of the new room: %+v", e)
				}
				closeClient(t, c, end)
			})
		})
	}
}

func TestMessageToClosingHostIsResent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		if _, err := c.Say(t.Context(), "late"); err != nil {
			t.Fatal(err)
		}
		r := end.want(wire.TypeSay)
		end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeShutdown, Seq: r.Seq, Text: "the room closes; this was not sent"})
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		end = h.welcome(wire.Event{})
		nextEvent[Connected](t, c)
		if again := end.want(wire.TypeSay); again != r {
			t.Errorf("resent %+v, want %+v", again, r)
		}
		end.send(said(1, r))
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeClient(t, c, end)
	})
}

func TestFinalGoodbyes(t *testing.T) {
	for _, code := range []wire.Code{wire.CodeKicked, wire.CodeReplaced, wire.CodeBanned} {
		for _, kind := range []string{wire.TypeBye, wire.TypeError} {
			t.Run(string(code)+" by "+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
					end.send(wire.Event{Type: kind, Code: code, Text: "out"})
					end.conn.Close()
					for range c.Events() {
					}
					if !hasCode(c.Err(), code) {
						t.Errorf("Err = %v", c.Err())
					}
					if _, err := c.Say(t.Context(), "x"); !hasCode(err, code) {
						t.Errorf("Say: %v", err)
					}
					c.Close()
				})
			})
		}
	}
}

// An event ID that the log cannot have reached hides none of the later events, on this
// connection or the next. In TestOddIDs the first welcome has such an ID.
func TestImplausibleID(t *testing.T) {
	const odd = 1<<53 - 1
	for _, test := range []struct {
		name string
		next uint64 // in the welcome after the reconnect
	}{{"and an honest welcome", 8}, {"and a welcome that agrees with it", odd + 1}} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Next: 5}) })
				nextEvent[Connected](t, c)
				end.send(message(5, "x"), message(odd, "from nowhere"))
				wantIDs(t, c, 5, odd)
				end.conn.Close()
				nextEvent[Disconnected](t, c)
				end = h.accept()
				if hello := end.want(wire.TypeHello); hello.Since != 5 {
					t.Errorf("resumed after event %d, want 5", hello.Since)
				}
				end.send(welcomeTo("r1", wire.Event{Next: test.next}))
				nextEvent[Connected](t, c)
				end.send(message(5, "seen"), message(6, "missed"), message(7, "missed"), message(8, "new"))
				wantIDs(t, c, 6, 7, 8)

				end.send(message(odd, "from nowhere, again"))
				wantIDs(t, c, odd)
				end.conn.Close()
				nextEvent[Disconnected](t, c)
				end = h.accept()
				if hello := end.want(wire.TypeHello); hello.Since != 8 {
					t.Errorf("resumed after event %d, want 8", hello.Since)
				}
				end.send(welcomeTo("r1", wire.Event{Next: 9}))
				nextEvent[Connected](t, c)
				closeClient(t, c, end)
			})
		})
	}
}

// A room that is busy, or was for long, has high IDs: they count.
func TestPlausibleIDs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Next: 1 << 40}) })
		nextEvent[Connected](t, c)
		last := uint64(1<<40 + eventsAtOnce)
		end.send(message(last, "a burst"))
		wantIDs(t, c, last)
		time.Sleep(9 * time.Second)
		last += 9 * eventsPerSecond
		end.send(message(last, "a busy room"))
		wantIDs(t, c, last)
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		end = h.accept()
		if hello := end.want(wire.TypeHello); hello.Since != last {
			t.Errorf("resumed after event %d, want %d", hello.Since, last)
		}
		end.send(welcomeTo("r1", wire.Event{Next: last + 1}))
		nextEvent[Connected](t, c)
		closeClient(t, c, end)
	})
}

// wantIDs takes events from the client and checks their IDs.
func wantIDs(t *testing.T, c *Client, ids ...uint64) {
	t.Helper()
	for _, id := range ids {
		if e := nextEvent[Received](t, c); e.ID != id {
			t.Fatalf("got %+v, want the event %d", e, id)
		}
	}
}

// A welcome with a wrong next ID, and events with odd IDs, hide no later events.
func TestOddIDs(t *testing.T) {
	const odd = 1<<53 - 1
	for _, options := range []Options{{}, {Backlog: -1}} {
		bubble(t, func(t *testing.T) {
			c, h, end := join(t, options, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Next: odd}) })
			nextEvent[Connected](t, c)
			reconnect := func(since, next uint64) {
				t.Helper()
				end.conn.Close()
				nextEvent[Disconnected](t, c)
				end = h.accept()
				if hello := end.want(wire.TypeHello); hello.Since != since {
					t.Errorf("asked for events after %d, want %d", hello.Since, since)
				}
				end.send(welcomeTo("r1", wire.Event{Next: next}))
				nextEvent[Connected](t, c)
			}
			end.send(message(5, "x"), message(odd, "x"), message(6, "x"))
			wantIDs(t, c, 5, odd, 6)
			reconnect(6, 9)
			end.send(message(6, "was seen"), message(8, "x"), message(odd, "x"))
			wantIDs(t, c, 8, odd)
			reconnect(8, 10)
			end.send(message(9, "missed"), message(10, "x"))
			wantIDs(t, c, 9, 10)
			closeClient(t, c, end)
		})
	}
}

func TestGapResends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		c.Say(t.Context(), "stored")
		first := end.want(wire.TypeSay)
		end.send(wire.Event{Type: wire.TypeGap, Missed: 12})
		if again := end.want(wire.TypeSay); again != first {
			t.Errorf("resent %+v as %+v", first, again)
		}
		end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeDuplicate, Seq: first.Seq, Text: "already stored"})
		if e := nextEvent[Received](t, c); e.Type != wire.TypeGap {
			t.Errorf("got %+v, want the gap", e)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("Flush: %v; a duplicate is an acknowledgement", err)
		}
		closeClient(t, c, end)
	})
}

func TestSlowProgramStopsTheReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		var sent atomic.Int64
		go func() {
			for id := range uint64(1000) {
				e := message(id+1, "flood")
				if _, err := end.conn.Write(e.AppendJSON(nil)); err != nil {
					return
				}
				sent.Add(1)
			}
		}()
		time.Sleep(time.Hour) // no pings, and no host is given up: we are the slow side
		if n := sent.Load(); n < eventsAhead || n > eventsAhead+10 {
			t.Errorf("read %d events ahead, want about %d", n, eventsAhead)
		}
		nextEvent[Connected](t, c)
		for id := range uint64(1000) {
			if e := nextEvent[Received](t, c); e.ID != id+1 {
				t.Fatalf("event %d came as %+v", id+1, e)
			}
		}
		closeClient(t, c, end)
	})
}

func TestCloseWithoutReaderOrHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		var flood sync.WaitGroup
		flood.Go(func() {
			for id := uint64(1); ; id++ {
				time.Sleep(time.Millisecond) // in a bubble time passes only while all goroutines wait
				e := message(id, "flood")
				if _, err := end.conn.Write(e.AppendJSON(nil)); err != nil {
					return
				}
			}
		})
		time.Sleep(time.Second)
		begin := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != closeWait {
			t.Errorf("Close took %v, want %v", took, closeWait)
		}
		flood.Wait()
	})
}

func TestContextEndsTheClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := newScriptedHost(t)
		go h.welcome(wire.Event{})
		c, err := Join(ctx, Options{Dial: h.dial})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for range c.Events() {
		}
		if !errors.Is(c.Err(), context.Canceled) {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// Wherever connections break, each message arrives once and in order, and each event is
// delivered once and in order.
func TestNoLossNoDoublesOnBrokenConnections(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { sayThroughBreaks(t, newSmallRoom(seed, 100+int(seed)*60), Seal{}) })
		})
	}
}

// So it is in a sealed room, whose handshakes break too.
func TestNoLossNoDoublesOnBrokenSealedConnections(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				r := newSmallRoom(seed, 4000+int(seed)*500) // a handshake takes 1,500 bytes
				r.config = h.config
				sayThroughBreaks(t, r, Seal{Pin: h.pin, Secret: testSecret})
			})
		})
	}
}

func sayThroughBreaks(t *testing.T, r *smallRoom, seal Seal) {
	const lines = 300
	var c *Client
	var err error
	for c == nil { // Join makes only one attempt
		c, err = Join(t.Context(), Options{Dial: r.dial, MaxUnacked: 50, Backlog: 1000, Seal: seal})
		if err != nil && r.dials > 100 {
			t.Fatal(err)
		}
	}
	var delivered []wire.Event
	var reading sync.WaitGroup
	reading.Go(func() {
		for e := range c.Events() {
			if e, ok := e.(Received); ok && e.ID != 0 {
				delivered = append(delivered, e.Event)
			}
		}
	})
	for n := range lines {
		if _, err := c.Say(t.Context(), lineOf(n)); err != nil {
			t.Fatal(err)
		}
		if n%7 == 0 {
			r.say(message(0, "chatter"))
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("Flush: %v", err)
	}
	r.mu.Lock()
	r.cut = 0
	r.mu.Unlock()
	time.Sleep(10 * time.Minute) // until it has reconnected and caught up
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	reading.Wait()
	r.serving.Wait()

	var own []string
	for _, text := range r.texts() {
		if text != "chatter" {
			own = append(own, text)
		}
	}
	for n := range max(lines, len(own)) {
		if n >= len(own) || n >= lines || own[n] != lineOf(n) {
			t.Fatalf("line %d of %d in the log is wrong: %q", n, len(own), own[min(n, len(own)-1)])
		}
	}
	if len(delivered) != len(r.log)-1 {
		t.Errorf("%d events delivered, %d in the log", len(delivered), len(r.log))
	}
	for i, e := range delivered {
		if e.ID != uint64(i+2) {
			t.Fatalf("event %d came in place of %d", e.ID, i+2)
		}
	}
	t.Logf("%d connections", r.dials)
}

func TestFlushReturnsRejections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newSmallRoom(1, 0)
		c, err := Join(t.Context(), Options{Dial: r.dial})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range c.Events() {
			}
		}()
		for _, text := range []string{"good", "bad", "good", "bad"} {
			if _, err := c.Say(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		err = c.Flush(t.Context())
		rejected, ok := errors.AsType[*RejectedError](err)
		if !ok || rejected.Count != 2 || rejected.Rejections[1].Seq != 4 || !strings.Contains(err.Error(), "mind your words") {
			t.Errorf("Flush: %v", err)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("second Flush: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		r.serving.Wait()
	})
}

// Reading history changes neither the client's place in the log nor acknowledgements.
func TestReadingHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Next: 50}) })
		me := nextEvent[Connected](t, c).Welcome.Client
		end.send(message(50, "new"))
		nextEvent[Received](t, c)
		if _, err := c.Say(t.Context(), "pending"); err != nil {
			t.Fatal(err)
		}
		sent := end.want(wire.TypeSay)
		if _, err := c.Do(t.Context(), wire.Request{Type: wire.TypeHistory, Before: 50, Count: 2}); err != nil {
			t.Fatal(err)
		}
		if r := end.want(wire.TypeHistory); r.Before != 50 || r.Count != 2 || r.Seq != 0 {
			t.Errorf("request = %+v", r)
		}
		ours, theirs := said(48, sent), message(99, "red\x1b[31m")
		end.send(wire.Event{Type: wire.TypeHistory, Before: 50, Events: wire.History{ours, theirs}})
		got := nextEvent[Received](t, c)
		if got.Type != wire.TypeHistory || got.Before != 50 || got.Own || got.Past || len(got.Events) != 2 {
			t.Fatalf("got %+v", got)
		}
		if old := got.Events[0]; old.ID != 48 || old.Client != me || old.Text != "pending" {
			t.Errorf("ours came back as %+v", old)
		}
		if old := got.Events[1]; old.Client == me || old.Text != "red␛[31m" {
			t.Errorf("another's came back as %+v", old)
		}
		if n := c.Unacked(); n != 1 {
			t.Errorf("%d unacknowledged after a history, want 1", n)
		}
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		end = h.accept()
		if hello := end.want(wire.TypeHello); hello.Since != 50 {
			t.Errorf("resumed after %d, want 50", hello.Since)
		}
		end.send(welcomeTo("r1", wire.Event{Next: 51}))
		nextEvent[Connected](t, c)
		end.send(said(51, end.want(wire.TypeSay)))
		if got := nextEvent[Received](t, c); got.ID != 51 || !got.Own {
			t.Errorf("got %+v", got)
		}
		closeClient(t, c, end)
	})
}

// The longest possible history is read as one line.
func TestLongHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		longest := message(1, strings.Repeat("x", 3<<20))
		end.send(wire.Event{Type: wire.TypeHistory, Events: wire.History{longest}})
		if got := nextEvent[Received](t, c); len(got.Events) != 1 || len(got.Events[0].Text) != 3<<20 {
			t.Errorf("got %d events", len(got.Events))
		}
		closeClient(t, c, end)
	})
}

// A hostile host cannot fill the memory with members, or with one member's name. The count
// stays right.
func TestMemberListsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		long := strings.Repeat("x", 1<<20)
		many := []string{"bob", long, "carol"}
		for n := range 100_000 {
			many = append(many, fmt.Sprint("member-", n))
		}
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd {
			return h.welcome(wire.Event{Members: many, Hosts: []string{long, "bob"}})
		})
		check := func(e wire.Event) {
			t.Helper()
			if n := len(e.Members); n != wire.MaxMembers-1 || e.Members[0] != "bob" || e.Members[1] != "carol" {
				t.Errorf("%d names, want %d, from bob and carol on", n, wire.MaxMembers-1)
			}
			if e.Count != len(many) || !slices.Equal(e.Hosts, []string{"bob"}) {
				t.Errorf("a count of %d and %d hosts, want %d and bob", e.Count, len(e.Hosts), len(many))
			}
		}
		check(nextEvent[Connected](t, c).Welcome)
		check(c.Welcome())
		end.send(wire.Event{Type: wire.TypeJoin, ID: 1, Members: many, Hosts: []string{long, "bob"}})
		check(nextEvent[Received](t, c).Event)
		end.send(wire.Event{Type: wire.TypeHistory, Events: wire.History{{Type: wire.TypeJoin, Members: many[:3]}}})
		if old := nextEvent[Received](t, c).Events[0]; !slices.Equal(old.Members, []string{"bob", "carol"}) || old.Count != 3 {
			t.Errorf("in a history: %d names of %d", len(old.Members), old.Count)
		}
		for _, count := range []int{-1, math.MaxInt} {
			end.send(wire.Event{Type: wire.TypeJoin, Members: []string{"dave"}, Count: count})
			if e := nextEvent[Received](t, c); e.Count < 0 || e.Count > maxCount {
				t.Errorf("a count of %d was accepted", e.Count)
			}
		}
		closeClient(t, c, end)
	})
}

// The list of uploads is bounded in number and in text.
func TestFileListIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		upload := func(id uint64, name string) {
			e := message(id, "sent a file")
			e.File = &wire.File{Number: id, Name: name, SHA256: strings.Repeat("0", 64)}
			end.send(e)
			nextEvent[Received](t, c)
		}
		upload(1, strings.Repeat("x", 1<<20))
		if list := c.Files(); len(list) != 0 {
			t.Errorf("kept a file whose name has %d bytes", len(list[0].Name))
		}
		for id := range uint64(maxFiles + 10) {
			upload(id+2, "soup.pdf")
		}
		if list := c.Files(); len(list) != maxFiles || list[0].Number != 12 || list[maxFiles-1].Number != maxFiles+11 {
			t.Errorf("kept %d files, from %d on", len(list), list[0].Number)
		}
		closeClient(t, c, end)
	})
}
