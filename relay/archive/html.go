package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/screen"
	"chat/relay/screen/syntax"
	"chat/relay/timezone"
	"chat/relay/wire"
)

//go:embed page.css
var pageStyle string

// pagePolicy lets the page have its own style sheet and nothing else: no script, no picture, no request.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}()

const (
	// maxColoring is how long code may be colored in a page; after that it has no colors. Code that takes
	// long is hostile: see package syntax.
	maxColoring = 10 * time.Second

	// maxColored is how many nicks are given a color; others have the one that their hash chooses.
	maxColored = 10_000

	colors = 12 // .n0 to .n11 in page.css
	core   = 8  // the first ones, which differ most
)

// A page writes events as an HTML page, one after another. It belongs to one goroutine.
type page struct {
	w        *bufio.Writer
	day      string
	given    map[string]int // nick to color
	taken    [colors]bool
	coloring time.Duration // spent
	events   int
}

// writeHTML writes a page with the events, until one has an error. The page is complete then, too.
func writeHTML(out io.Writer, title string, events iter.Seq2[wire.Event, error]) error {
	p := &page{w: bufio.NewWriterSize(out, 64<<10), given: make(map[string]int)}
	escaped := html.EscapeString(title)
	fmt.Fprintf(p.w, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n"+
		"<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n<style>%s</style>\n<h1>%s</h1>\n",
		html.EscapeString(pagePolicy), escaped, pageStyle, escaped)
	var damage error
	for e, err := range events {
		if err != nil {
			damage = err
			break
		}
		p.add(&e)
		if _, err := p.w.Write(nil); err != nil { // of an earlier write
			return fmt.Errorf("write the page: %w", err)
		}
	}
	fmt.Fprintf(p.w, "<p>%s</p>\n</html>\n", wire.Counted(p.events, "event", "events"))
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return damage
}

// add writes the row of an event, below the heading of its day.
func (p *page) add(e *wire.Event) {
	kind := "event"
	switch e.Type {
	case wire.TypeMessage, wire.TypeAction:
		kind = "message"
	case wire.TypePrivate:
		kind = "private"
	}
	var words []byte
	if kind == "event" {
		words = bytes.TrimSuffix(bytes.TrimPrefix(e.AppendText(nil, wire.Viewer{}), []byte("* ")), []byte("\n"))
		if len(words) == 0 {
			return // the place of one that is not there
		}
	}
	p.events++
	at := e.Time.In(timezone.Local(e.Time))
	if day := at.Format("Monday, 2 January 2006"); day != p.day {
		p.day = day
		fmt.Fprintf(p.w, "<h2>%s</h2>\n", day)
	}
	p.tag(`<div class="row `, kind, `" id="e`, strconv.FormatUint(e.ID, 10), `"><time datetime="`, e.Time.UTC().Format(time.RFC3339), `">`, at.Format("15:04"), `</time><span class="who">`)
	if kind != "event" && (e.Type != wire.TypeAction || e.File != nil) {
		p.nick(e.From)
	}
	p.tag(`</span><div class="text" dir="auto">`)
	switch {
	case kind == "event":
		p.text(string(words))
	case e.Type == wire.TypeAction && e.File == nil:
		p.tag("* ")
		p.nick(e.From)
		p.tag(" ")
		p.message(e.Text)
	case e.File != nil:
		p.tag(`<span class="file">`)
		p.text(e.File.Name)
		p.tag(` <span>`, humanize.Bytes(uint64(max(e.File.Size, 0))), `</span></span>`)
	default:
		if kind == "private" {
			p.tag(`<b class="to">→ <bdi>`)
			p.text(e.To)
			p.tag(`</bdi></b> `)
		}
		p.message(e.Text)
	}
	p.tag("</div></div>\n")
	if e.Type == wire.TypeNick { // the color stays with the member
		if c, ok := p.given[e.From]; ok && len(p.given) < maxColored {
			p.given[e.Nick] = c
		}
	}
}

// tag writes markup. An error stays with the writer.
func (p *page) tag(markup ...string) {
	for _, s := range markup {
		p.w.WriteString(s)
	}
}

// text writes text as text.
func (p *page) text(s string) { p.w.WriteString(html.EscapeString(s)) }

func (p *page) nick(nick string) {
	p.tag(`<bdi class="nick n`, strconv.Itoa(p.colorOf(nick)), `">`)
	p.text(nick)
	p.tag(`</bdi>`)
}

// colorOf returns the color of a nick, as on the page of a room: that which its hash chooses, or another one while
// there are some that no one has.
func (p *page) colorOf(nick string) int {
	if c, ok := p.given[nick]; ok {
		return c
	}
	hash := fnv.New32a()
	io.WriteString(hash, strings.ToLower(nick))
	first := int(hash.Sum32() % core)
	c := first
	for i := 0; i < colors && p.taken[c]; i++ {
		c = (first + i + 1) % colors
	}
	if p.taken[c] {
		c = first
	}
	if len(p.given) < maxColored {
		p.given[nick], p.taken[c] = c, true
	}
	return c
}

// message writes the text of a message with its links, marks and code.
func (p *page) message(text string) {
	for _, part := range screen.PartsOf(text) {
		switch part.Kind {
		case screen.CodePart:
			p.element("code", part.Text)
		case screen.BoldPart:
			p.element("strong", part.Text)
		case screen.ItalicPart:
			p.element("em", part.Text)
		case screen.LinkPart:
			address := html.EscapeString(part.Text)
			p.tag(`<a href="`, address, `" rel="noopener noreferrer">`, address, `</a>`)
		case screen.BlockPart:
			p.tag("<pre><code>")
			p.code(part.Text, part.Language)
			p.tag("</code></pre>")
		default:
			p.text(part.Text)
		}
	}
}

func (p *page) element(name, text string) {
	p.tag("<", name, ">")
	p.text(text)
	p.tag("</", name, ">")
}

// tokenClasses are the classes of tokens in page.css.
var tokenClasses = map[syntax.Class]string{syntax.Keyword: "k", syntax.Literal: "s", syntax.Number: "d", syntax.Function: "f", syntax.Comment: "c"}

// code writes code in its colors, if they are known.
func (p *page) code(code, language string) {
	at := 0
	if p.coloring < maxColoring && syntax.Knows(language) {
		began := time.Now()
		tokens, err := syntax.Tokens(code, language)
		p.coloring += time.Since(began)
		if err != nil {
			tokens = nil // without colors it can be read, too
		}
		for _, t := range tokens {
			p.text(code[at:t.From])
			p.tag(`<span class="`, tokenClasses[t.Class], `">`)
			p.text(code[t.From:t.To])
			p.tag(`</span>`)
			at = int(t.To)
		}
	}
	p.text(code[at:])
}
