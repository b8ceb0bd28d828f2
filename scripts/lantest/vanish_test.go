package lantest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
	"chat/scripts/chattest"
)

// The host notices a client whose machine has disappeared. If the connection is idle,
// keepalive finds out. If data is in flight, keepalive sends no probes and the user timeout
// does.
func TestVanishedPeer(t *testing.T) {
	t.Parallel()
	chattest.NeedTools(t, "nc")
	for name, inFlight := range map[string]bool{"idle": false, "data in flight": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "3")
			host := l.host(1, "kitchen", "--limit", "keepalive-timeout=3s")
			l.awaitListening(1, wire.DefaultPort)
			lost := l.start(2, "nc", "10.77.0.1", fmt.Sprint(wire.DefaultPort))
			lost.awaitOutput("Welcome", soon)
			stayer := l.join(3, "stayer")
			l.lan("cut", "2", "--silent")
			cut := time.Now()
			var written time.Time
			await(t, 10*time.Second, "the room announces that the client left", func() bool {
				if inFlight && time.Since(written) > 100*time.Millisecond {
					stayer.write("are you there?")
					written = time.Now()
				}
				return strings.Contains(stayer.stdoutText(), `"type":"leave"`)
			})
			t.Logf("noticed after %v, --limit keepalive-timeout=3s", time.Since(cut).Round(100*time.Millisecond))
			if strings.Contains(host.stderrText(), "level=ERROR") {
				t.Errorf("the host logged an error:\n%s", host.stderrText())
			}
		})
	}
}
