package client

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// smallOptions returns options with which the connections with small segments are counted.
func smallOptions(h *scriptedHost, small *int) Options {
	return Options{Dial: h.dial, dialSmall: func(ctx context.Context, addr string) (net.Conn, error) {
		*small++
		return h.dial(ctx, addr)
	}}
}

// If two connections die while the same message is unanswered, the next one has small segments, and
// if that does not help, large ones again. Until an answer comes, the program knows that the
// connection is in doubt.
func TestBlackHole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, small := newScriptedHost(t), 0
		c, _, end := join(t, smallOptions(h, &small), func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		if e := nextEvent[Connected](t, c); e.SmallPackets || e.Unanswered {
			t.Errorf("at first: %+v", e)
		}
		if _, err := c.Say(t.Context(), "large"); err != nil {
			t.Fatal(err)
		}
		die := func() {
			t.Helper()
			end.want(wire.TypeSay)
			end.want(wire.TypePing)
			if e := nextEvent[Disconnected](t, c); !errors.Is(e.Err, errSilent) {
				t.Errorf("disconnected: %v", e.Err)
			}
		}
		back := func(wantSmall bool, dialed int) {
			t.Helper()
			end = h.welcome(wire.Event{})
			if e := nextEvent[Connected](t, c); e.SmallPackets != wantSmall || !e.Unanswered || small != dialed {
				t.Errorf("connected with %d small ones: %+v", small, e)
			}
		}
		die()
		back(false, 0)
		die()
		end = h.welcome(wire.Event{})
		if e := nextEvent[Connected](t, c); !e.SmallPackets || small == 0 {
			t.Errorf("after the second time: %+v", e)
		}
		small = 0
		die()
		back(true, 1)
		die()
		end = h.welcome(wire.Event{})
		if e := nextEvent[Connected](t, c); e.SmallPackets || small != 1 {
			t.Errorf("after the fourth time, with %d small ones: %+v", small, e)
		}
		end.send(said(1, end.want(wire.TypeSay)))
		nextEvent[Received](t, c)
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		end = h.welcome(wire.Event{})
		if e := nextEvent[Connected](t, c); e.Unanswered {
			t.Errorf("with nothing unanswered: %+v", e)
		}
		closeClient(t, c, end)
	})
}

// A host whose welcome does not arrive is joined with small segments. One that says nothing at all
// is named for that.
func TestBlackHoleAtTheStart(t *testing.T) {
	for name, answers := range map[string]bool{"large packets are dropped": true, "the host hangs": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, small := newScriptedHost(t), 0
				began := time.Now()
				var end *hostEnd
				go func() {
					silent := h.accept()
					silent.want(wire.TypeHello)
					if answers {
						end = h.welcome(wire.Event{})
					} else {
						h.accept().want(wire.TypeHello)
					}
				}()
				c, err := Join(t.Context(), smallOptions(h, &small))
				synctest.Wait()
				if small != 1 {
					t.Errorf("%d connections with small segments", small)
				}
				if !answers {
					if !errors.Is(err, ErrNoAnswer) {
						t.Error(err)
					}
					return
				}
				if took := time.Since(began); err != nil || took > firstAnswer+time.Second {
					t.Fatalf("joined after %v, %v", took, err)
				}
				if e := nextEvent[Connected](t, c); !e.SmallPackets {
					t.Errorf("connected: %+v", e)
				}
				closeClient(t, c, end)
			})
		})
	}
}
