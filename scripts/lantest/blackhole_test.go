package lantest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newBlackHole makes two networks. Node 2 is the router between nodes 1 and 3, and drops packets larger
// than mtu without a word.
func newBlackHole(t *testing.T, mtu int) *lab {
	l := newLab(t, "3", "--lan2", "2", "--only2", "3")
	l.needNft()
	for _, command := range []string{
		"2 sysctl -qw net.ipv4.ip_forward=1",
		"2 ip link set eth1 mtu " + fmt.Sprint(mtu),
		"2 ip link set eth0 mtu " + fmt.Sprint(mtu),
		"2 nft add table inet f",
		"2 nft add chain inet f o { type filter hook output priority 0 ; }",
		"2 nft add rule inet f o ip protocol icmp drop",
		"1 ip route add 10.78.0.0/24 via 10.77.0.2",
		"3 ip route add 10.77.0.0/24 via 10.78.0.2",
	} {
		args := strings.Fields(command)
		if _, stderr, code := l.run(int(args[0][0]-'0'), args[1], args[2:]...); code != 0 {
			t.Fatalf("%s: %s", command, stderr)
		}
	}
	return l
}

// A router drops large packets without telling the sender. A message of 2,500 bytes, those
// after it, and a newcomer with a backlog get through all the same, and the user reads why it took
// a while.
func TestNetworkThatDropsLargePackets(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	l := newBlackHole(t, 600)
	host := l.start(3, "chat", "host", "--headless", "--no-discovery", "--addr", "10.78.0.3:24280")
	await(t, 10*time.Second, "the room is open", func() bool { return strings.Contains(host.stderrText(), "room open") })
	witness := l.start(3, "chat", "join", "--addr", "10.78.0.3", "--nick", "witness", "--json", "--follow")
	witness.awaitOutput(`"welcome"`, 5*time.Second)
	const notice = "large packets seem to get lost"
	alice := l.start(1, "chat", "join", "--addr", "10.78.0.3", "--nick", "alice", "--json", "--follow")
	alice.awaitOutput(`"welcome"`, 5*time.Second)
	alice.write("%s", strings.Repeat("soup ", 500))
	alice.write("bread")
	witness.awaitOutput(`bread"`, 40*time.Second)
	reads := func(p *process) func() bool {
		return func() bool { return strings.Contains(p.stderrText(), notice) }
	}
	await(t, 5*time.Second, "alice reads why", reads(alice))
	bob := l.start(1, "chat", "join", "--addr", "10.78.0.3", "--nick", "bob", "--json", "--follow", "--backlog", "10")
	bob.awaitOutput(`bread"`, 15*time.Second)
	await(t, 5*time.Second, "bob reads why", reads(bob))
}

// The doctor finds a network that drops large packets, whether or not the host serves the page, and its fix works.
func TestDoctorFindsDroppedLargePackets(t *testing.T) {
	t.Parallel()
	l := newBlackHole(t, 1400)
	const web, noWeb, notice = "10.78.0.3:24280", "10.78.0.3:24281", "the network drops large packets to or from "
	for addr, more := range map[string][]string{web: nil, noWeb: {"--no-web"}} {
		host := l.start(3, "chat", append([]string{"host", "--headless", "--no-discovery", "--addr", addr}, more...)...)
		await(t, 10*time.Second, "the room is open", func() bool { return strings.Contains(host.stderrText(), "room open") })
	}
	check := func(addr string) (stdout string) {
		stdout, _, _ = l.run(1, "chat", "doctor", "--addr", addr)
		if !strings.Contains(stdout, "answers at "+addr) {
			t.Errorf("the room does not answer a small probe:\n%s", stdout)
		}
		return stdout
	}
	const fix = "sudo ip link set dev eth0 mtu 1280"
	for _, addr := range []string{web, noWeb} {
		if stdout := check(addr); !strings.Contains(stdout, notice+addr) || !strings.Contains(stdout, "fix: "+fix) {
			t.Errorf("chat doctor does not name the cause and %q:\n%s", fix, stdout)
		}
	}
	if _, stderr, code := l.run(1, "ip", strings.Fields(fix)[2:]...); code != 0 {
		t.Fatal(stderr)
	}
	for _, addr := range []string{web, noWeb} {
		if stdout := check(addr); strings.Contains(stdout, notice) {
			t.Errorf("after the fix:\n%s", stdout)
		}
	}
}

// The doctor checks the rooms that it finds for large packets too.
func TestDoctorFindsDroppedLargePacketsOnTheLAN(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	l.needNft()
	l.host(1, "kitchen")
	check := func() string {
		stdout, _, _ := l.run(2, "chat", "doctor")
		if !strings.Contains(stdout, `found room "kitchen"`) {
			t.Errorf("no room:\n%s", stdout)
		}
		return stdout
	}
	if stdout := check(); strings.Contains(stdout, "large packets") {
		t.Errorf("a network that drops nothing:\n%s", stdout)
	}
	l.nft(2, "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i iifname eth0 meta length gt 1400 drop")
	if stdout := check(); !strings.Contains(stdout, "the network drops large packets to or from ") {
		t.Errorf("the cause is not named:\n%s", stdout)
	}
}
