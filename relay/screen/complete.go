package screen

import (
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"chat/relay/client"
	"chat/relay/text"
)

// A completer completes the word before the cursor when Tab is pressed, and goes to the
// next choice when it is pressed again. The caller must call stop at any other key. It is
// owned by Bubble Tea's event loop.
type completer struct {
	operator bool // commands for operators are offered too; fixed

	completions []completion // to choose from; nil: nothing is being completed
	at          int          // which one is in the text
	from, to    int          // of the word before it was completed

	// The editor's text and cursor after that, to notice changes.
	text   string
	cursor int
}

// A completion can replace the word; label is how it is listed.
type completion struct{ text, label string }

// maxListed is how many choices are listed; more do not fit on a row.
const maxListed = 30

// maxNickBytes is more than any nick has: characters of one column, with marks.
const maxNickBytes = 8 * text.MaxNickColumns

// stop ends completing.
func (c *completer) stop() { *c = completer{operator: c.operator} }

// choices lists the choices, starting with the current one; "" if there is only one.
func (c *completer) choices() string {
	if len(c.completions) < 2 {
		return ""
	}
	var labels []string
	for i := range min(len(c.completions), maxListed) {
		labels = append(labels, c.completions[(c.at+i)%len(c.completions)].label)
	}
	return strings.Join(labels, "  ")
}

// next completes the word before the cursor, or goes to the next choice; with a step of -1
// to the last, or to the one before. nicks are those of the other members, the last
// speakers first.
func (c *completer) next(e *editor, nicks []string, step int) {
	if c.completions != nil && c.text == e.text && c.cursor == e.cursor {
		e.undo() // so that one undo reverts all of it
		c.at = (c.at + step + len(c.completions)) % len(c.completions)
	} else {
		c.stop()
		if c.begin(e, nicks); len(c.completions) == 0 {
			return
		}
		if step < 0 {
			c.at = len(c.completions) - 1
		}
	}
	text := c.completions[c.at].text
	if strings.HasPrefix(e.text[c.to:], " ") { // the text has one already
		text = strings.TrimSuffix(text, " ")
	}
	if len(e.text)-(c.to-c.from)+len(text) > e.limit {
		c.stop()
		return
	}
	e.replace(c.from, c.to, text, otherEdit)
	c.text, c.cursor = e.text, e.cursor
}

// begin finds the word before the cursor and its choices.
func (c *completer) begin(e *editor, nicks []string) {
	before := e.text[:e.cursor]
	c.to = e.cursor
	name, rest, isCommand := commandBefore(before)
	if isCommand && !strings.ContainsFunc(before, unicode.IsSpace) {
		c.completions = completeCommand(name, c.operator)
		return
	}
	if isCommand && name == "send" {
		c.from = len(before) - len(rest)
		c.completions = completePath(rest)
		return
	}
	if c.from = emojiStart(before); c.from >= 0 {
		if c.completions = completeEmoji(before[c.from:]); c.completions != nil {
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
		c.completions = completeNick(word, suffix, nicks)
	}
	for len(c.completions) == 0 && nextEdge(word) < len(word) { // 请问张: a nick may begin after characters without a space
		n := nextEdge(word)
		word = word[n:]
		c.from += n
		if len(word) <= maxNickBytes {
			c.completions = completeNick(word, " ", nicks)
		}
	}
}

// nextEdge returns where in word, after its start, the next word may begin: beside a script without
// spaces; if nowhere, its end.
func nextEdge(word string) int {
	for i, r := range word {
		if last, _ := utf8.DecodeLastRuneInString(word[:i]); i > 0 && (text.IsSpaceless(r) || text.IsSpaceless(last)) {
			return i
		}
	}
	return len(word)
}

// commandBefore splits the text before the cursor, which may be the beginning of a command, into the
// command's name, as far as it is typed, and what follows it.
func commandBefore(text string) (name, rest string, isCommand bool) {
	name, isCommand = strings.CutPrefix(text, "/")
	if !isCommand || strings.HasPrefix(name, "/") {
		return "", text, false
	}
	if i := strings.IndexFunc(name, unicode.IsSpace); i >= 0 {
		name, rest = name[:i], strings.TrimLeftFunc(name[i:], unicode.IsSpace)
	}
	return strings.ToLower(name), rest, true
}

// isNickRune reports whether r can be part of a nick, closely enough to find where the word
// starts; see [text.NormalizeNick].
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

func completeCommand(name string, operator bool) (fits []completion) {
	for _, cmd := range commandsLike(name, operator) {
		text := "/" + cmd.Name
		if len(cmd.Args) > 0 {
			text += " "
		}
		fits = append(fits, completion{text, "/" + cmd.Name})
	}
	return fits
}

// emojiStart returns where the name of an emoji starts at the end of before, with a colon
// before it and maybe one after it; -1: there is none. The colon of 12:30 starts none.
func emojiStart(before string) int {
	name := strings.TrimSuffix(before, ":")
	i := len(strings.TrimRightFunc(name, isEmojiRune)) - 1
	if i < 0 || i == len(name)-1 || before[i] != ':' {
		return -1
	}
	if r, _ := utf8.DecodeLastRuneInString(before[:i]); isWord(r) && !text.IsSpaceless(r) {
		return -1
	}
	return i
}

// completeEmoji returns the emoji that a name in colons can stand for: the one of that
// name, those whose names start with it, and those that have a later word that does.
func completeEmoji(word string) (fits []completion) {
	name := strings.ToLower(strings.Trim(word, ":"))
	whole := strings.HasSuffix(word, ":")
	matches := []func(string) bool{
		func(s string) bool { return s == name },
		func(s string) bool { return !whole && strings.HasPrefix(s, name) },
		func(s string) bool { return !whole && strings.Contains(s, "_"+name) },
	}
	seen := make(map[string]bool)
	for _, fit := range matches {
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

// completePath returns the paths that start with typed. Those of folders end in a separator,
// so that Tab continues in them.
func completePath(typed string) (fits []completion) {
	dir, base := filepath.Split(typed)
	folder := client.TypedPath(dir)
	if folder == "" {
		folder = "."
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(base, ".")
		if !strings.HasPrefix(name, base) || hidden || text.Clean(name) != name {
			continue
		}
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.IsDir() {
			name += string(filepath.Separator)
		}
		fits = append(fits, completion{dir + name, name})
	}
	return fits
}
