package main

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// templateFolder is the folder of a release with the templates that it filled in.
const templateFolder = "packaging"

// placeholder stands in the templates for the URL if there is no --url.
const placeholder = "https://RELEASE.example"

// A published archive can be downloaded by package managers.
type published struct {
	URL    string
	Folder string // in the archive
	SHA256 string // in hexadecimal
	SRI    string // the same as Nix writes it
}

// nixSystems are the targets by Nix's names.
var nixSystems = map[string]string{
	"x86_64-linux":   "linux/amd64",
	"aarch64-linux":  "linux/arm64",
	"i686-linux":     "linux/386",
	"armv7l-linux":   "linux/armv7",
	"riscv64-linux":  "linux/riscv64",
	"x86_64-darwin":  "darwin/amd64",
	"aarch64-darwin": "darwin/arm64",
	"x86_64-freebsd": "freebsd/amd64",
}

// writeTemplates fills in the templates for package managers and the container. Those that need the
// archive of a target that was not built are left out.
func (r *release) writeTemplates() error {
	url := r.url
	if url == "" {
		url = placeholder
	}
	archives := make(map[string]published)
	for _, t := range targets {
		sum, err := sha256Of(filepath.Join(r.out, r.archive(t)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		archives[t.String()] = published{
			URL: url + "/" + r.archive(t), Folder: r.archiveFolder(t),
			SHA256: hex.EncodeToString(sum[:]), SRI: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		}
	}
	values := struct {
		Version, URL string
		Archives     map[string]published
		NixSystems   map[string]string
	}{r.version, url, archives, nixSystems}
	needed := map[string][]string{
		"chat.rb":       {"darwin/arm64", "darwin/amd64", "linux/arm64", "linux/amd64"},
		"chat.json":     {"windows/amd64", "windows/arm64"},
		"chat.nix":      slices.Collect(maps.Values(nixSystems)),
		"Containerfile": {"linux/amd64"},
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if !hasAll(archives, needed[name]) {
			fmt.Printf("%s is left out: it needs the archives of all its targets\n", name)
			continue
		}
		if err := fill(name, filepath.Join(r.out, templateFolder, name), values); err != nil {
			return fmt.Errorf("fill in %s: %w", name, err)
		}
	}
	if !hasAll(archives, needed["Containerfile"]) {
		return nil
	}
	root, err := containerRoot(r.time)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(r.out, templateFolder, "container-root.tar"), root, 0o644)
}

func hasAll(archives map[string]published, names []string) bool {
	for _, name := range names {
		if _, ok := archives[name]; !ok {
			return false
		}
	}
	return true
}

// containerUser is the user of the container, a number that distributions leave free.
const containerUser = 65532

// containerRoot returns the files of a container's root beside the program, as an archive: in an
// image without a shell, nothing else sets the owner of a folder.
func containerRoot(at time.Time) ([]byte, error) {
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nchat:x:%d:%[1]d:chat:/data:/sbin/nologin\n", containerUser)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: containerUser, Gid: containerUser},
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(passwd))},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
	} {
		h.ModTime, h.Format = at, tar.FormatUSTAR
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(passwd)); err != nil {
				return nil, err
			}
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
