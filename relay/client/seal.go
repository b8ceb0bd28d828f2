package client

import (
	"context"

	"chat/relay/seal"
)

// A Seal says how to join a sealed room, whose connections are encrypted and which only those
// with its invite can enter, and how to recognize its host. With the zero value plain rooms can
// be joined, and those that are sealed are reported: [ErrSealed].
type Seal struct {
	// Required says that the room is sealed: it is never joined without encryption. Pin, Secret
	// and a known host say so too.
	Required bool
	// Pin of the host's key, from an invite; "": that of the known host, or else Trust decides.
	Pin seal.Pin
	// Secret lets the client in; "": that of Options.Identity, or else AskSecret is called if
	// the host needs one.
	Secret seal.Secret
	// Signer has the client's own key; nil: it has none.
	Signer Signer
	// Known are the hosts that the user has trusted; nil: none, and none are remembered.
	Known KnownHosts
	// Title is that of the room, as announced, for the questions. A plain room is not joined if
	// the user knows a sealed one of that title.
	Title string

	// Private says that Options.Dial makes connections that no one else can read, such as a pipe
	// inside the process: they are not encrypted, and the Secret is sent over them.
	Private bool

	Questions
}

// Questions are those that a client may ask its user. They block until the user has answered, or
// ctx ends. Both are called by one goroutine at a time: that of [Join], and later the one that
// reconnects, if the room's secret was replaced while the connection was lost.
type Questions struct {
	// Trust is called if the key of the host is not known, after the handshake and before
	// anything is sent. nil: the user trusts it. Any other error is that of [Join];
	// [ErrNotTrusted] says that the user does not. A nil function: the error is a [*PinError].
	Trust func(ctx context.Context, h Host) error
	// AskSecret returns the room's secret. "": the user has none, and enters by key. Any other
	// error is that of Join; a nil function: the error is a [*SecretError]. It is called up to
	// three times.
	AskSecret func(ctx context.Context, q SecretQuestion) (seal.Secret, error)
}

// A Host is one whose key is not known.
type Host struct {
	Addr  string   // as dialed
	Room  string   // the ID of the room, as announced; "": not known yet
	Title string   // its title, as announced; cleaned; "": not known yet
	Pin   seal.Pin // of its key
	Names []string // the titles of rooms that the user knows with the same key

	// Namesake is the room of the same title that the user knows, whose host has another key: this
	// may be an impostor of that room. The zero value: there is none.
	Namesake KnownHost
}

// A SecretQuestion says for which room a secret is needed.
type SecretQuestion struct {
	Addr  string   // of the host
	Room  string   // the ID of the room; "": not known yet
	Title string   // of the room; cleaned; "": not known yet
	Pin   seal.Pin // of the host's key, which the user trusts
	Tries int      // how many secrets were wrong
}

// A Signer proves who the client is in a sealed room, by a key of its own.
type Signer interface {
	// Key returns the public key as in authorized_keys; "": there is none.
	Key() string
	// Sign returns the signature of data in base64, as hello takes it; "": there is no key.
	Sign(data []byte) (string, error)
}

// A KnownHost is a room, or an address, with the pin of its host's key.
type KnownHost struct {
	Room  string   // the room's ID; "": it is an address
	Addr  string   // "host:port"; "": it is a room
	Pin   seal.Pin // of the host's key
	Title string   // of the room

	File string // the path of its file; "": none
	Line int    // in the file, from 1
}

// KnownHosts are the hosts that the user has trusted. Its methods may be called concurrently.
type KnownHosts interface {
	// Hosts returns all of them.
	Hosts() ([]KnownHost, error)
	// Add adds some. Those are left out whose room or address is known already: only the user
	// replaces a pin. It reports errors itself.
	Add(hosts ...KnownHost)
}
