package room

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is about operators. Some are operators by right: the host's own member, and those who have the
// operator secret, the operator token or a key in the file of operators. They can make other members
// operators; that is part of the state.

// AdminNick is who acts if the host itself does. No member can have a nick with a space.
const AdminNick = "host (admin)"

// Admin returns the operator that stands for the host itself. It is not in the room, and does not change.
func (r *Room) Admin() *Member { return r.admin }

func newAdmin() *Member {
	return &Member{nick: AdminNick, identity: &identity{host: true, byRight: true, operator: true}}
}

// maxOperators is how many operators the state has, besides those by right.
const maxOperators = 100

// The prefixes of the marks of operators.
const (
	keyMark   = "key "   // followed by the hash of a token
	ownerMark = "owner " // followed by the fingerprint of a key
)

// operatorMark returns the mark by which the room recognizes s as an operator again: the fingerprint of its key if it
// has proven one, or else the hash of its token. An address or a public ID is no proof. "": there is none.
func (s *subject) operatorMark() string {
	switch {
	case s.fingerprint != "":
		return ownerMark + s.fingerprint
	case s.key != (clientKey{}):
		return keyMark + hex.EncodeToString(s.key[:])
	}
	return ""
}

// isOperatorMark reports whether mark is one that operatorMark returns.
func isOperatorMark(mark string) bool {
	if fingerprint, ok := strings.CutPrefix(mark, ownerMark); ok {
		return sshkey.Tag(fingerprint) != ""
	}
	key, ok := strings.CutPrefix(mark, keyMark)
	b, err := hex.DecodeString(key)
	return ok && err == nil && len(b) == len(clientKey{}) && strings.ToLower(key) == key
}

// wasMade reports whether an operator made s one.
func (s *State) wasMade(by *subject) bool {
	return len(s.operators) > 0 && s.operators[by.operatorMark()] != ""
}

// decideOperator decides on making a client an operator, r.to, or on ending that, r.name and perhaps r.to.
func (s *State) decideOperator(r *request, e *event) error {
	e.hidden = &hidden{Type: hiddenOp, At: millisOf(r.at), Author: r.by.author}
	if r.op == opDeop {
		e.hidden.Type = hiddenDeop
		e.hidden.Marks = s.marksToDeop(r)
		switch {
		case len(e.hidden.Marks) > 0:
			return nil
		case r.to != nil && r.to.byRight:
			return wire.Faultf(wire.CodeBadRequest, "%s is an operator by the host's token, its operator secret or a key: only the host can change that", r.to.nick)
		case r.to != nil:
			return wire.Faultf(wire.CodeBadRequest, "%s is no operator", r.to.nick)
		}
		return noSuchNick(r.name)
	}
	mark := r.to.operatorMark()
	switch {
	case r.to.byRight || s.wasMade(r.to):
		return wire.Faultf(wire.CodeBadRequest, "%s is an operator already", r.to.nick)
	case mark == "":
		return wire.Faultf(wire.CodeBadRequest, "%s cannot be an operator: the host does not recognize it on another connection; chat join and the page it does", r.to.nick)
	case r.to.visit:
		return wire.Faultf(wire.CodeBadRequest, "%s cannot be an operator: it only sends messages by HTTP", r.to.nick)
	case isMarked(s.bans, r.to) || isMarked(s.mutes, r.to):
		return wire.Faultf(wire.CodeBadRequest, "%s is banned or muted; lift that first", r.to.nick)
	case len(s.operators) >= maxOperators:
		return wire.Faultf(wire.CodeBadRequest, "there are %d operators already; /deop some first", maxOperators)
	}
	e.hidden.Nick, e.hidden.Marks = r.to.nick, []string{mark}
	return nil
}

// marksToDeop returns the marks of the operators that r is about: the member with the nick if there is one, or else all who
// have it now, or had it last.
func (s *State) marksToDeop(r *request) (found []string) {
	if r.to != nil && s.wasMade(r.to) {
		return []string{r.to.operatorMark()}
	}
	if len(r.name) > text.MaxNickBytes {
		return nil
	}
	fold := text.NickFold(r.name)
	for _, mark := range slices.Sorted(maps.Keys(s.operators)) {
		if text.NickFold(s.operatorNick(mark)) == fold {
			found = append(found, mark)
		}
	}
	return found
}

// operatorNick returns the nick that the operator with a mark has or had last.
func (s *State) operatorNick(mark string) string {
	var last *Client
	for _, c := range s.clients {
		if c.subject().operatorMark() == mark && (last == nil || cmp.Or(c.At.Compare(last.At.Time), cmp.Compare(c.Author, last.Author)) > 0) {
			last = c
		}
	}
	if last == nil {
		return s.operators[mark]
	}
	return last.Nick
}

// applyOperator applies a hidden event of hiddenOp or hiddenDeop. Marks that no room wrote change nothing.
func (s *State) applyOperator(h *hidden) {
	s.undo.saveOperators(s)
	for _, mark := range h.Marks {
		switch {
		case h.Type == hiddenDeop:
			delete(s.operators, mark)
		case h.Nick != "" && isOperatorMark(mark) && (len(s.operators) < maxOperators || s.operators[mark] != ""):
			s.operators[mark] = h.Nick
		}
	}
}

// loadOperator adds an operator from a record. One that no room wrote is skipped.
func (s *State) loadOperator(mark string, value []byte) error {
	if !isOperatorMark(mark) || len(s.operators) >= maxOperators {
		return nil
	}
	return loadMark(s.operators, mark, value)
}

func (u *undo) saveOperators(s *State) {
	if u != nil && u.operators == nil {
		u.operators = maps.Clone(s.operators)
	}
}

// reviewLocked notes whether m is an operator, and returns that. Who may only read is none.
func (r *Room) reviewLocked(m *Member) bool {
	id := m.identity
	id.operator = id.byRight || m.Level != access.Listen && len(r.state.operators) > 0 && r.state.wasMade(m.subject())
	return id.operator
}

// reviewAllLocked is reviewLocked for all members.
func (r *Room) reviewAllLocked() {
	for _, m := range r.members {
		r.reviewLocked(m)
	}
}

// Op makes the client named nick, present or away, an operator. Like the other methods of moderation it returns a
// notice for the operator; the error is a [*wire.Fault]. The reason may be "". Without a nick, the notice lists the operators.
func (r *Room) Op(by *Member, nick, reason string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	if nick == "" {
		return r.operatorsLocked(), nil
	}
	target, m := r.clientLocked(nick)
	switch {
	case target == nil:
		return "", noSuchNick(nick)
	case m != nil && m.Level == access.Listen:
		return "", wire.Faultf(wire.CodeBadRequest, "%s may only read: it joined by an invite for that", target.nick)
	}
	if err := r.submitLocked(nil, &request{op: opOp, at: now, by: r.askingLocked(by), to: target}); err != nil {
		return "", faultOf(err, notChanged)
	}
	r.reviewAllLocked()
	r.recordLocked(by, "op", target.nick, because("made "+target.nick+" an operator", reason), now)
	if !r.opts.Sealed {
		return "this room is plain: whoever reads its network can act as " + target.nick, nil
	}
	return "", nil
}

// Deop ends that the client named nick, present or away, is an operator because of Op. The reason may be "".
func (r *Room) Deop(by *Member, nick, reason string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	target, _ := r.clientLocked(nick)
	if err := r.submitLocked(nil, &request{op: opDeop, at: now, by: r.askingLocked(by), to: target, name: nick}); err != nil {
		return "", faultOf(err, notChanged)
	}
	r.reviewAllLocked()
	name := text.Clean(nick)
	if target != nil {
		name = target.nick
	}
	r.recordLocked(by, "deop", name, because("made "+name+" an ordinary member", reason), now)
	return "", nil
}

// operatorsLocked lists the operators in words: those by right who are here, and all others.
func (r *Room) operatorsLocked() string {
	var names []string
	for _, m := range r.members {
		switch {
		case m.identity.host:
			names = append(names, m.nick+" (host)")
		case m.identity.byRight:
			names = append(names, m.nick+" (by secret or key)")
		}
	}
	for _, mark := range slices.Sorted(maps.Keys(r.state.operators)) {
		names = append(names, text.Clean(r.state.operatorNick(mark)))
	}
	slices.Sort(names)
	return "operators: " + cmp.Or(strings.Join(names, ", "), "no one")
}

// Operators returns the nicks of the operators made by Op, sorted; those away have their last one.
func (r *Room) Operators() (nicks []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for mark := range r.state.operators {
		nicks = append(nicks, text.Clean(r.state.operatorNick(mark)))
	}
	slices.Sort(nicks)
	return nicks
}

// clientLocked returns the member with this nick, or the client that had it last; m is then nil. A nil subject: there is none.
func (r *Room) clientLocked(nick string) (found *subject, m *Member) {
	if m = r.memberNamedLocked(nick); m != nil {
		return m.subject(), m
	}
	if len(nick) <= text.MaxNickBytes {
		c := r.state.holder(text.NickKey(nick))
		if c == nil {
			c = r.state.clientNamed(nick)
		}
		if c != nil {
			s := c.subject()
			s.operator = s.byRight || r.state.wasMade(s)
			return s, nil
		}
	}
	return nil, nil
}

// maxAct is the limit of the text of an operator's event in bytes. A reason has less.
const maxAct = 1 << 10

// Record adds to the log that an operator did something: what follows its nick in a sentence. The error is a
// [*wire.Fault].
func (r *Room) Record(by *Member, code wire.Code, did string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return err
	}
	return faultOf(r.recordLocked(by, code, "", did, now), "it is not in the history")
}

// recordLocked is Record; nick is whom the act is about, "" if only operators may know. A closed room records
// nothing more. It fails only if 20,000 such events wait for a full disk.
func (r *Room) recordLocked(by *Member, code wire.Code, nick, did string, now time.Time) error {
	if r.closed {
		return nil
	}
	e := &wire.Event{Type: wire.TypeOperator, Time: now, From: by.nick, Client: by.identity.id, Code: code, Nick: nick, Text: cleaned(did, maxAct)}
	if r.order != nil {
		return r.proposeEventLocked(e, by.identity.author, nil)
	}
	_, err := r.log.Append(e, history.Origin{Author: by.identity.author})
	r.log.Wake()
	return err
}

// recordRankLocked adds to the log that m, whose join may have said otherwise, is an operator now, or is none any more: by
// right, without an act of an operator.
func (r *Room) recordRankLocked(m *Member, now time.Time) {
	if !m.announced { // its join will say so
		return
	}
	code, did := wire.Code("op"), "is an operator now"
	if !m.identity.operator {
		code, did = "deop", "is no longer an operator"
	}
	_ = r.recordLocked(m, code, m.nick, did, now) // it fails only if the disk is full; /who shows the rank
}

// because returns did with the reason, which may be "".
func because(did, reason string) string {
	if reason == "" {
		return did
	}
	return did + ": " + reason
}
