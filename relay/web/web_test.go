package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/web"
	"chat/relay/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
	os.Exit(m.Run())
}

// A room is a host for a test, at its own address.
type room struct {
	t     *testing.T
	addr  string
	srv   *relay.Server
	page  *web.Handler
	close func() // closes the room once, and waits for the end
}

// open hosts a room until the test ends.
func open(t *testing.T, opts relay.Options, page web.Options) *room {
	t.Helper()
	return openOn(t, relay.New, opts, page)
}

// openOn hosts a room on the server that newServer returns.
func openOn(t *testing.T, newServer func(relay.Options) *relay.Server, opts relay.Options, page web.Options) *room {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var h *web.Handler
	opts.Title = "kitchen"
	opts.Web = func(conn net.Conn) { h.StartServing(conn) }
	opts.Files = func(id string) (wire.File, error) { return page.Files.Publish(id) }
	srv := newServer(opts)
	if page.Ways == nil {
		page.Ways = func() []string { return []string{ln.Addr().String()} }
	}
	h = web.New(srv, page)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	r := &room{t: t, addr: ln.Addr().String(), srv: srv, page: h}
	r.close = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		h.Close()
	})
	t.Cleanup(r.close)
	return r
}

// do sends a request, and returns the status and the body of the answer.
func (r *room) do(method, path, body string, header ...string) (int, string) {
	r.t.Helper()
	res, answer := r.send(http.DefaultClient.Do, method, path, body, header...)
	return res.StatusCode, answer
}

// send sends a request with do and returns the answer.
func (r *room) send(do func(*http.Request) (*http.Response, error), method, path, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(b)
}

// A person is a member with nc.
type person struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

func (r *room) person(nick string) *person {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	p := &person{r.t, conn, bufio.NewScanner(conn)}
	p.send("/nick " + nick)
	p.expect("* you are now " + nick)
	return p
}

func (p *person) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads until a line contains words.
func (p *person) expect(words string) {
	p.t.Helper()
	for p.lines.Scan() {
		if strings.Contains(p.lines.Text(), words) {
			return
		}
	}
	p.t.Fatalf("%q did not come: %v", words, p.lines.Err())
}

// A browser is a page's end of a WebSocket.
type browser struct {
	t     *testing.T
	ws    *websocket.Conn
	lines []string // of the last message, not returned by next yet
}

func (r *room) browser(hello string) *browser {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	r.t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, "ws://"+r.addr+"/socket", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	ws.SetReadLimit(wire.MaxJSONLine)
	r.t.Cleanup(func() { ws.CloseNow() })
	b := &browser{t: r.t, ws: ws}
	b.send(hello)
	return b
}

func (b *browser) send(line string) {
	b.t.Helper()
	if err := b.ws.Write(b.t.Context(), websocket.MessageText, []byte(line)); err != nil {
		b.t.Fatal(err)
	}
}

// next returns the next event, or the error that ended the connection.
func (b *browser) next() (wire.Event, error) {
	b.t.Helper()
	if len(b.lines) == 0 {
		ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
		defer cancel()
		_, message, err := b.ws.Read(ctx)
		if err != nil {
			return wire.Event{}, err
		}
		if !strings.HasSuffix(string(message), "\n") {
			b.t.Fatalf("a message ends within a line: %q", message)
		}
		b.lines = strings.Split(strings.TrimSuffix(string(message), "\n"), "\n")
	}
	line := b.lines[0]
	b.lines = b.lines[1:]
	e, err := wire.ParseEvent([]byte(line))
	if err != nil {
		b.t.Fatalf("%q: %v", line, err)
	}
	return e, nil
}

// expect reads until an event of a kind.
func (b *browser) expect(kind string) wire.Event {
	b.t.Helper()
	for {
		e, err := b.next()
		if err != nil {
			b.t.Fatalf("no %s came: %v", kind, err)
		}
		if e.Type == kind {
			return e
		}
	}
}

func TestPageAndPerson(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	alice := r.browser(`{"type":"hello","version":1,"nick":"alice"}`)
	if e := alice.expect(wire.TypeWelcome); e.Nick != "alice" || e.Title != "kitchen" {
		t.Errorf("welcome %+v", e)
	}
	bob.expect("* alice joined")
	alice.send(`{"type":"say","seq":1,"text":"soup is ready"}` + "\n")
	bob.expect("<alice> soup is ready")
	if e := alice.expect(wire.TypeMessage); e.Seq != 1 || e.Text != "soup is ready" {
		t.Errorf("acknowledged by %+v", e)
	}
	long := strings.Repeat("long ", 1500) // needs a frame header of the next size
	for range 20 {
		bob.send(long)
	}
	for range 20 {
		if e := alice.expect(wire.TypeMessage); e.Text != strings.TrimSpace(long) {
			t.Fatalf("%d bytes came", len(e.Text))
		}
	}
	alice.ws.Close(websocket.StatusNormalClosure, "")
	bob.expect("* alice left")
}

// A ping is answered between the room's events, however many there are.
func TestPing(t *testing.T) {
	r := open(t, relay.Options{Rate: -1}, web.Options{})
	alice := r.browser(`{"type":"hello","version":1,"nick":"alice"}`)
	alice.expect(wire.TypeWelcome)
	bob := r.person("bob")
	const count = 3000
	go func() {
		for n := range count {
			fmt.Fprintf(bob.conn, "%d %s\n", n, strings.Repeat("soup ", 50))
		}
	}()
	came := make(chan bool, 1)
	go func() { // only reading finds pongs
		defer close(came)
		for n := range count {
			if e := alice.expect(wire.TypeMessage); !strings.HasPrefix(e.Text, fmt.Sprint(n, " ")) {
				t.Errorf("%.20q came in the place of number %d", e.Text, n)
				break
			}
		}
		came <- true
		alice.next()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pings := 0
	for done := false; !done || pings < 10; pings++ {
		if err := alice.ws.Ping(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-came:
			done = true
		default:
		}
	}
	t.Logf("%d pings were answered", pings)
	alice.ws.CloseNow()
	for range came {
	}
}

// The room gives the reason when it closes or rejects a page's connection.
func TestGoodbye(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: 2}, web.Options{})
	alice := r.browser(`{"type":"hello","version":1,"nick":"alice"}`)
	alice.expect(wire.TypeWelcome)
	bob := r.browser(`{"type":"hello","version":1,"nick":"bob","room":"another"}`)
	if e := bob.expect(wire.TypeError); e.Code != wire.CodeWrongRoom {
		t.Errorf("another room: %+v", e)
	}
	if _, err := bob.next(); err == nil {
		t.Error("the connection stays open")
	}
	alice.send(`{"type":"quit"}`)
	if e := alice.expect(wire.TypeBye); e.Code != wire.CodeQuit {
		t.Errorf("the goodbye is %+v", e)
	}
	if _, err := alice.next(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closed by %v", err)
	}
}

// Requests that a page of another site can make a browser send have no effect and no answer.
func TestForeign(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{Names: []string{"laptop.local"}})
	_, port, _ := net.SplitHostPort(r.addr)
	for _, test := range []struct {
		name   string
		status int
		header []string
	}{
		{"no page", 201, nil},
		{"its own page", 201, []string{"Origin", "http://" + r.addr}},
		{"its own page by name", 201, []string{"Host", "localhost:" + port, "Origin", "http://localhost:" + port}},
		{"by this machine's name", 201, []string{"Host", "Laptop.local:" + port}},
		{"by an address", 201, []string{"Host", "[fe80::1]:" + port}},
		{"another site", 403, []string{"Origin", "http://evil.example"}},
		{"another port", 403, []string{"Origin", "http://127.0.0.1:1"}},
		{"encrypted", 403, []string{"Origin", "https://" + r.addr}},
		{"a sandbox", 403, []string{"Origin", "null"}},
		{"our name in capitals, as in the QR code", 201, []string{"Host", "LOCALHOST:" + port, "Origin", "http://localhost:" + port}},
		{"another site's name for us", 421, []string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port}},
		{"an address with a zone that has none", 421, []string{"Host", "127.0.0.1%25evil.example:" + port}},
		{"an empty Origin", 403, []string{"Origin", ""}},
		{"an address as the beginning of a name", 421, []string{"Host", "127.0.0.1.evil.example"}},
		{"another site, without Origin", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if status, body := r.do("POST", "/messages?nick=x", test.name, test.header...); status != test.status {
				t.Errorf("sending a message: %d %s", status, body)
			}
			want := map[int]int{201: 200}[test.status]
			if want == 0 {
				want = test.status
			}
			for _, path := range []string{"/messages", "/room", "/"} {
				status, body := r.do("GET", path, "", test.header...)
				if status != want || want != 200 && strings.Contains(body, "page\"") {
					t.Errorf("reading %s: %d %s", path, status, body)
				}
			}
			header := http.Header{}
			for i := 0; i < len(test.header); i += 2 {
				header.Set(test.header[i], test.header[i+1])
			}
			ws, res, err := websocket.Dial(t.Context(), "ws://"+r.addr+"/socket", &websocket.DialOptions{HTTPHeader: header, Host: header.Get("Host")})
			if (err == nil) != (test.status == 201) {
				t.Errorf("WebSocket: %v, %v", res, err)
			}
			if err == nil {
				ws.CloseNow()
			}
		})
	}
	_, sent := r.do("GET", "/messages", "")
	if strings.Contains(sent, "another") || strings.Contains(sent, "sandbox") {
		t.Errorf("a message was sent: %s", sent)
	}
	if status, _ := r.do("GET", "/", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); status != 200 {
		t.Errorf("a link to the page: %d", status)
	}
}

func TestMessages(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	for _, test := range []struct {
		body, kind string
		status     int
		said       string
	}{
		{"build done\n", "", 201, "<ci> build done"},
		{"two\nlines", "text/plain", 201, "<ci> lines"},
		{`{"text":"by JSON","nick":"ann"}`, "application/json; charset=utf-8", 201, "<ann> by JSON"},
		{"/who", "", 201, "<ci> /who"},
		{"\x1b[2Jclear", "", 201, "<ci> ␛[2Jclear"},
		{"", "", 400, ""},
		{"{", "application/json", 400, ""},
		{strings.Repeat("x", 20_000), "", 413, ""},
		{strings.Repeat("x", 5<<20), "", 413, ""},
	} {
		status, answer := r.do("POST", "/messages?nick=ci", test.body, "Content-Type", test.kind)
		if status != test.status {
			t.Errorf("%.20q: %d %s", test.body, status, answer)
		}
		if status != 201 {
			continue
		}
		bob.expect(test.said)
		var e wire.Event
		if err := json.Unmarshal([]byte(answer), &e); err != nil || e.ID == 0 || e.Client == "" {
			t.Errorf("%.20q: answered with %s", test.body, answer)
		}
	}
	if status, answer := r.do("POST", "/messages?nick=bob", "who am I?"); status != 201 || !strings.Contains(answer, `"from":"bob-2"`) {
		t.Errorf("a taken nick: %d %s", status, answer)
	}
	if status, _ := r.do("GET", "/messages?since=x", ""); status != 400 {
		t.Errorf("since=x: %d", status)
	}
	_, all := r.do("GET", "/messages", "")
	if n := strings.Count(all, "\n"); n != 6 || strings.Contains(all, `"join"`) || strings.Contains(all, `"leave"`) {
		t.Errorf("%d lines: %s", n, all)
	}
	_, two := r.do("GET", "/messages?count=2", "")
	if first := strings.Split(all, "\n"); two != first[0]+"\n"+first[1]+"\n" {
		t.Errorf("the first two: %s", two)
	}
}

// Concurrent requests of two scripts are two clients, and lose no message.
func TestManyVisits(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: 100}, web.Options{})
	results := make(chan string)
	for n := range 40 {
		go func() {
			res, err := http.Post("http://"+r.addr+"/messages?nick="+[]string{"ci", "cd"}[n%2], "text/plain", strings.NewReader(fmt.Sprint("number ", n)))
			if err != nil {
				results <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			results <- string(b)
		}()
	}
	for range 40 {
		if answer := <-results; !strings.Contains(answer, `"from":"ci"`) && !strings.Contains(answer, `"from":"cd"`) {
			t.Errorf("answered %s", answer)
		}
	}
	if _, all := r.do("GET", "/messages", ""); strings.Count(all, "\n") != 40 {
		t.Errorf("the room has: %s", all)
	}
}

func TestEvents(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	r.do("POST", "/messages?nick=ci", "before")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.addr+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	expect := func(words string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
		}
		t.Fatalf("%q did not come: %v", words, lines.Err())
	}
	expect("id: " + r.srv.Info().ID + "-1")
	expect(`"text":"before"`)
	bob := r.person("bob")
	bob.send("soup")
	expect(`"join"`)
	expect(`"text":"soup"`)
	bob.send("/msg guest-1 secret")
	bob.send("/msg bob secret")
	bob.send("last")
	for lines.Scan() {
		if strings.Contains(lines.Text(), "secret") {
			t.Error("a private message is streamed")
		}
		if strings.Contains(lines.Text(), "last") {
			break
		}
	}
	if n := r.srv.Stats().Members; n != 1 {
		t.Errorf("%d are in the room", n)
	}
}

// Two hundred pages receive every message in order.
func TestManyPages(t *testing.T) {
	const pages, messages = 200, 100
	r := open(t, relay.Options{Rate: -1, History: history.Limits{Events: -1}}, web.Options{})
	var all sync.WaitGroup
	in := make(chan bool, pages)
	for range pages {
		b := r.browser(`{"type":"hello","version":1,"backlog":0}`)
		all.Go(func() {
			b.expect(wire.TypeWelcome)
			in <- true
			for n := range messages {
				if e := b.expect(wire.TypeMessage); e.Text != fmt.Sprint("number ", n) {
					t.Errorf("%q came in the place of number %d", e.Text, n)
					return
				}
			}
		})
	}
	for range pages {
		<-in
	}
	bob := r.person("bob")
	for n := range messages {
		bob.send(fmt.Sprint("number ", n))
	}
	all.Wait()
	if n := r.srv.Stats().Sessions; n != pages+1 {
		t.Errorf("%d sessions are counted", n)
	}
}

// A connection that a browser opens in advance does not become a guest, and can be used later.
func TestOpenedAhead(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.browser(`{"type":"hello","version":1,"nick":"bob"}`)
	bob.expect(wire.TypeWelcome)
	ahead := r.raw("")
	await(t, "the host to accept it", func() bool { return r.srv.Stats().Sessions == 2 })
	until(t, r.far(""), "Welcome") // a later connection, from an address without a browser: the silence is over
	if n := r.srv.Stats().Members; n != 2 {
		t.Errorf("%d are in the room", n)
	}
	io.WriteString(ahead, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	until(t, ahead, "HTTP/1.1 200 OK")
}

// A script that streams events does not delay the greeting of people at its address.
func TestStreamIsNoBrowser(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	stream := r.raw("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	until(t, stream, "text/event-stream")
	began := time.Now()
	until(t, r.raw(""), "Welcome")
	if took := time.Since(began); took > 6*time.Second { // 300 ms are right, 12 s are a browser's
		t.Errorf("the greeting came after %v", took)
	}
}

// GET /commands lists the commands that the page can use, and no others.
func TestCommands(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	status, body := r.do("GET", "/commands", "")
	type command struct {
		Name, Usage, Help string
		Operator          bool
	}
	var got, want []command
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	for _, c := range wire.Commands {
		if c.Local == 0 || c.Local&wire.Page != 0 {
			want = append(want, command{c.Name, c.Usage(), c.Help, c.Operator})
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, c := range []command{
		{"msg", "/msg NICK TEXT", "Send a private message.", false},
		{"kick", "/kick NICK [REASON]", "Disconnect a member.", true},
	} {
		if !slices.Contains(got, c) {
			t.Errorf("%+v is missing in %s", c, body)
		}
	}
	if strings.Contains(body, `"copy"`) { // the screen's own
		t.Errorf("it lists /copy, which the page does not have: %s", body)
	}
}

// Only the intended paths are served.
func TestUnknownPath(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for path, want := range map[string]int{"/": 200, "/page/main.js": 200, "/page/../web.go": 404, "/etc/passwd": 404, "/healthz": 200, "/metrics": 200, "/qr.svg": 200} {
		if status, _ := r.do("GET", path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	for coding, want := range map[string]string{"gzip, deflate": "gzip", "br;q=1, gzip;q=0.5": "gzip", "gzip;q=0": "", "identity": ""} {
		req, err := http.NewRequest("GET", "http://"+r.addr+"/page/main.js", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", coding)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Encoding"); got != want || res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: %+v", coding, res.Header)
		}
	}
	if status, _ := r.do("DELETE", "/messages", ""); status != 405 {
		t.Errorf("DELETE: %d", status)
	}
}

// The addresses of the room are worked out for each request: the host's may change.
func TestAddressesAreCurrent(t *testing.T) {
	var ways atomic.Value
	ways.Store([]string{"192.168.1.5:24280"})
	r := open(t, relay.Options{}, web.Options{Ways: func() []string { return ways.Load().([]string) }})
	_, before := r.do("GET", "/qr.svg", "")
	ways.Store([]string{"10.0.0.7:24280"})
	if _, room := r.do("GET", "/room", ""); !strings.Contains(room, `"ways":["http://10.0.0.7:24280/"]`) {
		t.Errorf("GET /room: %s, want the address of now", room)
	}
	if _, after := r.do("GET", "/qr.svg", ""); after == before {
		t.Error("the QR code is that of the old address")
	}
}
