package screen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/dustin/go-humanize"

	"chat/relay/client"
	"chat/relay/text"
)

// transfers are the uploads and downloads in progress. They are owned by Bubble Tea's
// event loop.
type transfers struct{ running []*transfer }

// A transfer is one upload or download.
type transfer struct {
	// Fixed.
	name   string // of the file, clean
	upload bool
	client.Running

	progress atomic.Value // a client.Progress; the goroutine of the transfer stores it

	// How far it was when it was last measured. Owned by Bubble Tea's event loop.
	measured client.Progress
	since    time.Time // when it began or resumed; zero: it waits
	from     int64     // bytes that it had then
	left     time.Duration
}

// measureEvery is how often the progress of transfers is looked at, and so drawn.
const measureEvery = time.Second / 4

// measureTransfers looks at the progress of the transfers.
type measureTransfers struct{}

// transferDone says that a transfer ended, and what to show of it; "": nothing.
type transferDone struct {
	transfer *transfer
	kind     kind
	text     string
}

// A transferFunc carries out a transfer until it is done or ctx ends, and returns what to
// show at the end. It is called in a goroutine of its own.
type transferFunc func(ctx context.Context, progress func(client.Progress)) (kind, string)

// start starts a transfer, for which t has the name and the number.
func (ts *transfers) start(ctx context.Context, t *transfer, run transferFunc) tea.Cmd {
	ctx, t.Cancel = context.WithCancel(ctx)
	t.measured.Total = -1 // not known yet
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

// measure looks at the progress of all transfers.
func (ts *transfers) measure() {
	for _, t := range ts.running {
		t.measure()
	}
}

// measure looks at the progress, and estimates the time left by the speed since the transfer began or resumed.
func (t *transfer) measure() {
	p, ok := t.progress.Load().(client.Progress)
	if !ok {
		return
	}
	t.measured, t.left = p, 0
	now := time.Now()
	switch took := now.Sub(t.since); {
	case p.Waiting != nil:
		t.since = time.Time{}
	case t.since.IsZero():
		t.since, t.from = now, p.Done
	case p.Done > t.from && took > 0:
		t.left = time.Duration(float64(took) * float64(p.Total-p.Done) / float64(p.Done-t.from))
	}
}

// maxTransferRows is how many transfers have a row above the rule; the others are counted.
const maxTransferRows = 2

// rowsIn returns how many rows the transfers take of so many.
func (ts *transfers) rowsIn(rows int) int {
	n := min(len(ts.running), maxTransferRows)
	if len(ts.running) > n {
		n++
	}
	return max(min(n, rows/4), 0)
}

// draw draws the transfers in so many rows. lost says that there is no connection to the host.
func (ts *transfers) draw(t *terminal, rows int, lost bool) (drawn []string) {
	shown := min(rows, len(ts.running), maxTransferRows)
	name := 0
	for _, tr := range ts.running[:shown] {
		name = max(name, t.ruler.width(t.ruler.show(tr.name)))
	}
	more := len(ts.running) - shown
	for i, tr := range ts.running[:shown] {
		note := ""
		if more > 0 && rows == shown && i == shown-1 {
			note = fmt.Sprintf("%d more", more)
		}
		drawn = append(drawn, tr.draw(t, name, lost, note))
	}
	if rows > shown {
		drawn = append(drawn, " "+t.theme.Dim.Draw(t.ruler.elide("  "+fmt.Sprintf("%d more", more), t.width-1)))
	}
	return drawn
}

// draw draws how far the transfer is, with its name in at most so many columns, and a note at the end.
func (tr *transfer) draw(t *terminal, nameColumns int, lost bool, note string) string {
	r, colors := t.ruler, t.theme
	p := tr.measured
	arrow, doneStyle := "↓", colors.Accent
	if tr.upload {
		arrow = "↑"
	}
	if lost || p.Waiting != nil {
		doneStyle = colors.Dim
	}
	bar := min(max(t.width*3/10, 6), 40)
	nameColumns = min(nameColumns, min(max(t.width/4, 6), 40))
	share := float64(max(p.Done, 0)) / float64(max(p.Total, 1))
	if p.Total == 0 { // an empty file
		share = 1
	}
	filled := min(int(share*float64(bar)), bar)
	percent := fmt.Sprintf("%3d %%", min(int(share*100), 100))
	row := " " + colors.Accent.Draw(arrow) + " " + r.fit(r.show(tr.name), nameColumns) + "  " +
		doneStyle.Draw(strings.Repeat("━", filled)) + colors.Hairline.Draw(strings.Repeat("─", bar-filled)) + "  " + percent
	used := 3 + nameColumns + 2 + bar + 2 + r.width(percent)
	if used > t.width { // too narrow for a bar
		return r.elide(" "+arrow+" "+percent+" "+r.show(tr.name), t.width)
	}
	if rest := tr.rest(r, lost, note, t.width-used-2); rest != "" && r.width(rest) <= t.width-used-2 {
		row += "  " + colors.Dim.Draw(rest)
	}
	return row
}

// rest returns the details beside the share that is done, as far as they fit.
func (tr *transfer) rest(r ruler, lost bool, note string, columns int) string {
	p := tr.measured
	size, left := "", ""
	switch {
	case p.Waiting != nil:
		size, left = "paused", shortReason(p.Waiting)
	case lost:
		size = "paused"
	case p.Total >= 0:
		size = sizeOf(p)
		if tr.left > 0 {
			left = shortDuration(tr.left)
		}
	}
	join := func(parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), slotGap)
	}
	const least = 12 // columns of a reason that are worth showing
	all := join(size, left, note)
	switch most := columns - r.width(join(size, "", note)) - r.width(slotGap); {
	case r.width(all) <= columns:
		return all
	case p.Waiting != nil && most >= least:
		return join(size, r.elide(left, most-1), note)
	case p.Waiting != nil || left == "":
		return join(size, note)
	}
	return join(left, note)
}

// sizeOf returns how much is done of how much: "3.1 of 5.0 MB".
func sizeOf(p client.Progress) string {
	done, total := humanize.Bytes(uint64(max(p.Done, 0))), humanize.Bytes(uint64(max(p.Total, 0)))
	if number, unit, ok := strings.Cut(done, " "); ok && strings.HasSuffix(total, " "+unit) {
		done = number
	}
	return done + " of " + total
}

// shortDuration returns a duration in its largest units: "4 s", "3 min", "1 h 20 min".
func shortDuration(d time.Duration) string {
	switch s := int64((d + time.Second - 1) / time.Second); {
	case s < 100:
		return fmt.Sprintf("%d s", s)
	case s < 100*60:
		return fmt.Sprintf("%d min", (s+30)/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h", (s+1800)/3600)
	default:
		return fmt.Sprintf("%d days", s/86400)
	}
}

// maxReason is how many characters of the reason for waiting are shown.
const maxReason = 60

func shortReason(err error) string {
	reason := []rune(text.Clean(err.Error()))
	if len(reason) > maxReason {
		reason = append(reason[:maxReason-1], '…')
	}
	return string(reason)
}
