//go:build unix

package browsertest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"chat/scripts/chattest"
)

const (
	patience = 15 * time.Second      // how long something may take to appear
	pollEach = 20 * time.Millisecond // between two looks whether it has
	testTime = 60 * time.Second      // of one test at most
)

var build = sync.OnceValues(chattest.Build)

// chromium is started once for all tests. Each person in them has a profile of their own.
var chromium = sync.OnceValues(func() (context.Context, error) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromiumPath()), chromedp.DisableGPU)
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, closeChromium = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx, chromedp.Navigate("about:blank"))
})

var closeChromium = func() {}

func chromiumPath() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func TestMain(m *testing.M) {
	code := m.Run()
	closeChromium()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// needChromium skips the test where there is no browser.
func needChromium(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if chromiumPath() == "" {
		chattest.Missing(t, "there is no chromium")
	}
	chattest.NoticeSources(t, "../..")
}

// --- the host ------------------------------------------------------------------------

// A host is one without a screen. It can be killed, and started again.
type host struct {
	t     *testing.T
	addr  string
	flags []string
	cmd   *exec.Cmd
}

func startHost(t *testing.T, flags ...string) *host {
	t.Helper()
	needChromium(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, addr: ln.Addr().String(), flags: flags}
	ln.Close()
	h.start()
	t.Cleanup(h.kill)
	return h
}

func (h *host) start() {
	h.t.Helper()
	bin, err := build()
	if err != nil {
		h.t.Fatal(err)
	}
	args := []string{"host", "--headless", "--room", "kitchen", "--addr", h.addr, "--no-discovery", "--limit", "rate=none"}
	h.cmd = exec.Command(bin, append(args, h.flags...)...)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	await(h.t, "the host listens", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// kill ends the host without a goodbye.
func (h *host) kill() {
	if h.cmd != nil {
		h.cmd.Process.Signal(syscall.SIGKILL)
		h.cmd.Wait()
		h.cmd = nil
	}
}

func (h *host) url() string { return "http://" + h.addr + "/" }

// await waits until something is so.
func await(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !isSo(); time.Sleep(pollEach) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// A peer is somebody in the room without a browser, and all that they were told.
type peer struct {
	t *testing.T
	io.Writer
	mu   sync.Mutex
	told strings.Builder
}

func (p *peer) listen(r io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := r.Read(b)
		p.mu.Lock()
		p.told.Write(b[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *peer) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told.String()
}

func (p *peer) waitFor(text string) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("a peer hears %q", text), func() bool { return strings.Contains(p.heard(), text) })
}

// dial joins as nc does: what is written is sent, line by line.
func (h *host) dial(first string) *peer {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	p := &peer{t: h.t, Writer: conn}
	go p.listen(conn)
	fmt.Fprintln(conn, first)
	return p
}

// program joins as a program, under that nick.
func (h *host) program(nick string) *peer {
	h.t.Helper()
	p := h.dial(fmt.Sprintf(`{"type":"hello","nick":%q,"backlog":0}`, nick))
	p.waitFor(`"welcome"`)
	return p
}

// join joins by chat join, as a filter.
func (h *host) join(nick string) *peer {
	h.t.Helper()
	bin, err := build()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(bin, "join", "--addr", h.addr, "--nick", nick, "--follow")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	p := &peer{t: h.t, Writer: in}
	go p.listen(out)
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return p
}

// --- the browser ---------------------------------------------------------------------

// A tab is the page in a window of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newPerson opens a tab with a profile of its own: nobody was here before.
func newPerson(t *testing.T, width, height int64) *tab {
	t.Helper()
	needChromium(t)
	browser, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	return newTab(t, browser, width, height, chromedp.WithNewBrowserContext())
}

func newTab(t *testing.T, parent context.Context, width, height int64, opts ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, opts...)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, testTime)
	t.Cleanup(stop)
	p := &tab{t: t, ctx: ctx}
	p.do(chromedp.Navigate("about:blank"))
	p.resize(width, height)
	if err := chromedp.Listen(ctx, func(e any) {
		if e, ok := e.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page failed: %s", e.ExceptionDetails.Exception.Description)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) resize(width, height int64) {
	p.t.Helper()
	metrics := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 700}
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, metrics); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) scheme(name string) {
	p.t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns what an expression is on the page.
func eval[T any](p *tab, expression string, args ...any) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](fmt.Sprintf(expression, args...), chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err != nil {
		p.t.Fatalf("%s: %v", fmt.Sprintf(expression, args...), err)
	}
	return v
}

// run carries out what has no value.
func (p *tab) run(statements string, args ...any) {
	p.t.Helper()
	eval[bool](p, "(async () => {"+statements+"; return true; })()", args...)
}

// wait waits until an expression is true on the page.
func (p *tab) wait(expression string, args ...any) {
	p.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	deadline := time.Now().Add(patience)
	for !eval[bool](p, "Boolean(%s)", expression) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not on the page within %v: %s\n%s", patience, expression, eval[string](p, "document.body.innerText"))
		}
		time.Sleep(pollEach)
	}
}

// log is all that stands in the transcript.
func (p *tab) log() string { return eval[string](p, `document.getElementById("log").innerText`) }

// waitFor waits until text stands in the transcript.
func (p *tab) waitFor(text string) {
	p.t.Helper()
	p.wait(`document.getElementById("log").innerText.includes(%q)`, text)
}

// press presses keys, by their names in KeyboardEvent.key.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	codes := map[string]int64{"Enter": 13, "Tab": 9, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "PageUp": 33, "PageDown": 34, " ": 32}
	texts := map[string]string{"Enter": "\r", " ": " "}
	for _, key := range keys {
		modifiers := int64(0)
		if name, shifted := strings.CutPrefix(key, "Shift-"); shifted {
			key, modifiers = name, 8
		}
		down := input.DispatchKeyEventParams{
			Type: "keyDown", Key: key, Code: key, WindowsVirtualKeyCode: codes[key], Text: texts[key], Modifiers: modifiers,
		}
		up := down
		up.Type, up.Text = "keyUp", ""
		for _, e := range []input.DispatchKeyEventParams{down, up} {
			if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, e); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// write types text where the cursor is.
func (p *tab) write(text string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.run(`document.querySelector(%q).click()`, selector)
}

// say writes a message and sends it.
func (p *tab) say(text string) {
	p.t.Helper()
	p.run(`document.getElementById("text").focus()`)
	p.write(text)
	p.press("Enter")
}

// open goes to the page.
func (p *tab) open(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// join opens the page and joins as nick.
func (p *tab) join(url, nick string) {
	p.t.Helper()
	p.open(url)
	p.wait(`document.getElementById("arrival") && !document.getElementById("arrival").hidden`)
	p.run(`document.getElementById("name").focus()`)
	p.write(nick)
	p.press("Enter")
	p.connected()
}

// connected waits until the page says that it is.
func (p *tab) connected() {
	p.t.Helper()
	p.wait(`document.getElementById("connection")?.textContent === "Connected" && document.getElementById("rename").textContent`)
}

// person opens the page for somebody new.
func (h *host) person(nick string, width, height int64) *tab {
	h.t.Helper()
	p := newPerson(h.t, width, height)
	p.join(h.url(), nick)
	return p
}
