package room

import (
	mathrand "math/rand/v2"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// This file decides which nick a member gets. If it is not the wanted nick, wanted.go changes it
// later.

// nameLocked gives m the wanted nick. If that is taken, m gets the replacement it had last time,
// or a suffix. A member that wants none, or an invalid one, becomes a guest; the error says why
// the nick is invalid.
func (r *Room) nameLocked(m *Member, wanted string, now time.Time) error {
	id := m.identity
	if len(wanted) > text.MaxNickBytes {
		wanted = wanted[:text.MaxNickBytes+1] // as invalid as all of it, and no more to keep
	}
	had, asked := "", text.Clean(wanted) // as records keep it
	if asked == id.wanted {
		had = r.lastNickLocked(m)
	}
	id.wanted = asked
	nick, err := "", error(nil)
	if wanted != "" {
		nick, err = text.NormalizeNick(wanted)
	}
	if nick != "" && r.tryNickLocked(m, nick, now) || had != "" && r.tryNickLocked(m, had, now) {
		r.waitLocked(m, nick)
		return err
	}
	if nick != "" {
		m.nick, _ = r.withFreeSuffixLocked(nick, m, now)
		r.waitLocked(m, nick)
		return nil
	}
	for free := false; !free; free = r.isFreeLocked(m.keys(), m, now) {
		r.guests++
		m.nick = text.Guest(r.guests)
	}
	return err
}

// setNickLocked changes the nick of m, a member of the room. The new one is free.
func (r *Room) setNickLocked(m *Member, nick string, keys text.Keys) {
	r.freeNickLocked(m)
	m.nick = nick
	for _, key := range keys {
		r.nicks[key] = m
	}
}

// tryNickLocked gives m a nick if it may have it.
func (r *Room) tryNickLocked(m *Member, nick string, now time.Time) bool {
	keys := text.NickKeys(nick)
	switch {
	case r.isFreeLocked(keys, m, now):
	case !m.identity.host || r.order != nil || r.ownerLocked(keys, m) != "": // the host's own member gets any but those; see displaceLocked
		return false
	}
	m.nick = nick
	return true
}

// lastNickLocked returns the nick that m's client had last, or "".
func (r *Room) lastNickLocked(m *Member) string {
	if c := r.state.clients[m.identity.author]; c != nil {
		return c.Nick
	}
	return ""
}

// isFreeLocked reports whether m may have the nick with these keys: no other has it, and it is not
// reserved for another, nor does it belong to another key. A nick that belongs to m's own key is
// free, too, if only a member without a key has it; see displaceLocked.
func (r *Room) isFreeLocked(keys text.Keys, m *Member, now time.Time) bool {
	if r.ownerLocked(keys, m) != "" {
		return false
	}
	owns := r.ownsLocked(keys, m)
	if r.order != nil && !r.state.mayHave(m.subject(), keys, now) {
		return false
	}
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != m && !(owns && other.Key == nil && !other.identity.host && r.order == nil) {
			return false
		}
		if c := r.state.reservation(key, now); c != nil && !owns && (m.identity == nil || c.Author != m.identity.author) {
			return false
		}
	}
	return true
}

// withFreeSuffixLocked returns nick, with a suffix if it is taken, and its keys. From 10 on
// it tries random suffixes, because thousands of clients may ask for the same nick.
func (r *Room) withFreeSuffixLocked(nick string, m *Member, now time.Time) (string, text.Keys) {
	try, keys := nick, text.NickKeys(nick)
	for n := 2; !r.isFreeLocked(keys, m, now); n++ {
		suffix := n
		if n > 9 {
			suffix = 10 + mathrand.IntN(1_000_000)
		}
		try = text.NickWithSuffix(nick, suffix)
		keys = text.NickKeys(try)
	}
	return try, keys
}

func (r *Room) freeNickLocked(m *Member) {
	for _, key := range m.keys() {
		if r.nicks[key] == m { // and not the host's own member; see displaceLocked
			delete(r.nicks, key)
		}
	}
}

// memberNamedLocked returns the member called nick, or nil.
func (r *Room) memberNamedLocked(nick string) *Member {
	if len(nick) > text.MaxNickBytes {
		return nil
	}
	return r.nicks[text.NickKey(nick)]
}

func noSuchNick(nick string) error {
	if len(nick) > text.MaxNickBytes {
		return wire.Faultf(wire.CodeNoSuchNick, "no member has so long a nick; /who lists them")
	}
	return wire.Faultf(wire.CodeNoSuchNick, "no member is called %s; /who lists them", text.Clean(nick))
}

// Rename changes m's nick to wanted, with a suffix if that is taken, and returns it. The
// error is a [*wire.Fault].
func (r *Room) Rename(m *Member, wanted string, seq uint64, now time.Time) (string, error) {
	wanted, err := text.NormalizeNick(wanted)
	if err != nil {
		return "", wire.Faultf(wire.CodeBadNick, "%s", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if m.identity == nil || m.identity.owner != m || r.closed {
		return "", r.checkMemberLocked(m, now)
	}
	nick, keys := r.withFreeSuffixLocked(wanted, m, now)
	if r.order != nil && m.announced && r.state.mayTake(m.subject(), text.NickKeys(wanted)) {
		nick, keys = wanted, text.NickKeys(wanted)
	}
	switch {
	case isMarked(r.state.mutes, r.askingLocked(m)):
		return "", mutedFault()
	case nick != m.nick:
		err := r.renameLocked(m, nick, keys, &request{op: opRename, at: now, seq: seq, text: nick, wanted: wanted})
		if err != nil {
			return "", faultOf(err, notChanged)
		}
		if r.order != nil && m.announced {
			return nick, nil
		}
	case wanted != m.identity.wanted:
		m.identity.wanted = wanted
		r.recordClientLocked(m, here, now)
	}
	r.waitLocked(m, wanted)
	r.giveNicksLocked(now)
	return m.nick, nil
}

// renameLocked gives m the nick with these keys, as req says.
func (r *Room) renameLocked(m *Member, nick string, keys text.Keys, req *request) error {
	if len(r.presence.leaving) > 0 { // perhaps of the member who had the nick
		r.flushLocked(req.at)
	}
	r.renameDisplacedLocked(r.displaceLocked(m, keys, req.at), m, nick, req.at)
	if m.announced {
		req.by = r.askingLocked(m)
		if err := r.submitLocked(m, req); err != nil {
			return err
		}
		r.log.Wake()
		if r.order != nil { // m gets it when all relays have agreed
			return nil
		}
	}
	had := m.nick
	r.setNickLocked(m, nick, keys)
	m.identity.wanted = req.wanted
	r.ownNickLocked(m, req.at)
	if m.announced {
		return nil
	}
	// The join will announce the new nick only. A program needs an event, too.
	r.recordClientLocked(m, here, req.at)
	if m.Program {
		e := wire.Event{Type: wire.TypeNick, From: had, Nick: nick, Client: m.identity.id, Time: req.at}
		if req.wanted != nick {
			e.Wanted = req.wanted
		}
		m.Peer.Deliver(&e, nick)
	}
	return nil
}
