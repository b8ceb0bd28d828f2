package websocket

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A Decoder decodes the frames of a client. Its zero value is ready for the first frame. It is
// not safe for concurrent use.
type Decoder struct {
	// OnControl, if not nil, is called for each ping and pong. payload is valid until it
	// returns.
	OnControl func(op Opcode, payload []byte)

	err *CloseError // nothing is decoded after it

	// the header of the current frame
	header [MaxHeader]byte
	have   int // bytes of it

	// the current frame, once its header is complete
	inFrame bool
	op      Opcode
	fin     bool
	mask    uint32 // its first byte in the lowest bits; turned as the payload is read
	left    uint64 // bytes of payload not read yet

	// the current message
	inMessage bool // it has started, and its last frame has not
	last      byte // its last byte so far

	control [MaxControl]byte // payload of the current control frame
	size    int              // bytes in control
}

// Decode decodes the bytes b[1:], the next ones of the stream. It moves the messages in them
// to the start of b, adds a newline to those that do not end with one, and returns the number
// of bytes. Pieces of a message are returned as they come.
//
// A newline takes the place of a byte of its frame's header. If the header was in an earlier
// call, it takes that of the spare byte b[0].
//
// After a close frame or a violation of the protocol the error is a [*CloseError], also in
// every later call. The messages before it are decoded.
func (d *Decoder) Decode(b []byte) (n int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	in := b[1:] // never starts before b[n], so that writing to b[n] overwrites nothing unread
	for {
		if !d.inFrame {
			used, whole := d.readHeader(in)
			in = in[used:]
			if d.err != nil {
				return n, d.err
			}
			if !whole {
				return n, nil
			}
		}
		size := int(min(d.left, uint64(len(in))))
		if d.op.isControl() {
			d.unmask(d.control[d.size:], in[:size])
			d.size += size
		} else if size > 0 {
			d.unmask(b[n:], in[:size])
			n += size
			d.last = b[n-1]
		}
		in = in[size:]
		if d.left -= uint64(size); d.left > 0 {
			return n, nil
		}
		if d.endFrame() && d.last != '\n' {
			b[n] = '\n'
			n++
		}
		if d.err != nil {
			return n, d.err
		}
	}
}

// endFrame ends the current frame. It reports whether a message ends with it.
func (d *Decoder) endFrame() bool {
	d.inFrame = false
	switch payload := d.control[:d.size]; {
	case d.op == opClose:
		d.err = closeError(payload)
	case !d.op.isControl():
		d.inMessage = !d.fin
		return d.fin
	case d.OnControl != nil:
		d.OnControl(d.op, payload)
	}
	return false
}

// readHeader reads the header of the next frame from in, or a part of it. It returns the
// number of bytes read and whether the header is complete.
func (d *Decoder) readHeader(in []byte) (used int, whole bool) {
	for {
		need := d.headerSize()
		n := copy(d.header[d.have:need], in[used:])
		d.have += n
		used += n
		if d.have < need {
			return used, false
		}
		if need == d.headerSize() { // else the first two bytes say that more belong to it
			break
		}
	}
	d.beginFrame()
	return used, true
}

// headerSize returns the number of bytes in the header, as far as it is known.
func (d *Decoder) headerSize() int {
	const start, mask = 2, 4
	if d.have < start {
		return start
	}
	size := start
	if d.header[1]&maskBit != 0 {
		size += mask
	}
	switch d.header[1] &^ maskBit {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	return size
}

// beginFrame parses the header and starts its frame, if it is allowed.
func (d *Decoder) beginFrame() {
	head := d.header[:d.have]
	d.have = 0
	d.op, d.fin = Opcode(head[0]&0x0F), head[0]&finBit != 0
	length := uint64(head[1] &^ maskBit)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if d.err = d.check(head[0]&rsvBits != 0, head[1]&maskBit != 0, length); d.err != nil {
		return
	}
	d.inFrame, d.left, d.size = true, length, 0
	d.mask = binary.LittleEndian.Uint32(head[len(head)-4:])
	if d.op == opText {
		d.last = 0
	}
}

// check returns an error if the frame is not allowed.
func (d *Decoder) check(reserved, masked bool, length uint64) *CloseError {
	wrong := func(reason string) *CloseError { return &CloseError{ProtocolError, reason} }
	switch {
	case reserved:
		return wrong("reserved bits without an extension")
	case !masked:
		return wrong("a frame without a mask")
	case length > 1<<63-1:
		return wrong("a length of more than 63 bits")
	}
	switch d.op {
	case opText, opBinary:
		if d.inMessage {
			return wrong("a message within a message")
		}
		if d.op == opBinary {
			return &CloseError{UnsupportedData, "messages are text"}
		}
	case opContinuation:
		if !d.inMessage {
			return wrong("a continuation of no message")
		}
	case opClose, Ping, Pong:
		if !d.fin {
			return wrong("a control frame in fragments")
		}
		if length > MaxControl {
			return wrong("a control frame that is too long")
		}
	default:
		return wrong("an unknown opcode")
	}
	return nil
}

// closeError returns the status in the payload of a close frame, or an error in the payload.
func closeError(payload []byte) *CloseError {
	if len(payload) == 0 {
		return &CloseError{Status: NoStatus}
	}
	if len(payload) == 1 {
		return &CloseError{ProtocolError, "half a status"}
	}
	status := Status(binary.BigEndian.Uint16(payload))
	switch {
	case !status.isValid():
		return &CloseError{ProtocolError, "an invalid status"}
	case !utf8.Valid(payload[2:]):
		return &CloseError{InvalidData, "the reason is not UTF-8"}
	}
	return &CloseError{Status: status}
}

// unmask writes src without its mask to the start of dst. They may overlap if dst does not
// start after src.
func (d *Decoder) unmask(dst, src []byte) {
	dst = dst[:len(src)]
	mask := uint64(d.mask)<<32 | uint64(d.mask)
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^mask)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ byte(d.mask)
		d.mask = bits.RotateLeft32(d.mask, -8)
	}
}
