package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"chat/relay/text"
)

const (
	// stallTime is how long a connection that carries a file may stand still. A host with a
	// slow disk writes out the end of a large file before it answers.
	stallTime = time.Minute

	// copySize is how much is read and written at once.
	copySize = 256 << 10
)

// A transfer is one file on its way, in one direction.
type transfer struct {
	client   *Client
	ctx      context.Context // ends with the client, too
	http     http.Client
	progress func(done, total int64)
	total    int64
}

// transfer begins one; over ends it.
func (c *Client) transfer(ctx context.Context, total int64, progress func(done, total int64)) (_ *transfer, over func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, nil, ErrClosed
	}
	c.transfers.Add(1)
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
		progress = func(int64, int64) {}
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c.mu.Lock()
			addr := c.hostAddr // it may have moved
			c.mu.Unlock()
			conn, err := c.dial(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{conn}, nil
		},
		DisableCompression: true,
		WriteBufferSize:    copySize,
		ReadBufferSize:     copySize,
	}
	t := &transfer{client: c, ctx: ctx, progress: progress, total: total, http: http.Client{
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

// A stallConn fails when it stands still for stallTime.
type stallConn struct{ net.Conn }

func (s *stallConn) Read(b []byte) (int, error) {
	s.SetReadDeadline(time.Now().Add(stallTime))
	return s.Conn.Read(b)
}

func (s *stallConn) Write(b []byte) (int, error) {
	s.SetWriteDeadline(time.Now().Add(stallTime))
	return s.Conn.Write(b)
}

// request makes one for a path of the host. Whatever its address is, this program calls it
// localhost: a host answers to no names that it does not know, for the sake of browsers.
func (t *transfer) request(method, path string, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(t.ctx, method, "http://localhost"+path, http.NoBody)
	if err != nil { // a path that the host made up
		r, _ = http.NewRequestWithContext(t.ctx, method, "http://localhost/", http.NoBody)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// A statusError is an answer by which the host does not do what was asked.
type statusError struct {
	status int
	text   string // for people, cleaned
}

func (e *statusError) Error() string { return "the host says: " + e.text }

// do asks the host. The body of the response has to be closed.
func (t *transfer) do(r *http.Request) (*http.Response, error) {
	res, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(res.Body, 4*maxRefusal))
	message, _, _ := strings.Cut(strings.TrimSpace(string(words)), "\n")
	if message == "" {
		message = http.StatusText(res.StatusCode)
	}
	letters := []rune(text.Clean(message))
	return nil, &statusError{res.StatusCode, string(letters[:min(len(letters), maxRefusal)])}
}

// status returns the status of an answer that is an error; 0: there was no answer.
func status(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// A lasting error is one that the same attempt would meet again.
type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

// persist makes attempts until one succeeds, its error lasts, or the transfer is called off.
// An attempt tells whether it got any further.
func (t *transfer) persist(attempt func() (further bool, err error)) error {
	var pause time.Duration
	for {
		further, err := attempt()
		switch status(err) {
		case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		default:
			return err
		}
		if l, ok := errors.AsType[lasting](err); err == nil || ok {
			return l.error
		}
		if further {
			pause = 0
		}
		pause = min(max(time.Duration(float64(pause)*pauseGrow), firstPause), maxPause)
		if t.ctx.Err() != nil || !sleep(t.ctx, pause) {
			return context.Cause(t.ctx)
		}
	}
}
