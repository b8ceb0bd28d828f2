//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	fullRoom  = 100_000 // messages
	lastOfAll = "☼"     // ends the last of them
	testLines = 10_000
	lastLine  = "☾" // ends the last of those
	lineRate  = 1000
	joiner    = "bench"
)

// runScreen measures what a person has before them: how long it takes to come in, how
// long a key takes to be seen while others talk, and what that costs.
func runScreen(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	if p.front == nil {
		return nil, fmt.Errorf("no person joins with it")
	}
	sc, err := b.setScene(ctx, p)
	if err != nil {
		return nil, err
	}
	defer sc.close()
	v := make(values)
	if err := sc.enter(ctx, b, v); err != nil {
		return nil, fmt.Errorf("coming in: %w", err)
	}
	if p.front.typed {
		if err := sc.typing(ctx, b.typingLength(), v); err != nil {
			return nil, fmt.Errorf("typing: %w", err)
		}
	}
	if err := sc.listen(ctx, v); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return v, nil
}

// typingLength: the last hundredth of some keys a second needs a while.
func (b *bench) typingLength() time.Duration {
	const least = 30 * time.Second
	if b.opts.quick {
		return 3 * b.opts.length
	}
	return max(least, b.opts.length)
}

// A scene is a room with somebody who talks, and a person at a terminal.
type scene struct {
	peer   *peer
	server *server
	talker *talker
	term   *terminal
}

func (b *bench) setScene(ctx context.Context, p *peer) (sc *scene, err error) {
	sc = &scene{peer: p}
	var flags []string
	if p.front.full {
		flags = []string{"--keep", fmt.Sprint(2 * fullRoom), "--keep-bytes", "0"}
	}
	if sc.server, err = b.serve(ctx, p, 2, flags...); err != nil {
		return nil, err
	}
	if sc.talker, err = newTalker(p.dialect, sc.server.addr); err == nil && p.front.full {
		err = sc.fill()
	}
	if err != nil {
		sc.close()
		return nil, fmt.Errorf("filling the room: %w", err)
	}
	return sc, nil
}

func (sc *scene) close() {
	if sc.term != nil {
		sc.term.stop()
	}
	if sc.talker != nil {
		sc.talker.conn.Close()
	}
	sc.server.stop()
}

// fill has much said, and waits until the host has all of it.
func (sc *scene) fill() error {
	for n := range fullRoom {
		end := ""
		if n == fullRoom-1 {
			end = lastOfAll
		}
		if err := sc.talker.say(end); err != nil {
			return err
		}
	}
	return sc.talker.ask("/nick filled\n", "* you are now filled")
}

// enter has the person join.
func (sc *scene) enter(ctx context.Context, b *bench, v values) error {
	f := sc.peer.front
	argv, err := f.argv(b, sc.peer, sc.server.addr)
	if err != nil {
		return err
	}
	term := newTerminal(argv)
	first, ready, last := term.watch(f.first), term.watch(f.ready), term.watch(lastOfAll)
	if err := term.start(b.dir); err != nil {
		return err
	}
	sc.term = term
	if f.ready == "" {
		if err := sc.talker.ask("", " JOIN "); err != nil {
			return fmt.Errorf("%w; %s", err, term.lastDrawn())
		}
		return nil
	}
	in, err := term.when(ctx, ready)
	if err != nil || !f.full {
		return err
	}
	began, err := term.when(ctx, first)
	if err != nil {
		return err
	}
	filled, err := term.when(ctx, last)
	if err != nil {
		return err
	}
	v["first"], v["in"] = float64(began-term.started), float64(max(in, filled)-term.started)
	if v["rss"], err = term.settledMemory(ctx); err == nil {
		v["peak"], err = term.memory("VmHWM")
	}
	return err
}

// typing has the person type while somebody else talks.
func (sc *scene) typing(ctx context.Context, length time.Duration, v values) error {
	cpu, err := cpuTime(sc.term.pid())
	if err != nil {
		return err
	}
	start := clock()
	talked := make(chan error, 1)
	go func() { talked <- sc.talker.pace(ctx, int(length.Seconds()*lineRate), "") }()
	times, err := sc.term.press(ctx, length)
	if talk := <-talked; err == nil {
		err = talk
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

// listen has somebody else say some lines, and measures what they cost.
func (sc *scene) listen(ctx context.Context, v values) error {
	before, err := cpuTime(sc.term.pid())
	if err != nil {
		return err
	}
	start, drawn, last := clock(), sc.term.drawn.Load(), sc.term.watch(lastLine)
	if err := sc.talker.pace(ctx, testLines, lastLine); err != nil {
		return err
	}
	if sc.peer.front.ready != "" {
		_, err = sc.term.when(ctx, last)
	} else { // it answers when it has read all before
		err = sc.talker.ask("PRIVMSG "+joiner+" :\x01PING 1\x01\r\n", "\x01PING 1\x01")
	}
	if err != nil {
		return err
	}
	after, err := cpuTime(sc.term.pid())
	v["lines"] = after - before
	v["drawn"] = float64(sc.term.drawn.Load()-drawn) / (float64(clock()-start) / 1e9)
	return err
}

// press types for a time, and measures how long each key takes until it is on the
// screen. A key is a letter that is nowhere else; now and then Ctrl-U clears the line.
func (t *terminal) press(ctx context.Context, length time.Duration) (*histogram, error) {
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
		at, err := t.when(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(shown), err)
		}
		times.add(at - pressed[i])
	}
	return times, nil
}
