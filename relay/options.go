package relay

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"chat/relay/endpoint"
	"chat/relay/history"
	"chat/relay/internal/front"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// Options configure a Server. A zero field means its default, and a negative number means
// no limit.
type Options struct {
	Title string       // default "chat"
	Room  string       // the room's ID; default: a new one, 16 random hexadecimal digits
	App   string       // the program and its version, shown to clients; may be ""
	Log   *slog.Logger // nil: nothing is logged

	// Secret is a random string that no client knows. The host proves itself with it to members
	// who reconnect: also after a restart, if it gets the same one. Default: a new one. A
	// history file has its own, which replaces it.
	Secret string

	// Web serves connections whose first line is an HTTP request. It must close them, even
	// after an error. nil: a browser gets an error.
	Web func(net.Conn)

	// TrustedProxies are the reverse proxies that name the client of a request in a header:
	// HTTP connections from there have no limit of their own, and count for their clients.
	TrustedProxies endpoint.Proxies

	// Files finds a finished upload by its ID, which only the uploader knows, and returns it
	// with the path of its URL. An error that wraps fs.ErrNotExist is reported as no_such_file, any
	// other as not_stored. nil: the host accepts no files.
	Files func(id string) (wire.File, error)

	// Uploads returns the host's uploads for /files, or nil if there are none. It is called for each
	// command, after the server was created. nil: the host accepts no files.
	Uploads func() Uploads

	// ClusterLink returns how the connection of this relay of a shared room to the cluster is. nil: it is not known.
	ClusterLink func() ClusterLink

	// HostToken is the token of the host's own member. It may kick, ban and mute, and always gets
	// its nick. "": there is none.
	HostToken string

	// OperatorToken makes who sends it as the secret of a hello from the host's machine an operator, in a plain room.
	// From other machines it does not count: others on the network may have read it. "": there is none.
	OperatorToken string

	// Seal makes the room a sealed one. nil: it is plain.
	Seal *Seal

	// Restarts reports, when the room closes, whether the host is about to be started again with the same
	// room: then clients reconnect soon, and not all at once. nil: it is not.
	Restarts func() bool

	// Ways returns the addresses, host:port, at which others can reach the room now, the best one
	// first. nil: members who ask get the one at which they reached the host themselves.
	Ways func() []string

	// Program returns the command that installs the program from the host at an address, and the SHA-256 of the program for
	// the host's own system, for members who ask how others can join. It may block for some seconds. An empty command: the
	// host does not hand it out; an empty hash: it is not known. nil: the host does not hand it out.
	Program func(addr string) (install, system, sum string)

	Backlog int            // messages that a new member receives; default 50; negative: none
	History history.Limits // of the log in memory

	MaxSessions   int // connections in total; default 1,000; a tenth is kept for known members and this machine
	MaxPerAddress int // connections from one address or IPv6 /64; default 64; this machine is exempt

	// NewConnections is how many connections per second are accepted from one address or
	// IPv6 /64, after a burst of 256, or of four times MaxPerAddress if that is more; default 20. Without MaxPerAddress there is no limit.
	NewConnections float64

	MaxLine      int     // bytes of a person's line with its newline; default 8 KiB, at most 1 MiB
	MaxJSONLine  int     // bytes of a program's line with its newline; default 32 KiB, at most 1 MiB
	MaxText      int     // bytes of a message; default 16 KiB
	MaxTextLines int     // lines of a message; default 100
	Rate         float64 // lines per second from one connection; default 20; excess input is delayed
	Burst        int     // lines before Rate applies; default 200

	Stall     time.Duration // a session that accepts no byte for this long is closed; default 30 s
	FirstLine time.Duration // an incomplete first line closes the connection after this; default 30 s
	DeadPeer  time.Duration // TCP detects an unresponsive peer within this; default 45 s
}

// minArrivalBurst is how many connections may come from one address before NewConnections
// applies: 40 people behind one router can open the page at once.
const minArrivalBurst = 256

// arrivalBurst returns that number: if an address may have many connections, as an office behind one router does, all of
// them can come back at once when the host restarts, even if each needs several.
func (o *Options) arrivalBurst() int {
	return max(minArrivalBurst, 4*min(o.MaxPerAddress, session.Unlimited/4))
}

// Uploads are the files that members sent. Its methods may be called concurrently.
type Uploads = session.Uploads

// maxLine bounds MaxLine and MaxJSONLine, in bytes: a session buffers a whole line.
const maxLine = 1 << 20

// withDefaults returns the options with every zero replaced by its default, and every "no
// limit" by a number too large to reach.
func (o Options) withDefaults() Options {
	if o.Title == "" {
		o.Title = "chat"
	}
	if o.Room == "" {
		o.Room = history.NewRoomID()
	}
	if o.Secret == "" {
		o.Secret = rand.Text()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Backlog = orDefault(o.Backlog, 50); o.Backlog == session.Unlimited {
		o.Backlog = 0
	}
	return o.withDefaultLimits()
}

// withDefaultLimits is withDefaults for the limits, from MaxSessions on.
func (o Options) withDefaultLimits() Options {
	o.MaxSessions = orDefault(o.MaxSessions, 1000)
	o.MaxPerAddress = orDefault(o.MaxPerAddress, 64)
	if o.NewConnections = orDefault(o.NewConnections, 20); o.MaxPerAddress == session.Unlimited {
		o.NewConnections = session.Unlimited
	}
	o.MaxLine = min(orDefault(o.MaxLine, 8<<10), maxLine)
	o.MaxJSONLine = min(orDefault(o.MaxJSONLine, 32<<10), maxLine)
	o.MaxText = orDefault(o.MaxText, 16<<10)
	o.MaxTextLines = orDefault(o.MaxTextLines, 100)
	o.Rate = orDefault(o.Rate, 20)
	o.Burst = orDefault(o.Burst, 200)
	o.Stall = timeOrDefault(o.Stall, 30*time.Second)
	o.FirstLine = timeOrDefault(o.FirstLine, 30*time.Second)
	o.DeadPeer = timeOrDefault(o.DeadPeer, 45*time.Second)
	return o
}

// sessionLimits returns the limits of each session. withDefaults returned o.
func (o *Options) sessionLimits() session.Limits {
	return session.Limits{
		Line: o.MaxLine, JSONLine: o.MaxJSONLine, Text: o.MaxText, TextLines: o.MaxTextLines,
		Stall: o.Stall, FirstLine: o.FirstLine, Backlog: o.Backlog,
	}
}

// frontOptions returns the options of the front. withDefaults returned o.
func (o *Options) frontOptions() front.Options {
	opts := front.Options{
		MaxConns: o.MaxSessions, MaxPerAddress: o.MaxPerAddress,
		Arrivals: session.NewRate(o.NewConnections, o.arrivalBurst()), Rate: session.NewRate(o.Rate, o.Burst),
		FirstLine: o.FirstLine, DeadPeer: o.DeadPeer, HTTP: o.Web, TrustedProxies: o.TrustedProxies,
	}
	if o.Seal != nil {
		opts.TLS, opts.Names = cmp.Or(o.Seal.TLS, &tls.Config{}), o.Seal.Names // never plain
	}
	return opts
}

func orDefault[N int | float64](n, otherwise N) N {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return session.Unlimited
	default:
		return n
	}
}

func timeOrDefault(d, otherwise time.Duration) time.Duration {
	switch {
	case d == 0:
		return otherwise
	case d < 0:
		return session.Never
	default:
		return d
	}
}
