package relay_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"
	"golang.org/x/crypto/ssh"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/logtest"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

// No secret of a sealed room gets into its history file, into what anyone gets who did not ask for the invite, or into
// the host's log: however it was sent, right or wrong.
func TestSecretsOfASealedRoomStaySecret(t *testing.T) {
	const mistyped = "MEMBER-2222-2222-2223"
	path, logged := filepath.Join(t.TempDir(), "kitchen.chat"), new(logtest.Buffer)
	transcript := filepath.Join(t.TempDir(), "transcript")
	opts := sealedOptions(t)
	opts.Log = slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	seen := make(map[string]string)
	synctest.Test(t, func(t *testing.T) {
		var page *web.Handler
		opts.Web = func(conn net.Conn) { page.StartServing(conn) }
		k := &kept{t: t, path: path, opts: opts}
		k.open()
		defer func() { k.stop() }()
		page = web.New(k.srv, web.Options{Log: opts.Log})
		defer page.Close()

		witness, _ := enter(t, k.srv, "10.0.0.1", "alice", memberSecret)
		person := joinFrom(t, k.srv, "10.0.0.2")
		defer person.conn.Close()
		person.expect("type its secret")
		person.send(mistyped)
		person.expect("! the secret is wrong")
		person.send("https://192.168.1.5:24280/#K7QZABCDEFGHIJKLMNOPQRSTUV." + string(memberSecret))
		person.expect("Welcome")
		person.send("soup is ready")
		enter(t, k.srv, "10.0.0.3", "bob", listenSecret)
		op, _ := enter(t, k.srv, "10.0.0.4", "op", operatorSecret)
		refused(t, k.srv, "10.0.0.5", sealedHello("eve", mistyped), wire.CodeAuthFailed)
		request(t, k.srv, "10.0.0.6", "GET", "/messages", "", "Authorization", "Bearer "+mistyped)
		request(t, k.srv, "10.0.0.6", "GET", "/messages?secret="+mistyped, "")
		request(t, k.srv, "10.0.0.6", "POST", "/messages?nick=ci", "soup by HTTP", "Authorization", "Bearer "+string(memberSecret)+".token-of-ci")
		_, header := request(t, k.srv, "10.0.0.6", "POST", "/enter", "secret="+string(memberSecret))
		cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
		if !strings.HasPrefix(cookie, "chat-") {
			t.Fatalf("no cookie: %v", header)
		}
		seen["a cookie is"] = cookie + strings.Repeat(" soup", 20)
		op.send(`{"type":"command","text":"/invite new"}`)
		if e := witness.expectEvent(wire.TypeInvite); e.Data != string(newMember) {
			t.Errorf("%+v", e)
		}
		time.Sleep(time.Second)
		if status, _ := request(t, k.srv, "10.0.0.6", "GET", "/messages", "", "Cookie", cookie); status != 401 {
			t.Errorf("the cookie of a secret that was replaced gets %d", status)
		}
		seen["a program gets"] = ask(witness, true)
		seen["a person gets"] = ask(person, false)
		writeTranscript(t, transcript, seen["a program gets"]+"\n"+string((&wire.Event{Type: wire.TypeInvite, Data: string(newMember)}).AppendJSON(nil)))
		res := roundTrip(t, k.srv, "10.0.0.6", "GET", "/messages", "", "Authorization", "Bearer "+string(newMember))
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			seen["by HTTP"] += lines.Text()
		}
		res.Body.Close()
	})
	seen["a transcript has"] = readFile(t, transcript)
	seen["the file has"] = readFile(t, path)
	for bits := range 4 {
		var out strings.Builder
		if err := history.Print(t.Context(), &out, path, history.Selection{Private: bits&1 > 0, Happened: bits&2 > 0}, true); err != nil {
			t.Fatal(err)
		}
		seen["chat history prints"] += out.String()
	}
	seen["the host logs"] = logged.String() + " soup"
	for who, got := range seen {
		if !strings.Contains(got, "soup") || len(got) < 100 {
			t.Errorf("%s only %q", who, got)
		}
		for _, s := range []string{mistyped, strings.ReplaceAll(mistyped, "-", ""), string(memberSecret), string(listenSecret), string(operatorSecret), string(newMember), string(newListen)} {
			for _, form := range []string{s, strings.ToLower(s), base64.StdEncoding.EncodeToString([]byte(s))} {
				if i := strings.Index(got, form); i >= 0 {
					t.Errorf("%s a secret: …%q…", who, got[max(0, i-100):min(len(got), i+100)])
				}
			}
		}
	}
	if !strings.Contains(seen["the host logs"], "auth_failed") {
		t.Errorf("the host's log has nothing about wrong secrets: %s", seen["the host logs"])
	}
}

// A scramClient proves by SCRAM that it knows a secret, on a connection to a host.
type scramClient struct {
	*peer
	talk *scram.ClientConversation
	sent []string // the data of its messages
}

func newScramClient(t *testing.T, p *peer, user string, secret seal.Secret) *scramClient {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, string(secret), "")
	if err != nil {
		t.Fatal(err)
	}
	state := p.conn.(*tls.Conn).ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		t.Fatal(err)
	}
	return &scramClient{peer: p, talk: c.NewConversationWithChannelBinding(binding)}
}

// step sends the next message, and returns the answer.
func (c *scramClient) step(last string) wire.Event {
	c.t.Helper()
	message, err := c.talk.Step(last)
	if err != nil {
		c.t.Fatal(err)
	}
	auth := wire.Request{Type: wire.TypeAuth, Data: base64.StdEncoding.EncodeToString([]byte(message))}
	if last == "" {
		auth.Mechanism = "SCRAM-SHA-256-PLUS"
	}
	c.sent = append(c.sent, auth.Data)
	c.send(strings.TrimSpace(string(auth.AppendJSON(nil))))
	return c.event()
}

// data returns the message in an auth event.
func data(t *testing.T, e wire.Event) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil || e.Type != wire.TypeAuth {
		t.Fatalf("got %+v, want an auth", e)
	}
	return string(b)
}

func TestScram(t *testing.T) {
	opts, logged := sealedOptions(t), new(logtest.Buffer)
	opts.Log = slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var sent []string
	bubble(t, opts, func(t *testing.T, srv *relay.Server) {
		for user, secret := range map[string]seal.Secret{"member": memberSecret, "listen": listenSecret} {
			c := newScramClient(t, joinTLS(t, srv, user), user, secret)
			first := data(t, c.step(""))
			if !strings.HasSuffix(first, ",i=100000") {
				t.Errorf("the host asks for %q; clients insist on 100,000 iterations", first)
			}
			if _, err := c.talk.Step(data(t, c.step(first))); err != nil || !c.talk.Valid() {
				t.Errorf("the host has not proven that it knows the secret: %v", err)
			}
			c.send(fmt.Sprintf(`{"type":"hello","nick":%q}`, user))
			if e := c.expectEvent(wire.TypeWelcome); (e.Access == "listen") != (user == "listen") {
				t.Errorf("%s gets %+v", user, e)
			}
			sent = append(sent, c.sent...)
		}
		wrong := newScramClient(t, joinTLS(t, srv, "eve"), "member", "WRONG22222222222")
		if e := wrong.step(data(t, wrong.step(""))); e.Code != wire.CodeAuthFailed {
			t.Errorf("a wrong proof gets %+v", e)
		}
		wrong.closed()
		sent = append(sent, wrong.sent...)
		plain := join(t, srv, "plain") // as on the host's machine
		plain.send(`{"type":"auth","mechanism":"SCRAM-SHA-256-PLUS","data":"eA=="}`)
		if e := plain.event(); e.Code != wire.CodeBadRequest {
			t.Errorf("SCRAM without encryption gets %+v", e)
		}
		plain.send(sealedHello("plain", memberSecret)) // it may go on
		plain.expectEvent(wire.TypeWelcome)
	})
	for _, data := range sent { // with it, someone could try guesses
		if strings.Contains(logged.String(), data) {
			t.Errorf("the log has a message of SCRAM: %s", data)
		}
	}
	if !strings.Contains(logged.String(), string(wire.CodeAuthFailed)) || len(sent) != 6 {
		t.Errorf("of %d messages, the log says %s", len(sent), logged.String())
	}
}

// An exchange that its client does not finish is over when the client is gone, or has entered in another way: the host has
// a limit of exchanges at once.
func TestUnfinishedScram(t *testing.T) {
	bubble(t, sealedOptions(t), func(t *testing.T, srv *relay.Server) {
		gone := newScramClient(t, joinTLS(t, srv, "gone"), "member", memberSecret)
		data(t, gone.step(""))
		gone.conn.Close()
		alice := newScramClient(t, joinTLS(t, srv, "alice"), "member", memberSecret)
		data(t, alice.step(""))
		alice.send(sealedHello("alice", memberSecret))
		alice.expectEvent(wire.TypeWelcome)
		time.Sleep(time.Second)
		for n := range 1024 {
			if _, err := srv.Gate().Begin("10.0.0.1", seal.Mechanism, make([]byte, seal.BindingLength)); err != nil {
				t.Fatalf("after %d more: %v", n, err)
			}
		}
	})
}

// A proof that comes before the secret is replaced does not let in a hello that comes after. That of an operator does.
func TestScramBeforeANewInvite(t *testing.T) {
	bubble(t, sealedOptions(t), func(t *testing.T, srv *relay.Server) {
		prove := func(user string, secret seal.Secret) *scramClient {
			c := newScramClient(t, joinTLS(t, srv, user), user, secret)
			data(t, c.step(data(t, c.step(""))))
			return c
		}
		eve, op := prove("member", memberSecret), prove("operator", operatorSecret)
		op.send(`{"type":"hello","nick":"op"}`)
		op.expectEvent(wire.TypeWelcome)
		other, reader := prove("operator", operatorSecret), prove("member", memberSecret)
		op.send(`{"type":"invite","text":"new"}`)
		op.expectEvent(wire.TypeOperator)
		eve.send(`{"type":"hello","nick":"eve"}`)
		if e := eve.event(); e.Code != wire.CodeNoSecret {
			t.Errorf("a proof of the old secret gets %+v", e)
		}
		other.send(`{"type":"hello","nick":"other"}`)
		other.expectEvent(wire.TypeWelcome)
		invite, _ := srv.Invite(access.Listen)
		again := newScramClient(t, reader.peer, "listen", invite.Secret)
		data(t, again.step(data(t, again.step(""))))
		again.send(`{"type":"hello","nick":"reader"}`)
		if e := again.event(); e.Type != wire.TypeWelcome || e.Access != "listen" {
			t.Errorf("a proof of the old secret of members, then of the new one to read only, gets %+v", e)
		}
	})
}

// Someone in the middle, with a key of their own, relays all that client and host send. The proof does not let them in.
func TestManInTheMiddle(t *testing.T) {
	opts := sealedOptions(t)
	mallorys := tlsOfHost(t)
	bubble(t, opts, func(t *testing.T, srv *relay.Server) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go relayLines(t, tls.Server(theirs, mallorys), joinTLS(t, srv, "mallory"))
		alice := newScramClient(t, newPeer(t, "alice", encrypt(t, ours)), "member", memberSecret)
		if e := alice.step(data(t, alice.step(""))); e.Code != wire.CodeIntercepted {
			t.Errorf("the proof is worth something on another connection: %+v", e)
		}
		alice.closed()
		time.Sleep(time.Second)
		if srv.Members() != 0 {
			t.Errorf("%d members", srv.Members())
		}
	})
}

// relayLines copies lines between a client and a host, until one of them is gone.
func relayLines(t *testing.T, client net.Conn, host *peer) {
	defer client.Close()
	go func() {
		defer host.conn.Close()
		for lines := bufio.NewScanner(client); lines.Scan(); {
			if _, err := fmt.Fprintf(host.conn, "%s\n", lines.Text()); err != nil {
				return
			}
		}
	}()
	for line := range host.lines {
		if _, err := fmt.Fprintf(client, "%s\n", line); err != nil {
			return
		}
	}
}

// A memberKey is a key that signs hellos.
type memberKey struct{ ssh.Signer }

func newMemberKey(t *testing.T) memberKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return memberKey{signer}
}

func (k memberKey) fingerprint() string { return ssh.FingerprintSHA256(k.PublicKey()) }

// fields returns the fields of a hello that show the key, on a connection to a room.
func (k memberKey) fields(t *testing.T, srv *relay.Server, p *peer) string {
	t.Helper()
	state := p.conn.(*tls.Conn).ConnectionState()
	binding, err := state.ExportKeyingMaterial(seal.ExporterLabel, nil, seal.BindingLength)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := k.Sign(rand.Reader, seal.SignedData(srv.Info().ID, binding))
	if err != nil {
		t.Fatal(err)
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey())))
	return fmt.Sprintf(`"key":%q,"signature":%q`, public, base64.StdEncoding.EncodeToString(ssh.Marshal(signature)))
}

// In a room of certain keys, those let in, others do not, and a secret only for listening or as an operator.
func TestKeysLetIn(t *testing.T) {
	alice, op, eve := newMemberKey(t), newMemberKey(t), newMemberKey(t)
	opts := sealedOptions(t)
	opts.Seal.IsMember = func(fingerprint string) bool { return fingerprint == alice.fingerprint() }
	opts.Seal.IsOperator = func(fingerprint string) bool { return fingerprint == op.fingerprint() }
	mallorys := tlsOfHost(t)
	bubble(t, opts, func(t *testing.T, srv *relay.Server) {
		hello := func(p *peer, fields string) wire.Event {
			p.send(`{"type":"hello",` + fields + `}`)
			return p.event()
		}
		for name, test := range map[string]struct {
			key    memberKey
			secret seal.Secret
			want   string // the type of the answer, or its code
			access string
		}{
			"a member's":                {alice, "", wire.TypeWelcome, ""},
			"an operator's":             {op, "", wire.TypeWelcome, "operator"},
			"a stranger's":              {eve, "", string(wire.CodeNotMember), ""},
			"a stranger's, to listen":   {eve, listenSecret, wire.TypeWelcome, "listen"},
			"a member's, to listen":     {alice, listenSecret, wire.TypeWelcome, ""},
			"a stranger's and a secret": {eve, memberSecret, string(wire.CodeAuthFailed), ""},
		} {
			p := joinTLS(t, srv, name)
			fields := test.key.fields(t, srv, p)
			if test.secret != "" {
				fields += fmt.Sprintf(`,"secret":%q`, string(test.secret))
			}
			if e := hello(p, fields); e.Type != test.want && string(e.Code) != test.want || e.Access != test.access {
				t.Errorf("%s key gets %+v, want %s %s", name, e, test.want, test.access)
			}
		}
		p := joinTLS(t, srv, "none")
		if e := hello(p, `"nick":"x"`); e.Code != wire.CodeNotMember {
			t.Errorf("no key gets %+v", e)
		}
		other := joinTLS(t, srv, "other")
		if e := hello(joinTLS(t, srv, "replayed"), alice.fields(t, srv, other)); e.Code != wire.CodeAuthFailed {
			t.Errorf("the signature for another connection gets %+v", e)
		}
		plain := join(t, srv, "plain")
		if e := hello(plain, alice.fields(t, srv, other)); e.Code != wire.CodeBadRequest {
			t.Errorf("a key without encryption gets %+v", e)
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		go relayLines(t, tls.Server(theirs, mallorys), joinTLS(t, srv, "mallory"))
		victim := newPeer(t, "alice", encrypt(t, ours))
		if e := hello(victim, alice.fields(t, srv, victim)); e.Code != wire.CodeAuthFailed {
			t.Errorf("a signature that someone in the middle relays gets %+v", e)
		}
	})
}
