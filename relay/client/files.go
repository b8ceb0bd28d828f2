package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"chat/relay/wire"
)

// maxFiles is how many files are known by their numbers.
const maxFiles = 1000

// maxFileText is how many bytes the texts of one of them may have in all; those of a
// real one have less than a fourth of it.
const maxFileText = 4 << 10

// Files returns the files that were sent in the room, as far as events told of them, oldest
// first; the last 1,000.
func (c *Client) Files() []wire.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.files)
}

// noteFiles remembers the files that an event tells of.
func (s *membership) noteFiles(e *wire.Event) {
	for i := len(e.Events) - 1; i >= 0; i-- { // older than what is known
		s.noteFile(e.Events[i].File, 0)
	}
	if e.File != nil && e.Said() {
		s.noteFile(e.File, maxFiles)
	}
}

// noteFile puts a file at a place among the others, or last.
func (c *Client) noteFile(f *wire.File, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil || len(f.Name)+len(f.SHA256)+len(f.Type)+len(f.Path) > maxFileText || slices.Contains(c.files, *f) {
		return
	}
	c.files = slices.Insert(c.files, min(at, len(c.files)), *f)
	if more := len(c.files) - maxFiles; more > 0 {
		c.files = slices.Delete(c.files, 0, more)
	}
}

// TypedPath returns the path that somebody typed, or dropped on the terminal: with quotes
// around it perhaps, and ~ for the home folder.
func TypedPath(typed string) string {
	typed = strings.TrimSpace(typed)
	if n := len(typed); n >= 2 && (typed[0] == '\'' || typed[0] == '"') && typed[n-1] == typed[0] {
		typed = typed[1 : n-1]
	}
	if rest, ok := strings.CutPrefix(filepath.ToSlash(typed)+"/", "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, filepath.FromSlash(rest))
		}
	}
	return typed
}

// TypedGet finds the file that is meant by "N [DIR]", or the last one by nothing, among
// those that are known.
func TypedGet(known []wire.File, typed string) (f wire.File, dir string, err error) {
	if len(known) == 0 {
		return f, "", errors.New("no file was sent here yet; /send PATH sends one")
	}
	if typed = strings.TrimSpace(typed); typed == "" {
		return known[len(known)-1], "", nil
	}
	number, dir, _ := strings.Cut(typed, " ")
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		return f, "", errors.New("usage: /get [N [DIR]]: file N, or the last one; /files lists them")
	}
	for _, f := range slices.Backward(known) {
		if f.Number == n {
			return f, TypedPath(dir), nil
		}
	}
	return f, "", fmt.Errorf("nobody sent a file %d here; /files lists those that were sent", n)
}

// filesListed is how many files are listed.
const filesListed = 20

// FileLines lists the last files for people, a line each.
func FileLines(known []wire.File) string {
	if len(known) == 0 {
		return "no file was sent here yet; /send PATH sends one"
	}
	lines := []string{"the last files; /get N gets one:"}
	for _, f := range known[max(len(known)-filesListed, 0):] {
		lines = append(lines, fmt.Sprintf("%4d  %s (%s)", f.Number, f.Name, humanize.Bytes(uint64(max(f.Size, 0)))))
	}
	return strings.Join(lines, "\n")
}
