package archive

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/cmdline"
	"chat/relay/history"
	"chat/relay/manual"
	"chat/relay/text"
)

// Commands returns chat history and its commands of two words. Each call returns new ones: urfave/cli
// keeps state in their options.
func Commands() []*cli.Command {
	return []*cli.Command{printCommand(), backupCommand(), restoreCommand(), checkCommand(), exportCommand(), importCommand()}
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
		Flags: append(selectionFlags("Print"), cmdline.Switch("", "json", "Print events as JSON lines.")),
		Action: onEvents(func(c *cli.Context, path string, wanted history.Selection) error {
			asJSON := c.Bool("json")
			return printHistory(c.Context, forReaders(c.App.Writer, !asJSON), path, wanted, asJSON)
		}),
	}
}

func backupCommand() *cli.Command {
	return &cli.Command{
		Name:      "history backup",
		Usage:     "Copy a history to a new file, also while its room is open.",
		ArgsUsage: "FILE TO",
		Description: manual.Describe("TO must not exist. It appears once the copy is complete and on disk. Only you can read it. chat history restore puts it back.",
			"chat history backup kitchen.chat /backup/kitchen-2026-11-29.chat"),
		Action: onFiles(func(c *cli.Context, paths []string) error {
			if err := checkFolder(paths[1]); err != nil {
				return err
			}
			p := newProgress(c.App.ErrWriter, "Copied")
			err := history.Backup(c.Context, paths[0], paths[1], p.show)
			p.end()
			return fileError(paths[0], err)
		}),
	}
}

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "history restore",
		Usage:     "Put a backup in the place of a history.",
		ArgsUsage: "BACKUP FILE",
		Description: manual.Describe("The backup is checked first, and is not changed. No host may have FILE open. If there is a FILE, it is kept under another name. As root, the new one gets the same owner.",
			"chat history restore /backup/kitchen-2026-11-29.chat kitchen.chat"),
		Action: onFiles(func(c *cli.Context, paths []string) error {
			return restoreHistory(c.Context, c.App.Writer, c.App.ErrWriter, paths[0], paths[1])
		}),
	}
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:        "history check",
		Usage:       "Look for damage in a history, and report it.",
		ArgsUsage:   "FILE",
		Description: manual.Describe("Prints each problem in a line, and exits with 1 if there are any. The room may be open.", "chat history check kitchen.chat"),
		Action: onFiles(func(c *cli.Context, paths []string) error {
			return checkHistory(c.Context, c.App.Writer, paths[0], newProgress(c.App.ErrWriter, "Checked"))
		}),
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
		Action: onEvents(func(c *cli.Context, path string, wanted history.Selection) error {
			format := c.String("format")
			if err := checkFormat(format); err != nil {
				return err
			}
			return export(c.Context, forReaders(c.App.Writer, format == "text"), c.String("output"), path, format, wanted)
		}),
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
			cmdline.Switch("", "skip-bad", "Import the other lines if some are bad."),
			cmdline.Switch("", "renumber", "Number the events from 1 on, instead of with their IDs."),
		},
		Action: onFiles(func(c *cli.Context, paths []string) error {
			path := paths[0]
			if term.IsTerminal(int(os.Stdin.Fd())) {
				return cmdline.UsageErrorf("the events come from stdin, which is a terminal\nhint: chat history import %s < events.jsonl", path)
			}
			if err := checkFolder(path); err != nil {
				return err
			}
			result, err := importEvents(c.Context, path, os.Stdin, importOptions{
				Title: text.Title(c.String("room")), SkipBad: c.Bool("skip-bad"), Renumber: c.Bool("renumber"),
				Bad: func(line string) { fmt.Fprintln(c.App.ErrWriter, line) },
			})
			if errors.Is(err, errBadLines) {
				return fmt.Errorf("%w\nhint: correct them, or use --skip-bad", err)
			}
			if err != nil {
				return fileError(path, err)
			}
			_, err = fmt.Fprintln(c.App.Writer, result.words(path))
			return err
		}),
	}
}

// onFiles returns the action of a command that takes as many files as its ArgsUsage names.
func onFiles(run func(c *cli.Context, paths []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		wanted := strings.Fields(c.Command.ArgsUsage)
		if slices.Contains(c.Args().Slice(), "") {
			return cmdline.UsageErrorf("the name of a file is empty\nhint: e.g. %s", manual.FirstExample(c.Command))
		}
		if c.NArg() == len(wanted) {
			return run(c, c.Args().Slice())
		}
		words := "one file"
		if len(wanted) == 2 {
			words = "two files"
		}
		return cmdline.UsageErrorf("chat %s needs %s, not %d\nhint: e.g. %s", c.Command.Name, words, c.NArg(), manual.FirstExample(c.Command))
	}
}

// onEvents returns the action of a command that takes one file, and has the options of [selectionFlags].
func onEvents(run func(c *cli.Context, path string, wanted history.Selection) error) cli.ActionFunc {
	return onFiles(func(c *cli.Context, paths []string) error {
		wanted, err := selectionOf(c, time.Now())
		if err != nil {
			return err
		}
		return run(c, paths[0], wanted)
	})
}
