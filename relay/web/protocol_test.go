package web_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
)

// The HTTP examples of PROTOCOL.md are true. Each has its own host.
func TestProtocolExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	page, err := os.ReadFile("../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```http\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 3 {
		t.Fatalf("%d examples found in PROTOCOL.md, there are at least 3", len(examples))
	}
	sealed := regexp.MustCompile("(?ms)^```sealed-http\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(sealed) == 0 {
		t.Fatal("no examples of a sealed room found in PROTOCOL.md")
	}
	for _, example := range sealed {
		r := openSealed(t)
		r.runExample(t, example[1])
	}
	for _, example := range examples {
		store, err := files.Open("", files.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		r := open(t, relay.Options{App: "chat 1.0", Room: "01f3c5a7092b4d6e"}, web.Options{Files: store})
		r.runExample(t, example[1])
	}
}

// runExample runs the commands of an example.
func (r *room) runExample(t *testing.T, example string) {
	t.Helper()
	for _, step := range strings.Split(example, "$ ")[1:] {
		command, want, _ := strings.Cut(step, "\n")
		if got := r.shell(t, command); alike(got) != alike(want) {
			t.Errorf("$ %s\n%s\nPROTOCOL.md:\n%s", command, alike(got), alike(want))
		}
	}
}

// shell runs a command of an example against this room.
func (r *room) shell(t *testing.T, command string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	command = strings.ReplaceAll(command, "192.168.1.5:24280", r.addr)
	command = strings.ReplaceAll(command, "curl ", "curl -s -k ")
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	return strings.ReplaceAll(string(out), r.addr, "192.168.1.5:24280")
}

// alike returns text without the values that differ between runs.
func alike(text string) string {
	text = strings.ReplaceAll(text, "\r", "") // the end of a header's line
	return regexp.MustCompile(`"(time|client|room)":"[^"]*"`).ReplaceAllString(text, `"$1":"*"`)
}
