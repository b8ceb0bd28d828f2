//go:build unix

package screentest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"chat/scripts/chattest"
)

// However the program is stopped, the shell gets its terminal, and fg brings the screen back.
func TestSuspend(t *testing.T) {
	h := startHost(t)
	term := open(t, 80, 24)
	h.join(term, "bob")
	term.Type("half")
	for name, stop := range map[string]func(){
		"ctrl-z":  func() { term.Press("C-z") },
		"SIGTSTP": func() { signalChild(t, term, syscall.SIGTSTP) },
		"SIGSTOP": func() { signalChild(t, term, syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			term.Wait(`^ bob › half`)
			stop()
			term.Wait(`Stopped`, `^ready>$`)
			term.Run("fg")
			term.Wait(`^ kitchen .*●`, `^ bob › half`)
			waitGone(t, term, `Stopped`)
			term.Press("C-_") // raw mode: no Enter is needed
			waitGone(t, term, `^ bob › half$`)
			term.Press("C-u")
			term.Type("half")
		})
	}
	term.Press("C-u")
	term.Say("/quit")
	term.Wait(`^ready>$`)
	term.Run("stty -a | grep -o -- '-\\?icanon'")
	term.Wait(`^icanon$`)
}

// Without a shell that could continue it, the program is not stopped.
func TestSuspendWithoutShell(t *testing.T) {
	h := startHost(t)
	for name, start := range map[string]func(term *terminal, command string){
		"window": func(term *terminal, command string) { term.Tmux("new-window", command) },
		"script": func(term *terminal, command string) { term.Tmux("new-window", "sh -c '"+command+"; true'") },
		"session": func(term *terminal, command string) {
			chattest.NeedTools(t, "setsid")
			term.Run("setsid -w %s", command)
		},
		"typescript": func(term *terminal, command string) {
			chattest.NeedTools(t, "script")
			term.Run("script -qec '%s' /dev/null", command)
		},
		"ignored": func(term *terminal, command string) { term.Run("trap '' TTOU TSTP; %s", command) },
	} {
		t.Run(name, func(t *testing.T) {
			term := open(t, 80, 24)
			start(term, fmt.Sprintf("%s join --addr %s --nick bob", chat(t), h.addr))
			term.Wait(`^ kitchen .*●`)
			term.Press("C-z")
			term.Wait(`Ctrl-Z: `, `^ bob ›`)
			term.Say("still here")
			term.Wait(`bob   still here`, `^ bob › Message kitchen$`)
			term.Press("C-c")
			term.Wait(`Ctrl-C again leaves`)
		})
	}
}

// SIGQUIT prints the stacks on a terminal that works.
func TestFatalSignal(t *testing.T) {
	h := startHost(t)
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT} {
		term := open(t, 80, 24)
		h.join(term, "bob")
		signalChild(t, term, s)
		term.Wait(`ready>$`)
		term.Run("clear; stty -a | grep -o -- '-\\?icanon'")
		term.Wait(`^icanon$`)
		if modes := strings.TrimSpace(term.Tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}")); modes != "0 1" {
			t.Errorf("%v: alternate screen, cursor: %s", s, modes)
		}
	}
}
