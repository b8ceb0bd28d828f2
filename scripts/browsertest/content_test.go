//go:build unix

package browsertest_test

import (
	"fmt"
	"strings"
	"testing"
)

// Marks and blocks of code become elements, and what is in them stays text.
func TestMarksInMessages(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"see:\n`+"```"+`go\nfunc f() { return \"<b>x</b>\" } // https://a.b/\n`+"```"+`\n**bold** _it_ `+"`<i>c</i>`"+` https://a.b/_c_d alice"}`)
	alice.waitFor("bold")
	const text = `document.querySelector(".message .text")`
	alice.wait(text + `.querySelector("strong").textContent === "bold" && ` + text + `.querySelector("em").textContent === "it"`)
	alice.wait(text + `.querySelector(":scope > code").textContent === "<i>c</i>" && !` + text + `.querySelector("i")`)
	alice.wait(text + `.querySelectorAll("a").length === 1 && ` + text + `.querySelector("a").href === "https://a.b/_c_d"`)
	alice.wait(text + `.querySelector("a").rel === "noopener noreferrer"`)
	alice.wait(text + `.querySelector(".me").textContent === "alice"`)
	code := eval[string](alice, text+`.querySelector("pre code").textContent`)
	if want := `func f() { return "<b>x</b>" } // https://a.b/`; code != want {
		t.Errorf("the code is %q, want %q", code, want)
	}
	classes := eval[string](alice, `[...`+text+`.querySelectorAll("pre span")].map((el) => el.className + ":" + el.textContent).join("|")`)
	if want := `t-k:func|t-f:f|t-k:return|t-s:"<b>x</b>"|t-c:// https://a.b/`; classes != want {
		t.Errorf("the colors are %q, want %q", classes, want)
	}
	// A pending message looks the same, and a notice has no marks.
	alice.send("/help")
	alice.waitFor("/ignore [NICK]")
	h.kill()
	alice.wait(`document.getElementById("connection").textContent !== "Connected"`)
	alice.send("**soon**")
	alice.wait(`document.querySelector(".outgoing strong")?.textContent === "soon"`)
	alice.wait(`!document.querySelector(".notice strong, .notice em, .notice pre, .notice .text code")`)
}

// A block of code does not widen the page: it scrolls by itself, also with the keyboard.
func TestWideCode(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 360, 640), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"`+"```"+`\n`+strings.Repeat("wide ", 100)+`\n`+"```"+`"}`)
	alice.waitFor("wide wide")
	if wide := eval[string](alice, `[document.documentElement.scrollWidth > innerWidth, document.querySelector("#log").scrollWidth > document.querySelector("#log").clientWidth].join()`); wide != "false,false" {
		t.Errorf("the page, the log are too wide: %s", wide)
	}
	alice.wait(`document.querySelector("pre").scrollWidth > document.querySelector("pre").clientWidth && document.querySelector("pre").tabIndex === 0`)
	if rows := eval[float64](alice, `document.querySelector("pre").getBoundingClientRect().height`); rows > 80 {
		t.Errorf("the line is wrapped: the block is %v px high", rows)
	}
}

// The button of a block copies exactly its code, with navigator.clipboard and without: pages that came over plain HTTP
// from another computer have none.
func TestCopyCode(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"`+"```"+`go\nif a {\n\tb()\n}\n`+"```"+`"}`)
	alice.waitFor("b()")
	for _, how := range []string{`1`, `Object.defineProperty(navigator, "clipboard", { value: undefined })`} {
		alice.run(`window.copied = "";
			const { clipboard } = navigator;
			if (clipboard) clipboard.writeText = async (text) => (window.copied = text);
			const set = DataTransfer.prototype.setData;
			DataTransfer.prototype.setData = function (type, text) { window.copied = text; set.call(this, type, text); };
			%s; document.querySelector(".copy").click()`, how)
		alice.wait(`window.copied === "if a {\n\tb()\n}"`)
		alice.wait(`document.querySelector(".copy").ariaLabel === "Copied"`)
		alice.wait(`getSelection().isCollapsed`)
		alice.wait(`document.querySelector(".copy").ariaLabel === "Copy this code"`)
	}
}

// Copied rows have the lines of blocks of code, without the page's own words in them.
func TestCopiedCode(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"one\n`+"```"+`go\na\nb\n`+"```"+`\ntwo"}`)
	fmt.Fprintln(bob, `{"type":"say","text":"three"}`)
	alice.waitFor("three")
	got := eval[string](alice, `(() => {
		getSelection().selectAllChildren(document.getElementById("rows"));
		const copy = new ClipboardEvent("copy", { clipboardData: new DataTransfer(), cancelable: true, bubbles: true });
		document.querySelector(".message").dispatchEvent(copy);
		return copy.clipboardData.getData("text/plain");
	})()`)
	if !strings.Contains(got, "<bob> one\na\nb\ntwo\n") || !strings.Contains(got, "three") {
		t.Errorf("copied is %q", got)
	}
}

// The viewer goes to the other pictures with the arrow keys and its buttons, and gives the focus back.
func TestViewerGoesToOtherPictures(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.wait(`!document.getElementById("attach").hidden`)
	for n := range 3 {
		alice.choose(tempFile(t, fmt.Sprintf("%d.png", n), picture(t)))
		alice.run(`document.getElementById("text").focus()`)
		alice.press("Enter")
		alice.wait(`document.querySelectorAll(".file img.loaded").length === %d`, n+1)
	}
	shows := func(name, of string) {
		t.Helper()
		alice.wait(`document.getElementById("large").src.endsWith("/%s") && document.getElementById("large").naturalWidth === 320`, name)
		alice.wait(`document.getElementById("picture").textContent === %q && document.getElementById("save").download === %q`, name+" ("+of+")", name)
	}
	alice.run(`[...document.querySelectorAll(".file button")].find((b) => b.title === "Show 1.png").focus()`)
	alice.press("Enter")
	shows("1.png", "2 of 3")
	alice.press("ArrowRight")
	shows("2.png", "3 of 3")
	alice.press("ArrowRight") // there is none
	shows("2.png", "3 of 3")
	alice.wait(`document.getElementById("later").ariaDisabled === "true" && document.getElementById("earlier").ariaDisabled === "false"`)
	alice.click("#earlier")
	alice.click("#earlier")
	shows("0.png", "1 of 3")
	alice.fits()
	alice.press("Escape")
	alice.wait(`!document.getElementById("viewer").open && document.activeElement.title === "Show 0.png"`)
	alice.run(`document.activeElement.click()`)
	shows("0.png", "1 of 3")
	alice.run(`document.getElementById("viewer").click()`) // outside
	alice.wait(`!document.getElementById("viewer").open`)
}

// A picture is fetched when its row comes near the visible part. Its size, which is known only then, does not move the rows that
// are visible.
func TestPicturesLoadWhenNear(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "soup.png", picture(t)))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	alice.wait(`document.querySelector(".file img.loaded")`)
	for n := range 300 {
		fmt.Fprintf(bob, `{"type":"say","text":"line %d."}`+"\n", n)
	}
	alice.waitFor("line 299.")
	carol := h.member("carol", 800, 600)
	carol.waitFor("line 299.")
	carol.run(`const log = document.getElementById("log");
		while (!document.querySelector(".file img")) { log.scrollTop = 0; await new Promise((r) => setTimeout(r, 5)); log.scrollTop = log.scrollHeight; await new Promise((r) => setTimeout(r, 5)); }`)
	if eval[bool](carol, `document.querySelector(".file img").complete && document.querySelector(".file img").naturalWidth > 0 && document.querySelector(".file img").getBoundingClientRect().bottom < -4000`) {
		t.Error("a picture far above is loaded")
	}
	moved := eval[float64](carol, `(async () => {
		const row = [...document.querySelectorAll(".message")].find((el) => el.textContent.includes("line 3."));
		row.scrollIntoView();
		await new Promise(requestAnimationFrame);
		const before = row.getBoundingClientRect().top;
		while (!document.querySelector(".file img.loaded")) await new Promise((r) => setTimeout(r, 5));
		await new Promise(requestAnimationFrame);
		return row.getBoundingClientRect().top - before;
	})()`)
	if moved < -1 || moved > 1 {
		t.Errorf("the visible rows moved by %v px", moved)
	}
}
