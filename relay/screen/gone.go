package screen

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

// roomGone shows that another room is at the address of ours. What was not sent goes back to
// the input, and Enter joins the other room.
func (c *conversation) roomGone(other *client.OtherRoomError) {
	c.gone, c.lost = other, other
	message := other.Error() + ". Enter joins it"
	if returned := c.outbox.returnAll(); len(returned) > 0 {
		message += ".\nNothing was sent there: " + wire.Counted(len(returned), "unsent message is", "unsent messages are") + " back in the input"
		c.returnToInput(returned)
	}
	c.show(kindError, message)
	c.view.toEnd()
}

// returnToInput puts texts that were not sent into the input, if they can be one message and the
// person is writing none, or else into the input history.
func (c *conversation) returnToInput(typed []string) {
	e := &c.composer.editor
	message := strings.Join(typed, "\n")
	isCommand := func(s string) bool { return strings.HasPrefix(s, "/") }
	if e.text == "" && len(message) <= e.limit && !tooManyLines(message) && (len(typed) == 1 || !slices.ContainsFunc(typed, isCommand)) {
		e.set(message)
		return
	}
	for _, text := range typed {
		e.addHistory(text)
	}
	c.flash = "Not sent. ↑ brings it back."
}

// joinOther joins the room at the address of the one that is gone.
func (c *conversation) joinOther() tea.Cmd {
	if c.joiningOther {
		return nil
	}
	c.joiningOther = true
	return c.m.join(c.m.ctx, Place{Title: cutBytes(c.gone.Now.Title, maxTitle), Addr: c.gone.Addr, ID: c.gone.Now.ID, Sealed: c.sealed})
}
