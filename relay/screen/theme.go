package screen

import (
	"image/color"

	"github.com/charmbracelet/colorprofile"
)

// A theme is the styles of everything on the screen, by what they mean. All are for one
// terminal: its background, its foreground and the colors that it can show.
type theme struct {
	// Of text.
	dim      style // what matters less: times, hints, events of the room
	hairline style // lines between parts of the screen
	accent   style // what can be pressed: keys, links
	amber    style // what names us, and trouble
	violet   style // what is private
	red      style // errors
	green    style // the connection, if there is one

	// Of code.
	keyword, literal, number, function, comment style

	// Grounds, to be drawn below any of the above; "" if the terminal has none.
	panel style // of the header and of lists
	code  style // of code
	call  style // of an entry that names us
	alone style // of a private message
	sel   style // of the chosen row
	hit   style // of words that a search found

	nicks []style // the first eight differ most

	mono bool // there are no colors at all: reverse video and bold stand in for them
}

// themeFor returns the theme of a terminal with this background and foreground (nil:
// unknown) and color profile.
func themeFor(background, foreground color.Color, profile colorprofile.Profile) *theme {
	return &theme{
		dim: "38;2;154;160;175", hairline: "38;2;68;70;88", accent: "38;2;130;180;255", amber: "38;2;245;184;61",
		violet: "38;2;185;162;255", red: "38;2;255;154;143", green: "38;2;134;217;147",
		keyword: "38;2;196;167;255", literal: "38;2;165;214;160", number: "38;2;240;178;122", function: "38;2;130;180;255", comment: "38;2;154;160;175",
		panel: "48;2;41;41;58", code: "48;2;42;42;60", call: "48;2;60;45;18", alone: "48;2;47;40;69", sel: "48;2;34;58;92", hit: "48;2;96;72;10",
		nicks: []style{"38;2;117;184;214", "38;2;233;154;63", "38;2;160;255;180", "38;2;219;153;160", "38;2;179;155;253", "38;2;247;246;128", "38;2;118;255;249", "38;2;188;174;114"},
	}
}
