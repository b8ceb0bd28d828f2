package relay_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/internal/logtest"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

// A measured room is one with a page, whose metrics and log a test reads, in a bubble.
type measured struct {
	t   *testing.T
	srv *relay.Server
	log *logtest.Buffer

	secret seal.Secret // of the room; "": it is plain
}

// measuredRoom runs a test in a bubble, with a room that it can measure.
func measuredRoom(t *testing.T, opts relay.Options, test func(m measured)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var page *web.Handler
		m := measured{t: t, log: new(logtest.Buffer)}
		opts.Log = slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		opts.Web = func(conn net.Conn) { page.StartServing(conn) }
		m.srv = relay.New(opts)
		page = web.New(m.srv, web.Options{Log: opts.Log})
		t.Cleanup(func() { page.Close() })
		if opts.Seal != nil {
			m.secret = opts.Seal.Secrets.Member
		}
		test(m)
	})
}

// join connects a peer from an address.
func (m measured) join(ip string) *peer {
	p := joinFrom(m.t, m.srv, ip)
	m.t.Cleanup(func() { p.conn.Close() })
	return p
}

// metrics returns the host's metrics.
func (m measured) metrics() string {
	m.t.Helper()
	ours, theirs := net.Pipe()
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			go m.srv.ServeConn(context.Background(), theirs)
			return ours, nil
		},
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(m.t.Context(), "GET", "http://localhost/metrics", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if m.secret != "" {
		req.Header.Set("Authorization", "Bearer "+string(m.secret))
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		m.t.Fatal(res.Status, err)
	}
	return string(b)
}

// has checks that metrics have these values, "NAME VALUE" each.
func (m measured) has(what string, values ...string) {
	m.t.Helper()
	text := m.metrics()
	for _, value := range values {
		if !strings.Contains(text, "\n"+value+"\n") {
			name, _, _ := strings.Cut(value, " ")
			_, got, _ := strings.Cut(text, "\n"+name+" ")
			got, _, _ = strings.Cut(got, "\n")
			m.t.Errorf("%s: %s, want %s", what, got, value)
		}
	}
}

// logs checks how many log lines have all these words.
func (m measured) logs(want int, words ...string) {
	m.t.Helper()
	got := 0
	for line := range strings.Lines(m.log.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			got++
		}
	}
	if got != want {
		m.t.Errorf("%d log lines have %q, want %d:\n%s", got, words, want, m.log)
	}
}

// refusedBy are the counters of refused connections.
func refusedBy(banned, displaced, full, tooFast int) []string {
	const name = "chat_refused_connections_total{reason=%q} %d"
	return []string{
		fmt.Sprintf(name, "banned", banned), fmt.Sprintf(name, "displaced", displaced),
		fmt.Sprintf(name, "full", full), fmt.Sprintf(name, "too_fast", tooFast),
	}
}

// Each refused connection counts once, for its reason, and has a line in the log for those who look for it.
func TestRefusedConnectionsAreCounted(t *testing.T) {
	const host, known = "token-of-the-host-1234", "token-of-a-member-1234"
	measuredRoom(t, relay.Options{MaxPerAddress: 2, HostToken: host}, func(m measured) {
		m.has("at first", refusedBy(0, 0, 0, 0)...)
		olga, _ := program(m.t, m.srv, `{"type":"hello","nick":"olga","token":"`+host+`"}`)
		member := joinAs(m.t, m.srv, "10.0.0.1", "mary", known)
		member.send(`{"type":"say","text":"soup"}`, `{"type":"quit"}`)
		member.closed()
		for range 2 {
			m.join("10.0.0.1").expect("* Welcome to ")
		}

		for range 3 {
			p := m.join("10.0.0.1")
			p.expect("! too many connections from 10.0.0.1")
			p.closed()
		}
		m.has("people beyond the limit of an address", refusedBy(0, 0, 3, 0)...)
		p := m.join("10.0.0.1")
		io.WriteString(p.conn, `{"type":`)
		p.closed()
		m.has("a line that does not end", refusedBy(0, 0, 4, 0)...)
		for range 64 { // as many may wait
			p := m.join("10.0.0.1")
			io.WriteString(p.conn, `{"type":`)
		}
		m.has("those that wait", refusedBy(0, 0, 4, 0)...)
		m.join("10.0.0.1").closed()
		m.has("no place to wait either", refusedBy(0, 0, 5, 0)...)
		m.logs(1, "refused a connection", "remote=10.0.0.1:1", "code=full")
		time.Sleep(time.Minute)
		m.has("they have waited", refusedBy(0, 0, 69, 0)...)

		joinAs(m.t, m.srv, "10.0.0.1", "mary", known)
		m.has("a member came back", refusedBy(0, 1, 69, 0)...)

		olga.send(`{"type":"ban","nick":"10.0.0.9"}`)
		time.Sleep(time.Second)
		for range 4 {
			m.join("10.0.0.9").closed()
		}
		m.has("a banned address", refusedBy(4, 1, 69, 0)...)
		m.logs(4, "refused a connection", "remote=10.0.0.9:1", "code=banned")

		for range 256 { // the burst
			m.join("10.0.0.2").conn.Close()
		}
		var hurried []*peer
		for range 5 {
			hurried = append(hurried, m.join("10.0.0.2"))
		}
		for _, p := range hurried {
			p.closed()
		}
		m.has("an address in a hurry", refusedBy(4, 1, 69, 5)...)
		m.logs(5, "refused a connection", "remote=10.0.0.2:1", "code=full")
	})
}

// Each wrong secret counts once, and so does each attempt of an address that is locked out.
func TestRefusedLoginsAreCounted(t *testing.T) {
	measuredRoom(t, sealedOptions(t), func(m measured) {
		logins := func(what string, wrong, lockedOut int) {
			m.t.Helper()
			m.has(what, fmt.Sprintf(`chat_refused_logins_total{reason="wrong_secret"} %d`, wrong), fmt.Sprintf(`chat_refused_logins_total{reason="locked_out"} %d`, lockedOut))
		}
		logins("at first", 0, 0)
		refused(m.t, m.srv, "10.0.0.1", sealedHello("ann", ""), wire.CodeNoSecret)
		enter(m.t, m.srv, "10.0.0.1", "ann", memberSecret)
		logins("no secret, and the right one", 0, 0)
		for range 3 {
			refused(m.t, m.srv, "10.0.0.2", sealedHello("bob", newMember), wire.CodeAuthFailed)
		}
		for range 2 {
			if status, _ := request(m.t, m.srv, "10.0.0.2", "GET", "/messages", "", "Authorization", "Bearer "+string(newMember)); status != http.StatusUnauthorized {
				m.t.Errorf("a request gets %d", status)
			}
		}
		logins("five wrong secrets", 5, 0)
		m.logs(3, "a client was not let in", "remote=10.0.0.2:1", "code=auth_failed")
		m.logs(2, "a request was not let in", "remote=10.0.0.2:1", "code=auth_failed")
		for range 4 {
			refused(m.t, m.srv, "10.0.0.2", sealedHello("bob", memberSecret), wire.CodeTooMany)
		}
		logins("an address that is locked out", 5, 4)
		time.Sleep(2 * time.Minute)
		enter(m.t, m.srv, "10.0.0.2", "bob", memberSecret)
		logins("the right secret, later", 5, 4)
	})
}

// Each line that waits for the rate counts once, and each request.
func TestDelayedInputIsCounted(t *testing.T) {
	measuredRoom(t, relay.Options{Burst: 5, Rate: 1}, func(m measured) {
		delayed := func(what string, want int) {
			m.t.Helper()
			m.has(what, fmt.Sprintf("chat_delayed_inputs_total %d", want))
		}
		p := m.join("10.0.0.1")
		p.send(`{"type":"hello","nick":"ann"}`, `{"type":"say","text":"1"}`, `{"type":"say","text":"2"}`, `{"type":"say","text":"3"}`, `{"type":"say","text":"4"}`)
		time.Sleep(100 * time.Millisecond)
		delayed("five lines at once", 0)
		for n := 5; n < 8; n++ {
			p.send(fmt.Sprintf(`{"type":"say","text":"%d"}`, n))
		}
		time.Sleep(10 * time.Second)
		delayed("three more", 3)
		for range 7 {
			request(m.t, m.srv, "10.0.0.2", "GET", "/messages", "")
			synctest.Wait() // until the connection is gone, and its debt is known
		}
		time.Sleep(10 * time.Second)
		delayed("seven requests", 5)
		p.send(`{"type":"say","text":"8"}`)
		time.Sleep(time.Second)
		delayed("a line after a pause", 5)
	})
}
