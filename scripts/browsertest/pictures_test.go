//go:build unix

package browsertest_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
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
	dave, phone := h.member("dave", 1100, 640), h.member("heidi", 390, 760)
	people := make(map[string]*peer)
	for _, nick := range []string{"alice", "bob", "carol", "frank", "grace"} {
		people[nick] = h.program(nick)
	}
	send := func(nick, line string) {
		t.Helper()
		drawn := eval[int](dave, `document.querySelectorAll("#rows .row").length`)
		fmt.Fprintln(people[nick], line)
		dave.wait(`document.querySelectorAll("#rows .row").length > %d`, drawn)
	}
	send("carol", `{"type":"topic","text":"Lunch at 12:30, deploy freeze on Friday"}`)
	send("bob", `{"type":"say","text":"staging is green again, _the flaky one was TestResume_"}`)
	send("grace", `{"type":"say","text":"I can take the **release notes** if you say what `+"`--burst`"+` does"}`)
	send("frank", `{"type":"say","text":"日本語 👩‍💻 of course"}`)
	send("bob", `{"type":"say","text":"a lock held over the ack, this is how it reads now:\n`+"```go"+`\nfunc (r *Room) Say(who *Client, text string) error {\n\tif who == nil {\n\t\treturn errors.New(\"no sender\")\n\t}\n\treturn r.log.Append(who, text) // once, in order\n}\n`+"```"+`"}`)
	send("alice", `{"type":"say","text":"dave, heidi: can you look at https://ci.example.org/job/1423 before we ship?"}`)
	send("carol", `{"type":"msg","to":"dave","text":"the key for the box is under the plant"}`)
	fmt.Fprintln(people["carol"], `{"type":"msg","to":"heidi","text":"bring some bread, please"}`)
	phone.waitFor("bring some bread")
	phone.choose(tempFile(t, "soup of the day.png", soupPicture(t)))
	phone.write("soup is ready, plenty for all 🍲")
	phone.press("Enter")
	for _, p := range []*tab{dave, phone} {
		p.wait(`document.querySelector(".file img")?.naturalWidth`)
	}
	dave.send("in. give me five minutes")
	phone.waitFor("give me five minutes")
	dave.shoot(filepath.Join(folder, "page.png"), 1100, 640, "light")
	phone.shoot(filepath.Join(folder, "phone.png"), 390, 760, "dark")
	for _, selector := range []string{".fence .t-k", ".mention .me", ".private:not(.own) .to", ".file img.loaded"} {
		if !eval[bool](dave, `[...document.querySelectorAll(%q)].some((el) => el.getBoundingClientRect().bottom > document.getElementById("log").getBoundingClientRect().top)`, selector) {
			t.Errorf("the picture shows no %s", selector)
		}
	}
}

// The card of a large picture is as wide as the picture in it, on any screen.
func TestPictureCard(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 1280, 800)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "soup.png", soupPicture(t)))
	alice.press("Enter")
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	alice.wait(`document.querySelector(".file img.loaded")`)
	for width, want := range map[int64]int{1280: 320, 390: 320, 320: 288} {
		alice.resize(width, 700)
		alice.fits()
		got := eval[[]int](alice, `[document.querySelector(".file img").offsetWidth, document.querySelector(".file").clientWidth]`)
		if got[0] != want || got[1] != want {
			t.Errorf("%d px wide: picture and card are %d px wide, want %d", width, got, want)
		}
	}
}

// A short piece of code in a line is not split at its hyphens.
func TestCodeIsNotSplit(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 390, 700), h.program("bob")
	for n := range 12 {
		fmt.Fprintf(bob, `{"type":"say","text":"%s `+"`--burst`"+` does"}`+"\n", strings.Repeat("iii ", n*2))
	}
	fmt.Fprintf(bob, `{"type":"say","text":"`+"`%s`"+` last"}`+"\n", strings.Repeat("--burst", 30))
	alice.waitFor("last")
	alice.fits()
	if split := eval[int](alice, `[...document.querySelectorAll("#rows .text > code")].filter((el) => el.textContent.length < 10 && el.getClientRects().length > 1).length`); split > 0 {
		t.Errorf("%d are split", split)
	}
}

// soupPicture returns a PNG of a bowl of soup, in few colors so that the README's pictures stay small.
func soupPicture(t *testing.T) []byte {
	img := image.NewPaletted(image.Rect(0, 0, 640, 300), color.Palette{
		color.RGBA{0x7d, 0xa0, 0x80, 255}, color.RGBA{0xf3, 0xe4, 0xc8, 255}, color.RGBA{0xc6, 0x53, 0x3c, 255}, color.RGBA{0xff, 0xd0, 0x83, 255},
	})
	for i, disc := range []struct{ x, y, radius int }{{320, 150, 142}, {396, 186, 90}, {192, 102, 70}} {
		for y := range 300 {
			for x := range 640 {
				if dx, dy := x-disc.x, y-disc.y; dx*dx+dy*dy < disc.radius*disc.radius {
					img.SetColorIndex(x, y, uint8(i+1))
				}
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
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
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if len(shot) < 20_000 { // bytes; an empty page has fewer
		p.t.Errorf("the screenshot of %dx%d has %d bytes", width, height, len(shot))
	}
	if err := os.WriteFile(path, shot, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
