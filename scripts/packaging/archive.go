package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archiveFolder returns the name of the only folder in an archive, which is also the archive's
// name without its suffix.
func (r *release) archiveFolder(t target) string {
	return "chat-" + r.version + "-" + t.goos + "-" + t.arch
}

// archive returns the name of a target's archive.
func (r *release) archive(t target) string {
	if t.goos == "windows" {
		return r.archiveFolder(t) + ".zip"
	}
	return r.archiveFolder(t) + ".tar.gz"
}

// writeArchive writes the archive of a target.
func (r *release) writeArchive(t target, files tree) error {
	var b bytes.Buffer
	write := r.writeTar
	if t.goos == "windows" {
		write = r.writeZip
	}
	if err := write(&b, r.archiveFolder(t), files); err != nil {
		return err
	}
	return writeFile(filepath.Join(r.out, r.archive(t)), b.Bytes(), 0o644)
}

func (r *release) writeTar(w io.Writer, folder string, files tree) error {
	compressed := gzip.NewWriter(w) // its header has no name and no time
	archive := tar.NewWriter(compressed)
	for _, f := range withFolders(folder, files) {
		h := &tar.Header{Name: f.name, Mode: int64(f.mode.Perm()), ModTime: r.time, Typeflag: tar.TypeDir, Format: tar.FormatUSTAR}
		var content []byte
		if !f.mode.IsDir() {
			var err error
			if content, err = os.ReadFile(f.source); err != nil {
				return err
			}
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
		}
		if err := archive.WriteHeader(h); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func (r *release) writeZip(w io.Writer, folder string, files tree) error {
	archive := zip.NewWriter(w)
	for _, f := range withFolders(folder, files) {
		h := &zip.FileHeader{Name: f.name, Modified: r.time, Method: zip.Deflate}
		h.SetMode(f.mode)
		var content []byte
		if f.mode.IsDir() {
			h.Method = zip.Store
		} else {
			var err error
			if content, err = os.ReadFile(f.source); err != nil {
				return err
			}
		}
		entry, err := archive.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// withFolders puts the files into a folder, and adds each folder before its first file.
func withFolders(folder string, files tree) tree {
	var all tree
	added := make(map[string]bool)
	var add func(dir string)
	add = func(dir string) {
		if dir == "." || added[dir] {
			return
		}
		add(path.Dir(dir))
		added[dir] = true
		all = append(all, file{name: dir + "/", mode: fs.ModeDir | 0o755})
	}
	for _, f := range files {
		f.name = path.Join(folder, f.name)
		add(path.Dir(f.name))
		all = append(all, f)
	}
	return all
}

// writeChecksums writes SHA256SUMS, for sha256sum -c, of all files in the release so far.
func (r *release) writeChecksums() error {
	var b strings.Builder
	err := filepath.WalkDir(r.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, err := sha256Of(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.out, path)
		fmt.Fprintf(&b, "%x  %s\n", sum, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return fmt.Errorf("write SHA256SUMS: %w", err)
	}
	return writeFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644)
}

func sha256Of(path string) (sum [sha256.Size]byte, err error) {
	b, err := os.ReadFile(path)
	return sha256.Sum256(b), err
}
