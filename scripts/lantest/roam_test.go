package lantest

import (
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// ip runs ip on node once for each line of commands.
func (l *lab) ip(node int, commands ...string) {
	l.t.Helper()
	for _, command := range commands {
		if _, stderr, code := l.run(node, "ip", strings.Fields(command)...); code != 0 {
			l.t.Fatalf("ip %s: %s", command, stderr)
		}
	}
}

// A host whose address is replaced while members are idle: they are back within 3 s, and new
// guests, scripts and links get the new address.
func TestHostGetsAnotherAddress(t *testing.T) {
	t.Parallel()
	chattest.NeedTools(t, "curl")
	l := newLab(t, "3")
	l.host(1, "kitchen")
	bob := l.join(2, "bob")
	carol := l.join(3, "carol", "--addr", "10.77.0.1")
	time.Sleep(4 * time.Second) // as members who have been there for some time
	changed := time.Now()
	l.ip(1, "addr add 10.77.0.201/24 dev eth0", "addr del 10.77.0.1/24 dev eth0", "addr replace 10.77.0.201/24 dev eth0")
	for name, p := range map[string]*process{"bob": bob, "carol": carol} {
		await(t, 10*time.Second, name+" is back", func() bool { return strings.Count(p.stdoutText(), `"welcome"`) == 2 })
		took := time.Since(changed).Round(10 * time.Millisecond)
		t.Logf("%s is back %v after the host's address changed", name, took)
		if took > 3*time.Second {
			t.Errorf("%s is back after %v, want within 3 s", name, took)
		}
	}
	bob.write("still there?")
	carol.awaitOutput("still there?", soon)
	stdout, stderr, _ := l.run(2, "curl", "-sS", "http://10.77.0.201:24280/room")
	if !strings.Contains(stdout, `"ways":["http://10.77.0.201:24280/"]`) {
		t.Errorf("GET /room answers %s%s, want the new address", stdout, stderr)
	}
}

// A member who comes into another network is back as soon as its address is another.
func TestMemberRoams(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3", "--lan2", "1,2")
	l.host(1, "kitchen")
	l.ip(2, "link set eth1 down")
	bob := l.join(2, "bob")
	time.Sleep(4 * time.Second)
	changed := time.Now()
	l.ip(2, "addr flush dev eth0", "link set eth0 down", "link set eth1 up")
	await(t, 10*time.Second, "bob is back", func() bool { return strings.Count(bob.stdoutText(), `"welcome"`) == 2 })
	took := time.Since(changed).Round(10 * time.Millisecond)
	t.Logf("bob is back %v after the change of network", took)
	if took > 5*time.Second {
		t.Errorf("bob is back after %v, want within 5 s", took)
	}
}
