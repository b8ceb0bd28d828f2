package screen

import (
	"runtime"
	"slices"
	"strings"

	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// canSuspend is whether the system's shells can continue a suspended program.
const canSuspend = runtime.GOOS != "windows"

// A HelpEntry is a line of help: keys, or the usage of a command, and their effect.
type HelpEntry struct {
	Group wire.Group
	Usage string
	Help  string // sentences
}

// KeyHelp returns the help on keys, also for the man page; [keyActions] and the editor have
// them all. suspends says whether Ctrl-Z suspends.
func KeyHelp(suspends bool) []HelpEntry {
	if !suspends {
		return keyHelp
	}
	return append(keyHelp[:len(keyHelp):len(keyHelp)], HelpEntry{wire.LeaveGroup, "Ctrl-Z", "Suspend; fg continues."})
}

var keyHelp = []HelpEntry{
	{wire.WriteGroup, "Enter", "Send the message."},
	{wire.WriteGroup, "Alt-Enter", "Start a new line (also Ctrl-J)."},
	{wire.WriteGroup, "Tab", "Complete a nick, /command, :emoji: or path."},
	{wire.WriteGroup, "↑ ↓", "Recall earlier input; Ctrl-R searches it."},
	{wire.WriteGroup, "Ctrl-A E W U K Y", "Edit as in a shell; Ctrl-_ undoes."},
	{wire.LookGroup, "PgUp PgDn", "Scroll; Home and End go to the ends."},
	{wire.LookGroup, "/ or Ctrl-K", "Choose a command (on an empty line)."},
	{wire.LookGroup, "F1", "Show this help."},
	{wire.LookGroup, "F2", "Show or hide the members."},
	{wire.LookGroup, "F3", "Show only texts, to select them with the mouse."},
	{wire.LeaveGroup, "Ctrl-C twice", "Leave. The host's room closes."},
}

// openHelp shows the keys and commands. Letters filter them.
func openHelp(c *conversation) {
	f := newField(c.m.ruler, "help")
	f.placeholder = "Type to filter"
	entries := helpFor(c.mayModerate())
	c.openSheet(sheet{
		title: "Help",
		page: func(columns, rows int) (int, func(int) string) {
			p := helpPage{c.m.ruler, c.m.theme}
			fit := helpMatching(entries, f.editor.text)
			if len(fit) == 0 {
				return noMatchPage(&c.m.terminal, "No help", f.editor.text, columns)
			}
			return pageOf(p.draw(fit, columns, rows))
		},
		hints: listHints,
	}, f)
}

// helpGroups are the groups in the order of the help page.
var helpGroups = []wire.Group{
	wire.WriteGroup, wire.LookGroup, wire.LeaveGroup, wire.FileGroup, wire.MessageGroup, wire.FindGroup, wire.PeopleGroup, wire.OperatorGroup,
}

// helpFor returns the help for a member.
func helpFor(operator bool) []HelpEntry {
	entries := slices.Clone(KeyHelp(canSuspend && !operator)) // a host's Ctrl-Z would stop the room
	for _, c := range commandsLike("", operator) {
		entries = append(entries, HelpEntry{c.Group, c.Usage(), c.Help})
	}
	return entries
}

// helpMatching returns the entries that contain every word of a filter, themselves or in the name of
// their group.
func helpMatching(entries []HelpEntry, filter string) (fit []HelpEntry) {
	words := strings.Fields(filter)
	for _, e := range entries {
		in := string(e.Group) + "\n" + e.Usage + "\n" + e.Help
		if !slices.ContainsFunc(words, func(word string) bool { return len(findFold(in, word)) == 0 }) {
			fit = append(fit, e)
		}
	}
	return fit
}

const (
	helpMargin  = 2  // columns left and right of the help page
	helpGap     = 3  // columns between two columns of help
	helpUsage   = 17 // columns of a usage, with the space after it
	helpBeside  = 16 // columns that the help beside a usage needs; in fewer it goes below
	helpColumn  = 38 // columns of a column of help, if there are several: two at 84 columns
	helpWidest  = 80 // columns of the widest column of help: longer lines are hard to read
	maxHelpTabs = 4  // columns of help
	airyFrom    = 12 // rows from which on the first is left empty
)

// A helpPage lays out help.
type helpPage struct {
	ruler ruler
	theme *theme.Theme
}

// draw lays entries out by group: in one column, or from 84 columns in two, each wrapped on its own;
// in more if the terminal is so wide and the help does not fit into rows otherwise.
func (p *helpPage) draw(entries []HelpEntry, columns, rows int) []string {
	margin := helpMargin
	if columns < helpUsage+helpBeside+2*helpMargin {
		margin = 0
	}
	columns -= 2 * margin
	for tabs := min(2, p.mostTabs(columns)); ; tabs++ {
		width := min((columns-(tabs-1)*helpGap)/tabs, helpWidest)
		lines := p.joined(p.blocks(entries, width), tabs, width)
		if rows >= airyFrom {
			lines = append([]string{""}, lines...)
		}
		if len(lines) <= rows || tabs >= p.mostTabs(columns) {
			for i := range lines {
				if lines[i] != "" {
					lines[i] = strings.Repeat(" ", margin) + lines[i]
				}
			}
			return lines
		}
	}
}

// mostTabs returns how many columns of help there can be beside each other.
func (p *helpPage) mostTabs(columns int) int {
	return min(max((columns+helpGap)/(helpColumn+helpGap), 1), maxHelpTabs)
}

// blocks lays out each group in lines of at most so many columns, below its heading.
func (p *helpPage) blocks(entries []HelpEntry, columns int) (blocks [][]string) {
	for _, group := range helpGroups {
		var lines []string
		for _, e := range entries {
			if e.Group == group {
				lines = append(lines, p.entry(e, columns)...)
			}
		}
		if lines != nil {
			blocks = append(blocks, append([]string{p.heading(string(group), columns)}, lines...))
		}
	}
	return blocks
}

// heading draws the name of a group, with a line to the edge.
func (p *helpPage) heading(name string, columns int) string {
	name = p.ruler.cut(name, columns)
	line := strings.Repeat("─", max(columns-p.ruler.width(name)-1, 0))
	return strings.TrimRight(p.theme.Accent.With(theme.Bold).Draw(name)+" "+p.theme.Hairline.Draw(line), " ")
}

// entry lays out one entry: the help beside the usage, with a hanging indent, or below it where there
// is too little space beside.
func (p *helpPage) entry(e HelpEntry, columns int) (lines []string) {
	indent, below := helpUsage, p.ruler.width(e.Usage) >= helpUsage
	if columns < helpUsage+helpBeside {
		indent, below = min(2, max(columns-4, 0)), true
	}
	help := p.ruler.wrapped(e.Help, columns-indent)
	if below {
		lines = p.ruler.wrapped(e.Usage, columns)
	} else {
		lines = []string{p.ruler.fit(e.Usage, indent) + p.theme.Dim.Draw(help[0])}
		help = help[1:]
	}
	for _, row := range help {
		lines = append(lines, strings.Repeat(" ", indent)+p.theme.Dim.Draw(row))
	}
	return lines
}

// joined puts blocks into columns of so many columns each, and those beside each other. A blank line
// is between two blocks.
func (p *helpPage) joined(blocks [][]string, tabs, width int) []string {
	var lines []string
	left := 0
	for i, tab := range dealt(blocks, tabs) {
		for y, line := range tab {
			if y == len(lines) {
				lines = append(lines, "")
			}
			if line != "" && i > 0 {
				lines[y] = padded(p.ruler, lines[y], left)
			}
			lines[y] += line
		}
		left += width + helpGap
	}
	return lines
}

// dealt puts blocks, in their order, into so many columns that are as short as they can be.
func dealt(blocks [][]string, columns int) [][]string {
	height := 0 // of the longest block, and then of all columns
	for _, b := range blocks {
		height = max(height, len(b))
	}
	for ; ; height++ {
		var dealt [][]string
		for _, b := range blocks {
			last := len(dealt) - 1
			if last < 0 || len(dealt[last])+1+len(b) > height {
				dealt = append(dealt, slices.Clone(b))
			} else {
				dealt[last] = append(append(dealt[last], ""), b...)
			}
		}
		if len(dealt) <= columns {
			return dealt
		}
	}
}
