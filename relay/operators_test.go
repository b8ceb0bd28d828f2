package relay_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// unzipped writes the file of another version to a new path.
func unzipped(t *testing.T, name string) (path string) {
	t.Helper()
	zipped, err := os.Open(filepath.Join("history", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer zipped.Close()
	r, err := gzip.NewReader(zipped)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "room.chat")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A history of the version before operators opens with its bans, mutes, topic and messages. An operator that is made
// then is one after restarts, until another one ends that.
func TestOperatorsInAnOlderHistory(t *testing.T) {
	path := unzipped(t, "before-operators.chat.gz")
	synctest.Test(t, func(t *testing.T) {
		const host, admin = "hosts-own-token", "token-of-a-file"
		k := &kept{t: t, path: path, opts: relay.Options{HostToken: host, OperatorToken: admin}}
		k.open()
		defer func() { k.stop() }()
		operate := func(kind, nick string) {
			t.Helper()
			if _, err := k.srv.Operate(&wire.Request{Type: kind, Nick: nick}); err != nil {
				t.Errorf("%s %s: %v", kind, nick, err)
			}
		}
		access := func(nick, token string) string {
			t.Helper()
			p, welcome := program(t, k.srv, `{"type":"hello","nick":"`+nick+`","token":"`+token+`"}`)
			defer p.conn.Close()
			if welcome.Nick != nick || welcome.Topic != "pea soup" {
				t.Errorf("%s is %s; the topic is %q", nick, welcome.Nick, welcome.Topic)
			}
			return welcome.Access
		}
		notice, err := k.srv.Operate(&wire.Request{Type: "bans"})
		if want := "banned: 10.6.6.6, mallory\nmuted: bob"; notice != want || err != nil {
			t.Errorf("/bans: %q, %v; want %q", notice, err, want)
		}
		operate("op", "alice") // who is away
		for range 2 {
			if a, b := access("alice", "token-of-alice"), access("bob", "token-of-bob"); a != "operator" || b != "" {
				t.Errorf("alice is %q, bob %q", a, b)
			}
			k.restart()
		}
		operate("deop", "alice")
		k.restart()
		if a := access("alice", "token-of-alice"); a != "" {
			t.Errorf("alice is %q", a)
		}
		refused(t, k.srv, "10.0.0.5", `{"type":"hello","nick":"mallory","token":"token-of-mallory"}`, wire.CodeBanned)
	})
	var out strings.Builder
	if err := history.Print(t.Context(), &out, path, history.Selection{Happened: true, Private: true}, false); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"<mallory> soup of mallory", "[alice -> bob] a private soup", "-- mallory was banned by op: too much soup", "-- host (admin) made alice an operator", "-- host (admin) made alice an ordinary member"} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("the history lacks %q:\n%s", line, out.String())
		}
	}
}
