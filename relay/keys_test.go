package relay_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/seal"
	"chat/relay/sshkey"
	"chat/relay/wire"
)

// A typedKey is the key of a client, of any type, with the algorithm that it signs by.
type typedKey struct {
	ssh.AlgorithmSigner
	algorithm string
}

func newTypedKey(t *testing.T, algorithm string) *typedKey {
	t.Helper()
	var private crypto.Signer
	var err error
	switch algorithm {
	case ssh.KeyAlgoED25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ssh.KeyAlgoECDSA256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return &typedKey{signer.(ssh.AlgorithmSigner), algorithm}
}

// line returns the public key as in authorized_keys.
func (k *typedKey) line() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey())))
}

func (k *typedKey) fingerprint() string { return sshkey.Fingerprint(k.PublicKey()) }
func (k *typedKey) tag() string         { return sshkey.Tag(k.fingerprint()) }

// sign signs in a hello, for a room and the connection of conn.
func (k *typedKey) sign(t *testing.T, hello *wire.Request, room string, conn *tls.Conn) {
	t.Helper()
	state := conn.ConnectionState()
	binding, err := state.ExportKeyingMaterial(seal.ExporterLabel, nil, seal.BindingLength)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.SignWithAlgorithm(rand.Reader, seal.SignedData(room, binding), k.algorithm)
	if err != nil {
		t.Fatal(err)
	}
	hello.Key, hello.Signature = k.line(), base64.StdEncoding.EncodeToString(ssh.Marshal(sig))
}

// greet sends a hello, and returns the answer.
func (p *peer) greet(hello *wire.Request) wire.Event {
	p.t.Helper()
	hello.Type, hello.Version = wire.TypeHello, wire.Version
	p.send(strings.TrimSpace(string(hello.AppendJSON(nil))))
	return p.event()
}

// joinByKey joins a sealed room with a key, unless it is nil, and a secret, unless it is "".
func joinByKey(t *testing.T, srv *relay.Server, nick string, key *typedKey, secret seal.Secret) (*peer, wire.Event) {
	t.Helper()
	p, hello := joinTLS(t, srv, nick), &wire.Request{Nick: nick, Secret: string(secret)}
	if key != nil {
		key.sign(t, hello, srv.Info().ID, p.conn.(*tls.Conn))
	}
	return p, p.greet(hello)
}

// A nick belongs to the key that took it, of whatever type, also after a restart of the host.
func TestNickBelongsToKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.chat")
	opts := sealedOptions(t)
	host := func(visit func(srv *relay.Server)) {
		t.Helper()
		file, err := history.OpenFile(path, history.Keep{})
		if err != nil {
			t.Fatal(err)
		}
		srv, err := relay.NewOn(file, opts)
		if err != nil {
			t.Fatal(err)
		}
		visit(srv)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		end() // the room closes, after its last events are stored
		if err := srv.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	keys := []*typedKey{newTypedKey(t, ssh.KeyAlgoED25519), newTypedKey(t, ssh.KeyAlgoECDSA256), newTypedKey(t, ssh.KeyAlgoRSASHA256), newTypedKey(t, ssh.KeyAlgoRSASHA512)}
	nicks := []string{"edith", "emil", "rosa", "rudi"}
	host(func(srv *relay.Server) {
		for i, key := range keys {
			p, welcome := joinByKey(t, srv, nicks[i], key, memberSecret)
			if welcome.Type != wire.TypeWelcome || welcome.Nick != nicks[i] {
				t.Fatalf("%s gets %+v", key.algorithm, welcome)
			}
			p.send(`{"type":"quit"}`)
			p.until(func(e wire.Event) bool { return e.Type == wire.TypeBye })
		}
	})
	host(func(srv *relay.Server) {
		for i, key := range keys {
			_, other := joinByKey(t, srv, nicks[i], newTypedKey(t, ssh.KeyAlgoED25519), memberSecret)
			_, none := joinByKey(t, srv, nicks[i], nil, memberSecret)
			owner, welcome := joinByKey(t, srv, nicks[i], key, memberSecret)
			if other.Nick != nicks[i]+"-2" || none.Nick != nicks[i]+"-3" || welcome.Nick != nicks[i] {
				t.Errorf("with another key %s, with none %s, its owner %s", other.Nick, none.Nick, welcome.Nick)
			}
			owner.send(`{"type":"who"}`)
			who := owner.until(func(e wire.Event) bool { return e.Type == wire.TypeWho })
			if n := slices.Index(who.Members, nicks[i]); n < 0 || who.Tag(n) != key.tag() {
				t.Errorf("%s has the tag %q, want %q", nicks[i], who.Tag(n), key.tag())
			}
		}
	})
}

// A signature is good for one room, and a key without one is not proven.
func TestSignatureOfAnotherRoom(t *testing.T) {
	srv := relay.New(sealedOptions(t))
	key := newTypedKey(t, ssh.KeyAlgoED25519)
	for name, change := range map[string]func(hello *wire.Request, conn *tls.Conn){
		"of another room":    func(hello *wire.Request, conn *tls.Conn) { key.sign(t, hello, "0000000000000000", conn) },
		"by another key":     func(hello *wire.Request, _ *tls.Conn) { hello.Key = newTypedKey(t, ssh.KeyAlgoED25519).line() },
		"none":               func(hello *wire.Request, _ *tls.Conn) { hello.Signature = "" },
		"that is too long":   func(hello *wire.Request, _ *tls.Conn) { hello.Signature += strings.Repeat("AAAA", 600) },
		"by a key with more": func(hello *wire.Request, _ *tls.Conn) { hello.Key += "AAAA" },
	} {
		p, hello := joinTLS(t, srv, name), &wire.Request{Nick: "alice", Secret: string(memberSecret)}
		conn := p.conn.(*tls.Conn)
		key.sign(t, hello, srv.Info().ID, conn)
		change(hello, conn)
		if e := p.greet(hello); e.Code != wire.CodeAuthFailed {
			t.Errorf("a signature %s gets %+v", name, e)
		}
	}
}

// keyFile writes a file with keys, and returns it opened.
func keyFile(t *testing.T, path string, keys ...*typedKey) *sshkey.File {
	t.Helper()
	var lines strings.Builder
	for _, k := range keys {
		lines.WriteString(k.line() + "\n")
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := sshkey.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// With keys of members, only those get in as members. Operators need no secret. When their keys are removed,
// members are disconnected and operators are none any more.
func TestMembersByKey(t *testing.T) {
	dir := t.TempDir()
	alice, boss, mallory := newTypedKey(t, ssh.KeyAlgoED25519), newTypedKey(t, ssh.KeyAlgoECDSA256), newTypedKey(t, ssh.KeyAlgoED25519)
	opts := sealedOptions(t)
	var mu sync.Mutex // guards what the host knows of the files
	members, operators := keyFile(t, filepath.Join(dir, "members"), alice), keyFile(t, filepath.Join(dir, "operators"), boss)
	opts.Seal.IsMember = func(f string) bool { mu.Lock(); defer mu.Unlock(); return members.Has(f) }
	opts.Seal.IsOperator = func(f string) bool { mu.Lock(); defer mu.Unlock(); return operators.Has(f) }
	srv := relay.New(opts)
	toAlice, welcome := joinByKey(t, srv, "alice", alice, "")
	if welcome.Type != wire.TypeWelcome || welcome.Access != "" {
		t.Fatalf("alice gets %+v", welcome)
	}
	toBoss, welcome := joinByKey(t, srv, "boss", boss, "")
	if welcome.Type != wire.TypeWelcome {
		t.Fatalf("the operator gets %+v", welcome)
	}
	for name, test := range map[string]struct {
		key    *typedKey
		secret seal.Secret
		want   wire.Code
	}{
		"no key, no secret": {nil, "", wire.CodeNotMember}, "another key": {mallory, "", wire.CodeNotMember},
		"the secret of members elsewhere": {mallory, memberSecret, wire.CodeAuthFailed},
	} {
		if _, e := joinByKey(t, srv, "mallory", test.key, test.secret); e.Code != test.want {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if _, e := joinByKey(t, srv, "guest", nil, listenSecret); e.Access != "listen" {
		t.Errorf("with the listen secret: %+v", e)
	}
	toSecond, _ := joinByKey(t, srv, "second", mallory, operatorSecret) // whose secret stays valid, whatever its key
	toSecond.send(`{"type":"bans"}`)
	toBoss.send(`{"type":"bans"}`)
	for _, p := range []*peer{toSecond, toBoss} {
		p.until(func(e wire.Event) bool { return e.Type == wire.TypeNotice && strings.HasPrefix(e.Text, "banned:") })
	}

	mu.Lock()
	members, operators = keyFile(t, filepath.Join(dir, "members"), boss), keyFile(t, filepath.Join(dir, "operators"))
	mu.Unlock()
	srv.KeysChanged()
	if bye := toAlice.until(func(e wire.Event) bool { return e.Type == wire.TypeBye }); bye.Code != wire.CodeNotMember {
		t.Errorf("alice gets %+v", bye)
	}
	toBoss.send(`{"type":"bans"}`)
	if e := toBoss.until(func(e wire.Event) bool { return e.Type == wire.TypeError }); e.Code != wire.CodeNotAllowed {
		t.Errorf("the operator that was gets %+v", e)
	}
	toSecond.send(`{"type":"bans"}`)
	toSecond.until(func(e wire.Event) bool { return e.Type == wire.TypeNotice && strings.HasPrefix(e.Text, "banned:") })
	if _, e := joinByKey(t, srv, "alice", alice, ""); e.Code != wire.CodeNotMember {
		t.Errorf("alice, once more: %+v", e)
	}
}

// A key that is removed while its owner enters lets no one in: the room has regraded its members by then.
func TestKeyRemovedOnTheWayIn(t *testing.T) {
	alice, boss := newTypedKey(t, ssh.KeyAlgoED25519), newTypedKey(t, ssh.KeyAlgoED25519)
	opts := sealedOptions(t)
	var mu sync.Mutex
	asked := make(map[string]int) // how often each key was looked up; guarded by mu
	first := func(key *typedKey) func(string) bool {
		return func(f string) bool {
			mu.Lock()
			defer mu.Unlock()
			asked[f]++
			return f == key.fingerprint() && asked[f] == 1
		}
	}
	opts.Seal.IsMember = first(alice)
	srv := relay.New(opts)
	p, _ := joinByKey(t, srv, "alice", alice, "")
	if bye := p.until(func(e wire.Event) bool { return e.Type == wire.TypeBye }); bye.Code != wire.CodeNotMember {
		t.Errorf("a member whose key was removed gets %+v", bye)
	}
	if srv.Members() != 0 {
		t.Errorf("%d members", srv.Members())
	}

	opts = sealedOptions(t)
	opts.Seal.IsOperator = first(boss)
	p, _ = joinByKey(t, relay.New(opts), "boss", boss, memberSecret)
	p.send(`{"type":"bans"}`)
	if e := p.until(func(e wire.Event) bool {
		return e.Type == wire.TypeError || e.Type == wire.TypeNotice && strings.HasPrefix(e.Text, "banned:")
	}); e.Code != wire.CodeNotAllowed {
		t.Errorf("an operator whose key was removed gets %+v", e)
	}
}

// An operator by key with the secret of members gets the new one, like every program that has the old one: with a
// wrong secret its key would not let it in again.
func TestNewInviteOfAnOperatorByKey(t *testing.T) {
	boss := newTypedKey(t, ssh.KeyAlgoED25519)
	opts := sealedOptions(t)
	opts.Seal.IsOperator = func(f string) bool { return f == boss.fingerprint() }
	srv := relay.New(opts)
	invited := func(secret seal.Secret) (*peer, wire.Event) {
		p, welcome := joinByKey(t, srv, "boss", boss, secret)
		if welcome.Access != "operator" {
			t.Fatalf("the operator gets %+v", welcome)
		}
		p.send(`{"type":"invite","text":"new"}`)
		return p, p.until(func(e wire.Event) bool { return e.Type == wire.TypeInvite || e.Type == wire.TypeOperator })
	}
	if _, e := invited(""); e.Type != wire.TypeOperator {
		t.Errorf("an operator without a secret gets %+v", e)
	}
	if _, e := invited(operatorSecret); e.Type != wire.TypeOperator {
		t.Errorf("an operator by secret gets %+v", e)
	}
	if _, e := invited(newMember); e.Type != wire.TypeInvite || e.Data != string(newMember) {
		t.Errorf("an operator with the secret of members gets %+v", e)
	}
}

// An operator releases a nick, and the host's own member has the key of its process.
func TestReleaseAndHostMemberKey(t *testing.T) {
	opts := sealedOptions(t)
	own := newTypedKey(t, ssh.KeyAlgoED25519)
	opts.Seal.HostMemberKey, opts.HostToken = own.line(), "token-of-the-host"
	srv := relay.New(opts)
	host := join(t, srv, "hugo")
	if e := host.greet(&wire.Request{Nick: "hugo", Token: opts.HostToken}); e.Type != wire.TypeWelcome {
		t.Fatalf("the host gets %+v", e)
	}
	alice := newTypedKey(t, ssh.KeyAlgoED25519)
	p, welcome := joinByKey(t, srv, "alice", alice, memberSecret)
	if !slices.Contains(welcome.Tags, own.tag()) {
		t.Errorf("the host's tag is not among %q", welcome.Tags)
	}
	p.send(`{"type":"quit"}`)
	p.until(func(e wire.Event) bool { return e.Type == wire.TypeBye })
	heir, welcome := joinByKey(t, srv, "alice", newTypedKey(t, ssh.KeyAlgoED25519), memberSecret)
	why := heir.until(func(e wire.Event) bool { return e.Type == wire.TypeNotice })
	if want := "alice belongs to another key (" + alice.tag() + "); an operator can /release it; you are alice-2 until it is free"; welcome.Nick != "alice-2" || why.Text != want {
		t.Errorf("the heir is %s: %q, want %q", welcome.Nick, why.Text, want)
	}
	heir.send(`{"type":"release","nick":"alice"}`)
	heir.until(func(e wire.Event) bool { return e.Code == wire.CodeNotAllowed })
	host.send(`{"type":"command","text":"/release alice"}`)
	host.until(func(e wire.Event) bool { return e.Text == "alice no longer belongs to the key "+alice.tag() })
	heir.until(func(e wire.Event) bool { return e.Text == "alice is free; you are now alice" })
}

// until reads events until one is meant, and returns it.
func (p *peer) until(isMeant func(wire.Event) bool) wire.Event {
	p.t.Helper()
	for {
		if e := p.event(); isMeant(e) {
			return e
		}
	}
}
