//go:build unix

package browsertest_test

import (
	"os"
	"testing"
)

// The page takes the same texts for commands as the host and the screen.
func TestTypedTexts(t *testing.T) {
	cases, err := os.ReadFile("../../relay/wire/testdata/typed.json")
	if err != nil {
		t.Fatal(err)
	}
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	alice.wait(`performance.getEntriesByName(location.origin + "/commands").length > 0`)
	if wrong := eval[string](alice, `(async () => {
		const { parse } = await import("/page/composer.js");
		const cases = %s;
		return cases.flatMap(({ text, message = "", command = "", args = "", unknown = false }) => {
			const got = parse(text);
			const same = got.message === message && got.name === command && got.args === args && Boolean(got.unknown) === unknown;
			return same ? [] : [text + " is " + JSON.stringify(got)];
		}).join("\n");
	})()`, cases); wrong != "" {
		t.Error(wrong)
	}
	// What was rejected is edited as it would be typed.
	if wrong := eval[string](alice, `(async () => {
		const { parse, typedOf } = await import("/page/composer.js");
		const texts = ["hello", "/", "//", "/who", "//who", "/etc/hosts", "// TODO", "/quit\nnow", "/me\nnow", "//msg bob\nnow", "/copy"];
		return texts.filter((text) => parse(typedOf({ type: "say", text })).message !== text).join();
	})()`); wrong != "" {
		t.Errorf("edited as something else: %s", wrong)
	}
}

// Text that begins with a slash is not lost, and runs nothing.
func TestTextThatLooksLikeACommand(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.program("bob")
	alice.wait(`performance.getEntriesByName(location.origin + "/commands").length > 0`)
	alice.run(`document.getElementById("text").focus()`)
	alice.write("/etc")
	alice.wait(`document.getElementById("hint").textContent === ""`)
	alice.write("/hosts looks wrong")
	alice.wait(`document.getElementById("hint").textContent === "unknown command /etc/hosts; put // in front to send it"`)
	alice.press("Enter")
	alice.waitFor("unknown command /etc/hosts; put // in front to send it")
	alice.wait(`document.getElementById("text").value === "/etc/hosts looks wrong"`)
	alice.write("/")
	alice.press("Enter")
	bob.waitFor(`"text":"/etc/hosts looks wrong"`)
	alice.wait(`document.getElementById("text").value === ""`)
	alice.send("// TODO: fix")
	bob.waitFor(`"text":"// TODO: fix"`)
	alice.send("/quit now\nand the rest")
	bob.waitFor(`"text":"/quit now\nand the rest"`)
	alice.send("/nosuch")
	alice.waitFor("unknown command /nosuch")
	alice.send("still here") // in place of the mistyped name
	bob.waitFor(`"text":"still here"`)
}
