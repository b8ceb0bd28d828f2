package screentest

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A host seals a room on its screen. Another screen joins it by address: it compares the pin, and types the secret, which
// stays nowhere. An invite that is pasted in the lobby needs no question. If another key is at the address, the
// screen says so.
func TestSealedRoom(t *testing.T) {
	dir := t.TempDir()
	with := func(member string) string {
		return "env XDG_STATE_HOME=" + filepath.Join(dir, member) + " " + chat(t)
	}
	invite := func(member string, flags ...string) string {
		cmd := exec.Command(chat(t), append([]string{"invite"}, flags...)...)
		cmd.Env = append(cmd.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, member))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	h, a, b := open(t, 80, 24), open(t, 100, 30), open(t, 80, 24)
	h.Run("%s host --secure --room lab --nick alice --addr 127.0.0.1:0 --no-discovery", with("alice"))
	screen := h.Wait(`^  lab is sealed$|^  lab is sealed  `, `^ lab .* 1 here  sealed ●`, `Pin of the host`)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(screen)
	pin := regexp.MustCompile(`(\w{4}   \w{4}   \w{4}   \w{4}) `).FindString(screen)
	link := invite("alice")
	secret := link[strings.LastIndexByte(link, '.')+1:]
	if addr == "" || pin == "" || len(secret) != 16 {
		t.Fatalf("no address, pin or secret: %q, %q, %d characters, on\n%s", addr, pin, len(secret), screen)
	}

	a.Run("%s join --addr %s --nick bob", with("bob"), addr)
	if screen := a.Wait(`── A new host ─`, `^ y trust it`); !strings.Contains(screen, strings.TrimSpace(pin)) {
		t.Errorf("the pin is not that of the host, %s:\n%s", pin, screen)
	}
	a.Press("y")
	a.Wait(`── Secret needed ─`, `^ secret ›`)
	a.Say("not the secret at all")
	a.Wait(`The secret is wrong. 2 tries are left`, `^ secret ›`)
	a.Say(secret)
	a.Wait(`^ lab .* 2 here  ·  `+regexp.QuoteMeta(addr)+`  sealed ●`, `^ bob ›`)
	a.Say("the meeting is at two")
	h.Wait(` bob   the meeting is at two`)

	b.Run("%s join --iface %s --timeout 1s --nick carol", with("carol"), loopback(t))
	b.Wait(`^ join ›`)
	b.Paste(invite("alice", "--listen"))
	b.Wait(`^ lab .* 3 here  sealed ●`, `^ carol › You may only read here`)
	b.Say("hello")
	b.Wait(`Not sent: your invite is only for reading`)
	b.Press("C-u")
	b.Say("/quit")
	b.Wait(`You left lab`, `^ready>$`)

	h.Say("/quit")
	h.Wait(`The room lab is closed`, `^ready>$`)
	h.Run("%s host --secure --room lab --nick eve --addr %s --no-discovery", with("eve"), addr)
	a.Wait(`^ lab .*○`, `── The host has another key ─`, `The pin until now`, `Nothing was sent`)
	a.Press("Escape")
	a.Wait(`the meeting is at two`, `── Not connected · its key has changed ─`)
	a.Press("C-c")
	a.Press("C-c")
	a.Wait(`the meeting is at two`, `another key than before`, `^ready>$`)
	for name, term := range map[string]*terminal{"the host": h, "bob": a, "carol": b} {
		if all := term.Tmux("capture-pane", "-p", "-S", "-"); strings.Contains(all, secret) {
			t.Errorf("%s: the secret is left on the terminal:\n%s", name, all)
		}
	}
}
