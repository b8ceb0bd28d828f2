// Package plain is a conversation without a screen: lines a person types at any
// terminal, however dumb, or lines from a pipe; what is heard is appended, never
// redrawn, and no escape sequence is written. Scripts and screen readers use it.
//
// [Talk] joins an [Input] and a client.Client.
package plain
