package files

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gofrs/flock"

	"chat/relay/wire"
)

// Limits are what a Store takes. The zero value works: each field's zero means the
// default it names, and a negative number means no limit.
type Limits struct {
	MaxFile    int64 // bytes of a file; default 1 GiB
	MaxTotal   int64 // bytes of all files, with what is still to come of those on their way; default 10 GiB
	MaxFiles   int   // files; default 10,000
	Uploads    int   // files on their way at once, or come and not said yet; default 64
	PerAddress int   // of them, those of one address; default 8

	// Idle is how long an upload is kept that nobody continues, or that has come and
	// is not said; default 10 minutes.
	Idle time.Duration

	// First is the number of the first file, unless the folder has had it already; default 1. A room
	// that outlives its files gives each number once by it.
	First uint64

	Log *slog.Logger // nil: nothing is logged
}

func (l Limits) withDefaults() Limits {
	const never = 1 << 60 // bytes, and nanoseconds: 36 years
	l.MaxFile = orDefault(l.MaxFile, 1<<30, never)
	l.MaxTotal = orDefault(l.MaxTotal, 10<<30, never)
	l.MaxFiles = orDefault(l.MaxFiles, 10_000, 1<<31-1)
	l.Uploads = orDefault(l.Uploads, 64, 1<<31-1)
	l.PerAddress = orDefault(l.PerAddress, 8, 1<<31-1)
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

// Why a file is not taken or not there.
var (
	ErrGone     = fmt.Errorf("the host no longer has it: %w", fs.ErrNotExist)
	ErrInUse    = errors.New("another host uses this folder")
	ErrBusy     = errors.New("too many files are on their way to the host; try again when some have come")
	ErrNoRoom   = errors.New("the host has no room for more files")
	ErrDiskFull = errors.New("the host's disk is full")
	ErrOffset   = errors.New("the file goes on at another place")
	ErrChecksum = errors.New("the file did not come as it was sent; send it again")
	ErrCut      = errors.New("another request goes on with this file")
	ErrClosed   = errors.New("the room closes")
)

// A TooLargeError says how large a file may be.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return "a file has at most " + humanize.IBytes(uint64(e.Limit)) + " here"
}

// A Store keeps files in a folder of its own. All methods may be called at the same time.
type Store struct {
	// Fixed after Open.
	root      *os.Root
	folder    string
	temporary bool
	limits    Limits
	lock      *flock.Flock
	create    func(name string) (part, error) // what an upload is written to

	working sync.WaitGroup // those who hold an upload

	publishing sync.Mutex // orders what is said; never taken with mu held
	index      *index     // of a folder that stays; under publishing

	mu         sync.Mutex // of the rest; nothing that can wait is done under it
	closed     bool
	uploads    map[string]*Upload // by id: on their way, or come and not said yet
	perAddress map[string]int     // how many of them
	files      map[uint64]file    // by number: those that were said
	numbers    []uint64           // of files, ascending
	said       map[string]uint64  // id of the upload -> number
	last       uint64             // the highest number given
	held       int64              // bytes of files, and of what uploads have or were promised
}

// A part is a file that comes.
type part interface {
	io.WriterAt
	Sync() error
	Close() error
}

// A file is one that everybody can have.
type file struct {
	wire.File
	id   string // of its upload
	time time.Time
}

// diskName returns what the file is called in the folder.
func (f *file) diskName() string { return fmt.Sprintf("%d-%s", f.Number, f.Name) }

// The names in the folder that are none of a file's.
const (
	partSuffix = ".part"
	lockName   = ".lock"
	tempPrefix = "chat-files-"
)

// Open opens the folder dir, or makes it; what it holds of an earlier host is there again
// under the same numbers. With "" the folder is a temporary one, in which nothing stays.
func Open(dir string, limits Limits) (*Store, error) {
	s := &Store{
		folder: dir, temporary: dir == "", limits: limits.withDefaults(),
		uploads: make(map[string]*Upload), perAddress: make(map[string]int),
		files: make(map[uint64]file), said: make(map[string]uint64),
		last: max(limits.First, 1) - 1,
	}
	s.create = func(name string) (part, error) {
		return s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	err := s.open()
	if err != nil {
		s.Close()
		if dir == "" {
			return nil, fmt.Errorf("make a folder for files: %w", err)
		}
		return nil, fmt.Errorf("open the folder for files %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() (err error) {
	if s.temporary {
		s.folder, err = makeTemporary()
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
	return s.restore()
}

// makeTemporary makes a folder that is nobody else's. It is where the system keeps what
// can be made anew, for the folder of temporary files is often in memory. What a host left
// there that was killed is deleted.
func makeTemporary() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		cache = filepath.Join(cache, "chat")
		err = os.MkdirAll(cache, 0o700)
	}
	if err != nil {
		return os.MkdirTemp("", tempPrefix)
	}
	left, _ := filepath.Glob(filepath.Join(cache, tempPrefix+"*"))
	for _, dir := range left {
		deleteLeft(dir)
	}
	return os.MkdirTemp(cache, tempPrefix)
}

// deleteLeft deletes a temporary folder whose host is no more.
func deleteLeft(dir string) {
	info, err := os.Stat(filepath.Join(dir, lockName))
	if err != nil || time.Since(info.ModTime()) < time.Minute { // it may have been made just now
		return
	}
	lock := flock.New(filepath.Join(dir, lockName))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return
	}
	lock.Close() // Windows deletes nothing that is open
	os.RemoveAll(dir)
}

// MaxFile returns how many bytes a file may have.
func (s *Store) MaxFile() int64 { return s.limits.MaxFile }

// Close ends what is on its way and forgets it; the Reads that feed it are cut. A temporary
// folder is deleted. It returns when nothing goes on any more.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	uploads := slices.Collect(maps.Values(s.uploads))
	s.mu.Unlock()
	for _, u := range uploads {
		u.Drop()
	}
	s.working.Wait()
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

// Sent returns the file that came as the upload id, to be said in the room: from then
// on everybody can have it. The error is [ErrGone] where there is none, or not all of it yet.
func (s *Store) Sent(id string) (wire.File, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.Lock()
	if f, ok := s.files[s.said[id]]; ok {
		s.mu.Unlock()
		return f.File, nil
	}
	u := s.uploads[id]
	if s.closed || u == nil || u.whole == nil {
		s.mu.Unlock()
		return wire.File{}, ErrGone
	}
	u.published = true // nobody drops it from here on
	f := file{*u.whole, id, time.Now()}
	s.mu.Unlock()
	err := s.publish(&f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		u.published = false
		u.timer.Reset(s.limits.Idle) // it may have gone off meanwhile
		s.limits.Log.Error("a file cannot be kept", "file", f.diskName(), "error", err)
		return wire.File{}, fullOr(err)
	}
	s.forgetLocked(u)
	s.addLocked(f)
	return f.File, nil
}

// publish gives the file its name, and enters it into the index of a folder that stays:
// first that, so that a host that is killed in between finds it.
func (s *Store) publish(f *file) error {
	if s.index != nil {
		if err := s.index.add(f); err != nil {
			return err
		}
	}
	err := s.root.Rename(f.id+partSuffix, f.diskName())
	switch {
	case s.index == nil:
	case err != nil:
		err = errors.Join(err, s.index.takeBack())
	default:
		s.syncFolder()
	}
	return err
}

// syncFolder has the names in the folder written to disk, on systems that do so when asked.
func (s *Store) syncFolder() {
	if folder, err := s.root.Open("."); err == nil {
		folder.Sync()
		folder.Close()
	}
}

// addLocked makes a file one that everybody can have.
func (s *Store) addLocked(f file) {
	s.files[f.Number], s.said[f.id] = f, f.Number
	at, _ := slices.BinarySearch(s.numbers, f.Number)
	s.numbers = slices.Insert(s.numbers, at, f.Number)
	s.held += f.Size
	s.last = max(s.last, f.Number)
}

// File opens a file to be read. It has to be closed.
func (s *Store) File(number uint64) (wire.File, *os.File, error) {
	s.mu.Lock()
	f, ok := s.files[number]
	s.mu.Unlock()
	if !ok {
		return wire.File{}, nil, ErrGone
	}
	r, err := s.root.Open(f.diskName())
	switch {
	case errors.Is(err, fs.ErrNotExist): // its owner deleted it
		s.forget(number)
		return wire.File{}, nil, ErrGone
	case err != nil:
		return wire.File{}, nil, fmt.Errorf("open file %d: %w", number, err)
	}
	return f.File, r, nil
}

// forget forgets a file that is not in the folder any more.
func (s *Store) forget(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[number]
	if !ok {
		return
	}
	delete(s.files, number)
	delete(s.said, f.id)
	at, _ := slices.BinarySearch(s.numbers, number)
	s.numbers = slices.Delete(s.numbers, at, at+1)
	s.held -= f.Size
}

// List returns so many files, newest first, with numbers below before; 0: the newest.
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

// fullOr words the error of a full disk; others stay.
func fullOr(err error) error {
	if isDiskFull(err) {
		return ErrDiskFull
	}
	return err
}

// The codes of a full disk on Windows
// (https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes--0-499-).
const (
	errorHandleDiskFull syscall.Errno = 39
	errorDiskFull       syscall.Errno = 112
)

func isDiskFull(err error) bool {
	if runtime.GOOS == "windows" {
		return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// sniffed is how much of a file tells its type: what signatures take, with some brands.
const sniffed = 64

// typeOf finds the media type of a picture by its beginning, as browsers do
// (https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern). All else is no type:
// what is shown in a browser can do harm.
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

// noType is the media type of what is no picture.
const noType = "application/octet-stream"

// pictures are the media types that are told.
var pictures = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"}

// isAVIF looks for the brand in the ftyp box at the beginning
// (https://aomediacodec.github.io/av1-avif/, section 6; ISO/IEC 14496-12, section 4.3).
func isAVIF(head []byte) bool {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return false
	}
	size := int(uint32(head[0])<<24 | uint32(head[1])<<16 | uint32(head[2])<<8 | uint32(head[3]))
	if size < 0 { // of 32 bits
		return false
	}
	box := head[:min(size, len(head))]
	for at := 8; at+4 <= len(box); at += 4 {
		if brand := string(box[at : at+4]); at != 12 && (brand == "avif" || brand == "avis") { // at 12 is a version
			return true
		}
	}
	return false
}

// newID makes the id of an upload, which nobody guesses.
func newID() string { return rand.Text() }
