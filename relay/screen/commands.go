package screen

import (
	"strings"
	"unicode"

	"chat/relay/wire"
)

// isOffered reports whether completion and help list c.
func isOffered(c *wire.Command, operator bool) bool {
	return (c.Local == 0 || c.Local&wire.Screen != 0) && (!c.Operator || operator)
}

// commandsLike returns the offered commands whose names start with prefix.
func commandsLike(prefix string, operator bool) (like []*wire.Command) {
	for i := range wire.Commands {
		if c := &wire.Commands[i]; strings.HasPrefix(c.Name, prefix) && isOffered(c, operator) {
			like = append(like, c)
		}
	}
	return like
}

// takesNick reports whether the first argument of the command called name is the nick
// of a member.
func takesNick(name string) bool {
	c := wire.CommandNamed(name)
	return c != nil && len(c.Args) > 0 && strings.HasPrefix(c.Args[0].Name, "NICK")
}

// parseTyped splits text into the name and the rest of a command. If it is not a command,
// rest is the message to send: text, with a doubled slash at its start made one.
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

// commandHint returns the line shown while a command is typed: its usage and help, or the
// commands that start with what is there; "" if text is not a command.
func commandHint(text string, operator bool) string {
	name, _, isCommand := parseTyped(text)
	if !isCommand {
		return ""
	}
	if c := wire.CommandNamed(name); c != nil {
		if c.Operator && !operator {
			return c.Usage() + "  only operators can use it"
		}
		return c.Usage() + "  " + c.Help
	}
	var names []string
	for _, c := range commandsLike(name, operator) {
		names = append(names, "/"+c.Name)
	}
	if len(names) == 0 || strings.ContainsFunc(text, unicode.IsSpace) {
		return "unknown command /" + name + "; start with // to send a slash"
	}
	return strings.Join(names, " ")
}
