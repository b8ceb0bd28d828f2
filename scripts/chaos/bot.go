//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A bot is a client process. It joins with relay/client, sends numbered messages and
// records the events it receives. It takes orders on stdin and reports its progress on stdout:
//
//	joined     it has joined the room
//	acked N    N of its messages are acknowledged
//	done       it has sent all its messages, and all are acknowledged
//	last       it was shown the last message of the run
type bot struct {
	// Fixed after the start.
	hosts      *hostList
	label      string
	quota      int           // messages to send; 0: until the order to stop
	rate       float64       // messages per second
	burst      time.Duration // messages due in this time are sent at once; 0: each when it is due
	others     []string
	idle       time.Duration
	client     *client.Client
	invitation string        // path of the invitation; "": the room is plain
	way        string        // how it enters a sealed room
	state      string        // path of the folder where it keeps who it is in a sealed room
	record     *recorder     // for all goroutines
	stop       chan struct{} // closed by readOrders: stop sending

	acked         int            // messages acknowledged; owned by run
	privateCounts map[string]int // private messages sent, by receiver; owned by run
	refused       seal.Secret    // the last answer of askSecret; owned by the goroutine of the client
	sawLast       bool           // it was shown the last message; owned by the goroutine that reads events
}

const (
	orderStop = "stop" // on stdin: stop sending

	progressJoined = "joined"
	progressAcked  = "acked"
	progressDone   = "done"
	progressLast   = "last"
)

// lastLabel sends the last message of a run. A client that was shown it was shown
// everything.
const lastLabel = "last"

// privateEvery is how many public messages a bot sends for each private one.
const privateEvery = 20

// maxUnacked is how many unacknowledged messages a bot may have.
const maxUnacked = 300

func runBot(ctx context.Context, args []string) error {
	b := &bot{stop: make(chan struct{}), privateCounts: make(map[string]int)}
	flags := flag.NewFlagSet("bot", flag.ContinueOnError)
	hosts := flags.String("hosts", "", "join one of the hosts `ADDR=PROXY ...`")
	flags.StringVar(&b.label, "label", "", "use the nick `NAME`")
	flags.IntVar(&b.quota, "quota", 0, "send `N` messages")
	flags.Float64Var(&b.rate, "rate", 1, "send `N` messages per second")
	flags.DurationVar(&b.burst, "burst", 0, "send what is due in `TIME` at once, and then pause")
	flags.DurationVar(&b.idle, "idle", 0, "ping the host after `TIME` of silence")
	flags.StringVar(&b.invitation, "invitation", "", "enter the sealed room by the secrets in `FILE`")
	flags.StringVar(&b.way, "way", "", "enter it by `WAY`: link, typed or socket")
	flags.StringVar(&b.state, "state", "", "keep keys, known hosts and identities in `DIR`")
	record := flags.String("record", "", "write the record to `FILE`")
	others := flags.String("others", "", "send private messages to each of `NAMES`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, err := os.Create(*record)
	if err != nil {
		return err
	}
	b.others, b.record, b.hosts = strings.Fields(*others), newRecorder(file), parseHosts(*hosts)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	go b.readOrders(leave)
	err = b.run(ctx)
	b.record.flush()
	return errors.Join(err, file.Close())
}

// readOrders reads orders from stdin. At the end of stdin the bot leaves.
func (b *bot) readOrders(leave context.CancelFunc) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == orderStop {
			close(b.stop)
		}
	}
	leave()
}

func (b *bot) run(ctx context.Context) error {
	if err := b.join(ctx); err != nil {
		return err
	}
	fmt.Println(progressJoined)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for e := range b.client.Events() {
			b.recordEvent(e)
			if len(b.client.Events()) == 0 {
				b.record.flush()
			}
		}
	}()
	err := b.sendAll(ctx)
	if err == nil {
		fmt.Println(progressAcked, b.acked)
		fmt.Println(progressDone)
		select {
		case <-ctx.Done():
		case <-closed:
		}
	}
	b.client.Close()
	<-closed
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, b.client.Err())
}

// join tries until it succeeds: faults may have begun already.
func (b *bot) join(ctx context.Context) (err error) {
	token := fmt.Sprintf("%s-%016x", "token", rand.Uint64())
	for ctx.Err() == nil {
		opts := client.Options{Addr: b.hosts.addrs[0], Nick: b.label, Token: token, MaxUnacked: maxUnacked, Idle: b.idle}
		if len(b.hosts.addrs) == 1 {
			opts.Addr = b.hosts.proxies[opts.Addr]
		} else {
			opts.Others, opts.Dial = b.hosts.addrs[1:], b.hosts.dial
		}
		if err := b.sealOptions(&opts); err != nil {
			return err
		}
		b.client, err = client.Join(context.WithoutCancel(ctx), opts)
		if err == nil {
			return nil
		}
		b.record.add(entry{kind: note, text: err.Error()})
		time.Sleep(100 * time.Millisecond)
	}
	return errors.Join(ctx.Err(), err)
}

// recordEvent records an event.
func (b *bot) recordEvent(e client.Event) {
	switch e := e.(type) {
	case client.Connected:
		if e.Moved {
			b.record.add(entry{kind: note, text: "moved to " + e.Addr})
		}
		b.record.add(entry{kind: welcomed, client: e.Welcome.Client, seq: e.Welcome.Seq, text: e.Welcome.Nick})
		if e.NewRoom {
			b.record.add(entry{kind: newRoom})
		}
	case client.Disconnected:
		b.record.add(entry{kind: note, text: e.Err.Error()})
	case client.Received:
		en := entryOf(e.Event)
		switch {
		case en.kind != 0:
			b.record.add(en)
		case e.Type == wire.TypeError, e.Type == wire.TypeBye:
			b.record.add(entry{kind: note, text: fmt.Sprintf("%s %s %s", e.Type, e.Code, e.Text)})
		}
		if en.label == lastLabel && !b.sawLast {
			b.sawLast = true
			b.record.flush()
			fmt.Println(progressLast)
		}
	}
}

// sendAll sends all messages at the bot's rate and returns when they are acknowledged.
// After an outage it sends the messages that are overdue at once.
func (b *bot) sendAll(ctx context.Context) error {
	began, reported := time.Now(), time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 1; b.quota == 0 || n <= b.quota; {
		for due := int(time.Since(began).Truncate(b.burst).Seconds() * b.rate); n <= due && (b.quota == 0 || n <= b.quota); n++ {
			if err := b.send(ctx, n); err != nil {
				return err
			}
			b.acked = n - b.client.Unacked()
		}
		b.record.flush()
		if time.Since(reported) > 500*time.Millisecond {
			reported = time.Now()
			fmt.Println(progressAcked, b.acked)
		}
		select {
		case <-tick.C:
		case <-b.stop:
			return b.flush(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return b.flush(ctx)
}

func (b *bot) flush(ctx context.Context) error {
	err := b.client.Flush(ctx)
	if _, ok := errors.AsType[*client.RejectedError](err); ok && b.client.Unacked() == 0 {
		return nil // the record shows which were rejected
	}
	return err
}

// send sends message n and, now and then, a private message.
func (b *bot) send(ctx context.Context, n int) error {
	seq, err := b.client.Say(ctx, text(b.label, n))
	if err != nil {
		return err
	}
	b.record.add(entry{kind: sent, seq: seq, label: b.label, first: n})
	if len(b.others) == 0 || n%privateEvery != 0 {
		return nil
	}
	to := b.others[n/privateEvery%len(b.others)]
	b.privateCounts[to]++
	label := privateLabel(b.label, to)
	if seq, err = b.client.Do(ctx, wire.Request{Type: "msg", To: to, Text: text(label, b.privateCounts[to])}); err != nil {
		return err
	}
	b.record.add(entry{kind: sent, seq: seq, label: label, first: b.privateCounts[to]})
	return nil
}
