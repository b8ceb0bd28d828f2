package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/privatefile"
	"chat/relay/seal"
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

// fromEth0 is a connection from eth0's address.
type fromEth0 struct{ net.Conn }

func (fromEth0) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 40001} }

type noListener struct{ net.Listener }

func (noListener) Close() error   { return nil }
func (noListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 40000} }

var eth0 = Interface{
	Name: "eth0", Used: true,
	Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fe80::5")},
}

const exitOne = "exit status 1"

// commands returns a Run that answers from a table: "name args" to output. Other commands
// are not installed, and those whose output is exitOne fail.
func commands(table map[string]string) func(context.Context, string, ...string) (string, error) {
	return func(_ context.Context, name string, args ...string) (string, error) {
		switch out, ok := table[strings.Join(append([]string{name}, args...), " ")]; {
		case out == exitOne:
			return "", errors.New("exit status 1")
		case ok:
			return out, nil
		}
		return "", exec.ErrNotFound
	}
}

var today = time.Date(2026, 12, 1, 10, 0, 0, 0, time.Local)

// certificate returns one with the key of ourPin.
func certificate(from, until time.Time, issuer, subject string, names ...string) *x509.Certificate {
	return &x509.Certificate{
		RawSubjectPublicKeyInfo: []byte("our key"), NotBefore: from, NotAfter: until, DNSNames: names,
		Issuer: pkix.Name{CommonName: issuer}, Subject: pkix.Name{CommonName: subject},
	}
}

var ourPin = seal.PinOf(certificate(today, today, "", ""))

// handshakeWith is a Handshake with a host that shows a certificate, and refuses TLS 1.2.
func handshakeWith(cert *x509.Certificate, err error) func(context.Context, string, uint16) (*x509.Certificate, error) {
	return func(_ context.Context, _ string, version uint16) (*x509.Certificate, error) {
		if version != tls.VersionTLS13 {
			return nil, errors.New("remote error: tls: protocol version not supported")
		}
		return cert, err
	}
}

func oneSealedRoom() ([]SealedRoom, error) {
	return []SealedRoom{{Title: "lab", Addr: "192.168.1.5:24280", Invite: "lab.example:24280", Pin: ourPin}}, nil
}

// healthy returns a machine without problems.
func healthy() System {
	return System{
		GOOS: "linux", Program: "/usr/bin/chat", Root: true, Port: 24280,
		Interfaces: func() ([]Interface, error) {
			return []Interface{eth0, {Name: "docker0", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.1")}, Doubt: "for containers or virtual machines"}}, nil
		},
		Echo: func(context.Context, Interface, bool) error { return nil },
		Rooms: func(context.Context) ([]Room, error) {
			return []Room{{Title: "kitchen", Addrs: []string{"192.168.1.7:24280"}, Answers: "192.168.1.7:24280"}}, nil
		},
		Probe: func(context.Context, string) (wire.RoomInfo, error) {
			return wire.RoomInfo{}, errors.New("connection refused")
		},
		ProbeLarge: func(context.Context, string) error { return nil },
		JoinGroup:  func(Interface, bool) error { return nil },
		Outbound:   func() netip.Addr { return eth0.Addrs[0] },
		Listen:     func(context.Context, string) (net.Listener, error) { return noListener{}, nil },
		Dial: func(context.Context, string) (net.Conn, error) {
			conn, _ := net.Pipe()
			return fromEth0{conn}, nil
		},
		HostKey:   func() (seal.Pin, error) { return "", os.ErrNotExist },
		ClientKey: func() (string, error) { return "", os.ErrNotExist },
		Now:       func() time.Time { return today },
		Handshake: handshakeWith(certificate(today.Add(-time.Hour), today.Add(time.Hour), "chat", "chat"), nil),
		ReadFile:  func(string) ([]byte, error) { return nil, os.ErrNotExist },
		Run:       commands(nil),
	}
}

func examine(t *testing.T, s System) (text string, failed bool) {
	t.Helper()
	var out bytes.Buffer
	Examine(t.Context(), s, func(f Finding) {
		f.Write(&out)
		failed = failed || f.Level == Fail
		if f.Level == OK && f.Fix != "" {
			t.Errorf("a fix without a problem: %+v", f)
		}
	})
	return out.String(), failed
}

// netError is an error as the net package wraps it.
func netError(number syscall.Errno) error {
	return &net.OpError{Op: "listen", Net: "udp4", Err: os.NewSyscallError("setsockopt", number)}
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
		name   string // of the golden file too
		change func(*System)
		fails  bool
	}{
		{name: "healthy", change: func(*System) {}},
		{name: "no-network", fails: true, change: func(s *System) {
			s.Interfaces = func() ([]Interface, error) {
				return []Interface{{Name: "wlan0", Doubt: "no carrier: no cable or Wi-Fi"}}, nil
			}
			s.Outbound = func() netip.Addr { return netip.Addr{} }
			s.Rooms = func(context.Context) ([]Room, error) { return nil, errors.New("no question could be sent") }
		}},
		{name: "only-vpn", change: func(s *System) {
			s.Interfaces = func() ([]Interface, error) {
				return []Interface{{Name: "utun3", Used: true, Doubt: "point-to-point: a VPN or a modem", Addrs: []netip.Addr{netip.MustParseAddr("10.8.0.2")}}}, nil
			}
			s.GOOS = "darwin"
		}},
		{name: "vpn-default-route", change: func(s *System) {
			tun := Interface{Name: "tun0", Addrs: []netip.Addr{netip.MustParseAddr("10.8.0.2")}, Doubt: "point-to-point: a VPN or a modem"}
			s.Interfaces = func() ([]Interface, error) { return []Interface{eth0, tun}, nil }
			s.Outbound = func() netip.Addr { return tun.Addrs[0] }
		}},
		{name: "no-ipv4-multicast", change: func(s *System) {
			s.JoinGroup = func(_ Interface, v6 bool) error {
				if v6 {
					return nil
				}
				return errors.New("no such device") // ENODEV, whose text differs between systems
			}
		}},
		{name: "port-5353-taken", fails: true, change: func(s *System) {
			s.JoinGroup = func(Interface, bool) error { return netError(syscall.EADDRINUSE) }
		}},
		{name: "deaf-over-one-family", change: func(s *System) {
			s.Root = false
			s.Echo = func(_ context.Context, _ Interface, v6 bool) error {
				if v6 {
					return nil
				}
				return errors.New("nothing came back")
			}
		}},
		{name: "deaf-behind-ufw", fails: true, change: func(s *System) {
			s.Run = commands(map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming), allow (outgoing)\n\n22/tcp  ALLOW IN  Anywhere\n"})
			s.Echo = func(context.Context, Interface, bool) error { return errors.New("nothing came back") }
			s.Rooms = func(context.Context) ([]Room, error) { return nil, nil }
		}},
		{name: "port-taken", change: func(s *System) {
			s.Listen = listenTaken
		}},
		{name: "host-here", change: func(s *System) {
			s.Listen = listenTaken
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{Title: "den"}, nil }
		}},
		{name: "no-interface", fails: true, change: func(s *System) {
			s.Interfaces = func() ([]Interface, error) { return nil, nil }
			s.GOOS = "windows"
			s.Rooms = func(context.Context) ([]Room, error) { return nil, nil }
		}},
		{name: "interfaces-unknown", fails: true, change: func(s *System) {
			s.Interfaces = func() ([]Interface, error) { return nil, netError(syscall.EACCES) }
		}},
		{name: "no-ipv6-multicast-macos", change: func(s *System) {
			s.GOOS = "darwin"
			s.JoinGroup = func(_ Interface, v6 bool) error {
				if v6 {
					return errors.New("no route to host")
				}
				return nil
			}
		}},
		{name: "no-multicast-windows", fails: true, change: func(s *System) {
			s.GOOS = "windows"
			s.JoinGroup = func(Interface, bool) error { return errors.New("unreachable network") }
		}},
		{name: "deaf-on-macos", fails: true, change: func(s *System) {
			s.GOOS = "darwin"
			s.Echo = func(context.Context, Interface, bool) error { return errors.New("nothing came back") }
		}},
		{name: "deaf-for-no-known-reason", fails: true, change: func(s *System) {
			s.Echo = func(context.Context, Interface, bool) error { return context.DeadlineExceeded }
		}},
		{name: "without-echo", change: func(s *System) { s.Echo = nil }},
		{name: "only-ipv6", change: func(s *System) {
			s.Interfaces = func() ([]Interface, error) {
				return []Interface{{Name: "eth0", Used: true, Addrs: []netip.Addr{netip.MustParseAddr("fe80::5")}}, {Name: "eth1", Used: true}}, nil
			}
			s.Outbound = func() netip.Addr { return netip.Addr{} }
		}},
		{name: "one-way-multicast", fails: true, change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) { return nil, nil }
			s.Await = func(context.Context) ([]Room, error) {
				return []Room{{Title: "kitchen", Addrs: []string{"192.168.1.7:24280"}}}, nil
			}
		}},
		{name: "no-room-ever", change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) { return nil, nil }
			s.Await = func(context.Context) ([]Room, error) { return nil, nil }
		}},
		{name: "port-forbidden", fails: true, change: func(s *System) {
			s.Listen = func(context.Context, string) (net.Listener, error) { return nil, netError(syscall.EACCES) }
		}},
		{name: "one-room-of-two", fails: true, change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "kitchen", Addrs: []string{"192.168.1.7"}, Problem: "refuses the connection", Cause: "the room has closed"}, {Title: "den", Addrs: []string{"192.168.1.8:24280"}, Answers: "192.168.1.8:24280"}}, nil
			}
		}},
		{name: "own-address", fails: true, change: func(s *System) {
			s.Dial = func(context.Context, string) (net.Conn, error) { return nil, context.DeadlineExceeded }
		}},
		{name: "large-packets-lost", change: func(s *System) {
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{Title: "kitchen"}, nil }
			s.ProbeLarge = func(context.Context, string) error { return context.DeadlineExceeded }
		}},
		{name: "host-ended-meanwhile", change: func(s *System) { // its silence is not about large packets
			s.ProbeLarge = func(context.Context, string) error { return context.DeadlineExceeded }
		}},
		{name: "large-probe-refused", change: func(s *System) {
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{Title: "kitchen"}, nil }
			s.ProbeLarge = func(context.Context, string) error { return errors.New("connection reset") }
		}},
		{name: "contested", fails: true, change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{
					{Title: "kitchen", ID: "00112233445566", Addrs: []string{"192.168.1.7:24280"}, Answers: "192.168.1.7:24280", Contested: true},
					{Title: "den", ID: "99", Addrs: []string{"192.168.1.8:24280"}, Answers: "192.168.1.8:24280"},
					{Title: "kitchen", ID: "00112233445566", Addrs: []string{"192.168.1.9:24280"}, Answers: "192.168.1.9:24280", Contested: true},
				}, nil
			}
		}},
		{name: "named-address", change: func(s *System) {
			s.Addr = "10.8.0.1:24280"
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{Title: "attic"}, nil }
			s.ProbeLarge = func(_ context.Context, addr string) error {
				if addr == "10.8.0.1:24280" {
					return context.DeadlineExceeded
				}
				return nil
			}
		}},
		{name: "named-address-silent", fails: true, change: func(s *System) {
			s.Addr = "10.8.0.1:24280"
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) { return wire.RoomInfo{}, context.DeadlineExceeded }
		}},
		{name: "room-unreachable", fails: true, change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "kitchen", Addrs: []string{"192.168.1.7:24280", "[fe80::7%eth0]:24280"}, Problem: "does not answer", Cause: "a firewall on that machine probably blocks TCP port 24280"}}, nil
			}
		}},
		{name: "sealed-rooms", change: func(s *System) {
			s.Addr = "10.8.0.1:24280"
			s.HostKey = func() (seal.Pin, error) { return ourPin, nil }
			s.ClientKey = func() (string, error) { return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", nil }
			s.SealedRooms = oneSealedRoom
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) {
				return wire.RoomInfo{Title: "attic", Sealed: true}, nil
			}
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "den", Addrs: []string{"192.168.1.8:24280"}, Answers: "192.168.1.8:24280", Sealed: true, Hint: ourPin.Hint()}}, nil
			}
		}},
		{name: "own-sealed-room-is-found-too", change: func(s *System) {
			s.Addr = "192.168.1.5:24280"
			s.SealedRooms = func() ([]SealedRoom, error) {
				return []SealedRoom{{Title: "lab", Addr: "192.168.1.5:24280", Invite: "192.168.1.5:24280", Pin: ourPin}}, nil
			}
			s.Probe = func(context.Context, string) (wire.RoomInfo, error) {
				return wire.RoomInfo{Title: "lab", Sealed: true}, nil
			}
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "lab", Addrs: []string{"192.168.1.5:24280"}, Answers: "192.168.1.5:24280", Sealed: true, Hint: ourPin.Hint()}}, nil
			}
		}},
		{name: "announced-with-another-pin", change: func(s *System) {
			s.Rooms = func(context.Context) ([]Room, error) {
				return []Room{{Title: "den", Addrs: []string{"192.168.1.8:24280"}, Answers: "192.168.1.8:24280", Sealed: true, Hint: "ZZZZZZZZ"}}, nil
			}
		}},
		{name: "clock-of-1970", fails: true, change: func(s *System) {
			s.Now = func() time.Time { return time.Unix(100, 0).UTC() }
		}},
		{name: "clock-wrong-somewhere", change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = handshakeWith(certificate(today.Add(24*time.Hour), today.Add(48*time.Hour), "chat", "chat"), nil)
		}},
		{name: "certificate-expired", change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = handshakeWith(certificate(today.Add(-48*time.Hour), today.Add(-24*time.Hour), "Our CA", "lab.example", "lab.example"), nil)
		}},
		{name: "certificate-for-another-name", change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = handshakeWith(certificate(today.Add(-time.Hour), today.Add(time.Hour), "Our CA", "a", "a", "b", "c", "d", "e", "f", "g"), nil)
		}},
		{name: "certificate-without-names", change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = handshakeWith(certificate(today.Add(-time.Hour), today.Add(time.Hour), "Our CA", "a"), nil)
		}},
		{name: "key-readable-by-others", fails: true, change: func(s *System) {
			s.HostKey = func() (seal.Pin, error) {
				return "", fmt.Errorf("read the host's key: %w", &privatefile.ModeError{Path: "/home/alice/.local/state/chat/key.pem", Mode: 0o644})
			}
			s.ClientKey = func() (string, error) {
				return "", &privatefile.ModeError{Path: "/home/alice/.local/state/chat/client-key", Mode: 0o604}
			}
			s.SealedRooms = func() ([]SealedRoom, error) {
				unreadable := func(path string) error {
					return fmt.Errorf("read the room's secrets: %w", &privatefile.ModeError{Path: path, Mode: 0o040})
				}
				return nil, errors.Join(unreadable("/home/alice/.local/state/chat/rooms/ab.json"), unreadable("/home/alice/.local/state/chat/rooms/cd.json"))
			}
		}},
		{name: "key-damaged", fails: true, change: func(s *System) {
			s.HostKey = func() (seal.Pin, error) {
				return "", errors.New("the host's key key.pem is damaged: it has no PRIVATE KEY in PEM\nhint: restore it")
			}
		}},
		{name: "tls-fails", fails: true, change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = handshakeWith(nil, errors.New("EOF"))
		}},
		{name: "tls-of-another-program", fails: true, change: func(s *System) {
			s.SealedRooms = func() ([]SealedRoom, error) {
				return []SealedRoom{{Title: "lab", Addr: "192.168.1.5:24280", Invite: "lab.example:24280", Pin: "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"}}, nil
			}
		}},
		{name: "tls-ended-by-a-proxy", fails: true, change: func(s *System) {
			s.SealedRooms = oneSealedRoom
			s.Handshake = func(context.Context, string, uint16) (*x509.Certificate, error) {
				return certificate(today.Add(-time.Hour), today.Add(time.Hour), "chat", "chat"), nil
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := healthy()
			test.change(&s)
			got, failed := examine(t, s)
			if failed != test.fails {
				t.Errorf("failed: %v, want %v", failed, test.fails)
			}
			golden(t, test.name+".txt", got)
		})
	}
}

// listenTaken is a Listen on a machine where the default port is in use.
func listenTaken(_ context.Context, addr string) (net.Listener, error) {
	if addr == ":24280" {
		return nil, netError(syscall.EADDRINUSE)
	}
	return noListener{}, nil
}

// The output of firewall programs, and the findings from it.
func TestFirewalls(t *testing.T) {
	const rooms, dns = "24280", "5353"
	for _, test := range []struct {
		name, goos string
		commands   map[string]string
		files      string // content of every file
		guest      bool   // not root
		level      Level
		says       []string
	}{
		{name: "ufw off", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: inactive\n"}, says: []string{"no firewall blocks connections"}},
		{name: "ufw on", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n22/tcp ALLOW IN Anywhere\n"},
			level: Warn, says: []string{"sudo ufw allow 24280/tcp && sudo ufw allow proto udp from any port 5353"}},
		{name: "ufw with rules", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n24280/tcp ALLOW IN Anywhere\nAnywhere ALLOW IN 5353/udp\n"},
			says: []string{"ufw is on and allows TCP port 24280"}},
		{name: "ufw denying", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: deny (incoming)\n\n24280/tcp DENY IN Anywhere\n5353/udp ALLOW IN Anywhere\n"},
			level: Warn, says: []string{rooms}},
		{name: "ufw open", goos: "linux", commands: map[string]string{"ufw status verbose": "Status: active\nDefault: allow (incoming), allow (outgoing)\n"}, says: []string{"allows all incoming traffic"}},
		{name: "firewalld", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --get-zone-of-interface=eth0": "public\n", "firewall-cmd --zone=public --list-all": firewalldPublic},
			level: Warn, says: []string{"blocks TCP port 24280, mDNS questions", "--zone=public --permanent --add-service=mdns --add-port=24280/tcp"}},
		{name: "firewalld of a workstation", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --list-all": "x\n  target: default\n  services: dhcpv6-client mdns ssh\n  ports: 1025-65535/udp 1025-65535/tcp\n"},
			says: []string{"allows rooms and mDNS"}},
		{name: "nftables strict", goos: "linux", commands: map[string]string{"nft list ruleset": nftStrict},
			level: Warn, says: []string{"insert rule inet filter input udp sport 5353 accept"}},
		{name: "nftables strict by its last rule", goos: "linux", commands: map[string]string{"nft list ruleset": "table ip f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 22 accept\n\t\tcounter packets 3 bytes 99 drop\n\t}\n}\n"},
			level: Warn, says: []string{"insert rule ip f in tcp dport 24280"}},
		{name: "nftables open", goos: "linux", commands: map[string]string{"nft list ruleset": strings.Replace(nftStrict, "policy drop", "policy accept", 1)},
			says: []string{"no firewall blocks connections"}},
		{name: "nftables with rules", goos: "linux", commands: map[string]string{"nft list ruleset": strings.Replace(nftStrict, "dport 22 ", "dport { 22, 24280 } accept\n\t\tudp dport 5353 accept\n\t\tudp sport 5353 ", 1)},
			says: []string{"nftables blocks traffic by default and has rules"}},
		{name: "iptables strict", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"},
			level: Warn, says: []string{"sudo iptables -I INPUT -p tcp --dport 24280 -j ACCEPT && "}},
		{name: "not root", goos: "linux", guest: true, says: []string{"to check nftables and iptables too, run sudo /usr/bin/chat doctor"}},
		{name: "ufw, not root", goos: "linux", guest: true, files: "# x\nENABLED=yes\n", commands: map[string]string{"ufw status verbose": exitOne}, level: Warn, says: []string{"only root can see its rules", "fix: sudo /usr/bin/chat doctor"}},
		{name: "ufw disabled, not root", goos: "linux", guest: true, files: "# x\nENABLED=no\n", commands: map[string]string{"ufw status verbose": exitOne}, says: []string{"seem to be off"}},
		{name: "firewalld off", goos: "linux", commands: map[string]string{"firewall-cmd --state": "not running\n"}, says: []string{"no firewall blocks connections"}},
		{name: "firewalld that does not answer", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n", "firewall-cmd --list-all": exitOne},
			level: Warn, says: []string{"does not show its rules", "fix: sudo /usr/bin/chat doctor"}},
		{name: "firewalld with a port range", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --list-all": "x\n  target: default\n  services: mdns\n  ports: 24000-25000/tcp\n  source-ports:\n"},
			level: Warn, says: []string{"blocks mDNS answers from UDP port 5353\n"}},
		{name: "firewalld that trusts the zone", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --list-all": "trusted\n  target: ACCEPT\n"}, says: []string{"allows rooms and mDNS"}},
		{name: "firewalld with odd ports", goos: "linux", commands: map[string]string{"firewall-cmd --state": "running\n",
			"firewall-cmd --list-all": "x\n  ports: junk 24280 24280/udp a-b/tcp\n"}, level: Warn, says: []string{"blocks TCP port 24280, mDNS questions to UDP port 5353, mDNS answers"}},
		{name: "iptables open", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT ACCEPT\n"}, says: []string{"no firewall blocks connections"}},
		{name: "iptables with rules", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT DROP\n-A INPUT -p tcp --dport 24280 -j ACCEPT\n-A INPUT -p udp --sport 5353 -j ACCEPT\n"},
			says: []string{"iptables blocks traffic by default and has rules"}},
		{name: "iptables by policy", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT DROP\n"}, level: Warn, says: []string{"lacks rules for TCP port 24280"}},
		{name: "nftables with a drop for one port only", goos: "linux", commands: map[string]string{"nft list ruleset": "table ip f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 25 drop\n\t}\n}\n"},
			says: []string{"no firewall blocks connections"}},
		{name: "nftables against the port", goos: "linux", commands: map[string]string{"nft list ruleset": "table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport { 25, 24000-24500 } counter packets 1 bytes 60 drop\n\t}\n}\n"},
			level: Warn, says: []string{"has a rule that blocks TCP port 24280", "sudo nft 'insert rule inet f in tcp dport 24280 accept'"}},
		{name: "nftables against the port on the way out", goos: "linux", commands: map[string]string{"nft list ruleset": "table inet f {\n\tchain out {\n\t\ttype filter hook output priority 0; policy accept;\n\t\ttcp dport 24280 drop\n\t}\n}\n"},
			says: []string{"no firewall blocks connections"}},
		{name: "iptables against the port", goos: "linux", commands: map[string]string{"iptables -S INPUT": "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 24280 -j DROP\n-A INPUT -i lo -j ACCEPT\n"},
			level: Warn, says: []string{"iptables has a rule that blocks TCP port 24280", "sudo iptables -I INPUT -p tcp --dport 24280 -j ACCEPT"}},
		{name: "nftables that rejects", goos: "linux", commands: map[string]string{"nft list ruleset": "table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\treject with icmp type port-unreachable\n\t}\n}\n"},
			level: Warn, says: []string{"nftables (table inet f, chain in) blocks traffic by default"}},
		{name: "macOS without the tool", goos: "darwin", says: []string{"cannot check the firewall (its command is not installed)"}},
		{name: "Windows without the tool", goos: "windows", says: []string{"cannot check the firewall (its command is not installed)"}},
		{name: "an unknown system", goos: "plan9", says: []string{""}},
		{name: "macOS off", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is disabled. (State = 0)\n"}, says: []string{"is off"}},
		{name: "macOS on", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is enabled. (State = 1)\n"},
			level: Warn, says: []string{`--add "/usr/bin/chat" --unblockapp "/usr/bin/chat"`}},
		{name: "macOS letting in", goos: "darwin", commands: map[string]string{socketFilter + " --getglobalstate": "Firewall is enabled. (State = 1)\n",
			socketFilter + " --getappblocked /usr/bin/chat": "Incoming connection to the application is permitted\n"}, says: []string{"allows this program"}},
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
					t.Errorf("no %q in:\n%s", says, &out)
				}
			}
		})
	}
}

// An examination ends with its context: the check that runs then is the last.
func TestExamineEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := healthy()
	s.Outbound = func() netip.Addr { cancel(); return netip.Addr{} }
	s.Rooms = func(context.Context) ([]Room, error) {
		t.Error("rooms were searched for after the end")
		return nil, nil
	}
	var last Finding
	Examine(ctx, s, func(f Finding) { last = f })
	if !strings.Contains(last.Text, "multicast") {
		t.Errorf("the last finding is %+v, want the one before the end", last)
	}
}

// Commands and connections that hang do not hold up the examination.
func TestChecksHaveTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := healthy()
		s.Run = func(ctx context.Context, _ string, _ ...string) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		s.Dial = func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		s.Listen = listenTaken
		s.Probe = func(ctx context.Context, _ string) (wire.RoomInfo, error) {
			<-ctx.Done()
			return wire.RoomInfo{}, ctx.Err()
		}
		begin := time.Now()
		text, failed := examine(t, s)
		if !failed || !strings.Contains(text, "cannot connect to this machine's own address 192.168.1.5 by TCP (no answer)") {
			t.Errorf("no failure in\n%s", text)
		}
		if took := time.Since(begin); took > 10*checkTimeout {
			t.Errorf("the examination took %v", took)
		}
	})
}

// A finding that cannot be written is an error, and so is its fix.
func TestWriteFails(t *testing.T) {
	for room := range 2 {
		w := &fullDisk{writes: room}
		if err := (Finding{Fail, "no network", "plug it in"}).Write(w); err == nil {
			t.Errorf("no error after %d writes", room)
		}
	}
}

// A fullDisk has space for a number of writes.
type fullDisk struct{ writes int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.writes--; d.writes < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

// Errors are shown without the prefixes of packages.
func TestReason(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{netError(syscall.EACCES), syscall.EACCES.Error()},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), "no answer"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "no answer"},
		{&exec.Error{Name: "ufw", Err: exec.ErrNotFound}, "its command is not installed"},
		{errors.New("something else"), "something else"},
	} {
		if got := reason(test.err); got != test.want {
			t.Errorf("reason(%v) = %q, want %q", test.err, got, test.want)
		}
	}
}

// The real machine: only that the functions work, as its state is not known.
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
		t.Errorf("a program that does not exist: %v, want %v", err, exec.ErrNotFound)
	}
}
