package screen

import (
	"slices"
	"strings"
)

// openHelp shows the keys and commands.
func openHelp(c *conversation) {
	c.overlay.open(func(columns, rows int) []string { return helpPage(c.m.ruler, columns, rows, c.operator) })
}

// KeyHelp is the help on keys, also for the man page; [keyActions] and the editor have them all.
var KeyHelp = [][2]string{
	{"Enter", "Send the message."},
	{"Alt-Enter", "Start a new line (also Ctrl-J)."},
	{"Tab", "Complete a nick, /command, :emoji: or path."},
	{"↑ ↓", "Recall earlier input; Ctrl-R searches it."},
	{"PgUp PgDn", "Scroll; Home and End go to the ends."},
	{"Ctrl-A E W U K Y", "Edit as in a shell; Ctrl-_ undoes."},
	{"F1  F2", "Show this page; the member list."},
	{"Ctrl-C twice", "Leave; Ctrl-Z suspends."},
}

// helpColumns is how wide the help beside a usage is at least. If there is less room, it
// goes below.
const helpColumns = 22

// helpPage lays out keys and commands: in one column, or in two if one does not fit into rows
// and two do. No entry is cut or torn apart.
func helpPage(r ruler, columns, rows int, operator bool) []string {
	entries := slices.Concat(KeyHelp, [][2]string{{}})
	for _, c := range commandsLike("", operator) {
		entries = append(entries, [2]string{c.Usage(), c.Help})
	}
	usage := 0
	for _, e := range entries {
		usage = max(usage, r.width(e[0]))
	}
	one := slices.Concat(helpEntries(r, entries, columns, usage)...)
	const gap = 3
	width := (columns - gap) / 2
	if len(one) <= rows || width < usage+2+helpColumns {
		return one
	}
	left, right := halves(helpEntries(r, entries, width, usage))
	if len(left) > rows { // one column is easier to read when it scrolls
		return one
	}
	for i, line := range right {
		left[i] = strings.TrimRight(r.fit(left[i], width+gap)+line, " ")
	}
	return left
}

// halves splits blocks of lines into two columns, between blocks. The left one is the longer.
func halves(blocks [][]string) (left, right []string) {
	n := 0
	for _, b := range blocks {
		n += len(b)
	}
	at := 0
	for len(left) < (n+1)/2 {
		left = append(left, blocks[at]...)
		at++
	}
	right = slices.Concat(blocks[at:]...)
	for len(right) > 0 && right[0] == "" {
		right = right[1:]
	}
	return left, right
}

// helpEntries lays out entries, each a usage and its help, each in lines of at most so many
// columns: the help beside the usages, which take usage columns, or below.
func helpEntries(r ruler, entries [][2]string, columns, usage int) (blocks [][]string) {
	const indent = 2
	for _, e := range entries {
		var lines []string
		if columns < usage+2+helpColumns {
			lines = wrapped(r, e[0], columns)
			for _, help := range wrapped(r, e[1], columns-indent) {
				if help != "" {
					lines = append(lines, strings.Repeat(" ", indent)+help)
				}
			}
		} else {
			name := e[0]
			for _, help := range wrapped(r, e[1], columns-usage-2) {
				lines = append(lines, strings.TrimRight(r.fit(name, usage+2)+help, " "))
				name = ""
			}
		}
		blocks = append(blocks, lines)
	}
	return blocks
}

// wrapped returns text in rows of at most so many columns.
func wrapped(r ruler, text string, columns int) (rows []string) {
	for _, row := range r.wrap(text, columns) {
		rows = append(rows, text[row.from:row.to])
	}
	return rows
}
