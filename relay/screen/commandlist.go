package screen

import (
	"fmt"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// A commandList offers, above the composer, the commands that can be meant by the name being typed. It
// belongs to the text that it was opened for: any change of it resets the choice. It is owned by
// Bubble Tea's event loop.
type commandList struct {
	typed  string // the text
	chosen int    // which match
	moved  bool   // ↑ or ↓ chose it: Enter runs it
	closed bool   // by Esc
}

const (
	// A terminal of fewer rows or columns has a hint instead of the list.
	commandListRows    = 12
	commandListColumns = 30

	maxCommandRows   = 8  // matches shown at once
	commandUsageFrom = 56 // columns from which on the arguments are shown, too
)

// listedCommands returns the commands that the list offers; nil: it is not shown.
func (c *conversation) listedCommands() []commandMatch {
	m := &c.composer
	e := &m.editor
	if c.m.height < commandListRows || c.m.width < commandListColumns || c.sheet.isOpen() || m.field != nil || m.paste != nil || m.search.active || len(m.completer.completions) > 0 {
		return nil
	}
	name, _, isCommand := commandBefore(e.text)
	if !isCommand || strings.ContainsFunc(e.text, unicode.IsSpace) || e.isRecalled() || m.commands.isClosed(e.text) {
		return nil
	}
	return matchCommands(name, c.mayModerate())
}

func (l *commandList) isClosed(text string) bool { return l.closed && l.typed == text }

// at returns the list for a text and its matches.
func (l *commandList) at(text string, matches []commandMatch) *commandList {
	if l.typed != text {
		*l = commandList{typed: text}
	}
	l.chosen = max(min(l.chosen, len(matches)-1), 0)
	return l
}

// openCommands opens the list on an empty line, as a slash does. It reports whether it could.
func openCommands(c *conversation) bool {
	e := &c.composer.editor
	return e.text == "" && e.insert("/")
}

// pressCommandKey handles a key while commands are listed. It reports whether the key was for the list.
func pressCommandKey(c *conversation, name string) (cmd tea.Cmd, used bool) {
	matches := c.listedCommands()
	if len(matches) == 0 {
		return nil, false
	}
	e := &c.composer.editor
	l := c.composer.commands.at(e.text, matches)
	switch name {
	case "up", "ctrl+p", "shift+tab":
		l.chosen, l.moved = (l.chosen+len(matches)-1)%len(matches), true
	case "down", "ctrl+n":
		l.chosen, l.moved = (l.chosen+1)%len(matches), true
	case "tab":
		l.complete(e, matches)
	case "esc":
		if l.closed = true; e.text == "/" { // nothing was typed yet
			e.set("")
		}
	case "enter":
		if !l.runs(matches) {
			l.complete(e, matches)
			break
		}
		if l.moved {
			e.set("/" + matches[l.chosen].command.Name)
		}
		return c.submit(), true
	default:
		return nil, false
	}
	return nil, true
}

// runs reports whether Enter runs a command: one that was typed in full, or chosen and can be used without an
// argument. Else it completes the chosen one.
func (l *commandList) runs(matches []commandMatch) bool {
	if l.moved {
		return !matches[l.chosen].command.NeedsArgument()
	}
	return matches[0].quality == sameName
}

func (c *conversation) runsListed() bool {
	matches := c.listedCommands()
	return len(matches) > 0 && c.composer.commands.at(c.composer.editor.text, matches).runs(matches)
}

// complete completes the chosen command in the editor. A space follows if it can have arguments.
func (l *commandList) complete(e *editor, matches []commandMatch) {
	command := matches[l.chosen].command
	text := "/" + command.Name
	if len(command.Args) > 0 {
		text += " "
	}
	e.set(text)
}

// commandRows returns how many rows the list takes of those that are left for it and the messages.
func (c *conversation) commandRows(rest int) int {
	n := len(c.listedCommands())
	if n == 0 {
		return 0
	}
	return max(1+min(n, maxCommandRows, rest-1-leastMessageRows), 0)
}

// leastMessageRows is how many rows the list of commands and the message being written leave to the messages.
const leastMessageRows = 2

// drawCommands draws the list in so many rows, the first of them its title.
func (c *conversation) drawCommands(rows int) (drawn []string) {
	matches := c.listedCommands()
	if rows < 2 || len(matches) == 0 {
		return nil
	}
	t, p := &c.m.terminal, c.painter(c.m.width)
	l := c.composer.commands.at(c.composer.editor.text, matches)
	offered := commandsLike("", c.mayModerate())
	usage := 0 // columns: as many for all commands, so that the help stays in its place
	for _, command := range offered {
		usage = max(usage, t.ruler.width(listedUsage(command, t.width)))
	}
	usage = min(usage, t.width/2-2)
	drawn = append(drawn, titleLine(t, "Commands", t.theme.Dim.Draw(fmt.Sprintf("%d of %d", len(matches), len(offered))), t.width))
	shown := min(rows-1, len(matches))
	first := max(min(l.chosen-shown/2, len(matches)-shown), 0)
	for i := range matches[first : first+shown] {
		drawn = append(drawn, drawCommand(p, &matches[first+i], usage, first+i == l.chosen))
	}
	return drawn
}

// listedUsage returns the usage of a command, or in a narrow window its name, so that there is room for the help.
func listedUsage(command *wire.Command, columns int) string {
	if columns < commandUsageFrom {
		return "/" + command.Name
	}
	return command.Usage()
}

// drawCommand draws one command of the list, with its usage in so many columns.
func drawCommand(p *painter, m *commandMatch, usage int, chosen bool) string {
	name, words, found := theme.Plain, p.theme.Dim, p.theme.Accent.With(theme.Bold)
	ground := tint{ground: p.theme.Panel}
	if chosen {
		ground = tint{ground: p.theme.Selected, bar: p.theme.Accent.With(theme.Bold), barred: true}
		words = theme.Plain
		if ground.ground != "" {
			found = theme.Bold // no color is sure to be readable on it
		} else {
			name, words = theme.Bold, theme.Bold
		}
	}
	inName, inHelp := m.letters, []int(nil)
	if m.quality == wordOfHelp {
		inName, inHelp = nil, m.letters
	}
	const margin, gap = 1, 2
	b := rowBuilder{painter: p}
	b.putBar(ground)
	b.skipTo(margin)
	shown := p.ruler.fit(listedUsage(m.command, p.columns), usage)
	end := min(len("/")+len(m.command.Name), len(shown))
	b.WriteString(name.Draw(shown[:1]) + drawLetters(shown[1:end], inName, name, found) + words.Draw(shown[end:]))
	if left := p.columns - margin - usage - gap; left > 0 {
		b.WriteString(strings.Repeat(" ", gap) + drawLetters(p.ruler.fit(m.command.Help, left), inHelp, words, found))
	}
	return ground.under(p, b.String())
}

// drawLetters draws text in one style, and the letters at some places in another.
func drawLetters(text string, at []int, s, found theme.Style) string {
	var b strings.Builder
	from := 0
	for len(at) > 0 && at[0] < len(text) {
		n := 1 // that are side by side
		for n < len(at) && at[n] == at[0]+n && at[n] < len(text) {
			n++
		}
		b.WriteString(s.Draw(text[from:at[0]]) + found.Draw(text[at[0]:at[0]+n]))
		from, at = at[0]+n, at[n:]
	}
	return b.String() + s.Draw(text[from:])
}
