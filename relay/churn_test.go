package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// 200 clients join, chat and leave at random for a minute (two seconds with -short). Members
// who stay receive every acknowledged message once, and in the order of its sender.
func TestChurn(t *testing.T) {
	length := time.Minute
	if testing.Short() {
		length = 2 * time.Second
	}
	// The log keeps everything, because those who stay may be slow if this process is busy.
	srv := relay.New(relay.Options{Rate: -1, MaxSessions: -1, History: history.Limits{Events: -1, Bytes: -1}})
	addr := serveTCP(t, srv)
	var stayers [4]*stayer
	for i := range stayers {
		stayers[i] = stay(t, addr, fmt.Sprintf("stayer%d", i))
	}

	deadline := time.Now().Add(length)
	var said atomic.Int64
	var churn sync.WaitGroup
	for i := range 200 {
		churn.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for visit := 0; time.Now().Before(deadline); visit++ {
				if i%4 == 0 {
					visitAsPerson(t, addr, r)
				} else {
					said.Add(int64(visitAsProgram(t, addr, fmt.Sprintf("c%d.%d", i, visit), r)))
				}
				time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
			}
		})
	}
	churn.Wait()

	last := dialTCP(t, addr)
	fmt.Fprintf(last, "%s\n{\"type\":\"say\",\"text\":\"the end\"}\n", hello("last"))
	for _, s := range stayers {
		select {
		case <-s.done:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s did not come to the end", s.name)
		}
		if s.counted != said.Load() {
			t.Errorf("%s got %d numbered messages, %d were acknowledged", s.name, s.counted, said.Load())
		}
	}
	t.Logf("%d numbered messages", said.Load())
}

// visitAsProgram sends some numbered messages, waits until all are acknowledged, and leaves
// with or without a quit. It returns how many messages it sent.
func visitAsProgram(t *testing.T, addr, name string, r *rand.Rand) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return 0
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	lines := 1 + r.IntN(10)
	fmt.Fprintf(conn, "%s\n", hello("v"))
	for n := 1; n <= lines; n++ {
		fmt.Fprintf(conn, `{"type":"say","seq":%d,"text":"%s %d"}`+"\n", n, name, n)
	}
	in := bufio.NewScanner(conn)
	in.Buffer(nil, wire.MaxJSONLine)
	for in.Scan() {
		if in.Bytes()[0] != '{' { // the machine was so busy that the hello came late
			continue
		}
		e, err := wire.ParseEvent(in.Bytes())
		if err != nil || e.Type == wire.TypeError {
			t.Errorf("%s got %q: %v", name, in.Text(), err)
			return 0
		}
		if e.Seq == uint64(lines) && e.Text == fmt.Sprintf("%s %d", name, lines) {
			if r.IntN(2) == 0 {
				conn.(*net.TCPConn).SetLinger(0)
			}
			return lines
		}
	}
	t.Errorf("%s lost its connection: %v", name, in.Err())
	return 0
}

// visitAsPerson joins, sends a line, and disconnects.
func visitAsPerson(t *testing.T, addr string, r *rand.Rand) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Duration(r.IntN(1000)) * time.Millisecond))
	for range r.IntN(10) {
		fmt.Fprintf(conn, "just looking\n/nick person\n/who\n")
	}
	io.Copy(io.Discard, conn)
}

// A stayer reads to the end, and counts messages.
type stayer struct {
	name    string
	done    chan struct{}
	counted int64 // of numbered messages; read after done
}

func stay(t *testing.T, addr, name string) *stayer {
	s := &stayer{name: name, done: make(chan struct{})}
	conn := dialTCP(t, addr)
	fmt.Fprintf(conn, "%s\n", hello(name))
	in := bufio.NewScanner(conn)
	in.Buffer(nil, wire.MaxJSONLine)
	in.Scan() // the welcome
	go func() {
		defer close(s.done)
		last := make(map[string]int)
		var id uint64
		for in.Scan() {
			e, err := wire.ParseEvent(in.Bytes())
			if err != nil || e.Type == wire.TypeGap || e.ID > 0 && e.ID <= id {
				t.Errorf("%s got %q after id %d: %v", name, in.Text(), id, err)
				return
			}
			id = max(id, e.ID)
			if e.Text == "the end" {
				return
			}
			if e.Type != wire.TypeMessage || !strings.HasPrefix(e.Text, "c") {
				continue
			}
			var visitor string
			var n int
			fmt.Sscan(e.Text, &visitor, &n)
			if n != last[visitor]+1 {
				t.Errorf("%s got %q after %d", name, e.Text, last[visitor])
			}
			last[visitor] = n
			s.counted++
		}
		t.Errorf("%s was cut off: %v", name, in.Err())
	}()
	return s
}

// A machine with a whole IPv6 network causes no more joins and leaves than one with one address.
func TestSilentVisitsFromOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{})
		watcher := joinFrom(t, srv, "10.77.0.2")
		watcher.send(`{"type":"hello","nick":"watcher"}`)
		watcher.expectEvent(wire.TypeWelcome)
		const visits = 200
		for n := range visits {
			p := joinFrom(t, srv, fmt.Sprintf("2001:db8:1:2::%x", n+1))
			p.send(fmt.Sprintf(`{"type":"hello","nick":"n%d"}`, n))
			p.expectEvent(wire.TypeWelcome)
			time.Sleep(300 * time.Millisecond) // until the join is announced
			p.conn.Close()
		}
		watcher.send(`{"type":"say","text":"over"}`)
		joins := 0
		for {
			e := watcher.event()
			if e.Type == wire.TypeMessage {
				break
			}
			if e.Type == wire.TypeJoin {
				joins += len(e.Members)
			}
		}
		if joins > visits/2 {
			t.Errorf("%d of %d visits were announced", joins, visits)
		}
		watcher.conn.Close()
	})
}
