package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A file of an archive or a package.
type file struct {
	name   string // slash-separated path in the archive's folder
	source string // its path on disk
	mode   fs.FileMode
}

// A tree is the files of an archive, sorted by name. A package installs most of them.
type tree []file

// completions are the names that shells look up, by the name of the shell.
var completions = map[string]string{"bash": "chat.bash", "zsh": "_chat", "fish": "chat.fish", "powershell": "chat.ps1"}

// documents are the files that README.md links to, by their folders, and README.md.
var documents = []string{"README.md", "relay/*.md", "relay/docs/*.md", "scripts/img/*"}

// stage collects the files of one target.
func (r *release) stage(t target, program string) (tree, error) {
	files := tree{{"chat" + t.suffix(), program, 0o755}}
	generated := filepath.Join(r.work, t.goos+"-"+t.arch)
	generate := func(name string, text []byte) error {
		path := filepath.Join(generated, filepath.FromSlash(name))
		files = append(files, file{name, path, 0o644})
		return writeFile(path, text, 0o644)
	}
	page, err := r.ask("man")
	if err != nil {
		return nil, err
	}
	if err := generate("chat.1", page); err != nil {
		return nil, err
	}
	for shell, name := range completions {
		script, err := r.ask("completion", shell)
		if err != nil {
			return nil, err
		}
		if err := generate("completions/"+name, script); err != nil {
			return nil, err
		}
	}
	texts, err := r.licenses(t)
	if err != nil {
		return nil, err
	}
	if err := generate("THIRD_PARTY_LICENSES.txt", texts); err != nil {
		return nil, err
	}
	for _, pattern := range documents {
		paths, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil || len(paths) == 0 {
			return nil, fmt.Errorf("no file %s", pattern)
		}
		for _, path := range paths {
			files = append(files, file{filepath.ToSlash(path), path, 0o644})
		}
	}
	if t.goos == "linux" {
		units, err := unitFiles()
		if err != nil {
			return nil, err
		}
		files = append(files, units...)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// unitFiles returns the files for systemd, in the folder systemd of an archive.
func unitFiles() (tree, error) {
	dir := filepath.Join("scripts", "packaging", "systemd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var units tree
	for _, e := range entries {
		if e.Type().IsRegular() {
			units = append(units, file{"systemd/" + e.Name(), filepath.Join(dir, e.Name()), 0o644})
		}
	}
	return units, nil
}

// ask runs the program with these arguments and returns its output.
func (r *release) ask(args ...string) ([]byte, error) {
	cmd := exec.Command(r.native, args...)
	cmd.Env = []string{"HOME=" + r.work, "TZ=UTC", "PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot")}
	out, err := output(cmd)
	return bytes.ReplaceAll([]byte(out), []byte("\r\n"), []byte("\n")), err
}
