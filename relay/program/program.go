// Package program knows the copies of chat that a host can hand out: the binary that it runs
// itself, and those in a release's folder, for other systems.
package program

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Limits of a folder's files.
const (
	maxFiles = 200     // in a folder, further ones are ignored
	maxSize  = 1 << 30 // bytes of a file
	maxSums  = 1 << 20 // bytes of a SHA256SUMS
)

// A System is an operating system and a processor by their names in a release: linux and amd64, or linux and armv7.
type System struct {
	OS, Arch string
}

// String returns the system as in linux/amd64.
func (s System) String() string { return s.OS + "/" + s.Arch }

// InstallCommand returns the command that installs chat from a host at its URL, without a slash at the end, on Linux, macOS
// and FreeBSD. See seal.Invites.Install for a host whose certificate curl cannot check.
func InstallCommand(url string) string { return "curl -fsSL " + url + "/get/install.sh | sh" }

// A File is a program, or an archive with one and its documents. It is safe for concurrent use.
type File struct {
	// Fixed.
	System
	Name    string // in a release: chat-linux-amd64, chat-windows-amd64.exe or chat-1.2-linux-amd64.tar.gz
	Archive bool   // it is an archive
	Own     bool   // the host runs it
	NeedsC  bool   // it needs the C library of the system that it was built on
	Size    int64  // bytes

	set  *Set
	open func() (*os.File, error)
	info fs.FileInfo // of the file as it was found
	want string      // its SHA-256 in SHA256SUMS; "": any

	hashOnce sync.Once     // starts the goroutine that hashes
	hashed   chan struct{} // closed when it has ended; sum and err are fixed then
	sum      string        // SHA-256 in hexadecimal
	err      error         // why the file cannot be handed out
}

var (
	// ErrChanged is the error of a file that was changed or replaced after the host had started.
	ErrChanged = errors.New("the file has changed since the host started")

	// ErrMismatch is the error of a file that is not the one in its SHA256SUMS.
	ErrMismatch = errors.New("the file does not match SHA256SUMS")

	// ErrClosed is the error after Close.
	ErrClosed = errors.New("the host is closing")
)

// complete checks that open opens a file that can be handed out, and completes f.
func (s *Set) complete(f *File, open func() (*os.File, error)) error {
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", f.Name)
	case info.Size() == 0 || info.Size() > maxSize:
		return fmt.Errorf("%s has %d bytes; from 1 to %d are possible", f.Name, info.Size(), maxSize)
	}
	f.Size, f.set, f.open, f.info, f.hashed = info.Size(), s, open, info, make(chan struct{})
	return nil
}

// openSame opens the file. It fails if it is another one than at the start.
func (f *File) openSame() (*os.File, error) {
	file, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("open the program: %w", err)
	}
	if err := f.checkSame(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f *File) checkSame(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("open the program: %w", err)
	}
	if !os.SameFile(info, f.info) || info.Size() != f.info.Size() || !info.ModTime().Equal(f.info.ModTime()) {
		return fmt.Errorf("%s: %w", f.Name, ErrChanged)
	}
	return nil
}

// Open opens the file, whose SHA-256 in hexadecimal is sum. The caller closes it.
func (f *File) Open(ctx context.Context) (content *os.File, sum string, err error) {
	if sum, err = f.Sum(ctx); err != nil {
		return nil, "", err
	}
	content, err = f.openSame()
	return content, sum, err
}

// Sum returns the SHA-256 of the file in hexadecimal. It is computed once, when it is first needed, in a goroutine of its
// own: a request that is canceled must not make it start again. Sum waits for it until ctx ends.
func (f *File) Sum(ctx context.Context) (string, error) {
	f.hashOnce.Do(func() {
		f.set.start(func() {
			f.sum, f.err = f.hash()
			if f.err != nil && !errors.Is(f.err, ErrClosed) {
				f.set.log.Warn("a program is not handed out", "file", f.Name, "error", f.err)
			}
			close(f.hashed)
		})
	})
	select {
	case <-f.hashed:
		return f.sum, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// piece is how many bytes are hashed between two looks at whether the host closes.
const piece = 1 << 20

// hash reads the file. Files are hashed one after the other.
func (f *File) hash() (string, error) {
	f.set.oneHash.Lock()
	defer f.set.oneHash.Unlock()
	if f.set.closed.Load() {
		return "", ErrClosed
	}
	file, err := f.openSame()
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	for {
		if f.set.closed.Load() {
			return "", ErrClosed
		}
		if _, err := io.CopyN(h, file, piece); err == io.EOF {
			break
		} else if err != nil {
			return "", fmt.Errorf("read the program: %w", err)
		}
	}
	if err := f.checkSame(file); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if f.want != "" && sum != f.want {
		return "", fmt.Errorf("%s: %w: it is %s, not %s", f.Name, ErrMismatch, sum, f.want)
	}
	return sum, nil
}

// KnownSum returns the SHA-256 of the file if it is known without reading it: it was computed, or is in SHA256SUMS.
func (f *File) KnownSum() string {
	select {
	case <-f.hashed:
		return f.sum
	default:
		return f.want
	}
}

// isGood reports whether the file can be handed out, as far as is known.
func (f *File) isGood() bool {
	select {
	case <-f.hashed:
		return f.err == nil
	default:
		return true
	}
}

// A Set has the files that a host hands out. It is safe for concurrent use.
type Set struct {
	// Fixed after Open.
	log    *slog.Logger
	files  []*File // sorted
	folder *folder // nil: there is none

	oneHash sync.Mutex // held while a file is hashed
	closed  atomic.Bool

	starting sync.Mutex     // held while a goroutine starts, and by Close
	hashing  sync.WaitGroup // of the goroutines that hash; none is added after Close
}

// start runs hash in a goroutine, or after Close at once: it fails then.
func (s *Set) start(hash func()) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.closed.Load() {
		hash()
		return
	}
	s.hashing.Go(hash)
}

// Options configure a Set.
type Options struct {
	Folder string       // of a release; "": none
	Own    string       // the path of the program itself; "": this process's
	Log    *slog.Logger // nil: nothing is logged
}

// Open finds the programs. The error is that of the folder; without a way to read its own binary, a host has only those
// there. Close the set after use.
func Open(opts Options) (*Set, error) {
	s := &Set{log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if own, err := s.own(opts.Own); err != nil {
		s.log.Warn("the host cannot read its own program, and does not hand it out", "error", err)
	} else {
		s.files = append(s.files, own)
	}
	if opts.Folder != "" {
		if err := s.openFolder(opts.Folder); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(s.files, func(a, b *File) int {
		return cmp.Or(order(a.OS)-order(b.OS), cmp.Compare(a.String(), b.String()), number(a.Archive)-number(b.Archive), cmp.Compare(a.Name, b.Name))
	})
	return s, nil
}

// systems are operating systems in the order of a list.
var systems = []string{"linux", "darwin", "windows", "freebsd"}

func order(os string) int {
	if i := slices.Index(systems, os); i >= 0 {
		return i
	}
	return len(systems)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Files returns what can be handed out, by system, each program before its archive.
func (s *Set) Files() []*File {
	return slices.DeleteFunc(slices.Clone(s.files), func(f *File) bool { return !f.isGood() })
}

// OnePerSystem returns one file for each system: the program, or if there is only an archive, that.
func (s *Set) OnePerSystem() (files []*File) {
	for _, f := range s.Files() {
		if n := len(files); n == 0 || files[n-1].System != f.System {
			files = append(files, f)
		}
	}
	return files
}

// For returns the file for a system; nil: there is none.
func (s *Set) For(system System) *File {
	for _, f := range s.OnePerSystem() {
		if f.System == system {
			return f
		}
	}
	return nil
}

// Default returns the file for the host's own system; nil: there is none.
func (s *Set) Default() *File { return s.For(ownSystem()) }

// Named returns the file with a name; nil: there is none.
func (s *Set) Named(name string) *File {
	for _, f := range s.Files() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// SumsFile returns the path of the SHA256SUMS of the folder; "": there is none.
func (s *Set) SumsFile() string {
	if s.folder == nil {
		return ""
	}
	return s.folder.sumsFile()
}

// Verify reads the files of the folder and compares them with SHA256SUMS, until ctx ends. It logs those that differ; they
// are not handed out.
func (s *Set) Verify(ctx context.Context) {
	for _, f := range s.files {
		if ctx.Err() != nil {
			return
		}
		if f.want != "" {
			f.Sum(ctx) // logs
		}
	}
}

// Close ends hashing, and closes the folder. Files that are open stay readable.
func (s *Set) Close() error {
	s.starting.Lock()
	s.closed.Store(true)
	s.starting.Unlock()
	s.hashing.Wait()
	if s.folder == nil {
		return nil
	}
	return s.folder.root.Close()
}

// ownSystem returns the system of this process.
func ownSystem() System { return System{runtime.GOOS, ownArch()} }
