package screen

import (
	"cmp"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/client"
	"chat/relay/screen/syntax"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// terminals are what terminals report, by the name that frames of them have.
var terminals = map[string]struct {
	background, foreground color.Color
	profile                colorprofile.Profile
}{
	"dark":        {rgb(0x1e1e2e), rgb(0xcdd6f4), colorprofile.TrueColor},
	"light":       {rgb(0xffffff), rgb(0x1f2328), colorprofile.TrueColor},
	"16":          {rgb(0x000000), rgb(0xe5e5e5), colorprofile.ANSI},
	"mono":        {rgb(0x000000), rgb(0xe5e5e5), colorprofile.Ascii}, // with NO_COLOR
	"256":         {rgb(0x1e1e2e), rgb(0xcdd6f4), colorprofile.ANSI256},
	"256-light":   {rgb(0xffffff), rgb(0x1f2328), colorprofile.ANSI256},
	"16-light":    {rgb(0xffffff), rgb(0x000000), colorprofile.ANSI},
	"unknown":     {nil, nil, colorprofile.TrueColor},
	"256-unknown": {nil, nil, colorprofile.ANSI256},
	"16-unknown":  {nil, nil, colorprofile.ANSI},
}

// on makes the screen that of one of the terminals.
func (r *rig) on(name string) {
	of := terminals[name]
	r.update(tea.ColorProfileMsg{Profile: of.profile})
	if of.background != nil {
		r.update(tea.ForegroundColorMsg{Color: of.foreground})
		r.update(tea.BackgroundColorMsg{Color: of.background})
	}
}

// A scene is a lunch hour in a room of ten, which has all that a conversation can show.
type scene struct{ *rig }

// say delivers a message that is sent some minutes after the one before.
func (s *scene) say(after int, from, text string) {
	s.event(after, wire.Event{Type: wire.TypeMessage, From: from, Text: text})
}

func (s *scene) event(after int, e wire.Event) {
	time.Sleep(time.Duration(after) * time.Minute)
	s.id++
	e.ID, e.Time, e.Client = s.id, time.Now(), e.From
	s.happen(client.Received{Event: e, Own: e.From == "dave"})
}

func (r *rig) lunch() {
	s := scene{r}
	s.happen(client.Connected{Addr: "192.168.1.5:24280", Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: "kitchen", Topic: "Lunch at 12:30, deploy freeze on Friday", Nick: "dave", Client: "us",
		Members: []string{"alice", "erin", "frank", "grace", "heidi", "Zoë", "小林"}, Hosts: []string{"alice"}, From: "alice", Count: 7, Next: 1,
	}})
	s.event(0, wire.Event{Type: wire.TypeJoin, Members: []string{"bob"}})
	s.event(1, wire.Event{Type: wire.TypeLeave, Members: []string{"erin"}})
	s.event(1, wire.Event{Type: wire.TypeJoin, Members: []string{"erin", "carol"}})
	s.say(5, "bob", "staging is green again, _the flaky one was_ `TestResume`")
	s.say(0, "bob", "I left it running overnight, **4,000 rounds**, not one red")
	s.say(0, "alice", "nice, what was it?")
	s.say(1, "bob", lunchCode)
	s.event(1, wire.Event{Type: wire.TypeAction, From: "carol", Text: "is on it"})
	s.say(4, "bob", "dave: can you look at https://ci.example.org/job/main/1423 before we ship?")
	s.say(1, "grace", "I can take the **release notes** if someone explains what `--burst` does")
	s.say(0, "小林", "会議室は三楼です。昼ごはんは食堂で、それともラーメン? 🍜")
	s.say(0, "Zoë", "שלום, הצוות יורד לאכול בשעה 12:30 וחוזר ב-13:15")
	s.event(1, wire.Event{Type: wire.TypePrivate, From: "carol", To: "dave", Text: "the key for the box is under the plant"})
	s.event(0, wire.Event{Type: wire.TypePrivate, From: "dave", To: "carol", Text: "thanks, on my way"})
	s.event(0, wire.Event{Type: wire.TypeError, Text: "the disk of the host is almost full"})
	r.typed("in. give me five minutes, and save me a seat")
	r.keys("enter") // no one acknowledges it
	r.typed("half a mess")
	r.update(tea.BlurMsg{})
	s.say(8, "frank", "lunch? 🍜 the good place has a table for six at half past")
	s.say(0, "erin", "yes please")
	s.event(1, wire.Event{Type: wire.TypeAction, From: "heidi", Text: "sent soup of the day.png (668 kB): http://192.168.1.5:24280/files/3/soup.png", File: &wire.File{Number: 3, Name: "soup of the day.png", Size: 668_000}})
}

const lunchCode = "a lock held over the ack, this is how it reads now:\n```go\nfunc (r *Room) Say(who *Client, text string) error {\n\tif who == nil {\n\t\treturn errors.New(\"no one\") // 1 of 2\n\t}\n\treturn r.log.Append(who, text)\n}\n```"

// lunchColors are the tokens of lunchCode. They are found outside of tests with a clock of their own:
// finding them may take only so long.
func lunchColors(t *testing.T) codeColored {
	r := newScreen(t, 80, 24)
	r.on("dark")
	r.m.colors = newCodeColors()
	r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 1, Time: noon, From: "bob", Text: lunchCode}})
	r.m.view()
	job := <-r.m.colors.jobs
	for range 100 {
		if tokens, err := syntax.Tokens(job.code, job.language); err == nil {
			return codeColored{codeJob: job, tokens: tokens}
		}
	}
	t.Fatal("the code has no tokens")
	return codeColored{}
}

// The frames of a conversation on terminals of each kind and size.
func TestGoldenLooks(t *testing.T) {
	sizes := map[string][][2]int{"dark": {{40, 10}, {80, 24}, {100, 30}, {120, 32}, {200, 50}}}
	sizes["light"], sizes["16"], sizes["mono"] = sizes["dark"], sizes["dark"], sizes["dark"]
	colors := lunchColors(t)
	for name := range terminals {
		if sizes[name] == nil {
			sizes[name] = [][2]int{{100, 30}}
		}
		for _, size := range sizes[name] {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(time.Until(noon))
					r := newScreen(t, size[0], size[1])
					r.m.colors = newCodeColors()
					r.m.colors.add(colors, nil)
					r.on(name)
					r.lunch()
					if size[0] >= 120 {
						r.keys("f2")
					}
					r.goldenLook(fmt.Sprintf("look-%s-%dx%d", name, size[0], size[1]))
				})
			})
		}
	}
}

// goldenLook compares a frame and its styles with a file; see look.
func (r *rig) goldenLook(name string) {
	r.t.Helper()
	r.frame() // checks its size
	compareGolden(r.t, filepath.Join("looks", name+".txt"), r.look())
}

// look returns the frame as text for people to read. Below each row are those with its
// styles, if there are any, a letter for each column:
//
//	   13:31     bob  dave: can you look at it?
//	t  ddddd     111  mmmm                        the color of the text
//	g  MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM   the color of the ground
//	a            bbb  bbbb                        bold, faint, italic, underlined, reversed
//
// At the end is what the letters stand for in the theme, and the colors that they are.
func (r *rig) look() string {
	screen := uv.NewScreenBuffer(r.m.width, r.m.height)
	screen.Method = r.m.ruler.method
	uv.NewStyledString(r.m.view().Content).Draw(screen, screen.Bounds())
	l := legend{theme: r.m.theme}
	var b strings.Builder
	for y := range r.m.height {
		var content, texts, grounds, attributes strings.Builder
		for x := 0; x < r.m.width; {
			cell := screen.CellAt(x, y)
			n := max(cell.Width, 1)
			content.WriteString(cmp.Or(cell.Content, " "))
			s := cell.Style
			if cell.Content == " " { // its color is not seen
				s.Fg = nil
				s.Attrs &^= uv.AttrBold | uv.AttrFaint | uv.AttrItalic
			}
			texts.WriteString(strings.Repeat(l.letter(s.Fg, false), n))
			grounds.WriteString(strings.Repeat(l.letter(s.Bg, true), n))
			attributes.WriteString(strings.Repeat(attributesLetter(s), n))
			x += n
		}
		for _, row := range []struct{ name, text string }{{"   |", content.String()}, {" t |", texts.String()}, {" g |", grounds.String()}, {" a |", attributes.String()}} {
			if text := strings.TrimRight(row.text, " "); text != "" || row.name == "   |" {
				b.WriteString(strings.TrimRight(row.name+text, " ") + "\n")
			}
		}
	}
	v := r.m.view()
	fmt.Fprintf(&b, "\ntitle   %s\n", v.WindowTitle)
	if v.Cursor != nil {
		fmt.Fprintf(&b, "cursor  column %d, row %d\n", v.Cursor.X, v.Cursor.Y)
	}
	slices.Sort(l.used)
	return b.String() + strings.Join(l.used, "")
}

// attributesLetter returns the letter for the attributes of a cell: a capital is bold, too.
func attributesLetter(s uv.Style) string {
	letter := " "
	for _, a := range []struct {
		has    bool
		letter string
	}{
		{s.Attrs&uv.AttrFaint != 0, "f"}, {s.Attrs&uv.AttrItalic != 0, "i"},
		{s.Underline != uv.UnderlineNone, "u"}, {s.Attrs&uv.AttrReverse != 0, "r"},
	} {
		if a.has {
			letter = a.letter
		}
	}
	if s.Attrs&uv.AttrBold != 0 {
		if letter == " " {
			return "b"
		}
		return strings.ToUpper(letter)
	}
	return letter
}

// A legend names colors by what they are in a theme.
type legend struct {
	theme *theme.Theme
	used  []string // lines of the legend
}

// letter returns the letter for a color of text or of the ground.
func (l *legend) letter(c color.Color, ground bool) string {
	if c == nil {
		return " "
	}
	what, roles := 38, rolesOf(l.theme)
	if ground {
		what, roles = 48, groundsOf(l.theme)
	}
	for _, role := range roles {
		if sets(role.style, what, c) {
			l.use(role.letter, role.name, what, c)
			return role.letter
		}
	}
	l.use("?", "not in the theme", what, c)
	return "?"
}

// A role is a style of a theme, with a letter and a name.
type role struct {
	letter, name string
	style        theme.Style
}

func groundsOf(th *theme.Theme) []role {
	return []role{
		{"P", "panel", th.Panel}, {"C", "code", th.Code}, {"M", "call", th.Mention}, {"V", "alone", th.Private},
		{"S", "sel", th.Selected}, {"H", "hit", th.Hit},
	}
}

func rolesOf(th *theme.Theme) []role {
	roles := []role{
		{"d", "dim", th.Dim}, {"a", "accent", th.Accent}, {"m", "amber", th.Amber}, {"v", "violet", th.Violet},
		{"r", "red", th.Red}, {"g", "green", th.Green}, {"h", "hairline", th.Hairline}, {"u", "unread", th.Unread},
		{"k", "keyword", th.Keyword}, {"l", "literal", th.Literal}, {"n", "number", th.Number},
		{"f", "function", th.Function}, {"c", "comment", th.Comment},
	}
	for _, g := range groundsOf(th) {
		roles = append(roles, role{g.letter, "on " + g.name, g.style})
	}
	for i, s := range th.Nicks {
		roles = append(roles, role{fmt.Sprintf("%X", i+1), "nick", s})
	}
	return roles
}

// sets reports whether a style sets the color of text (38) or of the ground (48) to c.
func sets(s theme.Style, what int, c color.Color) bool {
	if s == "" {
		return false
	}
	cell := uv.NewScreenBuffer(1, 1)
	uv.NewStyledString(s.Draw("x")).Draw(cell, cell.Bounds())
	got := cell.CellAt(0, 0).Style.Fg
	if what == 48 {
		got = cell.CellAt(0, 0).Style.Bg
	}
	return got == c
}

func (l *legend) use(letter, name string, what int, c color.Color) {
	which := "text"
	if what == 48 {
		which = "ground"
	}
	line := fmt.Sprintf("%-6s  %s  %s, %s\n", which, letter, name, colorName(c))
	if !slices.Contains(l.used, line) {
		l.used = append(l.used, line)
	}
}

func colorName(c color.Color) string {
	switch c := c.(type) {
	case ansi.BasicColor:
		return fmt.Sprint("color ", uint8(c), " of 16")
	case ansi.IndexedColor:
		return fmt.Sprint("color ", uint8(c), " of 256")
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

// rgb returns the color of a number such as 0xff9a8f.
func rgb(n int) color.Color {
	return color.RGBA{R: uint8(n >> 16), G: uint8(n >> 8), B: uint8(n), A: 0xff}
}
