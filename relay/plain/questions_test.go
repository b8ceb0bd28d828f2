package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	labPin   = seal.Pin("K7QZABCDEFGHIJKLMNOPQRSTUV")
	otherPin = seal.Pin("BBBBABCDEFGHIJKLMNOPQRSTUV")
)

// An asked is a terminal in lines whose user is asked questions.
type asked struct {
	client.Questions
	out    bytes.Buffer
	hidden bool   // the terminal does not show what is typed
	shown  string // what was written while it did
}

// Write implements [io.Writer], as the terminal.
func (a *asked) Write(p []byte) (int, error) {
	if !a.hidden {
		a.shown += string(p)
	}
	return a.out.Write(p)
}

// ask returns a terminal whose user types this.
func ask(t *testing.T, typed string) *asked {
	t.Helper()
	a := new(asked)
	in := Read(strings.NewReader(typed))
	t.Cleanup(func() { in.Close() })
	a.Questions = Questions(in, a, func() (func(), error) {
		a.hidden = true
		return func() { a.hidden = false }, nil
	})
	return a
}

// Only a yes trusts a host. The question has its pin, and what the user knows about it.
func TestOnlyYesTrusts(t *testing.T) {
	host := client.Host{Addr: "192.168.1.5:24280", Title: "lab", Pin: labPin}
	for typed, want := range map[string]error{
		"y\n": nil, "YES\n": nil, " yes \n": nil,
		"\n": client.ErrNotTrusted, "n\n": client.ErrNotTrusted, "yep\n": client.ErrNotTrusted, "sure\n": client.ErrNotTrusted, "": client.ErrNotTrusted,
	} {
		a := ask(t, typed)
		if err := a.Trust(t.Context(), host); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v, want %v", typed, err, want)
		}
		if got := a.out.String(); !strings.Contains(got, "lab, at 192.168.1.5:24280, is sealed") || !strings.Contains(got, "\n    "+labPin.Groups()+"\n") || strings.Contains(got, "You know") || strings.Contains(got, "Warning") {
			t.Errorf("asked %q", got)
		}
	}
	host.Names, host.Namesake = []string{"kitchen", "den"}, client.KnownHost{Room: "r9", Pin: otherPin, Title: "lab"}
	a := ask(t, "\n")
	a.Trust(t.Context(), host)
	for _, want := range []string{"You know this pin: kitchen, den.\n", "Warning: you know a room of this title with another pin, " + otherPin.Groups() + ".\n"} {
		if !strings.Contains(a.out.String(), want) {
			t.Errorf("asked %q, want %q", a.out.String(), want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(t, "").Trust(ctx, host); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// What the user types as a secret is not shown, and an invite of another host is not taken for one.
func TestAskSecret(t *testing.T) {
	about := client.SecretQuestion{Title: "lab", Pin: labPin}
	for _, test := range []struct {
		typed string
		want  seal.Secret
		err   error
		says  string
	}{
		{"m2v7-abcd-efgh-ijkl\n", "M2V7ABCDEFGHIJKL", nil, "Secret of lab, or its invite"},
		{"https://lab:1/#" + string(labPin) + ".M2V7ABCDEFGHIJKL\n", "M2V7ABCDEFGHIJKL", nil, ""},
		{"https://lab:1/#" + string(otherPin) + ".OTHEROTHEROTHERO\nM2V7ABCDEFGHIJKL\n", "M2V7ABCDEFGHIJKL", nil, "That cannot be it: this invite is for another host"},
		{"short\nM2V7ABCDEFGHIJKL\n", "M2V7ABCDEFGHIJKL", nil, "That cannot be it: a secret has at least 12 characters"},
		{" \n", "", nil, "(Enter if you enter by key)"},
		{"", "", errNoSecret, ""},
	} {
		a := ask(t, test.typed)
		got, err := a.AskSecret(t.Context(), about)
		if got != test.want || !errors.Is(err, test.err) || a.shown != "" || a.hidden {
			t.Errorf("%q: %q, %v; asked %q while typing was shown; hidden at the end: %v", test.typed, string(got), err, a.shown, a.hidden)
		}
		if out := a.out.String(); !strings.Contains(out, test.says) || strings.Contains(out, "wrong") || strings.Contains(out, "M2V7") {
			t.Errorf("%q: asked %q, want %q", test.typed, out, test.says)
		}
	}
	about.Tries = 1
	a := ask(t, "M2V7ABCDEFGHIJKL\n")
	if a.AskSecret(t.Context(), about); !strings.HasPrefix(a.out.String(), "That secret is wrong.\n") {
		t.Errorf("asked %q", a.out.String())
	}
	cannot := errors.New("not a terminal")
	q := Questions(Read(strings.NewReader("M2V7ABCDEFGHIJKL\n")), &a.out, func() (func(), error) { return nil, cannot })
	if secret, err := q.AskSecret(t.Context(), about); !errors.Is(err, cannot) || secret != "" {
		t.Errorf("a terminal that shows everything: %q, %v", string(secret), err)
	}
}

// Each problem with a sealed room has a hint, which names the file and the line that the user can delete.
func TestSealProblem(t *testing.T) {
	host := client.Host{Addr: "h:1", Title: "lab", Pin: otherPin}
	withNamesake := host
	withNamesake.Namesake = client.KnownHost{File: "known_hosts", Line: 7}
	for name, test := range map[string]struct {
		err        error
		says, hint string
	}{
		"a new host":             {&client.PinError{Host: host}, "is not known; its pin is BBBB ABCD", "or once from a terminal, where chat shows the pin and asks"},
		"a namesake":             {&client.PinError{Host: withNamesake}, "is not known", "you know a room of this title with another key (line 7 of known_hosts)"},
		"not the invite's key":   {&client.PinError{Host: host, Want: labPin}, "another key than its invite says; nothing was sent\n  pin of invite:  K7QZ", "ask the host for the current one"},
		"a changed key":          {&client.PinError{Host: host, Want: labPin, File: "known_hosts", Line: 3}, "the key of the host of lab, at h:1, has changed; nothing was sent", "someone may be between you and the host. If it really has a new key, delete line 3 of known_hosts and join again"},
		"plain, known":           {&client.DowngradeError{Host: host, File: "known_hosts", Line: 3}, "does not encrypt; nothing was sent", "If the room is plain now, delete line 3 of known_hosts and join again"},
		"plain, by its invite":   {&client.DowngradeError{Host: host}, "does not encrypt; nothing was sent", "join it without an invite and without a secret"},
		"plain, of a known name": {&client.DowngradeError{Host: host, Known: client.KnownHost{Pin: labPin, File: "known_hosts", Line: 3}}, "the room of that title that you know is sealed", "delete the lines with this title from known_hosts, such as line 3, or join it by its address"},
		"intercepted":            {client.ErrIntercepted, "someone is between you and the host; nothing was sent", "join with the room's invite, which names the host's key"},
		"no yes":                 {client.ErrNotTrusted, "was not confirmed", "compare the pin with the one that the host shows"},
		"sealed":                 {client.ErrSealed, "the room is sealed", "join with its invite"},
		"no secret":              {&client.SecretError{Code: wire.CodeNoSecret, Title: "lab"}, "lab is sealed: its secret is needed", "--secret-file or in CHAT_SECRET"},
		"a wrong secret":         {&client.SecretError{Code: wire.CodeAuthFailed, Title: "lab"}, "the secret of lab is wrong", "ask for the room's current invite"},
		"a key that is not one":  {&client.SecretError{Code: wire.CodeNotMember, Title: "lab"}, "only for members with certain keys", "ask the host to add your key; chat doctor shows the one that chat made"},
		"too many tries":         {&client.SecretError{Code: wire.CodeTooMany, Title: "lab"}, "too many wrong secrets", "wait a minute"},
	} {
		hint, problem := SealProblem(fmt.Errorf("join h:1: %w", test.err))
		if problem == nil || !strings.Contains(problem.Error(), test.says) || !strings.Contains(hint, test.hint) || strings.Contains(problem.Error(), "join h:1") {
			t.Errorf("%s: %v; hint %q", name, problem, hint)
		}
	}
	if hint, problem := SealProblem(errors.New("odd")); hint != "" || problem != nil {
		t.Errorf("another error: %q, %v", hint, problem)
	}
}
