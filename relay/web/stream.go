package web

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file lets pages into the room whose browser or network lets no WebSocket through: Safari refuses one to a
// certificate that the person accepted, and some proxies pass none on. The session is the same; its lines come as
// Server-Sent Events, and the page sends its own by POST.

const (
	// streamHeader names the stream for which a POST is, postHeader has its number there.
	streamHeader = "Stream"
	postHeader   = "Post"

	// helloWait is how long a stream waits for the first POST.
	helloWait = 10 * time.Second

	// maxPosted is how many bytes a POST may have beyond one line of the longest kind.
	maxPosted = 64 << 10
)

// streams are the sessions of pages by HTTP. It is safe for concurrent use.
type streams struct {
	mu   sync.Mutex
	byID map[string]*lineStream // guarded by mu
}

// A lineStream takes the lines of a page to its session.
type lineStream struct {
	posted chan []byte     // whole lines; fixed
	over   <-chan struct{} // closed when no more are taken; fixed
	end    func()          // closes over; fixed

	turn chan struct{} // a lock that one can stop waiting for: one POST after the other; fixed
	last uint64        // number of the last POST taken; guarded by turn
}

// acceptsStream reports whether a request for the socket asks for events, as an EventSource does.
func acceptsStream(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// serveStream answers GET /socket with the lines of a session, which begins with the first POST.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &lineStream{posted: make(chan []byte), over: ctx.Done(), end: cancel, turn: make(chan struct{}, 1)}
	id := rand.Text()
	h.streams.add(id, s)
	defer h.streams.remove(id)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx would keep the lines back
	header.Set("Connection", "close")
	stopCharging(w) // the session charges for its lines
	io.WriteString(w, "event: stream\ndata: "+id+"\n\n")
	if err := http.NewResponseController(w).Flush(); err != nil {
		h.opts.Log.Debug("a stream ended", "remote", r.RemoteAddr, "error", err)
		return
	}
	wait := time.NewTimer(helloWait)
	defer wait.Stop()
	select {
	case first := <-s.posted:
		h.joinStream(ctx, w, r, s, first)
	case <-wait.C:
	case <-ctx.Done():
	case <-h.closing:
	}
}

// joinStream serves the session of a stream until it ends or ctx does. first are its first lines.
func (h *Handler) joinStream(ctx context.Context, w http.ResponseWriter, r *http.Request, s *lineStream, first []byte) {
	if conn, ok := r.Context().Value(connKey{}).(roomConn); ok {
		conn.Carry()
		conn.NoteMessage() // the goodbye follows the room's end
	}
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	defer served.Wait()
	defer s.end()
	defer ours.Close()
	defer context.AfterFunc(ctx, func() { ours.Close() })()
	served.Go(func() { h.room.ServeStream(&visitor{theirs, remoteAddr(r)}, *enteredBy(r)) }) // ends with the pipe, or the room
	served.Go(func() { s.pass(ours, first) })                                                // ends with the pipe, or the stream
	h.opts.Log.Debug("a stream ended", "remote", r.RemoteAddr, "reason", writeEvents(w, ours))
}

// pass writes posted lines to the session until conn is closed.
func (s *lineStream) pass(conn net.Conn, lines []byte) {
	for {
		if _, err := conn.Write(lines); err != nil {
			return
		}
		select {
		case lines = <-s.posted:
		case <-s.over:
			return
		}
	}
}

// writeEvents writes the lines of conn as Server-Sent Events until it ends. It returns why it did.
func writeEvents(w http.ResponseWriter, conn net.Conn) error {
	in := bufio.NewReaderSize(conn, 16<<10)
	out := bufio.NewWriterSize(w, 16<<10)
	control := http.NewResponseController(w)
	for begins := true; ; {
		piece, err := in.ReadSlice('\n')
		if begins && len(piece) > 0 {
			out.WriteString("data: ")
		}
		out.Write(piece)
		if begins = err == nil; begins {
			out.WriteByte('\n')
		}
		if in.Buffered() == 0 {
			if err := errors.Join(out.Flush(), control.Flush()); err != nil {
				return err
			}
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// postLines answers POST /socket: it takes lines to the session of a stream.
func (h *Handler) postLines(w http.ResponseWriter, r *http.Request) {
	s := h.streams.find(r.Header.Get(streamHeader))
	if s == nil {
		http.Error(w, "there is no such stream (any more)", http.StatusNotFound)
		return
	}
	lines, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.room.MaxLine()+maxPosted)))
	if err != nil {
		http.Error(w, "cannot read the lines: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(lines) == 0 || lines[len(lines)-1] != '\n' {
		lines = append(lines, '\n')
	}
	var number uint64
	if given := r.Header.Get(postHeader); given != "" {
		if number, err = strconv.ParseUint(given, 10, 64); err != nil || number == 0 {
			http.Error(w, "the header "+postHeader+" has the number of the POST, from 1", http.StatusBadRequest)
			return
		}
	}
	switch err := s.take(lines, number, r.Context().Done(), h.closing); err {
	case nil:
		w.WriteHeader(http.StatusNoContent)
	case errClosed:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusNotFound)
	}
}

var errStreamOver = errors.New("the stream has ended")

// take gives the lines of a POST to the session, which may be slow to read them. It drops those of a number that was taken
// before: a browser repeats a POST by itself if the connection breaks before the answer comes. 0: it has no number.
func (s *lineStream) take(lines []byte, number uint64, canceled, closing <-chan struct{}) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.over:
		return errStreamOver
	case <-canceled:
		return errStreamOver // no one reads this
	case <-closing:
		return errClosed
	}
	if number > 0 && number <= s.last {
		return nil
	}
	select {
	case s.posted <- lines:
		s.last = max(s.last, number)
		return nil
	case <-s.over:
		return errStreamOver
	case <-canceled:
		return errStreamOver
	case <-closing:
		return errClosed
	}
}

func (s *streams) add(id string, stream *lineStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[string]*lineStream)
	}
	s.byID[id] = stream
}

func (s *streams) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// find returns a stream by its ID; nil: there is none.
func (s *streams) find(id string) *lineStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}
