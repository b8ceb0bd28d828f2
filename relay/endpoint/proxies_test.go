package endpoint

import (
	"net/netip"
	"strings"
	"testing"
)

func TestProxies(t *testing.T) {
	proxies, err := ParseProxies([]string{"192.168.1.7", " 10.1.2.3/8", "::1", "2001:db8::/32", "::ffff:172.16.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]bool{
		"192.168.1.7": true, "::ffff:192.168.1.7": true, "192.168.1.8": false, "10.200.0.1": true, "11.0.0.1": false,
		"::1": true, "::2": false, "127.0.0.1": false, "2001:db8:1::1": true, "172.16.0.1": true, "fe80::1%eth0": false,
	} {
		if got := proxies.Trusts(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s is trusted: %v, want %v", ip, got, want)
		}
	}
	for _, s := range []string{"", "proxy", "10.0.0.0/33", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "10.0.0.0/8/8", "::ffff:10.0.0.0/104"} {
		if _, err := ParseProxies([]string{s}); err == nil || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%q: %v, want an error with a hint", s, err)
		}
	}
	if Proxies(nil).Trusts(netip.MustParseAddr("127.0.0.1")) {
		t.Error("this machine is trusted by default")
	}
}
