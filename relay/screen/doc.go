// Package screen is the full-screen interface of chat: a header, the transcript, a rule
// with the state of things, the message being written, and the keys of the moment.
//
// [Run] first shows the lobby, where a room is chosen and joined, and then the
// conversation. The package knows nothing of the network: the caller's [Options] have a
// function that finds rooms, and another that joins a [Place] and returns a [Room].
package screen
