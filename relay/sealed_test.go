package relay_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/hostseal"
	"chat/relay/seal"
	"chat/relay/web"
	"chat/relay/wire"
)

const (
	memberSecret   seal.Secret = "MEMBER2222222222"
	listenSecret   seal.Secret = "LISTEN2222222222"
	operatorSecret seal.Secret = "OPERATOR22222222"
	newMember      seal.Secret = "NEWMEMBER2222222"
	newListen      seal.Secret = "NEWLISTEN2222222"
)

// sealedOptions are those of a sealed room.
func sealedOptions(t *testing.T) relay.Options {
	t.Helper()
	return relay.Options{Title: "kitchen", Seal: &relay.Seal{
		TLS:     tlsOfHost(t),
		Secrets: seal.RoomSecrets{Member: memberSecret, Listen: listenSecret, Operator: operatorSecret},
		Renew: func() (seal.RoomSecrets, error) {
			return seal.RoomSecrets{Member: newMember, Listen: newListen, Operator: operatorSecret}, nil
		},
		Invite: func(s seal.Secret) seal.Invite {
			return seal.Invite{Addr: "192.168.1.5:24280", Pin: "K7QZABCDEFGHIJKLMNOPQRSTUV", Secret: s}
		},
	}}
}

// tlsOfHost returns the configuration of a host with a key of its own.
func tlsOfHost(t *testing.T) *tls.Config {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return []string{"192.168.1.5"} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return source.Config()
}

// joinTLS is join by TLS. Who the host is does not matter.
func joinTLS(t *testing.T, srv *relay.Server, name string) *peer {
	t.Helper()
	ours, theirs := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { srv.ServeConn(context.Background(), theirs) })
	t.Cleanup(func() { ours.Close(); served.Wait() })
	return newPeer(t, name, encrypt(t, ours))
}

// encrypt encrypts a connection to a host.
func encrypt(t *testing.T, conn net.Conn) *tls.Conn {
	t.Helper()
	encrypted := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err := encrypted.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return encrypted
}

// sealedRoom runs a test in a bubble, with a room of sealedOptions.
func sealedRoom(t *testing.T, change func(*relay.Options), test func(t *testing.T, srv *relay.Server)) {
	t.Helper()
	opts := sealedOptions(t)
	if change != nil {
		change(&opts)
	}
	bubble(t, opts, test)
}

// sealedHello is a hello with a secret.
func sealedHello(nick string, secret seal.Secret) string {
	return fmt.Sprintf(`{"type":"hello","nick":%q,"backlog":100,"secret":%q}`, nick, string(secret))
}

// enter connects a program from an address with a secret. It waits until its join is announced.
func enter(t *testing.T, srv *relay.Server, ip, nick string, secret seal.Secret) (*peer, wire.Event) {
	t.Helper()
	p := joinFrom(t, srv, ip)
	t.Cleanup(func() { p.conn.Close() })
	p.name = nick
	p.send(sealedHello(nick, secret))
	welcome := p.event()
	if welcome.Type != wire.TypeWelcome || !welcome.Sealed {
		t.Fatalf("%s with %s gets %+v, want a welcome", nick, string(secret), welcome)
	}
	time.Sleep(time.Second)
	return p, welcome
}

// refused checks that a peer from an address that sends a line gets an error with a code.
func refused(t *testing.T, srv *relay.Server, ip, line string, code wire.Code) {
	t.Helper()
	p := joinFrom(t, srv, ip)
	defer p.conn.Close()
	p.send(line)
	if e := p.event(); e.Type != wire.TypeError || e.Code != code {
		t.Errorf("%s sends %s and gets %+v, want %s", ip, line, e, code)
	}
	if code != wire.CodeNoSecret {
		p.closed()
	}
}

func TestLevels(t *testing.T) {
	sealedRoom(t, nil, func(t *testing.T, srv *relay.Server) {
		for _, test := range []struct {
			nick   string
			secret seal.Secret
			access string
			bans   string // the answer to a request of operators
		}{
			{"anna", memberSecret, "", string(wire.CodeNotAllowed)},
			{"bert", listenSecret, "listen", string(wire.CodeListenOnly)},
			{"carl", operatorSecret, "operator", "banned: "},
		} {
			p, welcome := enter(t, srv, "10.0.0.1", test.nick, test.secret)
			if welcome.Access != test.access {
				t.Errorf("the access of %s is %q, want %q", test.nick, welcome.Access, test.access)
			}
			p.sofar()
			p.send(`{"type":"bans"}`)
			p.next(test.bans)
		}
	})
}

// In a plain room the host's token makes an operator only on the host's machine; in a sealed one it lets the
// host's own member in there, and no one else.
func TestHostToken(t *testing.T) {
	const token = "the-hosts-own-token"
	hello := `{"type":"hello","nick":"host-1","token":"` + token + `"}`
	bans := func(p *peer) wire.Event {
		p.send(`{"type":"bans"}`)
		for {
			if e := p.event(); e.Type == wire.TypeNotice || e.Type == wire.TypeError {
				return e
			}
		}
	}
	bubble(t, relay.Options{HostToken: token}, func(t *testing.T, srv *relay.Server) {
		for _, ip := range []string{"127.0.0.1", "10.0.0.1", "::1", "2001:db8::1"} {
			p := joinFrom(t, srv, ip)
			p.send(hello)
			p.expectEvent(wire.TypeWelcome)
			isLocal := ip == "127.0.0.1" || ip == "::1"
			if e := bans(p); (e.Type == wire.TypeNotice) != isLocal {
				t.Errorf("%s with the host's token gets %+v", ip, e)
			}
			p.conn.Close()
			p.closed()
		}
	})
	sealedRoom(t, func(o *relay.Options) { o.HostToken = token }, func(t *testing.T, srv *relay.Server) {
		p := joinFrom(t, srv, "127.0.0.1")
		defer p.conn.Close()
		p.send(hello)
		p.expectEvent(wire.TypeWelcome)
		if e := bans(p); e.Type != wire.TypeNotice {
			t.Errorf("the host's own member gets %+v", e)
		}
		refused(t, srv, "10.0.0.1", hello, wire.CodeNoSecret)
	})
}

// Whoever may only read changes nothing, whatever they send.
func TestListenOnly(t *testing.T) {
	sealedRoom(t, func(o *relay.Options) {
		o.Files = func(string) (wire.File, error) { t.Error("a file was published"); return wire.File{}, nil }
	}, func(t *testing.T, srv *relay.Server) {
		alice, _ := enter(t, srv, "10.0.0.1", "alice", memberSecret)
		bob, _ := enter(t, srv, "10.0.0.2", "bob", listenSecret)
		alice.sofar()
		bob.sofar()
		rejected := []string{
			`{"type":"say","seq":1,"text":"soup"}`, `{"type":"say","text":"soup"}`, `{"type":"me","text":"soup"}`, `{"type":"say","once":"x","text":"soup"}`,
			`{"type":"msg","to":"alice","text":"soup"}`, `{"type":"topic","text":"soup"}`, `{"type":"send","file":"soup"}`, `{"type":"files","text":"rm 1"}`, `{"type":"files","text":"off"}`,
			`{"type":"command","text":"/me soup"}`, `{"type":"command","text":"/topic soup"}`, `{"type":"command","text":"/msg alice soup"}`,
		}
		for i := range wire.Commands {
			if c := &wire.Commands[i]; c.Operator {
				rejected = append(rejected, fmt.Sprintf(`{"type":%q,"nick":"alice"}`, c.Name))
			}
		}
		for _, line := range rejected {
			bob.send(line)
			if e := bob.event(); e.Type != wire.TypeError || e.Code != wire.CodeListenOnly {
				t.Errorf("%s gets %+v", line, e)
			}
		}
		for _, line := range []string{
			`{"type":"who"}`, `{"type":"topic"}`, `{"type":"history"}`, `{"type":"search","text":"soup"}`, `{"type":"ignore","nick":"alice"}`,
			`{"type":"unignore","nick":"alice"}`, `{"type":"ping"}`, `{"type":"help"}`, `{"type":"invite"}`, `{"type":"nick","nick":"robert"}`,
		} {
			bob.send(line)
			if e := bob.event(); e.Type == wire.TypeError {
				t.Errorf("%s gets %+v", line, e)
			}
		}
		time.Sleep(time.Second)
		if got := alice.sofar(); strings.Contains(got, "soup") || !strings.Contains(got, "robert") {
			t.Errorf("alice got %s", got)
		}
		bob.send(`{"type":"quit","text":"soup"}`) // a last message is one, too
		carl, _ := enter(t, srv, "10.0.0.2", "carl", listenSecret)
		carl.sofar()
		carl.send(`{"type":"command","text":"/quit soup"}`)
		time.Sleep(time.Second)
		if got := alice.sofar(); strings.Contains(got, "soup") || !strings.Contains(got, `"leave"`) {
			t.Errorf("alice got %s", got)
		}
		person := joinFrom(t, srv, "10.0.0.3")
		defer person.conn.Close()
		person.expect("type its secret")
		person.send(string(listenSecret), "soup", "/me soup")
		person.expect("! your invite is only for reading")
		person.expect("! your invite is only for reading")
	})
}

// Everyone present learns that the invite was replaced, and programs get the secret that lets them in again. It is
// not in the log.
func TestNewInvite(t *testing.T) {
	sealedRoom(t, nil, func(t *testing.T, srv *relay.Server) {
		op, _ := enter(t, srv, "10.0.0.1", "op", operatorSecret)
		alice, welcome := enter(t, srv, "10.0.0.2", "alice", memberSecret)
		bob, _ := enter(t, srv, "10.0.0.3", "bob", listenSecret)
		person := joinFrom(t, srv, "10.0.0.4")
		defer person.conn.Close()
		person.expect("type its secret")
		person.send(string(memberSecret))
		person.expect("Welcome")
		for _, p := range []*peer{alice, bob} {
			p.send(`{"type":"command","text":"/invite new"}`)
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNotAllowed {
				t.Errorf("%s replaces the invite: %+v", p.name, e)
			}
		}
		time.Sleep(time.Second)
		op.sofar()
		op.send(`{"type":"command","text":"/invite new"}`)
		for p, secret := range map[*peer]seal.Secret{alice: newMember, bob: newListen} {
			if e := p.expectEvent(wire.TypeInvite); e.Data != string(secret) || e.ID != 0 {
				t.Errorf("%s gets %+v, want %s", p.name, e, string(secret))
			}
			if e := p.expectEvent(wire.TypeOperator); e.From != "op" || !strings.HasPrefix(e.Text, "replaced the invite") {
				t.Errorf("%s gets %+v", p.name, e)
			}
		}
		person.expect("* op replaced the invite")
		if e := op.event(); e.Type != wire.TypeOperator {
			t.Errorf("the operator gets %+v", e)
		}
		alice.send(`{"type":"say","text":"still here"}`)
		person.expect("still here")

		refused(t, srv, "10.0.0.5", sealedHello("eve", memberSecret), wire.CodeAuthFailed)
		refused(t, srv, "10.0.0.5", sealedHello("eve", listenSecret), wire.CodeAuthFailed)
		alice.conn.Close()
		alice.closed()
		refused(t, srv, "10.0.0.2", `{"type":"hello","token":"`+welcome.Token+`"}`, wire.CodeNoSecret)
		late, _ := enter(t, srv, "10.0.0.6", "late", newMember)
		late.send(`{"type":"history","count":200}`)
		history := late.expectEvent(wire.TypeHistory)
		for _, e := range history.Events {
			if e.Data != "" || strings.Contains(e.Text, "2222") {
				t.Errorf("the log has %+v", e)
			}
		}
	})
}

// Secrets that another relay of the room has made replace those here: programs get theirs, the old ones let no one in, and
// streams that they opened end at once, although nothing happens in the room.
func TestAdoptSecrets(t *testing.T) {
	var page *web.Handler
	sealedRoom(t, func(o *relay.Options) { o.Web = func(conn net.Conn) { page.StartServing(conn) } }, func(t *testing.T, srv *relay.Server) {
		page = web.New(srv, web.Options{})
		defer page.Close()
		alice, _ := enter(t, srv, "10.0.0.1", "alice", memberSecret)
		bob, _ := enter(t, srv, "10.0.0.2", "bob", listenSecret)
		stream := roundTrip(t, srv, "10.0.0.3", "GET", "/events", "", "Authorization", "Bearer "+string(memberSecret))
		defer stream.Body.Close()
		time.Sleep(time.Second)
		began := time.Now()
		srv.AdoptSecrets(seal.RoomSecrets{Member: newMember, Listen: newListen, Operator: operatorSecret})
		if _, err := io.Copy(io.Discard, stream.Body); err != nil || time.Since(began) > time.Second {
			t.Errorf("the stream ends after %v, %v", time.Since(began), err)
		}
		for p, secret := range map[*peer]seal.Secret{alice: newMember, bob: newListen} {
			if e := p.expectEvent(wire.TypeInvite); e.Data != string(secret) {
				t.Errorf("%s gets %+v, want %s", p.name, e, string(secret))
			}
		}
		refused(t, srv, "10.0.0.4", sealedHello("eve", memberSecret), wire.CodeAuthFailed)
		enter(t, srv, "10.0.0.5", "carol", newMember)
	})
}

// In a plain room /invite shows the ways in.
func TestInviteToAPlainRoom(t *testing.T) {
	bubble(t, relay.Options{Web: func(conn net.Conn) { conn.Close() }, Ways: func() []string { return []string{"192.168.1.5:24280"} }}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		bob.send("/invite")
		for _, line := range []string{"* others can join:", "* chat join --addr 192.168.1.5:24280", "* nc 192.168.1.5 24280", "* http://192.168.1.5:24280/"} {
			if got := bob.line(); got != line {
				t.Errorf("/invite shows %q, want %q", got, line)
			}
		}
		bob.send("/invite new", "/invite soup")
		bob.next("! only operators can use /invite new")
		bob.next("! usage: /invite [new]")
	})
	handed := func(addr string) (install, system, sum string) {
		return "curl http://" + addr + "/get", "linux/amd64", "6c33"
	}
	bubble(t, relay.Options{Web: func(conn net.Conn) { conn.Close() }, Ways: func() []string { return []string{"192.168.1.5:24280"} }, Program: handed}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		bob.send("/invite")
		for _, line := range []string{"* others can join:", "* chat join", "* nc", "* http://192.168.1.5:24280/", "* to install chat:", "* curl http://192.168.1.5:24280/get", "* SHA-256 of the program for linux/amd64:", "* 6c33"} {
			bob.next(line)
		}
		if _, welcome := program(t, srv, hello("screen")); !welcome.Get {
			t.Errorf("the welcome does not say that there is a program: %+v", welcome)
		}
	})
	bubble(t, relay.Options{HostToken: "the-hosts-own-token"}, func(t *testing.T, srv *relay.Server) {
		op, welcome := program(t, srv, `{"type":"hello","nick":"op","token":"the-hosts-own-token"}`)
		if welcome.Get {
			t.Errorf("the welcome says that there is a program: %+v", welcome)
		}
		op.send(`{"type":"invite"}`, `{"type":"invite","text":"new"}`)
		if e := op.expectEvent(wire.TypeNotice); e.Text != "others can join:\nchat join" {
			t.Errorf("%+v", e)
		}
		if e := op.expectEvent(wire.TypeError); e.Code != wire.CodeBadRequest {
			t.Errorf("%+v", e)
		}
	})
}

// A message by HTTP comes from where its request does, also if only encrypted connections may come from there.
func TestScriptsOnOtherMachines(t *testing.T) {
	var page *web.Handler
	opts := sealedOptions(t)
	opts.Web = func(conn net.Conn) { page.StartServing(conn) }
	bubble(t, opts, func(t *testing.T, srv *relay.Server) {
		page = web.New(srv, web.Options{})
		defer page.Close()
		ours, theirs := net.Pipe()
		defer ours.Close()
		go srv.ServeConn(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}})
		conn := encrypt(t, ours)
		go fmt.Fprintf(conn, "POST /messages HTTP/1.1\r\nHost: 192.168.1.5:24280\r\nAuthorization: Bearer %s\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsoup", string(memberSecret))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); res.StatusCode != 201 || err != nil {
			t.Errorf("%s %s, %v", res.Status, body, err)
		}
	})
}

// A sealed room whose host has no certificate is closed to other machines, and not open to them without encryption.
func TestSealedWithoutACertificate(t *testing.T) {
	sealedRoom(t, func(o *relay.Options) { o.Seal.TLS = nil }, func(t *testing.T, srv *relay.Server) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go srv.ServeConn(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}})
		p := newPeer(t, "eve", ours)
		p.send(sealedHello("eve", memberSecret))
		if e := p.event(); e.Code != wire.CodeSealed {
			t.Errorf("without encryption: %+v", e)
		}
		p.closed()
	})
}

// Until it has shown the secret, a connection sees nothing of the room, and no one sees it.
func TestUnprovenSeeNothing(t *testing.T) {
	sealedRoom(t, nil, func(t *testing.T, srv *relay.Server) {
		alice, _ := enter(t, srv, "10.0.0.1", "alice", memberSecret)
		person, program := joinFrom(t, srv, "10.0.0.2"), joinFrom(t, srv, "10.0.0.3")
		defer person.conn.Close()
		defer program.conn.Close()
		program.send(`{"type":"hello","nick":"mallory"}`)
		program.next("secret_needed")
		program.send(`{"type":"who"}`, `{"type":"say","text":"soup"}`)
		program.next("bad_request")
		program.next("bad_request")
		person.next("* this room is sealed: type its secret")
		probe := joinFrom(t, srv, "10.0.0.5")
		probe.send(`{"type":"hello","probe":true}`)
		if e := probe.event(); e.Type != wire.TypeRoom || !e.Sealed || e.Count != 0 || len(e.Members) > 0 {
			t.Errorf("a probe gets %+v", e)
		}
		time.Sleep(time.Second)
		alice.sofar()
		bob, _ := enter(t, srv, "10.0.0.4", "bob", memberSecret)
		bob.send(`{"type":"say","text":"soup is ready"}`)
		person.quiet(5 * time.Second)
		program.quiet(5 * time.Second)
		if got := alice.sofar(); !strings.Contains(got, "soup is ready") || strings.Contains(got, "guest") || strings.Contains(got, "mallory") {
			t.Errorf("alice got %s", got)
		}
		if srv.Members() != 2 {
			t.Errorf("%d members", srv.Members())
		}
	})
}

// What a connection may do until it has shown the secret is bounded: lines, bytes, and time.
func TestUnprovenAreBounded(t *testing.T) {
	sealedRoom(t, func(o *relay.Options) { o.FirstLine = 10 * time.Second }, func(t *testing.T, srv *relay.Server) {
		lines := joinFrom(t, srv, "10.0.0.1")
		go func() { // until it is closed
			for {
				if _, err := io.WriteString(lines.conn, `{"type":"hello"}`+"\n"); err != nil {
					return
				}
			}
		}()
		if got := lines.closed(); len(got) != 17 || !strings.Contains(got[16], string(wire.CodeTooMany)) {
			t.Errorf("a program that sends hellos without end gets %d lines, the last one %s", len(got), got[len(got)-1])
		}

		long := joinFrom(t, srv, "10.0.0.2")
		defer long.conn.Close()
		long.send(`{"type":"hello"}`)
		long.next("secret_needed")
		long.send(`{"type":"hello","nick":"` + strings.Repeat("a", 9<<10) + `"}`)
		long.next("too_long")
		long.send(sealedHello("alice", memberSecret))
		long.expectEvent(wire.TypeWelcome)
		long.send(`{"type":"say","text":"` + strings.Repeat("a", 12<<10) + `"}`) // which is allowed now
		long.expectEvent(wire.TypeMessage)

		for _, line := range []string{"", `{"type":"hello"}`} {
			slow, began := joinFrom(t, srv, "10.0.0.3"), time.Now()
			if line != "" {
				slow.send(line)
			}
			rest := slow.closed()
			if took := time.Since(began); took < 10*time.Second || took > 13*time.Second || !strings.Contains(rest[len(rest)-1], "in time") {
				t.Errorf("one that sent %q is closed after %v with %q", line, took, rest)
			}
		}
		person := joinFrom(t, srv, "10.0.0.4")
		person.expect("type its secret")
		for range 3 {
			go io.WriteString(person.conn, "\n \t\r\nnot the secret\n") // an empty line is none
			person.expect("! the secret is wrong")
		}
		if rest := person.closed(); len(rest) > 0 {
			t.Errorf("a person who typed three wrong secrets gets also %q", rest)
		}
	})
}

// A client that is slow with its first line is asked for the secret like a person, and then served as what it is.
func TestLateFirstLinesInASealedRoom(t *testing.T) {
	sealedRoom(t, nil, func(t *testing.T, srv *relay.Server) {
		alice, _ := enter(t, srv, "10.0.0.1", "alice", memberSecret)
		late := func(line string) *peer {
			p := joinFrom(t, srv, "10.0.0.2")
			t.Cleanup(func() { p.conn.Close() })
			p.next("* this room is sealed: type its secret")
			p.send(line)
			return p
		}
		program := late(sealedHello("bob", memberSecret))
		program.expectEvent(wire.TypeWelcome)
		program.send(`{"type":"say","text":"soup"}`)
		program.expectEvent(wire.TypeMessage)
		asked := late(`{"type":"hello"}`)
		asked.next("secret_needed")
		asked.send(sealedHello("carol", memberSecret))
		asked.expectEvent(wire.TypeWelcome)
		late("GET / HTTP/1.1").next("HTTP/1.1 408")
		late("\x16\x03\x01\x00\xa5\x01\x00").closed()
		late(strings.Repeat("x", 9<<10)).next("! a line has at most")
		late("").quiet(time.Second)
		for _, word := range []string{"/quit", "\x04"} {
			if rest := late(word).closed(); len(rest) > 0 {
				t.Errorf("%q gets %q", word, rest)
			}
		}
		if got := alice.sofar(); strings.Contains(got, "guest-") || strings.Contains(got, "2222") {
			t.Errorf("alice got %s", got)
		}
	})
}

// Whatever a client sends that does not know the secret, it gets nothing of the room.
func FuzzUnproven(f *testing.F) {
	f.Add("\n\n/quit\n")
	f.Add("soup\nsoup\nsoup\n")
	f.Add(`{"type":"hello","secret":""}` + "\n" + `{"type":"hello","key":"ssh-ed25519 AAAA","signature":"AAAA"}` + "\n")
	f.Add(`{"type":"auth","mechanism":"SCRAM-SHA-256-PLUS","data":"cD10bHMtZXhwb3J0ZXIsLG49bWVtYmVyLHI9YWJj"}` + "\n" + `{"type":"auth","data":"Yz1jRDA9LHI9YWJjLHA9QUFBQQ=="}` + "\n")
	f.Add(`{"type":"hello","probe":true,"nonce":"0123456789abcdef"}` + "\n" + `{"type":"who"}` + "\n" + `{"type":"hello","token":"the-hosts-own-tokem"}` + "\n")
	f.Add("GET /messages HTTP/1.1\r\nHost: localhost\r\nCookie: chat-01f3c5a7=AQIAAAAAAGszD_G3Uf046tdHgitX1x\r\nAuthorization: Bearer .\r\n\r\n")
	f.Add("POST /messages HTTP/1.0\r\nContent-Length: 4\r\n\r\nsoup")
	f.Add("GET /messages HTTP/1.0\r\n\r\n")
	f.Add("GET /events?since=1 HTTP/1.0\r\nCookie: chat-01f3c5a7=\r\n\r\n")
	f.Fuzz(func(t *testing.T, sent string) {
		if strings.Contains(strings.ToUpper(sent), "2222") {
			return // perhaps a secret
		}
		var page *web.Handler
		sealedRoom(t, func(o *relay.Options) {
			o.Room, o.HostToken, o.Web = "01f3c5a7092b4d6e", "the-hosts-own-token", func(conn net.Conn) { page.StartServing(conn) }
		}, func(t *testing.T, srv *relay.Server) {
			page = web.New(srv, web.Options{})
			defer page.Close()
			alice, _ := enter(t, srv, "10.0.0.1", "alice-in-the-room", memberSecret)
			alice.send(`{"type":"say","text":"the soup of the day"}`)
			alice.expectEvent(wire.TypeMessage)
			next := srv.Next()
			for _, ip := range []string{"10.0.0.2", "127.0.0.1"} {
				p := joinFrom(t, srv, ip)
				var written sync.WaitGroup
				written.Go(func() { io.WriteString(p.conn, sent) })
				enough := time.AfterFunc(50*time.Second, func() { p.conn.Close() })
				got := strings.Join(p.closed(), "\n")
				enough.Stop()
				p.conn.Close()
				written.Wait()
				for _, words := range []string{"alice-in", "soup of the day", "Welcome", `"welcome"`, "2222"} {
					if strings.Contains(got, words) {
						t.Errorf("%q gets %q", sent, got)
					}
				}
			}
			time.Sleep(time.Second)
			if srv.Next() != next || srv.Members() != 1 {
				t.Errorf("%q changes the room", sent)
			}
		})
	})
}

// In a full room, those who know the secret get the places of those who have shown nothing.
func TestUnprovenKeepNoOneOut(t *testing.T) {
	sealedRoom(t, func(o *relay.Options) { o.MaxSessions = 20 }, func(t *testing.T, srv *relay.Server) {
		var idle []*peer
		for i := range 20 {
			p := joinFrom(t, srv, fmt.Sprint("10.1.0.", i+1))
			defer p.conn.Close()
			idle = append(idle, p)
		}
		time.Sleep(time.Second)
		for i := range 20 {
			enter(t, srv, fmt.Sprint("10.2.0.", i+1), fmt.Sprint("member", i), memberSecret)
		}
		if srv.Members() != 20 {
			t.Errorf("%d members", srv.Members())
		}
		for _, p := range idle {
			if rest := strings.Join(p.closed(), "\n"); strings.Contains(rest, "Welcome") || !strings.Contains(rest, "the room is full") {
				t.Errorf("one that showed nothing got %q", rest)
			}
		}
	})
}

// Wrong secrets count by address, IPv6 addresses by network, together for all kinds of clients.
func TestGuessing(t *testing.T) {
	for _, addresses := range [][5]string{
		{"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"},
		{"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::", "2001:db8:1:2::9"},
		{"127.0.0.1", "127.0.0.2", "::1", "127.0.0.1", "127.0.0.1"},
	} {
		var page *web.Handler
		sealedRoom(t, func(o *relay.Options) { o.Web = func(conn net.Conn) { page.StartServing(conn) } }, func(t *testing.T, srv *relay.Server) {
			page = web.New(srv, web.Options{})
			defer page.Close()
			refused(t, srv, addresses[0], sealedHello("eve", "a wrong secret"), wire.CodeAuthFailed)
			person := joinFrom(t, srv, addresses[1])
			person.expect("type its secret")
			person.send("another wrong one")
			person.expect("! the secret is wrong")
			person.conn.Close()
			if status, _ := request(t, srv, addresses[2], "GET", "/messages", "", "Authorization", "Bearer not this one.token-of-eve"); status != 401 {
				t.Errorf("a wrong header gets %d", status)
			}
			if status, _ := request(t, srv, addresses[3], "POST", "/enter", "secret=nor+this+one"); status != 401 {
				t.Errorf("a wrong form gets %d", status)
			}
			refused(t, srv, addresses[4], sealedHello("eve", "the last wrong secret"), wire.CodeAuthFailed)

			refused(t, srv, addresses[0], sealedHello("eve", memberSecret), wire.CodeTooMany)
			if status, header := request(t, srv, addresses[1], "GET", "/messages", "", "Authorization", "Bearer "+string(memberSecret)); status != 429 || header.Get("Retry-After") == "" {
				t.Errorf("an address that is locked out gets %d %v", status, header)
			}
			late := joinFrom(t, srv, addresses[2])
			late.expect("type its secret")
			late.send(string(memberSecret))
			late.expect("! too many wrong secrets from your address")
			late.closed()
			enter(t, srv, "10.0.0.9", "alice", memberSecret)
			enter(t, srv, "2001:db8:1:3::1", "bob", memberSecret)
			time.Sleep(56 * time.Second) // three have passed
			refused(t, srv, addresses[0], sealedHello("eve", memberSecret), wire.CodeTooMany)
			time.Sleep(2 * time.Second)
			enter(t, srv, addresses[0], "carol", memberSecret)
		})
	}
}

// request sends a request from an address, on a connection of its own.
func request(t *testing.T, srv *relay.Server, ip, method, path, body string, header ...string) (int, http.Header) {
	t.Helper()
	res := roundTrip(t, srv, ip, method, path, body, header...)
	res.Body.Close()
	return res.StatusCode, res.Header
}

func roundTrip(t *testing.T, srv *relay.Server, ip, method, path, body string, header ...string) *http.Response {
	t.Helper()
	var served sync.WaitGroup
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		served.Go(func() {
			srv.ServeConn(context.Background(), addressed{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
		})
		if srv.Info().Sealed {
			return encrypt(t, ours), nil
		}
		return ours, nil
	}}
	t.Cleanup(func() { transport.CloseIdleConnections(); served.Wait() })
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// In a sealed room the links to uploads are to the encrypted page.
func TestLinksToUploadsInASealedRoom(t *testing.T) {
	opts := sealedOptions(t)
	opts.Files = func(string) (wire.File, error) {
		return wire.File{Number: 3, Name: "soup.png", Size: 5, Path: "/files/3/soup.png"}, nil
	}
	srv := relay.New(opts)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() { srv.Serve(ctx, ln); close(served) }()
	defer func() { cancel(); <-served }()
	dial := func(first string) *bufio.Scanner {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, first)
		return bufio.NewScanner(conn)
	}
	person := dial(string(memberSecret) + "\n")
	if !person.Scan() {
		t.Fatal(person.Err())
	}
	dial(sealedHello("bob", memberSecret) + "\n" + `{"type":"send","seq":1,"file":"SOUP"}` + "\n")
	for person.Scan() {
		if strings.Contains(person.Text(), "/files/3/soup.png") {
			if want := "https://" + ln.Addr().String() + "/files/3/soup.png"; !strings.HasSuffix(person.Text(), " "+want) {
				t.Errorf("got %q; want a link to %s", person.Text(), want)
			}
			return
		}
	}
	t.Error("the upload was not announced:", person.Err())
}
