package relay

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
)

// A speaker is what the first bytes of a connection tell of who sent them.
type speaker int

const (
	person   speaker = iota
	program          // a JSON object
	web              // an HTTP request, from a browser or a page in one; or one of its relatives
	stranger         // a TLS or SSH handshake
)

// request is a request line of HTTP/1 (RFC 9112, section 3), the preface of HTTP/2
// (RFC 9113, section 3.4), or the like of RTSP, SIP and SSDP.
var request = regexp.MustCompile(`^[A-Z][A-Z-]{2,19} .*(HTTP|RTSP|SIP)/[0-9.]+$`)

// httpMethods are how a request line begins before it is all there.
var httpMethods = [][]byte{
	[]byte("GET "), []byte("HEAD "), []byte("POST "), []byte("PUT "), []byte("DELETE "),
	[]byte("OPTIONS "), []byte("PATCH "), []byte("CONNECT "), []byte("TRACE "), []byte("PRI "),
}

// speakerOf tells who sent line, a whole first line.
func speakerOf(line []byte) speaker {
	switch {
	case isTLS(line), bytes.HasPrefix(line, []byte("SSH-2.0-")):
		return stranger
	case len(line) > 0 && line[0] == '{':
		return program
	case request.Match(line):
		return web
	}
	return person
}

// unfinished reports whether start, a first line not yet at its end, is not a
// person's: what is begun so is waited for.
func unfinished(start []byte) bool {
	return isHTTP(start) || len(start) > 0 && start[0] == '{' || isTLS(start)
}

func isHTTP(start []byte) bool {
	return slices.ContainsFunc(httpMethods, func(method []byte) bool { return bytes.HasPrefix(start, method) })
}

// isTLS reports the head of a handshake record (RFC 8446, section 5.1).
func isTLS(start []byte) bool { return len(start) >= 2 && start[0] == 0x16 && start[1] == 0x03 }

// httpRefusal is what a browser is told for which there is no room. status is as in "503 Service Unavailable".
func httpRefusal(status, text string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s\n", status, text)
}

// httpAnswer is what a browser shows that was pointed at the chat port.
const httpAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" +
	"This is a chat room, not a web page.\nJoin it with: chat join --addr HOST:PORT, or: nc HOST PORT\n"
