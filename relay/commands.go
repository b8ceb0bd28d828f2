package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// A command is something a client may ask for. A person types it with its
// arguments ("/msg bob hello"), a program sends it as an object whose type is its
// name ({"type":"msg","to":"bob","text":"hello"}).
type command struct {
	name string
	args []argument
	help string // one line for /help; "" for what only programs send
	host bool   // for the hosting person alone
	run  func(s *session, req *wire.Request) (*wire.Event, *wire.Event)
}

// An argument is one word a person types behind a command, or the rest of the line.
type argument struct {
	name     string // as in /help
	field    func(*wire.Request) *string
	number   func(*wire.Request) *int // in place of field, for an optional one that counts from 1
	rest     bool                     // takes all that is left
	optional bool
}

var (
	nickArgument   = argument{name: "NICK", field: func(r *wire.Request) *string { return &r.Nick }}
	toArgument     = argument{name: "NICK", field: func(r *wire.Request) *string { return &r.To }}
	textArgument   = argument{name: "TEXT", field: func(r *wire.Request) *string { return &r.Text }, rest: true}
	countArgument  = argument{name: "N", number: func(r *wire.Request) *int { return &r.Count }, optional: true}
	reasonArgument = argument{name: "REASON", field: func(r *wire.Request) *string { return &r.Text }, rest: true, optional: true}
)

func optional(a argument) argument           { a.optional = true; return a }
func named(a argument, name string) argument { a.name = name; return a }

// commands are all that a client in the room may ask for, but to say something. What a row's run
// returns first is the answer for the client alone, second why there is none.
var commands = []command{
	{name: "nick", args: []argument{named(nickArgument, "NAME")}, help: "be called NAME", run: runNick},
	{name: "me", args: []argument{textArgument}, help: "say what you do: /me waves", run: runMe},
	{name: "msg", args: []argument{toArgument, textArgument}, help: "say something to NICK alone", run: runMsg},
	{name: "who", help: "list who is here", run: runWho},
	{name: "topic", args: []argument{optional(textArgument)}, help: "show the topic, or set it (- clears it)", run: runTopic},
	{name: wire.TypeHistory, args: []argument{countArgument}, help: "show the last N messages again, 50 unless told", run: runHistory},
	{name: wire.TypeSearch, args: []argument{named(textArgument, "WORDS")}, help: "show what was said with all of WORDS, or words that begin so", run: runSearch},
	{name: "ignore", args: []argument{optional(nickArgument)}, help: "hear no more of NICK, or list whom you ignore", run: runIgnore},
	{name: "unignore", args: []argument{nickArgument}, help: "hear NICK again", run: runUnignore},
	{name: "quit", args: []argument{optional(textArgument)}, help: "leave", run: runQuit},
	{name: "kick", args: []argument{nickArgument, reasonArgument}, help: "end the session of NICK", host: true, run: runKick},
	{name: "ban", args: []argument{named(nickArgument, "NICK|IP"), reasonArgument}, help: "end it and keep NICK and its address out", host: true, run: runBan},
	{name: "unban", args: []argument{named(nickArgument, "NICK|IP")}, help: "let NICK or the address in again", host: true, run: runUnban},
	{name: "mute", args: []argument{nickArgument}, help: "let NICK listen only", host: true, run: runMute},
	{name: "unmute", args: []argument{named(nickArgument, "NICK|IP")}, help: "let NICK speak again", host: true, run: runUnmute},
	{name: "bans", help: "list who is banned and who is muted", host: true, run: runBans},
	{name: wire.TypeSend, run: runSend},
	{name: wire.TypePing, run: runPing},
	{name: wire.TypeHello, run: runHello},
}

// byName finds a command; help and command, which read the table, join it here.
var byName map[string]*command

func init() {
	commands = append(commands,
		command{name: "help", help: "show this", run: runHelp},
		command{name: "command", args: []argument{textArgument}, run: runCommand},
	)
	byName = make(map[string]*command, len(commands))
	for i := range commands {
		byName[commands[i].name] = &commands[i]
	}
}

// do carries out a request of s and answers it. A request of a type that is not
// known is passed over: the program may be newer than this host.
func (s *session) do(req *wire.Request) {
	c := byName[req.Type]
	if c == nil {
		s.log().Debug("passed over a request of unknown type")
		return
	}
	if c.host && !s.isHost() {
		s.fail(req.Seq, faultf(wire.CodeNotAllowed, "only the hosting person may %s", c.name))
		return
	}
	for _, a := range c.args {
		if !a.optional && *a.field(req) == "" {
			s.fail(req.Seq, faultf(wire.CodeBadRequest, "usage: %s", c.usage()))
			return
		}
	}
	answer, fault := c.run(s, req)
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

// parseTyped makes a request of a line "/verb arguments".
func parseTyped(line string) (*wire.Request, *wire.Event) {
	verb, rest, _ := strings.Cut(line[1:], " ")
	c := byName[strings.ToLower(verb)]
	if c == nil || c.help == "" {
		return nil, faultf(wire.CodeUnknown, "unknown command /%s; /help lists them", verb)
	}
	req := &wire.Request{Type: c.name}
	for _, a := range c.args {
		rest = strings.TrimLeft(rest, " ")
		if a.rest {
			*a.field(req), rest = rest, ""
			break
		}
		var word string
		if word, rest, _ = strings.Cut(rest, " "); !a.put(req, word) {
			return nil, faultf(wire.CodeBadRequest, "usage: %s", c.usage())
		}
	}
	if strings.TrimSpace(rest) != "" {
		return nil, faultf(wire.CodeBadRequest, "usage: %s", c.usage())
	}
	return req, nil
}

// put gives req the word that was typed for the argument, "" where there was none. It
// returns false where that is no number and has to be one.
func (a *argument) put(req *wire.Request, word string) bool {
	if a.number == nil {
		*a.field(req) = word
		return true
	}
	if word == "" {
		return true
	}
	n, err := strconv.Atoi(word)
	*a.number(req) = n
	return err == nil && n > 0
}

// usage returns how a person types the command.
func (c *command) usage() string {
	words := "/" + c.name
	for _, a := range c.args {
		if a.optional {
			words += " [" + a.name + "]"
		} else {
			words += " " + a.name
		}
	}
	return words
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

// runCommand carries out a line as a person would type it, so that a program
// with an input line needs no table of commands of its own.
func runCommand(s *session, req *wire.Request) (*wire.Event, *wire.Event) {
	if !strings.HasPrefix(req.Text, "/") {
		return nil, faultf(wire.CodeBadRequest, "a command begins with /")
	}
	typed, fault := parseTyped(text.Clean(req.Text))
	if fault != nil {
		return nil, fault
	}
	typed.Seq = req.Seq
	s.do(typed)
	return nil, nil
}

func runHelp(s *session, _ *wire.Request) (*wire.Event, *wire.Event) {
	var b strings.Builder
	b.WriteString("what you type is said to all; a line that starts with / is a command, // says a /")
	for _, c := range commands {
		if c.help != "" && (!c.host || s.isHost()) {
			fmt.Fprintf(&b, "\n%-24s %s", c.usage(), c.help)
		}
	}
	return notice("%s", b.String()), nil
}
