package keyboard

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"pgregory.net/rapid"
)

// A keystroke is bytes that come from a terminal, and how long after those before.
type keystroke struct {
	after time.Duration
	bytes string
}

// pressed returns the events that Bubble Tea makes of keystrokes: text, the names of keys,
// and pastes in quotes.
func pressed(t *testing.T, escapeWait time.Duration, strokes ...keystroke) (events []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &Keyboard{input: make(chan []byte), closed: make(chan struct{})}
		k.splitter.escapeWait = escapeWait
		got := make(chan uv.Event)
		ended := make(chan error)
		go func() { ended <- uv.NewTerminalReader(k, "xterm").StreamEvents(context.Background(), got) }()
		go func() {
			for _, s := range strokes {
				time.Sleep(s.after)
				k.input <- []byte(s.bytes)
			}
			time.Sleep(time.Minute)
			close(k.closed)
		}()
		text := ""
		flush := func() {
			if text != "" {
				events = append(events, text)
			}
			text = ""
		}
		for {
			select {
			case e := <-got:
				if key, ok := e.(uv.KeyPressEvent); ok && key.Text != "" {
					text += key.Text
					continue
				}
				flush()
				switch e := e.(type) {
				case uv.KeyPressEvent:
					events = append(events, e.String())
				case uv.PasteEvent:
					events = append(events, fmt.Sprintf("%q", e.Content))
				case uv.PasteStartEvent, uv.PasteEndEvent, nil:
				default:
					events = append(events, fmt.Sprintf("%T", e))
				}
			case err := <-ended:
				if err != nil {
					t.Errorf("the reader ended with %v", err)
				}
				flush()
				return
			}
		}
	})
	return events
}

const ms = time.Millisecond

// Keys stay whole on slow lines, and no paste waits for its end forever.
func TestKeyboard(t *testing.T) {
	const local, remote = localEscapeWait, remoteEscapeWait
	for name, test := range map[string]struct {
		wait    time.Duration
		strokes []keystroke
		want    []string
	}{
		"text":                   {local, []keystroke{{0, "soup é 日本 🍲\r"}}, []string{"soup é 日本 🍲", "enter"}},
		"torn letter":            {local, []keystroke{{0, "\xc3"}, {300 * ms, "\xa9"}}, []string{"é"}},
		"not UTF-8":              {local, []keystroke{{0, "a\xe9b\xffc"}}, []string{"abc"}},
		"a letter without end":   {local, []keystroke{{0, "\xe6\x97"}, {6 * time.Second, "x"}}, []string{"x"}},
		"escape":                 {local, []keystroke{{0, "\x1b"}, {60 * ms, "x"}}, []string{"esc", "x"}},
		"arrow, late":            {local, []keystroke{{0, "\x1b"}, {60 * ms, "[A"}}, []string{"esc", "up"}},
		"paste, late":            {local, []keystroke{{0, "\x1b"}, {60 * ms, "["}, {60 * ms, "200~one\r\x1b"}, {60 * ms, "[201~"}}, []string{"esc", `"one\r"`}},
		"color, late":            {local, []keystroke{{0, "\x1b"}, {200 * ms, "]11;rgb:1/1/"}, {60 * ms, "1\ax"}}, []string{"esc", "uv.BackgroundColorEvent", "x"}},
		"escape, bracket":        {local, []keystroke{{0, "\x1b"}, {200 * ms, "["}, {2 * time.Second, "x"}}, []string{"esc", "[x"}},
		"escape, other bracket":  {local, []keystroke{{0, "\x1b"}, {200 * ms, "]"}, {100 * ms, "x"}}, []string{"esc", "]x"}},
		"escape, bracket, typed": {local, []keystroke{{0, "\x1b"}, {400 * ms, "["}, {100 * ms, "A"}}, []string{"esc", "[A"}},
		"escape twice":           {local, []keystroke{{0, "\x1b\x1b"}}, []string{"esc", "esc"}},
		"escape, arrow":          {local, []keystroke{{0, "\x1b"}, {60 * ms, "\x1b[A"}}, []string{"esc", "up"}},
		"alt":                    {local, []keystroke{{0, "\x1bb\x1bB\x1b\r\x1b\x7f\x1b_\x1bé"}}, []string{"alt+b", "alt+shift+b", "alt+enter", "alt+backspace", "alt+_", "alt+é"}},
		"alt-enter on ssh":       {remote, []keystroke{{0, "half\x1b"}, {60 * ms, "\r"}}, []string{"half", "alt+enter"}},
		"alt-enter, slower":      {remote, []keystroke{{0, "half\x1b"}, {120 * ms, "\r"}}, []string{"half", "alt+enter"}},
		"alt-[":                  {local, []keystroke{{0, "\x1b["}, {2 * time.Second, "x"}}, []string{"alt+[", "x"}},
		"arrow in three":         {local, []keystroke{{0, "\x1b"}, {40 * ms, "["}, {400 * ms, "A"}}, []string{"up"}},
		"key with Ctrl, slowly":  {local, []keystroke{{0, "\x1b["}, {400 * ms, "1;"}, {2 * time.Second, "5"}, {time.Second, "D"}}, []string{"ctrl+left"}},
		"half a key, Enter":      {local, []keystroke{{0, "a\x1b[1;"}, {time.Second, "\r"}}, []string{"a", "enter"}},
		"half a key":             {local, []keystroke{{0, "a\x1b[1;"}, {6 * time.Second, "b"}}, []string{"ab"}},
		"F1 of a VT":             {local, []keystroke{{0, "\x1bO"}, {400 * ms, "P"}}, []string{"f1"}},
		"F2 of Linux":            {local, []keystroke{{0, "\x1b["}, {400 * ms, "["}, {400 * ms, "B"}}, []string{"f2"}},
		"shift-home of rxvt":     {local, []keystroke{{0, "\x1b[7$x"}}, []string{"shift+home", "x"}},
		"alt-left of rxvt":       {local, []keystroke{{0, "\x1b\x1b[D"}}, []string{"alt+left"}},
		"focus":                  {local, []keystroke{{0, "a\x1b["}, {400 * ms, "Ib\x1b[O"}}, []string{"a", "uv.FocusEvent", "b", "uv.BlurEvent"}},
		"mouse":                  {local, []keystroke{{0, "\x1b[<64;"}, {time.Second, "10;5M"}}, []string{"uv.MouseWheelEvent"}},
		"mouse, in bytes":        {local, []keystroke{{0, "\x1b[M"}, {time.Second, "`*%"}}, []string{"uv.MouseWheelEvent"}},
		"kitty's keys":           {local, []keystroke{{0, "\x1b[97"}, {time.Second, ";5u\x1b[13;3u"}}, []string{"ctrl+a", "alt+enter"}},
		"color":                  {local, []keystroke{{0, "\x1b]11;rgb:1e1e/"}, {time.Second, "1e1e/1e1e"}, {time.Second, "\x1b"}, {time.Second, "\\x"}}, []string{"uv.BackgroundColorEvent", "x"}},
		"color, bell":            {local, []keystroke{{0, "\x1b]"}, {400 * ms, "11;rgb:1e1e/1e1e/1e1e\ax"}}, []string{"uv.BackgroundColorEvent", "x"}},
		"half a color":           {local, []keystroke{{0, "\x1b]11;rgb:1e1e/"}, {3 * time.Second, "x"}}, []string{"x"}},
		"half a color, Ctrl-C":   {local, []keystroke{{0, "\x1b]11;rgb:1e1e/"}, {100 * ms, "\x03"}}, []string{"ctrl+c"}},
		"half a color, arrow":    {local, []keystroke{{0, "\x1b]11;rgb:1e1e/"}, {100 * ms, "\x1b[A"}}, []string{"up"}},
		"version":                {local, []keystroke{{0, "\x1bP>|xterm"}, {time.Second, "(380)\x1b\\x"}}, []string{"uv.TerminalVersionEvent", "x"}},
		"a report without limit": {local, []keystroke{{0, "\x1b]52;c;" + strings.Repeat("QUJD", 9000)}, {time.Second, "QUJD\x1b"}, {100 * ms, "\\x"}}, []string{"x"}},
		"mode":                   {local, []keystroke{{0, "\x1b[?2026;"}, {time.Second, "2$yx"}}, []string{"uv.ModeReportEvent", "x"}},

		"paste":                     {local, []keystroke{{0, "a\x1b[200~one\rtwo\r\n日\t\x1b[201~\r"}}, []string{"a", `"one\rtwo\r\n日\t"`, "enter"}},
		"torn start of a paste":     {local, []keystroke{{0, "\x1b[20"}, {3 * time.Second, "0~one\rtwo\r\x1b[201~"}}, []string{`"one\rtwo\r"`}},
		"torn end of a paste":       {local, []keystroke{{0, "\x1b[200~one\r\x1b"}, {60 * ms, "["}, {900 * ms, "201"}, {900 * ms, "~x"}}, []string{`"one\r"`, "x"}},
		"torn everywhere":           {local, slow("\x1b[200~one\rtwo\r\x1b[201~x", 40*ms), []string{`"one\rtwo\r"`, "x"}},
		"paste without end":         {local, []keystroke{{0, "\x1b[200~one\rtwo\r"}, {3 * time.Second, "x"}, {100 * ms, "\r"}}, []string{`"one\rtwo\r"`, "x", "enter"}},
		"paste with half an end":    {local, []keystroke{{0, "\x1b[200~one\x1b[201"}, {6 * time.Second, "x"}}, []string{`"one"`, "x"}},
		"paste without end, Ctrl-C": {local, []keystroke{{0, "\x1b[200~one\r"}, {100 * ms, "\x03"}, {100 * ms, "x"}, {100 * ms, "\x03"}}, []string{`"one\r"`, "x", "ctrl+c"}},
		"the same in kitty":         {local, []keystroke{{0, "\x1b[200~one\r"}, {100 * ms, "\x1b[99;5u"}, {100 * ms, "x"}}, []string{`"one\r"`, "x"}},
		"the same in Cyrillic":      {local, []keystroke{{0, "\x1b[200~one\r"}, {100 * ms, "\x1b[1089::99;5:1u"}, {100 * ms, "x"}}, []string{`"one\r"`, "x"}},
		"the same in xterm":         {local, []keystroke{{0, "\x1b[200~one\r"}, {100 * ms, "\x1b[27;5;99~"}, {100 * ms, "x"}}, []string{`"one\r"`, "x"}},
		"the rest after Ctrl-C":     {local, []keystroke{{0, "\x1b[200~one\r"}, {100 * ms, "\x03"}, {100 * ms, "two\rthree\r\x1b[201~"}, {100 * ms, "x\r"}}, []string{`"one\r"`, `"\rtwo\rthree\r"`, "x", "enter"}},
		"the rest after a pause":    {local, []keystroke{{0, "\x1b[200~one\r"}, {5 * time.Second, "two\rthree"}, {10 * ms, "\rfour\r\x1b[201~x"}}, []string{`"one\r"`, `"\rtwo\rthree\rfour\r"`, "x"}},
		"only the end comes late":   {local, []keystroke{{0, "\x1b[200~one"}, {5 * time.Second, "\x1b[201~x"}}, []string{`"one"`, "x"}},
		"another paste after it":    {local, []keystroke{{0, "\x1b[200~one"}, {5 * time.Second, "\x1b[200~two\rthree\x1b[201~x"}}, []string{`"one"`, `"two\rthree"`, "x"}},
		"long after it":             {local, []keystroke{{0, "\x1b[200~one"}, {time.Hour, "two\rthree"}}, []string{`"one"`, "two", "enter", "three"}},
		"sequences in a paste":      {local, []keystroke{{0, "\x1b[200~\x1b[31mred\x1b[0m \x1bx \x1b]0;t\a.\x1b[I\x1b[201~"}}, []string{`"red x ."`}},
		"end without a start":       {local, []keystroke{{0, "a\x1b[201~b"}}, []string{"ab"}},
	} {
		if got := pressed(t, test.wait, test.strokes...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// slow returns keystrokes of one byte each.
func slow(input string, after time.Duration) (strokes []keystroke) {
	for _, b := range []byte(input) {
		strokes = append(strokes, keystroke{after, string(b)})
	}
	return strokes
}

// Esc and keys with Alt get the names that Bubble Tea gives them.
func TestAltKeys(t *testing.T) {
	for b := range byte(utf8.RuneSelf) {
		if b == esc || b == '[' || b == 'O' || b == 'P' || b == ']' || b == '_' || b == 'X' || b == '^' {
			continue // the start of longer ones
		}
		var d uv.EventDecoder
		input := []byte{esc, b}
		_, want := d.Decode(input)
		n, kind := sequence(input)
		if n != 2 || kind != altKey {
			t.Fatalf("sequence(%q) = %d, %d", input, n, kind)
		}
		_, got := d.Decode(keyOf(input))
		if got.(uv.KeyPressEvent).String() != want.(uv.KeyPressEvent).String() {
			t.Errorf("Esc %q is %v, want %v", b, got, want)
		}
	}
}

// chunks returns all that a splitter makes of keystrokes, and checks that it always goes on.
func chunks(t interface {
	Helper()
	Fatalf(string, ...any)
}, strokes []keystroke) string {
	t.Helper()
	s := splitter{escapeWait: localEscapeWait}
	now := time.Unix(0, 0)
	var out bytes.Buffer
	take := func(until time.Time) {
		for {
			for chunk := s.next(now, 4096); chunk != nil; chunk = s.next(now, 4096) {
				out.Write(chunk)
			}
			at := s.deadline()
			if !at.IsZero() && !at.After(now) {
				t.Fatalf("it waits for a time that is over: %+v at %v", s, now)
			}
			if at.IsZero() || at.After(until) {
				now = until
				return
			}
			now = at
		}
	}
	for _, stroke := range strokes {
		take(now.Add(stroke.after))
		s.add([]byte(stroke.bytes), now)
	}
	take(now.Add(time.Minute))
	if len(s.held) > 0 || s.paste == inPaste || s.skipping {
		t.Fatalf("it still waits: %+v", s)
	}
	return out.String()
}

// However the input is cut, and however slowly it comes, the keys are the same.
func TestKeyboardSplits(t *testing.T) {
	units := []string{
		"a", "soup", "é", "日本", "🍲", "\r", "\n", "\t", "\x01", "\x7f", "\x1b[A", "\x1b[1;5D", "\x1b[3~", "\x1bOP", "\x1b[[B", "\x1b[7^",
		"\x1b[97;5u", "\x1b[27;3;13~", "\x1b[I", "\x1b[O", "\x1b[<64;10;5M", "\x1b[<0;1;1m", "\x1b[M !!", "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\", "\x1b]11;rgb:0/0/0\a",
		"\x1bP>|xterm(380)\x1b\\", "\x1bP1+r5463\x1b\\", "\x1b_Gi=1;OK\x1b\\", "\x1b[?2026;2$y", "\x1b[5;5R",
		"\x1bb", "\x1b\r", "\x1bé", "\x1b\x1b[C", "\x1b[200~one\rtwo\x1b[201~", "\x1b[200~\x1b[201~", "\x1b[200~日\x1b[31mred\r\x1b[201~",
	}
	rapid.Check(t, func(t *rapid.T) {
		input := strings.Join(rapid.SliceOfN(rapid.SampledFrom(units), 1, 12).Draw(t, "units"), "")
		want := chunks(t, []keystroke{{0, input}})
		var strokes []keystroke
		for at := 0; at < len(input); {
			n := rapid.IntRange(1, len(input)-at).Draw(t, "bytes")
			longest := 950 // ms
			if at > 0 && input[at-1] == esc {
				longest = 45
			}
			after := time.Duration(rapid.IntRange(0, longest).Draw(t, "ms")) * ms
			strokes = append(strokes, keystroke{after, input[at : at+n]})
			at += n
		}
		if got := chunks(t, strokes); got != want {
			t.Fatalf("%+q gives %q, want %q", fmt.Sprint(strokes), got, want)
		}
	})
}

// FuzzKeyboard cuts any input at any times. The splitter never gets stuck, and a paste
// contains no sequences.
func FuzzKeyboard(f *testing.F) {
	for _, seed := range []string{"soup\r", "\x1b[200~one\rtwo\x1b[201~x", "\x1b[200~one\x03two\rthree", "\x1b]11;rgb:1/2/3\x1b\\", "\x1b\x1b[A\x1bOP", "\xe6\x97\x1b[<0;1;1M"} {
		f.Add([]byte(seed), []byte{1, 40, 3, 255, 2, 90})
	}
	f.Fuzz(func(t *testing.T, input, cuts []byte) {
		input = input[:min(len(input), 4096)] // a keyboard adds no more at once
		var strokes []keystroke
		for i := 0; len(input) > 0; i += 2 {
			n, after := len(input), time.Duration(0)
			if i+1 < len(cuts) {
				n, after = min(int(cuts[i])+1, n), time.Duration(cuts[i+1])*30*ms
			}
			strokes = append(strokes, keystroke{after, string(input[:n])})
			input = input[n:]
		}
		out := chunks(t, strokes)
		for rest := out; ; {
			_, paste, found := strings.Cut(rest, pasteStart)
			if !found {
				return
			}
			text, after, ended := strings.Cut(paste, pasteEnd)
			if !ended || strings.ContainsRune(text, esc) || !utf8.ValidString(text) {
				t.Fatalf("a paste is %q in %q", text, out)
			}
			rest = after
		}
	})
}
