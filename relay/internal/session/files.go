package session

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"chat/relay/internal/clock"
	"chat/relay/internal/room"
	"chat/relay/text"
	"chat/relay/wire"
)

// Uploads are the files that members sent; see relay.Options.Uploads.
type Uploads interface {
	// List returns up to count files with numbers below before, newest first; 0: the newest ones.
	List(before uint64, count int) []wire.File
	// Remove deletes a file. An error that wraps fs.ErrNotExist says why there is none.
	Remove(number uint64) (wire.File, error)
	// Allow turns uploads on or off. IsOff reports whether they are off.
	Allow(on bool) error
	IsOff() bool
}

// filesListed is how many uploads /files lists.
const filesListed = 20

// files lists the uploads, or does what an operator asks; see uploads.
func files(s *Session, req *wire.Request) (*wire.Event, error) {
	words, err := s.door.uploads(&s.member, req)
	if err != nil || words == "" {
		return nil, err
	}
	return notice("%s", words), nil
}

// uploads lists the uploads for by, or does what by, an operator, asks: "rm N", "off" or "on". It returns a notice,
// which may be "".
func (d *Door) uploads(by *room.Member, req *wire.Request) (string, error) {
	var uploads Uploads
	if d.Uploads != nil {
		uploads = d.Uploads()
	}
	if uploads == nil {
		return "", wire.Faultf(wire.CodeBadRequest, "this host accepts no files")
	}
	words := strings.Fields(req.Text)
	if len(words) == 0 {
		return listFiles(uploads), nil
	}
	if !d.Room.IsOperator(by) {
		return "", wire.Faultf(wire.CodeNotAllowed, "only operators can use /files %s", text.Clean(words[0]))
	}
	switch verb := strings.ToLower(words[0]); {
	case verb == "rm" && len(words) == 2:
		return "", d.removeFile(by, uploads, words[1])
	case (verb == "off" || verb == "on") && len(words) == 1:
		return d.allowFiles(by, uploads, verb)
	}
	return "", wire.Faultf(wire.CodeBadRequest, "usage: %s", wire.CommandNamed(wire.TypeFiles).Usage())
}

func listFiles(uploads Uploads) string {
	list := uploads.List(0, filesListed)
	lines := []string{"latest uploads:"}
	if len(list) == 0 {
		lines[0] = "no uploads yet"
	}
	if uploads.IsOff() {
		lines[0] = "uploads are off; " + lines[0]
	}
	for i := len(list) - 1; i >= 0; i-- {
		f := &list[i]
		lines = append(lines, fmt.Sprintf("%4d  %s (%s)  %s", f.Number, text.Clean(f.Name), humanize.Bytes(uint64(f.Size)), f.Path))
	}
	return strings.Join(lines, "\n")
}

// removeFile removes a file, and records that.
func (d *Door) removeFile(by *room.Member, uploads Uploads, typed string) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(typed, "#"), 10, 53)
	if err != nil {
		return wire.Faultf(wire.CodeBadRequest, "%s is not the number of a file; /files lists them", text.Clean(typed))
	}
	f, err := uploads.Remove(number)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wire.Faultf(wire.CodeNoSuchFile, "there is no file %d; /files lists them", number)
	case err != nil:
		d.Logger.Error("a file cannot be removed", "file", number, "error", err)
		return wire.Faultf(wire.CodeNotStored, "the host cannot remove file %d", number)
	}
	d.Logger.Info("an operator removed a file", "file", number, "name", f.Name)
	return d.Room.Record(by, wire.TypeFiles, fmt.Sprintf("removed file %d (%s)", number, f.Name), clock.Now())
}

// allowFiles turns uploads on or off, and records a change.
func (d *Door) allowFiles(by *room.Member, uploads Uploads, verb string) (string, error) {
	on := verb == "on"
	if uploads.IsOff() != on {
		return "uploads are " + verb + " already", nil
	}
	if err := uploads.Allow(on); err != nil {
		d.Logger.Error("uploads cannot be turned "+verb, "error", err)
		return "", wire.Faultf(wire.CodeNotStored, "uploads are %s, but the host may forget that when it restarts", verb)
	}
	d.Logger.Info("an operator turned uploads " + verb)
	return "", d.Room.Record(by, wire.TypeFiles, "turned uploads "+verb, clock.Now())
}
