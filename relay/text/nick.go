package text

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/mtibben/confusables"
	"golang.org/x/text/cases"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxNickColumns is how wide a nick may be on a terminal.
const MaxNickColumns = 24

// MaxNickBytes is how long a nick may be: letters of four bytes, some with marks.
// Longer ones are refused before any work is done on them.
const MaxNickBytes = 8 * MaxNickColumns

// nickForbidden would let a nick pass for a part of a line (`<`, `[`, `(`, `*`, `:`),
// of a command (`/`, `,`, `@`, `#`) or for an error (`!`).
const nickForbidden = `<>[]()*!:,@#/`

// nickReserved are the keys of words that the room uses for itself. "guest" is
// one for the suffix that a taken nick gets.
var nickReserved = keysOf("host", "system", "server", "you", "everyone", "chat", "guest")

func keysOf(nicks ...string) map[string]bool {
	keys := make(map[string]bool)
	for _, nick := range nicks {
		for _, key := range NickKeys(nick) {
			keys[key] = true
		}
	}
	return keys
}

// GuestPrefix begins the nicks that hosts give to people who have not said one.
// GuestPrefix begins the nicks that a host gives those who ask for none.
const GuestPrefix = "guest-"

var guestKeys = NickKeys(GuestPrefix)

// Guest returns the nick of the nth guest.
func Guest(n int) string { return fmt.Sprintf("%s%d", GuestPrefix, n) }

// IsGuest reports whether nick is one of those that [Guest] returns.
func IsGuest(nick string) bool {
	digits, isGuest := strings.CutPrefix(nick, GuestPrefix)
	n, err := strconv.Atoi(digits)
	return isGuest && err == nil && nick == Guest(n)
}

// nickProfile is precis.UsernameCasePreserved but for the bidi rule. RFC 8265 has it
// for names with right-to-left letters; the package applies it to every name
// beyond ASCII, and so refuses "Zoë_" and "2é".
var nickProfile = precis.NewIdentifier(precis.FoldWidth, precis.Norm(norm.NFC))

// NormalizeNick returns nick as the room shows it, or an error worded for the
// person who wants it. Nicks follow PRECIS (RFC 8265, UsernameCasePreserved), are
// 1 to [MaxNickColumns] columns wide, of one of the alphabets that look alike,
// and keep clear of the room's own words and signs.
func NormalizeNick(nick string) (string, error) {
	nick = strings.TrimSpace(nick)
	if nick == "" {
		return "", errors.New("a nick has at least one letter")
	}
	if len(nick) > MaxNickBytes {
		return "", fmt.Errorf("a nick has at most %d columns", MaxNickColumns)
	}
	if strings.ContainsAny(nick, nickForbidden) || strings.ContainsFunc(nick, unicode.IsSpace) {
		return "", fmt.Errorf("a nick has no spaces and none of %s", nickForbidden)
	}
	if Clean(nick) != nick {
		return "", errors.New("a nick has no control or invisible characters")
	}
	nick, err := nickProfile.String(nick)
	if err != nil || bidirule.DirectionString(nick) == bidi.RightToLeft && !bidirule.ValidString(nick) {
		return "", errors.New("a nick has letters, digits and plain signs only")
	}
	switch first := []rune(nick)[0]; {
	// Again, since PRECIS maps: "＜" to "<", and one letter to a letter and marks.
	case strings.ContainsAny(nick, nickForbidden), Clean(nick) != nick:
		return "", errors.New("a nick has letters, digits and plain signs only")
	case unicode.Is(unicode.M, first):
		return "", errors.New("a nick does not begin with a combining mark")
	case Columns(nick) > MaxNickColumns:
		return "", fmt.Errorf("a nick has at most %d columns", MaxNickColumns)
	case mixesAlphabets(nick):
		return "", errors.New("a nick does not mix letters of different alphabets")
	}
	for i, key := range NickKeys(nick) {
		if strings.HasPrefix(key, guestKeys[i]) || nickReserved[key] {
			return "", fmt.Errorf("%s is a name the room keeps for itself", nick)
		}
	}
	return nick, nil
}

// mixesAlphabets reports letters or marks of alphabets that do not belong together
// in a name and so serve to imitate one: somewhat less strict than the "highly
// restrictive" level of UTS #39, section 5.2.
func mixesAlphabets(s string) bool {
	has := func(tables ...*unicode.RangeTable) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, tables...) })
	}
	latin, greek, cyrillic := has(unicode.Latin), has(unicode.Greek), has(unicode.Cyrillic)
	if !latin && !greek && !cyrillic {
		return false
	}
	if greek && cyrillic {
		return true
	}
	return strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case unicode.Is(unicode.M, r):
			return r < 0x300 || r > 0x36f // the marks these alphabets have
		case !unicode.IsLetter(r), unicode.In(r, unicode.Common, unicode.Latin, unicode.Greek, unicode.Cyrillic):
			return latin && (greek || cyrillic)
		default: // East Asian names are often written with Latin letters too
			return !latin || !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo)
		}
	})
}

// Keys are what a nick is unique by, see [NickKeys].
type Keys [3]string

// NickKeys returns the keys under which a nick is unique in a room: its case
// fold, and its look-alike skeletons (UTS #39, section 4) with case folded after
// ("Ivan" and "lvan") and before ("ALICE" and "a1ice"). Two nicks that share one
// of them cannot be in one room.
func NickKeys(nick string) Keys {
	folded := NickFold(nick)
	keys := Keys{
		"=" + folded,
		"~" + fold(skeleton(nick)),
		"~" + skeleton(folded),
	}
	if keys[2] == keys[1] {
		keys[2] = keys[1] // one string for both: a room keeps those of all who are in it
	}
	return keys
}

// NickKey returns the first of a nick's keys, by which it is looked up.
func NickKey(nick string) string { return "=" + NickFold(nick) }

// skeleton leaves out the joiners that PRECIS lets pass: they show in few terminals.
func skeleton(nick string) string {
	return confusables.Skeleton(strings.Map(func(r rune) rune {
		if isJoiner(r) {
			return -1
		}
		return r
	}, nick))
}

// NickFold returns the form of nick by which it is looked up: upper and lower
// case, full and half width are the same.
func NickFold(nick string) string {
	return fold(norm.NFKC.String(nick))
}

// fold folds case. Of Cherokee letters, which fold to capitals in Unicode, the
// package swaps the case, so they are made alike first.
func fold(s string) string {
	return cases.Fold().String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cherokee, r) {
			return unicode.ToUpper(r)
		}
		return r
	}, s))
}

// NickWithSuffix returns nick with "-n" behind it, shortened until that is a nick
// again: it must stay within [MaxNickColumns], and some letters and digits cannot
// stand before a hyphen or together with n.
func NickWithSuffix(nick string, n int) string {
	suffix := fmt.Sprintf("-%d", n)
	runes := []rune(nick)
	for len(runes) > 0 && (Columns(string(runes))+len(suffix) > MaxNickColumns || len(string(runes))+len(suffix) > MaxNickBytes) {
		runes = runes[:len(runes)-1]
	}
	for tries := 0; len(runes) > 0 && tries < 8; tries++ { // each is work for others to wait for
		try := string(runes) + suffix
		if got, err := NormalizeNick(try); err == nil && got == try {
			return try
		}
		runes = runes[:len(runes)-1]
	}
	return "nick" + suffix
}

// Columns returns how many columns of a terminal a word of letters and digits
// takes: two for a wide East Asian letter, none for a combining mark.
func Columns(s string) int {
	columns := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			columns += 2
		default:
			columns++
		}
	}
	return columns
}
