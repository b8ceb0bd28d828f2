package screen

import (
	"bytes"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// A glimpse is a screen that ends after one frame.
type glimpse struct{ guarded }

func (glimpse) Init() tea.Cmd { return tea.Quit }

// The screen never sets the style of the cursor: the person may have chosen a bar, or one
// that does not blink.
func TestCursorStyleIsKept(t *testing.T) {
	r := newRig(t, 40, 10)
	var out bytes.Buffer
	p := tea.NewProgram(glimpse{guarded{r.m}}, tea.WithInput(nil), tea.WithOutput(&out), tea.WithWindowSize(40, 10),
		tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithoutSignalHandler())
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out.Bytes(), []byte("kitchen")) {
		t.Fatalf("nothing was drawn: %q", &out)
	}
	for style := range 7 {
		if bytes.Contains(out.Bytes(), []byte(ansi.SetCursorStyle(style))) {
			t.Errorf("the style of the cursor is set to %d: %q", style, &out)
		}
	}
}
