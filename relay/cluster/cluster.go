package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/journal"
)

const (
	maxURLs        = 32
	dialTimeout    = 2 * time.Second  // for each server
	connectTimeout = 5 * time.Second  // in Open, for one of the servers to accept a connection
	openTimeout    = 20 * time.Second // for all of Open: longer than a cluster takes to elect leaders, 4 to 11 s
	requestTimeout = 5 * time.Second  // for the answer to a request; see patience, too
	pingInterval   = time.Second      // a server that misses two pings is left for another one
	lossPatience   = 10 * time.Second // how long a stream must be too short before records count as lost: a new leader may lag
)

// Options say which room Open opens, and where.
type Options struct {
	URLs     []string     // of NATS servers: nats://host:4222, tls://host:4222, or host:4222; at most 32
	Creds    string       // path of a file with NATS credentials; "": none, or those in the URLs
	Room     string       // the room's name: 1 to 64 letters, digits, - and _
	Title    string       // of a new room
	Replicas int          // how many servers keep a new room; 0: 3, or 1 if there is only one server
	Log      *slog.Logger // nil: nothing is logged
}

// A Cluster is a room's journal in NATS JetStream. Its methods may be called concurrently, Append by one goroutine only.
type Cluster struct {
	// Fixed once Open has returned.
	log      *slog.Logger
	relay    string // ID of this relay
	records  stream
	files    stream // of files and snapshots
	replicas int
	common   Common
	nc       *nats.Conn
	js       jetstream.JetStream
	parts    jetstream.Stream // the stream of files, to read from any server
	shared   jetstream.KeyValue
	relays   jetstream.KeyValue
	doubts   time.Duration // lossPatience

	out writer // of this relay's records; owned by the goroutine that calls Append

	appended atomic.Uint64 // position of the last record that this relay appended

	written atomic.Uint64 // how many files and snapshots this relay began to store

	mu          sync.Mutex
	since       time.Time     // guarded by mu: when the connection was made or lost
	connected   bool          // guarded by mu
	opened      bool          // guarded by mu: Open has succeeded
	denied      string        // guarded by mu: the servers' last refusal of a permission, in Open
	reconnected chan struct{} // guarded by mu: closed, and replaced, when there is a new connection
	leader      string        // guarded by mu: the server that leads the stream, as last heard
	waiting     time.Time     // guarded by mu: since when a record waits to be stored; zero: none does
	announced   time.Time     // guarded by mu: when it was stored last that this relay lives; zero: Announce has not been called

	heard map[string]time.Time // by relay, when its last announcement arrived; guarded by mu, replaced, never changed
}

var _ journal.Journal = (*Cluster)(nil)

// A Status says how a relay's connection to the cluster is.
type Status struct {
	Connected bool
	Since     time.Time     // when the connection was made or lost
	Server    string        // that the relay is connected to; "": none
	Servers   []string      // all that are known, without passwords
	Leader    string        // name of the server that leads the room's stream, as last heard; "" if there is only one server
	Replicas  int           // how many servers keep the room
	Waiting   time.Duration // for how long the oldest record has waited to be stored; 0: none waits
	Silent    time.Duration // for how long nothing was stored, not even that this relay lives, which is renewed every 3 s

	Unheard map[string]time.Duration // for how long each relay that counts as alive, this one too, has not been heard
}

var roomName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Open connects to the servers and opens the room, which it makes if it does not exist. It takes at most 20 s. See the errors
// of this package, and their Remedies.
func Open(ctx context.Context, opts Options) (*Cluster, error) {
	if !roomName.MatchString(opts.Room) {
		return nil, fmt.Errorf("%q: %w", opts.Room, ErrName)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	prefix := "chat." + opts.Room + "."
	c := &Cluster{
		log:         opts.Log,
		relay:       strings.ToLower(rand.Text()[:13]), // 65 bits
		records:     stream{"CHAT_" + opts.Room, []string{prefix + "log.*"}},
		files:       stream{"CHATFILES_" + opts.Room, []string{prefix + "file.>", prefix + "snapshot.>"}},
		doubts:      lossPatience,
		reconnected: make(chan struct{}),
	}
	c.out = writer{c: c, stream: c.records, subject: prefix + "log." + c.relay}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := c.connect(ctx, opts); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	if err := c.open(ctx, opts); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("open room %s in the cluster: %w", opts.Room, err)
	}
	c.mu.Lock()
	c.opened, c.denied = true, ""
	c.mu.Unlock()
	return c, nil
}

// Close closes the connection to the servers. Methods that run return an error, but Announce only returns when its context ends.
func (c *Cluster) Close() { c.nc.Close() }

// Relay returns the ID of this relay.
func (c *Cluster) Relay() string { return c.relay }

// Common returns the first relay's decisions for all of them.
func (c *Cluster) Common() Common { return c.common }

// Status returns the state of the connection.
func (c *Cluster) Status() Status {
	c.mu.Lock()
	s := Status{Connected: c.connected, Since: c.since, Leader: c.leader, Replicas: c.replicas}
	if !c.waiting.IsZero() {
		s.Waiting = time.Since(c.waiting)
	}
	if !c.announced.IsZero() {
		s.Silent = time.Since(c.announced)
	}
	heard := c.heard
	c.mu.Unlock()
	s.Unheard = make(map[string]time.Duration, len(heard))
	for relay, at := range heard {
		s.Unheard[relay] = time.Since(at)
	}
	if s.Connected {
		s.Server = c.nc.ConnectedUrlRedacted()
	}
	for _, server := range c.nc.Servers() {
		s.Servers = append(s.Servers, redacted(server))
	}
	return s
}

// CheckURL returns an error if the URL cannot be that of a NATS server.
func CheckURL(server string) error {
	whole := server
	if !strings.Contains(server, "://") {
		whole = "nats://" + server
	}
	u, err := url.Parse(whole)
	switch {
	case err != nil: // its text may have the password
		return fmt.Errorf("invalid URL %q", redacted(server))
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss", u.Hostname() == "", strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "["), u.Path != "" && u.Path != "/":
		return fmt.Errorf("invalid URL %q", u.Redacted())
	}
	return nil
}

// connect connects to one of the servers. Afterwards nats.go keeps the connection: it moves to another server when one is gone.
func (c *Cluster) connect(ctx context.Context, opts Options) error {
	if len(opts.URLs) == 0 || len(opts.URLs) > maxURLs {
		return fmt.Errorf("%d addresses: 1 to %d are possible", len(opts.URLs), maxURLs)
	}
	options := []nats.Option{
		nats.Name("chat relay " + c.relay), nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(requestTimeout), nats.ReconnectOnFlusherError(),
		nats.ReconnectBufSize(-1),   // what cannot be sent now fails now; it is not sent later
		nats.IgnoreAuthErrorAbort(), // credentials that are refused today may be accepted tomorrow
		nats.ConnectHandler(func(*nats.Conn) { c.connectionIs(true, nil) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.connectionIs(false, err) }),
		nats.ReconnectHandler(func(*nats.Conn) { c.connectionIs(true, nil) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.reported(err) }),
		nats.NoCallbacksAfterClientClose(),
	}
	if opts.Creds != "" {
		data, err := os.ReadFile(opts.Creds)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCredsFile, err)
		}
		if !bytes.Contains(data, []byte("BEGIN NATS USER JWT")) || !bytes.Contains(data, []byte("BEGIN USER NKEY SEED")) {
			return fmt.Errorf("%w: there are none in %s", ErrCredsFile, opts.Creds)
		}
		options = append(options, nats.UserCredentials(opts.Creds))
	}
	deadline := time.Now().Add(connectTimeout)
	for n := 0; ; n++ {
		nc, err := nats.Connect(strings.Join(opts.URLs, ","), options...)
		if err == nil {
			c.nc = nc
			break
		}
		if err = explain(err, ""); final(err) {
			return err
		}
		if time.Now().After(deadline) || c.wait(ctx, n) != nil {
			var urls []string
			for _, url := range opts.URLs {
				urls = append(urls, redacted(url))
			}
			err = fmt.Errorf("%w: %w", ErrUnreachable, err)
			if errors.Is(err, nats.ErrNoServers) {
				err = ErrUnreachable // it says no more
			}
			return fmt.Errorf("%s: %w", strings.Join(urls, ", "), err)
		}
	}
	if limit := c.nc.MaxPayload(); limit < journal.MaxRecord+4<<10 { // 4 KiB for headers
		c.nc.Close()
		return fmt.Errorf("%w: at most %d bytes", ErrPayload, limit)
	}
	var err error
	c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(requestTimeout))
	return err
}

// connectionIs notes that the connection was made or lost.
func (c *Cluster) connectionIs(up bool, err error) {
	c.mu.Lock()
	c.since = time.Now()
	c.connected = up
	if up {
		close(c.reconnected)
		c.reconnected = make(chan struct{})
	}
	c.mu.Unlock()
	if up {
		c.log.Info("connected to the cluster")
	} else {
		c.log.Warn("lost the connection to the cluster", "err", err)
	}
}

// reported notes an error that the servers report on the side.
func (c *Cluster) reported(err error) {
	c.mu.Lock()
	// Later, a permission that is missing is only logged: requests that are not answered may have other reasons.
	if errors.Is(err, nats.ErrPermissionViolation) && !c.opened {
		c.denied = err.Error()
	}
	c.mu.Unlock()
	c.log.Warn("the cluster reports an error", "err", err)
}

// explain adds the reason, if it is known, to the error of a request.
func (c *Cluster) explain(err error) error {
	c.mu.Lock()
	denied := c.denied
	c.mu.Unlock()
	return explain(err, denied)
}

// newConnection returns a channel that is closed when there is a new connection.
func (c *Cluster) newConnection() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reconnected
}

// attempt returns a context for requests that are not answered once the connection is lost: it ends then, or after timeout.
func (c *Cluster) attempt(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	go func(replaced <-chan struct{}) {
		select {
		case <-replaced:
			cancel()
		case <-ctx.Done():
		}
	}(c.newConnection())
	return ctx, cancel
}

// eager is how many attempts follow each other quickly: for about 20 s, longer than it takes to elect leaders.
const eager = 20

// patience returns how long attempt n waits for an answer. An answer takes milliseconds. If there is none, its server is gone or has no leader
// yet, and another attempt is better than to wait; unless the servers are so slow that no attempt would ever succeed.
func patience(n int) time.Duration {
	switch {
	case n == 0:
		return 500 * time.Millisecond
	case n < eager:
		return time.Second
	}
	return requestTimeout
}

// wait waits before attempt n+1: 20 ms at first, then 160 ms, later 1 s, or until there is a new connection. It returns an error if ctx ends.
func (c *Cluster) wait(ctx context.Context, n int) error {
	pause := time.Second
	if n < eager {
		pause = 20 * time.Millisecond << min(n, 3)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.newConnection():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try calls do until it succeeds, has an error for which trying again is of no use, or ctx ends. Each call has the patience of its attempt.
func (c *Cluster) try(ctx context.Context, do func(context.Context) error) error {
	for n := 0; ; n++ {
		attempt, cancel := c.attempt(ctx, patience(n+1))
		err := c.explain(do(attempt))
		cancel()
		if err == nil || final(err) {
			return err
		}
		if ended := c.wait(ctx, n); ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
}

// redacted returns a URL, or several with commas between them, without passwords.
func redacted(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		scheme, rest = "nats", url
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	return scheme + "://" + rest
}
