// Package syntax finds keywords, strings and the like in code, for the screen to color.
//
// The rules of each language are those of github.com/alecthomas/chroma, in folder lexers. Its
// package of all languages is not imported: it would read 270 files each time the program
// starts. Here a file is read when code in its language is first shown.
//
// Code comes from other members and is hostile. A rule is a regular expression that
// backtracks, and some take exponential time on the right input. So a block has at most
// [MaxBytes], and [Tokens] gives up after a deadline. No match can be interrupted, but each one
// ends soon after the deadline, so Tokens returns within as many deadlines as a language has rules
// in one state: some 5 s at worst. The caller runs it in the background, and pauses after it.
package syntax

import (
	"embed"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/chroma/v2"
	"github.com/dlclark/regexp2/v2"
)

const (
	// MaxBytes is the longest code that is tokenized.
	MaxBytes = 16 << 10

	// deadline is how long a block may take. A screenful takes some 5 ms.
	deadline = 100 * time.Millisecond

	// clockPeriod is how much longer a single match may take.
	clockPeriod = 10 * time.Millisecond
)

// A Class is a kind of token.
type Class uint8

const (
	Keyword  Class = iota + 1
	Literal        // a string
	Number         // also a deleted line of a diff
	Function       // also a type, a key or a heading
	Comment
)

// A Token is code[From:To], if it is of a class. Other text has none.
type Token struct {
	From, To int32
	Class    Class
}

var (
	errTooSlow      = errors.New("the code takes too long")
	errNotTheSource = errors.New("the tokens are not the code")
)

// Knows reports whether there are rules for a language, by the name that a fence has.
func Knows(language string) bool { return fileOf(language) != "" }

// Tokens returns the tokens of code, in order. It is an error if they cannot be found in time, or
// at all. Only one call works at a time; others wait for it.
func Tokens(code, language string) (tokens []Token, err error) {
	file := fileOf(language)
	if file == "" {
		return nil, fmt.Errorf("no rules for %q", language)
	}
	if len(code) > MaxBytes {
		return nil, fmt.Errorf("%d bytes of code are more than %d", len(code), MaxBytes)
	}
	return theLexers().tokens(code, file)
}

// lexers are the rules of all languages.
type lexers struct {
	deadline time.Duration // of a block; fixed
	mu       sync.Mutex
	registry *chroma.LexerRegistry // guarded by mu
	late     time.Time             // when to give up; guarded by mu
}

// theLexers returns the only lexers there are: compiled rules are large.
var theLexers = sync.OnceValue(func() *lexers { return newLexers(deadline) })

// setClock is called before the first match: the clock that it sets runs from then on, until a
// second after the last match.
var setClock = sync.OnceFunc(func() { regexp2.SetTimeoutCheckPeriod(clockPeriod) })

func newLexers(deadline time.Duration) *lexers {
	setClock()
	l := &lexers{deadline: deadline, registry: chroma.NewLexerRegistry()}
	for _, names := range languages {
		file, _, _ := strings.Cut(names, " ")
		l.registry.Register(l.lexer(file))
	}
	return l
}

// tokens is [Tokens] for code in the language of a file.
func (l *lexers) tokens(code, file string) (tokens []Token, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { // chroma panics if a rule fails
		switch r := recover().(type) {
		case nil:
		case error:
			tokens, err = nil, fmt.Errorf("rules of %s: %w", file, r)
		default:
			tokens, err = nil, fmt.Errorf("rules of %s: %v", file, r)
		}
	}()
	lexer := l.registry.Get(file)
	l.late = time.Now().Add(time.Minute)
	next, err := lexer.Tokenise(&chroma.TokeniseOptions{State: "root"}, code+"\n") // compiles the rules
	if err != nil {
		return nil, err
	}
	l.late = time.Now().Add(l.deadline)
	at := 0
	for t := next(); t != chroma.EOF; t = next() {
		if l.isLate() {
			return nil, errTooSlow
		}
		if !strings.HasPrefix(code[at:]+"\n", t.Value) {
			return nil, errNotTheSource
		}
		from := at
		at = min(at+len(t.Value), len(code))
		tokens = appendToken(tokens, from, at, classOf(t.Type))
	}
	if at < len(code) {
		return nil, errNotTheSource
	}
	return tokens, nil
}

func (l *lexers) isLate() bool { return time.Now().After(l.late) }

// appendToken appends a token, or makes the last one longer.
func appendToken(tokens []Token, from, to int, class Class) []Token {
	if class == 0 || from == to {
		return tokens
	}
	if n := len(tokens) - 1; n >= 0 && int(tokens[n].To) == from && tokens[n].Class == class {
		tokens[n].To = int32(to)
		return tokens
	}
	return append(tokens, Token{int32(from), int32(to), class})
}

// classOf returns the class of a chroma token; 0: none.
func classOf(t chroma.TokenType) Class {
	switch t {
	case chroma.CommentPreproc, chroma.CommentPreprocFile, chroma.OperatorWord, chroma.NameBuiltinPseudo:
		return Keyword
	case chroma.NameFunction, chroma.NameFunctionMagic, chroma.NameClass, chroma.NameBuiltin, chroma.NameTag, chroma.NameAttribute,
		chroma.NameDecorator, chroma.NameException, chroma.GenericHeading, chroma.GenericSubheading:
		return Function
	case chroma.GenericInserted:
		return Literal
	case chroma.GenericDeleted:
		return Number
	}
	switch {
	case t.InCategory(chroma.Keyword):
		return Keyword
	case t.InCategory(chroma.Comment):
		return Comment
	case t.InSubCategory(chroma.LiteralNumber):
		return Number
	case t.InCategory(chroma.Literal):
		return Literal
	}
	return 0
}

//go:embed lexers/*.xml
var files embed.FS

// A ruleFile is a file of folder lexers.
type ruleFile struct {
	Config chroma.Config `xml:"config"`
	Rules  chroma.Rules  `xml:"rules"`
}

func readRules(file string) (*ruleFile, error) {
	b, err := files.ReadFile("lexers/" + file + ".xml")
	if err != nil {
		return nil, err
	}
	f := new(ruleFile)
	if err := xml.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return f, nil
}

// lexer returns the lexer of a file, which it reads when code is first tokenized.
func (l *lexers) lexer(file string) *chroma.RegexLexer {
	config := &chroma.Config{Name: file}
	return chroma.MustNewLexer(config, func() chroma.Rules {
		f, err := readRules(file)
		if err != nil {
			panic(err) // tokens reports it
		}
		config.CaseInsensitive, config.DotAll, config.NotMultiline, config.EnsureNL =
			f.Config.CaseInsensitive, f.Config.DotAll, f.Config.NotMultiline, f.Config.EnsureNL
		return l.bounded(f.Rules)
	})
}

// bounded returns rules with bounds on their time.
func (l *lexers) bounded(rules chroma.Rules) chroma.Rules {
	for _, list := range rules {
		for i := range list {
			if _, ok := list[i].Mutator.(chroma.LexerMutator); !ok {
				list[i].Mutator = &guard{l, list[i].Mutator}
			}
		}
	}
	rules["root"] = append(rules["root"], chroma.Rule{Mutator: timeLimit{l.deadline}})
	return rules
}

// A guard is called when a rule has matched, and ends a lexer that is late. Some rules match
// nothing and could go round in circles, without a token.
type guard struct {
	lexers *lexers
	inner  chroma.Mutator // the rule's own; nil: none
}

func (g *guard) Mutate(state *chroma.LexerState) error {
	if g.lexers.isLate() {
		return errTooSlow
	}
	if g.inner == nil {
		return nil
	}
	return g.inner.Mutate(state)
}

// A timeLimit limits the time of each match of a lexer, when it is compiled.
type timeLimit struct{ most time.Duration }

func (timeLimit) Mutate(*chroma.LexerState) error { return nil }

func (t timeLimit) MutateLexer(rules chroma.CompiledRules, _ string, _ int) error {
	for state, list := range rules {
		var others []*chroma.CompiledRule
		for _, rule := range list {
			if rule.Mutator != t {
				rule.Regexp.MatchTimeout = t.most
				others = append(others, rule)
			}
		}
		rules[state] = others
	}
	return nil
}
