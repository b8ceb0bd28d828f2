package web_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
	"chat/relay/wire"
)

// Upload-Checksum is that of a piece, as tus says: a wrong one costs only the piece. Repr-Digest is
// that of the file.
func TestTusChecksums(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	sha := func(s string) string {
		sum := sha1.Sum([]byte(s))
		return "sha1 " + base64.StdEncoding.EncodeToString(sum[:])
	}
	if got := r.tus(204, "OPTIONS", "/files/", "").Header.Get("Tus-Checksum-Algorithm"); got != "sha256,sha1,md5" {
		t.Errorf("the algorithms are %q", got)
	}
	place := r.tus(201, "POST", "/files/", "", "Upload-Length", "9").Header.Get("Location")
	r.tus(204, "PATCH", place, "soup", "Upload-Offset", "0", "Upload-Checksum", sha("soup"))
	r.tus(460, "PATCH", place, " us", "Upload-Offset", "4", "Upload-Checksum", sha(" is"))
	r.tus(400, "PATCH", place, " is", "Upload-Offset", "4", "Upload-Checksum", "crc32 AAAA")
	if at := r.tus(200, "HEAD", place, "").Header.Get("Upload-Offset"); at != "4" {
		t.Errorf("after a damaged piece it is at %s", at)
	}
	r.tus(204, "PATCH", place, " is", "Upload-Offset", "4", "Upload-Checksum", sha(" is"))
	r.tus(204, "PATCH", place, "in", "Upload-Offset", "7", "Repr-Digest", "sha-256=:"+checksumOf("soup isin")+":")
	r.tus(404, "PATCH", place+"X", "in", "Upload-Offset", "7")
}

// A file can come with the request that creates its upload.
func TestTusCreationWithUpload(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 100})
	res := r.tus(201, "POST", "/files/", "soup", "Upload-Length", "9", "Upload-Metadata", "name "+b64("soup.txt"))
	place := res.Header.Get("Location")
	if res.Header.Get("Upload-Offset") != "4" {
		t.Errorf("it is at %s", res.Header.Get("Upload-Offset"))
	}
	r.tus(204, "PATCH", place, "is on", "Upload-Offset", "4")
	res = r.tus(201, "POST", "/files/", "all", "Upload-Length", "3")
	if res.Header.Get("Upload-Offset") != "3" || res.Header.Get("Chat-File") != "2" {
		t.Errorf("a whole file: %v", res.Header)
	}
	r.tus(415, "POST", "/files/", "soup", "Upload-Length", "9", "Content-Type", "text/plain")
	r.tus(460, "POST", "/files/", "soup", "Upload-Length", "9", "Upload-Checksum", "sha256 "+checksumOf("soap"))
	// A script can post it.
	status, answer := r.do("POST", "/messages", `{"nick":"ci","file":"`+strings.TrimPrefix(place, "/files/uploads/")+`"}`, "Content-Type", "application/json")
	if e, err := wire.ParseEvent([]byte(answer)); status != 201 || err != nil || e.File == nil || e.File.Name != "soup.txt" {
		t.Errorf("posted: %d %s", status, answer)
	}
	if status, answer := r.do("POST", "/messages", `{"file":"NONE"}`, "Content-Type", "application/json"); status != 404 {
		t.Errorf("what is not there: %d %s", status, answer)
	}
}

// The size of a file can be named later.
func TestTusDeferredLength(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{MaxFile: 100})
	place := r.tus(201, "POST", "/files/", "so", "Upload-Defer-Length", "1").Header.Get("Location")
	if res := r.tus(200, "HEAD", place, ""); res.Header.Get("Upload-Defer-Length") != "1" || res.Header.Get("Upload-Length") != "" || res.Header.Get("Upload-Offset") != "2" {
		t.Errorf("%v", res.Header)
	}
	r.tus(413, "PATCH", place, "up", "Upload-Offset", "2", "Upload-Length", "101")
	r.tus(204, "PATCH", place, "up", "Upload-Offset", "2")
	if res := r.tus(204, "PATCH", place, "", "Upload-Offset", "4", "Upload-Length", "4"); res.Header.Get("Chat-File") != "1" {
		t.Errorf("%v", res.Header)
	}
	r.tus(400, "PATCH", place, "", "Upload-Offset", "4", "Upload-Length", "5")
	r.tus(400, "POST", "/files/", "", "Upload-Defer-Length", "1", "Upload-Length", "4")
	r.tus(400, "POST", "/files/", "", "Upload-Defer-Length", "0")
}

// A file can be put together from parallel uploads, of which members see nothing.
func TestTusConcatenation(t *testing.T) {
	r, store := openWithFiles(t, files.Limits{})
	a := r.tus(201, "POST", "/files/", "soup", "Upload-Length", "4", "Upload-Concat", "partial")
	b := r.tus(201, "POST", "/files/", "", "Upload-Length", "3", "Upload-Concat", "partial").Header.Get("Location")
	if a.Header.Get("Chat-File") != "" || r.tus(200, "HEAD", b, "").Header.Get("Upload-Concat") != "partial" {
		t.Errorf("%v", a.Header)
	}
	final := "final;" + a.Header.Get("Location") + " http://" + r.addr + b
	r.tus(404, "POST", "/files/", "", "Upload-Concat", final)
	r.tus(400, "POST", "/files/", "", "Upload-Concat", "final;")
	r.tus(400, "POST", "/files/", "", "Upload-Concat", "some", "Upload-Length", "1")
	r.tus(204, "PATCH", b, " on", "Upload-Offset", "0")
	whole := r.tus(201, "POST", "/files/", "", "Upload-Concat", final, "Upload-Metadata", "filename "+b64("soup"))
	if whole.Header.Get("Chat-File") != "1" || whole.Header.Get("Upload-Offset") != "7" {
		t.Errorf("%v", whole.Header)
	}
	r.tus(404, "HEAD", b, "")
	f, err := store.Publish(strings.TrimPrefix(whole.Header.Get("Location"), "/files/uploads/"))
	if _, content := r.ask("GET", f.Path, nil); err != nil || content != "soup on" {
		t.Errorf("%q, %v", content, err)
	}
}

// Some networks let only GET and POST through.
func TestTusMethodOverride(t *testing.T) {
	r, _ := openWithFiles(t, files.Limits{})
	place := r.tus(201, "POST", "/files/", "", "Upload-Length", "4").Header.Get("Location")
	r.tus(204, "POST", place, "soup", "Upload-Offset", "0", "X-HTTP-Method-Override", "PATCH")
	r.tus(204, "POST", place, "", "X-HTTP-Method-Override", "DELETE")
	r.tus(404, "HEAD", place, "")
	if res, _ := r.ask("POST", "/messages", strings.NewReader("soup"), "X-HTTP-Method-Override", "GET"); res.StatusCode != 201 {
		t.Error(res.Status)
	}
}

// An operator removes a file and turns uploads off. The room sees both, and links say why they no
// longer work.
func TestOperatorRemovesFiles(t *testing.T) {
	dir := t.TempDir()
	store, err := files.Open(dir, files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := open(t, relay.Options{HostToken: "hosts-secret", Uploads: func() relay.Uploads { return store }}, web.Options{Files: store})
	bob := r.person("bob")
	host := r.program(`hanna","token":"hosts-secret`)
	bob.send("/files")
	bob.expect("* no uploads yet")
	for _, name := range []string{"soup", "bread"} {
		if res, answer := r.ask("PUT", "/files/"+name, strings.NewReader(name)); res.StatusCode != 201 {
			t.Fatal(res.Status, answer)
		}
	}
	bob.send("/files")
	bob.expect("2  bread (5 B)  /files/2/bread")
	for _, command := range []string{"/files rm 1", "/files off"} {
		bob.send(command)
		bob.expect("! only operators can use " + strings.Join(strings.Fields(command)[:2], " "))
	}
	for n, test := range []struct{ request, want string }{
		{`"type":"files","text":"rm 1"`, "removed file 1 (soup)"},
		{`"type":"command","text":"/files rm #1"`, "! there is no file 1; /files lists them"},
		{`"type":"files","text":"rm"`, "! usage: /files [rm N|off|on]"},
		{`"type":"files","text":"rm soup"`, "! soup is not the number of a file; /files lists them"},
		{`"type":"command","text":"/files off"`, "turned uploads off"},
		{`"type":"files","text":"OFF"`, "uploads are off already"},
		{`"type":"files"`, "uploads are off; latest uploads:\n   2  bread (5 B)  /files/2/bread"},
	} {
		host.send(fmt.Sprintf(`{%s,"seq":%d}`, test.request, n+1))
		if words, ok := strings.CutPrefix(test.want, "! "); ok {
			if e := host.until(wire.TypeError); e.Text != words || e.Seq != uint64(n+1) {
				t.Errorf("%s: %+v, want %s", test.request, e, words)
			}
		} else if strings.HasPrefix(test.want, "uploads") {
			if e := host.until(wire.TypeNotice); e.Text != test.want {
				t.Errorf("%s: %+v, want %s", test.request, e, test.want)
			}
		} else {
			if e := host.until(wire.TypeOperator); e.Text != test.want {
				t.Errorf("%s: %+v, want %s", test.request, e, test.want)
			}
			bob.expect("hanna " + test.want)
		}
	}
	for path, want := range map[string]string{"/files/1/soup": "410 an operator removed file 1\n", "/files/2/bread": "200 bread"} {
		if res, answer := r.ask("GET", path, nil); fmt.Sprint(res.StatusCode, " ", answer) != want {
			t.Errorf("%s: %s %s, want %s", path, res.Status, answer, want)
		}
	}
	if res, answer := r.ask("PUT", "/files/salad", strings.NewReader("x")); res.StatusCode != 403 || answer != "an operator turned uploads off\n" {
		t.Errorf("%s %s", res.Status, answer)
	}
	r.tus(403, "POST", "/files/", "", "Upload-Length", "1")
	host.send(`{"type":"files","text":"on"}`)
	bob.expect("hanna turned uploads on")
	if res, answer := r.ask("PUT", "/files/salad", strings.NewReader("x")); res.StatusCode != 201 {
		t.Errorf("%s %s", res.Status, answer)
	}
}
