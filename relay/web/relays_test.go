package web_test

import (
	"bufio"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// Pages of the room's other hosts get a socket, and nothing else; those of hosts that are gone, too.
func TestPagesOfOtherRelays(t *testing.T) {
	var list atomic.Pointer[[]string]
	set := func(addrs ...string) { list.Store(&addrs) }
	set("10.0.0.1:24280", "[fd00::2]:24280", "Kitchen-2.example:80")
	r := open(t, relay.Options{Relays: func() []string { return *list.Load() }}, web.Options{})
	for _, gone := range []bool{false, true} {
		if gone {
			set("10.0.0.9:24280")
		}
		for origin, want := range map[string]int{
			"http://10.0.0.1:24280":     101,
			"http://[fd00::2]:24280":    101,
			"http://kitchen-2.example":  101,
			"http://10.0.0.1:24281":     403,
			"http://10.0.0.1":           403,
			"https://10.0.0.1:24280":    403,
			"http://evil.example:24280": 403,
			"null":                      403,
		} {
			conn := r.raw(r.handshake("Origin: " + origin + "\r\n"))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			conn.Close()
			if err != nil || res.StatusCode != want {
				t.Errorf("a socket of a page from %s (gone: %v): %+v, %v, want %d", origin, gone, res, err, want)
			}
		}
		for _, path := range []string{"/room", "/messages", "/events"} {
			if status, _ := r.do("GET", path, "", "Origin", "http://10.0.0.1:24280"); status != 403 {
				t.Errorf("%s: status %d", path, status)
			}
		}
	}
}

// The page may open sockets to the hosts that the room has when it is loaded, and to no others.
func TestPolicyNamesRelays(t *testing.T) {
	for _, test := range []struct {
		relays []string
		want   string
	}{
		{nil, "connect-src 'self';"},
		{[]string{"10.0.0.1:24280", "[fd00::2]:24280", "10.0.0.2:1; script-src *"}, "connect-src 'self' ws://10.0.0.1:24280;"},
	} {
		r := open(t, relay.Options{Relays: func() []string { return test.relays }}, web.Options{})
		res, err := http.Get("http://" + r.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, test.want) || strings.Contains(got, "*") {
			t.Errorf("with %q the policy is %s", test.relays, got)
		}
	}
}
