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
// A session has two goroutines: one reads, one writes. They share the session's
// fields under session.mu; who is in the room and by what nick is under room.mu;
// the log has a lock of its own. They are taken in this order, and nothing that
// can wait is done while one is held.
package relay
