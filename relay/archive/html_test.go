package archive

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

func listOf(events []wire.Event) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func pageOf(t *testing.T, title string, events ...wire.Event) string {
	t.Helper()
	var out bytes.Buffer
	if err := writeHTML(&out, title, listOf(events)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A page shows what the page of a room does.
func TestPage(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 5, 0, 0, time.Local)
	page := pageOf(t, "soup & bread",
		wire.Event{Type: wire.TypeMessage, ID: 1, Time: at, From: "alice", Text: "see http://a.b/?c=1&d, **now** `x<y`\n_yes_"},
		wire.Event{Type: wire.TypeMessage, ID: 2, Time: at, From: "bob", Text: "```go\nreturn 1 < 2 // no\n```"},
		wire.Event{Type: wire.TypeAction, ID: 3, Time: at.Add(24 * time.Hour), From: "bob", Text: "waves"},
		wire.Event{Type: wire.TypeAction, ID: 4, Time: at.Add(24 * time.Hour), From: "alice", File: &wire.File{Number: 4, Name: "<a>.txt", Size: 2_000_000}},
		wire.Event{Type: wire.TypePrivate, ID: 5, Time: at.Add(24 * time.Hour), From: "alice", To: "bob", Text: "psst"},
		wire.Event{Type: wire.TypeJoin, ID: 6, Time: at.Add(24 * time.Hour), Members: []string{"carol"}},
		wire.Event{Type: wire.TypeOmitted, ID: 7, Time: at.Add(24 * time.Hour)},
	)
	for _, want := range []string{
		"<title>soup &amp; bread</title>", "<h1>soup &amp; bread</h1>",
		"<h2>Saturday, 28 November 2026</h2>", "<h2>Sunday, 29 November 2026</h2>", `id="e1"><time datetime="`, `">09:05</time>`,
		`see <a href="http://a.b/?c=1&amp;d" rel="noopener noreferrer">http://a.b/?c=1&amp;d</a>, <strong>now</strong> <code>x&lt;y</code>` + "\n<em>yes</em></div>",
		`<pre><code><span class="k">return</span> <span class="d">1</span> &lt; <span class="d">2</span> <span class="c">// no</span></code></pre>`,
		`* <bdi class="nick n`, `</bdi> waves</div>`,
		`<span class="file">&lt;a&gt;.txt <span>2.0 MB</span></span>`,
		`<b class="to">→ <bdi>bob</bdi></b> psst</div>`,
		`<div class="row event" id="e6">`, `dir="auto">carol joined</div>`, "<p>6 events</p>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n := strings.Count(page, "<h2>"); n != 2 {
		t.Errorf("there are %d days", n)
	}
	if strings.Contains(page, `id="e7"`) {
		t.Error("the page shows what is not there")
	}
	if t.Failed() {
		t.Log(page[strings.Index(page, "<h1>"):])
	}
}

// Whatever members wrote, the page has only the elements that it makes, no attribute that could run or load
// anything, and a policy that allows its own style sheet only.
func TestPageOfHostileText(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `http://a.b/"onclick="alert(1)`, `javascript:alert(1) https://x.y/'><b>`,
		"```html\n</code></pre><script>x</script>\n```", "`</code><script>x</script>`", "**<b onclick=x>**", "</div></body><style>*{}</style>", "&lt;script&gt;", "<!--", "]]>",
	}
	var events []wire.Event
	for i, text := range hostile {
		id := uint64(10 * i)
		events = append(events,
			wire.Event{Type: wire.TypeMessage, ID: id + 1, From: text, Text: text},
			wire.Event{Type: wire.TypePrivate, ID: id + 2, From: text, To: text, Text: text},
			wire.Event{Type: wire.TypeAction, ID: id + 3, From: text, File: &wire.File{Name: text, Path: text}},
			wire.Event{Type: wire.TypeTopic, ID: id + 4, From: text, Text: text},
			wire.Event{Type: wire.TypeLeave, ID: id + 5, Members: []string{text}, Code: wire.Code(text), From: text, Text: text})
	}
	page := pageOf(t, hostile[0], events...)
	elements := map[string]bool{"meta": true, "title": true, "style": true, "h1": true, "h2": true, "div": true, "time": true, "span": true, "bdi": true, "b": true, "strong": true, "em": true, "code": true, "pre": true, "a": true, "p": true, "html": true}
	attributes := map[string]bool{"lang": true, "charset": true, "http-equiv": true, "content": true, "name": true, "class": true, "id": true, "datetime": true, "dir": true, "href": true, "rel": true}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose = false, []string{"meta"}
	found := make(map[string]int)
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		found[start.Name.Local]++
		if !elements[start.Name.Local] {
			t.Errorf("there is an element %v", start)
		}
		for _, a := range start.Attr {
			if !attributes[a.Name.Local] || a.Name.Local == "href" && !regexp.MustCompile(`^https?://[^"'<>]*$`).MatchString(a.Value) {
				t.Errorf("%s has %v", start.Name.Local, a)
			}
		}
	}
	if found["div"] != 2*len(events) || found["a"] == 0 || found["style"] != 1 {
		t.Errorf("there are %v", found)
	}
	policy := regexp.MustCompile(`content="(default-src[^"]*)"`).FindStringSubmatch(page)
	if policy == nil || policy[1] != strings.ReplaceAll(pagePolicy, "'", "&#39;") || strings.Contains(pageStyle, "url(") || strings.Contains(pageStyle, "@import") {
		t.Errorf("the policy is %q", policy)
	}
}

// The title in a file may be from another program.
func TestPageTitle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.chat")
	const line = `{"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}`
	if _, _, err := importLines(path, line, importOptions{Title: "so\x1b[2Ju\u202ep\n"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := export(t.Context(), &out, "-", path, "html", all); err != nil {
		t.Fatal(err)
	}
	if page := out.String(); !strings.Contains(page, "<h1>so␛[2Ju\uFFFDp") || strings.ContainsAny(page, "\x1b\u202e") {
		t.Errorf("the page has the title %.60s", page[strings.Index(page, "<h1>"):])
	}
}

// Nicks have the colors of the page of a room: no two the same, as long as there are some.
func TestPageColors(t *testing.T) {
	p := page{given: make(map[string]int)}
	seen := make(map[int]bool)
	for n := range colors {
		seen[p.colorOf(fmt.Sprint("nick", n))] = true
	}
	if len(seen) != colors {
		t.Errorf("%d nicks have %d colors", colors, len(seen))
	}
	if c := p.colorOf("another"); c < 0 || c >= core {
		t.Errorf("another nick has color %d", c)
	}
	room, err := os.ReadFile(filepath.Join("..", "web", "page", "style.css"))
	if err != nil {
		t.Fatal(err)
	}
	color := regexp.MustCompile(`--(n\d+|ground|ink|dim|code|accent|keyword|string|number|function): #[0-9a-f]+`)
	ours := color.FindAllString(pageStyle, -1)
	for _, c := range ours {
		if !strings.Contains(string(room), c) {
			t.Errorf("the page of a room has no %s", c)
		}
	}
	if len(ours) < 2*colors {
		t.Errorf("there are the colors %q", ours)
	}
}

// A page of a long history is written without holding it in memory.
func TestPageIsStreamed(t *testing.T) {
	const events = 50_000
	var before, after runtime.MemStats
	most := uint64(0)
	list := func(yield func(wire.Event, error) bool) {
		runtime.GC()
		runtime.ReadMemStats(&before)
		for n := range events {
			e := wire.Event{Type: wire.TypeMessage, ID: uint64(n + 1), Time: time.UnixMilli(int64(n) * 1000), From: fmt.Sprint("nick", n), Text: strings.Repeat("soup ", 20)}
			if !yield(e, nil) {
				return
			}
			if n%10_000 == 9_999 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				most = max(most, after.HeapAlloc)
			}
		}
	}
	written := counter(0)
	if err := writeHTML(&written, "x", list); err != nil {
		t.Fatal(err)
	}
	if most > before.HeapAlloc+4<<20 || written < events*200 {
		t.Errorf("%d bytes are written with %d in memory", written, most-before.HeapAlloc)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// A disk that is full is an error, and events that cannot be read do not spoil the page.
func TestPageErrors(t *testing.T) {
	full := errors.New("full")
	err := writeHTML(failing{full}, "x", func(yield func(wire.Event, error) bool) {
		for yield(wire.Event{Type: wire.TypeMessage, ID: 1, Text: "soup"}, nil) {
		}
	})
	if !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
	var out bytes.Buffer
	err = writeHTML(&out, "x", func(yield func(wire.Event, error) bool) {
		_ = yield(wire.Event{Type: wire.TypeMessage, ID: 1, Text: "soup"}, nil) && yield(wire.Event{}, history.ErrDamaged)
	})
	if !errors.Is(err, history.ErrDamaged) || !strings.HasSuffix(out.String(), "<p>1 event</p>\n</html>\n") {
		t.Errorf("%v after %s", err, out.String())
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// An export to a file makes a new private one.
func TestExportToFile(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "room.chat"), filepath.Join(dir, "out.html")
	if _, _, err := importLines(path, `{"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}`, importOptions{Title: "kitchen"}); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{"html": "<h1>kitchen</h1>", "text": " <alice> soup\n", "jsonl": `,"from":"alice","text":"soup"}`} {
		if err := export(t.Context(), io.Discard, target, path, format, all); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(target)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s is %s, %v", format, got, err)
		}
		if info, err := os.Stat(target); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
		if err := export(t.Context(), io.Discard, target, path, format, all); !errors.Is(err, history.ErrExists) || !strings.Contains(err.Error(), "\nhint: choose another name") {
			t.Errorf("the second time, the error is %v", err)
		}
		if err := os.Remove(target); err != nil {
			t.Fatal(err)
		}
	}
}
