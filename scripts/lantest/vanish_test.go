package lantest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
	"chat/scripts/chattest"
)

// A peer that is gone without a word (its plug was pulled) is noticed: one that
// listens to silence, by keepalive, and one with something on its way to it, where
// keepalive sends no probe, by the user time-out.
func TestVanishedPeer(t *testing.T) {
	chattest.NeedTools(t, "nc")
	for name, talk := range map[string]bool{"at rest": false, "with bytes on their way": true} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "3")
			host := l.host(1, "kitchen", "--limit", "keepalive-timeout=3s")
			l.listening(1, wire.DefaultPort)
			lost := l.start(2, "nc", "10.77.0.1", fmt.Sprint(wire.DefaultPort))
			lost.says("Welcome", soon)
			stayer := l.join(3, "stayer")
			l.lan("cut", "2", "--silent")
			cut := time.Now()
			for talk && time.Since(cut) < 2*time.Second {
				stayer.write("are you there?")
				time.Sleep(100 * time.Millisecond)
			}
			await(t, 10*time.Second, "the room hears that the peer is gone", func() bool {
				return strings.Contains(stayer.output(), `"type":"leave"`)
			})
			t.Logf("noticed after %v, --limit keepalive-timeout=3s", time.Since(cut).Round(100*time.Millisecond))
			if strings.Contains(host.errors(), "level=ERROR") {
				t.Errorf("the host is troubled:\n%s", host.errors())
			}
		})
	}
}
