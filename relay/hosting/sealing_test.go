package hosting

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"chat/relay/client"
	"chat/relay/identity"
	"chat/relay/internal/logtest"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A sealed room with a history has the same key and secrets when it is opened again, and is not opened as a plain one. Its
// log names the command that prints the invite, and no secret; the operator file is private.
func TestSealedRoom(t *testing.T) {
	file, logged := filepath.Join(t.TempDir(), "lab.chat"), new(logtest.Buffer)
	secure := func(o *Options) {
		o.HistoryFile, o.Sealing.Secure, o.LogTo, o.Logging.Level = file, true, logged, slog.LevelDebug
	}
	r, closeRoom := openRoomUntil(t, secure)
	r.LogOpen()
	secrets, pin := r.Sealed().Room().RoomSecrets, r.Sealed().Pin()
	conn, err := tls.Dial("tcp", r.ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := seal.PinOf(conn.ConnectionState().PeerCertificates[0]); got != pin {
		t.Errorf("the host shows the key %s, not %s", got, pin)
	}
	conn.Close()
	member(t, r, "alice", secrets.Member)
	if r.opts.OperatorToken != "" {
		t.Error("a sealed room has the operator token of a plain one")
	}
	content, err := os.ReadFile(file + ".operator")
	if err != nil || !strings.Contains(string(content), string(secrets.Operator)) {
		t.Errorf("the operator file has no invite for operators: %v", err)
	}
	if info, err := os.Stat(file + ".operator"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the operator file: %v, %v", info.Mode(), err)
	}
	if _, err := r.Operate(&wire.Request{Type: wire.TypeInvite, Text: "new"}); err != nil {
		t.Error(err)
	}
	renewed := r.Sealed().Room().RoomSecrets
	if renewed.Member == secrets.Member || renewed.Listen == secrets.Listen || renewed.Operator != secrets.Operator {
		t.Error("a new invite does not replace the secrets of members and guests, and no other")
	}
	if tryMember(t, r, "carol", secrets.Member) == nil {
		t.Error("the old invite lets in")
	}
	closeRoom()
	log := logged.String()
	for _, s := range []seal.Secret{secrets.Member, secrets.Listen, secrets.Operator, renewed.Member, renewed.Listen} {
		for _, form := range []string{string(s), s.Groups(), strings.ToLower(string(s))} {
			if strings.Contains(log, form) {
				t.Errorf("the log has a secret: %s", log)
			}
		}
	}
	if !strings.Contains(log, "chat invite kitchen") || !strings.Contains(log, string(pin)) {
		t.Errorf("the log does not say how to get the invite, or the pin: %s", log)
	}

	if _, err := Open(optionsOf(func(o *Options) { o.HistoryFile = file })); err == nil || !strings.Contains(err.Error(), "is sealed: without --secure") || !strings.Contains(err.Error(), "hint: add --secure") {
		t.Errorf("it is opened as a plain room: %v", err)
	}
	again, err := Open(optionsOf(secure))
	if err != nil {
		t.Fatal(err)
	}
	again.Start(t.Context())
	defer again.Close()
	if again.Sealed().Pin() != pin || again.Sealed().Room().RoomSecrets != renewed {
		t.Error("the key or the secrets are others when the room is opened again")
	}
}

// With files of keys, those of members let in and those of operators moderate, each only as its file says. No secret of
// members does, whatever is in the environment. Who is no longer in the file is disconnected.
func TestKeysOfARoom(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CHAT_SECRET", "a secret of members")
	signer := func(name string) *identity.Signer {
		return identity.OwnSigner(filepath.Join(dir, name), func(err error) { t.Error(err) })
	}
	alice, boss, eve := signer("alice"), signer("boss"), signer("eve")
	write := func(name string, signers ...*identity.Signer) string {
		var lines strings.Builder
		for _, s := range signers {
			lines.WriteString(s.Key() + "\n")
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := openRoom(t, func(o *Options) {
		o.Sealing.Secure, o.Sealing.MembersFile, o.Sealing.OperatorsFile = true, write("members", alice), write("operators", boss)
	})
	join := func(nick string, s *identity.Signer, secret seal.Secret) (*client.Client, error) {
		c, err := client.Join(t.Context(), client.Options{
			Addr: r.ln.Addr().String(), Nick: nick, Seal: client.Seal{Required: true, Pin: r.Sealed().Pin(), Secret: secret, Signer: s},
		})
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}
	for nick, s := range map[string]*identity.Signer{"alice": alice, "boss": boss} {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.Key()))
		if err != nil {
			t.Fatal(err)
		}
		fingerprint := ssh.FingerprintSHA256(key)
		if r.opts.Seal.IsMember(fingerprint) != (nick == "alice") || r.opts.Seal.IsOperator(fingerprint) != (nick == "boss") {
			t.Errorf("%s is taken for another", nick)
		}
	}
	member, err := join("alice", alice, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join("boss", boss, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := join("eve", eve, ""); err == nil {
		t.Error("a key in no file lets in")
	}
	hosted := r.Sealed().Room()
	if _, err := join("eve", eve, hosted.Member); err == nil || hosted.Member == "a secret of members" {
		t.Errorf("a secret of members lets in, beside the keys: %v", err)
	}
	if invite := hosted.Invite("192.168.1.5:24280", hosted.Member); invite.Secret != "" {
		t.Error("the invite has a secret, which lets no one in")
	}
	write("members", eve)
	for _, file := range r.keys {
		if err := file.Reread(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range member.Events() { // until the host ends it
	}
	if refused, ok := errors.AsType[*client.RefusedError](member.Err()); !ok || refused.Code != wire.CodeNotMember {
		t.Errorf("a member whose key was removed ends with %v", member.Err())
	}
	if _, err := join("eve", eve, ""); err != nil {
		t.Error(err)
	}
}
