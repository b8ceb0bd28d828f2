package front

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"chat/relay/internal/session"
)

// table recognizes clients by their first line, as a [session.Recognizer]: programs, browsers
// and strangers. Everyone else is a person.
type table struct{}

// Line returns the kind of client that sends a first line.
func (t table) Line(line []byte) session.Speaker { return t.lineBefore(line, nil) }

// lineBefore is Line for a line after which rest was read already.
func (table) lineBefore(line, rest []byte) session.Speaker {
	switch {
	case isObject(line):
		return session.Program
	case isRequest(line):
		return session.Browser
	case strangerOf(line, rest) != nil:
		return session.Stranger
	}
	return session.Person
}

// Late implements [session.Recognizer].
func (t table) Late(line, rest []byte) (speaker session.Speaker, answer []byte) {
	if s := strangerOf(line, rest); s != nil && !isObject(line) {
		return session.Stranger, []byte(s.answer)
	}
	return t.lineBefore(line, rest), nil
}

// Start implements [session.Recognizer].
func (table) Start(start []byte) session.Speaker {
	switch {
	case strangerBy(start) != nil:
		return session.Stranger
	case isObject(start):
		return session.Program
	case isHTTP(start):
		return session.Browser
	}
	return session.Person
}

func isObject(start []byte) bool { return len(start) > 0 && start[0] == '{' }

// request matches a request line of HTTP/1 (RFC 9112, section 3), the preface of HTTP/2
// (RFC 9113, section 3.4), and the request lines of SSDP and other protocols like it. A line without a version, as
// of HTTP/0.9, needs a path.
var request = regexp.MustCompile(`^([A-Z][A-Z-]{2,19} (/|\*|\S+:).*(HTTP|RTSP|SIP)/[0-9.]+|(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE) .*HTTP/[0-9.]+|GET /\S*)$`)

func isRequest(line []byte) bool { return request.Match(line) }

// methods are the beginnings of an incomplete request line.
var methods = [][]byte{
	[]byte("GET "), []byte("HEAD "), []byte("POST "), []byte("PUT "), []byte("DELETE "),
	[]byte("OPTIONS "), []byte("PATCH "), []byte("CONNECT "), []byte("TRACE "), []byte("PRI "),
}

func isHTTP(start []byte) bool {
	return slices.ContainsFunc(methods, func(method []byte) bool { return bytes.HasPrefix(start, method) })
}

// httpError returns an HTTP response with a line of text. status is a code with its reason,
// such as "503 Service Unavailable".
func httpError(status, text string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s\n", status, text)
}

// notHTTP is the text that a browser shows if the host serves no pages.
const notHTTP = "This is a chat room, not a web page.\nJoin it with: chat join --addr HOST:PORT, or: nc HOST PORT"
