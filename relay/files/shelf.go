package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"chat/relay/wire"
)

// This file is a store of a room that several relays serve. Each relay has one, in front of a shelf, which all of them share: a list
// of the room's files, and their contents. A relay puts an upload on the shelf when all of it has arrived, and lists it, with its
// upload's ID. So each relay can publish it, if its sender moves. The folder of a relay has its own uploads, and copies of downloaded
// files.

// A Shelf has the files of a room, for all of its relays. Its methods may be called concurrently. They wait while the shelf
// cannot be reached, until ctx ends.
type Shelf interface {
	// Change replaces the entry of a number by what change returns. nil: there is none, and from change: nothing changes.
	// change may be called several times.
	Change(ctx context.Context, number uint64, change func(old []byte) ([]byte, error)) error

	// Watch calls receive with all entries, then complete, and then receive with each entry that changes, from one
	// goroutine, until ctx ends. It may repeat entries.
	Watch(ctx context.Context, receive func(number uint64, entry []byte), complete func())

	// Put stores a content under a number that has none.
	Put(ctx context.Context, number uint64, content io.Reader) error

	// Open opens a content. ctx limits reading, too. The error wraps fs.ErrNotExist if there is none.
	Open(ctx context.Context, number uint64) (Content, error)

	// Delete deletes a content, if there is one.
	Delete(ctx context.Context, number uint64) error
}

// A Content is the content of a file on a shelf.
type Content struct {
	io.ReaderAt
	Size   int64
	SHA256 string // in hex
}

const (
	// shelfTime is how long the shelf has for an answer. A cluster that lost its leader needs 4 to 11 s.
	shelfTime = 15 * time.Second

	// shelfRate is how many bytes of a content the shelf has to take in a second.
	shelfRate = 1 << 20

	// listTime is how long Open waits for the list of the room's files.
	listTime = 20 * time.Second

	// aheadTime is how long File waits for a file that is not listed yet: an event may arrive before the list. It does so
	// for maxAhead files at a time.
	aheadTime = 2 * time.Second
	maxAhead  = 64

	// wholeFile is the size up to which a file is copied into the folder before it is served. Larger ones are served from the shelf,
	// and copied meanwhile.
	wholeFile = 8 << 20

	// maxCopies is how many files are copied at a time.
	maxCopies = 4

	// keepArrived is how long an upload is listed that no one publishes. sweepEvery is how often such ones are looked for.
	keepArrived = 24 * time.Hour
	sweepEvery  = time.Hour
	firstSweep  = time.Minute

	// switchNumber is the number of the entry that says whether uploads are off. No file has it.
	switchNumber = 0
)

// ErrShelf says that the relays' list of files cannot be changed now.
var ErrShelf = errors.New("the cluster does not answer; try again later")

// A shelved has the fields of a Store that only a shared room needs.
type shelved struct {
	shelf  Shelf              // fixed
	ctx    context.Context    // ends when the store is closed; fixed
	cancel context.CancelFunc // fixed
	tasks  sync.WaitGroup
	copies chan struct{} // has a place for each copy that is made

	// Guarded by Store.mu.
	arrived   map[string]arrival       // by ID of the upload: those that are not published
	leftovers map[uint64]time.Time     // numbers of removed files whose content may be on the shelf, and when they were removed
	copying   map[uint64]chan struct{} // by number: closed when the copy is made, or has failed
	changed   chan struct{}            // closed, and replaced, when a file is listed
	ahead     int                      // requests that wait for changed
}

// An arrival is an upload that some relay has in full.
type arrival struct {
	number   uint64
	time     time.Time
	complete bool // its content is on the shelf: it can be published
}

// A shelfEntry is the entry of a file in the shelf's list.
type shelfEntry struct {
	entry
	Complete  bool `json:"complete,omitempty"`  // its content is on the shelf
	Published bool `json:"published,omitempty"` // everyone has access to it
	Stored    bool `json:"stored,omitempty"`    // its content is on the shelf, or may be
	Off       bool `json:"off,omitempty"`       // of switchNumber: uploads are off
}

// OpenShelf is [Open] for a room that several relays serve. MaxTotal, MaxFiles and Share count the files of all
// relays; the limits of uploads count those of this one. The folder must be of this relay and this room only.
func OpenShelf(ctx context.Context, dir string, limits Limits, shelf Shelf) (*Store, error) {
	of := &shelved{
		shelf: shelf, copies: make(chan struct{}, maxCopies),
		arrived: make(map[string]arrival), leftovers: make(map[uint64]time.Time), copying: make(map[uint64]chan struct{}), changed: make(chan struct{}),
	}
	of.ctx, of.cancel = context.WithCancel(context.Background())
	s, err := openStore(dir, limits, of)
	if err != nil {
		of.cancel()
		return nil, err
	}
	complete := make(chan struct{})
	of.tasks.Go(func() { shelf.Watch(of.ctx, s.listed, func() { close(complete) }) })
	of.tasks.Go(s.sweepShelf)
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	select {
	case <-complete:
		s.deleteUnlisted()
		return s, nil
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("read the list of files from the cluster: %w", ctx.Err()), s.Close())
	}
}

// end ends the goroutines.
func (of *shelved) end() {
	if of != nil {
		of.cancel()
		of.tasks.Wait()
	}
}

// limited returns a context for requests to the shelf that move so many bytes.
func (of *shelved) limited(bytes int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(of.ctx, shelfTime+time.Duration(bytes/shelfRate)*time.Second)
}

// shelfError returns ErrShelf if err says that the shelf did not answer, and ErrClosed if the store was closed meanwhile.
func (s *Store) shelfError(err error) error {
	switch {
	case err == nil:
		return nil
	case s.shared.ctx.Err() != nil:
		return ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		s.limits.Log.Warn("the list of files in the cluster cannot be changed", "error", err)
		return ErrShelf
	}
	return err
}

func parseShelfEntry(value []byte) (e shelfEntry, err error) {
	if len(value) > maxEntry {
		return e, errors.New("too large")
	}
	err = json.Unmarshal(value, &e)
	return e, err
}

// listed notes an entry of the shelf. It trusts nothing in it.
func (s *Store) listed(number uint64, value []byte) {
	e, err := parseShelfEntry(value)
	switch {
	case err != nil || number >= maxNumber:
		s.limits.Log.Warn("an entry in the cluster's list of files cannot be read", "file", number, "error", err)
		return
	case number == switchNumber:
		s.turn(!e.Off)
		return
	case !e.Removed.IsZero():
		s.mu.Lock()
		delete(s.shared.leftovers, number)
		if e.Stored {
			s.shared.leftovers[number] = e.Removed
		}
		s.mu.Unlock()
		s.unlist(number)
		return
	}
	e.Number = number
	f, err := s.parseListed(&e)
	switch {
	case err != nil:
		s.limits.Log.Warn("an entry in the cluster's list of files is invalid", "file", number, "error", err)
	case e.Published:
		if err := s.settle(f); err != nil {
			s.limits.Log.Error("a file cannot be kept in the folder", "file", f.diskName(), "error", err)
		}
	default:
		s.mu.Lock()
		s.last = max(s.last, number)
		s.shared.arrived[f.id] = arrival{number, f.time, e.Complete}
		s.mu.Unlock()
	}
}

// parseListed is parsePublished for a file that may be known already.
func (s *Store) parseListed(e *shelfEntry) (file, error) {
	s.mu.Lock()
	known, ok := s.files[e.Number]
	s.mu.Unlock()
	if ok && known.id == e.ID {
		return known, nil
	}
	s.mu.Lock() // checkFile reads what mu guards
	defer s.mu.Unlock()
	return s.parsePublished(&e.entry)
}

// settle adds a file that is published on the shelf. An upload of this relay gets its name in the folder.
func (s *Store) settle(f file) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.Lock()
	if _, ok := s.files[f.Number]; ok || s.removed[f.Number] {
		s.mu.Unlock()
		return nil
	}
	u := s.uploads[f.id]
	if u != nil && u.finished != nil && u.finished.Number == f.Number {
		u.published = true // from here on it cannot be dropped
	} else {
		u = nil
	}
	s.mu.Unlock()
	var err error
	if u != nil { // else it is on the shelf only
		err = s.root.Rename(f.id+partSuffix, f.diskName())
		if u.hasState() {
			s.root.Remove(f.id + stateSuffix)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u != nil {
		s.forgetLocked(u)
	}
	delete(s.shared.arrived, f.id)
	s.addLocked(f)
	close(s.shared.changed)
	s.shared.changed = make(chan struct{})
	return err
}

// unlist removes a file that another relay, or this one, has removed.
func (s *Store) unlist(number uint64) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.Lock()
	f, ok := s.files[number]
	s.removed[number] = true
	s.forgetFileLocked(number)
	for id, a := range s.shared.arrived {
		if a.number == number {
			delete(s.shared.arrived, id)
		}
	}
	s.last = max(s.last, number)
	s.mu.Unlock()
	if !ok {
		return
	}
	if err := s.root.Remove(f.diskName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.limits.Log.Warn("cannot delete a file", "file", f.diskName(), "error", err)
	}
}

// shelve lists the finished upload of f under a number that no other file has, and puts it on the shelf. Its holder calls it, again
// if the error is ErrShelf.
func (u *Upload) shelve(f *wire.File) error {
	s := u.store
	ctx, cancel := s.shared.limited(f.Size)
	defer cancel()
	err := u.putOnShelf(ctx, f)
	if err != nil {
		s.discard(f.Number)
	}
	return s.shelfError(err)
}

// putOnShelf is shelve that leaves an entry that is not complete if it fails.
func (u *Upload) putOnShelf(ctx context.Context, f *wire.File) error {
	s := u.store
	of := s.shared
	e := shelfEntry{Stored: true, entry: entry{
		ID: u.id, Time: time.Now().UTC(), Name: f.Name, Size: f.Size, SHA256: f.SHA256, Type: f.Type, Address: u.address,
	}}
	for { // until the number is not taken
		taken := false
		err := of.shelf.Change(ctx, f.Number, func(old []byte) ([]byte, error) {
			if old != nil { // perhaps by an attempt whose answer was lost
				is, err := parseShelfEntry(old)
				taken = err != nil || is.ID != u.id
				return nil, nil
			}
			taken, e.Number = false, f.Number
			return json.Marshal(e)
		})
		if err != nil {
			return err
		}
		if !taken {
			break
		}
		*f = s.renumber(f)
	}
	r, err := s.root.Open(u.id + partSuffix)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := of.shelf.Put(ctx, f.Number, r); err != nil {
		return err
	}
	return of.shelf.Change(ctx, f.Number, func(old []byte) ([]byte, error) {
		is, err := parseShelfEntry(old)
		if err != nil || is.ID != u.id {
			return nil, ErrGone // another relay has removed it
		}
		is.Complete = true
		return json.Marshal(is)
	})
}

// renumber returns f with the next number.
func (s *Store) renumber(f *wire.File) wire.File {
	n := s.number(f.Name, f.Size)
	n.SHA256, n.Type = f.SHA256, f.Type
	return n
}

// discard removes an upload that was not published from the shelf, in the background. If that fails, a sweep does it later.
func (s *Store) discard(number uint64) {
	of := s.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // its sender may move to another relay, and publish it there
		return
	}
	of.tasks.Go(func() {
		ctx, cancel := of.limited(0)
		defer cancel()
		if err := s.strike(ctx, number, false); err != nil && !errors.Is(err, ErrGone) {
			s.limits.Log.Debug("an upload stays in the cluster for now", "file", number, "error", err)
		}
	})
}

// strike marks a file as removed for all relays, and deletes its content. One that is published only if that is said. The error is
// ErrGone if nothing is to be removed.
func (s *Store) strike(ctx context.Context, number uint64, published bool) error {
	mark := func(stored bool) error {
		gone := false
		err := s.shared.shelf.Change(ctx, number, func(old []byte) ([]byte, error) {
			e, err := parseShelfEntry(old)
			if gone = old == nil || err == nil && e.Published && !published; gone {
				return nil, nil
			}
			removed := e.Removed
			if removed.IsZero() {
				removed = time.Now().UTC()
			}
			return json.Marshal(shelfEntry{entry: entry{Number: number, Removed: removed}, Stored: stored})
		})
		if err == nil && gone {
			err = ErrGone
		}
		return err
	}
	if err := mark(true); err != nil {
		return err
	}
	if err := s.shared.shelf.Delete(ctx, number); err != nil {
		s.limits.Log.Debug("the content of a removed file stays in the cluster for now", "file", number, "error", err)
		return nil // a sweep deletes it
	}
	if err := mark(false); err != nil {
		s.limits.Log.Debug("a sweep will look for the content of a removed file again", "file", number, "error", err)
	}
	return nil
}

// publishShelved is Publish in a shared room. The upload may be of another relay.
func (s *Store) publishShelved(id string) (wire.File, error) {
	of := s.shared
	s.mu.Lock()
	if f, ok := s.files[s.published[id]]; ok {
		s.mu.Unlock()
		return f.File, nil
	}
	var number uint64
	if a := of.arrived[id]; a.complete {
		number = a.number
	}
	u := s.uploads[id]
	if u != nil && u.finished != nil {
		number = u.finished.Number
	}
	closed := s.closed
	s.mu.Unlock()
	if closed || number == 0 {
		return wire.File{}, ErrGone
	}
	ctx, cancel := of.limited(0)
	defer cancel()
	var e shelfEntry
	gone := false
	err := of.shelf.Change(ctx, number, func(old []byte) (value []byte, err error) {
		e, err = parseShelfEntry(old)
		if gone = err != nil || e.ID != id || !e.Complete || !e.Removed.IsZero(); gone || e.Published {
			return nil, nil
		}
		e.Published, e.Time = true, time.Now().UTC()
		return json.Marshal(e)
	})
	switch {
	case err != nil:
		return wire.File{}, s.shelfError(err)
	case gone:
		return wire.File{}, ErrGone
	}
	e.Number = number
	f, err := s.parseListed(&e)
	if err == nil {
		err = s.settle(f)
	}
	if err != nil {
		s.limits.Log.Error("a file cannot be published", "file", number, "error", err)
		return wire.File{}, fullOr(err)
	}
	return f.File, nil
}

// removeShelved is Remove in a shared room.
func (s *Store) removeShelved(number uint64) (wire.File, error) {
	f, err := s.numbered(number)
	if err != nil {
		return wire.File{}, err
	}
	ctx, cancel := s.shared.limited(0)
	defer cancel()
	if err := s.strike(ctx, number, true); err != nil {
		return wire.File{}, s.shelfError(err)
	}
	s.unlist(number)
	return f.File, nil
}

// allowShelved is Allow in a shared room: at all relays, also at those that start later.
func (s *Store) allowShelved(on bool) error {
	value, err := json.Marshal(shelfEntry{Off: !on})
	if err != nil {
		return err
	}
	ctx, cancel := s.shared.limited(0)
	defer cancel()
	if err := s.shared.shelf.Change(ctx, switchNumber, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		return s.shelfError(err)
	}
	s.turn(on)
	return nil
}

// sweepShelf removes uploads that no one has published, and contents of removed files, from time to time.
func (s *Store) sweepShelf() {
	timer := time.NewTimer(firstSweep)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(sweepEvery)
		case <-s.shared.ctx.Done():
			return
		}
		s.mu.Lock()
		var old []uint64
		for id, a := range s.shared.arrived {
			if s.uploads[id] == nil && time.Since(a.time) > keepArrived {
				old = append(old, a.number)
			}
		}
		for number, removed := range s.shared.leftovers {
			if time.Since(removed) > sweepEvery {
				old = append(old, number)
			}
		}
		s.mu.Unlock()
		for _, number := range old {
			ctx, cancel := s.shared.limited(0)
			if err := s.strike(ctx, number, false); err != nil && !errors.Is(err, ErrGone) {
				s.limits.Log.Debug("an old upload stays in the cluster for now", "file", number, "error", err)
			}
			cancel()
		}
	}
}

// deleteUnlisted deletes copies in the folder that are not listed: they were removed while no host had the folder.
func (s *Store) deleteUnlisted() {
	folder, err := s.root.Open(".")
	var names []string
	if err == nil {
		names, err = folder.Readdirnames(-1)
		folder.Close()
	}
	if err != nil {
		s.limits.Log.Warn("the folder for files cannot be read", "folder", s.folder, "error", err)
	}
	for _, name := range names {
		digits, _, ok := strings.Cut(name, "-")
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil {
			continue
		}
		s.mu.Lock()
		f, listed := s.files[number]
		s.mu.Unlock()
		if !listed || f.diskName() != name {
			if err := s.root.Remove(name); err != nil {
				s.limits.Log.Warn("cannot delete a file that was removed", "file", name, "error", err)
			}
		}
	}
}

// --- downloads --------------------------------------------------------------------

// waitListed waits a little for a file that is not listed yet, but may be soon.
func (s *Store) waitListed(ctx context.Context, number uint64) {
	of := s.shared
	ctx, cancel := context.WithTimeout(ctx, aheadTime)
	defer cancel()
	for waiting := false; ; waiting = true {
		s.mu.Lock()
		if waiting {
			of.ahead--
		}
		_, ok := s.files[number]
		if changed := of.changed; !ok && !s.removed[number] && number > 0 && number <= s.last+maxAhead && of.ahead < maxAhead && ctx.Err() == nil && of.ctx.Err() == nil {
			of.ahead++
			s.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			case <-of.ctx.Done():
			}
			continue
		}
		s.mu.Unlock()
		return
	}
}

// fromShelf opens a file that is not in the folder. It is copied there, if the disk has space.
func (s *Store) fromShelf(ctx context.Context, f file) (io.ReadSeekCloser, error) {
	content, err := s.shared.shelf.Open(ctx, f.Number)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrGone
	case err != nil:
		return nil, fmt.Errorf("open file %d: %w", f.Number, err)
	case content.Size != f.Size || content.SHA256 != f.SHA256:
		return nil, fmt.Errorf("open file %d: another content is in the cluster", f.Number)
	}
	copied := s.copyFromShelf(f)
	if copied != nil && f.Size <= wholeFile {
		select {
		case <-copied:
			if r, err := s.root.Open(f.diskName()); err == nil {
				return r, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nopCloser{io.NewSectionReader(content, 0, content.Size)}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// copyFromShelf has f copied into the folder, and returns a channel that is closed then, or if that fails; nil: it is not copied now.
func (s *Store) copyFromShelf(f file) <-chan struct{} {
	of := s.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := of.copying[f.Number]; done != nil {
		return done
	}
	if s.closed {
		return nil
	}
	select {
	case of.copies <- struct{}{}:
	default: // enough are copied
		return nil
	}
	done := make(chan struct{})
	of.copying[f.Number] = done
	of.tasks.Go(func() {
		err := s.copyFile(f)
		if err != nil && of.ctx.Err() == nil {
			s.limits.Log.Warn("a file is not kept in the folder; it is read from the cluster each time", "file", f.diskName(), "error", err)
		}
		s.mu.Lock()
		delete(of.copying, f.Number)
		s.mu.Unlock()
		<-of.copies
		close(done)
	})
	return done
}

// copyFile copies a file from the shelf into the folder.
func (s *Store) copyFile(f file) (err error) {
	if err := s.checkDisk(f.Size); err != nil {
		return err
	}
	ctx, cancel := s.shared.limited(f.Size)
	defer cancel()
	content, err := s.shared.shelf.Open(ctx, f.Number)
	if err != nil {
		return err
	}
	name := newID() + partSuffix
	w, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.root.Remove(name)
		}
	}()
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(w, hash), io.NewSectionReader(content, 0, content.Size))
	if err == nil && hex.EncodeToString(hash.Sum(nil)) != f.SHA256 {
		err = errors.New("its SHA-256 is another one")
	}
	if err == nil && !s.temporary {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	s.publishing.Lock() // it may have been removed meanwhile
	defer s.publishing.Unlock()
	s.mu.Lock()
	_, listed := s.files[f.Number]
	s.mu.Unlock()
	if !listed {
		return ErrRemoved
	}
	return s.root.Rename(name, f.diskName())
}
