package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"chat/relay/wire"
)

// socket takes a page's WebSocket into the room.
func (h *Handler) socket(w http.ResponseWriter, r *http.Request) {
	s := &socket{ready: make(chan struct{}), over: make(chan struct{})}
	ws, err := websocket.Accept(&hijacker{w, s}, r, &websocket.AcceptOptions{
		CompressionMode: websocket.CompressionDisabled, // costs more than the network does
		OnPingReceived:  func(context.Context, []byte) bool { return s.keepPace(controlCost) },
		OnPongReceived:  func(context.Context, []byte) { s.keepPace(controlCost) },
	})
	if err != nil {
		h.opts.Log.Debug("no WebSocket", "error", err)
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(wire.MaxJSONLine)
	go func() {
		defer close(s.over)
		h.room.ServeConn(context.Background(), s)
		s.in.Close()
	}()
	defer func() { <-s.over }()
	defer s.toRoom.Close() // the page went: so does its session
	select {
	case <-s.ready:
	case <-s.over: // there was no room for it
		return
	}
	piece := make([]byte, 1<<10)
	for {
		if err := s.takeMessage(ws, piece); err != nil {
			s.pass()
			return
		}
	}
}

// takeMessage adds the next message to the lines, if it is one of text; one that is longer than
// maxLines goes to the room as it comes.
func (s *socket) takeMessage(ws *websocket.Conn, piece []byte) error {
	kind, r, err := ws.Reader(context.Background())
	if err != nil {
		return err
	}
	last := byte(0)
	for {
		n, err := r.Read(piece)
		if kind == websocket.MessageText && n > 0 {
			last = piece[n-1]
			s.lines = append(s.lines, piece[:n]...)
			s.due = s.due.Add(-idleTime(n)) // the room counts it
		}
		switch {
		case err == io.EOF && kind == websocket.MessageText:
			if last != '\n' {
				s.lines = append(s.lines, '\n')
			}
			s.whole = len(s.lines)
			s.due = s.due.Add(-idleTime(maxHeader)) // it was a line's
		case err != nil && err != io.EOF:
			return err
		}
		if len(s.lines) >= maxLines {
			s.whole = len(s.lines)
			if err := s.pass(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// pass gives the room the lines that are whole.
func (s *socket) pass() error {
	if s.whole == 0 {
		return nil
	}
	_, err := s.toRoom.Write(s.lines[:s.whole])
	s.lines = append(s.lines[:0], s.lines[s.whole:]...)
	s.whole = 0
	return err
}

// maxLines is how many bytes of lines are gathered before the room gets them.
const maxLines = 16 << 10

// What makes no line is not slowed down by the room: pings and the like, without end, would
// cost it more than lines do. Of such a session may send so many bytes at once, and in the
// long run the bytes that the room takes of lines by default, 20 times 8 KiB a second.
const (
	idleBytes   = 1 << 20
	idleRate    = 20 * controlCost // bytes a second
	controlCost = 8 << 10          // a control frame counts as so many bytes
	maxHeader   = 14               // bytes of a frame's header (RFC 6455, section 5.2)
)

// A socket is a WebSocket (RFC 6455) as a connection to the room. The library reads: it
// unmasks, puts messages together and answers pings. The room writes, in frames whose
// header is made for each session and whose lines are the same for all.
type socket struct {
	conn   net.Conn // frames are written to it
	in     net.Conn // what the page said is read from it
	toRoom net.Conn // and written to it
	write  func(frame []byte)
	ready  chan struct{} // closed when write is set
	over   chan struct{} // closed when the session is over

	// of the goroutine that reads frames
	lines []byte    // several of one read go to the room at once
	whole int       // bytes of lines in front that are to go there
	due   time.Time // when what made no line is paid off at the pace
}

// idleTime is how long n bytes that make no line take at the pace.
func idleTime(n int) time.Duration { return time.Duration(n) * time.Second / idleRate }

// keepPace counts n bytes that make no line, and waits while they are too many. It returns
// whether there is still a session.
func (s *socket) keepPace(n int) bool {
	now := time.Now()
	if s.due.Before(now) {
		s.due = now
	}
	s.due = s.due.Add(idleTime(n))
	wait := s.due.Sub(now) - idleTime(idleBytes)
	select {
	case <-s.over:
		return false
	default:
	}
	if wait <= 0 {
		return true
	}
	if s.pass() != nil { // what was said does not wait with it
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-s.over:
		return false
	}
}

func (s *socket) Read(b []byte) (int, error)         { return s.in.Read(b) }
func (s *socket) Write(b []byte) (int, error)        { return s.conn.Write(b) }
func (s *socket) LocalAddr() net.Addr                { return s.conn.LocalAddr() }
func (s *socket) RemoteAddr() net.Addr               { return s.conn.RemoteAddr() }
func (s *socket) SetReadDeadline(t time.Time) error  { return s.in.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }
func (s *socket) NetConn() net.Conn                  { return s.conn }

func (s *socket) OnControl(write func(frame []byte)) {
	s.write = write
	close(s.ready)
}

func (s *socket) SetDeadline(t time.Time) error {
	s.in.SetReadDeadline(t)
	return s.conn.SetWriteDeadline(t)
}

func (s *socket) Close() error {
	s.in.Close()
	return s.conn.Close()
}

// The opcodes of frames that end a message (RFC 6455, section 5.2).
const (
	textFrame  = 0x81
	closeFrame = 0x88
)

// AppendHeader appends the header of a text frame (RFC 6455, section 5.2).
func (s *socket) AppendHeader(dst []byte, n int) []byte {
	dst = append(dst, textFrame)
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}

// AppendGoodbye appends a close frame that says "going away" (RFC 6455, section 7.4.1).
func (s *socket) AppendGoodbye(dst []byte) []byte {
	return binary.BigEndian.AppendUint16(append(dst, closeFrame, 2), uint16(websocket.StatusGoingAway))
}

// A hijacker gives the library a connection to which it does not write itself.
type hijacker struct {
	http.ResponseWriter
	socket *socket
}

func (j *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(j.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	j.socket.conn = conn
	j.socket.in, j.socket.toRoom = net.Pipe()
	c := &controls{conn, j.socket}
	buffers.Writer.Reset(c)
	if buffers.Reader.Buffered() == 0 { // nobody sends frames before the answer
		buffers.Reader = bufio.NewReaderSize(conn, maxLines) // for many short frames in one read
	}
	return c, buffers, nil
}

// controls is a connection whose writes, all of them control frames, are the room's.
type controls struct {
	net.Conn
	socket *socket
}

// Read gives the room what there is before it waits for more: that may be long in coming.
func (c *controls) Read(b []byte) (int, error) {
	if err := c.socket.pass(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.socket.keepPace(n)
	return n, err
}

func (c *controls) Write(b []byte) (int, error) {
	c.socket.write(bytes.Clone(b))
	return len(b), nil
}

// Close leaves the connection to the room, which may have something more to write.
func (c *controls) Close() error { return c.socket.toRoom.Close() }
