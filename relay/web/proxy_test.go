package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"chat/relay"
	"chat/relay/endpoint"
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

// Without --trusted-proxy, no header changes whose request it is.
func TestNoProxy(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		if status, _ := r.do("GET", "/metrics", "", header, "for=192.0.2.1"); status != 200 {
			t.Errorf("%s: %d, want 200", header, status)
		}
	}
}
