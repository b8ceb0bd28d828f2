package settings

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// testCommand is a command with a flag of each kind.
func testCommand() *cli.Command {
	return &cli.Command{Name: "host", Flags: WithVariables([]cli.Flag{
		&cli.StringFlag{Name: FileFlag, Usage: "Read `FILE`."},
		&cli.StringFlag{Name: "room", Usage: "Name it `TITLE`."},
		&cli.StringFlag{Name: "history", Usage: "Keep it in `FILE`."},
		&cli.StringFlag{Name: "identity", Usage: "Use `FILE`."},
		&cli.StringFlag{Name: "secret-file", EnvVars: []string{"CHAT_HOST_SECRET_FILE"}, Usage: "Use `FILE`."},
		&cli.BoolFlag{Name: "quiet", Usage: "Be quiet."},
		&cli.IntFlag{Name: "backlog", Value: 50, Usage: "Send `N`."},
		&cli.StringSliceFlag{Name: "iface", Usage: "Use `NAME`. Repeat to use several."},
		&cli.StringSliceFlag{Name: limitFlag, Usage: "Set `NAME=VALUE`."},
		&cli.BoolFlag{Name: PrintFlag, Usage: "Print."},
	})}
}

// readWith returns the settings of a command line.
func readWith(t *testing.T, args ...string) (s *Settings, c *cli.Context, err error) {
	t.Helper()
	command := testCommand()
	if err := CheckEnvironment(command); err != nil {
		return nil, nil, err
	}
	command.Action = func(given *cli.Context) error {
		c = given
		s, err = Read(given)
		return nil
	}
	app := &cli.App{Name: "chat", Commands: []*cli.Command{command}, Writer: new(bytes.Buffer)}
	if err := app.RunContext(t.Context(), append([]string{"chat", "host"}, args...)); err != nil {
		t.Fatal(err)
	}
	return s, c, err
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A name of a file in the file is relative to its folder, not to that of the program. A word that
// stands for something else stays.
func TestNamesOfFiles(t *testing.T) {
	folder, home := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	path := filepath.Join(folder, "chat.toml")
	for written, want := range map[string]string{
		"kitchen.chat": filepath.Join(folder, "kitchen.chat"), "../kitchen.chat": filepath.Join(filepath.Dir(folder), "kitchen.chat"),
		filepath.ToSlash(filepath.Join(home, "x")): filepath.ToSlash(filepath.Join(home, "x")), "~/x": filepath.Join(home, "x"), "~x": filepath.Join(folder, "~x"),
	} {
		writeFile(t, path, "history = '"+written+"'\nidentity = 'agent'\nsecret-file = '-'\nroom = 'x/y'")
		_, c, err := readWith(t, "--config", path)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.String("history"); got != want {
			t.Errorf("%s is %s, want %s", written, got, want)
		}
		if c.String("identity") != "agent" || c.String("secret-file") != "-" || c.String("room") != "x/y" {
			t.Errorf("%s, %s, %s: no names of files", c.String("identity"), c.String("secret-file"), c.String("room"))
		}
	}
	t.Chdir(folder)
	writeFile(t, path, "history = 'kitchen.chat'")
	if _, c, err := readWith(t, "--config", "chat.toml"); err != nil || !filepath.IsAbs(c.String("history")) {
		t.Errorf("history is %s, %v", c.String("history"), err)
	}
}

// A file whose name has a - before it need not exist. If it appears later, it is read then.
func TestFileIfAny(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.toml")
	s, c, err := readWith(t, "--config", "-"+path)
	if err != nil || c.String("room") != "" {
		t.Fatalf("without a file: room %q, %v", c.String("room"), err)
	}
	if got, err := s.Reread(); err != nil || got.Limits != nil || got.Others != nil {
		t.Errorf("still no file: %+v, %v", got, err)
	}
	writeFile(t, path, "room = 'a'\n[limit]\nrate = '1/s'")
	if got, err := s.Reread(); err != nil || !slices.Equal(got.Limits, []string{"rate=1/s"}) || !slices.Equal(got.Others, []string{"room"}) {
		t.Errorf("there is a file: %+v, %v", got, err)
	}
	if _, c, err = readWith(t, "--config", "-"+path); err != nil || c.String("room") != "a" {
		t.Errorf("room %q, %v", c.String("room"), err)
	}
	writeFile(t, path, "romo = 'a'")
	if _, _, err := readWith(t, "--config", "-"+path); err == nil || !strings.HasPrefix(err.Error(), path+":1: ") {
		t.Errorf("a mistake: %v", err)
	}
	for _, missing := range []string{path + "x", "-"} {
		if _, _, err := readWith(t, "--config", missing); err == nil {
			t.Errorf("%s: no error", missing)
		}
	}
}

// Reading the file again returns each change once, except of settings that a flag or a variable decides. A file with an error
// changes nothing.
func TestReread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.toml")
	t.Setenv("CHAT_LIMIT", "burst=7")
	writeFile(t, path, "room = 'a'\nhistory = 'a.chat'\niface = ['x']\n[limit]\nrate = '1/s'\nmessage = '1KiB'\nburst = 1")
	s, _, err := readWith(t, "--config", path, "--room", "flag", "--limit", "connections=5")
	if err != nil {
		t.Fatal(err)
	}
	reread := func(text string) Changes {
		t.Helper()
		writeFile(t, path, text)
		changes, err := s.Reread()
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	same := func(a, b []string) bool { return slices.Equal(a, b) }
	const next = "room = 'b'\nhistory = 'b.chat'\nbacklog = 5\n[limit]\nrate = '2/s'\nburst = 2\nconnections = 9\nline = '1KiB'"
	got := reread(next)
	if !same(got.Limits, []string{"line=1KiB", "message=16KiB", "rate=2/s"}) || !same(got.Others, []string{"history", "backlog", "iface"}) {
		t.Errorf("changes: %+v", got)
	}
	if got := reread(next); got.Limits != nil || got.Others != nil {
		t.Errorf("unchanged: %+v", got)
	}
	writeFile(t, path, next+"\nrat = 5")
	if _, err := s.Reread(); err == nil || !strings.Contains(err.Error(), "chat.toml:9: unknown limit") {
		t.Errorf("a file with an error: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reread(); err == nil {
		t.Error("the file is gone, and there is no error")
	}
	if got := reread(next); got.Limits != nil || got.Others != nil {
		t.Errorf("after errors: %+v", got)
	}
	if got := reread(""); !same(got.Limits, []string{"line=8KiB", "rate=20/s"}) || !same(got.Others, []string{"history", "backlog"}) {
		t.Errorf("everything removed: %+v", got)
	}
	// A pipe would be empty now, and reset all limits. A folder is not a regular file either.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reread(); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("no file: %v", err)
	}
	none, _, err := readWith(t)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := none.Reread(); err != nil || got.Limits != nil || got.Others != nil {
		t.Errorf("without a file: %+v, %v", got, err)
	}
}

// The memory for names does not grow with the square of their length.
func TestLongNames(t *testing.T) {
	for _, start := range []string{"a", "[limit]\na", "[a", "[[a"} {
		data := []byte(start + strings.Repeat(".a", maxFile/2-10))
		switch {
		case strings.HasPrefix(start, "[["):
			data = append(data, "]]"...)
		case strings.HasPrefix(start, "[a"):
			data = append(data, ']')
		default:
			data = append(data, "=1"...)
		}
		names := 0
		for name := range keyLines(append(data, '\n')) {
			names += len(name)
		}
		if names == 0 || names > 100 {
			t.Errorf("%s: the names have %d bytes", start, names)
		}
	}
}

// A deprecated flag counts before --limit, and after the variable and the file.
func TestOrderOfLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.toml")
	writeFile(t, path, "[limit]\nrate = '1/s'")
	t.Setenv("CHAT_LIMIT", "rate=2/s")
	s, _, err := readWith(t, "--config", path, "--limit", "rate=4/s")
	if err != nil {
		t.Fatal(err)
	}
	s.AddLimit("rate=3/s", "rate")
	var got []string
	for _, l := range s.Limits() {
		got = append(got, l.Assignment+" "+l.From)
	}
	if want := []string{"rate=1/s " + path + ":2", "rate=2/s CHAT_LIMIT", "rate=3/s --rate", "rate=4/s --limit"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSwitchesInTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{"yes": "true", "ON": "true", "no": "false", "off": "false", "1": "1", "FALSE": "FALSE"} {
		t.Setenv("CHAT_QUIET", value)
		if err := CheckEnvironment(testCommand()); err != nil || os.Getenv("CHAT_QUIET") != want {
			t.Errorf("%q becomes %q, %v", value, os.Getenv("CHAT_QUIET"), err)
		}
	}
	t.Setenv("CHAT_QUIET", "")
	if err := CheckEnvironment(testCommand()); err != nil {
		t.Error(err)
	}
	if _, set := os.LookupEnv("CHAT_QUIET"); set {
		t.Error("an empty variable is not unset")
	}
	t.Setenv("CHAT_QUIET", "perhaps")
	if err := CheckEnvironment(testCommand()); err == nil || strings.Contains(err.Error(), "strconv") {
		t.Errorf("perhaps: %v", err)
	}
}

// A name that is not UTF-8 cannot be in a file, and is not replaced by another one.
func TestPrintRefuses(t *testing.T) {
	s, _, err := readWith(t, "--history", "\xff.chat")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Print(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "history is not UTF-8") {
		t.Errorf("printed a name that is not UTF-8: %v", err)
	}
}

func TestWithoutPassword(t *testing.T) {
	for item, want := range map[string]string{
		"nats://relay:secret@a:4222": "nats://relay:xxxxx@a:4222", "nats://token@a:4222": "nats://xxxxx@a:4222", "a:4222": "a:4222", "tls://a": "tls://a", "%": "%",
	} {
		if got := withoutPassword(item); got != want {
			t.Errorf("%q is printed as %q, want %q", item, got, want)
		}
	}
}

// Whatever a file holds, reading it ends in an error of two lines that names a line, or in settings that are
// the same after printing and reading them again.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"room = 'kitchen'\nquiet = true\nbacklog = 5\niface = ['a', \"b\\u0007\\\"\"]\n[limit]\nrate = '5/s'\nburst = 3\n",
		"limit.rate = '5/s'\n'room' = '''\na\nb'''", "limit = { rate = 5.5, 'burst' = 1_000 }", "[limit.rate]\nx = 1", "[[limit]]\nrate = 1",
		"\"a.b\" = 1\na.b = 2", "room = 2026-11-29T10:00:00Z", "iface = []", "iface = [[]]", "\"\" = 1", "history = \"~/\\u007f\"", "#", "\xff", "a = [" + strings.Repeat("[", 500),
	} {
		f.Add(seed)
	}
	all := settingsOf(testCommand())
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parse("chat.toml", []byte(text), all)
		if err != nil {
			message := err.Error()
			if strings.Count(message, "\nhint: ") != 1 || !strings.HasPrefix(message, "chat.toml:") {
				t.Fatalf("the error is %q", message)
			}
			return
		}
		for name, v := range read.values {
			if v.line < 1 {
				t.Fatalf("%s is on line %d", name, v.line)
			}
			if named(all, name).isPath { // printing makes it absolute
				delete(read.values, name)
			}
		}
		s := &Settings{all: all, path: "chat.toml", file: read}
		var printed bytes.Buffer
		if err := s.Print(&printed); err != nil {
			t.Fatal(err)
		}
		again, err := parse("chat.toml", printed.Bytes(), all)
		if err != nil {
			t.Fatalf("%v\n%s", err, printed.String())
		}
		for name, v := range read.values {
			if !slices.Equal(v.items, again.values[name].items) {
				t.Fatalf("%s was %q and is %q in\n%s", name, v.items, again.values[name].items, printed.String())
			}
		}
		for name, v := range read.limits {
			if !slices.Equal(v.items, again.limits[name].items) {
				t.Fatalf("%s was %q and is %q in\n%s", name, v.items, again.limits[name].items, printed.String())
			}
		}
	})
}
