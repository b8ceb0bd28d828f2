package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A host that refuses a download again and again, for a reason that may pass, ends it. The person
// sees the reason from the first time on, and the folder stays empty.
func TestGetThatCannotSucceed(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string // "": hang up
		waiting string
		want    string
	}{
		"refused":       {"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 15\r\n\r\nthe disk fails\n", "the host says: the disk fails", "the host says: the disk fails"},
		"no connection": {"", "no connection to the host: EOF", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubble(t, func(t *testing.T) {
				c, h, _ := join(t, Options{Idle: time.Hour}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
				tries := 0
				go func() {
					for end := range h.conns {
						tries++
						if tries%2 == 1 { // before each try the host proves itself
							end.send(answerTo("r1", end.wantAny(wire.TypeHello)))
						} else if _, err := http.ReadRequest(bufio.NewReader(end.conn)); err == nil {
							io.WriteString(end.conn, test.answer)
						}
						end.conn.Close()
					}
				}()
				var waiting error
				gone := make(chan error, 1)
				go func() {
					f := wire.File{Number: 3, Name: "soup.bin", Size: 10, SHA256: strings.Repeat("ab", 32)}
					_, err := c.Get(t.Context(), f, dir, func(p Progress) { waiting = p.Waiting })
					gone <- err
				}()
				time.Sleep(15 * time.Minute)
				synctest.Wait()
				select {
				case err := <-gone:
					if test.want == "" || fmt.Sprint(err) != test.want || tries != 2*maxRefusals {
						t.Errorf("it ended after %d tries with %v, want %q", tries, err, test.want)
					}
				default:
					if test.want != "" || tries < 100 {
						t.Errorf("it goes on after %d tries", tries)
					}
					c.Close()
					if err := <-gone; !errors.Is(err, ErrClosed) {
						t.Errorf("closed: %v", err)
					}
					synctest.Wait()
				}
				if !strings.HasPrefix(fmt.Sprint(waiting), test.waiting) {
					t.Errorf("the reason is %v, want %q", waiting, test.waiting)
				}
				close(h.conns)
				if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
					t.Errorf("the folder has %v, %v", list, err)
				}
			})
		})
	}
}

// A download that does not fit on the disk is not begun.
func TestGetWithoutSpace(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		nextEvent[Connected](t, c)
		c.space = func(string) (free, total int64, err error) { return 9_000_000, 1e12, nil }
		f := wire.File{Number: 3, Name: "soup.bin", Size: 10_000_000, SHA256: strings.Repeat("ab", 32)}
		if _, err := c.Get(t.Context(), f, dir, nil); err == nil || !strings.Contains(err.Error(), "9.0 MB are free, and 10 MB are missing") {
			t.Error(err)
		}
		if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
			t.Errorf("the folder has %v, %v", list, err)
		}
		closeClient(t, c, end)
	})
}
