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

// A lineSender is a single client that sends lines, all of them different.
type lineSender struct {
	conn    net.Conn
	lines   *bufio.Reader
	out     *bufio.Writer
	dialect *dialect
	sent    int
}

func newLineSender(d *dialect, addr netip.AddrPort) (*lineSender, error) {
	conn, lines, err := connectClient(addr.String(), d, nick(0))
	if err != nil {
		return nil, err
	}
	return &lineSender{conn: conn, lines: lines, out: bufio.NewWriterSize(conn, 64<<10), dialect: d}, conn.SetDeadline(time.Time{})
}

// sendText buffers a text of 64 bytes that ends in end.
func (t *lineSender) sendText(end string) error {
	end = fmt.Sprintf(" %08d%s", t.sent, end)
	text := piece(t.sent, textSize-len(end)) + end
	t.sent++
	_, err := t.out.WriteString(t.dialect.message(text))
	return err
}

// pace sends n texts at lineRate. The last one ends in end.
func (t *lineSender) pace(ctx context.Context, n int, end string) error {
	start := clock()
	for i := range n {
		time.Sleep(time.Duration(start + int64(i)*int64(time.Second)/lineRate - clock()))
		last := ""
		if i == n-1 {
			last = end
		}
		if err := t.sendText(last); err != nil {
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

// request sends a line and waits for a line that contains answer.
func (t *lineSender) request(line, answer string) error {
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
			return fmt.Errorf("wait for %q: %w", answer, err)
		}
		if strings.Contains(line, answer) {
			return nil
		}
	}
}
