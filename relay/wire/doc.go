// Package wire is the line protocol between a chat host and its clients: events and
// requests, their encodings as text for people and as JSON lines for programs, the
// command table, and a bounded line reader. It opens no connections.
//
// The protocol is described in relay/PROTOCOL.md; this package is its code.
// Text from the network is hostile until package text has cleaned it: the host cleans
// all input, and a client cleans all text before it shows it.
package wire
