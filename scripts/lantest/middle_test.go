package lantest

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"chat/relay/discovery"
	"chat/relay/hostseal"
)

// middleCommand as its first argument makes the test binary the attacker: a program on a machine
// of the lab that puts itself between the members and the host.
const middleCommand = "man-in-the-middle"

// A middle relays every connection to the host, and writes down all that it can read.
type middle struct {
	target string      // the host's address, or several: the first that answers
	seal   *tls.Config // with a key of its own; nil: it relays the bytes as they are

	mu       sync.Mutex
	sent     *os.File // what members sent; guarded by mu
	received *os.File // what the host sent; guarded by mu
}

// runMiddle is the main function of the attacker.
func runMiddle(args []string) error {
	flags := flag.NewFlagSet(middleCommand, flag.ContinueOnError)
	target := flags.String("target", "", "the host's address, or several with commas")
	dir := flags.String("dir", "", "where to write what it read, and its key")
	terminate := flags.Bool("tls", false, "end the encryption with a key of its own")
	replay := flags.String("replay", "", "send this file to the target instead, and print how many bytes it answers")
	id := flags.String("id", "", "announce a room with this ID")
	title := flags.String("title", "", "and this title")
	hint := flags.String("hint", "", "and the start of this pin")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *replay != "" {
		return replayTo(*target, *replay)
	}
	m := &middle{target: *target}
	var err error
	if m.sent, err = os.Create(filepath.Join(*dir, "sent")); err != nil {
		return err
	}
	if m.received, err = os.Create(filepath.Join(*dir, "received")); err != nil {
		return err
	}
	if *terminate {
		key, err := hostseal.LoadKey(*dir)
		if err != nil {
			return err
		}
		source, err := hostseal.KeptCertificate(*dir, key, func() []string { return nil }, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		m.seal = source.Config()
	}
	if *id != "" {
		if err := announce(discovery.Advertisement{ID: *id, Title: *title, App: "chat 1.0", Sealed: true, Hint: *hint, Port: port}); err != nil {
			return err
		}
	}
	ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go m.relay(conn)
	}
}

// announce announces a room at this machine by mDNS, several times a second, until the program ends.
func announce(room discovery.Advertisement) error {
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	addrs, err := eth0.Addrs()
	if err != nil {
		return err
	}
	at := netip.MustParsePrefix(addrs[0].String()).Addr()
	service, err := mdns.NewMDNSService(discovery.Escape(discovery.InstanceName(room)), "_chat-relay._tcp", "local.", "attacker.local.", room.Port,
		[]net.IP{at.AsSlice()}, discovery.TXT(room, []netip.Addr{at}))
	if err != nil {
		return err
	}
	m := dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Answer: service.Records(dns.Question{Name: "_chat-relay._tcp.local.", Qtype: dns.TypePTR})}
	packet, err := m.Pack()
	if err != nil {
		return err
	}
	group, err := discovery.OpenGroup(*eth0, false)
	if err != nil {
		return err
	}
	go func() {
		for ; ; time.Sleep(100 * time.Millisecond) {
			group.Send(packet)
		}
	}()
	return nil
}

// relay connects a member to the host. With a key of its own it reads both directions; a member that does
// not encrypt is read as it is.
func (m *middle) relay(conn net.Conn) {
	defer conn.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return
	}
	var member net.Conn = &begun{conn, io.MultiReader(bytes.NewReader(first), conn)}
	if m.seal != nil && first[0] == 0x16 {
		member = tls.Server(member, m.seal)
	}
	var host net.Conn
	var err error
	for target := range strings.SplitSeq(m.target, ",") {
		if host, err = net.Dial("tcp", target); err == nil {
			break
		}
	}
	if err != nil {
		return
	}
	defer host.Close()
	if m.seal != nil {
		host = tls.Client(host, &tls.Config{InsecureSkipVerify: true})
	}
	go func() {
		io.Copy(io.MultiWriter(record{m, m.received}, member), host)
		member.Close()
	}()
	io.Copy(io.MultiWriter(record{m, m.sent}, host), member)
}

// begun is a connection of which some bytes were read already.
type begun struct {
	net.Conn
	rest io.Reader
}

func (c *begun) Read(b []byte) (int, error) { return c.rest.Read(b) }

// A record writes down what was read.
type record struct {
	m  *middle
	to *os.File
}

func (r record) Write(b []byte) (int, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.to.Write(b)
}

// replayTo sends recorded bytes to the host again, and prints how many it answers before it closes the
// connection.
func replayTo(target, path string) error {
	recorded, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(recorded); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, err := io.ReadAll(conn)
	if os.IsTimeout(err) {
		return fmt.Errorf("the host keeps the connection open: %w", err)
	}
	fmt.Println(len(answer)) // a reset ends it too
	return nil
}

// middle starts the attacker on node, and returns the folder that has what it read.
func (l *lab) middle(node int, target string, args ...string) (dir string) {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	dir = l.t.TempDir()
	l.start(node, self, append([]string{middleCommand, "-target", target, "-dir", dir}, args...)...)
	l.awaitListening(node, port)
	return dir
}

// poison makes a member believe that the host's addresses are those of the attacker's machine, as false ARP
// answers do. The attacker answers at the first one.
func (l *lab) poison(member, attacker int) {
	l.t.Helper()
	mac := strings.TrimSpace(l.mustRun(attacker, "cat", "/sys/class/net/eth0/address"))
	l.mustRun(attacker, "ip", "addr", "replace", "10.77.0.1/32", "dev", "lo")
	for _, addr := range []string{"10.77.0.1", "10.77.0.101"} {
		l.mustRun(member, "ip", "neigh", "replace", addr, "lladdr", mac, "dev", "eth0")
	}
}

func (l *lab) mustRun(node int, name string, args ...string) string {
	l.t.Helper()
	stdout, stderr, code := l.run(node, name, args...)
	if code != 0 {
		l.t.Fatalf("%s %v: exit code %d\n%s", name, args, code, stderr)
	}
	return stdout
}

// wantUnread checks that nothing in the files of dir has one of the texts.
func wantUnread(t *testing.T, dir string, texts ...string) {
	t.Helper()
	for _, name := range []string{"sent", "received"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if text == "" || bytes.Contains(b, []byte(text)) {
				t.Errorf("the attacker read %q in what was %s:\n%.2000q", text, name, b)
			}
		}
	}
}

// tokens returns the tokens and secrets that the users on a node keep.
func (l *lab) tokens(node int) []string {
	l.t.Helper()
	var tokens []string
	for _, id := range l.identities(node) {
		tokens = append(tokens, id.Token)
	}
	return slices.Compact(tokens)
}
