package relay

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is who somebody is, over several connections and hosts.

// An identity is somebody who has a token, over all of its sessions, or the person
// behind one connection without.
type identity struct {
	id      string
	author  history.Author
	token   string    // "" for a person, and for one that only the history knows
	key     clientKey // of token
	session *session  // nil while away
	claimed *session  // said hello last
	wanted  string    // the nick it asked for
	nick    string    // the one it got
	ignored map[history.Author]string
	place   *list.Element // in room.away

	// what it numbered itself
	seq     uint64 // the highest that was taken
	ticket  uint64 // the log's, of that
	stored  uint64 // the highest that is known to be in the log for good
	refused uint64 // what the disk did not take: this number comes before any higher; 0: nothing

	// while it is away
	heldUntil time.Time // its nick is nobody else's; zero: it is
	heldKeys  text.Keys // of that nick
	waiting   int       // private messages for it
}

// A clientKey is what a client with a token is known by, see [history.ClientKey].
type clientKey = [sha256.Size]byte

// maxAway is how many clients that left the room remembers, with their nicks and
// the numbers of what they said.
const maxAway = 10_000

// restore takes over what a file knows of the room. Those who were here when it closed
// have lost their connections just now.
func (r *room) restore(kept history.Room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topic, r.authors = kept.Topic, kept.Authors
	for i := range kept.Away {
		c := identityOf(&kept.Away[i])
		r.identities[c.key] = c
		c.place = r.away.PushFront(c) // latest first in kept
		r.holdLocked(c, text.NickKeys(c.nick))
	}
}

// identityOf makes an identity of what a file knows of it.
func identityOf(c *history.Client) *identity {
	known := &identity{id: c.ID, author: c.Author, key: c.Key, nick: c.Nick, seq: c.Seq, stored: c.Seq}
	if _, err := text.NormalizeNick(c.Nick); err == nil { // else it is a guest's, and nobody's wish
		known.wanted = c.Nick
	}
	return known
}

// identityLocked returns the client with token, or a new one. A program without
// token gets one, to come back with; a person does not. known is what a file says of
// the client, nil for nothing.
func (r *room) identityLocked(token string, program bool, known *history.Client) *identity {
	if token == "" && program {
		token = rand.Text()
	}
	key := history.ClientKey(token)
	if c := r.identities[key]; c != nil && token != "" {
		if c.place != nil {
			r.away.Remove(c.place)
			c.place = nil
		}
		c.token = token
		return c
	}
	var c *identity
	if known != nil {
		c = identityOf(known)
	} else {
		r.authors++
		c = &identity{id: strings.ToLower(rand.Text()[:10]), author: r.authors, key: key}
	}
	if program {
		c.token = token
		r.identities[key] = c
	}
	return c
}

// rememberLocked keeps who has a token for a host that is started again.
func (r *room) rememberLocked(c *identity, gone history.Leave) {
	if c.token != "" && !r.closed && r.log.Durable() {
		r.log.Remember(c.kept(gone))
	}
}

// kept is what a file keeps of the identity.
func (c *identity) kept(gone history.Leave) history.Client {
	return history.Client{Key: c.key, ID: c.id, Author: c.author, Seq: c.seq, Nick: c.nick, Gone: gone}
}

// ignore makes s hear no more of the member called nick, or hear it again.
func (r *room) ignore(s *session, nick string, on bool) (string, *wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fault := r.memberLocked(s); fault != nil {
		return "", fault
	}
	c := s.identity
	if !on {
		if len(nick) > text.MaxNickBytes {
			return "", faultf(wire.CodeNoSuchNick, "you ignore nobody of that name")
		}
		fold := text.NickFold(nick)
		for author, name := range c.ignored {
			if text.NickFold(name) == fold {
				delete(c.ignored, author)
				s.ignore(keySet(c.ignored))
				return name, nil
			}
		}
		return "", faultf(wire.CodeNoSuchNick, "you ignore nobody called %s", text.Clean(nick))
	}
	other := r.findLocked(nick)
	switch {
	case other == nil:
		return "", noSuchNick(nick)
	case other == s:
		return "", faultf(wire.CodeBadRequest, "that is you")
	case len(c.ignored) >= maxIgnored:
		return "", faultf(wire.CodeBadRequest, "you ignore %d already; /unignore some first", maxIgnored)
	}
	if c.ignored == nil {
		c.ignored = make(map[history.Author]string)
	}
	c.ignored[other.identity.author] = other.nick
	s.ignore(keySet(c.ignored))
	return other.nick, nil
}

// maxIgnored is how many others one client may ignore.
const maxIgnored = 100

// ignoredBy lists whom s ignores.
func (r *room) ignoredBy(s *session) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.identity == nil {
		return nil
	}
	return slices.Sorted(maps.Values(s.identity.ignored))
}

// keySet returns the keys of m in a map of its own, nil for none.
func keySet(m map[history.Author]string) map[history.Author]bool {
	if len(m) == 0 {
		return nil
	}
	set := make(map[history.Author]bool, len(m))
	for k := range m {
		set[k] = true
	}
	return set
}
