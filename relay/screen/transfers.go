package screen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// transfers are the uploads and downloads in progress. They are owned by Bubble Tea's
// event loop.
type transfers struct{ running []*transfer }

// A transfer is one upload or download.
type transfer struct {
	// Fixed.
	label string // "uploading soup.png"
	client.Running

	progress atomic.Value // a client.Progress; the goroutine of the transfer stores it
}

// transferDone says that a transfer ended, and what to show of it; "": nothing.
type transferDone struct {
	transfer *transfer
	kind     kind
	text     string
}

// A transferFunc carries out a transfer until it is done or ctx ends, and returns what to
// show at the end. It is called in a goroutine of its own.
type transferFunc func(ctx context.Context, progress func(client.Progress)) (kind, string)

// start starts a transfer, for which t has the label and the number.
func (ts *transfers) start(ctx context.Context, t *transfer, run transferFunc) tea.Cmd {
	ctx, t.Cancel = context.WithCancel(ctx)
	ts.running = append(ts.running, t)
	return func() tea.Msg {
		defer t.Cancel()
		k, result := run(ctx, func(p client.Progress) { t.progress.Store(p) })
		return transferDone{t, k, result}
	}
}

func (ts *transfers) remove(t *transfer) {
	ts.running = slices.DeleteFunc(ts.running, func(other *transfer) bool { return other == t })
}

// cancel cancels the transfers that typed, the argument of /cancel, stands for. It does not
// wait until they have ended.
func (ts *transfers) cancel(typed string) error {
	running := make([]client.Running, len(ts.running))
	for i, t := range ts.running {
		running[i] = t.Running
	}
	return client.Cancel(running, typed)
}

// status returns the progress for the status line.
func (ts *transfers) status() string {
	const most = 2 // the others are counted
	var parts []string
	for _, t := range ts.running[:min(len(ts.running), most)] {
		parts = append(parts, t.status())
	}
	if more := len(ts.running) - most; more > 0 {
		parts = append(parts, wire.Counted(more, "more transfer", "more transfers"))
	}
	return strings.Join(parts, " · ")
}

// maxWait is how many characters of the reason for waiting are in the status line.
const maxWait = 60

// status returns how far the transfer is.
func (t *transfer) status() string {
	p, _ := t.progress.Load().(client.Progress)
	status := fmt.Sprintf("%s %d%%", t.label, 100*p.Done/max(p.Total, 1))
	if p.Waiting != nil {
		reason := []rune(text.Clean(p.Waiting.Error()))
		if len(reason) > maxWait {
			reason = append(reason[:maxWait-1], '…')
		}
		status += ", retrying: " + string(reason)
	}
	return status
}
