package seal

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// HostOptions say how a host seals a room.
type HostOptions struct {
	Dir  string // of the user's keys and secrets
	Room string // what stays the same when the room is opened again; see openRoomFile

	// Secret is the secret of members that the user chose, and SecretFrom says where it is from: a file.
	// "": the room keeps its secret, or gets a new one.
	Secret     Secret
	SecretFrom string

	// CertFile and KeyFile are the certificate and its key, in PEM. "": the host makes its own.
	CertFile, KeyFile string

	// Shared has the key and the secrets of a room that several hosts serve. They replace those that
	// this machine keeps. nil: there is only this host.
	Shared *Shared

	Names func() []string // see [SelfSigned]
	ByKey bool            // members enter with their keys, not with a secret
	Log   *slog.Logger
}

// Shared has the key and the secrets of all hosts of one room: clients that move between them find the same key, and their
// secret stays valid.
type Shared struct {
	Key     *Key // not used with HostOptions.CertFile
	Secrets RoomSecrets

	// Replace gives the secrets to all hosts of the room. Its error is worded for the operator who asked.
	Replace func(RoomSecrets) error
}

// A Host seals a room: it has the certificate, and the room's secrets.
// It is safe for concurrent use.
type Host struct {
	*CertificateSource
	file *roomFile
	opts HostOptions // fixed
}

// OpenHost reads, or creates, the host's key and the secrets of its room. Close it after the room.
func OpenHost(opts HostOptions) (*Host, error) {
	h := &Host{opts: opts}
	source, err := h.openCertificate()
	if err != nil {
		return nil, err
	}
	h.CertificateSource = source
	if h.file, err = openRoomFile(opts.Dir, opts.Room); err != nil {
		return nil, err
	}
	leaf := h.Leaf()
	err = h.file.Update(func(r *HostedRoom) {
		if opts.Shared != nil {
			r.RoomSecrets = opts.Shared.Secrets
		}
		r.Member = cmp.Or(opts.Secret, r.Member)
		r.ByKey, r.SelfSigned = opts.ByKey, opts.CertFile == ""
		r.certified(leaf)
	})
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Host) openCertificate() (*CertificateSource, error) {
	if h.opts.CertFile != "" {
		return certificateFiles(h.opts.CertFile, h.opts.KeyFile, h.opts.Log, h.replaced)
	}
	if shared := h.opts.Shared; shared != nil { // not beside the certificate of this machine's own key
		return KeptCertificate(filepath.Join(h.opts.Dir, "shared", strings.TrimSuffix(roomFileName(h.opts.Room, 0), ".json")[:16]), shared.Key, h.opts.Names, h.opts.Log)
	}
	key, err := LoadKey(h.opts.Dir)
	if err != nil {
		return nil, err
	}
	return KeptCertificate(h.opts.Dir, key, h.opts.Names, h.opts.Log)
}

// Describe keeps the rest of the room for chat invite: its title and ID, the address that it listens on, and whether
// it hands out the program.
func (h *Host) Describe(title, id string, listen net.Addr, handsOut bool) error {
	return h.file.Update(func(r *HostedRoom) { r.Title, r.ID, r.Address, r.HandsOut = title, id, listen.String(), handsOut })
}

// replaced keeps the pin of a certificate that was read again.
func (h *Host) replaced(leaf *x509.Certificate) {
	if err := h.file.Update(func(r *HostedRoom) { r.certified(leaf) }); err != nil {
		h.opts.Log.Error("chat invite shows the pin of the old certificate", "error", err)
	}
}

// certified sets what invites need to know of the certificate.
func (r *HostedRoom) certified(leaf *x509.Certificate) {
	r.Pin, r.CurlPin, r.Names = PinOf(leaf), CurlPin(leaf), nil
	if r.SelfSigned {
		return // browsers warn, whatever the name
	}
	for _, ip := range leaf.IPAddresses {
		r.Names = append(r.Names, ip.String())
	}
	for _, name := range leaf.DNSNames {
		if name != "localhost" && !strings.Contains(name, "*") {
			r.Names = append(r.Names, name)
		}
	}
}

// Room returns the room and its secrets as they are now.
func (h *Host) Room() HostedRoom { return h.file.Room() }

// Renew replaces the secrets of members and of those who only listen: old invites are no longer
// valid. Operators keep theirs.
func (h *Host) Renew() (RoomSecrets, error) {
	if h.opts.Secret != "" {
		return RoomSecrets{}, fmt.Errorf("the secret of this room is from %s: change it there, and start the host again", h.opts.SecretFrom)
	}
	if h.opts.Shared == nil {
		return h.file.Renew()
	}
	secrets := h.Room().RoomSecrets
	secrets.Member, secrets.Listen = NewSecret(), NewSecret()
	if err := h.opts.Shared.Replace(secrets); err != nil {
		return RoomSecrets{}, err
	}
	return secrets, h.Adopt(secrets)
}

// Adopt keeps secrets that another host of the room has made.
func (h *Host) Adopt(secrets RoomSecrets) error {
	if h.Room().RoomSecrets == secrets {
		return nil
	}
	return h.file.Update(func(r *HostedRoom) { r.RoomSecrets = secrets })
}

// Close lets another host have the room.
func (h *Host) Close() error { return h.file.Close() }

// At returns the addresses of an invite, the best one first: those of addrs, at which others reach
// the host, that browsers accept without a warning, then the other names in its certificate, then the rest.
func (r *HostedRoom) At(addrs []string) []string {
	if len(r.Names) == 0 || len(addrs) == 0 {
		return addrs
	}
	isNamed := func(addr string) bool {
		host, _, _ := net.SplitHostPort(addr)
		return slices.Contains(r.Names, host)
	}
	var best, rest []string
	for _, addr := range addrs {
		if isNamed(addr) {
			best = append(best, addr)
		} else {
			rest = append(rest, addr)
		}
	}
	_, port, _ := net.SplitHostPort(addrs[0])
	for _, name := range r.Names {
		if net.ParseIP(name) == nil { // an IP address that others reach is among addrs
			best = append(best, net.JoinHostPort(name, port))
		}
	}
	return append(best, rest...)
}

// Invite returns the invite with one of the room's secrets, at an address. That of members has none
// if they enter with their keys.
func (r *HostedRoom) Invite(addr string, secret Secret) Invite {
	if r.ByKey && secret == r.Member {
		secret = ""
	}
	return Invite{addr, r.Pin, secret}
}

// Install returns the command that installs chat from the host at an address, on Linux, macOS and FreeBSD. It checks the
// host's key, and has no secret.
func (r *HostedRoom) Install(addr string) string {
	return "curl -fsSL " + r.curlOptions() + "https://" + addr + "/get/install.sh | sh"
}

// InstallOnWindows is Install for PowerShell, whose own commands check no pin.
func (r *HostedRoom) InstallOnWindows(addr string) string {
	return "curl.exe -fsSL " + r.curlOptions() + "https://" + addr + "/get/install.ps1 | Out-String | iex"
}

// curlOptions returns the options by which curl checks the host's key.
func (r *HostedRoom) curlOptions() string {
	options := "--pinnedpubkey '" + r.CurlPin + "' "
	if r.SelfSigned { // the name and the dates say nothing
		options = "-k " + options
	}
	return options
}

// Curl returns a curl command that shows the room at an address, and checks the host's key. It has no
// secret: others on this machine see the arguments of a program.
func (r *HostedRoom) Curl(addr string) string {
	return "curl " + r.curlOptions() + "https://" + addr + "/room"
}

// KeyHash returns the whole SHA-256 of the host's key as browsers show it in a certificate, in groups of
// four; "": it is not known.
func (r *HostedRoom) KeyHash() string {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.CurlPin, curlPrefix))
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return inGroups(hex.EncodeToString(sum))
}
