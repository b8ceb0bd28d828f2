package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
)

// A Topic is a page of chat help that is not about one command.
type Topic struct {
	Name  string
	Help  string // one line, in the imperative or a noun
	Write func(w io.Writer, app *cli.App) error
}

// Topics lists all topics.
var Topics = []Topic{
	{"advanced", "Options of chat host for special cases.", writeAdvanced},
	{"limits", "Limits of chat host, with defaults and units.", writeLimits},
}

// TopicNamed returns the topic called name, or nil.
func TopicNamed(name string) *Topic {
	for i := range Topics {
		if Topics[i].Name == name {
			return &Topics[i]
		}
	}
	return nil
}

func writeAdvanced(w io.Writer, app *cli.App) error {
	var b strings.Builder
	b.WriteString("ADVANCED OPTIONS OF CHAT HOST:\n")
	for _, o := range OptionsOf(app.Command("host")) {
		if o.Category == Advanced {
			b.WriteString(columns(o.Usage(), o.Details(), optionColumn))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// limitsIntro explains how to set a limit, one paragraph each.
var limitsIntro = []string{
	"Set a limit with chat host --limit NAME=VALUE. Repeat the flag to set several limits. If a name is repeated, the last value applies. The value none, or 0, removes the limit.",
	"Anyone who hits a limit gets a one-line message.",
}

func writeLimits(w io.Writer, _ *cli.App) error {
	var b strings.Builder
	b.WriteString("LIMITS OF CHAT HOST:\n")
	for _, paragraph := range limitsIntro {
		b.WriteString(indented(paragraph, margin) + "\n")
	}
	b.WriteString("   chat host --limit connections=200 --limit rate=50/s\n\nUNITS:\n")
	for _, u := range limits.Units {
		b.WriteString(columns(u.String(), u.Help(), 10))
	}
	b.WriteString("\nNAMES:\n")
	for _, l := range limits.Table {
		fmt.Fprintf(&b, "   %s=%s (default: %s)\n%s", l.Name, l.Unit, l.Default, indented(l.Help, 2*margin))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
