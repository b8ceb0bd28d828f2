package screen

import (
	"fmt"
	"image/color"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"pgregory.net/rapid"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

var twelve = theme.For(color.Black, color.White, colorprofile.TrueColor)

// presence is who is in a room.
type presence map[string]bool

func (p presence) colors(th *theme.Theme) nickColors {
	return newNickColors(th, func(nick string) bool { return p[nick] })
}

// While there are enough colors, no two members who are here and send messages have the same,
// and the first eight have those that differ most.
func TestNickColorsAreGivenOnce(t *testing.T) {
	here := presence{}
	c := here.colors(twelve)
	here["silent"] = true
	given := make(map[theme.Style]string)
	for i := range twelve.Nicks {
		nick := fmt.Sprint("nick", i)
		here[nick] = true
		if s := c.ofMember("silent"); s != theme.Plain {
			t.Errorf("a member who sent no message has %q", s)
		}
		c.spoke(nick)
		s := c.of(nick)
		if other, ok := given[s]; ok {
			t.Errorf("%s and %s have the same color", other, nick)
		}
		given[s] = nick
		if n := slices.Index(twelve.Nicks, s); (n < twelve.Core) != (i < twelve.Core) {
			t.Errorf("member %d has color %d", i, n)
		}
	}
	for s, nick := range given {
		if c.of(nick) != s {
			t.Errorf("the color of %s changed", nick)
		}
	}
	if s := c.ofMember("silent"); given[s] == "" {
		t.Errorf("all have a color, but who sent no message has %q", s)
	}
	// One more has to share a color: all others sent a message just now.
	c.spoke("one more")
	if n := len(given); n != 12 || given[c.of("one more")] == "" || c.of(given[c.of("one more")]) != c.of("one more") {
		t.Errorf("one more has %q", c.of("one more"))
	}
}

// The color of a member who left is kept until another one needs it; then the first to lose
// theirs is who has been silent longest.
func TestNickColorsAreKept(t *testing.T) {
	here := presence{}
	c := here.colors(twelve)
	for i := range twelve.Nicks {
		nick := fmt.Sprint("nick", i)
		here[nick] = true
		c.spoke(nick)
	}
	first, second := c.of("nick0"), c.of("nick1")
	here["nick0"], here["nick1"], here["nick2"] = false, false, false
	c.spoke("nick0") // the last message before leaving
	if here["zoe"] = true; c.of("nick1") != second {
		t.Error("who left lost the color before another needs it")
	}
	if c.spoke("zoe"); c.of("zoe") != second {
		t.Errorf("zoe has %q, want %q of who left and has been silent longest", c.of("zoe"), second)
	}
	if c.of("nick0") != first {
		t.Error("who left last lost the color")
	}
	// All are here: who was silent so long that no message is on the screen loses it.
	here["nick0"], here["nick2"] = true, true
	for range offScreen {
		for i := range twelve.Nicks {
			if nick := fmt.Sprint("nick", i); c.colors[nick] > 0 && i != 5 {
				c.spoke(nick)
			}
		}
	}
	silent := c.of("nick5")
	for n := range 3 {
		here[fmt.Sprint("new", n)] = true
		c.spoke(fmt.Sprint("new", n))
	}
	if c.of("new0") != silent && c.of("zoe") != silent && c.of("new1") != silent {
		t.Error("who has been silent for hundreds of messages keeps the only free color")
	}
}

// The hash chooses the color of those who were not given one: the same in upper and lower case,
// and each time.
func TestNickColorsOfStrangers(t *testing.T) {
	c := presence{}.colors(twelve)
	if c.of("Alice") != c.of("alice") || c.of("Zoë") != c.of("ZOË") {
		t.Error("the color of a nick depends on its case")
	}
	if again := (presence{}).colors(twelve); again.of("alice") != c.of("alice") {
		t.Error("a nick has another color the next time")
	}
	before := c.of("alice")
	if c.spoke("alice"); c.of("alice") != before {
		t.Error("the first message changes the color, and no one else has it")
	}
	seen := make(map[theme.Style]int)
	for i := range 10 * maxHashes {
		seen[c.of(fmt.Sprint("nick", i))]++
	}
	for _, s := range twelve.Nicks[:twelve.Core] {
		if n := seen[s]; n < 10*maxHashes/twelve.Core/2 {
			t.Errorf("%q has %d of %d nicks", s, n, 10*maxHashes)
		}
	}
	if len(c.hashes) > maxHashes {
		t.Errorf("%d hashes are cached, want at most %d", len(c.hashes), maxHashes)
	}
}

// A member keeps the color under another nick, and so do the messages under the former one. If
// another member takes the former nick, that one gets a color of its own.
func TestNickColorsOfOtherNicks(t *testing.T) {
	here := presence{"alice": true, "zoe": true}
	c := here.colors(twelve)
	c.spoke("alice")
	s := c.of("alice")
	if c.renamed("alice", "zoe"); c.of("zoe") != s || c.of("alice") != s {
		t.Errorf("alice had %q, is now zoe with %q, and old messages have %q", s, c.of("zoe"), c.of("alice"))
	}
	if c.spoke("alice"); c.of("alice") == s || c.of("zoe") != s {
		t.Errorf("the new alice has %q, zoe %q", c.of("alice"), c.of("zoe"))
	}
	c.renamed("zoe", "zoe0")
	for n := range 100 {
		c.renamed(fmt.Sprint("zoe", n), fmt.Sprint("zoe", n+1))
	}
	if c.of("zoe100") != s || len(c.colors) > 2+maxFormer {
		t.Errorf("zoe has %q, %d nicks have colors", c.of("zoe100"), len(c.colors))
	}
}

// Our own nick has no color, whoever had it before.
func TestOwnNickHasNoColor(t *testing.T) {
	c := presence{"bob": true}.colors(twelve)
	if c.spoke("bob"); c.of("bob") == theme.Bold {
		t.Error("another member has no color")
	}
	before := c.edits
	if c.setOwn("bob"); c.of("bob") != theme.Bold || c.edits == before {
		t.Errorf("we have %q", c.of("bob"))
	}
	mono := presence{}.colors(theme.For(nil, nil, colorprofile.Ascii))
	if mono.spoke("alice"); mono.of("alice") != theme.Bold {
		t.Errorf("without colors, alice has %q", mono.of("alice"))
	}
}

// Whatever happens, rows that were drawn before an assignment changed are known to be out of
// date, no more is kept than documented, and a color has one owner.
func TestNickColorsRandomly(t *testing.T) {
	themes := []*theme.Theme{twelve, theme.For(nil, nil, colorprofile.ANSI), theme.For(color.White, nil, colorprofile.ANSI256), theme.For(nil, nil, colorprofile.Ascii)}
	rapid.Check(t, func(t *rapid.T) {
		here := presence{}
		c := here.colors(twelve)
		nick := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("n", rapid.IntRange(0, 30).Draw(t, "n")) })
		drawn := make(map[string]theme.Style)
		edits := c.edits
		draw := func() {
			for n := range 31 {
				name := fmt.Sprint("n", n)
				if s := c.of(name); c.edits == edits && drawn[name] != "" && drawn[name] != s {
					t.Fatalf("%s was drawn as %q, is %q now, and no one was told", name, drawn[name], s)
				} else {
					drawn[name] = s
				}
			}
			edits = c.edits
			if most := len(c.styles) * (1 + maxFormer); len(c.colors) > most {
				t.Fatalf("%d nicks have colors, want at most %d", len(c.colors), most)
			}
			for i, o := range c.owners {
				if color, ok := c.colors[o.nick]; o.nick != "" && (!ok || color != i) {
					t.Fatalf("%s owns color %d and has color %d", o.nick, i, color)
				}
			}
			for name, i := range c.colors {
				if o := c.owners[i]; o.nick != name && !slices.Contains(o.former, name) {
					t.Fatalf("%s has the color of %+v", name, o)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"speak": func(t *rapid.T) {
				n := nick.Draw(t, "nick")
				here[n] = true
				c.spoke(n)
			},
			"leave":  func(t *rapid.T) { delete(here, nick.Draw(t, "nick")) },
			"rename": func(t *rapid.T) { c.renamed(nick.Draw(t, "from"), nick.Draw(t, "to")) },
			"own":    func(t *rapid.T) { c.setOwn(nick.Draw(t, "nick")) },
			"theme":  func(t *rapid.T) { c.use(rapid.SampledFrom(themes).Draw(t, "theme")) },
			"":       func(*rapid.T) { draw() },
		})
	})
}

// Who sends messages gets a color that differs from the others', also who left before we joined;
// those in older history do not use any up. A member keeps it under another nick.
func TestNickColorsInARoom(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.update(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
		c := &r.m.conversation.nicks
		seen := make(map[theme.Style]bool)
		for i := range len(c.styles) - 2 {
			nick := fmt.Sprint("stranger", i)
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 1, Time: noon, From: nick, Text: "long ago"}, Past: true})
			seen[c.of(nick)] = true
		}
		r.say("alice", "x")
		r.say("carol", "x")
		r.say("bob", "x") // us
		seen[c.of("alice")], seen[c.of("carol")] = true, true
		if len(seen) != len(c.styles) || len(c.colors) != len(c.styles) {
			t.Errorf("%d colors were given to %v", len(seen), c.colors)
		}
		r.m.conversation.prepend([]entry{{id: 1, from: "old", text: "x"}})
		if len(c.colors) != len(c.styles) || c.colors["old"] > 0 {
			t.Errorf("older history uses up a color: %v", c.colors)
		}
		r.update(tea.BackgroundColorMsg{Color: color.White})
		if s := c.of("alice"); s == c.of("carol") || !slices.Contains(theme.For(color.White, nil, colorprofile.TrueColor).Nicks, s) {
			t.Errorf("on a white background alice has %q, carol %q", s, c.of("carol"))
		}
		before := c.of("carol")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeNick, ID: 9, Time: noon, From: "carol", Client: "c", Nick: "caro"}})
		if c.of("caro") != before {
			t.Error("a new nick has another color")
		}
	})
}
