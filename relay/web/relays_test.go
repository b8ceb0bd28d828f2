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
	r = openRelay(t, store.Relay(), opts)
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

// openRelay opens one of the hosts of a room.
func openRelay(t *testing.T, journal *journaltest.Relay, opts relay.Options) *room {
	t.Helper()
	return openOn(t, func(opts relay.Options) *relay.Server {
		opts.Room, opts.Secret = "0123456789abcdef", "the secret of all relays"
		srv, err := relay.NewShared(t.Context(), journal, nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}, opts, web.Options{})
}

// A client's message at a host with a slow cluster is overtaken by one that the client sends at another host, with the same
// number: both are in the room, and each request gets its own.
func TestMessageIsOvertakenAtAnotherRelay(t *testing.T) {
	for _, keys := range [][2]string{{"", ""}, {"build-1", "build-2"}, {"", "build-1"}} {
		store := journaltest.New()
		journal := store.Relay()
		slow, fast := openRelay(t, journal, relay.Options{}), openRelay(t, store.Relay(), relay.Options{})
		post := func(host *room, text, key string) (status int, body string) {
			header := []string{"Authorization", "Bearer token-of-ci"}
			if key != "" {
				header = append(header, "Idempotency-Key", key)
			}
			return host.do("POST", "/messages?nick=ci", text, header...)
		}
		if status, body := post(slow, "hello", ""); status != 201 { // from now on both hosts know the client
			t.Fatalf("%d %s", status, body)
		}
		journal.SetLatency(200 * time.Millisecond)
		var sent sync.WaitGroup
		send := func(host *room, key string) {
			if status, body := post(host, "build done", key); status != 201 || !strings.Contains(body, "build done") {
				t.Errorf("keys %q: %d %s", keys, status, body)
			}
		}
		sent.Go(func() { send(slow, keys[0]) })
		time.Sleep(50 * time.Millisecond)
		send(fast, keys[1])
		sent.Wait()
		journal.SetLatency(0)
		if _, all := slow.do("GET", "/messages", ""); strings.Count(all, "build done") != 2 {
			t.Errorf("with keys %q the room has\n%s", keys, all)
		}
	}
}

// Requests with one Idempotency-Key are one message, whichever hosts of the room get them; and those of a client that come
// to several hosts at the same time are all in the room.
func TestIdempotencyAcrossRelays(t *testing.T) {
	store := journaltest.New()
	hosts := []*room{openRelay(t, store.Relay(), relay.Options{}), openRelay(t, store.Relay(), relay.Options{})}
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
