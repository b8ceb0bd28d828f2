// Package commands holds the commands of chat admin: their names, their requests to the host, and
// their output.
package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/admin"
	"chat/relay/cmdline"
	"chat/relay/identity"
	"chat/relay/manual"
	"chat/relay/text"
)

// A command is one of two words: chat admin kick.
type command struct {
	name     string
	args     string // as in its usage
	min, max int    // arguments; max is -1 if all words from there on are a reason
	help     string
	about    string // the first paragraph of its help; may be ""
	examples []string
	run      func(*call) error
}

// table has the commands in the order of the help.
var table = []command{
	{name: "members", help: "List the members of a room.", examples: []string{"chat admin members", "chat admin members --json | jq -r '.members[].nick'"},
		run: func(c *call) error { return show(c, "members", printMembers) }},
	{name: "sessions", help: "List the connections to a room, and what waits for each.",
		about:    "QUEUE counts the bytes, and after a + the events of the room, that the client has not been sent yet. A delayed client sends or reads more than its share.",
		examples: []string{"chat admin sessions"},
		run:      func(c *call) error { return show(c, "sessions", printSessions) }},
	{name: "cluster", help: "Show how the cluster of a shared room does, and its relays.",
		about:    "It is about a room of chat host --cluster, as the host that you administer sees it.",
		examples: []string{"chat admin cluster"}, run: func(c *call) error { return show(c, "cluster", printCluster) }},
	act("kick", "NICK [REASON]", "Disconnect a member.", "chat admin kick bob", "chat admin kick bob 'too loud'"),
	act("ban", "NICK|ADDRESS [REASON]", "Ban a member, present or away, or an IP address.", "chat admin ban bob spam", "chat admin ban 192.168.1.77"),
	act("unban", "NICK|ADDRESS", "Lift a ban.", "chat admin unban bob"),
	act("mute", "NICK [REASON]", "Reject the messages of a member.", "chat admin mute bob"),
	act("unmute", "NICK", "Accept the messages of a member again.", "chat admin unmute bob"),
	{name: "bans", help: "List who is banned or muted.", examples: []string{"chat admin bans"},
		run: func(c *call) error { return show(c, "bans", printBans) }},
	act("op", "NICK [REASON]", "Make a member an operator.", "chat admin op alice", "chat admin op alice 'until Friday'"),
	act("deop", "NICK [REASON]", "Make an operator a member again.", "chat admin deop alice"),
	act("release", "NICK", "Let others take a nick that belongs to a key.", "chat admin release alice"),
	{name: "files", args: "[rm N|on|off]", max: 2, help: "List the uploads, remove one, or turn uploads on or off.",
		examples: []string{"chat admin files", "chat admin files rm 12", "chat admin files off"}, run: files},
	{name: "limits", args: "[NAME=VALUE]...", max: -1, help: "Show the limits of a room, or change some while it is open.",
		about:    "A changed limit applies at once, until the host restarts. Connections that are open keep their line, json-line and keepalive-timeout. chat help limits explains each limit.",
		examples: []string{"chat admin limits", "chat admin limits rate=5/s connections=200"}, run: changeLimits},
	{name: "invite", args: "new", min: 1, max: 1, help: "Replace the invite of a sealed room. Members in the room stay.", examples: []string{"chat admin invite new"}, run: invite},
	{name: "reload", help: "Read the settings of a host again, and report mistakes.",
		about:    "The host reads the file of --config, the certificate of --cert and the files of keys. Changed limits apply at once. After a mistake the old values stay, and the command exits with 1.",
		examples: []string{"chat admin reload"}, run: func(c *call) error { return c.change("reload", struct{}{}) }},
	{name: "backup", args: "FILE", min: 1, max: 1, help: "Copy the history of an open room to a new file.",
		about:    "The host writes the file, which must not exist. Only the user who runs the host can read it.",
		examples: []string{"chat admin backup /backup/kitchen.chat"}, run: backup},
	{name: "stop", args: "[REASON]", max: -1, help: "Close a room for everyone, and end its host.", examples: []string{"chat admin stop", "chat admin stop 'back at noon'"}, run: stop},
}

// Commands returns chat admin and its commands of two words. Each call returns new ones: urfave/cli keeps state in their
// options.
func Commands() []*cli.Command {
	all := []*cli.Command{{
		Name:  "admin",
		Usage: "Administer a room that you host on this machine, or list them.",
		Description: manual.Describe("It works while the room is open, also with a headless host and without joining. Without a command it lists your open rooms.",
			"chat admin",
			"chat admin members",
			"chat admin kick bob 'too loud'",
			"chat admin limits rate=5/s --room kitchen",
			"chat admin backup /backup/kitchen.chat"),
		Flags:  []cli.Flag{jsonFlag()},
		Action: list,
	}}
	for i := range table {
		row := &table[i]
		all = append(all, &cli.Command{
			Name: "admin " + row.name, Usage: row.help, ArgsUsage: row.args,
			Description: manual.Describe(row.about, row.examples...),
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "room", Aliases: []string{"r"}, Usage: "Administer the room `ROOM`: its title, or the start of its ID.", DefaultText: "the only one"},
				&cli.StringFlag{Name: "socket", Usage: "Administer the room whose host listens on `PATH`: its history file with .admin at the end, or as its log says."},
				jsonFlag(),
			},
			Action: func(c *cli.Context) error { return row.action(c) },
		})
	}
	return all
}

func jsonFlag() cli.Flag {
	return cmdline.Switch("", "json", "Print the host's answer as a JSON object.")
}

// A call is a command that is being carried out.
type call struct {
	*admin.Client
	ctx  context.Context
	cli  *cli.Context
	args []string
}

// action carries out a command.
func (row *command) action(c *cli.Context) error {
	if n := c.NArg(); n < row.min || row.max >= 0 && n > row.max {
		return cmdline.UsageErrorf("usage: chat admin %s\nhint: e.g. %s", strings.TrimSpace(row.name+" "+row.args), row.examples[0])
	}
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	return row.run(&call{client, c.Context, c, c.Args().Slice()})
}

// clientOf returns the client of the room that the options name.
func clientOf(c *cli.Context) (*admin.Client, error) {
	if path := c.String("socket"); path != "" {
		if c.String("room") != "" {
			return nil, cmdline.UsageErrorf("--socket and --room exclude each other\nhint: leave out one of them")
		}
		return admin.At(path)
	}
	rooms, err := admin.Rooms(c.Context, identity.DefaultDir())
	if len(rooms) == 0 && err != nil {
		return nil, err
	}
	room, err := admin.Choose(rooms, c.String("room"))
	return room.Client, err
}

// list lists the open rooms.
func list(c *cli.Context) error {
	if c.Args().Present() {
		var names []string
		for _, row := range table {
			names = append(names, row.name)
		}
		word := c.Args().First()
		for _, name := range names {
			if word == name { // an option is in between
				return cmdline.UsageErrorf("the options of chat admin %s come after its name\nhint: chat admin %[1]s --room ROOM …", word)
			}
		}
		if near := cmdline.Nearest(word, names); near != "" {
			return cmdline.UsageErrorf("unknown command %q; did you mean chat admin %s?\nhint: chat admin --help lists the commands", word, near)
		}
		return cmdline.UsageErrorf("unknown command %q\nhint: chat admin --help lists the commands", word)
	}
	rooms, err := admin.Rooms(c.Context, identity.DefaultDir())
	if len(rooms) == 0 && err != nil {
		return err
	}
	if err != nil { // of the others
		fmt.Fprintln(c.App.ErrWriter, "chat: "+text.CleanLines(err.Error()))
	}
	if len(rooms) == 0 {
		return &admin.NoRoomError{}
	}
	return printRooms(c.App.Writer, rooms, c.Bool("json"))
}

// show prints the answer to a request that changes nothing.
func show[T any](c *call, path string, print func(*printer, T)) error {
	var answer T
	raw, err := c.Get(c.ctx, path, &answer)
	if err != nil {
		return err
	}
	return c.print(raw, func(p *printer) { print(p, answer) })
}

// change sends a request that changes the room, and prints the notice.
func (c *call) change(path string, body any) error {
	var answer admin.Notice
	raw, err := c.Post(c.ctx, path, body, &answer)
	if err != nil {
		return err
	}
	return c.print(raw, func(p *printer) { p.line(answer.Notice) })
}

// print prints an answer: as it is, or by forPeople.
func (c *call) print(raw json.RawMessage, forPeople func(*printer)) error {
	p := newPrinter(c.cli.App.Writer)
	if c.cli.Bool("json") {
		p.raw(raw)
	} else {
		forPeople(p)
	}
	return p.flush()
}

// act returns the row of an operator's request that names someone. All words after that are its reason.
func act(name, args, help string, examples ...string) command {
	row := command{name: name, args: args, min: 1, max: 1, help: help, examples: examples}
	if strings.Contains(args, "REASON") {
		row.max = -1
	}
	row.run = func(c *call) error {
		return c.change(name, admin.Action{Nick: c.args[0], Reason: strings.Join(c.args[1:], " ")})
	}
	return row
}

func files(c *call) error {
	words := c.args
	switch {
	case len(words) == 0:
		return show(c, "files", printFiles)
	case len(words) == 2 && words[0] == "rm":
		n, err := strconv.ParseUint(strings.TrimPrefix(words[1], "#"), 10, 53)
		if err != nil || n == 0 {
			return cmdline.UsageErrorf("%q is not the number of a file\nhint: chat admin files lists them", words[1])
		}
		return c.change("files", admin.FilesChange{Remove: n})
	case len(words) == 1 && (words[0] == "on" || words[0] == "off"):
		return c.change("files", admin.FilesChange{Uploads: words[0]})
	}
	return cmdline.UsageErrorf("usage: chat admin files [rm N|on|off]\nhint: e.g. chat admin files rm 12")
}

func changeLimits(c *call) error {
	if len(c.args) == 0 {
		return show(c, "limits", printLimits)
	}
	var answer admin.LimitsChanged
	raw, err := c.Post(c.ctx, "limits", admin.LimitsChange{Set: c.args}, &answer)
	if err != nil {
		return err
	}
	return c.print(raw, func(p *printer) {
		if len(answer.Changed) == 0 {
			p.line("nothing has changed")
		}
		for _, l := range answer.Changed {
			p.line(fmt.Sprintf("%s is %s; it was %s", l.Name, l.To, l.From))
		}
	})
}

func invite(c *call) error {
	if c.args[0] != "new" {
		return cmdline.UsageErrorf("unknown argument %q\nhint: chat admin invite new replaces the invite; chat invite prints it", c.args[0])
	}
	return c.change("invite", struct{}{})
}

func backup(c *call) error {
	to, err := filepath.Abs(c.args[0])
	if err != nil {
		return err
	}
	return c.change("backup", admin.BackupTo{To: to})
}

// stopTime is how long the command waits for the host to end.
const stopTime = 10 * time.Second

func stop(c *call) error {
	if err := c.change("stop", admin.Stop{Reason: strings.Join(c.args, " ")}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, stopTime)
	defer cancel()
	return c.AwaitEnd(ctx)
}
