package access

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	member   = "MEMBER2222222222"
	listen   = "LISTEN2222222222"
	operator = "OPERATOR22222222"
	renewed  = "NEWMEMBER2222222"
	wrong    = "WRONG22222222222"
)

var secrets = seal.RoomSecrets{Member: member, Listen: listen, Operator: operator}

func newGate(change ...func(*Options)) *Gate {
	o := Options{Key: "the host's own key", Secrets: secrets}
	for _, f := range change {
		f(&o)
	}
	g := NewGate(o)
	for level, s := range [...]seal.Secret{Listen: o.Secrets.Listen, Member: o.Secrets.Member, Operator: o.Secrets.Operator} {
		g.verifiers[level] = verifierOf(s, 4096) // in a 25th of the time
	}
	return g
}

// codeOf returns the code of a fault; "": there is none.
func codeOf(t *testing.T, err error) wire.Code {
	t.Helper()
	fault, ok := errors.AsType[*wire.Fault](err)
	if err != nil && !ok {
		t.Fatalf("%v is no fault", err)
	}
	if !ok {
		return ""
	}
	return fault.Code
}

func TestCheck(t *testing.T) {
	for secret, want := range map[string]Level{
		member: Member, listen: Listen, operator: Operator,
		" memb-er22 2222 2222\n": Member,
		wrong:                    None, "": None, " ": None, member[:15]: None, member + "2": None, member + "\x00": None,
		strings.Repeat("a", 1<<20): None,
	} {
		synctest.Test(t, func(t *testing.T) {
			g, began := newGate(), time.Now()
			level, err := g.Check("10.0.0.1", secret, nil)
			if level != want || (err == nil) != (want != None) {
				t.Errorf("Check(%.20q) = %v, %v; want %v", secret, level, err, want)
			}
			took := time.Since(began)
			if want == None && (codeOf(t, err) != wire.CodeAuthFailed || took != WrongDelay) || want != None && took != 0 {
				t.Errorf("Check(%.20q) took %v, and says %v", secret, took, err)
			}
			if err != nil && len(secret) >= 12 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

// A secret that a room does not have lets no one in: not the empty one, and not that of members if they need a key.
func TestMissingSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Options{Secrets: seal.RoomSecrets{Member: member, Listen: listen}, IsMember: func(fingerprint string) bool { return fingerprint == "SHA256:a" }})
		for i, secret := range []string{"", member, operator} {
			if level, err := g.Check(fmt.Sprint(i), secret, nil); level != None || err == nil {
				t.Errorf("%q lets in as %v", secret, level)
			}
		}
		if level, err := g.Check("", listen, nil); level != Listen || err != nil {
			t.Errorf("%v, %v", level, err)
		}
		if got := codeOf(t, g.WhyNot()); got != wire.CodeNotMember {
			t.Error(got)
		}
		if secret := g.SecretFor(Member); secret != "" {
			t.Error("an invite to a room by key has a secret")
		}
	})
}

func TestLevelOfKeys(t *testing.T) {
	is := func(want string) func(string) bool {
		return func(fingerprint string) bool { return fingerprint == want }
	}
	g := newGate(func(o *Options) { o.IsMember, o.IsOperator = is("SHA256:m"), is("SHA256:o") })
	for _, test := range []struct {
		bySecret    Level
		fingerprint string
		want        Level
	}{
		{None, "", None}, {None, "SHA256:x", None}, {None, "SHA256:m", Member}, {None, "SHA256:o", Operator},
		{Listen, "SHA256:x", Listen}, {Listen, "SHA256:m", Member}, {Operator, "SHA256:m", Operator},
	} {
		var k *Key
		if test.fingerprint != "" {
			k = &Key{Fingerprint: test.fingerprint}
		}
		if got := g.Grant(test.bySecret, k); got.Level != test.want || got.Key != k {
			t.Errorf("%v and key %s grant %v, want %v", test.bySecret, test.fingerprint, got, test.want)
		}
	}
	if got := newGate().Grant(None, &Key{Fingerprint: "SHA256:m"}); got.Level != None {
		t.Errorf("any key grants %v", got.Level)
	}
}

// Five wrong secrets lock an address group out for a minute, also with the right secret. Others are not concerned.
func TestPenalties(t *testing.T) {
	for _, from := range []string{"10.0.0.1", "2001:db8:1:2::/64", ""} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			try := func(from, secret string, want wire.Code) {
				t.Helper()
				if _, err := g.Check(from, secret, nil); codeOf(t, err) != want {
					t.Errorf("%q, %q: %v, want %q", from, secret, err, want)
				}
			}
			for range maxWrong {
				try(from, wrong, wire.CodeAuthFailed)
			}
			try(from, wrong, wire.CodeTooMany)
			try(from, member, wire.CodeTooMany)
			try("10.0.0.2", member, "")
			try("10.0.0.2", wrong, wire.CodeAuthFailed)
			time.Sleep(lockout - 3*time.Second) // the last two wrong ones took one each
			try(from, member, wire.CodeTooMany)
			time.Sleep(time.Second)
			try(from, member, "")
			try(from, wrong, wire.CodeAuthFailed) // counts as the first one
			try(from, member, "")
		})
	}
}

// The right secret does not make up for wrong ones: else whoever knows one could guess another without end.
func TestRightSecretsForgiveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		for range maxWrong {
			g.Check("10.0.0.1", wrong, nil)
			g.Check("10.0.0.1", listen, nil)
		}
		if _, err := g.Check("10.0.0.1", listen, nil); codeOf(t, err) != wire.CodeTooMany {
			t.Error(err)
		}
	})
}

// Many at once are no way around the limit, and a canceled wait counts.
func TestPenaltiesOfManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		gone := make(chan struct{})
		close(gone)
		var mu sync.Mutex
		codes := make(map[wire.Code]int)
		var tries sync.WaitGroup
		for range 100 {
			tries.Go(func() {
				_, err := g.Check("10.0.0.1", wrong, gone)
				mu.Lock()
				defer mu.Unlock()
				codes[codeOf(t, err)]++
			})
		}
		tries.Wait()
		if codes[wire.CodeAuthFailed] != maxWrong || codes[wire.CodeTooMany] != 100-maxWrong {
			t.Errorf("%v", codes)
		}
	})
}

// The table of addresses is bounded, and forgets those that may try again first.
func TestTriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := make(tries)
		for i := range maxTries {
			w.count(fmt.Sprint("early ", i), wholeTry)
		}
		time.Sleep(lockout)
		for i := range 3 * maxTries {
			w.count(fmt.Sprint("late ", i), wholeTry)
		}
		if len(w) > maxTries {
			t.Errorf("%d addresses are remembered, at most %d should be", len(w), maxTries)
		}
		for range maxWrong {
			w.count("last", wholeTry)
		}
		if w.lockedOut("last") == nil {
			t.Error("an address is not remembered while the table is full")
		}
	})
}

// Those who come back with the secret of an old invite are not let in, and do not lock out others at their address. The room's file
// has these secrets, so that it is the same after a restart. As many guesses lock out.
func TestFormerSecretsAreNoGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, last := newGate(), secrets
		var former []seal.Secret
		for range 16 {
			former = append(former, last.Member, last.Listen)
			last = last.Renewed()
			g.SetSecrets(last)
		}
		for _, g := range []*Gate{g, newGate(func(o *Options) { o.Secrets = last })} {
			for _, secret := range former {
				if level, err := g.Check("10.0.0.1", string(secret), nil); level != None || codeOf(t, err) != wire.CodeAuthFailed {
					t.Errorf("a former secret: %v, %v", level, err)
				}
			}
			if level, err := g.Check("10.0.0.1", string(last.Member), nil); level != Member || err != nil {
				t.Errorf("the current secret after the former ones: %v, %v", level, err)
			}
		}
		g.SetSecrets(last.Renewed())
		for range maxWrong { // the first one was forgotten, as others came after it
			g.Check("10.0.0.1", member, nil)
		}
		if _, err := g.Check("10.0.0.1", operator, nil); codeOf(t, err) != wire.CodeTooMany {
			t.Errorf("after five guesses: %v", err)
		}
		if _, err := g.Check("10.0.0.1", string(last.Member), nil); codeOf(t, err) != wire.CodeTooMany { // else a guesser would learn that it was valid once
			t.Errorf("a former secret after five guesses: %v", err)
		}
	})
}

func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		current := g.Current()
		g.SetSecrets(seal.RoomSecrets{Member: renewed, Listen: listen, Operator: operator})
		if current.Err() == nil || g.Current().Err() != nil {
			t.Error("it is not announced that the secrets were replaced")
		}
		for secret, want := range map[string]Level{member: None, renewed: Member, listen: Listen, operator: Operator} {
			if level, _ := g.Check("", secret, nil); level != want {
				t.Errorf("%s lets in as %v, want %v", secret, level, want)
			}
		}
	})
}

// Secrets that the gate has already are not new: streams that they opened do not end. Nor is that of members where keys
// let them in.
func TestSetSecrets(t *testing.T) {
	for _, byKey := range []bool{false, true} {
		g := newGate(func(o *Options) {
			if byKey {
				o.IsMember = func(string) bool { return false }
			}
		})
		current := g.Current()
		if g.SetSecrets(secrets) || current.Err() != nil {
			t.Errorf("by key: %v: the gate takes its own secrets for new ones", byKey)
		}
		if !g.SetSecrets(seal.RoomSecrets{Member: member, Listen: renewed, Operator: operator}) || current.Err() == nil {
			t.Errorf("by key: %v: the gate does not take new secrets", byKey)
		}
	}
}
