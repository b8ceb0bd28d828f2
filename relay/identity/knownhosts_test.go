package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"chat/relay/client"
	"chat/relay/privatefile"
	"chat/relay/seal"
)

const (
	pinA = seal.Pin("K7QZABCDEFGHIJKLMNOPQRSTUV")
	pinB = seal.Pin("BBBBABCDEFGHIJKLMNOPQRSTUV")
)

// knownIn returns the known hosts in a file with that content, and the warnings about it.
func knownIn(t *testing.T, content string) (*KnownHosts, *[]string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state", "chat")
	if content != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	warnings := new([]string)
	var mu sync.Mutex
	return NewKnownHosts(dir, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		*warnings = append(*warnings, err.Error())
	}), warnings
}

func contentOf(t *testing.T, k *KnownHosts) string {
	t.Helper()
	b, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Comments and lines that are not ours are kept; those that cannot be read are reported once, by
// their number, and skipped.
func TestKnownHosts(t *testing.T) {
	content := "# my rooms\n" +
		"room r1 " + string(pinA) + " the lab\n" +
		"\n" +
		"room r2 K7QZ\n" +
		"  addr  [fe80::1%eth0]:24280\t" + strings.ToLower(string(pinB)) + "\n" +
		"addr nowhere " + string(pinA) + "\n" +
		"host r3 " + string(pinA) + " of a later version"
	k, warnings := knownIn(t, content)
	want := []client.KnownHost{
		{Room: "r1", Pin: pinA, Title: "the lab", File: k.path, Line: 2},
		{Addr: "[fe80::1%eth0]:24280", Pin: pinB, File: k.path, Line: 5},
	}
	for range 2 {
		if got, err := k.Hosts(); err != nil || !slices.Equal(got, want) {
			t.Errorf("Hosts = %+v, %v; want %+v", got, err, want)
		}
	}
	for i, line := range []int{4, 6, 7} {
		if len(*warnings) != 3 || !strings.Contains((*warnings)[i], fmt.Sprintf("line %d is ignored", line)) {
			t.Errorf("the warnings are %q", *warnings)
			break
		}
	}
	k.Add(client.KnownHost{Room: "r1", Pin: pinB, Title: "another key"}, client.KnownHost{Room: "r4", Pin: pinB, Title: " two\t words "}, client.KnownHost{Addr: "10.0.0.1:1", Pin: pinB})
	if got, want := contentOf(t, k), content+"\nroom r4 "+string(pinB)+" two words\naddr 10.0.0.1:1 "+string(pinB)+"\n"; got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
}

func TestKnownHostsFileIsPrivate(t *testing.T) {
	k, warnings := knownIn(t, "")
	if hosts, err := k.Hosts(); err != nil || len(hosts) != 0 {
		t.Errorf("Hosts = %v, %v without a file", hosts, err)
	}
	k.Add(client.KnownHost{Room: "r1", Pin: pinA, Title: "lab"})
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing here")
	}
	for path, want := range map[string]os.FileMode{k.path: 0o600, filepath.Dir(k.path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if err := os.Chmod(k.path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := k.Hosts()
	if e, ok := errors.AsType[*privatefile.ModeError](err); !ok || e.Path != k.path {
		t.Errorf("Hosts of a file that others can read: %v", err)
	}
	before := contentOf(t, k)
	k.Add(client.KnownHost{Room: "r2", Pin: pinA, Title: "lab"})
	if len(*warnings) != 1 || !strings.Contains((*warnings)[0], k.path) || contentOf(t, k) != before {
		t.Errorf("warned %q; the file is %q", *warnings, contentOf(t, k))
	}
}

// A room or an address that a line cannot hold is not remembered, and breaks no other line.
func TestKnownHostsOfHostileNames(t *testing.T) {
	k, _ := knownIn(t, "room r1 "+string(pinA)+"\n")
	before := contentOf(t, k)
	for _, h := range []client.KnownHost{
		{Room: "a b", Pin: pinB}, {Room: "x\nroom r9", Pin: pinB}, {Room: "\x1b[2J", Pin: pinB}, {Addr: "no port", Pin: pinB},
		{Room: "r5", Pin: "short"}, {Pin: pinB, Title: "nothing"}, {Room: "r\u00a06", Pin: pinB},
	} {
		k.Add(h)
	}
	if got := contentOf(t, k); got != before {
		t.Errorf("the file is %q", got)
	}
	k.Add(client.KnownHost{Room: "r7", Pin: pinB, Title: "lab\r\nroom r8 " + string(pinA) + "\x1b]0;x\a" + strings.Repeat("é", 300)})
	hosts, err := k.Hosts()
	if err != nil || len(hosts) != 2 || hosts[1].Room != "r7" || len(hosts[1].Title) > maxKnownTitle || strings.ContainsAny(hosts[1].Title, "\r\n\x1b") {
		t.Errorf("Hosts = %+v, %v", hosts, err)
	}
}

// Beyond the limit, the hosts that were added first are forgotten; comments are not.
func TestKnownHostsAreBounded(t *testing.T) {
	var content strings.Builder
	content.WriteString("# first\n")
	for i := range maxKnownHosts {
		fmt.Fprintf(&content, "room r%d %s\n", i, pinA)
	}
	k, warnings := knownIn(t, content.String())
	k.Add(client.KnownHost{Room: "new", Pin: pinB}, client.KnownHost{Addr: "new:1", Pin: pinB})
	hosts, err := k.Hosts()
	if err != nil || len(hosts) != maxKnownHosts || hosts[0].Room != "r2" || hosts[len(hosts)-1].Addr != "new:1" {
		t.Errorf("%d hosts from %+v, %v", len(hosts), hosts[0], err)
	}
	if !strings.HasPrefix(contentOf(t, k), "# first\nroom r2 ") || len(*warnings) != 0 {
		t.Errorf("the file begins with %.40q; warned %q", contentOf(t, k), *warnings)
	}
	comment := strings.Repeat("#", maxKnownFile-100) + "\n"
	k, warnings = knownIn(t, comment+"room r1 "+string(pinA)+"\nroom r2 "+string(pinA)+"\n")
	k.Add(client.KnownHost{Room: "r3", Pin: pinB})
	if hosts, err := k.Hosts(); err != nil || len(hosts) != 2 || hosts[0].Room != "r2" || hosts[1].Room != "r3" || len(*warnings) != 0 {
		t.Errorf("in a file that is almost full: %+v, %v; warned %q", hosts, err, *warnings)
	}
	k, _ = knownIn(t, strings.Repeat("#", maxKnownFile+1))
	if _, err := k.Hosts(); !errors.Is(err, privatefile.ErrTooLong) {
		t.Errorf("Hosts of a file that is too long: %v", err)
	}
}

// Programs that remember hosts at the same time do not lose each other's.
func TestKnownHostsAtOnce(t *testing.T) {
	k, warnings := knownIn(t, "")
	var adding sync.WaitGroup
	for i := range 8 {
		other := NewKnownHosts(filepath.Dir(k.path), k.warn)
		adding.Go(func() { other.Add(client.KnownHost{Room: fmt.Sprint("r", i), Pin: pinA}) })
	}
	adding.Wait()
	if hosts, err := k.Hosts(); err != nil || len(hosts) != 8 || len(*warnings) != 0 {
		t.Errorf("%d hosts, %v, %q", len(hosts), err, *warnings)
	}
}

// What is added is found again, and nothing that is in the file already is lost.
func FuzzKnownHosts(f *testing.F) {
	f.Add("# comment\nroom r1 K7QZABCDEFGHIJKLMNOPQRSTUV lab\n", "r2", "kitchen")
	f.Add("addr [::1]:1 k7qz-abcdefghijklmnopqrstuv\n\n\x00room", "", "\x1b[2J")
	f.Fuzz(func(t *testing.T, content, room, title string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k := NewKnownHosts(dir, func(error) {})
		before, err := k.Hosts()
		if err != nil || len(before) >= maxKnownHosts {
			return
		}
		added := client.KnownHost{Room: room, Pin: pinB, Title: title}
		k.Add(added)
		after, err := k.Hosts()
		if err != nil || len(after) < len(before) || !slices.Equal(after[:len(before)], before) {
			t.Fatalf("%q: %+v became %+v, %v", content, before, after, err)
		}
		_, fits := formatKnownHost(added)
		isKnown := slices.ContainsFunc(before, func(h client.KnownHost) bool { return h.Room != "" && h.Room == room })
		if grew := len(after) > len(before); grew != (fits && !isKnown) {
			t.Fatalf("adding %+v to %q: %+v", added, content, after)
		}
	})
}

// The secret of a room is found under any nick, and not in a file that is damaged.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	for room, secret := range map[string]seal.Secret{"r1": "M2V8ABCDEFGHIJKL", "r2": "R2R2ABCDEFGHIJKL", "r3": ""} {
		id := identityOf(room, "alice")
		id.Secret = secret
		claim(t, s, room, "alice").Keep(id)
		if got := claim(t, s, room, "ci"); got.Secret != "" {
			t.Errorf("another nick has the secret %q", string(got.Secret))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "damaged.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for rooms, want := range map[string]seal.Secret{"r1": "M2V8ABCDEFGHIJKL", "r9 r2 r1": "R2R2ABCDEFGHIJKL", "r3": "", "r9": ""} {
		if got := s.Secret(strings.Fields(rooms)...); got != want {
			t.Errorf("Secret(%s) = %q, want %q", rooms, string(got), string(want))
		}
	}
	if entries, err := filepath.Glob(filepath.Join(dir, "*.json")); err != nil || len(entries) == 0 {
		t.Errorf("%v, %v", entries, err)
	} else if info, err := os.Stat(entries[0]); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, %v", entries[0], info.Mode(), err)
	}
	if got := Open(filepath.Join(dir, "none")).Secret("r1"); got != "" {
		t.Errorf("without a folder: %q", string(got))
	}
}

// Without a folder that could have the file, no host is known. That does not keep the user from joining a room.
func TestKnownHostsWithoutFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chat")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := NewKnownHosts(file, func(err error) { t.Error(err) })
	if hosts, err := k.Hosts(); err != nil || len(hosts) != 0 {
		t.Errorf("%v, %v; want none", hosts, err)
	}
}
