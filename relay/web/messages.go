package web

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"chat/relay"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file serves scripts: they send messages by POST, read them by GET, and follow a stream.

// visit sends a message to the room through a short session, and returns its event. The error
// is a *rejection, or that of the connection.
//
// The script's own token, or else its address and nick, make a client of the room: later requests
// with the same are from the same client, and have the same nick if possible.
func (h *Handler) visit(r *http.Request, nick string, message wire.Request) (wire.Event, error) {
	token, err := h.visitors.tokenOf(r, nick)
	if err != nil {
		return wire.Event{}, err
	}
	leave, err := h.visitors.enter(r.Context(), token)
	if err != nil {
		return wire.Event{}, err
	}
	defer leave()
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	defer served.Wait()
	defer ours.Close()
	served.Go(func() { h.room.ServeVisit(context.Background(), &visitor{theirs, remoteAddr(r)}) })
	defer context.AfterFunc(r.Context(), func() { ours.Close() })()
	none := 0
	go ours.Write((&wire.Request{Type: wire.TypeHello, Version: wire.Version, Nick: nick, Token: token, Backlog: &none}).AppendJSON(nil)) // ends with the pipe
	lines := wire.NewLineReader(ours, wire.MaxJSONLine)
	var me string
	for {
		line, err := lines.ReadLine()
		switch {
		case err != nil:
			return wire.Event{}, cmp.Or(r.Context().Err(), errClosed)
		case len(line) == 0 || line[0] != '{': // the room is full or the address banned: a line for people
			return wire.Event{}, &rejection{wire.Event{Code: wire.CodeFull, Text: string(bytes.TrimPrefix(line, []byte("! ")))}}
		}
		e, err := wire.ParseEvent(line)
		if err != nil {
			return wire.Event{}, fmt.Errorf("ask the room: %w", err)
		}
		switch {
		case e.Type == wire.TypeWelcome:
			me, message.Seq = e.Client, e.Seq+1
			go ours.Write(append(message.AppendJSON(nil), "{\"type\":\"quit\"}\n"...))
		case me != "" && e.Client == me && e.Seq == message.Seq:
			return e, nil
		case e.Type == wire.TypeError && (me == "" || e.Seq == message.Seq), e.Type == wire.TypeBye:
			return wire.Event{}, &rejection{e}
		}
	}
}

// A visitor is the room's end of a visit, with the address of the HTTP client.
type visitor struct {
	net.Conn
	from net.Addr
}

func (v *visitor) RemoteAddr() net.Addr { return v.from }

// A rejection is the error or bye event by which the room rejected a message.
type rejection struct{ event wire.Event }

func (r *rejection) Error() string { return r.event.Text }

// statuses are the HTTP statuses (RFC 9110, section 15) of the room's codes; other codes have 400.
var statuses = map[wire.Code]int{
	wire.CodeTooLong:    http.StatusRequestEntityTooLarge,
	wire.CodeBanned:     http.StatusForbidden,
	wire.CodeMuted:      http.StatusForbidden,
	wire.CodeNotAllowed: http.StatusForbidden,
	wire.CodeFull:       http.StatusServiceUnavailable,
	wire.CodeShutdown:   http.StatusServiceUnavailable,
	wire.CodeNotRead:    http.StatusServiceUnavailable,
	wire.CodeReplaced:   http.StatusServiceUnavailable,
	wire.CodeNotStored:  http.StatusInsufficientStorage,
}

// reject answers that a visit failed with err.
func (h *Handler) reject(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if r, ok := errors.AsType[*rejection](err); ok {
		if status = statuses[r.event.Code]; status == 0 {
			status = http.StatusBadRequest
		}
	}
	http.Error(w, err.Error(), status)
}

// visitors are the clients that send messages by HTTP. A client can have only one session, so
// the second of two concurrent requests waits.
type visitors struct {
	secret []byte // makes tokens that cannot be guessed, the same after a restart of the host; fixed

	mu      sync.Mutex
	present map[string]chan struct{} // by token: closed when the visit ends; guarded by mu
}

// token returns the token of the client at address that asks for nick.
func (v *visitors) token(address, nick string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	mac := hmac.New(sha256.New, v.secret)
	fmt.Fprintf(mac, "%s %s", host, text.NickFold(nick))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// enter waits until the client has no other visit. The caller must call leave at the end.
func (v *visitors) enter(ctx context.Context, token string) (leave func(), err error) {
	for {
		v.mu.Lock()
		other := v.present[token]
		if other == nil {
			ended := make(chan struct{})
			v.present[token] = ended
			v.mu.Unlock()
			return func() {
				v.mu.Lock()
				defer v.mu.Unlock()
				delete(v.present, token)
				close(ended)
			}, nil
		}
		v.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// post answers POST /messages: it sends the body, plain text or {"text":"…","nick":"…"}, to the
// room and returns the event.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.room.MaxLine())))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the message is incomplete or too long", status)
		return
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	message := struct{ Text, Nick string }{string(body), r.URL.Query().Get("nick")}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		message.Text = ""
		if err := json.Unmarshal(body, &message); err != nil {
			http.Error(w, `invalid JSON; send a message as {"text":"soup is ready","nick":"alice"}`, http.StatusBadRequest)
			return
		}
	}
	message.Text = strings.TrimRight(message.Text, "\r\n")
	if message.Text == "" {
		http.Error(w, "the message is empty; send one with curl -d 'build done'", http.StatusBadRequest)
		return
	}
	e, err := h.visit(r, message.Nick, wire.Request{Type: wire.TypeSay, Text: message.Text})
	if err != nil {
		h.reject(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	w.Write(e.AppendJSON(nil))
}

const (
	defaultMessages = 200
	maxMessages     = 1000
	maxAnswer       = 1 << 20  // bytes, not counting the last event
	maxStart        = 64 << 10 // bytes of an answer in memory, not counting the last event
)

// messages answers GET /messages with the events after ?since, one JSON object per line, or with
// the backlog. The header Next is the since of the next request.
func (h *Handler) messages(w http.ResponseWriter, r *http.Request) {
	since, ok := parseSince(w, r.URL.Query().Get("since"))
	if !ok {
		return
	}
	count := defaultMessages
	if n := r.URL.Query().Get("count"); n != "" {
		var err error
		if count, err = strconv.Atoi(n); err != nil || count < 1 {
			http.Error(w, "count must be a number from 1 up", http.StatusBadRequest)
			return
		}
	}
	if !awaitTurn(w) {
		return
	}
	page, err := h.readPage(since, min(count, maxMessages))
	if err != nil {
		h.unreadable(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Next", strconv.FormatUint(page.next, 10))
	w.Write(page.start)
	if page.end == page.next {
		return
	}
	page.start = nil
	if err := h.writeRest(w, page); err != nil {
		h.opts.Log.Debug("an answer broke off", "remote", r.RemoteAddr, "error", err)
		panic(http.ErrAbortHandler) // so that the client sees that some of it is missing
	}
}

// A messagePage is an answer to GET /messages. It holds only the beginning of a long one: the
// client may be slow to take it, or never do.
type messagePage struct {
	start []byte // the first lines
	end   uint64 // ID of the last event in start
	next  uint64 // ID of the last event of the answer; the since of the next request
}

// readPage reads up to count events after since.
func (h *Handler) readPage(since uint64, count int) (*messagePage, error) {
	f, err := h.room.Follow(since)
	if err != nil {
		return nil, err
	}
	page := &messagePage{end: since, next: since}
	for size := 0; count > 0 && size < maxAnswer; {
		runs, _, err := f.Next()
		if err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			break
		}
		for line := range linesOf(runs) {
			if count == 0 || size >= maxAnswer {
				break
			}
			if size == len(page.start) && size < maxStart {
				page.start = append(page.start, line...)
				page.end = idOf(line)
			}
			page.next = idOf(line)
			size += len(line)
			count--
		}
	}
	return page, nil
}

// writeRest writes the events of page after its start, which it reads again as the client takes
// them. The error is that of reading or writing, or that the log dropped some events meanwhile.
func (h *Handler) writeRest(w io.Writer, page *messagePage) error {
	f, err := h.room.Follow(page.end)
	if err != nil {
		return err
	}
	for {
		runs, missed, err := f.Next()
		switch {
		case err != nil:
			return err
		case missed > 0:
			return fmt.Errorf("the host no longer has %d events", missed)
		case len(runs) == 0:
			return nil
		}
		for line := range linesOf(runs) {
			if idOf(line) > page.next {
				return nil
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
}

// linesOf returns the lines of runs that hold whole lines.
func linesOf(runs [][]byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, run := range runs {
			for line := range bytes.Lines(run) {
				if !yield(line) {
					return
				}
			}
		}
	}
}

// unreadable answers that the history cannot be read.
func (h *Handler) unreadable(w http.ResponseWriter, err error) {
	h.opts.Log.Error("the history cannot be read for a script", "error", err)
	http.Error(w, "the host cannot read its history", http.StatusServiceUnavailable)
}

// parseSince parses the ID of an event; "" is 0. If it is invalid, parseSince answers the request.
func parseSince(w http.ResponseWriter, s string) (since uint64, ok bool) {
	if s == "" {
		return 0, true
	}
	since, err := strconv.ParseUint(s, 10, 53)
	if err != nil {
		http.Error(w, "since must be the id of the last message that you have", http.StatusBadRequest)
		return 0, false
	}
	return since, true
}

// idOf returns the ID of an event of the log, encoded by [wire.Event.AppendJSON].
func idOf(line []byte) uint64 {
	_, rest, _ := bytes.Cut(line, []byte(`"id":`)) // only the type is before it
	digits, _, _ := bytes.Cut(rest, []byte(","))
	id, _ := strconv.ParseUint(string(bytes.TrimRight(digits, "}\n")), 10, 64)
	return id
}

// streamBeat is how often a stream without events sends a comment, which finds out whether
// the reader is gone.
const streamBeat = 15 * time.Second

// events answers GET /events: it streams the events after ?since or Last-Event-ID as Server-Sent
// Events (https://html.spec.whatwg.org/multipage/server-sent-events.html). Its client is not a
// member of the room.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	since, ok := parseSince(w, cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("since")))
	if !ok {
		return
	}
	if !awaitTurn(w) {
		return
	}
	f, err := h.room.Follow(since)
	if err != nil {
		h.unreadable(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	stream := &stream{caughtUp: func() { stopCharging(w) }, ctx: r.Context(), out: bufio.NewWriterSize(w, 32<<10), control: http.NewResponseController(w)}
	for !h.room.IsBanned(remoteAddr(r)) { // perhaps only since the stream began
		if err := stream.pass(f); err != nil {
			h.opts.Log.Debug("an event stream ended", "remote", r.RemoteAddr, "error", err)
			return
		}
	}
}

// A stream is an answer of Server-Sent Events.
type stream struct {
	ctx      context.Context
	out      *bufio.Writer
	control  *http.ResponseController
	caughtUp func() // called when all events until now are written
}

// pass writes the next events, and waits for more.
func (s *stream) pass(f *relay.Follower) error {
	runs, missed, err := f.Next()
	if err != nil {
		return err
	}
	if missed > 0 {
		gap := wire.Event{Type: wire.TypeGap, Missed: missed}
		fmt.Fprintf(s.out, "data: %s\n", gap.AppendJSON(nil))
	}
	for line := range linesOf(runs) {
		fmt.Fprintf(s.out, "id: %d\ndata: %s\n", idOf(line), line)
	}
	if len(runs) > 0 {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.caughtUp()
	ctx, cancel := context.WithTimeout(s.ctx, streamBeat)
	defer cancel()
	err = f.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) && s.ctx.Err() == nil {
		s.out.WriteString(": \n\n")
		return s.flush()
	}
	return err
}

func (s *stream) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.control.Flush()
}
