package screen

import (
	"strings"
	"testing"
)

// here are the nicks of the other members, the last speakers first.
var here = []string{"bob", "Alice", "bobby", "Ümit", "carol"}

// tab presses Tab a number of times at the bar in text.
func tab(c *completer, text string, times int) *editor {
	before, after, _ := strings.Cut(text, "|")
	e := newEditor(before + after)
	e.cursor = len(before)
	for range times {
		c.next(e, here, 1)
	}
	return e
}

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		text  string
		times int
		want  string
	}{
		// nicks
		{"bo|", 1, "bob: |"},
		{"bo|", 2, "bobby: |"},
		{"bo|", 3, "bob: |"},
		{"hello bo|", 1, "hello bob |"},
		{"a line\nbo|", 1, "a line\nbob |"},
		{"BO|", 1, "bob: |"},
		{"ali|", 3, "Alice: |"},
		{"ü|", 1, "Ümit: |"},
		{"bo| is here", 1, "bob:| is here"},
		{"so bo|\nthere", 1, "so bob |\nthere"},
		{"@bo|", 1, "@bob |"},
		{"(bo|", 1, "(bob |"},
		{"|", 1, "bob: |"},
		{"hello |", 1, "hello |"},
		{"zo|", 1, "zo|"},
		{"请问bo|", 1, "请问bob |"},
		{"请问zo|", 1, "请问zo|"},
		{"你好:heart:|", 1, "你好❤️|"},
		{"//bo|", 1, "//bob |"},
		{"12:30|", 1, "12:30|"},

		// commands
		{"/ms|", 1, "/msg |"},
		{"/me|", 1, "/me |"},
		{"/me|", 2, "/members|"},
		{"/WH|", 1, "/who|"},
		{"/ki|", 1, "/ki|"}, // for operators
		{"/zz|", 1, "/zz|"},
		{"and /ms|", 1, "and /ms|"},
		{" /ms|", 1, " /ms|"},
		{"/ms| bob hello", 1, "/msg| bob hello"},

		// their arguments
		{"/msg |", 1, "/msg bob |"},
		{"/msg bo|", 2, "/msg bobby |"},
		{"/msg bob|", 1, "/msg bob |"},
		{"/msg carol greet bo|", 1, "/msg carol greet bob |"},
		{"/msg carol |", 1, "/msg carol |"},
		{"/ignore |", 1, "/ignore bob |"},
		{"/unban car|", 1, "/unban carol |"},
		{"/me greets ali|", 1, "/me greets Alice |"},
		{"/topic |", 1, "/topic |"},

		// emoji
		{":thu|", 1, "👍|"},
		{":thu|", 2, "👎|"},
		{":thu|", 3, "👍|"},
		{"fine :+1|", 1, "fine 👍|"},
		{"fine :Smile:|", 1, "fine 😄|"},
		{"fine :smile:|", 2, "fine 😄|"},
		{"👍:fire|", 1, "👍🔥|"},
		{"(:tada|)", 1, "(🎉|)"},
		{":|", 1, ":|"},
		{":bobb|", 1, ":bobby |"},
	} {
		if got := state(tab(new(completer), test.text, test.times)); got != test.want {
			t.Errorf("%q and Tab %d times: %q, want %q", test.text, test.times, got, test.want)
		}
	}
}

func TestCompleteBackwards(t *testing.T) {
	c := new(completer)
	e := newEditor("bo")
	for _, want := range []string{"bobby: ", "bob: ", "bobby: "} {
		if c.next(e, here, -1); e.text != want {
			t.Errorf("%q, want %q", e.text, want)
		}
	}
	if c.next(e, here, 1); e.text != "bob: " {
		t.Errorf("forward again: %q", e.text)
	}
}

func TestCompleteForOperators(t *testing.T) {
	c := &completer{operator: true}
	if e := tab(c, "/ki|", 1); e.text != "/kick " {
		t.Errorf("an operator gets %q", e.text)
	}
	c.stop()
	if !c.operator {
		t.Error("not an operator any more after stop")
	}
}

func TestCompleteIsUndoneAtOnce(t *testing.T) {
	c := new(completer)
	e := edit(newEditor(""), "hello bo")
	for range 4 {
		c.next(e, here, 1)
	}
	c.stop()
	e.undo()
	if state(e) != "hello bo|" {
		t.Errorf("undo leaves %q", state(e))
	}
	if e.undo(); e.text != "hello " {
		t.Errorf("and another %q", e.text)
	}
}

func TestCompleteAfterAnotherKey(t *testing.T) {
	c := new(completer)
	e := tab(c, "bo|", 1)
	c.stop()
	edit(e, "ca")
	if c.next(e, here, 1); e.text != "bob: carol " {
		t.Errorf("%q", e.text)
	}
	e.set("ali") // without a key
	if c.next(e, here, 1); e.text != "Alice: " {
		t.Errorf("%q", e.text)
	}
}

// A completion that does not fit changes nothing.
func TestCompleteLimit(t *testing.T) {
	c := new(completer)
	e := newEditor("bo")
	e.limit = 6
	for range 3 {
		c.next(e, here, 1)
		if len(e.text) > e.limit || !strings.HasPrefix(e.text, "bo") {
			t.Errorf("%q", e.text)
		}
	}
}

func TestCompleteChoices(t *testing.T) {
	c := new(completer)
	if c.choices() != "" {
		t.Errorf("before Tab there is %q", c.choices())
	}
	e := tab(c, "bo|", 1)
	if got := c.choices(); got != "bob  bobby" {
		t.Errorf("%q", got)
	}
	c.next(e, here, 1)
	if got := c.choices(); got != "bobby  bob" {
		t.Errorf("%q", got)
	}
	c.stop()
	if c.choices() != "" {
		t.Errorf("after it, %q", c.choices())
	}
	tab(c, "/me|", 1)
	if got := c.choices(); got != "/me  /members" {
		t.Errorf("%q", got)
	}
	tab(c, "ali|", 1)
	if got := c.choices(); got != "" {
		t.Errorf("a single choice is listed: %q", got)
	}
}

// Tab among all other keys keeps the invariants of the editor.
func TestCompleteRandomly(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		random := newRandom(seed)
		c := new(completer)
		e := &editor{limit: 100}
		for range 500 {
			switch random.IntN(8) {
			case 0:
				c.next(e, here, 1)
			case 1:
				c.next(e, here, -1)
			case 2:
				e.insert([]string{"bo", ":t", "/m", " ", ":smile:"}[random.IntN(5)])
			default:
				c.stop()
				e.randomStep(random.Int(), 20)
			}
			checkEditor(t, e, 20)
		}
		checkUndo(t, e, "")
	}
}
