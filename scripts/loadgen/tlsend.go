//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A tlsEnd is a client's end of a TLS connection. It runs crypto/tls in memory: the reader that owns the client gives it
// ciphertext, and what it writes goes to the client's socket.
type tlsEnd struct {
	tls     *tls.Conn
	fd      int
	record  int    // see dialect
	shaking bool   // the handshake runs, and may wait
	in      []byte // ciphertext that tls has not read; owned by the reader

	mu  sync.Mutex
	out []byte // ciphertext that the socket has not accepted; guarded by mu
}

// newTLSEnd runs the handshake on a socket that blocks.
func newTLSEnd(fd, record int) (*tlsEnd, error) {
	e := &tlsEnd{fd: fd, record: record, shaking: true}
	e.tls = tls.Client((*tlsLink)(e), tlsConfig)
	if err := e.tls.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	e.shaking = false
	return e, nil
}

// decrypt decrypts ciphertext to dst, which has to have space for a record more, and returns its length.
func (e *tlsEnd) decrypt(dst, ciphertext []byte) (n int, err error) {
	for e.in = ciphertext; ; {
		m, err := e.tls.Read(dst[n:])
		n += m
		switch {
		case err == errNoInput:
			return n, nil
		case errors.Is(err, io.EOF):
			return n, errClosed
		case err != nil:
			return n, err
		}
	}
}

// write encrypts b, if all before has been sent, and returns how many bytes that was.
func (e *tlsEnd) write(b []byte) (n int, err error) {
	if err := e.flush(); err != nil || e.hasUnsent() || len(b) == 0 {
		return 0, err
	}
	for n < len(b) {
		m, err := e.tls.Write(b[n:min(len(b), n+e.record)])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, e.flush()
}

func (e *tlsEnd) hasUnsent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.out) > 0
}

// flush sends ciphertext until the socket accepts no more.
func (e *tlsEnd) flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.out) > 0 {
		n, err := unix.Write(e.fd, e.out)
		switch err {
		case nil:
			e.out = e.out[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return nil
		default:
			return err
		}
	}
	e.out = e.out[:0]
	return nil
}

// A tlsLink is the connection of a tlsEnd, as crypto/tls has it.
type tlsLink tlsEnd

// errNoInput is a passing error to crypto/tls.
var errNoInput error = noInput{}

type noInput struct{}

func (noInput) Error() string   { return "no input yet" }
func (noInput) Timeout() bool   { return false }
func (noInput) Temporary() bool { return true }

func (l *tlsLink) Read(b []byte) (int, error) {
	if l.shaking {
		n, err := unix.Read(l.fd, b)
		if n == 0 && err == nil {
			err = io.EOF
		}
		return max(n, 0), err
	}
	if len(l.in) == 0 {
		return 0, errNoInput
	}
	n := copy(b, l.in)
	l.in = l.in[n:]
	return n, nil
}

func (l *tlsLink) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.out = append(l.out, b...)
	l.mu.Unlock()
	if l.shaking {
		return len(b), (*tlsEnd)(l).flush()
	}
	return len(b), nil
}

func (l *tlsLink) Close() error                     { return nil }
func (l *tlsLink) LocalAddr() net.Addr              { return nil }
func (l *tlsLink) RemoteAddr() net.Addr             { return nil }
func (l *tlsLink) SetDeadline(time.Time) error      { return nil }
func (l *tlsLink) SetReadDeadline(time.Time) error  { return nil }
func (l *tlsLink) SetWriteDeadline(time.Time) error { return nil }
