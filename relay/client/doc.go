// Package client joins a chat room from a program: a bot, a screen, a pipe. It keeps
// the connection up. Messages arrive once and in order, however often the network fails.
//
// This is a whole bot. It answers messages that mention its name:
//
//	c, err := client.Join(ctx, client.Options{Addr: "192.168.1.5:24280", Nick: "robot"})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	for e := range c.Events() {
//		if m, ok := e.(client.Received); ok && m.IsPublicMessage() && !m.Own && !m.Past && strings.Contains(m.Text, "robot") {
//			c.Say(ctx, "hello "+m.From)
//		}
//	}
//	return c.Err()
//
// # Receiving
//
// [Client.Events] delivers events in the order of the room's log: first a [Connected],
// then the host's events, with cleaned texts, and a [Disconnected] when the connection is
// lost. Each event with an ID comes once, across reconnects too. Events that the host no
// longer has when the client reconnects are replaced by one gap event; only then is
// something missing.
//
// The program must read its events. While it does not, the client does not read from the
// host either, which closes the connection in the end. The client reconnects when the
// program reads again.
//
// A host can be hostile. Its texts are cleaned, its lists have bounds, and an ID that the
// room's log cannot have reached does not hide later events.
//
// If several hosts serve the room and the client's is gone, it continues at another one, which must prove that it has
// the room: within 3 s of the [Disconnected], if one of them answers. The next [Connected] has Moved set.
//
// # Sending
//
// [Client.Say] queues a message. The message is acknowledged when it comes back with an ID.
// Until then the client keeps it, and resends it on the next connection with the same seq,
// by which the host recognizes duplicates. [Client.Flush] waits for the acknowledgements.
//
// If a host cannot store a message because its disk is full, the client retries until it
// can, and delivers one error event; see [Received.Waits].
//
// A message appears twice only if the host forgot that it had it: it was killed in that
// instant, or ten thousand other clients came and went before this one returned.
//
// # Reading history
//
// To read messages from before the first event, call [Client.Do] with a request of type
// [wire.TypeHistory] that has that event's ID as Before. The answer is a [Received] of the
// same type and with the same Before. Its Events are older messages, oldest first; there
// are none if the host has nothing older. They change neither the client's place in the
// log nor its acknowledgements. Its own messages among them have the Client of the last
// [Connected]'s Welcome. A request can be lost with its connection: send it again on the
// next one.
//
// # Lost connections
//
// A connection counts as lost when it fails, or when nothing arrives for ten seconds and
// again for ten seconds after a ping; both are three seconds while a message is
// unacknowledged. The client then dials again: first after a quarter of a second, later
// every 15 seconds, without end unless [Options.GiveUp] is set.
//
// On each new connection the host must first prove that it has the same room: anyone can
// claim its ID and its address. Any other host gets neither the token nor unacknowledged
// messages. If one is at the address, and [Options.Find] finds the room nowhere else, the
// client ends with an [OtherRoomError].
//
// A host that was restarted without a history has a new room with an empty log.
// [Connected] says so. If the host proves that it is the same one, unacknowledged messages
// are sent to the new room, unless the host had closed the old one: then they are rejected
// with [CodeNotSent]. So they are if the host is of an older version, which cannot prove
// anything.
//
// The client also ends if it is kicked or banned, or if another client joins with its token;
// see [Client.Err].
//
// # Sealed rooms
//
// A sealed room is joined with the pin of its host's key and its secret, as they are in its invite:
//
//	i, err := seal.ParseInvite(os.Getenv("CHAT_INVITE"))
//	…
//	c, err := client.Join(ctx, client.Options{Addr: i.Addr, Seal: client.Seal{Pin: i.Pin, Secret: i.Secret}})
//
// Every connection is then encrypted, those of uploads and downloads too, and made only to a host that
// has that key; any other gets not a byte beyond the handshake. Without a pin, Options.Seal.Trust
// decides. A host that is trusted in this way must first show that it knows the secret, by
// SCRAM-SHA-256-PLUS, and does not get it; after that its pin counts like that of an invite.
//
// The pin never changes while the client lives, and a room that is known as sealed is never joined
// plain. If a host with another key is at the address, the client ends with a [PinError], unless
// Options.Find finds the room elsewhere. If its secret was replaced while the connection was lost, the
// client asks for the new one, or ends with a [SecretError].
//
// # Tests
//
// [Options.Dial] can return one end of a net.Pipe, and the package waits only by timers:
// programs that use it can be tested in a testing/synctest bubble.
package client
