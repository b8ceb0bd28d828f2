package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"chat/relay/text"
	"chat/relay/wire"
)

const (
	// maxFiles is how many uploads a client remembers.
	maxFiles = 1000

	// maxFileText bounds the names and other texts of one of them, in bytes; those of an
	// honest host have less than a quarter of it.
	maxFileText = 4 << 10

	// filesListed is how many uploads FileLines lists.
	filesListed = 20
)

// Files returns the last 1,000 uploads to the room that events mentioned, oldest first.
func (c *Client) Files() []wire.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.files)
}

// noteFiles remembers the uploads in an event.
func (s *membership) noteFiles(e *wire.Event) {
	for i := len(e.Events) - 1; i >= 0; i-- { // a history: older than the known ones
		s.noteFile(e.Events[i].File, 0)
	}
	if e.File != nil && e.IsPublicMessage() {
		s.noteFile(e.File, maxFiles)
	}
}

// noteFile inserts an upload at a place in the list, or at its end.
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

// The rest of this file is for the commands that people type: /send, /get, /cancel and /files.

// errNoFiles is the answer to /get and /files if there are none.
var errNoFiles = errors.New("no uploads yet; /send PATH uploads a file")

// TypedPath returns the path that a person typed or dropped on the terminal: it may be
// quoted, and begin with ~ for the home folder.
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

// TypedGet returns the upload and the folder in the arguments of /get, "[N [DIR]]". Without
// N it is the last one of known.
func TypedGet(known []wire.File, typed string) (f wire.File, dir string, err error) {
	if len(known) == 0 {
		return f, "", errNoFiles
	}
	if typed = strings.TrimSpace(typed); typed == "" {
		return known[len(known)-1], "", nil
	}
	number, dir, _ := strings.Cut(typed, " ")
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		return f, "", fmt.Errorf("usage: %s; /files lists the numbers", wire.CommandNamed("get").Usage())
	}
	for _, f := range slices.Backward(known) {
		if f.Number == n {
			return f, TypedPath(dir), nil
		}
	}
	return f, "", fmt.Errorf("no upload has the number %d; /files lists them", n)
}

// TypedCancel returns the number of the file in the argument of /cancel, "[N]"; 0 stands for
// all transfers. running has the number of the file that each transfer downloads, and 0 for
// an upload. The error says that typed stands for none of them.
func TypedCancel(running []uint64, typed string) (number uint64, err error) {
	if typed = strings.TrimSpace(typed); typed != "" {
		number, err = strconv.ParseUint(strings.TrimPrefix(typed, "#"), 10, 64)
		if err != nil || number == 0 {
			return 0, fmt.Errorf("usage: %s", wire.CommandNamed("cancel").Usage())
		}
	}
	switch {
	case len(running) == 0:
		return 0, errors.New("no transfer is running")
	case number > 0 && !slices.Contains(running, number):
		return 0, fmt.Errorf("file %d is not being downloaded", number)
	}
	return number, nil
}

// A Running is an upload or download in progress.
type Running struct {
	Number uint64 // of the file it downloads; 0: it is an upload
	Cancel context.CancelFunc
}

// Cancel cancels the transfers that typed, the argument of /cancel, stands for; see [TypedCancel]. It
// does not wait until they have ended.
func Cancel(running []Running, typed string) error {
	numbers := make([]uint64, len(running))
	for i, t := range running {
		numbers[i] = t.Number
	}
	number, err := TypedCancel(numbers, typed)
	if err != nil {
		return err
	}
	for _, t := range running {
		if number == 0 || t.Number == number {
			t.Cancel()
		}
	}
	return nil
}

// CanceledSend reports a canceled upload to people.
func CanceledSend(name string) string { return "canceled " + name }

// CanceledGet reports a canceled download of f into the folder dir to people. kept is the
// number of bytes in the partial file.
func CanceledGet(f wire.File, dir string, kept int64) string {
	report := "canceled " + text.FileName(f.Name)
	if kept <= 0 {
		return report
	}
	resume := strings.TrimSpace(fmt.Sprintf("/get %d %s", f.Number, dir))
	return fmt.Sprintf("%s; %s kept, %s resumes it", report, humanize.Bytes(uint64(kept)), resume)
}

// FileLines lists the last uploads for people, one per line below a heading.
func FileLines(known []wire.File) string {
	if len(known) == 0 {
		return errNoFiles.Error()
	}
	lines := []string{"latest uploads; /get N downloads one:"}
	for _, f := range known[max(len(known)-filesListed, 0):] {
		lines = append(lines, fmt.Sprintf("%4d  %s (%s)", f.Number, f.Name, humanize.Bytes(uint64(max(f.Size, 0)))))
	}
	return strings.Join(lines, "\n")
}
