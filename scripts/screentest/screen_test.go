package screentest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A host and two joiners on three screens.
func TestTalk(t *testing.T) {
	h, a, b := open(t, 80, 24), open(t, 100, 30), open(t, 40, 10)
	h.run("%s host --room kitchen --nick alice --addr 127.0.0.1:0 --no-discovery", chat(t))
	screen := h.wait(`room is open`, `kitchen .* 1 here .*connected`, `^alice›`)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(screen)
	if addr == "" {
		t.Fatalf("no address on the screen:\n%s", screen)
	}
	a.run("%s join --addr %s --nick bob", chat(t), addr)
	a.wait(`kitchen · 127\.0\.0\.1:\d+ · 2 here`)
	b.run("%s join --addr %s --nick carol", chat(t), addr)
	b.wait(`^carol›`)
	h.wait(`bob, carol|→ carol`, `3 here`)

	a.say("soup is ready")
	h.wait(`\d\d:\d\d bob  soup is ready`)
	b.wait(`\d\d:\d\d bob  soup is ready`)
	a.wait(`\d\d:\d\d bob  soup is ready`)
	h.say("/me runs")
	a.wait(`\* alice runs`)
	h.say("/msg bob save me some")
	a.wait(`\[alice → you\] save me some`)
	h.wait(`\[you → bob\] save me some`)
	b.never(`save me some`)
	a.say("/r of course")
	h.wait(`\[bob → you\] of course`)
	a.say("//etc is a folder")
	h.wait(`bob  /etc is a folder`)
	a.say("/nick robert")
	h.wait(`bob is now robert`)
	a.wait(`^robert›`)
	a.say("/nosuch")
	a.wait(`! unknown command /nosuch`)
	h.say("/kick robert too loud")
	a.wait(`kicked`, `^ready>$`)
}

// Arriving where no room announces itself: the screen says what may be in the way, looks
// again, and takes an address.
func TestArriving(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	term.run("%s join --iface %s --timeout 1s --nick bob", chat(t), loopback(t))
	term.wait(`Looking for rooms on this network…`)
	term.wait(`no room found within 1s`, `firewall`, `^› Address:`)
	term.keys("Enter")
	term.wait(`Looking for rooms on this network…`)
	term.wait(`^› Address:`)
	term.typed("127.0.0.1:1")
	term.keys("Enter")
	term.wait(`nobody listens at 127.0.0.1:1`, `^› Address: 127.0.0.1:1$`)
	term.keys("C-u")
	term.typed(h.addr)
	term.keys("Enter")
	term.wait(`kitchen · .* 1 here .*connected`, `^bob›$`)
}

// Quitting leaves the terminal as it was, with the last lines on it.
func TestTerminalIsRestored(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	term.run("stty -a > %s/before; echo before", t.TempDir())
	dir := t.TempDir()
	for name, leave := range map[string]func(){
		"quit":   func() { term.say("/quit") },
		"ctrl-c": func() { term.keys("C-c"); term.wait(`Ctrl-C again leaves`); term.keys("C-c") },
		"term":   func() { term.typed("half a line"); pkill(t, term) },
	} {
		t.Run(name, func(t *testing.T) {
			term.run("clear; stty -a > %s/%s.before", dir, name)
			h.join(term, "bob")
			term.say("last words of " + name)
			term.wait(`bob  last words of ` + name)
			leave()
			term.wait(`^ready>$`, `bob  last words of `+name)
			term.run("stty -a > %s/%s.after; echo writ''ten", dir, name)
			term.wait(`written`)
			before, _ := os.ReadFile(filepath.Join(dir, name+".before"))
			after, err := os.ReadFile(filepath.Join(dir, name+".after"))
			if err != nil || string(before) != string(after) {
				t.Errorf("stty before:\n%s\nafter:\n%s (%v)", before, after, err)
			}
			modes := term.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{keypad_flag} #{cursor_flag}")
			if strings.TrimSpace(modes) != "0 0 0 1" {
				t.Errorf("alternate screen, mouse, keypad, cursor: %s", modes)
			}
		})
	}
}

// pkill sends SIGTERM to the program in a terminal.
func pkill(t *testing.T, term *terminal) {
	t.Helper()
	pid := strings.TrimSpace(term.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", pid, pid))
	if err != nil {
		t.Skipf("no way to find the program: %v", err)
	}
	for _, child := range strings.Fields(string(out)) {
		terminate(t, child)
	}
}

// The view stays put while one reads back, tells what is new, and goes there.
func TestScrollAndUnread(t *testing.T) {
	h := startHost(t)
	term := open(t, 60, 12)
	g := h.guest("guest")
	time.Sleep(500 * time.Millisecond)
	for n := range 40 {
		fmt.Fprintf(g, "line %d\n", n)
	}
	h.join(term, "bob")
	term.wait(`line 39`)
	term.keys("PageUp")
	time.Sleep(200 * time.Millisecond)
	before := rowsOf(term.screen())
	for n := 40; n < 45; n++ {
		fmt.Fprintf(g, "line %d\n", n)
	}
	screen := term.wait(`5 new messages below`)
	if after := rowsOf(screen); after[0] != before[0] || after[3] != before[3] {
		t.Errorf("the view moved:\n%s\nbefore:\n%s", screen, strings.Join(before, "\n"))
	}
	term.keys("End")
	term.wait(`── new ─`, `line 44`)
	term.keys("Home")
	term.wait(`line 0$`)
	term.say("seen")
	term.wait(`bob  seen`)
	term.never(`── new`)
}

func rowsOf(screen string) []string { return strings.Split(screen, "\n") }

// What is older than the backlog is fetched when one scrolls past the top.
func TestOlderThanTheBacklog(t *testing.T) {
	h := startHost(t, "--rate", "0")
	g := h.guest("guest")
	time.Sleep(500 * time.Millisecond)
	for n := range 500 {
		fmt.Fprintf(g, "line %d\n", n)
	}
	term := open(t, 60, 20)
	h.join(term, "bob")
	term.wait(`line 499`)
	for range 60 {
		term.keys("Home")
		time.Sleep(100 * time.Millisecond)
		if strings.Contains(term.screen(), "line 0\n") {
			return
		}
	}
	t.Errorf("never came to the first line:\n%s", term.screen())
}

// A large paste is asked about, and then sent whole; a small one is one message.
func TestPaste(t *testing.T) {
	h := startHost(t, "--rate", "0")
	a, b := open(t, 80, 24), open(t, 80, 24)
	h.join(a, "alice")
	h.join(b, "bob")
	a.paste("one\ntwo\n\x1b[31mthree")
	a.wait(`^alice› one$`, `^ +two$`)
	b.never(`two`)
	a.keys("Enter")
	b.wait(`alice  one$`, `^ +two$`, `three`)

	var block strings.Builder
	for n := range 500 {
		fmt.Fprintf(&block, "pasted line %d\n", n)
	}
	a.paste(block.String())
	a.wait(`Enter sends 5 messages \(500 lines`)
	a.keys("Escape")
	a.wait(`nothing was sent`)
	a.paste(block.String())
	a.wait(`500 lines`)
	a.keys("Enter")
	b.wait(`pasted line 499`)
	b.never(`pasted line 1$`)
}

// Whatever the size, however fast it changes, nothing typed is lost and every row
// is in its place.
func TestResizeStorm(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	h.join(term, "bob")
	g := h.guest("guest")
	term.typed("half a word")
	for n := range 30 {
		term.resize(40+(n*53)%260, 10+(n*37)%90)
		fmt.Fprintf(g, "line %d: größe 日本語 👩‍🍳 %s\n", n, strings.Repeat("word ", n))
		time.Sleep(20 * time.Millisecond)
	}
	for _, size := range [][2]int{{40, 10}, {300, 100}, {20, 5}, {80, 24}} {
		term.resize(size[0], size[1])
		term.wait(`half a word`)
	}
	screen := term.wait(`bob› half a word$`, `kitchen · .*connected`, `line 29`)
	if n := len(rowsOf(screen)); n != 24 {
		t.Errorf("%d rows:\n%s", n, screen)
	}
	term.keys("Enter")
	term.wait(`bob  half a word`)
}

// The host dies and comes back: what was typed meanwhile is kept and sent.
func TestHostComesBack(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	h.join(term, "bob")
	term.say("before")
	term.wait(`bob  before`)
	h.kill()
	term.wait(`reconnecting`)
	term.say("meanwhile")
	term.wait(`1 message waits`)
	term.typed("half a line")
	h.start()
	term.wait(`connected`, `the host was restarted`, `bob  meanwhile`, `^bob› half a line$`)
}

// Nobody draws outside their own lines.
func TestHostilePeer(t *testing.T) {
	h := startHost(t, "--rate", "0")
	term := open(t, 80, 24)
	h.join(term, "bob")
	g := h.guest("mallory")
	for _, line := range []string{
		"\x1b[2J\x1b[H\x1b[31mred", "\x1b]0;title\a", "\x9b2J", "\r10:02 alice  forged", "\u202etxet sdrawkcab",
		strings.Repeat("\u200b", 2000), "e" + strings.Repeat("\u0301", 4000), strings.Repeat("👩‍", 500), "\ufeff\u2066x\u2069",
		strings.Repeat("x", 79), strings.Repeat("日", 79), "tab\tstop\x0b\x0c", "https://a.example/\x1b]8;;http://evil\x1b\\x",
	} {
		fmt.Fprintf(g, "%s\n", line)
	}
	fmt.Fprintln(g, "the end")
	screen := term.wait(`mallory  the end`, `^bob›$`, `kitchen · .*connected`)
	if n := len(rowsOf(screen)); n != 24 {
		t.Errorf("%d rows:\n%s", n, screen)
	}
	if regexp.MustCompile(`(?m)^\d\d:\d\d alice`).MatchString(screen) {
		t.Errorf("a forged line:\n%s", screen)
	}
	title := term.tmux("display-message", "-p", "#{pane_title}")
	if strings.Contains(title, "title") {
		t.Errorf("the title was set: %s", title)
	}
}

// Help, members, search, export and an unknown nick.
func TestCommands(t *testing.T) {
	h := startHost(t)
	term := open(t, 90, 40)
	h.join(term, "bob")
	g := h.guest("zoe")
	time.Sleep(500 * time.Millisecond)
	for n := range 60 {
		fmt.Fprintf(g, "line %d needle%d\n", n, n%7)
	}
	term.wait(`line 59`)
	term.say("/help")
	term.wait(`/search`, `Alt-Enter`, `/msg NICK TEXT`)
	term.keys("Escape")
	time.Sleep(200 * time.Millisecond) // Escape and a key at once is Alt with the key
	term.keys("F2")
	term.wait(`│ bob`, `│ zoe`)
	term.keys("F2")
	term.say("/search needle3")
	term.wait(`line 59`, `↑ ↓ needle3`)
	for range 8 {
		term.keys("Up")
	}
	term.wait(`line 3 needle3`)
	term.keys("Escape")
	time.Sleep(200 * time.Millisecond)
	term.keys("End")
	file := filepath.Join(t.TempDir(), "talk.jsonl")
	term.say("/export " + file)
	term.wait(`60 messages are in`)
	b, err := os.ReadFile(file)
	if err != nil || strings.Count(string(b), "\n") != 60 || !strings.HasPrefix(string(b), `{"type":"message"`) {
		t.Errorf("%v\n%.300s", err, b)
	}
	term.typed("z")
	term.keys("Tab")
	term.typed("hello")
	term.wait(`^bob› zoe?: hello|^bob› z`)
}

// Where the terminal cannot, or is not to, there are lines.
func TestWithoutScreen(t *testing.T) {
	h := startHost(t)
	for name, env := range map[string][]string{
		"dumb": {"TERM=dumb"}, "CHAT_PLAIN": {"CHAT_PLAIN=1"},
	} {
		t.Run(name, func(t *testing.T) {
			term := open(t, 80, 24)
			term.run("%s %s join --addr %s --nick bob", strings.Join(env, " "), chat(t), h.addr)
			term.wait(`^\* Welcome to kitchen, bob`)
			term.keys("C-d")
			term.wait(`^ready>$`)
		})
	}
}
