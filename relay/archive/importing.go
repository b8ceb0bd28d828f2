package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"chat/relay/history"
	"chat/relay/internal/room"
	"chat/relay/text"
	"chat/relay/wire"
)

// The bounds of an import.
const (
	maxLine    = 1 << 20   // bytes of a line, with its newline
	maxOmitted = 1_000_000 // ids between events for which there is no line
	maxSenders = 1_000_000 // members that sent something
	maxNamed   = 100       // bad lines that are named; the others are only counted
)

// importOptions are the options of chat history import.
type importOptions struct {
	Title    string       // of the room; "": none
	SkipBad  bool         // import the other lines if some are bad
	Renumber bool         // the events get new ids, from 1 on
	Bad      func(string) // is called for each bad line
}

// An imported is the result of an import.
type imported struct {
	Events, Omitted, Bad uint64
	First, Last          uint64 // ids
}

// errBadLines is the error of an import that keeps nothing, because of bad lines.
var errBadLines = errors.New("nothing was imported")

// errNoEvents is the error of an import without an event.
var errNoEvents = errors.New("nothing was imported: there are no events")

// importEvents creates the history path from the events in JSON lines that in has, unless ctx ends before.
func importEvents(ctx context.Context, path string, in io.Reader, opts importOptions) (imported, error) {
	im := lineImporter{opts: opts, senders: senders{byClient: make(map[string]history.Author), byNick: make(map[string]history.Author)}}
	fold, err := room.NewFold(func(func(string, []byte) error) error { return nil })
	if err != nil {
		return im.result, err
	}
	err = history.Import(path, opts.Title, fold, func(to *history.Importer) error {
		im.to = to
		return im.importAll(ctx, in)
	})
	return im.result, err
}

// A lineImporter imports lines. It belongs to one goroutine.
type lineImporter struct {
	opts    importOptions
	to      *history.Importer
	senders senders
	line    int
	result  imported
}

func (im *lineImporter) importAll(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReaderSize(in, maxLine)
	for more := true; more; {
		im.line++
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := readLine(lines)
		switch {
		case err == io.EOF && len(line) == 0:
			more = false
			continue
		case err != nil && err != io.EOF && err != errTooLong:
			return fmt.Errorf("read line %d: %w", im.line, err)
		case err == io.EOF:
			more, err = false, nil
		}
		var e wire.Event
		if err == nil {
			e, err = parseLine(bytes.TrimSpace(line))
		}
		if err == nil {
			err = im.add(&e)
		}
		bad, isBad := errors.AsType[*lineError](err)
		switch {
		case isBad:
			im.nameBad(bad)
		case err != nil:
			return err
		}
	}
	if im.result.Bad > maxNamed {
		im.opts.Bad(fmt.Sprintf("and %d more", im.result.Bad-maxNamed))
	}
	switch {
	case im.result.Bad > 0 && !im.opts.SkipBad:
		return fmt.Errorf("%w: %s bad", errBadLines, wire.Counted(im.result.Bad, "line is", "lines are"))
	case im.result.Events == 0:
		return errNoEvents
	}
	return nil
}

func (im *lineImporter) nameBad(err *lineError) {
	if im.result.Bad++; im.result.Bad <= maxNamed {
		im.opts.Bad(fmt.Sprintf("line %d: %s", im.line, text.Clean(err.text)))
	}
}

// A lineError is the error of a bad line.
type lineError struct{ text string }

func (e *lineError) Error() string { return e.text }

func badf(format string, args ...any) error { return &lineError{fmt.Sprintf(format, args...)} }

var errTooLong = badf("it is longer than %d bytes", maxLine)

// readLine reads a line, which is valid until the next call. It skips the rest of a line that is too long. With [io.EOF] it
// returns the text after the last newline.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	for err == bufio.ErrBufferFull {
		_, err = r.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	return nil, errTooLong
}

// parseLine returns the event of a line, cleaned and with only the fields that its type has. A line of another program may
// have only nick, text and time.
func parseLine(line []byte) (wire.Event, error) {
	var simple struct{ Type, From, Nick, Text string }
	if len(line) == 0 || json.Unmarshal(line, &simple) != nil {
		return wire.Event{}, badf("it is not one JSON object")
	}
	if simple.Type == "" {
		line = bytes.Replace(line, []byte("{"), []byte(`{"type":"message",`), 1)
	}
	e, err := wire.ParseEvent(line)
	if err != nil {
		return e, badf("%s", strings.TrimPrefix(err.Error(), "parse event: "))
	}
	if simple.Type == "" && e.From == "" {
		e.From = e.Nick
	}
	e = e.Clean()
	kept := wire.Event{Type: e.Type, ID: e.ID, Time: e.Time}
	switch {
	case e.Time.Year() < 1970:
		return e, badf("the time is missing, or before 1970")
	case e.ID > history.MaxImported || e.Seq > wire.MaxNumber:
		return e, badf("a number is too high")
	case e.Client != "" && !wire.IsName(e.Client) || e.Once != "" && !wire.IsName(e.Once):
		return e, badf("client or once is not a name")
	}
	check, ok := checks[e.Type]
	if !ok {
		return e, badf("the type %q is not of an event in a log", e.Type)
	}
	return kept, check(&kept, &e)
}

// checks are the types of events that can be imported. Each function sets the fields in kept that the type has.
var checks = map[string]func(kept, e *wire.Event) error{
	wire.TypeMessage: keepMessage, wire.TypeAction: keepMessage, wire.TypePrivate: keepMessage,
	wire.TypeJoin: keepPresence, wire.TypeLeave: keepPresence,
	wire.TypeNick: keepNick, wire.TypeTopic: keepTopic, wire.TypeOperator: keepAct,
	wire.TypeOmitted: func(*wire.Event, *wire.Event) error { return nil },
}

func keepMessage(kept, e *wire.Event) error {
	kept.From, kept.Client, kept.Seq, kept.Once, kept.Text, kept.File = e.From, e.Client, e.Seq, e.Once, e.Text, e.File
	switch {
	case !isNick(e.From):
		return badf("%q is not a nick", e.From)
	case e.Type == wire.TypePrivate && !isNick(e.To):
		return badf("the recipient %q is not a nick", e.To)
	case e.Text == "" && e.File == nil:
		return badf("there is no text")
	}
	if e.Type == wire.TypePrivate {
		kept.To = e.To
	}
	if f := e.File; f != nil {
		if e.Type != wire.TypeAction || f.Size < 0 || f.Number == 0 || f.Number > wire.MaxNumber || f.Name != text.FileName(f.Name) {
			return badf("the file is not a member's upload")
		}
		f.Path = wire.FilePath(f.Number, f.Name) // a page makes a link of it
	}
	return nil
}

func keepPresence(kept, e *wire.Event) error {
	kept.From, kept.Client, kept.Members, kept.Count, kept.Code, kept.Text = e.From, e.Client, e.Members, e.Count, e.Code, e.Text
	kept.Hosts, kept.Tags = e.Hosts, e.Tags
	if len(e.Members) == 0 {
		return badf("there are no members")
	}
	for _, nick := range e.Members {
		if !isNick(nick) {
			return badf("%q is not a nick", nick)
		}
	}
	return checkActor(e.From)
}

// keepAct keeps what an operator did.
func keepAct(kept, e *wire.Event) error {
	kept.From, kept.Client, kept.Text = e.From, e.Client, e.Text
	return checkActor(e.From)
}

// checkActor returns an error if nick is neither a nick, nor the host, nor empty.
func checkActor(nick string) error {
	if nick != "" && nick != room.AdminNick && !isNick(nick) {
		return badf("%q is not a nick", nick)
	}
	return nil
}

func keepNick(kept, e *wire.Event) error {
	kept.From, kept.Client, kept.Nick, kept.Wanted = e.From, e.Client, e.Nick, e.Wanted
	for _, nick := range []string{e.From, e.Nick} {
		if !isNick(nick) {
			return badf("%q is not a nick", nick)
		}
	}
	return nil
}

func keepTopic(kept, e *wire.Event) error {
	kept.From, kept.Client, kept.Text = e.From, e.Client, e.Text
	if len(e.Text) > room.MaxTopic {
		return badf("the topic is longer than %d bytes", room.MaxTopic)
	}
	return checkActor(e.From)
}

func isNick(nick string) bool {
	valid, err := text.NormalizeNick(nick)
	return err == nil && valid == nick || text.IsGuest(nick)
}

// add adds the event of a line, after events for the ids between it and the one before it.
func (im *lineImporter) add(e *wire.Event) error {
	next := im.result.Last + 1
	switch {
	case next > history.MaxImported:
		return badf("no event fits after event %d; --renumber gives them new IDs", im.result.Last)
	case e.ID == 0 || im.opts.Renumber:
		e.ID = next
	case im.result.First == 0:
	case e.ID < next:
		return badf("event %d follows event %d", e.ID, im.result.Last)
	case e.ID-next > maxOmitted-im.result.Omitted:
		return badf("event %d follows event %d: too many are missing between events; --renumber gives them new IDs", e.ID, im.result.Last)
	}
	by, err := im.senders.of(e)
	if err != nil {
		return err
	}
	if im.result.First == 0 {
		im.result.First, next = e.ID, e.ID
		if err := im.to.Hide(room.Imported(e.Time), e.Time); err != nil {
			return err
		}
	}
	for ; next < e.ID; next++ {
		if err := im.to.Add(&wire.Event{Type: wire.TypeOmitted, ID: next, Time: e.Time}, history.Origin{}); err != nil {
			return err
		}
		im.result.Omitted++
	}
	im.result.Last = e.ID
	im.result.Events++
	return im.to.Add(e, by)
}

// senders are the members of an imported log, as authors that no token belongs to.
type senders struct {
	byClient map[string]history.Author // by public ID
	byNick   map[string]history.Author // the one who had a nick last, by its fold
	last     history.Author
}

// of returns the origin of an event.
func (s *senders) of(e *wire.Event) (by history.Origin, err error) {
	if e.From == "" || e.From == room.AdminNick || e.Type == wire.TypeJoin || e.Type == wire.TypeLeave { // it is from the room itself
		return by, nil
	}
	if by.Author, err = s.sender(e.Client, e.From); err != nil {
		return by, err
	}
	if e.To != "" {
		by.To, err = s.sender("", e.To)
	}
	if e.Type == wire.TypeNick {
		s.byNick[text.NickFold(e.Nick)] = by.Author
	}
	return by, err
}

func (s *senders) sender(client, nick string) (history.Author, error) {
	fold := text.NickFold(nick)
	if a, ok := s.byClient[client]; client != "" && ok {
		s.byNick[fold] = a
		return a, nil
	}
	if a, ok := s.byNick[fold]; client == "" && ok {
		return a, nil
	}
	if len(s.byClient)+len(s.byNick) >= maxSenders {
		return 0, fmt.Errorf("there are more than %d members and nicks", maxSenders)
	}
	s.last++
	s.byNick[fold] = s.last
	if client != "" {
		s.byClient[client] = s.last
	}
	return s.last, nil
}

// words reports the result to the user.
func (r *imported) words(path string) string {
	words := fmt.Sprintf("Imported %s into %s; the next one will be %d.", wire.Counted(r.Events, "event", "events"), path, r.Last+1)
	if r.Omitted > 0 {
		words += fmt.Sprintf(" %s between them stay empty.", wire.Counted(r.Omitted, "place", "places"))
	}
	if r.Bad > 0 {
		words += fmt.Sprintf(" Skipped %s.", wire.Counted(r.Bad, "bad line", "bad lines"))
	}
	return words
}
