package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// An operation carries out one type of request of s. It returns the reply for s, and why
// the request was rejected.
type operation func(s *session, req *wire.Request) (reply, fault *wire.Event)

// operations are those of [wire.Commands], and of requests that only programs send; all
// but wire.TypeSay, which has a path of its own.
var operations map[string]operation

func init() { // help and command read the table that they are in
	operations = map[string]operation{
		"nick": runNick, "me": runMe, "msg": runMsg, "who": runWho, "topic": runTopic,
		wire.TypeHistory: runHistory, wire.TypeSearch: runSearch,
		"ignore": runIgnore, "unignore": runUnignore, "quit": runQuit, "help": runHelp,
		"kick": runKick, "ban": runBan, "unban": runUnban, "mute": runMute, "unmute": runUnmute, "bans": runBans,
		wire.TypeSend: runSend, wire.TypePing: runPing, wire.TypeHello: runHello, "command": runCommand,
	}
}

// do carries out a request of s and replies to it. A request of an unknown type is
// ignored: the program may be newer than this host.
func (s *session) do(req *wire.Request) {
	run := operations[req.Type]
	if run == nil {
		s.log().Debug("ignored a request of unknown type")
		return
	}
	if c := wire.CommandNamed(req.Type); c != nil && c.Local == 0 {
		if c.Operator && !s.isHost() {
			s.fail(req.Seq, faultf(wire.CodeNotAllowed, "only operators can use /%s", c.Name))
			return
		}
		if err := c.Check(req); err != nil {
			s.fail(req.Seq, faultOf(err))
			return
		}
	}
	answer, fault := run(s, req)
	if fault != nil {
		s.fail(req.Seq, fault)
	}
	if answer != nil {
		s.reply(*answer)
	}
}

func (s *session) isHost() bool {
	r := s.server.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.host
}

// faultOf returns the event that tells a client of err.
func faultOf(err error) *wire.Event {
	fault, ok := errors.AsType[*wire.Fault](err)
	if !ok {
		fault = &wire.Fault{Code: wire.CodeBadRequest, Text: err.Error()}
	}
	e := fault.Event(0)
	return &e
}

func notice(format string, args ...any) *wire.Event {
	return &wire.Event{Type: wire.TypeNotice, Text: fmt.Sprintf(format, args...)}
}

// told makes the answer of what a method of the room says it did.
func told(words string, fault *wire.Event) (*wire.Event, *wire.Event) {
	if fault != nil {
		return nil, fault
	}
	return notice("%s", words), nil
}

func runMe(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return nil, s.server.room.say(s, wire.TypeAction, req.Seq, req.Text)
}

// runSend says that s sent a file, which came to the host in another way.
func runSend(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	if s.server.opts.Files == nil {
		return nil, faultf(wire.CodeBadRequest, "this host takes no files")
	}
	return nil, s.server.room.send(s, req.Seq, func() (wire.File, string, error) { return s.server.opts.Files(req.File) })
}

func runMsg(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	waitsFor, fault := s.server.room.tell(s, req)
	s.server.wake()
	if fault != nil || waitsFor == "" {
		return nil, fault
	}
	return notice("the connection of %s is lost; they get this if they come back", waitsFor), nil
}

func runNick(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	nick, fault := s.server.room.rename(s, req.Nick, req.Seq)
	switch {
	case fault != nil:
		return nil, fault
	case text.NickFold(nick) != text.NickFold(strings.TrimSpace(req.Nick)):
		return notice("you are now %s (%s is taken)", nick, text.Clean(req.Nick)), nil
	default:
		return notice("you are now %s", nick), nil
	}
}

func runWho(s *session, _ *wire.Request) (*wire.Event, *wire.Event) {
	e := s.server.room.who()
	return &e, nil
}

func runTopic(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	if req.Text != "" {
		if req.Text == "-" {
			req.Text = ""
		}
		req.Text = cutWord(req.Text)
		if fault := s.server.room.setTopic(s, req); fault != nil || s.isJSON() {
			return nil, fault
		}
	}
	return &wire.Event{Type: wire.TypeTopic, Text: s.server.room.topicNow()}, nil
}

const (
	defaultHistory  = 50        // messages, where the request does not say
	maxHistoryBytes = 128 << 10 // of one answer: half of what may wait for a session
)

// runHistory answers with what was said before an id.
func runHistory(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	page, fault := pageOf(req)
	if fault != nil {
		return nil, fault
	}
	lines, err := s.server.history.Before(page, s.view())
	return nil, s.readBack(&wire.Event{Type: wire.TypeHistory, Before: req.Before}, lines, err)
}

// runSearch answers as runHistory does, with what has certain words in it.
func runSearch(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	page, fault := pageOf(req)
	if fault != nil {
		return nil, fault
	}
	words := cutWord(req.Text)
	select {
	case s.server.searches <- struct{}{}:
	case <-s.hasEnded():
		return nil, nil
	}
	lines, err := s.server.history.Search(words, page, s.view())
	<-s.server.searches // before the answer, which may wait for one who does not take it
	return nil, s.readBack(&wire.Event{Type: wire.TypeHistory, Before: req.Before, Text: words}, lines, err)
}

// pageOf returns what req wants to read back.
func pageOf(req *wire.Request) (history.Page, *wire.Event) {
	page := history.Page{Before: req.Before, Count: min(req.Count, wire.MaxHistory), Bytes: maxHistoryBytes}
	switch {
	case req.Count < 0:
		return page, faultf(wire.CodeBadRequest, "count is how many messages; %d is no such number", req.Count)
	case req.Count == 0:
		page.Count = defaultHistory
	}
	return page, nil
}

// readBack answers with lines of the log, or returns that it cannot be read. The answer is
// made of what the log has encoded already.
func (s *session) readBack(answer *wire.Event, lines [][]byte, err error) *wire.Event {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.log().Warn("what is asked for is not found in time", "error", err)
		if len(lines) == 0 {
			return faultf(wire.CodeNotRead, "that takes the host too long; try again, or other words")
		}
	case err != nil:
		s.log().Error("the history cannot be read", "error", err)
		if len(lines) == 0 { // else what can be read is better than nothing
			return faultf(wire.CodeNotRead, "the host cannot read its history")
		}
	}
	if s.isJSON() {
		s.replyEncoded(wire.AppendHistory(nil, answer, lines))
		return nil
	}
	heading := s.encode(notice("%s", answer.HistoryHeading(len(lines))), "")
	s.replyEncoded(append(heading, bytes.Join(lines, nil)...))
	return nil
}

func runIgnore(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	if req.Nick == "" {
		names := s.server.room.ignoredBy(s)
		if len(names) == 0 {
			return notice("you ignore nobody"), nil
		}
		return notice("you ignore %s", strings.Join(names, ", ")), nil
	}
	nick, fault := s.server.room.ignore(s, req.Nick, true)
	return told("you hear no more of "+nick, fault)
}

func runUnignore(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	nick, fault := s.server.room.ignore(s, req.Nick, false)
	return told("you hear "+nick+" again", fault)
}

func runQuit(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	s.server.room.awaitSettled(s, drain)
	s.server.room.leave(s, cutWord(req.Text))
	s.end(byeEvent(wire.CodeQuit, "goodbye"))
	return nil, nil
}

// maxWord is how many bytes a topic, a last word or a reason has at most.
const maxWord = 300

// cutWord makes one line of at most maxWord bytes of text.
func cutWord(text string) string {
	text = strings.ReplaceAll(text, "\n", " ")
	for len(text) > maxWord {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

func runKick(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return told(s.server.room.kick(s, req))
}

func runBan(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return told(s.server.room.ban(s, req))
}

func runUnban(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return told(s.server.room.lift(s.server.room.banned, req))
}

func runMute(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return told(s.server.room.mute(s, req))
}

func runUnmute(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return told(s.server.room.lift(s.server.room.muted, req))
}

func runBans(s *session, _ *wire.Request) (*wire.Event, *wire.Event) {
	return notice("%s", s.server.room.bans()), nil
}

func runPing(*session, *wire.Request) (*wire.Event, *wire.Event) {
	return &wire.Event{Type: wire.TypePong}, nil
}

func runHello(_ *session, req *wire.Request) (*wire.Event, *wire.Event) {
	return nil, faultf(wire.CodeBadRequest, "you said hello already")
}

// runCommand carries out a line as a member would type it, so that a program with an
// input line needs no command table of its own.
func runCommand(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	if !strings.HasPrefix(req.Text, "/") {
		return nil, faultf(wire.CodeBadRequest, "a command begins with /")
	}
	typed, err := wire.ParseCommand(text.Clean(req.Text))
	if err != nil {
		return nil, faultOf(err)
	}
	typed.Seq = req.Seq
	s.do(typed)
	return nil, nil
}

func runHelp(s *session, _ *wire.Request) (*wire.Event, *wire.Event) {
	var b strings.Builder
	b.WriteString("Lines are sent to the room; a line that starts with / is a command, // sends a /.")
	for i := range wire.Commands {
		if c := &wire.Commands[i]; c.Local == 0 && (!c.Operator || s.isHost()) {
			fmt.Fprintf(&b, "\n%-24s %s", c.Usage(), c.Help)
		}
	}
	return notice("%s", b.String()), nil
}
