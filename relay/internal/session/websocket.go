package session

import (
	"slices"
	"time"

	"chat/relay/internal/websocket"
)

// A socket is the state of a session on a WebSocket, whose lines are in frames. Its peer is a
// program.
type socket struct {
	// owned by the goroutine that reads
	decoder websocket.Decoder
	due     time.Duration // delay of the next read, for the control frames that were read

	// guarded by the outbox's mu
	control []byte           // control frames to be written before the next run
	headers []byte           // of the frames that are being written
	status  websocket.Status // of the close frame
	reason  string           // likewise; empty: none
	closed  bool             // nothing is written after the close frame
}

const (
	// maxFrame is the limit of bytes in a frame, unless one run has more: the client gets its
	// first line only when it has all of it.
	maxFrame = 64 << 10

	// maxControl is the limit of bytes in control frames that wait to be written. Other pings
	// are not answered, which RFC 6455 allows (section 5.5.3).
	maxControl = 4 << 10
)

// speakWebSocket makes the session one on a WebSocket. ahead are the bytes already read after
// the handshake.
func (s *Session) speakWebSocket(ahead []byte) {
	socket := &socket{status: websocket.GoingAway}
	s.out.socket = socket
	socket.decoder.OnControl = s.countControl
	s.lines.Decode = socket.decoder.Decode
	s.lines.OnWait = s.payControl
	if len(ahead) > 0 {
		s.lines.Feed(ahead)
	}
}

// countControl answers a ping. A ping or pong counts as a line.
func (s *Session) countControl(op websocket.Opcode, payload []byte) {
	if op == websocket.Ping {
		s.out.putControl(payload)
	}
	s.out.socket.due = max(s.out.socket.due, s.bucket.Line())
}

// payControl delays the next read if too many control frames were read. It is called after the
// lines between them were served.
func (s *Session) payControl() {
	due := s.out.socket.due
	s.out.socket.due = 0
	s.door.wakeLog()
	s.slowDown(due)
}

// putControl queues the answer to a ping.
func (o *outbox) putControl(ping []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.socket; len(w.control)+2+len(ping) <= maxControl {
		w.control = websocket.AppendPong(w.control, ping)
	}
	o.startWritingLocked()
}

// closeAs sets the status and the reason in the close frame.
func (o *outbox) closeAs(why *websocket.CloseError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.socket.status, o.socket.reason = why.Status, why.Reason
}

// hasControl reports whether control frames wait. s may be nil.
func (s *socket) hasControl() bool { return s != nil && len(s.control) > 0 }

// isOpen reports whether a close frame is still to be written. s may be nil.
func (s *socket) isOpen() bool { return s != nil && !s.closed }

// isClosed reports whether the close frame was written. s may be nil.
func (s *socket) isClosed() bool { return s != nil && s.closed }

// frame puts runs of lines into frames, after the pending control frames. The headers are
// valid until the next call.
func (s *socket) frame(runs [][]byte) [][]byte {
	s.headers = s.headers[:0]
	for i := 0; i < len(runs); {
		end, size := i+1, len(runs[i])
		for end < len(runs) && size+len(runs[end]) <= maxFrame {
			size += len(runs[end])
			end++
		}
		start := len(s.headers)
		s.headers = websocket.AppendTextHeader(s.headers, size)
		runs = slices.Insert(runs, i, s.headers[start:len(s.headers):len(s.headers)])
		i = end + 1
	}
	if len(s.control) > 0 {
		runs = slices.Insert(runs, 0, s.control)
		s.control = nil
	}
	return runs
}

// appendClose appends the close frame.
func (s *socket) appendClose(runs [][]byte) [][]byte {
	s.closed = true
	return append(runs, websocket.AppendClose(nil, s.status, s.reason))
}
