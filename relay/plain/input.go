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

const (
	// aheadBytes is how much is read ahead while the host is slow or away. Past it
	// the program that writes to us waits.
	aheadBytes = 1 << 20
)

// errReadInput is in the error of an input that could not be read to its end.
var errReadInput = errors.New("read what is to be said")

// An Input holds the lines that have come in and wait to be said, cleaned, and
// none longer than one message may be: a longer one comes in pieces. One
// goroutine takes them out.
//
// The goroutine that reads ends with what it reads. Nothing else can end it: a
// read of a terminal cannot be called off.
type Input struct {
	more  chan struct{} // capacity 1: lines came, or the end
	space chan struct{} // capacity 1: lines were taken, or nobody will

	blank int // lines in a row that were blank; the reader's

	mu     sync.Mutex
	lines  []string
	bytes  int   // in lines
	err    error // io.EOF, or why no more lines come
	closed bool  // nobody takes them any more
}

// Read begins to read r.
func Read(r io.Reader) *Input {
	in := &Input{more: make(chan struct{}, 1), space: make(chan struct{}, 1)}
	go in.read(r)
	return in
}

func (in *Input) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, wire.MessageBytes)
	var held []byte // the beginning of a rune that a piece ended in
	inLine := false // a piece of the line was added already
	for {
		piece, err := lines.ReadSlice('\n')
		line := append(held, piece...)
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

// unfinishedRune returns how many bytes at the end of b begin a rune that goes on
// behind it.
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

// add puts a line behind the others, in pieces if it is too long for a message.
func (in *Input) add(line string) {
	line = text.Clean(line)
	if strings.TrimSpace(line) == "" {
		line = ""
		if in.blank++; in.blank >= wire.MessageLines { // more than that fits into no message
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

// end tells that no more lines come.
func (in *Input) end(err error) {
	if err != io.EOF {
		err = fmt.Errorf("%w: %w", errReadInput, err)
	}
	in.mu.Lock()
	in.err = err
	in.mu.Unlock()
	wake(in.more)
}

// Close tells that nobody takes lines any more.
func (in *Input) Close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	wake(in.space)
}

// left returns how many lines wait, without the blank ones at the end.
func (in *Input) left() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := len(in.lines)
	for n > 0 && in.lines[n-1] == "" {
		n--
	}
	return n
}

// Line waits for the next line. It returns io.EOF behind the last one.
func (in *Input) Line(ctx context.Context) (string, error) {
	lines, err := in.take(ctx, func(lines []string) int { return min(len(lines), 1) })
	if err != nil {
		return "", err
	}
	return lines[0], nil
}

// block waits for lines, and returns as many as have come and fit into one
// message. Blank lines stay in their place within it; a message of blank lines
// alone there is not, so they wait for the line behind them; those at the end of
// all, and those over 99 in a row, are not said. It returns io.EOF behind the last line.
func (in *Input) block(ctx context.Context) ([]string, error) {
	lines, err := in.take(ctx, blockOf)
	if err != nil {
		return nil, err
	}
	for len(lines) > 1 && lines[0] == "" && len(strings.Join(lines, "\n")) > wire.MessageBytes {
		lines = lines[1:] // blank lines before one that fills the message
	}
	return lines, nil
}

// blockOf returns how many of lines make a block: it ends in a line that is not
// blank, for at the end of a message blank lines go.
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

// take waits until want returns how many lines to take. At the end of what comes
// in it takes none.
func (in *Input) take(ctx context.Context, want func([]string) int) ([]string, error) {
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
