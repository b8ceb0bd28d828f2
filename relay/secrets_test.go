package relay_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/internal/logtest"
	"chat/relay/plain"
	"chat/relay/web"
	"chat/relay/wire"
)

// secrets are the forms of what no one may see of a token or an address.
func secrets(tokens, addresses []string) (list []string) {
	list = append(list, addresses...)
	for _, token := range tokens {
		sum := sha256.Sum256([]byte(token))
		list = append(list, token, string(sum[:]), hex.EncodeToString(sum[:]), strings.ToUpper(hex.EncodeToString(sum[:])),
			base64.StdEncoding.EncodeToString(sum[:]), base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return list
}

// joinAs connects a peer from an address, which says hello with a token, "": a person.
func joinAs(t *testing.T, srv *relay.Server, ip, nick, token string) *peer {
	t.Helper()
	p := joinFrom(t, srv, ip)
	p.name = nick
	t.Cleanup(func() { p.conn.Close() })
	if token == "" {
		p.expect("* Welcome")
		p.send("/nick " + nick)
		p.expect("* you are now " + nick)
	} else {
		p.send(fmt.Sprintf(`{"type":"hello","nick":%q,"token":%q,"backlog":100}`, nick, token))
		p.expectEvent(wire.TypeWelcome)
	}
	time.Sleep(time.Second)
	return p
}

// ask has a session read all it can, and returns the lines that it got, all of them.
func ask(p *peer, program bool) string {
	p.t.Helper()
	requests := []string{"/who", "/bans", "/history 200", "/topic", "/help", "/ignore", "/unban mallory", "/mute mallory", "/msg mallory psst"}
	for _, words := range []string{"10", "66", "fd66", "key", "client", "ban", "soup"} {
		requests = append(requests, "/search "+words)
	}
	for _, request := range requests {
		if !program {
			p.send(request)
			continue
		}
		p.send(fmt.Sprintf(`{"type":"command","text":%q}`, request))
	}
	if program {
		for _, words := range []string{"10", "66", "fd66", "key", "client", "ban", "soup"} {
			p.send(fmt.Sprintf(`{"type":"search","text":%q,"count":200}`, words))
		}
		p.send(`{"type":"history","count":200}`, `{"type":"who"}`, `{"type":"bans"}`)
	}
	time.Sleep(time.Minute)
	return p.sofar()
}

// sofar returns the lines that have come and were not read.
func (p *peer) sofar() string {
	var all []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return strings.Join(all, "\n")
			}
			all = append(all, line)
		default:
			return strings.Join(all, "\n")
		}
	}
}

// Nothing that anyone gets, and nothing that the host logs but the addresses of its own peers,
// has a byte of a banned address, or of a token or its hash. Operators get the addresses in
// /bans.
func TestSecretsStaySecret(t *testing.T) {
	const operator, alice, mallory, deputy, admin = "operators-own-token", "alices-very-own-token", "mallorys-bad-token", "deputys-own-token", "token-of-a-file"
	secret := secrets([]string{operator, alice, mallory, deputy, admin}, []string{"10.66.1.2", "10.66.1.3", "10.66.1.4", "fd66::5", "10.66.1.8", "10.66.1.9"})
	path, logged := filepath.Join(t.TempDir(), "kitchen.chat"), new(logtest.Buffer)
	seen := make(map[string]string)
	synctest.Test(t, func(t *testing.T) {
		var page *web.Handler
		k := &kept{t: t, path: path, opts: relay.Options{
			Rate: -1, HostToken: operator, OperatorToken: admin, Web: func(conn net.Conn) { page.StartServing(conn) },
			Log: slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == "remote" { // the host's log names its peers
					return slog.Attr{}
				}
				return a
			}})),
		}}
		open := func() {
			k.open()
			page = web.New(k.srv, web.Options{Log: k.opts.Log})
		}
		open()
		defer func() { k.stop(); page.Close() }()

		op := joinAs(t, k.srv, "127.0.0.1", "op", operator)
		bad := []*peer{
			joinAs(t, k.srv, "10.66.1.2", "mallory", mallory), joinAs(t, k.srv, "10.66.1.3", "eve", ""),
			joinAs(t, k.srv, "10.66.1.4", "dave", ""), joinAs(t, k.srv, "fd66::5", "carol", ""),
		}
		joinAs(t, k.srv, "10.66.1.8", "deputy", deputy)
		root := joinFrom(t, k.srv, "127.0.0.1")
		root.send(fmt.Sprintf(`{"type":"hello","nick":"root","token":"roots-own-token","secret":%q}`, admin))
		if e := root.expectEvent(wire.TypeWelcome); e.Access != "operator" {
			t.Errorf("the token of the file makes no operator: %+v", e)
		}
		elsewhere := joinFrom(t, k.srv, "10.77.0.2")
		elsewhere.send(fmt.Sprintf(`{"type":"hello","nick":"thief","token":"thiefs-own-token","secret":%q}`, admin))
		if e := elsewhere.expectEvent(wire.TypeWelcome); e.Access != "" {
			t.Errorf("the token of the file makes an operator on another machine: %+v", e)
		}
		elsewhere.conn.Close()
		witness := joinAs(t, k.srv, "10.77.0.1", "alice", alice)
		person := joinAs(t, k.srv, "10.77.0.1", "bob", "")
		bad[0].send(`{"type":"say","seq":1,"text":"soup of mallory"}`)
		bad[1].send("soup of eve", "/msg alice soup")
		for _, request := range []string{"/mute eve", "/ban mallory soup", "/ban 10.66.1.4", "/ban carol", "/ban 10.66.1.9 soup", "/unban 10.66.1.9", "/topic soup", "/op deputy", "/op alice", "/deop alice"} {
			op.send(fmt.Sprintf(`{"type":"command","text":%q}`, request))
		}
		for _, req := range []wire.Request{{Type: "ban", Nick: "10.66.1.9", Text: "soup"}, {Type: "unban", Nick: "10.66.1.9"}, {Type: "mute", Nick: "bob", Text: "soup"}, {Type: "unmute", Nick: "bob"}} {
			if _, err := k.srv.Operate(&req); err != nil {
				t.Errorf("%s: %v", req.Type, err)
			}
		}
		bad[1].send("soup of one muted", "/nick muted", "/quit soup")
		time.Sleep(time.Second)
		for _, again := range []*peer{joinFrom(t, k.srv, "10.66.1.4"), joinFrom(t, k.srv, "fd66::5"), joinFrom(t, k.srv, "10.77.0.9")} {
			go fmt.Fprintf(again.conn, "{\"type\":\"hello\",\"nick\":\"x\",\"token\":%q}\n", mallory) // until it is closed
			seen["banned peers get"] += strings.Join(again.closed(), "\n")
		}
		for _, p := range bad {
			seen["muted and banned members got"] += p.sofar()
		}
		transcript := filepath.Join(t.TempDir(), "transcript")
		for range 2 { // the second time after a restart
			for who, got := range map[string]string{"a program gets": ask(witness, true), "a person gets": ask(person, false)} {
				seen[who] += got
				writeTranscript(t, transcript, got)
			}
			seen["by HTTP"] += askHTTP(t, k.srv)
			op.sofar()
			op.send(`{"type":"bans"}`)
			bans := op.expect("banned: ")
			for _, words := range []string{"10.66.1.4", "mallory (10.66.1.2)", "carol (fd66::5)", "muted: eve (10.66.1.3)"} {
				if !strings.Contains(bans, words) {
					t.Errorf("/bans shows an operator %s; it lacks %s", bans, words)
				}
			}
			if strings.Contains(bans, "10.66.1.9") {
				t.Errorf("/bans shows an address whose ban was lifted: %s", bans)
			}
			k.stop()
			page.Close()
			open()
			op = joinAs(t, k.srv, "127.0.0.1", "op", operator)
			witness = joinAs(t, k.srv, "10.77.0.1", "alice", alice)
			person = joinAs(t, k.srv, "10.77.0.1", "bob", "")
		}
		seen["a transcript has"] = readFile(t, transcript)
	})
	for bits := range 4 {
		for _, json := range []bool{false, true} {
			var out strings.Builder
			if err := history.Print(t.Context(), &out, path, history.Selection{Private: bits&1 > 0, Happened: bits&2 > 0}, json); err != nil {
				t.Fatal(err)
			}
			seen["chat history prints"] += out.String()
		}
	}
	for _, act := range []string{"op banned an address: soup", "op lifted the ban of an address", "op made deputy an operator", "op made alice an ordinary member", "host (admin) banned an address: soup", "host (admin) muted bob: soup"} {
		if !strings.Contains(seen["chat history prints"], act) {
			t.Errorf("chat history lacks %q", act)
		}
	}
	seen["the host logs"] = logged.String()
	for who, got := range seen {
		if !strings.Contains(got, "soup") && who != "banned peers get" && who != "the host logs" || len(got) < 100 {
			t.Errorf("%s only %q", who, got)
		}
		for _, s := range secret {
			if i := strings.Index(got, s); i >= 0 {
				t.Errorf("%s a secret: …%q…", who, got[max(0, i-100):min(len(got), i+100)])
			}
		}
	}
}

// writeTranscript writes the events in lines as --log does.
func writeTranscript(t *testing.T, path, lines string) {
	t.Helper()
	log, err := plain.OpenTranscript(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines) {
		if e, err := wire.ParseEvent([]byte(line)); err == nil {
			if err := log.Add(e, wire.Viewer{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// askHTTP asks for everything that a host serves about its room.
func askHTTP(t *testing.T, srv *relay.Server) (got string) {
	t.Helper()
	var served sync.WaitGroup
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		served.Go(func() {
			srv.ServeConn(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}})
		})
		return ours, nil
	}}
	defer served.Wait()
	defer transport.CloseIdleConnections()
	for _, path := range []string{"/room", "/messages?count=1000", "/messages?since=1&count=1000", "/metrics", "/healthz", "/events?since=1", "/commands", "/bans"} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(path, err)
		}
		body, _ := io.ReadAll(res.Body) // a stream has no end
		res.Body.Close()
		cancel()
		got += fmt.Sprintf("%s\n%v\n%s\n", res.Status, res.Header, body)
	}
	return got
}
