// Package plain is chat join without a screen: a person types lines at a terminal, or a
// pipe provides them. Output is only ever appended, and has no escape sequences. Scripts
// and screen readers use it.
//
// [Run] connects an [Input] and a client.Client.
package plain
