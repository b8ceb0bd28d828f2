package room

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"chat/relay/internal/access"
	"chat/relay/internal/pace"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file is about nicks that belong to keys. In a sealed room, a nick that a member with a key
// takes belongs to that key from then on: to anyone without the key the nick is taken, whether its
// owner is in the room or not. In a plain room no one can prove a key, so there such nicks are free.

const (
	// maxOwned is how many nicks may belong to keys in a room. Beyond it, the one that was used
	// longest ago belongs to no one.
	maxOwned = 10_000

	// maxOwnedByKey is likewise how many nicks may belong to one key.
	maxOwnedByKey = 5

	// useRecorded is how often the log records that the owner of a nick uses it.
	useRecorded = 24 * time.Hour
)

// ownQuota is how many nicks each address group may make belong to keys, so that no one with the room's secret and
// many keys makes the room forget the owners of all other nicks. Beyond it a nick belongs to no one yet.
var ownQuota = pace.Quota{Burst: 50, Every: time.Minute, BurstOfAll: 1000, EveryOfAll: 10 * time.Second}

// An owned nick belongs to a key. It does not change, so copies of the state share it.
type owned struct {
	Nick string `json:"nick"`
	Key  string `json:"key"` // its fingerprint
	At   millis `json:"at"`  // when its owner took it last, to within useRecorded

	keys text.Keys // of Nick
}

// owners are the nicks that belong to keys. They are part of a State.
type owners struct {
	nicks         map[string]*owned // by text.NickFold of the nick
	max, maxByKey int               // see the constants; fixed

	// derived from nicks
	byKey map[string][]*owned // those of a fingerprint, in no order
	taken map[string]*owned   // by each key of the nick. Nicks that share one belong to the same key
}

func newOwners(nicks map[string]*owned) owners {
	o := owners{nicks: nicks, max: maxOwned, maxByKey: maxOwnedByKey}
	o.index()
	return o
}

// clone returns a copy, which shares the nicks themselves.
func (o *owners) clone() owners {
	n := newOwners(maps.Clone(o.nicks))
	n.max, n.maxByKey = o.max, o.maxByKey
	return n
}

// index rebuilds the fields that are derived from nicks.
func (o *owners) index() {
	o.byKey, o.taken = make(map[string][]*owned), make(map[string]*owned)
	for _, fold := range slices.Sorted(maps.Keys(o.nicks)) {
		o.indexNick(o.nicks[fold])
	}
}

func (o *owners) indexNick(n *owned) {
	o.byKey[n.Key] = append(o.byKey[n.Key], n)
	for _, key := range n.keys {
		o.taken[key] = n
	}
}

// ownerOf returns the fingerprint of the key that a nick with one of these keys belongs to, or "".
func (o *owners) ownerOf(keys text.Keys) string {
	for _, key := range keys {
		if n := o.taken[key]; n != nil {
			return n.Key
		}
	}
	return ""
}

// named returns the owned nick with this fold, or nil.
func (o *owners) named(fold string) *owned { return o.nicks[fold] }

// set adds or replaces an owned nick. Nicks beyond the limits are removed. u saves what changes.
func (o *owners) set(n *owned, u *undo) {
	fold := text.NickFold(n.Nick)
	o.remove(fold, u)
	u.saveOwned(o, fold)
	o.nicks[fold] = n
	o.indexNick(n)
	if mine := o.byKey[n.Key]; len(mine) > o.maxByKey {
		o.remove(text.NickFold(oldest(slices.Values(mine), n).Nick), u)
	}
	if len(o.nicks) > o.max {
		o.remove(text.NickFold(oldest(maps.Values(o.nicks), n).Nick), u)
	}
}

// oldest returns the nick, other than newest, that was taken longest ago.
func oldest(nicks iter.Seq[*owned], newest *owned) (first *owned) {
	for n := range nicks {
		if n != newest && (first == nil || cmp.Or(n.At.Compare(first.At.Time), cmp.Compare(n.Nick, first.Nick)) < 0) {
			first = n
		}
	}
	return first
}

// remove removes the owned nick with this fold, if there is one.
func (o *owners) remove(fold string, u *undo) {
	n := o.nicks[fold]
	if n == nil {
		return
	}
	u.saveOwned(o, fold)
	delete(o.nicks, fold)
	for _, key := range n.keys {
		if o.taken[key] == n {
			delete(o.taken, key)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(o.byKey[n.Key]), func(other *owned) bool { return other == n })
	if o.byKey[n.Key] = rest; len(rest) == 0 {
		delete(o.byKey, n.Key)
	}
	for _, other := range rest { // it may have shared a key with n
		for _, key := range other.keys {
			o.taken[key] = other
		}
	}
}

// decideOwn returns the hidden event by which the sender's nick belongs to its key, or nil if that is
// recorded already. In a sealed room the room has checked that the nick belongs to no other.
func (s *State) decideOwn(r *request) *hidden {
	n := s.owners.named(text.NickFold(r.text))
	if n != nil && n.Key == r.by.fingerprint && n.Nick == r.text && r.at.Sub(n.At.Time).Abs() < useRecorded {
		return nil
	}
	return &hidden{Type: hiddenOwn, At: millisOf(r.at), Nick: r.text, Fingerprint: r.by.fingerprint}
}

// applyOwn applies a hidden event of hiddenOwn. One that no room wrote changes nothing.
func (s *State) applyOwn(h *hidden) {
	if n := newOwned(h.Nick, h.Fingerprint, h.At); n != nil {
		s.owners.set(n, s.undo)
	}
}

// newOwned returns an owned nick, or nil if the nick or the fingerprint is none.
func newOwned(nick, fingerprint string, at millis) *owned {
	if normal, err := text.NormalizeNick(nick); err != nil || normal != nick || sshkey.Tag(fingerprint) == "" {
		return nil
	}
	return &owned{Nick: nick, Key: fingerprint, At: at, keys: text.NickKeys(nick)}
}

// ownedRecord returns the record of the owned nick with this fold; nil if there is none.
func (s *State) ownedRecord(fold string) []byte {
	if n := s.owners.named(fold); n != nil {
		return encodeRecord(n)
	}
	return nil
}

// loadOwned adds an owned nick from a record. One that no room wrote is skipped: it would keep a nick from
// everyone.
func (s *State) loadOwned(value []byte) error {
	var stored owned
	if err := json.Unmarshal(value, &stored); err != nil {
		return err
	}
	if len(s.owners.nicks) >= maxStored {
		return errors.New("too many nicks belong to keys")
	}
	if n := newOwned(stored.Nick, stored.Key, stored.At); n != nil {
		s.owners.nicks[text.NickFold(n.Nick)] = n
	}
	return nil
}

// saveOwned saves the nick with this fold for restore.
func (u *undo) saveOwned(o *owners, fold string) {
	if u == nil {
		return
	}
	if _, saved := u.owned[fold]; saved {
		return
	}
	if u.owned == nil {
		u.owned = make(map[string]*owned)
	}
	u.owned[fold] = o.nicks[fold]
}

// restoreOwned sets the owned nicks back to the saved ones.
func (u *undo) restoreOwned(o *owners) {
	for fold, n := range u.owned {
		if n == nil {
			delete(o.nicks, fold)
		} else {
			o.nicks[fold] = n
		}
	}
	o.index()
}

// fingerprint returns that of the key that m has proven, or "".
func (m *Member) fingerprint() string {
	if m.Key == nil {
		return ""
	}
	return m.Key.Fingerprint
}

// ownerLocked returns the fingerprint of the key, other than m's, that the nick with these keys belongs
// to; "" if there is none.
func (r *Room) ownerLocked(keys text.Keys, m *Member) string {
	if !r.opts.Sealed {
		return ""
	}
	owner := r.state.owners.ownerOf(keys)
	if owner == m.fingerprint() {
		return ""
	}
	return owner
}

// ownsLocked reports whether the nick with these keys belongs to m's key.
func (r *Room) ownsLocked(keys text.Keys, m *Member) bool {
	return r.opts.Sealed && m.Key != nil && r.state.owners.ownerOf(keys) == m.Key.Fingerprint
}

// ownNickLocked records that m's nick belongs to its key, if it asked for that nick. One that the
// room chose, such as alice-2, belongs to no one, and neither does that of a member who only listens.
func (r *Room) ownNickLocked(m *Member, now time.Time) {
	if !r.opts.Sealed || m.Key == nil || m.Level < access.Member || r.closed {
		return
	}
	if wanted, err := text.NormalizeNick(m.identity.wanted); err != nil || wanted != m.nick {
		return
	}
	isNew := r.state.owners.named(text.NickFold(m.nick)) == nil
	if isNew && ownQuota.IsAhead(r.owning, m.group(), now) {
		return
	}
	err := r.submitLocked(nil, &request{op: opOwn, at: now, by: r.askingLocked(m), text: m.nick})
	if err != nil || !isNew { // the disk is full: it is recorded the next time
		return
	}
	if r.owning == nil {
		r.owning = make(pace.Dues)
	}
	ownQuota.Count(r.owning, m.group(), now)
}

// Release makes a nick belong to no key any more. Like the methods of moderation it returns a notice
// for the operator; the error is a [*wire.Fault].
func (r *Room) Release(by *Member, nick string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.timeLocked(now)
	if err := r.checkOperatorLocked(by); err != nil {
		return "", err
	}
	if len(nick) > text.MaxNickBytes {
		return "", noSuchNick(nick)
	}
	n := r.state.owners.named(text.NickFold(nick))
	if n == nil {
		return "", wire.Faultf(wire.CodeNoSuchNick, "%s belongs to no key", text.Clean(nick))
	}
	if err := r.submitLocked(nil, &request{op: opRelease, at: now, by: r.askingLocked(by), name: n.Nick}); err != nil {
		return "", faultOf(err, notChanged)
	}
	released := fmt.Sprintf("%s no longer belongs to the key %s", n.Nick, sshkey.Tag(n.Key))
	r.recordLocked(by, "release", n.Nick, "released a nick: "+released, now) // whoever is called that from now on may be another person
	r.giveNicksLocked(now)
	return released, nil
}

// nicksAndTags lists the nicks of members, and the tags of their keys: nil if none has a key.
func nicksAndTags(members []*Member) (nicks, tags []string) {
	for i, m := range members {
		nicks = append(nicks, m.nick)
		if m.Key != nil {
			if tags == nil {
				tags = make([]string, len(members))
			}
			tags[i] = m.Key.Tag
		}
	}
	return nicks, tags
}
