//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// A talker says lines that all look different.
type talker struct {
	conn    net.Conn
	lines   *bufio.Reader
	out     *bufio.Writer
	dialect *dialect
	said    int
}

func newTalker(d *dialect, addr netip.AddrPort) (*talker, error) {
	conn, lines, err := enter(addr.String(), d, nick(0))
	if err != nil {
		return nil, err
	}
	return &talker{conn: conn, lines: lines, out: bufio.NewWriterSize(conn, 64<<10), dialect: d}, conn.SetDeadline(time.Time{})
}

// say says a text of 64 bytes with a certain end. It may still wait to be written.
func (t *talker) say(end string) error {
	end = fmt.Sprintf(" %08d%s", t.said, end)
	text := piece(t.said, textSize-len(end)) + end
	t.said++
	_, err := t.out.WriteString(t.dialect.say(text))
	return err
}

// pace says n texts, each on time. The last one has a certain end.
func (t *talker) pace(ctx context.Context, n int, end string) error {
	start := clock()
	for i := range n {
		time.Sleep(time.Duration(start + int64(i)*int64(time.Second)/lineRate - clock()))
		last := ""
		if i == n-1 {
			last = end
		}
		if err := t.say(last); err != nil {
			return err
		}
		if err := t.out.Flush(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// ask says a line as it is, and waits for one with the answer in it.
func (t *talker) ask(line, answer string) error {
	t.out.WriteString(line)
	if err := t.out.Flush(); err != nil {
		return err
	}
	if err := t.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		line, err := t.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", answer, err)
		}
		if strings.Contains(line, answer) {
			return nil
		}
	}
}
