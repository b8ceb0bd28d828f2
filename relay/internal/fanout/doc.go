// Package fanout writes the log to the sessions that wait for it.
//
// A few workers serve all sessions in turn. Each session receives everything that has
// arrived since its last turn, by writes that do not block ([NonBlocking]). In a flood the log
// decides when: see [history.Log.Wake]. A session whose
// connection accepts no more for the moment continues in a goroutine of its own until it
// has caught up, so a slow session delays no other. The package knows a session only as a
// [Target].
package fanout
