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

// An asset is one file of the page, as it is and as nearly every browser takes it.
type asset struct {
	plain, zipped []byte
	kind          string // its media type
	tag           string // changes with what is in it
}

// kinds are media types that are the same whatever the system thinks.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// assets returns the files of the page by their names.
func assets() map[string]*asset {
	entries, err := folder.ReadDir("page")
	if err != nil {
		panic(err) // it is there, or this would not have been built
	}
	all := make(map[string]*asset)
	for _, entry := range entries {
		b, err := folder.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(err)
		}
		var zipped bytes.Buffer
		w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is one
		w.Write(b)
		w.Close()
		kind := kinds[path.Ext(entry.Name())]
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(entry.Name()))
		}
		all[entry.Name()] = &asset{b, zipped.Bytes(), kind, fmt.Sprintf("%x", sha256.Sum256(b))}
	}
	return all
}

// ServeHTTP answers with the file, or that the browser has it already.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", a.kind)
	header.Set("Cache-Control", "no-cache") // but ask whether it is still the same
	header.Set("Vary", "Accept-Encoding")
	b, tag := a.plain, a.tag
	if takesGzip(r) {
		header.Set("Content-Encoding", "gzip")
		b, tag = a.zipped, "gzip-"+a.tag
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// takesGzip reports whether the browser names gzip, and not to say that it takes none (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(strings.TrimSpace(weight), "q=0.") != "" || weight == ""
		}
	}
	return false
}
