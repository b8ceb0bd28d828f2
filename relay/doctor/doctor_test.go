package doctor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chat/relay/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("got\n%s\nwant (%s, rewritten by -update)\n%s", got, file, want)
	}
}

type noListener struct{ net.Listener }

func (noListener) Close() error   { return nil }
func (noListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 40000} }

var eth0 = Interface{
	Name: "eth0", Used: true,
	Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fe80::5")},
}

// commands answers Run from a table: "name args" to output; what is not in it is
// not installed.
func commands(table map[string]string) func(context.Context, string, ...string) (string, error) {
	return func(_ context.Context, name string, args ...string) (string, error) {
		if out, ok := table[strings.Join(append([]string{name}, args...), " ")]; ok {
			return out, nil
		}
		return "", exec.ErrNotFound
	}
}

// healthy is a machine with nothing wrong.
func healthy() System {
	return System{
		GOOS: "linux", Program: "/usr/bin/chat", Root: true, Port: 24280,
		Interfaces: func() ([]Interface, error) {
			return []Interface{eth0, {Name: "docker0", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.1")}, Doubt: "looks like one of containers or virtual machines"}}, nil
		},
		Echo: func(context.Context, Interface, bool) error { return nil },
		Rooms: func(context.Context) ([]Room, error) {
			return []Room{{"kitchen", []string{"192.168.1.7:24280"}, "192.168.1.7:24280"}}, nil
		},
		Probe: func(context.Context, string) (wire.RoomInfo, error) {
			return wire.RoomInfo{}, errors.New("connection refused")
		},
		JoinGroup: func(bool) error { return nil },
		Outbound:  func() netip.Addr { return eth0.Addrs[0] },
		Listen:    func(context.Context, string) (net.Listener, error) { return noListener{}, nil },
		Dial: func(context.Context, string) (net.Conn, error) {
			conn, _ := net.Pipe()
			return conn, nil
		},
		ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist },
		Run:      commands(nil),
	}
}

func examine(t *testing.T, s System) (text string, failed bool) {
	t.Helper()
	var out bytes.Buffer
	Examine(t.Context(), s, func(f Finding) {
		f.Write(&out)
		failed = failed || f.Level == Fail
		if f.Level == OK && f.Fix != "" {
			t.Errorf("nothing is wrong, yet there is a fix: %+v", f)
		}
	})
	return out.String(), failed
}

// netError is an error as the net package wraps it.
func netError(errno syscall.Errno) error {
	return &net.OpError{Op: "listen", Net: "udp4", Err: os.NewSyscallError("setsockopt", errno)}
}

const nftStrict = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		tcp dport 22 accept
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
`

const firewalldPublic = `public (active)
  target: default
  interfaces: eth0
  services: dhcpv6-client ssh
  ports:
  source-ports:
`

func TestExamine(t *testing.T) {
	for _, test := range []struct {
		name  string // of the golden file too
		spoil func(*System)
		fails bool
	}{
		{name: "healthy", spoil: func(*System) {}},
		{name: "no-network", fails: true, spoil: func(s *System) {
			s.Interfaces = func() ([]Interface, error) {
				return []Interface{{Name: "wlan0", Doubt: "has no carrier (no cable, no Wi-Fi)"}}, nil
			}
			s.Outbound = func() netip.Addr { return netip.Addr{} }
			s.Rooms = func(context.Context) ([]Room, error) { return nil, errors.New("no interface took one") }
		}},
		{name: "only-vpn", spoil: func(s *System) {
			s.Interfaces = func() ([]Interface, error) {
				return []Interface{{Name: "utun3", Used: true, Doubt: "is point-to-point (a VPN or a modem)", Addrs: []netip.Addr{netip.MustParseAddr("10.8.0.2")}}}, nil
			}
			s.GOOS = "darwin"
		}},
		{name: "vpn-default-route", spoil: func(s *System) {
			tun := Interface{Name: "tun0", Addrs: []netip.Addr{netip.MustParseAddr("10.8.0.2")}, Doubt: "is point-to-point (a VPN or a modem)"}
			s.Interfaces = func() ([]Interface, error) { return []Interface{eth0, tun}, nil }
			s.Outbound = func() netip.Addr { return tun.Addrs[0] }
		}},
		{name: "no-ipv4-route", spoil: func(s *System) {
			s.JoinGroup = func(v6 bool) error {
				if v6 {
					return nil
				}
				return errors.New("no such device") // ENODEV, which each system words in its own way
			}
		}},
		{name: "port-5353-taken", fails: true, spoil: func(s *System) {
			s.JoinGroup = func(bool) error { return netError(syscall.EADDRINUSE) }
		}},
		{name: "deaf-over-one-family", spoil: func(s *System) {
			s.Root = false
			s.Echo = func(_ context.Context, _ Interface, v6 bool) error {
				if v6 {
					return nil
				}
				return errors.New("nothing came back")
			}
		}},
		{name: "deaf-behind-ufw", fails: true, spoil: func(s *System) {
			s.Run = commands(map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming), allow (outgoing)\n\n22/tcp  ALLOW IN  Anywhere\n"})
			s.Echo = func(context.Context, Interface, bool) error { return errors.New("nothing came back") }
			s.Rooms = func(context.Context) ([]Room, error) { return nil, nil }
		}},
		{name: "port-taken", spoil: func(s *System) {
			s.Listen = listenTaken
		}},
		{name: "host-here", spoil: func(s *System) {
			s.Listen = listenTaken
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{Title: "den"}, nil }
		}},
		{name: "own-address", fails: true, spoil: func(s *System) {
			s.Dial = func(context.Context, string) (net.Conn, error) { return nil, context.DeadlineExceeded }
		}},
		{name: "room-unreachable", fails: true, spoil: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "kitchen", Addrs: []string{"192.168.1.7:24280", "[fe80::7%eth0]:24280"}}}, nil
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := healthy()
			test.spoil(&s)
			got, failed := examine(t, s)
			if failed != test.fails {
				t.Errorf("failed: %v, want %v", failed, test.fails)
			}
			golden(t, test.name+".txt", got)
		})
	}
}

// listenTaken has the default port taken, and no other.
func listenTaken(_ context.Context, addr string) (net.Listener, error) {
	if addr == ":24280" {
		return nil, netError(syscall.EADDRINUSE)
	}
	return noListener{}, nil
}

// What the firewalls say, and what is made of it.
func TestFirewalls(t *testing.T) {
	const rooms, dns = "24280", "5353"
	for _, test := range []struct {
		name, goos string
		commands   map[string]string
		files      string // of every file
		guest      bool   // not root
		level      Level
		says       []string
	}{
		{name: "ufw off", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: inactive\n"}, says: []string{"no firewall was found"}},
		{name: "ufw on", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n22/tcp ALLOW IN Anywhere\n"},
			level: Warn, says: []string{"sudo ufw allow 24280/tcp && sudo ufw allow proto udp from any port 5353"}},
		{name: "ufw with rules", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n24280/tcp ALLOW IN Anywhere\nAnywhere ALLOW IN 5353/udp\n"},
			says: []string{"ufw is on and has rules"}},
		{name: "ufw denying", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n24280/tcp DENY IN Anywhere\n5353/udp ALLOW IN Anywhere\n"},
			level: Warn, says: []string{rooms}},
		{name: "ufw open", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: allow (incoming), allow (outgoing)\n"}, says: []string{"lets everything in"}},
		{name: "firewalld", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --get-zone-of-interface=eth0": "public\n", "firewall-cmd --zone=public --list-all": firewalldPublic},
			level: Warn, says: []string{"keeps out TCP port 24280, mDNS questions", "--zone=public --permanent --add-service=mdns --add-port=24280/tcp"}},
		{name: "firewalld of a workstation", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --list-all": "x\n  target: default\n  services: dhcpv6-client mdns ssh\n  ports: 1025-65535/udp 1025-65535/tcp\n"},
			says: []string{"lets rooms and mDNS in"}},
		{name: "nftables strict", goos: "linux", commands: map[string]string{"nft list ruleset": nftStrict},
			level: Warn, says: []string{"insert rule inet filter input udp sport 5353 accept"}},
		{name: "nftables strict by its last rule", goos: "linux", commands: map[string]string{"nft list ruleset": "table ip f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 22 accept\n\t\tcounter packets 3 bytes 99 drop\n\t}\n}\n"},
			level: Warn, says: []string{"insert rule ip f in tcp dport 24280"}},
		{name: "nftables open", goos: "linux", commands: map[string]string{"nft list ruleset": strings.Replace(nftStrict, "policy drop", "policy accept", 1)},
			says: []string{"no firewall was found"}},
		{name: "nftables with rules", goos: "linux", commands: map[string]string{"nft list ruleset": strings.Replace(nftStrict, "dport 22 ", "dport { 22, 24280 } accept\n\t\tudp dport 5353 accept\n\t\tudp sport 5353 ", 1)},
			says: []string{"nftables drops what it does not know, and has rules"}},
		{name: "iptables strict", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"},
			level: Warn, says: []string{"sudo iptables -I INPUT -p tcp --dport 24280 -j ACCEPT && "}},
		{name: "not root", goos: "linux", guest: true, says: []string{"to root only: sudo /usr/bin/chat doctor"}},
		{name: "ufw, not root", goos: "linux", guest: true, files: "# x\nENABLED=yes\n", commands: nil, says: []string{"root only"}},
		{name: "macOS off", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is disabled. (State = 0)\n"}, says: []string{"is off"}},
		{name: "macOS on", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is enabled. (State = 1)\n"},
			level: Warn, says: []string{`--add "/usr/bin/chat" --unblockapp "/usr/bin/chat"`}},
		{name: "macOS letting in", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is enabled. (State = 1)\n",
			socketFilter + " --getappblocked /usr/bin/chat": "Incoming connection to the application is permitted\n"}, says: []string{"lets this program in"}},
		{name: "Windows off", goos: "windows", commands: map[string]string{"netsh advfirewall show currentprofile state": "Public Profile Settings:\n---\nState                OFF\nOk.\n"}, says: []string{"is off"}},
		{name: "Windows on", goos: "windows", commands: map[string]string{"netsh advfirewall show currentprofile state": "State                ON\n"},
			level: Warn, says: []string{`netsh advfirewall firewall add rule name=chat`}},
		{name: "Windows in another language", goos: "windows", commands: map[string]string{"netsh advfirewall show currentprofile state": "Status               EIN\n"},
			level: Warn, says: []string{`add rule name=chat`}},
		{name: "Windows with the rule", goos: "windows", commands: map[string]string{"netsh advfirewall show currentprofile state": "State ON\n",
			"netsh advfirewall firewall show rule name=chat": "Rule Name: chat\n"}, says: []string{"has a rule named chat"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := healthy()
			s.GOOS, s.Run, s.Root = test.goos, commands(test.commands), !test.guest
			if test.files != "" {
				s.ReadFile = func(string) ([]byte, error) { return []byte(test.files), nil }
			}
			var out bytes.Buffer
			level := OK
			e := &examination{System: s, used: []Interface{eth0}, report: func(f Finding) {
				level = max(level, f.Level)
				f.Write(&out)
			}}
			e.firewall(t.Context())
			if level != test.level {
				t.Errorf("level %v, want %v:\n%s", level, test.level, &out)
			}
			for _, says := range test.says {
				if !strings.Contains(out.String(), says) {
					t.Errorf("does not say %q:\n%s", says, &out)
				}
			}
		})
	}
}

// The real machine can be examined wherever the tests run; what is found there
// is not ours to judge.
func TestLocal(t *testing.T) {
	s := Local()
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := s.Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := s.Run(t.Context(), "no-such-program-of-this-name"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("running what does not exist: %v, want %v", err, exec.ErrNotFound)
	}
}
