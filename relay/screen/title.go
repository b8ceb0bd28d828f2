package screen

import (
	"fmt"

	"chat/relay/text"
)

// unseen is how many messages came while the person was not watching the screen, for the title
// of the window: those that name us or are private, and all others. It is owned by Bubble Tea's
// event loop.
type unseen struct{ calls, others int }

// maxUnseen is the greatest number in a title: in a flood it stops changing with each frame.
const maxUnseen = 99

func (u *unseen) note(highlight bool) {
	if highlight {
		u.calls++
	} else {
		u.others++
	}
}

// title returns the title of the window in a room.
func (u *unseen) title(room string) string {
	title := text.Clean(room) + " – chat"
	switch {
	case u.calls > maxUnseen:
		return fmt.Sprintf("(%d+) %s", maxUnseen, title)
	case u.calls > 0:
		return fmt.Sprintf("(%d) %s", u.calls, title)
	case u.others > 0:
		return "• " + title
	}
	return title
}
