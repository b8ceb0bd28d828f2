package manual

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
	"chat/relay/wire"
)

// A Page is chat's man page. Subcommands, options, limits and commands come from the
// tables that the program works by; the fields hold the rest.
type Page struct {
	App       *cli.App
	Keys      []Entry // of the full screen
	Variables []Entry // environment variables, in addition to those of options
	Files     []Entry
	ExitCodes []Entry
}

// An Entry is a term with its explanation: one sentence or more.
type Entry struct {
	Term, Text string
	Group      string // the heading of this entry and of those around it with the same; "": none
}

// Write writes the page for man(1), in the man macros of roff.
func (p *Page) Write(w io.Writer) error {
	var r roff
	r.macro(".TH", "CHAT", "1", "", p.App.Version, "User Commands")
	r.line(".nh") // no hyphenation: people copy options
	r.line(".ad l")
	r.section("NAME")
	r.line(escape(p.App.Name) + ` \- ` + escape(strings.TrimSuffix(lowerFirst(p.App.Usage), ".")))
	r.section("SYNOPSIS")
	r.line(`\fB` + escape(p.App.Name) + `\fR \fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]`)
	r.section("DESCRIPTION")
	r.description(p.App.Description, false)
	r.section("SUBCOMMANDS")
	r.inSubcommand = true
	for _, c := range p.App.Commands {
		if !c.Hidden {
			r.subcommand(c)
		}
	}
	r.inSubcommand = false
	r.section("LIMITS")
	for _, paragraph := range limitsIntro {
		r.paragraph(paragraph)
	}
	for _, u := range limits.Units {
		r.entry(`\fI`+u.String()+`\fR`, u.Help())
	}
	for _, l := range limits.Table {
		r.entry(fmt.Sprintf(`\fB%s\fR=\fI%s\fR`, escape(l.Name), l.Unit), l.Help+" (default: "+l.Default+")")
	}
	r.section("COMMANDS")
	r.paragraph("In the room, a line that starts with / is a command. Start a line with // to send a slash.")
	for i := range wire.Commands {
		if g := wire.Commands[i].Group; i == 0 || wire.Commands[i-1].Group != g {
			r.heading(string(g))
		}
		r.entry(commandUsage(&wire.Commands[i]), commandText(&wire.Commands[i]))
	}
	r.section("KEYS")
	r.paragraph("On the full screen:")
	r.entries(p.Keys)
	r.section("ENVIRONMENT")
	r.paragraph(variablesIntro)
	r.entries(p.variables())
	r.section("FILES")
	r.entries(p.Files)
	r.section("EXIT STATUS")
	r.entries(p.ExitCodes)
	r.section("EXAMPLES")
	r.description(p.App.Description, true)
	_, err := io.WriteString(w, r.String())
	return err
}

// variables returns the environment variables: those that options name, in the order of
// the options, and the page's own. One that is among both gets one entry.
func (p *Page) variables() []Entry {
	var entries []Entry
	add := func(e Entry) {
		i := slices.IndexFunc(entries, func(known Entry) bool { return known.Term == e.Term })
		switch {
		case i < 0:
			entries = append(entries, e)
		case !strings.Contains(entries[i].Text, e.Text):
			entries[i].Text += " " + e.Text
		}
	}
	for _, c := range p.App.Commands {
		for _, o := range OptionsOf(c) {
			for _, name := range o.Env {
				add(Entry{Term: name, Text: "The default of chat " + c.Name + " " + o.Names[0] + "."})
			}
		}
	}
	for _, e := range p.Variables {
		add(e)
	}
	return entries
}

// commandUsage returns the usage of c with the name in bold and the arguments in italics.
func commandUsage(c *wire.Command) string {
	name, arguments, _ := strings.Cut(c.Usage(), " ")
	usage := `\fB` + escape(name) + `\fR`
	if arguments != "" {
		usage += ` \fI` + escape(arguments) + `\fR`
	}
	return usage
}

// commandText returns the help of c, and who can use it if not everyone.
func commandText(c *wire.Command) string {
	text := c.Help
	if c.Operator {
		text += " Operators only."
	}
	switch {
	case c.Local == 0:
	case c.Local&wire.Plain == 0:
		text += " Only on the full screen."
	default:
		text += " Not with nc."
	}
	return text
}

// A roff is a page that is being written.
type roff struct {
	strings.Builder
	inSubcommand bool
}

func (r *roff) line(s string) { r.WriteString(s + "\n") }

func (r *roff) macro(name string, args ...string) {
	for _, arg := range args {
		name += ` "` + strings.ReplaceAll(escape(arg), `"`, `\(dq`) + `"`
	}
	r.line(name)
}

func (r *roff) section(title string) { r.macro(".SH", title) }

func (r *roff) paragraph(text string) {
	r.line(".PP")
	r.line(escape(text))
}

// entry writes a term, which is in roff already, above its explanation.
func (r *roff) entry(term, text string) {
	r.line(".TP")
	r.line(term)
	r.line(escape(text))
}

// heading writes a line above entries.
func (r *roff) heading(name string) {
	r.line(".PP")
	r.line(`\fI` + escape(name) + `\fR:`)
}

func (r *roff) entries(entries []Entry) {
	for i, e := range entries {
		if e.Group != "" && (i == 0 || entries[i-1].Group != e.Group) {
			r.heading(e.Group)
		}
		r.entry(`\fB`+escape(e.Term)+`\fR`, e.Text)
	}
}

// subcommand writes what chat COMMAND does, its options and its examples.
func (r *roff) subcommand(c *cli.Command) {
	options := OptionsOf(c)
	r.macro(".SS", synopsis(c))
	r.line(escape(c.Usage))
	r.description(c.Description, false)
	for i := range options {
		o := &options[i]
		if o.Category != "" && (i == 0 || options[i-1].Category != o.Category) {
			r.heading(o.Category)
		}
		names := make([]string, len(o.Names))
		for i, name := range o.Names {
			names[i] = `\fB` + escape(name) + `\fR`
		}
		term := strings.Join(names, ", ")
		if o.Placeholder != "" {
			term += ` \fI` + escape(o.Placeholder) + `\fR`
		}
		r.entry(term, o.Details())
	}
	r.description(c.Description, true)
}

// description writes the paragraphs of a command's description, or with examples the
// indented ones, whose lines stay as they are.
func (r *roff) description(text string, examples bool) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		example := strings.HasPrefix(paragraph, " ")
		switch {
		case paragraph == "" || example != examples:
		case example:
			if r.inSubcommand {
				r.line(".PP\n\\fIExamples\\fR:")
			}
			r.line(".RS 4\n.nf")
			for line := range strings.SplitSeq(paragraph, "\n") {
				r.line(escape(strings.TrimPrefix(line, exampleIndent)))
			}
			r.line(".fi\n.RE")
		default:
			r.paragraph(paragraph)
		}
	}
}

// escape returns s as roff text in ASCII: no part of it is a request or an escape sequence,
// and quotes and dashes are printed unchanged.
func escape(s string) string {
	var b strings.Builder
	for i, c := range s {
		switch {
		case c == '\\':
			b.WriteString(`\e`)
		case c == '-':
			b.WriteString(`\-`)
		case c == '\'':
			b.WriteString(`\(aq`)
		case c == '`':
			b.WriteString(`\(ga`)
		case c == '^':
			b.WriteString(`\(ha`)
		case c == '~':
			b.WriteString(`\(ti`)
		case c == '.' && (i == 0 || s[i-1] == '\n'):
			b.WriteString(`\&.`)
		case c > '~':
			fmt.Fprintf(&b, `\[u%04X]`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
