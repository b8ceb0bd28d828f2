package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gofrs/flock"

	"chat/relay/diskspace"
	"chat/relay/errno"
	"chat/relay/wire"
)

// Limits are the limits of a Store. The zero value works: the zero of a field means its
// default, and a negative number means no limit.
type Limits struct {
	MaxFile    int64 // bytes of a file; default 1 GiB
	MaxTotal   int64 // bytes of all files and of the arrived parts of uploads; default 10 GiB
	MaxFiles   int   // files and uploads; default 10,000
	Uploads    int   // uploads that are not published; default 64
	PerAddress int   // of these, uploads from one address; default 8

	// Share is how many bytes of files and uploads may come from one address; default 2.5 GiB, and
	// never more than three quarters of MaxTotal. A quarter of MaxFiles may come from it.
	Share int64

	// Reserve is how many bytes of the disk stay free; default [DefaultReserve]. Uploads also stop when
	// less than 5 % of the disk is free. Negative: they continue until it is full.
	Reserve int64

	// Idle is how long an upload is kept without being continued or published; default 10
	// minutes. One without bytes is kept for emptyIdle at most.
	Idle time.Duration

	// First is the lowest number of a new file; default 1. A room that outlives its files
	// uses it to give each number only once.
	First uint64

	Log *slog.Logger // nil: nothing is logged
}

// DefaultReserve is the default of Limits.Reserve, in bytes.
const DefaultReserve = 1 << 30

func (l Limits) withDefaults() Limits {
	const never = 1 << 60 // bytes, and nanoseconds: 36 years
	l.MaxFile = orDefault(l.MaxFile, 1<<30, never)
	l.MaxTotal = orDefault(l.MaxTotal, 10<<30, never)
	l.MaxFiles = orDefault(l.MaxFiles, 10_000, 1<<31-1)
	l.Uploads = orDefault(l.Uploads, 64, 1<<31-1)
	l.PerAddress = orDefault(l.PerAddress, 8, 1<<31-1)
	l.Share = min(orDefault(l.Share, 5<<29, never), max(l.MaxTotal/4*3, 1))
	if l.Reserve == 0 {
		l.Reserve = DefaultReserve
	}
	l.Idle = orDefault(l.Idle, 10*time.Minute, never)
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	return l
}

func orDefault[N int | int64 | time.Duration](n, otherwise, noLimit N) N {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return noLimit
	}
	return n
}

// Errors of uploads and downloads.
var (
	ErrGone     = fmt.Errorf("the host no longer has it: %w", fs.ErrNotExist)
	ErrRemoved  = fmt.Errorf("an operator removed it: %w", fs.ErrNotExist)
	ErrOff      = errors.New("an operator turned uploads off")
	ErrShare    = errors.New("your address has too many files here; ask an operator to remove some")
	ErrInUse    = errors.New("another host uses this folder")
	ErrBusy     = errors.New("too many uploads at once; try again later")
	ErrNoRoom   = errors.New("the host has no space for more files")
	ErrDiskFull = errors.New("the host's disk is full")
	ErrOffset   = errors.New("the upload continues at another offset")
	ErrSize     = errors.New("the size of the file is another one")
	ErrChecksum = errors.New("the file arrived damaged; send it again")
	ErrCut      = errors.New("another request continues this upload")
	ErrClosed   = errors.New("the room is closing")
)

// A TooLargeError reports a file that is larger than the limit.
type TooLargeError struct{ Limit int64 } // bytes

func (e *TooLargeError) Error() string {
	return "a file has at most " + humanize.IBytes(uint64(e.Limit)) + " here"
}

// A Store keeps files in a folder. Its methods may be called concurrently.
type Store struct {
	// Fixed after Open.
	root      *os.Root
	folder    string
	temporary bool
	limits    Limits // those of SetLimits are guarded by mu
	lock      *flock.Flock
	create    func(name string) (part, error)       // creates a part file
	space     func() (free, total int64, err error) // bytes of the disk
	shared    *shelved                              // nil: no other host shares the room

	working sync.WaitGroup // holders of uploads

	publishing sync.Mutex // held by Publish, Remove, Allow and Close; never locked while mu is
	index      *index     // nil in a temporary folder and in a shared room; guarded by publishing

	// mu is never held during I/O. It also guards the uploads' own fields.
	mu sync.Mutex

	// Guarded by mu.
	closed    bool
	off       bool               // an operator turned uploads off
	diskLow   bool               // the last upload found the disk almost full; it was logged
	uploads   map[string]*Upload // by ID: those that are not published
	usage     map[string]usage   // by address
	files     map[uint64]file    // by number: the published ones
	numbers   []uint64           // of files, ascending
	removed   map[uint64]bool    // numbers of files that an operator removed
	published map[string]uint64  // number by ID of the upload
	last      uint64             // the highest number given to a file
	held      int64              // bytes of files, and of what uploads have or have reserved
}

// A part is the file that an upload is written to.
type part interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// A file is a published one.
type file struct {
	wire.File
	id      string // of its upload
	address string // that the limits count; "": none
	time    time.Time
}

// diskName returns the file's name in the folder.
func (f *file) diskName() string { return fmt.Sprintf("%d-%s", f.Number, f.Name) }

const (
	lockName   = ".lock"
	tempPrefix = "chat-files-"
)

// Open opens or creates the folder dir. Files in it from earlier runs keep their numbers, and
// resumable uploads can be continued. With "" the store uses a temporary folder, which Close
// deletes.
func Open(dir string, limits Limits) (*Store, error) { return openStore(dir, limits, nil) }

func openStore(dir string, limits Limits, shared *shelved) (*Store, error) {
	s := &Store{
		folder: dir, temporary: dir == "", limits: limits.withDefaults(), shared: shared,
		uploads: make(map[string]*Upload), usage: make(map[string]usage),
		files: make(map[uint64]file), removed: make(map[uint64]bool), published: make(map[string]uint64),
		last: max(limits.First, 1) - 1,
	}
	s.create = func(name string) (part, error) {
		return s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	s.space = func() (int64, int64, error) { return diskspace.Of(s.folder) }
	err := s.open()
	if err != nil {
		s.Close()
		if dir == "" {
			return nil, fmt.Errorf("create a folder for files: %w", err)
		}
		return nil, fmt.Errorf("open the folder for files %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() (err error) {
	if s.temporary {
		s.folder, err = createTemporary()
	} else {
		err = os.MkdirAll(s.folder, 0o700)
	}
	if err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(s.folder); err != nil {
		return err
	}
	s.lock = flock.New(filepath.Join(s.folder, lockName))
	switch locked, err := s.lock.TryLock(); {
	case err != nil:
		return err
	case !locked:
		return ErrInUse
	}
	if s.temporary {
		return nil
	}
	if s.shared != nil { // the list of files is in the cluster
		return s.scanFolder()
	}
	if _, err := s.root.Lstat(offName); err == nil {
		s.off = true
	}
	return s.restore()
}

// createTemporary creates a folder in the user's cache, because the system's folder for
// temporary files is often in memory. It deletes the folders of hosts that were killed.
func createTemporary() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		cache = filepath.Join(cache, "chat")
		err = os.MkdirAll(cache, 0o700)
	}
	if err != nil {
		return os.MkdirTemp("", tempPrefix)
	}
	folders, _ := filepath.Glob(filepath.Join(cache, tempPrefix+"*"))
	for _, dir := range folders {
		deleteAbandoned(dir)
	}
	return os.MkdirTemp(cache, tempPrefix)
}

// deleteAbandoned deletes a temporary folder whose host no longer runs.
func deleteAbandoned(dir string) {
	info, err := os.Stat(filepath.Join(dir, lockName))
	if err != nil || time.Since(info.ModTime()) < time.Minute { // its host is perhaps about to lock it
		return
	}
	lock := flock.New(filepath.Join(dir, lockName))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return
	}
	lock.Close() // Windows does not delete open files
	os.RemoveAll(dir)
}

// MaxFile returns the limit of a file in bytes.
func (s *Store) MaxFile() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits.MaxFile
}

// SetLimits replaces MaxFile, MaxTotal, Share and Reserve; the others stay. Files that are there stay,
// and an upload that no longer fits ends with its next piece.
func (s *Store) SetLimits(to Limits) {
	to = to.withDefaults()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.MaxFile, s.limits.MaxTotal, s.limits.Share, s.limits.Reserve = to.MaxFile, to.MaxTotal, to.Share, to.Reserve
}

// Close cuts off all uploads and waits for their holders. In a folder that stays, resumable
// uploads are kept for the next run; others are deleted, and so is a temporary folder.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	uploads := slices.Collect(maps.Values(s.uploads))
	s.mu.Unlock()
	if s.shared != nil {
		s.shared.cancel() // holders may wait for the cluster
	}
	for _, u := range uploads {
		u.drop(u.hasState())
	}
	s.working.Wait()
	s.shared.end()
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var errs []error
	if s.index != nil {
		errs = append(errs, s.index.close())
		s.index = nil
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.temporary && s.folder != "" {
		errs = append(errs, os.RemoveAll(s.folder))
	}
	return errors.Join(errs...)
}

// Publish gives everyone access to the file that was uploaded under id, and returns it. The
// error is [ErrGone] if there is no such upload or some of it has not arrived. Publishing
// it again returns the same file.
func (s *Store) Publish(id string) (wire.File, error) {
	if s.shared != nil {
		return s.publishShelved(id)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.Lock()
	if f, ok := s.files[s.published[id]]; ok {
		s.mu.Unlock()
		return f.File, nil
	}
	u := s.uploads[id]
	if s.closed || u == nil || u.finished == nil {
		s.mu.Unlock()
		return wire.File{}, ErrGone
	}
	u.published = true // from here on it cannot be dropped
	f := file{*u.finished, id, u.address, time.Now()}
	s.mu.Unlock()
	err := s.writePublished(u, &f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		u.published = false
		u.progress = time.Now()
		u.timer.Reset(s.limits.Idle) // it may have gone off meanwhile
		if s.closed {
			u.kept = u.hasState()
			s.forgetLocked(u)
		}
		s.limits.Log.Error("a file cannot be published", "file", f.diskName(), "error", err)
		return wire.File{}, fullOr(err)
	}
	s.forgetLocked(u)
	s.addLocked(f)
	return f.File, nil
}

// writePublished adds the file to the index of a folder that stays, and then gives it its
// name: if the host is killed in between, the next run does the rest.
func (s *Store) writePublished(u *Upload, f *file) error {
	if s.index != nil {
		if err := s.index.add(f); err != nil {
			return err
		}
	}
	err := s.root.Rename(f.id+partSuffix, f.diskName())
	switch {
	case s.index == nil:
	case err != nil:
		err = errors.Join(err, s.index.removeLast())
	default:
		if u.hasState() {
			s.root.Remove(f.id + stateSuffix)
		}
		s.syncFolder()
	}
	return err
}

// syncFolder writes the names in the folder to disk, on systems that can.
func (s *Store) syncFolder() {
	if folder, err := s.root.Open("."); err == nil {
		folder.Sync()
		folder.Close()
	}
}

// addLocked adds a published file.
func (s *Store) addLocked(f file) {
	s.files[f.Number], s.published[f.id] = f, f.Number
	at, _ := slices.BinarySearch(s.numbers, f.Number)
	s.numbers = slices.Insert(s.numbers, at, f.Number)
	s.chargeLocked(f.address, usage{files: 1, bytes: f.Size})
	s.last = max(s.last, f.Number)
}

// File opens a published file. The caller must close it. ctx limits reading from the cluster, too. The error
// is [ErrGone] if there is none, or [ErrRemoved].
func (s *Store) File(ctx context.Context, number uint64) (wire.File, io.ReadSeekCloser, error) {
	if s.shared != nil {
		s.waitListed(ctx, number)
	}
	s.mu.Lock()
	f, ok := s.files[number]
	removed := s.removed[number]
	s.mu.Unlock()
	switch {
	case removed:
		return wire.File{}, nil, ErrRemoved
	case !ok:
		return wire.File{}, nil, ErrGone
	}
	r, err := s.root.Open(f.diskName())
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.shared != nil:
		content, err := s.fromShelf(ctx, f)
		return f.File, content, err
	case errors.Is(err, fs.ErrNotExist): // the folder's owner deleted it
		s.forget(number)
		return wire.File{}, nil, ErrGone
	case err != nil:
		return wire.File{}, nil, fmt.Errorf("open file %d: %w", number, err)
	}
	return f.File, r, nil
}

// forget removes a file that is no longer in the folder.
func (s *Store) forget(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetFileLocked(number)
}

func (s *Store) forgetFileLocked(number uint64) {
	f, ok := s.files[number]
	if !ok {
		return
	}
	delete(s.files, number)
	delete(s.published, f.id)
	at, _ := slices.BinarySearch(s.numbers, number)
	s.numbers = slices.Delete(s.numbers, at, at+1)
	s.chargeLocked(f.address, usage{files: -1, bytes: -f.Size})
}

// List returns up to count files with numbers below before, newest first; 0: the newest ones.
func (s *Store) List(before uint64, count int) []wire.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := len(s.numbers)
	if before > 0 {
		end, _ = slices.BinarySearch(s.numbers, before)
	}
	var list []wire.File
	for i := end - 1; i >= 0 && len(list) < count; i-- {
		list = append(list, s.files[s.numbers[i]].File)
	}
	return list
}

// fullOr returns ErrDiskFull if err says that the disk is full, else err.
func fullOr(err error) error {
	if errno.DiskFull(err) {
		return ErrDiskFull
	}
	return err
}

// sniffed is how many bytes typeOf needs: signatures, and some of AVIF's brands.
const sniffed = 64

// typeOf returns the media type of a picture by its first bytes, as browsers do
// (https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern). Everything else is
// noType, because types that browsers show can do harm.
func typeOf(head []byte) string {
	for _, kind := range []struct{ signature, media string }{
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"\xff\xd8\xff", "image/jpeg"},
		{"GIF87a", "image/gif"},
		{"GIF89a", "image/gif"},
	} {
		if bytes.HasPrefix(head, []byte(kind.signature)) {
			return kind.media
		}
	}
	switch {
	case len(head) >= 14 && string(head[:4]) == "RIFF" && string(head[8:14]) == "WEBPVP":
		return "image/webp"
	case isAVIF(head):
		return "image/avif"
	}
	return noType
}

// noType is the media type of files that are not pictures.
const noType = "application/octet-stream"

// pictureTypes are the media types of pictures.
var pictureTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}

// isAVIF looks for the brand in the ftyp box at the start
// (https://aomediacodec.github.io/av1-avif/, section 6; ISO/IEC 14496-12, section 4.3).
func isAVIF(head []byte) bool {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return false
	}
	size := int(uint32(head[0])<<24 | uint32(head[1])<<16 | uint32(head[2])<<8 | uint32(head[3]))
	if size < 0 { // int has 32 bits
		return false
	}
	box := head[:min(size, len(head))]
	for at := 8; at+4 <= len(box); at += 4 {
		if brand := string(box[at : at+4]); at != 12 && (brand == "avif" || brand == "avis") { // a version is at 12
			return true
		}
	}
	return false
}

// newID returns a random ID for an upload, which cannot be guessed.
func newID() string { return rand.Text() }
