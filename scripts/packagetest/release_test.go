//go:build linux

package packagetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"chat/scripts/chattest"
)

// version is the tag that the tested release gets, in clones of the repository. It is above all
// others; go build does not accept 2.0.0 for a module without /v2 in its path.
const version = "1.998.0"

const archiveFolder = "chat-" + version + "-linux-amd64"

var (
	dir      string    // a temporary folder, with release below
	release  string    // the folder of the release
	building sync.Once // of both releases
	buildErr error     // how that ended
)

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if dir, err = os.MkdirTemp("", "packagetest"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	release = filepath.Join(dir, "release")
	return m.Run()
}

// needRelease builds the release, and another one to compare, with the first test that needs it.
func needRelease(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a release takes longer than -short")
	}
	if runtime.GOARCH != "amd64" {
		chattest.Missing(t, "the packages are tested on amd64 only")
	}
	chattest.NeedTools(t, "git")
	chattest.NoticeSources(t, "../..")
	building.Do(func() {
		// All that may differ from one machine to the next, except the version of Go.
		another := "umask 077; TZ=Asia/Kathmandu LC_ALL=tr_TR.UTF-8 GOAMD64=v3 GOFLAGS='-tags=netgo -buildvcs=false' "
		results := make(chan error)
		go func() { results <- makeRelease(filepath.Join(dir, "clone"), release, "") }()
		go func() {
			results <- makeRelease(filepath.Join(dir, "another place", "to be"), filepath.Join(dir, "again"), another)
		}()
		if err1, err2 := <-results, <-results; err1 != nil {
			buildErr = err1
		} else {
			buildErr = err2
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
}

// makeRelease clones the repository, tags it and makes a release, in a shell that was given setup.
func makeRelease(clone, out, setup string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	script := `set -e
git clone --quiet --shared "$1" "$2"
cd "$2"
git tag v` + version + "\n" + setup + `scripts/release --out "$3" --target linux/amd64`
	cmd := exec.Command("bash", "-c", script, "bash", root, clone, out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a release: %w\n%s", err, text)
	}
	return nil
}

func TestTheSameCommitGivesTheSameBytes(t *testing.T) {
	needRelease(t)
	names := filesIn(t, release)
	if again := filesIn(t, filepath.Join(dir, "again")); !slices.Equal(names, again) {
		t.Fatalf("files %q, and then %q", names, again)
	}
	if len(names) < 8 {
		t.Errorf("a release of %q", names)
	}
	for _, name := range names {
		if !bytes.Equal(read(t, filepath.Join(release, name)), read(t, filepath.Join(dir, "again", name))) {
			t.Errorf("%s differs", name)
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = release
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("SHA256SUMS: %v\n%s", err, out)
	}
}

// The program, its man page and its SBOM have the version. The SBOM and the license texts list every
// module in the program.
func TestTheReleaseKnowsItsVersion(t *testing.T) {
	needRelease(t)
	unpacked := unpack(t, archiveFolder+".tar.gz")
	folder := filepath.Join(unpacked, archiveFolder)
	if out := output(t, filepath.Join(folder, "chat"), "version"); !strings.HasPrefix(out, "chat "+version+" ") {
		t.Errorf("chat version: %s", out)
	}
	if page := string(read(t, filepath.Join(folder, "chat.1"))); !strings.Contains(page, `"chat `+version+`"`) {
		t.Errorf("the man page begins with %.100s", page)
	}
	var sbom struct {
		BomFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct {
			Name   string
			Hashes []struct{ Content string }
		}
	}
	if err := json.Unmarshal(read(t, filepath.Join(release, archiveFolder+".cdx.json")), &sbom); err != nil {
		t.Fatal(err)
	}
	if c := sbom.Metadata.Component; sbom.BomFormat != "CycloneDX" || c.Name != "chat" || c.Version != "v"+version {
		t.Errorf("a %q of %v", sbom.BomFormat, c)
	}
	terms := string(read(t, filepath.Join(folder, "THIRD_PARTY_LICENSES.txt")))
	listed := 0
	for line := range strings.Lines(output(t, "go", "version", "-m", filepath.Join(folder, "chat"))) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "dep" {
			continue
		}
		listed++
		if !strings.Contains(terms, "\n"+fields[1]+" "+fields[2]+"\n") {
			t.Errorf("no terms of %s", fields[1])
		}
		if !slices.ContainsFunc(sbom.Components, func(c struct {
			Name   string
			Hashes []struct{ Content string }
		}) bool {
			return c.Name == fields[1]
		}) {
			t.Errorf("the SBOM lacks %s", fields[1])
		}
	}
	if listed < 10 {
		t.Errorf("the program is made of %d modules", listed)
	}
}

// The packages of all formats install the same program with its man page and completions.
func TestPackageContents(t *testing.T) {
	needRelease(t)
	chattest.NeedTools(t, "bsdtar")
	program := read(t, filepath.Join(release, "bin", "chat-linux-amd64"))
	for _, pattern := range []string{"chat-1.998*.rpm", "chat_1.998*.apk", "chat-1.998*.pkg.tar.zst"} {
		found, err := filepath.Glob(filepath.Join(release, pattern))
		if err != nil || len(found) != 1 {
			t.Errorf("%s matches %q", pattern, found)
			continue
		}
		root := t.TempDir()
		if out, err := exec.Command("bsdtar", "-xf", found[0], "-C", root).CombinedOutput(); err != nil {
			t.Errorf("unpack %s: %v\n%s", found[0], err, out)
		}
		if !bytes.Equal(read(t, filepath.Join(root, "usr/bin/chat")), program) {
			t.Errorf("%s has another program", found[0])
		}
		for _, name := range []string{"man/man1/chat.1.gz", "bash-completion/completions/chat", "zsh/site-functions/_chat", "fish/vendor_completions.d/chat.fish", "licenses/chat/THIRD_PARTY_LICENSES.txt"} {
			if info, err := os.Stat(filepath.Join(root, "usr/share", name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %s: %v", found[0], name, err)
			}
		}
	}
}

// unpack unpacks an archive of the release into a new folder.
func unpack(t *testing.T, name string) string {
	t.Helper()
	to := t.TempDir()
	output(t, "tar", "-xf", filepath.Join(release, name), "-C", to)
	return to
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// filesIn returns the paths of all files in a folder, sorted.
func filesIn(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
