package web

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// A page whose host is gone continues at another host of the same room; see "Relays" in PROTOCOL.md. Only its socket
// does. In a sealed room it cannot: browsers do not trust the certificate of the other host, and keep the
// cookie for the one that it came from.

// policyFor returns the policy for a response. The page may open sockets to the other hosts of the room.
func (h *Handler) policyFor(r *http.Request) string {
	if r.URL.Path != "/" || h.gate.IsSealed() {
		return pagePolicy
	}
	var sources strings.Builder
	for _, addr := range h.room.Relays() {
		if !strings.HasPrefix(addr, "[") { // a policy cannot name IPv6 addresses
			sources.WriteString(" ws://" + addr)
		}
	}
	return strings.Replace(pagePolicy, "connect-src 'self'", "connect-src 'self'"+sources.String(), 1)
}

// isOfRelays reports whether a request is for a socket of pages that came from other hosts of this room.
func (h *Handler) isOfRelays(r *http.Request, origins []string) bool {
	if r.URL.Path != "/socket" || r.Method != http.MethodGet || h.gate.IsSealed() {
		return false
	}
	return !slices.ContainsFunc(origins, func(origin string) bool {
		at, isPlain := strings.CutPrefix(strings.ToLower(origin), "http://")
		if _, _, err := net.SplitHostPort(at); err != nil {
			at += ":80"
		}
		return !isPlain || !h.room.WasRelay(at)
	})
}
