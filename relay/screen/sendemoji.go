package screen

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"chat/relay/wire"
)

// withEmoji returns typed, a message or a command, with the emoji that are named in its text:
// that is a message, or the text that /me and /msg send.
func withEmoji(typed string) string {
	t, err := wire.ParseTyped(typed, wire.Screen)
	if err != nil {
		return typed
	}
	text := typed
	if t.Command != nil {
		if !t.Command.Lines {
			return typed
		}
		if text = t.Args; t.Command.Name == "msg" {
			_, text, _ = strings.Cut(text, " ")
		}
	}
	return typed[:len(typed)-len(text)] + expandEmoji(text)
}

// expandEmoji returns text with emoji for their names in colons, but not in code and links. If
// that would make it too long for a message, text stays as it is.
func expandEmoji(text string) string {
	if !strings.Contains(text, ":") {
		return text
	}
	var b strings.Builder
	at, kept := 0, verbatim(text)
	for i := 0; i < len(text); {
		for len(kept) > 0 && kept[0].to <= i {
			kept = kept[1:]
		}
		switch {
		case len(kept) > 0 && kept[0].from <= i:
			i = kept[0].to
		case text[i] != ':':
			i++
		default:
			emoji, end := emojiAt(text, i)
			if emoji != "" {
				b.WriteString(text[at:i] + emoji)
				at = end
			}
			i = end
		}
	}
	b.WriteString(text[at:])
	if b.Len() > wire.MessageBytes {
		return text
	}
	return b.String()
}

// verbatim returns where text has code and links, in order of their start.
func verbatim(text string) (kept []span) {
	for _, b := range blocksIn(text) {
		kept = append(kept, b.span)
	}
	for _, w := range inlineMarksInRows(text) {
		if w.kind == codeMark {
			kept = append(kept, w.span)
		}
	}
	kept = append(kept, linksIn(text)...)
	slices.SortFunc(kept, func(a, b span) int { return a.from - b.from })
	return kept
}

// emojiAt returns the emoji whose names stand side by side at a colon, s[at], and where
// they end; "" if one of them has none, or if they are part of a word, like the colons of
// 10:100:20 and std::x.
func emojiAt(s string, at int) (found string, end int) {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	end = at
	for end < len(s) && s[end] == ':' {
		n := strings.IndexFunc(s[end+1:], func(r rune) bool { return !isEmojiRune(r) })
		if n <= 0 || s[end+1+n] != ':' {
			return "", end + 1
		}
		e := emojiByName()[s[end+1:end+1+n]]
		if e == "" {
			return "", end + 1 + n
		}
		found += e
		end += n + 2
	}
	after, _ := utf8.DecodeRuneInString(s[end:])
	if before == ':' || inWord(before) || inWord(after) {
		return "", end
	}
	return found, end
}

// emojiByName are the emoji of the names that people write.
var emojiByName = sync.OnceValue(func() map[string]string {
	byName := make(map[string]string)
	for _, e := range emoji {
		for name := range strings.FieldsSeq(e.names) {
			byName[name] = e.text
		}
	}
	return byName
})
