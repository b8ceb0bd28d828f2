package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"chat/relay/text"
	"chat/relay/wire"
)

// aheadBytes is how much is read ahead while the host is slow or disconnected. Beyond it the
// program that writes to us waits.
const aheadBytes = 1 << 20

// errReadInput is wrapped by the error of an input that could not be read to its end.
var errReadInput = errors.New("read the input")

// An Input holds the lines that were read and not yet sent. They are cleaned, and none is
// longer than one message: longer ones are split. Only one goroutine may take them.
//
// The goroutine that reads ends only with its reader: a read from a terminal cannot be
// canceled.
type Input struct {
	more  chan struct{} // capacity 1: lines were added, or the input ended
	space chan struct{} // capacity 1: lines were taken, or the Input was closed

	blank int // blank lines in a row; owned by the reading goroutine

	// Guarded by mu.
	mu     sync.Mutex
	lines  []string
	bytes  int   // in lines, with their newlines
	err    error // io.EOF, or why no more lines come
	closed bool
}

// Read starts reading the lines of r, each as it is. UTF-16 is recognized by its byte order
// mark.
func Read(r io.Reader) *Input { return read(r, func([]byte) bool { return false }) }

// read starts reading r until its end, or until a line that is the last.
func read(r io.Reader, isLast func(line []byte) bool) *Input {
	in := &Input{more: make(chan struct{}, 1), space: make(chan struct{}, 1)}
	go in.read(r, isLast)
	return in
}

func (in *Input) read(r io.Reader, isLast func(line []byte) bool) {
	lines := bufio.NewReaderSize(decoded(r), wire.MessageBytes)
	var held []byte // the first bytes of a rune that the last piece ended in
	inLine := false // a piece of this line was added already
	for {
		piece, err := lines.ReadSlice('\n')
		line := append(held, piece...)
		if !inLine && isLast(line) {
			in.end(io.EOF)
			return
		}
		whole := len(line)
		if err == bufio.ErrBufferFull {
			whole = len(line) - unfinishedRune(line)
		}
		text, ok := strings.CutSuffix(string(line[:whole]), "\n")
		if ok {
			text = strings.TrimSuffix(text, "\r")
		}
		if ends := err == nil; text != "" || ends && !inLine {
			in.add(text)
		}
		inLine = err == bufio.ErrBufferFull
		held = append([]byte(nil), line[whole:]...)
		if err != nil && err != bufio.ErrBufferFull {
			in.end(err)
			return
		}
	}
}

// unfinishedRune returns how many bytes at the end of b are the beginning of a rune.
func unfinishedRune(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// add appends a line, in pieces if it is too long for a message.
func (in *Input) add(line string) {
	line = text.Clean(line)
	if strings.TrimSpace(line) == "" {
		line = ""
		if in.blank++; in.blank >= wire.MessageLines { // more do not fit into a message
			return
		}
	} else {
		in.blank = 0
	}
	for {
		n := len(line)
		if n > wire.MessageBytes {
			n = wire.MessageBytes - unfinishedRune([]byte(line[:wire.MessageBytes]))
		}
		in.mu.Lock()
		for in.bytes >= aheadBytes && !in.closed {
			in.mu.Unlock()
			<-in.space
			in.mu.Lock()
		}
		if in.closed {
			in.mu.Unlock()
			return
		}
		in.lines = append(in.lines, line[:n])
		in.bytes += n + 1
		in.mu.Unlock()
		wake(in.more)
		if line = line[n:]; line == "" {
			return
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// end records why no more lines come.
func (in *Input) end(err error) {
	if err != io.EOF {
		err = fmt.Errorf("%w: %w", errReadInput, err)
	}
	in.mu.Lock()
	in.err = err
	in.mu.Unlock()
	wake(in.more)
}

// Close says that no more lines will be taken. The reading goroutine discards the rest.
func (in *Input) Close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	wake(in.space)
}

// left returns how many lines were not taken, without blank ones at the end.
func (in *Input) left() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := len(in.lines)
	for n > 0 && in.lines[n-1] == "" {
		n--
	}
	return n
}

// Line waits for the next line. After the last one it returns io.EOF.
func (in *Input) Line(ctx context.Context) (string, error) {
	lines, err := in.takeLines(ctx, func(lines []string) int { return min(len(lines), 1) })
	if err != nil {
		return "", err
	}
	return lines[0], nil
}

// block waits for lines, and returns as many of those that have come as fit into one
// message. Blank lines stay in their place. No message has only blank lines: they wait for
// the line after them. Blank lines at the end, and more than 99 in a row, are dropped.
// After the last line it returns io.EOF.
func (in *Input) block(ctx context.Context) ([]string, error) {
	lines, err := in.takeLines(ctx, blockOf)
	if err != nil {
		return nil, err
	}
	for len(lines) > 1 && lines[0] == "" && len(strings.Join(lines, "\n")) > wire.MessageBytes {
		lines = lines[1:] // blank lines before a line as long as a message
	}
	return lines, nil
}

// blockOf returns how many of lines make a block. It ends with a line that is not blank:
// hosts remove blank lines from the end of a message.
func blockOf(lines []string) int {
	bytes, n := 0, 0
	for i, line := range lines {
		bytes += len(line) + 1
		if n > 0 && (i >= wire.MessageLines || bytes > wire.MessageBytes) {
			break
		}
		if line != "" {
			n = i + 1
		}
	}
	return n
}

// takeLines waits until want returns how many lines to take, and takes them. At the end of
// the input it returns an error.
func (in *Input) takeLines(ctx context.Context, want func([]string) int) ([]string, error) {
	for {
		in.mu.Lock()
		n, err := want(in.lines), in.err
		lines := in.lines[:n:n]
		in.lines = in.lines[n:]
		for _, line := range lines {
			in.bytes -= len(line) + 1
		}
		in.mu.Unlock()
		switch {
		case n > 0:
			wake(in.space)
			return lines, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-in.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
