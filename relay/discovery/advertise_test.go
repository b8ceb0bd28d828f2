package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A stage is the network of an advertiser in a test.
type stage struct {
	mu       sync.Mutex // guards the fields below
	start    time.Time
	lans     []LAN
	serveErr error
	sendErr  error
	serving  map[string]bool
	served   []float64 // seconds since start
	sent     []string  // seconds since start, interface, family, what
	logged   bytes.Buffer
}

func (s *stage) advertiser(room Advertisement) *Advertiser {
	s.start, s.serving = time.Now(), map[string]bool{}
	return &Advertiser{
		Room:    room,
		NewZone: func(Advertisement, []netip.Addr) (Zone, error) { return s, nil },
		LANs: func() ([]LAN, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.lans, nil
		},
		Outbound: func() netip.Addr { return netip.MustParseAddr("192.168.1.5") },
	}
}

// Serve and Announce are those of its room's zone.
func (s *stage) Serve(on net.Interface) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serveErr != nil {
		return nil, s.serveErr
	}
	s.serving[on.Name] = true
	s.served = append(s.served, time.Since(s.start).Seconds())
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.serving, on.Name)
	}, nil
}

func (s *stage) Announce(on net.Interface, v6, goodbye bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sendErr != nil {
		return s.sendErr
	}
	what := "hello"
	if goodbye {
		what = fmt.Sprintf("goodbye/%d", len(s.serving))
	}
	s.sent = append(s.sent, fmt.Sprintf("%v %s %v %s", time.Since(s.start).Seconds(), on.Name, v6, what))
	return nil
}

// Write receives the log.
func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.Write(p)
}

func TestAdvertiseSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{lans: []LAN{testLAN(2, "eth0", ethernet, "192.168.1.5/24")}}
		a := s.advertiser(Advertisement{ID: kitchenID, Port: 1, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), 122*time.Second)
		defer cancel()
		a.Run(ctx)
		want := []string{"0 eth0 false hello", "1 eth0 false hello", "61 eth0 false hello", "121 eth0 false hello", "122 eth0 false goodbye/0"}
		if !slices.Equal(s.sent, want) {
			t.Errorf("sent %q, want %q", s.sent, want)
		}
	})
}

// With each repeated announcement the host joins the group again: switches forget members that
// do not report.
func TestAdvertiseRejoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{lans: []LAN{testLAN(2, "eth0", ethernet, "192.168.1.5/24")}}
		a := s.advertiser(Advertisement{ID: kitchenID, Port: 1, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), 122*time.Second)
		defer cancel()
		a.Run(ctx)
		if want := []float64{0, 61, 121}; !slices.Equal(s.served, want) {
			t.Errorf("joined at %v s, want %v", s.served, want)
		}
	})
}

// A host with another key announces its pin at once.
func TestAdvertiseAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{lans: []LAN{testLAN(2, "eth0", ethernet, "192.168.1.5/24")}}
		a := s.advertiser(Advertisement{ID: kitchenID, Sealed: true, Hint: "AAAA", Port: 1, Log: slog.New(slog.DiscardHandler)})
		a.Hint = func() string {
			if time.Since(s.start) < 10*time.Second {
				return "AAAA"
			}
			return "BBBB"
		}
		var hints []string
		a.NewZone = func(room Advertisement, _ []netip.Addr) (Zone, error) {
			hints = append(hints, room.Hint)
			return s, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		a.Run(ctx)
		if want := []string{"AAAA", "BBBB"}; !slices.Equal(hints, want) {
			t.Errorf("announced %q, want %q", hints, want)
		}
		if want := []string{"0 eth0 false hello", "1 eth0 false hello", "10 eth0 false hello", "11 eth0 false hello", "20 eth0 false goodbye/0"}; !slices.Equal(s.sent, want) {
			t.Errorf("sent %q, want %q", s.sent, want)
		}
	})
}

// When a laptop changes networks, the room follows within 5 seconds, and each problem is
// logged once.
func TestAdvertiseFollowsTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		log := slog.New(slog.NewTextHandler(s, nil))
		a := s.advertiser(Advertisement{ID: kitchenID, Port: 1, Log: log})
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { a.Run(ctx) })
		// scene lets the advertiser run for d, then calls f to check and change the stage.
		scene := func(d time.Duration, f func()) {
			time.Sleep(d)
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			f()
			s.sent = nil
		}

		scene(12*time.Second, func() { // offline
			if n := strings.Count(s.logged.String(), "\n"); n != 1 || len(s.sent) > 0 {
				t.Errorf("offline: %d log lines, want 1; sent %q, want nothing", n, s.sent)
			}
			s.lans, s.serveErr = []LAN{eth0()}, errors.New("no such device")
		})
		scene(10*time.Second, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 2 {
				t.Errorf("unable to serve: %d log lines, want 2:\n%s", n, &s.logged)
			}
			s.serveErr = nil
		})
		scene(5*time.Second, func() {
			if len(s.sent) == 0 || !s.serving["eth0"] {
				t.Errorf("online: sent %q, serving %v", s.sent, s.serving)
			}
			s.lans = []LAN{testLAN(3, "wlan0", ethernet, "10.1.1.2/24")}
		})
		scene(5*time.Second, func() {
			if len(s.sent) == 0 || s.serving["eth0"] || !s.serving["wlan0"] {
				t.Errorf("moved: sent %q, serving %v", s.sent, s.serving)
			}
			s.sendErr = errors.New("network is unreachable")
			s.logged.Reset()
		})
		scene(2*time.Minute, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 1 {
				t.Errorf("unable to send: %d log lines, want 1:\n%s", n, &s.logged)
			}
			s.sendErr = nil
		})
		scene(10*time.Second, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 2 || len(s.sent) == 0 {
				t.Errorf("able to send again: %d log lines, want 2, sent %q:\n%s", n, s.sent, &s.logged)
			}
		})
		cancel()
		done.Wait()
		if got := fmt.Sprint(a.addresses()); got != "[10.1.1.2]" {
			t.Errorf("moved: addresses %s", got)
		}
	})
}

func TestAdvertisedAddresses(t *testing.T) {
	wifi := testLAN(3, "wlan0", ethernet, "10.1.1.2/24", "2001:db8::2/64", "fe80::2/64")
	for _, test := range []struct {
		name string
		bind string
		lans []LAN
		want string
	}{
		{name: "the default route's comes last", lans: []LAN{eth0(), wifi}, want: "[2001:db8::2 10.1.1.2 192.168.1.5]"},
		{name: "link-local if there is no other", lans: []LAN{testLAN(2, "eth0", ethernet, "fe80::5/64")}, want: "[fe80::5]"},
		{name: "the one listened on", bind: "10.1.1.2", lans: []LAN{eth0(), wifi}, want: "[10.1.1.2]"},
		{name: "all, when listening on all", bind: "::", lans: []LAN{eth0()}, want: "[192.168.1.5]"},
		{name: "none, when listening on the loopback", bind: "127.0.0.1", lans: []LAN{eth0()}, want: "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &stage{lans: test.lans}
			a := s.advertiser(Advertisement{})
			if test.bind != "" {
				a.Room.Bind = netip.MustParseAddr(test.bind)
			}
			a.using = filter(test.lans, a.listensOn)
			if got := fmt.Sprint(a.addresses()); got != test.want {
				t.Errorf("addresses %s, want %s", got, test.want)
			}
		})
	}
}
