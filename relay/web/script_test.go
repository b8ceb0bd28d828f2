package web_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
	"chat/relay/wire"
)

// PowerShell writes files as UTF-16 with a byte order mark, and others mark UTF-8. curl sends them as they
// are.
func TestBodyWithAByteOrderMark(t *testing.T) {
	utf16With := func(order binary.ByteOrder) func(string) string {
		return func(s string) string {
			var b bytes.Buffer
			binary.Write(&b, order, utf16.Encode([]rune("\ufeff"+s)))
			return b.String()
		}
	}
	const form = "multipart/form-data; boundary=x"
	asForm := func(text string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + text + "\r\n--x--\r\n"
	}
	const want = "Süppe 🍲"
	for name, encode := range map[string]func(string) string{
		"UTF-8":                func(s string) string { return s },
		"UTF-8 with a mark":    func(s string) string { return "\ufeff" + s },
		"UTF-16 little-endian": utf16With(binary.LittleEndian),
		"UTF-16 big-endian":    utf16With(binary.BigEndian),
	} {
		r := open(t, relay.Options{}, web.Options{})
		for kind, body := range map[string]string{
			"text/plain": encode(want + "\r\n"), "application/x-www-form-urlencoded": encode(want), // as curl calls it
			"application/json": encode(`{"text":"` + want + `"}`), form: asForm(encode(want)),
		} {
			res, answer := r.ask("POST", "/messages", strings.NewReader(body), "Content-Type", kind)
			var e wire.Event
			if err := json.Unmarshal([]byte(answer), &e); err != nil || res.StatusCode != 201 || e.Text != want {
				t.Errorf("%s as %s: %s %s, want %q", name, kind, res.Status, answer, want)
			}
		}
	}
}

// A header that gives the body another meaning is not ignored.
func TestHeadersOfBodies(t *testing.T) {
	r, store := openWithFiles(t, files.Limits{})
	wrong := "sha-256=:" + checksumOf("soap") + ":"
	for _, test := range []struct {
		method, path string
		status       int
		header       []string
	}{
		{"PUT", "/files/x", 400, []string{"Content-Range", "bytes 1000-1491/1492"}},
		{"PUT", "/x", 400, []string{"Content-Range", "bytes 1000-1491/1492"}},
		{"PUT", "/files/x", 415, []string{"Content-Encoding", "gzip"}},
		{"PUT", "/files/x", 412, []string{"If-Match", `"soup"`}},
		{"PUT", "/files/x", 400, []string{"Upload-Offset", "5"}},
		{"PUT", "/files/x", 400, []string{"Upload-Complete", "?0"}},
		{"PUT", "/files/x", 400, []string{"Content-Digest", wrong}},
		{"PUT", "/files/x", 400, []string{"Digest", "SHA-256=" + checksumOf("soap")}},
		{"PUT", "/files/x", 417, []string{"Expect", "the best"}},
		{"POST", "/files/", 415, []string{"Tus-Resumable", "1.0.0", "Content-Encoding", "br", "Upload-Length", "4", "Content-Type", "application/offset+octet-stream"}},
		{"POST", "/messages", 400, []string{"Content-Range", "bytes 0-3/10"}},
		{"POST", "/messages", 415, []string{"Content-Encoding", "deflate"}},
		{"POST", "/messages", 415, []string{"Content-Type", "text/plain; charset=iso-8859-1"}},
		{"POST", "/messages", 415, []string{"Content-Type", "application/json; charset=utf-16"}},
		{"POST", "/messages", 415, []string{"Content-Type", "image/png"}},
		{"POST", "/messages", 400, []string{"Upload-Length", "10"}},
		{"POST", "/messages", 400, []string{"Repr-Digest", wrong}},
		{"POST", "/messages", 400, []string{"Content-Digest", "sha-256=:AA==:"}},
	} {
		res, answer := r.ask(test.method, test.path, strings.NewReader("soup"), test.header...)
		if res.StatusCode != test.status || test.status != 417 && strings.TrimSpace(answer) == "" {
			t.Errorf("%s %s with %q: %s %s, want %d", test.method, test.path, test.header, res.Status, answer, test.status)
		}
		if test.status == 415 && strings.HasPrefix(test.header[0], "Content-Encoding") && res.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%q: %v", test.header, res.Header)
		}
	}
	if _, all := r.do("GET", "/messages", ""); all != "" || len(store.List(0, 10)) != 0 {
		t.Errorf("sent is %s", all)
	}
	for _, header := range [][]string{
		{"Content-Encoding", "identity", "Content-Type", "text/plain; charset=UTF-8"},
		{"If-None-Match", "*", "Content-Digest", "sha-256=:" + checksumOf("soup") + ":"},
		{"Range", "bytes=0-1", "Upload-Complete", "?1"},
	} {
		for _, path := range []string{"/files/x", "/messages"} {
			method := map[bool]string{true: "POST", false: "PUT"}[path == "/messages"]
			if res, answer := r.ask(method, path, strings.NewReader("soup"), header...); res.StatusCode != 201 {
				t.Errorf("%s with %q: %s %s", method, header, res.Status, answer)
			}
		}
	}
}

// A client that closes its sending side after the request, as nc -N does, gets its answer.
func TestHalfClosed(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	for n := range 40 {
		for _, request := range []string{
			"PUT /files/x?nick=ci HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4\r\n\r\nsoup",
			"POST /messages?nick=ci HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4\r\n\r\nsoup",
		} {
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, request)
			conn.(*net.TCPConn).CloseWrite()
			answer, err := io.ReadAll(conn)
			conn.Close()
			if !strings.HasPrefix(string(answer), "HTTP/1.1 201 ") {
				t.Fatalf("the %d. time: %q, %v", n, answer, err)
			}
		}
	}
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /events?since=80 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	conn.(*net.TCPConn).CloseWrite()
	lines := bufio.NewScanner(conn)
	for lines.Scan() && lines.Text() != "" { // the header
	}
	r.do("POST", "/messages", "after the half-close")
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for lines.Scan() {
		if strings.Contains(lines.Text(), "after the half-close") {
			return
		}
	}
	t.Errorf("the stream ended: %v", lines.Err())
}

// An ID of another room, or one that this room has not reached, is not taken for one of ours.
func TestPlaceInAnotherRoom(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	id := r.srv.Info().ID
	for n := range 3 {
		r.do("POST", "/messages?nick=ci", fmt.Sprint("message ", n+1))
	}
	gap := `{"type":"gap","room":"` + id + `"}` + "\n"
	for _, test := range []struct {
		query string
		ids   []uint64 // 0: a gap
		next  string
	}{
		{"", []uint64{1, 2, 3}, "3"},
		{"?since=3", nil, "3"},
		{"?since=2", []uint64{3}, "3"},
		{"?since=0", []uint64{1, 2, 3}, "3"},
		{"?since=0&count=1", []uint64{1}, "1"},
		{"?since=4", []uint64{0, 1, 2, 3}, "3"},
		{"?since=20&count=2", []uint64{0, 1, 2}, "2"},
		{"?since=2&room=" + id, []uint64{3}, "3"},
		{"?since=" + id + "-2", []uint64{3}, "3"},
		{"?since=2&room=0123456789abcdef", []uint64{0, 1, 2, 3}, "3"},
		{"?since=0123456789abcdef-2", []uint64{0, 1, 2, 3}, "3"},
	} {
		res, answer := r.ask("GET", "/messages"+test.query, nil)
		var ids []uint64
		for line := range strings.Lines(answer) {
			e, err := wire.ParseEvent([]byte(line))
			if err != nil || e.Type == wire.TypeGap && line != gap {
				t.Errorf("%s: %s, %v", test.query, line, err)
			}
			ids = append(ids, e.ID)
		}
		if fmt.Sprint(ids) != fmt.Sprint(test.ids) || res.Header.Get("Next") != test.next || res.Header.Get("Room") != id {
			t.Errorf("%s has %v, %v, want %v", test.query, ids, res.Header, test.ids)
		}
		if want := fmt.Sprintf(`</messages?room=%s&since=%s>; rel="next"`, id, test.next); res.Header.Get("Link") != want {
			t.Errorf("%s: Link is %s, want %s", test.query, res.Header.Get("Link"), want)
		}
	}
	for last, want := range map[string]string{
		"0123456789abcdef-2": "data: " + gap + "\nid: " + id + "-1\n",
		"20":                 "data: " + gap + "\nid: " + id + "-1\n",
		id + "-2":            "id: " + id + "-3\n",
		"1":                  "id: " + id + "-2\n",
	} {
		req, _ := http.NewRequest("GET", "http://"+r.addr+"/events", nil)
		req.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		start := make([]byte, len(want))
		io.ReadFull(res.Body, start)
		res.Body.Close()
		if string(start) != want || res.Header.Get("Room") != id {
			t.Errorf("after %s the stream begins %q, want %q; %v", last, start, want, res.Header)
		}
	}
	if _, answer := r.ask("GET", "/messages?since=soup", nil); !strings.Contains(answer, "since must be") {
		t.Error(answer)
	}
}

// What scripts and people try with curl works, or the answer says what does.
func TestWhatPeopleType(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	form := func(fields ...string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i := 0; i < len(fields); i += 2 {
			if name, ok := strings.CutPrefix(fields[i], "@"); ok {
				part, _ := w.CreateFormFile(name, name)
				io.WriteString(part, fields[i+1])
			} else {
				w.WriteField(fields[i], fields[i+1])
			}
		}
		w.Close()
		return b.String(), w.FormDataContentType()
	}
	hi, hiType := form("text", "hi\nthere", "nick", "ann", "other", "x")
	file, fileType := form("@file", "soup")
	for _, test := range []struct {
		method, path, body, kind string
		status                   int
		answer                   string
	}{
		{"PUT", "/files", "soup", "", 400, "the file has no name; use curl -T FILE http://HOST/files/NAME\n"},
		{"PUT", "/", "soup", "", 400, "the file has no name; use curl -T FILE http://HOST/files/NAME\n"},
		{"PUT", "/soup%20recipe.txt?nick=ci", "soup", "", 201, `"name":"soup recipe.txt"`},
		{"PUT", "/messages", "soup", "", 405, ""},
		{"PUT", "/healthz", "soup", "", 405, ""},
		{"POST", "/files", "soup", "", 400, "curl -T FILE"},
		{"POST", "/messages", hi, hiType, 201, `"from":"ann","client":`},
		{"POST", "/messages", hi, hiType, 201, `"text":"hi\nthere"`},
		{"POST", "/messages", file, fileType, 415, "a message is text; upload a file with curl -T FILE\n"},
		{"POST", "/messages", "no form", hiType, 400, "the form is incomplete\n"},
		{"POST", "/messages", strings.Repeat("x", 40<<10), "", 413, "the message is too long: 32768 bytes are the limit, and less for its text; upload a file with curl -T FILE\n"},
		{"POST", "/messages", strings.Repeat("x", 20<<10), "", 413, "a message has at most 16384 bytes; it was not sent\n"},
		{"POST", "/messages", strings.Repeat(`"`, 16<<10), "", 413, "a line has at most 32768 bytes; this one was dropped\n"},
		{"POST", "/messages", "  \t \n ", "", 400, "the message is empty; send one with curl -d 'build done'\n"},
		{"POST", "/messages", `{"text":"  "}`, "application/json", 400, "the message is empty; send one with curl -d 'build done'\n"},
		{"POST", "/messages", "\u200b\u200b", "", 400, "the message has no text\n"},
		{"POST", "/messages?nick=Anna%20Maria", "hi", "", 400, ""},
		{"POST", "/messages?nick=%F0%9F%A6%8A", "hi", "", 400, ""},
		{"POST", "/messages?nick=a@b", "hi", "", 400, ""},
		{"POST", "/messages", `{"text":"hi","nick":"host"}`, "application/json", 400, ""},
		{"PUT", "/files/x?nick=a@b", "hi", "", 400, ""},
	} {
		var header []string
		if test.kind != "" {
			header = []string{"Content-Type", test.kind}
		}
		res, answer := r.ask(test.method, test.path, strings.NewReader(test.body), header...)
		if res.StatusCode != test.status || !strings.Contains(answer, test.answer) || strings.TrimSpace(answer) == "" {
			t.Errorf("%s %s %.20q: %s %s, want %d %s", test.method, test.path, test.body, res.Status, answer, test.status, test.answer)
		}
	}
	if _, all := r.do("GET", "/messages", ""); strings.Contains(all, "guest-") && strings.Contains(all, `"hi"`) {
		t.Errorf("a message was sent under another nick: %s", all)
	}
}

// HTTP/1.0 has no Host.
func TestHTTP10(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for request, want := range map[string]string{
		"GET /healthz HTTP/1.0\r\n\r\n":                       "200 OK",
		"GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n": "421 Misdirected Request",
		"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n":              "421 Misdirected Request",
	} {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, request)
		line, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if !strings.Contains(line, want) {
			t.Errorf("%q: %q, %v, want %s", request, line, err, want)
		}
	}
}

// Behind a proxy that adds TLS, the page has another origin: the web name.
func TestBehindTLSProxy(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{Names: []string{"laptop.local", "chat.example"}, WebNames: []string{"chat.example"}})
	for _, test := range []struct {
		host, origin string
		want         int
	}{
		{"chat.example", "https://chat.example", 201},
		{"Chat.Example:8443", "https://chat.example:8443", 201},
		{r.addr, "https://chat.example", 201},
		{r.addr, "https://chat.example:8443", 403},
		{r.addr, "http://chat.example", 403},
		{r.addr, "https://laptop.local", 403},
		{"laptop.local", "https://laptop.local", 403},
		{r.addr, "https://evil.example", 403},
		{r.addr, "https://" + r.addr, 403},
	} {
		if status, body := r.do("POST", "/messages", "soup", "Host", test.host, "Origin", test.origin); status != test.want {
			t.Errorf("%+v: %d %s", test, status, body)
		}
	}
}

// HEAD of the stream ends with the header, and the connection is free for the next request.
func TestHeadOfEvents(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	for range 2 {
		if status, body := r.do("HEAD", "/events", ""); status != 200 || body != "" {
			t.Errorf("%d %q", status, body)
		}
		if status, _ := r.do("GET", "/room", ""); status != 200 {
			t.Errorf("after it: %d", status)
		}
	}
}

// A parameter that cannot be parsed is not ignored: the message would have another nick.
func TestUnparsableQuery(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	for _, path := range []string{"/messages?nick=ci;count=3", "/messages?nick=%zz", "/messages?nick=ci%"} {
		if status, answer := r.do("POST", path, "build done"); status != 400 || !strings.Contains(answer, "cannot parse") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if status, answer := r.do("POST", "/messages?nick=a%26b&&x", "build done"); status != 201 {
		t.Errorf("%d %s", status, answer)
	}
	if _, all := r.do("GET", "/messages", ""); strings.Count(all, "\n") != 1 {
		t.Errorf("the room has %s", all)
	}
}

// A request with the Idempotency-Key of an earlier one of the same client gets the same answer, and
// sends nothing.
func TestIdempotencyKey(t *testing.T) {
	r, store := openWithFiles(t, files.Limits{})
	_, first := r.do("POST", "/messages?nick=ci", "build done", "Idempotency-Key", "build-1")
	var e wire.Event
	if err := json.Unmarshal([]byte(first), &e); err != nil || e.Once == "" || strings.Contains(first, "build-1") {
		t.Errorf("%s, %v", first, err)
	}
	if status, again := r.do("POST", "/messages?nick=ci", "build done", "Idempotency-Key", "build-1"); status != 201 || again != first {
		t.Errorf("again: %d %s, want %s", status, again, first)
	}
	if status, _ := r.do("POST", "/messages?nick=ci", "build failed", "Idempotency-Key", "build-1"); status != 422 {
		t.Errorf("for another message: %d", status)
	}
	if status, _ := r.do("POST", "/messages?nick=cd", "build done", "Idempotency-Key", "build-1"); status != 201 {
		t.Errorf("of another client: %d", status)
	}
	if status, _ := r.do("POST", "/messages?nick=cd", "build done", "Idempotency-Key", strings.Repeat("x", 256)); status != 400 {
		t.Errorf("a long one: %d", status)
	}
	if _, all := r.do("GET", "/messages", ""); strings.Count(all, "\n") != 2 {
		t.Errorf("the room has %s", all)
	}
	_, first = r.do("PUT", "/files/soup?nick=ci", "soup", "Idempotency-Key", "soup-1")
	if status, again := r.do("PUT", "/files/soup?nick=ci", "soup", "Idempotency-Key", "soup-1"); status != 201 || again != first {
		t.Errorf("again: %d %s, want %s", status, again, first)
	}
	if list := store.List(0, 10); len(list) != 1 {
		t.Errorf("the host has %+v", list)
	}
	// A key of something else gets no answer that looks as if this had been sent.
	for _, other := range []struct{ method, path, body, key string }{
		{"PUT", "/files/soup?nick=ci", "another soup", "soup-1"},
		{"PUT", "/files/salad?nick=ci", "soup", "soup-1"},
		{"PUT", "/files/soup?nick=ci", "soup", "build-1"},
		{"POST", "/messages?nick=ci", "soup", "soup-1"},
		{"POST", "/messages?nick=ci", `{"file":"AAAA"}`, "soup-1"},
	} {
		if status, answer := r.do(other.method, other.path, other.body, "Idempotency-Key", other.key); status != 422 {
			t.Errorf("%+v: %d %s", other, status, answer)
		}
	}
	r.do("POST", "/messages?nick=ci", " ", "Idempotency-Key", "empty") // what was rejected does not use up its key
	if status, answer := r.do("POST", "/messages?nick=ci", "not empty", "Idempotency-Key", "empty"); status != 201 {
		t.Errorf("after a rejection: %d %s", status, answer)
	}
}
