package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A completer is what Tab does: it completes the word before the cursor, and
// pressed again takes the next that fits. Any other key ends that: who has the keys
// calls stop.
type completer struct {
	host bool // we are the hosting person: their commands fit too

	fits     []completion // nil: nothing is being completed
	at       int          // which one stands there
	from, to int          // of the word, before it was completed

	text   string // what the editor had then, to see that it still has it
	cursor int
}

// A completion is what may stand in the place of a word, and how it is listed.
type completion struct{ text, label string }

// maxListed is how many completions are listed; more do not fit a row.
const maxListed = 30

// stop ends completing.
func (c *completer) stop() { *c = completer{host: c.host} }

// choices lists what fits, beginning with what stands there; "" where there is no
// choice.
func (c *completer) choices() string {
	if len(c.fits) < 2 {
		return ""
	}
	var labels []string
	for i := range min(len(c.fits), maxListed) {
		labels = append(labels, c.fits[(c.at+i)%len(c.fits)].label)
	}
	return strings.Join(labels, "  ")
}

// next completes the word before the cursor, or takes the next that fits; with a
// step of -1 the last, or the one before. The nicks are those of the others here,
// who spoke last first.
func (c *completer) next(e *editor, nicks []string, step int) {
	if c.fits != nil && c.text == e.text && c.cursor == e.at {
		e.undo() // so that all of it is one change
		c.at = (c.at + step + len(c.fits)) % len(c.fits)
	} else {
		c.stop()
		if c.begin(e, nicks); len(c.fits) == 0 {
			return
		}
		if step < 0 {
			c.at = len(c.fits) - 1
		}
	}
	text := c.fits[c.at].text
	if strings.HasPrefix(e.text[c.to:], " ") { // it is there already
		text = strings.TrimSuffix(text, " ")
	}
	if len(e.text)-(c.to-c.from)+len(text) > e.limit {
		c.stop()
		return
	}
	e.replace(c.from, c.to, text, nothing)
	c.text, c.cursor = e.text, e.at
}

// begin finds the word and what fits.
func (c *completer) begin(e *editor, nicks []string) {
	before := e.text[:e.at]
	c.to = e.at
	name, rest, isCommand := parseTyped(before)
	if isCommand && !strings.ContainsFunc(before, unicode.IsSpace) {
		c.fits = completeCommand(name, c.host)
		return
	}
	if isCommand && name == "send" {
		c.from = len(before) - len(rest)
		c.fits = completePath(rest)
		return
	}
	if c.from = emojiStart(before); c.from >= 0 {
		if c.fits = completeEmoji(before[c.from:]); c.fits != nil {
			return
		}
	}
	c.from = len(strings.TrimRightFunc(before, isNickRune))
	word, suffix := before[c.from:], " "
	isArgument := isCommand && takesNick(name) && !strings.ContainsFunc(rest, unicode.IsSpace)
	if c.from == 0 {
		suffix = ": "
	}
	if word != "" || isArgument || e.text == "" {
		c.fits = completeNick(word, suffix, nicks)
	}
}

// isNickRune reports whether a nick may hold r, as far as it matters for where the
// word begins; see [text.NormalizeNick].
func isNickRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune(`<>[]()*!:,@#/"`, r)
}

func completeNick(word, suffix string, nicks []string) (fits []completion) {
	word = strings.ToLower(word)
	for _, nick := range nicks {
		if strings.HasPrefix(strings.ToLower(nick), word) {
			fits = append(fits, completion{nick + suffix, nick})
		}
	}
	return fits
}

func completeCommand(name string, host bool) (fits []completion) {
	for _, cmd := range commandsLike(name, host) {
		text := "/" + cmd.Name
		if len(cmd.Args) > 0 {
			text += " "
		}
		fits = append(fits, completion{text, "/" + cmd.Name})
	}
	return fits
}

// emojiStart returns where an emoji's name with a colon before it, and perhaps one
// behind it, begins at the end of text; -1 where none does. That of 12:30 is none.
func emojiStart(text string) int {
	name := strings.TrimSuffix(text, ":")
	i := len(strings.TrimRightFunc(name, isEmojiRune)) - 1
	if i < 0 || i == len(name)-1 || text[i] != ':' {
		return -1
	}
	if r, _ := utf8.DecodeLastRuneInString(text[:i]); isWord(r) {
		return -1
	}
	return i
}

// completeEmoji returns the emoji that a name in colons may mean: the one that has
// it, those whose names begin so, and those in whose names another word does.
func completeEmoji(word string) (fits []completion) {
	name := strings.ToLower(strings.Trim(word, ":"))
	whole := strings.HasSuffix(word, ":")
	ways := []func(string) bool{
		func(s string) bool { return s == name },
		func(s string) bool { return !whole && strings.HasPrefix(s, name) },
		func(s string) bool { return !whole && strings.Contains(s, "_"+name) },
	}
	seen := make(map[string]bool)
	for _, fit := range ways {
		for _, e := range emoji {
			for alias := range strings.FieldsSeq(e.names) {
				if fit(alias) && !seen[e.text] {
					seen[e.text] = true
					fits = append(fits, completion{e.text, e.text + " " + alias})
				}
			}
		}
	}
	return fits
}
