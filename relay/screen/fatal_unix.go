//go:build unix

package screen

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// plainTerminal undoes the screen's settings: a terminal that has none of them ignores this.
const plainTerminal = ansi.ResetModeMouseButtonEvent + ansi.ResetModeMouseExtSgr + ansi.ResetModeFocusEvent +
	ansi.ResetModeBracketedPaste + ansi.ResetModeSynchronizedOutput + ansi.ResetModeAltScreenSaveCursor +
	ansi.SetModeTextCursorEnable

// catchFatal restores the terminal when a signal comes on which Go prints all stacks and
// ends the program. The caller calls end.
func (m *model) catchFatal(p *tea.Program) (end func()) {
	before, err := term.GetState(int(os.Stdin.Fd()))
	if err != nil {
		return func() {} // Bubble Tea will report it
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGQUIT, unix.SIGABRT)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		const most = time.Second // the screen may be why someone sends this signal
		released := make(chan struct{})
		go func() {
			m.keyboard.Pause()
			p.ReleaseTerminal()
			close(released)
		}()
		select {
		case <-released:
		case <-time.After(most):
			os.Stdout.WriteString(plainTerminal)
		}
		fmt.Print(restoreTitle)
		term.Restore(int(os.Stdin.Fd()), before)
		signal.Reset(s)
		unix.Kill(os.Getpid(), s.(unix.Signal))
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
