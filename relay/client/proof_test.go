package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
)

// Hosts elsewhere that do not prove that they have the room learn nothing: neither the token
// nor what was not sent. They are not joined, whatever they claim.
func TestRoomElsewhereMustProveItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newScriptedHost(t)
		const token = "the-token-of-alice"
		c, _, end := join(t, Options{
			Addr:  "kitchen:1",
			Token: token,
			Dial:  h.dial,
			Find: func(context.Context, wire.RoomInfo) (addrs []string, err error) {
				return []string{"sameid:1", "replay:1", "sametitle:1", "pantry:1", "kitchen:2"}, nil
			},
		}, func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		if _, err := c.Say(t.Context(), "my secret"); err != nil {
			t.Fatal(err)
		}
		end.want(wire.TypeSay)
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		var earlier wire.Event // a proof that a host here has seen before
		for _, answer := range []func(wire.Request) wire.Event{
			func(q wire.Request) wire.Event {
				earlier = answerTo("r1", q)
				return wire.Event{Type: wire.TypeRoom, Room: "r1", Title: "kitchen", Instance: "i2"}
			},
			func(q wire.Request) wire.Event { return earlier },
			func(q wire.Request) wire.Event {
				return wire.Event{Type: wire.TypeRoom, Room: "r7", Title: "kitchen", Instance: "i3", Proof: earlier.Proof}
			},
			func(q wire.Request) wire.Event {
				e := answerTo("r1", q)
				e.Room = "r8" // the proof is for r1
				return e
			},
		} {
			end := h.accept()
			q := end.wantAny(wire.TypeHello)
			if !q.Probe || strings.Contains(string(q.AppendJSON(nil)), token) {
				t.Errorf("hello = %+v, want a question without the token", q)
			}
			end.send(answer(q))
			end.wantHangUp()
		}
		end = h.welcome(wire.Event{})
		if e := nextEvent[Connected](t, c); !e.Resumed || e.NewRoom || e.Addr != "kitchen:2" {
			t.Errorf("connected = %+v", e)
		}
		if r := end.want(wire.TypeSay); r.Text != "my secret" {
			t.Errorf("sent %+v", r)
		}
		want := []string{"kitchen:1", "sameid:1", "replay:1", "sametitle:1", "pantry:1", "kitchen:2"}
		if !slices.Equal(h.addrs, want) {
			t.Errorf("dialed %v, want %v", h.addrs, want)
		}
		end.conn.Close()
		c.Close()
	})
}

// The client ends if another room is at its address. What was not sent stays with it.
func TestOtherRoomAtTheAddress(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer wire.Event
		want   string
	}{
		{"another title", wire.Event{Room: "r2", Title: "other\x1bteam"}, "kitchen is gone; another room, other␛team, is at this address"},
		{"the same title", wire.Event{Room: "r2", Title: "kitchen"}, "kitchen is gone; another room, also called kitchen, is at this address"},
		{"the same ID", wire.Event{Room: "r1", Title: "kitchen"}, "kitchen is gone; the host at this address cannot prove that it has the same room"},
		{"an older host", wire.Event{Room: "r1", Title: "kitchen", Instance: "none"}, "kitchen is gone; the host at this address cannot prove that it has the same room"},
	} {
		for _, find := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h := newScriptedHost(t)
					opts := Options{Dial: h.dial, Token: "the-token-of-alice", Addr: "kitchen:1"}
					if find {
						opts.Find = func(context.Context, wire.RoomInfo) ([]string, error) { return []string{"kitchen:1"}, nil }
					}
					c, _, end := join(t, opts, func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
					nextEvent[Connected](t, c)
					if _, err := c.Say(t.Context(), "my secret"); err != nil {
						t.Fatal(err)
					}
					end.want(wire.TypeSay)
					end.conn.Close()
					nextEvent[Disconnected](t, c)
					end = h.accept()
					q := end.wantAny(wire.TypeHello)
					if q.Token != "" {
						t.Errorf("question = %+v", q)
					}
					e := test.answer
					e.Type = wire.TypeRoom
					if e.Instance == "" {
						e.Instance = "i2"
					} else {
						e.Instance = ""
					}
					if end.send(e); e.Instance == "" {
						h.accept().wantHangUp()
					}
					end.wantHangUp()
					if e, ok := <-c.Events(); ok {
						t.Errorf("got %+v, want the end", e)
					}
					other, ok := errors.AsType[*OtherRoomError](c.Err())
					if !ok || other.Error() != test.want || other.Now.ID != e.Room || other.Addr != "kitchen:1" {
						t.Errorf("Err = %#v, want %q", c.Err(), test.want)
					}
					if p := c.Pending(); len(p) != 1 || p[0].Text != "my secret" {
						t.Errorf("pending: %+v", p)
					}
					if err := c.Flush(t.Context()); !errors.Is(err, c.Err()) {
						t.Errorf("Flush: %v", err)
					}
				})
			})
		}
	}
}

// A host whose version is older cannot prove anything: the client joins it as a new one, and
// sends nothing of before.
func TestOlderHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := join(t, Options{}, func(h *scriptedHost) *hostEnd {
			end := h.accept()
			end.want(wire.TypeHello)
			e := welcomeTo("r1", wire.Event{Next: 5})
			e.Key = ""
			end.send(e)
			return end
		})
		nextEvent[Connected](t, c)
		token := c.Identity().Token
		if _, err := c.Say(t.Context(), "my secret"); err != nil {
			t.Fatal(err)
		}
		end.want(wire.TypeSay)
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		end = h.accept()
		if q := end.wantAny(wire.TypeHello); q.Token != "" || q.Client != "" || q.Room != "" {
			t.Errorf("question = %+v", q)
		}
		end.send(wire.Event{Type: wire.TypeRoom, Room: "r1", Title: "kitchen"})
		again := h.accept()
		end.conn.Close()
		if hello := again.wantAny(wire.TypeHello); hello.Token == "" || hello.Token == token || hello.Since != 4 || hello.Room != "r1" {
			t.Errorf("hello = %+v", hello)
		}
		again.send(welcomeTo("r1", wire.Event{Client: "new", Next: 5}))
		if e := nextEvent[Received](t, c); e.Code != CodeNotSent || e.Seq != 1 {
			t.Errorf("got %+v, want that the message was perhaps not sent", e)
		}
		if e := nextEvent[Connected](t, c); !e.Resumed || e.NewRoom {
			t.Errorf("connected = %+v", e)
		}
		if id := c.Identity(); id.Client != "new" || id.Key == "" || id.Token == token {
			t.Errorf("identity = %+v", id)
		}
		closeClient(t, c, again)
	})
}

// A keeper has the identities that a client asked it to keep.
type keeper []Identity

func (k *keeper) Keep(id Identity) { *k = append(*k, id) }
func (k *keeper) Release()         {}

// A client with the identity of an earlier one shows its token only to a host that proves that
// it has the room. The identity that another host gives it is not kept in its place.
func TestIdentity(t *testing.T) {
	known := Identity{Room: "r1", Client: "me", Token: "the-token-of-alice", Key: testKey("me")}
	for name, proves := range map[string]bool{"proven": true, "not proven": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var kept keeper
				c, _, end := join(t, Options{Identity: known, Keeper: &kept}, func(h *scriptedHost) *hostEnd {
					end := h.accept()
					q := end.wantAny(wire.TypeHello)
					e := answerTo("r1", q)
					if !proves {
						e.Proof = ""
					}
					end.send(e)
					if hello := end.wantAny(wire.TypeHello); (hello.Token == known.Token) != proves || hello.Token == "" || hello.Nonce != "" {
						t.Errorf("hello = %+v", hello)
					}
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if e := nextEvent[Connected](t, c); e.Unproven == proves {
					t.Errorf("connected = %+v", e)
				}
				if got := c.Identity(); (got == known) != proves {
					t.Errorf("identity = %+v", got)
				}
				if proves != slices.Equal(kept, keeper{known}) || !proves && len(kept) > 0 {
					t.Errorf("kept %+v", kept)
				}
				closeClient(t, c, end)
			})
		})
	}
}

// A host elsewhere that does not answer delays the attempt at the known address only by the time of a probe.
func TestQuestionElsewhereHasADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newScriptedHost(t)
		c, _, end := join(t, Options{
			Dial: h.dial,
			Find: func(context.Context, wire.RoomInfo) ([]string, error) { return []string{"tarpit:1"}, nil },
		}, func(*scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		tarpit := h.accept()
		tarpit.wantAny(wire.TypeHello)
		began := time.Now()
		end = h.welcome(wire.Event{}) // at the known address
		if took := time.Since(began); took != probeTimeout {
			t.Errorf("the next attempt comes after %v, want %v", took, probeTimeout)
		}
		nextEvent[Connected](t, c)
		closeClient(t, c, end)
	})
}
