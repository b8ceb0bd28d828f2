//go:build unix

package plain

import (
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"chat/relay/client"
	"chat/relay/wire"
)

// A watched pipe is gone once its reader has closed it, and not before.
func TestWatchReader(t *testing.T) {
	for name, closes := range map[string]bool{"closed": true, "open": false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		gone, end, err := WatchReader(w)
		if err != nil {
			t.Fatal(err)
		}
		if closes {
			r.Close()
			<-gone
			if _, err := w.Write([]byte("x")); !isClosedPipe(err) {
				t.Errorf("%s: writing to it returns %v", name, err)
			}
		}
		end() // returns once the goroutine has ended
		select {
		case <-gone:
			if !closes {
				t.Errorf("%s: it is gone", name)
			}
		default:
		}
		r.Close()
		w.Close()
	}
	// A file has no reader.
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gone, end, err := WatchReader(f)
	if err != nil {
		t.Fatal(err)
	}
	end()
	select {
	case <-gone:
		t.Error("a file is gone")
	default:
	}
}

// A closedOutput is a pipe that no one reads any more.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}

// When no one reads the output any more, the conversation ends, but not before the lines of
// a pipe are delivered.
func TestOutputWithoutReader(t *testing.T) {
	t.Run("terminal", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			gone := make(chan struct{})
			s := start(t, Options{OutGone: gone}, client.Options{})
			synctest.Wait()
			close(gone)
			s.want("quit")
			s.conn.Close()
			s.ends("")
		})
	})
	t.Run("write", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := start(t, Options{Out: closedOutput{}}, client.Options{})
			s.want("quit")
			s.conn.Close()
			s.ends("")
		})
	})
	for name, out := range map[string]io.Writer{"pipe": io.Discard, "pipe, write": closedOutput{}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				gone := make(chan struct{})
				s := start(t, Options{Piped: true, Follow: true, Out: out, JSON: true, OutGone: gone}, client.Options{})
				if out == io.Discard {
					close(gone)
				}
				synctest.Wait()
				io.WriteString(s.in, "one\n")
				r := s.want(wire.TypeSay)
				if r.Text != "one" {
					t.Errorf("the host got %q", r.Text)
				}
				s.acknowledge(r)
				s.in.Close()
				s.want("quit")
				s.conn.Close()
				s.ends("")
			})
		})
	}
}
