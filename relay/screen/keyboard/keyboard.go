// Package keyboard reads a terminal for Bubble Tea: it cuts the bytes into text, keys, reports and pastes, and decides
// by time whether a piece is one of them.
package keyboard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/muesli/cancelreader"
	"golang.org/x/term"

	"chat/relay/errno"
)

// Messages about the terminal.
type (
	// TerminalChanged says that another program may have changed the terminal's modes.
	TerminalChanged struct{}
	// TerminalGone says that the terminal can no longer be read.
	TerminalGone struct{ Err error }
)

// A Keyboard is what Bubble Tea reads: the terminal's input, cut by a splitter. Each Read
// returns one chunk, so that Bubble Tea never has a part of a key.
//
// To Bubble Tea it is a file, on which it sets raw mode. It has no Name, or Bubble Tea would
// wait for the file itself, and miss what the splitter returns when time is up.
type Keyboard struct {
	// Fixed.
	terminal *os.File
	send     func(tea.Msg) // to the screen; it may block
	input    chan []byte   // from the goroutine that reads the terminal
	closed   chan struct{} // closed by Close

	// Guarded by mu.
	mu     sync.Mutex
	paused chan struct{}             // closed during a pause
	reader cancelreader.CancelReader // of the terminal; nil during a pause
	ended  chan []byte               // capacity 1: gets unread when the reading goroutine ends
	unread []byte                    // input that no one took before the pause

	// Owned by the goroutine of Bubble Tea that calls Read.
	splitter splitter
	rest     []byte // of a chunk that did not fit
}

// New returns the keyboard of a terminal, which Resume starts to read. It sends TerminalChanged and
// TerminalGone.
func New(terminal *os.File, send func(tea.Msg)) *Keyboard {
	k := &Keyboard{terminal: terminal, send: send, input: make(chan []byte), closed: make(chan struct{})}
	k.splitter.escapeWait = localEscapeWait
	if isRemote() {
		k.splitter.escapeWait = remoteEscapeWait
	}
	return k
}

// isRemote reports whether the terminal is at the other end of an ssh connection.
func isRemote() bool { return os.Getenv("SSH_CONNECTION") != "" || os.Getenv("SSH_TTY") != "" }

// Resume starts to read the terminal.
func (k *Keyboard) Resume() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reader != nil {
		return nil
	}
	reader, err := cancelreader.NewReader(k.terminal)
	if err != nil {
		return fmt.Errorf("read the terminal: %w", err)
	}
	k.reader, k.paused, k.ended = reader, make(chan struct{}), make(chan []byte, 1)
	go func(unread []byte, paused <-chan struct{}, ended chan<- []byte) {
		ended <- k.readTerminal(reader, unread, paused)
	}(k.unread, k.paused, k.ended)
	k.unread = nil
	return nil
}

// Pause stops reading the terminal, which another program can read then. Read returns
// nothing until Bubble Tea no longer calls it.
func (k *Keyboard) Pause() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reader == nil {
		return
	}
	const most = time.Second // another program may take the input that woke the reader
	close(k.paused)
	k.reader.Cancel()
	select {
	case k.unread = <-k.ended:
		k.reader.Close()
	case <-time.After(most):
	}
	k.reader = nil
}

// Close ends reading. It does not close the terminal.
func (k *Keyboard) Close() error {
	k.Pause()
	close(k.closed)
	return nil
}

// readTerminal reads the terminal until there is a pause or it is gone. It begins with
// unread, and returns what no one took.
func (k *Keyboard) readTerminal(reader io.Reader, unread []byte, paused <-chan struct{}) []byte {
	var lastEnd time.Time
	for {
		if len(unread) > 0 {
			select {
			case k.input <- unread:
			case <-paused:
				return unread
			}
		}
		b := make([]byte, 4096)
		n, err := reader.Read(b)
		unread = b[:n]
		switch {
		case err == nil, errno.WouldBlock(err): // someone made it non-blocking
		case errors.Is(err, cancelreader.ErrCanceled):
			return nil
		case err == io.EOF && term.IsTerminal(int(k.terminal.Fd())) && time.Since(lastEnd) > time.Second:
			// Not the end: out of raw mode, this is what Ctrl-D does.
			lastEnd = time.Now()
			go k.send(TerminalChanged{})
		default:
			go k.send(TerminalGone{err})
			return nil
		}
	}
}

// Read returns a chunk of the terminal's input. During a pause, and when the time of a
// Bubble Tea reader is over, it returns no bytes.
func (k *Keyboard) Read(p []byte) (int, error) {
	const turn = 2 * time.Millisecond // between two such reads
	for {
		if len(k.rest) > 0 {
			n := copy(p, k.rest)
			k.rest = k.rest[n:]
			return n, nil
		}
		k.mu.Lock()
		paused := k.paused
		k.mu.Unlock()
		if at := k.splitter.deadline(); !at.IsZero() && !time.Now().Before(at) {
			select { // what has come already counts before the time that is over
			case b := <-k.input:
				k.splitter.add(b, time.Now())
			default:
			}
		}
		if k.rest = k.splitter.next(time.Now(), len(p)); len(k.rest) > 0 {
			continue
		}
		var expires <-chan time.Time
		if at := k.splitter.deadline(); !at.IsZero() {
			expires = time.After(time.Until(at))
		}
		select {
		case b := <-k.input:
			k.splitter.add(b, time.Now())
		case <-expires:
		case <-k.closed:
			return 0, io.EOF
		case <-paused:
			k.splitter.reset()
			time.Sleep(turn)
			return 0, nil
		}
	}
}

// Fd returns the terminal's file descriptor.
func (k *Keyboard) Fd() uintptr { return k.terminal.Fd() }

// Write writes to the terminal; Bubble Tea's files can.
func (k *Keyboard) Write(p []byte) (int, error) { return k.terminal.Write(p) }
