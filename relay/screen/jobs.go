package screen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/keyboard"
)

// ErrTerminalGone is wrapped by the error of a screen whose terminal was closed.
var ErrTerminalGone = errors.New("the terminal was closed")

// Messages about the terminal and the process.
type (
	suspendAsked struct{} // another process asked us to stop

	// terminalBack says that the screen has the terminal again.
	terminalBack struct {
		err   error  // why it has not
		flash string // a short message; "": none
	}
)

// A jobs suspends the program as a shell's job, and notices when it is continued. Its
// methods may be called concurrently.
type jobs struct {
	continued chan struct{} // capacity 1: the process was continued while stop waited
	stopping  atomic.Bool   // stop is waiting
}

func newJobs() *jobs { return &jobs{continued: make(chan struct{}, 1)} }

// stopWait is how long a process may take to stop after the signal. One that the
// kernel does not stop must not wait for a shell that does not know of it.
const stopWait = time.Second

// wasContinued notes that the process was continued. It reports whether stop waited for it.
func (j *jobs) wasContinued() bool {
	select {
	case j.continued <- struct{}{}:
	default:
	}
	return j.stopping.Load()
}

// stop stops the process by the function signal and waits until it is continued. It reports
// whether it was stopped at all.
func (j *jobs) stop(ctx context.Context, signal func() error) (stopped bool) {
	select {
	case <-j.continued:
	default:
	}
	j.stopping.Store(true)
	defer j.stopping.Store(false)
	if signal() != nil {
		return false
	}
	const turns = 10 // while the process is stopped only one of them can pass
	for range turns {
		select {
		case <-j.continued:
			return true
		case <-ctx.Done():
			return true
		case <-time.After(stopWait / turns):
		}
	}
	return false
}

// suspend stops the program until the shell continues it. If it would stay stopped, or
// would stop a room, a short message says so instead.
func (m *model) suspend() tea.Cmd {
	reason := whyNoSuspend()
	if m.hosting != nil {
		reason = "Ctrl-Z would stop the room for everyone"
	}
	if reason != "" {
		m.notice(reason)
		return nil
	}
	return m.withoutTerminal(func() (flash string) {
		if !m.jobs.stop(m.ctx, stopGroup) {
			return "Ctrl-Z: the program was not suspended"
		}
		return ""
	})
}

// takeTerminal sets the terminal's modes and draws the screen again, whatever other
// programs have done to them.
func (m *model) takeTerminal() tea.Cmd {
	return m.withoutTerminal(func() string { return "" })
}

// withoutTerminal leaves the terminal as it was before the screen, calls do, and then takes
// it back. do returns a short message. If the terminal is released already, it is taken back
// once more after that instead: two at once would read the keyboard twice.
func (m *model) withoutTerminal(do func() (flash string)) tea.Cmd {
	if m.released {
		m.changed = true
		return nil
	}
	m.released = true
	flash := ""
	run := tea.Exec(errand(func() {
		waitForRenderer()
		fmt.Print(restoreTitle)
		flash = do()
		fmt.Print(saveTitle)
		if m.keyboard != nil {
			m.keyboard.Resume()
		}
	}), func(err error) tea.Msg { return terminalBack{err, flash} })
	return func() tea.Msg {
		if m.keyboard != nil {
			m.keyboard.Pause()
		}
		return run()
	}
}

// waitForRenderer waits until the goroutine with which Bubble Tea draws has ended. Bubble Tea does not
// wait for that: if it began to draw again before, the old goroutine would stop the new one's ticker,
// and the screen would stay empty.
func waitForRenderer() {
	const turn, most = time.Millisecond, 1000
	for n := 0; n < most && isDrawing(); n++ {
		time.Sleep(turn)
	}
}

// isDrawing reports whether the goroutine with which Bubble Tea draws is there. Only its stack shows it.
func isDrawing() bool {
	var stacks bytes.Buffer
	err := pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	return err == nil && bytes.Contains(stacks.Bytes(), []byte("bubbletea/v2.(*Program).startRenderer."))
}

// An errand is done while Bubble Tea has released the terminal.
type errand func()

func (e errand) Run() error        { e(); return nil }
func (errand) SetStdin(io.Reader)  {}
func (errand) SetStdout(io.Writer) {}
func (errand) SetStderr(io.Writer) {}

// updateTerminal handles messages about the terminal and the process. It reports whether
// msg is one.
func (m *model) updateTerminal(msg tea.Msg) (cmd tea.Cmd, handled bool) {
	switch msg := msg.(type) {
	case suspendAsked:
		return m.suspend(), true
	case keyboard.TerminalChanged:
		return m.takeTerminal(), true
	case terminalBack:
		m.released = false
		if msg.err != nil {
			return m.leaveGone(msg.err), true
		}
		if msg.flash != "" {
			m.notice(msg.flash)
		}
		if m.changed {
			m.changed = false
			return m.takeTerminal(), true
		}
		return nil, true
	case keyboard.TerminalGone:
		return m.leaveGone(msg.Err), true
	}
	return nil, false
}

// leaveGone ends the screen, whose terminal no longer works.
func (m *model) leaveGone(err error) tea.Cmd {
	if m.err == nil {
		m.err = fmt.Errorf("%w (%v)", ErrTerminalGone, err)
	}
	return tea.Quit
}

// notice shows a line until the next key.
func (m *model) notice(line string) {
	if m.conversation != nil {
		m.conversation.flash = line
	} else {
		m.lobby.note = line
	}
}
