package lantest

import (
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// Two machines on one cable, without a gateway, an IPv6 address or an internet: discovery
// needs no route.
func TestNoDefaultRoute(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2", "--no-route", "--no-v6")
	host := l.host(1, "kitchen")
	if list := l.rooms(2); titles(list) != "kitchen" {
		t.Errorf("found %+v, want the room", list)
	}
	bob := l.join(2, "bob")
	bob.write("hello")
	bob.awaitOutput(`"type":"join"`, soon)
	for _, node := range []int{1, 2} {
		if stdout, _, code := l.run(node, "chat", "doctor"); code != 0 || strings.Contains(stdout, "warn") {
			t.Errorf("chat doctor on node %d: exit code %d, want 0 and no warning\n%s", node, code, stdout)
		}
	}
	if text := host.stderrText(); strings.Contains(text, "level=WARN") {
		t.Errorf("the host warns:\n%s", text)
	}
}

// Where a firewall hides all rooms, chat join exits with code 3. The doctor suggests a fix, and
// the fix works.
func TestDoctorMends(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	l.needNft()
	l.host(1, "kitchen")
	l.nft(2, "add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }; "+
		"add rule inet t in iifname lo accept; add rule inet t in ct state established,related accept; "+
		"add rule inet t in icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")
	_, stderr, code := l.run(2, "chat", "join", "--nick", "bob")
	if code != 3 || !strings.Contains(stderr, "--addr") {
		t.Errorf("join: exit code %d, want 3 and a hint at --addr:\n%s", code, stderr)
	}
	stdout, _, code := l.run(2, "chat", "doctor")
	_, fix, found := strings.Cut(stdout, "fix: sudo nft ")
	if code != 1 || !found {
		t.Fatalf("doctor: exit code %d, want 1 and a fix:\n%s", code, stdout)
	}
	fix, _, _ = strings.Cut(fix, "\n")
	l.nft(2, strings.Trim(fix, "'"))
	if list := l.rooms(2); titles(list) != "kitchen" {
		t.Errorf("found %+v after %s, want the room", list, fix)
	}
	if stdout, _, code := l.run(2, "chat", "doctor"); code != 0 {
		t.Errorf("doctor: exit code %d after %s, want 0\n%s", code, fix, stdout)
	}
}

// Plain resolvers accept the answer to a one-shot question, and no other one follows.
func TestPlainResolvers(t *testing.T) {
	t.Parallel()
	chattest.NeedTools(t, "dig", "python3")
	l := newLab(t, "2", "--lan2", "1")
	l.host(1, "kitchen\tsink")
	stdout := ""
	await(t, 10*time.Second, "the host, which is open before it can be found, answers dig", func() (answers bool) {
		code := 0
		stdout, _, code = l.run(2, "dig", "+tries=1", "+time=3", "@10.77.0.1", "-p", "5353", "_chat-relay._tcp.local", "PTR")
		return code == 0
	})
	if strings.Contains(stdout, "mismatch") || !strings.Contains(stdout, `kitchen\032sink`) {
		t.Errorf("dig: want the room\n%s", stdout)
	}
	// dig takes answers only from the address that it asked, so it cannot ask the group.
	const ask = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
question = b"\x0b_chat-relay\x04_tcp\x05local\0" + struct.pack("!2H", 12, 1)
s.sendto(struct.pack("!6H", 4711, 0, 1, 0, 0, 0) + question, ("224.0.0.251", 5353))
try:
    while True:
        d = s.recv(9000)
        id, flags, questions = struct.unpack("!3H", d[:6])
        print(id, questions, d[12:12 + len(question)] == question)
except TimeoutError:
    pass
`
	answers, stderr, _ := l.run(2, "python3", "-c", ask)
	if answers != "4711 1 True\n" {
		t.Errorf("one question got the answers %q, want one with its ID and the question\n%s", answers, stderr)
	}
}

// A cable that was out for 2 s leaves other machines with old records, or none: the room is
// announced again.
func TestAnnouncedAfterACutCable(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	chattest.NeedTools(t, "python3")
	l.host(1, "kitchen")
	// Announcements go to the group; answers to questions do not.
	const listen = `
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("224.0.0.251", 5353))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + socket.inet_aton("10.77.0.2"))
print("listening", flush=True)
while True:
    if b"_chat-relay" in s.recv(9000):
        print("announced", flush=True)
`
	p := l.start(2, "python3", "-u", "-c", listen)
	p.awaitOutput("listening", soon)
	time.Sleep(2 * time.Second) // past the announcements of the start
	before := strings.Count(p.stdoutText(), "announced")
	l.lan("cut", "1")
	time.Sleep(2 * time.Second)
	l.lan("heal", "1")
	await(t, soon, "the room is announced again", func() bool { return strings.Count(p.stdoutText(), "announced") > before })
}
