package web_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/seal"
	"chat/relay/wire"
)

// What began with the old secret does not get into the room after the secret was replaced: a socket whose hello waits, a
// message and a file whose last byte does.
func TestReplacedSecretMeanwhile(t *testing.T) {
	r := openSealed(t)
	cookie, _ := r.enter(url.Values{"secret": {memberSecret}})
	waiting := r.socket(t, "Cookie", cookie)
	begin := func(method, path string) *tls.Conn {
		conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Length: 4\r\n\r\nsou", method, path, r.addr, cookie)
		return conn
	}
	begun := map[string]*tls.Conn{"message": begin("POST", "/messages"), "file": begin("PUT", "/files/soup.txt")}
	operator, _ := r.enter(url.Values{"secret": {operatorSecret}})
	kept := r.socket(t, "Cookie", operator)
	time.Sleep(100 * time.Millisecond) // the requests are let in

	op := r.socket(t, bearer(operatorSecret)...)
	op.send(`{"type":"hello","nick":"op"}`)
	op.send(`{"type":"invite","text":"new"}`)
	for {
		if e, err := op.next(); err != nil || e.Type == wire.TypeOperator {
			break
		}
	}
	waiting.send(`{"type":"hello","nick":"eve"}`)
	if e, err := waiting.next(); err != nil || e.Code != wire.CodeNoSecret {
		t.Errorf("a socket from before gets %+v, %v", e, err)
	}
	waiting.send(`{"type":"hello","nick":"eve","secret":"` + newSecret + `"}`)
	if e, err := waiting.next(); err != nil || e.Type != wire.TypeWelcome {
		t.Errorf("with the new secret it gets %+v, %v", e, err)
	}
	for name, conn := range begun {
		fmt.Fprint(conn, "p")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a %s from before gets %d", name, res.StatusCode)
		}
	}
	kept.send(`{"type":"hello","nick":"op2"}`) // the operators' secret is not replaced
	if e, err := kept.next(); err != nil || e.Type != wire.TypeWelcome {
		t.Errorf("an operator's socket from before gets %+v, %v", e, err)
	}
}

// A secret that is replaced between the check of it and the answer gets no cookie of the new secret, and no new invite.
func TestReplacedSecretWithinARequest(t *testing.T) {
	for _, path := range []string{"/enter", "/room", "/qr.svg"} {
		var srv atomic.Pointer[relay.Server]
		var replaced sync.Once
		replace := func() {
			replaced.Do(func() {
				srv.Load().AdoptSecrets(seal.RoomSecrets{Member: newSecret, Listen: "NEWLISTEN2222222", Operator: operatorSecret})
			})
		}
		r := openSealed(t, func(s *relay.Seal) {
			s.IsOperator = func(string) bool { replace(); return false } // looked up after the secret was checked
			invite := s.Invite
			s.Invite = func(secret seal.Secret) seal.Invite {
				if path != "/enter" {
					replace()
					secret = newSecret // as if it had been replaced a moment before
				}
				return invite(secret)
			}
		})
		srv.Store(r.srv)
		if path == "/enter" {
			values := signedEntry(t, r, newSigner(t))
			values.Set("secret", memberSecret)
			res, body := r.ask("POST", path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
				t.Errorf("%s gets %d %s %v", path, res.StatusCode, body, res.Cookies())
			}
			continue
		}
		if res, body := r.ask("GET", path, "", bearer(memberSecret)...); strings.Contains(body, newSecret) || path == "/qr.svg" && res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gets %d %.200s", path, res.StatusCode, body)
		}
	}
}
