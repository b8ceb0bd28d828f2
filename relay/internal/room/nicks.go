package room

import (
	mathrand "math/rand/v2"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// nameLocked gives m a nick: the one it asks for, or had last time; with a suffix if it is
// taken; a guest's if m asks for none or for an invalid one. The error says why the nick is
// invalid.
func (r *Room) nameLocked(m *Member, wanted string, now time.Time) error {
	id := m.identity
	if len(wanted) > text.MaxNickBytes {
		wanted = wanted[:text.MaxNickBytes+1] // as invalid as all of it, and no more to keep
	}
	asked := text.Clean(wanted) // as records keep it
	if had := r.lastNickLocked(m); asked == id.wanted && had != "" && r.isFreeLocked(text.NickKeys(had), m, now) {
		m.nick, m.keys = had, text.NickKeys(had)
		return nil
	}
	id.wanted = asked
	var err error
	if wanted != "" {
		var nick string
		if nick, err = text.NormalizeNick(wanted); err == nil {
			m.nick, m.keys = r.withFreeSuffixLocked(nick, m, now)
			return nil
		}
	}
	for free := false; !free; free = r.isFreeLocked(m.keys, m, now) {
		r.guests++
		m.nick = text.Guest(r.guests)
		m.keys = text.NickKeys(m.nick)
	}
	return err
}

// lastNickLocked returns the nick that m's client had last, or "".
func (r *Room) lastNickLocked(m *Member) string {
	if c := r.state.clients[m.identity.author]; c != nil {
		return c.Nick
	}
	return ""
}

// isFreeLocked reports whether m may have the nick with these keys.
func (r *Room) isFreeLocked(keys text.Keys, m *Member, now time.Time) bool {
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != m {
			return false
		}
		if c := r.state.reservation(key, now); c != nil && (m.identity == nil || c.Author != m.identity.author) {
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
	for _, key := range m.keys {
		delete(r.nicks, key)
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
	nick, err := text.NormalizeNick(wanted)
	if err != nil {
		return "", wire.Faultf(wire.CodeBadNick, "%s", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil || m.identity.owner != m || r.closed {
		return "", r.checkMemberLocked(m, now)
	}
	nick, keys := r.withFreeSuffixLocked(nick, m, now)
	by := r.askingLocked(m)
	switch {
	case isMarked(r.state.mutes, by):
		return "", mutedFault()
	case nick == m.nick:
		return nick, nil
	case m.announced:
		err := r.submitLocked(m, &request{op: opRename, at: now, by: by, seq: seq, text: nick})
		if err != nil {
			return "", faultOf(err, notChanged)
		}
		r.log.Wake()
	}
	r.freeNickLocked(m)
	m.nick, m.keys, m.identity.wanted = nick, keys, nick
	for _, key := range keys {
		r.nicks[key] = m
	}
	if !m.announced { // the join will announce the new nick only
		r.recordClientLocked(m, here, now)
	}
	return nick, nil
}
