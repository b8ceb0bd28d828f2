package syntax

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/chroma/v2"
	chromalexers "github.com/alecthomas/chroma/v2/lexers"
)

var update = flag.Bool("update", false, "write the rules of all languages from chroma's")

// chromaNames are the languages that chroma calls by another name than we do.
var chromaNames = map[string]string{"systemd": "SYSTEMD", "console": "Bash Session", "csharp": "C#"}

// The files have the rules of the version of chroma in go.mod. "go test -update" writes them.
func TestFilesAreChromas(t *testing.T) {
	var expected []string
	for _, names := range languages {
		file, _, _ := strings.Cut(names, " ")
		expected = append(expected, file+".xml")
		name := file
		if other := chromaNames[file]; other != "" {
			name = other
		}
		theirs, ok := chromalexers.Get(name).(*chroma.RegexLexer)
		if !ok {
			t.Errorf("chroma has no rules for %s that can be copied", name)
			continue
		}
		if *update {
			if err := os.WriteFile(filepath.Join("lexers", file+".xml"), rulesFile(t, theirs), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		ours, err := readRules(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, want := ours.Rules, reread(t, theirs).Rules; !reflect.DeepEqual(got, want) {
			t.Errorf("lexers/%s.xml has other rules than chroma; go test -update writes it", file)
		}
		if got, want := ours.Config, slim(theirs.Config()); !reflect.DeepEqual(got, want) {
			t.Errorf("lexers/%s.xml has another config than chroma: %+v, want %+v", file, got, want)
		}
	}
	entries, err := filepath.Glob("lexers/*.xml")
	if err != nil || len(entries) != len(expected) {
		t.Errorf("%d files in folder lexers, want those of %d languages: %v", len(entries), len(expected), err)
	}
}

// slim returns the part of a config that matters to us.
func slim(c *chroma.Config) chroma.Config {
	return chroma.Config{Name: c.Name, CaseInsensitive: c.CaseInsensitive, DotAll: c.DotAll, NotMultiline: c.NotMultiline, EnsureNL: c.EnsureNL}
}

// reread returns chroma's rules as they are after a file was read: a nil may be an empty list.
func reread(t *testing.T, lexer *chroma.RegexLexer) *ruleFile {
	f := new(ruleFile)
	if err := xml.Unmarshal(rulesFile(t, lexer), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// rulesFile returns the rules of a lexer as a file, with the states in a fixed order.
func rulesFile(t *testing.T, lexer *chroma.RegexLexer) []byte {
	rules, err := lexer.Rules()
	if err != nil {
		t.Fatal(err)
	}
	if lexer.Config().Name == "Go" {
		rules = adaptGo(t, rules)
	}
	var b bytes.Buffer
	b.WriteString("<lexer>\n")
	encode := func(v any, name string) string {
		var out bytes.Buffer
		e := xml.NewEncoder(&out)
		e.Indent("", " ")
		if err := e.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	fmt.Fprintf(&b, "%s\n<rules>\n", encode(slim(lexer.Config()), "config"))
	for _, state := range slices.Sorted(maps.Keys(rules)) {
		one := encode(chroma.Rules{state: rules[state]}, "rules")
		one = strings.TrimSuffix(strings.TrimPrefix(one, "<rules>\n"), "\n</rules>")
		b.WriteString(one + "\n")
	}
	b.WriteString("</rules>\n</lexer>\n")
	return closeEmpty(b.Bytes())
}

// adaptGo returns chroma's rules of Go without what a file cannot have: templates in raw strings.
// "//go:build" is a comment; chroma's class for it is that of "#include".
func adaptGo(t *testing.T, rules chroma.Rules) chroma.Rules {
	rules = rules.Clone()
	adapted := 0
	for i, rule := range rules["root"] {
		switch {
		case rule.Pattern == "(`)([^`]*)(`)":
			rules["root"][i].Type = chroma.LiteralString
			adapted++
		case rule.Type == chroma.CommentPreproc:
			rules["root"][i].Type = chroma.CommentSingle
			adapted++
		}
	}
	if adapted != 2 {
		t.Errorf("adapted %d rules of Go, want 2", adapted)
	}
	return rules
}

// closeEmpty writes elements without content as "<push/>".
func closeEmpty(b []byte) []byte {
	for _, name := range []string{"token", "include", "push", "pop", "usingself", "using", "state", "usingbygroup"} {
		b = bytes.ReplaceAll(b, []byte("></"+name+">"), []byte("/>"))
	}
	return b
}
