package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Uploads and downloads use HTTP over connections of their own, to the address of the host
// and made by the same dial function. This file has the part that both share.

const (
	// copySize is how much is read and written at once, in bytes.
	copySize = 256 << 10

	// maxRefusals is how many times in a row a host may refuse to continue a transfer, for
	// a reason that may pass: about 40 s. A lost connection is retried without end.
	maxRefusals = 10
)

// Progress is how far an upload or download is.
type Progress struct {
	Done, Total int64 // bytes
	Waiting     error // why it waits to be tried again, for people; nil: it is running
}

// A transfer is one upload or download. It is owned by the goroutine that called Send or
// Get.
type transfer struct {
	client   *Client
	ctx      context.Context // ends with the client, too
	http     http.Client
	progress func(Progress) // never nil
	total    int64          // bytes
	done     atomic.Int64   // bytes; read and written by the goroutine of a request, too
	cookie   *http.Cookie   // of a member of a sealed room who entered by key; nil: none yet
}

// newTransfer returns a transfer of total bytes. The caller must call end.
func (c *Client) newTransfer(ctx context.Context, total int64, progress func(Progress)) (t *transfer, end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, nil, ErrClosed
	}
	c.transfers.Add(1)
	room := c.identity.Room
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.done:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	})
	if progress == nil {
		progress = func(Progress) {}
	}
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dialTransfer(ctx, room) },
		DisableCompression: true,
		WriteBufferSize:    copySize,
		ReadBufferSize:     copySize,
	}
	t = &transfer{client: c, ctx: ctx, progress: progress, total: total, http: http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return t, func() {
		cancel(context.Canceled)
		watch.Wait()
		transport.CloseIdleConnections()
		c.transfers.Done()
	}, nil
}

// report reports that the transfer is running, and has done that many bytes.
func (t *transfer) report(done int64) {
	t.done.Store(done)
	t.progress(Progress{Done: done, Total: t.total})
}

// dialTransfer connects to where the host of the room is now: it may have moved. Before, that
// host must prove itself, if it can: another room must not get a file that was meant for this
// one.
func (c *Client) dialTransfer(ctx context.Context, room string) (net.Conn, error) {
	c.mu.Lock()
	addr, known := c.hostAddr, c.identity
	c.mu.Unlock()
	if known.Room != room {
		return nil, permanentError{errors.New("the room is gone")}
	}
	if known.Key != "" {
		if err := c.prove(ctx, addr, known); err != nil {
			return nil, err
		}
	}
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return c.newTransferConn(conn, addr), nil
}

// newRequest returns a request for a path on the host. It is for "localhost", whatever the
// host's address: hosts reject names that they do not know, to protect browsers.
func (t *transfer) newRequest(method, path string, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(t.ctx, method, "http://localhost"+path, http.NoBody)
	if err != nil { // the host made the path up
		r, _ = http.NewRequestWithContext(t.ctx, method, "http://localhost/", http.NoBody)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// A statusError is a response with an error status.
type statusError struct {
	status int
	reason string // for people, cleaned
}

func (e *statusError) Error() string { return "the host says: " + e.reason }

// statusOf returns the status of a [*statusError], and 0 for other errors.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// do sends a request. The caller must close the body of the response.
func (t *transfer) do(r *http.Request) (*http.Response, error) {
	if err := t.authorize(r); err != nil {
		return nil, err
	}
	return t.send(r)
}

// send is do for a request that is authorized.
func (t *transfer) send(r *http.Request) (*http.Response, error) {
	res, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4*maxRefusal))
	reason, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if reason == "" {
		reason = http.StatusText(res.StatusCode)
	}
	return nil, &statusError{res.StatusCode, cutReason(reason)}
}

// A permanentError would occur again on another attempt.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// retry calls attempt until it succeeds, returns a permanent error, or the transfer is
// canceled. attempt reports whether it made progress; if so, the pauses start over.
func (t *transfer) retry(attempt func() (progressed bool, err error)) error {
	var pause time.Duration
	refusals := 0
	for {
		progressed, err := attempt()
		switch statusOf(err) {
		case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		default:
			return err
		}
		if err == nil {
			return nil
		}
		if permanent, ok := errors.AsType[permanentError](err); ok {
			return permanent.error
		}
		if progressed {
			pause, refusals = 0, 0
		}
		if statusOf(err) == 0 {
			refusals = 0
		} else if refusals++; refusals == maxRefusals {
			return err
		}
		pause = min(max(time.Duration(float64(pause)*pauseGrowth), firstPause), maxPause)
		t.progress(Progress{Done: t.done.Load(), Total: t.total, Waiting: waitReason(err)})
		if t.ctx.Err() != nil || !sleep(t.ctx, pause) {
			return context.Cause(t.ctx)
		}
	}
}

// waitReason says for people why an attempt failed.
func waitReason(err error) error {
	if statusOf(err) != 0 {
		return err
	}
	if netErr, ok := errors.AsType[*url.Error](err); ok {
		err = netErr.Err
	}
	return fmt.Errorf("no connection to the host: %w", err)
}

// withoutPath removes the operation and the path from a file error: its caller names the
// file in its own way.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// With these, io.CopyBuffer uses its buffer: it would skip it for a WriterTo or ReaderFrom.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
