package lantest

import (
	"fmt"
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
	bob.Wait(`^Looking for rooms on this network…$`)
	l.lan("heal", "2")
	bob.Wait(`kitchen · 10\.77\.0\.1:24280 · 1 here .*connected`, `^bob›$`)
}

// If there are several rooms, chat asks which one to join. Other keys are typed into the
// address field.
func TestScreenAsksWhichRoom(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	l.host(1, "kitchen")
	l.host(2, "den")
	l.join(1, "carol", "--addr", "127.0.0.1")
	for _, size := range [][2]int{{80, 24}, {40, 10}} {
		bob := l.terminal(3, size[0], size[1])
		bob.Run("%s join --nick bob", program)
		bob.Wait(`^2 rooms are on this network\. Which one\?$`,
			`^› 1 den  10\.77\.0\.2:24280, 0 here$`, `^  2 kitchen  10\.77\.0\.1:24280, 1 here$`, `^  Address:$`, `Ctrl-C: quit$`)
		bob.Press("Down")
		bob.Wait(`^  1 den `, `^› 2 kitchen `)
		bob.Press("1", "0", "F5", "x", "BSpace")
		bob.Wait(`^› Address: 10$`)
		bob.Press("Up")
		bob.Wait(`^  1 den `, `^› 2 kitchen `, `^  Address: 10$`)
		bob.Press("Down", "C-u", "2")
		bob.Wait(`^  1 den `, `^› 2 kitchen `, `^› Address: 2$`)
		bob.Press("Enter")
		bob.Wait(`^ kitchen · .*connected$`, `you are bob`, `^bob›$`)
		bob.Say("/quit")
		bob.Wait(`^ready>$`)
	}
}

// A room that opens after the search is found by the next search.
func TestScreenLooksAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	bob := l.terminal(2, 80, 24)
	bob.Run("%s join --nick bob --timeout 1s", program)
	bob.Wait(`no room found within 1s`, `^› Address:$`)
	l.host(1, "kitchen")
	bob.Press("Enter")
	bob.Wait(`kitchen · 10\.77\.0\.1:24280 · 1 here .*connected`, `^bob›$`)
}

// While a member's cable is cut, the screen says so. Messages typed meanwhile arrive once
// and in order when the cable is repaired.
func TestScreensAndACutCable(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	alice, bob := l.terminal(1, 80, 24), l.terminal(2, 80, 24)
	alice.Run("%s host --room kitchen --nick alice", program)
	alice.Wait(`room is open`, `chat join --addr 10\.77\.0\.1:24280`)
	bob.Run("%s join --nick bob", program)
	bob.Wait(`kitchen · 10\.77\.0\.1:24280 · 2 here .*connected`)
	alice.Wait(`bob joined`, ` 2 here .*connected`)
	alice.Say("soup is ready")
	bob.Wait(`alice  soup is ready`)
	bob.Say("coming")
	alice.Wait(`bob  coming`)

	l.lan("cut", "2")
	alice.Say("bring a spoon")
	bob.Say("which table?")
	bob.Wait(`1 message pending · connected`)
	const silence = 6 * time.Second // after it, a client that waits for an answer takes its connection for lost
	bob.WaitWithin(silence+soon, `1 message pending · reconnecting`)
	bob.Say("hello?")
	bob.Wait(`2 messages pending · reconnecting`)
	bob.Never(`bring a spoon`)
	alice.Never(`which table`)

	l.lan("heal", "2")
	for _, term := range []*chattest.Terminal{alice, bob} {
		term.Wait(`alice  bring a spoon(?s:.*)bob  which table\?(?s:.*)hello\?`, ` 2 here .*connected$`)
		term.Never(`(?s)which table\?.*which table\?|hello\?.*hello\?`)
	}
}
