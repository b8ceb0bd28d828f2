//go:build unix

package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/journal/journaltest"
)

// The program goes to another relay of its room in the middle of a pipe: no line is lost, and one line says so.
func TestJoinMoves(t *testing.T) {
	store := journaltest.New()
	open := func() (addr string, end func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr = ln.Addr().String()
		srv, err := relay.NewShared(t.Context(), store.Relay(), nil, relay.Options{
			Title: "kitchen", Room: "0123456789abcdef", Secret: "the secret of all relays", Ways: func() []string { return []string{addr} },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var served sync.WaitGroup
		served.Go(func() {
			if err := srv.Serve(ctx, ln); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
		end = sync.OnceFunc(func() {
			cancel()
			served.Wait()
		})
		t.Cleanup(end)
		return addr, end
	}
	first, endFirst := open()
	second, _ := open()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	state := t.TempDir()
	start := func(addr string, args ...string) (in io.WriteCloser, out, errs *lines, wait func() error) {
		cmd := exec.CommandContext(ctx, "chat", append([]string{"join", "--addr", addr}, args...)...)
		cmd.Env = append(cmd.Environ(), "XDG_STATE_HOME="+state)
		out, errs = new(lines), new(lines)
		cmd.Stdout, cmd.Stderr = out, errs
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return in, out, errs, cmd.Wait
	}
	listens, heard, _, waitListener := start(second, "--nick", "bob", "--follow")
	in, _, notices, wait := start(first, "--nick", "alice")
	io.WriteString(in, "one\n")
	heard.await(t, ctx, "one")
	endFirst()
	io.WriteString(in, "two\n")
	notices.await(t, ctx, "* moved to another relay ("+second+")")
	io.WriteString(in, "three\n")
	in.Close()
	if err := wait(); err != nil {
		t.Errorf("chat join: %v\n%s", err, notices)
	}
	heard.await(t, ctx, "three")
	for _, text := range []string{"one", "two", "three"} {
		if n := strings.Count(heard.String(), "<alice> "+text+"\n"); n != 1 {
			t.Errorf("%q came %d times:\n%s", text, n, heard)
		}
	}
	if strings.Contains(notices.String(), "lost") {
		t.Errorf("the notices are\n%s", notices)
	}
	listens.Close()
	cancel()
	waitListener() // it was killed
}

// lines collects the output of a process.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await waits until the output has a text.
func (l *lines) await(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for !strings.Contains(l.String(), text) {
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %q in vain; the output is\n%s", text, l)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
