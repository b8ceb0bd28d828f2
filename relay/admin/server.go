package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/text"
)

// Bounds of a connection and of a request. Only the host's user can use them up.
const (
	maxConns      = 64
	maxHeader     = 8 << 10 // bytes; net/http adds 4 KiB
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 30 * time.Second
	closeTimeout  = time.Second // for responses while the host closes

	maxRefusals    = 16
	refusalTimeout = 500 * time.Millisecond
)

// Options say which room a server is for, and where it may be.
type Options struct {
	Room Room
	Log  *slog.Logger
	Dir  string // of what the user's hosts keep; "": there is none
	Entry
}

// A Server is the host's end.
type Server struct {
	// fixed after Open
	room    Room
	log     *slog.Logger
	since   time.Time
	entry   Entry
	http    *http.Server
	token   string   // that requests need; "": the socket is private
	closers []func() // remove the server's files; in the order of onClose

	backingUp sync.Mutex     // held while a backup is written
	serving   sync.WaitGroup // the accept loop
	working   sync.WaitGroup // requests
}

// Open opens the server of a room: beside its history file, or in the folder of open rooms if there is none or
// if that does not work, or in a temporary folder. The log has why it is not at the first place. It has to be closed.
func Open(opts Options) (*Server, error) {
	s := &Server{room: opts.Room, log: opts.Log, since: time.Now(), entry: opts.Entry}
	s.entry.PID = os.Getpid()
	ln, err := s.listen(opts.Dir)
	if err != nil {
		s.removeFiles()
		return nil, err
	}
	if opts.Dir != "" {
		if err := s.register(opts.Dir); err != nil {
			s.log.Info("chat admin finds this room only with --socket", "error", err)
		}
	}
	s.serve(ln)
	return s, nil
}

// onClose has the server call f when it is closed, before the functions added earlier: a folder is empty when it is removed.
func (s *Server) onClose(f func()) { s.closers = append(s.closers, f) }

// Entry returns where the server is.
func (s *Server) Entry() Entry { return s.entry }

// serve serves the connections of ln until Close.
func (s *Server) serve(ln net.Listener) {
	s.http = &http.Server{
		Handler:           s.gate(s.routes()),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if c, ok := conn.(*countedConn); ok {
				return context.WithValue(ctx, userKey{}, c.user)
			}
			return ctx
		},
	}
	s.serving.Go(func() {
		if err := s.http.Serve(&gatedListener{Listener: ln, server: s, refusals: make(chan struct{}, maxRefusals)}); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin socket failed", "error", err)
		}
	})
}

// Close ends the server and removes its files. Responses that are being written get a moment.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.serving.Wait()
	s.working.Wait() // a backup that was cut off
	s.removeFiles()
}

func (s *Server) removeFiles() {
	for _, remove := range slices.Backward(s.closers) {
		remove()
	}
}

// gate rejects requests that no program of the host's user sent, bounds them, and allows no one to keep the answers.
// A browser cannot reach a Unix socket; it can reach a loopback port, but does not know the token, and says that
// a page of another origin asks.
func (s *Server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		refuse := func(e *Error) { // whoever cannot use the port must not keep a connection to it
			w.Header().Set("Connection", "close")
			writeError(w, e)
		}
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
			refuse(&Error{Status: http.StatusForbidden, Text: "a browser cannot administer a room"})
			return
		case s.token != "" && r.Host != s.entry.Address:
			refuse(&Error{Status: http.StatusForbidden, Text: "the request is for another host"})
			return
		case s.token != "" && !isToken(r.Header.Get("Authorization"), s.token):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(&Error{Status: http.StatusUnauthorized, Text: "the token is missing or wrong", Hint: "it is in a file that only the host's user can read; chat admin finds it"})
			return
		}
		s.working.Add(1)
		defer s.working.Done()
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// isToken reports whether the value of an Authorization header is the token.
func isToken(authorization, token string) bool {
	given, ok := strings.CutPrefix(authorization, "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}

type userKey struct{}

// userOf returns the user who sent a request, for the log; "": the system does not say.
func userOf(r *http.Request) string {
	user, _ := r.Context().Value(userKey{}).(string)
	return user
}

// A gatedListener refuses connections of other users, and those beyond maxConns.
type gatedListener struct {
	net.Listener
	server   *Server       // fixed
	refusals chan struct{} // a semaphore: connections that are being refused; fixed

	mu   sync.Mutex
	open int // guarded by mu
}

// Accept implements net.Listener.
func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		user, err := checkPeer(conn)
		switch {
		case err != nil:
			l.server.log.Warn("refused a connection to the admin socket", "error", err)
			l.refuse(conn, &Error{Status: http.StatusForbidden, Text: text.Clean(err.Error()), Hint: "run chat admin as the user who runs the host"})
		case !l.add(1):
			l.refuse(conn, &Error{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("%d programs use the admin socket already", maxConns), Hint: "try again in a few seconds"})
		default:
			return &countedConn{Conn: conn, user: user, closed: sync.OnceFunc(func() { l.add(-1) })}, nil
		}
	}
}

// add counts n more connections. It returns false if there are too many.
func (l *gatedListener) add(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && l.open >= maxConns {
		return false
	}
	l.open += n
	return true
}

// A countedConn is an open connection.
type countedConn struct {
	net.Conn
	user   string // see userOf
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// refuse answers a connection that is not served, and closes it. The client must have sent something before it
// expects an answer. Those beyond maxRefusals get none.
func (l *gatedListener) refuse(conn net.Conn, e *Error) {
	select {
	case l.refusals <- struct{}{}:
	default:
		conn.Close()
		return
	}
	l.server.serving.Go(func() {
		defer func() { <-l.refusals }()
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(refusalTimeout))
		if _, err := conn.Read(make([]byte, 4<<10)); err != nil {
			return
		}
		body := fmt.Sprintf("{\"error\":%q,\"hint\":%q}\n", e.Text, e.Hint) // plain words, which %q leaves as they are
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", e.Status, http.StatusText(e.Status), len(body), body)
	})
}
