package screen

// A layout is where the parts of an entry are in a window, in columns from 0. Column 0 has
// the bar. Left of the text there is nothing that others wrote, but for their nicks.
type layout struct {
	clock  int // where the time is; 0: it has no column
	nick   int // where the nick is; 0: in a row above the text
	width  int // of the column of nicks
	mark   int // where the mark is
	text   int // where the text is
	length int // how wide the text can be
}

const (
	// clockFrom is from how many columns on the time has a column; nickFrom, from how many
	// the nick has one.
	clockFrom, nickFrom = 56, 30

	// wideFrom is from how many columns on a text is not as wide as the window, but has at
	// most maxTextColumns: longer rows are hard to read.
	wideFrom, maxTextColumns = 140, 110

	// The column of nicks is as wide as the widest nick of a message, within these limits.
	minNickColumns, maxNickColumns = 6, 14
	maxNickColumnsNarrow           = 10 // in a window of fewer than narrowBelow columns
	narrowBelow                    = 80
)

// layout returns the layout of the painter's window.
func (p *painter) layout() (l layout) {
	switch {
	case p.copying: // there is only text
		return layout{mark: -1, length: max(p.columns, 2)}
	case p.columns < nickFrom:
		l.mark, l.text = 1, min(3, max(p.columns-2, 0))
	default:
		l.nick = 1
		if p.columns >= clockFrom {
			l.clock, l.nick = 1, 7
		}
		most := maxNickColumns
		if p.columns < narrowBelow {
			most = maxNickColumnsNarrow
		}
		l.width = min(max(p.widest, minNickColumns), most)
		l.mark = l.nick + l.width + 1
		l.text = l.mark + 2
	}
	l.length = max(p.columns-l.text, 2) // a wide character fits
	if p.columns >= wideFrom {
		l.length = min(l.length, maxTextColumns)
	}
	return l
}
