package files

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// An index lists the published files of a folder, in the order of publication, with what
// their contents do not say. Each line is one [entry]. Lines are only ever appended. A line
// is on disk before its file gets its name, and the file's bytes are on disk before the line.
//
// It is guarded by Store.publishing.
type index struct {
	file     *os.File
	size     int64 // bytes
	lastLine int64 // offset of the last line
}

const (
	indexName = "index.jsonl"

	// maxEntry is the limit of a line of the index in bytes; ours have at most half of it.
	maxEntry = 4 << 10

	// maxNumber is the first number that not every program can read (RFC 8259, section 6).
	maxNumber = 1 << 53
)

// An entry is a line of the index: a published file or, if it has only a number and Removed, that an
// operator removed one. Hosts of earlier versions skip a removal as damaged; its file is no longer
// in the folder.
type entry struct {
	ID     string    `json:"id"` // of the upload
	Time   time.Time `json:"time"`
	Number uint64    `json:"n"`
	Name   string    `json:"name"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Type   string    `json:"type"`

	Address string    `json:"address,omitempty"` // that the limits count
	Removed time.Time `json:"removed,omitzero"`
}

// add appends a line for f.
func (x *index) add(f *file) error {
	return x.append(&entry{
		ID: f.id, Time: f.time.UTC(), Number: f.Number, Name: f.Name, Size: f.Size, SHA256: f.SHA256, Type: f.Type, Address: f.address,
	})
}

// remove appends a line that says that an operator removed a file.
func (x *index) remove(number uint64) error {
	return x.append(&entry{Number: number, Removed: time.Now().UTC()})
}

func (x *index) append(e *entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	x.lastLine = x.size
	_, err = x.file.WriteAt(append(line, '\n'), x.size)
	if err == nil {
		err = x.file.Sync()
	}
	if err != nil {
		return errors.Join(err, x.removeLast())
	}
	x.size += int64(len(line)) + 1
	return nil
}

// removeLast removes the line that the last add appended.
func (x *index) removeLast() error {
	x.size = x.lastLine
	return x.file.Truncate(x.size)
}

func (x *index) close() error { return x.file.Close() }

// restore reads the index and the uploads of an earlier run, and repairs the folder
// after a crash. Only Open calls it.
func (s *Store) restore() error {
	f, err := s.root.OpenFile(indexName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.index = &index{file: f}
	lines := bufio.NewReaderSize(f, maxEntry)
	damaged, missing := 0, make(map[uint64]bool)
	for {
		line, err := lines.ReadSlice('\n')
		s.index.size += int64(len(line))
		switch {
		case err == io.EOF:
			if len(line) > 0 { // the host was killed while it wrote this line
				s.index.size -= int64(len(line))
				if err := s.index.file.Truncate(s.index.size); err != nil {
					return err
				}
			}
			s.logProblems(damaged, len(missing))
			return s.scanFolder()
		case err == bufio.ErrBufferFull:
			for err == bufio.ErrBufferFull {
				line, err = lines.ReadSlice('\n')
				s.index.size += int64(len(line))
			}
			damaged++
			continue
		case err != nil:
			return err
		}
		f, removed, err := s.parseEntry(line)
		if err != nil {
			damaged++
			continue
		}
		if removed {
			s.restoreRemoved(f.Number)
			delete(missing, f.Number)
			continue
		}
		s.last = max(s.last, f.Number) // the number of a missing file is not reused
		if !s.onDisk(&f) {
			missing[f.Number] = true
			continue
		}
		s.addLocked(f) // no other goroutine has the store yet
	}
}

// logProblems logs how many files of the index cannot be served.
func (s *Store) logProblems(damaged, missing int) {
	if damaged > 0 {
		s.limits.Log.Warn("the index of files has damaged lines; their files stay in the folder but cannot be downloaded", "folder", s.folder, "lines", damaged)
	}
	if missing > 0 {
		s.limits.Log.Info("some files of the index are no longer in the folder", "folder", s.folder, "files", missing)
	}
}

// parseEntry parses a line of the index. It trusts nothing in it: other programs may have
// written to the folder.
func (s *Store) parseEntry(line []byte) (f file, removed bool, err error) {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return file{}, false, err
	}
	if !e.Removed.IsZero() && e.ID == "" && e.Number > 0 && e.Number < maxNumber {
		return file{File: wire.File{Number: e.Number}}, true, nil
	}
	published, err := s.parsePublished(&e)
	return published, false, err
}

// restoreRemoved continues the removal of a file by an earlier run, which may have been killed
// before the file was deleted.
func (s *Store) restoreRemoved(number uint64) {
	s.last = max(s.last, number)
	if f, ok := s.files[number]; ok {
		s.root.Remove(f.diskName())
		s.forgetFileLocked(number) // no other goroutine has the store yet
	}
	s.removed[number] = true
}

func (s *Store) parsePublished(e *entry) (file, error) {
	f := wire.File{Number: e.Number, Name: e.Name, Size: e.Size, SHA256: e.SHA256, Type: e.Type}
	if err := s.checkFile(&f); err != nil {
		return file{}, err
	}
	if !isID(e.ID) {
		return file{}, errors.New("invalid upload ID")
	}
	return file{File: f, id: e.ID, address: e.Address, time: e.Time}, nil
}

// checkFile checks a file read from disk, and sets its path. An unknown type becomes noType.
func (s *Store) checkFile(f *wire.File) error {
	sum, err := hex.DecodeString(f.SHA256)
	_, taken := s.files[f.Number]
	taken = taken || s.removed[f.Number]
	switch {
	case err != nil || len(sum) != sha256.Size:
		return errors.New("invalid SHA-256")
	case f.Number == 0 || f.Number >= maxNumber || taken:
		return errors.New("invalid number")
	case f.Size < 0 || f.Name != text.FileName(f.Name):
		return errors.New("invalid name or size")
	}
	if !slices.Contains(pictureTypes, f.Type) {
		f.Type = noType
	}
	f.SHA256, f.Path = hex.EncodeToString(sum), wire.FilePath(f.Number, f.Name)
	return nil
}

// isID reports whether [newID] could have made id.
func isID(id string) bool {
	return len(id) == len(newID()) && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// onDisk reports whether f is in the folder. If its upload was not renamed yet, onDisk does so.
func (s *Store) onDisk(f *file) bool {
	info, err := s.root.Lstat(f.diskName())
	if errors.Is(err, fs.ErrNotExist) {
		if info, err = s.root.Lstat(f.id + partSuffix); err == nil && info.Size() == f.Size {
			err = s.root.Rename(f.id+partSuffix, f.diskName())
		}
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

// scanFolder restores the uploads of an earlier run and deletes those that cannot be
// continued. It also raises the last number above those of all files in the folder.
func (s *Store) scanFolder() error {
	folder, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	uploads := make(map[string][]string) // names of their files, by ID
	for _, name := range names {
		if id, suffix, _ := strings.Cut(name, "."); isID(id) && slices.Contains(uploadSuffixes, "."+suffix) {
			uploads[id] = append(uploads[id], name)
		}
		if digits, _, ok := strings.Cut(name, "-"); ok {
			if n, err := strconv.ParseUint(digits, 10, 64); err == nil && n < maxNumber {
				s.last = max(s.last, n)
			}
		}
	}
	for id, names := range uploads {
		restored := s.restoreUpload(id)
		for _, name := range names {
			if restored && !strings.HasSuffix(name, newStateSuffix) {
				continue
			}
			if err := s.root.Remove(name); err != nil {
				return fmt.Errorf("delete an unfinished upload: %w", err)
			}
		}
	}
	return nil
}
