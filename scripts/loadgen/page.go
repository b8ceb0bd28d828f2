//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// pageDialect is what a browser's page speaks: JSON lines in the frames of a WebSocket (RFC 6455).
var pageDialect = dialect{
	hello: func(string, bool) string {
		return "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	},
	control: func(line []byte, talks bool) (string, bool) {
		if isHeaderEnd(line) {
			return framed(`{"type":"hello","version":1,"backlog":0}` + "\n"), false
		}
		return jsonDialect.control(line, talks)
	},
	say:    func(text string) string { return framed(jsonDialect.say(text)) },
	bye:    framed(jsonDialect.bye),
	after:  jsonDialect.after,
	echo:   true,
	frames: true,
}

// framed puts line into a frame that is masked with zeros, which changes nothing of it.
func framed(line string) string {
	header := []byte{0x81, 0x80 | byte(len(line))}
	if len(line) > 125 {
		header = binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(line)))
	}
	return string(header) + "\x00\x00\x00\x00" + line
}

// An unframer takes frames' headers out of a stream.
type unframer struct {
	begun  bool   // frames come from here on
	left   int    // bytes of the frame at hand that are still to come
	header []byte // the beginning of one that is not whole
}

// take takes the headers out of b, in place.
func (u *unframer) take(b []byte) []byte {
	kept := b[:0]
	for len(b) > 0 {
		if u.left == 0 {
			need := u.need(b)
			if need > len(u.header)+len(b) {
				u.header = append(u.header, b...)
				break
			}
			b = b[u.open(b, need):]
		}
		n := min(u.left, len(b))
		kept = append(kept, b[:n]...)
		u.left -= n
		b = b[n:]
	}
	return kept
}

// need returns how many bytes the header has that begins with u.header and b.
func (u *unframer) need(b []byte) int {
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

// open begins the frame whose header is u.header and the start of b, and returns how many
// bytes of b that took.
func (u *unframer) open(b []byte, need int) int {
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
	if header[0] == 0x88 { // closing: its status is no line
		u.left = 0
	}
	return used
}

// isHeaderEnd reports whether line is the empty one behind an HTTP header.
func isHeaderEnd(line []byte) bool { return bytes.Equal(line, []byte("\r\n")) }
