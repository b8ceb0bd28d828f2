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

// An index is what a folder knows of its files besides what is in them: a line of JSON
// each, in the order in which they were said. Lines are only ever added. One is on disk
// before its file has its name, and what it tells of is there by then.
type index struct {
	file   *os.File
	end    int64 // of what is written
	before int64 // of that, without the last line
}

const (
	indexName = "index.jsonl"

	// maxEntry is how long a line of the index is at most, in bytes; one of ours has half.
	maxEntry = 4 << 10

	// maxNumber is beyond those that every program can read (RFC 8259, section 6).
	maxNumber = 1 << 53
)

// An entry is a line of the index.
type entry struct {
	ID     string    `json:"id"` // of the upload
	Time   time.Time `json:"time"`
	Number uint64    `json:"n"`
	Name   string    `json:"name"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Type   string    `json:"type"`
}

// add puts a line for f at the end.
func (x *index) add(f *file) error {
	line, err := json.Marshal(entry{f.id, f.time.UTC(), f.Number, f.Name, f.Size, f.SHA256, f.Type})
	if err != nil {
		return err
	}
	x.before = x.end
	_, err = x.file.WriteAt(append(line, '\n'), x.end)
	if err == nil {
		err = x.file.Sync()
	}
	if err != nil {
		return errors.Join(err, x.takeBack())
	}
	x.end += int64(len(line)) + 1
	return nil
}

// takeBack takes the last line away.
func (x *index) takeBack() error {
	x.end = x.before
	return x.file.Truncate(x.end)
}

func (x *index) close() error { return x.file.Close() }

// restore reads the index, and makes the folder what it says.
func (s *Store) restore() error {
	f, err := s.root.OpenFile(indexName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.index = &index{file: f}
	lines := bufio.NewReaderSize(f, maxEntry)
	damaged, missing := 0, 0
	for {
		line, err := lines.ReadSlice('\n')
		s.index.end += int64(len(line))
		switch {
		case err == io.EOF && len(line) > 0: // it was being written when the host was killed
			s.index.end -= int64(len(line))
			if err := s.index.file.Truncate(s.index.end); err != nil {
				return err
			}
			fallthrough
		case err == io.EOF:
			s.tell(damaged, missing)
			return s.sweep()
		case err == bufio.ErrBufferFull:
			for err == bufio.ErrBufferFull {
				line, err = lines.ReadSlice('\n')
				s.index.end += int64(len(line))
			}
			damaged++
			continue
		case err != nil:
			return err
		}
		f, err := s.parse(line)
		if err != nil {
			damaged++
			continue
		}
		s.last = max(s.last, f.Number) // a number is not given again
		if !s.isThere(&f) {
			missing++
			continue
		}
		s.addLocked(f) // nobody else has the store yet
	}
}

// tell logs what of the index cannot be had.
func (s *Store) tell(damaged, missing int) {
	if damaged > 0 {
		s.limits.Log.Warn("the index of files has damaged lines; their files are in the folder, and nobody can get them", "folder", s.folder, "lines", damaged)
	}
	if missing > 0 {
		s.limits.Log.Info("files that were sent are no longer in the folder", "folder", s.folder, "files", missing)
	}
}

// parse reads a line of the index. Whoever can write to the folder may have written it.
func (s *Store) parse(line []byte) (file, error) {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return file{}, err
	}
	sum, err := hex.DecodeString(e.SHA256)
	_, twice := s.files[e.Number]
	switch {
	case err != nil || len(sum) != sha256.Size:
		return file{}, errors.New("no SHA-256")
	case e.Number == 0 || e.Number >= maxNumber || twice || e.Size < 0 || e.Name != text.FileName(e.Name) || !isID(e.ID):
		return file{}, errors.New("no file")
	}
	if !slices.Contains(pictures, e.Type) {
		e.Type = noType
	}
	return file{
		File: wire.File{Number: e.Number, Name: e.Name, Size: e.Size, SHA256: hex.EncodeToString(sum), Type: e.Type, Path: wire.FilePath(e.Number, e.Name)},
		id:   e.ID, time: e.Time,
	}, nil
}

// isID reports whether [newID] may have made id.
func isID(id string) bool {
	return len(id) == len(newID()) && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// isThere reports whether a file is in the folder. One that has not got its name yet gets it.
func (s *Store) isThere(f *file) bool {
	info, err := s.root.Lstat(f.diskName())
	if errors.Is(err, fs.ErrNotExist) {
		if info, err = s.root.Lstat(f.id + partSuffix); err == nil && info.Size() == f.Size {
			err = s.root.Rename(f.id+partSuffix, f.diskName())
		}
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

// sweep deletes what never came to its end, and sees to it that no number is given twice.
func (s *Store) sweep() error {
	folder, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, partSuffix); ok && isID(id) {
			if err := s.root.Remove(name); err != nil {
				return fmt.Errorf("delete what never came whole: %w", err)
			}
		}
		if digits, _, ok := strings.Cut(name, "-"); ok {
			if n, err := strconv.ParseUint(digits, 10, 64); err == nil && n < maxNumber {
				s.last = max(s.last, n)
			}
		}
	}
	return nil
}
