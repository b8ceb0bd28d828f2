package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// discover_test.go tests that the dns package reads escaped strings.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "kitchen", `Jo's "room". café 🎉 \o/`, "\x00\x1b[2J\xff", `\065`, "a.b", `end\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unescape(Escape(s)); got != s {
			t.Fatalf("unescape(Escape(%q)) = %q", s, got)
		}
	})
}

// Control characters do not leave this machine: RFC 6763 4.1.1 forbids them in names.
func TestNoControlCharactersInRecords(t *testing.T) {
	const title = "a\tb\nc\x1b[2Jd\x7f\u0085e"
	room := Advertisement{ID: kitchenID, Title: title, App: "chat\t1"}
	for _, s := range append(TXT(room, nil), InstanceName(room)) {
		if i := strings.IndexFunc(unescape(s), unicode.IsControl); i >= 0 {
			t.Errorf("%q has a control character", unescape(s))
		}
	}
	if got, want := InstanceName(Advertisement{ID: kitchenID, Title: "a\t b"}), "a b aaaa0000"; got != want {
		t.Errorf("instance name %q, want %q", got, want)
	}
}

// A room says that it is sealed, and how the pin of its key begins; an invalid one is ignored.
// Relays of one room announce it by names of their own.
func TestNamesOfRelays(t *testing.T) {
	room := Advertisement{ID: kitchenID, Title: "kitchen"}
	names := map[string]bool{InstanceName(room): true}
	for _, relay := range []string{"Q7ABCDEFGH", "Q7ABCDEFGJ"} {
		room.Relay = relay
		room.Title = strings.Repeat("kitchen ", 20)
		name := InstanceName(room)
		if names[name] || len(name) > maxLabel || !strings.HasSuffix(name, " aaaa0000-"+strings.ToLower(relay[2:])) {
			t.Errorf("relay %s announces %q", relay, name)
		}
		names[name] = true
	}
}

func TestSealedRecord(t *testing.T) {
	for name, test := range map[string]struct {
		room   Advertisement
		sealed bool
		hint   string
	}{
		"plain":           {Advertisement{Hint: "K7QZABCD"}, false, ""},
		"sealed":          {Advertisement{Sealed: true, Hint: "K7QZABCD"}, true, "K7QZABCD"},
		"without a pin":   {Advertisement{Sealed: true}, true, ""},
		"an invalid pin":  {Advertisement{Sealed: true, Hint: "K7QZ\x1b[2J"}, true, ""},
		"a pin too long":  {Advertisement{Sealed: true, Hint: strings.Repeat("A", 27)}, true, ""},
		"pin of 255 byte": {Advertisement{Sealed: true, Hint: strings.Repeat("A", 300)}, true, ""},
	} {
		test.room.ID, test.room.Title = kitchenID, "kitchen"
		r, ok := ReadRecord(TXT(test.room, nil), 24280, nil)
		if !ok || r.Sealed != test.sealed || r.Hint != test.hint {
			t.Errorf("%s: read as %+v, %v; want sealed %v, hint %q", name, r, ok, test.sealed, test.hint)
		}
	}
}

func TestReadRecord(t *testing.T) {
	good := []string{"v=1", "ID=" + kitchenID, "id=" + studyID, `room=k\027[2Ji\tchen`, "unknown", "=", "addrs=10.0.0.1,junk,fe80::1%eth9,"}
	more := []netip.Addr{netip.MustParseAddr("192.168.1.5")}
	r, ok := ReadRecord(good, 24280, more)
	if want := "[10.0.0.1:24280 192.168.1.5:24280]"; !ok || r.ID != kitchenID || fmt.Sprint(r.Addrs) != want {
		t.Errorf("a good record was read as %+v, %v; want addresses %s", r, ok, want)
	}
	if strings.ContainsAny(r.Title, "\x1b\t\n") {
		t.Errorf("title %q has control characters", r.Title)
	}
	for name, spoil := range map[string]func(txt []string, port *int) []string{
		"no port":         func(txt []string, port *int) []string { *port = 0; return txt },
		"no such port":    func(txt []string, port *int) []string { *port = 65536; return txt },
		"another version": func(txt []string, _ *int) []string { txt[0] = "v=2"; return txt },
		"no version":      func(txt []string, _ *int) []string { return txt[1:] },
		"short id":        func(txt []string, _ *int) []string { txt[1] = "id=aaaa"; return txt },
		"id not in hex":   func(txt []string, _ *int) []string { txt[1] = "id=aaaa00000000000g"; return txt },
		"empty":           func([]string, *int) []string { return nil },
	} {
		port := 24280
		txt := spoil(slices.Clone(good), &port)
		if r, ok := ReadRecord(txt, port, more); ok {
			t.Errorf("%s: accepted as %+v", name, r)
		}
	}
}
