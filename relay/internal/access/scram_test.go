package access

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"chat/relay/seal"
	"chat/relay/wire"
)

var binding = []byte("32 bytes of a connection's own..")

// A prover is the client of an exchange.
type prover struct {
	talk *scram.ClientConversation
	last string // the host's answers; not in base64
}

func newProver(t *testing.T, user, secret string, binding []byte) *prover {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	return &prover{talk: c.NewConversationWithChannelBinding(scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: binding})}
}

// next returns the next message for the host; "": there is none.
func (p *prover) next(t *testing.T) string {
	t.Helper()
	message, err := p.talk.Step(p.last)
	if err != nil {
		t.Fatalf("the client does not believe the host: %v", err)
	}
	if message == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(message))
}

// authenticate has a client run an exchange, and returns what it may do. between is called before its last message.
func authenticate(t *testing.T, g *Gate, from string, p *prover, between func()) (Level, error) {
	t.Helper()
	e, err := g.Begin(from, seal.Mechanism, binding)
	if err != nil {
		return None, err
	}
	defer e.End()
	for round := 0; ; round++ {
		if round == 1 && between != nil {
			between()
		}
		answer, level, err := e.Step(p.next(t), nil)
		if err != nil {
			return level, err
		}
		b, err := base64.StdEncoding.DecodeString(answer)
		if err != nil {
			t.Fatal(err)
		}
		if p.last = string(b); level != None {
			if p.next(t); !p.talk.Valid() {
				t.Error("the host has not proven that it knows the secret")
			}
			return level, nil
		}
		if round == 2 {
			t.Fatal("the exchange does not end")
		}
	}
}

func TestScram(t *testing.T) {
	for _, test := range []struct {
		user, secret string
		want         Level
	}{
		{"member", member, Member}, {"", member, Member}, {"listen", listen, Listen}, {"operator", operator, Operator},
		{"member", wrong, None}, {"member", listen, None}, {"operator", member, None}, {"root", member, None},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			level, err := authenticate(t, newGate(), "10.0.0.1", newProver(t, test.user, test.secret, binding), nil)
			if level != test.want || test.want == None && (codeOf(t, err) != wire.CodeAuthFailed || time.Since(began) != WrongDelay) {
				t.Errorf("%s with %s: %v, %v after %v; want %v", test.user, test.secret, level, err, time.Since(began), test.want)
			}
		})
	}
}

// Someone in the middle has two connections, each with another binding: relaying the exchange is of no use.
func TestScramIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		level, err := authenticate(t, newGate(), "", newProver(t, "member", member, []byte("the binding of another connection")), nil)
		if level != None || codeOf(t, err) != wire.CodeIntercepted {
			t.Errorf("%v, %v", level, err)
		}
		for _, flag := range []string{"n", "y", "p=tls-unique", "p=tls-server-end-point"} { // without it
			e, err := newGate().Begin("", seal.Mechanism, binding)
			if err != nil {
				t.Fatal(err)
			}
			_, level, err := e.Step(base64.StdEncoding.EncodeToString([]byte(flag+",,n=member,r=abc")), nil)
			if level != None || codeOf(t, err) != wire.CodeAuthFailed {
				t.Errorf("%s: %v, %v", flag, level, err)
			}
			e.End()
		}
	})
}

// Wrong proofs count together with wrong secrets: the two of a client that tries its secret as that of members and
// as that of those who only listen are one try, as its user typed one secret. One that was computed before the address was locked out comes
// too late.
func TestScramPenalties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		for range maxWrong - 1 {
			for _, user := range []string{"member", "listen"} {
				if _, err := authenticate(t, g, "10.0.0.1", newProver(t, user, wrong, binding), nil); codeOf(t, err) != wire.CodeAuthFailed {
					t.Error(err)
				}
			}
		}
		_, err := authenticate(t, g, "10.0.0.1", newProver(t, "member", member, binding), func() { g.Check("10.0.0.1", wrong, nil) })
		if codeOf(t, err) != wire.CodeTooMany {
			t.Error(err)
		}
		if _, err := g.Begin("10.0.0.1", seal.Mechanism, binding); codeOf(t, err) != wire.CodeTooMany {
			t.Error(err)
		}
		if level, err := authenticate(t, g, "10.0.0.2", newProver(t, "member", member, binding), nil); level != Member {
			t.Error(err)
		}
		for range maxWrong { // a client that knows that it is an operator has one try
			if _, err := authenticate(t, g, "10.0.0.3", newProver(t, "operator", wrong, binding), nil); codeOf(t, err) != wire.CodeAuthFailed {
				t.Error(err)
			}
		}
		if _, err := g.Begin("10.0.0.3", seal.Mechanism, binding); codeOf(t, err) != wire.CodeTooMany {
			t.Error(err)
		}
	})
}

func TestScramWithASecretThatIsReplacedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		replace := func() { g.SetSecrets(seal.RoomSecrets{Member: renewed, Listen: listen, Operator: operator}) }
		if level, err := authenticate(t, g, "", newProver(t, "member", member, binding), replace); level != None || codeOf(t, err) != wire.CodeAuthFailed {
			t.Errorf("%v, %v", level, err)
		}
		if level, err := authenticate(t, g, "", newProver(t, "member", renewed, binding), nil); level != Member {
			t.Error(err)
		}
	})
}

// A verifier is expensive: it is computed once for each secret, and kept for those that stay.
func TestVerifiersAreKept(t *testing.T) {
	g := NewGate(Options{Secrets: secrets})
	salt := func(user string) string {
		e := &Exchange{gate: g}
		c, err := e.lookUp(user)
		if err != nil || c.Iters != seal.Iterations {
			t.Fatalf("%d iterations, %v", c.Iters, err)
		}
		return c.Salt
	}
	first, other := salt("member"), salt("listen")
	if salt("") != first || first == other {
		t.Error("the verifier of a secret is computed again, or two have the same salt")
	}
	g.SetSecrets(seal.RoomSecrets{Member: renewed, Listen: listen, Operator: operator})
	if salt("member") == first || salt("listen") != other {
		t.Error("the verifier of a secret that was replaced is kept, or one that was not is computed again")
	}
}

func TestSecretsThatSASLprepDoesNotKnow(t *testing.T) {
	verify := verifierOf("🐴🔋📎🧷🪝🧦🧤🪢🧵🧶🪡🧩", 4096)
	if _, err := verify(); err != nil {
		t.Error(err)
	}
}

func TestExchangesAreBounded(t *testing.T) {
	g := newGate()
	var all []*Exchange
	for range maxExchanges {
		e, err := g.Begin("", seal.Mechanism, binding)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if _, err := g.Begin("", seal.Mechanism, binding); codeOf(t, err) != wire.CodeBusy {
		t.Error(err)
	}
	all[0].End()
	all[0].End()
	if _, err := g.Begin("", seal.Mechanism, binding); err != nil {
		t.Error(err)
	}
	if _, err := g.Begin("", seal.Mechanism, binding); codeOf(t, err) != wire.CodeBusy {
		t.Errorf("an exchange ended twice: %v", err)
	}
	if _, err := g.Begin("", "SCRAM-SHA-256", binding); codeOf(t, err) != wire.CodeBadRequest {
		t.Error(err)
	}
	for data, want := range map[string]wire.Code{"no base64!": wire.CodeBadRequest, strings.Repeat("A", maxData+4): wire.CodeTooLong} {
		if _, _, err := all[1].Step(data, nil); codeOf(t, err) != want {
			t.Errorf("%.20s: %v", data, err)
		}
	}
}

// Nothing that a stranger to the secret sends is a proof of it.
func FuzzExchange(f *testing.F) {
	f.Add("p=tls-exporter,,n=member,r=abc", "c=cD10bHMtZXhwb3J0ZXIsLA==,r=abc,p=AAAA")
	f.Add("p=tls-exporter,a=x,n=operator,r=", "c=,r=,p=")
	f.Add("n,,n=,r=abc", "")
	f.Add("p=tls-exporter,,n==3D,r=abc,m=x", "x")
	f.Fuzz(func(t *testing.T, first, final string) {
		g := newGate(func(o *Options) { o.Secrets = seal.RoomSecrets{} }) // verifiers are expensive
		g.sums[Member] = sumOf(member)
		g.verifiers[Member] = func() (scram.StoredCredentials, error) {
			return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: "salt", Iters: 4096}, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32)}, nil
		}
		e, err := g.Begin("", seal.Mechanism, binding)
		if err != nil {
			t.Fatal(err)
		}
		defer e.End()
		canceled := make(chan struct{})
		close(canceled)
		for _, message := range []string{first, final, final} {
			answer, level, err := e.Step(base64.StdEncoding.EncodeToString([]byte(message)), canceled)
			if level != None {
				t.Fatalf("%q and %q are a proof", first, final)
			}
			if err != nil {
				if codeOf(t, err) == "" || answer != "" {
					t.Errorf("%q, %v", answer, err)
				}
				return
			}
		}
	})
}
