package keyboard

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf8"
)

// A splitter cuts what a terminal sends into keys, pastes and reports, for Bubble Tea to
// name. Bubble Tea's own reader takes a key apart if its bytes are more than 50 ms apart,
// as they are on a slow line: the rest of an arrow key becomes text, and that of a torn paste
// a line that is sent. It also waits for the end of a paste without a limit. A splitter
// waits longer, but never without end, and no part of a sequence becomes text.
//
// It has no clock and no input of its own: add takes bytes with the time they came, next
// returns chunks. It is owned by the goroutine that calls [Keyboard.Read].
type splitter struct {
	escapeWait time.Duration // between Esc and the rest of a key

	held       []byte    // bytes that are not in a chunk yet
	last       time.Time // when the last of them came
	paste      pasteState
	pasted     int       // bytes of the paste that were returned
	newlines   []byte    // at the end of the paste; if it breaks, its rest starts with them: a paste loses those at its end
	broken     time.Time // when a paste ended without its mark
	typedBurst bool      // after that, the last bytes that came were typed
	skipping   bool      // the rest of a report that is too long
	escaped    time.Time // when an Esc came that was taken for the key; zero if more came since
	afterEsc   bool      // the Esc at the start of held was taken for the key already
}

// A pasteState is whether bytes are pasted or typed.
type pasteState uint8

const (
	typed       pasteState = iota
	inPaste                // between the marks of a paste
	afterBroken            // a paste ended without its mark: more of it may come
)

const (
	// How long the rest of a key may take: at least, and over ssh.
	localEscapeWait  = 50 * time.Millisecond
	remoteEscapeWait = 150 * time.Millisecond

	// lateWait is how late after an Esc, which was taken for the key by then, a [ or ] is
	// taken for the rest of a sequence. Typing Esc and [ takes longer.
	lateWait = 250 * time.Millisecond

	// introWait is the same after two bytes that are also a key with Alt, such as Esc [.
	introWait = time.Second

	// sequenceWait is the same after more bytes, which no one can type. Then they are dropped.
	// It can be long, as any typed character ends the sequence.
	sequenceWait = 5 * time.Second

	// reportWait is the same within a report, which contains any text. Control characters
	// end it: Enter and Ctrl-C always work.
	reportWait = 2 * time.Second

	// pasteWait is how long a paste may stand still before it ends without its mark.
	pasteWait = 2 * time.Second

	// The rest can come after that. For staleFor, bytes that come less than burstWait apart
	// and have an Enter between them are taken as pasted.
	staleFor  = time.Minute
	burstWait = 10 * time.Millisecond

	maxSequence = 4 << 10  // bytes of a report; a longer one is dropped
	maxPaste    = 16 << 20 // bytes of a paste; the rest is dropped
)

const (
	pasteStart = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// add adds bytes that came from the terminal at a time.
func (s *splitter) add(b []byte, now time.Time) {
	s.held = append(s.held, b...)
	s.last, s.typedBurst = now, false
}

// reset drops incomplete input.
func (s *splitter) reset() {
	s.held, s.skipping, s.afterEsc = nil, false, false
	s.paste, s.pasted = typed, 0
}

// deadline returns when next has to be called though no more bytes came; zero if never.
func (s *splitter) deadline() time.Time {
	switch {
	case s.paste == inPaste:
		return s.last.Add(pasteWait)
	case s.skipping:
		return s.last.Add(reportWait)
	case len(s.held) == 0:
		return time.Time{}
	case s.paste == afterBroken && !s.typedBurst:
		return s.last.Add(burstWait)
	}
	return s.last.Add(s.wait())
}

// wait returns how long to wait for the rest of held.
func (s *splitter) wait() time.Duration {
	switch b := s.held; {
	case b[0] != esc:
		return sequenceWait
	case len(b) == 1 || len(b) == 2 && b[1] == esc:
		return s.escapeWait
	case len(b) == 2 && b[1] < utf8.RuneSelf:
		return introWait
	case bytes.IndexByte([]byte("]P_"), b[1]) >= 0:
		return reportWait
	}
	return sequenceWait
}

// next returns the next chunk, or nil if there is none yet. It is at most about most bytes of
// text, a whole sequence, at most about most bytes of a paste, or one of its marks.
func (s *splitter) next(now time.Time, most int) []byte {
	for {
		var (
			chunk []byte
			more  bool
		)
		switch s.paste {
		case inPaste:
			chunk, more = s.nextPasted(now, most)
		case afterBroken:
			chunk, more = s.nextAfterBroken(now, most)
		default:
			chunk, more = s.nextTyped(now, most)
		}
		if chunk != nil || !more {
			return chunk
		}
	}
}

// nextTyped is next outside of pastes. If it returns no chunk, it reports whether to go on.
func (s *splitter) nextTyped(now time.Time, most int) (chunk []byte, more bool) {
	switch {
	case s.skipping:
		return nil, s.skip(now)
	case len(s.held) == 0:
		return nil, false
	}
	s.joinLate()
	expired := !now.Before(s.last.Add(s.wait()))
	if s.held[0] != esc {
		return s.nextText(expired, most)
	}
	n, what := sequence(s.held)
	switch {
	case s.afterEsc && (n == 0 && expired && len(s.held) == 2 || what == altKey): // it was typed
		s.afterEsc = false
		return s.take(2)[1:], true
	case n == 0 && expired && len(s.held) <= 2:
		if len(s.held) == 1 {
			s.escaped = s.last
		}
		return keyOf(s.take(len(s.held))), true
	case n == 0 && expired:
		s.afterEsc = false
		s.take(len(s.held))
		return nil, true
	case n == 0 && len(s.held) > maxSequence:
		s.take(len(s.held) - 1) // not an Esc of the end mark
		s.skipping, s.afterEsc = true, false
		return nil, true
	case n == 0:
		return nil, false
	}
	b := s.take(n)
	s.afterEsc = false
	switch {
	case what == noSequence:
		return nil, true
	case string(b) == pasteStart:
		s.paste, s.pasted, s.newlines = inPaste, 0, nil
		return b, true
	case string(b) == pasteEnd: // its beginning was lost
		return nil, true
	case what == altKey:
		return keyOf(b), true
	case b[1] == '[' && b[2] == '[':
		return consoleKey(b[3]), true
	}
	return b, true
}

// consoleKey returns the sequence for a function key of Linux' console, F1 to F5 by letters
// from A, that Bubble Tea knows; nil if there is none.
func consoleKey(letter byte) []byte {
	if letter < 'A' || letter > 'E' {
		return nil
	}
	return []byte{esc, '[', '1', letter - 'A' + '1', '~'}
}

// joinLate puts an Esc that was taken for the key back in front of its rest, if that comes
// just after it.
func (s *splitter) joinLate() {
	if (s.held[0] == '[' || s.held[0] == ']') && s.last.Sub(s.escaped) < lateWait {
		s.held, s.afterEsc = append([]byte{esc}, s.held...), true
	}
	s.escaped = time.Time{}
}

// skip drops the rest of a report. It reports whether the report has ended.
func (s *splitter) skip(now time.Time) bool {
	n, whole := endOfReport(s.held)
	ended := whole || n < len(s.held) || !now.Before(s.last.Add(reportWait))
	if !ended && n > 0 && s.held[n-1] == esc {
		n--
	}
	s.take(n)
	s.skipping = !ended
	return ended
}

// nextText returns the text and control characters before the next sequence. What is not
// UTF-8 is dropped.
func (s *splitter) nextText(expired bool, most int) (chunk []byte, more bool) {
	n := textLength(s.held, most, esc)
	switch {
	case n > 0:
		return s.take(n), true
	case utf8.FullRune(s.held):
		s.take(1)
		return nil, true
	case expired:
		s.take(len(s.held))
		return nil, true
	}
	return nil, false
}

// textLength returns how many bytes at the start of b are whole characters and none of stops.
// After most bytes it ends.
func textLength(b []byte, most int, stops ...byte) (n int) {
	for n < len(b) && n < most && !slices.Contains(stops, b[n]) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}

// take removes n bytes from held and returns them.
func (s *splitter) take(n int) []byte {
	b := s.held[:n:n]
	s.held = s.held[n:]
	return b
}

// nextPasted is next within a paste. A paste is text: sequences in it are dropped. Its mark
// ends it, Ctrl-C, or a pause.
func (s *splitter) nextPasted(now time.Time, most int) (chunk []byte, more bool) {
	if n := textLength(s.held, most, esc, ctrlC); n > 0 {
		text := s.take(n)
		if s.pasted += n; s.pasted > maxPaste {
			return nil, true
		}
		s.noteNewlines(text)
		return text, true
	}
	switch {
	case len(s.held) > 0 && s.held[0] == ctrlC:
		s.take(1)
		return s.breakPaste(now), true
	case len(s.held) > 0 && s.held[0] != esc && utf8.FullRune(s.held):
		s.take(1)
		return nil, true
	case len(s.held) > 0 && s.held[0] == esc:
		n, kind := sequence(s.held)
		if kind == altKey || n == 0 && len(s.held) > maxSequence {
			n = 1
		}
		if n == 0 {
			break
		}
		switch b := s.take(n); {
		case string(b) == pasteEnd:
			s.paste = typed
			return b, true
		case isCtrlC(b):
			return s.breakPaste(now), true
		}
		return nil, true
	}
	if now.Before(s.deadline()) {
		return nil, false
	}
	return s.breakPaste(now), true
}

// noteNewlines notes the newlines at the end of pasted text.
func (s *splitter) noteNewlines(text []byte) {
	const most = 256 // bytes
	body := bytes.TrimRight(text, "\r\n")
	if len(body) > 0 {
		s.newlines = nil
	}
	s.newlines = append(s.newlines, text[len(body):]...)
	s.newlines = s.newlines[:min(len(s.newlines), most)]
}

// breakPaste ends a paste without its mark.
func (s *splitter) breakPaste(now time.Time) (mark []byte) {
	s.paste, s.broken = afterBroken, now
	return []byte(pasteEnd)
}

// nextAfterBroken is next after a paste that ended without its mark, whose rest may still
// come. The rest comes many bytes at once, typed keys come one by one: bytes with an Enter
// between them are the rest, and so is what comes before the mark.
func (s *splitter) nextAfterBroken(now time.Time, most int) (chunk []byte, more bool) {
	end := bytes.Index(s.held, []byte(pasteEnd))
	switch {
	case end == 0:
		s.take(len(pasteEnd))
		s.paste = typed
		return nil, true
	case now.Sub(s.broken) > staleFor:
		s.paste = typed
		return nil, true
	case end > 0 || hasInnerEnter(s.held):
		s.paste, s.pasted = inPaste, 0
		return append([]byte(pasteStart), s.newlines...), true
	case len(s.held) == 0 || now.Before(s.last.Add(burstWait)) && !s.typedBurst:
		return nil, false
	}
	s.typedBurst = true
	return s.nextTyped(now, most)
}

// hasInnerEnter reports whether b has an Enter with more text after it.
func hasInnerEnter(b []byte) bool {
	i := bytes.IndexAny(b, "\r\n")
	return i >= 0 && len(bytes.TrimLeft(b[i:], "\r\n")) > 0
}
