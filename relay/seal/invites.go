package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Invites are what lets others into a sealed room: links and commands, which have the host's key and the secrets.
type Invites struct {
	RoomSecrets
	Pin        Pin    `json:"pin"`                   // of the host's key
	CurlPin    string `json:"curl_pin"`              // see [CurlPin]; "": not known
	SelfSigned bool   `json:"self_signed,omitempty"` // the host made its certificate
	ByKey      bool   `json:"by_key,omitempty"`      // members enter with their keys, not with a secret
}

// Invite returns the invite with one of the room's secrets, at an address. That of members has none
// if they enter with their keys.
func (i *Invites) Invite(addr string, secret Secret) Invite {
	if i.ByKey && secret == i.Member {
		secret = ""
	}
	return Invite{addr, i.Pin, secret}
}

// Install returns the command that installs chat from the host at an address, on Linux, macOS and FreeBSD. It checks the
// host's key, and has no secret.
func (i *Invites) Install(addr string) string {
	return "curl -fsSL " + i.curlOptions() + "https://" + addr + "/get/install.sh | sh"
}

// InstallOnWindows is Install for PowerShell, whose own commands check no pin.
func (i *Invites) InstallOnWindows(addr string) string {
	return "curl.exe -fsSL " + i.curlOptions() + "https://" + addr + "/get/install.ps1 | Out-String | iex"
}

// curlOptions returns the options by which curl checks the host's key.
func (i *Invites) curlOptions() string {
	options := "--pinnedpubkey '" + i.CurlPin + "' "
	if i.SelfSigned { // the name and the dates say nothing
		options = "-k " + options
	}
	return options
}

// Curl returns a curl command that shows the room at an address, and checks the host's key. It has no
// secret: others on this machine see the arguments of a program.
func (i *Invites) Curl(addr string) string {
	return "curl " + i.curlOptions() + "https://" + addr + "/room"
}

// KeyHash returns the whole SHA-256 of the host's key as browsers show it in a certificate, in groups of
// four; "": it is not known.
func (i *Invites) KeyHash() string {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(i.CurlPin, curlPrefix))
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return inGroups(hex.EncodeToString(sum))
}
