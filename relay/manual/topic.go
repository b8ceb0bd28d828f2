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
	{"settings", "The file and the environment variables that set options.", writeSettings},
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

// settingsIntro explains the settings of chat host, one paragraph each.
var settingsIntro = []string{
	"Every option of chat host is also a setting: in the file of --config, under its name, and in an environment variable. An option on the command line comes first, then the variable, then the file, then the default. A list is replaced as a whole; each limit is a setting of its own.",
	"The file is TOML. chat host --print-config writes such a file, with the help of each setting. No file is read unless --config or CHAT_CONFIG names it; with a - before its name, it need not exist. Names of files in it are relative to its folder.",
}

// variablesIntro explains environment variables.
const variablesIntro = "A switch is 1, yes, on or true, or else 0, no, off or false. Items of a list are separated by commas. " +
	"An empty variable is an error, except that CHAT_NICK, CHAT_ROOM, CHAT_IDENTITY, CHAT_ADDR, CHAT_PLAIN, CHAT_ACCESSIBLE, CHAT_QUIET and CHAT_MOUSE count as unset."

func writeSettings(w io.Writer, app *cli.App) error {
	var b strings.Builder
	b.WriteString("SETTINGS OF CHAT HOST:\n")
	for _, paragraph := range settingsIntro {
		b.WriteString(indented(paragraph, margin) + "\n")
	}
	b.WriteString("   chat host --print-config >kitchen.toml\n   chat host --config kitchen.toml\n\n")
	b.WriteString(indented(variablesIntro, margin))
	for _, command := range app.Commands {
		heading := "\nVARIABLES OF CHAT " + strings.ToUpper(command.Name) + ":\n"
		for _, o := range OptionsOf(command) {
			if len(o.Env) > 0 {
				b.WriteString(heading + columns(o.Names[0], o.Env[0], optionColumn))
				heading = ""
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
