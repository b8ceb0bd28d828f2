package servicetest

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/relay/client"
)

// The service is tested on one machine: starting it takes a second.
func TestService(t *testing.T) {
	m := boot(t)
	m.write("/etc/default/chat", "CHAT_ROOM=kitchen\nCHAT_ARGS=--limit connections-per-address=300\n")
	for _, test := range []struct {
		name string
		test func(*testing.T, *machine)
	}{{"Upgrade", testUpgrade}, {"Reload", testReload}, {"Admin", testAdmin}, {"Mistake", testMistake}, {"Stop", testStop}, {"Watchdog", testWatchdog}, {"WithoutSocket", testWithoutSocket}, {"OtherRoom", testOtherRoom}} {
		t.Run(test.name, func(t *testing.T) { test.test(t, m) })
	}
}

// testReload checks that the same process is there after a reload, which systemd knows to be over, and that a mistake in the settings
// makes the reload fail and costs nothing.
func testReload(t *testing.T, m *machine) {
	before := m.property("MainPID")
	m.write("/etc/chat/chat.toml", "[limit]\nmessage = '5KiB'\n") // it was not there when the service started
	m.run("systemctl", "reload", "chat.service")
	m.eventually("systemd waits for the end of the reload", func() bool {
		return m.property("ActiveState") == "active" && m.property("SubState") == "running"
	})
	m.eventually("the settings were not read", func() bool {
		return strings.Contains(m.run("journalctl", "-u", "chat", "--no-pager"), `msg="limits changed" limits="message from 16KiB to 5KiB"`)
	})
	m.write("/etc/chat/chat.toml", "[limit]\nmessage = 'a few'\n")
	if out, err := m.try("systemctl", "reload", "chat.service"); err == nil {
		t.Errorf("a mistake in the settings is no error: %s", out)
	}
	if state := m.property("ActiveState"); state != "active" {
		t.Errorf("after a mistake the service is %s", state)
	}
	m.eventually("the journal does not say why", func() bool {
		return strings.Contains(m.run("journalctl", "-u", "chat", "--no-pager"), "chat: /etc/chat/chat.toml:2: invalid limit message=a few")
	})
	m.write("/etc/chat/chat.toml", "[limit]\nmessage = '5KiB'\n")
	m.run("systemctl", "reload", "chat.service")
	if after := m.property("MainPID"); after != before {
		t.Errorf("process %s was replaced by %s", before, after)
	}
	if s := m.property("StatusText"); s != "room kitchen on port 24280" {
		t.Errorf("the status is %q", s)
	}
	if log := m.run("journalctl", "-u", "chat", "-p", "warning", "--no-pager", "-o", "cat"); strings.Contains(log, "level=INFO") || strings.Contains(log, "<") {
		t.Errorf("the journal has as warnings:\n%s", log)
	}
	state := m.run("stat", "-L", "-c", "%a", "/var/lib/chat", "/var/lib/chat/room.chat")
	if state != "700\n600\n" {
		t.Errorf("the state has the modes\n%s", state)
	}
}

// testAdmin checks that root administers the service, and restores a backup of its history, without knowing where its files are.
func testAdmin(t *testing.T, m *machine) {
	joinAs(t, "bob")
	if out := m.run("chat", "admin", "members"); !strings.Contains(out, "\nbob ") {
		t.Errorf("the members are\n%s", out)
	}
	m.run("sh", "-c", "echo soup | chat join --addr 127.0.0.1 --nick cook")
	const file = "/var/lib/chat/room.chat"
	m.run("chat", "history", "backup", file, "/root/backup.chat")
	m.run("systemctl", "stop", "chat.socket", "chat.service")
	m.run("cp", "-p", "/root/backup.chat", file) // with the wrong owner
	if out, err := m.try("systemctl", "start", "chat.service"); err == nil {
		t.Errorf("the service has opened a file of root: %s", out)
	}
	m.run("systemctl", "stop", "chat.service")
	m.run("chat", "history", "restore", "/root/backup.chat", file)
	m.run("systemctl", "start", "chat.socket", "chat.service")
	if out := m.run("chat", "history", file, "--from", "cook"); !strings.HasSuffix(out, "<cook> soup\n") {
		t.Errorf("the cook wrote %q", out)
	}
}

// testMistake checks that a mistake in the settings costs no connection: systemd tries to start the service until the mistake is
// corrected, more often than it would by default, and clients wait at the socket.
func testMistake(t *testing.T, m *machine) {
	c := joinAs(t, "waiting")
	m.write("/etc/systemd/system/chat.service.d/mistake.conf", "[Service]\nRestartSec=50ms\nEnvironment=CHAT_CONFIG=/etc/chat.toml\n")
	m.write("/etc/chat.toml", "[limit]\nrate = \"fast\"\n")
	m.run("systemctl", "daemon-reload")
	if out, err := m.try("systemctl", "restart", "chat.service"); err == nil {
		t.Errorf("the service has started: %s", out)
	}
	m.eventually("systemd has given up", func() bool { n, err := strconv.Atoi(m.property("NRestarts")); return err == nil && n > 6 })
	m.write("/etc/chat.toml", "[limit]\nrate = \"5/s\"\n")
	awaitEvent(t, c, func(e client.Connected) bool { return e.Resumed && !e.NewRoom })
	if state := strings.TrimSpace(m.run("systemctl", "is-active", "chat.socket")); state != "active" {
		t.Errorf("the socket is %s", state)
	}
	m.run("rm", "/etc/systemd/system/chat.service.d/mistake.conf")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "chat.service")
}

// testStop checks that a client of a host that was stopped, and so does not return, retries until it does.
func testStop(t *testing.T, m *machine) {
	c := joinAs(t, "patient")
	m.run("systemctl", "stop", "chat.socket", "chat.service")
	lost := awaitEvent(t, c, func(e client.Disconnected) bool { return true })
	if !client.IsRestart(lost.Err) {
		t.Errorf("the host said %v", lost.Err)
	}
	awaitEvent(t, c, func(e client.Disconnected) bool { return e.Attempt >= 2 && errors.Is(e.Err, syscall.ECONNREFUSED) })
	if result := m.property("Result"); result != "success" {
		t.Errorf("the service ended with %s", result)
	}
	m.run("systemctl", "start", "chat.socket")
	awaitEvent(t, c, func(e client.Connected) bool { return e.Resumed && !e.NewRoom })
}

// testWatchdog checks that systemd replaces a host that does nothing any more, and that its clients come back.
func testWatchdog(t *testing.T, m *machine) {
	m.write("/etc/systemd/system/chat.service.d/test.conf", "[Service]\nWatchdogSec=2\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "chat.service")
	c := joinAs(t, "watched")
	time.Sleep(2500 * time.Millisecond) // it pings
	if n := m.property("NRestarts"); n != "0" {
		t.Fatalf("a host that works was replaced %s times", n)
	}
	m.run("kill", "-STOP", m.property("MainPID"))
	awaitEvent(t, c, func(e client.Disconnected) bool { return true })
	awaitEvent(t, c, func(e client.Connected) bool { return e.Resumed })
	m.eventually("systemd has not replaced the host", func() bool { return m.property("NRestarts") == "1" })
	journal := m.run("journalctl", "-u", "chat", "--no-pager", "-o", "cat")
	if !strings.Contains(journal, "Watchdog timeout") {
		t.Errorf("the journal has no timeout:\n%s", journal)
	}
}

// testWithoutSocket checks that the service opens its port itself if the socket unit is not used, and reports a port in
// use.
func testWithoutSocket(t *testing.T, m *machine) {
	m.run("systemctl", "stop", "chat.socket", "chat.service")
	m.run("systemctl", "start", "chat.service")
	joinAs(t, "plain")
	m.run("systemctl", "stop", "chat.service")
	ln, err := net.Listen("tcp", ":24280")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if out, err := m.try("systemctl", "start", "chat.service"); err == nil {
		t.Errorf("the service has started: %s", out)
	}
	m.run("systemctl", "stop", "chat.service")
	if journal := m.run("journalctl", "-u", "chat", "--no-pager", "-o", "cat"); !strings.Contains(journal, "chat: port 24280 is in use") {
		t.Errorf("the journal does not have the reason:\n%s", journal)
	}
}

// testOtherRoom checks that another room has its own settings, port and state, and that packages' scripts reach it.
func testOtherRoom(t *testing.T, m *machine) {
	const at = "127.0.0.1:24281"
	m.write("/etc/chat/chat@pantry.toml", "room = 'pantry'\naddr = '"+at+"'\nno-discovery = true\n")
	m.run("systemctl", "enable", "--now", "chat@pantry")
	c, err := client.Join(t.Context(), client.Options{Addr: at, Nick: "visitor"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if title := c.Welcome().Title; title != "pantry" {
		t.Errorf("the room is called %s", title)
	}
	if out := m.run("chat", "admin", "members", "--room", "pantry"); !strings.Contains(out, "visitor ") {
		t.Errorf("the members are\n%s", out)
	}
	if state := m.run("stat", "-L", "-c", "%a", "/var/lib/chat@pantry", "/var/lib/chat@pantry/room.chat"); state != "700\n600\n" {
		t.Errorf("the state has the modes\n%s", state)
	}
	pid := func() string { return m.run("systemctl", "show", "--value", "-p", "MainPID", "chat@pantry.service") }
	before := pid()
	m.run("systemctl", "try-restart", "chat@*.service") // as after an upgrade
	if after := pid(); after == before || after == "0\n" {
		t.Errorf("process %s was replaced by %s", before, after)
	}
	awaitEvent(t, c, func(e client.Connected) bool { return e.Resumed && !e.NewRoom })
	m.run("sh", "-c", "systemctl stop 'chat@*.service' && systemctl disable chat@.service") // as before a removal
	if out, _ := m.try("systemctl", "is-active", "chat@pantry"); out != "inactive\n" {
		t.Errorf("the other room is %s", out)
	}
	if out, _ := m.try("systemctl", "is-enabled", "chat@pantry"); out != "disabled\n" {
		t.Errorf("the other room is %s", out)
	}
}

// joinAs joins the room. The client ends with the test.
func joinAs(t *testing.T, nick string) *client.Client {
	t.Helper()
	c, err := client.Join(t.Context(), client.Options{
		Addr: hostAddr, Nick: nick, Dial: func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitEvent waits for an event that is one.
func awaitEvent[E client.Event](t *testing.T, c *client.Client, is func(E) bool) E {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case e, ok := <-c.Events():
			if wanted, isOne := e.(E); isOne && is(wanted) {
				return wanted
			}
			if !ok {
				t.Fatalf("the client has ended: %v", c.Err())
			}
		case <-timeout:
			t.Fatalf("no such %T within 30 s", *new(E))
		}
	}
}
