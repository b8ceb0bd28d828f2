package screen

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"chat/relay/wire"
)

// transfers are the uploads and downloads in progress. They are owned by Bubble Tea's
// event loop.
type transfers struct{ running []*transfer }

// A transfer is one upload or download.
type transfer struct {
	label   string       // "uploading soup.png"; fixed
	percent atomic.Int64 // done so far; the goroutine of the transfer stores it
}

// transferDone says that a transfer ended, and what to show of it; "": nothing.
type transferDone struct {
	transfer *transfer
	kind     kind
	text     string
}

// start starts a transfer. run is called in a goroutine of its own, and returns what to
// show at the end.
func (ts *transfers) start(label string, run func(progress func(done, total int64)) (kind, string)) tea.Cmd {
	t := &transfer{label: label}
	ts.running = append(ts.running, t)
	return func() tea.Msg {
		k, result := run(func(done, total int64) {
			if total > 0 {
				t.percent.Store(100 * done / total)
			}
		})
		return transferDone{t, k, result}
	}
}

func (ts *transfers) remove(t *transfer) {
	ts.running = slices.DeleteFunc(ts.running, func(other *transfer) bool { return other == t })
}

// status returns the progress for the status line.
func (ts *transfers) status() string {
	const most = 2 // the others are counted
	var parts []string
	for _, t := range ts.running[:min(len(ts.running), most)] {
		parts = append(parts, fmt.Sprintf("%s %d%%", t.label, t.percent.Load()))
	}
	if more := len(ts.running) - most; more > 0 {
		parts = append(parts, wire.Counted(more, "more transfer", "more transfers"))
	}
	return strings.Join(parts, " · ")
}
