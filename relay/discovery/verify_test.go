package discovery

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestWorthDialing(t *testing.T) {
	lans := []LAN{eth0(), testLAN(3, "eth1", ethernet, "198.51.100.7/24", "2001:db8::7/64")}
	given := []string{
		"8.8.8.8:1", "127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "224.0.0.251:1", "[fe80::1]:1", "[2001:db8:1::1]:1",
		"10.1.1.1:1", "[fe80::1%eth0]:1", "[2001:db8::1]:1", "192.168.1.9:1", "192.168.1.9:1", "198.51.100.1:1",
	}
	var list []netip.AddrPort
	for _, s := range given {
		list = append(list, netip.MustParseAddrPort(s))
	}
	got := fmt.Sprint(worthDialing(list, lans))
	want := "[192.168.1.9:1 198.51.100.1:1 [2001:db8::1]:1 [fe80::1%eth0]:1 10.1.1.1:1]"
	if got != want {
		t.Errorf("worthDialing(%v)\n got %s\nwant %s", given, got, want)
	}
}
