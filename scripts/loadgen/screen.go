//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	backlogSize  = 100_000 // messages
	backlogEnd   = "☼"     // at the end of the last of them
	testLines    = 10_000
	testLinesEnd = "☾" // at the end of the last of those
	lineRate     = 1000
	joiner       = "bench"
)

// runScreen measures an interactive client: the time to join, the time until a key appears
// while others send, and the CPU.
func runScreen(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	if p.front == nil {
		return nil, fmt.Errorf("no interactive client")
	}
	sc, err := b.newScene(ctx, p)
	if err != nil {
		return nil, err
	}
	defer sc.close()
	v := make(values)
	if err := sc.join(ctx, b, v); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if p.front.showsKeys {
		if err := sc.measureTyping(ctx, b.typingLength(), v); err != nil {
			return nil, fmt.Errorf("type: %w", err)
		}
	}
	if err := sc.measureLines(ctx, v); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	return v, nil
}

// typingLength is long enough for a 99th percentile of a few keys per second.
func (b *bench) typingLength() time.Duration {
	const least = 30 * time.Second
	if b.opts.quick {
		return 3 * b.opts.length
	}
	return max(least, b.opts.length)
}

// A scene is a room with a sender, and a person at a terminal.
type scene struct {
	peer   *peer
	server *server
	sender *lineSender
	term   *terminal
}

func (b *bench) newScene(ctx context.Context, p *peer) (sc *scene, err error) {
	sc = &scene{peer: p}
	var flags []string
	if p.front.backlog {
		flags = []string{"--keep", fmt.Sprint(2 * backlogSize), "--keep-bytes", "0"}
	}
	if sc.server, err = b.serve(ctx, p, 2, flags...); err != nil {
		return nil, err
	}
	if sc.sender, err = newLineSender(p.dialect, sc.server.addr); err == nil && p.front.backlog {
		err = sc.fill()
	}
	if err != nil {
		sc.close()
		return nil, fmt.Errorf("fill the room: %w", err)
	}
	return sc, nil
}

func (sc *scene) close() {
	if sc.term != nil {
		sc.term.stop()
	}
	if sc.sender != nil {
		sc.sender.conn.Close()
	}
	sc.server.stop()
}

// fill sends the backlog and waits until the host has all of it.
func (sc *scene) fill() error {
	for n := range backlogSize {
		end := ""
		if n == backlogSize-1 {
			end = backlogEnd
		}
		if err := sc.sender.sendText(end); err != nil {
			return err
		}
	}
	return sc.sender.request("/nick filled\n", "* you are now filled")
}

// join starts the client and waits until it has joined.
func (sc *scene) join(ctx context.Context, b *bench, v values) error {
	f := sc.peer.front
	argv, err := f.argv(b, sc.peer, sc.server.addr)
	if err != nil {
		return err
	}
	term := newTerminal(argv)
	first, ready, last := term.watch(f.first), term.watch(f.ready), term.watch(backlogEnd)
	if err := term.start(b.dir); err != nil {
		return err
	}
	sc.term = term
	if f.ready == "" {
		if err := sc.sender.request("", " JOIN "); err != nil {
			return fmt.Errorf("%w; %s", err, term.lastDrawn())
		}
		return nil
	}
	in, err := term.await(ctx, ready)
	if err != nil || !f.backlog {
		return err
	}
	began, err := term.await(ctx, first)
	if err != nil {
		return err
	}
	filled, err := term.await(ctx, last)
	if err != nil {
		return err
	}
	v["first"], v["in"] = float64(began-term.started), float64(max(in, filled)-term.started)
	if v["rss"], err = term.settledMemory(ctx); err == nil {
		v["peak"], err = term.memory("VmHWM")
	}
	return err
}

// measureTyping types while the sender sends.
func (sc *scene) measureTyping(ctx context.Context, length time.Duration, v values) error {
	cpu, err := cpuTime(sc.term.pid())
	if err != nil {
		return err
	}
	start := clock()
	paced := make(chan error, 1)
	go func() { paced <- sc.sender.pace(ctx, int(length.Seconds()*lineRate), "") }()
	times, err := sc.term.measureKeys(ctx, length)
	if paceErr := <-paced; err == nil {
		err = paceErr
	}
	if err != nil {
		return err
	}
	used, err := cpuTime(sc.term.pid())
	seconds := float64(clock()-start) / 1e9
	v["keys"], v["p50"], v["p99"] = float64(times.total), times.quantile(0.5), times.quantile(0.99)
	v["cores"] = (used - cpu) / seconds
	return err
}

// measureLines measures the CPU that received lines cost.
func (sc *scene) measureLines(ctx context.Context, v values) error {
	before, err := cpuTime(sc.term.pid())
	if err != nil {
		return err
	}
	start, drawn, last := clock(), sc.term.drawn.Load(), sc.term.watch(testLinesEnd)
	if err := sc.sender.pace(ctx, testLines, testLinesEnd); err != nil {
		return err
	}
	if sc.peer.front.ready != "" {
		_, err = sc.term.await(ctx, last)
	} else { // the reply comes after it has read everything before
		err = sc.sender.request("PRIVMSG "+joiner+" :\x01PING 1\x01\r\n", "\x01PING 1\x01")
	}
	if err != nil {
		return err
	}
	after, err := cpuTime(sc.term.pid())
	v["lines"] = after - before
	v["drawn"] = float64(sc.term.drawn.Load()-drawn) / (float64(clock()-start) / 1e9)
	return err
}

// measureKeys types for a time and measures how long each key takes to appear. A key is a
// letter that occurs nowhere else; now and then Ctrl-U clears the line.
func (t *terminal) measureKeys(ctx context.Context, length time.Duration) (*histogram, error) {
	const gap, jitter = 100 * time.Millisecond, 50 * time.Millisecond
	const firstLetter, letters, lineLength = 'Ꭰ', 80, 40
	var shown []watch
	var pressed []int64
	end := clock() + int64(length)
	for n, at := 1, clock(); at < end; n, at = n+1, at+int64(gap)+rand.Int64N(int64(jitter)) {
		time.Sleep(time.Duration(at - clock()))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		key := string(rune(firstLetter + n%letters))
		if n%lineLength == 0 {
			key = "\x15"
		} else {
			shown, pressed = append(shown, t.watch(key)), append(pressed, clock())
		}
		if _, err := t.pty.WriteString(key); err != nil {
			return nil, err
		}
	}
	times := new(histogram)
	for i, w := range shown {
		at, err := t.await(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(shown), err)
		}
		times.add(at - pressed[i])
	}
	return times, nil
}
