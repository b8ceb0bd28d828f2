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
	patience = 15 * time.Second      // for something to appear on the page
	pollEach = 20 * time.Millisecond // between two checks
	testTime = 60 * time.Second      // limit of one test
)

var build = sync.OnceValues(chattest.Build)

// chromium is started once for all tests. Each member in them has their own profile.
var chromium = sync.OnceValues(func() (context.Context, error) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromiumPath()), chromedp.DisableGPU,
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4")) // a mouse, which a machine without a screen has not
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium's sandbox does not run as root
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

// needChromium skips the test if no browser is installed.
func needChromium(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	if chromiumPath() == "" {
		chattest.Missing(t, "chromium is not installed")
	}
	chattest.NoticeSources(t, "../..")
}

// --- the host ------------------------------------------------------------------------

// A host is a headless chat host. It can be killed and started again.
type host struct {
	t     *testing.T
	addr  string
	flags []string
	state string // the folder of its state; "": that of all tests
	cmd   *exec.Cmd
}

func startHost(t *testing.T, flags ...string) *host {
	t.Helper()
	return startHostIn(t, "", flags...)
}

// startHostIn starts a host whose state is in a folder of its own.
func startHostIn(t *testing.T, state string, flags ...string) *host {
	t.Helper()
	needChromium(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, addr: ln.Addr().String(), flags: flags, state: state}
	ln.Close()
	h.start()
	t.Cleanup(h.kill)
	return h
}

func (h *host) start() {
	h.t.Helper()
	args := []string{"host", "--headless", "--room", "kitchen", "--addr", h.addr, "--no-discovery", "--limit", "rate=none"}
	h.cmd = h.command(append(args, h.flags...)...)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	await(h.t, "the host to listen", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// command returns a command of the program with the host's state.
func (h *host) command(args ...string) *exec.Cmd {
	h.t.Helper()
	bin, err := build()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	if h.state != "" {
		cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+h.state)
	}
	return cmd
}

// kill ends the host with SIGKILL.
func (h *host) kill() {
	if h.cmd != nil {
		h.cmd.Process.Signal(syscall.SIGKILL)
		h.cmd.Wait()
		h.cmd = nil
	}
}

func (h *host) url() string { return "http://" + h.addr + "/" }

// await waits until done returns true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(pollEach) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// A peer is a member without a browser, and everything it has received.
type peer struct {
	t *testing.T
	io.Writer

	mu    sync.Mutex
	input strings.Builder // guarded by mu
}

func (p *peer) read(r io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := r.Read(b)
		p.mu.Lock()
		p.input.Write(b[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *peer) received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.input.String()
}

func (p *peer) waitFor(text string) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("a peer to receive %q", text), func() bool { return strings.Contains(p.received(), text) })
}

// dial joins as nc does, and sends first. What is written to the peer is sent.
func (h *host) dial(first string) *peer {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	p := &peer{t: h.t, Writer: conn}
	go p.read(conn)
	fmt.Fprintln(conn, first)
	return p
}

// program joins as a program called nick.
func (h *host) program(nick string) *peer {
	h.t.Helper()
	p := h.dial(fmt.Sprintf(`{"type":"hello","nick":%q,"backlog":0}`, nick))
	p.waitFor(`"welcome"`)
	return p
}

// join joins with chat join, which is used as a filter.
func (h *host) join(nick string) *peer {
	h.t.Helper()
	cmd := h.command("join", "--addr", h.addr, "--nick", nick, "--follow")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	p := &peer{t: h.t, Writer: in}
	go p.read(out)
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return p
}

// --- the browser ---------------------------------------------------------------------

// A tab is one tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newProfile opens a tab with a new browser profile.
func newProfile(t *testing.T, width, height int64) *tab {
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
			t.Errorf("uncaught exception on the page: %s", e.ExceptionDetails.Exception.Description)
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

// ownModule is what import("/page/NAME.js") of an expression is replaced by: the address of the page's own module has
// a version, and from another address it would be another module.
const ownModule = `import(document.querySelector("script[type=module]").src + "/../`

// eval returns the value of an expression on the page.
func eval[T any](p *tab, expression string, args ...any) T {
	p.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	v, err := tryEval[T](p, expression)
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func tryEval[T any](p *tab, expression string) (T, error) {
	expression = strings.ReplaceAll(expression, `import("/page/`, ownModule)
	return chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
}

// isNavigating reports whether err is from an expression on a page that another page replaced meanwhile.
func isNavigating(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "navigated or closed") || strings.Contains(err.Error(), "context was destroyed") ||
		strings.Contains(err.Error(), "Cannot find context"))
}

// run runs statements on the page.
func (p *tab) run(statements string, args ...any) {
	p.t.Helper()
	eval[bool](p, "(async () => {"+statements+"; return true; })()", args...)
}

// wait waits until an expression is true on the page.
func (p *tab) wait(expression string, args ...any) {
	p.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	deadline := time.Now().Add(patience)
	for {
		is, err := tryEval[bool](p, "Boolean("+expression+")")
		if is {
			return
		}
		if err != nil && !isNavigating(err) {
			p.t.Fatalf("%s: %v", expression, err)
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %v for %s\n%s", patience, expression, eval[string](p, "document.body.innerText"))
		}
		time.Sleep(pollEach)
	}
}

// log returns the text of the transcript.
func (p *tab) log() string { return eval[string](p, `document.getElementById("log").innerText`) }

// waitFor waits until the transcript contains text.
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

// write types text at the cursor.
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

// send types a message or a command, and sends it.
func (p *tab) send(text string) {
	p.t.Helper()
	p.run(`document.getElementById("text").focus()`)
	p.write(text)
	p.press("Enter")
}

// open navigates to url.
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

// connected waits until the page is connected.
func (p *tab) connected() {
	p.t.Helper()
	p.wait(`document.getElementById("connection")?.textContent === "Connected" && document.getElementById("rename").textContent`)
}

// member opens the page in a new profile and joins as nick.
func (h *host) member(nick string, width, height int64) *tab {
	h.t.Helper()
	p := newProfile(h.t, width, height)
	p.join(h.url(), nick)
	return p
}
