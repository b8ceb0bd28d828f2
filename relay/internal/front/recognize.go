package front

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"chat/relay/internal/session"
)

// A recognizer recognizes one kind of peer by its first line.
type recognizer struct {
	speaker session.Speaker
	starts  func(start []byte) bool // of an incomplete line; may be nil
	is      func(line []byte) bool  // of a whole line
}

// recognizers are tried in this order. A peer that none of them recognizes is a person.
var recognizers = []recognizer{
	{session.Stranger, isTLS, isTLS},
	{session.Stranger, nil, isSSH},
	{session.Program, isObject, isObject},
	{session.Browser, isHTTP, isRequest},
}

// table is the list of recognizers as a [session.Recognizer].
type table struct{}

// Line implements [session.Recognizer].
func (table) Line(line []byte) session.Speaker {
	for _, r := range recognizers {
		if r.is(line) {
			return r.speaker
		}
	}
	return session.Person
}

// Start implements [session.Recognizer].
func (table) Start(start []byte) session.Speaker {
	for _, r := range recognizers {
		if r.starts != nil && r.starts(start) {
			return r.speaker
		}
	}
	return session.Person
}

// isTLS reports whether start is that of a handshake record (RFC 8446, section 5.1).
func isTLS(start []byte) bool { return len(start) >= 2 && start[0] == 0x16 && start[1] == 0x03 }

func isSSH(line []byte) bool { return bytes.HasPrefix(line, []byte("SSH-2.0-")) }

func isObject(start []byte) bool { return len(start) > 0 && start[0] == '{' }

// request matches a request line of HTTP/1 (RFC 9112, section 3), the preface of HTTP/2
// (RFC 9113, section 3.4), and the request lines of RTSP, SIP and SSDP.
var request = regexp.MustCompile(`^[A-Z][A-Z-]{2,19} .*(HTTP|RTSP|SIP)/[0-9.]+$`)

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
