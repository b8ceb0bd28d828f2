//go:build unix

package browsertest_test

import (
	"fmt"
	"testing"
)

// Nothing scrolls the page itself: a pixel too many would be a dead scroll bar.
func TestPageDoesNotScroll(t *testing.T) {
	h := startHost(t, "--room", "The village hall committee of Lower Soup")
	for _, size := range [][2]int64{{1280, 800}, {360, 640}} {
		p := newProfile(t, size[0], size[1])
		check := func(where string) {
			t.Helper()
			if got := eval[string](p, `[document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth].join()`); got != "0,0" {
				t.Errorf("%d px wide, %s: the page is too large by %s px", size[0], where, got)
			}
		}
		p.open(h.url())
		p.wait(`document.getElementById("arrival") && !document.getElementById("arrival").hidden`)
		check("before joining")
		p.run(`document.getElementById("name").value = "alice%d"; document.querySelector("#join button").click()`, size[0])
		p.connected()
		check("in the room")
		p.run(`document.getElementById("announcer").textContent = "one\ntwo\nthree\nfour\n".repeat(50)`)
		check("with an announcement")
		if cut := eval[int](p, `document.querySelector("header h1").scrollWidth - document.querySelector("header h1").clientWidth`); cut > 0 {
			t.Errorf("%d px wide: the title is cut by %d px", size[0], cut)
		}
	}
}

// Rows are copied as lines with their time and nick.
func TestCopiedRows(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.program("bob")
	fmt.Fprintln(bob, `{"type":"say","text":"soup is ready"}`)
	fmt.Fprintln(bob, `{"type":"say","text":"come\nand eat"}`)
	fmt.Fprintln(bob, `{"type":"me","text":"waves"}`)
	alice.waitFor("waves")
	copied := func(from, to string) string {
		t.Helper()
		return eval[string](alice, `(() => {
			const find = (text) => { // where text starts in the transcript
				const walk = document.createTreeWalker(document.getElementById("rows"), NodeFilter.SHOW_TEXT);
				while (walk.nextNode()) {
					const at = walk.currentNode.data.indexOf(text);
					if (at >= 0) return [walk.currentNode, at];
				}
			};
			const [from, to] = [find(%q), find(%q)];
			getSelection().setBaseAndExtent(from[0], from[1], to[0], to[1] + %d);
			const data = new DataTransfer();
			document.getElementById("log").dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
			return data.getData("text/plain").replace(/\d\d:\d\d/g, "10:02");
		})()`, from, to, len(to))
	}
	if got, want := copied("soup is", "waves"), "soup is ready\n10:02 <bob> come\nand eat\n10:02 * bob waves"; got != want {
		t.Errorf("copied %q, want %q", got, want)
	}
	if got, want := copied("ready", "come"), "ready\n10:02 <bob> come"; got != want {
		t.Errorf("copied %q, want %q", got, want)
	}
	if got := copied("soup", "ready"); got != "" { // the browser's own copy is right
		t.Errorf("within a row: %q", got)
	}
}

// Text with columns is in a font whose characters have one width.
func TestColumns(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.program("bob")
	for n, test := range []struct {
		text      string
		isColumns bool
	}{
		{`func main() {\n\treturn\n}`, true},
		{`name   size\nsoup   12`, true},
		{`a\tb\nc\td`, true},
		{`  indented\nlines`, true},
		{`two lines\nof prose`, false},
		{`one line   with   blanks`, false},
		{`a list:\n- soup\n- bread`, false},
	} {
		fmt.Fprintf(bob, `{"type":"say","text":"%s #%d."}`+"\n", test.text, n)
		alice.waitFor(fmt.Sprintf("#%d.", n))
		if got := eval[bool](alice, `getComputedStyle([...document.querySelectorAll(".message .text")].at(-1)).fontFamily.includes("monospace")`); got != test.isColumns {
			t.Errorf("%s: in a font of one width: %v", test.text, got)
		}
	}
}

// A picture opens large, with a link to save it. A damaged one is not said to be gone.
func TestPictureViewer(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "soup.png", picture(t)))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	alice.wait(`document.querySelector(".file img")?.naturalWidth === 320`)
	alice.run(`document.querySelector(".file button").focus()`)
	alice.press("Enter")
	alice.wait(`document.getElementById("viewer").open && document.getElementById("large").naturalWidth === 320`)
	alice.wait(`document.getElementById("save").download === "soup.png" && document.getElementById("save").href.endsWith("/soup.png")`)
	alice.fits()
	alice.press("Escape")
	alice.wait(`!document.getElementById("viewer").open && document.activeElement.matches(".file button")`)

	damaged := picture(t)
	damaged[17] ^= 0xff // the width, which has a checksum
	alice.choose(tempFile(t, "damaged.png", damaged))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	alice.waitFor("The browser cannot show the picture.")
	alice.wait(`/^The browser cannot show the picture\.damaged\.png/.test([...document.querySelectorAll(".file")].at(-1).textContent)`)
}
