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
	"sync/atomic"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// A talker is a client process: it joins by relay/client, says numbered messages, and
// records what it is shown. It is told what to do on stdin, and tells how far it is on
// stdout:
//
//	in         it is in the room
//	acked N    the host has N of its messages
//	done       all that it was to say is acknowledged
//	end        it was shown the last message of the run
type talker struct {
	addr, label string
	quota       int     // how many to say; 0: until it is told to stop
	rate        float64 // a second
	others      []string
	idle        time.Duration

	client *client.Client
	record *recorder
	stop   chan struct{} // closed when it is told to say no more
	acked  atomic.Int64
	ended  bool           // the last message was shown
	only   map[string]int // privates said to each
}

const (
	wordStop = "stop" // on stdin: say no more

	wordIn    = "in"
	wordAcked = "acked"
	wordDone  = "done"
	wordEnd   = "end"
)

// lastLabel says the last message of a run: who was shown it was shown all.
const lastLabel = "last"

// privateEvery is how many messages a talker says to all for one that it says to one.
const privateEvery = 20

// talkAhead is how many messages a talker has on their way at most.
const talkAhead = 300

func runTalk(ctx context.Context, args []string) error {
	t := &talker{stop: make(chan struct{}), only: make(map[string]int)}
	flags := flag.NewFlagSet("talk", flag.ContinueOnError)
	flags.StringVar(&t.addr, "addr", "", "join at `ADDR`")
	flags.StringVar(&t.label, "label", "", "be called `NAME`")
	flags.IntVar(&t.quota, "quota", 0, "say `N` messages")
	flags.Float64Var(&t.rate, "rate", 1, "say `N` messages a second")
	flags.DurationVar(&t.idle, "idle", 0, "ask for a ping after `TIME`")
	record := flags.String("record", "", "keep a record in `FILE`")
	others := flags.String("others", "", "say something to each of `NAMES` alone")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, err := os.Create(*record)
	if err != nil {
		return err
	}
	t.others, t.record = strings.Fields(*others), newRecorder(file)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	go t.obey(leave)
	err = t.run(ctx)
	t.record.flush()
	return errors.Join(err, file.Close())
}

// obey reads what it is told. At the end of stdin it leaves.
func (t *talker) obey(leave context.CancelFunc) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == wordStop {
			close(t.stop)
		}
	}
	leave()
}

func (t *talker) run(ctx context.Context) error {
	if err := t.join(ctx); err != nil {
		return err
	}
	fmt.Println(wordIn)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for e := range t.client.Events() {
			t.take(e)
			if len(t.client.Events()) == 0 {
				t.record.flush()
			}
		}
	}()
	err := t.speak(ctx)
	if err == nil {
		fmt.Println(wordAcked, t.acked.Load())
		fmt.Println(wordDone)
		select {
		case <-ctx.Done():
		case <-heard:
		}
	}
	t.client.Close()
	<-heard
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, t.client.Err())
}

// join tries until it is in: the room is in trouble already.
func (t *talker) join(ctx context.Context) (err error) {
	token := fmt.Sprintf("%s-%016x", "token", rand.Uint64())
	for ctx.Err() == nil {
		t.client, err = client.Join(context.WithoutCancel(ctx), client.Options{
			Addr: t.addr, Nick: t.label, Token: token, MaxUnacked: talkAhead, Idle: t.idle,
		})
		if err == nil {
			return nil
		}
		t.record.add(entry{kind: note, text: err.Error()})
		time.Sleep(100 * time.Millisecond)
	}
	return errors.Join(ctx.Err(), err)
}

// take records an event.
func (t *talker) take(e client.Event) {
	switch e := e.(type) {
	case client.Connected:
		t.record.add(entry{kind: welcomed, client: e.Welcome.Client, seq: e.Welcome.Seq, text: e.Welcome.Nick})
		if e.NewRoom {
			t.record.add(entry{kind: newRoom})
		}
	case client.Disconnected:
		t.record.add(entry{kind: note, text: e.Err.Error()})
	case client.Received:
		en := entryOf(e.Event)
		switch {
		case en.kind != 0:
			t.record.add(en)
		case e.Type == wire.TypeError, e.Type == wire.TypeBye:
			t.record.add(entry{kind: note, text: fmt.Sprintf("%s %s %s", e.Type, e.Code, e.Text)})
		}
		if en.label == lastLabel && !t.ended {
			t.ended = true
			t.record.flush()
			fmt.Println(wordEnd)
		}
	}
}

// speak says all that it is to say, at its rate, and returns when the host has it. After
// an outage it says at once what it is late with.
func (t *talker) speak(ctx context.Context) error {
	began, told := time.Now(), time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 1; t.quota == 0 || n <= t.quota; {
		for due := int(time.Since(began).Seconds() * t.rate); n <= due && (t.quota == 0 || n <= t.quota); n++ {
			if err := t.say(ctx, n); err != nil {
				return err
			}
			t.acked.Store(int64(n - t.client.Unacked()))
		}
		t.record.flush()
		if time.Since(told) > 500*time.Millisecond {
			told = time.Now()
			fmt.Println(wordAcked, t.acked.Load())
		}
		select {
		case <-tick.C:
		case <-t.stop:
			return t.flush(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return t.flush(ctx)
}

func (t *talker) flush(ctx context.Context) error {
	err := t.client.Flush(ctx)
	if _, ok := errors.AsType[*client.RejectedError](err); ok && t.client.Unacked() == 0 {
		return nil // the record has them
	}
	return err
}

// say says message n, and at times something to one alone.
func (t *talker) say(ctx context.Context, n int) error {
	seq, err := t.client.Say(ctx, text(t.label, n))
	if err != nil {
		return err
	}
	t.record.add(entry{kind: said, seq: seq, label: t.label, first: n})
	if len(t.others) == 0 || n%privateEvery != 0 {
		return nil
	}
	to := t.others[n/privateEvery%len(t.others)]
	t.only[to]++
	label := private(t.label, to)
	if seq, err = t.client.Do(ctx, wire.Request{Type: "msg", To: to, Text: text(label, t.only[to])}); err != nil {
		return err
	}
	t.record.add(entry{kind: said, seq: seq, label: label, first: t.only[to]})
	return nil
}
