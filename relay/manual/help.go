package manual

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// exampleIndent starts each line of an example in a description.
const exampleIndent = "  "

// Describe returns a command's description: a paragraph, which may be empty, and one
// example per line.
func Describe(text string, examples ...string) string {
	lines := exampleIndent + strings.Join(examples, "\n"+exampleIndent)
	if text == "" {
		return lines
	}
	return text + "\n\n" + lines
}

// FirstExample returns the first example in a command's description; "": there is none.
func FirstExample(c *cli.Command) string {
	for line := range strings.Lines(c.Description) {
		if example, ok := strings.CutPrefix(line, exampleIndent); ok {
			return strings.TrimSpace(example)
		}
	}
	return ""
}

// AppHelp returns what chat --help shows. It is a template of urfave/cli without actions.
func AppHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUSAGE:\n   %s COMMAND [OPTION]... [ARGUMENT]\n", app.Usage, app.Name)
	writeDescription(&b, app.Description)
	b.WriteString("\nCOMMANDS:\n")
	for _, c := range app.Commands {
		if !c.Hidden && !strings.Contains(c.Name, " ") {
			b.WriteString(columns(c.Name, c.Usage, commandColumn))
		}
	}
	b.WriteString("\nTOPICS (chat help TOPIC):\n")
	for _, t := range Topics {
		b.WriteString(columns(t.Name, t.Help, commandColumn))
	}
	b.WriteString("\nchat COMMAND --help lists the options of a command.\n")
	return b.String()
}

// CommandHelp returns what chat COMMAND --help shows. It is a template of urfave/cli
// without actions. The commands of all that begin with the name of c are listed.
func CommandHelp(c *cli.Command, all ...*cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUSAGE:\n   %s\n", c.Usage, synopsis(c))
	writeDescription(&b, c.Description)
	writeSubcommands(&b, c, all)
	b.WriteString("\nOPTIONS:\n")
	category := ""
	for _, o := range VisibleOptions(c) {
		if o.Category != category {
			if category != "" {
				b.WriteString("\n")
			}
			category = o.Category
			fmt.Fprintf(&b, "  %s:\n", category)
		}
		b.WriteString(columns(o.Usage(), o.Details(), optionColumn))
	}
	if category != "" {
		b.WriteString("\n")
	}
	b.WriteString(columns("--help, -h", "Show this help.", optionColumn))
	return b.String()
}

// writeSubcommands lists the commands of two words, the first of which is the name of c.
func writeSubcommands(b *strings.Builder, c *cli.Command, all []*cli.Command) {
	first := true
	for _, sub := range all {
		name, isSub := strings.CutPrefix(sub.Name, c.Name+" ")
		if !isSub || sub.Hidden {
			continue
		}
		if first {
			b.WriteString("\nCOMMANDS:\n")
		}
		first = false
		b.WriteString(columns(name, sub.Usage, commandColumn))
	}
}

// synopsis returns how c is typed: "chat join [OPTION]... [ROOM]".
func synopsis(c *cli.Command) string {
	usage := "chat " + c.Name
	if len(VisibleOptions(c)) > 0 {
		usage += " [OPTION]..."
	}
	return strings.TrimSpace(usage + " " + c.ArgsUsage)
}

func writeDescription(b *strings.Builder, description string) {
	for paragraph := range strings.SplitSeq(description, "\n\n") {
		switch {
		case paragraph == "":
		case strings.HasPrefix(paragraph, exampleIndent):
			b.WriteString("\nEXAMPLES:\n")
			for line := range strings.SplitSeq(paragraph, "\n") {
				b.WriteString(strings.Repeat(" ", margin) + strings.TrimPrefix(line, exampleIndent) + "\n")
			}
		default:
			b.WriteString("\n" + indented(paragraph, 0))
		}
	}
}
