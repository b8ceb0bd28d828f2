package screen

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

// helpPage lays out keys and commands: in one column, or in two if one has more than rows
// lines and two are wide enough. Long help wraps within its column.
func helpPage(r ruler, columns, rows int, operator bool) []string {
	entries := append([][2]string(nil), KeyHelp...)
	entries = append(entries, [2]string{})
	for _, c := range commandsLike("", operator) {
		entries = append(entries, [2]string{c.Usage(), c.Help})
	}
	lines := helpLines(r, entries, columns)
	if len(lines) <= rows || columns < 100 {
		return lines
	}
	width := columns/2 - 1
	lines = helpLines(r, entries, width)
	half := (len(lines) + 1) / 2
	right := append(lines[half:], "")
	for i := range half {
		lines[i] = r.fit(lines[i], width) + "  " + right[i]
	}
	return lines[:half]
}

// helpLines lays out entries, each a usage and its help, in lines of at most so many columns.
func helpLines(r ruler, entries [][2]string, columns int) (lines []string) {
	const left = 21        // columns of a usage; a longer one is cut
	if columns < left+16 { // no room beside it: the help goes below
		for _, e := range entries {
			lines = append(append(lines, wrapped(r, e[0], columns)...), wrapped(r, e[1], columns)...)
		}
		return lines
	}
	for _, e := range entries {
		usage := e[0]
		for _, help := range wrapped(r, e[1], columns-left-1) {
			lines = append(lines, r.fit(usage, left)+" "+help)
			usage = ""
		}
	}
	return lines
}

// wrapped returns text in rows of at most so many columns.
func wrapped(r ruler, text string, columns int) (rows []string) {
	for _, row := range r.wrap(text, columns) {
		rows = append(rows, text[row.from:row.to])
	}
	return rows
}
