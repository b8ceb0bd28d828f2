package screentest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// send sends bytes to the program as they are, each part after a pause.
func send(t *testing.T, term *terminal, pause time.Duration, parts ...string) {
	t.Helper()
	for i, part := range parts {
		if i > 0 {
			time.Sleep(pause) // the test is about the pause
		}
		args := []string{"send-keys", "-H"}
		for _, b := range []byte(part) {
			args = append(args, fmt.Sprintf("%02x", b))
		}
		term.Tmux(args...)
	}
}

// A paste whose end never comes, or comes in parts, is pasted, and its Enters send nothing.
func TestBrokenPaste(t *testing.T) {
	h := startHost(t)
	for name, test := range map[string]struct {
		pause time.Duration
		parts []string
		want  string
	}{
		"without end":   {0, []string{"\x1b[200~one\rtwo\rthree"}, `three$`},
		"torn end":      {60 * time.Millisecond, []string{"\x1b[200~one\rtwo\rthree\x1b[20", "1~"}, `three$`},
		"torn start":    {200 * time.Millisecond, []string{"\x1b[2", "00~one\rtwo\rthree\x1b[201~"}, `three$`},
		"Ctrl-C":        {100 * time.Millisecond, []string{"\x1b[200~one\rtwo\rthree", "\x03"}, `three$`},
		"the rest late": {3 * time.Second, []string{"\x1b[200~one\r", "two\rthree\x1b[201~"}, `three$`},
		"torn color":    {200 * time.Millisecond, []string{"one\n\x1b]11;rgb:1e1e/1e", "1e/1e1e\x1b", "\\three"}, `three$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := open(t, 80, 24)
			h.join(term, "bob-"+strings.ReplaceAll(name[:4], " ", "-"))
			send(t, term, test.pause, test.parts...)
			term.Wait(`› one$`, test.want)
			term.Type("X")
			term.Wait(`threeX$`)
			term.Never(`bob-\S*   one`) // nothing was sent
			term.Press("C-c")
			term.Wait(`brings it back`)
			term.Press("C-c")
			term.Wait(`Ctrl-C again leaves`)
			term.Press("C-c")
			term.Wait(`^You left kitchen\.$`, `^ready>$`)
		})
	}
}

// Over ssh, the bytes of a key may be 60 ms apart. On a busy machine they can be further apart than the test wants,
// and than the program waits: then it tries again.
func TestSlowKeys(t *testing.T) {
	h := startHost(t)
	want := regexp.MustCompile(`(?m)^ \S+ › half\n +half\n +half\n +xl$`)
	const tries = 10
	screen := ""
	for range tries {
		term := open(t, 80, 24)
		term.Run("export SSH_CONNECTION='10.0.0.1 1 10.0.0.2 22'")
		h.join(term, "bob")
		for range 3 {
			send(t, term, 60*time.Millisecond, "half\x1b", "\r")
		}
		send(t, term, 60*time.Millisecond, "l", "\x1b", "[", "D", "x")
		if screen = term.Wait(`^( bob\S* ›|      ) .*x`); want.MatchString(screen) {
			return
		}
		term.Tmux("kill-server")
	}
	t.Fatalf("in %d tries the keys were never taken for what they are:\n%s", tries, screen)
}
