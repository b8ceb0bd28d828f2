package web_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
	"chat/relay/wire"
)

// openWithFiles hosts a room that accepts files.
func openWithFiles(t *testing.T, limits files.Limits) (*room, *files.Store) {
	t.Helper()
	return openWithFolder(t, t.TempDir(), limits)
}

// openWithFolder hosts a room that keeps files in dir.
func openWithFolder(t *testing.T, dir string, limits files.Limits) (*room, *files.Store) {
	t.Helper()
	store, err := files.Open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return open(t, relay.Options{}, web.Options{Files: store}), store
}

// ask is do that returns the whole answer.
func (r *room) ask(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.addr+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(answer)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func checksumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tus sends a tus request, and checks the status of the answer.
func (r *room) tus(want int, method, path, body string, header ...string) *http.Response {
	r.t.Helper()
	header = append([]string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}, header...)
	res, answer := r.ask(method, path, strings.NewReader(body), header...)
	if res.StatusCode != want {
		r.t.Errorf("%s %s: %s %s, want %d", method, path, res.Status, answer, want)
	}
	return res
}

func TestPut(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 1000})
	res, answer := r.ask("PUT", "/files/soup%20recipe.txt?nick=ci", strings.NewReader("leeks"), "Repr-Digest", "md5=:AA==:, sha-256=:"+checksumOf("leeks")+":")
	e, err := wire.ParseEvent([]byte(answer))
	if res.StatusCode != http.StatusCreated || err != nil || res.Header.Get("Location") != "/files/1/soup%20recipe.txt" {
		t.Fatal(res.Status, res.Header, answer, err)
	}
	want := wire.File{Number: 1, Name: "soup recipe.txt", Size: 5, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("leeks"))), Type: "application/octet-stream", Path: "/files/1/soup%20recipe.txt"}
	if e.Type != wire.TypeAction || e.From != "ci" || e.File == nil || *e.File != want || e.Text != "sent soup recipe.txt (5 B): /files/1/soup%20recipe.txt" {
		t.Errorf("sent is %s", answer)
	}
	if res, answer := r.ask("PUT", "/files/x", io.MultiReader(strings.NewReader("of unknown "), strings.NewReader("length"))); res.StatusCode != http.StatusCreated || !strings.Contains(answer, `"size":17`) {
		t.Error(res.Status, answer)
	}
	for _, test := range []struct {
		path, body string
		header     []string
		status     int
		answer     string
	}{
		{"/files/", "x", nil, 400, "the file has no name; use curl -T FILE http://HOST/files/NAME\n"},
		{"/files/x", "soap", []string{"Repr-Digest", "sha-256=:" + checksumOf("soup") + ":"}, 400, "the file arrived damaged; send it again\n"},
		{"/files/x", "soap", []string{"Repr-Digest", "sha-256=:AA==:"}, 400, "Repr-Digest must be sha-256=:BASE64: with 32 bytes\n"},
		{"/files/x", strings.Repeat("x", 1001), nil, 413, "a file has at most 1000 B here\n"},
	} {
		if res, answer := r.ask("PUT", test.path, strings.NewReader(test.body), test.header...); res.StatusCode != test.status || answer != test.answer {
			t.Errorf("%+v: %s %s", test, res.Status, answer)
		}
	}
	res, answer = r.ask("GET", "/files/", nil)
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	var last wire.File
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 2 || last != want || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("the list is %s", answer)
	}
}

// A sender that waits for 100-continue learns that the file is too large before it sends it.
func TestTooLargeIsRejectedEarly(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 1000})
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /files/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatal(res, err)
	}
	res.Body.Close()
}

// A browser saves any file that it downloads, and runs none.
func TestDownloadIsHarmless(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	for i, test := range []struct{ name, body, media, disposition string }{
		{"evil.html", "<script>alert(1)</script>", "application/octet-stream", `attachment; filename="evil.html"; filename*=UTF-8''evil.html`},
		{"evil.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "application/octet-stream", `attachment; filename="evil.svg"; filename*=UTF-8''evil.svg`},
		{"soup.html", "\x89PNG\r\n\x1a\n<script>", "image/png", `attachment; filename="soup.html"; filename*=UTF-8''soup.html`},
		{"Gr%C3%BC%C3%9Fe%22%0D%0AX:%20y.txt", "x", "application/octet-stream", `attachment; filename="Gr__e_____X_ y.txt"; filename*=UTF-8''Gr%C3%BC%C3%9Fe_%E2%90%8D%E2%90%8AX_%20y.txt`},
		{"..%2F..%2Fetc%2Fpasswd", "x", "application/octet-stream", `attachment; filename="passwd"; filename*=UTF-8''passwd`},
		{"CON", "x", "application/octet-stream", `attachment; filename="_CON"; filename*=UTF-8''_CON`},
	} {
		if res, answer := r.ask("PUT", "/files/"+test.name, strings.NewReader(test.body)); res.StatusCode != http.StatusCreated {
			t.Fatal(test.name, res.Status, answer)
		}
		for _, name := range []string{"", "/", "/whatever", "/a/b"} {
			res, answer := r.ask("GET", fmt.Sprintf("/files/%d%s", i+1, name), nil)
			if res.StatusCode != 200 || answer != test.body {
				t.Errorf("%s: %s %q", name, res.Status, answer)
			}
			for header, want := range map[string]string{
				"Content-Type": test.media, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
				"Cross-Origin-Resource-Policy": "same-origin", "Etag": fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(test.body))),
			} {
				if got := res.Header.Get(header); got != want {
					t.Errorf("%s: %s is %s, want %s", test.name, header, got, want)
				}
			}
			// Line ends are replaced, so the ASCII name can differ in length.
			got := res.Header.Get("Content-Disposition")
			if _, whole, _ := strings.Cut(got, "filename*="); !strings.HasSuffix(test.disposition, whole) || strings.ContainsAny(got, "\r\n") {
				t.Errorf("%s: %s, want %s", test.name, got, test.disposition)
			}
		}
	}
	for path, want := range map[string]string{"/files/99/x": "the host no longer has file 99\n", "/files/x": "no such file; /files/ lists them\n"} {
		if res, answer := r.ask("GET", path, nil); res.StatusCode != 404 || answer != want {
			t.Errorf("%s: %s %s", path, res.Status, answer)
		}
	}
}

func TestRanges(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	r.ask("PUT", "/files/digits", strings.NewReader("0123456789"))
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte("0123456789")))
	for _, test := range []struct {
		method string
		header []string
		status int
		body   string
	}{
		{"GET", []string{"Range", "bytes=7-"}, 206, "789"},
		{"GET", []string{"Range", "bytes=7-", "If-Range", tag}, 206, "789"},
		{"GET", []string{"Range", "bytes=7-", "If-Range", `"another"`}, 200, "0123456789"},
		{"GET", []string{"Range", "bytes=10-"}, 416, "invalid range: failed to overlap\n"},
		{"GET", []string{"If-None-Match", tag}, 304, ""},
		{"HEAD", nil, 200, ""},
	} {
		res, answer := r.ask(test.method, "/files/1/digits", nil, test.header...)
		if res.StatusCode != test.status || answer != test.body {
			t.Errorf("%s %q: %s %q", test.method, test.header, res.Status, answer)
		}
	}
}

// Requests that are not tus 1.0.0, or exceed a limit, are rejected.
func TestTusRejects(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 1000})
	res, _ := r.ask("OPTIONS", "/files/", nil)
	if res.StatusCode != 204 || res.Header.Get("Tus-Version") != "1.0.0" || res.Header.Get("Tus-Extension") != "creation,creation-defer-length,creation-with-upload,checksum,concatenation,termination" || res.Header.Get("Tus-Max-Size") != "1000" {
		t.Error(res.Status, res.Header)
	}
	res, _ = r.ask("POST", "/files/", nil, "Upload-Length", "3")
	if res.StatusCode != 412 || res.Header.Get("Tus-Version") != "1.0.0" {
		t.Error(res.Status, res.Header)
	}
	r.tus(400, "POST", "/files/", "")
	r.tus(400, "POST", "/files/", "", "Upload-Length", "-1")
	r.tus(413, "POST", "/files/", "", "Upload-Length", "1001")
	r.tus(400, "POST", "/files/", "", "Upload-Length", "1", "Upload-Metadata", "filename ???")
}

// An upload in two pieces is checked, and then published by its ID.
func TestTusUpload(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 1000})
	text := "soup is ready, and so is the bread"
	size := fmt.Sprint(len(text))
	place := r.tus(201, "POST", "/files/", "", "Upload-Length", size, "Upload-Metadata", "filename "+b64("süp.txt")+",is_private").Header.Get("Location")
	if !strings.HasPrefix(place, "/files/uploads/") {
		t.Fatalf("Location is %s", place)
	}
	id := strings.TrimPrefix(place, "/files/uploads/")
	if res := r.tus(204, "PATCH", place, text[:5], "Upload-Offset", "0"); res.Header.Get("Upload-Offset") != "5" || res.Header.Get("Chat-File") != "" {
		t.Error(res.Header)
	}
	r.tus(409, "PATCH", place, text, "Upload-Offset", "0")
	r.tus(413, "PATCH", place, text, "Upload-Offset", "5")
	r.tus(400, "PATCH", place, text)
	r.tus(400, "PATCH", place, text[5:], "Upload-Offset", "5", "Upload-Checksum", "md5 AAAA")
	r.tus(415, "PATCH", place, text[5:], "Upload-Offset", "5", "Content-Type", "text/plain")
	r.tus(404, "PATCH", place+"X", text[5:], "Upload-Offset", "5")
	if res := r.tus(200, "HEAD", place, ""); res.Header.Get("Upload-Offset") != "5" || res.Header.Get("Upload-Length") != size || res.Header.Get("Cache-Control") != "no-store" {
		t.Error(res.Header)
	}
	if res := r.tus(204, "PATCH", place, text[5:], "Upload-Offset", "5", "Upload-Checksum", "sha256 "+checksumOf(text)); res.Header.Get("Upload-Offset") != size || res.Header.Get("Chat-File") != "1" {
		t.Error(res.Header)
	}
	if res, _ := r.ask("GET", "/files/1/x", nil); res.StatusCode != 404 {
		t.Error("it can be downloaded before it is published:", res.Status)
	}

	alice := r.program("alice")
	alice.send(`{"type":"send","seq":1,"file":"` + id + `"}`)
	if e := alice.until(wire.TypeAction); e.Seq != 1 || e.File == nil || e.File.Name != "süp.txt" || e.File.Path != "/files/1/s%C3%BCp.txt" {
		t.Errorf("sent is %+v", e)
	}
	alice.send(`{"type":"send","seq":2,"file":"NONE"}`)
	if e := alice.until(wire.TypeError); e.Seq != 2 || e.Code != wire.CodeNoSuchFile {
		t.Errorf("sent is %+v", e)
	}
	alice.send(`{"type":"say","seq":3,"text":"no harm done"}`)
	if e := alice.until(wire.TypeMessage); e.Seq != 3 {
		t.Errorf("sent is %+v", e)
	}
}

// A wrong checksum of the file drops the upload, and so does DELETE.
func TestTusDrops(t *testing.T) {
	r, store := openWithFiles(t, files.Limits{})
	place := r.tus(201, "POST", "/files/", "", "Upload-Length", "4").Header.Get("Location")
	r.tus(460, "PATCH", place, "soap", "Upload-Offset", "0", "Repr-Digest", "sha-256=:"+checksumOf("soup")+":")
	r.tus(404, "HEAD", place, "")
	place = r.tus(201, "POST", "/files/", "", "Upload-Length", "4", "Upload-Metadata", "sha256 "+b64(fmt.Sprintf("%x", sha256.Sum256([]byte("soup"))))).Header.Get("Location")
	r.tus(460, "PATCH", place, "soap", "Upload-Offset", "0")
	place = r.tus(201, "POST", "/files/", "", "Upload-Length", "4").Header.Get("Location")
	r.tus(204, "DELETE", place, "")
	r.tus(404, "DELETE", place, "")
	if res := r.tus(201, "POST", "/files/", "", "Upload-Length", "0"); res.Header.Get("Chat-File") != "1" {
		t.Error(res.Header)
	}
	if list := store.List(0, 10); len(list) != 0 {
		t.Errorf("there are %+v", list)
	}
}

// A broken connection leaves its bytes, and a hanging one does not block the next.
func TestBrokenPatch(t *testing.T) {
	dir := t.TempDir()
	r, _ := openWithFolder(t, dir, files.Limits{})
	for name, breaks := range map[string]bool{"broken": true, "hanging": false} {
		t.Run(name, func(t *testing.T) {
			place := r.tus(201, "POST", "/files/", "", "Upload-Length", "10").Header.Get("Location")
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", place)
			in := bufio.NewReader(conn)
			if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" { // the host reads the body
				t.Fatal(line, err)
			}
			io.WriteString(conn, "012")
			if breaks {
				conn.Close()
			}
			part := filepath.Join(dir, strings.TrimPrefix(place, "/files/uploads/")+".part")
			await(t, "the bytes to be on disk", func() bool { // HEAD cuts off the rest
				info, err := os.Stat(part)
				return err == nil && info.Size() == 3
			})
			if at := r.tus(200, "HEAD", place, "").Header.Get("Upload-Offset"); at != "3" {
				t.Errorf("the host has %s bytes, want 3", at)
			}
			r.tus(204, "PATCH", place, "3456789", "Upload-Offset", "3", "Upload-Checksum", "sha256 "+checksumOf("0123456789"))
		})
	}
}

// An upload continues after a restart of the host, if its files are kept.
func TestUploadSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	r, store := openWithFolder(t, dir, files.Limits{})
	place := r.tus(201, "POST", "/files/", "", "Upload-Length", "10", "Upload-Metadata", "filename "+b64("digits")).Header.Get("Location")
	r.tus(204, "PATCH", place, "0123", "Upload-Offset", "0")
	r.close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ = openWithFolder(t, dir, files.Limits{})
	if res := r.tus(200, "HEAD", place, ""); res.Header.Get("Upload-Offset") != "4" || res.Header.Get("Upload-Length") != "10" {
		t.Errorf("after the restart: %v", res.Header)
	}
	r.tus(204, "PATCH", place, "456789", "Upload-Offset", "4", "Upload-Checksum", "sha256 "+checksumOf("0123456789"))
	alice := r.program("alice")
	alice.send(`{"type":"send","seq":1,"file":"` + strings.TrimPrefix(place, "/files/uploads/") + `"}`)
	if e := alice.until(wire.TypeAction); e.File == nil || e.File.Name != "digits" {
		t.Fatalf("sent is %+v", e)
	}
	if _, content := r.ask("GET", "/files/1/digits", nil); content != "0123456789" {
		t.Errorf("the file has %q", content)
	}
}

func TestNoFiles(t *testing.T) {
	r := open(t, relay.Options{}, web.Options{})
	for _, method := range []string{"GET", "PUT", "POST"} {
		if res, answer := r.ask(method, "/files/x", nil); res.StatusCode != 404 || answer != "this host does not accept files\n" {
			t.Errorf("%s: %s %s", method, res.Status, answer)
		}
	}
}

// A program is a member that speaks the line protocol.
type program struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

func (r *room) program(nick string) *program {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	p := &program{r.t, conn, bufio.NewScanner(conn)}
	p.send(`{"type":"hello","nick":"` + nick + `"}`)
	p.until(wire.TypeWelcome)
	return p
}

func (p *program) send(line string) { io.WriteString(p.conn, line+"\n") }

// until returns the next event of a type.
func (p *program) until(kind string) wire.Event {
	p.t.Helper()
	for p.lines.Scan() {
		if e, err := wire.ParseEvent(bytes.Clone(p.lines.Bytes())); err == nil && e.Type == kind {
			return e
		}
	}
	p.t.Fatalf("no %s came: %v", kind, p.lines.Err())
	return wire.Event{}
}
