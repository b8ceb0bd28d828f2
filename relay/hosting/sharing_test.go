package hosting

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat/relay/admin"
	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// startNATS starts a nats-server until the test ends.
func startNATS(t *testing.T) *natsserver.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // it may have to be built
	defer cancel()
	if _, err := natsserver.Binary(ctx); err != nil {
		chattest.Missing(t, "no nats-server: "+err.Error())
	}
	c, err := natsserver.Start(ctx, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// sharedBy returns a change of options: the room is shared by the servers.
func sharedBy(servers *natsserver.Cluster, more func(*Options)) func(*Options) {
	return func(o *Options) {
		o.Sharing.URLs = servers.URLs()
		if more != nil {
			more(o)
		}
	}
}

// request sends an HTTP request to a room, and returns the status and the body.
func request(t *testing.T, r *Room, method, path, body string, header ...string) (status int, answer string) {
	t.Helper()
	status, answer, err := tryRequest(t.Context(), r, method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func tryRequest(ctx context.Context, r *Room, method, path, body string, header ...string) (status int, answer string, err error) {
	scheme := "http://"
	if r.Sealed() != nil {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+r.ln.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// until calls ok until it returns true, for at most 20 s.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}

// A file that was uploaded at one host of a room can be listed and downloaded at each, also when the first host is gone, and
// what an operator removes is removed everywhere.
func TestSharedFiles(t *testing.T) {
	servers := startNATS(t)
	a, closeA := openRoomUntil(t, sharedBy(servers, nil))
	b := openRoom(t, sharedBy(servers, func(o *Options) { o.FilesDir = t.TempDir() }))
	large := strings.Repeat("soup ", 300_000) // several parts
	if status, body := request(t, a, "PUT", "/files/soup.txt", large); status != http.StatusCreated {
		t.Fatalf("uploaded: %d %s", status, body)
	}
	if status, body := request(t, b, "PUT", "/files/tea.txt", "tea"); status != http.StatusCreated || !strings.Contains(body, "/files/2/tea.txt") {
		t.Fatalf("uploaded at the other host: %d %s", status, body)
	}
	check := func(r *Room) {
		t.Helper()
		until(t, "both files are listed", func() bool {
			_, list := request(t, r, "GET", "/files/", "")
			return strings.Count(list, "\n") == 2
		})
		if status, body := request(t, r, "GET", "/files/1/soup.txt", ""); status != http.StatusOK || body != large {
			t.Errorf("the file of the first host: %d, %d bytes", status, len(body))
		}
		if status, body := request(t, r, "GET", "/files/2/tea.txt", "", "Range", "bytes=1-"); status != http.StatusPartialContent || body != "ea" {
			t.Errorf("a part of the other file: %d %q", status, body)
		}
	}
	check(a)
	check(b)
	closeA()
	c := openRoom(t, sharedBy(servers, nil))
	check(c)
	if notice, err := c.Operate(&wire.Request{Type: wire.TypeFiles, Text: "rm 1"}); err != nil {
		t.Errorf("removed: %s %v", notice, err)
	}
	until(t, "the file is removed everywhere", func() bool {
		status, _ := request(t, b, "GET", "/files/1/soup.txt", "")
		return status == http.StatusGone
	})
	if notice, err := b.Operate(&wire.Request{Type: wire.TypeFiles, Text: "off"}); err != nil {
		t.Errorf("turned off: %s %v", notice, err)
	}
	until(t, "uploads are off everywhere", func() bool {
		status, _ := request(t, c, "PUT", "/files/late.txt", "late")
		return status == http.StatusForbidden
	})
}

// The hosts of a sealed room have one key and the same secrets: the invite of one lets members in at each, and the new
// invite that an operator makes at one host replaces it at each.
func TestSharedSeal(t *testing.T) {
	servers := startNATS(t)
	secure := func(o *Options) { o.Sealing.Secure = true }
	a, b := openRoom(t, sharedBy(servers, secure)), openRoom(t, sharedBy(servers, secure))
	if a.Sealed().Pin() != b.Sealed().Pin() {
		t.Fatalf("the pins are %s and %s", a.Sealed().Pin(), b.Sealed().Pin())
	}
	before := a.Sealed().Room().Member
	alice := member(t, a, "alice", before)
	bob := member(t, b, "bob", before)
	if _, err := alice.Say(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	expect(t, bob, func(e client.Received) bool { return e.Text == "hello" && e.From == "alice" })
	if _, err := b.Operate(&wire.Request{Type: wire.TypeInvite, Text: "new"}); err != nil {
		t.Fatal(err)
	}
	now := b.Sealed().Room().Member
	until(t, "the first host has the new secret", func() bool { return a.Sealed().Room().Member == now })
	until(t, "the member of the first host has the new invite", func() bool {
		invite, _ := alice.Invite()
		return invite.Secret == now
	})
	until(t, "the old secret lets no one in", func() bool { return tryMember(t, a, "carol", before) != nil })
	member(t, a, "dave", now)
	c := openRoom(t, sharedBy(servers, secure))
	if c.Sealed().Pin() != a.Sealed().Pin() || c.Sealed().Room().Member != now {
		t.Error("a host that is started later has another key or secret")
	}
	if r, err := Open(optionsOf(sharedBy(servers, nil))); err == nil || !strings.Contains(err.Error(), "the room in the cluster is sealed") || !strings.Contains(err.Error(), "hint: add --secure") {
		t.Errorf("without --secure: %v", err)
		if err == nil {
			r.Start(t.Context())
			r.Close()
		}
	}
}

// The host of a shared room reports the state of the cluster, by HTTP and to administrators.
func TestSharedStatus(t *testing.T) {
	servers := startNATS(t)
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := openRoom(t, sharedBy(servers, func(o *Options) { o.HistoryFile = filepath.Join(dir, "a.chat") }))
	b := openRoom(t, sharedBy(servers, nil))
	io.WriteString(dial(t, b), "/nick bob\n")
	c, err := admin.At(filepath.Join(dir, "a.chat.admin"))
	if err != nil {
		t.Fatal(err)
	}
	var members admin.Members
	until(t, "bob is listed at the other host", func() bool {
		_, err := c.Get(t.Context(), "members", &members)
		return err == nil && len(members.Members) == 1
	})
	if m := members.Members[0]; m.Nick != "bob" || m.Relay != b.Relay() {
		t.Errorf("the member is %+v", m)
	}
	var status admin.Cluster
	until(t, "both hosts are listed", func() bool {
		_, err := c.Get(t.Context(), "cluster", &status)
		return err == nil && len(status.Relays) == 2
	})
	if !status.Connected || status.Server != servers.URLs()[0] || status.Replicas != 1 || status.Position == 0 || status.Problem != "" {
		t.Errorf("the cluster is %+v", status)
	}
	metric := func(line string) func() bool {
		return func() bool {
			_, text := request(t, a, "GET", "/metrics", "")
			return strings.Contains(text, "\n"+line+"\n")
		}
	}
	until(t, "connected", metric("chat_cluster_connected 1"))
	until(t, "two hosts", metric("chat_cluster_relays 2"))
	if status, body := request(t, a, "GET", "/healthz", ""); status != http.StatusOK {
		t.Errorf("healthz: %d %s", status, body)
	}
	servers.Servers[0].Kill()
	until(t, "not connected", metric("chat_cluster_connected 0"))
	if err := servers.Servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "connected again", metric("chat_cluster_connected 1"))
}

// joinSealed joins a sealed room with a secret.
func joinSealed(t *testing.T, r *Room, nick string, secret seal.Secret) (*client.Client, error) {
	t.Helper()
	return client.Join(t.Context(), client.Options{
		Addr: r.ln.Addr().String(), Nick: nick, Seal: client.Seal{Required: true, Pin: r.Sealed().Pin(), Secret: secret},
	})
}

// tryMember returns why no one can join with a secret; nil: it is possible.
func tryMember(t *testing.T, r *Room, nick string, secret seal.Secret) error {
	t.Helper()
	c, err := joinSealed(t, r, nick, secret)
	if err == nil {
		c.Close()
	}
	return err
}

// member joins a sealed room with a secret, until the test ends.
func member(t *testing.T, r *Room, nick string, secret seal.Secret) *client.Client {
	t.Helper()
	c, err := joinSealed(t, r, nick, secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// expect waits for an event.
func expect(t *testing.T, c *client.Client, is func(client.Received) bool) {
	t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case e := <-c.Events():
			if r, ok := e.(client.Received); ok && is(r) {
				return
			}
		case <-timeout:
			t.Fatal("an event did not come")
		}
	}
}
