package screen

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// The start of a name is better than its middle, that is better than letters apart, and words of the help come last.
// One letter is not looked for everywhere.
func TestMatchCommands(t *testing.T) {
	for typed, want := range map[string]string{
		"s":      "search send msg history members files",
		"se":     "search send",
		"SE":     "search send",
		"me":     "me members",
		"who":    "who ignore",
		"ig":     "ignore unignore",
		"hst":    "history",
		"upl":    "send files",
		"link":   "",
		"trans":  "export cancel",
		"nosuch": "",
		"file":   "files send get cancel",
	} {
		var got []string
		for _, m := range matchCommands(typed, false) {
			got = append(got, m.command.Name)
			of := m.command.Name
			if m.quality == wordOfHelp {
				of = m.command.Help
			}
			found := ""
			for i, at := range m.letters {
				if found += of[at : at+1]; i > 0 && at <= m.letters[i-1] {
					t.Errorf("/%s: letters at %d", m.command.Name, m.letters)
				}
			}
			if !strings.EqualFold(found, typed) {
				t.Errorf("%q: the marked letters of %q are %q", typed, of, found)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := matchCommands("ban", false); len(got) > 0 {
		t.Errorf("offered to everyone: /%s", got[0].command.Name)
	}
	if got := matchCommands("ban", true); len(got) < 3 || got[0].command.Name != "ban" || got[1].command.Name != "bans" || got[2].command.Name != "unban" {
		t.Errorf("/ban: %v", got)
	}
	if all := matchCommands("", false); len(all) != len(commandsLike("", false)) {
		t.Errorf("a slash offers %d commands", len(all))
	}
}

// The list above the composer: its title, the chosen command, and what keys do.
func TestCommandList(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		e := &r.m.conversation.composer.editor
		r.keys("ctrl+k")
		n := len(commandsLike("", false))
		r.want("── Commands ─", fmt.Sprintf("─ %d of %d ──", n, n), "▌/me TEXT")
		if got := strings.Count(r.frame(), "\n /"); got != maxCommandRows-1 {
			t.Errorf("%d commands below the chosen one\n%s", got, r.frame())
		}
		r.keys("up")
		r.want("▌/quit [TEXT]")
		r.keys("down", "down")
		r.want("▌/msg NICK TEXT")
		r.typed("se")
		r.want("▌/search WORDS", " /send PATH", "2 of")
		r.golden("commands-80x24")
		r.keys("down", "tab")
		r.want("› /send", "/send PATH")
		if e.text != "/send " || strings.Contains(r.frame(), "Commands ─") {
			t.Errorf("%q\n%s", e.text, r.frame())
		}
		r.keys("ctrl+_")
		if e.text != "/se" {
			t.Errorf("undone: %q", e.text)
		}
	})
}

// Enter runs only what was typed in full or chosen; else it completes.
func TestCommandListEnter(t *testing.T) {
	for _, test := range []struct {
		typed string
		keys  []string
		text  string // in the editor after it
		ran   string // what was sent to the host
	}{
		{"/wh", []string{"enter"}, "/who", ""},
		{"/wh", []string{"enter", "enter"}, "", "/who"},
		{"/who", []string{"enter"}, "", "/who"},
		{"/WHO", []string{"enter"}, "", "/WHO"},
		{"/wh", []string{"down", "up", "enter"}, "", "/who"},
		{"/topic", []string{"enter"}, "", "/topic"},
		{"/", []string{"enter"}, "/me ", ""},
		{"/", []string{"up", "up", "up", "up", "enter"}, "", "/files"},
		{"/", []string{"down", "down", "enter"}, "/r ", ""}, // it needs a text
		{"/ms", []string{"tab"}, "/msg ", ""},
		{"/sea", []string{"backspace", "shift+tab", "tab"}, "/send ", ""},
		{"/wh", []string{"esc", "enter"}, "/wh", ""},
		{"/wh", []string{"esc"}, "/wh", ""},
		{"/", []string{"esc"}, "", ""},
		{"/zzz", []string{"enter"}, "/zzz", ""},
		{"//who", []string{"enter"}, "", "//who"},
	} {
		t.Run(fmt.Sprint(test.typed, test.keys), func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.typed(test.typed)
				r.frame()
				for _, key := range test.keys {
					r.keys(key)
					r.frame()
				}
				ran := ""
				for _, q := range r.room.asked {
					if ran = q.Text; q.Type == wire.TypeSay {
						ran = "/" + ran
					}
				}
				if got := r.m.conversation.composer.editor.text; got != test.text || ran != test.ran && test.ran != "/files" {
					t.Errorf("the text is %q, want %q; sent %q, want %q", got, test.text, ran, test.ran)
				}
			})
		})
	}
}

// The list is for a command's name that is being typed: not for one from the history, where ↑ goes on, not for text,
// and not on a low terminal, where a hint has its place.
func TestCommandListIsShown(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		c := r.m.conversation
		listed := func(want bool) {
			t.Helper()
			if got := c.isListingCommands(); got != want || strings.Contains(r.frame(), "── Commands") != want {
				t.Errorf("listed: %v, want %v\n%s", got, want, r.frame())
			}
		}
		for _, line := range []string{"hello", "/who"} {
			r.typed(line)
			r.keys("enter")
		}
		r.keys("up")
		listed(false)
		r.keys("up")
		if listed(false); c.composer.editor.text != "hello" {
			t.Errorf("↑ ↑: %q", c.composer.editor.text)
		}
		r.keys("down", "backspace")
		listed(true)
		r.keys("esc")
		listed(false)
		r.keys("backspace")
		listed(true)
		r.typed("ho ")
		listed(false)
		r.keys("ctrl+u")
		for _, text := range []string{"hello", "//", " /", "/who\n"} {
			c.composer.editor.set(text)
			listed(false)
		}
		c.composer.editor.set("/topic")
		listed(true)
		c.composer.openField(newField(r.m.ruler, "find"))
		listed(false)
		r.keys("esc")
		listed(true)
		r.m.height = commandListRows - 1
		listed(false)
		r.want("/topic [TEXT] · Show or set the topic; - clears it.")
	})
}

// Operators' commands are offered to operators only; no row is too wide at any width, and the chosen one is always
// among those shown.
func TestCommandListFits(t *testing.T) {
	for columns := 6; columns < 200; columns += 1 + columns/9 {
		for _, rows := range []int{12, 13, 16, 24, 60} {
			inRoom(t, columns, rows, func(t *testing.T, r *rig) {
				c := r.m.conversation
				c.operator = rows == 24
				r.typed("/")
				for range commandsLike("", c.operator) {
					r.keys("down")
					frame := r.frame() // fails if a row is too wide
					if columns >= commandListColumns && (strings.Count(frame, "▌/") != 1 || strings.Contains(frame, "/kick") && !c.operator) {
						t.Fatalf("%d×%d\n%s", columns, rows, frame)
					}
				}
			})
		}
	}
}

// The chosen command has two signs: a ground, or where there are none bold letters, and the bar.
func TestChosenCommandWithoutColors(t *testing.T) {
	for _, profile := range []colorprofile.Profile{colorprofile.Ascii, colorprofile.ANSI, colorprofile.TrueColor} {
		th := theme.For(nil, nil, profile)
		p := &painter{columns: 60, theme: th}
		m := matchCommands("se", false)[0]
		chosen, other := drawCommand(p, &m, 20, true), drawCommand(p, &m, 20, false)
		bar := "▌"
		if th.Mono {
			bar = "┃"
		}
		if !strings.HasPrefix(ansi.Strip(chosen), bar+"/search WORDS") || !strings.HasPrefix(ansi.Strip(other), " /search WORDS") {
			t.Errorf("%v: %q, %q", profile, chosen, other)
		}
		if th.Selected == "" && !strings.Contains(chosen, string(theme.Bold)+"m/") {
			t.Errorf("%v: not bold: %q", profile, chosen)
		}
	}
}
