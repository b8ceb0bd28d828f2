//go:build unix

package browsertest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"chat/relay/screen/syntax"
)

const field = `document.getElementById("text").value`

// reload reloads the page and waits until it is connected again.
func (p *tab) reload() {
	p.t.Helper()
	p.do(chromedp.Reload())
	p.connected()
}

// Each room and each tab has its own draft. A draft of a tab that was closed goes to the next one.
func TestDraftsOfTabs(t *testing.T) {
	h := startHost(t)
	first := h.member("alice", 800, 600)
	second := newTab(t, first.ctx, 800, 600)
	second.open(h.url())
	second.connected()
	first.run(`document.getElementById("text").focus()`)
	first.write("in the first tab")
	second.run(`document.getElementById("text").focus()`)
	second.write("in the second")
	first.write(", still")
	for p, want := range map[*tab]string{first: "in the first tab, still", second: "in the second"} {
		p.reload()
		p.wait(field+" === %q", want)
	}
	first.press("Enter")
	first.waitFor("in the first tab, still")
	first.reload()
	first.wait(field + ` === ""`)
	second.open("about:blank") // as if it was closed
	second.run(`0`)
	third := newTab(t, first.ctx, 800, 600)
	third.open(h.url())
	third.connected()
	third.wait(field + ` === "in the second"`)
	first.reload()
	first.wait(field + ` === ""`)
}

// The draft for one room is not shown in another, and is there again when the page is back in the first. There are never more than
// twenty.
func TestDraftsOfRooms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kitchen.chat")
	h := startHost(t, "--history", file)
	alice := h.member("alice", 800, 600)
	alice.run(`for (let n = 0; n < 30; n++) localStorage.setItem("draft.room" + n + ".token", JSON.stringify({ text: "old " + n, to: "", at: n }));
		localStorage.setItem("draft.bad.token", "{");
		document.getElementById("text").focus()`)
	alice.write("for the kitchen")
	alice.wait(`Object.keys(localStorage).filter((name) => name.startsWith("draft.")).length === 20`)
	alice.wait(`localStorage.getItem("draft.room29.token") && !localStorage.getItem("draft.room3.token") && !localStorage.getItem("draft.bad.token")`)
	h.kill()
	h.flags = []string{"--room", "garden", "--history", filepath.Join(t.TempDir(), "garden.chat")}
	h.start()
	alice.reload()
	alice.wait(`document.title.includes("garden") && ` + field + ` === ""`)
	alice.run(`document.getElementById("text").focus()`)
	alice.write("for the garden")
	h.kill()
	h.flags = []string{"--history", file}
	h.start()
	alice.reload()
	alice.wait(`document.title.includes("kitchen") && ` + field + ` === "for the kitchen"`)
	alice.run(`for (const store of [localStorage, sessionStorage]) for (const name of Object.keys(store)) if (name.startsWith("draft.")) store.setItem(name, "null")`)
	alice.reload()
	alice.wait(field + ` === ""`)
}

// The text that is being written stays when the host restarts with a new, empty room.
func TestDraftFollowsTheHost(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.run(`document.getElementById("text").focus()`)
	alice.write("half a sentence")
	h.kill()
	alice.wait(`document.getElementById("connection").textContent !== "Connected"`)
	h.start()
	alice.waitFor("The host restarted with an empty room.")
	alice.wait(field + ` === "half a sentence"`)
	alice.reload()
	alice.wait(field + ` === "half a sentence"`)
	alice.wait(`Object.keys(localStorage).filter((name) => name.startsWith("draft.")).length === 1`)
}

// paste pastes text at the cursor.
func (p *tab) paste(text string) {
	p.t.Helper()
	p.run(`const data = new DataTransfer();
		data.setData("text/plain", %q);
		const paste = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
		if (document.getElementById("text").dispatchEvent(paste)) document.execCommand("insertText", false, data.getData("text/plain"))`, text)
}

// Code that is pasted is put between fences. Undo takes them back, and then the text.
func TestPastedCode(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	const code = "func f() {\n\tx := 1\n}"
	empty := func() {
		alice.run(`const text = document.getElementById("text"); text.focus(); text.value = ""; text.dispatchEvent(new Event("input"))`)
	}
	for _, test := range []struct{ before, pasted, want string }{
		{"", code, "```go\n" + code + "\n```\n"},
		{"see: ", code + "\n", "see: \n```go\n" + code + "\n```\n"},
		{"see:\n", strings.ReplaceAll(code, "\n", "\r\n"), "see:\n```go\n" + code + "\n```\n"},
		{"/msg bob ", code, "/msg bob \n```go\n" + code + "\n```\n"},
		{"", "x = 1;\ny = 2;\n\nz = 3", "```\nx = 1;\ny = 2;\n\nz = 3\n```\n"},
		{"", "a {\n\n\n}", "a {\n\n\n}"}, // two rows
		{"", "Dear all,\nsoup is ready\nbye", "Dear all,\nsoup is ready\nbye"},
		{"", "```\n" + code + "\n```", "```\n" + code + "\n```"},
		{"```\n", code, "```\n" + code},
		{"a\n```go", code, "a\n```go" + code},
		{"```\na\n```\n", code, "```\na\n```\n```go\n" + code + "\n```\n"},
		{"", strings.Repeat("\tx;\n", 99) + "}", strings.Repeat("\tx;\n", 99) + "}"}, // no message takes more lines
	} {
		empty()
		alice.write(test.before)
		alice.paste(test.pasted)
		alice.wait(field+" === %q", test.want)
	}
	empty()
	alice.paste(code)
	alice.wait(field+" === %q", "```go\n"+code+"\n```\n")
	alice.run(`document.execCommand("undo")`)
	alice.wait(field+" === %q", code)
	alice.run(`document.execCommand("undo")`)
	alice.wait(field + ` === ""`)
	alice.run(`document.execCommand("redo"); document.execCommand("redo")`)
	alice.wait(field+" === %q", "```go\n"+code+"\n```\n")
	alice.write("what is this?")
	alice.press("Enter")
	bob.waitFor("x := 1\\n}\\n```\\nwhat is this?")
	alice.wait(`document.querySelector("#rows pre code")?.textContent === %q`, code)
}

// Names of emoji become emoji when the message is sent, but not in code, in links or within words. Tab completes them.
func TestEmoji(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	table, err := os.ReadFile("../../relay/screen/testdata/emoji.json")
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]string
	if err := json.Unmarshal(table, &messages); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"/me waves :wave:":          "waves 👋",
		"/msg bob :tada: :100:":     "🎉 💯",
		"//me :wave:":               "/me 👋",
		strings.Repeat(":v:", 5000): strings.Repeat(":v:", 5000), // they would be too long
	}
	maps.Copy(cases, messages)
	for typed, want := range cases {
		alice.send(typed)
		bob.waitFor(strings.ReplaceAll(fmt.Sprintf("%q", want), `\\`, `\`))
	}
	alice.write("so :th")
	for _, next := range []string{"👍", "👎", "🙏"} {
		alice.press("Tab")
		alice.wait(field+` === "so %s"`, next)
	}
	alice.run(`document.getElementById("text").value = ""; document.getElementById("text").dispatchEvent(new Event("input"))`)
	alice.send("/topic :tada: lunch")
	bob.waitFor(`:tada: lunch`)
}

// The button above the text field counts what is below, and how much of it mentions the member.
func TestNewMessagesBelow(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 400), h.program("bob")
	for n := range 40 {
		fmt.Fprintf(bob, `{"type":"say","text":"line %d."}`+"\n", n)
	}
	alice.waitFor("line 39.")
	alice.run(`document.getElementById("log").scrollTop = 0`)
	alice.wait(`document.getElementById("below").textContent === "↓ Newest"`)
	fmt.Fprintln(bob, `{"type":"say","text":"one"}`)
	alice.wait(`document.getElementById("below").textContent === "↓ 1 new"`)
	fmt.Fprintln(bob, `{"type":"say","text":"two, alice"}`)
	alice.wait(`document.getElementById("below").textContent === "↓ 2 new · 1 mentions you"`)
	fmt.Fprintln(bob, `{"type":"msg","to":"alice","text":"three"}`)
	alice.wait(`document.getElementById("below").textContent === "↓ 3 new · 2 mention you"`)
	alice.click("#below")
	alice.wait(`document.getElementById("below").hidden && document.activeElement.id === "text"`)
	alice.run(`document.getElementById("log").scrollTop = 0`)
	alice.wait(`document.getElementById("below").textContent === "↓ Newest"`)
}

// An upload shows how far it is, pauses while the connection is lost, and can be cancelled.
func TestUploadProgress(t *testing.T) {
	h := startHost(t, "--files-dir", t.TempDir())
	p := startProxy(t, h.addr)
	alice := newProfile(t, 800, 600)
	alice.join("http://"+p.addr+"/", "alice")
	alice.wait(`!document.getElementById("attach").hidden`)
	p.cutAfter.Store(12 << 20)
	alice.choose(tempFile(t, "large.bin", noise(40<<20)), tempFile(t, "next.bin", noise(100)))
	alice.wait(`[...document.querySelectorAll("progress")].every((bar) => bar.hidden)`)
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	await(t, "the upload to be cut", func() bool { return p.cuts.Load() > 0 })
	h.kill()
	const li = `document.querySelector("#tray li")`
	alice.wait(li + `.querySelector(".dim").textContent === "Paused until the page is connected" && ` + li + `.classList.contains("paused")`)
	alice.wait(li + `.querySelector("progress").value > 0 && ` + li + `.querySelector("progress").value < 1`)
	alice.wait(li + `.querySelector("progress").ariaLabel === "Upload of large.bin"`)
	alice.click("#tray li .close")
	h.start()
	bob := h.program("bob")
	bob.waitFor(`"next.bin"`)
	alice.wait(`document.querySelectorAll("#tray li").length === 0`)
	if strings.Contains(bob.received(), "large.bin") {
		t.Error("a cancelled upload arrived")
	}
}

// The language of pasted code is guessed as on the screen.
func TestGuessedLanguage(t *testing.T) {
	p := scripts(t)
	for _, code := range []string{
		"func f() error {\n\tif err := g(); err != nil {\n\t\treturn err\n\t}\n\treturn nil\n}",
		"def f(self, x):\n    return self.y + x\n",
		"fn main() {\n    let mut v = Vec::new();\n    v.push(1);\n}",
		"#include <stdio.h>\n\nint main(void) {\n\tprintf(\"hi\");\n}",
		"const f = async () => {\n  await g();\n};",
		"public class A extends B {\n  private int x;\n}",
		"for f in *.go; do\n  echo \"$(wc -l $f)\"\ndone",
		"#!/usr/bin/env python3\nx = 1\n",
		"#!/bin/sh\nls",
		"#!/opt/klingon\nls",
		"{\n  \"a\": [1, 2]\n}",
		"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b",
		"SELECT a\nFROM b\nWHERE c;",
		"<div>\n  <p>x</p>\n</div>",
		"    1 apple\n    2 pears\n",
		"Dear all,\n\nthe import of soup is over,\nwith best regards",
		"",
	} {
		if got := eval[string](p, `import("/page/guess.js").then(({ guess }) => guess(%q))`, code); got != syntax.Guess(code) {
			t.Errorf("%q: %q, the screen has %q", code, got, syntax.Guess(code))
		}
	}
}
