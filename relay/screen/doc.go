// Package screen is the full-screen interface of chat: the transcript at the top, a
// status line, and the message being written at the bottom.
//
// [Run] first shows the lobby, where a room is chosen and joined, and then the
// conversation. The package knows nothing of the network: the caller's [Options] have a
// function that finds rooms, and another that joins a [Place] and returns a [Room].
package screen
