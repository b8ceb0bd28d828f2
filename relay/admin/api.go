package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chat/relay"
	"chat/relay/limits"
	"chat/relay/text"
	"chat/relay/wire"
)

// A Room is an open room, as its host administers it. Its methods may be called concurrently. What
// changes the room records that in its log, as an act of "host (admin)".
type Room interface {
	// Info describes the room. Connections and Marked are those of [relay.Server].
	Info() wire.RoomInfo
	Connections() []relay.Connection
	Elsewhere() []relay.Connection // members at other relays of a shared room
	Cluster() (relay.ClusterStatus, bool)
	Marked() (banned, muted []relay.Mark)

	// Operate carries out what an operator may request: see [relay.Server.Operate].
	Operate(req *wire.Request) (notice string, err error)

	// Uploads returns the files that members sent; nil: the host accepts none.
	Uploads() relay.Uploads

	// Limits returns the limits as they are. ChangeLimits sets some, each NAME=VALUE, or none and returns why.
	Limits() limits.Settings
	ChangeLimits(assignments []string) ([]limits.Change, error)

	// Reload reads the settings, the certificate and the files of keys again. The notice may be "".
	Reload() (notice string, err error)

	// Backup copies the history to a new file, whose path is absolute, until ctx ends.
	Backup(ctx context.Context, to string) error

	// Stop closes the room for everyone soon, and ends its host. The reason may be "".
	Stop(reason string) error
}

// The bodies of requests and responses. All responses but errors have the status 200.
type (
	// A Status is the response to GET /v1/room.
	Status struct {
		Title    string    `json:"title"`
		ID       string    `json:"id"`
		App      string    `json:"app,omitempty"` // the host's program and version
		Sealed   bool      `json:"sealed"`
		Since    time.Time `json:"since"` // when the host opened it
		PID      int       `json:"pid"`   // of the host's process
		Address  string    `json:"address"`
		History  string    `json:"history,omitempty"` // the path of the file; "": the room is in memory
		Members  int       `json:"members"`
		Sessions int       `json:"sessions"` // connections
	}

	// Members is the response to GET /v1/members, Sessions that to GET /v1/sessions.
	Members struct {
		Members []relay.Connection `json:"members"`
	}
	Sessions struct {
		Sessions []relay.Connection `json:"sessions"`
	}

	// Cluster is the response to GET /v1/cluster: of a room that is not shared, with the status 404.
	Cluster = relay.ClusterStatus

	// Bans is the response to GET /v1/bans.
	Bans struct {
		Banned []relay.Mark `json:"banned"`
		Muted  []relay.Mark `json:"muted"`
	}

	// An Action is the request of POST /v1/kick, ban, unban, mute, unmute, op, deop and release.
	Action struct {
		Nick   string `json:"nick"`             // or an IP address, for ban and unban
		Reason string `json:"reason,omitempty"` // of kick, ban, mute, op and deop
	}

	// A Notice is the response to what changes the room.
	Notice struct {
		Notice string `json:"notice"` // for people
	}

	// Files is the response to GET /v1/files: the newest ones first.
	Files struct {
		Uploads string      `json:"uploads"` // "on", "off" or "none"
		Files   []wire.File `json:"files"`
	}

	// A FilesChange is the request of POST /v1/files. One field is set.
	FilesChange struct {
		Remove  uint64 `json:"remove,omitempty"`  // the number of a file
		Uploads string `json:"uploads,omitempty"` // "on" or "off"
	}

	// Limits is the response to GET /v1/limits.
	Limits struct {
		Limits []Limit `json:"limits"`
	}
	Limit struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		Default string `json:"default"`
		Help    string `json:"help"`
	}

	// A LimitsChange is the request of POST /v1/limits.
	LimitsChange struct {
		Set []string `json:"set"` // each NAME=VALUE
	}

	// LimitsChanged is the response to POST /v1/limits.
	LimitsChanged struct {
		Changed []LimitChanged `json:"changed"`
	}
	LimitChanged struct {
		Name string `json:"name"`
		From string `json:"from"`
		To   string `json:"to"`
	}

	// A BackupTo is the request of POST /v1/backup.
	BackupTo struct {
		To string `json:"to"` // an absolute path
	}

	// A Stop is the request of POST /v1/stop.
	Stop struct {
		Reason string `json:"reason,omitempty"`
	}

	// An Error is the response to a request that failed.
	Error struct {
		Status int    `json:"-"`              // of HTTP
		Text   string `json:"error"`          // one line
		Hint   string `json:"hint,omitempty"` // what can be done
		Code   string `json:"code,omitempty"` // as in PROTOCOL.md
	}
)

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "\nhint: " + e.Hint
}

const (
	// maxBody bounds the body of a request in bytes.
	maxBody = 16 << 10

	// defaultFiles and maxFiles are how many files a response lists.
	defaultFiles = 100
	maxFiles     = 1000
)

// actions are the operator's requests that name someone.
var actions = []string{"kick", "ban", "unban", "mute", "unmute", "op", "deop", "release"}

// routes returns the handlers of all requests.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	get := func(path string, answer func(*http.Request) (any, error)) {
		mux.HandleFunc("GET /v1/"+path, func(w http.ResponseWriter, r *http.Request) { respond(w, r, answer) })
	}
	post := func(path string, answer func(*http.Request) (any, error)) {
		mux.HandleFunc("POST /v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			s.log.Info("an administrator asked for "+path, "user", userOf(r))
			respond(w, r, answer)
		})
	}
	get("room", s.status)
	get("members", func(*http.Request) (any, error) {
		m := Members{Members: []relay.Connection{}}
		for _, c := range s.room.Connections() {
			if c.IsMember() {
				m.Members = append(m.Members, c)
			}
		}
		m.Members = append(m.Members, s.room.Elsewhere()...)
		return m, nil
	})
	get("cluster", func(*http.Request) (any, error) {
		status, ok := s.room.Cluster()
		if !ok {
			return nil, &Error{Status: http.StatusNotFound, Text: "this room has no other relays", Hint: "chat host --cluster opens a room on several relays"}
		}
		return status, nil
	})
	get("sessions", func(*http.Request) (any, error) { return Sessions{s.room.Connections()}, nil })
	get("bans", func(*http.Request) (any, error) {
		banned, muted := s.room.Marked()
		return Bans{banned, muted}, nil
	})
	get("files", s.files)
	get("limits", s.limits)
	for _, name := range actions {
		post(name, func(r *http.Request) (any, error) {
			var body Action
			if err := decode(r, &body); err != nil {
				return nil, err
			}
			answer, err := s.operate(&wire.Request{Type: name, Nick: body.Nick, Text: body.Reason})
			return withOutcome(answer, name, body.Nick), err
		})
	}
	post("invite", func(*http.Request) (any, error) { return s.operate(&wire.Request{Type: wire.TypeInvite, Text: "new"}) })
	post("reload", s.reload)
	post("files", s.changeFiles)
	post("limits", s.changeLimits)
	mux.HandleFunc("POST /v1/backup", s.backup)
	mux.HandleFunc("POST /v1/stop", s.stop)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &Error{Status: http.StatusNotFound, Text: "unknown request " + r.Method + " " + r.URL.Path, Hint: "see Administration in hosting.md"})
	})
	return mux
}

func (s *Server) operate(req *wire.Request) (any, error) {
	notice, err := s.room.Operate(req)
	if err != nil {
		return nil, err
	}
	return Notice{notice}, nil
}

func (s *Server) status(*http.Request) (any, error) {
	info := s.room.Info()
	status := Status{
		Title: info.Title, ID: info.ID, App: info.App, Sealed: info.Sealed, Since: s.since,
		PID: s.entry.PID, Address: s.entry.Listens, History: s.entry.History,
	}
	for _, c := range s.room.Connections() {
		status.Sessions++
		if c.IsMember() {
			status.Members++
		}
	}
	status.Members += len(s.room.Elsewhere())
	return status, nil
}

func (s *Server) reload(*http.Request) (any, error) {
	notice, err := s.room.Reload()
	if err == nil {
		return noticeOr(Notice{notice}, "the settings were read again"), nil
	}
	e := &Error{Status: http.StatusUnprocessableEntity}
	var wrong []string // there may be several mistakes; one hint is enough
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if words, isHint := strings.CutPrefix(line, "hint: "); isHint {
			e.Hint = words
		} else {
			wrong = append(wrong, line)
		}
	}
	e.Text = strings.Join(wrong, "; ")
	return nil, e
}

func (s *Server) files(r *http.Request) (any, error) {
	uploads := s.room.Uploads()
	if uploads == nil {
		return Files{Uploads: "none", Files: []wire.File{}}, nil
	}
	count, before := uint64(defaultFiles), uint64(0)
	for name, to := range map[string]*uint64{"count": &count, "before": &before} {
		if value := r.URL.Query().Get(name); value != "" {
			n, err := strconv.ParseUint(value, 10, 53)
			if err != nil {
				return nil, &Error{Status: http.StatusBadRequest, Text: name + " is not a number"}
			}
			*to = n
		}
	}
	list := Files{Uploads: "on", Files: uploads.List(before, int(min(max(count, 1), maxFiles)))}
	if uploads.IsOff() {
		list.Uploads = "off"
	}
	if list.Files == nil {
		list.Files = []wire.File{}
	}
	return list, nil
}

func (s *Server) changeFiles(r *http.Request) (any, error) {
	var body FilesChange
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	switch {
	case body.Remove > 0 && body.Uploads == "":
		answer, err := s.operate(&wire.Request{Type: wire.TypeFiles, Text: "rm " + strconv.FormatUint(body.Remove, 10)})
		return noticeOr(answer, fmt.Sprintf("file %d was removed", body.Remove)), err
	case body.Remove == 0 && (body.Uploads == "on" || body.Uploads == "off"):
		answer, err := s.operate(&wire.Request{Type: wire.TypeFiles, Text: body.Uploads})
		return noticeOr(answer, "uploads are "+body.Uploads), err
	}
	return nil, &Error{Status: http.StatusBadRequest, Text: "the request has neither a file to remove nor uploads on or off", Hint: `e.g. {"remove":3} or {"uploads":"off"}`}
}

// outcomes are the words for acts of which the room's members see an event, and the operator no notice.
var outcomes = map[string]string{"op": "%s is an operator", "deop": "%s is no longer an operator"}

// withOutcome returns answer with the outcome of an act on nick before its notice, if the notice does not name it.
func withOutcome(answer any, act, nick string) any {
	n, ok := answer.(Notice)
	if words := outcomes[act]; ok && words != "" && nick != "" {
		n.Notice = strings.TrimSuffix(fmt.Sprintf(words, text.Clean(nick))+"\n"+n.Notice, "\n")
		return n
	}
	return answer
}

// noticeOr returns answer, with words if its notice is empty.
func noticeOr(answer any, words string) any {
	if n, ok := answer.(Notice); ok && n.Notice == "" {
		return Notice{words}
	}
	return answer
}

func (s *Server) limits(*http.Request) (any, error) {
	now := s.room.Limits()
	var all Limits
	for i := range limits.Table {
		l := &limits.Table[i]
		all.Limits = append(all.Limits, Limit{Name: l.Name, Value: l.Value(now), Default: l.Default, Help: l.Help})
	}
	return all, nil
}

func (s *Server) changeLimits(r *http.Request) (any, error) {
	var body LimitsChange
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	changes, err := s.room.ChangeLimits(body.Set)
	changed := LimitsChanged{Changed: []LimitChanged{}}
	for _, c := range changes {
		changed.Changed = append(changed.Changed, LimitChanged{c.Name, c.From, c.To})
	}
	return changed, err
}

// backup writes a backup. It may take long, and ends when the client is gone.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	respond(w, r, func(r *http.Request) (any, error) {
		var body BackupTo
		switch err := decode(r, &body); {
		case err != nil:
			return nil, err
		case !filepath.IsAbs(body.To):
			return nil, &Error{Status: http.StatusBadRequest, Text: "the path of the backup is not absolute", Hint: "the host may run in another folder than you; give the whole path"}
		case !s.backingUp.TryLock():
			return nil, &Error{Status: http.StatusConflict, Text: "another backup is being written", Hint: "wait until it is done"}
		}
		defer s.backingUp.Unlock()
		deadlines := http.NewResponseController(w)
		if err := errors.Join(deadlines.SetReadDeadline(time.Time{}), deadlines.SetWriteDeadline(time.Time{})); err != nil {
			return nil, err
		}
		s.log.Info("an administrator asked for a backup", "user", userOf(r), "to", body.To)
		if err := s.room.Backup(r.Context(), body.To); err != nil {
			return nil, err
		}
		return Notice{"the history is in " + body.To}, deadlines.SetWriteDeadline(time.Now().Add(writeTimeout))
	})
}

// stop closes the room once the client has the response.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	var body Stop
	respond(w, r, func(r *http.Request) (any, error) {
		if err := decode(r, &body); err != nil {
			return nil, err
		}
		if err := s.room.Stop(body.Reason); err != nil {
			return nil, err
		}
		s.log.Info("an administrator stops the host", "user", userOf(r), "reason", body.Reason)
		return Notice{"the room closes"}, nil
	})
}

// decode decodes the body of a request, one JSON object, into to. No body is an empty object.
func decode(r *http.Request, to any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil {
		_, err = d.Token()
	}
	if err == io.EOF {
		return nil
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("the request has more than %d bytes", tooLarge.Limit)}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Status: http.StatusRequestTimeout, Text: fmt.Sprintf("the request did not arrive within %v", readTimeout)}
	}
	if err == nil {
		err = errors.New("more follows the object")
	}
	return &Error{Status: http.StatusBadRequest, Text: "the request is not a JSON object of the right shape: " + strings.TrimPrefix(err.Error(), "json: ")}
}

// respond writes the answer to a request, or its error.
func respond(w http.ResponseWriter, r *http.Request, answer func(*http.Request) (any, error)) {
	body, err := answer(r)
	if err != nil {
		writeError(w, errorOf(err))
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// errorOf returns err as a response.
func errorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	words, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	e := &Error{Status: http.StatusUnprocessableEntity, Text: words, Hint: hint}
	if fault, ok := errors.AsType[*wire.Fault](err); ok {
		e.Code = string(fault.Code)
		e.Text, e.Hint = splitFault(fault.Text)
		switch fault.Code {
		case wire.CodeNoSuchNick, wire.CodeNoSuchFile, wire.CodeUnknown:
			e.Status = http.StatusNotFound
		case wire.CodeNotStored, wire.CodeNotRead:
			e.Status = http.StatusServiceUnavailable
		default:
			e.Status = http.StatusBadRequest
		}
	}
	return e
}

func writeError(w http.ResponseWriter, e *Error) { writeJSON(w, e.Status, e) }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(body) // an error means that the client is gone
}
