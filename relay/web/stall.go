package web

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// A stallConn is a connection that closes when its peer has not taken a byte for the stall
// time. A peer that takes some, however few, is served to the end.
//
// Reads and writes may run at the same time, as on any net.Conn.
type stallConn struct {
	net.Conn
	stall *atomic.Int64 // in ns; negative: no limit
	log   *slog.Logger
}

// probeTime is the deadline of the write that follows one without progress.
const probeTime = 10 * time.Millisecond

// canProbe reports whether a write that times out says how many bytes went out. Windows does not,
// so a second try there could send some of them again.
const canProbe = runtime.GOOS != "windows"

// maxWrite returns how many bytes are written under one deadline. Without canProbe, it makes
// the slowest client that is served.
func maxWrite() int64 {
	if canProbe {
		return 8 << 20
	}
	return 64 << 10
}

func (c *stallConn) Write(b []byte) (n int, err error) {
	for {
		piece := b[n:min(len(b), n+int(maxWrite()))]
		written, err := c.attempt(func() (int64, error) {
			n, err := c.Conn.Write(piece)
			return int64(n), err
		})
		n += int(written)
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// ReadFrom lets the system copy a file to the connection, if it can.
func (c *stallConn) ReadFrom(r io.Reader) (n int64, err error) {
	to, canCopy := c.Conn.(io.ReaderFrom)
	limited, isLimited := r.(*io.LimitedReader)
	if !canCopy || !isLimited {
		return io.Copy(onlyWriter{c}, r)
	}
	file, isFile := limited.R.(*os.File)
	if !isFile {
		return io.Copy(onlyWriter{c}, r)
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return io.Copy(onlyWriter{c}, r)
	}
	for limited.N > 0 {
		written, err := c.attempt(func() (int64, error) {
			if _, err := file.Seek(start+n, io.SeekStart); err != nil { // an attempt that failed may have read on
				return 0, err
			}
			return to.ReadFrom(&io.LimitedReader{R: file, N: min(limited.N, maxWrite())})
		})
		n += written
		limited.N -= written
		if err != nil || written == 0 { // 0: the file is shorter
			return n, err
		}
	}
	return n, nil
}

// onlyWriter hides the other methods of a writer from io.Copy.
type onlyWriter struct{ io.Writer }

// attempt calls write under a deadline and returns how many bytes it wrote. A timeout is an
// error only if there was no progress, and then closes the connection.
//
// The last try is short. It is there because a system wakes a waiting writer only once a good part
// of its buffer is free, which a slow peer can take longer than the stall time to do, while a
// new write takes any free space.
func (c *stallConn) attempt(write func() (int64, error)) (n int64, err error) {
	stall := time.Duration(c.stall.Load())
	if stall < 0 {
		return write()
	}
	waits := []time.Duration{stall, probeTime}
	if !canProbe {
		waits = waits[:1]
	}
	for i := 0; i < len(waits); i++ {
		c.Conn.SetWriteDeadline(time.Now().Add(waits[i]))
		n, err = write()
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case n > 0:
			return n, nil
		case hasProgress(err):
			i = -1
		}
	}
	c.Conn.Close()
	c.log.Info("closed an HTTP connection that took no byte of an answer", "remote", c.RemoteAddr().String(), "stall", stall)
	return 0, err
}

// hasProgress reports whether a write that timed out has sent bytes of an earlier one: an encrypted connection accepts
// bytes before it can send them.
func hasProgress(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Progress() bool
	}](err)
	return ok && timeout.Progress()
}
