package archive

import (
	"regexp"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/cmdline"
	"chat/relay/history"
)

// selectionFlags are the options that select events. verb is what the command does with them.
func selectionFlags(verb string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "since", Usage: verb + " events from `TIME` on: 2026-11-25, \"2026-11-25 10:02\", or an age such as 2h or 30d."},
		&cli.StringFlag{Name: "until", Usage: verb + " events before `TIME`."},
		&cli.StringFlag{Name: "from", Usage: verb + " only the messages of `NICK`."},
		&cli.StringFlag{Name: "grep", Usage: verb + " only messages that match the regular expression `RE` (RE2 syntax; (?i) ignores case)."},
		cmdline.Switch("", "private", verb+" private messages too."),
		cmdline.Switch("", "all", verb+" joins, leaves and other events too."),
	}
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
