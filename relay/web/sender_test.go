package web_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/web"
	"chat/relay/wire"
)

// post sends a message and returns the event.
func (r *room) post(path string, header ...string) (e wire.Event) {
	r.t.Helper()
	status, body := r.do("POST", path, "build done", header...)
	if status != http.StatusCreated {
		r.t.Fatalf("POST %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		r.t.Fatal(err)
	}
	return e
}

// A script with a token of its own is a client of its own; an address and a nick make one of all
// others.
func TestOwnToken(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	const nick, authorization = "/messages?nick=ci", "Authorization"
	without := r.post(nick).Client
	ours := r.post(nick, authorization, "Bearer token-of-ours").Client
	theirs := r.post(nick, authorization, "Bearer token-of-theirs").Client
	if without == ours || ours == theirs || theirs == without {
		t.Errorf("three scripts are the clients %s, %s and %s", without, ours, theirs)
	}
	for _, test := range []struct{ name, path, header, want string }{
		{"again", nick, "Bearer token-of-ours", ours},
		{"under another nick", "/messages?nick=nightly", "Bearer token-of-ours", ours},
		{"in other letters", nick, "bearer  token-of-ours", ours},
		{"without a token", nick, "", without},
		{"with a password for a proxy", nick, "Basic YTpi", without},
	} {
		if got := r.post(test.path, authorization, test.header); got.Client != test.want {
			t.Errorf("%s it is the client %s, want %s", test.name, got.Client, test.want)
		}
	}
	for _, header := range []string{"Bearer", "Bearer short", "Bearer two words!", "Bearer " + strings.Repeat("x", 65)} {
		status, body := r.do("POST", nick, "build done", authorization, header)
		if status != http.StatusBadRequest || !strings.Contains(body, "a token has 8 to 64 letters") {
			t.Errorf("%q: %d %s", header, status, body)
		}
	}
}

// A message by HTTP does not end the session of a member that has the same token.
func TestOwnTokenOfAMember(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	member := &program{t, conn, bufio.NewScanner(conn)}
	member.send(`{"type":"hello","nick":"alice","token":"token-of-alice"}`)
	member.until(wire.TypeWelcome)
	sent := r.post("/messages?nick=ci", "Authorization", "Bearer token-of-alice")
	if e := member.until(wire.TypeMessage); e.Client != sent.Client {
		t.Errorf("the member got %+v", e)
	}
}
