package archive

import (
	"io"
	"os"
	"regexp"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/cmdline"
	"chat/relay/history"
	"chat/relay/manual"
	"chat/relay/plain"
)

// Commands returns chat history and its commands of two words. Each call returns new ones: urfave/cli
// keeps state in their options.
func Commands() []*cli.Command {
	return []*cli.Command{printCommand(), backupCommand()}
}

func printCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "Print the history of a room from its file, or care for the file.",
		ArgsUsage: "FILE",
		Description: manual.Describe("FILE is the file of chat host --history. The room may be open. A file named like one of the commands below needs its folder: ./backup.",
			"chat history kitchen.chat",
			"chat history kitchen.chat --since 2h --grep 'soup|bread'",
			"chat history kitchen.chat --since 2026-11-24 --until 2026-11-25",
			"chat history kitchen.chat --json | jq -r .text"),
		Flags: append(selectionFlags("Print"), switchFlag("json", "Print events as JSON lines.")),
		Action: func(c *cli.Context) error {
			paths, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			wanted, err := selectionOf(c, time.Now())
			if err != nil {
				return err
			}
			return printHistory(onTerminal(c.App.Writer, !c.Bool("json")), paths[0], wanted, c.Bool("json"))
		},
	}
}

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "history backup",
		Usage:     "Copy a history to a new file, also while its room is open.",
		ArgsUsage: "FILE TO",
		Description: manual.Describe("TO must not exist. It appears once the copy is complete and on disk. Only you can read it. To restore it, host on it: chat host --history TO.",
			"chat history backup kitchen.chat /backup/kitchen-2026-11-29.chat"),
		Action: func(c *cli.Context) error {
			paths, err := arguments(c, "FILE", "TO")
			if err != nil {
				return err
			}
			p := newProgress(c.App.ErrWriter, "Copied")
			err = history.Backup(c.Context, paths[0], paths[1], p.show)
			p.end()
			return fileError(paths[0], err)
		},
	}
}

// arguments returns the arguments of a command, which takes those with the given names.
func arguments(c *cli.Context, names ...string) ([]string, error) {
	if c.NArg() == len(names) {
		return c.Args().Slice(), nil
	}
	return nil, cmdline.UsageErrorf("chat %s needs %s, not %d\nhint: e.g. %s", c.Command.Name, counted(names), c.NArg(), manual.FirstExample(c.Command))
}

func counted(names []string) string {
	switch len(names) {
	case 1:
		return "one file"
	default:
		return "two files"
	}
}

// selectionFlags are the options that select events. verb is what the command does with them.
func selectionFlags(verb string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "since", Usage: verb + " events from `TIME` on: 2026-11-25, \"2026-11-25 10:02\", or an age such as 2h or 30d."},
		&cli.StringFlag{Name: "until", Usage: verb + " events before `TIME`."},
		&cli.StringFlag{Name: "from", Usage: verb + " only the messages of `NICK`."},
		&cli.StringFlag{Name: "grep", Usage: verb + " only messages that match the regular expression `RE` (RE2 syntax; (?i) ignores case)."},
		switchFlag("private", verb+" private messages too."),
		switchFlag("all", verb+" joins, leaves and other events too."),
	}
}

func switchFlag(name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, DisableDefaultText: true}
}

// selectionOf reads the options that select events; an age is relative to now.
func selectionOf(c *cli.Context, now time.Time) (wanted history.Selection, err error) {
	const timeHint = "use a date, a date and time, or an age: 2026-11-25, \"2026-11-25 10:02\", 2h or 30d"
	wanted = history.Selection{From: c.String("from"), Private: c.Bool("private"), Happened: c.Bool("all")}
	if wanted.Since, err = history.ParseTime(c.String("since"), now); err != nil {
		return wanted, cmdline.UsageErrorf("invalid --since %q\nhint: %s", c.String("since"), timeHint)
	}
	if wanted.Until, err = history.ParseTime(c.String("until"), now); err != nil {
		return wanted, cmdline.UsageErrorf("invalid --until %q\nhint: %s", c.String("until"), timeHint)
	}
	if re := c.String("grep"); re != "" {
		if wanted.Text, err = regexp.Compile(re); err != nil {
			return wanted, cmdline.UsageErrorf("invalid --grep: %w\nhint: see https://github.com/google/re2/wiki/Syntax", err)
		}
	}
	return wanted, nil
}

// onTerminal returns what wraps text at the width of the terminal, if stdout is one.
func onTerminal(out io.Writer, isText bool) io.Writer {
	stdout := int(os.Stdout.Fd())
	if !isText || !term.IsTerminal(stdout) {
		return out
	}
	return &plain.Rows{To: out, Width: func() int {
		columns, _, err := term.GetSize(stdout)
		if err != nil {
			return 0
		}
		return columns
	}}
}

// printHistory prints the selected events of the history file at path.
func printHistory(out io.Writer, path string, wanted history.Selection, json bool) error {
	return fileError(path, history.Print(out, path, wanted, json))
}
