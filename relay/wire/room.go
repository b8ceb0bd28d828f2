package wire

// RoomInfo is what a room says of itself to somebody who only asks: the answer
// to a hello with "probe", and, as far as it is known, the mDNS record.
type RoomInfo struct {
	ID      string `json:"room"`    // 16 hexadecimal digits, chosen at random for each room
	Title   string `json:"title"`   // as its host named it; cleaned
	Version int    `json:"version"` // of the protocol; see Version
	App     string `json:"app"`     // the host's program and version, as "chat 1.0.0"
	Members int    `json:"members"` // how many are in it
}
