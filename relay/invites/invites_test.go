package invites

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"chat/relay/hostseal"
	"chat/relay/seal"
)

var lab = hostseal.Room{
	Invites: seal.Invites{
		RoomSecrets: seal.RoomSecrets{Member: "MMMMMMMMMMMMMMMM", Listen: "LLLLLLLLLLLLLLLL", Operator: "OOOOOOOOOOOOOOOO"},
		Pin:         "K7QZABCDEFGHIJKLMNOPQRSTUV", CurlPin: "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", SelfSigned: true,
	},
	Title: "lab", ID: "aaaa0000aaaa0000", Running: true,
}

// printer returns a printer of rooms with two addresses, and its output.
func printer(audience Audience) (*Printer, *bytes.Buffer) {
	var out bytes.Buffer
	return &Printer{To: &out, For: audience, Addrs: func(hostseal.Room) []string { return []string{"192.168.1.5:24280", "10.0.0.5:24280"} }}, &out
}

func TestPrint(t *testing.T) {
	byKey := lab
	byKey.ByKey = true
	for _, test := range []struct {
		room     hostseal.Room
		audience Audience
		fragment string
		says     string
	}{
		{lab, Members, "K7QZABCDEFGHIJKLMNOPQRSTUV.MMMMMMMMMMMMMMMM", "lab is sealed. Invite for members:\n"},
		{lab, Listeners, "K7QZABCDEFGHIJKLMNOPQRSTUV.LLLLLLLLLLLLLLLL", "lab is sealed. Invite to read only:\n"},
		{lab, Operators, "K7QZABCDEFGHIJKLMNOPQRSTUV.OOOOOOOOOOOOOOOO", "lab is sealed. Invite for operators:\n"},
		{byKey, Members, "K7QZABCDEFGHIJKLMNOPQRSTUV", "lab is sealed. Invite for members, who enter with their keys:\n"},
		{byKey, Listeners, "K7QZABCDEFGHIJKLMNOPQRSTUV.LLLLLLLLLLLLLLLL", "lab is sealed. Invite to read only:\n"},
	} {
		p, out := printer(test.audience)
		if err := p.Print(test.room); err != nil {
			t.Fatal(err)
		}
		link := "https://192.168.1.5:24280/#" + test.fragment
		if got := out.String(); got != link+"\n" {
			t.Errorf("a program gets %q; want %q", got, link)
		}
		p, out = printer(test.audience)
		p.Code = func(link string) ([]string, error) { return []string{"code of " + link}, nil }
		if err := p.Print(test.room); err != nil {
			t.Fatal(err)
		}
		want := test.says + "  " + link + "\n  https://10.0.0.5:24280/#" + test.fragment + "\n  code of " + link +
			"\n\nPin of the host's key: K7QZ ABCD EFGH IJKL MNOP QRST UV\nSHA-256 of its public key, in a browser:\n  0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f\n" +
			"With curl: curl -k --pinnedpubkey 'sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' https://192.168.1.5:24280/room\n"
		if got := out.String(); got != want {
			t.Errorf("a person gets\n%s\nwant\n%s", got, want)
		}
	}
}

func TestPrintOpened(t *testing.T) {
	const first, second = "https://192.168.1.5:24280/#K7QZABCDEFGHIJKLMNOPQRSTUV.MMMMMMMMMMMMMMMM", "https://10.0.0.5:24280/#K7QZABCDEFGHIJKLMNOPQRSTUV.MMMMMMMMMMMMMMMM"
	commands := "  chat join '" + first + "'\n  chat join '" + second + "'\n"
	p, out := printer(Members)
	if err := p.PrintOpened(lab, Reach{}); err != nil {
		t.Fatal(err)
	}
	want := "lab is sealed. Invite:  " + first + "\nOthers join with\n" + commands + "chat invite lab prints the invite again.\n"
	if got := out.String(); got != want {
		t.Errorf("without a page:\n%s\nwant\n%s", got, want)
	}
	p, out = printer(Members)
	p.Code = func(link string) ([]string, error) { return []string{"code of " + link}, nil }
	if err := p.PrintOpened(lab, Reach{Page: true, Discovered: true}); err != nil {
		t.Fatal(err)
	}
	want = "lab is sealed. Invite (also as QR):  " + first + "\n  code of " + first + "\nOthers join with the invite in a browser, or with\n" + commands +
		"  chat join    # shows the pin K7QZ ABCD EFGH IJKL MNOP QRST UV\n" +
		"  curl -k --pinnedpubkey 'sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' https://192.168.1.5:24280/room\nchat invite lab prints the invite again.\n"
	if got := out.String(); got != want {
		t.Errorf("with a page:\n%s\nwant\n%s", got, want)
	}
}

func TestPrintJSON(t *testing.T) {
	p, out := printer(Members)
	if err := p.PrintJSON([]hostseal.Room{lab, lab}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"title": "lab", "room": "aaaa0000aaaa0000", "pin": "K7QZABCDEFGHIJKLMNOPQRSTUV", "invite": "https://192.168.1.5:24280/#K7QZABCDEFGHIJKLMNOPQRSTUV.MMMMMMMMMMMMMMMM",
	} {
		if got[name] != want {
			t.Errorf("%s is %v; want %v", name, got[name], want)
		}
	}
	for _, other := range []seal.Secret{lab.Listen, lab.Operator} {
		if strings.Contains(out.String(), string(other)) {
			t.Error("the line has a secret for others")
		}
	}
}

func TestPrintList(t *testing.T) {
	p, out := printer(Members)
	if err := p.PrintList([]hostseal.Room{lab}); err != nil {
		t.Fatal(err)
	}
	if want := "ROOM  ADDRESS            ID\nlab   192.168.1.5:24280  aaaa0000\n"; out.String() != want {
		t.Errorf("got %q; want %q", out.String(), want)
	}
}

func TestSelect(t *testing.T) {
	kitchen, old := lab, lab
	kitchen.Title, kitchen.ID = "kitchen", "bbbb0000bbbb0000"
	old.Title, old.ID, old.Running = "old", "cccc0000cccc0000", false
	unnamed := hostseal.Room{} // its host ended before it had a title
	for want, names := range map[string]string{"": "lab kitchen (old)", "LAB": "lab", "bbbb": "kitchen", "BBBB0": "kitchen", "bbb": "", "old": "(old)", "none": ""} {
		open, closed := Select([]hostseal.Room{unnamed, lab, kitchen, old}, want)
		var got []string
		for _, r := range open {
			got = append(got, r.Title)
		}
		if closed != nil {
			got = append(got, "("+closed.Title+")")
		}
		if s := strings.Join(got, " "); s != names {
			t.Errorf("Select(%q) = %q; want %q", want, s, names)
		}
	}
}

func TestCommandFor(t *testing.T) {
	for title, want := range map[string]string{
		"lab": "chat invite lab", "lab-2.x": "chat invite lab-2.x", "my lab": "chat invite aaaa0000", "-x": "chat invite aaaa0000", "$(reboot)": "chat invite aaaa0000", "": "chat invite aaaa0000", "küche": "chat invite aaaa0000",
	} {
		if got := CommandFor(title, lab.ID); got != want {
			t.Errorf("CommandFor(%q) = %q; want %q", title, got, want)
		}
	}
}
