package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	testSecret   = seal.Secret("M2V8ABCDEFGHIJKL")
	listenSecret = seal.Secret("LISTENABCDEFGHIJ")
)

// newCertificate returns a certificate that is valid between two times, and the pin of its key.
func newCertificate(t testing.TB, from, until time.Time) (tls.Certificate, seal.Pin) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: []string{"elsewhere.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, seal.PinOf(leaf)
}

// A sealedHost is a scripted host of a sealed room.
type sealedHost struct {
	*scriptedHost
	config *tls.Config
	pin    seal.Pin
}

func newSealedHost(t *testing.T) *sealedHost {
	return sealedHostFrom(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func sealedHostFrom(t *testing.T, from, until time.Time) *sealedHost {
	certificate, pin := newCertificate(t, from, until)
	return &sealedHost{newScriptedHost(t), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, pin}
}

// accept accepts a connection and encrypts it. The client may end it during the handshake, or
// right after.
func (h *sealedHost) accept() *hostEnd {
	end := h.scriptedHost.accept()
	conn := tls.Server(end.conn, h.config)
	conn.Handshake()
	return &hostEnd{h.t, conn, wire.NewLineReader(conn, 1<<20)}
}

// wantNothing accepts a connection over which the client must send nothing but the handshake.
func (h *sealedHost) wantNothing() {
	h.t.Helper()
	h.accept().wantHangUp()
}

// wantHello answers the question which room there is, and returns the hello.
func (e *hostEnd) wantHello() wire.Request {
	e.t.Helper()
	r := e.want(wire.TypeHello)
	if r.Probe {
		e.t.Fatalf("the host is asked twice: %+v", r)
	}
	return r
}

// authenticate plays the host of SCRAM, which knows the secrets, until the client has shown that
// it knows one, or not; then the last message is an error. It returns the user.
func (e *hostEnd) authenticate() (user string, valid bool) {
	e.t.Helper()
	first := e.want(wire.TypeAuth)
	if first.Mechanism != seal.Mechanism {
		e.t.Fatalf("the mechanism is %q", first.Mechanism)
	}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		secret := testSecret
		if user == seal.ListenUser {
			secret = listenSecret
		}
		c, err := scram.SHA256.NewClient(user, string(secret), "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of the room", Iters: seal.Iterations})
	})
	if err != nil {
		e.t.Fatal(err)
	}
	state := e.conn.(*tls.Conn).ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		e.t.Fatal(err)
	}
	conversation := server.NewConversationWithChannelBindingRequired(binding)
	challenge, err := conversation.Step(decoded(e.t, first.Data))
	if err != nil {
		e.t.Fatalf("the first message %q: %v", first.Data, err)
	}
	e.sendAuth(challenge)
	answer, _ := conversation.Step(decoded(e.t, e.want(wire.TypeAuth).Data)) // answer has the reason, too
	switch {
	case conversation.Valid():
		e.sendAuth(answer)
	case answer == scram.ErrChannelBindingsDontMatch:
		e.send(wire.Event{Type: wire.TypeError, Code: wire.CodeIntercepted, Text: "someone is in between"})
	default:
		e.send(wire.Event{Type: wire.TypeError, Code: wire.CodeAuthFailed, Text: "the secret is wrong"})
	}
	return conversation.Username(), conversation.Valid()
}

func decoded(t *testing.T, data string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (e *hostEnd) sendAuth(data string) {
	e.t.Helper()
	e.send(wire.Event{Type: wire.TypeAuth, Data: base64.StdEncoding.EncodeToString([]byte(data))})
}

// knownHosts are known hosts in memory.
type knownHosts struct {
	mu    sync.Mutex
	hosts []KnownHost // guarded by mu
}

func (k *knownHosts) Hosts() ([]KnownHost, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.hosts), nil
}

func (k *knownHosts) Add(hosts ...KnownHost) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range hosts {
		if !slices.ContainsFunc(k.hosts, func(o KnownHost) bool { return o.Room == h.Room && o.Addr == h.Addr }) {
			k.hosts = append(k.hosts, h)
		}
	}
}

// A person answers the questions of a client, and remembers them.
type person struct {
	trusts  error         // the answer to Trust
	secrets []seal.Secret // the answers to AskSecret, in order; then none
	hosts   []Host        // that Trust was called for
	asked   []SecretQuestion
}

func (p *person) questions() Questions {
	return Questions{
		Trust: func(_ context.Context, h Host) error {
			p.hosts = append(p.hosts, h)
			return p.trusts
		},
		AskSecret: func(_ context.Context, q SecretQuestion) (seal.Secret, error) {
			if p.asked = append(p.asked, q); len(p.secrets) == 0 {
				return "", nil
			}
			secret := p.secrets[0]
			p.secrets = p.secrets[1:]
			return secret, nil
		},
	}
}

// joinSealed joins a sealed scripted host; the function host plays it. After an error the client is
// nil.
func joinSealed(t *testing.T, h *sealedHost, opts Options, host func() *hostEnd) (*Client, *hostEnd, error) {
	t.Helper()
	opts.Dial = h.dial
	if opts.Addr == "" {
		opts.Addr = "lab:24280"
	}
	ends := make(chan *hostEnd, 1)
	go func() { ends <- host() }()
	c, err := Join(t.Context(), opts)
	return c, <-ends, err
}

// A middle is someone between the client and the host, with a key of their own, and relays all
// bytes.
type middle struct {
	*sealedHost
	real *sealedHost

	mu   sync.Mutex
	sent []byte // by the client; guarded by mu
}

// relay accepts a connection and connects it to the real host.
func (m *middle) relay() {
	conn := m.accept().conn
	defer conn.Close()
	plain, err := m.real.dial(m.t.Context(), "real")
	if err != nil {
		m.t.Error(err)
		return
	}
	onward := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	defer onward.Close()
	var back sync.WaitGroup
	defer back.Wait()
	back.Go(func() { copyAll(conn, onward, nil) })
	copyAll(onward, conn, func(b []byte) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sent = append(m.sent, b...)
	})
}

// copyAll copies until one end is closed, and closes the other one.
func copyAll(to, from net.Conn, note func([]byte)) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if note != nil {
			note(buf[:n])
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
