package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"chat/relay/endpoint"
	"chat/relay/text"
	"chat/relay/wire"
)

// This file finds out which client sent a request.

// tokenOf returns the token of the client that sent r. A script with a token of its own is a client
// of its own; an address and a nick make one of all others, which behind NAT or a proxy may be
// several scripts. The error is a *rejection.
//
// The room never gets the script's token itself: a message by HTTP must not end the session of a
// member with the same token.
func (v *visitors) tokenOf(r *http.Request, nick string) (string, error) {
	own, ok := bearer(r)
	if !ok {
		return v.token(r.RemoteAddr, nick), nil
	}
	if !wire.IsToken(own) {
		return "", &rejection{wire.Faultf(wire.CodeBadRequest, wire.TokenRule).Event(0)}
	}
	return wire.MAC(v.secret, "own", own)[:tokenDigits], nil
}

// tokenDigits is how many hexadecimal digits of a MAC are a token: 128 bits.
const tokenDigits = 32

// token returns the token of the client at address that asks for nick.
func (v *visitors) token(address, nick string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return wire.MAC(v.secret, host+" "+text.NickFold(nick))[:tokenDigits]
}

// bearer returns the value of the Authorization header. false: there is none for the host; other
// schemes are for a proxy in front of it.
func bearer(r *http.Request) (string, bool) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(value), strings.EqualFold(scheme, "Bearer")
}

// isOwnMachine reports whether a request is from the host's own machine: from a loopback address, or in this process from a
// pipe, which has none.
func isOwnMachine(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || at.Addr().Unmap().IsLoopback()
}

// addressOf returns the address that limits count for a request; "" for this machine.
func addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return endpoint.Group(at.Addr())
}
