package chattest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long Wait waits.
const patience = 15 * time.Second

// A Terminal is a window of its own tmux server. It runs a shell, so that a test sees the
// state in which a program leaves the terminal.
type Terminal struct {
	t      *testing.T
	socket string
}

// OpenTerminal opens a terminal until the test ends. within is a command that runs the
// shell, for example in another network; none is needed.
func OpenTerminal(t *testing.T, columns, rows int, within ...string) *Terminal {
	t.Helper()
	NeedTools(t, "tmux", "bash")
	term := &Terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows)}
	args = append(args, within...)
	term.Tmux(append(args, "env", "HISTFILE=", "PS1=ready> ", "bash", "--norc", "--noprofile")...)
	t.Cleanup(func() { exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	term.Tmux("set-option", "-g", "focus-events", "on")
	term.Wait(`^ready>$`)
	return term
}

// Tmux runs a tmux command and returns its output.
func (term *Terminal) Tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// Run types a shell command and Enter.
func (term *Terminal) Run(format string, args ...any) {
	term.t.Helper()
	term.Type(fmt.Sprintf(format, args...))
	term.Press("Enter")
}

// Type types text as it is.
func (term *Terminal) Type(text string) {
	term.t.Helper()
	term.Tmux("send-keys", "-l", "--", text)
}

// Press presses keys, given by tmux's names.
func (term *Terminal) Press(keys ...string) {
	term.t.Helper()
	term.Tmux(append([]string{"send-keys", "--"}, keys...)...)
}

// Say types a line and Enter.
func (term *Terminal) Say(line string) {
	term.t.Helper()
	term.Type(line)
	term.Press("Enter")
}

// Screen returns the text on the screen, without trailing blanks.
func (term *Terminal) Screen() string {
	term.t.Helper()
	rows := strings.Split(strings.TrimRight(term.Tmux("capture-pane", "-p"), "\n"), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.Join(rows, "\n")
}

// Wait waits until the screen matches all patterns, and returns it.
func (term *Terminal) Wait(patterns ...string) string {
	term.t.Helper()
	return term.WaitWithin(patience, patterns...)
}

// WaitWithin is Wait with another limit.
func (term *Terminal) WaitWithin(within time.Duration, patterns ...string) string {
	term.t.Helper()
	deadline := time.Now().Add(within)
	for {
		screen := term.Screen()
		missing := ""
		for _, p := range patterns {
			if !regexp.MustCompile(`(?m)` + p).MatchString(screen) {
				missing = p
			}
		}
		if missing == "" {
			return screen
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("%q is not on the screen after %v:\n%s", missing, within, screen)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// Never checks that the screen does not match pattern now.
func (term *Terminal) Never(pattern string) {
	term.t.Helper()
	if screen := term.Screen(); regexp.MustCompile(`(?m)` + pattern).MatchString(screen) {
		term.t.Fatalf("%q is on the screen:\n%s", pattern, screen)
	}
}

// Paste pastes text as a terminal does with bracketed paste.
func (term *Terminal) Paste(text string) {
	term.t.Helper()
	file := filepath.Join(term.t.TempDir(), "paste")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		term.t.Fatal(err)
	}
	term.Tmux("load-buffer", file)
	term.Tmux("paste-buffer", "-p", "-r")
}

// Resize changes the size of the screen.
func (term *Terminal) Resize(columns, rows int) {
	term.t.Helper()
	term.Tmux("resize-window", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows))
}
