package screen

import (
	"strings"

	"chat/relay/screen/theme"
)

// A hint is one item of the keys row: a key and its effect, in one or two words.
type hint struct {
	when       func(*conversation) bool // nil: always
	key, words string
}

// hints are the hints of a conversation, the most useful first. A field has its own.
var hints = []hint{
	{(*conversation).isAskedAboutPaste, "Enter", "send"},
	{(*conversation).isAskedAboutPaste, "Esc", "drop"},
	{(*conversation).isSearchingInput, "Ctrl-R", "older"},
	{(*conversation).isSearchingInput, "Esc", "keep this"},
	{(*conversation).isSearchingInput, "Ctrl-G", "back"},
	{(*conversation).isCompleting, "Tab", "next"},
	{(*conversation).isCompleting, "Shift-Tab", "previous"},
	{(*conversation).isListingCommands, "↑↓", "choose"},
	{(*conversation).isListingCommands, "Tab", "complete"},
	{(*conversation).runsListed, "Enter", "run"},
	{(*conversation).isListingCommands, "Esc", "close"},
	{(*conversation).isCopying, "F3", "leave copy mode"},
	{(*conversation).canJoinOther, "Enter", "join"},
	{(*conversation).sendsLater, "Enter", "send later"},
	{(*conversation).canTakeBack, "Esc", "take back"},
	{(*conversation).sendsNow, "Enter", "send"},
	{(*conversation).isWriting, "Alt-Enter", "new line"},
	{(*conversation).isWriting, "Tab", "complete"},
	{(*conversation).isScrolled, "PgDn", "down"},
	{(*conversation).isScrolled, "End", "newest"},
	{(*conversation).awaitsTheFirst, "/topic", "says what it is about"},
	{(*conversation).awaitsTheFirst, "/invite", "shows this again"},
	{(*conversation).isIdle, "/", "commands"},
	{(*conversation).isIdle, "Tab", "names"},
	{(*conversation).isIdle, "↑", "earlier"},
	{(*conversation).isIdle, "PgUp", "scroll"},
	{(*conversation).isOpenToKeys, "F1", "help"},
}

func (c *conversation) isAskedAboutPaste() bool { return c.composer.paste != nil }

func (c *conversation) isSearchingInput() bool {
	return c.composer.paste == nil && c.composer.search.active
}

func (c *conversation) isCompleting() bool {
	return c.composer.paste == nil && !c.composer.search.active && len(c.composer.completer.completions) > 1
}

func (c *conversation) isListingCommands() bool { return len(c.listedCommands()) > 0 }

// isOpenToKeys reports whether keys have their usual meaning.
func (c *conversation) isOpenToKeys() bool {
	return !c.isAskedAboutPaste() && !c.isSearchingInput() && !c.isCompleting() && !c.isListingCommands()
}

func (c *conversation) isWriting() bool { return c.isOpenToKeys() && c.composer.editor.text != "" }

func (c *conversation) sendsNow() bool { return c.isWriting() && c.lost == nil && !c.isOnlyReading() }

func (c *conversation) sendsLater() bool {
	return c.isOpenToKeys() && c.lost != nil && c.gone == nil && !c.ended && !c.listens
}

// isOnlyReading reports whether the text in the input is a message of a guest who only listens.
func (c *conversation) isOnlyReading() bool {
	return c.listens && !strings.HasPrefix(c.composer.editor.text, "/")
}

func (c *conversation) canJoinOther() bool {
	return c.isOpenToKeys() && c.gone != nil && !c.joiningOther && !strings.HasPrefix(c.composer.editor.text, "/")
}

// canTakeBack reports whether there are messages that the room does not have yet.
func (c *conversation) canTakeBack() bool { return c.isOpenToKeys() && len(c.outbox.unsent) > 0 }

func (c *conversation) isScrolled() bool { return c.isOpenToKeys() && !c.view.following }

// isIdle reports whether nothing else is going on that has hints of its own.
func (c *conversation) isIdle() bool {
	return c.isOpenToKeys() && c.composer.editor.text == "" && c.lost == nil && !c.copying && !c.isScrolled()
}

// hints returns those that apply now, in the order of the table.
func (c *conversation) hints() (now []hint) {
	table := hints
	switch f := c.composer.field; {
	case c.composer.paste != nil:
	case f != nil:
		table = f.hints
	case c.sheet.isOpen():
		table = c.sheet.hints
	}
	for _, h := range table {
		if h.when == nil || h.when(c) {
			now = append(now, h)
		}
	}
	return now
}

// drawHints draws hints in one row, as many whole ones as fit; the last one, which is help, before the others.
func drawHints(r ruler, t *theme.Theme, hints []hint, columns int) string {
	const gap = 3
	width := func(h hint) int { return r.width(h.key) + 1 + r.width(h.words) }
	var b strings.Builder
	used := 1
	for i, h := range hints {
		last := 0
		if n := len(hints) - 1; i < n {
			last = gap + width(hints[n])
		}
		if used+width(h)+last >= columns {
			continue
		}
		if b.Len() == 0 {
			b.WriteString(" ")
		} else {
			b.WriteString(strings.Repeat(" ", gap))
		}
		b.WriteString(t.Accent.Draw(h.key) + " " + t.Dim.Draw(h.words))
		used += width(h) + gap
	}
	return b.String()
}
