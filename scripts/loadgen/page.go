//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// pageDialect is the protocol of a browser's page: JSON lines in the frames of a WebSocket
// (RFC 6455).
var pageDialect = dialect{
	hello: func(string, bool) string {
		return "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	},
	handleControl: func(line []byte, sends bool) (string, bool) {
		if isHeaderEnd(line) {
			return frame(`{"type":"hello","version":1,"backlog":0}` + "\n"), false
		}
		return jsonDialect.handleControl(line, sends)
	},
	message: func(text string) string { return frame(jsonDialect.message(text)) },
	quit:    frame(jsonDialect.quit),
	after:   jsonDialect.after,
	echo:    true,
	frames:  true,
}

// frame returns a frame with line. Its mask is all zeros, which leaves the bytes unchanged.
func frame(line string) string {
	header := []byte{0x81, 0x80 | byte(len(line))}
	if len(line) > 125 {
		header = binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(line)))
	}
	return string(header) + "\x00\x00\x00\x00" + line
}

// An unframer strips the frame headers from a stream.
type unframer struct {
	begun  bool   // the HTTP header is over
	left   int    // bytes left of the current frame
	header []byte // an incomplete frame header
}

// strip removes the headers of frames from b, in place, but for the first done bytes, which
// have none any more. The HTTP header stays.
func (u *unframer) strip(b []byte, done int) []byte {
	if !u.begun {
		end := bytes.Index(b, []byte("\r\n\r\n")) + len("\r\n\r\n")
		if isHeaderEnd(b[:min(len(b), 2)]) { // the lines before it were read already
			end = len("\r\n")
		} else if end < len("\r\n\r\n") {
			return b
		}
		u.begun, done = true, end
	}
	kept := b[:done]
	b = b[done:]
	for len(b) > 0 {
		if u.left == 0 {
			need := u.headerSize(b)
			if need > len(u.header)+len(b) {
				u.header = append(u.header, b...)
				break
			}
			b = b[u.beginFrame(b, need):]
		}
		n := min(u.left, len(b))
		kept = append(kept, b[:n]...)
		u.left -= n
		b = b[n:]
	}
	return kept
}

// headerSize returns the size of the header that begins with u.header and b.
func (u *unframer) headerSize(b []byte) int {
	head := append(slices.Clone(u.header), b[:min(len(b), 2)]...)
	switch {
	case len(head) < 2:
		return 2
	case head[1] == 126:
		return 4
	case head[1] == 127:
		return 10
	}
	return 2
}

// beginFrame begins the frame whose header is u.header and the start of b. It returns how
// many bytes of b belong to the header.
func (u *unframer) beginFrame(b []byte, need int) int {
	used := need - len(u.header)
	header := append(u.header, b[:used]...)
	switch u.header = u.header[:0]; need {
	case 2:
		u.left = int(header[1])
	case 4:
		u.left = int(binary.BigEndian.Uint16(header[2:]))
	default:
		u.left = int(binary.BigEndian.Uint64(header[2:]))
	}
	if header[0] == 0x88 { // a close frame: its status is not a line
		u.left = 0
	}
	return used
}

// isHeaderEnd reports whether line is the empty line after an HTTP header.
func isHeaderEnd(line []byte) bool { return bytes.Equal(line, []byte("\r\n")) }
