package relay

import (
	"log/slog"
	"net"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// Options are what a host may be told. The zero value works: each field's zero
// means the default it names, and a negative number means no limit.
type Options struct {
	Title string       // what people call the room; "" is "chat"
	Room  string       // the room's id; "" is a new one, 16 random hexadecimal digits
	App   string       // the program and its version, told to those who join; may be ""
	Log   *slog.Logger // nil: nothing is logged

	// Web takes connections whose first line is an HTTP request. It has to close them, and
	// does so when they fail. nil: a browser is told that this is no web page.
	Web func(net.Conn)

	// Files finds what somebody wants to send by the id of its upload, which nobody else
	// knows, and where people find it. An error that is fs.ErrNotExist is told as
	// no_such_file, any other as not_stored. nil: nobody sends files.
	Files func(id string) (file wire.File, url string, err error)

	// HostToken is the token by which a hello is the hosting person's: it may
	// kick, ban and mute. "" means nobody may.
	HostToken string

	Backlog int            // messages a newcomer begins with; default 50, negative: none
	History history.Limits // what the room's log keeps in memory

	MaxSessions   int     // sessions in all; default 1,000
	MaxPerAddress int     // sessions of one address; default 64; this machine itself is exempt
	MaxLine       int     // bytes of a person's line with its newline; default 8 KiB, at most 1 MiB
	MaxJSONLine   int     // bytes of a program's line with its newline; default 32 KiB, at most 1 MiB
	MaxText       int     // bytes of a message; default 16 KiB
	MaxTextLines  int     // lines of a message; default 100
	Rate          float64 // lines a second a session may send for long; default 20; past it the session is read more slowly
	Burst         int     // lines it may send at once before that; default 200

	Stall     time.Duration // a session that takes no byte for so long is closed; default 30 s
	FirstLine time.Duration // a first line that a program began must end within it; default 30 s
	DeadPeer  time.Duration // TCP finds a peer that is gone without a word within it; default 45 s
}

const (
	// silence is how long the host leaves the first word to the client. It is
	// part of the protocol: one port tells programs from people by their first line.
	silence = 300 * time.Millisecond

	// pageSilence takes its place where a browser at the same address has the page open: it
	// opens connections ahead, which are silent until it needs them, and is no guest.
	pageSilence = 12 * time.Second

	// drain is how long a session that ends may take what is still meant for it.
	drain = 2 * time.Second

	// maxLine bounds what a session's reader may hold, whatever the options say.
	maxLine = 1 << 20

	noLimit = 1<<31 - 1                  // of a number
	never   = 100 * 365 * 24 * time.Hour // of a time
)

// withDefaults returns the options with every zero replaced by its default and
// every "no limit" by a number too large to reach.
func (o Options) withDefaults() Options {
	if o.Title == "" {
		o.Title = "chat"
	}
	if o.Room == "" {
		o.Room = history.NewRoomID()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Backlog = orDefault(o.Backlog, 50); o.Backlog == noLimit {
		o.Backlog = 0
	}
	o.MaxSessions = orDefault(o.MaxSessions, 1000)
	o.MaxPerAddress = orDefault(o.MaxPerAddress, 64)
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

func orDefault[N int | float64](n, otherwise N) N {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return noLimit
	default:
		return n
	}
}

func timeOrDefault(d, otherwise time.Duration) time.Duration {
	switch {
	case d == 0:
		return otherwise
	case d < 0:
		return never
	default:
		return d
	}
}
