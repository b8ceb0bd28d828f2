//go:build unix

package browsertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"chat/scripts/chattest"
)

// A firefox is driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi), which it
// speaks itself.
type firefox struct {
	t    *testing.T
	ctx  context.Context // of the test's time
	conn *websocket.Conn
	tab  string
	last int // number of the last command
}

var bidiAddress = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

func startFirefox(t *testing.T, scheme string) engine {
	t.Helper()
	chattest.NeedTools(t, "firefox-esr")
	profile := t.TempDir()
	dark := map[string]int{"dark": 0, "light": 1}[scheme] // what the preference calls them
	prefs := fmt.Sprintf("user_pref(%q, %d);\n", "layout.css.prefers-color-scheme.content-override", dark) +
		"user_pref(\"security.dialog_enable_delay\", 0);\n" // of the button below a warning
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0")
	cmd.Env = browserEnv(profile)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startGroup(t, cmd); err != nil {
		t.Fatal(err)
	}
	address := ""
	lines := bufio.NewScanner(log)
	for address == "" && lines.Scan() {
		if found := bidiAddress.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	if address == "" {
		t.Fatalf("Firefox does not listen: %v", lines.Err())
	}
	go io.Copy(io.Discard, log) // ends with Firefox
	ctx, cancel := context.WithTimeout(t.Context(), 2*testTime)
	t.Cleanup(cancel)
	f := &firefox{t: t, ctx: ctx}
	if f.conn, _, err = websocket.Dial(ctx, address+"/session", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.CloseNow() })
	f.conn.SetReadLimit(16 << 20)
	f.command("session.new", map[string]any{"capabilities": map[string]any{}})
	// A new window, because the first one does not get the focus: keys would press no button.
	var window struct{ Context string }
	f.result(&window, "browsingContext.create", map[string]any{"type": "window"})
	f.tab = window.Context
	f.command("browsingContext.activate", map[string]any{"context": f.tab})
	f.command("browsingContext.setViewport", map[string]any{"context": f.tab, "viewport": map[string]int{"width": 1280, "height": 800}})
	return f
}

// command sends a command and returns its result.
func (f *firefox) command(method string, params map[string]any) json.RawMessage {
	f.t.Helper()
	f.last++
	if err := wsjson.Write(f.ctx, f.conn, map[string]any{"id": f.last, "method": method, "params": params}); err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	for {
		var answer struct {
			ID             int
			Type           string
			Result         json.RawMessage
			Error, Message string
		}
		if err := wsjson.Read(f.ctx, f.conn, &answer); err != nil {
			f.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case answer.ID != f.last: // an event
		case answer.Type != "success":
			f.t.Fatalf("%s: %s: %s", method, answer.Error, answer.Message)
		default:
			return answer.Result
		}
	}
}

// result is command with a result of a known shape.
func (f *firefox) result(into any, method string, params map[string]any) {
	f.t.Helper()
	if err := json.Unmarshal(f.command(method, params), into); err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
}

func (f *firefox) open(url string) {
	f.t.Helper()
	f.command("browsingContext.navigate", map[string]any{"context": f.tab, "url": url, "wait": "complete"})
}

// A remoteValue is the value of an expression on the page.
type remoteValue struct {
	Type   string // of the answer: success or exception
	Result struct {
		Value    json.RawMessage
		SharedID string `json:"sharedId"` // of an element
	}
	ExceptionDetails struct{ Text string }
}

func (f *firefox) evaluate(expression string) (v remoteValue) {
	f.t.Helper()
	f.result(&v, "script.evaluate", map[string]any{
		"expression": expression, "target": map[string]string{"context": f.tab}, "awaitPromise": true,
	})
	if v.Type != "success" {
		f.t.Fatalf("%s: %s", expression, v.ExceptionDetails.Text)
	}
	return v
}

func (f *firefox) eval(expression string) []byte {
	f.t.Helper()
	var value string
	v := f.evaluate("Promise.resolve(" + expression + ").then((v) => JSON.stringify(v) ?? 'null')")
	if err := json.Unmarshal(v.Result.Value, &value); err != nil {
		f.t.Fatal(err)
	}
	return []byte(value)
}

func (f *firefox) perform(actions []any) {
	f.t.Helper()
	f.command("input.performActions", map[string]any{"context": f.tab, "actions": actions})
}

func (f *firefox) press(keys ...string) { f.t.Helper(); f.perform(pressing(keys)) }

func (f *firefox) write(text string) { f.t.Helper(); f.perform(typing(text)) }

func (f *firefox) choose(path string) {
	f.t.Helper()
	input := f.evaluate(`document.getElementById("files")`).Result.SharedID
	f.command("input.setFiles", map[string]any{"context": f.tab, "element": map[string]string{"sharedId": input}, "files": []string{path}})
}

// openSealed opens a sealed room as a person does who accepts the risk.
func (f *firefox) openSealed(url string) {
	f.t.Helper()
	f.last++
	if err := wsjson.Write(f.ctx, f.conn, map[string]any{"id": f.last, "method": "browsingContext.navigate", "params": map[string]any{"context": f.tab, "url": url, "wait": "none"}}); err != nil {
		f.t.Fatal(err)
	}
	const card = `document.querySelector("net-error-card")?.shadowRoot`
	for _, button := range []string{"advanced-button", "exception-button"} {
		visitor{f.t, f}.wait(card+`?.getElementById(%q)?.disabled === false`, button)
		f.evaluate(fmt.Sprintf(card+`.getElementById(%q).click()`, button))
	}
	visitor{f.t, f}.wait(`document.getElementById("arrival")`)
}
