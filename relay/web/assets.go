package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed page
var folder embed.FS

// An asset is a file of the page. It does not change.
type asset struct {
	plain, zipped []byte // zipped is for browsers that accept gzip, which nearly all do
	mediaType     string
	tag           string // a hash of plain
}

// mediaTypes are by extension. They come before the system's own.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png",
}

// A page is the files of the page by name. Scripts and style sheets also have addresses with a version, the hash of
// them all, such as /page/0123456789ab/main.js: what is at such an address never changes, so browsers keep it and ask no
// more. Scripts import each other by relative addresses, so all those of one page are of one version.
type page struct {
	files   map[string]*asset
	version string
}

// thePage returns the files of the page. They are compressed once: the handlers of a process share them.
var thePage = sync.OnceValue(newPage)

// newPage reads and compresses the files of the page.
func newPage() page {
	p := page{files: make(map[string]*asset)}
	entries, err := folder.ReadDir("page")
	if err != nil {
		panic(err) // it is embedded
	}
	contents := make(map[string][]byte)
	version := sha256.New()
	for _, entry := range entries { // sorted by name
		b, err := folder.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(err)
		}
		if path.Ext(entry.Name()) == ".js" {
			b = withoutComments(b)
		}
		if contents[entry.Name()] = b; isVersioned(entry.Name()) {
			fmt.Fprintf(version, "%s %d\n%s", entry.Name(), len(b), b)
		}
	}
	p.version = fmt.Sprintf("%x", version.Sum(nil))[:12]
	contents["index.html"] = versioned(contents["index.html"], p.version, modulesOf(contents, "main.js"))
	for name, b := range contents {
		p.files[name] = newAsset(name, b)
	}
	return p
}

// isVersioned reports whether a file also has an address with the version of the page.
func isVersioned(name string) bool { return path.Ext(name) == ".js" || path.Ext(name) == ".css" }

var (
	scriptTag   = []byte(`<script type="module" `)
	fileAddress = regexp.MustCompile(`"/page/([\w-]+\.(?:js|css))"`)
	importOf    = regexp.MustCompile(`(?m)^(?:import|export) .*from '\./([\w-]+\.js)';`)
)

// versioned returns the page's HTML with the addresses of a version. It also lists the modules, so that a browser loads
// them all at once; otherwise it would find each only after it has loaded the one that imports it.
func versioned(html []byte, version string, modules []string) []byte {
	var list bytes.Buffer
	for _, name := range modules {
		fmt.Fprintf(&list, "<link rel=\"modulepreload\" href=\"/page/%s\">\n", name)
	}
	html = bytes.Replace(html, scriptTag, append(list.Bytes(), scriptTag...), 1)
	return fileAddress.ReplaceAll(html, []byte(`"/page/`+version+`/$1"`))
}

// modulesOf returns the modules that first imports, and those that they import.
func modulesOf(contents map[string][]byte, first string) []string {
	modules := []string{first}
	for i := 0; i < len(modules); i++ {
		for _, found := range importOf.FindAllSubmatch(contents[modules[i]], -1) {
			if name := string(found[1]); !slices.Contains(modules, name) {
				modules = append(modules, name)
			}
		}
	}
	return modules[1:]
}

// newAsset returns a file with the content b.
func newAsset(name string, b []byte) *asset {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is valid
	w.Write(b)
	w.Close()
	mediaType := mediaTypes[path.Ext(name)]
	if mediaType == "" {
		mediaType = mime.TypeByExtension(path.Ext(name))
	}
	return &asset{b, zipped.Bytes(), mediaType, fmt.Sprintf("%x", sha256.Sum256(b))}
}

// withoutComments returns a script without the lines that are only a comment, which become empty, and without the comments at
// the end of lines, together a quarter of its size. Lines keep their numbers. No template literal may have a line that
// looks like a comment.
func withoutComments(script []byte) []byte {
	var out bytes.Buffer
	inComment := false
	for line := range bytes.Lines(script) {
		text := bytes.TrimSpace(line)
		begins := bytes.HasPrefix(text, []byte("/*")) && (bytes.HasSuffix(text, []byte("*/")) || !bytes.Contains(text, []byte("*/")))
		switch {
		case inComment || begins:
			inComment = !bytes.HasSuffix(text, []byte("*/"))
			out.WriteByte('\n')
		case bytes.HasPrefix(text, []byte("//")):
			out.WriteByte('\n')
		default:
			out.Write(commentAtEnd.ReplaceAll(line, nil))
		}
	}
	return out.Bytes()
}

// commentAtEnd matches a comment after code. If a quote follows, it may be within a string, and stays.
var commentAtEnd = regexp.MustCompile("(?m)[ \t]+// [^'\"`\n]*$")

// serveVersioned serves GET /page/VERSION/NAME. A page of another version, which is still open after the host was updated,
// gets the file as it is now.
func (p page) serveVersioned(w http.ResponseWriter, r *http.Request) {
	file := p.files[r.PathValue("name")]
	switch {
	case file == nil || !isVersioned(r.PathValue("name")):
		http.NotFound(w, r)
	case r.PathValue("version") == p.version:
		file.serve(w, r, "public, max-age=31536000, immutable") // a year
	default:
		file.ServeHTTP(w, r)
	}
}

// ServeHTTP serves the file, or answers that the browser's copy is current.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.serve(w, r, "no-cache") // the browser asks each time whether its copy is current
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request, caching string) {
	header := w.Header()
	header.Set("Content-Type", a.mediaType)
	header.Set("Cache-Control", caching)
	header.Set("Vary", "Accept-Encoding")
	b, tag := a.plain, a.tag
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		b, tag = a.zipped, "gzip-"+a.tag
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// acceptsGzip reports whether the browser accepts gzip (RFC 9110, section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(strings.TrimSpace(weight), "q=0.") != "" || weight == ""
		}
	}
	return false
}
