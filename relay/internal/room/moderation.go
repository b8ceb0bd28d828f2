package room

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// checkOperatorLocked returns a fault if m is not an operator.
func (r *Room) checkOperatorLocked(m *Member) error {
	if m.identity == nil || !m.identity.operator {
		return wire.Faultf(wire.CodeNotAllowed, "only operators can do that")
	}
	return nil
}

// targetLocked returns the target of an operator's command: the member with this nick, or
// the client that had it last; m is then nil. Operators cannot be targets.
func (r *Room) targetLocked(nick string) (target *subject, m *Member, err error) {
	target, m = r.clientLocked(nick)
	switch {
	case target == nil:
		return nil, nil, noSuchNick(nick)
	case target.operator:
		return nil, nil, wire.Faultf(wire.CodeBadRequest, "%s is an operator%s", target.nick, deopFirst(target))
	}
	return target, m, nil
}

// deopFirst says how an operator can become a target.
func deopFirst(target *subject) string {
	if target.byRight {
		return ""
	}
	return "; /deop " + target.nick + " first"
}

// Kick disconnects a member. Like the other methods of moderation it returns a notice for
// the operator; the error is a [*wire.Fault].
func (r *Room) Kick(by *Member, nick, reason string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	target, m, err := r.targetLocked(nick)
	switch {
	case err != nil:
		return "", err
	case m == nil && r.holderLocked(target.author) != nil:
		req := &request{op: opKick, at: now, by: r.askingLocked(by), to: target, kind: string(wire.CodeKicked), text: reason}
		if err := r.submitLocked(nil, req); err != nil {
			return "", faultOf(err, notChanged)
		}
		return target.nick + " was removed", nil
	case m == nil:
		return "", wire.Faultf(wire.CodeNoSuchNick, "%s is not connected; use /mute or /ban", target.nick)
	}
	r.expelLocked(m, by, wire.CodeKicked, reason, now)
	return m.nick + " was removed", nil
}

// verbs are the codes of acts that disconnect members, by the code of the leave.
var verbs = map[wire.Code]wire.Code{wire.CodeKicked: "kick", wire.CodeBanned: "ban"}

// expelLocked disconnects m, and announces that with the reason, which may be "".
func (r *Room) expelLocked(m, by *Member, code wire.Code, reason string, now time.Time) {
	how := wire.Event{Code: code, From: by.nick, Text: reason}
	if !m.announced { // there is no leave
		r.recordLocked(by, verbs[code], m.nick, because(string(code)+" "+m.nick, reason), now)
	}
	r.leaveLocked(m, left, how, now)
	m.Peer.End(byeEvent(code, "you were "+how.Expulsion()))
}

// Ban bans the client named name, present or away, by its ID, token and address, or an IP
// address. It disconnects the members concerned.
func (r *Room) Ban(by *Member, name, reason string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(name); err == nil && r.memberNamedLocked(name) == nil {
		return r.banAddressLocked(by, ip, reason, now)
	}
	target, m, err := r.targetLocked(name)
	if err != nil {
		return "", err
	}
	if err := r.submitLocked(nil, &request{op: opBan, at: now, by: r.askingLocked(by), to: target, text: reason}); err != nil {
		return "", faultOf(err, notChanged)
	}
	notice := target.nick + " is banned"
	if m != nil {
		if m.Address == "" {
			notice += "; its address is this machine's own and stays open"
		}
		r.expelLocked(m, by, wire.CodeBanned, reason, now)
	} else {
		r.recordLocked(by, "ban", target.nick, because("banned "+target.nick, reason), now)
	}
	return notice, nil
}

func (r *Room) banAddressLocked(by *Member, ip netip.Addr, reason string, now time.Time) (string, error) {
	address := AddressKey(ip)
	if address == "" {
		return "", wire.Faultf(wire.CodeBadRequest, "%s is this machine's own address", ip)
	}
	err := r.submitLocked(nil, &request{op: opBan, at: now, by: r.askingLocked(by), to: &subject{nick: address, address: address}, text: reason})
	if err != nil {
		return "", faultOf(err, notChanged)
	}
	r.recordLocked(by, "ban", "", because("banned an address", reason), now) // only operators see which
	for _, m := range slices.Clone(r.members) {
		if m.Address == address && !m.identity.operator {
			r.expelLocked(m, by, wire.CodeBanned, reason, now)
		}
	}
	return address + " is banned", nil
}

// Mute rejects the messages of the client named nick, present or away, from now on. The reason may be "".
func (r *Room) Mute(by *Member, nick, reason string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	target, m, err := r.targetLocked(nick)
	if err != nil {
		return "", err
	}
	if err := r.submitLocked(nil, &request{op: opMute, at: now, by: r.askingLocked(by), to: target, text: reason}); err != nil {
		return "", faultOf(err, notChanged)
	}
	if m != nil {
		m.Peer.Deliver(&wire.Event{Type: wire.TypeNotice, Text: because(by.nick+" muted you: your messages are not sent", reason)}, m.nick)
	}
	r.recordLocked(by, "mute", target.nick, because("muted "+target.nick, reason), now)
	return target.nick + " is muted", nil
}

// Unban lifts a ban of a nick or an address.
func (r *Room) Unban(by *Member, name string, now time.Time) (string, error) {
	return r.lift(by, opUnban, name, now)
}

// Unmute lifts a mute of a nick or an address.
func (r *Room) Unmute(by *Member, name string, now time.Time) (string, error) {
	return r.lift(by, opUnmute, name, now)
}

func (r *Room) lift(by *Member, op operation, name string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	if err := r.submitLocked(nil, &request{op: op, at: now, by: r.askingLocked(by), name: name}); err != nil {
		return "", faultOf(err, notChanged)
	}
	if op == opUnban {
		r.recordLiftLocked(by, "unban", "ban", name, now)
		return text.Clean(name) + " is no longer banned", nil
	}
	r.recordLiftLocked(by, "unmute", "mute", name, now)
	r.giveNicksLocked(r.timeLocked(now)) // a muted member gets no nick
	return text.Clean(name) + " is no longer muted", nil
}

// recordLiftLocked records that a ban or a mute was lifted. Only operators see an address.
func (r *Room) recordLiftLocked(by *Member, code wire.Code, what, name string, now time.Time) {
	nick := text.Clean(name)
	if _, err := netip.ParseAddr(name); err == nil {
		nick = ""
	}
	r.recordLocked(by, code, nick, "lifted the "+what+" of "+cmp.Or(nick, "an address"), now)
}

// Bans returns the lists of bans and mutes, in words.
func (r *Room) Bans(by *Member) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	return "banned: " + nicksIn(r.state.bans) + "\nmuted: " + nicksIn(r.state.mutes), nil
}

// maxIgnored is how many members one client may ignore.
const maxIgnored = 100

// Ignore hides the messages of the member called nick from m. It returns the nick as that
// member spells it. The error is a [*wire.Fault].
func (r *Room) Ignore(m *Member, nick string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return "", err
	}
	id := m.identity
	other, isHere := r.recipientLocked(nick, now)
	switch {
	case !isHere:
		return "", noSuchNick(nick)
	case other.author == id.author:
		return "", wire.Faultf(wire.CodeBadRequest, "that is you")
	case len(id.ignored) >= maxIgnored:
		return "", wire.Faultf(wire.CodeBadRequest, "you ignore %d members already; /unignore some first", maxIgnored)
	}
	if id.ignored == nil {
		id.ignored = make(map[history.Author]string)
	}
	id.ignored[other.author] = other.nick
	m.Peer.Ignore(keySet(id.ignored))
	return other.nick, nil
}

// Unignore shows the messages of the member called nick to m again. It returns the nick and
// a [*wire.Fault] like Ignore.
func (r *Room) Unignore(m *Member, nick string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkMemberLocked(m, now); err != nil {
		return "", err
	}
	if len(nick) > text.MaxNickBytes {
		return "", wire.Faultf(wire.CodeNoSuchNick, "you ignore no one with so long a nick")
	}
	fold := text.NickFold(nick)
	for author, name := range m.identity.ignored {
		if text.NickFold(name) == fold {
			delete(m.identity.ignored, author)
			m.Peer.Ignore(keySet(m.identity.ignored))
			return name, nil
		}
	}
	return "", wire.Faultf(wire.CodeNoSuchNick, "you ignore no one called %s", text.Clean(nick))
}

// Ignored lists the nicks of the members whose messages are hidden from m.
func (r *Room) Ignored(m *Member) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil {
		return nil
	}
	return slices.Sorted(maps.Values(m.identity.ignored))
}
