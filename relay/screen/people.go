package screen

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// toggleMembers shows or hides the members: beside the messages, or in a narrow window as a sheet.
func toggleMembers(c *conversation) {
	if c.m.width < memberListFrom {
		openPeople(c)
		return
	}
	c.members.toggle()
}

// openPeople shows the members as a sheet. Letters filter them.
func openPeople(c *conversation) {
	f := newField(c.m.ruler, "people")
	f.placeholder = "Type to filter"
	c.openSheet(sheet{
		title: "People",
		page: func(columns, rows int) (int, func(int) string) {
			return peoplePage(c, f.editor.text, columns)
		},
		hints: listHints,
		keys:  map[string]func() tea.Cmd{"f2": func() tea.Cmd { c.closeSheet(); return nil }},
	}, f)
}

// peoplePage lays out the members whose nicks contain a filter, one a row; without a filter it also counts those
// whose nicks are not known.
func peoplePage(c *conversation, filter string, columns int) (total int, row func(i int) string) {
	const margin = 1
	p := c.painter(max(columns-2*margin, 1))
	list := c.members.list()
	more := c.members.count() - len(list)
	if filter = strings.ToLower(strings.TrimSpace(filter)); filter != "" {
		more = 0
		var fit []*member
		for _, m := range list {
			if strings.Contains(m.folded, filter) {
				fit = append(fit, m)
			}
		}
		if list = fit; len(list) == 0 {
			return noMatchPage(&c.m.terminal, "No nick", filter, columns)
		}
	}
	total = len(list)
	if more > 0 {
		total++
	}
	return total, func(i int) string {
		if i == len(list) {
			return strings.Repeat(" ", margin) + p.theme.Dim.Draw(p.ruler.cut(fmt.Sprintf("%d more", more), p.columns))
		}
		return strings.Repeat(" ", margin) + list[i].draw(p)
	}
}
