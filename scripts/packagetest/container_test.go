//go:build linux

package packagetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The root that the Containerfile describes has all that the program needs, and its user can write
// to /data.
func TestContainer(t *testing.T) {
	needRelease(t)
	recipe := string(read(t, filepath.Join(release, "packaging", "Containerfile")))
	user := wordAfter(t, recipe, "USER")
	r := newRoot(t, `tar -xf "$2/packaging/container-root.tar" -C "$1"
mkdir -p "$1/usr/bin" "$1/proc" "$1/dev"
chmod 755 "$1"
install -m 755 "$2/bin/chat-linux-amd64" "$1/usr/bin/chat"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"`)
	args := append(wordsAfter(t, recipe, "ENTRYPOINT"), wordsAfter(t, recipe, "CMD")...)
	stop := r.host(t, user, []string{wordAfter(t, recipe, "ENV")}, args...)
	r.say(t, args[0], "from a member")
	stop()
	if out, err := r.command(user, args[0], "history", "/data/room.chat").CombinedOutput(); err != nil || !strings.Contains(string(out), "from a member") {
		t.Errorf("the history: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "data", "files")); err != nil {
		t.Error(err)
	}
}

// wordAfter returns the argument of an instruction of a Containerfile.
func wordAfter(t *testing.T, recipe, instruction string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + instruction + ` (.+)$`).FindStringSubmatch(recipe)
	if m == nil {
		t.Fatalf("no %s in\n%s", instruction, recipe)
	}
	return m[1]
}

// wordsAfter returns the arguments of an instruction, which are a JSON array.
func wordsAfter(t *testing.T, recipe, instruction string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(wordAfter(t, recipe, instruction)), &words); err != nil {
		t.Fatalf("%s: %v", instruction, err)
	}
	return words
}
