package plain

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"chat/relay/client"
)

// transfers are the uploads and downloads in progress. The sender starts and cancels them.
type transfers struct {
	group sync.WaitGroup // of their goroutines

	mu      sync.Mutex
	running []*transfer // guarded by mu
}

// A transfer is one upload or download.
type transfer struct{ client.Running }

// A transferFunc carries out a transfer until it is done or own, its own context, ends. It
// returns the line that reports the end; "": none.
type transferFunc func(own context.Context) string

// start calls run in a goroutine, and writes its line to w. number is that of the file that
// is downloaded; 0: it is an upload.
func (ts *transfers) start(ctx context.Context, w io.Writer, number uint64, run transferFunc) {
	own, cancel := context.WithCancel(ctx)
	t := &transfer{client.Running{Number: number, Cancel: cancel}}
	ts.mu.Lock()
	ts.running = append(ts.running, t)
	ts.mu.Unlock()
	ts.group.Go(func() {
		line := run(own)
		cancel()
		ts.remove(t)
		if line != "" {
			fmt.Fprintln(w, line)
		}
	})
}

func (ts *transfers) remove(t *transfer) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.running = slices.DeleteFunc(ts.running, func(other *transfer) bool { return other == t })
}

// cancel cancels the transfers that typed, the argument of /cancel, stands for. It does not
// wait until they have ended.
func (ts *transfers) cancel(typed string) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	running := make([]client.Running, len(ts.running))
	for i, t := range ts.running {
		running[i] = t.Running
	}
	return client.Cancel(running, typed)
}

// wait waits until all transfers have ended. The sender must have ended before.
func (ts *transfers) wait() { ts.group.Wait() }
