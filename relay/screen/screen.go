package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"chat/relay/client"
	"chat/relay/screen/keyboard"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

const (
	// frameTime is how long events are collected before they are drawn. Keys are not: they show
	// within a frame of Bubble Tea's, 60 of which are in a second.
	frameTime = time.Second / 30

	// Gather is for how long the client may collect events (client.Options.Gather).
	Gather = 10 * time.Millisecond
)

// A model is all state of a screen. Bubble Tea's event loop owns it: tea.Cmds, which run in
// goroutines of their own, use only the fixed fields.
type model struct {
	// Fixed.
	opts     Options
	ctx      context.Context // until the screen ends
	started  time.Time
	jobs     *jobs
	keyboard *keyboard.Keyboard // nil: Bubble Tea reads the terminal itself
	asked    chan *question     // unbuffered

	terminal
	lobby        lobby
	hosting      *Hosting      // the room is ours to close; nil: another program hosts it
	program      programSum    // of what hosting hands out
	conversation *conversation // nil: still in the lobby
	colors       *codeColors   // of code in messages
	dialogs      []*dialog     // open ones; the first is shown, instead of all else
	typedSecret  bool          // a secret was typed since the room is being joined, or the connection was lost

	released bool // the terminal is being released and taken back
	changed  bool // meanwhile, another program may have changed its modes again

	err   error  // why the screen ended; nil: the person left
	crash []byte // the stack of a panic
}

// Run shows a screen until the person leaves, the room ends or ctx does. It then
// restores the terminal and leaves the last lines of the transcript on it. It does not
// close the room: the caller does. It returns the messages that were never passed to
// the room, and why the room ended or could not be joined.
func Run(ctx context.Context, opts Options) (unsent []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &model{opts: opts, hosting: opts.Hosting, ctx: ctx, started: time.Now(), jobs: newJobs(), asked: make(chan *question), colors: newCodeColors(), terminal: terminal{
		width: 80, height: 24, theme: theme.For(nil, nil, colorprofile.ANSI256), lastKey: time.Now(),
	}}
	m.lobby = newLobby(m.ruler)
	err = m.run()
	switch {
	case m.crash != nil:
		err = m.reportCrash()
	case m.err != nil:
		err = m.err
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = fmt.Errorf("the screen ended: %w\nhint: chat join --plain works without it", err)
	}
	if m.conversation == nil {
		return nil, err
	}
	if m.crash == nil {
		fmt.Print(m.conversation.farewell())
		if m.hosting == nil && m.left(err) {
			fmt.Printf("You left %s.\n", oneLine(m.ruler, m.conversation.title))
		}
	}
	for _, r := range m.conversation.outbox.unsent {
		unsent = append(unsent, r.Text)
	}
	return unsent, err
}

// left reports whether the person left the room, given why the screen ended.
func (m *model) left(err error) bool {
	refusal, refused := errors.AsType[*client.RefusedError](err)
	return err == nil || errors.Is(err, context.Canceled) || refused && refusal.Code == wire.CodeQuit
}

// run shows the screen until it ends.
func (m *model) run() error {
	options := []tea.ProgramOption{tea.WithContext(m.ctx), tea.WithoutSignalHandler()}
	var p *tea.Program
	send := func(msg tea.Msg) { p.Send(msg) }
	if ownKeyboard {
		m.keyboard = keyboard.New(os.Stdin, send)
		options = append(options, tea.WithInput(m.keyboard))
	}
	p = tea.NewProgram(guarded{m}, options...)
	if ownKeyboard {
		if err := m.keyboard.Resume(); err != nil {
			return err
		}
		defer m.keyboard.Close()
	}
	defer m.jobs.watch(send)()
	defer m.catchFatal(p)()
	fmt.Print(saveTitle)
	defer fmt.Print(restoreTitle)
	_, err := p.Run()
	return err
}

// ownKeyboard is whether a [keyboard.Keyboard] reads the terminal. On Windows the console reports
// whole keys.
const ownKeyboard = runtime.GOOS != "windows"

// The window's title is pushed on the terminal's stack of titles and popped from it
// (XTWINOPS), as Bubble Tea would leave it empty. Terminals without one ignore this.
const saveTitle, restoreTitle = "\x1b[22;2t", "\x1b[23;2t"

// answerTime is how long a terminal may take to answer the queries that Bubble Tea
// sends at the start. If the screen ended sooner, the answers would end up as input of
// the shell.
const answerTime = 200 * time.Millisecond

// quit ends the screen after the terminal has answered.
func (m *model) quit() tea.Cmd {
	return tea.Tick(max(answerTime-time.Since(m.started), 0), func(time.Time) tea.Msg { return tea.QuitMsg{} })
}

// reportCrash writes the stack of a panic to a file, and returns an error that names it.
func (m *model) reportCrash() error {
	f, err := os.CreateTemp("", "chat-crash-*.txt")
	if err != nil {
		return fmt.Errorf("%w (and the stack trace could not be saved)", m.err)
	}
	defer f.Close()
	fmt.Fprintf(f, "%v\n\n%s", m.err, m.crash)
	return fmt.Errorf("%w\nhint: this is a bug in chat; the stack trace is in %s. chat join --plain works without the screen", m.err, f.Name())
}

// A guarded is a model whose panics end the screen in good order: Bubble Tea would
// print a stack over the terminal.
type guarded struct{ m *model }

func (g guarded) Init() tea.Cmd { return g.m.init() }

func (g guarded) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			g.m.panicked(r)
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
			g.m.panicked(r)
			v = tea.NewView("")
			v.AltScreen = true
		}
	}()
	if g.m.crash != nil {
		return v
	}
	return g.m.view()
}

func (m *model) panicked(r any) {
	m.crash = debug.Stack()
	m.err = fmt.Errorf("the screen crashed: %v", r)
}

func (m *model) init() tea.Cmd {
	return tea.Batch(tea.RequestForegroundColor, tea.RequestBackgroundColor, m.lobby.open(m), m.waitForWarning(), m.waitForQuestion(), m.colors.find(m.ctx.Done(), 0))
}

// A warning is a line that the person must see.
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

// update handles msg: messages for the whole screen here, the others in the conversation or the
// lobby.
func (m *model) update(msg tea.Msg) tea.Cmd {
	msg = m.translate(msg)
	if cmd, handled := m.updateTerminal(msg); handled {
		return cmd
	}
	if m.readReport(msg) {
		return nil
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		m.lastKey = time.Now()
		m.noteWatched()
		switch msg.String() {
		case "ctrl+z":
			return m.suspend()
		case "ctrl+l":
			return m.takeTerminal()
		}
	case codeColored:
		return m.colors.add(msg, m.ctx.Done())
	case warning:
		m.warn(string(msg))
		return m.waitForWarning()
	case questionAsked:
		return m.takeQuestion(msg.question)
	case questionOver:
		m.closeQuestion(msg.question)
		return nil
	case programSum:
		m.program = msg
		return nil
	case roomJoined:
		return m.enter(msg)
	case roomHosted:
		m.hosting = &msg.Hosting
		return m.enter(roomJoined{msg.Room, Place{Title: msg.Title}})
	}
	if cmd, handled := m.updateDialog(msg); handled {
		return cmd
	}
	if m.conversation != nil {
		return m.conversation.update(msg)
	}
	return m.lobby.update(m, msg)
}

// readReport handles reports of the terminal about itself: its size, abilities, colors and focus. It reports whether
// msg is such a report.
func (m *model) readReport(msg tea.Msg) bool {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 1), max(msg.Height, 1)
		if m.conversation != nil {
			m.conversation.search.resized()
		}
	case tea.EnvMsg:
		m.readEnvironment(msg)
		m.shareRuler()
	case tea.ModeReportMsg:
		m.readMode(msg)
		m.shareRuler()
	case tea.ColorProfileMsg:
		m.profile = msg.Profile
		m.takeTheme()
	case tea.BackgroundColorMsg:
		m.background = msg.Color
		m.takeTheme()
	case tea.ForegroundColorMsg:
		if m.foreground = msg.Color; m.background != nil {
			m.takeTheme()
		}
	case tea.FocusMsg:
		m.focus = focused
		m.noteWatched()
	case tea.BlurMsg:
		m.focus = blurred
		if m.conversation != nil {
			m.conversation.markRead()
		}
	default:
		return false
	}
	return true
}

// takeTheme takes the theme of the terminal as it described itself.
func (m *model) takeTheme() {
	m.theme = theme.For(m.background, m.foreground, m.profile)
	if m.conversation != nil {
		m.conversation.takeTheme(m.theme)
	}
}

// noteWatched notes that the person sees the screen now.
func (m *model) noteWatched() {
	if m.conversation != nil {
		m.conversation.unseen = unseen{}
	}
}

// shareRuler has the editors measure text as the terminal does.
func (m *model) shareRuler() {
	m.lobby.address.ruler = m.ruler
	for _, d := range m.dialogs {
		if d.field != nil {
			d.field.editor.ruler = m.ruler
		}
	}
	if m.conversation != nil {
		m.conversation.composer.editor.ruler = m.ruler
		if f := m.conversation.composer.field; f != nil {
			f.editor.ruler = m.ruler
		}
	}
}

func (m *model) warn(line string) {
	if m.conversation != nil {
		m.conversation.show(kindError, line)
	} else {
		m.lobby.note = line
	}
}

// enter opens the conversation in a room that was joined, and takes along a warning that came
// up before, or the input of the room that is gone.
func (m *model) enter(msg roomJoined) tea.Cmd {
	m.lobby.stop()
	last := m.conversation
	m.conversation = newConversation(m, msg.room, msg.place)
	if last != nil { // that room is gone, but not what is in the input
		last.composer.closeField()
		m.err, m.conversation.composer = nil, last.composer
	}
	if m.lobby.note != "" {
		m.conversation.show(kindError, m.lobby.note)
	}
	return m.conversation.waitForEvents()
}

// view draws the screen.
func (m *model) view() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.ReportFocus = true
	if m.opts.Mouse && (m.conversation == nil || !m.conversation.copying) {
		v.MouseMode = tea.MouseModeCellMotion
	}
	var rows []string
	v.WindowTitle = "chat"
	if m.conversation != nil {
		v.WindowTitle = m.conversation.unseen.title(m.conversation.title)
	}
	switch {
	case len(m.dialogs) > 0:
		rows, v.Cursor = m.drawDialog(m.dialogs[0])
	case m.conversation != nil:
		rows, v.Cursor = m.conversation.draw()
	default:
		rows, v.Cursor = m.lobby.draw(m)
	}
	if v.Cursor != nil {
		// Bubble Tea knows cursor shapes from 0 up, and does not reset the one it sets. This
		// one becomes DECSCUSR 0, which it takes for nothing to set.
		v.Cursor.Shape, v.Cursor.Blink = -1, false
	}
	for len(rows) < m.height {
		rows = append(rows, "")
	}
	rows = rows[:m.height]
	v.SetContent(strings.Join(rows, "\n"))
	return v
}

// alert rings the bell and shows a desktop notification, by the sequences of iTerm2
// (OSC 9) and rxvt (OSC 777); terminals ignore the ones they do not know.
func alert(title, message string) tea.Cmd {
	const most = 120 // bytes of each
	plain := strings.NewReplacer("\n", " ", ";", ",")
	title, message = cutBytes(plain.Replace(title), most), cutBytes(plain.Replace(message), most)
	return tea.Raw("\a\x1b]9;" + title + ": " + message + "\x1b\\\x1b]777;notify;" + title + ";" + message + "\x1b\\")
}
