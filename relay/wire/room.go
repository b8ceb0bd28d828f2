package wire

import "strings"

// RoomInfo is a room's public description: the answer to a hello with "probe", and part
// of the mDNS record.
type RoomInfo struct {
	ID      string `json:"room"`             // 16 random hexadecimal digits
	Title   string `json:"title"`            // cleaned
	Version int    `json:"version"`          // of the protocol; see Version
	App     string `json:"app"`              // the host's program and version, as "chat 1.0.0"
	Members int    `json:"members"`          // how many members it has
	Sealed  bool   `json:"sealed,omitempty"` // connections are encrypted, and need a secret or a key; Members is 0

	// Instance distinguishes two hosts with the same ID: answers to one nonce that have the same
	// Instance are from the same process. "": the host is of an older version.
	Instance string `json:"-"`

	// Pin is that of the host's key, as the host showed it to the program that asked; see package
	// seal. "": the room is not sealed, or was not asked.
	Pin string `json:"pin,omitempty"`
}

// IsRoomNamed reports whether a user who names a room by want means one with this title and ID: the title in any case, or
// the first 4 or more digits of the ID; "" means every room.
func IsRoomNamed(want, title, id string) bool {
	return want == "" || strings.EqualFold(title, want) || len(want) >= 4 && strings.HasPrefix(id, strings.ToLower(want))
}
