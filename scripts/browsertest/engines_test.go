//go:build unix

package browsertest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// An engine is a browser with one tab. Its methods fail the test if they do not work.
type engine interface {
	open(url string)
	openSealed(url string)         // goes on after the browser's warning
	eval(expression string) []byte // the value as JSON; a promise is awaited
	press(keys ...string)          // names of [keyCodes], also after "Shift-"
	write(text string)             // at the cursor
	choose(path string)            // a file for #files
}

// engines are the browsers that the page is tested in, by name. Each starts with a new
// profile, for people who prefer light or dark pages. Chromium has many more tests.
var engines = map[string]func(t *testing.T, scheme string) engine{
	"Chromium": startChromium, "Firefox": startFirefox, "WebKit": startWebKit,
}

// The page works in each engine: joining, both ways, uploads, a reload with unsent text, a
// host that is killed and comes back, the keyboard, light and dark, and a sealed room.
func TestEngines(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			tourPage(t, start)
		})
	}
}

func tourPage(t *testing.T, start func(*testing.T, string) engine) {
	h := startHost(t, "--history", filepath.Join(t.TempDir(), "kitchen.chat"), "--files-dir", filepath.Join(t.TempDir(), "files"))
	bob := h.dial("/nick bob")
	bob.waitFor("you are now bob")
	alice := visitor{t, start(t, "light")}

	// Joining, with the keyboard only.
	alice.open(h.url())
	alice.wait(`document.activeElement.id === "name"`)
	alice.write("alice")
	alice.press("Enter")
	alice.connected()
	bob.waitFor("* alice joined")
	alice.wait(`document.getElementById("count").textContent === "2"`)
	alice.wait(`document.activeElement.id === "text"`)

	// Both ways. Text is text, whatever it contains.
	alice.write("soup <b>is</b> ready 🍲")
	alice.press("Shift-Enter")
	alice.write("für alle")
	alice.press("Enter")
	bob.waitFor("<alice> soup <b>is</b> ready 🍲\n")
	bob.waitFor("<alice> für alle\n")
	fmt.Fprintln(bob, "coming, alice & <i>co</i>")
	alice.waitFor("coming, alice & <i>co</i>")
	alice.wait(`document.querySelector(".mention .text").querySelector("i") === null`)
	alice.write("/me waves")
	alice.press("Enter")
	bob.waitFor("* alice waves")
	fmt.Fprintln(bob, "/msg alice psst")
	alice.waitFor("→ you psst")
	fmt.Fprintln(bob, "/topic lunch")
	alice.wait(`document.getElementById("topic").textContent === "lunch"`)

	// Keys: recall, completion, a dialog.
	alice.press("ArrowUp")
	alice.wait(`document.getElementById("text").value === "/me waves"`)
	alice.press("ArrowDown")
	alice.wait(`document.getElementById("text").value === ""`)
	alice.write("bo")
	alice.press("Tab")
	alice.wait(`document.getElementById("text").value === "bob: "`)
	alice.write("hi")
	alice.press("Enter")
	bob.waitFor("<alice> bob: hi\n")
	alice.eval(`document.getElementById("show-invite").focus()`)
	alice.press("Enter")
	alice.wait(`document.getElementById("invite").open && document.getElementById("qr").complete`)
	alice.press("Escape")
	alice.wait(`!document.getElementById("invite").open && document.activeElement.id === "show-invite"`)
	alice.eval(`document.getElementById("text").focus()`)
	alice.press("Shift-Tab")
	alice.wait(`document.activeElement.id !== "text"`)
	alice.wait(`getComputedStyle(document.activeElement).outlineStyle !== "none"`)

	// Marks and code: drawn, copied, and put between fences when pasted, which undo takes back.
	fmt.Fprintln(bob, "**soon** `x` ```")
	alice.waitFor("soon x ```")
	alice.wait(`document.querySelector("#rows strong").textContent === "soon" && document.querySelector("#rows code").textContent === "x"`)
	alice.eval(`(() => {
		const data = new DataTransfer();
		data.setData("text/plain", "if (a) {\n  b();\n}");
		document.getElementById("text").focus();
		document.getElementById("text").dispatchEvent(Object.assign(new Event("paste", { bubbles: true, cancelable: true }), { clipboardData: data }));
	})()`)
	alice.wait(`document.getElementById("text").value === "` + "```" + `\nif (a) {\n  b();\n}\n` + "```" + `\n"`)
	alice.eval(`document.execCommand("undo")`)
	alice.wait(`document.getElementById("text").value === "if (a) {\n  b();\n}"`)
	alice.eval(`document.execCommand("redo")`)
	alice.press("Enter")
	alice.wait(`document.querySelector("#rows pre code")?.textContent === "if (a) {\n  b();\n}"`)

	for _, how := range []string{`1`, `Object.defineProperty(navigator, "clipboard", { value: undefined })`} { // without: over plain HTTP
		alice.eval(how + ` && document.querySelector(".copy").focus()`)
		alice.press("Enter")
		alice.wait(`document.querySelector(".copy").ariaLabel === "Copied"`)
		alice.wait(`document.querySelector(".copy").ariaLabel === "Copy this code"`)
	}
	alice.eval(`document.getElementById("text").focus()`)

	// Uploads: a picture is shown, another file is linked to.
	soup := noise(300_000)
	alice.wait(`!document.getElementById("attach").hidden`)
	for name, content := range map[string][]byte{"soup.bin": soup, "soup.png": picture(t)} {
		alice.choose(tempFile(t, name, content))
		alice.wait(`document.querySelectorAll("#tray li").length === 1`)
		alice.eval(`document.getElementById("text").focus()`)
		alice.press("Enter")
		bob.waitFor("/" + name)
		alice.wait(`[...document.querySelectorAll(".file a")].some((a) => a.textContent === %q)`, name)
	}
	alice.wait(`document.querySelector(".file img").naturalWidth === 320`)
	alice.wait(`(async () => {
		const link = [...document.querySelectorAll(".file a")].find((a) => a.textContent === "soup.bin");
		return (await (await fetch(link.href)).arrayBuffer()).byteLength === %d;
	})()`, len(soup))

	// The picture opens large, and Escape gives the focus back.
	alice.eval(`document.querySelector(".file button").focus()`)
	alice.press("Enter")
	alice.wait(`document.getElementById("viewer").open && document.getElementById("large").naturalWidth === 320`)
	alice.press("Escape")
	alice.wait(`!document.getElementById("viewer").open && document.activeElement.matches(".file button")`)

	// The text that is being written outlives a reload.
	alice.eval(`document.getElementById("text").focus()`)
	alice.write("half a sentence")
	alice.open("about:blank")
	alice.open(h.url())
	alice.connected()
	alice.wait(`document.getElementById("text").value === "half a sentence"`)
	alice.eval(`(() => { const text = document.getElementById("text"); text.value = ""; text.dispatchEvent(new Event("input")); })()`)

	// The host dies. A message that is not sent yet survives a reload of the page; when the
	// host is back it arrives once, under the same nick.
	h.kill()
	alice.wait(`document.getElementById("connection").textContent !== "Connected"`)
	alice.eval(`document.getElementById("text").focus()`)
	alice.write("not sent yet")
	alice.press("Enter")
	alice.wait(`document.querySelectorAll(".outgoing").length === 1`)
	alice.open("about:blank")
	h.start()
	carol := h.dial("/nick carol")
	carol.waitFor("you are now carol")
	alice.open(h.url())
	alice.connected()
	carol.waitFor("<alice> not sent yet\n")
	alice.wait(`document.querySelectorAll(".outgoing").length === 0`)
	alice.wait(`document.getElementById("rename").textContent === "alice"`)

	// The host dies again and comes back under the open page.
	h.kill()
	alice.wait(`document.getElementById("connection").textContent !== "Connected"`)
	h.start()
	alice.connected()
	dave := h.dial("/nick dave")
	dave.waitFor("you are now dave")
	fmt.Fprintln(dave, "welcome back")
	alice.waitFor("welcome back")
	for _, text := range []string{"not sent yet", "für alle", "welcome back"} {
		if n := strings.Count(alice.log(), text); n != 1 {
			t.Errorf("the page shows %q %d times:\n%s", text, n, alice.log())
		}
	}
	if n := strings.Count(carol.received(), "not sent yet"); n != 1 {
		t.Errorf("it arrived %d times:\n%s", n, carol.received())
	}

	// Colors follow the system: text is readable on both.
	dark := visitor{t, start(t, "dark")}
	dark.open(h.url())
	dark.wait(`document.activeElement.id === "name"`)
	dark.write("erin")
	dark.press("Enter")
	dark.connected()
	if light, dark := alice.lightness(), dark.lightness(); light["page"] < 200 || light["text"] > 100 || dark["page"] > 60 || dark["text"] < 150 {
		t.Errorf("lightness of page and text: %v if light, %v if dark", light, dark)
	}
	tourSealed(t, dark)
}

// A visitor uses the page in an engine.
type visitor struct {
	t *testing.T
	engine
}

// wait waits until an expression is true on the page.
func (v visitor) wait(expression string, args ...any) {
	v.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	for deadline := time.Now().Add(patience); string(v.eval("Promise.resolve("+expression+").then(Boolean, () => false)")) != "true"; time.Sleep(pollEach) {
		if time.Now().After(deadline) {
			v.t.Fatalf("waited %v for %s\n%s", patience, expression, v.text("document.body"))
		}
	}
}

func (v visitor) waitFor(text string) {
	v.t.Helper()
	v.wait(`document.getElementById("log").innerText.includes(%q)`, text)
}

func (v visitor) connected() {
	v.t.Helper()
	v.wait(`document.getElementById("connection")?.textContent === "Connected" && document.getElementById("rename").textContent !== ""`)
}

func (v visitor) log() string { return v.text(`document.getElementById("log")`) }

// text returns the text of an element as it is shown.
func (v visitor) text(element string) (text string) {
	v.t.Helper()
	if err := json.Unmarshal(v.eval(element+".innerText"), &text); err != nil {
		v.t.Fatal(err)
	}
	return text
}

// lightness returns the lightness of the page's background and text, from 0 to 255.
func (v visitor) lightness() (of map[string]float64) {
	v.t.Helper()
	err := json.Unmarshal(v.eval(`(() => {
		const painter = document.createElement("canvas").getContext("2d");
		const lightness = (color) => {
			painter.fillStyle = color;
			painter.fillRect(0, 0, 1, 1);
			const [r, g, b] = painter.getImageData(0, 0, 1, 1).data;
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		const page = [document.body, document.documentElement].map((e) => getComputedStyle(e).backgroundColor);
		return {
			page: lightness(page.find((color) => color !== "rgba(0, 0, 0, 0)") ?? "white"),
			text: lightness(getComputedStyle(document.getElementById("text")).color),
		};
	})()`), &of)
	if err != nil {
		v.t.Fatal(err)
	}
	return of
}

// --- Chromium --------------------------------------------------------------------------

// A chromiumEngine is a tab of the Chromium that the other tests use.
type chromiumEngine struct{ *tab }

func startChromium(t *testing.T, scheme string) engine {
	p := newProfile(t, 1280, 800)
	p.scheme(scheme)
	return chromiumEngine{p}
}

func (c chromiumEngine) eval(expression string) []byte {
	c.t.Helper()
	return []byte(eval[string](c.tab, "Promise.resolve(%s).then((v) => JSON.stringify(v) ?? 'null')", expression))
}

func (c chromiumEngine) choose(path string) {
	c.t.Helper()
	c.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{path}, chromedp.NodeReady))
}

// --- keys of WebDriver -------------------------------------------------------------------

// keyCodes are the keys that are not text (https://www.w3.org/TR/webdriver2/#keyboard-actions).
var keyCodes = map[string]string{
	"Shift": "\ue008", "Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c", "ArrowUp": "\ue013", "ArrowDown": "\ue015",
}

// typing returns the actions of a keyboard that types text.
func typing(text string) []any {
	var keys []any
	for _, r := range text {
		keys = append(keys, keyAction("keyDown", string(r)), keyAction("keyUp", string(r)))
	}
	return keyboard(keys)
}

// pressing returns the actions of a keyboard whose keys are pressed one after the other.
func pressing(names []string) []any {
	var keys []any
	for _, name := range names {
		name, shifted := strings.CutPrefix(name, "Shift-")
		down, up := []any{keyAction("keyDown", keyCodes[name])}, []any{keyAction("keyUp", keyCodes[name])}
		if shifted {
			down, up = append([]any{keyAction("keyDown", keyCodes["Shift"])}, down...), append(up, keyAction("keyUp", keyCodes["Shift"]))
		}
		keys = append(append(keys, down...), up...)
	}
	return keyboard(keys)
}

func keyAction(kind, value string) any { return map[string]string{"type": kind, "value": value} }

func keyboard(actions []any) []any {
	return []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}
}

// browserEnv returns the environment of a browser with its own home.
func browserEnv(home string, more ...string) []string {
	return append(append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "LC_ALL=C.UTF-8"), more...)
}
