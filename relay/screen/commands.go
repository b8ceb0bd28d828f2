package screen

import (
	"strings"
	"unicode"
)

// A command is what can be typed behind a slash. The table is for completing, hints
// and help; what the host carries out, it checks itself.
type command struct {
	name string
	args string // as help has them
	help string
	host bool // for the hosting person alone
	own  bool // the screen's: the host does not know it. Those of locals that are not, it does
}

var commands = []command{
	{name: "nick", args: "NAME", help: "be called NAME"},
	{name: "me", args: "TEXT", help: "say what you do: /me waves"},
	{name: "msg", args: "NICK TEXT", help: "say something to NICK alone"},
	{name: "r", args: "TEXT", help: "answer who last said something to you alone", own: true},
	{name: "who", help: "list who is here"},
	{name: "members", help: "show who is here beside the talk, or no longer", own: true},
	{name: "topic", args: "[TEXT]", help: "show the topic, or set it (- clears it)"},
	{name: "search", args: "WORDS", help: "walk through what was said with all of WORDS in it"},
	{name: "history", args: "[N]", help: "show the last N messages again, 50 unless told"},
	{name: "copy", args: "[N]", help: "put the last N messages into the clipboard", own: true},
	{name: "export", args: "FILE", help: "write the talk so far, as text or JSON lines (.jsonl)", own: true},
	{name: "send", args: "PATH", help: "send a file (Tab completes its path)", own: true},
	{name: "get", args: "[N [DIR]]", help: "get file N, or the last one, into DIR", own: true},
	{name: "files", help: "list the files that were sent", own: true},
	{name: "invite", help: "show how others come in", own: true},
	{name: "ignore", args: "[NICK]", help: "hear no more of NICK, or list whom you ignore"},
	{name: "unignore", args: "NICK", help: "hear NICK again"},
	{name: "quit", args: "[TEXT]", help: "leave"},
	{name: "help", help: "show keys and commands"},
	{name: "kick", args: "NICK [REASON]", help: "end the session of NICK", host: true},
	{name: "ban", args: "NICK|IP [REASON]", help: "end it and keep NICK and its address out", host: true},
	{name: "unban", args: "NICK|IP", help: "let NICK or the address in again", host: true},
	{name: "mute", args: "NICK", help: "let NICK listen only", host: true},
	{name: "unmute", args: "NICK|IP", help: "let NICK speak again", host: true},
	{name: "bans", help: "list who is banned and who is muted", host: true},
}

func (c *command) usage() string { return strings.TrimSpace("/" + c.name + " " + c.args) }

// HostUsages returns how the commands that the host carries out are typed, for the
// test that holds them to the host's own table.
func HostUsages() (usages []string) {
	for i := range commands {
		if !commands[i].own {
			usages = append(usages, commands[i].usage())
		}
	}
	return usages
}

func commandNamed(name string) *command {
	for i := range commands {
		if commands[i].name == name {
			return &commands[i]
		}
	}
	return nil
}

// commandsLike returns those whose names begin so.
func commandsLike(name string, host bool) (like []*command) {
	for i := range commands {
		if c := &commands[i]; strings.HasPrefix(c.name, name) && (!c.host || host) {
			like = append(like, c)
		}
	}
	return like
}

// takesNick reports whether the first argument of a command is somebody's nick.
func takesNick(name string) bool {
	c := commandNamed(name)
	return c != nil && strings.HasPrefix(strings.TrimPrefix(c.args, "["), "NICK")
}

// parseTyped tells what text is: a command with its name and the rest, or what is to
// be said. A slash that is doubled is one.
func parseTyped(text string) (name, rest string, isCommand bool) {
	if strings.HasPrefix(text, "//") {
		return "", text[1:], false
	}
	if !strings.HasPrefix(text, "/") {
		return "", text, false
	}
	name, rest = text[1:], ""
	if i := strings.IndexFunc(name, unicode.IsSpace); i >= 0 {
		name, rest = name[:i], strings.TrimLeftFunc(name[i:], unicode.IsSpace)
	}
	return strings.ToLower(name), rest, true
}

// hint is what is shown while a command is typed: how it goes on, or which there
// are; "" for what is no command.
func hint(text string, host bool) string {
	name, _, isCommand := parseTyped(text)
	if !isCommand {
		return ""
	}
	if c := commandNamed(name); c != nil {
		if c.host && !host {
			return c.usage() + "  is for the hosting person alone"
		}
		return c.usage() + "  " + c.help
	}
	var names []string
	for _, c := range commandsLike(name, host) {
		names = append(names, "/"+c.name)
	}
	if len(names) == 0 || strings.ContainsFunc(text, unicode.IsSpace) {
		return "there is no command /" + name + "; // at the start says a slash"
	}
	return strings.Join(names, " ")
}
