package hostseal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"chat/relay/privatefile"
	"chat/relay/seal"
)

const (
	// maxRooms is how many rooms are kept. Beyond it, those that were not opened for longest
	// are forgotten.
	maxRooms = 200

	// maxAtOnce is how many hosts of one user may have rooms of the same name open.
	maxAtOnce = 16

	// maxRoomFile is the limit of a file in bytes.
	maxRoomFile = 64 << 10
)

// A roomFile keeps the secrets of a room that is open, so that its invites stay valid after a
// restart. While it is open, no other host has it. It is safe for concurrent use.
type roomFile struct {
	path string       // fixed
	lock *flock.Flock // of path; fixed

	mu   sync.Mutex
	room Room // guarded by mu
}

// RoomPath returns the path of the file of a room in dir, and whether there is one: the room was sealed when it
// was open last. key is that of openRoomFile.
func RoomPath(dir, key string) (path string, ok bool) {
	path = filepath.Join(roomsDir(dir), roomFileName(key, 0))
	info, err := os.Stat(path)
	return path, err == nil && info.Size() > 0
}

// openRoomFile opens the file of a room in dir, and creates it, with new secrets, if there is none. key
// is what stays the same when the room is opened again: the ID in its history file, or the title of a
// room in memory. The error names the file, which is left as it is.
func openRoomFile(dir, key string) (*roomFile, error) {
	if dir == "" {
		return nil, errors.New("no home directory to keep the room's secrets in")
	}
	folder := roomsDir(dir)
	unlock, err := privatefile.Enter(folder)
	if err != nil {
		return nil, fmt.Errorf("keep the room's secrets: %w", err)
	}
	defer unlock()
	for n := range maxAtOnce {
		path := filepath.Join(folder, roomFileName(key, n))
		lock, err := lockRoom(path)
		if err != nil {
			return nil, err
		}
		if lock == nil {
			continue // another host has it open
		}
		f := &roomFile{path: path, lock: lock}
		if err = f.load(); err == nil {
			err = pruneRooms(folder)
		}
		if err != nil {
			lock.Close()
			return nil, err
		}
		return f, nil
	}
	return nil, fmt.Errorf("%d rooms of this name are open", maxAtOnce)
}

func roomsDir(dir string) string { return filepath.Join(dir, "rooms") }

// roomName returns a name for a room's files. It does not show the key.
func roomName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// roomFileName returns the name of the nth file for a room.
func roomFileName(key string, n int) string {
	if n == 0 {
		return roomName(key) + ".json"
	}
	return fmt.Sprintf("%s-%d.json", roomName(key), n+1)
}

// lockRoom locks the room at path. It returns nil if a host has it open.
func lockRoom(path string) (*flock.Flock, error) {
	lock := flock.New(strings.TrimSuffix(path, ".json")+".lock", flock.SetPermissions(0o600)) // another file: Windows lets no one read a locked one
	ok, err := lock.TryLock()
	if ok && err == nil {
		return lock, nil
	}
	lock.Close()
	if err != nil {
		err = fmt.Errorf("lock %s: %w", path, err)
	}
	return nil, err
}

// load reads the file, or creates it. The caller has entered the folder.
func (f *roomFile) load() error {
	room, err := readRoom(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.room.RoomSecrets = seal.NewSecrets()
		return f.write()
	case err != nil:
		return err
	}
	f.room = room
	now := time.Now()
	return os.Chtimes(f.path, now, now) // it is in use: see pruneRooms
}

// readRoom reads a file.
func readRoom(path string) (Room, error) {
	b, err := privatefile.Read(path, maxRoomFile)
	if err != nil {
		return Room{}, fmt.Errorf("read the room's secrets: %w", err)
	}
	var r Room
	if err := json.Unmarshal(b, &r); err != nil || !r.IsValid() {
		return Room{}, fmt.Errorf("the room's secrets in %s are damaged\nhint: delete the file; then the room gets new secrets, and its invites are no longer valid", path)
	}
	return r, nil
}

// write writes the file. The caller has entered the folder, and holds mu or is the only one with f.
func (f *roomFile) write() error {
	b, err := json.MarshalIndent(&f.room, "", "  ")
	if err != nil {
		return err
	}
	if err := privatefile.Replace(f.path, append(b, '\n')); err != nil {
		return fmt.Errorf("keep the room's secrets: %w", err)
	}
	return nil
}

// Room returns the room as it is kept.
func (f *roomFile) Room() Room {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.room
	r.Running, r.Names = true, slices.Clone(r.Names)
	return r
}

// Update changes the file of the room. If it cannot be written, nothing has changed.
func (f *roomFile) Update(change func(*Room)) error {
	unlock, err := privatefile.Enter(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("keep the room's secrets: %w", err)
	}
	defer unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.room
	change(&f.room)
	if err := f.write(); err != nil {
		f.room = old
		return err
	}
	return nil
}

// Close lets another host open the room.
func (f *roomFile) Close() error { return f.lock.Close() }

// Rooms returns the sealed rooms that dir keeps, the running ones first, then those that were used
// last. A file that cannot be read is left out, and reported by an error beside the others.
func Rooms(dir string) ([]Room, error) {
	paths, err := roomPaths(roomsDir(dir))
	if len(paths) == 0 || err != nil {
		return nil, err
	}
	unlock, err := privatefile.Enter(roomsDir(dir)) // no host opens a room while its lock is tried
	if err != nil {
		return nil, fmt.Errorf("read the rooms: %w", err)
	}
	defer unlock()
	var rooms []Room
	var errs []error
	for _, path := range paths {
		r, err := readRoom(path)
		if err == nil {
			r.Used, r.Running, err = stateOfRoom(path)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rooms = append(rooms, r)
	}
	slices.SortStableFunc(rooms, func(a, b Room) int {
		if a.Running != b.Running {
			if a.Running {
				return -1
			}
			return 1
		}
		return b.Used.Compare(a.Used)
	})
	return rooms, errors.Join(errs...)
}

// stateOfRoom returns when the room at path was used last, and whether a host has it open.
func stateOfRoom(path string) (used time.Time, running bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}, false, err
	}
	lock, err := lockRoom(path)
	if err != nil {
		return time.Time{}, false, err
	}
	if lock != nil {
		lock.Close()
	}
	return info.ModTime(), lock == nil, nil
}

// roomPaths returns the paths of the files in a folder, which need not exist.
func roomPaths(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	return paths, nil
}

// pruneRooms deletes the rooms beyond maxRooms that were not used for longest, unless a host has them
// open, and files that a crash left. The caller has entered the folder.
func pruneRooms(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil: // deleted meanwhile
		case privatefile.IsLeftover(e.Name()):
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		case strings.HasSuffix(e.Name(), ".json"):
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, old := range kept[:max(0, len(kept)-maxRooms)] {
		path := filepath.Join(folder, old.Name())
		lock, err := lockRoom(path)
		if err != nil {
			return err
		}
		if lock == nil {
			continue
		}
		lock.Close() // first: Windows removes no open file
		if err := errors.Join(os.Remove(path), os.Remove(lock.Path())); err != nil {
			return err
		}
	}
	return nil
}
