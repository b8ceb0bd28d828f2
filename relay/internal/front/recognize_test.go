package front

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/internal/session"
)

func TestRecognize(t *testing.T) {
	for _, test := range []struct {
		line  string
		want  session.Speaker // of the whole line
		start session.Speaker // of its start
		from  int             // from how many bytes on its start shows that
	}{
		{`{"type":"hello"}`, session.Program, session.Program, 1},
		{`{`, session.Program, session.Program, 1},
		{` {"type":"hello"}`, session.Person, session.Person, 0},
		{`[1]`, session.Person, session.Person, 0},
		{"hello", session.Person, session.Person, 0},
		{"", session.Person, session.Person, 0},
		{"/me waves", session.Person, session.Person, 0},
		{"GET / HTTP/1.1", session.Browser, session.Browser, 4},
		{"GET /a b HTTP/1.1", session.Browser, session.Browser, 4},
		{"POST /messages HTTP/1.1", session.Browser, session.Browser, 5},
		{"OPTIONS * HTTP/1.0", session.Browser, session.Browser, 8},
		{"PRI * HTTP/2.0", session.Browser, session.Browser, 4},
		{"PROPFIND / HTTP/1.1", session.Browser, session.Person, 0},
		{"M-SEARCH * HTTP/1.1", session.Browser, session.Person, 0},
		{"DESCRIBE rtsp://x RTSP/1.0", session.Browser, session.Person, 0},
		{"REGISTER sip:x SIP/2.0", session.Browser, session.Person, 0},
		{"GET / HTTP/1.1 ", session.Person, session.Browser, 4},
		{"get / HTTP/1.1", session.Person, session.Person, 0},
		{"GET that soup!", session.Person, session.Browser, 4},
		{"I LIKE HTTP/1.1", session.Person, session.Person, 0},
		{"SSH-2.0-OpenSSH_9.2", session.Stranger, session.Person, 0},
		{"SSH-1.99", session.Person, session.Person, 0},
		{"\x16\x03\x01\x02\x00\x01", session.Stranger, session.Stranger, 2},
		{"\x16\x04", session.Person, session.Person, 0},
		{"\x16", session.Person, session.Person, 0},
	} {
		if got := (table{}).Line([]byte(test.line)); got != test.want {
			t.Errorf("%q is the line of %d, want %d", test.line, got, test.want)
		}
		for n := range len(test.line) + 1 {
			want := session.Person
			if n >= test.from {
				want = test.start
			}
			if got := (table{}).Start([]byte(test.line[:n])); got != want {
				t.Errorf("%q is the start of %d, want %d", test.line[:n], got, want)
			}
		}
	}
}

// However the bytes of a first line arrive, the connection comes to the same door.
func TestFirstLineInAllSplits(t *testing.T) {
	for _, test := range []struct {
		sent string
		want string // the start of its output
		late string // likewise if it is greeted as a person before the first byte arrives
		from int    // from how many bytes on a pause is waited out
	}{
		{"{\"type\":\"hello\"}\n", `{"type":"welcome"`, `{"type":"welcome"`, 1},
		{"{\"type\":\"hello\"}\r\n", `{"type":"welcome"`, `{"type":"welcome"`, 1},
		{"{\"type\":\"hello\",\"probe\":true}\n", `{"type":"room"`, `{"type":"room"`, 1},
		{"/me\n", "* Welcome", "! usage: /me TEXT", 4},
		{"\xff\xfd\x06/me\r\n", "* Welcome", "", 9},
		{"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 408 Request Timeout\r\n", 4},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 408 Request Timeout\r\n", 4},
		{"\r\n", "* Welcome", "", 2},
		{"\r\nGET / HTTP/1.1\r\n\r\n", "* Welcome", "HTTP/1.1 408 Request Timeout\r\n", 18},
	} {
		t.Run(fmt.Sprintf("%q", test.sent), func(t *testing.T) {
			for split := range len(test.sent) + 1 {
				for _, pause := range []time.Duration{0, Silence - time.Millisecond, 2 * time.Second} {
					got := speak(t, pause, test.sent[:split], test.sent[split:])
					want := test.want
					if pause > Silence && split < test.from {
						if want = "* Welcome"; !strings.Contains(got, test.late) {
							t.Errorf("split at %d, with a pause of %v: it got %q, want %q in it", split, pause, got, test.late)
						}
					}
					if !strings.HasPrefix(got, want) {
						t.Errorf("split at %d, with a pause of %v: it got %q, want %q", split, pause, got, want)
					}
				}
			}
			var bytes []string
			for _, b := range []byte(test.sent) {
				bytes = append(bytes, string([]byte{b}))
			}
			if got := speak(t, time.Millisecond, bytes...); !strings.HasPrefix(got, test.want) {
				t.Errorf("byte by byte it got %q, want %q", got, test.want)
			}
		})
	}
}

// What another protocol's handshake gets: nothing, in all splits.
func TestHandshakesInAllSplits(t *testing.T) {
	for _, sent := range []string{"\x16\x03\x01\x02\x00\x01\n", "SSH-2.0-OpenSSH_9.2\r\n"} {
		for split := range len(sent) + 1 {
			for _, pause := range []time.Duration{0, 2 * time.Second} {
				got := speak(t, pause, sent[:split], sent[split:])
				if strings.Contains(got, "\n") && (pause == 0 || strings.Count(got, "\n") > 1) {
					t.Errorf("%q, split at %d with a pause of %v, got %q", sent, split, pause, got)
				}
			}
		}
	}
}

// speak sends parts with a pause between them, and returns the output.
func speak(t *testing.T, pause time.Duration, parts ...string) (got string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(Options{})
		c := h.connect(context.Background(), "10.0.0.2", false)
		for i, part := range parts {
			if i > 0 {
				time.Sleep(pause)
			}
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if part != "" {
				io.WriteString(c.Conn, part) // fails if it is closed before
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got = c.received()
		h.Close()
		c.Close()
		h.served.Wait()
		if problem := h.empty(); problem != "" {
			t.Error(problem)
		}
	})
	return got
}
