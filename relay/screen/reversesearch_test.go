package screen

import "testing"

// wrote returns an editor with a draft, after texts were sent.
func wrote(draft string, texts ...string) *editor {
	e := newEditor("")
	for _, text := range texts {
		e.insert(text)
		e.sent()
	}
	e.insert(draft)
	return e
}

// pressAll presses keys, by their names or the letters that they type. It reports whether
// the last one was for the search.
func pressAll(s *reverseSearch, e *editor, names ...string) (used bool) {
	for _, name := range names {
		typed := name
		if press(name).Text == "" {
			typed = ""
		}
		used = s.key(e, name, typed)
	}
	return used
}

func TestReverseSearch(t *testing.T) {
	for _, test := range []struct {
		name   string
		keys   []string
		want   string // text, with a bar where the cursor is
		noMore bool   // matches
	}{
		{"no query", []string{"ctrl+r"}, "dra|ft", false},
		{"the last match", []string{"ctrl+r", "s"}, "one more |soup", false},
		{"narrowed down", []string{"ctrl+r", "o", "n", "e", "!"}, "|One! bread", false},
		{"in another case", []string{"ctrl+r", "O", "N", "E"}, "|one more soup", false},
		{"the one before", []string{"ctrl+r", "s", "ctrl+r"}, "|soup", false},
		{"back again", []string{"ctrl+r", "s", "ctrl+r", "ctrl+s"}, "one more |soup", false},
		{"none before", []string{"ctrl+r", "s", "ctrl+r", "ctrl+r"}, "|soup", true},
		{"none at all", []string{"ctrl+r", "q"}, "dra|ft", true},
		{"a letter less", []string{"ctrl+r", "b", "q", "backspace"}, "One! |bread", false},
		{"it restarts with a letter less", []string{"ctrl+r", "s", "ctrl+r", "o", "backspace"}, "one more |soup", false},
		{"Esc keeps the match", []string{"ctrl+r", "b", "esc"}, "One! |bread", false},
		{"Ctrl-G does not", []string{"ctrl+r", "b", "ctrl+g"}, "dra|ft", false},
		{"nor does Ctrl-C", []string{"ctrl+r", "b", "ctrl+c"}, "dra|ft", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := wrote("draft", "soup", "One! bread", "one more soup")
			edit(e, "[left][left]")
			var r reverseSearch
			if !pressAll(&r, e, test.keys...) || state(e) != test.want || r.noMore != test.noMore {
				t.Errorf("%q, no more: %v; want %q, %v", state(e), r.noMore, test.want, test.noMore)
			}
		})
	}
	t.Run("another key acts on the match", func(t *testing.T) {
		e := wrote("draft", "soup", "bread")
		var r reverseSearch
		if pressAll(&r, e, "ctrl+r", "s", "enter") || r.active {
			t.Error("Enter was for the search")
		}
		if e.sent(); e.history[len(e.history)-1] != "soup" || e.history[len(e.history)-2] != "draft" {
			t.Errorf("the history is %q, without the draft or the last text sent", e.history)
		}
	})
	t.Run("in an edited text", func(t *testing.T) {
		e := edit(wrote("draft", "soup", "bread"), "[ctrl+p]!")
		var r reverseSearch
		if pressAll(&r, e, "ctrl+r", "!"); state(e) != "bread|!" {
			t.Errorf("%q", state(e))
		}
	})
	t.Run("an empty history", func(t *testing.T) {
		e := newEditor("")
		var r reverseSearch
		if pressAll(&r, e, "ctrl+r", "x", "ctrl+r", "ctrl+s", "backspace", "ctrl+g"); e.text != "" || r.active {
			t.Errorf("%q", e.text)
		}
	})
}

// The hint shows the query, and Enter sends the match.
func TestReverseSearchIsShown(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for _, text := range []string{"soup is ready", "bread"} {
			r.typed(text)
			r.keys("enter")
		}
		r.keys("ctrl+r")
		r.typed("is")
		r.want("Input with “is”", "bob › soup is ready")
		r.keys("enter")
		if asked := r.room.asked; len(asked) != 3 || asked[2].Text != "soup is ready" {
			t.Errorf("requested %+v", asked)
		}
	})
}
