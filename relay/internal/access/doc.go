// Package access decides who may enter a sealed room, and with which level of access.
//
// A [Gate] knows the room's secrets. It checks those that clients send, by name or by SCRAM, and makes
// guessing slow: a wrong one is answered after a second, and an address that sends five is locked out for
// a minute. A connection's [Credentials] are the result.
package access
