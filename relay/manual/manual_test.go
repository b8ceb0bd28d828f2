package manual

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
	"chat/relay/wire"
)

func newApp() *cli.App {
	return &cli.App{
		Name: "chat", Usage: "Chat with everyone.", Version: "chat 1.0",
		Description: Describe("A paragraph.", "chat host", "chat join"),
		Commands: []*cli.Command{{
			Name: "host", Usage: "Open a room.", ArgsUsage: "[ROOM]",
			Description: Describe("It's 'quoted'.\n.so file", "chat host  # one", ".chat '\\n' -- ~ ^ ` é"),
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "room", Aliases: []string{"r"}, Category: "Room", EnvVars: []string{"CHAT_ROOM"}, Usage: "Name the room `TITLE`. " + strings.Repeat("Words. ", 30), DefaultText: "this machine's name"},
				&cli.StringFlag{Name: "a-long-option-name", Category: "Room", Value: "text", Usage: "Take `A_LONG_PLACEHOLDER`."},
				&cli.BoolFlag{Name: "quiet", Category: "Screen", Usage: "Be quiet.", DisableDefaultText: true},
				&cli.BoolFlag{Name: "odd", Category: Advanced, Hidden: true, Usage: "Be odd.", DisableDefaultText: true},
				&cli.IntFlag{Name: "old", Category: Deprecated, Hidden: true},
			},
		}, {Name: "secret", Hidden: true}},
	}
}

func TestHelp(t *testing.T) {
	app := newApp()
	var topics bytes.Buffer
	for _, topic := range Topics {
		if err := topic.Write(&topics, app); err != nil {
			t.Fatal(err)
		}
	}
	help := CommandHelp(app.Commands[0])
	for name, text := range map[string]string{"app": AppHelp(app), "host": help, "topics": topics.String()} {
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > width || strings.HasSuffix(line, " ") {
				t.Errorf("%s: line of %d columns: %q", name, len(line), line)
			}
		}
		if strings.Contains(text, "secret") || strings.Contains(text, "--old") {
			t.Errorf("%s shows something hidden:\n%s", name, text)
		}
	}
	for _, want := range []string{
		"Open a room.\n\nUSAGE:\n   chat host [OPTION]... [ROOM]\n\n",
		"\nEXAMPLES:\n   chat host  # one\n",
		"\nOPTIONS:\n  Room:\n   --room, -r TITLE         Name the room TITLE. ",
		"\n   --a-long-option-name A_LONG_PLACEHOLDER\n                            Take A_LONG_PLACEHOLDER. (default: text)\n\n  Screen:\n   --quiet                  Be quiet.\n\n   --help, -h               Show this help.\n",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in\n%s", want, help)
		}
	}
	if strings.Contains(help, "--odd") || !strings.Contains(topics.String(), "   --odd                    Be odd.\n") {
		t.Error("an advanced option is not where it belongs")
	}
}

// The commands of two words are listed by the command that is their first word, and not among all.
func TestHelpOfCommandsOfTwoWords(t *testing.T) {
	app := newApp()
	app.Commands = append(app.Commands,
		&cli.Command{Name: "notes", Usage: "Print notes."}, &cli.Command{Name: "notes send", Usage: "Send notes."}, &cli.Command{Name: "notes lose", Hidden: true})
	if help := CommandHelp(app.Command("notes"), app.Commands...); !strings.Contains(help, "\nCOMMANDS:\n   send        Send notes.\n\nOPTIONS:") {
		t.Errorf("the help is\n%s", help)
	}
	if help := CommandHelp(app.Command("notes send"), app.Commands...); !strings.Contains(help, "   chat notes send\n") || strings.Contains(help, "COMMANDS") {
		t.Errorf("the help is\n%s", help)
	}
	if all := AppHelp(app); strings.Contains(all, "send") || !strings.Contains(all, "   notes       Print notes.\n") {
		t.Errorf("the help of all is\n%s", all)
	}
}

func TestLimitsTopic(t *testing.T) {
	var out bytes.Buffer
	if err := TopicNamed("limits").Write(&out, newApp()); err != nil {
		t.Fatal(err)
	}
	for _, l := range limits.Table {
		if want := "\n   " + l.Name + "=" + l.Unit.String() + " (default: " + l.Default + ")\n      " + l.Help[:20]; !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, u := range limits.Units {
		if !strings.Contains(out.String(), "\n   "+u.String()+" ") {
			t.Errorf("no unit %s in\n%s", u, out.String())
		}
	}
}

func TestPage(t *testing.T) {
	page := Page{
		App: newApp(), Keys: []Entry{{Term: "↑", Text: "Go up.", Group: "Look"}}, ExitCodes: []Entry{{Term: "0", Text: "Success."}},
		Variables: []Entry{{Term: "CHAT_ROOM", Text: "Also that."}, {Term: "TERM", Text: "This."}},
		Files:     []Entry{{Term: "FILE", Text: "The file."}},
	}
	var out bytes.Buffer
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "SUBCOMMANDS", "LIMITS", "COMMANDS", "KEYS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES"} {
		i := strings.Index(out.String(), "\n.SH \""+section+"\"\n")
		if i < at {
			t.Fatalf("section %s is missing or in the wrong place:\n%s", section, out.String())
		}
		at = i
	}
	for _, want := range []string{
		"chat \\- chat with everyone\n",
		".nf\nchat host  # one\n\\&.chat \\(aq\\en\\(aq \\-\\- \\(ti \\(ha \\(ga \\[u00E9]\n.fi\n",
		"It\\(aqs \\(aqquoted\\(aq.\n\\&.so file\n",
		"\\fB\\-\\-odd\\fR\nBe odd.\n",
		"\\fBCHAT_ROOM\\fR\nThe default of chat host \\-\\-room. Also that.\n",
		"\\fB\\[u2191]\\fR\nGo up.\n",
		"\n.SH \"EXAMPLES\"\n.RS 4\n.nf\nchat host\nchat join\n.fi\n.RE\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for i := range wire.Commands {
		if want := "\\fB/" + wire.Commands[i].Name + "\\fR"; !strings.Contains(out.String(), want) {
			t.Errorf("no command %s", want)
		}
	}
	if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "old\\fR") {
		t.Error("the page shows something hidden")
	}
	for _, r := range out.String() {
		if r > '~' {
			t.Fatalf("the page has %q, which is not ASCII", r)
		}
	}
}
