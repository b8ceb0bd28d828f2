package lantest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/relay/seal"
)

// laboratory opens a sealed room on node 1, which has a second address for the attacker's way to it, and
// returns its invite and ID.
func (l *lab) laboratory(args ...string) (host *process, invite seal.Invite, id string) {
	l.t.Helper()
	l.mustRun(1, "ip", "addr", "add", "10.77.0.101/24", "dev", "eth0")
	host, invite = l.sealedHost(args...)
	invite.Addr = fmt.Sprintf("10.77.0.1:%d", port)
	list := l.rooms(1)
	if len(list) != 1 {
		l.t.Fatalf("found %+v", list)
	}
	return host, invite, list[0].Room
}

// sealedHost opens a sealed room on node 1, and returns its invite.
func (l *lab) sealedHost(args ...string) (host *process, invite seal.Invite) {
	l.t.Helper()
	host = l.host(1, "laboratory", append([]string{"--secure"}, args...)...)
	await(l.t, soon, "the room is open", func() bool { return strings.Contains(host.stderrText(), `msg="room open"`) })
	link := strings.TrimSpace(l.mustRun(1, "chat", "invite", "laboratory"))
	invite, err := seal.ParseInvite(link)
	if err != nil {
		l.t.Fatalf("%q: %v", link, err)
	}
	return host, invite
}

// A pipeline is a `chat join` with a line of input.
type pipeline struct {
	stdout, stderr string
	code           int
}

// pipe runs `echo line | chat join args` on node.
func (l *lab) pipe(node int, line string, args ...string) pipeline {
	l.t.Helper()
	stdout, stderr, code := l.run(node, "sh", append([]string{"-c", `line=$1; shift; echo "$line" | "$@"`, "sh", line, program, "join"}, args...)...)
	return pipeline{stdout, stderr, code}
}

// want checks the exit code and that the user reads these texts.
func (p pipeline) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if p.code != code {
		t.Errorf("exit code %d, want %d: %s", p.code, code, p.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(p.stderr, text) {
			t.Errorf("the user does not read %q in:\n%s", text, p.stderr)
		}
	}
}

// Someone who passes on what members and the host send can read nothing of it. Sent again to the host, it has
// no effect.
func TestSealedAgainstEavesdropper(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3", "--no-v6")
	_, invite, id := l.laboratory()
	l.poison(2, 3)
	read := l.middle(3, fmt.Sprintf("10.77.0.101:%d", port))
	carol := l.join(1, "carol", invite.URL())
	bob := l.join(2, "bobby-tables", invite.URL())
	bob.write("the cake is in the oven")
	carol.awaitOutput("the cake is in the oven", soon)
	carol.write("turn it down")
	bob.awaitOutput("turn it down", soon)
	bob.signal(syscall.SIGTERM)
	l.pipe(2, "one more line", "laboratory", "--nick", "bobby-tables").want(t, 0)
	carol.awaitOutput("one more line", soon)
	await(t, soon, "carol reads that the last one left", func() bool {
		_, after, _ := strings.Cut(carol.stdoutText(), "one more line")
		return strings.Contains(after, `"type":"leave"`)
	})
	private := append(l.tokens(2), string(invite.Secret), string(invite.Pin), id, "laboratory", "bobby", "cake", "oven", "turn it down", "one more line", "hello", "welcome", "chat-v1", "ssh-ed25519")
	wantUnread(t, read, private...)
	sent, err := os.ReadFile(filepath.Join(read, "sent"))
	if err != nil || !bytes.HasPrefix(sent, []byte{0x16, 3}) || len(sent) < 1000 {
		t.Fatalf("relayed %d bytes of members (%v), which begin with %.8q", len(sent), err, sent)
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := carol.stdoutText()
	for range 2 {
		l.mustRun(3, self, middleCommand, "-target", fmt.Sprintf("10.77.0.101:%d", port), "-replay", filepath.Join(read, "sent"))
	}
	carol.write("nothing came again")
	carol.awaitOutput(`"text":"nothing came again"`, soon)
	if after := strings.TrimPrefix(carol.stdoutText(), before); strings.Count(after, "\n") != 1 {
		t.Errorf("after the replay carol read\n%s", after)
	}
}

// Someone who ends the encryption with a key of their own, and passes on all to the host, gets nothing from a
// member who knows the pin, or the secret. Each reads why.
func TestSealedAgainstManInTheMiddle(t *testing.T) {
	t.Parallel()
	l := newLab(t, "4", "--no-v6")
	_, invite, _ := l.laboratory()
	l.pipe(2, "before", invite.URL(), "--nick", "bob").want(t, 0)
	l.poison(2, 3)
	l.poison(4, 3)
	read := l.middle(3, fmt.Sprintf("10.77.0.101:%d", port), "-tls")
	const words = "the cake is in the oven"
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(invite.Secret), 0o600); err != nil {
		t.Fatal(err)
	}

	l.pipe(2, words, invite.URL(), "--nick", "bob").want(t, 1,
		"the host at 10.77.0.1:24280 has another key than its invite says; nothing was sent", "someone may be between you and the host")
	l.pipe(2, words, "laboratory", "--nick", "bob").want(t, 1,
		"the key of the host of laboratory, at 10.77.0.1:24280, has changed; nothing was sent", "line 1 of", "known_hosts", "someone may be between you and the host")
	l.pipe(2, words, "--addr", "10.77.0.1", "--nick", "bob", "--secret-file", secretFile).want(t, 1,
		"the key of the host of laboratory, at 10.77.0.1:24280, has changed; nothing was sent", "known_hosts")
	// A new member cannot know the pin, and a pipe has no one to ask.
	l.pipe(4, words, "laboratory", "--secret-file", secretFile, "--nick", "dave").want(t, 1,
		"laboratory at 10.77.0.1:24280 is not known; its pin is", "join with the room's invite")
	wantUnread(t, read, "dave", "bob")
	l.pipe(4, words, "--addr", "10.77.0.1", "--nick", "dave").want(t, 1,
		"the host at 10.77.0.1:24280 is not known; its pin is", "join with the room's invite")

	// A person who says yes to the wrong pin and types the secret.
	erin := l.terminal(4, 100, 30)
	erin.Run("%s join --plain laboratory --nick erin", program)
	erin.Wait(`laboratory, at 10\.77\.0\.1:24280, is sealed, and you join it for the first time`, `Is this the pin that the host shows\? \[y/N\]`)
	erin.Say("y")
	erin.Wait(`Secret of laboratory, or its invite`)
	erin.Say(string(invite.Secret))
	erin.Wait(`someone is between you and the host; nothing was sent`, `hint: join with the room's invite, which names the host's key`)
	// The whole invite says that the pin is another one, before anything is sent.
	frank := l.terminal(4, 100, 30)
	frank.Run("%s join --plain laboratory --nick frank", program)
	frank.Wait(`Is this the pin that the host shows\? \[y/N\]`)
	frank.Say("y")
	frank.Wait(`Secret of laboratory, or its invite`)
	frank.Say(invite.URL())
	frank.Wait(`invite is for another host: its pin is`)

	wantUnread(t, read, append(l.tokens(2), string(invite.Secret), "cake", "before", "erin", "frank", "bob", "chat-v1", "ssh-ed25519")...)
	if sent, err := os.ReadFile(filepath.Join(read, "sent")); err != nil || !bytes.Contains(sent, []byte(`"auth"`)) {
		t.Errorf("the attacker did not read the attempt to prove the secret (%v):\n%s", err, sent)
	}
}

// A machine that announces the room as its host does, with its ID, title and the start of its pin, gets
// nothing from members who know it. New ones have to choose, and are warned.
func TestSealedAnnouncedElsewhere(t *testing.T) {
	t.Parallel()
	l := newLab(t, "4", "--no-v6")
	host, invite, id := l.laboratory("--history", filepath.Join(t.TempDir(), "laboratory.chat"))
	bob := l.join(2, "bob", invite.URL())
	forged := forge(t, id) // the attacker's own room, for when the host is gone
	own := l.start(3, "chat", "host", "--headless", "--secure", "--room", "laboratory", "--history", forged, "--no-discovery", "--addr", "127.0.0.1:24281")
	l.awaitListening(3, 24281)
	read := l.middle(3, fmt.Sprintf("10.77.0.101:%d,127.0.0.1:24281", port), "-tls", "-id", id, "-title", "laboratory", "-hint", invite.Pin.Hint())
	if list := l.rooms(4); len(list) != 2 || list[0].Room != id || list[1].Room != id {
		t.Errorf("found %+v, want two hosts of %s", list, id)
	}
	l.pipe(4, "hello", "laboratory", "--nick", "dave").want(t, 2, "warning: 2 hosts claim to have the room laboratory", "chat join --addr")
	l.pipe(2, "the cake is in the oven", "laboratory", "--nick", "carol").want(t, 0,
		"another host, at 10.77.0.3:24280, claims to have the room laboratory")
	bob.awaitOutput("the cake is in the oven", soon)

	host.signal(syscall.SIGKILL)
	await(t, soon, "bob has lost the host", func() bool { return strings.Contains(bob.stderrText(), "connection lost") })
	bob.write("the soup is cold")
	l.pipe(2, "the tea too", "laboratory", "--nick", "carol").want(t, 1, "the key of the host of laboratory, at 10.77.0.3:24280, has changed; nothing was sent")
	if strings.Contains(bob.stdoutText(), "the soup is cold") {
		t.Error("the message counts as delivered")
	}
	wantUnread(t, read, append(l.tokens(2), string(invite.Secret), "cake", "soup", "the tea", "bob", "carol")...)
	own.signal(syscall.SIGTERM)
	l.wantNothing(forged, 2, "soup", "the tea", "bob")
}

// A machine that takes the host's address after its death gets nothing of what members had not sent yet: neither with
// a sealed room of the same ID and another key, nor with a plain one.
func TestSealedHostReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags     []string
		why, pipe []string // what the members read who stay, and who come
	}{
		"sealed": {[]string{"--secure"},
			[]string{"! not sent: the soup is cold", "the host of laboratory at 10.77.0.1:24280 has another key than before", "nothing was sent", "hint: someone may be between you and the host, or another machine has its address now"},
			[]string{"the key of the host of laboratory, at 10.77.0.1:24280, has changed; nothing was sent", "known_hosts"}},
		"plain": {nil,
			[]string{"the room is sealed, but the program at 10.77.0.1:24280 does not encrypt; nothing was sent; still trying"},
			[]string{"the room is sealed, but the program at 10.77.0.1:24280 does not encrypt; nothing was sent", "another program may have the host's address: ask the host", "known_hosts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "3", "--no-v6")
			host, invite := l.sealedHost("--history", filepath.Join(t.TempDir(), "laboratory.chat"))
			bob := l.join(2, "bob", invite.URL())
			id := l.rooms(2)[0].Room
			host.signal(syscall.SIGKILL)
			await(t, soon, "bob has lost the host", func() bool { return strings.Contains(bob.stderrText(), "connection lost") })
			bob.write("the soup is cold")
			l.lan("cut", "1", "--silent")
			l.mustRun(3, "ip", "addr", "add", "10.77.0.1/24", "dev", "eth0")
			forged := forge(t, id)
			impostor := l.host(3, "laboratory", append(test.flags, "--history", forged)...)
			l.mustRun(2, "ip", "neigh", "flush", "all")
			for _, text := range test.why {
				await(t, 20*time.Second, fmt.Sprintf("bob reads %q in:\n%s", text, bob.stderrText()), func() bool { return strings.Contains(bob.stderrText(), text) })
			}
			if len(test.flags) > 0 {
				<-bob.done
				if code := bob.cmd.ProcessState.ExitCode(); code != 1 {
					t.Errorf("exit code %d", code)
				}
			}
			l.pipe(2, "the tea too", "laboratory", "--nick", "bob").want(t, 1, test.pipe...)
			if bob.signal(syscall.SIGTERM); strings.Contains(bob.stdoutText(), "the soup is cold") {
				t.Errorf("the message counts as delivered:\n%s", bob.stdoutText())
			}
			impostor.signal(syscall.SIGTERM)
			l.wantNothing(forged, 2, "the soup is cold", "the tea too", "bob")
		})
	}
}
