// Package completion completes chat's command line in a shell. Each shell gets a small
// script that asks the program itself: chat __complete =WORD BEFORE..., where WORD is the
// part of a word under the cursor and BEFORE are the words before it, without chat. The
// answer is one suggestion per line, followed by a tab and its description. Without a
// suggestion the shell completes file names.
package completion

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
	"chat/relay/manual"
)

// Command is the hidden command that the scripts run.
const Command = "__complete"

// Shells are those with a script.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

//go:embed chat.*
var scripts embed.FS

// Script returns the script of a shell. ok is false if there is none.
func Script(shell string) (script string, ok bool) {
	if !slices.Contains(Shells, shell) {
		return "", false
	}
	text, err := scripts.ReadFile("chat." + shell)
	return string(text), err == nil
}

// Write answers a script. The arguments are those after [Command].
func Write(w io.Writer, app *cli.App, args []string) error {
	word, before := strings.TrimPrefix(args[0], "="), args[1:]
	for _, s := range suggest(app, word, before) {
		if !strings.HasPrefix(s.text, word) {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\n", s.text, s.help); err != nil {
			return err
		}
	}
	return nil
}

// A suggestion is a word that may stand under the cursor. One that ends with "=" is
// continued by its user.
type suggestion struct{ text, help string }

// suggest returns what can stand where word is, whatever it begins with.
func suggest(app *cli.App, word string, before []string) []suggestion {
	if slices.Contains(before, "--") { // no options follow, and rooms are not looked up
		return nil
	}
	command := commandIn(app, before)
	switch {
	case command == nil && strings.HasPrefix(word, "-"):
		return []suggestion{{"--help", "Show the commands."}, {"--version", "Print the version."}}
	case command == nil:
		return commands(app, "")
	case len(before) > 0 && wantsValue(command, before[len(before)-1]):
		return values(before[len(before)-1])
	case strings.HasPrefix(word, "-"):
		return options(command, before)
	case command.Name == "help" && len(before) == 1:
		found := commands(app, "")
		for _, t := range manual.Topics {
			found = append(found, suggestion{t.Name, t.Help})
		}
		return found
	case command.Name == "completion" && len(before) == 1:
		var found []suggestion
		for _, shell := range Shells {
			found = append(found, suggestion{shell, ""})
		}
		return found
	case len(before) == 1:
		return commands(app, command.Name+" ")
	}
	return nil
}

// commandIn returns the command that the words name, or nil. It may have two words.
func commandIn(app *cli.App, words []string) *cli.Command {
	for i, w := range words {
		if strings.HasPrefix(w, "-") {
			continue
		}
		if i == 0 && len(words) > 1 {
			if c := app.Command(w + " " + words[1]); c != nil {
				return c
			}
		}
		return app.Command(w)
	}
	return nil
}

// commands returns the words that follow prefix, which is empty or the first word of commands with two.
func commands(app *cli.App, prefix string) (found []suggestion) {
	for _, c := range app.Commands {
		if word, ok := strings.CutPrefix(c.Name, prefix); ok && !c.Hidden && !strings.Contains(word, " ") {
			found = append(found, suggestion{word, c.Usage})
		}
	}
	return found
}

// options returns the long options of a command that were not given yet, or can be given
// again.
func options(c *cli.Command, given []string) (found []suggestion) {
	for _, f := range c.Flags {
		o := manual.OptionOf(f)
		_, repeatable := f.(*cli.StringSliceFlag)
		used := slices.ContainsFunc(given, func(word string) bool {
			name, _, _ := strings.Cut(word, "=")
			return slices.Contains(o.Names, name)
		})
		if o.Category != manual.Deprecated && f != cli.HelpFlag && (!used || repeatable) {
			found = append(found, suggestion{o.Names[0], o.Help})
		}
	}
	return append(found, suggestion{"--help", "Show the options."})
}

// wantsValue reports whether word is an option of c whose value comes next.
func wantsValue(c *cli.Command, word string) bool {
	for _, f := range c.Flags {
		if o := manual.OptionOf(f); o.Placeholder != "" && slices.Contains(o.Names, word) {
			return true
		}
	}
	return false
}

// values returns what can be the value of an option; none if the program cannot know.
func values(option string) (found []suggestion) {
	switch option {
	case "--limit":
		for _, l := range limits.Table {
			found = append(found, suggestion{l.Name + "=", fmt.Sprintf("%s (%s, default: %s)", l.Help, l.Unit, l.Default)})
		}
	case "--log-format":
		found = []suggestion{{"text", ""}, {"json", ""}}
	}
	return found
}
