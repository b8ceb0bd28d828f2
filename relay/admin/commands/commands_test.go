package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"go.uber.org/goleak"

	"chat/relay"
	"chat/relay/admin"
	"chat/relay/client"
	"chat/relay/cmdline"
	"chat/relay/history"
	"chat/relay/hosting"
	"chat/relay/limits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stage is an open room on this machine, which commands of chat admin administer.
type stage struct {
	t    *testing.T
	dir  string // of its files
	room *hosting.Room

	ended sync.WaitGroup // counts the room until it is closed
}

// openStage opens a room with a history until the test ends.
func openStage(t *testing.T) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "chat") // short enough for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_STATE_HOME", dir)
	t.Setenv("XDG_CACHE_HOME", dir)
	opts := hosting.Options{Addr: "127.0.0.1:0", NoMember: true, NoDiscovery: true, LogTo: io.Discard, HistoryFile: filepath.Join(dir, "k.chat")}
	opts.Title = "kitchen"
	limits.SetDefaults(limits.Settings{Room: &opts.Options, Files: &opts.FileLimits})
	r, err := hosting.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: dir, room: r}
	ctx := r.Start(t.Context()) // which ends before the functions of Cleanup
	s.ended.Go(func() {
		<-ctx.Done()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections(); s.ended.Wait() })
	return s
}

// join joins the room as a program, and stays until the test ends, or until its member is expelled.
func (s *stage) join(nick string) {
	s.t.Helper()
	c, err := client.Join(s.t.Context(), client.Options{Addr: fmt.Sprintf("127.0.0.1:%d", s.room.Port()), Nick: nick})
	if err != nil {
		s.t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() {
		for range c.Events() {
		}
	})
	s.t.Cleanup(func() { c.Close(); read.Wait() })
}

// run runs chat admin with args, and returns what it prints.
func (s *stage) run(args ...string) (out string, err error) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	app := &cli.App{
		Name: "chat", Writer: &stdout, ErrWriter: &stderr, HideHelpCommand: true, ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return err }, Commands: Commands(),
	}
	words, err := cmdline.Canonical(app, cmdline.JoinNames(app, append([]string{"chat", "admin"}, args...)))
	if err != nil {
		s.t.Fatal(err)
	}
	err = app.RunContext(s.t.Context(), words)
	if stderr.Len() > 0 {
		s.t.Errorf("chat admin %q reports %s", args, &stderr)
	}
	return stdout.String(), err
}

// prints checks what chat admin prints. In want, AGE and PORT stand for a time and a port, and BYTES for a size. What
// it prints must not be wider than it has to be: no line ends with a space.
func (s *stage) prints(args, want string) {
	s.t.Helper()
	out, err := s.run(strings.Fields(args)...)
	if err != nil {
		s.t.Errorf("chat admin %s: %v", args, err)
		return
	}
	pattern := strings.NewReplacer("AGE", `\d+s`, "PORT", `\d+ *`, "BYTES", `[\d.]+ k?B *`, "DIR", regexp.QuoteMeta(s.dir)).Replace(regexp.QuoteMeta(want))
	if !regexp.MustCompile(`^` + pattern + `\n$`).MatchString(out) {
		s.t.Errorf("chat admin %s prints\n%s, want\n%s", args, out, want)
	}
	if regexp.MustCompile(`(?m) $`).MatchString(out) {
		s.t.Errorf("chat admin %s prints spaces at the end of a line:\n%s", args, out)
	}
}

// fails checks the error of chat admin.
func (s *stage) fails(args, want string) {
	s.t.Helper()
	out, err := s.run(strings.Split(args, " ")...)
	if err == nil || err.Error() != want {
		s.t.Errorf("chat admin %s: error\n%v, want\n%s", args, err, want)
	}
	if out != "" {
		s.t.Errorf("chat admin %s prints %q beside its error", args, out)
	}
}

// upload uploads a file to the room.
func (s *stage) upload(name, content string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, fmt.Sprintf("http://127.0.0.1:%d/files/%s", s.room.Port(), name), strings.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		s.t.Fatalf("an upload is answered by %s", res.Status)
	}
}

// Each command shows or does what its help says.
func TestCommands(t *testing.T) {
	s := openStage(t)
	s.prints("members", "NICK  CLIENT  SINCE  ADDRESS")
	s.prints("bans", "no one is banned or muted")
	s.prints("files", "no uploads yet")
	s.join("bob")
	s.join("长颈鹿") // a terminal shows six columns
	s.prints("members", strings.Join([]string{
		"NICK    CLIENT   SINCE  ADDRESS",
		"bob     program  AGE     127.0.0.1:PORT",
		"长颈鹿  program  AGE     127.0.0.1:PORT",
	}, "\n"))
	s.prints("op 长颈鹿 until Friday", "长颈鹿 is an operator\nthis room is plain: whoever reads its network can act as 长颈鹿")
	s.prints("mute bob too loud", "bob is muted")
	s.prints("members", strings.Join([]string{
		"NICK    CLIENT   SINCE  ADDRESS",
		"bob     program  AGE     127.0.0.1:PORT  muted",
		"长颈鹿  program  AGE     127.0.0.1:PORT  operator",
	}, "\n"))
	s.prints("deop 长颈鹿 it is Friday", "长颈鹿 is no longer an operator")
	s.prints("ban 192.168.1.77", "192.168.1.77 is banned")
	s.prints("ban bob spam", "bob is banned; its address is this machine's own and stays open")
	s.prints("bans", strings.Join([]string{
		"NAME                  ADDRESSES",
		"192.168.1.77  banned",
		"bob           banned",
		"bob           muted",
	}, "\n"))
	s.prints("unban bob", "bob is no longer banned")
	s.prints("unmute bob", "bob is no longer muted")
	s.prints("kick 长颈鹿 bye", "长颈鹿 was removed")
	s.upload("plan.txt", "soup")
	s.prints("files", "N  SIZE  NAME      PATH\n1  4 B   plan.txt  /files/1/plan.txt")
	s.prints("files rm 1", "file 1 was removed")
	s.prints("files off", "uploads are off")
	s.prints("files", "uploads are off\nno uploads yet")
	s.prints("files on", "uploads are on")
	s.prints("limits rate=5/s connections=200", "connections is 200; it was 1000\nrate is 5/s; it was 20/s")
	s.prints("limits rate=5/s", "nothing has changed")
	s.prints("backup "+filepath.Join(s.dir, "b.chat"), "the history is in DIR"+string(filepath.Separator)+"b.chat")
	s.prints("stop back at noon", "the room closes")
	s.ended.Wait()
	var log bytes.Buffer
	if err := history.Print(t.Context(), &log, filepath.Join(s.dir, "k.chat"), history.Selection{Happened: true}, false); err != nil {
		t.Error(err)
	}
	for _, act := range []string{
		"made 长颈鹿 an operator: until Friday", "made 长颈鹿 an ordinary member: it is Friday", "muted bob: too loud", "banned an address",
		": spam", "lifted the ban of bob", ": bye", "removed file 1 (plan.txt)", "turned uploads off", "made a backup", "closes the room: back at noon",
	} {
		if !strings.Contains(log.String(), act) {
			t.Errorf("the history has no %q:\n%s", act, &log)
		}
	}
	s.fails("members", (&admin.NoRoomError{}).Error())
}

// chat admin lists the rooms, the connections and the limits.
func TestTables(t *testing.T) {
	s := openStage(t)
	out, err := s.run()
	want := fmt.Sprintf(`^ROOM     ID        MEMBERS  ADDRESS +OPEN  SOCKET\nkitchen  %.8s  0        127\.0\.0\.1:%d +\d+s `, s.room.Info().ID, s.room.Port())
	if err != nil || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("%v\n%s, want\n%s", err, out, want)
	}
	s.join("bob")
	s.prints("sessions", "ADDRESS          CLIENT   SINCE  QUEUE  SENT   NICK\n127.0.0.1:PORTprogram  AGE     -      BYTESbob")
	out, err = s.run("limits")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || len(lines) != len(limits.Table)+1 || !slices.Contains(lines, "rate                     20/s    20/s") {
		t.Errorf("%v\n%s", err, out)
	}
	for i, l := range limits.Table {
		if got := strings.Fields(lines[i+1]); !slices.Equal(got, []string{l.Name, l.Default, l.Default}) {
			t.Errorf("the row of %s is %q", l.Name, lines[i+1])
		}
	}
}

// With --json each command prints one JSON object on one line.
func TestJSON(t *testing.T) {
	s := openStage(t)
	s.join("bob")
	for _, test := range []struct{ args, want string }{
		{"--json", `"title":"kitchen"`},
		{"members --json", `"nick":"bob"`},
		{"sessions --json", `"kind":"program"`},
		{"bans --json", `{"banned":[],"muted":[]}`},
		{"files --json", `{"uploads":"on","files":[]}`},
		{"limits --json", `{"name":"rate","value":"20/s","default":"20/s",`},
		{"limits --json rate=5/s", `{"changed":[{"name":"rate","from":"20/s","to":"5/s"}]}`},
		{"mute --json bob", `{"notice":"bob is muted"}`},
	} {
		out, err := s.run(strings.Fields(test.args)...)
		if err != nil || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 || !json.Valid([]byte(out)) {
			t.Errorf("chat admin %s: %v\n%s, want %s", test.args, err, out, test.want)
		}
	}
}

// Errors say what to do in commands that a user of chat admin can type.
func TestErrors(t *testing.T) {
	s := openStage(t)
	s.join("bob")
	if _, err := s.run("op", "bob"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"kick alice", "no member is called alice\nhint: chat admin members lists them"},
		{"kick /who;/bans", "no member is called /who;/bans\nhint: chat admin members lists them"},
		{"mute " + strings.Repeat("x", 200), "no member has so long a nick\nhint: chat admin members lists them"},
		{"op alice", "no member is called alice\nhint: chat admin members lists them"},
		{"deop alice", "no member is called alice\nhint: chat admin members lists them"},
		{"ban bob", "bob is an operator\nhint: chat admin deop bob first"},
		{"unmute alice", "alice is neither banned nor muted\nhint: chat admin bans lists who is"},
		{"unban 10.0.0.1", "10.0.0.1 is neither banned nor muted\nhint: chat admin bans lists who is"},
		{"kick ", "usage: chat admin kick NICK [REASON]"},
		{"files rm 3", "there is no file 3\nhint: chat admin files lists them"},
		{"files rm x", "\"x\" is not the number of a file\nhint: chat admin files lists them"},
		{"files rn 3", "usage: chat admin files [rm N|on|off]\nhint: e.g. chat admin files rm 12"},
		{"invite new", "this room is not sealed: it has no invite to replace"},
		{"limits rats=5/s", "unknown limit \"rats\"\nhint: chat help limits lists the limits"},
		{"invite old", "unknown argument \"old\"\nhint: chat admin invite new replaces the invite; chat invite prints it"},
		{"kik bob", "unknown command \"kik\"; did you mean chat admin kick?\nhint: chat admin --help lists the commands"},
		{"unban", "usage: chat admin unban NICK|ADDRESS\nhint: e.g. chat admin unban bob"},
		{"members --room cellar", "no room \"cellar\" of yours is open on this machine\nhint: chat admin lists those that are"},
		{"members --room kitchen --socket k.chat.admin", "--socket and --room exclude each other\nhint: leave out one of them"},
	} {
		s.fails(test.args, test.want)
	}
}

// Nothing that others named can harm the terminal or the table.
func TestTablesAreClean(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(&out)
	printMembers(p, admin.Members{Members: []relay.Connection{{Nick: "a\tb\x1b[2Jc\nd", Kind: "person", Since: time.Now()}}})
	if err := p.flush(); err != nil || strings.ContainsAny(out.String(), "\x1b\t") || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%v %q", err, out.String())
	}
	printFiles(p, admin.Files{Uploads: "none"})
	if !strings.HasSuffix(out.String(), "\nthis host accepts no files\n") {
		t.Errorf("%q", out.String())
	}
}

// Members of a shared room have their relay, and the cluster command shows all relays.
func TestPrintShared(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(&out)
	since := time.Now()
	printMembers(p, admin.Members{Members: []relay.Connection{
		{Nick: "bob", Kind: "person", Address: "10.0.0.1:99", Since: since, Relay: "aaa"}, {Nick: "ann", Since: since, Relay: "bbb", Operator: true},
	}})
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	for _, cells := range [][]string{{"NICK", "CLIENT", "SINCE", "ADDRESS", "RELAY"}, {"bob", "person", "10.0.0.1:99", "aaa"}, {"ann", "-", "-", "bbb", "operator"}} {
		if !slices.ContainsFunc(strings.Split(out.String(), "\n"), func(line string) bool {
			return !slices.ContainsFunc(cells, func(cell string) bool { return !slices.Contains(strings.Fields(line), cell) })
		}) {
			t.Errorf("no row has %q:\n%s", cells, out.String())
		}
	}
	out.Reset()
	printCluster(p, admin.Cluster{
		Relay: "aaa", Position: 7, Requests: 1, Problem: "the cluster does not answer",
		Relays: []relay.RelayStatus{{ID: "aaa", Lives: true, Members: 2, Addresses: []string{"10.0.0.1:24280", "[::1]:24280"}, Silent: 9}, {ID: "bbb", Members: 1},
			{ID: "ccc", Lives: true, Silent: 4}, {ID: "ddd", Lives: true, Silent: 11.8}},
		ClusterLink: relay.ClusterLink{Connected: true, Server: "nats://a:4222", Leader: "n1", Replicas: 3},
	})
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"connected to nats://a:4222, leader n1, 3 replicas", "at record 7, 1 request waits", "problem: the cluster does not answer",
		"RELAY  MEMBERS  ADDRESS", "aaa    2        10.0.0.1:24280  this one", "bbb    1        -               gone",
		"ccc    0        -", "ddd    0        -               not heard for 12 s", "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	printCluster(p, admin.Cluster{})
	if err := p.flush(); err != nil || !strings.HasPrefix(out.String(), "not connected to a NATS server, ") {
		t.Errorf("without a connection: %s, %v", out.String(), err)
	}
}
