package screen

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chat/relay/wire"
)

// A commandMatch is a command that the text typed can stand for.
type commandMatch struct {
	command *wire.Command
	quality matchQuality
	letters []int // where the letters typed are in its name, or in its help if that matched
}

// A matchQuality is how well a command matches, the best first.
type matchQuality int

const (
	sameName matchQuality = iota
	startOfName
	partOfName    // in one piece
	lettersOfName // in order
	wordOfHelp    // the start of one
	noMatch       // the last
)

// Letters that must be typed until they can be apart in the name, or in the help: fewer are nearly everywhere.
const (
	apartFrom = 2
	helpFrom  = 3
)

// matchCommands returns the commands that can be meant by a name, as far as it is typed: the best first, and those
// that match equally well in the order of help.
func matchCommands(typed string, operator bool) (matches []commandMatch) {
	typed = strings.ToLower(typed)
	for _, c := range commandsLike("", operator) {
		if m := matchCommand(c, typed); m.quality < noMatch {
			matches = append(matches, m)
		}
	}
	slices.SortStableFunc(matches, func(a, b commandMatch) int { return int(a.quality - b.quality) })
	return matches
}

func matchCommand(c *wire.Command, typed string) commandMatch {
	m := commandMatch{command: c, quality: noMatch}
	at := strings.Index(c.Name, typed)
	switch {
	case c.Name == typed:
		m.quality = sameName
	case at == 0:
		m.quality = startOfName
	case at > 0:
		m.quality = partOfName
	default:
		if m.letters = lettersInOrder(c.Name, typed); len(typed) >= apartFrom && m.letters != nil {
			m.quality = lettersOfName
			return m
		}
		if at = wordStart(c.Help, typed); len(typed) < helpFrom || at < 0 {
			return m
		}
		m.quality = wordOfHelp
	}
	for i := range len(typed) {
		m.letters = append(m.letters, at+i)
	}
	return m
}

// lettersInOrder returns where the letters of typed are in name, in their order; nil: they are not.
func lettersInOrder(name, typed string) (at []int) {
	from := 0
	for _, letter := range typed {
		i := strings.IndexRune(name[from:], letter)
		if i < 0 {
			return nil
		}
		at = append(at, from+i)
		from += i + 1
	}
	return at
}

// wordStart returns where a word of help begins with typed; -1: none does.
func wordStart(help, typed string) int {
	help = strings.ToLower(help)
	for from := 0; ; {
		i := strings.Index(help[from:], typed)
		if i < 0 {
			return -1
		}
		from += i
		before, _ := utf8.DecodeLastRuneInString(help[:from])
		if !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return from
		}
		from++
	}
}
