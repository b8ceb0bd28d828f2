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

var pictures = flag.String("pictures", "", "write the README's pictures of the page to this folder")

// The page can be drawn as the README shows it.
func TestPictures(t *testing.T) {
	folder := *pictures
	if folder == "" {
		folder = t.TempDir()
	}
	h := startHost(t)
	alice, phone := h.member("alice", 1100, 620), h.member("dave", 390, 720)
	bob, carol := h.program("bob"), h.program("carol")
	send := func(p *peer, what string, args ...any) { fmt.Fprintf(p, what+"\n", args...) }
	send(carol, `{"type":"topic","text":"lunch at half past twelve"}`)
	send(bob, `{"type":"say","text":"soup is ready, see https://example.org/menu"}`)
	alice.waitFor("soup is ready")
	send(carol, `{"type":"me","text":"runs"}`)
	alice.waitFor("runs")
	send(bob, `{"type":"say","text":"dave, alice: is there bread?\nThere was some in the box beside the oven."}`)
	alice.waitFor("is there bread")
	send(carol, `{"type":"msg","to":"dave","text":"save me some"}`)
	phone.waitFor("save me some")
	alice.choose(tempFile(t, "soup of the day.png", picture(t)))
	alice.write("this one, and there is plenty")
	alice.press("Enter")
	for _, p := range []*tab{alice, phone} {
		p.wait(`document.querySelector(".file img")?.naturalWidth`)
	}
	send(bob, `{"type":"say","text":"日本語 👩‍💻 of course"}`)
	alice.waitFor("of course")
	phone.waitFor("of course")
	alice.shoot(filepath.Join(folder, "page.png"), 1100, 620, "light")
	phone.shoot(filepath.Join(folder, "phone.png"), 390, 720, "dark")
}

// shoot takes a screenshot of the page.
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
	if len(png) < 20_000 { // bytes; an empty page has fewer
		p.t.Errorf("the screenshot of %dx%d has %d bytes", width, height, len(png))
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
