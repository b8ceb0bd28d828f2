package lantest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// soon is long enough for anything that happens at once, even on a slow machine.
const soon = 5 * time.Second

// A foundRoom is a line of `chat rooms --json`.
type foundRoom struct {
	Room  string `json:"room"`
	Title string `json:"title"`
	Addr  string `json:"addr"`
}

// rooms returns the rooms that `chat rooms --json` finds on node.
func (l *lab) rooms(node int, args ...string) []foundRoom {
	l.t.Helper()
	stdout, stderr, code := l.run(node, "chat", append([]string{"rooms", "--json"}, args...)...)
	if code != 0 && code != 3 {
		l.t.Fatalf("chat rooms on node %d: exit code %d\n%s", node, code, stderr)
	}
	var list []foundRoom
	lines := bufio.NewScanner(strings.NewReader(stdout))
	for lines.Scan() {
		var r foundRoom
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			l.t.Fatalf("chat rooms --json printed %q: %v", lines.Text(), err)
		}
		list = append(list, r)
	}
	return list
}

func titles(list []foundRoom) string {
	var t []string
	for _, r := range list {
		t = append(t, r.Title)
	}
	return strings.Join(t, ", ")
}

// join joins on node as nick and waits for the welcome.
func (l *lab) join(node int, nick string, args ...string) *process {
	l.t.Helper()
	args = append([]string{"join", "--nick", nick, "--json", "--follow"}, args...)
	p := l.start(node, "chat", args...)
	p.awaitOutput(`"welcome"`, soon)
	return p
}

// A messageLine is a line of a message, as printed by `chat join --json`.
type messageLine struct {
	Type, From, Text string
	ID               int
}

// messageLines returns the lines of all messages that the process has printed, in order.
// Lines sent during an outage arrive in messages of several lines.
func (p *process) messageLines() []messageLine {
	var list []messageLine
	for line := range strings.Lines(p.stdoutText()) {
		var s messageLine
		if json.Unmarshal([]byte(line), &s) == nil && s.Type == "message" {
			for text := range strings.SplitSeq(s.Text, "\n") {
				list = append(list, messageLine{s.Type, s.From, text, s.ID})
			}
		}
	}
	return list
}

func TestJoinFromOtherHosts(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	l.host(1, "kitchen")
	bob := l.join(2, "bob")
	carol := l.join(3, "carol", "KITCHEN")
	bob.write("soup is ready")
	carol.awaitOutput("soup is ready", soon)
	carol.write("coming")
	bob.awaitOutput("coming", soon)
}

// Two rooms with the same title stay apart, and no one joins one of them without choosing
// it.
func TestTwoRoomsOfOneTitle(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	l.host(1, "den")
	l.host(2, "den")
	list := l.rooms(3)
	if len(list) != 2 || list[0].Room == list[1].Room {
		t.Fatalf("found %+v, want two rooms", list)
	}
	stdout, stderr, code := l.run(3, "chat", "join", "--nick", "bob")
	if code != 2 || !strings.Contains(stdout+stderr, list[0].Room[:4]) || !strings.Contains(stdout+stderr, list[1].Room[:4]) {
		t.Errorf("join without a choice: exit code %d, want 2 and both ids\n%s%s", code, stdout, stderr)
	}
	bob := l.join(3, "bob", list[1].Room[:8])
	bob.awaitOutput(list[1].Room, soon)
}

func TestHostOnTwoNetworks(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3", "--lan2", "1", "--only2", "3")
	l.host(1, "kitchen")
	for node, want := range map[int]string{2: "10.77.0.1:24280", 3: "10.78.0.1:24280"} {
		if list := l.rooms(node); len(list) != 1 || list[0].Addr != want {
			t.Errorf("node %d found %+v, want one room at %s", node, list, want)
		}
	}
	bob, carol := l.join(2, "bob"), l.join(3, "carol")
	bob.write("from the first network")
	carol.awaitOutput("from the first network", soon)
}

// --iface limits a room to one network.
func TestHostOnOneOfTwoNetworks(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3", "--lan2", "1", "--only2", "3")
	l.host(1, "kitchen", "--iface", "eth1")
	if list := l.rooms(2); len(list) != 0 {
		t.Errorf("found %+v on the other network, want no room", list)
	}
	if list := l.rooms(3); len(list) != 1 {
		t.Errorf("found %+v on the named network, want the room", list)
	}
}

// Whatever cable is cut while members send, everyone receives every line once and in order.
func TestCutAndHealedCableLosesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		node int // whose cable is cut; 1 is the host's
		cut  []string
		time time.Duration
		slow bool // skipped with -short
	}{
		{name: "a member, 3 s", node: 2, time: 3 * time.Second},
		{name: "the host, 3 s", node: 1, time: 3 * time.Second},
		{name: "without losing the carrier, 3 s", node: 2, cut: []string{"--silent"}, time: 3 * time.Second},
		{name: "without losing the carrier, longer than the keepalive", node: 2, cut: []string{"--silent"}, time: 60 * time.Second, slow: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.slow && testing.Short() {
				t.Skip("takes more than a minute")
			}
			l := newLab(t, "4")
			l.host(1, "kitchen", "--limit", "rate=none")
			members := map[string]*process{"bob": l.join(2, "bob"), "carol": l.join(3, "carol")}
			dave := l.join(4, "dave")
			n := 0
			send := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					n++
					members["bob"].write("bob %d", n)
					members["carol"].write("carol %d", n)
				}
			}
			send(time.Second)
			l.lan(append([]string{"cut", fmt.Sprint(test.node)}, test.cut...)...)
			send(test.time)
			complete := func(p *process, nick string) bool {
				last := fmt.Sprintf("%s %d", nick, n)
				return slices.ContainsFunc(p.messageLines(), func(s messageLine) bool { return s.Text == last })
			}
			if complete(members["bob"], "carol") {
				t.Error("bob received carol's last line although the cable is cut")
			}
			l.lan("heal", fmt.Sprint(test.node))
			healed := time.Now()
			send(time.Second)

			await(t, time.Minute, "all lines have arrived", func() bool {
				return complete(members["bob"], "carol") && complete(members["carol"], "bob") &&
					complete(dave, "bob") && complete(dave, "carol")
			})
			t.Logf("%d lines from each; the last one arrived %v after the cable was repaired", n, time.Since(healed).Round(10*time.Millisecond))
			for nick, p := range map[string]*process{"bob": members["bob"], "carol": members["carol"], "dave": dave} {
				checkLines(t, nick, p.messageLines(), n)
			}
		})
	}
}

// checkLines checks that nick received the n lines of bob and of carol, in order and once.
// Nick does not need to receive its own.
func checkLines(t *testing.T, nick string, lines []messageLine, n int) {
	t.Helper()
	last := 0
	next := map[string]int{"bob": 1, "carol": 1}
	for _, s := range lines {
		if s.ID < last {
			t.Errorf("%s received message %d after message %d", nick, s.ID, last)
		}
		last = s.ID
		if want := fmt.Sprintf("%s %d", s.From, next[s.From]); s.Text != want {
			t.Fatalf("%s received %q, want %q", nick, s.Text, want)
		}
		next[s.From]++
	}
	for from, count := range next {
		if from != nick && count != n+1 {
			t.Errorf("%s received %d lines of %s, want %d", nick, count-1, from, n)
		}
	}
}

// joinTimes measures the time from the start of the program to its welcome, in several
// runs.
func joinTimes(t *testing.T, l *lab, node, runs int) []time.Duration {
	t.Helper()
	var took []time.Duration
	for i := range runs {
		start := time.Now()
		p := l.join(node, fmt.Sprintf("bob%d", i))
		took = append(took, time.Since(start))
		p.signal(syscall.SIGTERM)
	}
	slices.Sort(took)
	return took
}

func TestJoinTime(t *testing.T) {
	const runs = 20
	for _, test := range []struct {
		name string
		loss string
		goal time.Duration // for the median on an idle machine; the test allows more
	}{
		{"a good network", "0", 300 * time.Millisecond},
		{"10 % loss each way", "10", time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, "2")
			l.host(1, "kitchen")
			if test.loss != "0" {
				chattest.NeedTools(t, "python3")
				l.lan("delay", "2", "1", test.loss)
			}
			took := joinTimes(t, l, 2, runs)
			median := took[runs/2]
			t.Logf("join: median %v, 90 %% %v, slowest %v (goal: median %v)", median, took[runs*9/10], took[runs-1], test.goal)
			if limit := max(time.Second, 3*test.goal/2); median > limit {
				t.Errorf("the median is %v, more than %v", median, limit)
			}
		})
	}
}

// avahi runs avahi-daemon on node, with its own message bus, and returns how to run its
// tools there.
func (l *lab) avahi(node int) func(tool string, args ...string) (string, []string) {
	l.t.Helper()
	chattest.NeedTools(l.t, "avahi-daemon", "avahi-browse", "avahi-publish-service", "dbus-daemon")
	dir, err := os.MkdirTemp("", "bus") // short, because the path of a socket is limited
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.RemoveAll(dir) })
	bus := filepath.Join(dir, "bus")
	files := map[string]string{
		"bus.conf": `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=` + bus + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy></busconfig>`,
		"avahi.conf": "[server]\nuse-ipv4=yes\nuse-ipv6=yes\nenable-dbus=yes\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
	address := "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + bus
	l.start(node, "dbus-daemon", "--nofork", "--nopidfile", "--config-file="+filepath.Join(dir, "bus.conf"))
	await(l.t, soon, "the message bus runs", func() bool { _, err := os.Stat(bus); return err == nil })
	// It gets its own /run: this machine's avahi-daemon keeps its PID file there.
	daemon := l.start(node, "unshare", "--mount", "bash", "-c",
		`mount -t tmpfs tmpfs /run; exec env "$1" avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$2"`, "avahi", address, filepath.Join(dir, "avahi.conf"))
	await(l.t, soon, "avahi has started", func() bool { return strings.Contains(daemon.stderrText(), "Server startup complete") })
	return func(tool string, args ...string) (string, []string) {
		return "env", append([]string{address, tool}, args...)
	}
}

// publish announces a room with avahi on node until the test ends.
func (l *lab) publish(node int, tool func(string, ...string) (string, []string), name string, port int, txt ...string) {
	l.t.Helper()
	command, args := tool("avahi-publish-service", append([]string{name, "_chat-relay._tcp", fmt.Sprint(port)}, txt...)...)
	p := l.start(node, command, args...)
	await(l.t, soon, "avahi publishes "+name, func() bool { return strings.Contains(p.stderrText(), "Established") })
}

// browse returns the services that avahi on node has cached.
func (l *lab) browse(node int, tool func(string, ...string) (string, []string)) string {
	l.t.Helper()
	name, args := tool("avahi-browse", "-rpt", "_chat-relay._tcp")
	stdout, stderr, code := l.run(node, name, args...)
	if code != 0 {
		l.t.Fatalf("avahi-browse: exit code %d\n%s", code, stderr)
	}
	return stdout
}

// Other programs see a room, and see it disappear when its host ends gracefully.
func TestAvahiSeesRoomComeAndGo(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	tool := l.avahi(2)
	host := l.host(1, `Jo's "room". café`)
	want := []string{`;Jo\039s\032`, `;10.77.0.1;24280;`, `"room=Jo's \"room\". caf\195\169"`, `"v=1"`, `"addrs=10.77.0.1"`}
	seen := ""
	await(t, soon, "avahi-browse sees the room", func() bool {
		seen = l.browse(2, tool)
		return strings.Contains(seen, ";24280;")
	})
	for _, w := range want {
		if !strings.Contains(seen, w) {
			t.Errorf("avahi-browse does not show %s:\n%s", w, seen)
		}
	}
	host.signal(syscall.SIGTERM)
	gone := time.Now()
	await(t, soon, "avahi-browse sees the room no more", func() bool { return !strings.Contains(l.browse(2, tool), "_chat-relay") })
	// A goodbye takes effect after one second (RFC 6762, section 10.1). Without one, the
	// record would stay for two minutes.
	t.Logf("avahi-browse saw it disappear %v after SIGTERM", time.Since(gone).Round(10*time.Millisecond))
}

// A room announced by another program is found if it answers.
func TestRoomAnnouncedByAvahi(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	tool := l.avahi(1)
	l.host(1, "by hand", "--no-discovery")
	if list := l.rooms(2); len(list) != 0 {
		t.Fatalf("a room with --no-discovery was found: %+v", list)
	}
	// Only the room knows its ID.
	id := l.roomID(2, "10.77.0.1")
	l.publish(1, tool, "the room", port, "v=1", "id="+id, "room=by hand", "app=avahi")
	if list := l.rooms(2); titles(list) != "by hand" {
		t.Errorf("found %+v, want the room announced by avahi", list)
	}
}

// Invalid and false records are not offered.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	for name, txt := range map[string][]string{
		"no text":         nil,
		"another version": {"v=2", "id=0123456789abcdef", "room=evil"},
		"no id":           {"v=1", "room=evil"},
		"no host":         {"v=1", "id=0123456789abcdef", "room=evil\x1b[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "3")
			tool := l.avahi(1)
			l.publish(1, tool, "evil", 4000, txt...)
			l.host(2, "kitchen")
			if list := l.rooms(3); titles(list) != "kitchen" {
				t.Errorf("found %+v, want only the kitchen", list)
			}
		})
	}
}

// roomID returns the ID of the room at host, from its welcome.
func (l *lab) roomID(node int, host string) string {
	l.t.Helper()
	p := l.join(node, "asker", "--addr", fmt.Sprintf("%s:%d", host, port))
	defer p.signal(syscall.SIGTERM)
	for line := range strings.Lines(p.stdoutText()) {
		var welcome struct{ Type, Room string }
		if json.Unmarshal([]byte(line), &welcome) == nil && welcome.Type == "welcome" {
			return welcome.Room
		}
	}
	l.t.Fatalf("the welcome has no room id:\n%s", p.stdoutText())
	return ""
}

// Without a network, host and join find each other on one machine.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	l := newLab(t, "1", "--lone", "1")
	l.host(1, "alone")
	bob, carol := l.join(1, "bob"), l.join(1, "carol")
	bob.write("only the two of us")
	carol.awaitOutput("only the two of us", soon)
	if list := l.rooms(1); titles(list) != "alone" {
		t.Errorf("found %+v, want the room", list)
	}
}

// A host that was killed is not offered, even if other machines still have its record.
func TestVanishedHost(t *testing.T) {
	t.Parallel()
	l := newLab(t, "3")
	tool := l.avahi(2)
	host := l.host(1, "gone")
	await(t, soon, "avahi-browse sees the room", func() bool { return strings.Contains(l.browse(2, tool), ";24280;") })
	host.signal(syscall.SIGKILL)
	if !strings.Contains(l.browse(2, tool), "_chat-relay") {
		t.Error("avahi has dropped the record, so this test proves nothing")
	}
	if list := l.rooms(3); len(list) != 0 {
		t.Errorf("found %+v after the host was killed, want no room", list)
	}
}

// A host that does not answer, but is still announced, is not offered, and does not delay
// finding other rooms.
func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	l := newLab(t, "4")
	tool := l.avahi(2)
	l.publish(2, tool, "ghost", port, "v=1", "id=0123456789abcdef", "room=ghost", "addrs=10.77.0.99")
	l.host(3, "kitchen")
	start := time.Now()
	l.join(4, "bob")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("an address without a host delayed joining by %v", took)
	}
	if list := l.rooms(4); titles(list) != "kitchen" {
		t.Errorf("found %+v, want only the kitchen", list)
	}
}

// A host that changes its address is found at the new one.
func TestHostChangesItsAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t, "2")
	l.host(1, "kitchen")
	for _, change := range []string{"addr add 10.77.0.201/16 dev eth0", "addr del 10.77.0.1/24 dev eth0"} {
		if _, stderr, code := l.run(1, "ip", strings.Fields(change)...); code != 0 {
			t.Fatalf("ip %s: %s", change, stderr)
		}
	}
	await(t, 10*time.Second, "the room is found at its new address", func() bool {
		list := l.rooms(2)
		return len(list) == 1 && list[0].Addr == "10.77.0.201:24280"
	})
}
