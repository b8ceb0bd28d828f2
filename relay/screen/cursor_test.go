package screen

import (
	"bytes"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// A glimpse is a screen that is drawn once.
type glimpse struct{ guarded }

func (glimpse) Init() tea.Cmd { return tea.Quit }

// TestCursorStaysAsItIs sees to it that the person's own cursor, a bar maybe or one
// that does not blink, is neither replaced nor gone afterwards.
func TestCursorStaysAsItIs(t *testing.T) {
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
			t.Errorf("the cursor's style is set to %d: %q", style, &out)
		}
	}
}
