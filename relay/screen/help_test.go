package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The help page at the sizes that terminals have.
func TestGoldenHelp(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {100, 24}, {100, 30}, {120, 24}, {120, 30}, {140, 30}} {
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

// At any size the help page shows every word of every entry, in order, within the screen.
func TestHelpFits(t *testing.T) {
	var r ruler
	for columns := 10; columns <= 300; columns += 1 + columns/60 {
		for rows := 3; rows <= 60; rows += 4 {
			for _, operator := range []bool{false, true} {
				lines := helpPage(r, columns, rows, operator)
				text := strings.Join(lines, "\n")
				for _, line := range lines {
					if r.width(line) > columns {
						t.Fatalf("%d×%d: %q is %d columns wide", columns, rows, line, r.width(line))
					}
				}
				for _, c := range commandsLike("", operator) {
					for _, word := range slices.Concat(strings.Fields(c.Usage()), strings.Fields(c.Help)) {
						if len(word) < columns-2 && !strings.Contains(text, word) {
							t.Fatalf("%d×%d: %q of %s is missing in\n%s", columns, rows, word, c.Usage(), text)
						}
					}
				}
				if columns >= 60 && len(lines) > len(KeyHelp)+1+len(commandsLike("", operator))*2 {
					t.Errorf("%d×%d: %d lines", columns, rows, len(lines))
				}
			}
		}
	}
}
