package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/client"
	"chat/relay/cmdline"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/errno"
	"chat/relay/hosting"
	"chat/relay/identity"
	"chat/relay/logging"
	"chat/relay/manual"
	"chat/relay/operatorfile"
	"chat/relay/plain"
	"chat/relay/privatefile"
	"chat/relay/screen"
	"chat/relay/seal"
	"chat/relay/settings"
	"chat/relay/text"
	"chat/relay/wire"
)

func joinCommand() *cli.Command {
	flags := settings.WithVariables(slices.Concat([]cli.Flag{
		nickFlag(),
		identityFlag(categoryRoom),
		&cli.IntFlag{Name: "backlog", Category: categoryRoom, Value: -1, Usage: "Start with the last `N` messages.", DefaultText: "set by the host"},
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Category: categoryNetwork, Usage: "Join the host at `HOST[:PORT]`.", DefaultText: "found by mDNS"},
		&cli.DurationFlag{Name: "timeout", Category: categoryNetwork, Value: 5 * time.Second, Usage: "Stop searching for a room after `TIME`."},
		ifaceFlag(categoryNetwork),
		&cli.StringFlag{Name: "secret-file", Category: categoryAccess, Usage: "Take the secret of a sealed room from `FILE`, which only you can read.", DefaultText: "$CHAT_SECRET, or chat asks"},
		&cli.StringFlag{Name: "operator", Category: categoryAccess, Usage: "Join as an operator, with the `FILE` that chat host --headless writes and names in its log."},
	}, screenFlags(), []cli.Flag{
		mouseFlag(categoryScreen),
		cmdline.Switch(categoryScripts, "json", "Print events as JSON lines."),
		cmdline.Switch(categoryScripts, "follow", "Stay in the room after stdin ends.", "f"),
		&cli.StringFlag{Name: "log", Category: categoryLogging, Usage: "Append the transcript to `FILE`."},
	}))
	return &cli.Command{
		Name:      "join",
		Usage:     "Join a room on this network.",
		ArgsUsage: "[ROOM]",
		Description: manual.Describe("ROOM is a title or the start of an ID. If there are several rooms and you name none, chat asks which one to join. For a sealed room, ROOM is its invite. Other users of this machine can see the arguments of a program while it runs: with - chat reads the invite from stdin, or set CHAT_INVITE. chat help settings lists the variables that set options.",
			"chat join",
			"chat join kitchen",
			"chat join 'https://192.168.1.5:24280/#PIN.SECRET'",
			"chat join -                             # asks for the invite",
			"chat join --addr 192.168.1.5            # without discovery",
			"chat join --operator kitchen.chat.operator",
			"make 2>&1 | chat join --nick ci         # send a program's output",
			"chat join --json --follow </dev/null    # print events as JSON lines"),
		Flags: flags,
		Action: func(c *cli.Context) error {
			opts, err := joinOptionsOf(c)
			if err != nil {
				return err
			}
			return runJoin(c.Context, opts)
		},
	}
}

// joinOptions are the options of chat join.
type joinOptions struct {
	plain.Options
	Room    string        // the title or the start of the ID; "": any
	Addr    string        // of the host, HOST[:PORT]; "": found by mDNS
	Invite  seal.Invite   // to a sealed room; its Addr is Addr, "" if the room is searched for. The zero value: none
	Secret  seal.Secret   // of a sealed room whose invite has none; "": a kept one, or the user is asked
	Nick    string        // "": the host assigns one
	Screen  bool          // full screen, not lines
	Quiet   bool          // no bell on the screen
	Mouse   bool          // the wheel scrolls the screen
	Backlog int           // messages to start with; negative: the host's default, but none for a pipe that does not follow
	LogFile string        // the transcript is appended to it; "": none
	Timeout time.Duration // of the search for a room; 0: 5 s
	Ifaces  []string      // to search on; none: all on a LAN

	Patience time.Duration // see screen.Options
	Host     *hostOptions  // to host a room with instead, on a screen; nil: that is not offered

	Operator client.OperatorToken // of a plain room; the zero value: none

	find       findRooms            // nil: by mDNS
	identities *identity.Store      // who the user is in each room; nil: a new client each time
	signer     *identity.Signer     // the key that the user named; nil: the user's own
	dir        string               // of known, which warnBy opens; "": nowhere
	known      *identity.KnownHosts // whose hosts the user has trusted; nil: none are remembered
	warn       func(error)          // reports what does not keep the user from joining; set by warnBy
}

// joinOptionsOf reads the flags of chat join.
func joinOptionsOf(c *cli.Context) (joinOptions, error) {
	room, addr, err := placeNamed(c)
	if err != nil {
		return joinOptions{}, err
	}
	nick, err := nickOf(c)
	if err != nil {
		return joinOptions{}, err
	}
	signer, err := namedSigner(c.String("identity")) // before stdin is read: it may ask for a passphrase
	if err != nil {
		return joinOptions{}, err
	}
	screen := !c.Bool("json") && usesScreen(c)
	secret, err := secretToJoin(c.String("secret-file"))
	if err != nil {
		return joinOptions{}, err
	}
	in, addr, err := openInput(c, addr, screen)
	if err != nil {
		return joinOptions{}, err
	}
	opts := joinOptions{
		signer: signer,
		Secret: secret,
		Options: plain.Options{
			In:         in,
			Out:        c.App.Writer,
			Err:        c.App.ErrWriter,
			Piped:      !isTerminal(os.Stdin),
			OutPiped:   !isTerminal(os.Stdout),
			Width:      plain.Width,
			JSON:       c.Bool("json"),
			Follow:     c.Bool("follow"),
			Accessible: c.Bool("accessible"),
		},
		Screen:  screen,
		Quiet:   c.Bool("quiet"),
		Mouse:   c.Bool("mouse"),
		Room:    room,
		Addr:    addr,
		Nick:    nick,
		Backlog: c.Int("backlog"),
		LogFile: c.String("log"),
		Timeout: c.Duration("timeout"),
		Ifaces:  c.StringSlice("iface"),
	}
	if err := opts.readInvite(); err != nil {
		return opts, err
	}
	if err := opts.readOperatorFile(c.String("operator")); err != nil {
		return opts, err
	}
	opts.useDir(identity.DefaultDir())
	if screen {
		opts.Host, err = opts.hostInstead(c)
	}
	return opts, err
}

// useDir keeps in dir who the user is in each room, and whose hosts they trust; "": nowhere.
func (opts *joinOptions) useDir(dir string) {
	if dir == "" {
		return
	}
	opts.identities, opts.dir = identity.Open(dir), dir
}

// warnBy has warn report what does not keep the user from joining.
func (opts *joinOptions) warnBy(warn func(error)) {
	opts.warn = warn
	if opts.dir != "" {
		opts.known = identity.NewKnownHosts(opts.dir, warn)
	}
}

// placeNamed returns the room or the address that the user named; "-" is an address that is read from
// stdin.
func placeNamed(c *cli.Context) (room, addr string, err error) {
	room, addr = c.Args().First(), c.String("addr")
	_, preset := os.LookupEnv("CHAT_ADDR")
	switch {
	case c.NArg() > 1:
		return "", "", cmdline.UsageErrorf("chat join takes one room, not %d\nhint: quote a title that has spaces", c.NArg())
	case c.NArg() == 1 && room == "": // any room would get the messages for the one that a script means
		return "", "", cmdline.UsageErrorf("the room is empty\nhint: give its title, ID, address or invite, or none to find one; if a command prints it, such as chat invite, check that command")
	case c.IsSet("addr") && addr == "" && !preset:
		return "", "", &endpoint.AddressError{}
	case c.Duration("timeout") <= 0:
		return "", "", cmdline.UsageErrorf("--timeout must be positive\nhint: e.g. --timeout 5s")
	case c.IsSet("backlog") && c.Int("backlog") < 0:
		return "", "", cmdline.UsageErrorf("--backlog cannot be negative\nhint: use 0 to start without messages")
	case room != "" && addr == os.Getenv("CHAT_ADDR"): // an argument overrides a variable
		if addr = ""; room == fromStdin || seal.LooksLikeInvite(room) || endpoint.IsAddress(room) {
			room, addr = "", room
		}
	case room == "" && addr == os.Getenv("CHAT_ADDR") && os.Getenv("CHAT_INVITE") != "":
		addr = os.Getenv("CHAT_INVITE")
	case room == "" && addr == "":
		room = os.Getenv("CHAT_ROOM")
	}
	return room, addr, nil
}

// openInput starts reading stdin, unless a screen does. If addr stands for it, it returns the invite that
// stdin begins with, or that the user types.
func openInput(c *cli.Context, addr string, screen bool) (in *plain.Input, _ string, err error) {
	typed := addr == fromStdin && isTerminal(os.Stdin)
	if typed { // before something else reads the terminal
		if addr, err = typedInvite(c.App.ErrWriter); err != nil {
			return nil, "", err
		}
	}
	if !screen {
		in = readInput()
	}
	switch {
	case typed && !seal.LooksLikeInvite(addr):
		return nil, "", cmdline.UsageErrorf("that is not an invite\nhint: it begins with https:// and has a #")
	case !typed && addr == fromStdin:
		if addr, err = in.Line(c.Context); err != nil || !seal.LooksLikeInvite(addr) {
			return nil, "", cmdline.UsageErrorf("no invite on stdin\nhint: chat join - reads the invite from the first line")
		}
		addr = strings.TrimSpace(addr)
	}
	return in, addr, nil
}

// fromStdin stands for an invite or a secret that is read from stdin: the arguments of a program are no secret.
const fromStdin = "-"

// typedInvite asks for an invite at the terminal, which does not show it.
func typedInvite(out io.Writer) (string, error) {
	b, err := plain.AskHidden(os.Stdin, out, "Invite: ")
	if err != nil {
		return "", fmt.Errorf("read the invite: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// secretToJoin returns the secret of a sealed room that the user keeps in a file or a variable; "":
// none.
func secretToJoin(file string) (seal.Secret, error) {
	if file == fromStdin {
		return "", cmdline.UsageErrorf("--secret-file cannot be stdin, which has your messages\nhint: chat join - reads the invite from stdin")
	}
	secret, _, err := seal.ChosenSecret(file, "chat invite shows it on the host's machine, after the dot of the invite")
	return secret, err
}

// readInvite takes the address apart if it is an invite.
func (opts *joinOptions) readInvite() error {
	if !seal.LooksLikeInvite(opts.Addr) {
		return nil
	}
	invite, err := seal.ParseInvite(opts.Addr)
	if err != nil {
		return cmdline.UsageErrorf("%w\nhint: quote it, or the shell cuts it at the #; chat join - reads it from stdin", err)
	}
	opts.Invite, opts.Addr = invite, invite.Addr
	return nil
}

// readOperatorFile makes the user an operator by the file at path; "": it does not. The file also says where the room
// is, unless the user does.
func (opts *joinOptions) readOperatorFile(path string) error {
	switch {
	case path == "":
		return nil
	case opts.Secret != "" || opts.Invite != seal.Invite{}:
		return cmdline.UsageErrorf("--operator and a secret or an invite exclude each other\nhint: the file has what the room needs")
	}
	file, err := operatorfile.Read(path)
	if err != nil {
		return fmt.Errorf("--operator: %w", err)
	}
	if !file.IsSealed() {
		opts.Operator = client.OperatorToken{Token: file.Token, Host: client.Identity{Room: file.Room, Client: operatorfile.Client, Key: file.Key}}
		if opts.Room == "" {
			opts.Addr = cmp.Or(opts.Addr, file.Addr)
		}
		return nil
	}
	invite, err := seal.ParseInvite(file.Invite)
	if err != nil {
		return fmt.Errorf("--operator: %w", err)
	}
	if opts.Room == "" { // else it is searched for
		opts.Addr = cmp.Or(opts.Addr, invite.Addr)
	}
	opts.Invite = invite
	opts.Invite.Addr = opts.Addr
	return nil
}

// operatorHint returns what to do if a client with an operator token cannot be an operator; "": err is another one.
func operatorHint(err error) string {
	switch {
	case errors.Is(err, client.ErrOperatorElsewhere):
		return "run chat join --operator on the host's machine; in a sealed room (chat host --secure) it works from any machine"
	case errors.Is(err, client.ErrOperatorRoom):
		return "the room of the file is closed, or at another address: the host's log names the file that is good now"
	case errors.Is(err, client.ErrOperatorToken):
		return "only a headless host has operators by a file, and only on its loopback interface; /op makes a member an operator"
	}
	return ""
}

// hostInstead returns the options of a room to host instead of joining one: those of chat host without
// options, with the options that the two commands share.
func (opts *joinOptions) hostInstead(c *cli.Context) (*hostOptions, error) {
	host, err := hostDefaults(c)
	if err != nil {
		return nil, fmt.Errorf("the settings of chat host, which this screen offers too: %w", err)
	}
	host.NoMember, host.Screen, host.Accessible = false, true, false // whatever chat host is set to
	host.Title = cmp.Or(text.Title(opts.Room), host.Title)
	host.Nick, host.Quiet, host.Mouse, host.Ifaces = opts.Nick, opts.Quiet, opts.Mouse, opts.Ifaces
	return &host, nil
}

// arrivePatience is how long chat without a command waits for further rooms before it joins the
// only one. chat join asked for it and does not wait.
const arrivePatience = 2 * time.Second

// arrive is chat without a command, on a terminal: it joins the room on this network, lets the user
// choose one, or host one.
func arrive(c *cli.Context) error {
	defaults, err := commandDefaults(c, joinCommand())
	if err != nil {
		return err
	}
	opts, err := joinOptionsOf(defaults)
	if err != nil {
		return err
	}
	opts.Patience = arrivePatience
	return runJoin(c.Context, opts)
}

// readInput starts reading stdin in lines.
func readInput() *plain.Input {
	if isTerminal(os.Stdin) {
		return plain.ReadTyped(os.Stdin)
	}
	return plain.Read(os.Stdin)
}

// findRooms finds the rooms that match a title or the start of an ID, "" for all, and calls found
// for each that answers, one call at a time; nil: it does not. If there are none, the error is a
// [*discovery.NoRoomError].
type findRooms func(ctx context.Context, match string, found func(discovery.Room)) ([]discovery.Room, error)

const (
	// pipeGiveUp is how long a pipe tries to reconnect to a lost host. A laptop that slept
	// or a restarted host is back by then, and a build must end at some point.
	pipeGiveUp = time.Minute

	// searchNoticeDelay is how long a search runs before a terminal shows that it does.
	searchNoticeDelay = 700 * time.Millisecond
)

// runJoin joins a room and stays until the input has ended and is acknowledged, the host
// closes the room, or ctx ends.
func runJoin(ctx context.Context, opts joinOptions) error {
	if opts.find == nil {
		opts.find = newFinder(opts.Ifaces, opts.Timeout).Find
	}
	if opts.Screen {
		return joinOnScreen(ctx, opts)
	}
	defer opts.In.Close()
	opts.warnBy(func(err error) { fmt.Fprintf(opts.Err, "chat: %v\n", err) })
	var err error
	if opts.Log, err = plain.OpenTranscript(opts.LogFile); err != nil {
		return err
	}
	defer opts.Log.Close()
	room, err := opts.place(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	how := opts.clientFor(room, opts.Invite)
	how.Seal.Questions = opts.withKept(opts.questions())
	// Ctrl-C cancels joining; once joined, plain.Run leaves in order.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, end)
	c, err := opts.join(life, how)
	if err != nil {
		return interrupted(ctx, joinError(how.Addr, err))
	}
	stop()
	gone, end, err := plain.WatchReader(os.Stdout)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer end()
	opts.OutGone = gone
	err = plain.Run(ctx, c, opts.Options)
	if pin, ok := errors.AsType[*client.PinError](err); ok && pin.File == "" { // the key until now is that of the connection before
		return fmt.Errorf("%w\nhint: someone may be between you and the host, or another machine has its address now; ask the host whether its key is new", err)
	}
	if hint, problem := plain.SealProblem(err); problem != nil {
		return fmt.Errorf("%w\nhint: %s", err, hint)
	}
	if err == nil && ctx.Err() != nil && !opts.Piped && !opts.OutPiped {
		fmt.Fprintf(opts.Out, "\nYou left %s.\n", discovery.Cut(text.Clean(c.Welcome().Title), hosting.MaxTitle))
	}
	return err
}

// --- the user: identity and known hosts ------------------------------------------------

// client returns the client's options without the address and the room.
func (opts *joinOptions) client() client.Options {
	how := client.Options{Nick: opts.Nick, Watch: opts.watch}
	how.Operator = opts.Operator
	how.Seal.Signer = opts.signerOf()
	if opts.find != nil {
		how.Find = opts.findAgain
	}
	if opts.Screen {
		how.Gather = screen.Gather
	}
	if opts.Piped {
		how.GiveUp = pipeGiveUp
	}
	switch {
	case opts.Backlog > 0:
		how.Backlog = opts.Backlog
	case opts.Backlog == 0, opts.Piped && !opts.Follow:
		how.Backlog = -1
	}
	return how
}

// signerOf returns the user's key for sealed rooms; nil: there is no place to keep one.
func (opts *joinOptions) signerOf() client.Signer {
	switch {
	case opts.signer != nil:
		return opts.signer
	case opts.identities != nil:
		return identity.OwnSigner(identity.DefaultDir(), opts.warn)
	}
	return nil
}

// namedSigner returns the key that --identity names; nil: it names none. It asks for the passphrase of the
// key on the terminal, without an echo.
func namedSigner(name string) (*identity.Signer, error) {
	if name == "" {
		return nil, nil
	}
	var ask func(path string) ([]byte, error)
	if isTerminal(os.Stdin) {
		ask = func(path string) ([]byte, error) {
			return plain.AskHidden(os.Stdin, os.Stderr, fmt.Sprintf("Passphrase of %s: ", path))
		}
	}
	signer, err := identity.OpenSigner(name, ask)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	return signer, nil
}

// clientFor returns the client's options for a room, as it is announced, or as its invite says. Only
// its address is needed.
func (opts *joinOptions) clientFor(room discovery.Room, invite seal.Invite) client.Options {
	how := opts.client()
	how.Addr, how.Room = room.Addr, room.ID
	if len(room.Addrs) > 1 {
		how.Others = room.Addrs[1:]
	}
	how.Seal.Required, how.Seal.Title = room.Sealed, room.Title
	how.Seal.Pin, how.Seal.Secret = invite.Pin, cmp.Or(invite.Secret, opts.Secret)
	if opts.known != nil {
		how.Seal.Known = opts.known
	}
	return how
}

// questions returns what asks the user of a terminal in lines about a sealed room. A pipe has no one to ask.
func (opts *joinOptions) questions() client.Questions {
	if opts.Piped || opts.OutPiped || opts.JSON {
		return client.Questions{}
	}
	return plain.Questions(opts.In, opts.Out, plain.HideTyped(os.Stdin))
}

// withKept returns questions that the user need not answer if the secret is kept: under another
// nick, or for an earlier room of this title with the same host.
func (opts *joinOptions) withKept(ask client.Questions) client.Questions {
	if opts.identities == nil {
		return ask
	}
	user := ask.AskSecret
	ask.AskSecret = func(ctx context.Context, q client.SecretQuestion) (seal.Secret, error) {
		if q.Tries == 0 {
			if kept := opts.identities.Secret(opts.sameRooms(q)...); kept != "" {
				return kept, nil
			}
		}
		if user == nil {
			code := wire.CodeNoSecret
			if q.Tries > 0 {
				code = wire.CodeAuthFailed
			}
			return "", &client.SecretError{Code: code, Title: q.Title}
		}
		return user(ctx, q)
	}
	return ask
}

// sameRooms returns the IDs of the room that a secret is needed for, and of earlier ones of its title
// on the same host: a room in memory has another ID each time it is opened.
func (opts *joinOptions) sameRooms(q client.SecretQuestion) []string {
	ids := []string{q.Room}
	if opts.known == nil || q.Pin == "" {
		return ids
	}
	hosts, err := opts.known.Hosts()
	if err != nil {
		return ids // joining reports it
	}
	for _, h := range slices.Backward(hosts) {
		if h.Room != "" && h.Pin == q.Pin && h.Title == q.Title {
			ids = append(ids, h.Room)
		}
	}
	return ids
}

// join joins a room as the client that the user was there before.
func (opts *joinOptions) join(ctx context.Context, how client.Options) (*client.Client, error) {
	switch {
	case opts.identities == nil:
	case how.Room == "":
		how.Identify = opts.identify
	default:
		how.Identity, how.Keeper = opts.identify(how.Room)
	}
	return client.Join(ctx, how)
}

// identify returns who the user is in a room.
func (opts *joinOptions) identify(room string) (client.Identity, client.Keeper) {
	claim, err := opts.identities.Claim(room, opts.Nick, opts.warn)
	if err != nil {
		opts.warn(err)
		return client.Identity{}, client.NoKeeper
	}
	return claim.Identity, claim
}

// errInterrupted is the error of a user who left before joining a room.
var errInterrupted = errors.New("interrupted")

// interrupted returns err, or errInterrupted if Ctrl-C caused it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// --- on a screen -------------------------------------------------------------------

// joinOnScreen finds a room, joins it and stays, on a full screen. It hosts one instead if the user
// chooses to.
func joinOnScreen(ctx context.Context, opts joinOptions) error {
	addr, err := opts.address()
	if err != nil {
		return err
	}
	transcript, err := plain.OpenTranscript(opts.LogFile)
	if err != nil {
		return err
	}
	defer transcript.Close()
	warnings := logging.NewLines()
	opts.warnBy(func(err error) { fmt.Fprintln(warnings, err) })
	how := screen.Options{Warnings: warnings, Quiet: opts.Quiet, Mouse: opts.Mouse, Patience: opts.Patience}
	if addr != "" {
		how.Place = &screen.Place{Addr: addr, Sealed: seal.IsInvite(opts.Addr), Invite: opts.Invite}
		return runScreen(ctx, how, transcript, opts.joinAt, nil)
	}
	how.Find = opts.findPlaces
	join := func(ctx context.Context, p screen.Place, ask client.Questions) (*client.Client, error) {
		c, err := opts.joinAt(ctx, p, ask)
		return c, forScreen(err)
	}
	if opts.Host == nil {
		return forShell(runScreen(ctx, how, transcript, join, nil))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	host := &lobbyHost{opts: *opts.Host, ctx: ctx, ended: cancel}
	host.opts.LogTo = warnings
	how.HostTitle = host.opts.announcedTitle()
	return host.close(forShell(runScreen(ctx, how, transcript, join, host)))
}

// findPlaces finds the rooms for a screen.
func (opts *joinOptions) findPlaces(ctx context.Context, found func(screen.Place)) ([]screen.Place, error) {
	rooms, err := opts.findProven(ctx, opts.Room, func(r discovery.Room) { found(placeOf(r)) })
	if none, ok := errors.AsType[*discovery.NoRoomError](err); ok {
		rooms, err = none.Others, forScreen(err)
	}
	places := make([]screen.Place, len(rooms))
	for i, r := range rooms {
		places[i] = placeOf(r)
	}
	return places, err
}

func placeOf(r discovery.Room) screen.Place {
	return screen.Place{Title: discovery.Cut(r.Title, hosting.MaxTitle), Addr: r.Addr, Addrs: r.Addrs, ID: r.ID, Members: r.Members, Contested: r.Contested, Sealed: r.Sealed, Pin: r.Pin}
}

// joinAt joins the room at p. Its errors have hints for a shell; see [forScreen].
func (opts *joinOptions) joinAt(ctx context.Context, p screen.Place, ask client.Questions) (*client.Client, error) {
	addr, err := endpoint.Parse(p.Addr)
	if err != nil {
		return nil, err
	}
	room := discovery.Room{RoomInfo: wire.RoomInfo{ID: p.ID, Title: p.Title, Sealed: p.Sealed || seal.IsInvite(p.Addr)}, Addr: addr, Addrs: p.Addrs}
	invite := p.Invite
	if invite == (seal.Invite{}) && opts.Addr == "" {
		invite = opts.Invite
	}
	how := opts.clientFor(room, invite)
	how.Seal.Questions = opts.withKept(ask)
	c, err := opts.join(ctx, how)
	if err != nil {
		return nil, joinError(addr, err)
	}
	return c, nil
}

// runScreen shows a room on a full screen until the user leaves or it closes. join connects
// to the place that the user chose, and host, unless it is nil, to a room that it opens;
// messages go to transcript.
func runScreen(ctx context.Context, how screen.Options, transcript *plain.Transcript, join func(context.Context, screen.Place, client.Questions) (*client.Client, error), host *lobbyHost) error {
	// The client outlives the screen, so that others see a leave and not a lost connection.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s := &screenClient{life: life, last: make(chan *client.Client, 1)}
	how.Join = func(ctx context.Context, p screen.Place, ask client.Questions) (screen.Room, error) {
		c, err := s.connect(ctx, func(ctx context.Context) (*client.Client, error) { return join(ctx, p, ask) })
		if err != nil {
			return nil, err // not a nil *client.Client
		}
		return c, nil
	}
	if host != nil {
		how.Host = func(ctx context.Context, title string) (*screen.HostedRoom, error) {
			var hosting screen.Hosting
			c, err := s.connect(ctx, func(ctx context.Context) (c *client.Client, err error) {
				c, hosting, err = host.open(ctx, title)
				return c, err
			})
			if err != nil {
				return nil, errors.Join(err, host.abandon())
			}
			return &screen.HostedRoom{Room: c, Title: c.Welcome().Title, Hosting: hosting}, nil
		}
	}
	how.Record = transcript.Add
	return s.leave(screen.Run(ctx, how))
}

// A screenClient is the client of a screen's room. All methods may be called concurrently.
type screenClient struct {
	life context.Context     // of clients
	last chan *client.Client // capacity 1: the last that joined
}

// connect calls join, which it cancels when ctx ends, and closes the client of the room before.
func (s *screenClient) connect(ctx context.Context, join func(context.Context) (*client.Client, error)) (*client.Client, error) {
	try, giveUp := context.WithCancel(s.life)
	stop := context.AfterFunc(ctx, giveUp) // Ctrl-C cancels joining
	c, err := join(try)
	if err != nil {
		stop()
		giveUp()
		return nil, err
	}
	if !stop() { // the screen has closed, or the user went back
		c.Close()
		return nil, ctx.Err()
	}
	select {
	case last := <-s.last: // its room is gone, and the screen has its unsent messages
		last.Close()
	default:
	}
	s.last <- c
	return c, nil
}

// leave closes the client after the screen, which returned the messages that it did not pass on and why it
// ended. It returns an error that lists all messages that were not delivered.
func (s *screenClient) leave(unsent []string, err error) error {
	var c *client.Client
	select {
	case c = <-s.last:
	default:
		if errors.Is(err, context.Canceled) {
			return errInterrupted
		}
		return err
	}
	c.Close() // its error is not needed: unsent messages are listed below
	var texts []string
	for _, r := range c.Pending() {
		texts = append(texts, r.Text)
	}
	if refusal, ok := errors.AsType[*client.RefusedError](err); ok && refusal.Code == wire.CodeQuit || errors.Is(err, context.Canceled) {
		err = nil // the user left
	}
	maybe := min(c.Unconfirmed(), len(texts))
	return errors.Join(err, undelivered("possibly delivered, but not confirmed", texts[:maybe]), undelivered("not delivered", append(texts[maybe:], unsent...)))
}

// undelivered returns an error that lists the messages with this outcome, or nil if there are none.
func undelivered(outcome string, texts []string) error {
	const most = 10
	if len(texts) == 0 {
		return nil
	}
	message := fmt.Sprintf("%s (%d):", outcome, len(texts))
	for _, text := range texts[:min(len(texts), most)] {
		message += "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	if more := len(texts) - most; more > 0 {
		message += fmt.Sprintf("\n  and %d more", more)
	}
	return errors.New(message)
}

// --- choosing a room ---------------------------------------------------------------

// address returns the "host:port" of --addr, or "" without it.
func (opts *joinOptions) address() (string, error) {
	switch {
	case opts.Addr == "":
		return "", nil
	case seal.LooksLikeInvite(opts.Room): // it is not shown: it has a secret
		return "", cmdline.UsageErrorf("an invite and --addr exclude each other\nhint: leave out --addr; the invite has the address")
	case opts.Room != "":
		return "", cmdline.UsageErrorf("room %q and --addr %s exclude each other\nhint: leave out one of them", opts.Room, opts.Addr)
	}
	return endpoint.Parse(opts.Addr)
}

// place returns the room to join, or only its address and whether it is sealed.
func (opts *joinOptions) place(ctx context.Context) (room discovery.Room, err error) {
	if room.Addr, err = opts.address(); room.Addr != "" || err != nil {
		room.Sealed = seal.IsInvite(opts.Addr) // the URL of its page
		return room, err
	}
	notice := time.AfterFunc(searchNoticeDelay, func() {
		if !opts.OutPiped {
			fmt.Fprintln(opts.Err, "* searching for a room on this network")
		}
	})
	rooms, err := opts.findProven(ctx, opts.Room, nil)
	notice.Stop()
	if err != nil {
		return discovery.Room{}, err
	}
	if len(rooms) > 1 {
		return opts.choose(ctx, rooms)
	}
	return rooms[0], nil
}

// choose asks the user which of the rooms to join. Without a terminal it lists them and
// returns a usage error.
func (opts *joinOptions) choose(ctx context.Context, rooms []discovery.Room) (discovery.Room, error) {
	asking := !opts.Piped && !opts.OutPiped
	out := opts.Err
	if asking {
		out = opts.Out
	}
	for i, r := range rooms {
		here := "sealed"
		if !r.Sealed {
			here = fmt.Sprintf("%d here", r.Members)
		}
		fmt.Fprintf(out, "%3d  %s  (%s, %s, id %.4s)\n", i+1, discovery.Cut(r.Title, hosting.MaxTitle), here, r.Addr, r.ID)
	}
	for _, warning := range contested(rooms) {
		fmt.Fprintln(out, warning)
	}
	hint := fmt.Sprintf("name one by its title or ID, e.g. chat join %.4s", rooms[0].ID)
	if rooms[0].Contested {
		hint = "name one by its address, e.g. chat join --addr " + rooms[0].Addr
	}
	if !asking {
		return discovery.Room{}, cmdline.UsageErrorf("found %d rooms\nhint: %s", len(rooms), hint)
	}
	for {
		fmt.Fprintf(out, "Join which one (1-%d)? ", len(rooms))
		line, err := opts.In.Line(ctx)
		if err != nil {
			fmt.Fprintln(out)
			return discovery.Room{}, cmdline.UsageErrorf("no room chosen\nhint: %s", hint)
		}
		answer := strings.TrimSpace(line)
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(rooms) {
			return rooms[n-1], nil
		}
		i := slices.IndexFunc(rooms, func(r discovery.Room) bool { return answer != "" && r.Matches(answer) })
		switch {
		case i < 0:
			fmt.Fprintln(out, "There is no such room.")
		case rooms[i].Contested:
			fmt.Fprintln(out, "Several hosts claim to have it: choose one by its number.")
		default:
			return rooms[i], nil
		}
	}
}

// findProven finds rooms. If several hosts claim to have a room in which the user was before, the
// one that proves it is the room, and the user learns of the others.
func (opts *joinOptions) findProven(ctx context.Context, match string, found func(discovery.Room)) ([]discovery.Room, error) {
	rooms, err := opts.find(ctx, match, found)
	proven := make(map[string]string) // by room ID: the address
	for _, r := range rooms {
		if r.Contested && proven[r.ID] == "" && opts.proves(ctx, r) {
			proven[r.ID] = r.Addr
		}
	}
	return slices.DeleteFunc(rooms, func(r discovery.Room) bool {
		isOther := proven[r.ID] != "" && proven[r.ID] != r.Addr
		if isOther {
			opts.warn(fmt.Errorf("another host, at %s, claims to have the room %s (id %.8s) too; the one at %s proved that it has it", r.Addr, r.Title, r.ID, proven[r.ID]))
		}
		return isOther
	}), err
}

// proves reports whether the host of r proves that it has the room in which the user was before.
func (opts *joinOptions) proves(ctx context.Context, r discovery.Room) bool {
	if pin := cmp.Or(opts.Invite.Pin, opts.knownPin(r.ID)); pin != "" {
		return r.Pin == string(pin)
	}
	if opts.identities == nil {
		return false
	}
	claim, err := opts.identities.Claim(r.ID, opts.Nick, opts.warn)
	if err != nil {
		return false // joining it reports the error
	}
	defer claim.Release()
	proven, err := client.Prove(ctx, r.Addr, claim.Identity)
	return err == nil && proven
}

// knownPin returns the pin of the host of a sealed room that the user knows; "": they do not.
func (opts *joinOptions) knownPin(room string) seal.Pin {
	if opts.known == nil {
		return ""
	}
	hosts, err := opts.known.Hosts()
	if err != nil {
		return "" // joining reports it
	}
	if i := slices.IndexFunc(hosts, func(h client.KnownHost) bool { return h.Room == room }); i >= 0 {
		return hosts[i].Pin
	}
	return ""
}

// findAgain returns the addresses of a room whose host no longer answers at the old one: of all
// rooms with its ID, which anyone can claim, then of those with its title. The client joins one
// that proves itself.
func (opts *joinOptions) findAgain(ctx context.Context, room wire.RoomInfo) (addrs []string, err error) {
	rooms, err := opts.find(ctx, room.Title, nil)
	for _, same := range []bool{true, false} {
		for _, r := range rooms {
			if (r.ID == room.ID) == same {
				addrs = append(addrs, r.Addr)
				addrs = append(addrs, r.Addrs[min(len(r.Addrs), 1):]...)
			}
		}
	}
	return addrs, err
}

// watch calls suspect when the host of a room announces that it has other addresses than at.
func (opts *joinOptions) watch(ctx context.Context, room wire.RoomInfo, at net.Addr, suspect func()) {
	if at, ok := at.(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		newFinder(opts.Ifaces, 0).Follow(ctx, room.ID, at.AddrPort().Addr(), suspect)
	}
}

// --- errors, for a shell and for a screen --------------------------------------------

// A hintedError has a hint for a shell and another one for the screen, which has a field
// for an address.
type hintedError struct{ problem, shell, screen string }

func (e *hintedError) Error() string { return e.problem + "\nhint: " + e.shell }

// A screenError is an error as the screen words it.
type screenError struct {
	error       // as it is worded there
	shell error // the same, as it is worded and counts once the screen is left
}

func (e *screenError) Unwrap() error { return e.shell }

// forShell returns the error that a screen ended with, as a shell's user needs it.
func forShell(err error) error {
	if e, ok := errors.AsType[*screenError](err); ok {
		return e.shell
	}
	return err
}

// forScreen returns err with the hint for the screen, if it has one.
func forScreen(err error) error {
	if none, ok := errors.AsType[*discovery.NoRoomError](err); ok {
		return noRoomForScreen(none)
	}
	if invalid, ok := errors.AsType[*endpoint.AddressError](err); ok {
		return &screenError{fmt.Errorf("%s\nhint: e.g. 192.168.1.5, 192.168.1.5:%d, [fe80::1%%eth0]:%[2]d or laptop.local", invalid.Problem(), wire.DefaultPort), err}
	}
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		return &screenError{fmt.Errorf("%s\nhint: %s", hinted.problem, hinted.screen), err}
	}
	return err
}

// noRoomForScreen returns the error of a search that found no room.
func noRoomForScreen(none *discovery.NoRoomError) error {
	hint := "join it by its address, or find the cause with chat doctor"
	switch {
	case none.CannotList():
		hint = "this system hides its network from programs; join a room by its address"
	case len(none.Silent) > 0:
		hint = none.Silent[0].Cause()
	case len(none.Others) > 0:
		hint = "join a room that is not listed by its address"
	case none.Deaf == nil:
		what := "No room found on this network"
		if none.Want != "" {
			what = fmt.Sprintf("No room %q found on this network", none.Want)
		}
		return &screen.NothingFoundError{What: what, Looked: none.Looked(), Err: none}
	}
	return &screenError{fmt.Errorf("%s\nhint: %s", none.What(), hint), none}
}

// joinError explains why the room at addr cannot be joined.
func joinError(addr string, err error) error {
	if mode, ok := errors.AsType[*privatefile.ModeError](err); ok {
		return mode // with a hint
	}
	if hint, problem := plain.SealProblem(err); problem != nil {
		return fmt.Errorf("%w\nhint: %s", problem, hint)
	}
	if hint := operatorHint(err); hint != "" {
		return fmt.Errorf("%w\nhint: %s", err, hint)
	}
	refusal, refused := errors.AsType[*client.RefusedError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case refused && refusal.Code == wire.CodeWrongRoom:
		return &hintedError{"another room is open there now", "list the rooms with chat rooms", "search again with Ctrl-R"}
	case refused && refusal.Code == wire.CodeVersion:
		return fmt.Errorf("%w\nhint: update the older of the two programs", refusal)
	case refused:
		return refusal
	case errors.Is(err, client.ErrNoRoom):
		return fmt.Errorf("no chat room at %s: another program answered\nhint: chat host shows its address and port when it starts", addr)
	case isDNS && dns.IsNotFound:
		return &hintedError{fmt.Sprintf("unknown host %q", dns.Name), "use its IP address, e.g. chat join --addr 192.168.1.5", "use its IP address, e.g. 192.168.1.5"}
	case errno.Refused(err):
		const hint = "check that chat host runs there, and on this port"
		return &hintedError{"connection refused by " + addr, hint + "; without --addr, chat join finds it", hint}
	case errno.Reset(err):
		return fmt.Errorf("the connection to %s was cut before the room answered\nhint: the host may have ended just now, or a proxy or firewall cuts connections; chat doctor checks the network here", addr)
	case errors.Is(err, client.ErrNoAnswer):
		return fmt.Errorf("no answer from %s: the connection opens, but the host says nothing\nhint: the program there may hang, or be no chat host; chat doctor --addr %[1]s finds networks that drop large packets", addr)
	case errno.Unreachable(err):
		return fmt.Errorf("no route to %s\nhint: check the address, and that this machine is on the same network; chat doctor checks the network here", addr)
	case errno.TimedOut(err), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s\nhint: check the address, and that a firewall there lets the port in", addr)
	}
	return fmt.Errorf("cannot join: %w\nhint: chat doctor checks the network here", err)
}
