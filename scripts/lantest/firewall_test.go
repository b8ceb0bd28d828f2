package lantest

import (
	"strings"
	"testing"

	"chat/scripts/chattest"
)

// needNft skips the test where nft or the kernel's part of it is missing.
func (l *lab) needNft() {
	l.t.Helper()
	chattest.NeedTools(l.t, "nft")
	if _, stderr, code := l.run(1, "nft", "list ruleset"); code != 0 {
		chattest.Missing(l.t, "nft does not work here: "+stderr)
	}
}

// nft gives node rules of a firewall.
func (l *lab) nft(node int, rules string) {
	l.t.Helper()
	if _, stderr, code := l.run(node, "nft", rules); code != 0 {
		l.t.Fatalf("nft %s: %s", rules, stderr)
	}
}

// A host that is heard, and whose firewall drops connections, is named with its address and the
// likely cause, by join, rooms and doctor; doctor on the host's machine finds the rule.
func TestHostBehindAFirewall(t *testing.T) {
	t.Parallel()
	for name, verdict := range map[string]string{"that drops": "drop", "that rejects": "reject with icmpx type admin-prohibited"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "2")
			l.needNft()
			l.host(1, "kitchen")
			l.nft(1, "add table inet t; add chain inet t in { type filter hook input priority 0; }; "+
				"add rule inet t in iifname eth0 tcp dport 24280 "+verdict)
			const heard = `room "kitchen" is announced at 10.77.0.1:24280, which does not answer`
			for _, command := range [][]string{{"rooms"}, {"join", "--nick", "bob"}, {"join", "--nick", "bob", "kitchen"}} {
				_, stderr, code := l.run(2, "chat", command...)
				if code != 3 || !strings.Contains(stderr, heard) || !strings.Contains(stderr, "hint: a firewall on that machine") {
					t.Errorf("chat %v: exit code %d, want 3 and the room with the likely cause\n%s", command, code, stderr)
				}
			}
			stdout, _, code := l.run(2, "chat", "doctor")
			if code != 1 || !strings.Contains(stdout, heard) {
				t.Errorf("chat doctor: exit code %d, want 1 and the room\n%s", code, stdout)
			}
			if stdout, _, _ := l.run(1, "chat", "doctor"); !strings.Contains(stdout, "has a rule that blocks TCP port 24280") {
				t.Errorf("chat doctor on the host's machine does not find the rule:\n%s", stdout)
			}
			l.host(2, "den")
			stdout, stderr, code := l.run(2, "chat", "rooms")
			if code != 0 || !strings.Contains(stdout, "den") || !strings.Contains(stderr, heard) {
				t.Errorf("chat rooms: exit code %d, want 0, the den, and the kitchen as silent\n%s%s", code, stdout, stderr)
			}
		})
	}
}
