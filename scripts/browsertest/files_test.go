//go:build unix

package browsertest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// picture returns a PNG.
func picture(t *testing.T) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 320, 200))
	for y := range 200 {
		for x := range 320 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), 128, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise returns n random bytes, the same ones each time.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// tempFile writes a file for choose and returns its path.
func tempFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (p *tab) choose(paths ...string) {
	p.t.Helper()
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#files"), paths, chromedp.NodeReady))
	p.wait(`document.querySelectorAll("#tray li").length === %d`, len(paths))
}

// got checks that the page links to a file of that name with that content.
func (p *tab) got(url, name string, content []byte) {
	p.t.Helper()
	p.wait(`[...document.querySelectorAll(".file a")].some((a) => a.textContent === %q)`, name)
	link := `[...document.querySelectorAll(".file a")].find((a) => a.textContent === "` + name + `")`
	path := eval[string](p, "%s.pathname", link)
	hash := eval[string](p, `%s.closest("figcaption").title`, link)
	resp, err := http.Get(strings.TrimSuffix(url, "/") + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	sum := sha256.Sum256(content)
	if want := hex.EncodeToString(sum[:]); err != nil || !bytes.Equal(b, content) || hash != "SHA-256 "+want {
		p.t.Errorf("%s: %d bytes of %d came, %v, shown as %q, want %s", name, len(b), len(content), err, hash, want)
	}
}

// A file that is chosen, dropped or pasted arrives intact, and a picture is shown.
func TestFiles(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.member("bob", 390, 844)
	large, small := noise(20<<20), picture(t)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "large.bin", large), tempFile(t, "empty.txt", nil))
	alice.press("Enter")
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	bob.got(h.url(), "large.bin", large)
	bob.got(h.url(), "empty.txt", nil)

	give := `const data = new DataTransfer();
		data.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q, { type: "image/png" }));`
	drop, paste := "soup of the day.png", `<img src=x onerror="window.hit=1">.png`
	alice.run(give+`dispatchEvent(Object.assign(new Event("drop", { cancelable: true }), { dataTransfer: data }))`, encode(small), drop)
	alice.wait(`document.querySelector("#tray img").naturalWidth === 320`)
	alice.press("Enter")
	bob.got(h.url(), drop, small)
	bob.wait(`document.querySelector(".file img").naturalWidth === 320`)
	alice.run(give+`dispatchEvent(Object.assign(new Event("paste", { cancelable: true }), { clipboardData: data }))`, encode(small), paste)
	alice.send("and a message")
	bob.waitFor("and a message")
	bob.wait(`document.querySelectorAll(".file img").length === 2`)
	bob.wait(`[...document.querySelectorAll(".file img")].every((img) => img.naturalWidth === 320)`)
	bob.fits()
	if eval[bool](bob, "Boolean(window.hit)") {
		t.Error("the name of a file ran as a script")
	}
	alice.wait(`document.querySelectorAll("#tray li, .outgoing").length === 0`)
}

// An upload whose connection is cut resumes from the bytes that the host has.
func TestUploadResumes(t *testing.T) {
	h := startHost(t)
	p := startProxy(t, h.addr)
	alice, bob := newProfile(t, 800, 600), h.member("bob", 800, 600)
	alice.join("http://"+p.addr+"/", "alice")
	content := noise(40 << 20)
	p.cutAfter.Store(12 << 20)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(tempFile(t, "large.bin", content))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	bob.got(h.url(), "large.bin", content)
	if p.cuts.Load() == 0 {
		t.Error("the connection was not cut")
	}
	if up := p.up.Load(); up > int64(len(content))*3/2 {
		t.Errorf("%d bytes were sent for a file of %d: it started over", up, len(content))
	}
	alice.connected()
}

// A file that has changed or is gone since it was chosen does not wait for the host: the page says so, and
// the files after it are sent.
func TestChangedFiles(t *testing.T) {
	h := startHost(t)
	alice, bob := h.member("alice", 1280, 800), h.member("bob", 390, 844)
	changed, gone, next := tempFile(t, "changed.txt", noise(1000)), tempFile(t, "gone.txt", noise(1000)), noise(3000)
	alice.wait(`!document.getElementById("attach").hidden`)
	alice.choose(changed, gone, tempFile(t, "next.txt", next))
	if err := errors.Join(os.WriteFile(changed, noise(2000), 0o600), os.Remove(gone)); err != nil {
		t.Fatal(err)
	}
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	bob.got(h.url(), "next.txt", next)
	alice.wait(`[...document.querySelectorAll("#tray li")].map((li) => li.textContent).join() ===
		"changed.txtNot sent: the file changed or cannot be read✕,gone.txtNot sent: the file changed or cannot be read✕"`)
	if n := eval[int](bob, `document.querySelectorAll(".file").length`); n != 1 {
		t.Errorf("bob sees %d files, want 1", n)
	}
}

// An upload resumes after the host was killed and started again, if its files are kept.
func TestUploadSurvivesHost(t *testing.T) {
	h := startHost(t, "--files-dir", t.TempDir())
	p := startProxy(t, h.addr)
	alice := newProfile(t, 800, 600)
	alice.join("http://"+p.addr+"/", "alice")
	content := noise(40 << 20)
	alice.wait(`!document.getElementById("attach").hidden`)
	p.cutAfter.Store(12 << 20)
	alice.choose(tempFile(t, "large.bin", content))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	await(t, "the upload to be cut", func() bool { return p.cuts.Load() > 0 })
	h.kill()
	h.start()
	alice.got(h.url(), "large.bin", content)
	if up := p.up.Load(); up > int64(len(content))*3/2 {
		t.Errorf("%d bytes were sent for a file of %d: it started over", up, len(content))
	}
}

// A proxy forwards connections to a host, and cuts one of them once.
type proxy struct {
	addr     string
	cutAfter atomic.Int64 // bytes forwarded to the host before the cut; 0: never cut
	up       atomic.Int64 // bytes forwarded to the host
	cuts     atomic.Int64
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := &proxy{addr: ln.Addr().String()}
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			go func() {
				io.Copy(near, far)
				near.Close()
			}()
			go func() {
				defer far.Close()
				defer near.Close()
				p.forward(far, near)
			}()
		}
	}()
	return p
}

// forward copies from the browser to the host, until it is time for the cut.
func (p *proxy) forward(far io.Writer, near io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := near.Read(b)
		p.up.Add(int64(n))
		if _, werr := far.Write(b[:n]); err != nil || werr != nil {
			return
		}
		if after := p.cutAfter.Load(); after > 0 && p.up.Load() > after && p.cutAfter.CompareAndSwap(after, 0) {
			p.cuts.Add(1)
			return
		}
	}
}

// A file that is sent while the host is away, by a page that sent none before, arrives when the host is back.
func TestUploadWhileLost(t *testing.T) {
	h := startHost(t)
	alice := h.member("alice", 800, 600)
	alice.wait(`!document.getElementById("attach").hidden`)
	h.kill()
	alice.wait(`document.getElementById("state").className === "lost"`)
	alice.choose(tempFile(t, "soup.bin", noise(1000)))
	alice.run(`document.getElementById("text").focus()`)
	alice.press("Enter")
	alice.wait(`document.querySelector("#tray .dim").textContent.startsWith("Paused")`)
	h.start()
	bob := h.program("bob")
	bob.waitFor(`"soup.bin"`)
	alice.wait(`document.querySelectorAll("#tray li").length === 0`)
}
