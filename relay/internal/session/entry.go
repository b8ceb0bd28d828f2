package session

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/seal"
	"chat/relay/text"
	"chat/relay/wire"
)

// In this file, a client proves that it may enter a sealed room. Until then it is no member, has no
// claim to a place, and sees nothing of the room but its title.

const (
	// maxProgramLines is how many lines a program may send until it has entered, within
	// Limits.FirstLine. It needs four at most, and a few for questions.
	maxProgramLines = 16

	// maxPersonSecrets is how many wrong secrets end the session of a person.
	maxPersonSecrets = 3

	// maxEntryLine is the limit of a program's line until it has entered, in bytes: a hello with a
	// large key and its signature has 4 KiB.
	maxEntryLine = 8 << 10
)

// An entry is the state of a session that has not yet entered a sealed room. It is owned by the goroutine
// that reads.
type entry struct {
	exporter func(label string, length int) ([]byte, error) // see Conn; nil: the connection is not encrypted
	level    access.Level                                   // that a secret has proven, while valid had not ended
	valid    context.Context                                // see access.Credentials
	key      *access.Key                                    // that the client has proven; nil: none
	exchange *access.Exchange                               // by SCRAM; nil: none has begun
	lines    int                                            // of a program so far
}

// newEntry returns the entry of a session on c; nil in a plain room.
func (d *Door) newEntry(c *Conn) *entry {
	if !d.Gate.IsSealed() {
		return nil
	}
	return &entry{exporter: c.Exporter, level: c.Proven.BySecret, valid: c.Proven.Valid, key: c.Proven.Key}
}

// from returns the session's address group, whose wrong secrets count together.
func (s *Session) from() string {
	if s.out.payer == ThisMachine {
		return ""
	}
	return s.out.payer
}

// fail ends the session because of err.
func (s *Session) fail(err error) error {
	s.logWrong(err)
	s.reject(0, err)
	s.out.endQuietly()
	return errEnded
}

// logWrong logs that a secret, or a signature, is wrong, if err is that.
func (s *Session) logWrong(err error) {
	if fault, ok := errors.AsType[*wire.Fault](err); ok && (fault.Code == wire.CodeAuthFailed || fault.Code == wire.CodeTooMany) {
		s.out.logPassing(slog.LevelWarn, "a client was not let in", "code", string(fault.Code))
	}
}

// --- programs ---------------------------------------------------------------------

// prove takes a line of a program before its hello was accepted: an auth, or a hello. It returns true if the
// program may enter. The error has ended the session, unless it is nil.
func (s *Session) prove(req *wire.Request) (ok bool, err error) {
	e := s.entry
	if e == nil { // a plain room
		if s.door.Room.IsOperatorToken(&s.member, req.Secret) {
			s.member.Level = access.Operator
		}
		return true, nil
	}
	if req.Type == wire.TypeAuth {
		err = s.authenticate(req)
	} else if err = s.identify(req); err == nil {
		return true, nil
	}
	if fault, ok := errors.AsType[*wire.Fault](err); ok && (fault.Code == wire.CodeNoSecret || fault.Code == wire.CodeBadRequest || fault.Code == wire.CodeBusy) {
		s.reject(req.Seq, fault)
		return false, nil
	}
	if err != nil {
		return false, s.fail(err)
	}
	return false, nil
}

// countEntryLine counts a line of a program that has not entered. The error has ended the session.
func (s *Session) countEntryLine() error {
	if s.entry == nil {
		return nil
	}
	if s.entry.lines++; s.entry.lines > maxProgramLines {
		return s.fail(wire.Faultf(wire.CodeTooMany, "too many lines before a hello that lets you in"))
	}
	return nil
}

// authenticate carries out one step of an authentication by SCRAM. After an error it may begin again.
func (s *Session) authenticate(req *wire.Request) error {
	e := s.entry
	if e.exchange == nil {
		if e.exporter == nil {
			return wire.Faultf(wire.CodeBadRequest, "an auth needs an encrypted connection; send the secret in the hello")
		}
		binding, err := e.exporter(access.BindingLabel, access.BindingLength)
		if err != nil {
			return err
		}
		if e.exchange, err = s.door.Gate.Begin(s.from(), req.Mechanism, binding); err != nil {
			return err
		}
	}
	valid := s.door.Gate.Current()
	answer, level, err := e.exchange.Step(req.Data, s.out.endingChan())
	if err != nil || level != access.None {
		s.endExchange()
	}
	if err != nil {
		return err
	}
	if level != access.None {
		e.level, e.valid = max(access.BySecretNow(e.level, e.valid), level), valid
	}
	s.reply(&wire.Event{Type: wire.TypeAuth, Data: answer})
	return nil
}

// endExchange ends the authentication that has begun, if any.
func (s *Session) endExchange() {
	if s.entry != nil && s.entry.exchange != nil {
		s.entry.exchange.End()
		s.entry.exchange = nil
	}
}

// identify sets the level and the key of the member from its hello, and from earlier proofs. The error is a
// fault of [wire.CodeNoSecret] if there are none.
func (s *Session) identify(req *wire.Request) error {
	e, gate := s.entry, s.door.Gate
	e.level = access.BySecretNow(e.level, e.valid) // the secret may have been replaced since
	if req.Secret != "" {
		level, err := gate.Check(s.from(), req.Secret, s.out.endingChan())
		if err != nil {
			return err
		}
		e.level = max(e.level, level)
	}
	if s.door.Room.IsHost(&s.member, req.Token) {
		e.level = access.Operator
	}
	if req.Key != "" {
		if err := s.verifyKey(req); err != nil {
			return err
		}
	}
	proven := gate.Grant(e.level, e.key)
	if proven.Level == access.None {
		return gate.WhyNot()
	}
	s.admit(proven)
	return nil
}

// verifyKey has the client prove that it has the key that its hello names.
func (s *Session) verifyKey(req *wire.Request) error {
	e := s.entry
	if e.exporter == nil {
		return wire.Faultf(wire.CodeBadRequest, "a key needs an encrypted connection")
	}
	binding, err := e.exporter(seal.ExporterLabel, seal.BindingLength)
	if err == nil {
		e.key, err = access.VerifyKey(req.Key, req.Signature, s.door.Room.ID(), binding)
	}
	return err
}

// admit sets the credentials of the member, which may enter now.
func (s *Session) admit(proven access.Credentials) {
	s.endExchange()
	s.member.Level, s.member.BySecret, s.member.Key = proven.Level, proven.BySecret, proven.Key
	s.entry = nil
	if s.member.Program {
		s.lines.SetMax(s.door.CurrentLimits().JSONLine)
	}
}

// confirmKey applies a change of the keys that let members in, or make them operators, if it came between the check of the
// member's key and its entering: the room did not know it then.
func (s *Session) confirmKey() {
	if s.member.Key != nil && s.door.Gate.Grant(s.member.BySecret, s.member.Key).Level != s.member.Level {
		s.door.Regrade()
	}
}

// Regrade applies changes of the keys that let members in, or make them operators, to those in a sealed room.
func (d *Door) Regrade() {
	d.Room.Regrade(func(secret access.Level, key *access.Key) access.Level { return d.Gate.Grant(secret, key).Level }, clock.Now())
}

// --- people -----------------------------------------------------------------------

// enterBySecret asks a person for the secret, and enters the room. line is the first line that they sent; nil:
// none yet. late recognizes a first line that another client sent late; nil: the line was recognized already.
// The error ends the session.
func (s *Session) enterBySecret(line []byte, late Recognizer) error {
	if line == nil {
		s.askSecret()
	}
	for wrong := 0; ; line = nil {
		if line == nil {
			var err error
			if line, err = s.nextSecret(&late); err != nil {
				return err
			}
		}
		if late != nil {
			speaker, answer := late.Late(line, s.lines.Pending())
			if speaker != Person {
				return s.serveOther(speaker, line, answer)
			}
		}
		typed := string(wire.StripTelnet(line))
		if wire.EndsInput(typed) || text.Clean(typed) == "/quit" {
			s.out.endQuietly()
			return errEnded
		}
		if text.Clean(typed) == "" { // the next line decides
			continue
		}
		late = nil
		level, err := s.door.Gate.Check(s.from(), access.SecretIn(typed), s.out.endingChan())
		if err == nil {
			s.admit(s.door.Gate.Grant(level, nil))
			return s.enter(&wire.Request{})
		}
		if wrong++; wrong == maxPersonSecrets || isFinal(err) {
			return s.fail(err)
		}
		s.logWrong(err)
		s.reject(0, err)
		s.askSecret()
	}
}

// askSecret asks for the secret, and sets the deadline of the answer.
func (s *Session) askSecret() {
	s.reply(notice("this room is sealed: type its secret"))
	s.out.readBy(time.Now().Add(s.door.CurrentLimits().FirstLine))
}

// isFinal reports whether another secret would not help either.
func isFinal(err error) bool {
	fault, ok := errors.AsType[*wire.Fault](err)
	return ok && fault.Code != wire.CodeAuthFailed
}

// nextSecret reads the next line while a person has not entered. If it is too long, *late decides whether
// its client is a person at all.
func (s *Session) nextSecret(late *Recognizer) ([]byte, error) {
	for {
		s.keepPace()
		line, err := s.lines.ReadLine()
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			if *late != nil && (*late).Start(s.lines.Dropped()) != Person {
				return nil, errEnded
			}
			*late = nil
			s.rejectTooLong()
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.out.End(wire.Event{Type: wire.TypeBye, Code: wire.CodeFirstLine, Text: "no secret arrived in time"})
			return nil, errEnded
		default:
			return line, err
		}
	}
}
