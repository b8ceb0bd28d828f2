package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// printEvents prints events until the client has ended. If Out cannot be written to, it
// calls leave; if no one reads it, it closes unread and prints nothing more.
func (v *conversation) printEvents(ctx context.Context, leave context.CancelFunc) {
	for e := range v.client.Events() {
		switch e := e.(type) {
		case client.Connected:
			v.printConnected(e)
		case client.Disconnected:
			switch {
			case ctx.Err() != nil:
			case e.Attempt == 0 && e.Elsewhere:
				v.moving = true // reported only if it takes long
			case e.Attempt == 0, v.moving:
				v.moving = false
				v.printDisconnected(e.Err)
			default:
				v.printObstacle(e.Err)
			}
		case client.Received:
			v.printReceived(e)
		}
		if len(v.client.Events()) == 0 {
			v.flush(leave)
		}
	}
	v.flush(leave)
}

// flush writes the buffered output. It is called when no more events are waiting: a
// backlog of a thousand lines takes one write, and no line is late.
func (v *conversation) flush(leave context.CancelFunc) {
	switch err := v.out.Flush(); {
	case err == nil || v.outErr != nil:
	case isClosedPipe(err):
		v.out.Reset(io.Discard)
		close(v.unread)
	default:
		v.outErr = err
		leave()
	}
}

// printNotice prints lines that are not messages: on a terminal among the messages,
// otherwise on Err.
func (v *conversation) printNotice(lines string) {
	if !v.OutPiped && !v.JSON {
		v.out.WriteString(lines)
		return
	}
	io.WriteString(v.Err, lines)
}

func (v *conversation) printConnected(e client.Connected) {
	v.nick = e.Welcome.Nick
	v.addr = e.Addr
	v.resumed = e.Resumed
	v.sealed, v.blocked = isSealed(&e), false
	if v.JSON {
		v.out.Write(e.Welcome.AppendJSON(nil))
	}
	if e.Unproven {
		v.printNotice("! " + client.UnprovenWarning + "\n")
	}
	if e.SmallPackets && !v.toldSmall {
		v.toldSmall = true
		v.printNotice("* " + client.SmallPacketsNotice + "\n")
	}
	switch {
	case e.NewRoom:
		v.printNotice("* reconnected; the host was restarted with an empty room\n")
		v.printNotice(string(e.Welcome.AppendText(nil, v.reader())))
	case e.Moved:
		v.printNotice("* moved to another relay (" + text.Clean(e.Addr) + ")\n")
	case e.Unanswered:
		v.printNotice("* reconnected; a message is still unanswered\n")
	case e.Resumed:
		if !v.moving {
			v.printNotice("* reconnected\n")
		}
	case v.Piped:
		seal := ""
		if v.sealed {
			seal = "; sealed"
		}
		v.printNotice(fmt.Sprintf("* joined %s as %s (%s%s)\n", e.Welcome.Title, v.nick, wire.Counted(e.Welcome.Count, "other here", "others here"), seal))
	default:
		if !v.JSON {
			v.printNotice(string(e.Welcome.AppendText(nil, v.reader())) + sealNotice(v.sealed))
		}
		v.printNotice(LeaveHint)
	}
	v.moving = false
	if listens := e.Access == "listen"; listens != v.listens {
		v.listens = listens
		v.printNotice(accessNotice(listens))
	}
}

// isSealed reports whether no one else can read the connection. That of a host's own member is inside the
// program.
func isSealed(e *client.Connected) bool { return e.Sealed || e.Addr == "" && e.Welcome.Sealed }

// sealNotice says who can read the room.
func sealNotice(sealed bool) string {
	if sealed {
		return SealedNotice
	}
	return PlainNotice
}

const (
	// SealedNotice and PlainNotice are the lines at a terminal that say who can read the room.
	SealedNotice = "* this room is sealed: only its members can read it\n"
	PlainNotice  = "* this room is plain: anyone on its network can read it\n"
)

// accessNotice says whether we may only read.
func accessNotice(listens bool) string {
	if listens {
		return "* you may only read here; commands work\n"
	}
	return "* you may send messages here now\n"
}

func (v *conversation) printDisconnected(reason error) {
	kept := "what you type is kept"
	if v.Piped {
		kept = "no line is lost"
	}
	what := "connection lost; reconnecting"
	if refusal, ok := errors.AsType[*client.RefusedError](reason); ok && refusal.Code == wire.CodeShutdown {
		what = "waiting for the room to open again"
		if client.IsRestart(refusal) {
			what = "the host restarts; reconnecting"
		}
	}
	v.printNotice("* " + what + " (" + kept + ")\n")
}

// printObstacle prints, once while the connection is lost, why a sealed room cannot be reached: the person
// can do something about it.
func (v *conversation) printObstacle(err error) {
	var why error
	if plain, ok := errors.AsType[*client.DowngradeError](err); ok {
		why = plain
	} else if lockedOut, ok := errors.AsType[*client.SecretError](err); ok {
		why = lockedOut
	}
	if why == nil || v.blocked {
		return
	}
	v.blocked = true
	v.printNotice("! " + text.Clean(why.Error()) + "; still trying\n")
}

// linked returns e with the links to uploads at the address of the host that works from here.
func (v *conversation) linked(e *wire.Event) *wire.Event {
	addr := v.addr
	if v.HostAddr != nil && e.File != nil {
		addr = v.HostAddr()
	}
	return e.Linked(wire.Home(addr, v.sealed))
}

// viewer is for the transcript, and for messages on a pipe, which get the text as it was sent.
func (v *conversation) viewer() wire.Viewer { return wire.Viewer{Nick: v.nick} }

// reader is for a terminal, whose width may change after a line was printed.
func (v *conversation) reader() wire.Viewer { return wire.Viewer{Nick: v.nick, Fold: true} }

func (v *conversation) printReceived(e client.Received) {
	e.Data = "" // the secret of a new invite; a notice reports that
	if e.Own && e.Type == wire.TypeNick {
		v.nick = e.Nick
	}
	linked := v.linked(&e.Event)
	if e.IsMessage() && (v.resumed || !e.Past) { // the backlog is from before we joined
		if err := v.Log.Add(*linked, v.viewer()); err != nil {
			v.printNotice("! " + err.Error() + "\n")
		}
	}
	v.printHeld(&e)
	switch {
	case v.JSON:
		v.out.Write(e.AppendJSON(nil))
	case e.Waits(), v.isKnown(&e):
	case e.IsMessage() && v.Accessible:
		v.out.WriteString(accessibleText(linked, v.nick, !v.OutPiped))
	case e.IsMessage() && v.OutPiped:
		v.out.Write(linked.AppendText(nil, v.viewer()))
	case e.IsMessage():
		v.out.Write(linked.AppendText(nil, v.reader()))
	default:
		v.printNotice(string(linked.AppendText(nil, v.reader())))
	}
}

// printHeld reports once that the host cannot store messages for now, and once that it has
// them.
func (v *conversation) printHeld(e *client.Received) {
	switch {
	case e.Waits() && v.held == 0:
		reason, _, _ := strings.Cut(e.Text, ";")
		v.printNotice("! " + reason + "; your messages are kept and will be resent\n")
		v.held = e.Seq
	case e.Own && v.held > 0 && e.Seq >= v.held:
		v.printNotice("* your messages were delivered\n")
		v.held = 0
	}
}

// accessibleText words a message for a screen reader. Each of its lines begins with the
// sender, so that no line can pass for another member's. fold is [wire.Viewer]'s Fold.
func accessibleText(e *wire.Event, ourNick string, fold bool) string {
	sender := e.From + ": "
	switch {
	case e.Type == wire.TypeAction:
		sender = "* " + e.From + " "
	case e.Type == wire.TypePrivate && e.To == ourNick:
		sender = e.From + " to you, privately: "
	case e.Type == wire.TypePrivate:
		sender = e.From + " to " + e.To + ", privately: "
	}
	var b strings.Builder
	for line := range strings.SplitSeq(e.Text, "\n") {
		if fold {
			line = text.FoldBlanks(line)
		}
		b.WriteString(sender + line + "\n")
	}
	return b.String()
}

// isKnown reports whether the person knows e already, because they typed it or because it
// is reported in another way. It removes our own nick from joins and leaves.
func (v *conversation) isKnown(e *client.Received) bool {
	switch e.Type {
	case wire.TypeJoin, wire.TypeLeave:
		e.Members = slices.DeleteFunc(e.Members, func(nick string) bool { return nick == v.nick })
		return len(e.Members) == 0
	case wire.TypeBye:
		return e.Code.Final() || e.RestartWithin() > 0 // outcome or printDisconnected reports it
	case wire.TypeError:
		return v.Piped && (e.Seq != 0 || e.Code == wire.CodeTooLong) // deliver reports it if halves do not help
	}
	return e.Own && (e.IsMessage() || e.Type == wire.TypeNick)
}
