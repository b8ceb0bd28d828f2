package screen

import (
	"strings"
	"testing"

	"chat/relay/client"
	"chat/relay/wire"
)

// A change of the own nick is reported once, by the host's notice.
func TestOwnNickIsReportedOnce(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.happen(
			client.Received{Event: wire.Event{Type: wire.TypeNick, ID: 1, Time: noon, From: "bob", Client: "us", Nick: "bobby"}, Own: true},
			client.Received{Event: wire.Event{Type: wire.TypeNotice, Text: "you are now bobby"}},
			client.Received{Event: wire.Event{Type: wire.TypeNick, ID: 2, Time: noon, From: "carol", Client: "c", Nick: "caro"}},
		)
		r.want("you are now bobby", "carol is now caro")
		if frame := r.frame(); strings.Contains(frame, "bob is now bobby") {
			t.Errorf("the own nick is reported twice:\n%s", frame)
		}
	})
}
