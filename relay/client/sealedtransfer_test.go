package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/files"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/seal"
	"chat/relay/sshkey"
	"chat/relay/wire"
)

const memberSecret, newSecret = seal.Secret("M2V8ABCDEFGHIJKL"), seal.Secret("own.choice of a secret")

// newSource returns certificates for a new key.
func newSource(t *testing.T) *hostseal.CertificateSource {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// hostSealed opens a sealed room with uploads.
func hostSealed(t *testing.T, how relay.Seal) (*fileHost, seal.Pin) {
	t.Helper()
	source := newSource(t)
	how.TLS, how.Secrets = source.Config(), seal.RoomSecrets{Member: memberSecret, Listen: "LISTENABCDEFGHIJ", Operator: "OPERATORABCDEFGH"}
	return hostFilesIn(t, files.Limits{}, relay.Options{Title: "lab", Seal: &how}), source.Pin()
}

// A tap records the bytes sent over connections.
type tap struct {
	mu   sync.Mutex
	sent bytes.Buffer // guarded by mu
}

func (w *tap) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return tapped{conn, w}, nil
}

type tapped struct {
	net.Conn
	*tap
}

func (c tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// exchange uploads a file from one client, and downloads it with another.
func exchange(t *testing.T, from, to *client.Client, name string) {
	t.Helper()
	path, content := randomFile(t, name, 1<<20)
	if err := from.Send(t.Context(), path, nil); err != nil {
		t.Fatalf("Send: %v", err)
	}
	f, _ := awaitFile(t, to)
	got, err := to.Get(t.Context(), f, t.TempDir(), nil)
	if err != nil || !bytes.Equal(mustRead(t, got), content) {
		t.Fatalf("Get: %v", err)
	}
}

// Uploads and downloads in a sealed room are encrypted, and enter with the current secret.
func TestSealedTransfers(t *testing.T) {
	host, pin := hostSealed(t, relay.Seal{Renew: func() (seal.RoomSecrets, error) {
		return seal.RoomSecrets{Member: newSecret, Listen: "LISTEN2BCDEFGHIJ", Operator: "OPERATORABCDEFGH"}, nil
	}})
	var wire1 tap
	alice := host.enterAs(t, client.Options{Nick: "alice", Dial: wire1.dial, Seal: client.Seal{Pin: pin, Secret: memberSecret}})
	bob := host.enterAs(t, client.Options{Nick: "bob", Seal: client.Seal{Pin: pin, Secret: memberSecret}})
	exchange(t, alice, bob, "one.bin")

	operator := host.enterAs(t, client.Options{Nick: "carol", Seal: client.Seal{Pin: pin, Secret: "OPERATORABCDEFGH"}})
	if _, err := operator.Do(t.Context(), wire.Request{Type: wire.TypeInvite, Text: "new"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client.Client{alice, bob} {
		for invite, _ := c.Invite(); invite.Secret != newSecret; invite, _ = c.Invite() {
			if _, ok := <-c.Events(); !ok {
				t.Fatal("the client has ended: ", c.Err())
			}
		}
	}
	exchange(t, alice, bob, "two.bin")

	wire1.mu.Lock()
	defer wire1.mu.Unlock()
	for _, private := range []string{string(memberSecret), string(newSecret), "alice", "one.bin", "Bearer", "hello"} {
		if strings.Contains(wire1.sent.String(), private) {
			t.Errorf("%q was sent in the clear", private)
		}
	}
}

// ownSigner returns a user's own key.
func ownSigner(t *testing.T) *identity.Signer {
	return identity.OwnSigner(t.TempDir(), func(err error) { t.Error(err) })
}

// A member who enters by key has no secret; the key lets uploads and downloads in too.
func TestTransfersByKey(t *testing.T) {
	signer := ownSigner(t)
	public, err := sshkey.Parse(signer.Key())
	if err != nil {
		t.Fatal(err)
	}
	host, pin := hostSealed(t, relay.Seal{IsMember: func(fingerprint string) bool { return fingerprint == sshkey.Fingerprint(public) }})
	alice := host.enterAs(t, client.Options{Nick: "alice", Seal: client.Seal{Pin: pin, Signer: signer}})
	exchange(t, alice, alice, "one.bin")
	_, err = client.Join(t.Context(), client.Options{Addr: host.addr, Seal: client.Seal{Pin: pin, Signer: ownSigner(t)}})
	if err == nil || !strings.Contains(err.Error(), "yours is not one of them") {
		t.Errorf("with another key: %v", err)
	}
}

// Someone in the middle, whom the user trusts by mistake, passes everything on to the real host: it finds
// out, the client is not asked for the secret again, and nothing of the hello passes.
func TestInterceptedBeforeRealHost(t *testing.T) {
	host, _ := hostSealed(t, relay.Seal{})
	ln, err := tls.Listen("tcp", "127.0.0.1:0", newSource(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	var passed tap
	var relaying sync.WaitGroup
	relaying.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			relaying.Go(func() {
				defer conn.Close()
				onward, err := tls.Dial("tcp", host.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					return
				}
				defer onward.Close()
				relaying.Go(func() { io.Copy(conn, onward); conn.Close() })
				io.Copy(tapped{onward, &passed}, conn)
			})
		}
	})
	defer relaying.Wait()
	defer ln.Close()
	asked := 0
	_, err = client.Join(t.Context(), client.Options{Addr: ln.Addr().String(), Nick: "alice", Seal: client.Seal{Required: true, Questions: client.Questions{
		Trust: func(context.Context, client.Host) error { return nil },
		AskSecret: func(context.Context, client.SecretQuestion) (seal.Secret, error) {
			asked++
			return memberSecret, nil
		},
	}}})
	if !errors.Is(err, client.ErrIntercepted) || asked != 1 {
		t.Errorf("Join: %v, asked %d times", err, asked)
	}
	passed.mu.Lock()
	defer passed.mu.Unlock()
	if got := passed.sent.String(); strings.Contains(got, "alice") || strings.Contains(got, string(memberSecret)) || !strings.Contains(got, `"auth"`) {
		t.Errorf("passed on: %s", got)
	}
}
