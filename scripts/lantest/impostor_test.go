package lantest

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"chat/relay/history"
)

// forge makes a history file for a room that has the ID of another one.
func forge(t *testing.T, id string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "forged.chat")
	f, err := history.OpenFile(path, history.Keep{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RoomID(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE meta SET value = ? WHERE name = 'room'`, id); err != nil {
		t.Fatal(err)
	}
	return path
}

// A host elsewhere that has the room's ID and title gets no unsent message and no token, neither
// while the real host is there nor while it is gone. The members wait for the real one.
func TestImpostorElsewhere(t *testing.T) {
	t.Parallel()
	l := newLab(t, "4")
	real := filepath.Join(t.TempDir(), "kitchen.chat")
	kitchen := l.host(1, "kitchen", "--history", real)
	id := l.roomID(1, "127.0.0.1")
	bob := l.join(2, "bob")
	bob.write("before")
	bob.awaitOutput(`"text":"before"`, soon)

	forged := forge(t, id)
	impostor := l.host(3, "kitchen", "--history", forged, "--verbose")

	// The list has both, with a warning, and no one joins one without choosing it, except a
	// member of before.
	list := l.rooms(4)
	if len(list) != 2 || list[0].Room != id || list[1].Room != id || list[0].Addr == list[1].Addr {
		t.Errorf("found %+v, want two hosts", list)
	}
	if _, stderr, _ := l.run(4, "chat", "rooms"); !strings.Contains(stderr, "warning: 2 hosts claim to have the room kitchen") {
		t.Errorf("chat rooms warns of %q", stderr)
	}
	if stdout, _, code := l.run(4, "chat", "doctor"); code != 1 || !strings.Contains(stdout, `FAIL 2 hosts claim to have the room "kitchen"`) {
		t.Errorf("chat doctor: exit code %d, want 1 and a warning\n%s", code, stdout)
	}
	if _, stderr, code := l.run(4, "chat", "join", "kitchen", "--nick", "dave"); code != 2 || !strings.Contains(stderr, "warning: 2 hosts claim") {
		t.Errorf("a new member: exit code %d, %s", code, stderr)
	}
	bob.signal(syscall.SIGTERM)
	for range 3 {
		_, stderr, code := l.run(2, "sh", "-c", "echo I am back | "+program+" join kitchen --nick bob")
		if code != 0 || !strings.Contains(stderr, "another host, at 10.77.0.3:24280, claims to have the room kitchen") {
			t.Errorf("a member of before: exit code %d, %s", code, stderr)
		}
	}
	carol := l.join(2, "carol", "--addr", "10.77.0.1")

	// The real host dies.
	kitchen.signal(syscall.SIGKILL)
	carol.write("my secret")
	sessions := func() int { return strings.Count(impostor.stderrText(), "session over") }
	before := sessions()
	await(t, 40*time.Second, "carol's client has asked the impostor, again and again", func() bool { return sessions() >= before+6 })
	if logged := impostor.stderrText(); strings.Contains(logged, "joined") {
		t.Errorf("the impostor logged %s", logged)
	}
	if strings.Contains(carol.stdoutText(), `"text":"my secret"`) {
		t.Error("the message counts as delivered")
	}
	l.host(1, "kitchen", "--history", real)
	carol.awaitOutput(`"text":"my secret"`, 20*time.Second)
	impostor.signal(syscall.SIGTERM)
	l.wantNothing(forged, 2, "my secret", "I am back")
}

// wantNothing checks that an impostor's history file has no message with one of the texts, and no
// trace of the tokens of the users on a node.
func (l *lab) wantNothing(path string, node int, texts ...string) {
	l.t.Helper()
	var out strings.Builder
	if err := history.Print(l.t.Context(), &out, path, history.Selection{Private: true, Happened: true}, true); err != nil {
		l.t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, text := range texts {
		if strings.Contains(out.String(), text) || strings.Contains(string(b), text) {
			l.t.Errorf("the impostor has %q:\n%s", text, out.String())
		}
	}
	for path, id := range l.identities(node) {
		sum := sha256.Sum256([]byte(id.Token))
		if strings.Contains(string(b), id.Token) || bytes.Contains(b, sum[:]) || strings.Contains(string(b), hex.EncodeToString(sum[:])) {
			l.t.Errorf("the impostor got the token in %s", path)
		}
	}
}

// A keptIdentity is what a user keeps of a room.
type keptIdentity struct{ Token, Secret string }

// identities returns those that the users on a node keep, at least one, by their files.
func (l *lab) identities(node int) map[string]keptIdentity {
	l.t.Helper()
	kept, err := filepath.Glob(filepath.Join(l.stateOf(node), "chat", "*.json"))
	if err != nil || len(kept) == 0 {
		l.t.Errorf("no identities in %s: %v", l.stateOf(node), err)
	}
	list := map[string]keptIdentity{}
	for _, path := range kept {
		var id keptIdentity
		record, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(record, &id)
		}
		if err != nil || id.Token == "" {
			l.t.Errorf("%s: %q, %v", path, id.Token, err)
		}
		list[path] = id
	}
	return list
}

// An impostor at the address and port of the room gets nothing either, whether or not the room
// has a history, and whatever the impostor claims.
func TestImpostorAtTheAddress(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{true, false} {
		for _, sameID := range []bool{true, false} {
			t.Run(fmt.Sprintf("history %v, same ID %v", kept, sameID), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, "3")
				var flags []string
				if kept {
					flags = []string{"--history", filepath.Join(t.TempDir(), "kitchen.chat")}
				}
				kitchen := l.host(1, "kitchen", flags...)
				id := l.roomID(1, "127.0.0.1")
				bob := l.join(2, "bob")
				bob.write("before")
				bob.awaitOutput(`"text":"before"`, soon)
				kitchen.signal(syscall.SIGKILL)
				await(t, soon, "bob notices that the connection is lost", func() bool { return strings.Contains(bob.stderrText(), "connection lost") })
				bob.write("my secret")

				forged := filepath.Join(t.TempDir(), "other.chat")
				want := "kitchen is gone; another room, also called kitchen, is at this address; 1 line was not delivered"
				if sameID {
					forged = forge(t, id)
					want = "kitchen is gone; the host at this address cannot prove that it has the same room; 1 line was not delivered"
				}
				l.lan("cut", "1", "--silent") // another machine takes the address
				l.run(3, "ip", "addr", "add", "10.77.0.1/24", "dev", "eth0")
				impostor := l.host(3, "kitchen", "--history", forged)
				l.run(2, "ip", "neigh", "flush", "all")
				select {
				case <-bob.done:
				case <-time.After(40 * time.Second):
					t.Fatalf("bob stays:\n%s", bob.stderrText())
				}
				if code := bob.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(bob.stderrText(), want) || !strings.Contains(bob.stderrText(), "! not sent: my secret") {
					t.Errorf("exit code %d, %s", code, bob.stderrText())
				}
				impostor.signal(syscall.SIGTERM)
				l.wantNothing(forged, 2, "my secret")
			})
		}
	}
}
