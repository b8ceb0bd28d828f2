package text

import (
	"strings"
	"unicode"
)

// ProposeNick returns a valid nick that is like nick, which is not valid: "Anna-Maria" for "Anna Maria";
// "" if there is none.
func ProposeNick(nick string) string {
	if len(nick) > 4*MaxNickBytes {
		return ""
	}
	var b strings.Builder
	for _, r := range Clean(strings.TrimSpace(nick)) {
		switch {
		case unicode.IsSpace(r), strings.ContainsRune(nickForbidden, r):
			b.WriteByte(' ')
		case r < 0x80, unicode.In(r, unicode.L, unicode.M, unicode.Nd):
			b.WriteRune(r)
		}
	}
	proposal := strings.Join(strings.Fields(b.String()), "-")
	for Columns(proposal) > MaxNickColumns || len(proposal) > MaxNickBytes {
		chars := []rune(proposal)
		proposal = string(chars[:len(chars)-1])
	}
	valid, err := NormalizeNick(strings.Trim(proposal, "-"))
	if err != nil {
		return ""
	}
	return valid
}
