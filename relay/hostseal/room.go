package hostseal

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"

	"chat/relay/seal"
)

// A Room is what this machine keeps of a sealed room that it hosts, or has hosted.
type Room struct {
	seal.Invites
	Title    string   `json:"title"`
	ID       string   `json:"id"`                  // of the room; a room in memory has a new one at each start
	Address  string   `json:"address"`             // that the host listens on
	Names    []string `json:"names,omitempty"`     // in a certificate that it did not make
	HandsOut bool     `json:"hands_out,omitempty"` // the host hands out the program

	Running bool      `json:"-"` // a host has it open now
	Used    time.Time `json:"-"` // when its host started last, or renewed a secret
}

// setCertificate sets what invites need to know of the host's certificate.
func (r *Room) setCertificate(leaf *x509.Certificate) {
	r.Pin, r.CurlPin, r.Names = seal.PinOf(leaf), seal.CurlPin(leaf), nil
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

// InviteAddrs returns the addresses of an invite, the best one first: those of addrs, at which others reach
// the host, that browsers accept without a warning, then the other names in its certificate, then the rest.
func (r *Room) InviteAddrs(addrs []string) []string {
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
