package screentest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// A host and two members, each on a screen of another size, exchange messages.
func TestConversation(t *testing.T) {
	h, a, b := open(t, 80, 24), open(t, 100, 30), open(t, 40, 10)
	h.Run("%s host --room kitchen --nick alice --addr 127.0.0.1:0 --no-discovery", chat(t))
	screen := h.Wait(`^  kitchen is open$|^  kitchen is open  `, `^ kitchen .* 1 here .*●`, `^ alice ›`)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(screen)
	if addr == "" {
		t.Fatalf("no address on the screen:\n%s", screen)
	}
	a.Run("%s join --addr %s --nick bob", chat(t), addr)
	a.Wait(`^ kitchen .* 2 here .* 127\.0\.0\.1:\d+ .*●`)
	b.Run("%s join --addr %s --nick carol", chat(t), addr)
	b.Wait(`^ kitchen +3  plain ●`, `^ carol ›`)
	h.Wait(`bob, carol|→ carol`, `3 here`)

	a.Say("soup is ready")
	h.Wait(` bob   soup is ready`)
	b.Wait(` bob   soup is ready`)
	a.Wait(` bob   soup is ready`)
	h.Say("/me runs")
	a.Wait(`\*   alice runs`)
	h.Say("/msg bob save me some")
	a.Wait(`alice → you  save me some`)
	h.Wait(`alice → bob  save me some`)
	b.Never(`save me some`)
	a.Say("/r of course")
	h.Wait(`bob → you  of course`)
	a.Say("//etc is a folder")
	h.Wait(`bob   /etc is a folder`)
	a.Say("/nick robert")
	h.Wait(`bob is now robert`)
	a.Wait(`^ robert ›`)
	a.Say("/nosuch")
	a.Wait(`!   unknown command /nosuch`)
	h.Say("/kick robert too loud")
	a.Wait(`kicked`, `^ready>$`)
}

// If no room is found, the screen says where it looked, looks again, and accepts an address.
func TestLobby(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	term.Run("%s join --iface %s --timeout 1s --nick bob", chat(t), loopback(t))
	term.Wait(`chat  Looking for rooms on this network…`)
	term.Wait(`chat  No room found on this network`, `Looked for 1 s on `, `chat doctor`, `▌ \+ Host one here  as \S+ +Enter$`, `^ join › Address: host`)
	term.Press("C-r")
	term.Wait(`Looking for rooms on this network…`)
	term.Wait(`No room found`)
	term.Type("127.0.0.1:1")
	term.Wait(`▌ @ Address  127.0.0.1:1$`)
	term.Press("Enter")
	term.Wait(`connection refused by 127.0.0.1:1`, `^ join › 127.0.0.1:1$`)
	term.Press("Escape")
	term.Wait(`^ join › Address`)
	term.Press("Escape") // the error stays on the terminal
	term.Wait(`^chat: connection refused by 127.0.0.1:1$`, `^ready>$`)
	term.Run("clear; %s join --iface %s --timeout 1s --nick bob", chat(t), loopback(t))
	term.Wait(`No room found`)
	term.Type(h.addr)
	term.Press("Enter")
	term.Wait(`^ kitchen .* 1 here .*●`, `^ bob › Say something`)
}

// At the end the terminal is as it was before, with the last lines of the transcript on it.
func TestTerminalIsRestored(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	term.Run("stty -a > %s/before; echo before", t.TempDir())
	dir := t.TempDir()
	for name, leave := range map[string]func(){
		"quit":   func() { term.Say("/quit") },
		"ctrl-c": func() { term.Press("C-c"); term.Wait(`Ctrl-C again leaves`); term.Press("C-c") },
		"term":   func() { term.Type("half a line"); term.Wait(`› half a line$`); signalChild(t, term, syscall.SIGTERM) }, // unread input would go to the shell
	} {
		t.Run(name, func(t *testing.T) {
			term.Run("clear; printf '\\033]2;mine\\007'; stty -a > %s/%s.before", dir, name)
			h.join(term, "bob")
			term.Say("last line before " + name)
			term.Wait(`bob   last line before ` + name)
			leave()
			term.Wait(`^ready>$`, `bob   last line before `+name)
			term.Run("stty -a > %s/%s.after; echo writ''ten", dir, name)
			term.Wait(`written`)
			before, _ := os.ReadFile(filepath.Join(dir, name+".before"))
			after, err := os.ReadFile(filepath.Join(dir, name+".after"))
			if err != nil || string(before) != string(after) {
				t.Errorf("stty before:\n%s\nafter:\n%s (%v)", before, after, err)
			}
			modes := term.Tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{keypad_flag} #{cursor_flag} #{pane_title}")
			if strings.TrimSpace(modes) != "0 0 0 1 mine" {
				t.Errorf("alternate screen, mouse, keypad, cursor, title: %s", modes)
			}
		})
	}
}

// A view that was scrolled up stays where it is, counts new messages, and End shows them.
func TestScrollAndUnread(t *testing.T) {
	h := startHost(t)
	term := open(t, 60, 12)
	g := h.guest("mallory")
	for n := range 40 {
		fmt.Fprintf(g, "line %d\n", n)
	}
	h.join(term, "bob")
	term.Wait(`line 39`)
	term.Press("PageUp")
	before := rowsOf(term.Wait(`\A.*\n.*line 2\d$`))
	for n := 40; n < 45; n++ {
		fmt.Fprintf(g, "line %d\n", n)
	}
	screen := term.Wait(`── ↓ 5 new ──$`)
	if after := rowsOf(screen); after[1] != before[1] || after[4] != before[4] {
		t.Errorf("the view moved:\n%s\nbefore:\n%s", screen, strings.Join(before, "\n"))
	}
	term.Press("End")
	term.Wait(`─ new ─`, `line 44`)
	term.Press("Home")
	term.Wait(`line 0$`)
	term.Say("seen")
	term.Wait(`bob   seen`)
	term.Never(`─ new`)
}

func rowsOf(screen string) []string { return strings.Split(screen, "\n") }

// Messages older than the backlog are loaded when the top is reached.
func TestOlderThanTheBacklog(t *testing.T) {
	h := startHost(t, "--limit", "rate=none")
	g := h.guest("mallory")
	for n := range 500 {
		fmt.Fprintf(g, "line %d\n", n)
	}
	term := open(t, 60, 20)
	h.join(term, "bob")
	term.Wait(`line 499`)
	waitUntil(t, "Home shows the first line", func() bool {
		term.Press("Home")
		return strings.Contains(term.Screen(), "line 0\n")
	})
}

// A small paste is sent as one message. Before a large one is split, the screen asks.
func TestPaste(t *testing.T) {
	h := startHost(t, "--limit", "rate=none")
	a, b := open(t, 80, 24), open(t, 80, 24)
	h.join(a, "alice")
	h.join(b, "bob")
	a.Paste("one\ntwo\n\x1b[31mthree")
	a.Wait(`^ alice › one$`, `^ +two$`)
	b.Never(`two`)
	a.Press("Enter")
	b.Wait(`alice   one$`, `^ +two$`, `three`)

	var block strings.Builder
	for n := range 500 {
		fmt.Fprintf(&block, "pasted line %d\n", n)
	}
	a.Paste(block.String())
	a.Wait(`── Enter: send 5 messages · Esc: drop · a paste of 500 lines`)
	a.Press("Escape")
	a.Wait(`Nothing was sent\.`)
	a.Paste(block.String())
	a.Wait(`500 lines`)
	a.Press("Enter")
	b.Wait(`pasted line 499`)
	b.Never(`pasted line 1$`)
}

// However often the size changes, no input is lost and every row is in its place.
func TestResizeStorm(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	h.join(term, "bob")
	g := h.guest("mallory")
	term.Type("half a word")
	for n := range 30 {
		term.Resize(40+(n*53)%260, 10+(n*37)%90)
		fmt.Fprintf(g, "line %d: größe 日本語 👩‍🍳 %s\n", n, strings.Repeat("word ", n))
		if n%3 == 0 { // the others change the size while a frame is drawn
			term.Wait(fmt.Sprintf("line %d:", n))
		}
	}
	for _, size := range [][2]int{{40, 10}, {300, 100}, {20, 5}, {80, 24}} {
		term.Resize(size[0], size[1])
		term.Wait(`half a word`)
	}
	term.Wait(`^ bob › half a word$`, `^ kitchen .*●`, `line 29`, `\A(.*\n){23}.*\z`)
	term.Press("Enter")
	term.Wait(`bob   half a word`)
}

// Messages typed while the host is down are sent when it is back.
func TestHostRestarts(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	h.join(term, "bob")
	term.Say("before")
	term.Wait(`bob   before`)
	h.kill()
	term.Wait(`^── Not connected · trying again`, `^ kitchen .*○`)
	term.Say("meanwhile")
	term.Wait(`^── Not connected · 1 message waits · trying again`, `… meanwhile`)
	term.Type("half a line")
	h.start()
	term.Wait(`^ kitchen .*●`, `the host was restarted`, `bob   meanwhile`, `^ bob › half a line$`)
}

// No message draws outside its own rows.
func TestHostileMember(t *testing.T) {
	h := startHost(t, "--limit", "rate=none")
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
	screen := term.Wait(`the end`, `^ bob › Message kitchen$`, `^ kitchen .*●`)
	if n := len(rowsOf(screen)); n != 24 {
		t.Errorf("%d rows:\n%s", n, screen)
	}
	if regexp.MustCompile(`(?m)^.{0,16}alice`).MatchString(screen) {
		t.Errorf("a forged line:\n%s", screen)
	}
	title := term.Tmux("display-message", "-p", "#{pane_title}")
	if strings.Contains(title, "title") {
		t.Errorf("a message set the title: %s", title)
	}
}

// Help, the member list, search, export and completion.
func TestCommands(t *testing.T) {
	h := startHost(t)
	term := open(t, 90, 40)
	h.join(term, "bob")
	g := h.guest("zoe")
	for n := range 60 {
		fmt.Fprintf(g, "line %d needle%d\n", n, n%7)
	}
	term.Wait(`line 59`)
	term.Say("/help")
	term.Wait(`/search`, `Alt-Enter`, `/msg NICK TEXT`)
	term.Press("Escape")
	waitGone(t, term, `Alt-Enter`) // Escape and a key at once would be Alt with the key
	term.Press("F2")
	term.Wait(`│ bob`, `│ zoe`)
	term.Press("F2")
	term.Say("/search needle3")
	term.Wait(`line 59 needle3`, `── Search  1 of 9\+? ──`, `^ search › needle3$`)
	for range 8 {
		term.Press("Up")
	}
	term.Wait(`line 3 needle3`, `── Search  9 of 9\+? ──`)
	term.Press("Up")
	term.Wait(`No older match\.`, `── Search  9 of 9 ──`)
	term.Type("3")
	term.Wait(`── No messages match "needle33"\. ──`)
	term.Press("Escape")
	waitGone(t, term, `needle33`)
	term.Wait(`line 59`, `^ bob › Message kitchen$`)
	file := filepath.Join(t.TempDir(), "export.jsonl")
	term.Say("/export " + file)
	term.Wait(`saved 60 messages to`)
	b, err := os.ReadFile(file)
	if err != nil || strings.Count(string(b), "\n") != 60 || !strings.HasPrefix(string(b), `{"type":"message"`) {
		t.Errorf("%v\n%.300s", err, b)
	}
	term.Type("z")
	term.Press("Tab")
	term.Type("hello")
	term.Wait(`^ bob › zoe?: hello|^ bob › z`)
}

// Without a capable terminal, or if CHAT_PLAIN asks for it, chat join prints lines.
func TestWithoutScreen(t *testing.T) {
	h := startHost(t)
	for name, env := range map[string][]string{
		"dumb": {"TERM=dumb"}, "CHAT_PLAIN": {"CHAT_PLAIN=1"},
	} {
		t.Run(name, func(t *testing.T) {
			term := open(t, 80, 24)
			term.Run("%s %s join --addr %s --nick bob", strings.Join(env, " "), chat(t), h.addr)
			term.Wait(`^\* Welcome to kitchen, bob`)
			term.Press("C-d")
			term.Wait(`^ready>$`)
		})
	}
}

// However high the terminal is, the room, the connection and what is typed are on it; the header and the keys
// only if there is room. A search and its count are in the same rows at all sizes.
func TestSizes(t *testing.T) {
	h := startHost(t, "--limit", "rate=none")
	term := open(t, 80, 24)
	h.join(term, "bob")
	g := h.guest("zoe")
	fmt.Fprintln(g, "/topic Lunch at 12:30")
	for n := range 60 {
		fmt.Fprintf(g, "line %d needle%d\n", n, n%7)
	}
	term.Wait(`line 59`)
	term.Type("half a line")
	for _, test := range []struct {
		columns, rows int
		first, rule   string
		keys          bool
	}{
		{40, 8, `line 5\d`, `^── kitchen · plain · 2 ● ─+$`, false},
		{40, 10, `^ kitchen +2  plain ●`, `^─{40}$`, false},
		{80, 24, `^ kitchen   Lunch at 12:30 +2 here  plain ●`, `^─{80}$`, true},
		{120, 32, `^ kitchen   Lunch at 12:30 +2 here  ·  127\.0\.0\.1:\d+  plain ●`, `^─{120}$`, true},
		{200, 50, `^ kitchen   Lunch at 12:30 +2 here  ·  127\.0\.0\.1:\d+  plain ●`, `^─{200}$`, true},
	} {
		term.Resize(test.columns, test.rows)
		composer, end := `^ bob › half a line$`, ``
		if test.keys {
			end = `\n Enter send   Alt-Enter new line   Tab complete   F1 help`
		}
		screen := term.Wait(test.rule+`\n`+composer[1:len(composer)-1]+end+`\z`, `line 59`)
		if first := rowsOf(screen)[0]; !regexp.MustCompile(test.first).MatchString(first) {
			t.Errorf("%dx%d: the first row is %q, want %s", test.columns, test.rows, first, test.first)
		}
	}
	for _, size := range [][2]int{{200, 50}, {80, 24}, {40, 10}, {40, 8}} {
		term.Resize(size[0], size[1])
		term.Press("C-u")
		term.Say("/search needle3")
		term.Press("Up")
		term.Wait(`^── Search  2 of 9 ─+\n search › needle3`, `line 52 needle3`)
		term.Press("Escape")
		term.Wait(`line 59`, `^ bob › Message kitchen`)
	}
}
