package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"chat/relay/seal"
	"chat/relay/wire"
)

// A host that answers that the room is sealed is joined by TLS, with another token than the one
// that was sent in the clear.
func TestSealedByAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, user := newSealedHost(t), &person{secrets: []seal.Secret{testSecret}}
		c, end, err := joinSealed(t, h, Options{Seal: Seal{Questions: user.questions()}}, func() *hostEnd {
			plain := h.scriptedHost.accept()
			first := plain.wantAny(wire.TypeHello)
			plain.send(wire.Event{Type: wire.TypeError, Code: wire.CodeSealed, Text: "this room is sealed"})
			plain.wantHangUp()
			h.wantNothing()
			end := h.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.wantHangUp()
			end = h.accept()
			end.authenticate()
			if hello := end.wantAny(wire.TypeHello); hello.Token == first.Token || hello.Token == "" || first.Secret != "" {
				t.Errorf("the hellos are %+v and %+v", first, hello)
			}
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		if err != nil {
			t.Fatal(err)
		}
		end.conn.Close()
		go c.Close()
	})
}

// A client that the host can prove itself to showed no token in the clear, and stays the same client.
func TestIdentityInRoomThatIsSealedNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		known := Identity{Room: "r1", Client: "me", Token: "the-token-of-alice", Key: testKey("me")}
		user := &person{secrets: []seal.Secret{testSecret}}
		c, end, err := joinSealed(t, h, Options{Identity: known, Seal: Seal{Questions: user.questions()}}, func() *hostEnd {
			plain := h.scriptedHost.accept()
			if question := plain.wantAny(wire.TypeHello); question.Token != "" {
				t.Errorf("in the clear: %+v", question)
			}
			plain.send(wire.Event{Type: wire.TypeError, Code: wire.CodeSealed, Text: "this room is sealed"})
			plain.wantHangUp()
			h.wantNothing()
			end := h.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.wantHangUp() // the question for the secret
			end = h.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.authenticate()
			if hello := end.wantAny(wire.TypeHello); hello.Token != known.Token {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		if err != nil {
			t.Fatal(err)
		}
		end.conn.Close()
		go c.Close()
	})
}

// If a plain room is a sealed one after the connection was lost, the user is asked; without a yes the client ends.
func TestRoomIsSealedNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, user := newSealedHost(t), &person{trusts: ErrNotTrusted}
		c, end, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Questions: user.questions()}}, func() *hostEnd {
			return h.welcome(wire.Event{})
		})
		if err != nil {
			t.Fatal(err)
		}
		nextEvent[Connected](t, c)
		end.conn.Close()
		go func() {
			plain := h.scriptedHost.accept()
			plain.wantAny(wire.TypeHello)
			plain.send(wire.Event{Type: wire.TypeError, Code: wire.CodeSealed, Text: "this room is sealed"})
			plain.wantHangUp()
			h.wantNothing()
		}()
		drain(c)
		if !errors.Is(c.Err(), ErrNotTrusted) || len(user.hosts) != 1 {
			t.Errorf("the client ends with %v; asked for %+v", c.Err(), user.hosts)
		}
	})
}

// Whoever answers the question for the secret with an error does not join.
func TestNoAnswerToSecret(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, gaveUp := newSealedHost(t), errors.New("the user went back")
		ask := Questions{AskSecret: func(context.Context, SecretQuestion) (seal.Secret, error) { return "", gaveUp }}
		_, _, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Pin: h.pin, Questions: ask}}, func() *hostEnd {
			end := h.accept()
			end.wantHello()
			end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeNoSecret, Text: "the room needs a secret"})
			end.wantHangUp()
			return nil
		})
		if !errors.Is(err, gaveUp) {
			t.Errorf("Join: %v", err)
		}
	})
}

// The host of a sealed room answers to a plain connection from its own machine. The client goes on with an encrypted one.
func TestSealedHostOnThisMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, user := newSealedHost(t), &person{trusts: ErrNotTrusted}
		_, _, err := joinSealed(t, h, Options{Seal: Seal{Known: new(knownHosts), Questions: user.questions()}}, func() *hostEnd {
			plain := h.scriptedHost.accept()
			answer := answerTo("r1", plain.wantAny(wire.TypeHello))
			answer.Sealed = true
			plain.send(answer)
			plain.wantHangUp()
			h.wantNothing()
			return nil
		})
		if !errors.Is(err, ErrNotTrusted) || len(user.hosts) != 1 {
			t.Errorf("Join: %v, asked for %+v", err, user.hosts)
		}
	})
}

// at is a connection to a machine with another address.
type at struct {
	net.Conn
	addr net.Addr
}

func (c at) RemoteAddr() net.Addr { return c.addr }

// The operator token of a plain room is shown on the host's machine only, and never in a sealed room, which has a secret for operators.
func TestOperatorTokenStaysHere(t *testing.T) {
	const token = "the-token-of-operators"
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		go func() { h.scriptedHost.accept().wantHangUp() }()
		_, err := Join(t.Context(), Options{Addr: "lab:24280", Room: "r1", Operator: OperatorToken{Token: token}, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := h.dial(ctx, addr)
			return at{conn, &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 24280}}, err
		}})
		if !errors.Is(err, ErrOperatorElsewhere) {
			t.Errorf("Join: %v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		opts := Options{Room: "r1", Operator: OperatorToken{Token: token}, Seal: Seal{Pin: h.pin, Secret: testSecret}}
		c, end, err := joinSealed(t, h, opts, func() *hostEnd {
			end := h.accept()
			if hello := end.wantHello(); hello.Secret != string(testSecret) {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		if err != nil {
			t.Fatal(err)
		}
		end.conn.Close()
		go c.Close()
	})
}

// Without a Seal the error says that the room is sealed.
func TestSealedWithoutSeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, _, err := joinSealed(t, h, Options{}, func() *hostEnd {
			plain := h.scriptedHost.accept()
			plain.wantAny(wire.TypeHello)
			plain.send(wire.Event{Type: wire.TypeError, Code: wire.CodeSealed, Text: "this room is sealed"})
			plain.wantHangUp()
			return nil
		})
		if !errors.Is(err, ErrSealed) {
			t.Errorf("Join: %v", err)
		}
	})
}

// A plain program at the address of a sealed room gets nothing but the start of a handshake.
func TestDowngrade(t *testing.T) {
	_, pin := newCertificate(t, time.Now(), time.Now())
	for name, answer := range map[string]string{
		"a person's welcome":      "* Welcome to lab, guest-3\n",
		"a refusal of programs":   `{"type":"error","code":"bad_json","text":"no"}` + "\n",
		"the alert of plain room": "\x15\x03\x03\x00\x02\x02\x46",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				known := &knownHosts{hosts: []KnownHost{{Room: "r1", Pin: pin, Title: "lab"}}}
				opts := Options{Room: "r1", Token: "the-token", Identity: Identity{Room: "r1", Secret: testSecret}, Seal: Seal{Known: known}}
				_, _, err := joinSealed(t, h, opts, func() *hostEnd {
					end := h.scriptedHost.accept()
					buf := make([]byte, 4096)
					n, _ := end.conn.Read(buf)
					if sent := string(buf[:n]); !strings.HasPrefix(sent, "\x16\x03") || strings.Contains(sent, "the-token") || strings.Contains(sent, string(testSecret)) {
						t.Errorf("the client sends %q", sent)
					}
					end.conn.Write([]byte(answer))
					for n, err := 0, error(nil); err == nil; n, err = end.conn.Read(buf) {
						if n > 0 && buf[0] != 0x15 { // an alert
							t.Errorf("the client sends %q", buf[:n])
						}
					}
					end.conn.Close()
					return end
				})
				if !errors.Is(err, ErrDowngrade) {
					t.Errorf("Join: %v", err)
				}
			})
		})
	}
}

// A host that gets nothing of the handshake for some seconds says in plain text that the room is sealed. The client dials again,
// but not without end.
func TestLateHandshake(t *testing.T) {
	for _, test := range []struct {
		name  string
		late  int // connections
		after time.Duration
		want  error
	}{
		{"late twice", 2, 2 * time.Second, nil},
		{"late each time", 3, 2 * time.Second, ErrDowngrade},
		{"plain at once", 1, time.Second, ErrDowngrade},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				c, end, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
					for range test.late {
						end := h.scriptedHost.accept()
						time.Sleep(test.after)
						go io.Copy(io.Discard, end.conn)
						end.sendText("! this room is sealed: join it with its invite\n")
						end.conn.Close()
					}
					if test.want != nil {
						return nil
					}
					end := h.accept()
					end.wantHello()
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if !errors.Is(err, test.want) {
					t.Errorf("Join: %v, want %v", err, test.want)
				}
				if err == nil {
					end.conn.Close()
					go c.Close()
				}
			})
		})
	}
}

// A plain room is not taken for a known sealed one of the same title.
func TestPlainNamesake(t *testing.T) {
	known := &knownHosts{hosts: []KnownHost{{Room: "r9", Pin: "K7QZABCDEFGHIJKLMNOPQRSTUV", Title: "lab", File: "known_hosts", Line: 3}}}
	dialed := false
	_, err := Join(t.Context(), Options{
		Addr: "elsewhere:24280", Room: "r1", Seal: Seal{Title: "Iab", Known: known},
		Dial: func(context.Context, string) (net.Conn, error) {
			dialed = true
			return nil, errors.New("dialed")
		},
	})
	if e, ok := errors.AsType[*DowngradeError](err); !ok || e.Known.Line != 3 || dialed {
		t.Errorf("Join: %v", err)
	}
}

// inSealedRoom returns a client in a sealed room, and its connection's other end.
func inSealedRoom(t *testing.T, opts Options) (*Client, *sealedHost, *hostEnd) {
	t.Helper()
	h := newSealedHost(t)
	opts.Room = "r1"
	opts.Seal.Pin, opts.Seal.Secret = h.pin, testSecret
	c, end, err := joinSealed(t, h, opts, func() *hostEnd {
		end := h.accept()
		end.wantHello()
		end.send(welcomeTo("r1", wire.Event{Title: "lab"}))
		return end
	})
	if err != nil {
		t.Fatal(err)
	}
	nextEvent[Connected](t, c)
	return c, h, end
}

// drain takes events until the client has ended.
func drain(c *Client) (last Event) {
	for e := range c.Events() {
		last = e
	}
	return last
}

// After the host has gone, another one at its address gets no token, no secret and no message that
// was not sent.
func TestReconnectToOtherKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		user := new(person)
		c, h, end := inSealedRoom(t, Options{Seal: Seal{Questions: user.questions()}})
		end.conn.Close()
		nextEvent[Disconnected](t, c)
		if _, err := c.Say(t.Context(), "not for strangers"); err != nil {
			t.Fatal(err)
		}
		other := newSealedHost(t)
		other.scriptedHost = h.scriptedHost
		go other.wantNothing()
		drain(c)
		e, ok := errors.AsType[*PinError](c.Err())
		if !ok || e.Pin != other.pin || e.Want != h.pin || e.Title != "lab" {
			t.Errorf("the client ends with %v", c.Err())
		}
		if pending := c.Pending(); len(pending) != 1 || c.Unconfirmed() != 0 {
			t.Errorf("pending are %+v, of which %d may have been sent", pending, c.Unconfirmed())
		}
		if len(user.hosts) != 0 {
			t.Errorf("asked whether to trust %+v", user.hosts)
		}
	})
}

// If another host is at the address, and Find finds the room elsewhere, the client goes there.
func TestReconnectElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		searches, known := 0, new(knownHosts)
		c, h, end := inSealedRoom(t, Options{Seal: Seal{Known: known}, Find: func(context.Context, wire.RoomInfo) ([]string, error) {
			if searches++; searches == 1 {
				return nil, errors.New("not yet")
			}
			return []string{"stranger:24280", "moved:24280"}, nil
		}})
		end.conn.Close()
		other := newSealedHost(t)
		other.scriptedHost = h.scriptedHost
		ends := make(chan *hostEnd)
		go func() {
			other.wantNothing()
			other.wantNothing()
			end := h.accept()
			if hello := end.wantHello(); hello.Secret != string(testSecret) {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{Title: "lab"}))
			ends <- end
		}()
		nextEvent[Disconnected](t, c)
		if e := nextEvent[Connected](t, c); e.Addr != "moved:24280" || !e.Sealed {
			t.Errorf("Connected = %+v", e)
		}
		if hosts, _ := known.Hosts(); len(hosts) != 3 || hosts[2].Addr != "moved:24280" || hosts[2].Pin != h.pin {
			t.Errorf("remembered %+v", hosts)
		}
		(<-ends).conn.Close()
		go c.Close()
	})
}

// A new invite is adopted: the next connection uses its secret, which no event shows.
func TestNewInvite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := new(testKeeper)
		c, h, end := inSealedRoom(t, Options{Keeper: keeper})
		end.send(wire.Event{Type: wire.TypeInvite, Data: "N3W2ABCDEFGHIJKL", Text: "the invite was replaced"})
		if e := nextEvent[Received](t, c); e.Type != wire.TypeInvite || e.Data != "" {
			t.Errorf("received %+v", e)
		}
		if id := c.Identity(); id.Secret != "N3W2ABCDEFGHIJKL" || keeper.last != id {
			t.Errorf("the identity is %#v, kept %#v", id, keeper.last)
		}
		if invite, _ := c.Invite(); invite.Secret != "N3W2ABCDEFGHIJKL" {
			t.Errorf("the invite is %#v", invite)
		}
		end.conn.Close()
		ends := make(chan *hostEnd)
		go func() {
			end := h.accept()
			if hello := end.wantHello(); hello.Secret != "N3W2ABCDEFGHIJKL" {
				t.Errorf("the secret is %q", hello.Secret)
			}
			end.send(welcomeTo("r1", wire.Event{}))
			ends <- end
		}()
		nextEvent[Disconnected](t, c)
		nextEvent[Connected](t, c)
		(<-ends).conn.Close()
		go c.Close()
	})
}

// What cannot be a secret is not adopted, nor is one in a plain room, where everyone could read it. That of a host which did not prove
// that it knows the client is not kept in the place of the one before.
func TestNewInviteIsNotAdopted(t *testing.T) {
	t.Run("no secret", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _, end := inSealedRoom(t, Options{})
			end.send(wire.Event{Type: wire.TypeInvite, Data: "short"}, wire.Event{Type: wire.TypeInvite})
			nextEvent[Received](t, c)
			nextEvent[Received](t, c)
			if id := c.Identity(); id.Secret != testSecret {
				t.Errorf("the secret is %q", string(id.Secret))
			}
			end.conn.Close()
			go c.Close()
		})
	})
	t.Run("a plain room", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c, _, end := join(t, Options{Room: "r1"}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
			nextEvent[Connected](t, c)
			end.send(wire.Event{Type: wire.TypeInvite, Data: "N3W2ABCDEFGHIJKL"})
			if e := nextEvent[Received](t, c); e.Data != "" {
				t.Errorf("received %+v", e)
			}
			if id := c.Identity(); id.Secret != "" {
				t.Errorf("the secret is %q", string(id.Secret))
			}
			end.conn.Close()
			go c.Close()
		})
	})
	t.Run("of a host without a proof", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, kept := newSealedHost(t), new(testKeeper)
			known := Identity{Room: "r1", Client: "me", Token: "the-token-of-alice", Key: testKey("me"), Secret: testSecret}
			c, end, err := joinSealed(t, h, Options{Identity: known, Keeper: kept, Seal: Seal{Pin: h.pin}}, func() *hostEnd {
				end := h.accept()
				answer := answerTo("r1", end.wantAny(wire.TypeHello))
				answer.Proof = ""
				end.send(answer)
				if hello := end.wantHello(); hello.Token == known.Token {
					t.Errorf("the hello is %+v", hello)
				}
				end.send(welcomeTo("r1", wire.Event{}), wire.Event{Type: wire.TypeInvite, Data: "N3W2ABCDEFGHIJKL"})
				return end
			})
			if err != nil {
				t.Fatal(err)
			}
			nextEvent[Connected](t, c)
			nextEvent[Received](t, c)
			if kept.last != (Identity{}) {
				t.Errorf("kept %#v", kept.last)
			}
			end.conn.Close()
			go c.Close()
		})
	})
}

// refuse accepts a connection and refuses its hello.
func (h *sealedHost) refuse(code wire.Code) (hello wire.Request) {
	h.t.Helper()
	end := h.accept()
	hello = end.wantHello()
	end.send(wire.Event{Type: wire.TypeError, Code: code, Text: "no"})
	end.wantHangUp()
	return hello
}

// A secret that was replaced while the connection was lost is asked for; without an answer the
// client ends, and says why.
func TestSecretReplacedMeanwhile(t *testing.T) {
	for name, ask := range map[string]bool{"asked": true, "no one to ask": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				user, opts := &person{secrets: []seal.Secret{"N3W2ABCDEFGHIJKL"}}, Options{}
				if ask {
					opts.Seal.Questions = user.questions()
				}
				c, h, end := inSealedRoom(t, opts)
				end.conn.Close()
				ends := make(chan *hostEnd, 1)
				go func() {
					h.refuse(wire.CodeAuthFailed)
					if !ask {
						return
					}
					end := h.accept()
					if hello := end.wantHello(); hello.Secret != "N3W2ABCDEFGHIJKL" {
						t.Errorf("the secret is %q", hello.Secret)
					}
					end.send(welcomeTo("r1", wire.Event{}))
					ends <- end
				}()
				nextEvent[Disconnected](t, c)
				if ask {
					nextEvent[Connected](t, c)
					(<-ends).conn.Close()
					go c.Close()
					return
				}
				drain(c)
				if e, ok := errors.AsType[*SecretError](c.Err()); !ok || e.Code != wire.CodeAuthFailed {
					t.Errorf("the client ends with %v", c.Err())
				}
			})
		})
	}
}

// A client that is locked out tries again after a minute, not before, even if it gives up a lost host after that time.
func TestLockedOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, h, end := inSealedRoom(t, Options{GiveUp: time.Minute})
		end.conn.Close()
		ends := make(chan *hostEnd)
		var lockedOut, again time.Time
		go func() {
			h.refuse(wire.CodeTooMany)
			lockedOut = time.Now()
			end := h.accept()
			again = time.Now()
			end.wantHello()
			end.send(welcomeTo("r1", wire.Event{}))
			ends <- end
		}()
		nextEvent[Disconnected](t, c)
		if e := nextEvent[Disconnected](t, c); e.RetryIn < tooManyPause || !strings.Contains(e.Err.Error(), "too many wrong secrets") {
			t.Errorf("Disconnected = %+v", e)
		}
		nextEvent[Connected](t, c)
		(<-ends).conn.Close()
		if waited := again.Sub(lockedOut); waited < tooManyPause {
			t.Errorf("waited %v", waited)
		}
		go c.Close()
	})
}

// A host that takes long for a handshake, as when a thousand clients reconnect at once, is waited
// for; a host that never ends it counts as silent.
func TestSlowHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		takes time.Duration
		err   error
	}{"slow": {15 * time.Second, nil}, "never": {time.Hour, ErrNoAnswer}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				c, end, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
					plain := h.scriptedHost.accept()
					time.Sleep(test.takes)
					go func() { h.conns <- plain }()
					end := h.accept()
					if test.err != nil {
						end.wantHangUp() // long ago
						return end
					}
					end.wantHello()
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if !errors.Is(err, test.err) {
					t.Errorf("Join: %v, want %v", err, test.err)
				}
				end.conn.Close()
				if c != nil {
					go c.Close()
				}
			})
		})
	}
}

// The connection of the host's own member is a pipe: it is not encrypted, and has the secret. No event
// shows that of a new invite.
func TestPrivateConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		c, end, err := joinSealed(t, h, Options{Token: "token", Seal: Seal{Secret: testSecret, Private: true}}, func() *hostEnd {
			end := h.scriptedHost.accept()
			if hello := end.wantHello(); hello.Secret != string(testSecret) {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{Sealed: true}), wire.Event{Type: wire.TypeInvite, Data: "N3W2ABCDEFGHIJKL"})
			return end
		})
		if err != nil {
			t.Fatal(err)
		}
		if e := nextEvent[Connected](t, c); !e.Sealed {
			t.Errorf("Connected = %+v", e)
		}
		if e := nextEvent[Received](t, c); e.Data != "" {
			t.Errorf("received %+v", e)
		}
		end.conn.Close()
		go c.Close()
	})
}

// What a plain host says of itself does not make it sealed.
func TestPlainHostClaimsToBeSealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{Room: "r1"}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{Sealed: true}) })
		if e := nextEvent[Connected](t, c); e.Sealed || e.Welcome.Sealed || c.Welcome().Sealed {
			t.Errorf("Connected = %+v", e)
		}
		if invite, ok := c.Invite(); ok {
			t.Errorf("Invite = %+v", invite)
		}
		end.conn.Close()
		go c.Close()
	})
}

// Whatever a host sends as its messages of SCRAM, the client neither panics nor believes it.
func FuzzChallenge(f *testing.F) {
	f.Add("r=abc,s=c2FsdA==,i=100000", "v=AAAA")
	f.Add("r=abc,s=,i=100000,m=x", "e=other-error")
	f.Add(",,,", "")
	f.Fuzz(func(t *testing.T, first, final string) {
		c, err := testSecret.SCRAM(seal.MemberUser)
		if err != nil {
			t.Fatal(err)
		}
		talk := c.WithNonceGenerator(func() string { return "abc" }).NewConversationWithChannelBinding(scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("binding")})
		if _, err := talk.Step(""); err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{first, final} {
			challenge, err := decodeChallenge(base64.StdEncoding.EncodeToString([]byte(message)))
			if err != nil {
				return
			}
			if _, err := talk.Step(challenge); err != nil {
				return
			}
		}
		if talk.Valid() {
			t.Errorf("%q and %q are believed", first, final)
		}
	})
}

// A client that keeps a secret and knows no hosts joins its room only as a sealed one.
func TestKeptSecretWithoutKnownHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		opts := Options{Room: "r1", Token: "the-token", Identity: Identity{Room: "r1", Secret: testSecret}}
		_, _, err := joinSealed(t, h, opts, func() *hostEnd {
			end := h.scriptedHost.accept()
			buf := make([]byte, 4096)
			if n, _ := end.conn.Read(buf); !bytes.HasPrefix(buf[:n], []byte("\x16\x03")) {
				t.Errorf("the client sends %q", buf[:n])
			}
			end.sendText("* Welcome to lab, guest-3\n")
			end.conn.Close()
			return end
		})
		if !errors.Is(err, ErrDowngrade) {
			t.Errorf("Join: %v", err)
		}
	})
}

// A secret that was kept for the room is used once its host, which has the right key, said which room it has. One that the user
// gives is used in its place.
func TestKeptSecretOfIdentity(t *testing.T) {
	const given = seal.Secret("N3W2ABCDEFGHIJKL")
	identify := func(room string) (Identity, Keeper) { return Identity{Room: room, Secret: testSecret}, NoKeeper }
	for name, test := range map[string]struct {
		opts Options
		want seal.Secret
	}{
		"kept":              {Options{Identify: identify}, testSecret},
		"given":             {Options{Identify: identify, Seal: Seal{Secret: given}}, given},
		"kept, known room":  {Options{Room: "r1", Identity: Identity{Room: "r1", Secret: testSecret}}, testSecret},
		"given, known room": {Options{Room: "r1", Identity: Identity{Room: "r1", Secret: testSecret}, Seal: Seal{Secret: given}}, given},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				test.opts.Seal.Known = &knownHosts{hosts: []KnownHost{{Addr: "lab:24280", Pin: h.pin}, {Room: "r1", Pin: h.pin}}}
				c, end, err := joinSealed(t, h, test.opts, func() *hostEnd {
					end := h.accept()
					if test.opts.Room == "" {
						end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
					}
					if hello := end.wantHello(); hello.Secret != string(test.want) {
						t.Errorf("the secret is %q, want %q", hello.Secret, string(test.want))
					}
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if err != nil {
					t.Fatal(err)
				}
				end.conn.Close()
				go c.Close()
			})
		})
	}
}

// A secret that is kept does not go to a plain room, which the user no longer knows as a sealed one.
func TestKeptSecretIsNotSentPlain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opts := Options{Room: "r1", Identity: Identity{Room: "r1", Secret: testSecret}, Seal: Seal{Known: new(knownHosts)}}
		c, _, end := join(t, opts, func(h *scriptedHost) *hostEnd {
			end := h.accept()
			if hello := end.want(wire.TypeHello); hello.Secret != "" {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{}))
			return end
		})
		if id := c.Identity(); id.Secret != "" {
			t.Errorf("the secret is kept for a plain room: %#v", id)
		}
		end.conn.Close()
		go c.Close()
	})
}

// If the program at the address of a sealed room does not encrypt, and the room's other addresses do not answer, the user reads about
// the program: it may be there in the place of the host.
func TestDowngradeAndOtherAddresses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, _, err := joinSealed(t, h, Options{Room: "r1", Others: []string{"gone:1", "gone:2"}, Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
			end := h.scriptedHost.accept()
			end.conn.Read(make([]byte, 4096))
			end.sendText("* Welcome to lab, guest-3\n")
			end.conn.Close()
			return end
		})
		if e, ok := errors.AsType[*DowngradeError](err); !ok || e.Addr != "lab:24280" {
			t.Errorf("Join: %v", err)
		}
	})
}

// A plain host that claims to have a room which the user knows as a sealed one is not joined, at whatever address it is: it gets
// no hello.
func TestPlainHostOfSealedRoom(t *testing.T) {
	identify := func(room string) (Identity, Keeper) {
		return Identity{Room: room, Token: "the-token-of-alice"}, NoKeeper
	}
	for name, opts := range map[string]Options{"with an identity": {Identify: identify}, "a new client": {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				opts.Seal.Known = &knownHosts{hosts: []KnownHost{{Room: "r1", Pin: h.pin, Title: "lab", File: "known_hosts", Line: 3}, {Addr: "lab:24280", Pin: h.pin}}}
				opts.Addr = "elsewhere:24280"
				_, _, err := joinSealed(t, h, opts, func() *hostEnd {
					end := h.scriptedHost.accept()
					question := end.wantAny(wire.TypeHello)
					if !question.Probe || question.Token != "" || question.Nick != "" {
						t.Errorf("the host gets %+v before it said which room it has", question)
					}
					end.send(answerTo("r1", question))
					end.wantHangUp()
					return end
				})
				if e, ok := errors.AsType[*DowngradeError](err); !ok || e.File != "known_hosts" || e.Line != 3 || e.Addr != "elsewhere:24280" {
					t.Errorf("Join: %v", err)
				}
			})
		})
	}
}

// A host that welcomes the client to another room than the one it said it has is not joined: the client would keep its own
// identity in that room, and its secret, no longer.
func TestWelcomeToAnotherRoom(t *testing.T) {
	for name, opts := range map[string]Options{"as announced": {Room: "r2"}, "as it answered": {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, kept := newSealedHost(t), new(testKeeper)
				opts.Seal.Pin, opts.Seal.Secret, opts.Keeper = h.pin, testSecret, kept
				_, _, err := joinSealed(t, h, opts, func() *hostEnd {
					end := h.accept()
					if opts.Room == "" {
						end.send(answerTo("r2", end.wantAny(wire.TypeHello)))
					}
					if hello := end.wantAny(wire.TypeHello); hello.Room != "r2" {
						t.Errorf("the hello is %+v", hello)
					}
					end.send(welcomeTo("r1", wire.Event{}))
					end.wantHangUp()
					return end
				})
				if !errors.Is(err, errOtherRoom) || kept.last != (Identity{}) {
					t.Errorf("Join: %v, kept %#v", err, kept.last)
				}
			})
		})
	}
}

// A host that does not say which room it has is none.
func TestRoomWithoutID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, _, err := joinSealed(t, h, Options{Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
			end := h.accept()
			end.send(answerTo("", end.wantAny(wire.TypeHello)))
			end.wantHangUp()
			return end
		})
		if !errors.Is(err, ErrNoRoom) {
			t.Errorf("Join: %v", err)
		}
	})
}
