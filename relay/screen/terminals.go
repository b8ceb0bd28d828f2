package screen

import (
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// This file is what single terminals do in their own way, as far as their environment
// tells which one it is.

// adapt takes to the terminal at hand.
func (m *model) adapt(env tea.EnvMsg) {
	terminal := env.Getenv("TERM")
	m.deleteIsF1 = strings.HasPrefix(terminal, "st")
	r := m.ruler
	r.noNewEmoji = strings.HasPrefix(terminal, "screen") && env.Getenv("STY") != "" // tmux has no STY
	m.measureBy(r)
}

// measureBy has all that is drawn from now on be measured by r.
func (m *model) measureBy(r ruler) {
	m.ruler, m.arrival.addr.ruler = r, r
	if m.talk != nil {
		m.talk.editor.ruler = r
	}
}

// asMeant returns a key as it was meant: Delete of st sends what is F1 elsewhere (CSI P),
// and it is pressed more often.
func (m *model) asMeant(msg tea.Msg) tea.Msg {
	if key, ok := msg.(tea.KeyPressMsg); ok && m.deleteIsF1 && key.Code == tea.KeyF1 {
		key.Code = tea.KeyDelete
		return key
	}
	return msg
}

// newEmoji are those of Unicode 15 and later, with the places kept for more. GNU screen
// takes them to be one column wide; its terminal, and all others, two.
var newEmoji = &unicode.RangeTable{
	R32: []unicode.Range32{
		{0x1f6d8, 0x1f6dc, 1}, {0x1fa75, 0x1fa77, 1}, {0x1fa7d, 0x1fa7f, 1}, {0x1fa87, 0x1fa8f, 1}, {0x1faad, 0x1faaf, 1},
		{0x1fabb, 0x1fabf, 1}, {0x1fac6, 0x1facf, 1}, {0x1fada, 0x1fadf, 1}, {0x1fae8, 0x1faef, 1}, {0x1faf7, 0x1faff, 1},
	},
}
