package screen

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/text"
)

// frameTime is how long events are gathered at most before they are drawn: one
// frame of 60 a second.
const frameTime = time.Second / 60

// A model is all of a screen's state; Bubble Tea's event loop alone changes it.
type model struct {
	opts Options
	ctx  context.Context // until the screen ends

	begun time.Time

	width, height int
	ruler         ruler
	deleteIsF1    bool // to the terminal
	profile       colorprofile.Profile
	palette       *palette
	focus         focus
	lastKey       time.Time

	arrival arrival // until we are in a room
	talk    *talk   // from then on
	err     error   // why the screen ended; nil: as we wished
	crash   []byte  // the stack of a panic
}

// Run shows a screen until the person leaves, the room ends or ctx does. The
// terminal is then as it was, with the last lines of the talk on it. The room is
// left for the caller to close. It returns what was written and waits on this side,
// and why the room ended, or what kept us out.
func Run(ctx context.Context, opts Options) (unsent []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &model{opts: opts, ctx: ctx, lastKey: time.Now(), begun: time.Now(), width: 80, height: 24, palette: paletteFor(nil, colorprofile.ANSI256)}
	m.arrival = newArrival(m)
	p := tea.NewProgram(guarded{m}, tea.WithContext(ctx), tea.WithoutSignalHandler())
	fmt.Print(keepTitle)
	_, err = p.Run()
	fmt.Print(giveTitleBack)
	switch {
	case m.crash != nil:
		err = m.crashed()
	case m.err != nil:
		err = m.err
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = fmt.Errorf("the screen ended: %w\nhint: chat join --plain does without it", err)
	}
	if m.talk == nil {
		return nil, err
	}
	if m.crash == nil {
		fmt.Print(m.talk.farewell(m))
	}
	for _, r := range m.talk.unsent {
		unsent = append(unsent, r.Text)
	}
	return unsent, err
}

// The window's title, which Bubble Tea leaves empty, is put on the terminal's stack of
// them and taken from it (XTWINOPS). Terminals that have none pass over it.
const keepTitle, giveTitleBack = "\x1b[22;2t", "\x1b[23;2t"

// settleTime is how long a terminal may take to answer what it is asked at the
// start. Left sooner, its answers would come as if they were typed into the shell.
const settleTime = 200 * time.Millisecond

// quit ends the screen, once the terminal has answered.
func (m *model) quit() tea.Cmd {
	return tea.Tick(max(settleTime-time.Since(m.begun), 0), func(time.Time) tea.Msg { return tea.QuitMsg{} })
}

// crashed keeps what a bug left behind, so that it can be told.
func (m *model) crashed() error {
	f, err := os.CreateTemp("", "chat-crash-*.txt")
	if err != nil {
		return fmt.Errorf("%w (and there was nowhere to write where)", m.err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%v\n\n%s", m.err, m.crash)
	return fmt.Errorf("%w\nhint: this is a bug in chat; where it happened is in %s. chat join --plain does without the screen", m.err, f.Name())
}

// A guarded is a model whose panics end the screen in good order: Bubble Tea would
// print a stack over the terminal.
type guarded struct{ m *model }

func (g guarded) Init() tea.Cmd { return g.m.init() }

func (g guarded) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			g.m.fail(r)
			cmd = tea.Quit
		}
	}()
	if g.m.crash != nil {
		return g, tea.Quit
	}
	return g, g.m.update(msg)
}

func (g guarded) View() (v tea.View) {
	defer func() {
		if r := recover(); r != nil {
			g.m.fail(r)
			v = tea.NewView("")
			v.AltScreen = true
		}
	}()
	if g.m.crash != nil {
		return v
	}
	return g.m.view()
}

func (m *model) fail(r any) {
	m.crash = debug.Stack()
	m.err = fmt.Errorf("the screen broke: %v", r)
}

func (m *model) init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.arrival.begin(m), m.waitForWarning())
}

// warning is a line the person must see.
type warning string

func (m *model) waitForWarning() tea.Cmd {
	if m.opts.Warnings == nil {
		return nil
	}
	return func() tea.Msg {
		select {
		case line, ok := <-m.opts.Warnings:
			if ok {
				return warning(line)
			}
		case <-m.ctx.Done():
		}
		return nil
	}
}

// update changes the state as msg says.
func (m *model) update(msg tea.Msg) tea.Cmd {
	msg = m.asMeant(msg)
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 1), max(msg.Height, 1)
		return nil
	case tea.EnvMsg:
		m.adapt(msg)
		return nil
	case tea.ModeReportMsg:
		// The renderer does the same: both must measure alike.
		if msg.Mode == ansi.ModeUnicodeCore && msg.Value != ansi.ModeNotRecognized && msg.Value != ansi.ModePermanentlyReset {
			r := m.ruler
			r.method = ansi.GraphemeWidth
			m.measureBy(r)
		}
		return nil
	case tea.ColorProfileMsg:
		m.profile = msg.Profile
		m.palette = paletteFor(nil, m.profile)
		return nil
	case tea.BackgroundColorMsg:
		m.palette = paletteFor(msg.Color, m.profile)
		return nil
	case tea.FocusMsg:
		m.focus = focused
		return nil
	case tea.BlurMsg:
		m.focus = blurred
		if m.talk != nil {
			m.talk.lookedAway()
		}
		return nil
	case tea.KeyPressMsg:
		m.lastKey = time.Now()
		if msg.String() == "ctrl+z" {
			if m.talk != nil && m.talk.host {
				m.talk.flash = "Ctrl-Z would stop the room for everybody"
				return nil
			}
			return tea.Suspend
		}
		if msg.String() == "ctrl+l" {
			return tea.ClearScreen
		}
	case warning:
		cmd := m.waitForWarning()
		if m.talk != nil {
			m.talk.tell(m, complaint, string(msg))
		} else {
			m.arrival.note = string(msg)
		}
		return cmd
	case joined:
		m.talk = newTalk(m, msg.room, msg.place)
		if m.arrival.note != "" { // a warning that came while we knocked
			m.talk.tell(m, complaint, m.arrival.note)
		}
		return m.talk.waitForEvents(m)
	}
	if m.talk != nil {
		return m.talk.update(m, msg)
	}
	return m.arrival.update(m, msg)
}

// view draws the state.
func (m *model) view() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.ReportFocus = true
	if m.opts.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	var rows []string
	if m.talk != nil {
		v.WindowTitle = text.Clean(m.talk.title) + " – chat"
		rows, v.Cursor = m.talk.draw(m)
	} else {
		v.WindowTitle = "chat"
		rows, v.Cursor = m.arrival.draw(m)
	}
	if v.Cursor != nil {
		// Bubble Tea knows shapes from 0 on, and leaves the one it set behind. This one
		// comes out as 0 of DECSCUSR, which it takes for nothing to set.
		v.Cursor.Shape, v.Cursor.Blink = -1, false
	}
	for len(rows) < m.height {
		rows = append(rows, "")
	}
	rows = rows[:m.height]
	v.SetContent(strings.Join(rows, "\n"))
	return v
}

// look returns what rows of so many columns depend on.
func (m *model) look(columns int) *look {
	l := &look{ruler: m.ruler, columns: columns, zone: time.Local, palette: m.palette}
	if m.talk != nil {
		l.us, l.search = m.talk.nick, m.talk.search.words
	}
	return l
}

// A focus is whether the window is the one that is typed into.
type focus int

const (
	unknownFocus focus = iota // the terminal does not tell
	focused
	blurred
)

// lookAwayTime is after how long without a key somebody may be elsewhere, where the
// terminal does not tell.
const lookAwayTime = 15 * time.Second

// isWatched reports whether the person is likely to see what comes in.
func (m *model) isWatched() bool {
	if m.focus == unknownFocus {
		return time.Since(m.lastKey) < lookAwayTime
	}
	return m.focus == focused
}

// alert rings and tells the desktop that somebody calls: BEL, and what iTerm2 (OSC 9)
// and rxvt (OSC 777) made of it; a terminal passes over what it does not know.
func alert(title, text string) tea.Cmd {
	const most = 120
	text = strings.NewReplacer("\n", " ", ";", ",").Replace(text)
	title = strings.NewReplacer("\n", " ", ";", ",").Replace(title)
	for len(text) > most {
		text = strings.TrimSuffix(text, lastRune(text))
	}
	for len(title) > most {
		title = strings.TrimSuffix(title, lastRune(title))
	}
	return tea.Raw("\a\x1b]9;" + title + ": " + text + "\x1b\\\x1b]777;notify;" + title + ";" + text + "\x1b\\")
}
