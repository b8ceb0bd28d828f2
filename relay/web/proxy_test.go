package web_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"chat/relay"
	"chat/relay/endpoint"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

// openBehindProxy hosts a room that trusts this machine as a proxy.
func openBehindProxy(t *testing.T, opts relay.Options) *room {
	t.Helper()
	var err error
	if opts.TrustedProxies, err = endpoint.ParseProxies([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	return open(t, opts, web.Options{TrustedProxies: opts.TrustedProxies})
}

// socketOf opens a WebSocket for a client of the proxy, and says hello. It returns the first event;
// without one, the status of the answer.
func (r *room) socketOf(client, nick string) (*websocket.Conn, wire.Event, int) {
	r.t.Helper()
	header := http.Header{"X-Forwarded-For": {client}}
	ws, res, err := websocket.Dial(r.t.Context(), "ws://"+r.addr+"/socket", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		if res == nil {
			r.t.Fatal(err)
		}
		return nil, wire.Event{}, res.StatusCode
	}
	r.t.Cleanup(func() { ws.CloseNow() })
	ws.Write(r.t.Context(), websocket.MessageText, []byte(`{"type":"hello","nick":"`+nick+`"}`))
	_, line, err := ws.Read(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := wire.ParseEvent([]byte(strings.TrimSpace(string(line))))
	if err != nil {
		r.t.Fatal(err)
	}
	return ws, e, res.StatusCode
}

// Limits, bans and the identity of scripts are those of the proxy's clients, and /metrics is
// for the host's machine only.
func TestBehindProxy(t *testing.T) {
	r := openBehindProxy(t, relay.Options{MaxPerAddress: 2, HostToken: "hosts-secret"})
	host := r.browser(`{"type":"hello","nick":"ann","token":"hosts-secret"}`)
	host.expect(wire.TypeWelcome)
	const eve, bob = "192.0.2.66", "2001:db8::7"
	first, e, _ := r.socketOf(eve, "eve")
	if e.Type != wire.TypeWelcome {
		t.Fatalf("eve got %+v", e)
	}
	r.socketOf(eve, "eve2")
	if _, e, status := r.socketOf(eve, "eve3"); e.Type != "" || status != http.StatusServiceUnavailable {
		t.Errorf("a third connection of one client got %d, %+v", status, e)
	}
	if _, e, _ := r.socketOf(bob, "bob"); e.Type != wire.TypeWelcome {
		t.Errorf("another client got %+v", e)
	}
	for _, test := range []struct {
		client, path string
		status       int
	}{
		{"", "/metrics", 200}, {eve, "/metrics", 503}, {bob, "/metrics", 403}, {"127.0.0.1", "/metrics", 403},
		{bob, "/room", 200}, {"rubbish", "/room", 400},
	} {
		var header []string
		if test.client != "" {
			header = []string{"X-Forwarded-For", test.client}
		}
		if status, body := r.do("GET", test.path, "", header...); status != test.status {
			t.Errorf("%s for %q: %d %s, want %d", test.path, test.client, status, body, test.status)
		}
	}
	host.send(`{"type":"ban","nick":"` + eve + `"}`)
	host.expect(wire.TypeNotice)
	for {
		if _, _, err := first.Read(t.Context()); err != nil {
			break // eve was disconnected
		}
	}
	for client, want := range map[string]int{eve: 403, bob: 201} {
		if status, body := r.do("POST", "/messages?nick=ci", "soup", "X-Forwarded-For", client); status != want {
			t.Errorf("a message from %s: %d %s, want %d", client, status, body, want)
		}
	}
	if status, _ := r.do("GET", "/room", "", "Origin", "https://"+r.addr, "X-Forwarded-For", bob); status != 200 {
		t.Errorf("a page behind a proxy with TLS: %d, want 200", status)
	}
	if status, _ := r.do("GET", "/room", "", "Origin", "https://"+r.addr); status != 403 {
		t.Errorf("a page of another origin: %d, want 403", status)
	}
}

// Wrong secrets count for the proxy's clients, not for the proxy, and the cookie is only for encrypted connections if the
// client's is one.
func TestSealedBehindProxy(t *testing.T) {
	r := openBehindProxy(t, relay.Options{Seal: &relay.Seal{Secrets: seal.RoomSecrets{Member: memberSecret, Listen: listenSecret, Operator: operatorSecret}}})
	const eve, bob = "192.0.2.66", "192.0.2.7"
	var wrong sync.WaitGroup
	for range 5 {
		wrong.Go(func() {
			r.do("GET", "/messages", "", "X-Forwarded-For", eve, "Authorization", "Bearer WRONG22222222222")
		})
	}
	wrong.Wait()
	for client, want := range map[string]int{eve: 429, bob: 200, "": 200} {
		header := []string{"Authorization", "Bearer " + memberSecret}
		if client != "" {
			header = append(header, "X-Forwarded-For", client)
		}
		if status, body := r.do("GET", "/messages", "", header...); status != want {
			t.Errorf("the secret from %q: %d %s, want %d", client, status, body, want)
		}
	}
	if status, body := r.do("POST", "/enter", "secret="+memberSecret+"&key=x&signature=y", "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", bob); status != 401 || !strings.Contains(body, "sign a challenge") {
		t.Errorf("a signature without a challenge, of a connection that ends at the proxy: %d %s", status, body)
	}
	for scheme, want := range map[string]bool{"https": true, "http": false} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.addr+"/enter", strings.NewReader("secret="+memberSecret))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-For": {bob}, "X-Forwarded-Proto": {scheme}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if cookies := res.Cookies(); len(cookies) != 1 || cookies[0].Secure != want {
			t.Errorf("by %s the cookie is %v", scheme, cookies)
		}
	}
}

// Without --trusted-proxy, no header changes whose request it is.
func TestNoProxy(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		if status, _ := r.do("GET", "/metrics", "", header, "for=192.0.2.1"); status != 200 {
			t.Errorf("%s: %d, want 200", header, status)
		}
	}
}
