package web

import (
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page lists all its modules but those that it loads on demand, and nothing else, at addresses that browsers may keep; those of another version they may not.
func TestVersionedAddresses(t *testing.T) {
	p := newPage()
	html := string(p.files["index.html"].plain)
	var listed []string
	for _, found := range regexp.MustCompile(`"/page/(\w+)/([\w-]+\.(?:js|css))"`).FindAllStringSubmatch(html, -1) {
		if found[1] != p.version {
			t.Errorf("%s has version %s, want %s", found[2], found[1], p.version)
		}
		listed = append(listed, found[2])
	}
	onDemand := []string{"sha256.js"} // a worker's
	for _, file := range p.files {
		for _, found := range regexp.MustCompile(`\bimport\('\./([\w-]+\.js)'\)`).FindAllSubmatch(file.plain, -1) {
			onDemand = append(onDemand, string(found[1]))
		}
	}
	var want []string
	for name := range p.files {
		if isVersioned(name) && !slices.Contains(onDemand, name) {
			want = append(want, name)
		}
	}
	slices.Sort(listed)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("listed are %v, want %v", listed, want)
	}
	for _, test := range []struct {
		version, name string
		code          int
		caching       string
	}{
		{p.version, "main.js", 200, "immutable"}, {p.version, "style.css", 200, "immutable"}, {"older", "main.js", 200, "no-cache"},
		{p.version, "index.html", 404, ""}, {p.version, "nosuch.js", 404, ""},
	} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.SetPathValue("version", test.version)
		r.SetPathValue("name", test.name)
		p.serveVersioned(w, r)
		if caching := w.Header().Get("Cache-Control"); w.Code != test.code || !strings.Contains(caching, test.caching) {
			t.Errorf("%s of %s: %d, %s", test.name, test.version, w.Code, caching)
		}
	}
}

// The scripts are served without their comments, unless a string could contain them. Lines keep their numbers.
func TestWithoutComments(t *testing.T) {
	const script = `// @ts-check
import { a } from './a.js'; // why

/** The b. @type {B} */
let b = '//c'; /* d */
let g = 'put // in front'; // the others' words
let h = 1; // h
/**
 * @param {string} e
 */
function f(e) {
	// g
	return /** @type {any} */ (e) / 2;
	/** @type {any} */ (e).f();
}
`
	const want = `
import { a } from './a.js';


let b = '//c'; /* d */
let g = 'put // in front'; // the others' words
let h = 1;



function f(e) {

	return /** @type {any} */ (e) / 2;
	/** @type {any} */ (e).f();
}
`
	if got := string(withoutComments([]byte(script))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
