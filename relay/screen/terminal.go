package screen

import (
	"image/color"
	"strings"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
)

// A terminal holds the properties of the terminal that the screen is drawn on. It is owned
// by Bubble Tea's event loop.
type terminal struct {
	width, height int // in columns and rows; at least 1
	ruler         ruler
	profile       colorprofile.Profile
	background    color.Color  // nil: unknown
	foreground    color.Color  // likewise
	theme         *theme.Theme // for profile, background and foreground
	deleteIsF1    bool         // its Delete key sends F1
	noItalic      bool         // it has no italic letters, and draws them as something else
	focus         focus
	lastKey       time.Time // when a key was pressed last
}

// A focus is whether the terminal's window has the keyboard.
type focus int

const (
	unknownFocus focus = iota // the terminal does not report it
	focused
	blurred
)

// idleTime is how long after the last key the person is taken to be away, on a
// terminal that does not report its focus.
const idleTime = 15 * time.Second

// isWatched reports whether the person is likely to see new messages.
func (t *terminal) isWatched() bool {
	if t.focus == unknownFocus {
		return time.Since(t.lastKey) < idleTime
	}
	return t.focus == focused
}

// readEnvironment notes the quirks of terminals that their environment gives away.
func (t *terminal) readEnvironment(env tea.EnvMsg) {
	name := env.Getenv("TERM")
	t.deleteIsF1 = strings.HasPrefix(name, "st")
	t.noItalic = strings.HasPrefix(name, "screen")
	t.ruler.noNewEmoji = strings.HasPrefix(name, "screen") && env.Getenv("STY") != "" // tmux has no STY
}

// readMode notes that the terminal measures text in grapheme clusters. Bubble Tea's
// renderer does the same: both must agree on every width.
func (t *terminal) readMode(report tea.ModeReportMsg) {
	if report.Mode == ansi.ModeUnicodeCore && report.Value != ansi.ModeNotRecognized && report.Value != ansi.ModePermanentlyReset {
		t.ruler.method = ansi.GraphemeWidth
	}
}

// translate returns the key that the person pressed. In st, Delete sends the sequence
// that is F1 elsewhere (CSI P); it is the more common key of the two.
func (t *terminal) translate(msg tea.Msg) tea.Msg {
	if key, ok := msg.(tea.KeyPressMsg); ok && t.deleteIsF1 && key.Code == tea.KeyF1 {
		key.Code = tea.KeyDelete
		return key
	}
	return msg
}

// newEmoji are the emoji of Unicode 15 and later, and the places reserved for more.
// GNU screen takes them to be one column wide; every terminal draws them two wide.
var newEmoji = &unicode.RangeTable{
	R32: []unicode.Range32{
		{0x1f6d8, 0x1f6dc, 1}, {0x1fa75, 0x1fa77, 1}, {0x1fa7d, 0x1fa7f, 1}, {0x1fa87, 0x1fa8f, 1}, {0x1faad, 0x1faaf, 1},
		{0x1fabb, 0x1fabf, 1}, {0x1fac6, 0x1facf, 1}, {0x1fada, 0x1fadf, 1}, {0x1fae8, 0x1faef, 1}, {0x1faf7, 0x1faff, 1},
	},
}
