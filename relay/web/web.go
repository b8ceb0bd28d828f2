// Package web serves HTTP on the room's port: the page for browsers with its WebSocket into
// the room, files, and messages for scripts.
//
// It is no way around the room. Messages go through sessions of the relay, with their limits,
// and pages of other sites cannot use a browser to send requests or read answers.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay"
	"chat/relay/diskspace"
	"chat/relay/endpoint"
	"chat/relay/files"
	"chat/relay/internal/access"
	"chat/relay/program"
	"chat/relay/qrcode"
	"chat/relay/seal"
	"chat/relay/wire"
)

// Options configure a Handler. The zero value works.
type Options struct {
	// Ways returns the addresses, host:port, at which others can reach the room now, the best
	// one first; nil: it does not know them.
	Ways func() []string
	// Names are the host names that requests may use, in addition to addresses and localhost. Any
	// other name could be an attacker's that points here (DNS rebinding).
	Names []string
	// WebNames are those of Names at which a proxy serves the page by HTTPS.
	WebNames []string
	Files    *files.Store // nil: the host does not accept files
	// Stall is how long a client may accept no byte of an answer before it is disconnected;
	// default 30 s, negative: no limit. See [Handler.SetStall].
	Stall time.Duration
	// TrustedProxies are the reverse proxies whose X-Forwarded-For or Forwarded header names the
	// client of a request.
	TrustedProxies endpoint.Proxies
	// Programs are what /get hands out; nil: nothing.
	Programs *program.Set
	// Invites returns what lets others into a sealed room now. nil: the room is plain.
	Invites func() seal.Invites
	// MetricsForAll serves /metrics to other machines too.
	MetricsForAll bool
	// Problems returns what else keeps the room from working; see [relay.Server.Problems]. nil: nothing is known.
	Problems func() []string
	// Disks returns the disks that the room is on, for the metrics; nil: they are not known.
	Disks func() []diskspace.Disk
	// LostLines returns how many log lines were dropped; nil: it is not known.
	LostLines func() uint64
	Log       *slog.Logger // nil: no logging
}

// Limits of a request. Handlers of long bodies set others.
const (
	headerTime  = 10 * time.Second // to read a header, and between two requests
	headerBytes = 16 << 10
	bodyTime    = 30 * time.Second // to read a body
)

// A Handler serves HTTP requests to a room's port. It is safe for concurrent use.
type Handler struct {
	// Fixed after New.
	room         *relay.Server
	gate         *access.Gate // nil: the room is plain
	opts         Options
	mux          *http.ServeMux
	conns        listener
	http         *http.Server
	pageCommands []byte        // the answer to GET /commands
	closing      chan struct{} // closed by Close, once
	close        sync.Once

	stall     atomic.Int64 // Options.Stall, until SetStall, in ns
	visitors  visitors
	keys      *keys
	streams   streams
	downloads downloads // of the program
}

// New returns a Handler for room. The caller must close it.
func New(room *relay.Server, opts Options) *Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		room: room, gate: room.Gate(), opts: opts, mux: http.NewServeMux(), conns: newListener(), pageCommands: pageCommands(),
		visitors: newVisitors(room.Secret()), keys: newKeys(room, opts.Log), closing: make(chan struct{}),
	}
	h.SetStall(opts.Stall)
	page := thePage()
	h.mux.HandleFunc("GET /page/{version}/{name}", page.serveVersioned)
	for name, file := range page.files {
		h.mux.Handle("GET /page/"+name, file)
		if name == "index.html" {
			h.mux.Handle("GET /{$}", file)
		}
	}
	h.mux.HandleFunc("GET /page/manifest.webmanifest", h.manifest)
	h.mux.HandleFunc("GET /room", h.describe)
	h.mux.HandleFunc("GET /commands", h.commands)
	h.mux.HandleFunc("GET /nick", h.checkNick)
	h.mux.HandleFunc("GET /qr.svg", h.qr)
	h.mux.HandleFunc("GET /socket", h.socket)
	h.mux.HandleFunc("POST /socket", h.postLines)
	h.mux.HandleFunc("POST /messages", h.post)
	h.mux.HandleFunc("GET /messages", h.messages)
	h.mux.HandleFunc("GET /events", h.events)
	h.mux.HandleFunc("GET /healthz", h.healthz)
	if h.gate.IsSealed() {
		h.mux.HandleFunc("GET /enter", h.describeEntry)
		h.mux.HandleFunc("POST /enter", h.enter)
	}
	h.mux.HandleFunc("GET /metrics", h.metrics())
	h.handleFiles()
	h.handleGet()
	h.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       headerTime,
		MaxHeaderBytes:    headerBytes,
		ConnState:         noteIdle,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn.(*stallConn).Conn)
		},
	}
	go h.http.Serve(h.conns) // until Close
	return h
}

// SetStall replaces Options.Stall, also for connections that are open.
func (h *Handler) SetStall(stall time.Duration) {
	if stall == 0 {
		stall = 30 * time.Second
	}
	h.stall.Store(int64(stall))
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// StartServing serves the HTTP connection conn in other goroutines. It returns at once.
func (h *Handler) StartServing(conn net.Conn) {
	h.conns.pass(&stallConn{conn, &h.stall, h.opts.Log})
}

// Close closes all connections that are being served. Answers that are delayed end.
func (h *Handler) Close() error {
	h.close.Do(func() { close(h.closing) })
	return h.http.Close()
}

// A roomConn is a connection that relay gives to StartServing.
type roomConn interface {
	KeepPace()         // counts a request against the rate limit
	NoteBrowser()      // the request was for the page
	SetIdle(idle bool) // between two requests
	IsEncrypted() bool // by TLS

	// Exporter returns keying material of the TLS connection. It fails if there is none.
	Exporter(label string, length int) ([]byte, error)

	// NoteMessage notes that the room has the message of the current request, which is answered
	// even if the room closes.
	NoteMessage()

	// Charge charges the peer's address for n bytes of an answer, and returns how long to
	// wait before they are sent; Delay returns how long to wait before the next answer.
	Charge(n int) time.Duration
	Delay() time.Duration

	// Admit returns why there is no place for a request for path, in a full room. It may wait a
	// second for one. What the page needs to join needs none.
	Admit(path string) error

	// Carry notes that the connection carries a session, which has a place of its own.
	Carry()

	// Forwarded has the connection count as one of the client at from, until it is idle. The
	// error is why the client has no place.
	Forwarded(from net.Addr) error
}

// noteIdle notes that a connection waits for a request, or has one.
func noteIdle(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*stallConn).Conn.(roomConn); ok && (state == http.StateIdle || state == http.StateActive) {
		c.SetIdle(state == http.StateIdle)
	}
}

// ServeHTTP serves a request. It rejects those of banned addresses and of other sites' pages.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, err := asForwarded(r, h.opts.TrustedProxies)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if conn, ok := r.Context().Value(connKey{}).(roomConn); ok {
		if isForwarded(r) {
			err = conn.Forwarded(remoteAddr(r))
		}
		if err == nil {
			err = conn.Admit(r.URL.Path)
		}
		conn.KeepPace()
		w = &chargedWriter{ResponseWriter: w, conn: conn, closing: h.closing}
		if r.URL.Path == "/" || r.URL.Path == "/get" || r.URL.Path == "/socket" || strings.HasPrefix(r.URL.Path, "/page/") {
			conn.NoteBrowser()
		}
	}
	header := w.Header()
	header.Set("Content-Security-Policy", h.policyFor(r))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if isEncrypted(r) { // elsewhere browsers ignore it, with an error in the console
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	header.Set("Cache-Control", "no-store")
	if r.ContentLength != 0 { // net/http reads even an unused body before it answers
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
	switch {
	case h.room.IsBanned(remoteAddr(r)):
		http.Error(w, banned, http.StatusForbidden)
	case err != nil: // no place
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !h.isOurName(r.Host) && (r.Host != "" || r.ProtoAtLeast(1, 1)): // HTTP/1.0, which no browser sends, has no Host
		http.Error(w, "unknown host name; use the host's address, as in "+h.urlOf("192.168.1.5:24280"), http.StatusMisdirectedRequest)
	case !isQuery(r.URL.RawQuery):
		http.Error(w, "cannot parse what follows the ? of the address; separate parameters with & and escape other signs, as curl --get --data-urlencode does", http.StatusBadRequest)
	case !h.isSameOrigin(r):
		http.Error(w, "requests from pages of other sites are rejected", http.StatusForbidden)
	default:
		overrideMethod(r)
		h.moveToFiles(r)
		if r, ok := h.letIn(w, r); ok {
			h.mux.ServeHTTP(w, r)
		}
	}
}

// banned is what those who are banned learn.
const banned = "you are banned from this room"

// isQuery reports whether all parameters of a query can be parsed. net/http leaves out the others without a word: a
// message would be sent under another nick.
func isQuery(query string) bool {
	_, err := url.ParseQuery(query)
	return err == nil
}

// pagePolicy lets the page load only files of the host, and run no inline scripts
// (https://www.w3.org/TR/CSP3/).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// isOurName reports whether the Host header (RFC 9110, section 7.2) names this host. Another
// name may be an attacker's that points here.
func (h *Handler) isOurName(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	return endpoint.IsNameOf(name, h.opts.Names)
}

// isOurOrigin reports whether origin is that of the host's page: at the request's own host, by HTTP or, if the
// connection is encrypted, by HTTPS; or by HTTPS at one of the WebNames, where a proxy stands in front of this host.
// The proxy may use another Host itself; then the name has no port.
func (h *Handler) isOurOrigin(origin, host string, encrypted bool) bool {
	scheme, at, _ := strings.Cut(strings.ToLower(origin), "://")
	host = strings.ToLower(host)
	if scheme != "https" {
		return scheme == "http" && at == host && !encrypted
	}
	if encrypted && at == host {
		return true
	}
	name := at
	if n, _, err := net.SplitHostPort(at); err == nil && at == host {
		name = n
	}
	return slices.ContainsFunc(h.opts.WebNames, func(known string) bool { return name == strings.ToLower(known) })
}

// isSameOrigin reports whether the request comes from the host's own page, or from no page.
// Browsers send Origin (RFC 6454, section 7) with requests that could change something and with
// every WebSocket and event stream, and Sec-Fetch-Site if they trust the connection to the host.
func (h *Handler) isSameOrigin(r *http.Request) bool {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		if h.isOfRelays(r, origins) {
			return true
		}
		encrypted := isEncrypted(r)
		return !slices.ContainsFunc(origins, func(origin string) bool {
			return !h.isOurOrigin(origin, r.Host, encrypted && !isForwarded(r)) && !(isForwarded(r) && strings.EqualFold(origin, "https://"+r.Host))
		})
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" // a link; it changes nothing
	}
	return true
}

// A roomInfo is the answer to GET /room.
type roomInfo struct {
	Room    string   `json:"room"`
	Title   string   `json:"title"`
	Members int      `json:"members"`
	App     string   `json:"app"`
	Sealed  bool     `json:"sealed,omitempty"` // the rest is known only to those with its secret, but Program
	Access  string   `json:"access,omitempty"` // the level: listen, member or operator
	Invite  string   `json:"invite,omitempty"` // the link that they may pass on; it holds a secret
	Pin     string   `json:"pin,omitempty"`    // of the host's key
	Ways    []string `json:"ways"`             // URLs of the page
	Files   bool     `json:"files"`
	MaxFile int64    `json:"max_file"` // bytes

	Program *programInfo `json:"program,omitempty"` // that /get/chat hands out; nil: none
}

// describe answers GET /room. Of a sealed room it says only which one it is, unless the request shows its secret.
func (h *Handler) describe(w http.ResponseWriter, r *http.Request) {
	info, e := h.room.Info(), enteredBy(r)
	answer := roomInfo{Room: info.ID, Title: info.Title, Sealed: info.Sealed, App: info.App, Ways: []string{}, Program: h.programInfo(r)}
	if info.Sealed && e.Level == access.None {
		h.writeJSON(w, answer)
		return
	}
	answer.Members = h.room.Members()
	if info.Sealed {
		answer.Access = e.Level.String()
		if invite, ok := h.inviteOf(r); ok {
			answer.Invite, answer.Pin = invite.URL(), string(invite.Pin)
		}
	}
	for _, way := range h.ways() {
		answer.Ways = append(answer.Ways, h.urlOf(way))
	}
	if h.opts.Files != nil {
		answer.Files, answer.MaxFile = true, h.opts.Files.MaxFile()
	}
	h.writeJSON(w, answer)
}

// urlOf returns the URL of the page at an address.
func (h *Handler) urlOf(addr string) string { return wire.Scheme(h.gate.IsSealed()) + addr + "/" }

// ways returns the addresses of the room.
func (h *Handler) ways() []string {
	if h.opts.Ways == nil {
		return nil
	}
	return h.opts.Ways()
}

// qr answers GET /qr.svg with the QR code of the page's address. In a sealed room it is the invite that the
// requester may pass on, with its secret.
func (h *Handler) qr(w http.ResponseWriter, r *http.Request) {
	var link string
	if ways := h.ways(); len(ways) > 0 {
		link = h.urlOf(ways[0])
	}
	if h.gate.IsSealed() {
		link = ""
		if invite, ok := h.inviteOf(r); ok {
			link = invite.URL()
		}
	}
	if link == "" {
		http.NotFound(w, r)
		return
	}
	code, err := qrcode.Of(link)
	if err != nil {
		http.Error(w, "the address does not fit into a QR code", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-store") // the address may change
	w.Write(code.SVG())
}

// A listener passes connections to an http.Server. It is safe for concurrent use: its fields are fixed.
type listener struct {
	conns  chan net.Conn
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
}

func newListener() listener {
	ctx, cancel := context.WithCancel(context.Background())
	return listener{conns: make(chan net.Conn), ctx: ctx, cancel: cancel}
}

// pass hands conn to Accept, or closes it after Close.
func (l listener) pass(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.ctx.Done():
		conn.Close()
	}
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	l.cancel()
	return nil
}

func (l listener) Addr() net.Addr { return addr("chat") }

// An addr is an address as text.
type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func remoteAddr(r *http.Request) net.Addr { return addr(r.RemoteAddr) }

var errClosed = errors.New("the room is closing")
