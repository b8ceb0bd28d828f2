package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// nfpm is the program that writes packages. go run compares it with Go's checksum database.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

// packageFormats are those of nfpm that a release has.
var packageFormats = []string{"deb", "rpm", "apk", "archlinux"}

// A recipe holds the values for the templates of a package's description and scripts.
type recipe struct {
	Format   string
	Arch     string // as nfpm calls it
	Version  string
	Time     string // of the commit
	Files    []installed
	Scripts  map[string]string // paths by nfpm's names
	Units    []string          // names of the units for systemd
	Sysusers []string          // names of files with users that the units need
}

// An installed file is one of a package.
type installed struct {
	Source, Path string
	Mode         string // in octal
	Type         string // of nfpm: config|noreplace, or ""
}

// writePackage writes one package of a target.
func (r *release) writePackage(t target, format string, files tree) error {
	version, err := packageVersion(r.version, format)
	if err != nil {
		return err
	}
	p := &recipe{Format: format, Arch: t.goarch, Version: version, Time: r.time.Format(time.RFC3339), Scripts: make(map[string]string)}
	if t.goarch == "arm" {
		p.Arch = "arm7"
	}
	dir := filepath.Join(r.work, "packages", t.goos+"-"+t.arch, format)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if p.Files, err = r.install(files, format, dir); err != nil {
		return err
	}
	for _, f := range p.Files {
		switch path.Dir(f.Path) {
		case unitFolder:
			p.Units = append(p.Units, path.Base(f.Path))
		case sysusersFolder:
			p.Sysusers = append(p.Sysusers, path.Base(f.Path))
		}
	}
	if len(p.Units) > 0 {
		if err := p.writeScripts(dir); err != nil {
			return err
		}
	}
	description := filepath.Join(dir, "nfpm.yaml")
	if err := fill("nfpm.yaml", description, p); err != nil {
		return err
	}
	cmd := exec.Command("go", "run", nfpm, "package", "--packager", format, "--config", description, "--target", r.out+string(filepath.Separator))
	cmd.Env = append(toolEnvironment(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()))
	_, err = output(cmd)
	return err
}

// Where systemd finds its files.
const (
	unitFolder     = "/usr/lib/systemd/system"
	sysusersFolder = "/usr/lib/sysusers.d"
)

// install returns where a package of a format has which file. dir is for those that are
// compressed.
func (r *release) install(files tree, format, dir string) ([]installed, error) {
	var all []installed
	for _, f := range files {
		to := installPath(f.name, format)
		if to == "" {
			continue
		}
		source, err := filepath.Abs(f.source)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(to, ".gz") {
			source = filepath.Join(dir, path.Base(to))
			if err := compressFile(source, f.source); err != nil {
				return nil, err
			}
		}
		i := installed{Source: source, Path: to, Mode: fmt.Sprintf("0%o", f.mode)}
		if strings.HasPrefix(to, "/etc/") {
			i.Type = "config|noreplace"
		}
		all = append(all, i)
	}
	return all, nil
}

// installPath returns where a package installs a file of a tree; "" if it does not. ppp has
// /usr/sbin/chat and chat(8), which none of these names meets.
func installPath(name, format string) string {
	dir, base := path.Split(name)
	switch {
	case name == "chat":
		return "/usr/bin/chat"
	case name == "chat.1":
		return "/usr/share/man/man1/chat.1.gz"
	case name == "completions/chat.bash":
		return "/usr/share/bash-completion/completions/chat"
	case name == "completions/_chat" && format == "deb":
		return "/usr/share/zsh/vendor-completions/_chat"
	case name == "completions/_chat":
		return "/usr/share/zsh/site-functions/_chat"
	case name == "completions/chat.fish":
		return "/usr/share/fish/vendor_completions.d/chat.fish"
	case name == "THIRD_PARTY_LICENSES.txt" && format == "deb":
		return "/usr/share/doc/chat/copyright"
	case name == "THIRD_PARTY_LICENSES.txt":
		return "/usr/share/licenses/chat/" + base
	case dir == "systemd/":
		return systemdPath(base, format)
	case dir == "completions/":
		return ""
	}
	return "/usr/share/doc/chat/" + name
}

// systemdPath returns where a file of the folder systemd is installed. Alpine has no systemd.
func systemdPath(base, format string) string {
	switch ext := path.Ext(base); {
	case format == "apk":
		return ""
	case ext == ".service" || ext == ".socket":
		return unitFolder + "/" + base
	case ext == ".sysusers":
		return sysusersFolder + "/" + strings.TrimSuffix(base, ext) + ".conf"
	case ext == ".tmpfiles":
		return "/usr/lib/tmpfiles.d/" + strings.TrimSuffix(base, ext) + ".conf"
	case ext == ".default":
		return "/etc/default/" + strings.TrimSuffix(base, ext)
	case ext == ".toml":
		return "/etc/chat/" + base
	}
	return "/usr/share/doc/chat/systemd/" + base
}

// writeScripts writes the scripts that a package manager runs.
func (p *recipe) writeScripts(dir string) error {
	for _, name := range []string{"postinstall", "preremove", "postremove"} {
		p.Scripts[name] = filepath.Join(dir, name)
		if err := fill(name+".sh", p.Scripts[name], p); err != nil {
			return err
		}
	}
	return nil
}

func compressFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return writeFile(to, out.Bytes(), 0o644)
}

// fill writes the template with this name to a file.
func fill(name, to string, values any) error {
	source := filepath.Join("scripts", "packaging", "templates", name)
	t, err := template.New(name).Option("missingkey=error").ParseFiles(source)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, values); err != nil {
		return err
	}
	return writeFile(to, b.Bytes(), 0o644)
}
