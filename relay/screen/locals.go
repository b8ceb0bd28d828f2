package screen

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"rsc.io/qr"

	"chat/relay/wire"
)

// locals are the commands that the screen carries out by itself; the host has the rest.
var locals map[string]func(t *talk, m *model, rest string) tea.Cmd

func init() { // help reads the table that it is in
	locals = map[string]func(t *talk, m *model, rest string) tea.Cmd{
		"help":    func(t *talk, m *model, _ string) tea.Cmd { return t.help(m) },
		"search":  (*talk).find,
		"copy":    (*talk).copy,
		"export":  (*talk).export,
		"invite":  func(t *talk, m *model, _ string) tea.Cmd { return t.invite(m) },
		"members": func(t *talk, m *model, _ string) tea.Cmd { t.people.shown = !t.people.shown; return nil },
		"r":       (*talk).reply,
		"quit":    (*talk).quit,
	}
}

// help shows keys and commands on one page.
func (t *talk) help(m *model) tea.Cmd {
	t.overlayAt = 0
	t.overlay = func(columns, rows int) []string { return helpPage(m.ruler, columns, rows, t.host) }
	return nil
}

// A page is what is shown over the transcript, for so many columns and rows; where it
// has more of these it can be turned.
type page func(columns, rows int) []string

// turn turns the page, or closes it. It reports whether the key was for it: letters
// are for what is being written.
func (t *talk) turn(m *model, name string) bool {
	step := max(t.height(m)-2, 1)
	switch name {
	case "pgdown", "space":
		t.overlayAt += step
	case "pgup":
		t.overlayAt -= step
	case "down":
		t.overlayAt++
	case "up":
		t.overlayAt--
	default:
		t.overlay = nil
		return name == "esc" || name == "enter" || name == "f1" || name == "ctrl+c"
	}
	return true
}

// quit leaves, perhaps with a word.
func (t *talk) quit(m *model, word string) tea.Cmd {
	if n := t.atRisk(); n > 0 && time.Since(t.leaving) > leaveWithin {
		t.leaving = time.Now()
		t.flash = plural(n, "message is", "messages are") + " not delivered; /quit again leaves"
		return nil
	}
	if word != "" {
		t.room.Do(m.ctx, wire.Request{Type: "command", Text: "/quit " + wire.Clean(word)}) // the goodbye is said in any case
	}
	return m.quit()
}

// reply says something to who last said something to us alone.
func (t *talk) reply(m *model, text string) tea.Cmd {
	switch {
	case t.replyTo == "":
		t.tell(m, complaint, "nobody said anything to you alone yet; /msg NICK TEXT does")
	case text == "":
		t.tell(m, complaint, "usage: /r TEXT")
	default:
		t.ask(m, "/msg "+t.replyTo+" "+text)
		t.view.toEnd()
	}
	return nil
}

// maxCopy is how many bytes /copy takes: xterm and tmux pass on no more at once.
const maxCopy = 64 << 10

// copy puts the last messages into the clipboard, by OSC 52.
func (t *talk) copy(m *model, count string) tea.Cmd {
	n := 1
	if count != "" {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			t.tell(m, complaint, "usage: /copy [N]: the last N messages")
			return nil
		}
	}
	var texts []string
	size := 0
	entries := t.transcript.entries
	for i := len(entries) - 1; i >= 0 && len(texts) < n; i-- {
		if entries[i].kind > private {
			continue
		}
		if size += len(entries[i].text) + 1; size > maxCopy {
			break
		}
		texts = append(texts, entries[i].text)
	}
	if len(texts) == 0 {
		t.flash = "there is nothing to copy"
		return nil
	}
	slices.Reverse(texts)
	t.flash = plural(len(texts), "message copied", "messages copied")
	return tea.SetClipboard(strings.Join(texts, "\n"))
}

// export writes the talk so far to a file: as text, or as JSON lines where its name
// says so. It does not overwrite one.
func (t *talk) export(m *model, name string) tea.Cmd {
	if name == "" {
		t.tell(m, complaint, "usage: /export FILE: text, or JSON lines where FILE ends in .json or .jsonl")
		return nil
	}
	if rest, ok := strings.CutPrefix(name+string(filepath.Separator), "~"+string(filepath.Separator)); ok {
		if home, err := os.UserHomeDir(); err == nil {
			name = filepath.Join(home, rest)
		}
	}
	n, err := t.writeTo(name)
	switch {
	case os.IsExist(err):
		t.tell(m, complaint, name+" is there already; nothing was written")
	case err != nil:
		t.tell(m, complaint, "cannot write the talk: "+err.Error())
	default:
		t.tell(m, told, plural(n, "message is", "messages are")+" in "+name)
	}
	return nil
}

func (t *talk) writeTo(name string) (n int, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	asJSON := strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl")
	var b []byte
	for i := range t.transcript.entries {
		e, ok := t.transcript.entries[i].event()
		if !ok {
			continue
		}
		if n++; asJSON {
			b = e.AppendJSON(b)
		} else {
			b = e.Time.Local().AppendFormat(b, "2006-01-02 ")
			b = e.AppendText(b, wire.Viewer{Zone: time.Local, Nick: t.nick})
		}
	}
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return n, err
}

// invite shows how others come in.
func (t *talk) invite(m *model) tea.Cmd {
	t.overlayAt = 0
	t.overlay = func(columns, rows int) []string {
		lines := []string{boldStyle.draw("Others come in with"), ""}
		for _, way := range t.ways(m) {
			lines = append(lines, m.ruler.cut("  "+way, columns))
		}
		addrs := t.addresses(m)
		if len(addrs) == 0 {
			return lines
		}
		code := qrRows(addrs[0])
		if wide := ansi.StringWidth(code[0]); wide > columns {
			return append(lines, "", dimStyle.draw(m.ruler.cut(fmt.Sprintf("(a QR code of the address needs %d columns)", wide), columns)))
		}
		if need := len(lines) + 1 + len(code); need > rows { // half a code is none
			return append(lines, "", dimStyle.draw(m.ruler.cut(fmt.Sprintf("(a QR code of the address needs %d more rows)", need-rows), columns)))
		}
		return append(append(lines, ""), code...)
	}
	return nil
}

// addresses are those at which the room can be reached.
func (t *talk) addresses(m *model) []string {
	if len(m.opts.Ways) > 0 || t.place.Addr == "" {
		return m.opts.Ways
	}
	return []string{t.place.Addr}
}

// ways are the commands by which others come in.
func (t *talk) ways(m *model) (ways []string) {
	if !t.host || m.opts.Discovered {
		ways = append(ways, "chat join")
	}
	for _, addr := range t.addresses(m) {
		ways = append(ways, "chat join --addr "+addr)
		if host, port, err := net.SplitHostPort(addr); err == nil {
			ways = append(ways, "nc "+host+" "+port)
		}
	}
	return ways
}

// qrRows draws a QR code (ISO/IEC 18004) of text in half blocks, dark on light
// whatever the terminal's colours are, with the quiet zone that readers need.
func qrRows(text string) []string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return []string{text}
	}
	const quiet = 4 // modules: section 6.3.8
	var rows []string
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var b strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := code.Black(x, y), code.Black(x, y+1); {
			case top && bottom:
				b.WriteString(" ")
			case top:
				b.WriteString("▄")
			case bottom:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		rows = append(rows, "  "+style("97;40").draw(b.String()))
	}
	return rows
}

// A search is what is looked for in the transcript; the zero one is none.
type search struct {
	words string
	at    int  // the entry found last
	none  bool // there is no further one
}

// find goes to the newest message that holds words; then keys walk on.
func (t *talk) find(m *model, words string) tea.Cmd {
	if words == "" {
		t.tell(m, complaint, "usage: /search WORD; then ↑ and ↓ walk, Esc ends it")
		return nil
	}
	i := t.transcript.find(words, len(t.transcript.entries)-1, -1)
	if i < 0 {
		t.flash = "nothing here says " + words
		return nil
	}
	t.search = search{words: words, at: i}
	t.view.toEntry(m.look(t.columns(m)), &t.transcript, t.height(m), i)
	return nil
}

// key walks the hits, or ends the search. It reports whether the key was for it.
func (s *search) key(t *talk, m *model, name string) bool {
	step := 0
	switch name {
	case "up", "ctrl+p", "shift+tab":
		step = -1
	case "down", "ctrl+n", "tab":
		step = 1
	case "esc", "ctrl+c":
		*s = search{}
		return true
	case "enter":
		*s = search{}
		return t.editor.text == ""
	default:
		return false
	}
	if i := t.transcript.find(s.words, s.at+step, step); i >= 0 {
		s.at, s.none = i, false
		t.view.toEntry(m.look(t.columns(m)), &t.transcript, t.height(m), i)
	} else if s.none = true; step < 0 {
		t.askForOlder(m)
	}
	return true
}

func (s *search) state() string {
	if s.none {
		return "no further " + s.words + " · Esc ends"
	}
	return "↑ ↓ " + s.words + " · Esc ends"
}
