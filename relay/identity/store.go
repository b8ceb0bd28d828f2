// Package identity keeps who this user is in each room, so that chat join is the same client
// after a crash: it gets its nick back at once.
//
// A room recognizes a client by a secret token. The store has one file for each room and nick
// that a user has joined as. The nick is part of it, because a script that sends as ci must not
// become the client of the person who runs it, with their private messages. A process locks the
// identity that it uses; a second one in the same room, at the same time, gets another.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"chat/relay/client"
	"chat/relay/privatefile"
	"chat/relay/seal"
	"chat/relay/text"
	"chat/relay/wire"
)

const (
	// maxKept is how many identities a store keeps. Beyond it, those that were not used for
	// longest are deleted.
	maxKept = 200

	// maxAtOnce is how many processes of one user have kept identities in one room under one
	// nick. Further ones are new clients each time.
	maxAtOnce = 16

	// maxFile is the size of a file, in bytes; a longer one is damaged.
	maxFile = 4 << 10
)

// A Store is a folder of identities. It is safe for concurrent use, by several processes too.
type Store struct {
	dir string // fixed
}

// Open returns the store in dir, which need not exist yet.
func Open(dir string) *Store { return &Store{dir} }

// DefaultDir returns the folder for the identities of this user: $XDG_STATE_HOME/chat or
// ~/.local/state/chat, on macOS and Windows the system's equivalent. It is "" if the user has no
// home directory.
func DefaultDir() string {
	home, err := os.UserHomeDir()
	switch {
	case filepath.IsAbs(os.Getenv("XDG_STATE_HOME")):
		return filepath.Join(os.Getenv("XDG_STATE_HOME"), "chat")
	case runtime.GOOS == "windows" && filepath.IsAbs(os.Getenv("LocalAppData")):
		return filepath.Join(os.Getenv("LocalAppData"), "chat")
	case err != nil || !filepath.IsAbs(home):
		return ""
	case runtime.GOOS == "darwin" || runtime.GOOS == "windows":
		if dir, err := os.UserConfigDir(); err == nil { // ~/Library/Application Support, %AppData%
			return filepath.Join(dir, "chat")
		}
	}
	return filepath.Join(home, ".local", "state", "chat")
}

// A Claim is an identity that this process uses. It implements [client.Keeper]. It is owned by
// the caller of [Store.Claim], and then by the goroutine of the client that it is given to.
type Claim struct {
	// Identity is the one that was kept. Its Token is "" if there was none.
	client.Identity

	store *Store
	nick  string
	path  string
	lock  *flock.Flock // of path; nil: the claim is released
	warn  func(error)
	kept  bool // Identity is in the file
}

// A record is the content of a file.
type record struct {
	Room   string `json:"room"`
	Nick   string `json:"nick"` // folded
	Client string `json:"client,omitempty"`
	Token  string `json:"token"`
	Key    string `json:"key,omitempty"`

	Secret seal.Secret `json:"secret,omitempty"` // of a sealed room
}

// Claim claims the user's identity in a room, given by its ID, under a nick. Two claims at a
// time never have the same identity. The error names the file or the folder, which is left as it
// is. warn is called for errors after that, and must not block.
func (s *Store) Claim(room, nick string, warn func(error)) (*Claim, error) {
	c := &Claim{store: s, nick: text.NickFold(nick), warn: warn}
	if err := c.claim(room); err != nil {
		return nil, fmt.Errorf("your identity in this room is not kept: %w", err)
	}
	return c, nil
}

// claim locks the first identity in room that is not in use, and reads it.
func (c *Claim) claim(room string) error {
	unlock, err := privatefile.Enter(c.store.dir)
	if err != nil {
		return err
	}
	defer unlock()
	for n := range maxAtOnce {
		path := filepath.Join(c.store.dir, fileName(room, c.nick, n))
		lock, err := tryLock(path)
		if err != nil {
			return err
		}
		if lock == nil {
			continue
		}
		id, err := read(path, room, c.nick)
		if err != nil {
			lock.Close()
			return err
		}
		c.path, c.lock, c.Identity, c.kept = path, lock, id, id.Token != ""
		if c.kept {
			now := time.Now()
			return os.Chtimes(path, now, now) // it is in use: see prune
		}
		return nil
	}
	return fmt.Errorf("%d others are in use in this room", maxAtOnce)
}

// fileName returns the name of the nth file for a room and a nick. Both come from elsewhere, and
// may have any characters.
func fileName(room, nick string, n int) string {
	sum := sha256.Sum256([]byte(room + "\n" + nick))
	return fmt.Sprintf("%s-%d.json", hex.EncodeToString(sum[:16]), n+1)
}

func lockName(path string) string { return strings.TrimSuffix(path, ".json") + ".lock" }

// tryLock locks the identity at path. It returns nil if a process uses it.
func tryLock(path string) (*flock.Flock, error) {
	lock := flock.New(lockName(path), flock.SetPermissions(0o600)) // another file: Windows lets no one read a locked one
	ok, err := lock.TryLock()
	if !ok || err != nil {
		lock.Close()
		lock = nil
	}
	if err != nil {
		err = fmt.Errorf("lock %s: %w", path, err)
	}
	return lock, err
}

var errDamaged = errors.New("the file is damaged; it is left as it is, delete it to keep a new identity")

// read reads an identity, which is empty without a file.
func read(path, room, nick string) (client.Identity, error) {
	r, err := readRecord(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return client.Identity{Room: room}, nil
	case err != nil:
		return client.Identity{}, err
	case r.Room != room || r.Nick != nick:
		return client.Identity{}, fmt.Errorf("%s: %w", path, errDamaged)
	}
	return client.Identity{Room: r.Room, Client: r.Client, Token: r.Token, Key: r.Key, Secret: r.Secret}, nil
}

func readRecord(path string) (r record, err error) {
	b, err := privatefile.Read(path, maxFile)
	if err != nil && !errors.Is(err, privatefile.ErrTooLong) {
		return record{}, err
	}
	if err != nil || json.Unmarshal(b, &r) != nil || !wire.IsToken(r.Token) {
		return record{}, fmt.Errorf("%s: %w", path, errDamaged)
	}
	return r, nil
}

// Secret returns the secret that let the user into the first of the rooms, given by their IDs, for
// which one is kept, under whatever nick; "": for none.
func (s *Store) Secret(rooms ...string) seal.Secret {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return "" // there is none, or joining the room reports it
	}
	found, place := seal.Secret(""), len(rooms)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		r, err := readRecord(filepath.Join(s.dir, e.Name()))
		if i := slices.Index(rooms, r.Room); err == nil && r.Secret != "" && i >= 0 && i < place {
			found, place = r.Secret, i
		}
	}
	return found
}

// Keep implements [client.Keeper]: it writes the identity that the client has in its room now.
// That may be another room than before: a host that was restarted without a history.
func (c *Claim) Keep(id client.Identity) {
	if c.lock == nil || c.kept && id == c.Identity {
		return
	}
	if err := c.keep(id); err != nil {
		c.warn(fmt.Errorf("your identity in this room is not kept: %w", err))
	}
}

func (c *Claim) keep(id client.Identity) error {
	if id.Room != c.Room {
		c.Release()
		if err := c.claim(id.Room); err != nil {
			return err
		}
	}
	b, err := json.Marshal(record{id.Room, c.nick, id.Client, id.Token, id.Key, id.Secret})
	if err != nil {
		return err
	}
	unlock, err := privatefile.Enter(c.store.dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := privatefile.Replace(c.path, append(b, '\n')); err != nil {
		return err
	}
	c.Identity, c.kept = id, true
	return c.store.prune()
}

// Release implements [client.Keeper]: the identity is no longer in use.
func (c *Claim) Release() {
	if c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// prune deletes the identities beyond maxKept that were not used for longest, and files that a
// crash left. The caller has entered the store, so no process claims one meanwhile.
func (s *Store) prune() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	type kept struct {
		path string
		used time.Time
	}
	var all []kept
	var errs []error
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		switch {
		case privatefile.IsLeftover(e.Name()):
			errs = append(errs, os.Remove(path))
		case strings.HasSuffix(e.Name(), ".json"):
			if info, err := e.Info(); err == nil {
				all = append(all, kept{path, info.ModTime()})
			}
		case strings.HasSuffix(e.Name(), ".lock"):
			if _, err := os.Stat(strings.TrimSuffix(path, ".lock") + ".json"); errors.Is(err, fs.ErrNotExist) {
				_, err := removeUnused(strings.TrimSuffix(path, ".lock") + ".json")
				errs = append(errs, err)
			}
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	excess := len(all) - maxKept
	for _, old := range all {
		if excess <= 0 {
			break
		}
		removed, err := removeUnused(old.path)
		if errs = append(errs, err); removed {
			excess--
		}
	}
	return errors.Join(errs...)
}

// removeUnused removes an identity and its lock, unless a process uses it.
func removeUnused(path string) (removed bool, err error) {
	lock, err := tryLock(path)
	if lock == nil {
		return false, err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	lock.Close() // first: Windows removes no open file
	return err == nil, errors.Join(err, os.Remove(lock.Path()))
}
