package web_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/endpoint"
	"chat/relay/hostseal"
	chatprogram "chat/relay/program"
	"chat/relay/seal"
	"chat/relay/web"
)

func hexSum(b string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(b))) }

// programs returns the set of a host: a file with the text own as its own program and, if there are any, a release with
// the given files.
func programs(t *testing.T, own string, release map[string]string) *chatprogram.Set {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "own")
	if err := os.WriteFile(path, []byte(own), 0o755); err != nil {
		t.Fatal(err)
	}
	opts := chatprogram.Options{Own: path}
	if len(release) > 0 {
		opts.Folder = filepath.Join(dir, "release")
		os.Mkdir(opts.Folder, 0o755)
		sums := ""
		for name, text := range release {
			if err := os.WriteFile(filepath.Join(opts.Folder, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			sums += hexSum(text) + "  " + name + "\n"
		}
		if err := os.WriteFile(filepath.Join(opts.Folder, "SHA256SUMS"), []byte(sums), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := chatprogram.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// ownName is the name of the program for this system, as far as tests run here.
var ownName = "chat-" + runtime.GOOS + "-" + runtime.GOARCH

// get sends a GET request and returns the answer, also if that is a redirect.
func (r *room) get(path string, header ...string) (*http.Response, string) {
	r.t.Helper()
	return r.send(http.DefaultTransport.RoundTrip, "GET", path, "", header...)
}

// The program is handed out by several addresses, whole and in parts.
func TestHandOut(t *testing.T) {
	own := "the program " + strings.Repeat("x", 200_000)
	r := open(t, relay.Options{App: "chat 1.0"}, web.Options{Programs: programs(t, own, map[string]string{
		"chat-windows-arm.exe": "exe", "chat-1.0-darwin-386.tar.gz": "archive", "chat-1.0-windows-arm.zip": "zip", // no test runs there
	})})
	for path, want := range map[string]string{
		"/get/chat": own, "/get/chat/" + runtime.GOOS + "/" + runtime.GOARCH: own, "/get/" + ownName: own,
		"/get/chat/windows/arm": "exe", "/get/chat/darwin/386": "archive", "/get/chat-1.0-windows-arm.zip": "zip",
	} {
		res, body := r.get(path, "Accept-Encoding", "gzip")
		if res.StatusCode != 200 || body != want || res.ContentLength != int64(len(want)) || res.Header.Get("ETag") != `"`+hexSum(want)+`"` {
			t.Errorf("%s: %s %v, %d bytes", path, res.Status, res.Header, len(body))
		}
		for header, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Encoding": "", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", path, header, got)
			}
		}
		if got := res.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; ") {
			t.Errorf("%s: Content-Disposition is %q", path, got)
		}
	}
	tag := `"` + hexSum(own) + `"`
	for _, test := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"Range", "bytes=0-2"}, 206, "the"},
		{[]string{"Range", "bytes=-1"}, 206, "x"},
		{[]string{"Range", "bytes=4-", "If-Range", tag}, 206, own[4:]},
		{[]string{"Range", "bytes=4-", "If-Range", `"other"`}, 200, own},
		{[]string{"Range", "bytes=900000-"}, 416, "invalid range: failed to overlap\n"},
		{[]string{"Range", "bytes=5-2"}, 416, "invalid range\n"},
		{[]string{"Range", "bytes=" + strings.Repeat("0-,", 2000) + "0-"}, 200, own}, // more than the whole
		{[]string{"If-None-Match", tag}, 304, ""},
	} {
		if res, body := r.get("/get/chat", test.header...); res.StatusCode != test.status || body != test.body {
			t.Errorf("%.60q: %s, %d bytes %.40q", test.header, res.Status, len(body), body)
		}
	}
	if status, body := r.do("HEAD", "/get/chat", ""); status != 200 || body != "" {
		t.Error(status, body)
	}
	if _, body := r.get("/get/SHA256SUMS"); !strings.Contains(body, hexSum(own)+"  "+ownName+"\n") || !strings.Contains(body, hexSum("exe")+"  chat-windows-arm.exe\n") {
		t.Errorf("SHA256SUMS is %q", body)
	}
	_, body := r.get("/room")
	var info struct{ Program map[string]any }
	if err := json.Unmarshal([]byte(body), &info); err != nil || info.Program["sha256"] != hexSum(own) || info.Program["system"] != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("GET /room: %s, %v", body, err)
	}
}

// No path, method or host makes the host hand out anything else.
func TestHostileGet(t *testing.T) {
	set := programs(t, "own", map[string]string{"chat-windows-arm64.exe": "exe"})
	r := open(t, relay.Options{}, web.Options{Programs: set})
	for _, path := range []string{
		"/get/own", "/get/release", "/get/chat/", "/get/chat/linux", "/get/chat/linux/amd64/x", "/get/chat/..%2f..%2fetc/passwd", "/get/%2e%2e%2fown", "/get/..%2fown",
		"/get/chat-linux-amd64%00", "/get/bin%2fchat-windows-arm64.exe", "/get/page.html", "/get/chat/linux/" + strings.Repeat("a", 4000), "/get//etc/passwd", "/get/CHAT", "/get/chat%20",
	} {
		if res, body := r.get(path); res.StatusCode == 200 || strings.Contains(body, "<script") {
			t.Errorf("%.60s: %s %.80q", path, res.Status, body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/get", "/get/chat", "/get/install.sh"} {
			if status, body := r.do(method, path, "x"); status != 405 && status != 404 {
				t.Errorf("%s %s: %d %q", method, path, status, body)
			}
		}
	}
	if status, _ := r.do("GET", "/get/chat", "", "Origin", "http://evil.example"); status != 403 {
		t.Errorf("another site's page gets %d", status)
	}
	for _, host := range []string{"evil.example", "evil.example:24280"} {
		if status, _ := r.do("GET", "/get/install.sh", "", "Host", host); status != 421 {
			t.Errorf("Host %s gets %d", host, status)
		}
	}
	// What is in a Host header is in scripts and commands only if no shell reads more than a host in it.
	for _, host := range []string{"127.0.0.1:1;id", "127.0.0.1:$(id)", "localhost:'`id`'", "[::1%25$(id)]:80", "127.0.0.1:1 x", "localhost:1\\\"", "127.0.0.1:<b>"} {
		for _, path := range []string{"/get", "/get/install.sh", "/get/install.ps1"} {
			if body := r.answerTo("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nConnection: close\r\n\r\n"); strings.Contains(body, host) || strings.Contains(body, "id)") {
				t.Errorf("Host %s: %s has it", host, path)
			}
		}
	}
	if body := r.answerTo("GET /get/install.sh HTTP/1.0\r\n\r\n"); !strings.Contains(body, "host='http://"+r.addr+"'") {
		t.Errorf("without a Host: %.300s", body)
	}
}

// answerTo sends a request as it is and returns the answer.
func (r *room) answerTo(request string) string {
	r.t.Helper()
	b, err := io.ReadAll(r.raw(request))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// The page is for the visitor's system first, and lists all. Programs get it as text.
func TestGetPage(t *testing.T) {
	release := map[string]string{
		"chat-linux-arm64": "la", "chat-linux-amd64": "lx", "chat-darwin-arm64": "ma", "chat-darwin-amd64": "mx", "chat-windows-amd64.exe": "wx", "chat-windows-arm64.exe": "wa", "chat-freebsd-amd64": "fx",
	}
	r := open(t, relay.Options{App: "chat 1.0"}, web.Options{Programs: programs(t, "own", release)})
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, test := range []struct {
		agent, accept, first string // first is the name of the first download
		windows              bool   // PowerShell's command comes first
	}{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", html, "chat-windows-amd64.exe", true},
		{"Mozilla/5.0 (Windows NT 10.0; WOW64; rv:140.0) Gecko/20100101 Firefox/140.0", html, "chat-windows-amd64.exe", true},
		{"Mozilla/5.0 (Windows NT; Windows NT 10.0; de-DE) WindowsPowerShell/5.1.19041", "", "chat-windows-amd64.exe", true},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", html, "chat-darwin-amd64", false},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", html, "chat-linux-amd64", false},
		{"Mozilla/5.0 (X11; Linux aarch64) AppleWebKit/537.36", html, "chat-linux-arm64", false},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36", html, "chat-linux-amd64", false},
		{"Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0", html, "chat-freebsd-amd64", false},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", html, ownName, false},
		{"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Mobile", html, ownName, false},
		{"Wget/1.25.0 (linux-gnu)", "*/*", ownName, false},
		{"curl/8.14.1", "*/*", ownName, false},
		{"Wget", "", ownName, false},
		{"", html, ownName, false},
		{strings.Repeat("Windows ", 1000), html, "chat-windows-amd64.exe", true},
		{"<script>alert(1)</script>", html, ownName, false},
	} {
		res, body := r.get("/get", "User-Agent", test.agent, "Accept", test.accept)
		isHTML := strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")
		if res.StatusCode != 200 || isHTML != (test.accept == html) || isHTML == strings.HasPrefix(body, "chat 1.0") || res.Header.Get("Vary") != "Accept, User-Agent" {
			t.Errorf("%.60s: %s, %v", test.agent, res.Status, res.Header)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "<style") || strings.Contains(body, " on") && strings.Contains(body, "onclick") {
			t.Errorf("%.60s: the page has a script", test.agent)
		}
		for name, text := range release {
			if name != ownName && (!strings.Contains(body, name) || !strings.Contains(body, hexSum(text))) {
				t.Errorf("%.60s: %s is missing", test.agent, name)
			}
		}
		at, shell, power := strings.Index(body, "/get/chat-"), strings.Index(body, "| sh"), strings.Index(body, "| iex")
		if at < 0 || !strings.HasPrefix(body[at:], "/get/"+test.first) {
			t.Errorf("%.60s: the first is %.40q, not %s", test.agent, body[max(at, 0):], test.first)
		}
		if shell < 0 || power < 0 || test.windows != (power < shell) {
			t.Errorf("%.60s: the commands are at %d and %d", test.agent, shell, power)
		}
		if phone := strings.Contains(body, "On a phone"); phone != strings.Contains(test.agent, "Mobile") && !strings.Contains(test.agent, "iPhone") {
			t.Errorf("%.60s: a phone: %v", test.agent, phone)
		}
		if strings.Contains(body, "has no program for") {
			t.Errorf("%.60s: a program is missing", test.agent)
		}
	}
}

// The page names the missing system, and has no markup of others.
func TestGetPageOfOneProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the own program is for another system")
	}
	r := open(t, relay.Options{App: `chat <b>"1`}, web.Options{Programs: programs(t, "own", nil)})
	res, body := r.get("/get/", "User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Accept", "text/html")
	if res.StatusCode != 200 || !strings.Contains(body, "has no program for Windows, Intel or AMD") || strings.Contains(body, "| iex") || strings.Contains(body, "<b>\"1") {
		t.Errorf("%s %s", res.Status, body)
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy is %q", policy)
	}
}

// What the page says of trust depends on how it comes to its reader.
func TestGetPageTrust(t *testing.T) {
	proxy, err := endpoint.ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, relay.Options{TrustedProxies: proxy}, web.Options{Programs: programs(t, "own", nil), TrustedProxies: proxy, WebNames: []string{"chat.example"}, Names: []string{"chat.example"}})
	for _, accept := range []string{"text/html", "*/*"} {
		for _, test := range []struct {
			header []string
			want   string
		}{
			{nil, "own machine"},
			{[]string{"X-Forwarded-For", "192.0.2.7"}, "by plain HTTP"},
			{[]string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "Host", "chat.example"}, "encrypted,"},
		} {
			_, body := r.get("/get", append(test.header, "Accept", accept)...)
			if !strings.Contains(body, test.want) {
				t.Errorf("%q: %s", test.header, body)
			}
			if len(test.header) > 3 && !strings.Contains(body, "curl -fsSL https://chat.example/get/install.sh | sh") {
				t.Errorf("%q: the command is not for HTTPS: %s", test.header, body)
			}
		}
	}
}

// One address has so many downloads at a time; others, and the host's own machine, are not affected.
func TestHandOutBounds(t *testing.T) {
	proxy, err := endpoint.ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, relay.Options{TrustedProxies: proxy}, web.Options{Programs: programs(t, strings.Repeat("x", 32<<20), nil), TrustedProxies: proxy})
	begin := func(client string) int { // the rest of the answer is not read
		t.Helper()
		req, err := http.NewRequest("GET", "http://"+r.addr+"/get/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
		}
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.StatusCode == 503 && res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return res.StatusCode
	}
	for i := range 9 {
		if status := begin(fmt.Sprintf("2001:db8::%d", i)); (status == 200) != (i < 8) || status != 200 && status != 503 {
			t.Errorf("download %d of one network: %d", i+1, status)
		}
	}
	if status := begin("2001:db8:0:1::1"); status != 200 {
		t.Errorf("another network: %d", status)
	}
	for range 10 {
		if status := begin(""); status != 200 {
			t.Errorf("the host's own machine: %d", status)
		}
	}
}

// A host that hands out nothing says so.
func TestNoGet(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for _, path := range []string{"/get", "/get/", "/get/chat", "/get/install.sh", "/get/SHA256SUMS", "/get/chat/linux/amd64"} {
		if status, body := r.do("GET", path, ""); status != 404 || !strings.Contains(body, "does not hand out") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if _, body := r.do("GET", "/room", ""); strings.Contains(body, "program") {
		t.Errorf("GET /room: %s", body)
	}
}

// A program that is not the one in SHA256SUMS, or is not there any more, is not handed out.
func TestBadProgram(t *testing.T) {
	set := programs(t, "own", map[string]string{"chat-freebsd-arm64": "good", "chat-darwin-arm64": "changes"})
	dir := filepath.Dir(set.SumsFile())
	if err := os.Remove(filepath.Join(dir, "chat-darwin-arm64")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat-freebsd-arm64"), []byte("evil"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := open(t, relay.Options{}, web.Options{Programs: set})
	for _, name := range []string{"chat-freebsd-arm64", "chat-darwin-arm64"} {
		if res, body := r.get("/get/" + name); res.StatusCode != 503 || strings.Contains(body, "evil") || strings.Contains(body, dir) {
			t.Errorf("%s: %s %q", name, res.Status, body)
		}
		if res, _ := r.get("/get/" + name); res.StatusCode != 404 {
			t.Errorf("%s, later: %s", name, res.Status)
		}
	}
	if _, body := r.get("/get/install.sh"); strings.Contains(body, "freebsd arm64") {
		t.Error("the script has it")
	}
}

// In a sealed room the program and its page need no secret. Nothing else is shown.
func TestGetSealed(t *testing.T) {
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return []string{"127.0.0.1"} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pin := seal.CurlPin(source.Leaf())
	for _, selfSigned := range []bool{true, false} {
		hosted := func() seal.Invites { return seal.Invites{CurlPin: pin, SelfSigned: selfSigned} }
		sealed := &relay.Seal{TLS: source.Config(), Secrets: seal.RoomSecrets{Member: memberSecret, Listen: listenSecret, Operator: operatorSecret}}
		r := open(t, relay.Options{Seal: sealed}, web.Options{Programs: programs(t, "own", nil), Invites: hosted})
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		t.Cleanup(transport.CloseIdleConnections)
		s := &sealedRoom{r, &http.Client{Transport: transport}}
		for path, want := range map[string]string{
			"/get": "curl -fsSL", "/get/chat": "own", "/get/SHA256SUMS": hexSum("own"), "/get/style.css": "color-scheme", "/room": hexSum("own"),
			"/get/install.sh": "host='https://" + r.addr + "'", "/get/install.ps1": "$from = 'https://" + r.addr + "'",
		} {
			res, body := s.ask("GET", path, "")
			if res.StatusCode != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %s %q", path, res.Status, body)
			}
			if strings.Contains(body, memberSecret) || strings.Contains(body, listenSecret) || strings.Contains(body, `"members":1`) {
				t.Errorf("%s shows too much: %s", path, body)
			}
			if path == "/get" && strings.Contains(body, "-k --pinnedpubkey '"+pin+"'") != selfSigned {
				t.Errorf("self-signed: %v, and the page: %s", selfSigned, body)
			}
			if path == "/get/install.sh" && strings.Contains(body, "insecure='yes'") != selfSigned {
				t.Errorf("self-signed: %v, and the script: %.300s", selfSigned, body)
			}
		}
		if res, _ := s.ask("POST", "/get/chat", "x"); res.StatusCode != 401 {
			t.Errorf("POST without a secret: %s", res.Status)
		}
		if res, _ := s.ask("GET", "/messages", ""); res.StatusCode != 401 {
			t.Errorf("GET /messages without a secret: %s", res.Status)
		}
	}
}
