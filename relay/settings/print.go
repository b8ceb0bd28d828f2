package settings

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"chat/relay/limits"
	"chat/relay/manual"
)

// printedHead begins a file of settings.
const printedHead = `# Settings of chat host: chat host --config FILE, or CHAT_CONFIG=FILE, reads them.
#
# Remove the # before a setting to set it. Its value is the default, or a word in
# capitals that stands for a value. Options on the command line come first, then
# environment variables, then this file, then the default.
# Names of files are relative to the folder of this file; ~/ is your home.
# There are no secrets in this file.
`

// aboutRepeating finds what help says about an option, and is not true of a file.
var aboutRepeating = regexp.MustCompile(` Repeat to [^.]*\.`)

// columns is how wide the comments of a file are.
const columns = 80

// Print writes the effective settings as a file that [Read] reads: those that are set, with where they are
// from, and the others as comments with their defaults. Names of files are absolute. It prints no secret:
// no setting is one.
func (s *Settings) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString(printedHead)
	category := ""
	var table *setting
	for i := range s.all {
		one := &s.all[i]
		if one.kind == limitTable {
			table = one
			continue
		}
		if one.doc.Category != category {
			category = one.doc.Category
			fmt.Fprintf(b, "\n# ---- %s ----\n", category)
		}
		if err := s.print(b, one); err != nil {
			return err
		}
	}
	if table != nil {
		s.printLimits(b, table)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("print the settings: %w", err)
	}
	return nil
}

// print writes a setting.
func (s *Settings) print(b *bufio.Writer, one *setting) error {
	words := aboutRepeating.ReplaceAllString(one.doc.Help, "")
	if one.doc.Default != "" && !one.hasDefault {
		words += " The default is " + one.doc.Default + "."
	}
	b.WriteString("\n")
	comment(b, words+" "+one.variable+" sets it, too.")
	items, from := s.effective(one.name)
	if from == "" {
		fmt.Fprintf(b, "#%s\n", one.example())
		return nil
	}
	written := make([]string, len(items))
	for i, item := range items {
		if !utf8.ValidString(item) {
			return fmt.Errorf("cannot print the settings: %s is not UTF-8\nhint: files of settings are UTF-8, so use another name in --%[1]s", one.name)
		}
		if one.isPathName(item) {
			absolute, err := filepath.Abs(item)
			if err != nil {
				return fmt.Errorf("print the settings: %w", err)
			}
			item = absolute
		}
		if one.name == clusterFlag {
			item = withoutPassword(item)
		}
		written[i] = item
		if one.kind != aSwitch && one.kind != aNumber {
			written[i] = quoted(item)
		}
	}
	text := strings.Join(written, ", ")
	if one.kind == aList {
		text = "[" + text + "]"
	}
	fmt.Fprintf(b, "%s = %s # from %s\n", one.name, text, printable(from))
	return nil
}

// clusterFlag is the option with URLs, which may have passwords.
const clusterFlag = "cluster"

// withoutPassword replaces the password in a URL, because others may see the output.
func withoutPassword(item string) string {
	u, err := url.Parse(item)
	if err != nil || u.User == nil {
		return item
	}
	if _, has := u.User.Password(); !has { // then it is a token
		u.User = url.User("xxxxx")
	}
	return u.Redacted()
}

// printLimits writes the table of limits.
func (s *Settings) printLimits(b *bufio.Writer, table *setting) {
	b.WriteString("\n# ---- Limits ----\n\n")
	comment(b, "A limit is none, or a value with its unit. "+table.variable+" sets limits, too: NAME=VALUE, separated by commas. It has to be the last part of the file.")
	b.WriteString("[limit]\n")
	set := make(map[string]Limit)
	for _, l := range s.Limits() {
		set[l.name()] = l
	}
	for i := range limits.Table {
		l := &limits.Table[i]
		b.WriteString("\n")
		comment(b, l.Help)
		if v, ok := set[l.Name]; ok {
			fmt.Fprintf(b, "%s = %s # from %s\n", l.Name, quoted(v.value()), printable(v.From))
		} else {
			fmt.Fprintf(b, "#%s = %s\n", l.Name, quoted(l.Default))
		}
	}
}

// comment writes text as a comment.
func comment(b *bufio.Writer, text string) {
	for _, line := range manual.Wrap(text, columns-2) {
		b.WriteString("# " + line + "\n")
	}
}

// printable returns text without characters that would end a comment.
func printable(text string) string {
	if written := strconv.Quote(text); written != `"`+text+`"` {
		return written
	}
	return text
}

// quoted returns text, which is UTF-8, as a string of TOML.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
