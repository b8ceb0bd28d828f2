package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chat/relay/privatefile"
)

// An Entry says where the host of a room can be reached. It is a file in the folder of open rooms; without
// Unix sockets, also the file beside the history.
type Entry struct {
	Title   string `json:"title"`
	ID      string `json:"id"` // of the room
	PID     int    `json:"pid"`
	Listens string `json:"listens"`           // the address on which members reach the room
	History string `json:"history,omitempty"` // the path of the file; "": the room is in memory

	Socket  string `json:"socket,omitempty"`  // the path of the Unix socket
	Address string `json:"address,omitempty"` // or, of a loopback port
	Token   string `json:"token,omitempty"`   // that requests there need
}

const (
	// suffix makes the path of a history file that of its socket.
	suffix = ".admin"

	// maxSocketPath is the longest path of a Unix socket that all systems take, in bytes: macOS has the shortest.
	maxSocketPath = 103

	// maxEntry bounds a file with an Entry, in bytes.
	maxEntry = 16 << 10
)

// openRooms is the folder with the entries of open rooms, and with sockets.
func openRooms(dir string) string { return filepath.Join(dir, "admin") }

// places returns where the socket may be, best first. Each is a function, as it may create a folder.
func (s *Server) places(dir string) (all []func() (string, error)) {
	if s.entry.History != "" {
		all = append(all, func() (string, error) {
			path, err := filepath.Abs(s.entry.History)
			s.entry.History = path
			return path + suffix, err
		})
	}
	if dir != "" {
		all = append(all, func() (string, error) {
			if err := makePrivate(openRooms(dir)); err != nil {
				return "", err
			}
			return filepath.Join(openRooms(dir), s.entryName()+".sock"), nil
		})
	}
	return append(all, func() (string, error) {
		folder, err := os.MkdirTemp("", "chat-") // only its owner can enter it
		if err == nil {
			s.onClose(func() { os.Remove(folder) })
		}
		return filepath.Join(folder, "admin"), err
	})
}

// entryName distinguishes this host from others, also one with a copy of the same history.
func (s *Server) entryName() string { return fmt.Sprintf("%s-%d", s.entry.ID, s.entry.PID) }

// makePrivate makes sure that a folder exists and that only its user can enter it.
func makePrivate(folder string) error {
	unlock, err := privatefile.Enter(folder)
	if err == nil {
		unlock()
	}
	return err
}

// register puts the entry into the folder of open rooms.
func (s *Server) register(dir string) error {
	folder := openRooms(dir)
	unlock, err := privatefile.Enter(folder)
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(folder, s.entryName()+".json")
	if err := writeEntry(path, &s.entry); err != nil {
		return err
	}
	s.onClose(func() { os.Remove(path) })
	return nil
}

func writeEntry(path string, e *Entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return privatefile.Replace(path, append(b, '\n'))
}

// readEntry reads a file with an entry.
func readEntry(path string) (Entry, error) {
	b, err := privatefile.Read(path, maxEntry)
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil || e.Socket == "" && e.Address == "" {
		return e, fmt.Errorf("%s is not a file of chat host", path)
	}
	return e, nil
}

// errOccupied means that something else is at the path of the socket.
var errOccupied = errors.New("another file has its name")

// removeOwn returns a function that removes the file at path, if it is still the same one.
func removeOwn(path string) func() {
	made, err := os.Lstat(path)
	return func() {
		if now, statErr := os.Lstat(path); err == nil && statErr == nil && os.SameFile(made, now) {
			os.Remove(path)
		}
	}
}

// isGone reports whether there is no file at all.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
