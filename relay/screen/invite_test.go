package screen

import (
	"strings"
	"testing"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

// /invite shows how others get the program, below the ways to join, once its hash is known with that.
func TestInviteShowsTheProgram(t *testing.T) {
	const sum = "6c33ad8fd7dbfef73d2ebc2f00d062287649baea83caf1d568c174fa6b278c9a"
	for name, hosting := range map[string]*Hosting{"plain": hostingAt("192.168.1.5:24280"), "sealed": sealedHosting("192.168.1.5:24280")} {
		hosting.Install = func(addr string) string { return "curl " + addr + "/get/install.sh | sh" }
		hosting.ForShell = "Linux"
		hosting.ProgramSum = func() (system, hash string) { return "linux/amd64", sum }
		hosting.SumsFile = "/srv/chat/SHA256SUMS"
		inRoom(t, 150, 70, func(t *testing.T, r *rig) {
			r.arrives(hosting, "lab", "", nil)
			if r.shows("install.sh") {
				t.Errorf("%s: the card shows it:\n%s", name, r.frame())
			}
			cmd := invite(r.m.conversation, "")
			r.want("To install chat on Linux", "curl 192.168.1.5:24280/get/install.sh | sh", "/srv/chat/SHA256SUMS")
			if r.shows("SHA-256 of the program") {
				t.Errorf("%s: a hash before it is known:\n%s", name, r.frame())
			}
			r.update(cmd())
			r.want("SHA-256 of the program, linux/amd64", sum)
			if r.shows("Or download it in a browser") != (name == "plain") {
				t.Errorf("%s:\n%s", name, r.frame())
			}
			if invite(r.m.conversation, "") != nil {
				t.Errorf("%s: the hash is computed again", name)
			}
		})
	}
}

// A member's screen shows how others get the program, too, if the host hands it out.
func TestInviteOfMemberShowsTheProgram(t *testing.T) {
	for _, handsOut := range []bool{true, false} {
		inRoom(t, 150, 70, func(t *testing.T, r *rig) {
			r.happen(client.Connected{Addr: "192.168.1.5:24280", Welcome: wire.Event{Type: wire.TypeWelcome, Title: "kitchen", Nick: "bob", Get: handsOut}})
			if cmd := invite(r.m.conversation, ""); cmd != nil {
				t.Error("a hash is computed")
			}
			const command = "curl -fsSL http://192.168.1.5:24280/get/install.sh | sh"
			if r.shows(command) != handsOut || r.shows("Or download it in a browser") != handsOut || !r.shows("nc 192.168.1.5 24280") {
				t.Errorf("the host hands it out: %t\n%s", handsOut, r.frame())
			}
		})
	}
}

// The program does not move what was there before: the link and the QR code are still on the first page.
func TestInviteWithTheProgramBelow(t *testing.T) {
	without, with := sealedHosting("192.168.1.5:24280"), sealedHosting("192.168.1.5:24280")
	with.Install, with.ForShell = func(string) string { return "curl" }, "Linux"
	var frames []string
	for _, hosting := range []*Hosting{without, with} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			r.arrives(hosting, "lab", "", nil)
			openInvite(r.m.conversation)
			frames = append(frames, r.frame())
		})
	}
	link := seal.Invite{Addr: "192.168.1.5:24280", Pin: testPin, Secret: testSecret}
	if !strings.Contains(frames[1], link.URL()) || strings.Count(frames[0], "▄") != strings.Count(frames[1], "▄") {
		t.Errorf("without:\n%s\nwith:\n%s", frames[0], frames[1])
	}
}

// A member who joined on the host's machine, as an operator of a headless room does, is shown no address that leads others to their own
// machine.
func TestInviteOfLoopback(t *testing.T) {
	for addr, shown := range map[string]bool{"127.0.0.1:24280": false, "[::1]:24280": false, "localhost:24280": false, "[::ffff:127.0.0.1]:24280": false, "192.168.1.5:24280": true, "localhost.example:24280": true} {
		inRoom(t, 150, 40, func(t *testing.T, r *rig) {
			r.arrives(nil, "lab", "", nil)
			r.m.conversation.addr = addr
			openInvite(r.m.conversation)
			r.want("chat join")
			if r.shows("chat join --addr "+addr) != shown {
				t.Errorf("%s:\n%s", addr, r.frame())
			}
		})
	}
}
