package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// A kind is the kind of an entry.
type kind uint8

const (
	kindMessage  kind = iota
	kindAction        // /me
	kindPrivate       // a private message
	kindPresence      // members joined or left
	kindEvent         // another event of the room: a nick, the topic, a gap
	kindNotice        // information from the host or this program, for us only
	kindError         // an error, likewise
)

// isMessage reports whether a member wrote the entry.
func (k kind) isMessage() bool { return k <= kindPrivate }

// An entry is one item of the transcript. A hundred thousand of them must fit in memory.
type entry struct {
	id        uint64 // in the room's log; 0: not in it
	at        int64  // Unix time in milliseconds
	text      string
	from      string           // the sender
	to        string           // the recipient of a private message
	presence  []presenceChange // of a kindPresence
	file      *postedFile      // that an action announces; nil: none
	serial    uint32           // unique in the transcript
	kind      kind
	own       bool // ours
	highlight bool // mentions us, or is a private message to us
}

// A postedFile is an upload that an action announces.
type postedFile struct {
	number uint64
	name   string
	size   int64 // in bytes
}

func (e *entry) time() time.Time { return time.UnixMilli(e.at) }

// size returns about how many bytes e takes; nicks are shared.
func (e *entry) size() int {
	n := 128 + len(e.text) + 64*len(e.presence)
	if e.file != nil {
		n += 64 + len(e.file.name)
	}
	return n
}

const (
	// maxEntries is how many entries are kept; the oldest are dropped first. The host can
	// send those that it still has again.
	maxEntries = 100_000

	// maxSize is how many bytes they may take. Only a hostile host reaches it before
	// maxEntries: an honest one keeps 16 MiB.
	maxSize = 128 << 20

	// maxShown is how many bytes of one text are kept: four times the default limit of a
	// message. All of it is wrapped at each resize.
	maxShown = 64 << 10

	// maxUploadName is how many bytes of the name of a file are kept: as many as the file
	// systems of most systems allow.
	maxUploadName = 255

	// maxMerged is how many members one entry of joins and leaves names.
	maxMerged = 50

	// mergeWithin is how long after its first one an entry collects joins and leaves, in
	// milliseconds.
	mergeWithin = 10 * 60 * 1000
)

// A transcript is the messages and events of a room, oldest first. It is owned by Bubble
// Tea's event loop.
type transcript struct {
	entries []entry
	size    int // of all entries
	serial  uint32
	names   map[string]string // each nick once, however often it occurs
	widest  int               // columns of the widest nick that wrote a message, see noteWriter
}

// intern returns the one copy of a nick, cut to the length that honest hosts allow.
func (t *transcript) intern(nick string) string {
	nick = cutNick(nick)
	if kept, ok := t.names[nick]; ok {
		return kept
	}
	if t.names == nil || len(t.names) > maxEntries {
		t.names = make(map[string]string)
	}
	nick = strings.Clone(nick) // which does not keep the whole line that it came in
	t.names[nick] = nick
	return nick
}

// entryOf returns the entry for an event from the host, if it is shown at all. own says
// that it is ours, us is our nick.
func (t *transcript) entryOf(e *wire.Event, own bool, us string) (entry, bool) {
	n := entry{id: e.ID, at: e.Time.UnixMilli(), from: t.intern(e.From), own: own}
	switch e.Type {
	case wire.TypeMessage:
		n.kind, n.text = kindMessage, shorten(e.Text)
		n.highlight = !own && mentions(unmarked(n.text), us)
	case wire.TypeAction:
		n.kind, n.text = kindAction, shorten(e.Text)
		if e.File != nil {
			n.file = &postedFile{e.File.Number, strings.Clone(cutBytes(text.Clean(e.File.Name), maxUploadName)), e.File.Size}
		}
		n.highlight = !own && mentions(unmarked(n.text), us)
	case wire.TypePrivate:
		n.kind, n.text, n.to = kindPrivate, shorten(e.Text), t.intern(e.To)
		n.highlight = !own
	case wire.TypeJoin, wire.TypeLeave:
		return t.presenceOf(n, e, us)
	case wire.TypeError:
		n.kind, n.text = kindError, shorten(e.Text)
	case wire.TypeNotice, wire.TypeWho:
		n.kind, n.text = kindNotice, shorten(eventText(e))
	default:
		n.kind, n.text = kindEvent, shorten(eventText(e))
	}
	return n, n.text != ""
}

// shorten returns a copy of text, cut if it is longer than maxShown. A copy does not keep
// the line that the text came in.
func shorten(text string) string {
	kept := cutBytes(text, maxShown)
	if len(kept) == len(text) {
		return strings.Clone(text)
	}
	return fmt.Sprintf("%s… (%d more bytes)", kept, len(text)-len(kept))
}

// eventText returns how an event is worded for people, without the mark at its start.
func eventText(e *wire.Event) string {
	lines := strings.Split(strings.TrimSuffix(string(e.AppendText(nil, wire.Viewer{})), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "* ")
	}
	return strings.Join(lines, "\n")
}

// add adds e at the end. It returns how many entries it dropped from the start, and
// whether e is an entry of its own; otherwise it was merged into the last.
func (t *transcript) add(e entry) (dropped int, added bool) {
	if n := len(t.entries); n > 0 {
		last := &t.entries[n-1]
		before := last.size()
		if last.merge(&e) {
			t.size += last.size() - before
			return 0, false
		}
	}
	t.push(e)
	return t.dropOldest(), true
}

func (t *transcript) push(e entry) {
	t.noteWriter(&e)
	t.serial++
	e.serial = t.serial
	t.size += e.size()
	t.entries = append(t.entries, e)
}

// noteWriter notes how wide the nick of an entry is, if it is shown in front of the text.
// It is not forgotten when the entry is dropped: the texts stay where they are.
func (t *transcript) noteWriter(e *entry) {
	// No nick has more columns than bytes.
	if len(e.from) > t.widest && t.widest < maxNickColumns && (e.kind == kindMessage || e.kind == kindPrivate) {
		t.widest = min(max(t.widest, text.Columns(e.from)), maxNickColumns)
	}
}

// dropOldest drops entries if there are too many, a tenth at once, and returns how many.
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

// prepend puts older entries, in order, before the others: those that are not there yet,
// and the newest of them if not all fit. It returns how many.
func (t *transcript) prepend(older []entry) int {
	first := t.firstID()
	var before transcript
	before.serial = t.serial
	for _, e := range older {
		if first == 0 || e.id < first {
			before.add(e)
		}
	}
	t.serial, t.widest = before.serial, max(t.widest, before.widest)
	from := len(before.entries)
	for from > 0 && len(t.entries)+len(before.entries)-from < maxEntries {
		size := before.entries[from-1].size()
		if t.size+size > maxSize {
			break
		}
		t.size += size
		from--
	}
	put := before.entries[from:]
	t.entries = slices.Concat(put, t.entries)
	return len(put)
}

// firstID returns the ID of the first entry that has one; 0: none has.
func (t *transcript) firstID() uint64 {
	for i := range t.entries {
		if id := t.entries[i].id; id > 0 {
			return id
		}
	}
	return 0
}

// matches reports whether entry i is a message with all words of the query.
func (t *transcript) matches(i int, query text.Query) bool {
	e := &t.entries[i]
	return e.kind.isMessage() && query.Matches(unmarked(e.text))
}

// indexOf returns the first entry with an ID; -1: none.
func (t *transcript) indexOf(id uint64) int {
	return slices.IndexFunc(t.entries, func(e entry) bool { return e.id == id })
}

// lastTexts returns the texts of the last n messages, or of fewer if they would exceed the
// number of bytes.
func (t *transcript) lastTexts(n, bytes int) (texts []string) {
	for i := len(t.entries) - 1; i >= 0 && len(texts) < n; i-- {
		e := &t.entries[i]
		if !e.kind.isMessage() {
			continue
		}
		if bytes -= len(e.text) + 1; bytes < 0 {
			break
		}
		texts = append(texts, e.text)
	}
	slices.Reverse(texts)
	return texts
}

// lastCode returns the last block of code in a message, if there is one.
func (t *transcript) lastCode() (string, bool) {
	for i := len(t.entries) - 1; i >= 0; i-- {
		e := &t.entries[i]
		if !e.kind.isMessage() {
			continue
		}
		if blocks := blocksIn(e.text); len(blocks) > 0 {
			last := blocks[len(blocks)-1].code
			return e.text[last.from:last.to], true
		}
	}
	return "", false
}

// export returns all messages as JSON lines or text, and how many there are.
func (t *transcript) export(asJSON bool, viewer wire.Viewer) (lines []byte, n int) {
	for i := range t.entries {
		e, ok := t.entries[i].event()
		if !ok {
			continue
		}
		if n++; asJSON {
			lines = e.AppendJSON(lines)
		} else {
			lines = e.AppendText(lines, viewer)
		}
	}
	return lines, n
}

// event returns the event that a message came from, as far as it is kept.
func (e *entry) event() (wire.Event, bool) {
	w := wire.Event{ID: e.id, Time: e.time().UTC(), From: e.from, To: e.to, Text: e.text}
	switch e.kind {
	case kindMessage:
		w.Type = wire.TypeMessage
	case kindAction:
		w.Type = wire.TypeAction
	case kindPrivate:
		w.Type = wire.TypePrivate
	default:
		return w, false
	}
	return w, true
}

// --- joins and leaves ------------------------------------------------------------------

// A presenceChange is what became of one member while an entry collected joins and leaves.
type presenceChange struct {
	nick   string
	before bool // was a member
	after  bool // is one now
}

// presenceOf makes an entry of a join or leave. One with a reason, or with more members
// than one entry names, is worded as the host words it and not merged with others.
func (t *transcript) presenceOf(n entry, e *wire.Event, us string) (entry, bool) {
	if e.Text != "" || e.Code != "" || e.Count > len(e.Members) || len(e.Members) > maxMerged {
		n.kind, n.text = kindEvent, shorten(eventText(e))
		return n, !slices.Equal(e.Members, []string{us})
	}
	n.kind = kindPresence
	joined := e.Type == wire.TypeJoin
	for _, nick := range e.Members {
		if nick != us {
			n.presence = append(n.presence, presenceChange{t.intern(nick), !joined, joined})
		}
	}
	n.text = presenceText(n.presence)
	return n, len(n.presence) > 0
}

// merge merges e into last, if both are joins and leaves and close enough.
func (last *entry) merge(e *entry) bool {
	if last.kind != kindPresence || e.kind != kindPresence || e.at-last.at >= mergeWithin || len(last.presence)+len(e.presence) > maxMerged {
		return false
	}
	changes := slices.Clone(last.presence) // copies of last keep theirs
	for _, change := range e.presence {
		if i := slices.IndexFunc(changes, func(c presenceChange) bool { return c.nick == change.nick }); i >= 0 {
			changes[i].after = change.after
		} else {
			changes = append(changes, change)
		}
	}
	last.presence, last.text = changes, presenceText(changes)
	return true
}

// presenceText words joins and leaves: "alice, bob joined; carol left and rejoined".
func presenceText(changes []presenceChange) string {
	var parts []string
	for _, group := range []struct {
		before, after bool
		verb          string
	}{
		{false, true, " joined"},
		{true, false, " left"},
		{false, false, " joined and left"},
		{true, true, " left and rejoined"},
	} {
		var nicks []string
		for _, c := range changes {
			if c.before == group.before && c.after == group.after {
				nicks = append(nicks, c.nick)
			}
		}
		if more := len(nicks) - wire.NamesShown; more > 1 { // "1 more" would be no shorter
			nicks = append(nicks[:wire.NamesShown:wire.NamesShown], fmt.Sprintf("%d more", more))
		}
		if len(nicks) > 0 {
			parts = append(parts, strings.Join(nicks, ", ")+group.verb)
		}
	}
	return strings.Join(parts, "; ")
}
