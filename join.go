package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/client"
	"chat/relay/discovery"
	"chat/relay/plain"
	"chat/relay/screen"
	"chat/relay/wire"
)

// joinOptions are what `chat join` was told.
type joinOptions struct {
	plain.Options
	Room    string        // the title, or the beginning of the id; "": whichever is there
	Addr    string        // HOST[:PORT]; "": found by mDNS
	Nick    string        // "": the host gives one
	Screen  bool          // the full one; else lines
	Quiet   bool          // on the screen: no bell
	Mouse   bool          // on the screen: the wheel scrolls
	Backlog int           // messages to begin with; negative: as the host has it, but none in a pipe that does not follow
	LogFile string        // what is said is appended to it; "": nowhere
	Timeout time.Duration // to look for a room; 0: 5 s
	Retry   time.Duration // to look for a lost host; 0: for ever on a terminal, else a minute
	Ifaces  []string      // to look for a room on; none: all that lead to a LAN

	find findRooms // nil: by mDNS
}

// joinOptionsOf reads the flags.
func joinOptionsOf(c *cli.Context) (joinOptions, error) {
	if c.NArg() > 1 {
		return joinOptions{}, usageErrorf("one room at a time, not %q\nhint: a title with spaces wants quotes", c.Args().Slice())
	}
	room, addr := c.Args().First(), c.String("addr")
	_, preset := os.LookupEnv("CHAT_ADDR")
	switch {
	case c.IsSet("addr") && addr == "" && !preset:
		return joinOptions{}, badAddr("")
	case c.Duration("timeout") <= 0:
		return joinOptions{}, usageErrorf("--timeout is a time, as in 5s")
	case c.IsSet("backlog") && c.Int("backlog") < 0:
		return joinOptions{}, usageErrorf("--backlog cannot be negative")
	case room != "" && addr == os.Getenv("CHAT_ADDR"): // what is typed comes before what is set
		addr = ""
	case room == "" && addr == "":
		room = os.Getenv("CHAT_ROOM")
	}
	screen := !c.Bool("json") && usesScreen(c)
	var in *plain.Input
	if !screen {
		in = plain.Read(os.Stdin)
	}
	return joinOptions{
		Options: plain.Options{
			In:         in,
			Out:        c.App.Writer,
			Err:        c.App.ErrWriter,
			Piped:      !isTerminal(os.Stdin),
			OutPiped:   !isTerminal(os.Stdout),
			JSON:       c.Bool("json"),
			Follow:     c.Bool("follow"),
			Accessible: c.Bool("accessible"),
		},
		Screen:  screen,
		Quiet:   c.Bool("quiet"),
		Mouse:   c.Bool("mouse"),
		Room:    room,
		Addr:    addr,
		Nick:    cmp.Or(c.String("nick"), loginName()),
		Backlog: c.Int("backlog"),
		LogFile: c.String("log"),
		Timeout: c.Duration("timeout"),
		Ifaces:  c.StringSlice("iface"),
	}, nil
}

// usesScreen reports whether a person sits at a terminal that can show a screen, and
// wants one.
func usesScreen(c *cli.Context) bool {
	if c.Bool("plain") || c.Bool("accessible") || !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
		return false
	}
	terminal := os.Getenv("TERM")
	return terminal != "dumb" && (terminal != "" || runtime.GOOS == "windows")
}

// isTerminal reports whether a person sits at the other end of f.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// findRooms returns the rooms whose title or id matches; none is an error.
type findRooms func(ctx context.Context, match string) ([]discovery.Room, error)

const (
	// pipeRetry is how long a pipe waits for a lost host: a laptop that slept or a
	// host that was restarted is back by then, and a build must end some time.
	pipeRetry = time.Minute

	// lookingAfter is when somebody at a terminal is told that the search takes time.
	lookingAfter = 700 * time.Millisecond
)

// runJoin joins a room and stays until what comes in has ended and was said, the
// host ends it, or ctx does.
func runJoin(ctx context.Context, opts joinOptions) error {
	if opts.find == nil {
		opts.find = newFinder(opts.Ifaces, opts.Timeout).Find
	}
	if opts.Screen {
		return joinOnScreen(ctx, opts)
	}
	defer opts.In.Close()
	var err error
	if opts.Log, err = plain.OpenTranscript(opts.LogFile); err != nil {
		return err
	}
	defer opts.Log.Close()
	how := opts.client()
	if how.Addr, how.Room, err = opts.place(ctx); err != nil {
		return interrupted(ctx, err)
	}
	// Ctrl-C while we knock ends it at once; once we are in there is a goodbye.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, end)
	c, err := client.Join(life, how)
	if err != nil {
		return interrupted(ctx, joinError(how.Addr, err))
	}
	stop()
	return plain.Talk(ctx, c, opts.Options)
}

// client returns the options of the client but for the place.
func (opts *joinOptions) client() client.Options {
	how := client.Options{Nick: opts.Nick, GiveUp: opts.Retry, Find: opts.findAgain}
	if how.GiveUp == 0 && opts.Piped {
		how.GiveUp = pipeRetry
	}
	switch {
	case opts.Backlog > 0:
		how.Backlog = opts.Backlog
	case opts.Backlog == 0, opts.Piped && !opts.Follow:
		how.Backlog = -1
	}
	return how
}

// interrupted returns err, or what Ctrl-C made of it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return err
}

// --- on a screen -------------------------------------------------------------------

// joinOnScreen finds a room, joins it and stays, all on a full screen.
func joinOnScreen(ctx context.Context, opts joinOptions) error {
	how := screen.Options{Quiet: opts.Quiet, Mouse: opts.Mouse}
	addr, err := opts.address()
	switch {
	case err != nil:
		return err
	case addr != "":
		how.Place = &screen.Place{Addr: addr}
	default:
		how.Find = func(ctx context.Context) ([]screen.Place, error) {
			rooms, err := opts.find(ctx, opts.Room)
			if none, ok := errors.AsType[*discovery.NoRoomError](err); ok {
				rooms, err = none.Others, beside(err)
			}
			places := make([]screen.Place, len(rooms))
			for i, r := range rooms {
				places[i] = screen.Place{Title: discovery.Cut(r.Title, maxTitle), Addr: r.Addr, ID: r.ID, Members: r.Members}
			}
			return places, err
		}
	}
	transcript, err := plain.OpenTranscript(opts.LogFile)
	if err != nil {
		return err
	}
	defer transcript.Close()
	return talkOnScreen(ctx, how, transcript, func(ctx context.Context, p screen.Place) (*client.Client, error) {
		c, err := opts.joinAt(ctx, p)
		if err != nil && how.Find != nil {
			err = beside(err)
		}
		return c, err
	})
}

// joinAt joins the room at a place.
func (opts *joinOptions) joinAt(ctx context.Context, p screen.Place) (*client.Client, error) {
	addr, err := parseAddr(p.Addr)
	if err != nil {
		return nil, err
	}
	how := opts.client()
	how.Addr, how.Room = addr, p.ID
	c, err := client.Join(ctx, how)
	if err != nil {
		return nil, joinError(addr, err)
	}
	return c, nil
}

// talkOnScreen shows the screen of the room that join leads into, until its end.
func talkOnScreen(ctx context.Context, how screen.Options, transcript *plain.Transcript, join func(context.Context, screen.Place) (*client.Client, error)) error {
	// The room sees somebody go, not a lost connection: the client outlives the screen.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	joined := make(chan *client.Client, 1)
	how.Join = func(ctx context.Context, p screen.Place) (screen.Room, error) {
		try, giveUp := context.WithCancel(life)
		stop := context.AfterFunc(ctx, giveUp) // Ctrl-C while we knock ends it at once
		c, err := join(try, p)
		if err != nil {
			stop()
			giveUp()
			return nil, err
		}
		if !stop() { // the screen is gone, or the person went back
			c.Close()
			return nil, ctx.Err()
		}
		joined <- c
		return c, nil
	}
	how.Record = transcript.Add
	unsent, err := screen.Run(ctx, how)
	var c *client.Client
	select {
	case c = <-joined:
	default:
		return notJoined(err)
	}
	c.Close() // what it complains of is told below
	var texts []string
	for _, r := range c.Pending() {
		texts = append(texts, r.Text)
	}
	if refusal, ok := errors.AsType[*client.RefusedError](err); ok && refusal.Code == wire.CodeQuit || errors.Is(err, context.Canceled) {
		err = nil // as we asked
	}
	return errors.Join(err, notDelivered(append(texts, unsent...)))
}

// notDelivered tells what was written and did not reach the host.
func notDelivered(texts []string) error {
	const most = 10
	if len(texts) == 0 {
		return nil
	}
	words := "these were not delivered:"
	for _, text := range texts[:min(len(texts), most)] {
		words += "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	if more := len(texts) - most; more > 0 {
		words += fmt.Sprintf("\n  and %d more", more)
	}
	return errors.New(words)
}

// notJoined returns err, or what leaving before there was a room makes of it.
func notJoined(err error) error {
	if errors.Is(err, context.Canceled) {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return err
}

// --- which room ------------------------------------------------------------------

// address returns where --addr leads; "" where it was not given.
func (opts *joinOptions) address() (string, error) {
	switch {
	case opts.Addr == "":
		return "", nil
	case opts.Room != "":
		return "", usageErrorf("a room or an address, not both: %q, --addr %s", opts.Room, opts.Addr)
	}
	return parseAddr(opts.Addr)
}

// place returns where the room is, and its id if that is known.
func (opts *joinOptions) place(ctx context.Context) (addr, id string, err error) {
	if addr, err = opts.address(); addr != "" || err != nil {
		return addr, "", err
	}
	looking := time.AfterFunc(lookingAfter, func() {
		if !opts.OutPiped {
			fmt.Fprintln(opts.Err, "* looking for a room on this network")
		}
	})
	rooms, err := opts.find(ctx, opts.Room)
	looking.Stop()
	if err != nil {
		return "", "", err
	}
	room := rooms[0]
	if len(rooms) > 1 {
		if room, err = opts.choose(ctx, rooms); err != nil {
			return "", "", err
		}
	}
	return room.Addr, room.ID, nil
}

// choose asks the person which room is meant. Without a terminal it only lists them.
func (opts *joinOptions) choose(ctx context.Context, rooms []discovery.Room) (discovery.Room, error) {
	asking := !opts.Piped && !opts.OutPiped
	out := opts.Err
	if asking {
		out = opts.Out
	}
	for i, r := range rooms {
		fmt.Fprintf(out, "%3d  %s  (%d here, %s, id %.4s)\n", i+1, discovery.Cut(r.Title, maxTitle), r.Members, r.Addr, r.ID)
	}
	if !asking {
		return discovery.Room{}, usageErrorf("there are %d rooms\nhint: name one by its title or id: chat join %.4s", len(rooms), rooms[0].ID)
	}
	for {
		fmt.Fprintf(out, "Which one (1-%d)? ", len(rooms))
		line, err := opts.In.Line(ctx)
		if err != nil {
			fmt.Fprintln(out)
			return discovery.Room{}, usageErrorf("no room was chosen")
		}
		answer := strings.TrimSpace(line)
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(rooms) {
			return rooms[n-1], nil
		}
		if i := slices.IndexFunc(rooms, func(r discovery.Room) bool { return answer != "" && r.Matches(answer) }); i >= 0 {
			return rooms[i], nil
		}
		fmt.Fprintln(out, "That is none of them.")
	}
}

// findAgain finds the room when its host no longer answers where it was: the one
// with its id, or the only one with its title.
func (opts *joinOptions) findAgain(ctx context.Context, room wire.RoomInfo) (string, error) {
	rooms, err := opts.find(ctx, room.Title)
	if err != nil {
		return "", err
	}
	for _, r := range rooms {
		if r.ID == room.ID {
			return r.Addr, nil
		}
	}
	if len(rooms) > 1 {
		return "", fmt.Errorf("%d rooms are called %q", len(rooms), room.Title)
	}
	return rooms[0].Addr, nil
}

// parseAddr makes "host:port" of what people write for it: an IP address or a
// name, with or without port, an IPv6 address with or without brackets.
func parseAddr(s string) (string, error) {
	s = strings.TrimSpace(s)
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	port := strconv.Itoa(wire.DefaultPort)
	if ip, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(ip.String(), port), nil
	}
	host := s
	if strings.ContainsAny(s, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", badAddr(s)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strings.ContainsAny(host, "/@ []\t") {
		return "", badAddr(s)
	}
	if host == "" {
		if s == "" {
			return "", badAddr(s)
		}
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

func badAddr(s string) error {
	return &exitError{exitUsage, &hinted{
		what:   fmt.Sprintf("%q is no address", s),
		shell:  fmt.Sprintf("as in --addr 192.168.1.5, --addr 192.168.1.5:%d, --addr [fe80::1%%eth0]:%[1]d or --addr laptop.local", wire.DefaultPort),
		beside: fmt.Sprintf("as in 192.168.1.5, 192.168.1.5:%d, [fe80::1%%eth0]:%[1]d or laptop.local", wire.DefaultPort),
	}}
}

// A hinted error says what to do next: at a shell, or beside a field for an address.
type hinted struct{ what, shell, beside string }

func (e *hinted) Error() string { return e.what + "\nhint: " + e.shell }

// beside words an error for the screen, where a field for an address is.
func beside(err error) error {
	if none, ok := errors.AsType[*discovery.NoRoomError](err); ok {
		hint := "a firewall, guest Wi-Fi that keeps devices apart, a VPN or another subnet can hide it; its address reaches it all the same, and chat doctor finds the cause"
		if len(none.Others) > 0 {
			hint = "a room that is not listed is reached by its address"
		}
		return fmt.Errorf("%s\nhint: %s", none.What(), hint)
	}
	if h, ok := errors.AsType[*hinted](err); ok {
		return fmt.Errorf("%s\nhint: %s", h.what, h.beside)
	}
	return err
}

// joinError words why the room at addr cannot be joined.
func joinError(addr string, err error) error {
	refusal, refused := errors.AsType[*client.RefusedError](err)
	dns, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case refused && refusal.Code == wire.CodeWrongRoom:
		return &hinted{"another room is there now", "chat rooms lists what is here", "Ctrl-R looks again"}
	case refused && refusal.Code == wire.CodeVersion:
		return fmt.Errorf("%w\nhint: the older of the two programs wants an update", refusal)
	case refused:
		return refusal
	case errors.Is(err, client.ErrNoRoom):
		return fmt.Errorf("what answers at %s is not a chat room\nhint: chat host shows its address and port at the top", addr)
	case unknown && dns.IsNotFound:
		return &hinted{"there is no host called " + dns.Name, "its IP address works too: chat join --addr 192.168.1.5", "its IP address works too, as in 192.168.1.5"}
	case errors.Is(err, syscall.ECONNREFUSED):
		const hint = "is chat host running there, and on this port?"
		return &hinted{"nobody listens at " + addr, hint + " Without --addr, chat join finds it", hint}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s\nhint: the address may be wrong, or a firewall there may not let the port in", addr)
	}
	return fmt.Errorf("cannot join: %w\nhint: chat doctor finds out what is wrong with the network here", err)
}
