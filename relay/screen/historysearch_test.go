package screen

import "testing"

// wrote returns an editor in which texts were sent, and a draft stands.
func wrote(draft string, texts ...string) *editor {
	e := newEditor("")
	for _, text := range texts {
		e.insert(text)
		e.sent()
	}
	e.insert(draft)
	return e
}

// pressAll has r take keys: what is between brackets by name, the rest letter by letter.
// It reports whether the last one was for it.
func pressAll(r *historySearch, e *editor, names ...string) (taken bool) {
	for _, name := range names {
		typed := name
		if press(name).Text == "" {
			typed = ""
		}
		taken = r.key(e, name, typed)
	}
	return taken
}

func TestRecollection(t *testing.T) {
	for _, test := range []struct {
		name string
		keys []string
		want string // text, with a bar where the cursor is
		hint bool   // that nothing more was found
	}{
		{"nothing is looked for", []string{"ctrl+r"}, "dra|ft", false},
		{"the last that has it", []string{"ctrl+r", "s"}, "one more |soup", false},
		{"it is narrowed down", []string{"ctrl+r", "o", "n", "e", "!"}, "|One! bread", false},
		{"whatever the case", []string{"ctrl+r", "O", "N", "E"}, "|one more soup", false},
		{"the one before", []string{"ctrl+r", "s", "ctrl+r"}, "|soup", false},
		{"back again", []string{"ctrl+r", "s", "ctrl+r", "ctrl+s"}, "one more |soup", false},
		{"none before", []string{"ctrl+r", "s", "ctrl+r", "ctrl+r"}, "|soup", true},
		{"none at all", []string{"ctrl+r", "q"}, "dra|ft", true},
		{"a letter less", []string{"ctrl+r", "b", "q", "backspace"}, "One! |bread", false},
		{"it begins anew with a letter less", []string{"ctrl+r", "s", "ctrl+r", "o", "backspace"}, "one more |soup", false},
		{"Esc keeps what was found", []string{"ctrl+r", "b", "esc"}, "One! |bread", false},
		{"Ctrl-G does not", []string{"ctrl+r", "b", "ctrl+g"}, "dra|ft", false},
		{"nor does Ctrl-C", []string{"ctrl+r", "b", "ctrl+c"}, "dra|ft", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := wrote("draft", "soup", "One! bread", "one more soup")
			edit(e, "[left][left]")
			var r historySearch
			if !pressAll(&r, e, test.keys...) || state(e) != test.want || r.noMore != test.hint {
				t.Errorf("%q, nothing more: %v; want %q, %v", state(e), r.noMore, test.want, test.hint)
			}
		})
	}
	t.Run("another key goes on with what was found", func(t *testing.T) {
		e := wrote("draft", "soup", "bread")
		var r historySearch
		if pressAll(&r, e, "ctrl+r", "s", "enter") || r.active {
			t.Error("Enter was taken")
		}
		if e.sent(); e.history[len(e.history)-1] != "soup" || e.history[len(e.history)-2] != "draft" {
			t.Errorf("the history is %q, and has not the draft and what was sent last", e.history)
		}
	})
	t.Run("as it was changed", func(t *testing.T) {
		e := edit(wrote("draft", "soup", "bread"), "[ctrl+p]!")
		var r historySearch
		if pressAll(&r, e, "ctrl+r", "!"); state(e) != "bread|!" {
			t.Errorf("%q", state(e))
		}
	})
	t.Run("nothing was written yet", func(t *testing.T) {
		e := newEditor("")
		var r historySearch
		if pressAll(&r, e, "ctrl+r", "x", "ctrl+r", "ctrl+s", "backspace", "ctrl+g"); e.text != "" || r.active {
			t.Errorf("%q", e.text)
		}
	})
}

// On the screen the row above says what is looked for, and Enter says what was found.
func TestRecollectionIsShown(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for _, text := range []string{"soup is ready", "bread"} {
			r.typed(text)
			r.keys("enter")
		}
		r.keys("ctrl+r")
		r.typed("is")
		r.want("sent with “is”", "bob› soup is ready")
		r.keys("enter")
		if asked := r.room.asked; len(asked) != 3 || asked[2].Text != "soup is ready" {
			t.Errorf("asked %+v", asked)
		}
	})
}
