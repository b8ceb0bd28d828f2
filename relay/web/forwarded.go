package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"chat/relay/endpoint"
)

// forwardedKey is the key in the context of a request that a trusted proxy sent for another client.
type forwardedKey struct{}

// isForwarded reports whether a trusted proxy sent the request for another client.
func isForwarded(r *http.Request) bool { return r.Context().Value(forwardedKey{}) != nil }

// errNoClient means that a trusted proxy names no client that can be believed.
var errNoClient = errors.New("the proxy does not say whose request this is")

// asForwarded returns the request as that of the client for whom a trusted proxy sent it, and the
// request itself if no trusted proxy did.
func asForwarded(r *http.Request, proxies endpoint.Proxies) (*http.Request, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !proxies.Trusts(peer.Addr()) {
		return r, nil
	}
	hops := hopsOf(r.Header)
	if len(hops) == 0 {
		return r, nil // a request of the proxy's own, such as a health check
	}
	client, err := clientAmong(hops, proxies)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(context.WithValue(r.Context(), forwardedKey{}, true))
	r.RemoteAddr = net.JoinHostPort(client.String(), "0")
	return r, nil
}

// clientAmong returns the client of a request that passed these hops, the last one nearest to
// us. Each proxy appends the address that it saw: from the right, the first that is no trusted
// proxy is the client. Whatever is left of it may be the client's invention.
func clientAmong(hops []string, proxies endpoint.Proxies) (netip.Addr, error) {
	var client netip.Addr
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			return netip.Addr{}, errNoClient
		}
		if client = hop; !proxies.Trusts(hop) {
			break
		}
	}
	return client, nil
}

// hopsOf returns the hops of X-Forwarded-For or, only if there is none, of Forwarded (RFC
// 7239). The proxy has to set the first, or to set the second and remove the first: a client
// can send either. Several lines of a header are one list.
func hopsOf(header http.Header) (hops []string) {
	for _, line := range header.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(line, ",")...)
	}
	if len(hops) > 0 {
		return hops
	}
	for _, line := range header.Values("Forwarded") {
		if strings.Count(line, `"`)%2 != 0 {
			// The client left a quote open: whatever the proxy appended would be part of its text.
			hops = append(hops, "")
			continue
		}
		for _, element := range splitUnquoted(line, ',') {
			hop := ""
			for _, pair := range splitUnquoted(element, ';') {
				if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(name), "for") {
					hop = strings.Trim(strings.TrimSpace(value), `"`)
				}
			}
			hops = append(hops, hop)
		}
	}
	return hops
}

// splitUnquoted splits s at separators that are not in double quotes. It knows no escaped quotes, so
// that a client cannot hide with one where the quotes end.
func splitUnquoted(s string, separator rune) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == separator && !quoted
	})
}

// parseHop parses an IP address with or without a port: 192.0.2.1, 192.0.2.1:4711, 2001:db8::1,
// [2001:db8::1], [2001:db8::1]:4711. The port may be obfuscated, as in 192.0.2.1:_secret (RFC 7239,
// section 6). A name, "unknown" and the like are no addresses.
func parseHop(s string) (netip.Addr, bool) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), ":_")
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	ip, err := netip.ParseAddr(s)
	return ip.Unmap().WithZone(""), err == nil
}
