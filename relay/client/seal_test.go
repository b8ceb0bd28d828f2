package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chat/relay/seal"
	"chat/relay/wire"
)

// With the pin and the secret of an invite, nothing is asked, whatever the certificate's dates.
func TestJoinByInvite(t *testing.T) {
	for name, dates := range map[string][2]time.Duration{
		"valid":     {-time.Hour, time.Hour},
		"expired":   {-48 * time.Hour, -24 * time.Hour},
		"in future": {24 * time.Hour, 48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := sealedHostFrom(t, time.Now().Add(dates[0]), time.Now().Add(dates[1]))
				var known knownHosts
				keeper := new(testKeeper)
				c, end, err := joinSealed(t, h, Options{
					Seal:     Seal{Pin: h.pin, Secret: testSecret, Known: &known},
					Identify: func(room string) (Identity, Keeper) { return Identity{Room: room}, keeper },
				}, func() *hostEnd {
					end := h.accept()
					if hello := end.wantHello(); hello.Secret != string(testSecret) || hello.Room != "r1" {
						t.Errorf("the hello is %+v", hello)
					}
					end.send(welcomeTo("r1", wire.Event{Access: "listen", Title: "lab", Token: "my-token"}))
					return end
				})
				if err != nil {
					t.Fatal(err)
				}
				defer end.conn.Close()
				if e := nextEvent[Connected](t, c); !e.Sealed || e.Access != "listen" {
					t.Errorf("Connected = %+v", e)
				}
				want := []KnownHost{{Room: "r1", Pin: h.pin, Title: "lab"}, {Addr: "lab:24280", Pin: h.pin, Title: "lab"}}
				if hosts, _ := known.Hosts(); len(hosts) != 2 || hosts[0] != want[0] || hosts[1] != want[1] {
					t.Errorf("remembered %+v, want %+v", hosts, want)
				}
				if id := c.Identity(); id.Secret != testSecret || keeper.last != id {
					t.Errorf("the identity is %#v, kept %#v", id, keeper.last)
				}
				if invite, ok := c.Invite(); !ok || invite != (seal.Invite{Addr: "lab:24280", Pin: h.pin, Secret: testSecret}) {
					t.Errorf("Invite = %+v, %v", invite, ok)
				}
				if got, want := c.CurlPin(), seal.CurlPin(h.config.Certificates[0].Leaf); got != want {
					t.Errorf("CurlPin = %q, want %q", got, want)
				}
				go c.Close()
			})
		})
	}
}

type testKeeper struct{ last Identity }

func (k *testKeeper) Keep(id Identity) { k.last = id }
func (k *testKeeper) Release()         {}

// A host with another key than that of the invite, of the room or of the address gets nothing but
// the handshake, and the user is not asked whether to trust it.
func TestOtherKey(t *testing.T) {
	_, other := newCertificate(t, time.Now(), time.Now())
	for name, test := range map[string]struct {
		opts Options
		file string
	}{
		"invite":  {Options{Seal: Seal{Pin: other, Secret: testSecret}}, ""},
		"room":    {Options{Room: "r1", Seal: Seal{Known: &knownHosts{hosts: []KnownHost{{Room: "r1", Pin: other, File: "known_hosts", Line: 4}}}}}, "known_hosts"},
		"address": {Options{Seal: Seal{Known: &knownHosts{hosts: []KnownHost{{Addr: "lab:24280", Pin: other, File: "known_hosts", Line: 4}}}}}, "known_hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, user := newSealedHost(t), new(person)
				test.opts.Seal.Questions = user.questions()
				_, _, err := joinSealed(t, h, test.opts, func() *hostEnd {
					h.wantNothing()
					return nil
				})
				e, ok := errors.AsType[*PinError](err)
				if !ok || !e.IsChanged() || e.Pin != h.pin || e.Want != other || e.File != test.file || e.Line != 4 && test.file != "" {
					t.Errorf("Join: %v (%+v)", err, e)
				}
				if len(user.hosts)+len(user.asked) != 0 {
					t.Errorf("the user was asked %+v, %+v", user.hosts, user.asked)
				}
			})
		})
	}
}

// The right key does not make up for an older version of TLS.
func TestOldTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		h.config.MinVersion, h.config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		_, _, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
			h.wantNothing()
			return nil
		})
		if !errors.Is(err, ErrDowngrade) {
			t.Errorf("Join: %v", err)
		}
	})
}

// A room whose ID is known with another key is not joined, although the address is trusted: here
// by an invite.
func TestRoomOfOtherKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, other := newCertificate(t, time.Now(), time.Now())
		known := &knownHosts{hosts: []KnownHost{{Room: "r1", Pin: other, File: "known_hosts", Line: 7}}}
		_, _, err := joinSealed(t, h, Options{Seal: Seal{Pin: h.pin, Secret: testSecret, Known: known}}, func() *hostEnd {
			end := h.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.wantHangUp()
			return end
		})
		if e, ok := errors.AsType[*PinError](err); !ok || e.Line != 7 || e.Want != other || e.Pin != h.pin {
			t.Errorf("Join: %v", err)
		}
	})
}

// A host that is trusted for the first time gets nothing before the user said so, and no hello
// before it has shown that it knows the secret, which it never gets.
func TestFirstUse(t *testing.T) {
	for name, secret := range map[string]seal.Secret{seal.MemberUser: testSecret, seal.ListenUser: listenSecret} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				user := &person{secrets: []seal.Secret{"a wrong secret", secret}}
				var known knownHosts
				c, end, err := joinSealed(t, h, Options{Seal: Seal{Required: true, Title: "lab", Known: &known, Questions: user.questions()}}, func() *hostEnd {
					h.wantNothing() // the question whether to trust it
					end := h.accept()
					end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
					end.wantHangUp() // the question for the secret
					for _, want := range []string{seal.MemberUser, seal.ListenUser, seal.MemberUser, seal.ListenUser} {
						end = h.accept()
						user, valid := end.authenticate()
						if user != want {
							t.Errorf("authenticates as %q, want %q", user, want)
						}
						if valid {
							break
						}
						end.wantHangUp()
					}
					if hello := end.wantAny(wire.TypeHello); hello.Secret != "" || hello.Probe {
						t.Errorf("the hello is %+v", hello)
					}
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if err != nil {
					t.Fatal(err)
				}
				defer end.conn.Close()
				if len(user.hosts) != 1 || user.hosts[0].Pin != h.pin || user.hosts[0].Addr != "lab:24280" || user.hosts[0].Title != "lab" {
					t.Errorf("asked whether to trust %+v", user.hosts)
				}
				if len(user.asked) != 2 || user.asked[0].Tries != 0 || user.asked[1].Tries != 1 || user.asked[1].Room != "r1" {
					t.Errorf("asked for the secret %+v", user.asked)
				}
				if hosts, _ := known.Hosts(); len(hosts) != 2 {
					t.Errorf("remembered %+v", hosts)
				}
				if id := c.Identity(); id.Secret != secret {
					t.Errorf("the identity is %#v", id)
				}
				go c.Close()
			})
		})
	}
}

// Without a yes the client sends nothing; without someone to ask, neither.
func TestFirstUseRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		user := &person{trusts: ErrNotTrusted}
		for _, ask := range []Questions{user.questions(), {}} {
			_, _, err := joinSealed(t, h, Options{Seal: Seal{Required: true, Questions: ask}}, func() *hostEnd {
				h.wantNothing()
				return nil
			})
			e, unknown := errors.AsType[*PinError](err)
			if unknown && (e.IsChanged() || e.Pin != h.pin) || unknown == errors.Is(err, ErrNotTrusted) {
				t.Errorf("Join: %v", err)
			}
		}
		if len(user.hosts) != 1 {
			t.Errorf("asked for %+v", user.hosts)
		}
	})
}

// The user learns whether the key is that of a machine they know, and whether the room has the
// title of one that has another key. That another host had its address before says nothing.
func TestFirstUseOfKnownKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, other := newCertificate(t, time.Now(), time.Now())
		lab := KnownHost{Room: "r9", Pin: other, Title: "lab", File: "known_hosts", Line: 2}
		known := &knownHosts{hosts: []KnownHost{{Room: "r8", Pin: h.pin, Title: "kitchen"}, {Addr: "lab:24280", Pin: other, Title: "attic"}, lab}}
		user := &person{trusts: ErrNotTrusted}
		_, _, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Required: true, Title: "lab", Known: known, Questions: user.questions()}}, func() *hostEnd {
			h.wantNothing()
			return nil
		})
		if !errors.Is(err, ErrNotTrusted) || len(user.hosts) != 1 {
			t.Fatalf("Join: %v, asked %+v", err, user.hosts)
		}
		if asked := user.hosts[0]; len(asked.Names) != 1 || asked.Names[0] != "kitchen" || asked.Namesake != lab {
			t.Errorf("asked %+v", asked)
		}
	})
}

// If the known hosts cannot be read, whenever that is, the room is not joined: it might be one with another key.
func TestKnownHostsCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		reads int // that succeed
		host  func(h *sealedHost)
	}{
		"before the connection": {0, func(*sealedHost) {}},
		"after the handshake":   {1, func(h *sealedHost) { h.wantNothing() }},
		"after the answer": {2, func(h *sealedHost) {
			h.wantNothing() // the question whether to trust it
			end := h.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.wantHangUp()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, user, known := newSealedHost(t), &person{secrets: []seal.Secret{testSecret}}, &failingHosts{reads: test.reads}
				opts := Options{Seal: Seal{Required: true, Known: known, Questions: user.questions()}}
				_, _, err := joinSealed(t, h, opts, func() *hostEnd { test.host(h); return nil })
				if !errors.Is(err, errUnreadable) || len(user.asked) != 0 {
					t.Errorf("Join: %v, asked for %+v", err, user.asked)
				}
			})
		})
	}
}

// failingHosts are known hosts that can be read so many times. The client's goroutine owns them.
type failingHosts struct {
	knownHosts
	reads int
}

var errUnreadable = errors.New("the known hosts cannot be read")

func (f *failingHosts) Hosts() ([]KnownHost, error) {
	if f.reads--; f.reads < 0 {
		return nil, errUnreadable
	}
	return f.knownHosts.Hosts()
}

// A room that was reopened on a machine that the user knows has another ID and the same key:
// nothing is asked.
func TestNewRoomOfKnownHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, user := newSealedHost(t), new(person)
		known := &knownHosts{hosts: []KnownHost{{Room: "r8", Pin: h.pin, Title: "lab"}}}
		c, end, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Secret: testSecret, Title: "lab", Known: known, Questions: user.questions()}}, func() *hostEnd {
			end := h.accept()
			if hello := end.wantHello(); hello.Secret != string(testSecret) {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(welcomeTo("r1", wire.Event{Title: "lab"}))
			return end
		})
		if err != nil || len(user.hosts) != 0 {
			t.Fatalf("Join: %v, asked %+v", err, user.hosts)
		}
		end.conn.Close()
		go c.Close()
	})
}

// Someone between the client and the host, whom the user trusts by mistake, learns neither the
// secret nor anything of the hello, and the user reads why.
func TestIntercepted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		host := newSealedHost(t)
		m := &middle{sealedHost: newSealedHost(t), real: host}
		user := &person{secrets: []seal.Secret{testSecret}}
		relayed := make(chan bool)
		go func() {
			defer close(relayed)
			m.wantNothing()
			for range 2 {
				m.relay()
			}
		}()
		go func() {
			end := host.accept()
			end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
			end.wantHangUp()
			end = host.accept()
			if _, valid := end.authenticate(); valid {
				t.Error("the client authenticates through someone in the middle")
			}
			end.wantHangUp()
		}()
		_, err := Join(t.Context(), Options{Addr: "lab:24280", Nick: "alice", Token: "the-token-of-alice", Dial: m.dial, Seal: Seal{Required: true, Questions: user.questions()}})
		<-relayed
		if !errors.Is(err, ErrIntercepted) || !strings.Contains(err.Error(), "someone is between you and the host; nothing was sent") {
			t.Errorf("Join: %v", err)
		}
		for _, private := range []string{string(testSecret), "the-token-of-alice", "alice"} {
			if bytes.Contains(m.sent, []byte(private)) {
				t.Errorf("%q was sent: %s", private, m.sent)
			}
		}
	})
}

// A host that lets the client in, or makes an answer up, without knowing the secret is not believed. The user reads why, even if the
// room has other addresses.
func TestHostWithoutSecret(t *testing.T) {
	for name, play := range map[string]func(end *hostEnd, first string){
		"welcomes at once": func(end *hostEnd, _ string) { end.send(welcomeTo("r1", wire.Event{})) },
		"a made-up proof": func(end *hostEnd, first string) {
			nonce := strings.SplitN(first, "r=", 2)[1]
			end.sendAuth("r=" + nonce + "x,s=c2FsdA==,i=100000")
			end.want(wire.TypeAuth)
			end.sendAuth("v=" + strings.Repeat("A", 43) + "=")
		},
		"few iterations": func(end *hostEnd, first string) {
			nonce := strings.SplitN(first, "r=", 2)[1]
			end.sendAuth("r=" + nonce + "x,s=c2FsdA==,i=99999")
		},
		"endless work": func(end *hostEnd, first string) {
			nonce := strings.SplitN(first, "r=", 2)[1]
			end.sendAuth("r=" + nonce + "x,s=c2FsdA==,i=2000000000")
		},
		"no base64": func(end *hostEnd, _ string) { end.send(wire.Event{Type: wire.TypeAuth, Data: "r=,,,"}) },
		"nonsense":  func(end *hostEnd, _ string) { end.sendAuth("\x1b[2J,,,") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, user := newSealedHost(t), new(person)
				opts := Options{Room: "r1", Others: []string{"other:24280"}, Seal: Seal{Secret: testSecret, Questions: user.questions()}}
				_, _, err := joinSealed(t, h, opts, func() *hostEnd {
					h.wantNothing()
					end := h.accept()
					play(end, decoded(t, end.want(wire.TypeAuth).Data))
					end.wantHangUp()
					return end
				})
				if !errors.Is(err, ErrIntercepted) {
					t.Errorf("Join: %v", err)
				}
			})
		})
	}
}

// A secret that was kept and no longer works is asked for again; three wrong ones are enough.
func TestWrongSecret(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		user := &person{secrets: []seal.Secret{"wrong secret one", "wrong secret two", "wrong secret three"}}
		_, _, err := joinSealed(t, h, Options{Room: "r1", Identity: Identity{Room: "r1", Secret: "an old secret"}, Seal: Seal{Pin: h.pin, Questions: user.questions()}}, func() *hostEnd {
			for _, want := range []string{"an old secret", "wrong secret one", "wrong secret two", "wrong secret three"} {
				end := h.accept()
				if hello := end.wantHello(); hello.Secret != want {
					t.Errorf("the secret is %q, want %q", hello.Secret, want)
				}
				end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeAuthFailed, Text: "the secret is wrong"})
				end.wantHangUp()
			}
			return nil
		})
		if e, ok := errors.AsType[*SecretError](err); !ok || e.Code != wire.CodeAuthFailed {
			t.Errorf("Join: %v", err)
		}
		if len(user.asked) != 3 || user.asked[0].Tries != 1 || user.asked[2].Tries != 2 {
			t.Errorf("asked %+v", user.asked)
		}
	})
}

// A user without a secret enters by key, and is asked once.
func TestEnterByKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, user := newSealedHost(t), new(person)
		opts := Options{Room: "r1", Seal: Seal{Required: true, Signer: testSigner{}, Questions: user.questions()}}
		_, _, err := joinSealed(t, h, opts, func() *hostEnd {
			h.wantNothing()
			h.wantNothing() // the question for the secret
			end := h.accept()
			state := end.conn.(*tls.Conn).ConnectionState()
			binding, err := state.ExportKeyingMaterial(seal.ExporterLabel, nil, seal.BindingLength)
			if err != nil {
				t.Error(err)
			}
			if hello := end.wantHello(); hello.Key != "the key" || hello.Signature != fmt.Sprintf("%x", seal.SignedData("r1", binding)) {
				t.Errorf("the hello is %+v", hello)
			}
			end.send(wire.Event{Type: wire.TypeError, Code: wire.CodeNoSecret, Text: "the room needs a secret"})
			end.wantHangUp()
			return nil
		})
		if e, ok := errors.AsType[*SecretError](err); !ok || e.Code != wire.CodeNoSecret || len(user.asked) != 1 {
			t.Errorf("Join: %v, asked %+v", err, user.asked)
		}
	})
}

type testSigner struct{}

func (testSigner) Key() string                      { return "the key" }
func (testSigner) Sign(data []byte) (string, error) { return fmt.Sprintf("%x", data), nil }

// oddSigner is a Signer without a key, or whose key cannot sign.
type oddSigner struct{ err error }

func (oddSigner) Key() string                   { return "the key" }
func (s oddSigner) Sign([]byte) (string, error) { return "", s.err }

// A key that cannot sign keeps the client from joining: as someone without a key it would be another one. A user who has no key shows none.
func TestSignerWithoutSignature(t *testing.T) {
	for name, test := range map[string]error{"cannot sign": errors.New("the key cannot be read"), "no key": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := newSealedHost(t)
				c, end, err := joinSealed(t, h, Options{Room: "r1", Seal: Seal{Pin: h.pin, Secret: testSecret, Signer: oddSigner{test}}}, func() *hostEnd {
					end := h.accept()
					if test != nil {
						end.wantHangUp()
						return end
					}
					if hello := end.wantHello(); hello.Key != "" || hello.Signature != "" {
						t.Errorf("the hello is %+v", hello)
					}
					end.send(welcomeTo("r1", wire.Event{}))
					return end
				})
				if !errors.Is(err, test) {
					t.Errorf("Join: %v", err)
				}
				end.conn.Close()
				if c != nil {
					go c.Close()
				}
			})
		})
	}
}

// A host that says nothing in the middle of the proof is not waited for without end, and not at all once the user gives up.
func TestSilenceDuringProof(t *testing.T) {
	for name, givesUp := range map[string]bool{"silent": false, "given up": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, user := newSealedHost(t), new(person)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan time.Duration)
				go func() {
					h.wantNothing() // the question whether to trust it
					end := h.accept()
					end.want(wire.TypeAuth)
					began := time.Now()
					if givesUp {
						cancel()
					}
					end.wantHangUp()
					done <- time.Since(began)
				}()
				_, err := Join(ctx, Options{Addr: "lab:24280", Room: "r1", Dial: h.dial, Seal: Seal{Secret: testSecret, Questions: user.questions()}})
				if waited := <-done; err == nil || givesUp && waited != 0 || !givesUp && (!errors.Is(err, ErrNoAnswer) || waited > time.Minute) {
					t.Errorf("Join: %v after %v", err, waited)
				}
			})
		})
	}
}
