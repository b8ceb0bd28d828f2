package screen

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"pgregory.net/rapid"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// foreign stands in all texts of others in TestAnyConversation, and nowhere else.
const foreign = '§'

// hostileText draws a text that another member may write.
func hostileText(t *rapid.T) string {
	pieces := append(slices.Sorted(maps.Values(hostile)), "soup", " ", "\n", "\n\n", "bob", "```", "```go\n", "`", "**", "_", "\n▌12:00 alice   ", "\n── new ──\n",
		"https://example.org/", "日本語", "שלום", strings.Repeat("x", 300), "\x1b[31m", "\x1b]8;;http://a.b\x1b\\", "\u202e", "\u2028")
	drawn := rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 6).Draw(t, "text")
	return text.CleanLines(string(foreign) + strings.Join(drawn, string(foreign)) + string(foreign))
}

// Whatever others write, whatever happens and however large the window is: no row is wider
// than the window, no style goes beyond its row, and nothing that others wrote is left of the column
// of texts, where it could pass for another message.
func TestAnyConversation(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(terminals))
	rapid.Check(t, func(rt *rapid.T) {
		r := newScreen(t, 80, 24)
		r.checked = make(map[checkedRow]bool)
		r.happen(client.Connected{Addr: "192.168.1.5:24280", Welcome: wire.Event{
			Type: wire.TypeWelcome, Title: "kitchen", Topic: "soup", Nick: "bob", Client: "us", Members: []string{"alice", "小林"}, Hosts: []string{"alice"}, From: "alice", Count: 2, Next: 1,
		}})
		nick := rapid.SampledFrom([]string{"alice", "bob", "小林", "Zoë", "a_very_long_nick_of_24_co"})
		event := func(kind string, text string) {
			from := nick.Draw(rt, "nick")
			r.id++
			e := wire.Event{Type: kind, ID: r.id, Time: noon, From: from, Client: from, To: "bob", Text: text}
			if kind == wire.TypeJoin || kind == wire.TypeLeave {
				e.From, e.Text, e.Members = "", "", []string{from}
			}
			r.happen(client.Received{Event: e, Own: from == "bob"})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) { event(wire.TypeMessage, hostileText(t)) },
			"private": func(t *rapid.T) { event(wire.TypePrivate, hostileText(t)) },
			"action":  func(t *rapid.T) { event(wire.TypeAction, hostileText(t)) },
			"notice":  func(t *rapid.T) { event(wire.TypeNotice, hostileText(t)) },
			"error":   func(t *rapid.T) { event(wire.TypeError, hostileText(t)) },
			"topic": func(t *rapid.T) { // the header has it, too
				event(wire.TypeTopic, strings.ReplaceAll(hostileText(t), string(foreign), ""))
			},
			"lost":  func(*rapid.T) { r.happen(client.Disconnected{Err: errors.New("gone")}) },
			"join":  func(*rapid.T) { event(wire.TypeJoin, "") },
			"leave": func(*rapid.T) { event(wire.TypeLeave, "") },
			"key": func(t *rapid.T) {
				r.keys(rapid.SampledFrom([]string{"pgup", "pgdown", "home", "end", "f2", "x", "ctrl+u"}).Draw(t, "key"))
			},
			"send": func(*rapid.T) { r.typed("in five minutes"); r.keys("enter") },
			"size": func(t *rapid.T) {
				r.update(tea.WindowSizeMsg{Width: rapid.IntRange(4, 160).Draw(t, "columns"), Height: rapid.IntRange(1, 40).Draw(t, "rows")})
			},
			"focus":    func(*rapid.T) { r.update(tea.FocusMsg{}) },
			"blur":     func(*rapid.T) { r.update(tea.BlurMsg{}) },
			"terminal": func(t *rapid.T) { r.on(rapid.SampledFrom(names).Draw(t, "terminal")) },
			"":         func(t *rapid.T) { r.checkFrame(t) },
		})
	})
}

// A checkedRow is a row that was checked, with all that the check depends on.
type checkedRow struct {
	row           string
	textAt, width int
}

// checkFrame checks each row of the frame.
func (r *rig) checkFrame(t *rapid.T) {
	t.Helper()
	rows := strings.Split(r.m.view().Content, "\n")
	if len(rows) != r.m.height {
		t.Fatalf("%d rows, the screen has %d", len(rows), r.m.height)
	}
	textAt := newFrame(r.m.conversation).painter.layout().text
	for _, row := range rows {
		checked := checkedRow{row, textAt, r.m.width}
		if r.checked[checked] {
			continue // most rows are those of the frame before
		}
		columns := r.m.ruler.method.StringWidth(row)
		if columns > r.m.width {
			t.Fatalf("row %q is %d columns wide, the screen %d", row, columns, r.m.width)
		}
		screen := uv.NewScreenBuffer(columns+1, 1)
		screen.Method = r.m.ruler.method
		uv.NewStyledString(row+"x").Draw(screen, screen.Bounds())
		for x := range min(textAt, columns) {
			if strings.ContainsRune(screen.CellAt(x, 0).Content, foreign) {
				t.Fatalf("row %q has a text of another member in column %d, left of %d", row, x, textAt)
			}
		}
		if after := screen.CellAt(columns, 0); after.Content != "x" || after.Style != (uv.Style{}) || !after.Link.IsZero() {
			t.Fatalf("after row %q follows %s", row, fmt.Sprintf("%+v", *after))
		}
		r.checked[checked] = true
	}
}
