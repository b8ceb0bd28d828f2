package web

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chat/relay"
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// This file serves scripts: they send messages by POST, read them by GET, and follow a stream.

// post answers POST /messages: it sends the body, plain text or {"text":"…","nick":"…"}, to the
// room and returns the event.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	if rejectHeaders(w, r) {
		return
	}
	message, err := h.readPosted(w, r)
	if err != nil {
		h.reject(w, err)
		return
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	request := wire.Request{Type: wire.TypeSay, Text: strings.TrimRight(message.Text, "\r\n")}
	switch {
	case message.File != "":
		request = wire.Request{Type: wire.TypeSend, File: message.File}
	case strings.TrimSpace(request.Text) == "":
		http.Error(w, "the message is empty; send one with curl -d 'build done'", http.StatusBadRequest)
		return
	}
	h.answer(w)(h.visit(r, message.Nick, request, contentOf(request.Type, request.Text, request.File)))
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
	from, ok := h.parsePlace(w, r, r.URL.Query().Get("since"))
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
	page, err := h.readPage(from, min(count, maxMessages))
	if err != nil {
		h.unreadable(w, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/x-ndjson")
	header.Set("Next", strconv.FormatUint(page.next, 10))
	room := h.room.Info().ID
	header.Set("Room", room)
	header.Set("Link", fmt.Sprintf(`</messages?room=%s&since=%d>; rel="next"`, room, page.next)) // RFC 8288
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

// A place is where in the log a script continues.
type place struct {
	since   uint64
	backlog bool // it has not read anything before: since is 0
	isOther bool // it read another room, or a log that no longer has that much; since is 0
}

// parsePlace parses the ID of the last event that the client has: "42", or "ROOM-42" as in the
// stream; "" is the backlog. ?room= names the room, too. An ID of another room, or one that this
// room has not reached, is from another log, such as that of a host before its restart: the client
// starts at the first event here. If the ID is invalid, parsePlace answers the request.
func (h *Handler) parsePlace(w http.ResponseWriter, r *http.Request, last string) (place, bool) {
	room := r.URL.Query().Get("room")
	if named, id, ok := strings.Cut(last, "-"); ok {
		room, last = named, id
	}
	if last == "" {
		return place{backlog: true}, true
	}
	since, err := strconv.ParseUint(last, 10, 53)
	if err != nil {
		http.Error(w, "since must be the id of the last message that you have", http.StatusBadRequest)
		return place{}, false
	}
	if room != "" && room != h.room.Info().ID {
		return place{isOther: since > 0}, true
	}
	if err := h.room.CatchUp(since, r.Context().Done()); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return place{}, false
	}
	if since >= h.room.Next() {
		return place{isOther: since > 0}, true
	}
	return place{since: since}, true
}

// follow returns a follower that starts at a place.
func (h *Handler) follow(from place) (*relay.Follower, error) {
	if from.backlog {
		return h.room.Follow(0)
	}
	return h.room.FollowFrom(from.since + 1), nil
}

// appendGap appends the event that says that events are missing before the next one: missed, or an
// unknown number of those of another log.
func (h *Handler) appendGap(dst []byte, missed uint64) []byte {
	gap := wire.Event{Type: wire.TypeGap, Missed: missed, Room: h.room.Info().ID}
	return gap.AppendJSON(dst)
}

// A messagePage is an answer to GET /messages. It holds only the beginning of a long one: the
// client may be slow to take it, or never do.
type messagePage struct {
	start []byte // the first lines
	end   uint64 // ID of the last event in start
	next  uint64 // ID of the last event of the answer; the since of the next request
}

// readPage reads up to count events from a place on.
func (h *Handler) readPage(from place, count int) (*messagePage, error) {
	f, err := h.follow(from)
	if err != nil {
		return nil, err
	}
	page := &messagePage{end: from.since, next: from.since}
	for size, first := 0, true; count > 0 && size < maxAnswer; first = false {
		runs, missed, err := f.Next()
		if err != nil {
			return nil, err
		}
		if first && (from.isOther || missed > 0 && from.since > 0) {
			if from.isOther {
				missed = 0
			}
			page.start = h.appendGap(page.start, missed)
			size = len(page.start)
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

// Once the client sends no more, the first maxProbes comments follow at once and every probeBeat.
const (
	probeBeat = time.Second
	maxProbes = 3
)

// events answers GET /events: it streams the events after ?since or Last-Event-ID as Server-Sent
// Events (https://html.spec.whatwg.org/multipage/server-sent-events.html). Its client is not a
// member of the room.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	from, ok := h.parsePlace(w, r, cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("since")))
	if !ok {
		return
	}
	if !awaitTurn(w) {
		return
	}
	f, err := h.follow(from)
	if err != nil {
		h.unreadable(w, err)
		return
	}
	room := h.room.Info().ID
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Room", room)
	if r.Method == http.MethodHead { // its answer has no body to wait for: curl -I
		return
	}
	by := enteredBy(r)
	stream := &stream{
		h: h, request: r.Context(), valid: by.Valid, room: room, isOther: from.isOther, caughtUp: func() { stopCharging(w) },
		out: bufio.NewWriterSize(w, 32<<10), control: http.NewResponseController(w),
	}
	for !h.room.IsBanned(remoteAddr(r)) && !h.isKeyBanned(by.Key) { // perhaps only since the stream began
		if stream.isRevoked() { // no one sees who reads it, so it gets no new secret: members get that in their sessions
			return
		}
		if h.gate != nil && h.gate.Grant(by.BySecret, by.Key).Level == access.None { // its key is no longer a member's
			return
		}
		if err := stream.pass(f); err != nil {
			h.opts.Log.Debug("an event stream ended", "remote", r.RemoteAddr, "error", err)
			return
		}
	}
}

// A stream is an answer of Server-Sent Events.
type stream struct {
	h        *Handler
	request  context.Context // ends when the client sends no more; it may still read
	valid    context.Context // ends when the secret that it was opened with is replaced; nil: the room is plain
	probes   int             // beats since then
	room     string          // its ID
	out      *bufio.Writer
	control  *http.ResponseController
	isOther  bool   // see place; until that is sent
	caughtUp func() // called when all events until now are written
}

// pass writes the next events, and waits for more.
func (s *stream) pass(f *relay.Follower) error {
	runs, missed, err := f.Next()
	if err != nil {
		return err
	}
	if s.isOther {
		s.isOther, missed = false, 0
		fmt.Fprintf(s.out, "data: %s\n", s.h.appendGap(nil, 0))
	}
	if missed > 0 {
		fmt.Fprintf(s.out, "data: %s\n", s.h.appendGap(nil, missed))
	}
	for line := range linesOf(runs) {
		fmt.Fprintf(s.out, "id: %s-%d\ndata: %s\n", s.room, idOf(line), line)
	}
	if len(runs) > 0 {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.caughtUp()
	return s.wait(f)
}

// wait waits for more events, and finds out every now and then whether the client is gone. Once it
// sends no more, it probably is: the system reports that after a write or two.
func (s *stream) wait(f *relay.Follower) error {
	parent, beat := s.request, streamBeat
	if s.probes > 0 {
		parent = context.WithoutCancel(s.request)
	}
	if s.probes > 0 && s.probes < maxProbes {
		beat = probeBeat
	}
	ctx, cancel := context.WithTimeout(parent, beat)
	defer cancel()
	if s.valid != nil {
		defer context.AfterFunc(s.valid, cancel)()
	}
	err := f.Wait(ctx)
	if err == nil || ctx.Err() == nil { // there are more, or the room closes
		return err
	}
	if s.isRevoked() {
		return nil
	}
	if s.request.Err() != nil {
		s.probes++
	}
	s.out.WriteString(": \n\n")
	return s.flush()
}

// isRevoked reports whether the secret that the stream was opened with was replaced.
func (s *stream) isRevoked() bool { return s.valid != nil && s.valid.Err() != nil }

func (s *stream) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.control.Flush()
}
