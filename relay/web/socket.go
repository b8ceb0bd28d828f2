package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"

	"chat/relay/wire"
)

// socket takes a page's WebSocket into the room.
func (h *Handler) socket(w http.ResponseWriter, r *http.Request) {
	s := &socket{ready: make(chan struct{})}
	ws, err := websocket.Accept(&hijacker{w, s}, r, &websocket.AcceptOptions{
		CompressionMode: websocket.CompressionDisabled, // costs more than the network does
	})
	if err != nil {
		h.opts.Log.Debug("no WebSocket", "error", err)
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(wire.MaxJSONLine)
	over := make(chan struct{})
	go func() {
		defer close(over)
		h.room.ServeConn(context.Background(), s)
		s.in.Close()
	}()
	defer func() { <-over }()
	defer s.toRoom.Close() // the page went: so does its session
	select {
	case <-s.ready:
	case <-over: // there was no room for it
		return
	}
	var lines []byte // several of one read go to the room at once
	for {
		var err error
		if lines, err = appendMessage(lines, ws); err == nil && s.buffered.Buffered() > 0 && len(lines) < maxLines {
			continue
		}
		if _, full := s.toRoom.Write(lines); full != nil || err != nil {
			return
		}
		lines = lines[:0]
	}
}

// appendMessage appends the lines of the next message, if it is one of text. By an error it
// appends nothing.
func appendMessage(lines []byte, ws *websocket.Conn) ([]byte, error) {
	kind, r, err := ws.Reader(context.Background())
	if err != nil {
		return lines, err
	}
	whole := len(lines)
	for err == nil {
		lines = slices.Grow(lines, 512)
		var n int
		n, err = r.Read(lines[len(lines):cap(lines)])
		lines = lines[:len(lines)+n]
	}
	switch {
	case err != io.EOF:
		return lines[:whole], err
	case kind != websocket.MessageText:
		return lines[:whole], nil
	case !bytes.HasSuffix(lines, []byte("\n")):
		return append(lines, '\n'), nil
	}
	return lines, nil
}

// maxLines is how many bytes of lines are gathered before the room gets them.
const maxLines = 16 << 10

// A socket is a WebSocket (RFC 6455) as a connection to the room. The library reads: it
// unmasks, puts messages together and answers pings. The room writes, in frames whose
// header is made for each session and whose lines are the same for all.
type socket struct {
	conn     net.Conn      // frames are written to it
	in       net.Conn      // what the page said is read from it
	toRoom   net.Conn      // and written to it
	buffered *bufio.Reader // what came of the frames and is not read yet
	write    func(frame []byte)
	ready    chan struct{} // closed when write is set
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
	j.socket.buffered = buffers.Reader
	return c, buffers, nil
}

// controls is a connection whose writes, all of them control frames, are the room's.
type controls struct {
	net.Conn
	socket *socket
}

func (c *controls) Write(b []byte) (int, error) {
	c.socket.write(bytes.Clone(b))
	return len(b), nil
}

// Close leaves the connection to the room, which may have something more to write.
func (c *controls) Close() error { return c.socket.toRoom.Close() }
