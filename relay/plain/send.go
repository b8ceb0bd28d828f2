package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"chat/relay/client"
	"chat/relay/wire"
)

// errLeave is returned by sendTyped for /quit.
var errLeave = errors.New("leave")

// sendInput sends the input until it or ctx ends.
func (v *conversation) sendInput(ctx context.Context) error {
	send := v.sendBlock
	if !v.Piped {
		send = v.sendTyped
	}
	for {
		err := send(ctx)
		switch {
		case err == io.EOF, errors.Is(err, errLeave):
			return nil
		case errors.Is(err, client.ErrTooLong):
			fmt.Fprintln(v.Err, "! too long for one message; it was not sent")
		case err != nil:
			return err
		}
	}
}

// sendTyped sends a typed line, or runs it as a command. The host answers what looks like a command
// and is none: a newer host may have it.
func (v *conversation) sendTyped(ctx context.Context) error {
	line, err := v.In.Line(ctx)
	if err != nil || line == "" {
		return err
	}
	typed, unknown := wire.ParseTyped(line, wire.Plain)
	switch c := typed.Command; {
	case unknown == nil && c == nil:
		_, err = v.client.Say(ctx, typed.Message)
		return err
	case c != nil && c.Name == "quit":
		if strings.TrimSpace(typed.Args) != "" { // a last word; without one, Close says goodbye
			v.client.Do(ctx, wire.Request{Type: "command", Text: line})
		}
		return errLeave
	case c != nil && c.Name == wire.TypeFiles && strings.TrimSpace(typed.Args) == "": // what this client knows, at a host of any version
		v.listFiles()
		return nil
	case c != nil && c.Local != 0:
		v.runLocal(ctx, c, typed.Args)
		return nil
	}
	_, err = v.client.Do(ctx, wire.Request{Type: "command", Text: line})
	return err
}

// sendBlock sends the lines that have come from a pipe as one message, and waits until the
// host has it. Meanwhile more lines come, and go into the next one: a host that accepts 20
// messages a second receives 2,000 lines.
func (v *conversation) sendBlock(ctx context.Context) error {
	lines, err := v.In.block(ctx)
	if err != nil {
		return err
	}
	return v.deliver(ctx, lines)
}

// deliver sends lines as one message. If it is too long for this host, it sends each half.
func (v *conversation) deliver(ctx context.Context, lines []string) error {
	if _, err := v.client.Say(ctx, strings.Join(lines, "\n")); err != nil {
		v.unsent += len(lines)
		return err
	}
	err := v.client.Flush(ctx)
	rejection, ok := errors.AsType[*client.RejectedError](err)
	if !ok {
		return err
	}
	reason := rejection.Rejections[0]
	head, tail := halves(lines)
	if reason.Code != wire.CodeTooLong || len(tail) == 0 {
		v.rejected += len(lines)
		fmt.Fprintln(v.Err, "! "+reason.Text)
		return nil
	}
	for i, half := range [][]string{head, tail} {
		if isBlank(half) {
			continue
		}
		if err := v.deliver(ctx, half); err != nil {
			if i == 0 {
				v.unsent += len(tail)
			}
			return err
		}
	}
	return nil
}

// halves splits lines in two: between lines, or if there is only one, within it. If it
// cannot be split, all of it is the head.
func halves(lines []string) (head, tail []string) {
	const least = 64 // bytes; a host that rejects so few accepts nothing
	if n := len(lines); n > 1 {
		return lines[:n/2], lines[n/2:]
	}
	if len(lines[0]) <= least {
		return lines, nil
	}
	i := len(lines[0]) / 2
	for !utf8.RuneStart(lines[0][i]) {
		i--
	}
	return []string{lines[0][:i]}, []string{lines[0][i:]}
}

func isBlank(lines []string) bool {
	return !slices.ContainsFunc(lines, func(s string) bool { return s != "" })
}
