package encrypted

import (
	"bufio"
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chat/relay/internal/fanout"
)

// A client may ask for new keys in both directions, also again and again, and the bytes after that arrive. crypto/tls as
// a client cannot ask, so OpenSSL does.
func TestKeyUpdate(t *testing.T) {
	if version, err := exec.Command("openssl", "version").Output(); err != nil || !strings.HasPrefix(string(version), "OpenSSL") {
		t.Skip("OpenSSL is not installed") // LibreSSL sends the K as text
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := exec.Command("openssl", "s_client", "-connect", ln.Addr().String())
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, notes bytes.Buffer
	client.Stdout, client.Stderr = &out, &notes
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := Server(fanout.NonBlocking(conn), nil, serverConfig())
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.Handshake(noTurn{}); err != nil {
		t.Fatal(err)
	}
	host := c.NonBlocking()
	lines := bufio.NewReader(host)
	next := func(want string) {
		t.Helper()
		if line, err := lines.ReadString('\n'); line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
	in.Write([]byte("before\n"))
	next("before\n")
	for range 3 {
		in.Write([]byte("K\n")) // asks for new keys of the host, too
		time.Sleep(50 * time.Millisecond)
		in.Write([]byte("after\n"))
		next("after\n")
		if _, err := host.Write(bytes.Repeat([]byte("soup\n"), 20_000)); err != nil {
			t.Fatal(err)
		}
	}
	host.Close()
	client.Wait() // its status depends on its version
	if n := strings.Count(out.String(), "soup\n"); n != 60_000 {
		t.Errorf("%d lines arrived", n)
	}
	if n := strings.Count(notes.String(), "KEYUPDATE"); n != 3 {
		t.Errorf("it asked for new keys %d times", n)
	}
}
