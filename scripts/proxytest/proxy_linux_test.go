package proxytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chat/scripts/chattest"
)

const (
	patience = 20 * time.Second
	name     = "chat.example.org" // the room's, in the configurations
	visitor  = "127.0.0.2"        // the address of the proxy's client; 127.0.0.1 is the proxy's own
)

var program string

func TestMain(m *testing.M) {
	var err error
	if program, err = chattest.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(filepath.Dir(program))
	os.Exit(code)
}

func TestNginx(t *testing.T) {
	chattest.NeedTools(t, "nginx")
	host, port := startHost(t), freePort(t)
	dir := t.TempDir()
	lines := replace(t, documented(t, "nginx"), "listen 80;", "listen 127.0.0.1:"+port+";")
	lines = replace(t, lines, "127.0.0.1:24280", host.addr)
	around := "error_log stderr;\npid " + dir + "/pid;\nevents {}\nhttp {\naccess_log off;\n"
	if os.Getuid() == 0 {
		around = "user root;\n" + around // others cannot enter dir
	}
	for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		around += temporary + "_temp_path " + dir + "/" + temporary + ";\n"
	}
	conf := write(t, dir, "nginx.conf", around+lines+"}\n")
	start(t, nil, "nginx", "-p", dir, "-c", conf, "-g", "daemon off;")
	checkProxy(t, host, "http", port)
}

func TestCaddy(t *testing.T) {
	chattest.NeedTools(t, "caddy")
	host, port := startHost(t), freePort(t)
	dir := t.TempDir()
	lines := replace(t, documented(t, "caddy"), "127.0.0.1:24280", host.addr)
	// These options only keep it within dir and on a free port.
	around := fmt.Sprintf("{\n admin off\n skip_install_trust\n auto_https disable_redirects\n default_bind 127.0.0.1\n https_port %s\n storage file_system %s\n}\n", port, dir)
	conf := write(t, dir, "Caddyfile", around+lines)
	start(t, []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
	checkProxy(t, host, "https", port)
}

// documented returns the only block of code of a language in the hosting guide.
func documented(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "relay", "docs", "hosting.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("hosting.md has %d blocks of %s, want 1", len(blocks), language)
	}
	return string(blocks[0][1])
}

func replace(t *testing.T, lines, old, replacement string) string {
	t.Helper()
	if strings.Count(lines, old) != 1 {
		t.Fatalf("%q is not once in\n%s", old, lines)
	}
	return strings.Replace(lines, old, replacement, 1)
}

func write(t *testing.T, dir, file, text string) string {
	t.Helper()
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// start runs a program until the test ends, with its output in a file, whose path it returns.
func start(t *testing.T, env []string, args ...string) (output string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("output of %q (%v):\n%s", args, err, text)
		}
	})
	return log.Name()
}

// A runningHost is a headless host that trusts a proxy on this machine.
type runningHost struct {
	addr string // that it listens on
	log  string // the file of its log
}

func startHost(t *testing.T) runningHost {
	t.Helper()
	addr := "127.0.0.1:" + freePort(t)
	log := start(t, nil, program, "host", "--headless", "--room", "kitchen", "--addr", addr, "--no-discovery", "--trusted-proxy", "127.0.0.1", "--web-name", name)
	return runningHost{addr, log}
}

// checkProxy uses the room through a proxy, as the page does.
func checkProxy(t *testing.T, host runningHost, scheme, port string) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitor)}}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // Caddy's own CA
	}}
	defer client.CloseIdleConnections()
	site := scheme + "://" + name + ":" + port
	do := func(method, path string, body []byte) (int, string) {
		req, err := http.NewRequestWithContext(ctx, method, site+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", site)
		req.Header.Set("X-Forwarded-For", "203.0.113.9") // a lie, which the proxy must not let through as the address
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	status, page := do("GET", "/", nil)
	for began := time.Now(); status != http.StatusOK && time.Since(began) < patience; status, page = do("GET", "/", nil) {
		time.Sleep(50 * time.Millisecond)
	}
	if status != http.StatusOK || !strings.Contains(page, "<html") {
		t.Fatalf("the page: %d\n%.300s", status, page)
	}

	ws, _, err := websocket.Dial(ctx, site+"/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {site}}})
	if err != nil {
		t.Fatal("WebSocket: ", err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"hello","nick":"eve"}`)); err != nil {
		t.Fatal(err)
	}
	expect := func(part string) {
		t.Helper()
		for {
			_, line, err := ws.Read(ctx)
			if err != nil {
				t.Fatalf("wait for %s: %v", part, err)
			}
			if strings.Contains(string(line), part) {
				return
			}
		}
	}
	expect(`"welcome"`)

	file := bytes.Repeat([]byte("soup\n"), 1<<20) // more than nginx takes by default
	if status, text := do("PUT", "/files/menu.txt?nick=ci", file); status/100 != 2 {
		t.Fatalf("upload: %d %s", status, text)
	}
	expect("menu.txt")
	if status, text := do("POST", "/messages?nick=ci", []byte("soup is on")); status/100 != 2 {
		t.Fatalf("message: %d %s", status, text)
	}
	expect("soup is on")
	if status, text := do("GET", "/metrics", nil); status != http.StatusForbidden {
		t.Errorf("/metrics through the proxy: %d %.100s, want 403", status, text)
	}
	log, err := os.ReadFile(host.log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), visitor) || strings.Contains(string(log), "203.0.113.9") {
		t.Errorf("the host's log does not have the client's address %s:\n%s", visitor, log)
	}
}
