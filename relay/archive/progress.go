package archive

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	// quietTime is how long work goes on without a word.
	quietTime = time.Second

	// showEvery is how often the line on the terminal is written again.
	showEvery = 200 * time.Millisecond
)

// A progress is a line on the terminal that says how far long work is. It is owned by the goroutine that
// works.
type progress struct {
	to      io.Writer // nil: stderr is no terminal, and nothing is shown
	verb    string    // Copied, Checked
	next    time.Time // when the line is written next
	isThere bool      // the line is on the terminal
}

func newProgress(to io.Writer, verb string) *progress {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		to = nil
	}
	return &progress{to: to, verb: verb, next: time.Now().Add(quietTime)}
}

// show shows that done bytes of all are done. It is a [history.Progress].
func (p *progress) show(done, all int64) {
	now := time.Now()
	if p.to == nil || now.Before(p.next) || all <= 0 {
		return
	}
	p.next, p.isThere = now.Add(showEvery), true
	fmt.Fprintf(p.to, "\r%s %d %% ", p.verb, 100*done/all)
}

// end removes the line.
func (p *progress) end() {
	if p.isThere {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.isThere = false
	}
}
