package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/text"
	"chat/relay/wire"
)

// An operation carries out one type of request. It returns the reply, nil for none, or why
// the request was rejected: a [*wire.Fault].
type operation func(s *Session, req *wire.Request) (reply *wire.Event, err error)

// operations are the operations of the commands that the host carries out
// ([wire.Commands]), and of requests that only programs send, by type. A [wire.TypeSay] without
// a key is not carried out here: see serveLine.
var operations map[string]operation

func init() { // an initializer would be a cycle: command uses the table
	operations = map[string]operation{
		"nick": setNick, "me": act, "msg": sendPrivate, "who": who, "topic": topic,
		wire.TypeHistory: readBack, wire.TypeSearch: search,
		"ignore": ignore, "unignore": unignore, "quit": quit, "help": help,
		wire.TypeInvite: invite, wire.TypeFiles: files, wire.TypeSay: sayKeyed, wire.TypeSend: announce, wire.TypePing: ping, wire.TypeHello: helloAgain, wire.TypeCommand: command,
	}
	for name, do := range moderation {
		operations[name] = func(s *Session, req *wire.Request) (*wire.Event, error) {
			words, err := do(s.door.Room, &s.member, req, clock.Now())
			if err != nil || words == "" {
				return nil, err
			}
			return notice("%s", words), nil
		}
	}
}

// do carries out a request and replies to it. A request of an unknown type is ignored: the
// program may be newer than this host.
func (s *Session) do(req *wire.Request) {
	run := operations[req.Type]
	if run == nil {
		s.log().Debug("ignored a request of unknown type")
		return
	}
	if s.member.Level == access.Listen && !isForListeners(req) {
		s.reject(req.Seq, wire.Faultf(wire.CodeListenOnly, "your invite is only for reading: this was not sent"))
		return
	}
	if c := wire.CommandNamed(req.Type); c != nil && c.Local == 0 {
		if c.Operator && !s.door.Room.IsOperator(&s.member) {
			s.reject(req.Seq, wire.Faultf(wire.CodeNotAllowed, "only operators can use /%s", c.Name))
			return
		}
		if err := c.Check(req); err != nil {
			s.reject(req.Seq, err)
			return
		}
	}
	reply, err := run(s, req)
	if err != nil {
		s.reject(req.Seq, err)
	}
	if reply != nil {
		s.reply(reply)
	}
}

// notice returns a reply in words.
func notice(format string, args ...any) *wire.Event {
	return &wire.Event{Type: wire.TypeNotice, Text: fmt.Sprintf(format, args...)}
}

// noticeOr returns a reply in words, or err.
func noticeOr(words string, err error) (*wire.Event, error) {
	if err != nil {
		return nil, err
	}
	return notice("%s", words), nil
}

func act(s *Session, req *wire.Request) (*wire.Event, error) {
	err := s.door.Room.Post(&s.member, wire.TypeAction, req.Seq, req.Text, clock.Now())
	s.noteSent(err)
	return nil, err
}

// sayKeyed posts a message that came by HTTP with an idempotency key.
func sayKeyed(s *Session, req *wire.Request) (*wire.Event, error) {
	err := s.door.Room.PostKeyed(&s.member, req, clock.Now())
	s.noteSent(err)
	return nil, err
}

// announce posts an upload that the host has.
func announce(s *Session, req *wire.Request) (*wire.Event, error) {
	if s.door.Upload == nil {
		return nil, wire.Faultf(wire.CodeBadRequest, "this host accepts no files")
	}
	find := func() (wire.File, error) { return s.door.Upload(req.File) }
	err := s.door.Room.Announce(&s.member, req, find, clock.Now())
	s.noteSent(err)
	return nil, err
}

func sendPrivate(s *Session, req *wire.Request) (*wire.Event, error) {
	waitsFor, err := s.door.Room.PostPrivate(&s.member, req, clock.Now())
	s.noteSent(err)
	s.door.wakeLog()
	if err != nil || waitsFor == "" {
		return nil, err
	}
	return notice("%s is disconnected; they get this if they reconnect", waitsFor), nil
}

func setNick(s *Session, req *wire.Request) (*wire.Event, error) {
	nick, err := s.door.Room.Rename(&s.member, req.Nick, req.Seq, clock.Now())
	if err != nil {
		return nil, err
	}
	if why := s.door.Room.WhyNot(&s.member, clock.Now()); why != "" {
		return notice("you are now %s (%s); you get the nick when it is free", nick, why), nil
	}
	return notice("you are now %s", nick), nil
}

func who(s *Session, _ *wire.Request) (*wire.Event, error) {
	s.wait(min(s.door.Costs.Delay(s.out.payer), MaxDelay))
	e := s.door.Room.Who()
	return &e, nil
}

func topic(s *Session, req *wire.Request) (*wire.Event, error) {
	if req.Text != "" {
		topic := req.Text
		if topic == "-" {
			topic = ""
		}
		topic = oneLine(topic)
		if err := s.door.Room.SetTopic(&s.member, topic, req.Seq, clock.Now()); err != nil || s.member.Program {
			return nil, err
		}
		return &wire.Event{Type: wire.TypeTopic, Text: topic}, nil
	}
	return &wire.Event{Type: wire.TypeTopic, Text: s.door.Room.Topic()}, nil
}

const (
	defaultHistory  = 50           // messages, if the request has no count
	maxHistoryBytes = maxQueue / 2 // of one reply
)

// readBack replies with the messages before an ID.
func readBack(s *Session, req *wire.Request) (*wire.Event, error) {
	page, err := pageOf(req)
	if err == nil {
		err = s.awaitTurn()
	}
	if err != nil {
		return nil, err
	}
	s.out.awaitEmpty()
	lines, err := s.door.Log.Before(page, s.out.view())
	return nil, s.replyLines(&wire.Event{Type: wire.TypeHistory, Before: req.Before}, lines, err)
}

// search replies like readBack, with messages that have certain words.
func search(s *Session, req *wire.Request) (*wire.Event, error) {
	page, err := pageOf(req)
	if err != nil {
		return nil, err
	}
	words := oneLine(req.Text)
	if err := s.awaitTurn(); err != nil {
		return nil, err
	}
	s.out.awaitEmpty()
	var lines [][]byte
	if !s.door.searches.run(s.out.payer, s.out.endingChan(), func() {
		lines, err = s.door.Log.Search(words, page, s.out.view())
	}) {
		return nil, nil
	}
	return nil, s.replyLines(&wire.Event{Type: wire.TypeHistory, Before: req.Before, Text: words}, lines, err)
}

// awaitTurn waits until the session's address may cause more work. It returns a fault if that
// would take too long.
func (s *Session) awaitTurn() error {
	delay := s.door.Costs.Delay(s.out.payer)
	if delay > MaxDelay {
		return wire.Faultf(wire.CodeNotRead, "too much is read from your address; try again in %d s", int(delay.Seconds()))
	}
	s.wait(delay)
	return nil
}

// pageOf returns the page of the history that req asks for.
func pageOf(req *wire.Request) (history.Page, error) {
	page := history.Page{Before: req.Before, Count: min(req.Count, wire.MaxHistory), Bytes: maxHistoryBytes}
	switch {
	case req.Count < 0:
		return page, wire.Faultf(wire.CodeBadRequest, "invalid count %d", req.Count)
	case req.Count == 0:
		page.Count = defaultHistory
	}
	return page, nil
}

// replyLines replies with encoded lines of the log. err is that of reading them: it is
// logged, and returned as a fault if there are no lines at all.
func (s *Session) replyLines(reply *wire.Event, lines [][]byte, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.log().Warn("a search took too long", "error", err)
		if len(lines) == 0 {
			return wire.Faultf(wire.CodeNotRead, "the search takes too long; try again, or with other words")
		}
	case err != nil:
		s.log().Error("cannot read the history", "error", err)
		if len(lines) == 0 { // a part is better than nothing
			return wire.Faultf(wire.CodeNotRead, "the host cannot read its history")
		}
	}
	if s.member.Program {
		size := 256 + 2*len(reply.Text) // if it grew, a client that does not take it would hold twice as much
		for _, line := range lines {
			size += len(line)
		}
		s.send(wire.AppendHistory(make([]byte, 0, size), reply, lines))
		return nil
	}
	heading := s.out.encode(notice("%s", reply.HistoryHeading(len(lines))), "")
	s.send(append(heading, bytes.Join(lines, nil)...))
	return nil
}

func ignore(s *Session, req *wire.Request) (*wire.Event, error) {
	if req.Nick == "" {
		names := s.door.Room.Ignored(&s.member)
		if len(names) == 0 {
			return notice("you ignore no one"), nil
		}
		return notice("you ignore %s", strings.Join(names, ", ")), nil
	}
	nick, err := s.door.Room.Ignore(&s.member, req.Nick, clock.Now())
	return noticeOr("messages from "+nick+" are hidden", err)
}

func unignore(s *Session, req *wire.Request) (*wire.Event, error) {
	nick, err := s.door.Room.Unignore(&s.member, req.Nick, clock.Now())
	return noticeOr("messages from "+nick+" are shown again", err)
}

func quit(s *Session, req *wire.Request) (*wire.Event, error) {
	s.door.wakeLog()
	bye := wire.Event{Type: wire.TypeBye, Code: wire.CodeQuit, Text: "goodbye"}
	if !s.awaitCommitted() {
		bye.Text = "goodbye; the host's disk is slow, and it is not known whether your last messages were sent"
	}
	s.door.Room.Leave(&s.member, oneLine(req.Text), clock.Now())
	s.out.End(bye)
	return nil, nil
}

// maxOneLine is the limit of a topic, a last message or a reason, in bytes.
const maxOneLine = 300

// oneLine returns words on one line, truncated to maxOneLine bytes.
func oneLine(words string) string {
	words = strings.ReplaceAll(words, "\n", " ")
	for len(words) > maxOneLine {
		_, n := utf8.DecodeLastRuneInString(words)
		words = words[:len(words)-n]
	}
	return words
}

func ping(*Session, *wire.Request) (*wire.Event, error) {
	return &wire.Event{Type: wire.TypePong}, nil
}

func helloAgain(*Session, *wire.Request) (*wire.Event, error) {
	return nil, wire.Faultf(wire.CodeBadRequest, "you have sent a hello already")
}

// command carries out a line as a member types it, so that a program with an input line
// needs no command table of its own.
func command(s *Session, req *wire.Request) (*wire.Event, error) {
	if !strings.HasPrefix(req.Text, "/") {
		return nil, wire.Faultf(wire.CodeBadRequest, "a command begins with /")
	}
	if strings.Contains(req.Text, "\n") {
		return nil, wire.Faultf(wire.CodeBadRequest, "a command is one line")
	}
	typed, err := wire.ParseCommand(text.Clean(req.Text))
	if err != nil {
		return nil, err
	}
	typed.Seq = req.Seq
	s.do(typed)
	return nil, nil
}

func help(s *Session, _ *wire.Request) (*wire.Event, error) {
	var b strings.Builder
	b.WriteString("Lines are sent to the room; a line that starts with / is a command; put // in front to send a /.")
	operator := s.door.Room.IsOperator(&s.member)
	for i := range wire.Commands {
		if c := &wire.Commands[i]; c.Local == 0 && (!c.Operator || operator) {
			fmt.Fprintf(&b, "\n%-24s %s", c.Usage(), c.Help)
		}
	}
	return notice("%s", b.String()), nil
}
