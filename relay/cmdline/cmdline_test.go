package cmdline

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func testApp() *cli.App {
	return &cli.App{Commands: []*cli.Command{{Name: "join", Flags: []cli.Flag{
		&cli.StringFlag{Name: "nick", Aliases: []string{"n"}},
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}},
		&cli.StringSliceFlag{Name: "iface"},
		&cli.IntFlag{Name: "backlog"},
		&cli.StringFlag{Name: "log"},
		&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}},
		&cli.BoolFlag{Name: "plain"},
		&cli.BoolFlag{Name: "json"},
	}}}}
}

func TestCanonical(t *testing.T) {
	for args, want := range map[string]string{
		"kitchen --nick bob -f":       "--nick=bob --follow -- kitchen",
		"kitchen -fn bob":             "--follow --nick=bob -- kitchen",
		"kitchen -fnbob x":            "--follow --nick=bob -- kitchen x",
		"kitchen --nick=bob x":        "--nick=bob -- kitchen x",
		"-n=bob":                      "--nick=bob",
		"-a127.0.0.1:1":               "--addr=127.0.0.1:1",
		"-addr A -nick B":             "--addr=A --nick=B",
		"-addr=A":                     "--addr=A",
		"-- --nick bob":               "-- --nick bob",
		"a -- -f":                     "-- a -f",
		"--backlog -1":                "--backlog=-1",
		"--iface a --iface b --log -": "--iface=a --iface=b --log=-",
		"--log --unknown":             "--log=--unknown",
		"--plain=false - --help":      "--plain=false --help -- -",
		"-h":                          "--help",
		"--nick bob=by=name":          "--nick=bob=by=name",
		"":                            "",
		"--nick --":                   "--nick=--",
	} {
		in := append([]string{"chat", "join"}, strings.Fields(args)...)
		got, err := Canonical(testApp(), in)
		if err != nil || strings.Join(got[2:], " ") != want {
			t.Errorf("%s\nbecomes %q, %v\nwant    %s", args, got, err, want)
		}
	}
	other := []string{"chat", "nonsense", "x", "--y"}
	if got, err := Canonical(testApp(), other); strings.Join(got, " ") != strings.Join(other, " ") || err != nil {
		t.Errorf("an unknown command becomes %q, %v", got, err)
	}
}

func TestNotCanonical(t *testing.T) {
	for args, want := range map[string]string{
		"kitchen|--nick":         "--nick needs a value\n",
		"--nick|":                "--nick needs a value\n",
		"--nick=|kitchen":        "--nick needs a value\n",
		"-n|":                    "--nick needs a value\n",
		"-fn":                    "--nick needs a value\n",
		"--nick|--json":          "--nick needs a value, but the option --json follows\n",
		"--log|--plain":          "--log needs a value, but the option --plain follows\n",
		"--log|-n|bob":           "--log needs a value, but the option -n follows\n",
		"--log|--nick=bob":       "--log needs a value, but the option --nick=bob follows\n",
		"--nik|bob":              "unknown option --nik; did you mean --nick?\n",
		"--fol":                  "unknown option --fol; did you mean --follow?\n",
		"-z":                     "unknown option -z\n",
		"-fz":                    "unknown option -fz\n",
		"--something-else=value": "unknown option --something-else\n",
		"-plian":                 "unknown option -plian; did you mean --plain?\n",
		"---nick":                "unknown option ---nick",
		"--=":                    "unknown option --\n",
	} {
		got, err := Canonical(testApp(), append([]string{"chat", "join"}, strings.Split(args, "|")...))
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%s is %q, %v; want %q", args, got, err, want)
		}
	}
}

// An option before the second word of a command belongs after it.
func TestOptionBeforeSecondWord(t *testing.T) {
	socket := &cli.StringFlag{Name: "socket", Aliases: []string{"s"}}
	app := &cli.App{Commands: []*cli.Command{{Name: "admin"}, {Name: "admin kick", Flags: []cli.Flag{socket}}, {Name: "administer", Flags: []cli.Flag{&cli.BoolFlag{Name: "other"}}}}}
	for args, want := range map[string]string{
		"--socket|x|kick": "chat admin kick --socket …", "--socket=x": "chat admin kick --socket …", "-s|x": "chat admin kick -s …", "--other": "chat admin --help ",
	} {
		_, err := Canonical(app, append([]string{"chat", "admin"}, strings.Split(args, "|")...))
		if err == nil || !strings.HasPrefix(err.Error(), "unknown option ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", args, err, want)
		}
	}
}

func TestJoinNames(t *testing.T) {
	app := &cli.App{Commands: []*cli.Command{{Name: "history"}, {Name: "history backup"}}}
	for args, want := range map[string]string{
		"history|backup|a|b":   "history backup|a|b",
		"history|backup":       "history backup",
		"history|./backup":     "history|./backup",
		"history|--all|backup": "history|--all|backup",
		"history":              "history",
		"backup|history":       "backup|history",
		"":                     "",
	} {
		got := JoinNames(app, append([]string{"chat"}, strings.Split(args, "|")...))
		if want := "chat|" + want; strings.Join(got, "|") != want {
			t.Errorf("%s is %q, want %q", args, got, want)
		}
	}
}

// Whatever is typed, urfave/cli gets options of the command only, and the arguments are those that were given.
func FuzzCanonical(f *testing.F) {
	f.Add("kitchen|--nick|bob|-f|--|x")
	f.Add("-fnbob|--=|-=|---|-")
	f.Fuzz(func(t *testing.T, args string) {
		given := strings.Split(args, "|")
		got, err := Canonical(testApp(), append([]string{"chat", "join"}, given...))
		if err != nil {
			return
		}
		for i, arg := range got[2:] {
			if arg == "--" {
				for _, rest := range got[2+i+1:] {
					if !strings.Contains("|"+args+"|", "|"+rest+"|") {
						t.Errorf("%q has the argument %q", args, rest)
					}
				}
				return
			}
			if !strings.HasPrefix(arg, "--") {
				t.Errorf("%q becomes %q", args, got)
			}
		}
	})
}
