package web_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/internal/access"
	"chat/relay/web"
	"chat/relay/wire"
)

// handshake asks for a WebSocket, with more lines of its header.
func (r *room) handshake(more ...string) string {
	return "GET /socket HTTP/1.1\r\nHost: " + r.addr + "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(more, "") + "\r\n"
}

// A rawBrowser reads the host's frames as they come.
type rawBrowser struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// rawBrowser opens a WebSocket and sends bytes in the same write.
func (r *room) rawBrowser(sent string) *rawBrowser {
	r.t.Helper()
	b := &rawBrowser{t: r.t, conn: r.raw(r.handshake() + sent)}
	b.in = bufio.NewReader(b.conn)
	res, err := http.ReadResponse(b.in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		r.t.Fatalf("handshake: %+v, %v", res, err)
	}
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, section 1.3
		r.t.Errorf("Sec-WebSocket-Accept %q", got)
	}
	return b
}

const hello = `{"type":"hello","nick":"eve","token":"eves-secret"}` // with a token she is eve again

func say(seq int, words string) string {
	return text(fmt.Sprintf(`{"type":"say","seq":%d,"text":"%s"}`, seq, words))
}

func closing(status uint16, reason string) string {
	payload := string(binary.BigEndian.AppendUint16(nil, status)) + reason
	return frame(0x88, len(payload), payload)
}

// next returns the next frame.
func (b *rawBrowser) next() (first byte, payload string, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(b.in, head); err != nil {
		return 0, "", err
	}
	size := uint64(head[1])
	if size >= 126 {
		length := make([]byte, map[uint64]int{126: 2, 127: 8}[size])
		if _, err := io.ReadFull(b.in, length); err != nil {
			return 0, "", err
		}
		size = binary.BigEndian.Uint64(append(make([]byte, 8-len(length)), length...))
	}
	body := make([]byte, size)
	_, err = io.ReadFull(b.in, body)
	return head[0], string(body), err
}

// toClose reads to the close frame and to the end of the connection. It returns the lines, and
// the status and reason of the close frame.
func (b *rawBrowser) toClose() (lines string, status uint16, reason string) {
	b.t.Helper()
	for {
		first, payload, err := b.next()
		switch {
		case err != nil:
			b.t.Fatalf("no close frame came, but %v, after %s", err, lines)
		case first == 0x81:
			lines += payload
		case first == 0x88:
			if _, err := b.in.ReadByte(); err != io.EOF {
				b.t.Errorf("after the close frame came %v", err)
			}
			if payload == "" {
				return lines, 0, ""
			}
			return lines, binary.BigEndian.Uint16([]byte(payload)), payload[2:]
		}
	}
}

// Messages right before a close frame are posted and acknowledged, whatever the reads.
func TestLastWords(t *testing.T) {
	t.Parallel()
	r := open(t, relay.Options{Rate: -1}, web.Options{})
	bob := r.person("bob")
	for n, size := range []int{1, 2, 3, 5, 7, 40, 1000} {
		stream := say(2*n+1, "soup") + say(2*n+2, "bread") + closing(1000, "done")
		eve := r.rawBrowser(text(hello))
		for part := range slices.Chunk([]byte(stream), size) {
			if _, err := eve.conn.Write(part); err != nil {
				t.Fatal(err)
			}
			if size < len(stream) {
				time.Sleep(time.Millisecond / 4) // a read each, most of the time
			}
		}
		bob.expect("<eve> soup")
		bob.expect("<eve> bread")
		bob.expect("* eve left")
		lines, status, _ := eve.toClose()
		if status != 1000 || !strings.Contains(lines, fmt.Sprintf(`"seq":%d,"text":"bread"`, 2*n+2)) {
			t.Errorf("pieces of %d: closed by %d after %s", size, status, lines)
		}
	}
	eve := r.rawBrowser(text(hello) + say(100, "all at once") + closing(1001, ""))
	bob.expect("<eve> all at once")
	if lines, status, _ := eve.toClose(); status != 1001 || !strings.Contains(lines, "all at once") {
		t.Errorf("closed by %d after %s", status, lines)
	}
	eve = r.rawBrowser(text(hello) + say(101, "coming") + text(`{"type":"quit","text":"to the kitchen"}`) + closing(1000, ""))
	bob.expect("to the kitchen")
	if lines, _, _ := eve.toClose(); !strings.Contains(lines, `"bye"`) {
		t.Errorf("left after %s", lines)
	}
}

// A message without its last fragment is dropped.
func TestUnfinishedMessage(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	eve := r.rawBrowser(text(hello) + say(1, "soup"))
	line := `{"type":"say","seq":2,"text":"not this"}`
	io.WriteString(eve.conn, frame(0x01, len(line), line)+closing(1000, ""))
	bob.expect("<eve> soup")
	if lines, status, _ := eve.toClose(); status != 1000 || strings.Contains(lines, "not this") {
		t.Errorf("closed by %d after %s", status, lines)
	}
	eve = r.rawBrowser(text(hello) + say(3, "tea") + frame(0x01, len(line), line))
	bob.expect("<eve> tea")
	eve.conn.(*net.TCPConn).CloseWrite()
	if lines, status, _ := eve.toClose(); status != 1001 || strings.Contains(lines, "not this") {
		t.Errorf("closed by %d after %s", status, lines)
	}
}

// A close frame reports a violation of the protocol. Messages before it are posted.
func TestProtocolErrors(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for _, test := range []struct {
		name, sent string
		status     uint16
		reason     string
	}{
		{"binary", frame(0x82, 1, "x"), 1003, "messages are text"},
		{"no mask", "\x81\x01x", 1002, "a frame without a mask"},
		{"reserved bits", frame(0xc1, 1, "x"), 1002, "reserved bits without an extension"},
		{"an unknown opcode", frame(0x83, 0, ""), 1002, "an unknown opcode"},
		{"a long ping", frame(0x89, 126, strings.Repeat("p", 126)), 1002, "a control frame that is too long"},
		{"a continuation", frame(0x80, 1, "x"), 1002, "a continuation of no message"},
		{"a message in a message", frame(0x01, 1, "x") + text("x"), 1002, "a message within a message"},
		{"an invalid status", closing(1005, ""), 1002, "an invalid status"},
		{"a reason that is not UTF-8", closing(1000, "\xff"), 1007, "the reason is not UTF-8"},
		{"no status", frame(0x88, 0, ""), 0, ""},
		{"an application's status", closing(4321, "why"), 4321, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			eve := r.rawBrowser(text(hello) + say(1, "soup") + test.sent + say(2, "after it"))
			lines, status, reason := eve.toClose()
			if status != test.status || reason != test.reason {
				t.Errorf("closed by %d %q, want %d %q", status, reason, test.status, test.reason)
			}
			if !strings.Contains(lines, `"seq":1`) || strings.Contains(lines, "after it") {
				t.Errorf("lines %s", lines)
			}
		})
	}
	t.Run("before the hello", func(t *testing.T) {
		if _, status, _ := r.rawBrowser(frame(0x82, 1, "x")).toClose(); status != 1003 {
			t.Errorf("closed by %d", status)
		}
	})
}

// A ping is answered with its payload, also between the fragments of a message.
func TestPong(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	eve := r.rawBrowser(frame(0x89, 5, "early") + text(hello))
	line := `{"type":"say","seq":1,"text":"in two halves"}`
	io.WriteString(eve.conn, frame(0x01, 20, line[:20])+frame(0x89, 6, "within")+frame(0x8a, 8, "unwanted")+frame(0x80, len(line)-20, line[20:])+frame(0x89, 0, ""))
	bob.expect("<eve> in two halves")
	for _, want := range []string{"early", "within", ""} {
		for {
			first, payload, err := eve.next()
			if err != nil {
				t.Fatalf("no pong %q: %v", want, err)
			}
			if first != 0x8a {
				continue
			}
			if payload != want {
				t.Errorf("pong %q, want %q", payload, want)
			}
			break
		}
	}
}

// Messages in the same write as the handshake are not lost.
func TestAhead(t *testing.T) {
	for _, count := range []int{1, 60, 150, 1000} { // within and beyond the buffers that HTTP reads with
		r := open(t, relay.Options{Rate: -1}, web.Options{})
		sent := text(hello)
		for n := range count {
			sent += say(n+1, fmt.Sprintf("number %d of them", n+1))
		}
		lines, status, _ := r.rawBrowser(sent + closing(1000, "")).toClose()
		if status != 1000 {
			t.Errorf("%d messages: closed by %d", count, status)
		}
		for n := range count {
			if !strings.Contains(lines, fmt.Sprintf("number %d of them", n+1)) {
				t.Fatalf("%d messages with the handshake: number %d is lost", count, n+1)
			}
		}
	}
}

// A message that is too long is dropped, and the next one is not.
func TestLongMessage(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	bob := r.person("bob")
	long := strings.Repeat("x", 200<<10)
	eve := r.rawBrowser(text(hello) + text(long) + say(1, "soup") + closing(1000, ""))
	bob.expect("<eve> soup")
	if lines, status, _ := eve.toClose(); status != 1000 || strings.Count(lines, "too_long") != 1 {
		t.Errorf("closed by %d after %s", status, lines)
	}
	line := `{"type":"say","seq":2,"text":"` + strings.Repeat("y", 16<<10) + `"}`
	eve = r.rawBrowser(text(hello) + text(line) + closing(1000, ""))
	if lines, _, _ := eve.toClose(); !strings.Contains(lines, `"seq":2,"text":"yyy`) {
		t.Errorf("the longest message is not acknowledged: %.300s", lines)
	}
}

// Only a handshake of RFC 6455 becomes a WebSocket.
func TestHandshake(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	whole := r.handshake()
	for _, test := range []struct {
		name    string
		request string
		status  int
	}{
		{"a handshake", whole, 101},
		{"with extensions and subprotocols", r.handshake("Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: chat\r\n"), 101},
		{"HTTP/1.0", strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1), 426},
		{"HEAD", strings.Replace(whole, "GET", "HEAD", 1), 405},
		{"PUT", strings.Replace(whole, "GET", "PUT", 1), 405},
		{"POST, which is for streams", strings.Replace(whole, "GET", "POST", 1), 404},
		{"no Upgrade", strings.Replace(whole, "Upgrade: WebSocket\r\n", "", 1), 426},
		{"another Upgrade", strings.Replace(whole, "Upgrade: WebSocket", "Upgrade: h2c", 1), 426},
		{"no Connection", strings.Replace(whole, "Connection: keep-alive, Upgrade\r\n", "", 1), 426},
		{"no version", strings.Replace(whole, "Sec-WebSocket-Version: 13\r\n", "", 1), 426},
		{"version 8", strings.Replace(whole, "Version: 13", "Version: 8", 1), 426},
		{"no key", strings.Replace(whole, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), 400},
		{"two keys", r.handshake("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400},
		{"a short key", strings.Replace(whole, "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 1), 400},
		{"a key that is not base64", strings.Replace(whole, "dGhlIHNhbXBsZSBub25jZQ==", "??????????????????????==", 1), 400},
		{"a body", r.handshake("Content-Length: 1\r\n") + "x", 400},
		{"another page's", r.handshake("Origin: http://evil.example\r\n"), 403},
		{"another page's and its own", r.handshake("Origin: http://"+r.addr+"\r\n", "Origin: http://evil.example\r\n"), 403},
		{"its own page's", r.handshake("Origin: http://" + r.addr + "\r\n"), 101},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := r.raw(test.request)
			defer conn.Close()
			res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(test.request)[0]})
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != test.status {
				t.Errorf("status %s, want %d", res.Status, test.status)
			}
			if name := "Sec-WebSocket-Version"; test.status == 426 && res.Header.Get(name) != "13" {
				t.Errorf("%s: %q", name, res.Header.Get(name))
			}
			for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
				if got := res.Header.Get(name); got != "" {
					t.Errorf("%s: %s", name, got)
				}
			}
		})
	}
}

// A page that waits costs no more than a few KiB, its connection's buffers included.
func TestIdlePages(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: -1, MaxPerAddress: -1}, web.Options{})
	const count, most = 300, 12 << 10
	connect := func(n int) {
		eve := r.raw(r.handshake() + text(fmt.Sprintf(`{"type":"hello","nick":"eve%d","backlog":0}`, n)))
		until(t, eve, "welcome")
	}
	connect(0)
	used := func() int {
		var stats runtime.MemStats
		for range 2 { // a pool is emptied by the second
			runtime.GC()
		}
		runtime.ReadMemStats(&stats)
		return int(stats.HeapAlloc + stats.StackInuse)
	}
	before := used()
	for n := range count {
		connect(n + 1)
	}
	time.Sleep(100 * time.Millisecond)
	if each := (used() - before) / count; each > most {
		t.Errorf("an idle page takes %d bytes, want at most %d", each, most)
	} else {
		t.Logf("an idle page takes %d bytes, with its client's end", each)
	}
}

// A WebSocket does not need to come through the host's port. If it is refused, it gets the
// reason in a frame.
func TestOtherSockets(t *testing.T) {
	r := open(t, relay.Options{MaxSessions: 1}, web.Options{})
	connect := func(ahead string) *rawBrowser {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		ours.SetDeadline(time.Now().Add(20 * time.Second))
		go r.srv.ServeWebSocket(theirs, []byte(ahead), access.Credentials{})
		return &rawBrowser{t: t, conn: ours, in: bufio.NewReader(ours)}
	}
	eve := connect(text(hello) + say(1, "soup"))
	until(t, eve.conn, "soup")
	lines, status, _ := connect(text(hello)).toClose()
	if e, err := wire.ParseEvent([]byte(strings.TrimSpace(lines))); err != nil || e.Code != wire.CodeFull || status != 1001 {
		t.Errorf("refused by %d, %s, %v", status, lines, err)
	}
}
