//go:build unix

package browsertest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"testing"

	"chat/scripts/chattest"
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// axe returns the script of axe-core, which finds accessibility problems
// (https://github.com/dequelabs/axe-core, MPL-2.0).
func axe(t *testing.T) string {
	t.Helper()
	packed, err := os.ReadFile("testdata/axe.min.js.gz")
	if err != nil {
		chattest.Missing(t, "axe-core is not in testdata")
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	script, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// The page passes WCAG 2.2 AA as far as a program can check: contrasts, names and roles.
func TestAxe(t *testing.T) {
	h := startHost(t)
	script := axe(t)
	bob := h.program("bob")
	for n := range 30 { // nicks of every colour
		carol := h.program(fmt.Sprintf("carol%d", n))
		fmt.Fprintf(carol, `{"type":"say","text":"hello alice, see https://example.com/%d"}`+"\n", n)
		carol.waitFor("hello alice")
	}
	fmt.Fprintln(bob, `{"type":"say","text":"**see** _this_ `+"`code`"+`, alice:\n`+"```"+`go\nfunc f() int { return g(\"a\") + 1 } // and so on, for longer than a phone is wide\n`+"```"+`"}`)
	for _, size := range [][2]int64{{1280, 800}, {390, 844}, {360, 640}} {
		alice := newProfile(t, size[0], size[1])
		check := func(what string) {
			t.Helper()
			for _, scheme := range []string{"light", "dark"} {
				alice.scheme(scheme)
				if found := eval[string](alice, violations); found != "" {
					t.Errorf("%dx%d, %s, %s:\n%s", size[0], size[1], scheme, what, found)
				}
			}
		}
		alice.open(h.url())
		alice.wait(`!document.getElementById("arrival").hidden`)
		eval[any](alice, "%s", script+"; 1")
		check("before joining")
		alice.run(`document.getElementById("name").value = "not valid"; document.querySelector("#join button").click()`)
		alice.wait(`document.getElementById("refusal").textContent`)
		check("an invalid nick")
		alice.run(`document.getElementById("name").value = "alice"; document.querySelector("#join button").click()`)
		alice.connected()
		if size[0] < 700 {
			alice.click("#show-menu")
			check("the menu")
			alice.press("Escape")
		}
		fmt.Fprintf(bob, `{"type":"msg","to":%q,"text":"psst `+"`code`"+`"}`+"\n", eval[string](alice, `document.getElementById("rename").textContent`))
		alice.waitFor("psst")
		alice.send("hello")
		alice.send("/nosuch")
		alice.waitFor("unknown command")
		alice.send("/msg nobody hello")
		alice.wait(`document.querySelector(".rejected")`)
		alice.choose(tempFile(t, "picture.png", picture(t)))
		check("in the room")
		alice.run(`document.getElementById("text").focus()`)
		alice.press("Enter")
		alice.wait(`document.querySelector(".file img")?.naturalWidth`)
		check("with a picture")
		alice.click(".file button")
		alice.wait(`document.getElementById("large").naturalWidth`)
		check("the picture viewer")
		alice.press("Escape")
		alice.click(".private button")
		alice.click("#show-members")
		alice.wait(`!document.getElementById("members").hidden || document.querySelector("#show-members").click()`)
		check("members")
		alice.run(`const filter = document.getElementById("filter"); filter.value = "nosuch"; filter.oninput()`)
		check("no such member")
		alice.run(`const filter = document.getElementById("filter"); filter.value = ""; filter.oninput()`)
		alice.send("/search hello")
		alice.wait(`document.querySelector("#found button")`)
		check("search")
		alice.click("#older")
		alice.wait(`document.getElementById("hits").textContent.startsWith("2 of ")`)
		check("the second hit")
		alice.click("#show-invite")
		alice.wait(`document.getElementById("invite").open`)
		check("invite")
	}
}

// violations lists, as text, the problems that axe-core finds by WCAG 2.2 AA and best practice.
const violations = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
	violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 200) + "\n  " + n.failureSummary.replace(/\s+/g, " "))).slice(0, 10).join("\n"))`
