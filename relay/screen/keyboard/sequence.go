package keyboard

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bytes of the terminal's input.
const (
	ctrlC = 0x03
	bel   = 0x07
	esc   = 0x1b
	del   = 0x7f
)

// A sequenceKind is the kind of the bytes after Esc.
type sequenceKind uint8

const (
	noSequence    sequenceKind = iota // the beginning of one, which ends here without its rest
	wholeSequence                     // a key or a report
	altKey                            // a character that was typed with Alt, or Esc
)

// sequence returns how many bytes at the start of b, which starts with Esc, belong
// together, and what they are. It returns 0 if that depends on bytes that have not come.
// See ECMA-48, section 5.4, and "Control Sequences" of xterm.
func sequence(b []byte) (n int, kind sequenceKind) {
	if len(b) < 2 {
		return 0, noSequence
	}
	switch b[1] {
	case '[':
		return controlSequence(b)
	case 'O':
		return singleShift(b)
	case ']': // answers start with a number; some, about the title, with a letter
		return report(b, "0123456789lLI")
	case 'P':
		return report(b, "0123456789;<=>?!$+|")
	case '_':
		return report(b, "G")
	case esc: // rxvt puts Esc before the sequence of a key that is pressed with Alt
		if len(b) > 2 && b[2] != '[' && b[2] != 'O' {
			return 1, altKey
		}
		switch n, kind := sequence(b[1:]); {
		case n == 0:
			return 0, noSequence
		case kind == wholeSequence && bytes.IndexByte([]byte("~ABCDFHPQRSabcd$^@"), b[n]) >= 0 && !bytes.HasPrefix(b[1:], []byte(pasteStart[:4])):
			return n + 1, wholeSequence
		}
		return 1, altKey
	}
	if !utf8.FullRune(b[1:]) {
		return 0, noSequence
	}
	r, size := utf8.DecodeRune(b[1:])
	if r == utf8.RuneError && size <= 1 {
		return 1, altKey
	}
	return 1 + size, altKey
}

// controlSequence is sequence for those that start with Esc [.
func controlSequence(b []byte) (n int, kind sequenceKind) {
	switch {
	case len(b) == 2:
		return 0, noSequence
	case b[2] == '[': // F1 to F5 of Linux' console
		if len(b) == 3 {
			return 0, noSequence
		}
		return 4, wholeSequence
	case b[2] == 'M': // a mouse that is not asked for coordinates in digits: three bytes
		for i := 3; i < 6; i++ {
			if i == len(b) {
				return 0, noSequence
			}
			if b[i] < ' ' {
				return i, noSequence
			}
		}
		return 6, wholeSequence
	}
	i := 2
	for i < len(b) && b[i] >= '0' && b[i] <= '?' {
		i++
	}
	if i > 2 && i < len(b) && b[i] == '$' && isNumber(b[2:i]) { // rxvt: Home and others with Shift
		return i + 1, wholeSequence
	}
	for i < len(b) && b[i] >= ' ' && b[i] <= '/' {
		i++
	}
	switch {
	case i == len(b):
		return 0, noSequence
	case b[i] >= '@' && b[i] < del:
		return i + 1, wholeSequence
	case i == 2:
		return 2, altKey
	}
	return i, noSequence
}

func isNumber(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < '0' || c > '9' })
}

// singleShift is sequence for those that start with Esc O.
func singleShift(b []byte) (n int, kind sequenceKind) {
	i := 2
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	switch {
	case i == len(b):
		return 0, noSequence
	case b[i] > ' ' && b[i] < del:
		return i + 1, wholeSequence
	case i == 2:
		return 2, altKey
	}
	return i, noSequence
}

// report is sequence for answers of any length. They start with one of first; otherwise
// b starts with a key that was pressed with Alt.
func report(b []byte, first string) (n int, kind sequenceKind) {
	switch {
	case len(b) == 2:
		return 0, noSequence
	case strings.IndexByte(first, b[2]) < 0:
		return 2, altKey
	}
	n, whole := endOfReport(b[2:])
	if n += 2; n == len(b) && !whole {
		return 0, noSequence
	}
	if !whole {
		return n, noSequence
	}
	return n, wholeSequence
}

// endOfReport returns where a report ends that goes on with b, and whether it is whole. One
// that is broken off by a control character ends before it.
func endOfReport(b []byte) (n int, whole bool) {
	for n < len(b) {
		switch c := b[n]; {
		case c == bel:
			return n + 1, true
		case c == esc && n+1 == len(b): // perhaps of the end mark
			return len(b), false
		case c == esc && b[n+1] == '\\':
			return n + 2, true
		case c < ' ':
			return n, false
		}
		n++
	}
	return n, false
}

// keyOf returns the sequence that names the key of b, Esc or a character with Alt, for
// which Bubble Tea does not wait for more.
func keyOf(b []byte) []byte {
	const altBit, shiftBit, ctrlBit = 2, 1, 4
	code := func(r rune, mods int) string { return fmt.Sprintf("\x1b[%d;%du", r, mods+1) }
	named := ""
	switch r, size := utf8.DecodeRune(b[1:]); {
	case len(b) == 1, r == utf8.RuneError && size <= 1:
		named = "\x1b[27u"
	case r == esc:
		named = "\x1b[27u\x1b[27u"
	case r == 0:
		named = code(' ', altBit|ctrlBit)
	case r == '\t' || r == '\r' || r == del:
		named = code(r, altBit)
	case r <= 0x1a:
		named = code(r+'a'-1, altBit|ctrlBit)
	case r < ' ':
		named = code(r+'@', altBit|ctrlBit)
	case r < utf8.RuneSelf && unicode.IsUpper(r):
		named = fmt.Sprintf("\x1b[%d:%d;%du", unicode.ToLower(r), r, altBit+shiftBit+1)
	default:
		named = code(r, altBit)
	}
	return []byte(named)
}

// isCtrlC reports whether b is Ctrl-C as terminals send it that report keys in more detail:
// CSI 99;5u (kitty) or CSI 27;5;99~ (xterm).
func isCtrlC(b []byte) bool {
	params, ok := bytes.CutPrefix(b, []byte("\x1b["))
	if !ok || len(params) == 0 {
		return false
	}
	final := params[len(params)-1]
	fields := strings.Split(string(params[:len(params)-1]), ";")
	switch {
	case final == '~' && len(fields) == 3 && fields[0] == "27":
		return isCtrl(fields[1]) && fields[2] == "99"
	case final == 'u' && len(fields) >= 2:
		key := strings.Split(fields[0], ":") // its character, that with Shift, that of a Latin keyboard
		return isCtrl(fields[1]) && (key[0] == "99" || key[len(key)-1] == "99" && len(key) == 3)
	}
	return false
}

// isCtrl reports whether modifiers, of a key that was pressed, are Ctrl without Shift or Alt.
func isCtrl(modifiers string) bool {
	modifiers, event, _ := strings.Cut(modifiers, ":")
	n, err := strconv.Atoi(modifiers)
	return err == nil && (n-1)&0x3f == 4 && event != "3"
}
