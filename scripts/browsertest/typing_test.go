//go:build unix

package browsertest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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
	const code = "func f() {\n\treturn\n}"
	empty := func() {
		alice.run(`const text = document.getElementById("text"); text.focus(); text.value = ""; text.dispatchEvent(new Event("input"))`)
	}
	for _, test := range []struct{ before, pasted, want string }{
		{"", code, "```\n" + code + "\n```\n"},
		{"see: ", code + "\n", "see: \n```\n" + code + "\n```\n"},
		{"see:\n", strings.ReplaceAll(code, "\n", "\r\n"), "see:\n```\n" + code + "\n```\n"},
		{"", "a\n```\n  b\n  c", "````\na\n```\n  b\n  c\n````\n"},
		{"", "{\n}", "{\n}"}, // two lines
		{"", "one,\ntwo,\nthree.\nfour.\nfive.", "one,\ntwo,\nthree.\nfour.\nfive."}, // fewer than half
		{"```go\n", code, "```go\n" + code},                                          // already in a block
	} {
		empty()
		alice.write(test.before)
		alice.paste(test.pasted)
		alice.wait(field+" === %q", test.want)
	}
	empty()
	alice.paste(code)
	alice.wait(field+" === %q", "```\n"+code+"\n```\n")
	alice.run(`document.execCommand("undo")`)
	alice.wait(field+" === %q", code)
	alice.run(`document.execCommand("undo")`)
	alice.wait(field + ` === ""`)
	alice.run(`document.execCommand("redo"); document.execCommand("redo")`)
	alice.wait(field+" === %q", "```\n"+code+"\n```\n")
	alice.write("what is this?")
	alice.press("Enter")
	bob.waitFor("return\\n}\\n```\\nwhat is this?")
	alice.wait(`document.querySelector("#rows pre code")?.textContent === %q`, code)
}

// Names of emoji become emoji when the message is sent, but not in code, in links or within words. Tab completes them.
func TestEmoji(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	for typed, want := range map[string]string{
		"done :tada:":                      "done 🎉",
		":+1: :tada: (:wave:)":             "👍 🎉 (👋)",
		"`:tada:` :nosuch: :TADA:":         "`:tada:` :nosuch: :TADA:",
		"std::x::y 10:100:20 a:x:b":        "std::x::y 10:100:20 a:x:b",
		"```\n:tada:\n```\n:tada:":         "```\n:tada:\n```\n🎉",
		"https://a.b/:tada:/c **:tada:**":  "https://a.b/:tada:/c **🎉**",
		"/me waves :wave:":                 "waves 👋",
		"//me :wave:":                      "/me 👋",
		"_:tada:_ : tada: :tada:. :tada:!": "_🎉_ : tada: 🎉. 🎉!",
	} {
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
	alice, bob := newProfile(t, 800, 600), h.program("bob")
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
	bob = h.program("bob")
	bob.waitFor(`"next.bin"`)
	alice.wait(`document.querySelectorAll("#tray li").length === 0`)
	if strings.Contains(bob.received(), "large.bin") {
		t.Error("a cancelled upload arrived")
	}
}
