package discovery

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

const (
	kitchenID = "aaaa000000000001"
	studyID   = "bbbb000000000002"
)

func testLAN(index int, name string, flags net.Flags, prefixes ...string) LAN {
	l := LAN{Interface: net.Interface{Index: index, Name: name, Flags: flags}}
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

const ethernet = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast

func eth0() LAN {
	return testLAN(2, "eth0", ethernet, "192.168.1.5/24", "fe80::5/64")
}

func TestUsable(t *testing.T) {
	lo := testLAN(1, "lo", net.FlagUp|net.FlagRunning|net.FlagLoopback, "127.0.0.1/8", "::1/128")
	tun := testLAN(3, "tun0", ethernet|net.FlagPointToPoint, "10.8.0.2/24")
	docker := testLAN(4, "docker0", ethernet, "172.17.0.1/16")
	hyperV := testLAN(5, "vEthernet (WSL)", ethernet, "172.20.0.1/20")
	unplugged := testLAN(6, "eth1", ethernet&^net.FlagRunning, "192.168.2.5/24")
	bare := testLAN(7, "eth2", ethernet)
	for _, test := range []struct {
		name    string
		all     []LAN
		only    []string
		want    string
		wantErr string
	}{
		{name: "the one with other people", all: []LAN{lo, tun, docker, hyperV, unplugged, bare, eth0()}, want: "eth0"},
		{name: "otherwise all that do multicast", all: []LAN{lo, tun, docker, unplugged, bare}, want: "tun0 docker0"},
		{name: "never the loopback", all: []LAN{lo}, want: ""},
		{name: "named ones, whatever they are", all: []LAN{lo, tun, eth0()}, only: []string{"TUN0"}, want: "tun0"},
		{name: "unknown name", all: []LAN{lo, eth0()}, only: []string{"wlan7"},
			wantErr: "no network interface \"wlan7\"\nhint: this machine has lo, eth0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Usable(test.all, test.only)
			if names := strings.Join(lanNames(got), " "); names != test.want {
				t.Errorf("Usable(%v) = %q, want %q", test.only, names, test.want)
			}
			if fmt.Sprint(err) != cmp.Or(test.wantErr, "<nil>") {
				t.Errorf("Usable(%v): error %v, want %q", test.only, err, test.wantErr)
			}
		})
	}
}
