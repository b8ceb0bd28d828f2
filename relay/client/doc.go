// Package client joins a chat room as a program: a bot, a screen, a pipe. It keeps
// the connection up, and what is said arrives once and in order however often the
// network fails.
//
// A whole bot, that answers whoever says its name:
//
//	c, err := client.Join(ctx, client.Options{Addr: "192.168.1.5:24280", Nick: "robot"})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	for e := range c.Events() {
//		if m, ok := e.(client.Received); ok && m.Said() && !m.Own && !m.Past && strings.Contains(m.Text, "robot") {
//			c.Say(ctx, "hello "+m.From)
//		}
//	}
//	return c.Err()
//
// # What is told
//
// [Client.Events] gives what happens, in the order of the room: first a
// [Connected], then the events from the host, each with its texts cleaned, and a
// [Disconnected] when the connection is lost. Each event of the room's log (those
// with an ID) comes once, also over lost connections. What the host no longer has
// when the client comes back is a gap event; only then is something missing.
// Events must be read: a program that does not stops the reading from the host,
// which in the end closes the connection, and the client comes back when the
// program reads again.
//
// # What is said
//
// [Client.Say] queues; a message is acknowledged when it comes back with an ID.
// Until then it is kept, and sent again on the next connection under the same
// number, by which the host knows what it has already. [Client.Flush] waits for
// the acknowledgements. What a host cannot keep, as its disk is full, is said again until
// it can; an error event tells so once, see [Received.Waits]. Twice in the room can be only what a host took and
// forgot: it was restarted in that instant, or the client was away until ten
// thousand others had come and gone.
//
// # Reading back
//
// What was said before the first event is had by [Client.Do] with a request of type
// [wire.TypeHistory] that has that event's ID as Before. The answer is a [Received]
// of the same type and with the same Before; its Events are older messages, oldest
// first, and none when the host keeps nothing older. They are no news: they count
// neither as seen nor as an acknowledgement. Ours among them have the Client of the
// last [Connected]'s Welcome. A request can be lost with its connection: ask again
// on the next one.
//
// # Lost connections
//
// A connection counts as lost when it fails, or when nothing came for ten seconds
// and nothing for ten more after a ping; for three and three while something said is
// not acknowledged. The client then dials again, at first
// after a quarter of a second, later every fifteen, for ever unless
// [Options.GiveUp] says otherwise. A restarted host has a new room with an empty
// log: [Connected] says so, and what was not acknowledged is said there. A host
// that kicks or bans the client, or to which somebody else came with the same
// token, ends it for good; see [Client.Err].
//
// # Tests
//
// [Options.Dial] takes one end of a net.Pipe, and the package waits by timers
// alone: a program that uses it can be tested in a testing/synctest bubble.
package client
