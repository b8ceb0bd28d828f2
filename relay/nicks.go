package relay

import (
	mathrand "math/rand/v2"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is who is called what.

// nickHeld is how long the nick of a client whose connection was lost is kept for it.
const nickHeld = 2 * time.Minute

// holdLocked keeps the nick of a client whose connection was lost. keys are those of the nick.
func (r *room) holdLocked(c *identity, keys text.Keys) {
	c.heldUntil, c.heldKeys = time.Now().Add(nickHeld), keys
	for _, key := range keys {
		r.held[key] = c
	}
}

// unholdLocked lets others have it.
func (r *room) unholdLocked(c *identity) {
	if c.heldUntil.IsZero() {
		return
	}
	c.heldUntil = time.Time{}
	for _, key := range c.heldKeys {
		if r.held[key] == c {
			delete(r.held, key)
		}
	}
}

// holderLocked returns whose nick has the key although it is away, or nil.
func (r *room) holderLocked(key string) *identity {
	c := r.held[key]
	if c != nil && time.Now().After(c.heldUntil) {
		r.unholdLocked(c)
		return nil
	}
	return c
}

// nameLocked gives s a nick: the one it wants, or had; that with a suffix where
// it is taken; a guest's where it wants none. It returns why a nick cannot be had.
func (r *room) nameLocked(s *session, wanted string) error {
	c := s.identity
	if len(wanted) > text.MaxNickBytes {
		wanted = wanted[:text.MaxNickBytes+1] // as wrong as all of it, and no more to keep
	}
	if wanted == c.wanted && c.nick != "" && r.isFreeLocked(text.NickKeys(c.nick), s) {
		s.nick, s.keys = c.nick, text.NickKeys(c.nick)
		return nil
	}
	c.wanted = wanted
	var err error
	if wanted != "" {
		var nick string
		if nick, err = text.NormalizeNick(wanted); err == nil {
			s.nick, s.keys = r.freeNickLocked(nick, s)
		}
	}
	if wanted == "" || err != nil {
		for free := false; !free; free = r.isFreeLocked(s.keys, s) {
			r.guests++
			s.nick = text.Guest(r.guests)
			s.keys = text.NickKeys(s.nick)
		}
	}
	c.nick = s.nick
	return err
}

// isFreeLocked reports whether s may have the nick with these keys.
func (r *room) isFreeLocked(keys text.Keys, s *session) bool {
	for _, key := range keys {
		if other := r.nicks[key]; other != nil && other != s {
			return false
		}
		if c := r.holderLocked(key); c != nil && c != s.identity {
			return false
		}
	}
	return true
}

// freeNickLocked returns nick, with a suffix where it is taken, and its keys.
// After a few suffixes in order it takes any: thousands may want the same nick.
func (r *room) freeNickLocked(nick string, s *session) (string, text.Keys) {
	try, keys := nick, text.NickKeys(nick)
	for n := 2; !r.isFreeLocked(keys, s); n++ {
		suffix := n
		if n > 9 {
			suffix = 10 + mathrand.IntN(1_000_000)
		}
		try = text.NickWithSuffix(nick, suffix)
		keys = text.NickKeys(try)
	}
	return try, keys
}

func (r *room) unnameLocked(s *session) {
	for _, key := range s.keys {
		delete(r.nicks, key)
	}
}

// findLocked returns the member called nick, or nil.
func (r *room) findLocked(nick string) *session {
	if len(nick) > text.MaxNickBytes {
		return nil
	}
	return r.nicks[text.NickKey(nick)]
}

func noSuchNick(nick string) *wire.Event {
	if len(nick) > text.MaxNickBytes {
		return faultf(wire.CodeNoSuchNick, "nobody here has so long a name; /who lists them")
	}
	return faultf(wire.CodeNoSuchNick, "nobody here is called %s; /who lists them", text.Clean(nick))
}

// rename gives s another nick and returns it.
func (r *room) rename(s *session, wanted string, seq uint64) (string, *wire.Event) {
	nick, err := text.NormalizeNick(wanted)
	if err != nil {
		return "", faultf(wire.CodeBadNick, "%s", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.identity == nil || r.closed {
		return "", r.memberLocked(s)
	}
	if r.isMarkedLocked(r.muted, s) { // a nick is something said, too
		return "", muted()
	}
	nick, keys := r.freeNickLocked(nick, s)
	old := s.nick
	if nick == old {
		return nick, nil
	}
	if s.announced { // else the room hears only of the new one
		renamed := &wire.Event{Type: wire.TypeNick, From: old, Nick: nick, Client: s.identity.id, Seq: seq}
		if fault := r.appendLocked(renamed, s.identity.author); fault != nil {
			return "", fault
		}
		defer r.log.Wake()
	}
	r.unnameLocked(s)
	s.nick, s.keys, s.identity.nick, s.identity.wanted = nick, keys, nick, nick
	r.rememberLocked(s.identity, history.Here)
	for _, key := range keys {
		r.nicks[key] = s
	}
	return nick, nil
}
