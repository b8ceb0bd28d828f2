package lantest

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// A room that two hosts share is one room to those who search for it. Members of both are together, and when one host is killed its
// member is at the other one soon, with each line once.
func TestSharedRoomIsFoundOnce(t *testing.T) {
	t.Parallel()
	nats, err := natsserver.Binary(t.Context())
	if err != nil {
		chattest.Missing(t, fmt.Sprintf("nats-server: %v", err))
	}
	l := newLab(t, "4")
	l.start(1, nats, "-a", "10.77.0.1", "-p", "4222", "-js", "-sd", filepath.Join(t.TempDir(), "nats"))
	l.start(1, "bash", "-c", "until (</dev/tcp/10.77.0.1/4222) 2>/dev/null; do sleep 0.02; done; echo up").awaitOutput("up", 2*soon)
	hosts := make(map[string]*process)
	for node := 1; node <= 2; node++ {
		hosts[fmt.Sprintf("10.77.0.%d:%d", node, port)] = l.host(node, "kitchen", "--cluster", "nats://10.77.0.1:4222")
	}
	await(t, 2*soon, "both hosts are announced as one room", func() bool {
		list := l.rooms(3)
		return len(list) == 1 && list[0].Title == "kitchen"
	})
	bob, alice := l.join(3, "bob"), l.join(4, "alice", "--addr", "10.77.0.2")
	bob.awaitOutput(`"alice"`, 2*soon)
	alice.write("before")
	bob.awaitOutput(`"before"`, soon)
	hosts["10.77.0.2:24280"].signal(syscall.SIGKILL)
	killed := time.Now()
	alice.write("after")
	bob.awaitOutput(`"after"`, 2*soon)
	t.Logf("the member of the killed host was heard after %v", time.Since(killed).Round(10*time.Millisecond))
	bob.write("welcome back")
	alice.awaitOutput(`"welcome back"`, soon)
	for _, p := range []*process{bob, alice} {
		var texts []string
		for _, m := range p.messageLines() {
			texts = append(texts, m.Text)
		}
		if got := strings.Join(texts, ", "); got != "before, after, welcome back" {
			t.Errorf("%s has %s", p.name, got)
		}
	}
}
