package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// licenseName matches the names of files with terms: licenses, notices that licenses want
// copied, and grants of patents.
var licenseName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents|authors|attrib)`)

// A listedPackage is a package in the output of go list -json.
type listedPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// licenses returns the terms of all modules whose code is in the program of a target, and those
// of Go. A module's terms are in its own folder, and in those of the packages that are used. A
// module without any is an error: the program must not be passed on without them.
func (r *release) licenses(t target) ([]byte, error) {
	packages, err := r.listPackages(t)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]bool) // paths of files with terms
	modules := map[string]string{} // folders by module
	for _, p := range packages {
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		module := p.Module.Path + " " + p.Module.Version
		modules[module] = p.Module.Dir
		for dir := p.Dir; strings.HasPrefix(dir, p.Module.Dir); dir = filepath.Dir(dir) {
			if err := findLicenses(dir, texts); err != nil {
				return nil, err
			}
		}
	}
	root, err := r.goRoot()
	if err != nil {
		return nil, err
	}
	standard := "Go " + strings.TrimPrefix(runtime.Version(), "go")
	modules[standard] = root
	if err := findLicenses(root, texts); err != nil {
		return nil, err
	}
	return layOutLicenses(modules, texts)
}

// layOutLicenses returns the texts of all modules, sorted.
func layOutLicenses(modules map[string]string, texts map[string]bool) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("chat contains the code of the modules below. These are their terms.\n")
	names, paths := slices.Sorted(maps.Keys(modules)), slices.Sorted(maps.Keys(texts))
	for _, name := range names {
		dir, found := modules[name], false
		fmt.Fprintf(&b, "\n%s\n%s\n", strings.Repeat("=", 80), name)
		for _, path := range paths {
			inside, err := filepath.Rel(dir, path)
			if err != nil || strings.HasPrefix(inside, "..") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(&b, "\n--- %s\n\n%s\n", filepath.ToSlash(inside), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		}
		if !found {
			return nil, fmt.Errorf("no license of %s in %s", name, dir)
		}
	}
	return b.Bytes(), nil
}

// findLicenses adds the files with terms in dir, but not in its folders, to texts.
func findLicenses(dir string, texts map[string]bool) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() && licenseName.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			texts[filepath.Join(dir, e.Name())] = true
		}
	}
	return err
}

// listPackages returns all packages that the program of a target is built from.
func (r *release) listPackages(t target) ([]listedPackage, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Standard,Module", ".")
	cmd.Env = append(r.env[:len(r.env):len(r.env)], "GOOS="+t.goos, "GOARCH="+t.goarch)
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	var packages []listedPackage
	for in := json.NewDecoder(strings.NewReader(out)); ; {
		var p listedPackage
		switch err := in.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("read the output of go list: %w", err)
		}
		packages = append(packages, p)
	}
}

func (r *release) goRoot() (string, error) {
	cmd := exec.Command("go", "env", "GOROOT")
	cmd.Env = r.env
	out, err := output(cmd)
	return strings.TrimSpace(out), err
}
