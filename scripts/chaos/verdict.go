//go:build linux

package main

import (
	"fmt"
	"io"
)

// A fault of the room is one of these.
const (
	lost      = "lost"      // acknowledged or shown, and not in the file; or not shown to all
	doubled   = "doubled"   // twice in the file, or shown twice
	reordered = "reordered" // in another order than the file's, or than it was said in
	changed   = "changed"   // not what was said, or not under the same id
	gaps      = "gaps"      // clients were told that events are missing
	nicks     = "nicks"     // clients lost their nick
)

// verdictKinds are all of them, in the order of the report. The last ones are told only
// where there are any.
var verdictKinds = []string{lost, doubled, reordered, changed, gaps, nicks}

// A verdict is what was found. A message counts once in each kind, however many clients
// miss it.
type verdict struct {
	found    map[string]map[message]bool
	examples map[string][]string // the first ones of each kind
	problems []string            // what else went wrong
}

// A message is known by these two.
type message struct {
	label string
	n     int
}

const examplesKept = 12

func newVerdict() *verdict {
	return &verdict{found: make(map[string]map[message]bool), examples: make(map[string][]string)}
}

func (v *verdict) add(kind, label string, n int, how string) {
	m := message{label, n}
	if v.found[kind] == nil {
		v.found[kind] = make(map[message]bool)
	}
	if v.found[kind][m] {
		return
	}
	v.found[kind][m] = true
	if len(v.examples[kind]) < examplesKept {
		v.examples[kind] = append(v.examples[kind], fmt.Sprintf("%.100q %d: %s", label, n, how))
	}
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *verdict) count(kind string) int { return len(v.found[kind]) }

// good reports whether nothing at all is wrong.
func (v *verdict) good() bool {
	for _, kind := range verdictKinds {
		if v.count(kind) > 0 {
			return false
		}
	}
	return len(v.problems) == 0
}

// print tells what was found, with examples.
func (v *verdict) print(w io.Writer) {
	for i, kind := range verdictKinds {
		if n := v.count(kind); n > 0 || i < 3 {
			fmt.Fprintf(w, "  %-10s %6d\n", kind, n)
		}
		for _, example := range v.examples[kind] {
			fmt.Fprintf(w, "    %s\n", example)
		}
	}
	for _, p := range v.problems {
		fmt.Fprintf(w, "  problem: %s\n", p)
	}
}
