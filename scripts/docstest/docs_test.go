package docstest

import (
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"chat/relay/limits"
	"chat/relay/wire"
)

var update = flag.Bool("update", false, "rewrite the tables of commands and limits")

// The top of the repository, seen from this folder.
const root = "../.."

const maxReadmeWords = 1200

func TestReadmeIsShort(t *testing.T) {
	if n := len(strings.Fields(read(t, "README.md"))); n > maxReadmeWords {
		t.Errorf("README.md has %d words, more than %d; move some to relay/docs", n, maxReadmeWords)
	}
}

// Every relative link leads to a file, and its fragment to a heading there.
func TestLinks(t *testing.T) {
	pages := documents(t)
	links := 0
	for page, text := range pages {
		for _, link := range linksIn(text) {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: link %q: %v", page, link, err)
				continue
			}
			if target.Scheme != "" {
				continue
			}
			links++
			file := page
			if target.Path != "" {
				file = filepath.Join(filepath.Dir(page), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: link %q: no such file", page, link)
				continue
			}
			if target.Fragment != "" && !anchorsIn(pages[file])[target.Fragment] {
				t.Errorf("%s: link %q: %s has no such heading", page, link, file)
			}
		}
	}
	if links < 20 {
		t.Errorf("found %d relative links in %d documents, want at least 20", links, len(pages))
	}
}

// Every document in relay/docs is linked from the README.
func TestReadmeLinksEveryDocument(t *testing.T) {
	linked := make(map[string]bool)
	for _, link := range linksIn(read(t, "README.md")) {
		path, _, _ := strings.Cut(link, "#")
		linked[filepath.FromSlash(path)] = true
	}
	for page := range documents(t) {
		if page != "README.md" && !linked[page] {
			t.Errorf("README.md has no link to %s", page)
		}
	}
}

// The tables of commands are those of wire.Commands.
func TestCommandTables(t *testing.T) {
	checkTable(t, "relay/docs/guide.md", "commands", func(b *strings.Builder) {
		b.WriteString("| command | does | works in |\n| --- | --- | --- |\n")
		for i := range wire.Commands {
			c := &wire.Commands[i]
			if !c.Operator {
				fmt.Fprintf(b, "| `%s` | %s | %s |\n", cell(c.Usage()), cell(c.Help), worksIn(c.Local))
			}
		}
	})
	checkTable(t, "relay/docs/guide.md", "operator commands", func(b *strings.Builder) {
		b.WriteString("| command | does |\n| --- | --- |\n")
		for i := range wire.Commands {
			if c := &wire.Commands[i]; c.Operator {
				fmt.Fprintf(b, "| `%s` | %s |\n", cell(c.Usage()), cell(c.Help))
			}
		}
	})
	checkTable(t, "relay/PROTOCOL.md", "commands", func(b *strings.Builder) {
		b.WriteString("| command | who may use it |\n| --- | --- |\n")
		for i := range wire.Commands {
			c := &wire.Commands[i]
			if c.Local != 0 {
				continue
			}
			who := "everyone"
			if c.Operator {
				who = "operators"
			}
			fmt.Fprintf(b, "| `%s` | %s |\n", cell(c.Usage()), who)
		}
	})
}

// The table of limits is that of package limits.
func TestLimitTable(t *testing.T) {
	checkTable(t, "relay/docs/hosting.md", "units", func(b *strings.Builder) {
		b.WriteString("| unit | is |\n| --- | --- |\n")
		for _, u := range limits.Units {
			fmt.Fprintf(b, "| %s | %s |\n", u, cell(u.Help()))
		}
	})
	checkTable(t, "relay/docs/hosting.md", "limits", func(b *strings.Builder) {
		b.WriteString("| limit | default | effect |\n| --- | --- | --- |\n")
		for _, l := range limits.Table {
			fmt.Fprintf(b, "| `%s=%s` | %s | %s |\n", l.Name, l.Unit, l.Default, cell(l.Help))
		}
	})
}

// Every command of the host is a request in PROTOCOL.md.
func TestProtocolListsEveryRequest(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "relay/PROTOCOL.md"), "\n### Requests\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for i := range wire.Commands {
		c := &wire.Commands[i]
		row := regexp.MustCompile("(?m)^\\| [^|]*`" + c.Name + "`")
		if c.Local == 0 && !row.MatchString(section) {
			t.Errorf("PROTOCOL.md has no request %q", c.Name)
		}
	}
}

// internals.md says why each direct dependency is there.
func TestEveryDependencyHasAReason(t *testing.T) {
	page := read(t, "relay/docs/internals.md")
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(direct) < 10 {
		t.Fatalf("found %d direct dependencies in go.mod", len(direct))
	}
	for _, module := range direct {
		if !strings.Contains(page, module[1]+" |") && !strings.Contains(page, module[1]+",") {
			t.Errorf("internals.md does not list %s", module[1])
		}
	}
}

// internals.md lists every package of the host and its clients.
func TestEveryPackageIsListed(t *testing.T) {
	page := read(t, "relay/docs/internals.md")
	packages := make(map[string]bool)
	err := filepath.WalkDir(filepath.Join(root, "relay"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			dir, _ := filepath.Rel(root, filepath.Dir(path))
			packages[filepath.ToSlash(dir)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range packages {
		if !strings.Contains(page, "`"+dir+"`") && !strings.Contains(page, "`"+dir+"/`") {
			t.Errorf("internals.md does not list %s", dir)
		}
	}
}

// The files that internals.md names exist. It gives a full path, or the end of one.
func TestNamedFilesExist(t *testing.T) {
	var sources []string
	err := filepath.WalkDir(filepath.Join(root, "relay"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			sources = append(sources, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z_/]+\\.go)`").FindAllStringSubmatch(read(t, "relay/docs/internals.md"), -1)
	if len(named) < 10 {
		t.Fatalf("internals.md names %d files", len(named))
	}
	for _, file := range named {
		exists := slices.ContainsFunc(sources, func(path string) bool { return strings.HasSuffix(path, "/"+file[1]) })
		if _, err := os.Stat(filepath.Join(root, file[1])); err != nil && !exists {
			t.Errorf("internals.md names %s, which does not exist", file[1])
		}
	}
}

// worksIn lists the clients in which members can type a command.
func worksIn(clients wire.Client) string {
	if clients == 0 {
		return "every client"
	}
	var names []string
	for _, c := range []struct {
		client wire.Client
		name   string
	}{{wire.Screen, "the screen"}, {wire.Plain, "`--plain`"}, {wire.Page, "the page"}} {
		if clients&c.client != 0 {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

// cell escapes text for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// checkTable compares the part of a document between the marks <!-- name --> and
// <!-- /name --> with the table that write writes, or replaces it with -update.
func checkTable(t *testing.T, path, name string, write func(*strings.Builder)) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	page := read(t, path)
	head, rest, ok1 := strings.Cut(page, begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Errorf("%s has no %q … %q", path, begin, end)
		return
	}
	var want strings.Builder
	write(&want)
	switch {
	case table == want.String():
	case *update:
		if err := os.WriteFile(filepath.Join(root, path), []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table %q in %s is out of date; go test ./scripts/docstest -update rewrites it:\n%s", name, path, want.String())
	}
}

// documents returns the text of every Markdown file, by its path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			pages[name] = read(t, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	fenced   = regexp.MustCompile("(?ms)^```.*?^```$")
	code     = regexp.MustCompile("`[^`\n]*`")
	markdown = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	html     = regexp.MustCompile(`\b(?:src|srcset|href)="([^"]+)"`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

// linksIn returns the targets of all links and pictures in a document.
func linksIn(text string) (links []string) {
	text = code.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	for _, pattern := range []*regexp.Regexp{markdown, html} {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			links = append(links, match[1])
		}
	}
	return links
}

// anchorsIn returns the fragments that lead to the headings of a document, as GitHub makes
// them.
func anchorsIn(text string) map[string]bool {
	anchors := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		unique := anchor
		for n := 1; anchors[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", anchor, n)
		}
		anchors[unique] = true
	}
	return anchors
}

func TestAnchors(t *testing.T) {
	anchors := anchorsIn("# A page\n\n## Finding rooms: mDNS\n\n## `--plain`\n\n```\n# no heading\n```\n\n## A page\n")
	for _, want := range []string{"a-page", "finding-rooms-mdns", "--plain", "a-page-1"} {
		if !anchors[want] {
			t.Errorf("no anchor %q in %v", want, anchors)
		}
	}
	if anchors["no-heading"] {
		t.Error("a line of code became an anchor")
	}
}
