package endpoint

import (
	"net/netip"
	"testing"
)

func TestGroup(t *testing.T) {
	for ip, want := range map[string]string{
		"192.168.1.7":          "192.168.1.7",
		"::ffff:192.168.1.7":   "192.168.1.7",
		"127.0.0.5":            "",
		"::1":                  "",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
		"fe80::1234%eth0":      "fe80::1234",
		"2001:db8:1:3:3:4:5:6": "2001:db8:1:3::/64",
	} {
		if got := Group(netip.MustParseAddr(ip)); got != want {
			t.Errorf("Group(%s) is %q, want %q", ip, got, want)
		}
	}
}
