//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"chat/relay/wire"
)

// A record lists a client's messages and the events it received, one entry per line. In a long run twenty
// clients are shown twenty million messages, so lines are short:
//
//	m ID CLIENT LABEL FIRST [COUNT]  shown: message FIRST of LABEL, and those after it up to COUNT
//	s SEQ LABEL N                    sent: message N, with number SEQ
//	x SEQ CODE                       rejected
//	w CLIENT SEQ NICK                connected: the client's id, and the last number the host has
//	g MISSED                         got a gap of MISSED events
//	? TEXT                           shown: a text that no client sent
//	n                                connected to another room
//	- TEXT                           a note for people who read records
//
// Other clients than bots leave records in other formats. All are read as entries.
type entry struct {
	kind   byte
	id     uint64 // 0: not in this format
	client string // empty: not in this format
	label  string
	first  int
	count  int
	seq    uint64
	text   string // of ? and -; the nick of w; the code of x
}

const (
	shown    = 'm'
	sent     = 's'
	rejected = 'x'
	welcomed = 'w'
	missed   = 'g'
	unknown  = '?'
	newRoom  = 'n'
	note     = '-'
)

// A recorder writes a record. It buffers entries until flush.
type recorder struct {
	// Guarded by mu.
	mu  sync.Mutex
	out *bufio.Writer
	buf []byte
}

func newRecorder(w io.Writer) *recorder { return &recorder{out: bufio.NewWriterSize(w, 64<<10)} }

func (r *recorder) add(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := append(r.buf[:0], e.kind)
	number := func(n uint64) { b = strconv.AppendUint(append(b, ' '), n, 10) }
	word := func(s string) { b = append(append(b, ' '), s...) }
	switch e.kind {
	case shown:
		number(e.id)
		word(e.client)
		word(e.label)
		number(uint64(e.first))
		if e.count > 1 {
			number(uint64(e.count))
		}
	case sent:
		number(e.seq)
		word(e.label)
		number(uint64(e.first))
	case rejected:
		number(e.seq)
		word(e.text)
	case welcomed:
		word(e.client)
		number(e.seq)
		word(e.text)
	case missed:
		number(e.seq)
	case unknown, note:
		word(strconv.Quote(e.text))
	}
	r.buf = append(b, '\n')
	r.out.Write(r.buf)
}

func (r *recorder) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Flush()
}

// A format parses a line of a record.
type format func(r *recordReader, line []byte) (entry, error)

// A recordReader reads a record in any format.
type recordReader struct {
	in     *bufio.Reader
	format format
	names  map[string]string // one copy of each label and client id
}

// readRecord calls f with each entry of a record. An unfinished last line does not count:
// the client may have been killed while writing it.
func readRecord(name string, fm format, f func(e entry)) error {
	return readRecordFrom(name, 0, fm, f)
}

// readRecordFrom is readRecord for the lines that begin at offset or after it.
func readRecordFrom(name string, offset int64, fm format, f func(e entry)) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(max(offset-1, 0), io.SeekStart); err != nil {
		return err
	}
	r := &recordReader{in: bufio.NewReaderSize(file, 1<<20), format: fm, names: make(map[string]string)}
	if offset > 0 { // skip the rest of the line before offset
		if _, err := r.in.ReadBytes('\n'); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	for n := 1; ; n++ {
		line, err := r.in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := r.format(r, line[:len(line)-1])
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if e.kind != 0 {
			f(e)
		}
	}
}

// intern returns b as a string, the same copy each time.
func (r *recordReader) intern(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

// ownFormat is the format that a recorder writes.
func ownFormat(r *recordReader, line []byte) (entry, error) {
	if len(line) == 0 {
		return entry{}, fmt.Errorf("an empty line")
	}
	e := entry{kind: line[0], count: 1}
	rest := bytes.TrimPrefix(line[1:], []byte(" "))
	if e.kind == unknown || e.kind == note {
		text, err := strconv.Unquote(string(rest))
		e.text = text
		return e, err
	}
	ok := true
	word := func() (w []byte) {
		w, rest, _ = bytes.Cut(rest, []byte(" "))
		return w
	}
	number := func() (n uint64) {
		for _, c := range word() {
			ok = ok && c >= '0' && c <= '9'
			n = n*10 + uint64(c-'0')
		}
		return n
	}
	switch e.kind {
	case shown:
		e.id, e.client, e.label, e.first = number(), r.intern(word()), r.intern(word()), int(number())
		if len(rest) > 0 {
			e.count = int(number())
		}
	case sent:
		e.seq, e.label, e.first = number(), r.intern(word()), int(number())
	case rejected:
		e.seq, e.text = number(), r.intern(word())
	case welcomed:
		e.client, e.seq, e.text = r.intern(word()), number(), r.intern(word())
	case missed:
		e.seq = number()
	case newRoom:
	default:
		ok = false
	}
	if !ok {
		return entry{}, fmt.Errorf("%q is not an entry", line)
	}
	return e, nil
}

// jsonFormat is the format of `chat join --json` and `chat history --json`.
func jsonFormat(r *recordReader, line []byte) (entry, error) {
	e, err := wire.ParseEvent(line)
	if err != nil {
		return entry{}, err
	}
	return entryOf(e), nil
}

// entryOf converts an event of the host.
func entryOf(e wire.Event) entry {
	switch e.Type {
	case wire.TypeMessage, wire.TypeAction, wire.TypePrivate:
		label, first, count, ok := parseText(e.Text)
		if !ok || isPrivate(label) != (e.Type == wire.TypePrivate) {
			return entry{kind: unknown, text: e.Text}
		}
		return entry{kind: shown, id: e.ID, client: e.Client, label: label, first: first, count: count}
	case wire.TypeWelcome:
		return entry{kind: welcomed, client: e.Client, seq: e.Seq, text: e.Nick}
	case wire.TypeGap:
		return entry{kind: missed, seq: e.Missed}
	case wire.TypeError:
		if e.Seq != 0 {
			return entry{kind: rejected, seq: e.Seq, text: string(e.Code)}
		}
	}
	return entry{}
}

// linesFormat is the format that people see, of `chat join` and nc. Neither gets private
// messages here. Where a connection of nc begins, the record has connectedLine.
func linesFormat(r *recordReader, line []byte) (entry, error) {
	s := string(line)
	switch {
	case s == connectedLine:
		return entry{kind: welcomed}, nil
	case strings.HasPrefix(s, "* ") && strings.Contains(s, " missed; the host no longer keep"):
		return entry{kind: missed}, nil
	case strings.HasPrefix(s, "* "), strings.HasPrefix(s, "! "):
		return entry{kind: note, text: s}, nil
	}
	clock, words, _ := strings.Cut(s, " ")
	from, text, ok := strings.Cut(words, "> ")
	label, n, whole := parseLine(text)
	if !ok || !whole || len(clock) != len("15:04") || from != "<"+label {
		return entry{kind: unknown, text: s}, nil
	}
	return entry{kind: shown, label: r.intern([]byte(label)), first: n, count: 1}, nil
}

const connectedLine = "~ connected"
