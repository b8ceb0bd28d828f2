package lantest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// terminal opens a terminal on node.
func (l *lab) terminal(node, columns, rows int) *chattest.Terminal {
	l.t.Helper()
	return chattest.OpenTerminal(l.t, columns, rows, "env", "CHATLAN_ID="+l.id, script, "exec", fmt.Sprint(node), "--")
}

// If there is one room, chat joins it without asking.
func TestScreenFindsTheOnlyRoom(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	l.host(1, "kitchen")
	bob := l.terminal(2, 80, 24)
	l.lan("cut", "2", "--silent") // else the search would be over too soon to be seen
	bob.Run("%s join --nick bob", program)
	bob.Wait(`chat  Looking for rooms on this network…$`)
	l.lan("heal", "2")
	bob.Wait(`^ kitchen .* 1 here .*●`, `^ bob › Say something`)
}

// If there are several rooms, chat asks which one to join. Other keys are typed into the field.
func TestScreenAsksWhichRoom(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	l.host(1, "kitchen")
	l.host(2, "den")
	l.join(1, "carol", "--addr", "127.0.0.1")
	for _, size := range [][2]int{{80, 24}, {40, 10}} {
		bob := l.terminal(3, size[0], size[1])
		bob.Run("%s join --nick bob", program)
		bob.Wait(`chat  2 rooms on this network$`, `▌ 1 den      10\.77\.0\.2:24280 +0 here`, `2 kitchen  10\.77\.0\.1:24280 +1 here`, `^ join ›`, `Esc leave$`)
		bob.Press("Down")
		bob.Wait(`▌ 2 kitchen `)
		bob.Press("1", "0", "F5", "x", "BSpace")
		bob.Wait(`^ join › 10$`, `▌ @ Address  10$`)
		bob.Press("C-u", "2")
		bob.Wait(`▌ 2 kitchen `, `^ join › 2$`)
		bob.Press("Enter")
		bob.Wait(`^ kitchen .*●`, `^ +kitchen$|carol is here`, `^ bob › Message kitchen$`)
		bob.Say("/quit")
		bob.Wait(`^ready>$`)
	}
}

// A room that opens after the search is listed, and found by the next search.
func TestScreenLooksAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	bob := l.terminal(2, 80, 24)
	bob.Run("%s join --nick bob --timeout 1s", program)
	bob.Wait(`No room found on this network`, `No other device answered`)
	l.host(1, "kitchen")
	bob.Press("C-r")
	bob.Wait(`^ kitchen .*●`, `No one else is here yet\.`, `^ bob › Say something`)
}

// A network on which other devices answer is told from one that drops multicast.
func TestScreenHeardOtherDevices(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	l.avahi(1)
	bob := l.terminal(2, 80, 24)
	bob.Run("%s join --nick bob", program)
	bob.Wait(`No room found on this network`, `Looked for 5 s on eth0\. 1 other device is here`)
}

// One command is enough: the first chat hosts a room, the second one joins it, the third one may
// choose.
func TestChatAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, "4")
	alice, bob, carol := l.terminal(1, 80, 24), l.terminal(2, 80, 24), l.terminal(3, 80, 24)
	alice.Run("CHAT_NICK=alice %s", program)
	alice.Wait(`▌ \+ Host one here  as node1 +Enter$`)
	alice.Press("Enter")
	alice.Wait(`^ node1 .* 1 here .*●`, `^  node1 is open`, `http://10\.77\.0\.1:24280/`, `Waiting for the first one…`)
	bob.Run("CHAT_NICK=bob %s", program)
	bob.Wait(`1 room on this network, joining it…`)
	bob.Wait(`^ node1 .* 2 here .*●`, `^ +alice \(host\) is here$`, `^ +Say hello\.$`)
	alice.Wait(`bob joined`, `others join at http://10\.77\.0\.1:24280/`)
	alice.Say("/topic lunch")
	bob.Wait(`lunch`)
	bob.Say("soup is ready")
	alice.Wait(`bob   soup is ready`)

	l.host(4, "annex")
	await(t, soon, "both rooms are announced", func() bool { // chat joins the only room that it finds
		stdout, _, _ := l.run(3, "chat", "rooms")
		return strings.Contains(stdout, "annex") && strings.Contains(stdout, "node1")
	})
	carol.Run("CHAT_NICK=carol %s", program)
	carol.Wait(`chat  2 rooms on this network$`, `▌ 1 annex +10\.77\.0\.4:24280 +0 here`, `2 node1 +10\.77\.0\.1:24280 +2 here`, `\+ Host a room here  as node3$`)
	carol.Press("Down", "Enter")
	carol.Wait(`^ node1 .* 3 here .*●`, `you are carol`)
	carol.Say("/quit")
	carol.Wait(`^ready>$`)

	alice.Press("C-c")
	alice.Wait(`again`)
	alice.Press("C-c")
	alice.Wait(`bob   soup is ready`, `^The room node1 is closed\.$`, `^ready>$`)
	bob.Wait(`the room is closing`)
}

// While a member's cable is cut, the screen says so. Messages typed meanwhile arrive once
// and in order when the cable is repaired.
func TestScreensAndACutCable(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	alice, bob := l.terminal(1, 80, 24), l.terminal(2, 80, 24)
	alice.Run("%s host --room kitchen --nick alice", program)
	alice.Wait(`kitchen is open`, `http://10\.77\.0\.1:24280/`)
	bob.Run("%s join --nick bob", program)
	bob.Wait(`^ kitchen .* 2 here .*●`)
	alice.Wait(`bob joined`, ` 2 here .*●`)
	alice.Say("soup is ready")
	bob.Wait(`alice   soup is ready`)
	bob.Say("coming")
	alice.Wait(`bob   coming`)

	l.lan("cut", "2")
	alice.Say("bring a spoon")
	bob.Say("which table?")
	bob.Wait(`^── 1 message waits ──`)
	const silence = 6 * time.Second // after it, a client that waits for an answer takes its connection for lost
	bob.WaitWithin(silence+soon, `Not connected · 1 message waits`)
	bob.Say("hello?")
	bob.Wait(`Not connected · 2 messages wait`)
	bob.Never(`bring a spoon`)
	alice.Never(`which table`)

	l.lan("heal", "2")
	for _, term := range []*chattest.Terminal{alice, bob} {
		term.Wait(`alice   bring a spoon(?s:.*)bob   which table\?(?s:.*)hello\?`, ` 2 here .*●`)
		term.Never(`(?s)which table\?.*which table\?|hello\?.*hello\?`)
	}
}
