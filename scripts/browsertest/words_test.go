//go:build unix

package browsertest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The page finds the same mentions and links as the screen.
func TestMentionsAndLinks(t *testing.T) {
	table, err := os.ReadFile("../../relay/screen/testdata/words.json")
	if err != nil {
		t.Fatal(err)
	}
	h := startHost(t)
	p := newProfile(t, 800, 600)
	p.open(h.url())
	if wrong := eval[string](p, `(async () => {
		const { mentions, linksIn } = await import("/page/words.js");
		const table = %s;
		const said = table.mentions.filter(({ text, nick, mentioned }) => mentions(text, nick) !== mentioned).map(({ text, nick }) => text + " | " + nick);
		const links = table.links.flatMap(({ text, links }) => {
			const got = linksIn(text).map(([from, to]) => text.slice(from, to));
			return JSON.stringify(got) === JSON.stringify(links) ? [] : [text + " has " + got.join(" ")];
		});
		const { wordsAtEnd } = await import("/page/words.js");
		if (wordsAtEnd("请问bo").join() !== "请问bo,问bo,bo" || wordsAtEnd("hello").join() !== "hello") said.push("words at the end");
		return [...said, ...links].join("\n");
	})()`, table); wrong != "" {
		t.Error(wrong)
	}
}

// A row that cannot be made is shown as plain text, and the others of its batch as they are.
func TestRowThatThrows(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	alice.run(`const { normalize } = String.prototype;
		String.prototype.normalize = function () {
			if (this.includes("boom")) throw new Error("this browser has no such feature");
			return normalize.call(this);
		}`)
	fmt.Fprint(bob, `{"type":"say","text":"one"}`+"\n"+`{"type":"say","text":"boom https://a.b/"}`+"\n"+`{"type":"say","text":"alice: three"}`+"\n")
	alice.waitFor("three")
	if rows := eval[string](alice, `[...document.querySelectorAll(".message .text")].map((el) => el.textContent).join()`); rows != "one,boom https://a.b/,alice: three" {
		t.Errorf("shown are %s", rows)
	}
	alice.wait(`document.querySelectorAll(".mention").length === 1`)
}

// Safari before 16.4 has no lookbehind, and rejects a script or a RegExp with one.
func TestNoLookbehind(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "*.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`\(\?<[=!].*`).Find(b); found != nil {
			t.Errorf("%s has %s", name, found)
		}
	}
}
