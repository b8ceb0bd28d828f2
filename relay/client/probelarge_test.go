package client

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A large probe needs more than a packet's worth each way. An error as the answer is fine; silence, and the
// beginning of an answer that does not continue, are not.
func TestProbeLarge(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
	for _, test := range []struct {
		name, answer string
		hangs        bool // the rest of the answer does not come
		passes       bool
	}{
		{name: "a page", answer: head + strings.Repeat("x", 5000), passes: true},
		{name: "no page", answer: "HTTP/1.1 400 Bad Request\r\n\r\nno", passes: true},
		{name: "only the head of a page arrives", answer: head, hangs: true},
		{name: "silence", hangs: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := listen(t, func(conn net.Conn) {
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil || len(r.Header.Get("X-Padding")) < 1500 {
					t.Errorf("got %v (%v), want a large request", r, err)
				}
				conn.Write([]byte(test.answer))
				if test.hangs {
					conn.Read(make([]byte, 1)) // until the probe gives up
				}
			})
			ctx := t.Context()
			if test.hangs {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			err := ProbeLarge(ctx, addr)
			if hung := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded); test.passes && err != nil || test.hangs && !hung {
				t.Errorf("ProbeLarge: %v; passes: %v", err, test.passes)
			}
		})
	}
}
