package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// The help page at the sizes that terminals have.
func TestGoldenHelp(t *testing.T) {
	for _, size := range [][2]int{{40, 10}, {80, 24}, {84, 24}, {100, 24}, {100, 30}, {140, 24}, {200, 50}, {300, 100}} {
		for _, host := range []bool{false, true} {
			name := fmt.Sprintf("help-%dx%d", size[0], size[1])
			if host {
				name = fmt.Sprintf("help-host-%dx%d", size[0], size[1])
			}
			t.Run(name, func(t *testing.T) {
				inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
					r.m.conversation.operator = host
					r.keys("f1")
					r.golden(name)
				})
			})
		}
	}
}

// At every size the help page shows every word of every entry, in order, within the screen, and each heading.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	p := helpPage{theme: theme.For(nil, nil, colorprofile.TrueColor)}
	for _, operator := range []bool{false, true} {
		entries := helpFor(operator)
		words := make(map[string]string) // and an entry that has it
		for _, e := range entries {
			for _, word := range slices.Concat(strings.Fields(string(e.Group)), strings.Fields(e.Usage), strings.Fields(e.Help)) {
				words[word] = e.Usage
			}
		}
		for columns := 20; columns <= 300; columns += 1 + columns/200*10 {
			for _, rows := range []int{3, 9, 19, 25, 45, 95} {
				lines := p.draw(entries, columns, rows)
				for i, line := range lines {
					lines[i] = ansi.Strip(line)
					if r := p.ruler; r.width(lines[i]) > columns {
						t.Fatalf("%d×%d: %q is %d columns wide", columns, rows, lines[i], r.width(lines[i]))
					}
				}
				shown := strings.Join(lines, "\n")
				for word, usage := range words {
					if !strings.Contains(shown, word) {
						t.Fatalf("%d×%d: %q of %s is missing in\n%s", columns, rows, word, usage, shown)
					}
				}
				if columns >= 84 && len(lines) > 56 || columns >= 140 && rows >= 45 && len(lines) > rows {
					t.Errorf("%d×%d: %d lines\n%s", columns, rows, len(lines), shown)
				}
			}
		}
	}
}

// In two columns the help of one never continues in the other: a wrapped line stays below its own column.
func TestHelpColumns(t *testing.T) {
	p := helpPage{theme: theme.For(nil, nil, colorprofile.TrueColor)}
	for columns := 84; columns <= 200; columns++ {
		lines := p.draw(helpFor(true), columns, 100)
		headings := ansi.Strip(lines[1])
		right := p.ruler.width(headings[:strings.Index(headings, "─   ")+len("─   ")]) // where the right column starts
		if columns < 160 && (right < columns/2-2 || right > columns/2+3) {
			t.Fatalf("%d columns: the right one starts at %d", columns, right)
		}
		for _, line := range lines {
			line = ansi.Strip(line)
			if left := p.ruler.cut(line, right); len(left) < len(line) && !strings.HasSuffix(left, strings.Repeat(" ", helpGap)) {
				t.Errorf("%d columns: %q crosses the gap", columns, line)
			}
		}
	}
}

// What is typed filters the help; words can be those of a group.
func TestHelpFilter(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.typed("half a line")
		r.keys("f1")
		r.want("── Help ─", "Esc close ──", "help › Type to filter", "1–", "PgDn ──")
		r.typed("FILE upload")
		r.want("help › FILE upload", "/send PATH", "/files")
		if frame := r.frame(); strings.Contains(frame, "/kick") || strings.Contains(frame, "/export") || strings.Contains(frame, "1–") {
			t.Errorf("not filtered:\n%s", frame)
		}
		r.keys("ctrl+u")
		r.typed("zz")
		r.want(`No help matches "zz".`)
		r.keys("ctrl+u", "end")
		r.want("/unignore")
		r.keys("home")
		r.want("Write ─")
		r.keys("esc")
		r.want("half a line")
	})
}

// Every function key has its line, and so has Ctrl-K: the man page and the help page have no other source.
func TestKeyHelpIsComplete(t *testing.T) {
	var listed []string
	for _, e := range KeyHelp(true) {
		listed = append(listed, strings.Fields(e.Usage)...)
		if !slices.Contains(helpGroups, e.Group) || !strings.HasSuffix(e.Help, ".") {
			t.Errorf("%s: %q, in the group %q", e.Usage, e.Help, e.Group)
		}
	}
	for name := range viewActions {
		if strings.HasPrefix(name, "f") && !slices.Contains(listed, strings.ToUpper(name)) {
			t.Errorf("%s is not in the help", name)
		}
	}
	for _, key := range []string{"Enter", "Tab", "Ctrl-K", "PgUp", "Ctrl-Z"} {
		if !slices.Contains(listed, key) {
			t.Errorf("%s is not in the help", key)
		}
	}
	for i := range wire.Commands {
		if c := &wire.Commands[i]; !slices.Contains(helpGroups, c.Group) {
			t.Errorf("/%s: the help page has no group %q", c.Name, c.Group)
		}
	}
}
