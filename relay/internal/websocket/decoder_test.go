package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A frame is one of a client's.
type frame struct {
	first   byte // FIN, RSV and the opcode
	payload string
	length  int  // bytes of the length: 1, 3 or 9; 0: the shortest
	plain   bool // without a mask
}

var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d} // that of RFC 6455, section 5.7

// bytes encodes the frame as a client does.
func (f frame) bytes() []byte {
	n, long := len(f.payload), f.length
	if long == 0 {
		long = 1
		if n > 125 {
			long = 3
		}
		if n >= 1<<16 {
			long = 9
		}
	}
	b := []byte{f.first, byte(n)}
	switch long {
	case 3:
		b = binary.BigEndian.AppendUint16([]byte{f.first, 126}, uint16(n))
	case 9:
		b = binary.BigEndian.AppendUint64([]byte{f.first, 127}, uint64(n))
	}
	if f.plain {
		return append(b, f.payload...)
	}
	b[1] |= 0x80
	b = append(b, testMask[:]...)
	for i := range n {
		b = append(b, f.payload[i]^testMask[i%4])
	}
	return b
}

func encode(frames ...frame) (b []byte) {
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}

func closing(status uint16, reason string) frame {
	return frame{first: 0x88, payload: string(binary.BigEndian.AppendUint16(nil, status)) + reason}
}

// A result is the output of a Decoder for a stream.
type result struct {
	lines    string
	controls []string // opcode and payload of each ping and pong
	err      CloseError
}

// decodeAll decodes stream in pieces of the given sizes, over and over.
func decodeAll(t *testing.T, stream []byte, sizes ...int) (r result) {
	t.Helper()
	var lines []byte
	defer func() { r.lines = string(lines) }()
	var d Decoder
	d.OnControl = func(op Opcode, payload []byte) {
		r.controls = append(r.controls, fmt.Sprintf("%x:%s", byte(op), payload))
	}
	var b []byte
	for i := 0; len(stream) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(stream))
		b = append(append(b[:0], '?'), stream[:n]...)
		stream = stream[n:]
		kept, err := d.Decode(b)
		if kept < 0 || kept > len(b) {
			t.Fatalf("Decode of %d bytes returned %d", n, kept)
		}
		lines = append(lines, b[:kept]...)
		if err != nil {
			closed, ok := errors.AsType[*CloseError](err)
			if !ok {
				t.Fatalf("error %v, want a CloseError", err)
			}
			r.err = *closed
			if n, again := d.Decode([]byte{0, 'x', 'y'}); n != 0 || again != err {
				t.Errorf("Decode after %v = %d, %v", err, n, again)
			}
			return r
		}
	}
	return r
}

var (
	tenBytes = "0123456789"
	at125    = strings.Repeat("x", 125)
	at126    = strings.Repeat("y", 126)
	at65535  = strings.Repeat("z", 1<<16-1)
	at65536  = strings.Repeat("w", 1<<16)
)

func TestDecoder(t *testing.T) {
	text, end := frame{first: 0x81, payload: "a"}, "a\n" // a message and what becomes of it: nothing after a mistake is decoded
	for _, tt := range []struct {
		name string
		in   []byte
		want result
	}{
		{"nothing", nil, result{}},
		{"a message", encode(frame{first: 0x81, payload: "Hello"}), result{lines: "Hello\n"}},
		{"with its newline", encode(frame{first: 0x81, payload: "Hello\n"}), result{lines: "Hello\n"}},
		{"several lines", encode(frame{first: 0x81, payload: "a\nb\nc"}), result{lines: "a\nb\nc\n"}},
		{"an empty message", encode(text, frame{first: 0x81}, text), result{lines: "a\n\na\n"}},
		{"many empty messages", encode(slices.Repeat([]frame{{first: 0x81}}, 50)...), result{lines: strings.Repeat("\n", 50)}},
		{"many of one byte", encode(slices.Repeat([]frame{text}, 50)...), result{lines: strings.Repeat(end, 50)}},
		{"not UTF-8", encode(frame{first: 0x81, payload: "\xff\xc0"}), result{lines: "\xff\xc0\n"}},

		// lengths
		{"0 bytes", encode(frame{first: 0x81}), result{lines: "\n"}},
		{"125 bytes", encode(frame{first: 0x81, payload: at125}), result{lines: at125 + "\n"}},
		{"126 bytes", encode(frame{first: 0x81, payload: at126}), result{lines: at126 + "\n"}},
		{"65535 bytes", encode(frame{first: 0x81, payload: at65535}), result{lines: at65535 + "\n"}},
		{"65536 bytes", encode(frame{first: 0x81, payload: at65536}), result{lines: at65536 + "\n"}},
		{"10 bytes, 16-bit length", encode(frame{first: 0x81, payload: tenBytes, length: 3}), result{lines: tenBytes + "\n"}},
		{"10 bytes, 64-bit length", encode(frame{first: 0x81, payload: tenBytes, length: 9}), result{lines: tenBytes + "\n"}},
		{"0 bytes, 64-bit length", encode(frame{first: 0x81, length: 9}), result{lines: "\n"}},
		{"64 bits of length", append(encode(text), 0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5),
			result{lines: end, err: CloseError{ProtocolError, "a length of more than 63 bits"}}},
		{"63 bits of length, unfinished", append(encode(text), 0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 'x'),
			result{lines: end + "x"}},

		// fragments
		{"two fragments", encode(frame{first: 0x01, payload: "Hel"}, frame{first: 0x80, payload: "lo"}), result{lines: "Hello\n"}},
		{"fragments that end in a newline", encode(frame{first: 0x01, payload: "Hel"}, frame{first: 0x80, payload: "lo\n"}), result{lines: "Hello\n"}},
		{"a newline and an empty last fragment", encode(frame{first: 0x01, payload: "Hello\n"}, frame{first: 0x80}), result{lines: "Hello\n"}},
		{"empty fragments", encode(frame{first: 0x01}, frame{first: 0x00}, frame{first: 0x00, payload: "a"}, frame{first: 0x00}, frame{first: 0x80}), result{lines: end}},
		{"only empty fragments", encode(frame{first: 0x01}, frame{first: 0x00}, frame{first: 0x80}, text), result{lines: "\na\n"}},
		{"an unfinished message", encode(text, frame{first: 0x01, payload: "b"}), result{lines: "a\nb"}},
		{"the end of a message's newline is not the next one's", encode(frame{first: 0x81, payload: "a\n"}, frame{first: 0x81}), result{lines: "a\n\n"}},
		{"control frames between fragments", encode(frame{first: 0x01, payload: "Hel"}, frame{first: 0x89, payload: "p\n"}, frame{first: 0x80, payload: "lo"}),
			result{lines: "Hello\n", controls: []string{"9:p\n"}}},
		{"a continuation of nothing", encode(text, frame{first: 0x80, payload: "b"}, text),
			result{lines: end, err: CloseError{ProtocolError, "a continuation of no message"}}},
		{"a continuation after the last fragment", encode(frame{first: 0x01, payload: "a"}, frame{first: 0x80}, frame{first: 0x80}, text),
			result{lines: end, err: CloseError{ProtocolError, "a continuation of no message"}}},
		{"a message in a message", encode(frame{first: 0x01, payload: "b"}, text),
			result{lines: "b", err: CloseError{ProtocolError, "a message within a message"}}},
		{"a binary message in a message", encode(frame{first: 0x01, payload: "b"}, frame{first: 0x82}),
			result{lines: "b", err: CloseError{ProtocolError, "a message within a message"}}},

		// control frames
		{"ping", encode(frame{first: 0x89, payload: "Hello"}, text), result{lines: end, controls: []string{"9:Hello"}}},
		{"empty ping", encode(frame{first: 0x89}, frame{first: 0x89}), result{controls: []string{"9:", "9:"}}},
		{"ping of 125 bytes", encode(frame{first: 0x89, payload: at125}), result{controls: []string{"9:" + at125}}},
		{"pong", encode(frame{first: 0x8a, payload: "Hello"}, text), result{lines: end, controls: []string{"a:Hello"}}},
		{"ping of 126 bytes", encode(text, frame{first: 0x89, payload: at126}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame that is too long"}}},
		{"pong of 126 bytes", encode(text, frame{first: 0x8a, payload: at126}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame that is too long"}}},
		{"close of 126 bytes", encode(text, frame{first: 0x88, payload: at126}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame that is too long"}}},
		{"ping in fragments", encode(text, frame{first: 0x09, payload: "p"}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame in fragments"}}},
		{"pong in fragments", encode(text, frame{first: 0x0a, payload: "p"}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame in fragments"}}},
		{"close in fragments", encode(text, frame{first: 0x08}),
			result{lines: end, err: CloseError{ProtocolError, "a control frame in fragments"}}},

		// close frames
		{"close without a status", encode(text, frame{first: 0x88}, text), result{lines: end, err: CloseError{Status: NoStatus}}},
		{"close with a reason", encode(text, closing(1000, "done")), result{lines: end, err: CloseError{Status: 1000}}},
		{"close within a message", encode(frame{first: 0x01, payload: "b"}, closing(1001, "")), result{lines: "b", err: CloseError{Status: 1001}}},
		{"close with the longest reason", encode(closing(1000, at125[:123])), result{err: CloseError{Status: 1000}}},
		{"close with half a status", encode(text, frame{first: 0x88, payload: "\x03"}),
			result{lines: end, err: CloseError{ProtocolError, "half a status"}}},
		{"close with a reason that is not UTF-8", encode(text, closing(1000, "\xff")),
			result{lines: end, err: CloseError{InvalidData, "the reason is not UTF-8"}}},

		// other mistakes
		{"binary", encode(text, frame{first: 0x82, payload: "x"}, text), result{lines: end, err: CloseError{UnsupportedData, "messages are text"}}},
		{"the start of a binary message", encode(text, frame{first: 0x02, payload: "x"}),
			result{lines: end, err: CloseError{UnsupportedData, "messages are text"}}},
		{"no mask", encode(text, frame{first: 0x81, payload: "a", plain: true}), result{lines: end, err: CloseError{ProtocolError, "a frame without a mask"}}},
		{"a ping without a mask", encode(text, frame{first: 0x89, plain: true}), result{lines: end, err: CloseError{ProtocolError, "a frame without a mask"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sizes := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 64, 127, 1000, len(tt.in)}
			if len(tt.in) < 200 {
				for size := range len(tt.in) {
					sizes = append(sizes, size)
				}
			}
			for _, size := range sizes {
				got := decodeAll(t, tt.in, size)
				if got.lines != tt.want.lines || !slices.Equal(got.controls, tt.want.controls) || got.err != tt.want.err {
					t.Fatalf("pieces of %d: got %+.300v, want %+.300v", size, got, tt.want)
				}
			}
		})
	}
}

// Every first byte is accepted or refused as RFC 6455, section 5.2 says, within a message and
// outside.
func TestFirstByte(t *testing.T) {
	for first := range 256 {
		for _, within := range []bool{false, true} {
			stream := encode(frame{first: byte(first)})
			if within {
				stream = append(encode(frame{first: 0x01, payload: "m"}), stream...)
			}
			want := ProtocolError
			switch fin, op := first&0x80 != 0, first&0x0f; {
			case first&0x70 != 0: // reserved bits
			case op == 0 && within, op == 1 && !within:
				want = 0
			case op == 2 && !within:
				want = UnsupportedData
			case op == 8 && fin:
				want = NoStatus
			case (op == 9 || op == 10) && fin:
				want = 0
			}
			if got := decodeAll(t, stream, len(stream)).err.Status; got != want {
				t.Errorf("first byte %#02x, within a message %v: status %d, want %d", first, within, got, want)
			}
		}
	}
}

// Every status of a close frame is accepted or refused as RFC 6455, section 7.4 and IANA's
// registry say.
func TestCloseStatus(t *testing.T) {
	for status := range 1 << 16 {
		stream := encode(closing(uint16(status), ""))
		want := ProtocolError
		switch {
		case status >= 1000 && status <= 1003, status >= 1007 && status <= 1014, status >= 3000 && status < 5000:
			want = Status(status)
		}
		if got := decodeAll(t, stream, len(stream)).err.Status; got != want {
			t.Errorf("status %d became %d, want %d", status, got, want)
		}
	}
}

// Every length of a message arrives whole, whatever the alignment of its pieces.
func TestLengths(t *testing.T) {
	for n := range 300 {
		payload := strings.Repeat("The soup is ready. ", 16)[:n]
		stream := encode(frame{first: 0x81, payload: payload}, frame{first: 0x89}, frame{first: 0x81, payload: payload})
		for size := 1; size < 40; size++ {
			if got, want := decodeAll(t, stream, size, 3).lines, payload+"\n"+payload+"\n"; got != want {
				t.Fatalf("%d bytes in pieces of %d: %q", n, size, got)
			}
		}
	}
}

// The frames that go to a client are those of RFC 6455, section 5.7, and the shortest.
func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want []byte
	}{
		{"Hello", append(AppendTextHeader(nil, 5), "Hello"...), []byte("\x81\x05Hello")},
		{"0", AppendTextHeader(nil, 0), []byte{0x81, 0}},
		{"125", AppendTextHeader([]byte{1}, 125), []byte{1, 0x81, 125}},
		{"126", AppendTextHeader(nil, 126), []byte{0x81, 126, 0, 126}},
		{"65535", AppendTextHeader(nil, 65535), []byte{0x81, 126, 255, 255}},
		{"65536", AppendTextHeader(nil, 65536), []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{"pong", AppendPong(nil, []byte("Hello")), []byte("\x8a\x05Hello")},
		{"empty pong", AppendPong(nil, nil), []byte{0x8a, 0}},
		{"close", AppendClose(nil, GoingAway, ""), []byte{0x88, 2, 3, 233}},
		{"close with a reason", AppendClose(nil, ProtocolError, "why"), []byte("\x88\x05\x03\xeawhy")},
		{"close without a status", AppendClose(nil, NoStatus, ""), []byte{0x88, 0}},
		{"close with a long reason", AppendClose(nil, 1000, at126), append([]byte{0x88, 125, 3, 232}, at126[:123]...)},
	} {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: % x, want % x", tt.name, tt.got, tt.want)
		}
	}
}

// simple decodes a whole stream as RFC 6455 describes it, one frame after the other.
func simple(stream []byte) (r result) {
	within, last := false, byte(0)
	for len(stream) >= 2 {
		first, n, at := stream[0], uint64(stream[1]&0x7f), 2
		switch n {
		case 126:
			if len(stream) < 4 {
				return r
			}
			n, at = uint64(stream[2])<<8|uint64(stream[3]), 4
		case 127:
			if len(stream) < 10 {
				return r
			}
			n, at = binary.BigEndian.Uint64(stream[2:]), 10
		}
		masked := stream[1]&0x80 != 0
		if masked {
			at += 4
		}
		if len(stream) < at {
			return r
		}
		op, fin := first&0x0f, first&0x80 != 0
		switch {
		case first&0x70 != 0, !masked, n >= 1<<63, op > 2 && op < 8, op > 10,
			op >= 8 && (!fin || n > 125), op == 0 && !within, (op == 1 || op == 2) && within:
			r.err.Status = ProtocolError
			return r
		case op == 2:
			r.err.Status = UnsupportedData
			return r
		}
		size := int(min(n, uint64(len(stream)-at)))
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = stream[at+i] ^ stream[at-4+i%4]
		}
		stream = stream[at+size:]
		whole := uint64(size) == n
		switch {
		case op < 8:
			if op == 1 {
				last = 0
			}
			if r.lines += string(payload); size > 0 {
				last = payload[size-1]
			}
			if within = !fin; whole && fin && last != '\n' {
				r.lines += "\n"
			}
		case !whole:
		case op == 8:
			r.err = *closeError(payload)
			return r
		default:
			r.controls = append(r.controls, fmt.Sprintf("%x:%s", op, payload))
		}
	}
	return r
}

// FuzzDecoder compares the Decoder, on pieces of any size, with simple.
func FuzzDecoder(f *testing.F) {
	f.Add(encode(frame{first: 0x81, payload: "Hello"}, frame{first: 0x89, payload: "p"}, frame{first: 0x01, payload: "a"},
		frame{first: 0x80, payload: "b\n"}, closing(1000, "done")), []byte{1, 2, 3})
	f.Add(encode(frame{first: 0x81, payload: at126}, frame{first: 0x81, payload: tenBytes, length: 9}, frame{first: 0x82}), []byte{7})
	f.Add(encode(frame{first: 0x81}, frame{first: 0x81}, frame{first: 0x01}, frame{first: 0x0a}), []byte{6, 1})
	f.Add([]byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5}, []byte{3})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, stream, pieces []byte) {
		sizes := []int{len(stream) + 1}
		for _, n := range pieces {
			sizes = append(sizes, int(n))
		}
		got, want := decodeAll(t, stream, sizes...), simple(stream)
		got.err.Reason, want.err.Reason = "", ""
		if got.lines != want.lines || !slices.Equal(got.controls, want.controls) || got.err != want.err {
			t.Errorf("pieces of %v of % x:\ngot  %+v\nwant %+v", sizes, stream, got, want)
		}
	})
}

// Messages as a page sends them.
func BenchmarkDecode(b *testing.B) {
	line := `{"type":"say","seq":10000000,"text":"the soup is ready and the bread is warm, so who 0007-10000042"}` + "\n"
	stream := encode(slices.Repeat([]frame{{first: 0x81, payload: line}}, 100)...)
	buf := make([]byte, 1+len(stream))
	var d Decoder
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf[1:], stream)
		if n, err := d.Decode(buf); n != 100*len(line) || err != nil {
			b.Fatal(n, err)
		}
	}
}
