package client

import "chat/relay/seal"

// An Identity is how a room recognizes a returning client, and how the client recognizes the
// room. Token, Key and Secret are secrets.
type Identity struct {
	Room   string // the room's ID
	Client string // the client's public ID
	Token  string // by which the host recognizes the client
	Key    string // by which the host proves itself; "": it cannot, being of an older version

	Secret seal.Secret // lets the client into a sealed room; "": the room is plain, or entered by key
}

// A Keeper keeps the identity of a client, so that the program is the same client after it was
// started again. Its methods are called by one goroutine.
type Keeper interface {
	// Keep is called after each welcome with the identity in the room that the client is in
	// now.
	Keep(id Identity)
	// Release is called once: the client has ended, or did not join.
	Release()
}

// NoKeeper forgets the identity when the client ends.
var NoKeeper Keeper = noKeeper{}

// noKeeper is the Keeper of a program that keeps nothing.
type noKeeper struct{}

func (noKeeper) Keep(Identity) {}
func (noKeeper) Release()      {}
