package servicetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"chat/scripts/chattest"
)

// unitsIn copies the units to a folder, with a program that is installed here.
func unitsIn(t *testing.T) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"chat.service", "chat.socket", "chat@.service"} {
		b, err := os.ReadFile(filepath.Join("..", "packaging", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), "/usr/bin/chat", "/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestUnitsAreValid(t *testing.T) {
	chattest.NeedTools(t, "systemd-analyze")
	args := append([]string{"verify", "--man=no"}, unitsIn(t)...)
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The service of further rooms differs from that of the first one only in its state, and it has no socket.
func TestUnitsAreAlike(t *testing.T) {
	var units [2]string
	for i, name := range []string{"chat.service", "chat@.service"} {
		b, err := os.ReadFile(filepath.Join("..", "packaging", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		units[i] = string(b)
	}
	want := strings.NewReplacer("Environment=XDG_STATE_HOME=%S\n", "Environment=XDG_STATE_HOME=%S/%N\n", "Also=chat.socket\n", "").Replace(units[0])
	if units[1] != want {
		t.Errorf("chat@.service is\n%s, want\n%s", units[1], want)
	}
}

// hosting.md names the exposure that systemd-analyze reports.
func TestExposureIsDocumented(t *testing.T) {
	chattest.NeedTools(t, "systemd-analyze")
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", unitsIn(t)[0]).CombinedOutput()
	level := regexp.MustCompile(`exposure level for chat\.service: ([\d.]+)`).FindSubmatch(out)
	if err != nil || level == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	docs, err := os.ReadFile("../../relay/docs/hosting.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile("systemd-analyze security` rates it ([\\d.]+)").FindSubmatch(docs)
	if said == nil {
		t.Fatal("hosting.md does not say how systemd-analyze security rates the service")
	}
	is, _ := strconv.ParseFloat(string(level[1]), 64)
	documented, _ := strconv.ParseFloat(string(said[1]), 64)
	if is > documented+0.3 || is < documented-0.3 { // versions of systemd differ a little
		t.Errorf("the exposure is %s, in hosting.md %s", level[1], said[1])
	}
}
