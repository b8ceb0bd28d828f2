//go:build unix

package browsertest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The form says why a nick is not valid, and proposes another.
func TestInvalidNick(t *testing.T) {
	h := startHost(t)
	bob := h.program("bob")
	alice := newProfile(t, 800, 600)
	alice.open(h.url())
	alice.wait(`document.getElementById("arrival") && !document.getElementById("arrival").hidden`)
	for _, step := range [][3]string{
		{"Anna Maria", "A nick has no spaces", "Anna-Maria"},
		{"🦊", "A nick has letters, digits and plain signs only.", "🦊"},
		{"a-name-of-more-than-two-dozen-letters", "at most 24 columns", "a-name-of-more-than-two"},
		{"a@b", "How about this one?", "a-b"},
	} {
		alice.run(`document.getElementById("name").select()`)
		alice.write(step[0])
		alice.press("Enter")
		alice.wait(`document.getElementById("refusal").textContent.includes(%q) && document.getElementById("name").value === %q`, step[1], step[2])
	}
	alice.press("Enter")
	alice.connected()
	alice.wait(`document.getElementById("rename").textContent === "a-b"`)
	bob.waitFor(`"a-b"`)
	if strings.Contains(bob.received(), "guest-") {
		t.Errorf("the room saw a guest: %s", bob.received())
	}
}

// What the host says about now is shown below the backlog.
func TestNoticesBelowTheBacklog(t *testing.T) {
	h := startHost(t)
	bob := h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"before"}`)
	bob.waitFor(`"before"`)
	alice := newProfile(t, 800, 600)
	alice.open(h.url())
	alice.run(`localStorage.setItem("nick", "not valid")`) // an older page kept it
	alice.do(chromedp.Reload())
	alice.connected()
	alice.waitFor("you are guest-")
	if log := alice.log(); strings.Index(log, "before") > strings.Index(log, "you are guest-") {
		t.Errorf("the error is above the backlog:\n%s", log)
	}
}

// Keys of an input method are not the page's.
func TestInputMethod(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	const press = `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: %q, bubbles: true, cancelable: true, ...%s }))`
	alice.run(`document.getElementById("text").focus()`)
	alice.write("nihao")
	for _, how := range []string{`{ keyCode: 229 }`, `{ isComposing: true }`} { // Safari's, the others'
		alice.run(press, "Enter", how)
		alice.click("#show-search")
		alice.wait(`document.activeElement.id === "words"`)
		alice.run(press, "Escape", how)
		alice.wait(`!document.getElementById("search").hidden`)
		alice.run(press, "Escape", `{}`)
		alice.wait(`document.getElementById("search").hidden && document.activeElement.id === "text"`)
	}
	alice.wait(`document.getElementById("text").value === "nihao"`)
	alice.press("Enter")
	bob.waitFor(`"nihao"`)
	if n := strings.Count(bob.received(), `"nihao"`); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// What is being written outlives a reload, and so does for whom.
func TestDraft(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	alice.send("/msg bob")
	alice.wait(`!document.getElementById("recipient").hidden`)
	alice.write("the secret is\nsoup")
	alice.do(chromedp.Reload())
	alice.connected()
	alice.wait(`document.getElementById("text").value === "the secret is\nsoup" && document.getElementById("to").textContent === "bob"`)
	alice.press("Enter")
	bob.waitFor(`"type":"private"`)
	alice.press("Escape")
	alice.do(chromedp.Reload())
	alice.connected()
	alice.wait(`document.getElementById("text").value === "" && document.getElementById("recipient").hidden`)
}

// The page asks before an upload is lost, and names it afterwards.
func TestLeavingDuringUpload(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.wait(`!document.getElementById("attach").hidden`)
	const asks = `!dispatchEvent(new Event("beforeunload", { cancelable: true }))`
	if eval[bool](alice, asks) {
		t.Error("the page asks without an upload")
	}
	alice.choose(tempFile(t, "soup.txt", []byte("soup")))
	if !eval[bool](alice, asks) {
		t.Error("the page does not ask")
	}
	bob := newTab(t, alice.ctx, 800, 600)
	bob.open(h.url())
	bob.connected()
	if strings.Contains(bob.log(), "soup.txt") {
		t.Error("another tab says that the file was not sent")
	}
	var asked atomic.Bool
	if err := chromedp.Listen(alice.ctx, func(e any) {
		if _, ok := e.(*page.EventJavascriptDialogOpening); ok {
			asked.Store(true)
			go chromedp.Call(alice.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	}); err != nil {
		t.Fatal(err)
	}
	alice.do(chromedp.Reload())
	if !asked.Load() {
		t.Error("the browser did not ask")
	}
	alice.connected()
	alice.waitFor("soup.txt was not sent: the page was left before its upload ended")
	alice.do(chromedp.Reload())
	alice.connected()
	alice.send("again")
	alice.waitFor("again")
	if strings.Contains(alice.log(), "soup.txt") {
		t.Error("the file is named twice")
	}
}

// A file is pasted as a file, even if its name is on the clipboard as text. A folder is named.
func TestPasteAndDrop(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.run(`window.pasted = (text, types = {}) => {
		const data = new DataTransfer();
		data.items.add(new File(["soup"], "so\u0308up.txt", { type: "text/plain" }));
		if (text) data.setData("text/plain", text);
		for (const type in types) data.setData(type, types[type]);
		document.querySelectorAll("#tray .close").forEach((b) => b.click());
		dispatchEvent(Object.assign(new Event("paste", { cancelable: true }), { clipboardData: data }));
		return document.querySelectorAll("#tray li").length === 1;
	}`)
	for _, test := range []struct {
		clipboard string
		isFile    bool
	}{
		{`""`, true},
		{`"s\u00f6up.txt"`, true}, // Finder
		{`"file:///home/anna/s%C3%B6up.txt\n"`, true},
		{`"/home/anna/s\u00f6up.txt\r\n"`, true},
		{`"", { "text/html": "<img>" }`, true},                 // a picture from a page
		{`"a\tb"`, false},                                      // a table, with its picture
		{`"s\u00f6up.txt", { "text/html": "<td>so" }`, false},  // from a document
		{`"s\u00f6up.txt", { "text/rtf": "{\\rtf1}" }`, false}, // likewise
	} {
		if got := eval[bool](alice, "pasted(%s)", test.clipboard); got != test.isFile {
			t.Errorf("%s is pasted as a file: %v", test.clipboard, got)
		}
	}
	alice.run(`document.querySelectorAll("#tray .close").forEach((b) => b.click());
		const file = new File(["x"], "stuff"), folder = { kind: "file", getAsFile: () => file, webkitGetAsEntry: () => ({ isDirectory: true, name: "stuff" }) };
		dispatchEvent(Object.assign(new Event("drop", { cancelable: true }), { dataTransfer: { types: ["Files"], files: [file], items: [folder] } }))`)
	alice.wait(`document.getElementById("flash").textContent === "stuff is a folder. Send its files, or an archive of it."`)
	if n := eval[int](alice, `document.querySelectorAll("#tray li").length`); n != 0 {
		t.Errorf("%d files are in the tray", n)
	}
}

// The last words of /quit reach the room.
func TestQuitWithWords(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 800, 600), h.program("bob")
	alice.send("last words")
	alice.send("/quit to the kitchen")
	bob.waitFor(`"last words"`)
	bob.waitFor(`"text":"to the kitchen"`)
	alice.wait(`document.getElementById("connection").textContent === "You left the room"`)
}

// The search offers older messages only if there are some.
func TestOlderHits(t *testing.T) {
	h := startHost(t, "--history", filepath.Join(t.TempDir(), "kitchen.chat"))
	bob := h.program("bob")
	for n := range 51 {
		fmt.Fprintf(bob, `{"type":"say","text":"soup %d%s"}`+"\n", n, map[bool]string{true: " first"}[n == 0])
	}
	bob.waitFor("soup 50")
	alice := h.member("alice", 800, 600)
	alice.send("/search first")
	alice.wait(`document.getElementById("hits").textContent === "1 of 1" && document.getElementById("more").hidden`)
	alice.send("/search soup")
	alice.wait(`document.getElementById("hits").textContent === "1 of 50+" && !document.getElementById("more").hidden`)
	alice.click("#more")
	alice.wait(`document.getElementById("hits").textContent === "1 of 51" && document.getElementById("more").hidden`)
}
