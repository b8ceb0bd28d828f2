// Package screen is the full-screen interface of chat: a header, the transcript, a rule
// with the state of things, the message being written, and the keys of the moment.
//
// [Run] first shows the lobby, where a room is chosen and joined, and then the
// conversation. The package knows nothing of the network: the caller's [Options] have a
// function that finds rooms, and another that joins a [Place] and returns a [Room].
//
// Bubble Tea's event loop owns everything in this package whose comment does not name another owner:
// [Run]'s model, and all that it holds, change only there. A tea.Cmd runs in a goroutine of its own and uses
// fixed fields, and the values that it was made with. relay/docs/internals.md says which way a key and a message take
// through the files.
package screen
