// Package screen is the full screen of a chat on a terminal: what is said above,
// what is being written below, a line of state between them. It is given keys and
// the events of a room and draws frames; of the network it knows nothing: who uses
// it hands it a [Room], and [Place]s to choose from.
package screen
