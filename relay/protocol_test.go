package relay_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"chat/relay"
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
			peers := make(map[string]*peer)
			for line := range strings.Lines(example[1]) {
				runExampleLine(t, srv, peers, strings.TrimSuffix(line, "\n"))
			}
			for name, p := range peers {
				if len(p.lines) > 0 {
					t.Errorf("%s got also %q", name, <-p.lines)
				}
			}
		})
	}
}

func runExampleLine(t *testing.T, srv *relay.Server, peers map[string]*peer, line string) {
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
		p.send(strings.ReplaceAll(rest, "ROOM", srv.Info().ID))
		time.Sleep(100 * time.Millisecond)
		return
	}
	if got := p.line(); alike(t, got) != alike(t, rest) {
		t.Errorf("%s got  %s\nPROTOCOL.md: %s", name, alike(t, got), alike(t, rest))
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
	for _, name := range []string{"time", "client", "room", "token"} {
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
