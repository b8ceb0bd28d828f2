package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chat/relay/privatefile"
	"chat/relay/text"
	"chat/relay/wire"
)

// An OpenRoom is a room that is open on this machine.
type OpenRoom struct {
	*Client
	Status Status
}

// serviceDirs match the folders of the hosts of chat.service and chat@ROOM.service: XDG_STATE_HOME of the units, and chat below it.
var serviceDirs = []string{"/var/lib/chat", "/var/lib/chat@*/chat"}

// Rooms returns the open rooms of this user, by title; for root, also those of services. dir is the folder of the user's hosts
// keep. What hosts that were killed have left is deleted. A room whose host does not answer is left out, and
// reported by an error beside the others.
func Rooms(ctx context.Context, dir string) ([]OpenRoom, error) {
	var services []string
	if os.Geteuid() == 0 {
		for _, pattern := range serviceDirs {
			found, _ := filepath.Glob(pattern) // the pattern is valid
			services = append(services, found...)
		}
	}
	return roomsIn(ctx, dir, slices.DeleteFunc(services, func(service string) bool { return service == dir })...)
}

// roomsIn returns the open rooms with entries in the folder of the user's hosts, own, and in those of other users keep, others.
// "": there is none.
func roomsIn(ctx context.Context, own string, others ...string) (rooms []OpenRoom, err error) {
	var errs []error
	for _, path := range entriesIn(own) {
		e, err := readEntry(path)
		if isGone(err) {
			continue // its host has just ended
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		room, err := openRoom(ctx, e)
		switch {
		case isDead(err):
			err = forget(path, &e)
		case errors.Is(err, errReplaced):
			err = os.Remove(path)
		}
		rooms, errs = append(rooms, room...), append(errs, err)
	}
	for _, other := range others {
		for _, path := range entriesIn(other) {
			e, ok := readOthers(path, other)
			if !ok {
				continue
			}
			room, err := openRoom(ctx, e)
			if isDead(err) || errors.Is(err, errReplaced) {
				err = nil // the entry is not ours to delete
			}
			rooms, errs = append(rooms, room...), append(errs, err)
		}
	}
	slices.SortStableFunc(rooms, func(a, b OpenRoom) int { return strings.Compare(a.Status.Title, b.Status.Title) })
	return rooms, errors.Join(errs...)
}

// entriesIn returns the paths of the entries in the folder of a user's hosts; "": there are none.
func entriesIn(dir string) []string {
	if dir == "" {
		return nil
	}
	paths, _ := filepath.Glob(filepath.Join(escapeGlob(openRooms(dir)), "*.json")) // the pattern is valid
	return paths
}

// errReplaced means that the next host of the room has the socket of one that was killed, and an entry of its own.
var errReplaced = errors.New("another host has taken its place")

// openRoom asks the host of an entry for its room. There is none if another room has taken its place, as on a loopback port.
func openRoom(ctx context.Context, e Entry) ([]OpenRoom, error) {
	room := OpenRoom{Client: NewClient(e)}
	if _, err := room.Get(ctx, "room", &room.Status); err != nil || room.Status.ID != e.ID {
		return nil, err
	}
	if room.Status.PID != e.PID {
		return nil, errReplaced
	}
	return []OpenRoom{room}, nil
}

// readOthers reads an entry in dir, which belongs to another user. It must not lead root anywhere else: it is a file, not
// a link or a pipe, and so is the socket, which is in dir, or beside it as that of chat@ROOM.service.
func readOthers(path, dir string) (e Entry, ok bool) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return e, false
	}
	e, err := readEntry(path)
	at := filepath.Dir(e.Socket)
	isNear := at == dir || at == openRooms(dir) || strings.Contains(dir, "@") && at == filepath.Dir(dir)
	if err != nil || e.Address != "" || !isNear {
		return e, false
	}
	info, err := os.Lstat(e.Socket)
	return e, err == nil && info.Mode().Type() == os.ModeSocket
}

// escapeGlob returns a pattern that matches path only.
func escapeGlob(path string) string {
	if os.PathSeparator == '\\' {
		return path // there is nothing to escape with, and names have none of *?
	}
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

// forget deletes what a host that was killed has left: its entry at path, and its socket if that is in the same
// folder. The socket beside a history is replaced by the next host.
func forget(path string, e *Entry) error {
	unlock, err := privatefile.Enter(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	if e.Socket != "" && filepath.Dir(e.Socket) == filepath.Dir(path) {
		if err := os.Remove(e.Socket); err != nil && !isGone(err) {
			return err
		}
	}
	if err := os.Remove(path); err != nil && !isGone(err) {
		return err
	}
	return nil
}

// A NoRoomError reports that no room, or none of that name, is open on this machine.
type NoRoomError struct{ Want string }

func (e *NoRoomError) Error() string {
	if e.Want == "" {
		return "no room of yours is open on this machine\nhint: chat admin finds the rooms of the user who runs it; sudo chat admin also finds that of the service; for others use --socket, e.g. sudo chat admin members --socket FILE" + suffix
	}
	return fmt.Sprintf("no room %q of yours is open on this machine\nhint: chat admin lists those that are", text.Clean(e.Want))
}

// A ChoiceError reports that several rooms are meant.
type ChoiceError struct{ Rooms []OpenRoom }

func (e *ChoiceError) Error() string {
	var names []string
	for _, r := range e.Rooms {
		names = append(names, fmt.Sprintf("%s (%.8s)", text.Title(r.Status.Title), text.Clean(r.Status.ID)))
	}
	return fmt.Sprintf("%d rooms are open here: %s\nhint: name one by its title or ID, e.g. --room %.8s; or its socket by --socket",
		len(e.Rooms), strings.Join(names, ", "), text.Clean(e.Rooms[0].Status.ID))
}

// Choose returns the room that want names, if there is one: see [wire.IsRoomNamed].
func Choose(rooms []OpenRoom, want string) (OpenRoom, error) {
	var named []OpenRoom
	for _, r := range rooms {
		if wire.IsRoomNamed(want, r.Status.Title, r.Status.ID) {
			named = append(named, r)
		}
	}
	switch len(named) {
	case 0:
		return OpenRoom{}, &NoRoomError{want}
	case 1:
		return named[0], nil
	}
	return OpenRoom{}, &ChoiceError{named}
}
