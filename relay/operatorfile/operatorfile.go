// Package operatorfile reads and writes the file that makes its reader an operator of a room: a headless host
// writes it, and chat join --operator uses it.
package operatorfile

import (
	"encoding/json"
	"errors"
	"fmt"

	"chat/relay/privatefile"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A File makes its reader an operator of a room, for as long as the room keeps the token.
type File struct {
	Room   string `json:"room"`             // its ID
	Title  string `json:"title"`            // for people
	Addr   string `json:"addr,omitempty"`   // of a plain room, on the host's machine: "127.0.0.1:24280"
	Token  string `json:"token,omitempty"`  // of a plain room. It counts only on the host's machine
	Key    string `json:"key,omitempty"`    // of a plain room: by which its host proves itself to Client; see [wire.ProofOf]
	Invite string `json:"invite,omitempty"` // of a sealed room: that of its operators
}

// Client is the client for which the host of a plain room proves itself before it gets the token.
const Client = "operators"

// maxSize is the limit of a file in bytes.
const maxSize = 8 << 10

// IsSealed reports whether the room is sealed.
func (f *File) IsSealed() bool { return f.Invite != "" }

// Write writes the file at path, which only the user can read.
func (f *File) Write(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return privatefile.Replace(path, append(b, '\n'))
}

var errNotOne = errors.New("not an operator file; chat host --headless writes one, and its log names it")

// Read reads the file at path. One that others can read is an error.
func Read(path string) (*File, error) {
	b, err := privatefile.Read(path, maxSize)
	if err != nil {
		return nil, err
	}
	f := new(File)
	if err := json.Unmarshal(b, f); err != nil || !f.isValid() {
		return nil, fmt.Errorf("%s: %w", path, errNotOne)
	}
	return f, nil
}

func (f *File) isValid() bool {
	if f.IsSealed() {
		_, err := seal.ParseInvite(f.Invite)
		return err == nil
	}
	return f.Addr != "" && wire.IsName(f.Room) && wire.IsToken(f.Token) && f.Key != ""
}
