package seal

import (
	"fmt"
	"strings"
	"testing"
)

const (
	testPin    = Pin("K7QZABCDEFGHIJKLMNOPQRSTUV")
	testSecret = Secret("M2V8" + "ABCDEFGHIJKL")
)

func TestParsePin(t *testing.T) {
	for _, s := range []string{string(testPin), testPin.Groups(), strings.ToLower(testPin.Groups()), "k7qz-abcd-efghijklmnopqrstuv"} {
		if pin, err := ParsePin(s); err != nil || pin != testPin {
			t.Errorf("ParsePin(%q) = %q, %v", s, pin, err)
		}
	}
	for _, s := range []string{"", "K7QZ", string(testPin) + "A", strings.Replace(string(testPin), "7", "1", 1), strings.Replace(string(testPin), "A", "é", 1)} {
		if pin, err := ParsePin(s); err == nil {
			t.Errorf("ParsePin(%q) = %q; want an error", s, pin)
		}
	}
	if got, want := testPin.Groups(), "K7QZ ABCD EFGH IJKL MNOP QRST UV"; got != want {
		t.Errorf("Groups = %q; want %q", got, want)
	}
	if got := testPin.Hint(); got != "K7QZABCD" {
		t.Errorf("Hint = %q", got)
	}
}

func TestParseSecret(t *testing.T) {
	generated := NewSecret()
	for s, want := range map[string]Secret{
		string(generated):                        generated,
		" " + strings.ToLower(string(generated)): generated,
		generated.Groups() + "\n":                generated,
		"correct horse battery":                  "correct horse battery",
		"straße nach überall":                    "straße nach überall",
		strings.Repeat("a", 12):                  Secret(strings.Repeat("a", 12)),
		strings.Repeat("a", 128):                 Secret(strings.Repeat("a", 128)),
	} {
		if got, err := ParseSecret(s); err != nil || got != want {
			t.Errorf("ParseSecret(%q) = %q, %v; want %q", s, string(got), err, string(want))
		}
	}
	for _, s := range []string{"", "hunter2", "elevenchars", "   spaces   ", "with a\nline break", "with \x1b[31m colors", "not \xff utf-8 at all", strings.Repeat("a", 129)} {
		if got, err := ParseSecret(s); err == nil {
			t.Errorf("ParseSecret(%q) = %q; want an error", s, string(got))
		}
	}
}

// A secret that gets into a log line or an error by mistake is not readable there.
func TestSecretIsNotPrinted(t *testing.T) {
	s := NewSecret()
	out := fmt.Sprintf("%v %s %+v %#v %v", s, s, s, s, Invite{"h:1", testPin, s})
	if strings.Contains(out, string(s)) {
		t.Errorf("printed %q", out)
	}
}

func TestParseInvite(t *testing.T) {
	for s, want := range map[string]Invite{
		"https://192.168.1.5:24280/#" + string(testPin) + "." + string(testSecret): {"192.168.1.5:24280", testPin, testSecret},
		"HTTPS://[fe80::1]:24281#" + string(testPin) + "." + string(testSecret):    {"[fe80::1]:24281", testPin, testSecret},
		" https://lab.example/#" + string(testPin) + "\n":                          {"lab.example:443", testPin, ""},
		"https://h:1/#" + string(testPin) + ".correct%20horse%20battery.%23":       {"h:1", testPin, "correct horse battery.#"},
	} {
		got, err := ParseInvite(s)
		if err != nil || got != want {
			t.Errorf("ParseInvite(%q) = %#v, %v; want %#v", s, got, err, want)
		}
		if again, err := ParseInvite(got.URL()); err != nil || again != want {
			t.Errorf("the invite of %q is %q, which reads as %#v, %v", s, got.URL(), again, err)
		}
	}
	for _, s := range []string{
		"", "https://", "https://h:1/", "https://h:1/#", "https://h:1/#K7QZ.M2V8", "http://h:1/#" + string(testPin) + "." + string(testSecret),
		"https://h:0/#" + string(testPin), "https://h:/#" + string(testPin), "https://a@h:1/#" + string(testPin), "https://h:1/#" + string(testPin) + ".",
		"https://h:1/#" + string(testPin) + ".short", "https://h:1/#" + string(testPin) + ".short%zz", "https://h:1/%zz#" + string(testPin) + ".short", "https://h:1/\x7f#" + string(testPin) + ".short", "https://h:99999/#" + string(testPin), "https://h:1/#" + string(testPin) + "." + strings.Repeat("a", maxInvite),
		"https://h:1/" + strings.Repeat("a", maxInvite) + "#" + string(testPin),
	} {
		if got, err := ParseInvite(s); err == nil {
			t.Errorf("ParseInvite(%q) = %#v; want an error", s, got)
		} else if strings.Contains(err.Error(), "short") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestLooksLikeInvite(t *testing.T) {
	for s, want := range map[string]bool{
		"https://h:1/#" + string(testPin) + "." + string(testSecret): true, "http://h:1/#" + string(testPin): true, "https://h:1/#K7QZ": true,
		"h:1/#" + string(testPin) + ".": true, "#" + string(testPin): true, "https://h:1/": false, "h:1": false, "#1 room": false, "C# and F#": false, "": false,
	} {
		if got := LooksLikeInvite(s); got != want {
			t.Errorf("LooksLikeInvite(%q) = %v", s, got)
		}
	}
}

// What a client signs is as PROTOCOL.md has it: the room and the connection are part of it.
func TestSignedData(t *testing.T) {
	if got, want := string(SignedData("01f3c5a7092b4d6e", []byte("binding"))), "chat-v1\x0001f3c5a7092b4d6e\x00binding"; got != want {
		t.Errorf("SignedData = %q; want %q", got, want)
	}
	if ExporterLabel != "EXPORTER-chat-v1" || BindingLength != 32 || Iterations < 100_000 {
		t.Errorf("the label is %s, for %d bytes; %d iterations", ExporterLabel, BindingLength, Iterations)
	}
}

// A message that repeats an invite does not show its secret, whatever that is.
func TestHideSecrets(t *testing.T) {
	invite := Invite{"h:1", testPin, testSecret}
	for message, want := range map[string]string{
		"unknown command \"" + invite.URL() + "\"\nhint: chat help": "unknown command \"https://h:1/#" + string(testPin) + ".…\"\nhint: chat help",
		"open " + strings.ToLower(invite.URL()) + ": no":            "open https://h:1/#" + strings.ToLower(string(testPin)) + ".…",
		"HTTPS://h#" + string(testPin) + ".correct horse\nhint: x":  "HTTPS://h#" + string(testPin) + ".…\nhint: x",
		"the pin " + string(testPin) + ". https://h:1/ is a page":   "the pin " + string(testPin) + ". https://h:1/ is a page",
		"https://h:1/#" + string(testPin) + " has none":             "https://h:1/#" + string(testPin) + " has none",
	} {
		if got := HideSecrets(message); got != want {
			t.Errorf("HideSecrets(%q) = %q; want %q", message, got, want)
		}
	}
}

func FuzzInvite(f *testing.F) {
	f.Add("https://192.168.1.5:24280/#" + string(testPin) + "." + string(testSecret))
	f.Add("https://[fe80::1%25eth0]:1/#" + string(testPin) + ".correct%20horse%20battery")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInvite(s)
		if err != nil {
			return
		}
		if again, err := ParseInvite(i.URL()); err != nil || again != i {
			t.Errorf("%q reads as %#v, and its URL %q as %#v, %v", s, i, i.URL(), again, err)
		}
	})
}

func TestSecretIn(t *testing.T) {
	const pin, other = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"
	for _, test := range []struct {
		typed string
		pin   Pin
		want  Secret
		fails string // part of the error; "": there is none
	}{
		{" m2v7 m2v7-M2V7M2V7", pin, "M2V7M2V7M2V7M2V7", ""},
		{"short", pin, "", "a secret has at least"},
		{" https://lab/#" + pin + ".M2V7M2V7M2V7M2V7\n", pin, "M2V7M2V7M2V7M2V7", ""},
		{"https://lab/#" + pin + ".M2V7M2V7M2V7M2V7", "", "M2V7M2V7M2V7M2V7", ""},
		{"https://lab/#" + pin, pin, "", ""},
		{"https://lab/#" + pin + ".M2V7M2V7M2V7M2V7", other, "", "for another host"},
		{"https://lab/", pin, "", "the invite is incomplete"},
		{"lab:24280/#" + pin + ".M2V7M2V7M2V7M2V7", pin, "", "the invite is incomplete"}, // a secret of a person may have a #
		{"http://lab:24280/#" + pin + ".M2V7M2V7M2V7M2V7", pin, "", "the invite is incomplete"},
		{"dance # dance # dance", pin, "dance # dance # dance", ""},
	} {
		got, err := SecretIn(test.typed, test.pin)
		if got != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("SecretIn(%q, %q) = %q, %v", test.typed, test.pin, string(got), err)
		}
	}
}
