// Package access decides who may enter a sealed room, and what they may do there.
//
// A [Gate] knows the room's secrets. It checks those that clients send, by name or by SCRAM, and makes
// guessing slow: a wrong one is answered after a second, and an address that sends five is locked out for
// a minute. What a connection has proven are its [Credentials].
package access
