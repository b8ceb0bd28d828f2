// Package relay is the host's side of a chat: one room, and a session for each
// connection to it.
//
// A [Server] takes connections by [Server.Serve], or one at a time by
// [Server.ServeConn]. Everything that is said goes through the room into its log
// (package history), which gives it an id and encodes it once; each session
// copies the log from its own place in it to its socket. So the order of what is
// said is the same for all, the one who says it waits for nobody, and a slow
// reader falls behind alone.
//
// A session has a goroutine that reads. What it gets is written by the fanout: a few
// workers over all sessions, by writes that do not wait; a session whose peer takes
// less than there is has a goroutine that writes until it has caught up.
//
// A connection whose first line is an HTTP request is handed to [Options.Web] (package web). A
// browser's WebSocket comes back in by [Server.ServeWebSocket], a script's message by
// [Server.ServeVisit]; a [Follower] reads without being in the room.
//
// Who is in the room and by what nick is under room.mu, a session's queue and its
// cursor under session.mu; the log and the fanout have locks of their own. They are
// taken in this order, and nothing that can wait is done while one is held.
package relay
