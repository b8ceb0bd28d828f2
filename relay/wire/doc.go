// Package wire is the line protocol between a chat host and those who join it:
// the events and requests, their encodings as text for people and as JSON lines
// for programs, a bounded line reader, the cleaning of text and the rules for
// nicks. It does no I/O of its own.
//
// The protocol is described in relay/PROTOCOL.md; this package is its code.
// Text from a network is hostile until it went through [Clean] or [CleanLines]:
// the host cleans what comes in, and a client cleans what it shows.
package wire
