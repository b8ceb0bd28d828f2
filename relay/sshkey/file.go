package sshkey

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"chat/relay/openfile"
)

const (
	// maxFile is the size of a file of keys, in bytes.
	maxFile = 4 << 20

	// maxKeys is how many keys a file may have; further ones are reported and skipped.
	maxKeys = 10_000

	// rereadEvery is how often a file of keys is checked for changes.
	rereadEvery = time.Second
)

// A File is a file in the format of authorized_keys: the keys of the members or of the
// operators. It is safe for concurrent use. A nil File has no keys.
type File struct {
	path string                          // fixed
	keys atomic.Pointer[map[string]bool] // by fingerprint; a map does not change

	asked chan chan<- error // has Watch reread the file without waiting, and answer; fixed

	// owned by OpenFile, then by Watch
	seen     fileState // of the file that was read
	problems []error   // of its lines, until Watch reports them
	failing  bool      // Watch has reported that it cannot be read
}

// A fileState is compared to see whether a file has changed.
type fileState struct {
	size    int64
	changed time.Time // zero: it may change again at the same time; see settled
	sum     [sha256.Size]byte
}

// settled is how long ago a file must have changed for a later change to have another time: some file systems
// have times of two seconds.
const settled = 2 * time.Second

// OpenFile reads the file. The error names it. Lines that are not understood are skipped;
// Watch reports them.
func OpenFile(path string) (*File, error) {
	f := &File{path: path, asked: make(chan chan<- error)}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Has reports whether the file has the key with a fingerprint.
func (f *File) Has(fingerprint string) bool { return f != nil && (*f.keys.Load())[fingerprint] }

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Reread has Watch reread the file now, if it has changed, until ctx ends. The error is why it cannot be read.
func (f *File) Reread(ctx context.Context) error {
	answer := make(chan error, 1) // Watch does not wait
	select {
	case f.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}

// Watch rereads the file when it changes, and then calls changed, until ctx ends. It calls warn
// for lines that are not understood, and if the file cannot be read: then the last keys stay.
func (f *File) Watch(ctx context.Context, warn func(error), changed func()) {
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		for _, problem := range f.problems {
			warn(problem)
		}
		f.problems = nil
		var answer chan<- error // nil: no one asked
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case answer = <-f.asked:
			f.failing = false // whoever asks wants to know again that it cannot be read
		}
		before := *f.keys.Load()
		err := f.reread()
		switch {
		case err != nil:
			err = fmt.Errorf("%w; its last keys remain valid", err)
			if !f.failing {
				warn(err)
			}
		case !maps.Equal(before, *f.keys.Load()):
			changed()
		}
		f.failing = err != nil
		if answer != nil {
			answer <- err
		}
	}
}

// reread reads the file if it has changed.
func (f *File) reread() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if info.Size() == f.seen.size && info.ModTime().Equal(f.seen.changed) {
		return nil
	}
	return f.read()
}

func (f *File) read() error {
	file, err := openfile.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("%s has more than %d MB", f.path, maxFile>>20)
	}
	seen := fileState{int64(len(b)), info.ModTime(), sha256.Sum256(b)}
	if time.Since(seen.changed) < settled {
		seen.changed = time.Time{}
	}
	same := f.keys.Load() != nil && seen.sum == f.seen.sum
	if f.seen = seen; same {
		return nil
	}
	keys, problems := parseLines(b)
	for i, problem := range problems {
		problems[i] = fmt.Errorf("%s: %w", f.path, problem)
	}
	f.keys.Store(&keys)
	f.problems = problems
	return nil
}

// maxProblems is how many lines of a file are reported.
const maxProblems = 20

// parseLines returns the fingerprints of the keys in an authorized_keys file. Most options and
// comments are ignored; see parseLine. The problems name lines that are skipped.
func parseLines(b []byte) (keys map[string]bool, problems []error) {
	keys = make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxFile+1)
	skipped := 0
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseLine(line)
		if err == nil && len(keys) >= maxKeys {
			err = fmt.Errorf("a file has at most %d keys", maxKeys)
		}
		if err == nil {
			keys[Fingerprint(key)] = true
			continue
		}
		if skipped++; skipped <= maxProblems {
			problems = append(problems, fmt.Errorf("line %d is skipped: %w", n, err))
		}
	}
	if skipped > maxProblems {
		problems = append(problems, fmt.Errorf("%d more lines are skipped", skipped-maxProblems))
	}
	return keys, problems
}

var errKeyLine = errors.New("it has no public key")

// parseLine parses a line of an authorized_keys file. Its options are about what sshd lets a key do, and are ignored, but
// for two: a key that certifies others is not a member's key, and a key with an expiry date must not stay valid here.
func parseLine(line []byte) (ssh.PublicKey, error) {
	key, _, options, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, errKeyLine // the library's says only that no key was found
	}
	for _, option := range options {
		switch name, _, _ := strings.Cut(strings.ToLower(option), "="); name {
		case "cert-authority", "expiry-time":
			return nil, fmt.Errorf("keys with the option %s are not accepted", name)
		}
	}
	return key, Check(key)
}
