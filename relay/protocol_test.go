package relay_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// The examples of PROTOCOL.md, each against a host of its own: those of plain rooms also in a sealed room, by TLS, where
// only what the client sends first is different.
func TestProtocolExamples(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int)
	for _, fence := range regexp.MustCompile("(?ms)^```(chat|sealed)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		kind, lines := fence[1], fence[2]
		found[kind]++
		sealed := sealedOptions(t)
		sealed.App = "chat 1.0"
		if kind == "chat" {
			bubble(t, relay.Options{App: "chat 1.0"}, func(t *testing.T, srv *relay.Server) { runExample(t, &example{srv: srv}, lines) })
			bubble(t, sealed, func(t *testing.T, srv *relay.Server) {
				runExample(t, &example{srv: srv, isTLS: true, lets: true}, lines)
			})
		} else {
			for _, isTLS := range []bool{true, false} { // without it as on the host's machine
				bubble(t, sealed, func(t *testing.T, srv *relay.Server) { runExample(t, &example{srv: srv, isTLS: isTLS}, lines) })
			}
		}
	}
	if found["chat"] < 3 || found["sealed"] < 3 {
		t.Fatalf("%v examples found in PROTOCOL.md, there are at least 3 of each", found)
	}
}

// An example is one of PROTOCOL.md that is run.
type example struct {
	srv   *relay.Server
	isTLS bool
	lets  bool // peers show the secret without a word of it in the example

	peers    map[string]*peer
	sent     map[string]string     // the last line of each
	welcomes map[string]wire.Event // the last one of each
}

func runExample(t *testing.T, x *example, lines string) {
	t.Helper()
	x.peers, x.sent, x.welcomes = make(map[string]*peer), make(map[string]string), make(map[string]wire.Event)
	for line := range strings.Lines(lines) {
		x.runLine(t, strings.TrimSuffix(line, "\n"))
	}
	for name, p := range x.peers {
		if len(p.lines) > 0 {
			t.Errorf("%s got also %q", name, <-p.lines)
		}
		if len(p.skipped) > 0 {
			t.Errorf("%s got also %q", name, p.skipped)
		}
	}
}

// peer returns the peer with a name, which connects with the first line of the example, sent or received.
func (x *example) peer(t *testing.T, name string, sends string) *peer {
	t.Helper()
	if p := x.peers[name]; p != nil {
		return p
	}
	p := join(t, x.srv, name)
	if x.isTLS {
		p = joinTLS(t, x.srv, name)
	}
	x.peers[name] = p
	if x.lets && !strings.HasPrefix(sends, "{") {
		p.expect("* this room is sealed: type its secret")
		p.send(string(memberSecret))
		time.Sleep(time.Second) // until the join is announced
	}
	return p
}

// runLine runs a line of an example.
func (x *example) runLine(t *testing.T, line string) {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	name, sign := strings.TrimRight(name, "<>"), name[len(name)-1]
	if rest == "closes" {
		x.peers[name].conn.Close()
		x.peers[name].closed()
		delete(x.peers, name)
		time.Sleep(time.Second)
		return
	}
	p := x.peer(t, name, rest)
	if sign == '>' {
		rest = strings.NewReplacer("ROOM", x.srv.Info().ID, "CLIENT", x.welcomes[name].Client).Replace(rest)
		x.sent[name] = rest
		if hello, ok := strings.CutPrefix(rest, `{"type":"hello",`); ok && x.lets {
			rest = fmt.Sprintf(`{"type":"hello","secret":%q,%s`, string(memberSecret), hello)
		}
		p.send(rest)
		time.Sleep(100 * time.Millisecond)
		return
	}
	got, want := p.lineOrNotice(isNotice(rest)), rest
	if x.lets {
		got, want = withoutSeal(t, got), withoutSeal(t, want)
	}
	if alike(t, got) != alike(t, want) {
		t.Errorf("%s got  %s\nPROTOCOL.md: %s", name, alike(t, got), alike(t, want))
	}
	switch e, _ := wire.ParseEvent([]byte(got)); {
	case e.Type == wire.TypeWelcome:
		x.welcomes[name] = e
	case e.Proof != "":
		question, err := wire.ParseRequest([]byte(x.sent[name]))
		if err != nil {
			t.Fatal(err)
		}
		checkProof(t, x.welcomes[name], question, e)
	}
}

// withoutSeal returns a welcome, or the answer to a probe, without what only a sealed room says, and without what it does
// not.
func withoutSeal(t *testing.T, line string) string {
	t.Helper()
	var fields map[string]any
	if !strings.HasPrefix(line, `{"type":"welcome"`) && !strings.HasPrefix(line, `{"type":"room"`) {
		return line
	}
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "sealed")
	if fields["type"] == "room" {
		delete(fields, "count")
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// lineOrNotice returns the next notice, or the next line that is none. A notice is not in the log: it can come
// before or after the events of the same moment.
func (p *peer) lineOrNotice(notice bool) string {
	p.t.Helper()
	if i := slices.IndexFunc(p.skipped, func(line string) bool { return isNotice(line) == notice }); i >= 0 {
		line := p.skipped[i]
		p.skipped = slices.Delete(p.skipped, i, i+1)
		return line
	}
	for {
		line := p.line()
		if isNotice(line) == notice {
			return line
		}
		p.skipped = append(p.skipped, line)
	}
}

func isNotice(line string) bool { return strings.HasPrefix(line, `{"type":"notice"`) }

// checkProof checks the proof in answer by the formula in PROTOCOL.md.
func checkProof(t *testing.T, welcome wire.Event, question wire.Request, answer wire.Event) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(welcome.Key))
	fmt.Fprintf(mac, "chat proof\n%s\n%s\n%s\n%s", welcome.Room, answer.Room, welcome.Client, question.Nonce)
	if want := hex.EncodeToString(mac.Sum(nil)); answer.Proof != want {
		t.Errorf("%s has the proof %s, want %s", answer.Room, answer.Proof, want)
	}
}

// alike returns line with fixed values in place of those that differ from run to run.
func alike(t *testing.T, line string) string {
	t.Helper()
	if !strings.HasPrefix(line, "{") {
		return regexp.MustCompile(`^\d\d:\d\d `).ReplaceAllString(line, "HH:MM ")
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	mask(fields)
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mask replaces the values that differ from run to run, in the events of a history too.
func mask(fields map[string]any) {
	for _, name := range []string{"time", "client", "room", "token", "key", "instance", "proof"} {
		if _, ok := fields[name]; ok {
			fields[name] = "*"
		}
	}
	events, _ := fields["events"].([]any)
	for _, e := range events {
		mask(e.(map[string]any))
	}
}

// PROTOCOL.md has every code and type of package wire.
func TestProtocolIsComplete(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("wire/protocol.go")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`(?m)^\t(?:Type|Code)\w+ .*?= "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(words) < 30 {
		t.Fatalf("%d types and codes found in wire/protocol.go", len(words))
	}
	for _, word := range words {
		if !strings.Contains(string(page), "`"+word[1]+"`") {
			t.Errorf("PROTOCOL.md does not have %q", word[1])
		}
	}
}
