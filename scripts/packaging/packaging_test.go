package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each format gets versions in an order that its package manager knows: a commit before the
// release that it leads to.
func TestPackageVersion(t *testing.T) {
	for _, test := range []struct{ version, deb, apk, arch string }{
		{"1.2.3", "1.2.3", "1.2.3", "1.2.3"},
		{"1.2.3-rc.1", "1.2.3~rc1", "1.2.3_rc1", "1.2.3rc1"},
		{"0.0.0-20261129062043-21de36c48c83", "0.0.0~git20261129062043.21de36c48c83", "0.0.0_alpha20261129_p062043", "0.0.0alpha20261129062043.21de36c48c83"},
		{"1.2.4-0.20261129062043-21de36c48c83", "1.2.4~git20261129062043.21de36c48c83", "1.2.4_alpha20261129_p062043", "1.2.4alpha20261129062043.21de36c48c83"},
		{"1.2.3-rc.1.0.20261129062043-21de36c48c83", "1.2.3~git20261129062043.21de36c48c83", "1.2.3_alpha20261129_p062043", "1.2.3alpha20261129062043.21de36c48c83"},
	} {
		for format, want := range map[string]string{"deb": test.deb, "rpm": test.deb, "apk": test.apk, "archlinux": test.arch} {
			if got, err := packageVersion(test.version, format); got != want || err != nil {
				t.Errorf("%s as %s: %q, %v, want %q", test.version, format, got, err, want)
			}
		}
	}
	for _, version := range []string{"", "(devel)", "1.2", "1.2.3-foo", "1.2.3-rc.1+dirty", "1.2.3\n"} {
		if got, err := packageVersion(version, "deb"); err == nil {
			t.Errorf("%q became %q", version, got)
		}
	}
}

// No package has a file of ppp's: it has /usr/sbin/chat, which is /usr/bin/chat on Arch, and
// chat(8).
func TestNoFileOfPPP(t *testing.T) {
	for _, format := range packageFormats {
		for _, name := range []string{"chat", "chat.1", "completions/chat.bash", "completions/_chat", "completions/chat.fish", "THIRD_PARTY_LICENSES.txt", "README.md", "systemd/chat.service", "systemd/chat@.service", "systemd/chat.toml", "systemd/chat.default"} {
			to := installPath(name, format)
			if strings.HasPrefix(to, "/usr/sbin/") || strings.Contains(to, "/man8/") {
				t.Errorf("%s: %s is %s", format, name, to)
			}
			if to == "" && (format != "apk" || path.Dir(name) != "systemd") {
				t.Errorf("%s: no %s", format, name)
			}
		}
	}
}

// An archive does not depend on the time, owner and mode of the files on disk.
func TestArchivesAreTheSameAgain(t *testing.T) {
	r := &release{time: time.Unix(1796000000, 0).UTC()}
	for name, write := range map[string]func(*bytes.Buffer, tree) error{
		"tar": func(b *bytes.Buffer, files tree) error { return r.writeTar(b, "chat-1.2.3", files) },
		"zip": func(b *bytes.Buffer, files tree) error { return r.writeZip(b, "chat-1.2.3", files) },
	} {
		var archives [2]bytes.Buffer
		for i := range archives {
			source := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(source, []byte("program"), 0o600+os.FileMode(i)*0o022); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(source, time.Time{}, time.Unix(int64(i)*1000, 0)); err != nil {
				t.Fatal(err)
			}
			if err := write(&archives[i], tree{{"chat", source, 0o755}, {"relay/docs/guide.md", source, 0o644}}); err != nil {
				t.Fatal(err)
			}
		}
		if archives[0].Len() == 0 || !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
			t.Errorf("%s: not the same", name)
		}
	}
}

func TestFoldersComeBeforeTheirFiles(t *testing.T) {
	var names []string
	for _, f := range withFolders("chat-1", tree{{name: "chat"}, {name: "relay/PROTOCOL.md"}, {name: "relay/docs/guide.md"}}) {
		names = append(names, f.name)
	}
	want := []string{"chat-1/", "chat-1/chat", "chat-1/relay/", "chat-1/relay/PROTOCOL.md", "chat-1/relay/docs/", "chat-1/relay/docs/guide.md"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// The templates name the archives with their hashes. Without all archives, those that need
// them are left out.
func TestTemplates(t *testing.T) {
	t.Chdir("../..")
	r := &release{out: t.TempDir(), version: "1.2.3", url: "https://files.lan/chat", time: time.Unix(1796000000, 0)}
	for _, tt := range targets {
		if tt.goos == "windows" && tt.goarch == "arm64" {
			continue
		}
		if err := os.WriteFile(filepath.Join(r.out, r.archive(tt)), []byte(tt.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.writeTemplates(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(r.out, templateFolder, "chat.json")); err == nil {
		t.Error("a Scoop manifest without one of its archives")
	}
	arm := target{"windows", "arm64", "arm64"}
	if err := os.WriteFile(filepath.Join(r.out, r.archive(arm)), []byte(arm.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.writeTemplates(); err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Architecture map[string]struct{ URL, Hash string }
	}
	text, err := os.ReadFile(filepath.Join(r.out, templateFolder, "chat.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if got := manifest.Architecture["arm64"]; got.URL != "https://files.lan/chat/chat-1.2.3-windows-arm64.zip" || got.Hash != sumOf(t, "windows/arm64") {
		t.Errorf("arm64: %v", got)
	}
	for _, name := range []string{"chat.rb", "chat.nix", "Containerfile"} {
		text, err := os.ReadFile(filepath.Join(r.out, templateFolder, name))
		if err != nil || bytes.Contains(text, []byte("{{")) || bytes.Contains(text, []byte("<no value>")) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		if name == "chat.rb" && !bytes.Contains(text, []byte(`sha256 "`+sumOf(t, "darwin/arm64")+`"`)) {
			t.Errorf("no hash in\n%s", text)
		}
	}
}

// sumOf returns the SHA-256 of a text, from another program than this.
func sumOf(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.Command("sha256sum")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	return strings.Fields(string(out))[0]
}

// The scripts of packages parse as shell scripts and start no unit on a machine without systemd. An
// upgrade of a deb or rpm is not treated as a removal.
func TestScripts(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	t.Chdir("../..")
	for _, format := range packageFormats {
		p := &recipe{Format: format, Units: []string{"chat.service", "chat.socket", "chat@.service"}, Sysusers: []string{"chat.conf"}, Scripts: make(map[string]string)}
		dir := t.TempDir()
		if err := p.writeScripts(dir); err != nil {
			t.Fatal(err)
		}
		if len(p.Scripts) != 3 {
			t.Errorf("%s: scripts %v", format, p.Scripts)
		}
		for name, script := range p.Scripts {
			if out, err := exec.Command(shell, "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", format, name, err, out)
			}
		}
		text, err := os.ReadFile(p.Scripts["preremove"])
		if err != nil {
			t.Fatal(err)
		}
		if guarded := strings.Contains(string(text), "|| exit 0"); guarded != (format == "deb" || format == "rpm") {
			t.Errorf("%s: before a removal:\n%s", format, text)
		}
	}
}

// A module without license texts must not be passed on.
func TestMissingLicense(t *testing.T) {
	dir := t.TempDir()
	texts := make(map[string]bool)
	if _, err := layOutLicenses(map[string]string{"example.org/m v1.0.0": dir}, texts); err == nil {
		t.Error("no error without a license")
	}
	for _, name := range []string{"LICENSE.md", "NOTICE", "license.go", "main.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("the text of "+name+"\r\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := findLicenses(dir, texts); err != nil {
		t.Fatal(err)
	}
	out, err := layOutLicenses(map[string]string{"example.org/m v1.0.0": dir}, texts)
	if err != nil || !strings.HasSuffix(string(out), "\nexample.org/m v1.0.0\n\n--- LICENSE.md\n\nthe text of LICENSE.md\n\n--- NOTICE\n\nthe text of NOTICE\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The SBOM is the same again, with the commit's time.
func TestRepeatableSBOM(t *testing.T) {
	r := &release{time: time.Unix(1796000000, 0).UTC()}
	out, err := r.repeatableSBOM([]byte(`{"metadata":{"tools":[{"name":"cyclonedx-gomod","hashes":[{"alg":"MD5"}]}]},"components":[{"name":"m","hashes":[{"alg":"SHA-256"}]}]}`))
	if err != nil || bytes.Contains(out, []byte("MD5")) || !bytes.Contains(out, []byte("SHA-256")) || !bytes.Contains(out, []byte(`"timestamp": "2026-11-30T00:53:20Z"`)) {
		t.Errorf("%v\n%s", err, out)
	}
	for _, text := range []string{"", "{}", `{"metadata":{}}`} {
		if _, err := r.repeatableSBOM([]byte(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}
