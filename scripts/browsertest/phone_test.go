//go:build unix

package browsertest_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// On a small phone the line below the field stays low when the connection is lost, and a file to send has its name beside its
// button.
func TestLostOnPhone(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 360, 640)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "a long name of a file that does not fit on the screen of a small phone.tar.gz", noise(100)))
	h.kill()
	alice.wait(`document.getElementById("state").className === "lost"`)
	alice.send("are you there?")
	alice.wait(`document.getElementById("connection").textContent.includes("1 message pending") && document.querySelector("#tray .dim").textContent.startsWith("Paused")`)
	alice.fits()
	if wrong := eval[string](alice, `(() => {
		const box = (selector) => document.querySelector(selector).getBoundingClientRect();
		const wrong = [];
		if (box("#state").height > 46) wrong.push("the line is " + box("#state").height + " px high");
		if (box("#reconnect").left < box("#connection").right) wrong.push("Reconnect is below the words");
		if (box("#tray .close").top > box("#tray bdi").bottom || box("#tray .close").left < box("#tray bdi").right) wrong.push("the button is not beside the name");
		if (box("#tray li").bottom > box("#tray").bottom + 1) wrong.push("a file is cut");
		return wrong.join("\n");
	})()`); wrong != "" {
		t.Error(wrong)
	}
}

// With the system's colors it can be seen whether the page is connected.
func TestForcedColorsState(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	forced := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}}
	if _, err := chromedp.Call(alice.ctx, emulation.SetEmulatedMedia, forced); err != nil {
		t.Fatal(err)
	}
	const filled = `!getComputedStyle(document.getElementById("connection"), "::before").backgroundColor.startsWith("rgba(")` // else transparent
	alice.wait(filled)
	h.kill()
	alice.wait(`document.getElementById("state").className === "lost"`)
	if eval[bool](alice, filled) {
		t.Error("the dot looks as if the page were connected")
	}
}
