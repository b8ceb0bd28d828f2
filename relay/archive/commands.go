package archive

import (
	"errors"
	"fmt"
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
	"chat/relay/text"
)

// Commands returns chat history and its commands of two words. Each call returns new ones: urfave/cli
// keeps state in their options.
func Commands() []*cli.Command {
	return []*cli.Command{printCommand(), backupCommand(), checkCommand(), exportCommand(), importCommand()}
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

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:        "history check",
		Usage:       "Look for damage in a history, and report it.",
		ArgsUsage:   "FILE",
		Description: manual.Describe("Prints each problem in a line, and exits with 1 if there are any. The room may be open.", "chat history check kitchen.chat"),
		Action: func(c *cli.Context) error {
			paths, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			p := newProgress(c.App.ErrWriter, "Checked")
			defer p.end()
			return checkHistory(c.Context, c.App.Writer, paths[0], p)
		},
	}
}

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "history export",
		Usage:     "Write a history as text, JSON lines or an HTML page.",
		ArgsUsage: "FILE",
		Description: manual.Describe("The page stands alone: it has no scripts and loads nothing. Private messages are written only with --private.",
			"chat history export kitchen.chat --format html --output kitchen.html",
			"chat history export kitchen.chat --format jsonl --all > kitchen.jsonl"),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", Usage: "Write the events in `FORMAT`: text, jsonl or html."},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "-", DefaultText: "stdout", Usage: "Write to `OUT`, a new file that only you can read."},
		}, selectionFlags("Write")...),
		Action: func(c *cli.Context) error {
			paths, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			wanted, err := selectionOf(c, time.Now())
			if err != nil {
				return err
			}
			format := c.String("format")
			if err := checkFormat(format); err != nil {
				return err
			}
			return export(onTerminal(c.App.Writer, format == "text"), c.String("output"), paths[0], format, wanted)
		},
	}
}

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "history import",
		Usage:     "Create a history from JSON lines on stdin.",
		ArgsUsage: "FILE",
		Description: manual.Describe("FILE must not exist. The lines are those of chat history export --format jsonl; of other programs, nick, text and time are enough. If a line is bad, nothing is imported.",
			"chat history import new.chat < kitchen.jsonl",
			"chat host --history new.chat"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "room", Usage: "Give the room the title `TITLE`."},
			switchFlag("skip-bad", "Import the other lines if some are bad."),
			switchFlag("renumber", "Number the events from 1 on, instead of with their IDs."),
		},
		Action: func(c *cli.Context) error {
			paths, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			if term.IsTerminal(int(os.Stdin.Fd())) {
				return cmdline.UsageErrorf("the events come from stdin, which is a terminal\nhint: chat history import %s < events.jsonl", paths[0])
			}
			result, err := importEvents(paths[0], os.Stdin, importOptions{
				Title: text.Title(c.String("room")), SkipBad: c.Bool("skip-bad"), Renumber: c.Bool("renumber"),
				Bad: func(line string) { fmt.Fprintln(c.App.ErrWriter, line) },
			})
			if errors.Is(err, errBadLines) {
				return fmt.Errorf("%w\nhint: correct them, or use --skip-bad", err)
			}
			if err != nil {
				return fileError(paths[0], err)
			}
			_, err = fmt.Fprintln(c.App.Writer, result.words(paths[0]))
			return err
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
