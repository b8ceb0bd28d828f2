package screen

import tea "charm.land/bubbletea/v2"

// help shows keys and commands on one page.
func (t *talk) help(m *model) tea.Cmd {
	t.overlayAt = 0
	t.overlay = func(columns, rows int) []string { return helpPage(m.ruler, columns, rows, t.host) }
	return nil
}

// A page is what is shown over the transcript, for so many columns and rows; where it
// has more of these it can be turned.
type page func(columns, rows int) []string

// turn turns the page, or closes it. It reports whether the key was for it: letters
// are for what is being written.
func (t *talk) turn(m *model, name string) bool {
	step := max(t.height(m)-2, 1)
	switch name {
	case "pgdown", "space":
		t.overlayAt += step
	case "pgup":
		t.overlayAt -= step
	case "down":
		t.overlayAt++
	case "up":
		t.overlayAt--
	default:
		t.overlay = nil
		return name == "esc" || name == "enter" || name == "f1" || name == "ctrl+c"
	}
	return true
}

// keysHelp is what the keys do.
var keysHelp = [][2]string{
	{"Enter", "says it"},
	{"Alt-Enter", "a further line (Ctrl-J too)"},
	{"Tab", "completes nicks, /commands and :emoji:"},
	{"↑ ↓", "what you wrote before; Ctrl-R looks for it"},
	{"PgUp PgDn", "scroll; Home, End: to the ends"},
	{"Ctrl-A E W U K Y", "as in a shell; Ctrl-_ undoes"},
	{"F1  F2", "this page; who is here"},
	{"Ctrl-C twice", "leaves; Ctrl-Z suspends"},
}

// helpPage is keys and commands on one page, in two columns where they fit.
func helpPage(r ruler, columns, rows int, host bool) []string {
	var lines []string
	for _, k := range keysHelp {
		lines = append(lines, r.fit(k[0], 21)+" "+k[1])
	}
	lines = append(lines, "")
	for _, c := range commandsLike("", host) {
		lines = append(lines, r.fit(c.Usage(), 21)+" "+c.Help)
	}
	if len(lines) > rows && columns >= 100 {
		half := (len(lines) + 1) / 2
		left, right := lines[:half], append(lines[half:], "")
		lines = nil
		for i := range left {
			lines = append(lines, r.fit(left[i], columns/2-1)+" "+right[i])
		}
	}
	var shown []string
	for _, line := range lines {
		for _, row := range r.wrap(line, columns) {
			shown = append(shown, line[row.from:row.to])
		}
	}
	return shown
}
