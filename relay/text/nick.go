package text

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxNickColumns is the maximum width of a nick on a terminal, in columns.
const MaxNickColumns = 24

// MaxNickBytes is the maximum length of a nick, enough for letters of four bytes, some
// with marks. Longer nicks are rejected before any work is done on them.
const MaxNickBytes = 8 * MaxNickColumns

// nickForbidden are characters with which a nick could pass for part of a line (`<`, `[`,
// `(`, `*`, `:`), part of a command (`/`, `,`, `@`, `#`) or an error (`!`).
const nickForbidden = `<>[]()*!:,@#/`

// nickReserved are the keys of words that the room uses itself. "guest" is reserved
// because with the suffix of a taken nick it would look like a guest's.
var nickReserved = keySetOf("host", "system", "server", "you", "everyone", "chat", "guest")

func keySetOf(nicks ...string) map[string]bool {
	set := make(map[string]bool)
	for _, nick := range nicks {
		for _, key := range NickKeys(nick) {
			set[key] = true
		}
	}
	return set
}

// GuestPrefix begins the nicks that a host gives to members who ask for none.
const GuestPrefix = "guest-"

var (
	guestPrefixKeys = NickKeys(GuestPrefix)
	guestWord       = keySetOf("guest")
)

// Guest returns the nick of the nth guest.
func Guest(n int) string { return fmt.Sprintf("%s%d", GuestPrefix, n) }

// IsGuest reports whether nick is one of those that [Guest] returns.
func IsGuest(nick string) bool {
	digits, isGuest := strings.CutPrefix(nick, GuestPrefix)
	n, err := strconv.Atoi(digits)
	return isGuest && err == nil && nick == Guest(n)
}

// nickProfile is precis.UsernameCasePreserved without the bidi rule. RFC 8265 applies that
// rule to names with right-to-left letters; the package applies it to every name beyond
// ASCII, and so rejects "Zoë_" and "2é".
var nickProfile = precis.NewIdentifier(precis.FoldWidth, precis.Norm(norm.NFC))

// NormalizeNick returns nick as the room shows it, or an error worded for its user. Nicks
// follow PRECIS (RFC 8265, UsernameCasePreserved), are 1 to [MaxNickColumns] columns wide,
// do not mix alphabets that look alike, and contain none of the room's own words and signs.
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
	// Again, because PRECIS maps "＜" to "<", and some letters to a letter with marks.
	case strings.ContainsAny(nick, nickForbidden), Clean(nick) != nick:
		return "", errors.New("a nick has letters, digits and plain signs only")
	case unicode.Is(unicode.M, first):
		return "", errors.New("a nick does not begin with a combining mark")
	case Columns(nick) > MaxNickColumns:
		return "", fmt.Errorf("a nick has at most %d columns", MaxNickColumns)
	case mixesAlphabets(nick):
		return "", errors.New("a nick does not mix letters of different alphabets")
	}
	if imitatesRoom(nick) {
		return "", fmt.Errorf("%s is a reserved name", nick)
	}
	return nick, nil
}

// imitatesRoom reports whether nick is, or looks like, one of the room's own words or the nick of
// a guest: also with signs around or between its letters, or marks on them.
func imitatesRoom(nick string) bool {
	letters := lettersOf(nick)
	named := strings.TrimRightFunc(letters, unicode.IsNumber) // guest1
	if named != letters {
		for _, key := range NickKeys(named) {
			if guestWord[key] {
				return true
			}
		}
	}
	for _, s := range []string{nick, letters, strings.TrimLeftFunc(nick, func(r rune) bool { return !unicode.IsLetter(r) })} {
		for i, key := range NickKeys(s) {
			if strings.HasPrefix(key, guestPrefixKeys[i]) || nickReserved[key] {
				return true
			}
		}
	}
	return false
}

// mixesAlphabets reports whether s has letters or marks of alphabets that do not occur
// together in real names, and so could imitate one. It is somewhat less strict than the
// "highly restrictive" level of UTS #39, section 5.2.
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

// Keys are the keys of a nick; see [NickKeys].
type Keys [4]string

// NickKeys returns the keys under which a nick is unique in a room: its case fold, and the
// skeletons of its spelling ("Ivan" looks like "lvan"), of its case fold ("ALICE", "a1ice") and of
// its capitals ("вов", "bob"). Two members of a room cannot have nicks that share a key.
func NickKeys(nick string) Keys {
	folded := NickFold(nick)
	keys := Keys{
		"=" + folded,
		"~" + foldedSkeleton(nick),
		"~" + foldedSkeleton(folded),
		"~" + foldedSkeleton(capitals(nick)),
	}
	for i := range keys[2:] {
		if keys[2+i] == keys[1] {
			keys[2+i] = keys[1] // one string for both: a room keeps the keys of all members
		}
	}
	return keys
}

// NickKey returns the first of a nick's [Keys], under which members are looked up.
func NickKey(nick string) string { return "=" + NickFold(nick) }

// NickFold returns nick without differences of case and of full and half width, for
// comparison.
func NickFold(nick string) string {
	return fold(norm.NFKC.String(nick))
}

// fold folds case. Cherokee letters become capitals first: Unicode folds them to capitals,
// but package cases swaps their case.
func fold(s string) string {
	return cases.Fold().String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cherokee, r) {
			return unicode.ToUpper(r)
		}
		return r
	}, s))
}

// NickWithSuffix returns nick followed by "-n". It shortens nick until the result is valid:
// at most [MaxNickColumns] wide, and without letters or digits that are not allowed before
// a hyphen or together with n.
func NickWithSuffix(nick string, n int) string {
	suffix := fmt.Sprintf("-%d", n)
	runes := []rune(nick)
	for len(runes) > 0 && (Columns(string(runes))+len(suffix) > MaxNickColumns || len(string(runes))+len(suffix) > MaxNickBytes) {
		runes = runes[:len(runes)-1]
	}
	for tries := 0; len(runes) > 0 && tries < 8; tries++ { // the room's lock is held meanwhile
		try := string(runes) + suffix
		if got, err := NormalizeNick(try); err == nil && got == try {
			return try
		}
		runes = runes[:len(runes)-1]
	}
	return "nick" + suffix
}

// Columns returns the width of a word of letters and digits on a terminal: two columns for
// a wide East Asian letter, none for a combining mark.
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
