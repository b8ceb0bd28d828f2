//go:build linux

package platforms

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
)

// aDay runs a host and clients on the platform: members come and go, files go up and down,
// the host is killed, stopped and started again. No message is lost.
func aDay(t *testing.T, p *platform) {
	d := &day{t: t, p: p, chat: p.build(t, "chat", ".", "build"), dir: t.TempDir()}
	d.open()
	t.Cleanup(d.kill)

	alice := d.dial("/nick alice")
	alice.waitFor("* you are now alice")
	alice.send("soup is ready")

	// A pipe: its end is acknowledged, UTF-16 is decoded, an absent host and a taken port are named.
	d.run(0, "", lines(300), "join", "--addr", d.addr, "--nick", "bob")
	alice.waitFor("<bob> line 0\n", "<bob> line 299\n")
	utf16le := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune("für alle 🍲\r\n")) {
		utf16le = binary.LittleEndian.AppendUint16(utf16le, unit)
	}
	d.run(0, "", string(utf16le), "join", "--addr", d.addr, "--nick", "carol")
	alice.waitFor("<carol> für alle 🍲\n")
	const closedPort = "127.0.0.1:1"
	d.run(1, "chat: connection refused by "+closedPort, "", "join", "--addr", closedPort)
	d.run(1, "chat: cannot listen on "+d.addr+": the port is in use", "", "host", "--headless", "--no-discovery", "--addr", d.addr)
	d.run(1, "chat: cannot listen on 192.0.2.1:24280: this machine does not have that address", "", "host", "--headless", "--no-discovery", "--addr", "192.0.2.1")
	d.run(1, "in use by another host", "", "host", "--headless", "--no-discovery", "--addr", "127.0.0.1:0", "--history", "kitchen.chat")

	soup := make([]byte, 3<<20+1)
	rand.NewChaCha8([32]byte{1}).Read(soup)
	d.transfer("soup.bin", soup)

	// What the host has acknowledged survives its death.
	alice.send("before the crash")
	bob := d.dial("")
	bob.waitFor("<alice> before the crash")
	d.kill()
	d.open()
	dave := d.dial("/nick dave")
	dave.waitFor("<bob> line 299\n", "<alice> before the crash\n")
	dave.send("after the crash", "/quit")
	dave.waitFor("* goodbye")

	// Ctrl-C closes the room in order.
	erin := d.dial("")
	erin.waitFor("<dave> after the crash")
	if err := d.host.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	erin.waitFor("* the room is closing; goodbye")
	await(t, "the host to end", d.ended)
	if code := d.host.ProcessState.ExitCode(); code != 0 {
		t.Errorf("after Ctrl-C the host's exit code is %d\n%s", code, d.log.String())
	}
	out := d.run(0, "", "", "history", "kitchen.chat")
	for _, want := range []string{"<alice> soup is ready", "<bob> line 17\n", "<carol> für alle 🍲", "<alice> before the crash", "<dave> after the crash"} {
		if strings.Count(strings.ReplaceAll(out, "\r", ""), want) != 1 {
			t.Errorf("the history has not one %q:\n%s", want, out[max(0, len(out)-2000):])
		}
	}
}

// A day is a host on a platform, and its folder.
type day struct {
	t    *testing.T
	p    *platform
	chat string // the program
	dir  string

	// The host that runs now; a new one for each open.
	addr    string
	host    *exec.Cmd
	log     *output
	stopped chan struct{} // closed after it has ended
}

var address = regexp.MustCompile(`msg="room open".* address=(\S+)`)

// open starts the host and waits until its room is open.
func (d *day) open() {
	d.t.Helper()
	d.host = d.p.command(d.chat, "host", "--headless", "--no-discovery", "--addr", "127.0.0.1:0", "--room", "kitchen",
		"--history", "kitchen.chat", "--files-dir", "files")
	d.log = new(output)
	d.host.Dir, d.host.Stderr = d.dir, d.log
	if err := d.host.Start(); err != nil {
		d.t.Fatal(err)
	}
	host, stopped := d.host, make(chan struct{})
	d.stopped = stopped
	go func() {
		host.Wait() // its exit code is read from ProcessState
		close(stopped)
	}()
	await(d.t, "the room to open", func() bool {
		found := address.FindStringSubmatch(d.log.String())
		if found == nil && d.ended() {
			d.t.Fatalf("the host has ended: %s", d.log.String())
		}
		if found != nil {
			d.addr = found[1]
		}
		return found != nil
	})
}

func (d *day) ended() bool {
	select {
	case <-d.stopped:
		return true
	default:
		return false
	}
}

// kill ends the host at once.
func (d *day) kill() {
	if !d.ended() {
		d.host.Process.Kill()
		<-d.stopped
	}
}

// run runs chat with stdin and returns its stdout. It checks the exit code, and that stderr
// has problem.
func (d *day) run(code int, problem, stdin string, args ...string) string {
	d.t.Helper()
	cmd := d.p.command(d.chat, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = d.dir, strings.NewReader(stdin), &out, &errs
	cmd.Run() // its error is the exit code
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(errs.String(), problem) {
		d.t.Errorf("chat %q: exit code %d, want %d, and stderr has not %q:\n%s", args, got, code, problem, errs.String())
	}
	return out.String()
}

// transfer uploads a file and downloads it again.
func (d *day) transfer(name string, content []byte) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	put, err := http.NewRequestWithContext(ctx, "PUT", "http://"+d.addr+"/files/"+name+"?nick=ci", bytes.NewReader(content))
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(put)
	if err != nil {
		d.t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	at := answer.Header.Get("Location")
	if err != nil || answer.StatusCode != http.StatusCreated || at == "" {
		d.t.Fatalf("upload: %s, Location %q, %v\n%s", answer.Status, at, err, said)
	}
	get, err := http.NewRequestWithContext(ctx, "GET", "http://"+d.addr+at, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if answer, err = http.DefaultClient.Do(get); err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, content) {
		d.t.Errorf("downloaded %d bytes, which are not the %d uploaded ones: %v", len(got), len(content), err)
	}
	if kept, err := filepath.Glob(filepath.Join(d.dir, "files", "*"+name)); err != nil || len(kept) != 1 {
		d.t.Errorf("--files-dir has %q, %v", kept, err)
	}
}

// A person is a member with nc, in this process.
type person struct {
	t    *testing.T
	conn net.Conn
	got  output
}

// dial connects to the host and sends a first line, unless it is empty.
func (d *day) dial(first string) *person {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	p := &person{t: d.t, conn: conn}
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(&p.got, conn) })
	d.t.Cleanup(func() { conn.Close(); reading.Wait() })
	if first != "" {
		p.send(first)
	}
	p.waitFor("* Welcome to kitchen")
	return p
}

func (p *person) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		if _, err := fmt.Fprintln(p.conn, line); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *person) waitFor(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		await(p.t, fmt.Sprintf("%q", text), func() bool { return strings.Contains(p.got.String(), text) })
	}
}

// An output may be written to and read by several goroutines.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
