package servicetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chat/relay/client"
	"chat/relay/wire"
)

const (
	programs = 160
	pages    = 30
	people   = 10

	greeting = "hello" // of people
)

// testUpgrade replaces the program twice while 200 clients behind one router talk. All are back soon, each message
// reaches each client exactly once, in the same order, and no connection is refused.
func testUpgrade(t *testing.T, m *machine) {
	m.run("systemctl", "start", "chat.socket") // the first client starts the service
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := &office{t: t}
	for i := range programs + pages {
		o.join(ctx, i)
	}
	for range people {
		o.parts.Go(func() { o.person(ctx) })
	}
	o.parts.Go(func() { o.dialAgainAndAgain(ctx) })
	talking, quiet := context.WithCancel(ctx)
	for _, c := range o.clients {
		c.talks.Go(func() { c.talk(talking) })
	}
	time.Sleep(time.Second)
	for range 2 {
		before := m.property("MainPID")
		m.upgrade()
		restarted := time.Now()
		m.run("systemctl", "restart", "chat.service")
		if after := m.property("MainPID"); after == before || after == "0" {
			t.Fatalf("process %s was replaced by %s", before, after)
		}
		o.awaitAll(restarted)
		time.Sleep(time.Second)
	}
	quiet()
	sent := 0
	for _, c := range o.clients {
		c.talks.Wait()
		sent += c.sent
		if err := c.Flush(ctx); err != nil {
			t.Error(err)
		}
	}
	o.compare(sent)
	cancel()
	o.parts.Wait()
	if n := m.property("NRestarts"); n != "0" {
		t.Errorf("systemd had to start the service again %s times", n)
	}
}

// dial connects from the clients' address.
func dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddr)}}
	return d.DialContext(ctx, "tcp", hostAddr)
}

// pageClient makes the HTTP connections of pages.
var pageClient = &http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
}}

// dialPage connects as the page does.
func dialPage(ctx context.Context) (net.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+hostAddr+"/socket", &websocket.DialOptions{HTTPClient: pageClient})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	return websocket.NetConn(context.Background(), conn, websocket.MessageText), nil
}

// An office is all clients, behind one router.
type office struct {
	t       *testing.T
	clients []*member
	parts   sync.WaitGroup

	refused atomic.Int64 // connections
	told    atomic.Int64 // people who were told that the host restarts

	// Members who know that the host restarts. One that is too slow to read the end before it is over has lost its connection.
	expecting atomic.Int64
}

// A member is a program or a page.
type member struct {
	*client.Client
	name  string
	talks sync.WaitGroup
	sent  int // owned by talk

	mu    sync.Mutex
	heard []string  // messages; guarded by mu
	back  time.Time // when it was connected last; guarded by mu
}

func (o *office) join(ctx context.Context, n int) {
	o.t.Helper()
	how := dial
	if n >= programs {
		how = dialPage
	}
	c, err := client.Join(ctx, client.Options{
		Addr: hostAddr, Nick: fmt.Sprintf("member%d", n), Backlog: -1,
		Dial: func(ctx context.Context, _ string) (net.Conn, error) { return how(ctx) },
	})
	if err != nil {
		o.t.Fatal(err)
	}
	m := &member{Client: c, name: fmt.Sprintf("member%d", n)}
	o.clients = append(o.clients, m)
	o.parts.Go(func() { o.listen(m) })
}

// listen notes what a member hears until its client ends.
func (o *office) listen(m *member) {
	for e := range m.Events() {
		m.mu.Lock()
		switch e := e.(type) {
		case client.Connected:
			m.back = time.Now()
		case client.Disconnected:
			if errors.Is(e.Err, syscall.ECONNREFUSED) {
				o.refused.Add(1)
			}
			if e.Attempt == 0 && client.IsRestart(e.Err) {
				o.expecting.Add(1)
			}
		case client.Received:
			if e.Type == wire.TypeMessage && e.Text != greeting {
				m.heard = append(m.heard, e.Text)
			}
		}
		m.mu.Unlock()
	}
}

func (m *member) talk(ctx context.Context) {
	for {
		select {
		case <-time.After(rand.N(sayEvery)):
		case <-ctx.Done():
			return
		}
		text := fmt.Sprintf("%s says %d", m.name, m.sent)
		if _, err := m.Say(ctx, text); err != nil {
			return
		}
		m.sent++
	}
}

// awaitAll waits until all members are back, and logs how long each took.
func (o *office) awaitAll(restarted time.Time) {
	o.t.Helper()
	var times []time.Duration
	for _, m := range o.clients {
		for {
			m.mu.Lock()
			back := m.back
			m.mu.Unlock()
			if back.After(restarted) {
				times = append(times, back.Sub(restarted))
				break
			}
			if time.Since(restarted) > time.Minute {
				o.t.Fatalf("%s is not back", m.name)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	slices.Sort(times)
	o.t.Logf("%d members are back after %v (half of them), %v (all)", len(times), times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
}

// compare waits until all members have heard as many messages as were sent, and checks that each heard each of them
// once, and all in the same order.
func (o *office) compare(sent int) {
	o.t.Helper()
	deadline := time.Now().Add(time.Minute)
	var first []string
	for i, m := range o.clients {
		heard := m.heardSoFar()
		for len(heard) < sent && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
			heard = m.heardSoFar()
		}
		if i == 0 {
			first = heard
			all := slices.Sorted(slices.Values(heard))
			if len(heard) != sent || len(slices.Compact(all)) != sent {
				o.t.Fatalf("%s heard %d messages, %d different ones, of %d", m.name, len(heard), len(slices.Compact(all)), sent)
			}
		}
		if !slices.Equal(heard, first) {
			o.t.Errorf("%s heard %d messages, and %s %d, or in another order", m.name, len(heard), o.clients[0].name, len(first))
		}
	}
	if n := o.refused.Load(); n > 0 {
		o.t.Errorf("%d connections were refused", n)
	}
	if n := o.told.Load(); n < people {
		o.t.Errorf("only %d of %d people were told that the host restarts", n, people)
	}
	if n := o.expecting.Load(); n < int64(len(o.clients)) { // of two restarts
		o.t.Errorf("only %d of %d members knew that the host restarts", n, 2*len(o.clients))
	}
	o.t.Logf("%d messages, %d deliveries", sent, sent*len(o.clients))
}

func (m *member) heardSoFar() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

// person is at a raw connection, and connects again when it ends, until ctx does.
func (o *office) person(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := dial(ctx)
		if err != nil {
			o.noteDial(ctx, err)
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		fmt.Fprintf(conn, greeting+"\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "* the host restarts") {
				o.told.Add(1)
			}
		}
		stop()
		conn.Close()
	}
}

// dialAgainAndAgain connects all the time: no one may be refused.
func (o *office) dialAgainAndAgain(ctx context.Context) {
	for ctx.Err() == nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", "127.0.0.1:24280") // which has no limits
		if err != nil {
			o.noteDial(ctx, err)
		} else {
			conn.Close()
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (o *office) noteDial(ctx context.Context, err error) {
	if ctx.Err() == nil {
		o.refused.Add(1)
		o.t.Errorf("dial: %v", err)
	}
}
