package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/hostseal"
	"chat/relay/seal"
	"chat/relay/web"
)

// A memberTransport adds the secret of members to requests.
type memberTransport struct{ http.RoundTripper }

// CloseIdleConnections makes http.Client's method work.
func (t memberTransport) CloseIdleConnections() {
	t.RoundTripper.(*http.Transport).CloseIdleConnections()
}

func (t memberTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+memberSecret)
	return t.RoundTripper.RoundTrip(r)
}

// openByTLS hosts a sealed room, and returns a client for its HTTPS, which is let in as a member.
func openByTLS(t *testing.T, stall time.Duration) (*room, *http.Client) {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store, err := files.Open(t.TempDir(), files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := open(t, relay.Options{Rate: -1, Seal: &relay.Seal{TLS: certificate.Config(), Secrets: seal.RoomSecrets{Member: memberSecret}}}, web.Options{Files: store, Stall: stall})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: memberTransport{transport}}
	return r, client
}

// HTTP works in TLS as it does without: messages, files in both directions, the page's WebSocket.
func TestHTTPS(t *testing.T) {
	r, client := openByTLS(t, 0)
	base := "https://" + r.addr
	do := func(want int, method, path string, body io.Reader) string {
		t.Helper()
		req, err := http.NewRequest(method, base+path, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want || res.ProtoMajor != 1 {
			t.Fatalf("%s %s: %s %s, %q, %v", method, path, res.Proto, res.Status, answer, err)
		}
		return string(answer)
	}
	if page := do(200, "GET", "/", nil); !strings.Contains(page, "<html") {
		t.Errorf("the page is %.40q", page)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, "wss://"+r.addr+"/socket", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	socket.SetReadLimit(1 << 20)
	until := func(words string) {
		t.Helper()
		for {
			_, line, err := socket.Read(ctx)
			if err != nil {
				t.Fatalf("waiting for %q: %v", words, err)
			}
			if bytes.Contains(line, []byte(words)) {
				return
			}
		}
	}
	if err := socket.Write(ctx, websocket.MessageText, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	until(`"welcome"`)
	do(http.StatusCreated, "POST", "/messages", strings.NewReader("soup"))
	until(`"soup"`)
	content := strings.Repeat("0123456789abcdef", 4<<20/16)
	do(http.StatusCreated, "PUT", "/files/large", strings.NewReader(content))
	if got := do(200, "GET", "/files/1", nil); got != content {
		t.Errorf("the file has %d bytes, or others", len(got))
	}
	client.CloseIdleConnections()
	go r.close()
	until(`"bye"`)
	if _, _, err := socket.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the socket ends with %v", err)
	}
	r.close()
}

// The page has an opener policy by HTTPS. By HTTP browsers reject it, with an error in the console.
func TestOpenerPolicy(t *testing.T) {
	r, client := openByTLS(t, 0)
	for base, want := range map[string]string{"https://": "same-origin", "http://": ""} {
		res, err := client.Get(base + r.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Cross-Origin-Opener-Policy"); got != want || res.StatusCode != http.StatusOK {
			t.Errorf("by %s: %s, %q; want %q", base, res.Status, got, want)
		}
	}
}

// A client that takes nothing of an answer is disconnected, and one that reads slowly gets all of it, also if what
// remains is ciphertext.
func TestStallByTLS(t *testing.T) {
	t.Parallel()
	const stall, size = 400 * time.Millisecond, 10 << 20
	r, client := openByTLS(t, stall)
	content := strings.Repeat("0123456789abcdef", size/16)
	req, _ := http.NewRequest("PUT", "https://"+r.addr+"/files/large", strings.NewReader(content))
	res, err := client.Do(req)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatal(res, err)
	}
	res.Body.Close()
	client.CloseIdleConnections()
	await(t, "the other connections to end", func() bool { return r.srv.Stats().Sessions == 0 })
	request := func() *tls.Conn {
		below, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		below.(*net.TCPConn).SetReadBuffer(64 << 10)
		conn := tls.Client(below, &tls.Config{InsecureSkipVerify: true})
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "GET /files/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", memberSecret)
		return conn
	}
	request()
	await(t, "the host to serve it", func() bool { return r.srv.Stats().Sessions == 1 })
	await(t, "the host to disconnect it", func() bool { return r.srv.Stats().Sessions == 0 })

	slow, err := http.ReadResponse(bufio.NewReader(request()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Body.Close()
	var got bytes.Buffer
	for began := time.Now(); time.Since(began) < 4*stall; time.Sleep(20 * time.Millisecond) {
		if _, err := io.CopyN(&got, slow.Body, 4<<10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(&got, slow.Body); err != nil || got.String() != content {
		t.Errorf("got %d bytes of %d, %v", got.Len(), size, err)
	}
}
