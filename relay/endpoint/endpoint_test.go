package endpoint

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"192.168.1.5", "192.168.1.5:24280"},
		{" 192.168.1.5:80 ", "192.168.1.5:80"},
		{"fe80::1%eth0", "[fe80::1%eth0]:24280"},
		{"[fe80::1%eth0]", "[fe80::1%eth0]:24280"},
		{"[fe80::1%eth0]:99", "[fe80::1%eth0]:99"},
		{"::1", "[::1]:24280"},
		{"laptop.local", "laptop.local:24280"},
		{"laptop:1234", "laptop:1234"},
		{":1234", "localhost:1234"},
		{"", ""},
		{"laptop:http", ""},
		{"laptop:0", ""},
		{"laptop:65536", ""},
		{"laptop:-1", ""},
		{"[::1", ""},
		{"fe80::1:99999", ""},
		{"http://laptop:80", "laptop:80"},
		{"HTTP://laptop:1234/", "laptop:1234"},
		{"http://192.168.1.5/#x", "192.168.1.5:24280"},
		{"http://[fe80::1%25eth0]:99/", "[fe80::1%eth0]:99"},
		{"ftp://laptop:80", ""},
		{"http://", ""},
		{"1234", ""},
		{"fe80::1", ""}, // on which interface?
		{"my laptop", ""},
		{"me@laptop", ""},
	} {
		got, err := Parse(test.in)
		_, invalid := errors.AsType[*AddressError](err)
		if got != test.want || (err == nil) != (test.want != "") || invalid != (err != nil) {
			t.Errorf("Parse(%q) = %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestListen(t *testing.T) {
	busy, _, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if got, want := Reachable(busy), []string{busy.Addr().String()}; len(got) != 1 || got[0] != want[0] {
		t.Errorf("reachable at %q, want %q", got, want)
	}
	for addr, want := range map[string]string{
		busy.Addr().String(): "cannot listen on " + busy.Addr().String() + ": the port is in use\n",
		"127.0.0.1:99999":    `invalid address "127.0.0.1:99999"` + "\nhint: e.g. --addr :24280 ",
		"a:b:c:d":            `invalid address "[a:b:c:d]:24280"`,
		"192.0.2.1:0":        "cannot listen on 192.0.2.1:0: this machine does not have that address\n", // TEST-NET-1, RFC 5737
	} {
		ln, _, err := Listen(addr)
		if err == nil {
			ln.Close()
			t.Errorf("listens on %s", addr)
		} else if !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%s: %v, want %s", addr, err, want)
		}
	}
}

// Without an address, any port is better than none.
func TestListenFallsBack(t *testing.T) {
	first, _, err := Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, fallback, err := Listen("")
	if err != nil || !fallback || Port(second) == Port(first) {
		t.Fatalf("the second room is at %v, fallback %v: %v", second, fallback, err)
	}
	defer second.Close()
	if BoundTo(second).IsValid() {
		t.Errorf("bound to %v", BoundTo(second))
	}
	if got := Reachable(second); len(got) == 0 || !strings.HasSuffix(got[0], ":"+strconv.Itoa(Port(second))) {
		t.Errorf("reachable at %q", got)
	}
}

func TestWithPort(t *testing.T) {
	for addr, want := range map[string]string{
		"80":               ":80",
		":80":              ":80",
		"192.168.1.5":      "192.168.1.5:24280",
		"192.168.1.5:80":   "192.168.1.5:80",
		"::1":              "[::1]:24280",
		"[::1]":            "[::1]:24280",
		"[fe80::1%lo0]:80": "[fe80::1%lo0]:80",
	} {
		if got := withPort(addr); got != want {
			t.Errorf("withPort(%q) = %q, want %q", addr, got, want)
		}
	}
}

func TestCause(t *testing.T) {
	inner := errors.New("inner")
	if got := Cause(&net.OpError{Op: "listen", Err: inner}); got != inner {
		t.Errorf("cause: %v", got)
	}
	if got := Cause(inner); got != inner {
		t.Errorf("cause: %v", got)
	}
}
