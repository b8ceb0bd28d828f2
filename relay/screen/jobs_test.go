package screen

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/keyboard"
)

// Suspending waits for the shell, but only if the program was stopped.
func TestStop(t *testing.T) {
	ok := func() error { return nil }
	for name, test := range map[string]struct {
		signal    func() error
		continued time.Duration // 0: never
		canceled  time.Duration // 0: never
		stopped   bool
		after     time.Duration
	}{
		"continued":       {signal: ok, continued: 900 * time.Millisecond, stopped: true, after: 900 * time.Millisecond},
		"ignored":         {signal: ok, stopped: false, after: stopWait},
		"ended meanwhile": {signal: ok, canceled: 300 * time.Millisecond, stopped: true, after: 300 * time.Millisecond},
		"no such signal":  {signal: func() error { return errors.ErrUnsupported }, stopped: false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			j := newJobs()
			j.wasContinued() // of an earlier stop
			if test.continued > 0 {
				time.AfterFunc(test.continued, func() { j.wasContinued() })
			}
			if test.canceled > 0 {
				time.AfterFunc(test.canceled, cancel)
			}
			start := time.Now()
			if stopped := j.stop(ctx, test.signal); stopped != test.stopped || time.Since(start) != test.after {
				t.Errorf("%s: stopped %v after %v, want %v after %v", name, stopped, time.Since(start), test.stopped, test.after)
			}
			if j.wasContinued() {
				t.Errorf("%s: it still waits", name)
			}
		})
	}
}

// A host is not suspended, whoever asks.
func TestHostIsNotSuspended(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.m.hosting = &Hosting{}
		if r.keys("ctrl+z") != nil {
			t.Error("Ctrl-Z suspends")
		}
		r.want("Ctrl-Z would stop the room")
		r.keys("x")
		if r.update(suspendAsked{}) != nil {
			t.Error("SIGTSTP suspends")
		}
		r.want("Ctrl-Z would stop the room")
	})
}

// A terminal that is gone ends the screen.
func TestTerminalGone(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		if r.update(keyboard.TerminalGone{Err: errors.New("EIO")}) == nil || !errors.Is(r.m.err, ErrTerminalGone) {
			t.Errorf("the screen goes on (%v)", r.m.err)
		}
	})
}

// A drawer is a program that looks at the goroutine that draws it: before and while the terminal
// is released.
type drawer struct{ before, while *bool }

func (d drawer) Init() tea.Cmd  { return func() tea.Msg { return suspendAsked{} } }
func (d drawer) View() tea.View { return tea.NewView("soup") }

func (d drawer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg.(type) {
	case suspendAsked:
		*d.before = isDrawing()
		return d, tea.Exec(errand(func() { waitForRenderer(); *d.while = isDrawing() }), func(error) tea.Msg { return terminalBack{} })
	case terminalBack:
		return d, tea.Quit
	}
	return d, nil
}

// The goroutine with which Bubble Tea draws is known by its name, and waited for.
func TestWaitForRenderer(t *testing.T) {
	before, while := false, true
	p := tea.NewProgram(drawer{&before, &while}, tea.WithContext(t.Context()), tea.WithInput(strings.NewReader("")), tea.WithOutput(io.Discard), tea.WithoutSignalHandler())
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if !before || while {
		t.Errorf("it draws: %v before the terminal is released, %v while it is; want true, false", before, while)
	}
}

// A change of the terminal's modes that comes while the terminal is being taken back is not lost,
// and is not handled at the same time.
func TestTerminalChangesTwice(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		if r.update(keyboard.TerminalChanged{}) == nil {
			t.Error("the terminal is not taken back")
		}
		if r.update(keyboard.TerminalChanged{}) != nil {
			t.Error("the terminal is taken twice at once")
		}
		if r.update(terminalBack{}) == nil {
			t.Error("the second change is lost")
		}
		if r.update(terminalBack{}) != nil {
			t.Error("the terminal is taken a third time")
		}
	})
}
