package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chat/relay/text"
	"chat/relay/wire"
)

// A kind is what an entry tells.
type kind uint8

const (
	said      kind = iota // a message
	done                  // an action
	private               // said to one alone
	moved                 // who joined and who left
	happened              // anything else that the room saw: a nick, the topic, a gap
	told                  // words of the host, or of this program, for us alone
	complaint             // what could not be done
)

// An entry is one thing in the transcript, as compact as a hundred thousand of
// them have to be.
type entry struct {
	id     uint64 // in the room's log; 0: not in it
	at     int64  // Unix time in milliseconds
	text   string
	from   string // who said it
	to     string // whom a private one is for
	moves  []move // what a moved one tells
	file   uint64 // the number of the one that was sent with it; 0: none
	serial uint32 // of the entries of a transcript, no two have the same
	kind   kind
	own    bool // said by us
	calls  bool // names us, or is for us alone
}

func (e *entry) time() time.Time { return time.UnixMilli(e.at) }

// size is about how many bytes e takes; nicks are shared.
func (e *entry) size() int { return 128 + len(e.text) + 64*len(e.moves) }

const (
	// maxEntries is how many entries are kept on this side, the oldest going first.
	// Those the host keeps can be read back.
	maxEntries = 100_000

	// maxSize is how many bytes they may take. Only a hostile host fills it before
	// there are maxEntries: an honest one keeps 16 MiB.
	maxSize = 128 << 20

	// maxShown is how much of one text is kept, in bytes: four times what a message
	// has on a host that was not told otherwise. It is wrapped at each resize.
	maxShown = 64 << 10

	// maxFolded is how many people one entry tells of, before the next one begins.
	maxFolded = 50

	// foldWithin is how long after its first one an entry gathers moves, in milliseconds.
	foldWithin = 10 * 60 * 1000
)

// A transcript is what was said and what happened, oldest first.
type transcript struct {
	entries []entry
	size    int // of all entries
	serial  uint32
	names   map[string]string // each nick once, however often it speaks
}

// intern returns the one copy of a nick.
func (t *transcript) intern(nick string) string {
	if kept, ok := t.names[nick]; ok {
		return kept
	}
	if t.names == nil || len(t.names) > maxEntries {
		t.names = make(map[string]string)
	}
	nick = strings.Clone(nick) // not with the whole line that it came in
	t.names[nick] = nick
	return nick
}

// entryOf makes an entry of what the host sent, if it is one that is shown.
func (t *transcript) entryOf(e *wire.Event, own bool, us string) (entry, bool) {
	n := entry{id: e.ID, at: e.Time.UnixMilli(), from: t.intern(e.From), own: own}
	if e.Time.IsZero() {
		n.at = time.Now().UnixMilli()
	}
	switch e.Type {
	case wire.TypeMessage:
		n.kind, n.text = said, shortened(e.Text)
		n.calls = !own && mentions(n.text, us)
	case wire.TypeAction:
		n.kind, n.text = done, shortened(e.Text)
		if e.File != nil {
			n.file = e.File.Number
		}
		n.calls = !own && mentions(n.text, us)
	case wire.TypePrivate:
		n.kind, n.text, n.to = private, shortened(e.Text), t.intern(e.To)
		n.calls = !own
	case wire.TypeJoin, wire.TypeLeave:
		return t.moveOf(n, e, us)
	case wire.TypeError:
		n.kind, n.text = complaint, shortened(e.Text)
	case wire.TypeNotice, wire.TypeWho:
		n.kind, n.text = told, shortened(words(e))
	default:
		n.kind, n.text = happened, shortened(words(e))
	}
	return n, n.text != ""
}

// shortened returns a copy of as much of text as is kept, which does not keep the
// line it came in.
func shortened(text string) string {
	if len(text) <= maxShown {
		return strings.Clone(text)
	}
	n := maxShown
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return fmt.Sprintf("%s… (and %d bytes more)", text[:n], len(text)-n)
}

// words returns how an event is told to people, without the mark at its beginning.
func words(e *wire.Event) string {
	lines := strings.Split(strings.TrimSuffix(string(e.AppendText(nil, wire.Viewer{})), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "* ")
	}
	return strings.Join(lines, "\n")
}

// add puts e at the end. It returns how many entries went at the beginning, and
// whether e became one of its own, or was gathered into the last.
func (t *transcript) add(e entry) (dropped int, added bool) {
	if n := len(t.entries); n > 0 {
		last := &t.entries[n-1]
		before := last.size()
		if last.fold(&e) {
			t.size += last.size() - before
			return 0, false
		}
	}
	t.put(e)
	return t.dropOldest(), true
}

func (t *transcript) put(e entry) {
	t.serial++
	e.serial = t.serial
	t.size += e.size()
	t.entries = append(t.entries, e)
}

// dropOldest drops entries when there are too many, a tenth at once, and returns
// how many.
func (t *transcript) dropOldest() (n int) {
	if len(t.entries) <= maxEntries+maxEntries/10 && t.size <= maxSize {
		return 0
	}
	for len(t.entries)-n > maxEntries || t.size > maxSize-maxSize/10 {
		t.size -= t.entries[n].size()
		n++
	}
	t.entries = slices.Clone(t.entries[n:])
	return n
}

// prepend puts older entries, which are in order, before the others; those that are
// there already are left out, and the oldest if there are too many. It returns how
// many were put.
func (t *transcript) prepend(older []entry) int {
	first := t.firstID()
	var before transcript
	before.serial = t.serial
	for _, e := range older {
		if first == 0 || e.id < first {
			before.add(e)
		}
	}
	t.serial = before.serial
	put := before.entries
	put = put[max(len(put)-max(maxEntries-len(t.entries), 0), 0):]
	for i := range put {
		t.size += put[i].size()
	}
	t.entries = slices.Concat(put, t.entries)
	return len(put)
}

// firstID returns the lowest id of an entry, 0 where none has one.
func (t *transcript) firstID() uint64 {
	for i := range t.entries {
		if id := t.entries[i].id; id > 0 {
			return id
		}
	}
	return 0
}

// find returns the entry nearest to from, in the direction of step (1 or -1), from
// itself included, that somebody said with all words of the query; -1: none.
func (t *transcript) find(query text.Query, from, step int) int {
	for i := from; i >= 0 && i < len(t.entries); i += step {
		if e := &t.entries[i]; e.kind <= private && query.Matches(e.text) {
			return i
		}
	}
	return -1
}

// indexOf returns the first entry with an id; -1: none.
func (t *transcript) indexOf(id uint64) int {
	return slices.IndexFunc(t.entries, func(e entry) bool { return e.id == id })
}

// event returns e as the host told it, for those who write the transcript down.
func (e *entry) event() (wire.Event, bool) {
	w := wire.Event{ID: e.id, Time: e.time().UTC(), From: e.from, To: e.to, Text: e.text}
	switch e.kind {
	case said:
		w.Type = wire.TypeMessage
	case done:
		w.Type = wire.TypeAction
	case private:
		w.Type = wire.TypePrivate
	default:
		return w, false
	}
	return w, true
}

// --- who joined and who left ----------------------------------------------------------

// A move is what became of one person while an entry gathered moves.
type move struct {
	nick string
	was  bool // here before
	is   bool // here after
}

// moveOf makes an entry of a join or leave.
func (t *transcript) moveOf(n entry, e *wire.Event, us string) (entry, bool) {
	// A last word, who made somebody go, and more people than are named are told as they are.
	if e.Text != "" || e.Code != "" || e.Count > len(e.Members) {
		n.kind, n.text = happened, shortened(words(e))
		return n, !slices.Equal(e.Members, []string{us})
	}
	n.kind = moved
	joined := e.Type == wire.TypeJoin
	for _, nick := range e.Members {
		if nick != us {
			n.moves = append(n.moves, move{t.intern(nick), !joined, joined})
		}
	}
	n.text = shortened(moveWords(n.moves))
	return n, len(n.moves) > 0
}

// fold gathers e into last, if both tell of moves and it may.
func (last *entry) fold(e *entry) bool {
	if last.kind != moved || e.kind != moved || e.at-last.at >= foldWithin || len(last.moves)+len(e.moves) > maxFolded {
		return false
	}
	moves := slices.Clone(last.moves) // whoever has a copy of last keeps theirs
	for _, m := range e.moves {
		if i := slices.IndexFunc(moves, func(o move) bool { return o.nick == m.nick }); i >= 0 {
			moves[i].is = m.is
		} else {
			moves = append(moves, m)
		}
	}
	last.moves, last.text = moves, moveWords(moves)
	return true
}

// moveWords tells moves: "alice, bob joined; carol left and came back".
func moveWords(moves []move) string {
	var parts []string
	for _, group := range []struct {
		was, is bool
		words   string
	}{
		{false, true, " joined"},
		{true, false, " left"},
		{false, false, " joined and left"},
		{true, true, " left and came back"},
	} {
		var nicks []string
		for _, m := range moves {
			if m.was == group.was && m.is == group.is {
				nicks = append(nicks, m.nick)
			}
		}
		if more := len(nicks) - wire.NamesShown; more > 1 { // "1 more" would be no shorter
			nicks = append(nicks[:wire.NamesShown:wire.NamesShown], fmt.Sprintf("%d more", more))
		}
		if len(nicks) > 0 {
			parts = append(parts, strings.Join(nicks, ", ")+group.words)
		}
	}
	return strings.Join(parts, "; ")
}

// --- words in a text ----------------------------------------------------------------

// mentions reports whether text names nick, as a word of its own.
func mentions(text, nick string) bool { return len(mentionsIn(text, nick)) > 0 }

// mentionsIn returns where text names nick.
func mentionsIn(text, nick string) []span {
	return slices.DeleteFunc(foldedIn(text, nick), func(s span) bool {
		return continues(text[:s.from], nick) || continued(nick, text[s.to:])
	})
}

// continues reports whether nick goes on the word that before is the end of.
func continues(before, nick string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(nick)
	return before != "" && isWord(last) && !unspaced(last) && !unspaced(first)
}

// continued reports whether the word that begins with nick goes on with rest:
// "alice-2" is somebody else.
func continued(nick, rest string) bool {
	if len(rest) > 1 && rest[0] == '-' && rest[1] >= '0' && rest[1] <= '9' {
		return true
	}
	last, _ := utf8.DecodeLastRuneInString(nick)
	next, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && isWord(next) && !unspaced(last) && !unspaced(next)
}

// unspaced reports the letters after which a word ends without a space: Korean sets
// its particles directly behind a name, others know no spaces.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// foldedIn returns where text holds want, whatever the case.
func foldedIn(text, want string) (at []span) {
	if want == "" {
		return nil
	}
	for i := 0; i < len(text); {
		if n := foldedPrefix(text[i:], want); n > 0 {
			at = append(at, span{i, i + n})
			i += n
			continue
		}
		for i++; i < len(text) && !utf8.RuneStart(text[i]); i++ {
		}
	}
	return at
}

// foldedPrefix returns how many bytes at the start of text are want but for the
// case; 0: none. The two can differ in length, as "K" (kelvin) and "k" do.
func foldedPrefix(text, want string) int {
	n := 0
	for want != "" {
		if n == len(text) {
			return 0
		}
		a, alen := utf8.DecodeRuneInString(text[n:])
		b, blen := utf8.DecodeRuneInString(want)
		if a != b && !sameFold(a, b) {
			return 0
		}
		n += alen
		want = want[blen:]
	}
	return n
}

func sameFold(a, b rune) bool {
	if a < utf8.RuneSelf && b < utf8.RuneSelf {
		return a|0x20 == b|0x20 && a|0x20 >= 'a' && a|0x20 <= 'z'
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}
