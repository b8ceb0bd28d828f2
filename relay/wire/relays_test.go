package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestIsRelay(t *testing.T) {
	for addr, want := range map[string]bool{
		"192.168.1.5:24280": true, "[fd00::1]:24280": true, "chat-1.office.example:1": true, "a_b:65535": true,
		"": false, "192.168.1.5": false, ":24280": false, "192.168.1.5:0": false, "192.168.1.5:65536": false, "192.168.1.5:http": false,
		"192.168.1.5:+1": false, "192.168.1.5:01": false, "0.0.0.0:24280": false, "[::]:24280": false, "224.0.0.251:5353": false,
		"[fe80::1%eth0]:24280": false, "127.1:80": false, "-x:80": false, "a b:80": false, "a/b:80": false, "kitché:80": false, "user@a:80": false,
		strings.Repeat("a", 249) + ":24280": true, strings.Repeat("a", 250) + ":24280": false,
	} {
		if IsRelay(addr) != want {
			t.Errorf("IsRelay(%q) = %v", addr, !want)
		}
	}
}

// The list that a client keeps has only valid addresses, each once.
func TestRelays(t *testing.T) {
	listed := []string{"evil\x1b[2J:1"}
	for i := range 2 * MaxRelays {
		addr := fmt.Sprintf("10.0.0.%d:24280", i)
		listed = append(listed, addr, addr)
	}
	got := Relays(slices.Clone(listed))
	if len(got) != MaxRelays || got[0] != "10.0.0.0:24280" || got[1] != "10.0.0.1:24280" {
		t.Errorf("the list is %q", got)
	}
	e, err := ParseEvent((&Event{Type: TypeRelays, Relays: listed}).AppendJSON(nil))
	if err != nil || len(e.Relays) != MaxRelays {
		t.Errorf("parsed %q, %v", e.Relays, err)
	}
}
