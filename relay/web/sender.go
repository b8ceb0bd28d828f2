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
	scheme, own, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // others are for a proxy in front of the host
		return v.token(r.RemoteAddr, nick), nil
	}
	if own = strings.TrimSpace(own); !wire.IsToken(own) {
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

// addressOf returns the address that limits count for a request; "" for this machine.
func addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return endpoint.Group(at.Addr())
}
