package lantest

import (
	"fmt"
	"strings"
	"testing"

	"chat/scripts/chattest"
)

// Where a program may not list the network interfaces, as on Android, the host warns and serves,
// at the address on the default route. The others say what to do.
func TestHiddenInterfaces(t *testing.T) {
	t.Parallel()
	chattest.NeedTools(t, "strace")
	l := newLab(t, "2")
	// Go asks the kernel for interfaces by sendto. Connections use write. With -D, a signal reaches chat.
	hide := []string{"-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:error=EACCES", program}
	if _, stderr, code := l.run(1, "strace", append(hide, "version")...); code != 0 {
		chattest.Missing(t, "strace does not work here: "+stderr)
	}
	host := l.start(1, "strace", append(hide, "host", "--headless", "--room", "kitchen", "--iface", "wlan0", "--addr", fmt.Sprintf(":%d", port))...)
	l.awaitListening(1, port)
	await(t, soon, "the host has logged its state", func() bool {
		return strings.Contains(host.stderrText(), "ways_in=[10.77.0.1:24280]") && strings.Contains(host.stderrText(), "cannot list the network interfaces: permission denied")
	})
	bob := l.join(2, "bob", "--addr", "10.77.0.1")
	bob.write("hello")
	bob.awaitOutput(`"type":"join"`, soon)
	for _, command := range [][]string{{"rooms"}, {"join", "--nick", "carol"}} {
		_, stderr, code := l.run(2, "strace", append(hide, command...)...)
		if code != 3 || !strings.Contains(stderr, "cannot list the network interfaces: permission denied") || !strings.Contains(stderr, "hint: ") || !strings.Contains(stderr, "--addr") {
			t.Errorf("chat %v: exit code %d, want 3, the cause and a hint\n%s", command, code, stderr)
		}
	}
	stdout, _, code := l.run(2, "strace", append(hide, "doctor")...)
	if code != 1 || !strings.Contains(stdout, "Android 11") || !strings.Contains(stdout, "10.77.0.2") {
		t.Errorf("chat doctor: exit code %d, want 1, an explanation and this machine's address\n%s", code, stdout)
	}
}
