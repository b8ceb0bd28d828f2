// Package relay is the host's side of a chat: one room, and a session for each
// connection.
//
// A [Server] serves connections from a listener ([Server.Serve]) or one at a time
// ([Server.ServeConn]). This package only connects the parts; each is in a package of its
// own, from the door inwards:
//
//   - internal/front admits a connection and finds out from its first line who speaks;
//   - internal/session reads its lines, decodes them into requests, and has an outbox for
//     everything that goes back;
//   - internal/access decides who may enter a sealed room ([Options.Seal]), and at which level;
//   - internal/room decides each request on the room's state and appends the event;
//   - package history is the log: it gives the event an ID and encodes it once;
//   - internal/fanout writes the log to all sessions, each from its own cursor on.
//
// So all members see events in the same order, a sender waits for no one, and a slow
// reader delays no other.
//
// HTTP requests go to [Options.Web] (package web). A browser's WebSocket comes back by
// [Server.ServeWebSocket], or by [Server.ServeStream] if it has none, a script's message by
// [Server.ServeVisit]; a [Follower] reads the log without being in the room.
//
// Locks are taken in this order: the front's, a connection's, the room's, an outbox's,
// then those of the log, its committer and the fanout. No one waits for a network, a disk
// or a logger while holding one.
package relay
