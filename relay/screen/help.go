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

// helpPage lays out keys and commands, in two columns if they fit.
func helpPage(r ruler, columns, rows int, operator bool) []string {
	const left = 21 // columns of keys and usages
	var lines []string
	for _, k := range KeyHelp {
		lines = append(lines, r.fit(k[0], left)+" "+k[1])
	}
	lines = append(lines, "")
	for _, c := range commandsLike("", operator) {
		lines = append(lines, r.fit(c.Usage(), left)+" "+c.Help)
	}
	if len(lines) > rows && columns >= 100 {
		half := (len(lines) + 1) / 2
		right := append(lines[half:], "")
		for i := range half {
			lines[i] = r.fit(lines[i], columns/2-1) + " " + right[i]
		}
		lines = lines[:half]
	}
	var wrapped []string
	for _, line := range lines {
		for _, row := range r.wrap(line, columns) {
			wrapped = append(wrapped, line[row.from:row.to])
		}
	}
	return wrapped
}
