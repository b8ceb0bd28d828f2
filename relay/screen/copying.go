package screen

// In copy mode the window has the texts and nothing beside them: selecting them with the
// mouse selects no times, nicks or bars. Who wrote them stands in rows of their own. The
// window stays where it is, so that no new message moves the text below a selection.
//
// A text that is longer than a row is still cut between words, and the terminal copies each
// row as a line. It would join them only if it had wrapped the text itself, and a program that
// draws a full screen cannot let it.

// toggleCopying turns copy mode on or off.
func (c *conversation) toggleCopying() {
	if c.copying {
		c.stopCopying()
		return
	}
	c.copying = true
	c.flash = "Copy mode: only the texts. F3 or Esc goes back."
	f := newFrame(c)
	c.view.hold(f.painter, &c.transcript, f.height-len(f.drawPending(f.height-1)))
}

// stopCopying turns copy mode off. It reports whether it was on.
func (c *conversation) stopCopying() bool {
	if !c.copying {
		return false
	}
	c.copying = false
	if c.view.held {
		c.view.toEnd()
	}
	return true
}

func (c *conversation) isCopying() bool { return c.copying && c.isOpenToKeys() }
