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
	"strings"
	"time"
)

//go:embed page
var folder embed.FS

// An asset is a file of the page.
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

// assets returns the files of the page by name.
func assets() map[string]*asset {
	entries, err := folder.ReadDir("page")
	if err != nil {
		panic(err) // it is embedded
	}
	all := make(map[string]*asset)
	for _, entry := range entries {
		b, err := folder.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(err)
		}
		if path.Ext(entry.Name()) == ".js" {
			b = withoutComments(b)
		}
		var zipped bytes.Buffer
		w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is valid
		w.Write(b)
		w.Close()
		mediaType := mediaTypes[path.Ext(entry.Name())]
		if mediaType == "" {
			mediaType = mime.TypeByExtension(path.Ext(entry.Name()))
		}
		all[entry.Name()] = &asset{b, zipped.Bytes(), mediaType, fmt.Sprintf("%x", sha256.Sum256(b))}
	}
	return all
}

// withoutComments empties the lines of a script that are only a comment, a fifth of what a phone would load. All others are
// the same, and have the same numbers. No template literal may have a line that looks like one.
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
			out.Write(line)
		}
	}
	return out.Bytes()
}

// ServeHTTP serves the file, or answers that the browser's copy is current.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", a.mediaType)
	header.Set("Cache-Control", "no-cache") // the browser asks each time whether its copy is current
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
