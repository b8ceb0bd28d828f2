// Package manual lays out chat's own documentation from the tables that the program
// works by: the options in --help, the topics of chat help, and the man page.
package manual

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The categories of options that --help does not list.
const (
	Advanced   = "Advanced"   // listed by chat help advanced and in the man page
	Deprecated = "Deprecated" // listed nowhere
)

// An Option is a flag as documentation shows it.
type Option struct {
	Names       []string // with dashes, the long one first
	Placeholder string   // of its value; "" if it takes none
	Help        string   // full sentences, the first in the imperative
	Default     string   // "" if there is none
	Env         []string // the variables that set it, without the $
	Category    string
}

// OptionOf returns the documentation of f.
func OptionOf(f cli.Flag) Option {
	doc := f.(cli.DocGenerationFlag)
	o := Option{Env: doc.GetEnvVars(), Category: f.(cli.CategorizableFlag).GetCategory()}
	for _, name := range f.Names() {
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		o.Names = append(o.Names, dashes+name)
	}
	if doc.TakesValue() {
		o.Default = strings.Trim(doc.GetDefaultText(), `"`)
		o.Placeholder = "VALUE"
	}
	before, rest, quoted := strings.Cut(doc.GetUsage(), "`")
	if o.Help = before; quoted {
		placeholder, after, _ := strings.Cut(rest, "`")
		o.Placeholder = placeholder
		o.Help += placeholder + after
	}
	return o
}

// OptionsOf returns the documentation of a command's flags, without --help and deprecated
// ones, in the order of the command.
func OptionsOf(c *cli.Command) []Option {
	var options []Option
	for _, f := range c.Flags {
		if o := OptionOf(f); f != cli.HelpFlag && o.Category != Deprecated {
			options = append(options, o)
		}
	}
	return options
}

// VisibleOptions returns the documentation of the flags that --help lists.
func VisibleOptions(c *cli.Command) []Option {
	return slices.DeleteFunc(OptionsOf(c), func(o Option) bool { return o.Category == Advanced })
}

// Usage returns the option as it is typed: "--room, -r TITLE".
func (o *Option) Usage() string {
	return strings.TrimSpace(strings.Join(o.Names, ", ") + " " + o.Placeholder)
}

// Details returns the help with the default.
func (o *Option) Details() string {
	details := o.Help
	if o.Default != "" {
		details += " (default: " + o.Default + ")"
	}
	return details
}

const (
	width         = 80 // columns of help
	margin        = 3  // columns before everything but headings
	commandColumn = 15 // in which the help of a command starts
	optionColumn  = 28 // in which the help of an option starts
)

// columns sets term and text side by side, with text in the given column, or below each
// other if term is too long. It ends with a newline.
func columns(term, text string, column int) string {
	text = indented(text, column)
	head := strings.Repeat(" ", margin) + term
	if len(head)+2 > column {
		return head + "\n" + text
	}
	return head + text[len(head):]
}

// indented returns a paragraph with every line indented. It ends with a newline.
func indented(paragraph string, indent int) string {
	spaces := strings.Repeat(" ", indent)
	return spaces + strings.Join(Wrap(paragraph, width-indent), "\n"+spaces) + "\n"
}

// Wrap breaks s between words into lines of at most columns bytes; help is ASCII.
func Wrap(s string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len(line)+1+len(word) > columns {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
