// Package wire is the line protocol between a chat host and those who join it:
// the events and requests, their encodings as text for people and as JSON lines
// for programs, the commands, and a bounded line reader. It does no I/O of its own.
//
// The protocol is described in relay/PROTOCOL.md; this package is its code.
// Text from the network is hostile until package text has cleaned it:
// the host cleans what comes in, and a client cleans what it shows.
package wire
