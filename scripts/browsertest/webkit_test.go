//go:build unix

package browsertest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chat/scripts/chattest"
)

// A webkit is WebKitGTK's small browser, driven by WebDriver (https://www.w3.org/TR/webdriver2).
// It is close to Safari.
type webkit struct {
	t       *testing.T
	ctx     context.Context // of the test's time
	session string          // URL
}

func startWebKit(t *testing.T, scheme string) engine {
	t.Helper()
	chattest.NeedTools(t, "WebKitWebDriver", "Xvfb")
	browsers, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser") // the pattern is valid
	if len(browsers) == 0 {
		chattest.Missing(t, "not installed: MiniBrowser")
	}
	theme := map[string]string{"dark": "Adwaita:dark", "light": "Adwaita"}[scheme]
	env := browserEnv(t.TempDir(), "DISPLAY="+display(t), "GTK_THEME="+theme, "GDK_BACKEND=x11", "LIBGL_ALWAYS_SOFTWARE=1",
		"DBUS_SESSION_BUS_ADDRESS=disabled:", "NO_AT_BRIDGE=1") // on a bus, a second browser would hand over to the first
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testTime)
	t.Cleanup(cancel)
	w := &webkit{t: t, ctx: ctx}
	options := map[string]any{"binary": browsers[len(browsers)-1], "args": []string{"--automation"}}
	always := map[string]any{"acceptInsecureCerts": true, "webkitgtk:browserOptions": options} // it has no button to go on after a warning
	capabilities := map[string]any{"capabilities": map[string]any{"alwaysMatch": always}}
	w.startSession(env, capabilities)
	t.Cleanup(func() { w.try("DELETE", "", nil, nil) }) // the browser is killed anyway
	w.call("POST", "/window/rect", map[string]int{"width": 1280, "height": 900}, nil)
	return w
}

// startSession starts a driver, which starts a browser.
func (w *webkit) startSession(env []string, capabilities any) {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(address) // a listener's address is valid
	cmd := exec.Command("WebKitWebDriver", "--port="+port)
	cmd.Env = env
	if err := startGroup(w.t, cmd); err != nil {
		w.t.Fatal(err)
	}
	await(w.t, "WebKitWebDriver to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	w.session = "http://" + address + "/session"
	var session struct {
		SessionID string `json:"sessionId"`
	}
	w.call("POST", "", capabilities, &session)
	w.session += "/" + session.SessionID
}

// display starts an X server without a screen and returns its name.
func display(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1400x1000x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	err = startGroup(t, cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// startGroup starts a command whose processes are all killed at the end of the test.
func startGroup(t *testing.T, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	return nil
}

// call sends a command to the driver. into may be nil.
func (w *webkit) call(method, path string, body, into any) {
	w.t.Helper()
	if err := w.try(method, path, body, into); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (w *webkit) try(method, path string, body, into any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(w.ctx, method, w.session+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %v", answer.Status, text, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, &struct{ Value any }{into})
}

func (w *webkit) open(url string) {
	w.t.Helper()
	w.call("POST", "/url", map[string]string{"url": url}, nil)
}

func (w *webkit) openSealed(url string) { w.t.Helper(); w.open(url) }

func (w *webkit) eval(expression string) []byte {
	w.t.Helper()
	script := fmt.Sprintf(`const done = arguments[0]; Promise.resolve(%s).then((v) => done(JSON.stringify(v) ?? "null"));`, expression)
	var value string
	w.call("POST", "/execute/async", map[string]any{"script": script, "args": []any{}}, &value)
	return []byte(value)
}

func (w *webkit) perform(actions []any) {
	w.t.Helper()
	w.call("POST", "/actions", map[string]any{"actions": actions}, nil)
}

func (w *webkit) press(keys ...string) { w.t.Helper(); w.perform(pressing(keys)) }

func (w *webkit) write(text string) { w.t.Helper(); w.perform(typing(text)) }

func (w *webkit) choose(path string) {
	w.t.Helper()
	var element map[string]string
	w.call("POST", "/element", map[string]string{"using": "css selector", "value": "#files"}, &element)
	for _, id := range element { // it has one key
		w.call("POST", "/element/"+id+"/value", map[string]string{"text": path}, nil)
	}
}
