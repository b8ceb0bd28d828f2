package web_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/journal/journaltest"
	"chat/relay/seal"
	"chat/relay/web"
)

// openShared hosts a room that other relays serve, too, at addresses, until end is called.
func openShared(t *testing.T, addrs ...string) (r *room, end func()) {
	t.Helper()
	return openSharedAs(t, relay.Options{}, addrs...)
}

func openSharedAs(t *testing.T, opts relay.Options, addrs ...string) (r *room, end func()) {
	t.Helper()
	store := journaltest.New()
	r = openOn(t, func(opts relay.Options) *relay.Server {
		opts.Room, opts.Secret = "0123456789abcdef", "the secret of all relays"
		srv, err := relay.NewShared(t.Context(), store.Relay(), nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}, opts, web.Options{})
	leave := store.Announce(addrs...)
	awaitRelays(t, r.srv, len(addrs) > 0)
	return r, func() {
		leave()
		awaitRelays(t, r.srv, false)
	}
}

// awaitRelays waits until the room has relays, or has none.
func awaitRelays(t *testing.T, srv *relay.Server, some bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); (len(srv.Relays()) > 0) != some; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the relays are %q", srv.Relays())
		}
	}
}

// Pages of the room's other hosts get a socket, and nothing else; those of hosts that are gone, too.
func TestPagesOfOtherRelays(t *testing.T) {
	r, end := openShared(t, "10.0.0.1:24280", "[fd00::2]:24280", "Kitchen-2.example:80")
	for _, gone := range []bool{false, true} {
		if gone {
			end()
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

// In a sealed room no page from another host gets a socket, not even with the secret, and none may open one there.
func TestPagesOfOtherSealedRelays(t *testing.T) {
	r, end := openSharedAs(t, relay.Options{Seal: &relay.Seal{Secrets: seal.RoomSecrets{Member: memberSecret, Listen: listenSecret, Operator: operatorSecret}}}, "10.0.0.1:24280")
	defer end()
	conn := r.raw(r.handshake("Origin: http://10.0.0.1:24280\r\nAuthorization: Bearer " + memberSecret + "\r\n"))
	defer conn.Close()
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 403 {
		t.Errorf("a socket of a page from another host: %+v, %v", res, err)
	}
	res, err := http.Get("http://" + r.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "connect-src 'self';") {
		t.Errorf("the policy is %s", got)
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
		r, end := openShared(t, test.relays...)
		defer end()
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

// Requests with one Idempotency-Key are one message, whichever hosts of the room get them; and those of a client that come
// to several hosts at the same time are all in the room.
func TestIdempotencyAcrossRelays(t *testing.T) {
	store := journaltest.New()
	var hosts []*room
	for range 2 {
		hosts = append(hosts, openOn(t, func(opts relay.Options) *relay.Server {
			opts.Room, opts.Secret = "0123456789abcdef", "the secret of all relays"
			srv, err := relay.NewShared(t.Context(), store.Relay(), nil, opts)
			if err != nil {
				t.Fatal(err)
			}
			return srv
		}, relay.Options{}, web.Options{}))
	}
	post := func(host *room, text, key string) (status int, body string) {
		return host.do("POST", "/messages?nick=ci", text, "Idempotency-Key", key, "Authorization", "Bearer token-of-ci")
	}
	status, first := post(hosts[0], "build done", "build-1")
	if status != 201 {
		t.Fatalf("the first answer is %d %s", status, first)
	}
	if status, again := post(hosts[1], "build done", "build-1"); status != 201 || again != first {
		t.Errorf("the other host answers %d %s, want %s", status, again, first)
	}
	var sent sync.WaitGroup
	for i := range 8 {
		sent.Go(func() {
			if status, body := post(hosts[i%2], "at once", fmt.Sprintf("key-%d", i/2)); status != 201 {
				t.Errorf("at once: %d %s", status, body)
			}
		})
	}
	sent.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		_, all := hosts[1].do("GET", "/messages", "")
		if n := strings.Count(all, `"at once"`); n == 4 {
			break
		} else if n > 4 || time.Now().After(deadline) {
			t.Fatalf("%d messages with 4 keys are in the room:\n%s", n, all)
		}
	}
}
