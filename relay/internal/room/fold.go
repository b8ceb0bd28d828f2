package room

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat/relay/history"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file stores the state on disk, as records that are written in the same transaction
// as the events, and rolls it back if that fails.

// A Fold is the state after the committed events of a history file. The log's committer
// owns it: see [history.Fold].
type Fold struct{ state *State }

// NewFold returns the fold that the records of a file contain; see [history.File.Records].
// The error is that of reading them, or wraps [history.ErrDamaged].
func NewFold(records func(load func(key string, value []byte) error) error) (*Fold, error) {
	return newFold(NewState(), records)
}

// NewSharedFold is NewFold for a shared room.
func NewSharedFold(records func(load func(key string, value []byte) error) error) (*Fold, error) {
	return newFold(newSharedState(), records)
}

func newFold(s *State, records func(load func(key string, value []byte) error) error) (*Fold, error) {
	err := records(func(key string, value []byte) error {
		if err := s.load(key, value); err != nil {
			return fmt.Errorf("%w: %w", history.ErrDamaged, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.index()
	s.owners.index()
	s.undo = new(undo)
	return &Fold{s}, nil
}

// Apply implements [history.Fold]. It skips a hidden event that cannot be parsed, which
// only a damaged file has.
func (f *Fold) Apply(e *wire.Event, hiddenJSON []byte, by history.Origin, _ time.Time) {
	if hiddenJSON == nil {
		f.state.apply(e, nil, by)
		return
	}
	if h, err := parseHidden(hiddenJSON); err == nil {
		f.state.apply(nil, h, by)
	}
}

// Changes implements [history.Fold].
func (f *Fold) Changes() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, key := range f.state.changedKeys() {
			if !yield(key, f.state.record(key)) {
				return
			}
		}
	}
}

// Commit implements [history.Fold].
func (f *Fold) Commit() {
	f.state.forgotten = nil // the Room handles those of its own state
	*f.state.undo = undo{}
}

// Rollback implements [history.Fold].
func (f *Fold) Rollback() {
	u := f.state.undo
	f.state.undo = nil
	u.restore(f.state)
	f.state.forgotten = nil
	f.state.undo = new(undo)
}

// The keys of records.
const (
	topicKey       = "topic"     // a string
	authorsKey     = "authors"   // a number
	clientPrefix   = "client/"   // followed by the author; a storedClient
	banPrefix      = "ban/"      // followed by a mark; the nick, a string
	mutePrefix     = "mute/"     // likewise
	operatorPrefix = "operator/" // likewise, of an operator
	nickPrefix     = "nick/"     // followed by its fold (text.NickFold); an owned nick
)

func clientRecord(a history.Author) string { return clientPrefix + strconv.FormatUint(uint64(a), 10) }

// record returns the value of a record, or nil if it has none.
func (s *State) record(key string) []byte {
	switch kind, name, _ := strings.Cut(key, "/"); kind + "/" {
	case topicKey + "/":
		return encodeRecord(s.topic)
	case authorsKey + "/":
		return encodeRecord(s.authors)
	case clientPrefix:
		author, _ := strconv.ParseUint(name, 10, 64)
		c := s.clients[history.Author(author)]
		if c == nil {
			return nil
		}
		return encodeRecord(storedClient{hex.EncodeToString(c.Key[:]), c})
	case banPrefix:
		return markRecord(s.bans, name)
	case mutePrefix:
		return markRecord(s.mutes, name)
	case operatorPrefix:
		return markRecord(s.operators, name)
	case nickPrefix:
		return s.ownedRecord(name)
	}
	return nil
}

// A storedClient is the JSON of a client's record.
type storedClient struct {
	Key string `json:"key"`
	*Client
}

func markRecord(marks map[string]string, mark string) []byte {
	nick, ok := marks[mark]
	if !ok {
		return nil
	}
	return encodeRecord(nick)
}

func encodeRecord(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // strings and numbers only: it cannot fail
		panic(fmt.Sprintf("encode a record: %v", err))
	}
	return b
}

// maxAuthor bounds the authors and sequence numbers in a file.
const maxAuthor = wire.MaxNumber

// maxStored is how many clients a file may have: far more than a room remembers.
const maxStored = 5 * maxAway

var errNumber = errors.New("a number is out of range")

// load adds a record to the state. It ignores unknown keys, which a later version may write.
func (s *State) load(key string, value []byte) error {
	kind, name, _ := strings.Cut(key, "/")
	switch kind + "/" {
	case topicKey + "/":
		err := json.Unmarshal(value, &s.topic)
		s.topic = cleaned(s.topic, MaxTopic)
		return err
	case authorsKey + "/":
		err := json.Unmarshal(value, &s.authors)
		if err == nil && s.authors >= maxAuthor {
			err = errNumber
		}
		return err
	case clientPrefix:
		return s.loadClient(name, value)
	case banPrefix:
		return loadMark(s.bans, name, value)
	case mutePrefix:
		return loadMark(s.mutes, name, value)
	case operatorPrefix:
		return s.loadOperator(name, value)
	case nickPrefix:
		return s.loadOwned(value)
	}
	return nil
}

func (s *State) loadClient(name string, value []byte) error {
	author, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return err
	}
	stored := storedClient{Client: new(Client)}
	if err := json.Unmarshal(value, &stored); err != nil {
		return err
	}
	c := stored.Client
	c.Author = history.Author(author)
	key, err := hex.DecodeString(stored.Key)
	switch {
	case err != nil:
		return err
	case len(key) != len(c.Key):
		return errors.New("the key has the wrong length")
	case author >= maxAuthor || c.Seq > maxAuthor:
		return errNumber
	}
	copy(c.Key[:], key)
	c.repair()
	if len(s.clients) >= maxStored {
		return errors.New("there are too many clients")
	}
	s.clients[c.Author] = c
	s.authors = max(s.authors, c.Author)
	return nil
}

// repair gives c what a room would have given it, where its record has something else: a
// stranger may have made the file.
func (c *Client) repair() {
	if !wire.IsName(c.ID) {
		c.ID = hex.EncodeToString(c.Key[:5])
	}
	c.Wanted = cleaned(c.Wanted, text.MaxNickBytes+1)
	nick, err := text.NormalizeNick(c.Nick)
	switch {
	case err == nil && nick == c.Nick:
		c.Wanted = cmp.Or(c.Wanted, c.Nick) // a file of version 1 does not have it
	case !text.IsGuest(c.Nick):
		c.Nick = ""
	}
	c.Waiting = max(c.Waiting, 0)
	if sshkey.Tag(c.Fingerprint) == "" {
		c.Fingerprint = ""
	}
	if excess := len(c.Rejected) - maxRejected; excess > 0 {
		for _, seq := range slices.Sorted(maps.Keys(c.Rejected))[:excess] {
			delete(c.Rejected, seq)
		}
	}
}

// MaxTopic is how many bytes of a topic are kept, at least as many as anyone can set.
const MaxTopic = 1 << 10

// cleaned returns s cleaned, and no more of it than bytes. To clean it again changes nothing.
func cleaned(s string, bytes int) string {
	return clip(text.Clean(clip(s, bytes)), bytes) // cleaning can make it longer
}

// clip returns the whole characters among the first bytes of s.
func clip(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	return strings.ToValidUTF8(s[:bytes], "")
}

// loadMark adds a ban or a mute. One without a nick gets its mark as nick: else it could not be lifted.
func loadMark(marks map[string]string, mark string, value []byte) error {
	var nick string
	err := json.Unmarshal(value, &nick)
	if name := cmp.Or(cleaned(nick, text.MaxNickBytes), cleaned(mark, text.MaxNickBytes)); mark != "" && name != "" {
		marks[mark] = name
	}
	return err
}

// An undo has the previous values of everything that changed since the last Commit. On a nil
// undo, the save methods do nothing.
type undo struct {
	topic       *string                    // nil: unchanged
	authors     *history.Author            // nil: unchanged
	clients     map[history.Author]*Client // a nil client did not exist
	bans, mutes map[string]string          // nil: unchanged
	owned       map[string]*owned          // by fold; a nil one did not exist
	operators   map[string]string          // nil: unchanged
}

func (u *undo) saveTopic(s *State) {
	if u != nil && u.topic == nil {
		u.topic = new(s.topic)
	}
}

func (u *undo) saveAuthors(s *State) {
	if u != nil && u.authors == nil {
		u.authors = new(s.authors)
	}
}

func (u *undo) saveClient(s *State, author history.Author) {
	if u == nil {
		return
	}
	if _, saved := u.clients[author]; saved {
		return
	}
	if u.clients == nil {
		u.clients = make(map[history.Author]*Client)
	}
	if c := s.clients[author]; c != nil {
		u.clients[author] = c.clone()
	} else {
		u.clients[author] = nil
	}
}

func (u *undo) saveMarks(s *State) {
	if u != nil && u.bans == nil {
		u.bans, u.mutes = maps.Clone(s.bans), maps.Clone(s.mutes)
	}
}

// restore sets s back to the saved values.
func (u *undo) restore(s *State) {
	if u.topic != nil {
		s.topic = *u.topic
	}
	if u.authors != nil {
		s.authors = *u.authors
	}
	if u.bans != nil {
		s.bans, s.mutes = u.bans, u.mutes
	}
	if u.operators != nil {
		s.operators = u.operators
	}
	for author, c := range u.clients {
		if c == nil {
			delete(s.clients, author)
		} else {
			s.clients[author] = c
		}
	}
	s.index()
	u.restoreOwned(&s.owners)
}

// changedKeys lists the keys of the records that may have changed since the last Commit.
func (s *State) changedKeys() (keys []string) {
	u := s.undo
	if u.topic != nil {
		keys = append(keys, topicKey)
	}
	if u.authors != nil {
		keys = append(keys, authorsKey)
	}
	for _, author := range slices.Sorted(maps.Keys(u.clients)) {
		keys = append(keys, clientRecord(author))
	}
	if u.bans != nil {
		keys = append(keys, changedMarks(banPrefix, u.bans, s.bans)...)
		keys = append(keys, changedMarks(mutePrefix, u.mutes, s.mutes)...)
	}
	if u.operators != nil {
		keys = append(keys, changedMarks(operatorPrefix, u.operators, s.operators)...)
	}
	for _, fold := range slices.Sorted(maps.Keys(u.owned)) {
		keys = append(keys, nickPrefix+fold)
	}
	return keys
}

// changedMarks lists the keys of the marks that differ between before and now.
func changedMarks(prefix string, before, now map[string]string) (keys []string) {
	for mark, nick := range now {
		if was, ok := before[mark]; !ok || was != nick {
			keys = append(keys, prefix+mark)
		}
	}
	for mark := range before {
		if _, ok := now[mark]; !ok {
			keys = append(keys, prefix+mark)
		}
	}
	slices.Sort(keys)
	return keys
}
