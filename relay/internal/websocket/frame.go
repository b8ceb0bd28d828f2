package websocket

import (
	"encoding/binary"
	"fmt"
)

// An Opcode is the kind of a frame (RFC 6455, section 5.2).
type Opcode byte

const (
	opContinuation Opcode = 0x0
	opText         Opcode = 0x1
	opBinary       Opcode = 0x2
	opClose        Opcode = 0x8
	Ping           Opcode = 0x9
	Pong           Opcode = 0xA
)

// isControl reports whether op is that of a control frame, which may also come between the
// fragments of a message.
func (op Opcode) isControl() bool { return op&0x8 != 0 }

// The bits of a frame's first two bytes that are not its opcode or its length.
const (
	finBit  = 0x80 // of the first byte: the frame ends a message
	rsvBits = 0x70 // of the first byte: extensions
	maskBit = 0x80 // of the second byte
)

const (
	// MaxHeader is how many bytes the header of a frame has at most.
	MaxHeader = 14
	// MaxControl is how many bytes of payload a control frame has at most.
	MaxControl = 125
)

// A Status says why a connection is closed (RFC 6455, section 7.4).
type Status uint16

const (
	GoingAway       Status = 1001
	ProtocolError   Status = 1002
	UnsupportedData Status = 1003
	NoStatus        Status = 1005 // the close frame has none
	InvalidData     Status = 1007
)

// isValid reports whether the RFC or IANA's registry allows s in a close frame. The statuses
// from 3000 on are for libraries and applications.
func (s Status) isValid() bool {
	switch {
	case s >= 1000 && s <= 1003, s >= 1007 && s <= 1014, s >= 3000 && s <= 4999:
		return true
	}
	return false
}

// A CloseError ends the input of a WebSocket: the client sent a close frame or violated the
// protocol. Status and Reason belong in the close frame to the client.
type CloseError struct {
	Status Status
	Reason string // the violation, in ASCII; empty: the client sent a close frame
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the client closed the WebSocket (status %d)", e.Status)
	}
	return fmt.Sprintf("WebSocket: %s (status %d)", e.Reason, e.Status)
}

// AppendTextHeader appends the header of a text frame of n bytes that is a whole message.
func AppendTextHeader(dst []byte, n int) []byte {
	dst = append(dst, finBit|byte(opText))
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// AppendPong appends the answer to a ping. payload has at most MaxControl bytes.
func AppendPong(dst, payload []byte) []byte {
	dst = append(dst, finBit|byte(Pong), byte(len(payload)))
	return append(dst, payload...)
}

// AppendClose appends a close frame. The reason is optional, in ASCII, and cut off at 123
// bytes.
func AppendClose(dst []byte, status Status, reason string) []byte {
	if status == NoStatus {
		return append(dst, finBit|byte(opClose), 0)
	}
	reason = reason[:min(len(reason), MaxControl-2)]
	dst = append(dst, finBit|byte(opClose), byte(2+len(reason)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(status))
	return append(dst, reason...)
}
