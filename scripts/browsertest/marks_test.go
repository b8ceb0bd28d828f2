//go:build unix

package browsertest_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// scripts opens the page without joining, to try its modules.
func scripts(t *testing.T) *tab {
	t.Helper()
	h := startHost(t)
	p := newProfile(t, 800, 600)
	p.open(h.url())
	p.wait(`document.getElementById("arrival") && !document.getElementById("arrival").hidden`)
	return p
}

// The page finds the same marks and blocks of code as the screen.
func TestMarks(t *testing.T) {
	table, err := os.ReadFile("../../relay/screen/testdata/marks.json")
	if err != nil {
		t.Fatal(err)
	}
	p := scripts(t)
	if wrong := eval[string](p, `(async () => {
		const { partsOf } = await import("/page/marks.js");
		const { linksIn } = await import("/page/words.js");
		const table = %s;
		if (table.length < 50) return "the table has only " + table.length + " rows";
		return table.flatMap(({ text, parts }) => {
			const got = partsOf(text, linksIn(text)).map(({ kind, from, to, language }) => ({ [kind]: text.slice(from, to), ...(language ? { language } : {}) }));
			return JSON.stringify(got) === JSON.stringify(parts) ? [] : [text + "\n  is " + JSON.stringify(got) + "\n  want " + JSON.stringify(parts)];
		}).join("\n");
	})()`, table); wrong != "" {
		t.Error(wrong)
	}
}

// Whatever a message contains, its parts are in order, do not overlap, and leave out nothing but signs, fences and
// the newlines around blocks. The tokens of code joined are the code.
func TestMarksOfAnyText(t *testing.T) {
	p := scripts(t)
	if wrong := eval[string](p, `(async () => {
		const { partsOf } = await import("/page/marks.js");
		const { tokensOf } = await import("/page/highlight.js");
		const { linksIn } = await import("/page/words.js");
		const pieces = ["`+"`"+`", "**", "*", "_", "a", "b c", " ", "\n", "`+"```"+`", "\n`+"```"+`go\n", "(", ")", ".", "\"", "'", "/*", "*/", "//", "#", "--", "\\", "1e5", "0x", "if", "é\u0301", "🎉", "\u200d", "https://a.b/_c_", "${", "}", "r#\""];
		const languages = ["go", "py", "js", "rust", "c", "sh", "json", "diff", "sql", "nosuch", ""];
		let seed = 7;
		const random = (n) => ((seed = Math.imul(seed, 1103515245) + 12345 >>> 0) >>> 8) %% n;
		const isSigns = (left) => /^[`+"`"+`*_\n ]*$/.test(left.replace(/`+"`"+`{3,}[\w+#.-]*/g, ""));
		for (let round = 0; round < 4000; round++) {
			let text = "";
			for (let n = random(20); n >= 0; n--) text += pieces[random(pieces.length)];
			let at = 0;
			for (const { from, to } of partsOf(text, linksIn(text))) {
				if (from < at || to < from) return "overlap: " + JSON.stringify(text);
				if (!isSigns(text.slice(at, from))) return "left out " + JSON.stringify(text.slice(at, from)) + " of " + JSON.stringify(text);
				at = to;
			}
			if (!isSigns(text.slice(at))) return "left out the end of " + JSON.stringify(text);
			for (const language of languages) {
				const tokens = tokensOf(text, language);
				if (tokens.map(([, token]) => token).join("") !== text) return language + ": " + JSON.stringify(text) + " is " + JSON.stringify(tokens);
			}
		}
		return "";
	})()`); wrong != "" {
		t.Error(wrong)
	}
}

// Code is colored by what the page knows of its language.
func TestTokens(t *testing.T) {
	p := scripts(t)
	for _, test := range []struct{ language, code, want string }{
		{"go", "func f(s string) { return `a\nb` + \"c\\\"\" + 'd' } // e", "k:func f:f k:string k:return s:`a\nb` s:\"c\\\"\" s:'d' c:// e"},
		{"Go", "x := 0xff + 1_000.5e-3 /* a\nb */ + go1", "n:0xff n:1_000.5e-3 c:/* a\nb */"},
		{"python", "def f(): # a\n  '''b\nc''' + \"d'\" + e1", "k:def f:f c:# a s:'''b\nc''' s:\"d'\""},
		{"ts", "const a: number = `b ${c}` // d", "k:const k:number s:`b ${c}` c:// d"},
		{"rust", "fn f<'a>(x: &'a str) -> char { 'b' } r#\"c\"d\"#", "k:fn k:str k:char s:'b' s:r#\"c\"d\"#"},
		{"c++", "#include <a.h>\nint main() { return '\\n'; }", "c:#include k:int f:main k:return s:'\\n'"},
		{"sh", "if [ \"$a\" ]; then echo $# ${b}; fi # c", "k:if s:\"$a\" k:then k:echo s:$# s:${b} k:fi c:# c"},
		{"json", `{"a": [1.5, true, null]}`, `s:"a" n:1.5 k:true k:null`},
		{"sql", "select 'it''s' FROM t -- a", "k:select s:'it' s:'s' k:FROM c:-- a"},
		{"diff", "--- a\n+++ b\n@@ -1 +1 @@ f(x)\n-old 1\n+new(2)\n if (3)", "n:--- a s:+++ b c:@@ -1 +1 @@ f(x) n:-old 1 s:+new(2)"},
		{"text", "if x return", ""},
		{"", "if x return", ""},
	} {
		got := eval[string](p, `import("/page/highlight.js").then(({ tokensOf }) => tokensOf(%q, %q).filter(([kind]) => kind).map((pair) => pair.join(":")).join(" "))`, test.code, test.language)
		if got != test.want {
			t.Errorf("%s: %s\n is %q\nwant %q", test.language, test.code, got, test.want)
		}
	}
}

// Texts made to take long do not hold up the page: with a search that starts over at each sign, this would not end in the
// time of a test.
func TestHostileMarks(t *testing.T) {
	p := scripts(t)
	if wrong := eval[string](p, `(async () => {
		const { partsOf } = await import("/page/marks.js");
		const { tokensOf, maxColored } = await import("/page/highlight.js");
		for (const piece of ["**a", "_a ", "`+"`"+`a", "`+"`"+`a`+"`"+` _b ", "(_a", "`+"```"+`\n", "`+"```"+`\na\n"]) {
			const text = piece.repeat((1 << 20) / piece.length);
			if (partsOf(text, []).some(({ to }) => to > text.length)) return piece;
		}
		for (const piece of ["\"", "'", "/*", "\\", "\"\\", "1", "1e", "r#\"", "'''", "\"\"\"", "${", "#", "a(", "b'\\", "--"]) {
			const code = piece.repeat(maxColored / piece.length);
			for (const language of ["go", "py", "js", "rust", "c", "sh", "json", "sql"]) if (tokensOf(code, language).map(([, token]) => token).join("") !== code) return language + " " + piece;
		}
		const long = "if ".repeat(maxColored);
		return tokensOf(long, "go").length === 1 ? "" : "a long block is colored";
	})()`); wrong != "" {
		t.Error(wrong)
	}
}

// The page knows the emoji of the screen, by the same names and in the same order.
func TestEmojiTable(t *testing.T) {
	source, err := os.ReadFile("../../relay/screen/emoji.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range regexp.MustCompile(`\{"([^"]+)", "([^"]+)"\}`).FindAllStringSubmatch(string(source), -1) {
		for _, name := range strings.Fields(row[2]) {
			want = append(want, name+" "+row[1])
		}
	}
	if len(want) < 300 {
		t.Fatalf("%d names found in emoji.go", len(want))
	}
	p := scripts(t)
	got := eval[string](p, `import("/page/emoji.js").then(({ emoji }) => [...emoji].map((pair) => pair.join(" ")).join("\n"))`)
	if got != strings.Join(want, "\n") {
		t.Errorf("the page has\n%s\nthe screen\n%s", got, strings.Join(want, "\n"))
	}
}

// Whatever a message is made of, it becomes few elements, and none of its text is lost. A search for a word that is everywhere
// in them works.
func TestMessagesOfManyMarks(t *testing.T) {
	const maxElements = 2500
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	pieces := []string{"**a** ", "`a` ", "_a_ http://a.b/ ", "http://a.b/ ", "alice a ", "```\na\n```\n", "```js\n", "a "}
	for _, piece := range pieces {
		text := strings.Repeat(piece, 16_000/len(piece))
		switch piece {
		case "```\na\n```\n":
			text = strings.Repeat(piece, 30) + "a"
		case "```js\n":
			text = piece + strings.Repeat("1 ", 7500) + "a"
		}
		fmt.Fprintf(bob, `{"type":"say","text":%q}`+"\n", text)
	}
	fmt.Fprintln(bob, `{"type":"say","text":"a last one"}`)
	alice.waitFor("a last one")
	if lost := eval[string](alice, `(() => {
		const letters = (text) => text.replace(/[^a-z1]/g, "");
		return [...document.querySelectorAll(".message .text")].map((el) => el.querySelectorAll("*").length + " " + letters(el.textContent).length).join("\n");
	})()`); lost != "" {
		for i, row := range strings.Split(lost, "\n") {
			var elements, letters int
			fmt.Sscan(row, &elements, &letters)
			if elements > maxElements || i < 5 && letters < len(strings.Map(onlyLetters, strings.Repeat(pieces[i], 16_000/len(pieces[i])))) || i == 6 && letters < 7500 {
				t.Errorf("%q: %d elements, %d letters", append(pieces, "last")[i], elements, letters)
			}
		}
	}
	alice.send("/search a")
	alice.wait(`document.getElementById("hits").textContent === "1 of 9"`)
	if lit := eval[int](alice, `CSS.highlights.get("hit").size`); lit < 1000 || lit > 5000 {
		t.Errorf("%d words are lit", lit)
	}
}

func onlyLetters(r rune) rune {
	if r >= 'a' && r <= 'z' || r == '1' {
		return r
	}
	return -1
}
