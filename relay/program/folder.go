package program

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// A folder is that of a release, as scripts/release makes it: programs in the folder bin, archives, and
// SHA256SUMS, which names all of them.
type folder struct {
	dir  string
	root *os.Root // no name leads out of it, not even by a link
}

const sums = "SHA256SUMS"

// open opens a regular file: opening a named pipe would wait for its other end.
func (d *folder) open(name string) (*os.File, error) {
	name = filepath.FromSlash(name)
	info, err := d.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, err
	}
	return d.root.Open(name)
}

func (d *folder) sumsFile() string { return filepath.Join(d.dir, sums) }

// Names of programs and archives in a release. In a folder that someone made by hand, programs may be beside SHA256SUMS.
var (
	programName = regexp.MustCompile(`^(?:bin/)?chat-([a-z0-9]{2,16})-([a-z0-9]{2,16})(\.exe)?$`)
	archiveName = regexp.MustCompile(`^chat-[0-9A-Za-z.+~]+(?:-[0-9A-Za-z.+~]+)*-([a-z0-9]{2,16})-([a-z0-9]{2,16})\.(tar\.gz|zip)$`)
)

// openFolder adds the programs and archives in SHA256SUMS that are in the folder dir. What is not in SHA256SUMS is not handed out.
func (s *Set) openFolder(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the programs: %w\nhint: --binaries needs the folder of a release, with SHA256SUMS in it", err)
	}
	s.folder = &folder{dir, root}
	if err := s.readFolder(); err != nil {
		root.Close()
		return err
	}
	return nil
}

func (s *Set) readFolder() error {
	file, err := s.folder.open(sums)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no %s in %s\nhint: --binaries needs the folder of a release; for programs that you built yourself: cd %[2]s && sha256sum chat-* >%[1]s", sums, s.folder.dir)
	}
	if err != nil {
		return fmt.Errorf("open the programs: %w", err)
	}
	defer file.Close()
	found := 0
	lines := bufio.NewScanner(io.LimitReader(file, maxSums))
	for lines.Scan() && found < maxFiles {
		f, inFolder, ok := parseSum(lines.Text())
		if !ok {
			continue
		}
		switch err := s.complete(f, func() (*os.File, error) { return s.folder.open(inFolder) }); {
		case errors.Is(err, fs.ErrNotExist): // a part of a release
		case err != nil:
			s.log.Warn("a program is not handed out", "file", f.Name, "error", err)
		default:
			found++
			s.addFromFolder(f)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", s.folder.sumsFile(), err)
	}
	if found == 0 {
		return fmt.Errorf("%s names no program in that folder\nhint: programs are named like bin/chat-linux-amd64, archives like chat-1.2.3-linux-amd64.tar.gz", s.folder.sumsFile())
	}
	return nil
}

// addFromFolder adds a file. For the host's own system, its own binary stays, so that the SHA-256 is that on
// the host's screen; but not if it needs a C library, which other machines may lack.
func (s *Set) addFromFolder(f *File) {
	for i, other := range s.files {
		if other.Name == f.Name {
			if other.NeedsC {
				s.files[i] = f
			}
			return
		}
	}
	s.files = append(s.files, f)
}

// parseSum parses a line of SHA256SUMS (sha256sum(1)): a hash, a space, a space or an asterisk, and a name. false: it is not
// about a program or an archive.
func parseSum(line string) (f *File, inFolder string, ok bool) {
	const digits = 64
	if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' && line[digits+1] != '*' {
		return nil, "", false
	}
	f = &File{want: strings.ToLower(line[:digits])}
	if _, err := hex.DecodeString(f.want); err != nil {
		return nil, "", false
	}
	inFolder = strings.TrimPrefix(strings.TrimSuffix(line[digits+2:], "\r"), "./")
	if m := programName.FindStringSubmatch(inFolder); m != nil {
		f.System, f.Name = System{m[1], m[2]}, path.Base(inFolder)
		return f, inFolder, f.Name == nameOf(f.System)
	}
	if m := archiveName.FindStringSubmatch(inFolder); m != nil {
		f.System, f.Name, f.Archive = System{m[1], m[2]}, inFolder, true
		return f, inFolder, true
	}
	return nil, "", false
}
