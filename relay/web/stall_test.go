package web_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
)

// await waits until done returns true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

// A client that does not read an answer is disconnected after the stall time. A client that reads
// slowly gets all of it, however long that takes.
func TestStall(t *testing.T) {
	t.Parallel()
	const stall, size = time.Second, 32 << 20
	store, err := files.Open(t.TempDir(), files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := open(t, relay.Options{Rate: -1}, web.Options{Files: store, Stall: time.Hour})
	r.page.SetStall(stall)
	content := strings.Repeat("0123456789abcdef", size/16)
	if res, answer := r.ask("PUT", "/files/large", strings.NewReader(content)); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status, answer)
	}
	for range 20 {
		r.do("POST", "/messages", strings.Repeat("x", 16<<10))
	}
	http.DefaultClient.CloseIdleConnections()
	await(t, "the other connections to end", func() bool { return r.srv.Stats().Sessions == 0 })

	t.Run("takes nothing", func(t *testing.T) {
		for _, path := range []string{"/files/1", "/messages"} {
			conn := r.raw(strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 200))
			await(t, "the host to serve it", func() bool { return r.srv.Stats().Sessions == 1 })
			began := time.Now()
			await(t, "the host to disconnect it", func() bool { return r.srv.Stats().Sessions == 0 })
			if took := time.Since(began); took > 10*stall {
				t.Errorf("%s: disconnected after %v", path, took)
			}
			conn.Close()
		}
	})
	t.Run("takes some", func(t *testing.T) {
		conn := r.raw("GET /files/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		sum := sha256.New()
		if _, err := io.CopyN(sum, res.Body, size/2); err != nil { // the system's buffers grow with the speed
			t.Fatal(err)
		}
		for began := time.Now(); time.Since(began) < 3*stall; time.Sleep(20 * time.Millisecond) {
			if _, err := io.CopyN(sum, res.Body, 16<<10); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.Copy(sum, res.Body); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintf("%x", sum.Sum(nil)), fmt.Sprintf("%x", sha256.Sum256([]byte(content))); got != want {
			t.Errorf("the file has the SHA-256 %s, want %s", got, want)
		}
	})
}
