package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"chat/relay/internal/access"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is how a message of a script gets into the room: through a short session.

const (
	// commitWait is how long a request waits until its message is on disk.
	commitWait = 30 * time.Second

	// maxVisits is how many messages by HTTP may wait for the disk, or for each other.
	maxVisits = 1000
)

var (
	errUnknown = errors.New("the host's disk is slow: it is not known whether the message was stored; " +
		"retry with the same Idempotency-Key header, and it is stored only once")
	errNotSent = errors.New("the message before this one still waits for the host's disk; this was not sent")
	errBusy    = errors.New("too many messages wait for the host's disk; this was not sent")
)

// A visit is the short session of one message. It ends once the message is in the log or rejected,
// which may be long after the request that began it.
type visit struct {
	// Fixed.
	from    net.Addr
	nick    string
	token   string
	proven  access.Credentials // that the request has shown in a sealed room
	message wire.Request       // owned by the goroutine of the visit
	content contentSum         // of the request

	over  chan struct{} // closed when event and err are set
	event wire.Event    // of the message in the log
	err   error         // a *rejection, or why it is not known whether there is an event

	mu        sync.Mutex // guards the fields below
	sent      bool       // the message is on its way to the room
	abandoned bool       // the request gave up before that
}

// visit sends a message to the room and returns its event. The error is a *rejection, errUnknown, or
// says that the message was not sent. It does not depend on the connection of the request, whose
// client may have closed its sending side.
//
// The script's own token, or else its address and nick, make a client of the room: later requests
// with the same are from the same client, and have the same nick if possible. content tells an earlier
// request with the same key from one that sends something else.
func (h *Handler) visit(r *http.Request, nick string, message wire.Request, content contentSum) (wire.Event, error) {
	key, err := checkSender(r, nick)
	if err != nil {
		return wire.Event{}, err
	}
	token, err := h.visitors.tokenOf(r, nick)
	if err != nil {
		return wire.Event{}, err
	}
	if conn, ok := r.Context().Value(connKey{}).(roomConn); ok {
		conn.NoteMessage()
	}
	v := &visit{from: remoteAddr(r), nick: nick, token: token, proven: *enteredBy(r), message: message, content: content, over: make(chan struct{})}
	if key != "" {
		first, err := h.keys.begin(v, key)
		if err != nil {
			return wire.Event{}, err
		}
		if first != v {
			return first.wait()
		}
	}
	if !h.visitors.begin() {
		v.err = errBusy
		h.keys.end(v, key, errBusy)
		close(v.over)
		return wire.Event{}, errBusy
	}
	go func() { // ends with the message, or with the room
		defer h.visitors.end()
		v.event, v.err = h.carryOut(v)
		v.message = wire.Request{} // the event has it
		h.keys.end(v, key, v.err)
		close(v.over)
	}()
	return v.wait()
}

// checkSender returns the hash of the Idempotency-Key of a request that sends a message; "": it has
// none. The error says that the key or the nick is invalid: unlike a member, a script would not notice
// that it has another nick.
func checkSender(r *http.Request, nick string) (key string, err error) {
	if nick != "" {
		if _, err := text.NormalizeNick(nick); err != nil {
			return "", &rejection{wire.Faultf(wire.CodeBadNick, "%v", err).Event(0)}
		}
	}
	return idempotencyKey(r)
}

// repeated returns the visit of an earlier request of the same client with the same key; nil: there
// is none. The error says that it sent something else.
func (h *Handler) repeated(r *http.Request, nick, key string, content contentSum) (*visit, error) {
	token, err := h.visitors.tokenOf(r, nick)
	if key == "" || err != nil {
		return nil, nil
	}
	v := h.keys.lookUp(token, key)
	if v != nil && v.content != content {
		return nil, errOtherContent
	}
	return v, nil
}

// wait returns the result of the visit, or an error after commitWait.
func (v *visit) wait() (wire.Event, error) {
	patience := time.NewTimer(commitWait)
	defer patience.Stop()
	select {
	case <-v.over:
		return v.event, v.err
	case <-patience.C:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sent {
		return wire.Event{}, errUnknown
	}
	v.abandoned = true
	return wire.Event{}, errNotSent
}

// maySend reports whether the request still waits, so that its message may be sent.
func (v *visit) maySend() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sent = !v.abandoned
	return v.sent
}

// maxTries is how often a message is sent whose number was taken: the client sends at several hosts of the room at once.
const maxTries = 5

// newOnce returns a random key for a message without one. The client may send at several hosts of a room at once: only the key
// tells its message from another one with the same number.
func newOnce() string { return rand.Text() }

// errNumberTaken means that the number of a message belongs to another one.
var errNumberTaken = errors.New("the number of the message belongs to another one")

// carryOut runs the session of a visit.
func (h *Handler) carryOut(v *visit) (e wire.Event, err error) {
	leave := h.visitors.enter(v.token)
	defer leave()
	if v.message.Once == "" && h.room.Relay() != "" {
		v.message.Once = newOnce()
	}
	for range maxTries {
		if e, err = h.carryOutOnce(v); !errors.Is(err, errNumberTaken) {
			return e, err
		}
	}
	return wire.Event{}, errNotSent
}

func (h *Handler) carryOutOnce(v *visit) (wire.Event, error) {
	if !v.maySend() {
		return wire.Event{}, errNotSent
	}
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	defer served.Wait()
	defer ours.Close()
	served.Go(func() { h.room.ServeVisit(context.Background(), &visitor{theirs, v.from}, v.proven) })
	none := 0
	hello := wire.Request{Type: wire.TypeHello, Version: wire.Version, Nick: v.nick, Token: v.token, Backlog: &none}
	served.Go(func() { ours.Write(hello.AppendJSON(nil)) }) // ends with the pipe
	message := v.message
	lines := wire.NewLineReader(ours, wire.MaxJSONLine)
	var me string
	for {
		line, err := lines.ReadLine()
		switch {
		case err != nil && me == "":
			return wire.Event{}, errClosed
		case err != nil:
			return wire.Event{}, errUnknown
		case len(line) == 0 || line[0] != '{': // the room is full or the address banned: a line for people
			return wire.Event{}, &rejection{wire.Event{Code: wire.CodeFull, Text: string(bytes.TrimPrefix(line, []byte("! ")))}}
		}
		e, err := wire.ParseEvent(line)
		if err != nil {
			return wire.Event{}, fmt.Errorf("ask the room: %w", err)
		}
		switch {
		case e.Type == wire.TypeWelcome:
			if stored, ok := h.keys.stored(e.Client, message.Once); ok {
				if !h.isEventOf(&stored, &message) {
					return wire.Event{}, errOtherContent
				}
				return stored, nil
			}
			me, message.Seq = e.Client, e.Seq+1
			served.Go(func() { ours.Write(message.AppendJSON(nil)) })
		case me != "" && e.Client == me && e.Seq == message.Seq:
			if e.Once != message.Once { // it was sent at another host; this one gets a CodeDuplicate
				return wire.Event{}, errNumberTaken
			}
			return e, nil
		case e.Type == wire.TypeError && e.Code == wire.CodeDuplicate && e.Seq == message.Seq && h.room.Relay() != "":
			return wire.Event{}, errNumberTaken
		case e.Type == wire.TypeError && (me == "" || e.Seq == message.Seq || isLineFault(&e)), me == "" && e.Type == wire.TypeBye:
			return wire.Event{}, &rejection{e}
		case e.Type == wire.TypeBye: // with the message neither in the log nor rejected
			return wire.Event{}, errUnknown
		}
	}
}

// isEventOf reports whether a request to send message led to e, as far as the host can tell.
func (h *Handler) isEventOf(e *wire.Event, message *wire.Request) bool {
	switch {
	case message.Type != wire.TypeSend:
		return e.File == nil && e.Text == text.CleanLines(message.Text)
	case e.File == nil || h.opts.Files == nil:
		return false
	}
	u := h.opts.Files.Upload(message.File)
	if u == nil {
		return true // the upload was published before, and the host forgot its ID
	}
	f, _ := u.Finished()
	return f.Name == e.File.Name && f.Size == e.File.Size && f.SHA256 == e.File.SHA256
}

// isLineFault reports whether the room dropped a whole line, whose number it does not know: only
// the message can be that long.
func isLineFault(e *wire.Event) bool {
	return e.Seq == 0 && (e.Code == wire.CodeTooLong || e.Code == wire.CodeBadJSON)
}

// A visitor is the room's end of a visit, with the address of the HTTP client.
type visitor struct {
	net.Conn
	from net.Addr
}

func (v *visitor) RemoteAddr() net.Addr { return v.from }

// answer returns a function that answers with the result of a visit.
func (h *Handler) answer(w http.ResponseWriter) func(wire.Event, error) {
	return func(e wire.Event, err error) {
		if err != nil {
			h.reject(w, err)
			return
		}
		created(w, &e)
	}
}

// created answers with the event of a message.
func created(w http.ResponseWriter, e *wire.Event) {
	w.Header().Set("Content-Type", "application/json")
	if e.File != nil {
		w.Header().Set("Location", e.File.Path)
	}
	w.WriteHeader(http.StatusCreated)
	w.Write(e.AppendJSON(nil))
}

// visitors are the clients that send messages by HTTP. A client can have only one session, so
// the second of two concurrent requests waits.
type visitors struct {
	secret string        // makes tokens that cannot be guessed, the same after a restart of the host; fixed
	places chan struct{} // a semaphore: visits in progress; fixed

	mu      sync.Mutex
	present map[string]chan struct{} // by token: closed when the visit ends; guarded by mu
}

func newVisitors(secret string) visitors {
	return visitors{secret: secret, places: make(chan struct{}, maxVisits), present: make(map[string]chan struct{})}
}

// begin counts a visit, unless there are too many. The caller must call end.
func (v *visitors) begin() bool {
	select {
	case v.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (v *visitors) end() { <-v.places }

// enter waits until the client has no other visit. The caller must call leave at the end.
func (v *visitors) enter(token string) (leave func()) {
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
			}
		}
		v.mu.Unlock()
		<-other
	}
}
