//go:build unix

package browsertest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "put the README's pictures of the page into this folder")

// The page looks as the README shows it, at least as far as a program can see.
func TestPictures(t *testing.T) {
	folder := *pictures
	if folder == "" {
		folder = t.TempDir()
	}
	h := startHost(t)
	alice, phone := h.person("alice", 1100, 620), h.person("dave", 390, 720)
	bob, carol := h.program("bob"), h.program("carol")
	say := func(p *peer, what string, args ...any) { fmt.Fprintf(p, what+"\n", args...) }
	say(carol, `{"type":"topic","text":"lunch at half past twelve"}`)
	say(bob, `{"type":"say","text":"soup is ready, see https://example.org/menu"}`)
	alice.waitFor("soup is ready")
	say(carol, `{"type":"me","text":"runs"}`)
	alice.waitFor("runs")
	say(bob, `{"type":"say","text":"dave, alice: is there bread?\nThere was some in the box beside the oven."}`)
	alice.waitFor("is there bread")
	say(carol, `{"type":"msg","to":"dave","text":"save me some"}`)
	phone.waitFor("save me some")
	alice.choose(file(t, "soup of the day.png", picture(t)))
	alice.write("this one, and there is more of it")
	alice.press("Enter")
	for _, p := range []*tab{alice, phone} {
		p.wait(`document.querySelector(".file img")?.naturalWidth`)
	}
	say(bob, `{"type":"say","text":"日本語 👩‍💻 of course"}`)
	alice.waitFor("of course")
	phone.waitFor("of course")
	alice.shoot(filepath.Join(folder, "page.png"), 1100, 620, "light")
	phone.shoot(filepath.Join(folder, "phone.png"), 390, 720, "dark")
}

// shoot takes a picture of the page.
func (p *tab) shoot(path string, width, height int64, scheme string) {
	p.t.Helper()
	p.scheme(scheme)
	metrics := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 2, Mobile: width < 700}
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, metrics); err != nil {
		p.t.Fatal(err)
	}
	p.run(`document.activeElement.blur(); await new Promise(requestAnimationFrame)`)
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if len(png) < 20_000 { // bytes: an empty one is smaller
		p.t.Errorf("the picture of %dx%d has %d bytes", width, height, len(png))
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
