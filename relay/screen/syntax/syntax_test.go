package syntax

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/chroma/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// regexp2's clock ends a second after the last match.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// patient are the rules of all languages with time for a busy machine.
var patient = sync.OnceValue(func() *lexers { return newLexers(time.Minute) })

// wordsOf returns the tokens of code, each with the first letter of its class.
func wordsOf(t *testing.T, code, language string) string {
	t.Helper()
	tokens, err := patient().tokens(code, fileOf(language))
	if err != nil {
		t.Errorf("%s: %v", language, err)
	}
	var words []string
	for _, token := range tokens {
		words = append(words, fmt.Sprintf("%c:%s", " klnfc"[token.Class], code[token.From:token.To]))
	}
	return strings.Join(words, " ")
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ language, code, want string }{
		{"go", "func f(n int) string {\n\treturn \"a\" // b\n}", `k:func f:f k:int k:string k:return l:"a" c:// b`},
		{"golang", "//go:build linux\nvar s = `a {{b}}` + 'c'", "c://go:build linux k:var l:`a {{b}}` l:'c'"},
		{"Python", "def f(x):\n    return x + 1  # one\n", `k:def f:f k:return n:1 c:# one`},
		{"rust", "fn main() { let x = 1u8; println!(\"hi\"); }", `k:fn f:main k:let n:1 k:u8 f:println! l:"hi"`},
		{"sh", "for f in *.go; do echo \"$f\"; done # all", `k:for k:do f:echo l:" l:" k:done c:# all`},
		{"json", `{"a": [1, true, "b"]}`, `f:"a" n:1 k:true l:"b"`},
		{"diff", "--- a\n+++ b\n-old\n+new\n same", "n:--- a\n l:+++ b\n n:-old\n l:+new\n"},
		{"c", "#include <stdio.h>\nint x = 0x1f;", "k:#include k:<stdio.h>\nint n:0x1f"},
		{"yaml", "a: 1\nb: \"c\"", `f:a n:1 f:b l:"c"`},
		{"docker", "FROM a\nRUN echo 1", "k:FROM l:a k:RUN f:echo n:1"},
		{"html", "<p class=\"a\">b</p>", `f:p f:class l:"a" f:p`},
		{"go", "", ""},
		{"go", "\n\n", ""},
	} {
		if got := wordsOf(t, c.code, c.language); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.language, got, c.want)
		}
	}
}

func TestKnows(t *testing.T) {
	for _, language := range []string{"go", "Go", "c++", "py", "tsx", "zig"} {
		if !Knows(language) {
			t.Errorf("does not know %s", language)
		}
	}
	for _, language := range []string{"", "text", "brainfuck", "go c"} {
		if Knows(language) {
			t.Errorf("knows %q", language)
		}
		if _, err := Tokens("x", language); err == nil {
			t.Errorf("found tokens of %q", language)
		}
	}
	if _, err := Tokens(strings.Repeat("x", MaxBytes+1), "go"); err == nil {
		t.Error("tokenized more than the limit")
	}
}

// Each language's rules compile, and its tokens are the code, whatever that is.
func TestEveryLanguage(t *testing.T) {
	seen := make(map[string]bool)
	for _, names := range languages {
		for name := range strings.FieldsSeq(names) {
			if seen[name] {
				t.Errorf("%s is in the table twice", name)
			}
			seen[name] = true
		}
		language, _, _ := strings.Cut(names, " ")
		for _, code := range []string{"x = 1\n", "// a\r\n\"é\" + 'b'\t`c`", "\u2028\ufffd", "{{{(((\"'`", ""} {
			if _, err := patient().tokens(code, language); err != nil {
				t.Errorf("%s, %q: %v", language, code, err)
			}
		}
	}
}

// Code that takes too long is given up, by Tokens itself.
func TestHostileCode(t *testing.T) {
	for language, rule := range map[string]chroma.Rule{
		"a match that takes exponential time": {Pattern: `(a|a)*b`, Type: chroma.Keyword},
		"a rule that goes in circles":         {Pattern: ``},
		"a rule that piles up states":         {Pattern: ``, Mutator: chroma.Push("root")},
	} {
		l := newLexers(time.Millisecond)
		lexer := chroma.MustNewLexer(&chroma.Config{Name: "hostile"}, func() chroma.Rules {
			return l.bounded(chroma.Rules{"root": {rule, {Pattern: `.`, Type: chroma.Text}}})
		})
		l.registry.Register(lexer)
		tokens, err := l.tokens(strings.Repeat("a", MaxBytes), "hostile")
		if !errors.Is(err, errTooSlow) || tokens != nil {
			t.Errorf("%s: %v, want %v", language, err, errTooSlow)
		}
	}
}

// Rules that do not keep the code are of no use.
func TestTokensAreTheCode(t *testing.T) {
	l := newLexers(time.Minute)
	l.registry.Register(chroma.MustNewLexer(&chroma.Config{Name: "lossy"}, func() chroma.Rules {
		return l.bounded(chroma.Rules{"root": {{Pattern: `(a)(b)`, Type: chroma.ByGroups(chroma.Keyword, nil)}, {Pattern: `.|\n`, Type: chroma.Text}}})
	}))
	if tokens, err := l.tokens("xxabxx", "lossy"); !errors.Is(err, errNotTheSource) {
		t.Error(tokens, err)
	}
}

// FuzzTokens checks that tokens are in order and within the code, whatever that is.
func FuzzTokens(f *testing.F) {
	f.Add("func f() {}", "go")
	f.Add("\"\\", "json")
	f.Add("<a><script>x</script>", "html")
	f.Add("${${`$(", "sh")
	f.Fuzz(func(t *testing.T, code, language string) {
		tokens, err := Tokens(code, language)
		if err != nil && tokens != nil {
			t.Error("tokens and an error")
		}
		at := int32(0)
		for _, token := range tokens {
			if token.From < at || token.To <= token.From || int(token.To) > len(code) || token.Class < Keyword || token.Class > Comment {
				t.Fatalf("%+v after %d in %d bytes", token, at, len(code))
			}
			at = token.To
		}
	})
}
