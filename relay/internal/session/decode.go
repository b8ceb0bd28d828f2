package session

import (
	"strings"

	"chat/relay/text"
	"chat/relay/wire"
)

// decode parses a line into req, checked and cleaned. An empty line gives a request without
// a type. The error is a [*wire.Fault].
func (s *Session) decode(line []byte, req *wire.Request) error {
	if s.member.Program {
		var err error
		*req, err = s.decodeJSON(line)
		return err
	}
	return s.decodeTyped(string(wire.StripTelnet(line)), req)
}

// decodeTyped decodes the line of a person.
func (s *Session) decodeTyped(line string, req *wire.Request) error {
	if wire.EndsInput(line) {
		line = "/quit"
	}
	for end := len(line); end > 0 && strings.IndexByte(" \t\r", line[end-1]) >= 0; end-- {
		line = line[:end-1]
	}
	message := text.Clean(line)
	switch {
	case message == "":
		return nil
	case len(message) > s.door.CurrentLimits().Text:
		return s.tooLong()
	}
	typed, err := wire.ParseTyped(message, 0)
	if err != nil {
		return err
	}
	if typed.Command != nil {
		command, err := typed.Command.Parse(typed.Args)
		if err == nil {
			*req = *command
		}
		return err
	}
	req.Type, req.Text = wire.TypeSay, typed.Message
	return nil
}

// decodeJSON decodes the line of a program. With an error it returns the request's Seq, if
// that is known.
func (s *Session) decodeJSON(line []byte) (wire.Request, error) {
	req, err := wire.ParseRequest(line)
	limits := s.door.CurrentLimits()
	switch {
	case err != nil:
		return wire.Request{}, wire.Faultf(wire.CodeBadJSON, "%v", err)
	case req.Seq > wire.MaxNumber:
		return wire.Request{}, wire.Faultf(wire.CodeBadRequest, "seq is at most %d", uint64(wire.MaxNumber))
	case len(req.Text) > limits.Text:
		return wire.Request{Seq: req.Seq}, s.tooLong()
	}
	if !s.member.Visit {
		req.Once = "" // others have their numbers
	}
	req.Text = text.CleanLines(req.Text) // may be longer: a stand-in has up to three bytes
	switch {
	case len(req.Text) > limits.Text:
		return wire.Request{Seq: req.Seq}, s.tooLong()
	case strings.Count(req.Text, "\n") >= limits.TextLines:
		return wire.Request{Seq: req.Seq}, wire.Faultf(wire.CodeTooLong, "a message has at most %d lines; it was not sent", limits.TextLines)
	case (req.Type == wire.TypeSay || req.Type == "me" || req.Type == "msg") && strings.TrimSpace(req.Text) == "":
		return wire.Request{Seq: req.Seq}, wire.Faultf(wire.CodeBadRequest, "the message has no text")
	}
	return req, nil
}

func (s *Session) tooLong() error {
	return wire.Faultf(wire.CodeTooLong, "a message has at most %d bytes; it was not sent", s.door.CurrentLimits().Text)
}
