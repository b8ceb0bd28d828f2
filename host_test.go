package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"chat/relay/client"
	"chat/relay/limits"
	"chat/relay/manual"
)

// hostedFromLobby returns what opens a room from the lobby, on a free port of the loopback interface.
func hostedFromLobby(t *testing.T) (h *lobbyHost, out *bytes.Buffer) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	opts, _, err := hostOptionsFrom(t, "--no-discovery", "--addr", "127.0.0.1:0", "--nick", "alice", "--room", "lab-7")
	if err != nil {
		t.Fatal(err)
	}
	out = new(bytes.Buffer)
	opts.Out, opts.LogTo, opts.NoMember, opts.Screen = out, io.Discard, false, true
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return &lobbyHost{opts: opts, ctx: ctx, ended: func() { t.Error("serving failed") }}, out
}

// A room that is hosted from the lobby is that of chat host: others can join it until the screen ends.
func TestHostFromTheLobby(t *testing.T) {
	h, out := hostedFromLobby(t)
	c, hosting, err := h.open(t.Context(), "den")
	if err != nil {
		t.Fatal(err)
	}
	addr := hosting.Addrs()[0]
	if w := c.Welcome(); w.Title != "den" || w.Nick != "alice" || hosting.NoPage || hosting.Discovered {
		t.Errorf("joined %+v as the host of %+v", w, hosting)
	}
	if info, err := client.Probe(t.Context(), addr); err != nil || info.Title != "den" {
		t.Errorf("at %s is %+v, %v", addr, info, err)
	}
	h.ended = nil
	h.forget() // the test reports a failure, and closing is none
	c.Close()
	reason := errors.New("the reason")
	if err := h.close(reason); !errors.Is(err, reason) || out.String() != "The room den is closed.\n" {
		t.Errorf("closed with %v, printed %q", err, out.String())
	}
	if _, err := client.Probe(t.Context(), addr); err == nil {
		t.Error("the room is still open")
	}
	if _, _, err := h.open(t.Context(), "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("a room was opened after the screen has ended: %v", err)
	}
}

// Who goes back to the lobby leaves no room behind, and can host another one.
func TestAbandonedRoom(t *testing.T) {
	h, out := hostedFromLobby(t)
	if _, _, err := h.open(t.Context(), strings.Repeat("long ", 30)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long title: %v", err)
	}
	for range 2 {
		c, hosting, err := h.open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := h.abandon(); err != nil {
			t.Error(err)
		}
		if _, err := client.Probe(t.Context(), hosting.Addrs()[0]); err == nil {
			t.Error("the room is still open")
		}
	}
	if err := h.close(nil); err != nil || out.String() != "" {
		t.Errorf("closed with %v, printed %q", err, out.String())
	}
}

// Hosting from the lobby takes what chat host without options takes from the environment.
func TestHostDefaults(t *testing.T) {
	for name, value := range map[string]string{"CHAT_ROOM": "kitchen", "CHAT_HISTORY": "kitchen.chat", "CHAT_NICK": "alice", "CHAT_QUIET": "1"} {
		t.Setenv(name, value)
	}
	want, _, err := hostOptionsFrom(t)
	if err != nil {
		t.Fatal(err)
	}
	var got hostOptions
	app := newApp(io.Discard, io.Discard)
	app.Action = func(c *cli.Context) (err error) {
		got, err = hostDefaults(c)
		got.Out, got.LogTo, got.Sealing.Signer, got.settings = nil, nil, nil, nil
		return err
	}
	if err := app.RunContext(t.Context(), []string{"chat"}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.HistoryFile != "kitchen.chat" || got.announcedTitle() != "kitchen" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got.Title = ""
	if got.announcedTitle() != "" {
		t.Errorf("the title is in the history file, not %q", got.announcedTitle())
	}
}

// exampleSettings is the file of settings that packages install.
const exampleSettings = "scripts/packaging/systemd/chat.toml"

// runHostWith returns what chat host prints with a file of settings of the text, and its exit code.
func runHostWith(t *testing.T, text string, args ...string) (out string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	code = run(t.Context(), append([]string{"chat", "host", "--config", path}, args...), &b, &b)
	return b.String(), code
}

// The file that packages install is what --print-config prints, and all settings in it are comments. With
// the comments removed, it is a valid file that sets each of them.
func TestExampleSettings(t *testing.T) {
	var printed bytes.Buffer
	if code := run(t.Context(), []string{"chat", "host", "--print-config"}, &printed, &printed); code != 0 {
		t.Fatalf("exit code %d: %s", code, printed.String())
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(exampleSettings), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exampleSettings, printed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(exampleSettings)
	if err != nil {
		t.Fatal(err)
	}
	if string(file) != printed.String() {
		t.Errorf("%s is not what --print-config prints; go test -run ExampleSettings -update . rewrites it", exampleSettings)
	}
	if again, code := runHostWith(t, string(file), "--print-config"); code != 0 || again != string(file) {
		t.Errorf("the file changes something (exit code %d):\n%s", code, again)
	}
	commented := regexp.MustCompile(`(?m)^#([a-z-]+) = `)
	var names []string
	for _, match := range commented.FindAllStringSubmatch(string(file), -1) {
		names = append(names, match[1])
	}
	set := commented.ReplaceAllString(string(file), "$1 = ")
	for _, o := range manual.OptionsOf(hostCommand()) {
		if name := strings.TrimPrefix(o.Names[0], "--"); name != "config" && name != "print-config" && name != "limit" && !slices.Contains(names, name) {
			t.Errorf("the file does not have %s", name)
		}
	}
	for i := range limits.Table {
		if !slices.Contains(names, limits.Table[i].Name) {
			t.Errorf("the file does not have the limit %s", limits.Table[i].Name)
		}
	}
	set = regexp.MustCompile(`(?m)^(history-keep|nick|trusted-proxy|cert|key|members|operators|secret-file|log) = .*$`).ReplaceAllString(set, "") // they need other values
	got, code := runHostWith(t, set, "--print-config")
	for _, name := range names {
		if strings.Contains(set, "\n"+name+" = ") && !strings.Contains(got, "\n"+name+" = ") {
			t.Errorf("%s is not set", name)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, got)
	}
	defaults, _, err := hostOptionsFrom(t)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "limits.toml")
	if err := os.WriteFile(path, []byte(set[strings.Index(set, "[limit]"):]), 0o644); err != nil {
		t.Fatal(err)
	}
	if opts, _, err := hostOptionsFrom(t, "--config", path); err != nil || !reflect.DeepEqual(opts, defaults) {
		t.Errorf("the limits in the file are not the defaults: %v\n%+v\n%+v", err, opts, defaults)
	}
}

// The examples of files in the documents are valid.
func TestDocsExamplesOfSettings(t *testing.T) {
	pages, err := filepath.Glob("relay/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, example := range regexp.MustCompile("(?ms)^```toml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			examples++
			if out, code := runHostWith(t, example[1], "--print-config"); code != 0 || !strings.Contains(out, " # from ") {
				t.Errorf("%s: exit code %d for\n%s\n%s", page, code, example[1], out)
			}
		}
	}
	if examples == 0 {
		t.Error("no document has an example")
	}
}

// A flag comes before a variable, a variable before the file, the file before the default. What is printed means
// the same again, and has no secret.
func TestSettingsOrder(t *testing.T) {
	for name, value := range map[string]string{
		"CHAT_NICK": "", "CHAT_ROOM": "variable", "CHAT_HEADLESS": "no", "CHAT_LIMIT": "rate=2/s, burst=2", "CHAT_IFACE": "a,b", "CHAT_HOST_BACKLOG": "7",
		"CHAT_LISTEN": "127.0.0.1:5", "CHAT_ADDR": "127.0.0.1:6", "CHAT_BACKLOG": "8", "CHAT_LOG": "joined.log",
		"CHAT_SECRET": "do-not-print-this-one", "CHAT_INVITE": "do-not-print-this-one",
	} {
		t.Setenv(name, value)
	}
	const file = `
nick = "filed"
room = "file"
headless = true
secure = true
no-web = true
history = "sub/file.chat"
history-keep = "30d"
members = "/keys"
web-name = ["x,y", "z"]
[limit]
rate = "1/s"
burst = 1
message = "1KiB"
`
	args := []string{"--room", "flag", "--limit", "rate=3/s", "--no-web=false", "--print-config"}
	out, code := runHostWith(t, file, args...)
	if code != 0 {
		t.Fatal(out)
	}
	var set []string
	for line := range strings.Lines(out) {
		if line[0] != '#' && line != "\n" {
			set = append(set, strings.TrimSuffix(line, "\n"))
		}
	}
	path := regexp.MustCompile(`from (\S+)/chat\.toml:2\b`).FindStringSubmatch(out)
	if path == nil {
		t.Fatal(out)
	}
	folder := path[1]
	from := func(line string) string { return " # from " + filepath.Join(folder, "chat.toml") + ":" + line }
	want := []string{
		`room = "flag" # from --room`, `nick = "filed"` + from("2"), `headless = false # from CHAT_HEADLESS`,
		`secure = true` + from("5"), `members = "/keys"` + from("9"), `no-web = false # from --no-web`,
		`addr = "127.0.0.1:5" # from CHAT_LISTEN`, `iface = ["a", "b"] # from CHAT_IFACE`,
		`history = "` + filepath.Join(folder, "sub", "file.chat") + `"` + from("7"), `history-keep = "30d"` + from("8"),
		`backlog = 7 # from CHAT_HOST_BACKLOG`, `web-name = ["x,y", "z"]` + from("10"),
		`[limit]`, `message = "1KiB"` + from("14"), `rate = "3/s" # from --limit`, `burst = "2" # from CHAT_LIMIT`,
	}
	if !slices.Equal(set, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(set, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(out, "do-not-print") {
		t.Error("a secret was printed")
	}
	for _, name := range []string{"CHAT_ROOM", "CHAT_HEADLESS", "CHAT_LIMIT", "CHAT_IFACE", "CHAT_HOST_BACKLOG", "CHAT_LISTEN"} {
		os.Unsetenv(name)
	}
	again, code := runHostWith(t, out, "--print-config")
	source := regexp.MustCompile(` # from .*`)
	if code != 0 || source.ReplaceAllString(again, "") != source.ReplaceAllString(out, "") {
		t.Errorf("exit code %d, printed again:\n%s", code, again)
	}
}

// An error in settings names the mistake and its place, and has a hint.
func TestSettingsErrors(t *testing.T) {
	for _, test := range []struct{ file, env, says string }{
		{file: "\nromo = 'x'", says: `chat.toml:2: unknown setting "romo"; did you mean room?`},
		{file: "history_keep = '1d'", says: `:1: unknown setting "history_keep"; did you mean history-keep?`},
		{file: "rate = '5/s'", says: `:1: unknown setting "rate"; did you mean rate in the table [limit]?`},
		{file: "max-sessions = 5", says: `:1: unknown setting "max-sessions"; did you mean connections in the table [limit]?`},
		{file: "secret = 'x'", says: `:1: unknown setting "secret": this file has no secrets`},
		{file: "[rooms.a]", says: `:1: unknown setting "rooms"; did you mean room?`},
		{file: "help = true", says: `:1: unknown setting "help"`},
		{file: "config = 'x'", says: `:1: config is an option of the command line only`},
		{file: "room = 'a'\nroom = 'b'", says: `:2: `},
		{file: "room = a", says: `:1: `},
		{file: "headless = 'yes'", says: `:1: headless must be true or false, not a string` + "\nhint: write headless = false"},
		{file: "backlog = '5'", says: `:1: backlog must be a whole number, not a string` + "\nhint: write backlog = 50"},
		{file: "backlog = 5.5", says: `:1: backlog must be a whole number, not a number with a decimal point`},
		{file: "room = 2026-11-29", says: `:1: room must be a string, not a date`},
		{file: "iface = 'eth0'", says: `:1: iface must be a list of strings, not a string` + "\nhint: write iface = [\"NAME\"]"},
		{file: "iface = ['eth0', 5]", says: `:1: iface must be a list of strings, not a list with something else`},
		{file: "room = ''", says: `:1: room is empty`},
		{file: "limit = 'rate=5/s'", says: `:1: limit must be a table, not a string`},
		{file: "[limit]\nrat = 5", says: `:2: unknown limit "rat"; did you mean rate?`},
		{file: "[limit]\nline = 8192", says: `:2: invalid limit line=8192: the unit is missing`},
		{file: "[limit]\nline = true", says: `:2: the limit line must be a string or a number, not true`},
		{file: "[limit]\nroom = 'x'", says: `:2: room is not a limit` + "\nhint: move it above the line [limit]"},
		{file: "limit.rate = '5/s'\nlimit.burts = 5", says: `:2: unknown limit "burts"; did you mean burst?`},
		{file: "history-keep = '3m'\nhistory = 'x'", says: `chat.toml:1)` + "\nhint: "},
		{file: "files-dir = 'x'", env: "CHAT_NO_FILES=1", says: "--no-files is from CHAT_NO_FILES)"},
		{file: strings.Repeat("#", 64<<10+1), says: "has more than 65536 bytes"},
		{env: "CHAT_HISTORY=", says: "the environment variable CHAT_HISTORY is empty\nhint: "},
		{env: "CHAT_SECURE=", says: "the environment variable CHAT_SECURE is empty\nhint: "},
		{env: "CHAT_SECURE=perhaps", says: "invalid CHAT_SECURE=perhaps in the environment\nhint: use 1 or 0"},
		{env: "CHAT_HOST_BACKLOG=many", says: "invalid CHAT_HOST_BACKLOG=many in the environment\nhint: "},
		{env: "CHAT_IFACE=a,,b", says: "an item of CHAT_IFACE=a,,b in the environment is empty\nhint: "},
		{env: "CHAT_LIMIT=line=5", says: "CHAT_LIMIT: invalid limit line=5: the unit is missing\nhint: "},
	} {
		t.Run(strings.Split(test.file[:min(len(test.file), 30)], "\n")[0]+test.env, func(t *testing.T) {
			if name, value, ok := strings.Cut(test.env, "="); ok {
				t.Setenv(name, value)
			}
			out, code := runHostWith(t, test.file, "--print-config")
			if code != exitUsage || !strings.Contains(out, test.says) || strings.Count(out, "\n") != 2 || !strings.Contains(out, "\nhint: ") {
				t.Errorf("exit code %d, printed\n%s\nwant %s", code, out, test.says)
			}
		})
	}
}

// Variables of chat join have the names that the table lists, and other commands do not mind those of chat host.
func TestVariablesOfJoin(t *testing.T) {
	for env, says := range map[string]string{
		"CHAT_TIMEOUT=-1s": "--timeout must be positive", "CHAT_TIMEOUT=soon": "invalid CHAT_TIMEOUT=soon", "CHAT_BACKLOG=-5": "cannot be negative",
		"CHAT_SECRET_FILE=": "CHAT_SECRET_FILE is empty", "CHAT_SECRET_FILE=-": "cannot be stdin", "CHAT_IFACE=": "CHAT_IFACE is empty",
	} {
		t.Run(env, func(t *testing.T) {
			t.Setenv("CHAT_HISTORY", "")
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
			var out bytes.Buffer
			if code := run(t.Context(), []string{"chat", "join", "127.0.0.1:1"}, &out, &out); code != exitUsage || !strings.Contains(out.String(), says) {
				t.Errorf("exit code %d, printed %s", code, out.String())
			}
		})
	}
}
