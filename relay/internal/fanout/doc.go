// Package fanout writes the log to the sessions that wait for it.
//
// A few workers serve all sessions, each in turn with everything that has arrived for
// it meanwhile, by writes that do not wait ([NonBlocking]). A session whose connection
// takes no more at the moment continues in a goroutine of its own until it has caught
// up, so a slow session delays no other. The package knows a session only as a [Target].
package fanout
