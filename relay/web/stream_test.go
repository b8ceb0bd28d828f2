package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

// A streamer is in the room without a WebSocket.
type streamer struct {
	r    *room
	body io.ReadCloser
	in   *bufio.Reader
	id   string // of its stream

	header []string // of its requests
}

// streamer opens a stream, and sends its first lines. The requests have a header, as for do.
func (r *room) streamer(lines string, header ...string) *streamer {
	r.t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.addr+"/socket", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatal(res, err)
	}
	r.t.Cleanup(func() { res.Body.Close() })
	s := &streamer{r: r, body: res.Body, in: bufio.NewReader(res.Body), header: header}
	name, id := s.line(), s.line()
	if name != "event: stream" || !strings.HasPrefix(id, "data: ") || s.line() != "" {
		r.t.Fatalf("the stream begins with %q and %q", name, id)
	}
	s.id = id[len("data: "):]
	s.post(http.StatusNoContent, lines)
	return s
}

// line returns the next line of the answer; "" also at its end.
func (s *streamer) line() string {
	line, err := s.in.ReadString('\n')
	if err != nil && err != io.EOF {
		s.r.t.Logf("the stream broke off: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (s *streamer) post(want int, lines string) {
	s.r.t.Helper()
	if status, answer := s.r.do("POST", "/socket", lines, append([]string{"Stream", s.id}, s.header...)...); status != want {
		s.r.t.Fatalf("a POST was answered by %d %s; want %d", status, answer, want)
	}
}

// expect reads until an event of a kind.
func (s *streamer) expect(kind string) wire.Event {
	s.r.t.Helper()
	for {
		line := s.line()
		e, err := wire.ParseEvent([]byte(strings.TrimPrefix(line, "data: ")))
		if !strings.HasPrefix(line, "data: ") || err != nil || s.line() != "" {
			s.r.t.Fatalf("no %s came, but %q (%v)", kind, line, err)
		}
		if e.Type == kind {
			return e
		}
	}
}

// A page without a WebSocket is a member like all others.
func TestStream(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	alice := r.streamer(`{"type":"hello","version":1,"nick":"alice"}`)
	if e := alice.expect(wire.TypeWelcome); e.Nick != "alice" || e.Title != "kitchen" {
		t.Errorf("welcome %+v", e)
	}
	bob.expect("* alice joined")
	alice.post(http.StatusNoContent, `{"type":"say","seq":1,"text":"soup"}`+"\n"+`{"type":"say","seq":2,"text":"is ready"}`+"\n")
	bob.expect("<alice> soup")
	bob.expect("<alice> is ready")
	if e := alice.expect(wire.TypeMessage); e.Seq != 1 || e.Text != "soup" {
		t.Errorf("acknowledged by %+v", e)
	}
	bob.send("/msg alice psst")
	if e := alice.expect(wire.TypePrivate); e.Text != "psst" {
		t.Errorf("a private message: %+v", e)
	}
	long := strings.Repeat("long ", 3200) // its line does not fit into the buffers on the way
	alice.post(http.StatusNoContent, fmt.Sprintf(`{"type":"say","seq":3,"text":%q}`, strings.TrimSpace(long)))
	if e := alice.expect(wire.TypeMessage); e.Text != strings.TrimSpace(long) {
		t.Errorf("%d bytes came", len(e.Text))
	}
	alice.body.Close()
	bob.expect("* alice left")
	alice.post(http.StatusNotFound, `{"type":"ping"}`)
}

// A stream ends with its session, after the last line.
func TestStreamEnds(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	alice := r.streamer(`{"type":"hello","version":1,"nick":"alice"}`)
	alice.expect(wire.TypeWelcome)
	alice.post(http.StatusNoContent, `{"type":"quit","text":"lunch"}`)
	if e := alice.expect(wire.TypeBye); e.Code != wire.CodeQuit {
		t.Errorf("left by %+v", e)
	}
	if line := alice.line(); line != "" {
		t.Errorf("after it came %q", line)
	}
	bob := r.streamer(`{"type":"hello","version":1,"nick":"bob"}`)
	bob.expect(wire.TypeWelcome)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.close()
	}()
	if e := bob.expect(wire.TypeBye); e.Code != wire.CodeShutdown {
		t.Errorf("the room closed with %+v", e)
	}
	<-closed
}

// A stream needs one place, not a second one for its connection, and a POST belongs to a stream that is open.
func TestStreamPlaces(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: 8}, web.Options{})
	for n := range 5 {
		alice := r.streamer(fmt.Sprintf(`{"type":"hello","version":1,"nick":"alice%d"}`, n))
		alice.expect(wire.TypeWelcome)
		http.DefaultClient.CloseIdleConnections()
	}
	for _, id := range []string{"", "NOSUCHSTREAM"} {
		if status, _ := r.do("POST", "/socket", `{"type":"ping"}`, "Stream", id); status != http.StatusNotFound {
			t.Errorf("a POST for stream %q: %d", id, status)
		}
	}
	alice := r.streamer(`{"type":"hello","version":1,"nick":"eve"}`)
	alice.expect(wire.TypeWelcome)
	alice.post(http.StatusRequestEntityTooLarge, strings.Repeat("x", 200<<10))
	if status, _ := r.do("POST", "/socket", "", "Stream", alice.id, "Origin", "http://evil.example"); status != http.StatusForbidden {
		t.Errorf("a POST of another site's page: %d", status)
	}
}

// A POST that the browser repeats because its connection broke is taken once.
func TestRepeatedPost(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	alice := r.streamer(`{"type":"hello","version":1,"nick":"alice"}`)
	bob.expect("* alice joined")
	post := func(number, lines string, want int) {
		t.Helper()
		if status, answer := r.do("POST", "/socket", lines, "Stream", alice.id, "Post", number); status != want {
			t.Errorf("POST %s: %d %s; want %d", number, status, answer, want)
		}
	}
	post("1", `{"type":"command","text":"/topic lunch"}`, http.StatusNoContent)
	bob.expect("lunch")
	bob.send("/topic dinner")
	bob.expect("dinner")
	post("1", `{"type":"command","text":"/topic lunch"}`, http.StatusNoContent)
	post("2", `{"type":"say","seq":1,"text":"first"}`, http.StatusNoContent)
	if !bob.lines.Scan() || !strings.Contains(bob.lines.Text(), "<alice> first") {
		t.Errorf("after a repeated POST came %q", bob.lines.Text())
	}
	for _, bad := range []string{"0", "-1", "x"} {
		post(bad, `{"type":"ping"}`, http.StatusBadRequest)
	}
}

// In a sealed room a stream needs the secret, and each POST to it. A listen-only guest has one, too.
func TestSealedStream(t *testing.T) {
	r := open(t, relay.Options{Seal: &relay.Seal{Secrets: seal.RoomSecrets{Member: "MEMBER2222222222", Listen: "LISTEN2222222222"}}}, web.Options{})
	if status, _ := r.do("GET", "/socket", "", "Accept", "text/event-stream"); status != http.StatusUnauthorized {
		t.Errorf("without the secret: %d", status)
	}
	alice := r.streamer(`{"type":"hello","version":1,"nick":"alice"}`, "Authorization", "Bearer MEMBER2222222222")
	alice.expect(wire.TypeWelcome)
	if status, _ := r.do("POST", "/socket", `{"type":"say","seq":1,"text":"soup"}`, "Stream", alice.id); status != http.StatusUnauthorized {
		t.Errorf("a POST without the secret: %d", status)
	}
	eve := r.streamer(`{"type":"hello","version":1,"nick":"eve"}`, "Authorization", "Bearer LISTEN2222222222")
	if e := eve.expect(wire.TypeWelcome); e.Access != "listen" {
		t.Errorf("welcomed by %+v", e)
	}
	eve.post(http.StatusNoContent, `{"type":"say","seq":1,"text":"soup"}`)
	if e := eve.expect(wire.TypeError); e.Code != wire.CodeListenOnly {
		t.Errorf("a message of a listen-only guest: %+v", e)
	}
}
