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

// The examples of PROTOCOL.md, each against a host of its own.
func TestProtocolExamples(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?ms)^```chat\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 3 {
		t.Fatalf("%d examples found in PROTOCOL.md, there are at least 3", len(examples))
	}
	for _, example := range examples {
		bubble(t, relay.Options{App: "chat 1.0"}, func(t *testing.T, srv *relay.Server) {
			peers, sent, welcomes := make(map[string]*peer), make(map[string]string), make(map[string]wire.Event)
			for line := range strings.Lines(example[1]) {
				runExampleLine(t, srv, peers, sent, welcomes, strings.TrimSuffix(line, "\n"))
			}
			for name, p := range peers {
				if len(p.lines) > 0 {
					t.Errorf("%s got also %q", name, <-p.lines)
				}
				if len(p.skipped) > 0 {
					t.Errorf("%s got also %q", name, p.skipped)
				}
			}
		})
	}
}

// runExampleLine runs a line of an example. For each peer, sent has the last line that it sent, and
// welcomes its last welcome.
func runExampleLine(t *testing.T, srv *relay.Server, peers map[string]*peer, sent map[string]string, welcomes map[string]wire.Event, line string) {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	name, sign := strings.TrimRight(name, "<>"), name[len(name)-1]
	if rest == "closes" {
		peers[name].conn.Close()
		peers[name].closed()
		delete(peers, name)
		time.Sleep(time.Second)
		return
	}
	p := peers[name]
	if p == nil {
		p = join(t, srv, name)
		peers[name] = p
	}
	if sign == '>' {
		rest = strings.NewReplacer("ROOM", srv.Info().ID, "CLIENT", welcomes[name].Client).Replace(rest)
		sent[name] = rest
		p.send(rest)
		time.Sleep(100 * time.Millisecond)
		return
	}
	got := p.lineOrNotice(isNotice(rest))
	if alike(t, got) != alike(t, rest) {
		t.Errorf("%s got  %s\nPROTOCOL.md: %s", name, alike(t, got), alike(t, rest))
	}
	switch e, _ := wire.ParseEvent([]byte(got)); {
	case e.Type == wire.TypeWelcome:
		welcomes[name] = e
	case e.Proof != "":
		question, err := wire.ParseRequest([]byte(sent[name]))
		if err != nil {
			t.Fatal(err)
		}
		checkProof(t, welcomes[name], question, e)
	}
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
