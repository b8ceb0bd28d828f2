//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// A hostList has the hosts of a room as a client sees them: their addresses, and the proxies that stand before them.
type hostList struct {
	addrs   []string
	proxies map[string]string // by address
}

// parseHosts parses a list of ADDR=PROXY, separated by spaces.
func parseHosts(s string) *hostList {
	l := &hostList{proxies: make(map[string]string)}
	for _, field := range strings.Fields(s) {
		addr, proxy, _ := strings.Cut(field, "=")
		l.addrs = append(l.addrs, addr)
		l.proxies[addr] = proxy
	}
	return l
}

// dial connects to the proxy of a host. addr is the address of either.
func (l *hostList) dial(ctx context.Context, addr string) (net.Conn, error) {
	proxy, ok := l.proxies[addr]
	if !ok && !slices.Contains(slices.Collect(maps.Values(l.proxies)), addr) {
		return nil, fmt.Errorf("%s is not the address of a host of this run", addr)
	}
	proxy = cmp.Or(proxy, addr)
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return dialer.DialContext(ctx, "tcp", proxy)
}
