// Package web is what the room's port says to those who speak HTTP: the page for browsers,
// with its WebSocket into the room, files, and messages for scripts.
//
// Nothing here is a way around the room: what is said goes in by the relay's own door, with
// its limits, and no page but the host's own can make a browser ask for anything.
package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"rsc.io/qr"

	"chat/relay"
	"chat/relay/files"
)

// Options say what a Handler serves.
type Options struct {
	// Ways are the addresses, host:port, at which others can reach the room, the best one first.
	Ways []string
	// Names are further names by which browsers may ask for the host, besides its addresses and
	// localhost: other names could be an attacker's that point here (DNS rebinding).
	Names []string
	Files *files.Store // nil: nobody sends files
	// Stall is how long a client that is sent something may take no byte of it before it is
	// disconnected; default 30 s, negative: no limit.
	Stall time.Duration
	// MetricsForAll serves /metrics to other machines, too.
	MetricsForAll bool
	Log           *slog.Logger // nil: nothing is logged
}

// Times and sizes of requests. Bodies and the connections themselves have the limits of
// what they are for.
const (
	headerTime  = 10 * time.Second // for a request's header, and between two requests
	headerBytes = 16 << 10
	bodyTime    = 30 * time.Second // for a body, if who takes it gives it no other
)

// A Handler answers HTTP requests to a room's port. It is safe for concurrent use.
type Handler struct {
	room         *relay.Server
	opts         Options
	mux          *http.ServeMux
	conns        listener
	http         *http.Server
	pageCommands []byte // the answer to GET /commands

	visitors visitors
}

// New returns what serves the room. It has to be closed.
func New(room *relay.Server, opts Options) *Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Stall == 0 {
		opts.Stall = 30 * time.Second
	}
	h := &Handler{
		room: room, opts: opts, mux: http.NewServeMux(), conns: newListener(), pageCommands: pageCommands(),
		visitors: visitors{secret: []byte(rand.Text()), present: make(map[string]chan struct{})},
	}
	for name, file := range assets() {
		h.mux.Handle("GET /page/"+name, file)
		if name == "index.html" {
			h.mux.Handle("GET /{$}", file)
		}
	}
	h.mux.HandleFunc("GET /room", h.describe)
	h.mux.HandleFunc("GET /commands", h.commands)
	h.mux.HandleFunc("GET /qr.svg", h.qr)
	h.mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) { h.socket(bareHijacker{w}, r) })
	h.mux.HandleFunc("POST /messages", h.post)
	h.mux.HandleFunc("GET /messages", h.messages)
	h.mux.HandleFunc("GET /events", h.events)
	h.mux.HandleFunc("GET /healthz", h.healthz)
	h.mux.Handle("GET /metrics", h.metrics())
	h.handleFiles()
	h.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       headerTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
	go h.http.Serve(h.conns) // until Close
	return h
}

// connKey is that of a request's connection in its context.
type connKey struct{}

// Take serves a connection that speaks HTTP, to its end. It does not wait for that.
func (h *Handler) Take(conn net.Conn) { h.conns.give(&stallConn{conn, h.opts.Stall}) }

// Close ends all that is still served.
func (h *Handler) Close() error { return h.http.Close() }

// ServeHTTP answers a request, unless it is one that no honest browser would send.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if conn, ok := r.Context().Value(connKey{}).(interface{ KeepPace() }); ok {
		conn.KeepPace()
	}
	header := w.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	if r.ContentLength != 0 { // also a body that nobody wants is read before the answer goes out
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	}
	switch {
	case h.room.Bans(remoteAddr(r)):
		http.Error(w, "you are banned from this room", http.StatusForbidden)
	case !h.isOurs(r.Host):
		http.Error(w, "ask for the host by its address, as in http://192.168.1.5:24280/", http.StatusMisdirectedRequest)
	case !isSameOrigin(r):
		http.Error(w, "a page of another site asked for this; it gets nothing", http.StatusForbidden)
	default:
		h.mux.ServeHTTP(w, r)
	}
}

// pagePolicy lets the page load only what the host serves, and nothing that stands in the page itself
// run (https://www.w3.org/TR/CSP3/).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// isOurs reports whether the Host header (RFC 9110, section 7.2) is one that cannot be
// somebody else's name for our address.
func (h *Handler) isOurs(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "localhost" || isAddress(name) {
		return true
	}
	for _, known := range h.opts.Names {
		if name == strings.ToLower(known) {
			return true
		}
	}
	return false
}

// isAddress reports whether name is an IP address, which nobody can point elsewhere.
func isAddress(name string) bool {
	ip, zone, _ := strings.Cut(name, "%")
	return net.ParseIP(ip) != nil && (zone == "" || strings.Contains(ip, ":"))
}

// isSameOrigin reports whether the request comes from the host's own page, or from no page. A
// browser says so in Origin (RFC 6454, section 7) with whatever could change something and with
// every WebSocket and event stream, and in Sec-Fetch-Site where it trusts the way to the host.
func isSameOrigin(r *http.Request) bool {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		return !slices.ContainsFunc(origins, func(origin string) bool { return !strings.EqualFold(origin, "http://"+r.Host) })
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" // a link, which changes nothing
	}
	return true
}

// A roomInfo is the answer to GET /room.
type roomInfo struct {
	Room    string   `json:"room"`
	Title   string   `json:"title"`
	Members int      `json:"members"`
	App     string   `json:"app"`
	Ways    []string `json:"ways"` // URLs of the page
	Files   bool     `json:"files"`
	MaxFile int64    `json:"max_file"` // bytes
}

func (h *Handler) describe(w http.ResponseWriter, r *http.Request) {
	info := h.room.Info()
	answer := roomInfo{Room: info.ID, Title: info.Title, Members: info.Members, App: info.App, Ways: []string{}}
	for _, way := range h.opts.Ways {
		answer.Ways = append(answer.Ways, "http://"+way+"/")
	}
	if h.opts.Files != nil {
		answer.Files, answer.MaxFile = true, h.opts.Files.MaxFile()
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.opts.Log.Debug("answer", "error", err)
	}
}

// qr draws the address that others should open.
func (h *Handler) qr(w http.ResponseWriter, r *http.Request) {
	if len(h.opts.Ways) == 0 {
		http.NotFound(w, r)
		return
	}
	code, err := qr.Encode("http://"+h.opts.Ways[0]+"/", qr.M)
	if err != nil {
		http.Error(w, "no QR code can be made of the address", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write(svgOf(code))
}

// A listener gives an http.Server the connections that were handed over.
type listener struct {
	conns  chan net.Conn
	ctx    context.Context
	cancel context.CancelFunc
}

func newListener() listener {
	ctx, cancel := context.WithCancel(context.Background())
	return listener{conns: make(chan net.Conn), ctx: ctx, cancel: cancel}
}

func (l listener) give(conn net.Conn) {
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

// An addr is one of no network, or that of a request.
type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func remoteAddr(r *http.Request) net.Addr { return addr(r.RemoteAddr) }

var errClosed = errors.New("the room closes")
