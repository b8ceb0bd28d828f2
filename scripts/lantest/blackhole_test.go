package lantest

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// A router drops large packets without telling the sender. A message of 2,500 bytes, those
// after it, and a newcomer with a backlog get through all the same, and the user reads why it took
// a while.
func TestNetworkThatDropsLargePackets(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		chattest.Missing(t, "nft is not installed")
	}
	l := newLab(t, "3", "--lan2", "2", "--only2", "3") // node 2 is the router
	for _, command := range []string{
		"2 sysctl -qw net.ipv4.ip_forward=1",
		"2 ip link set eth1 mtu 600",
		"2 ip link set eth0 mtu 600",
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
