//go:build linux

package main

import (
	"fmt"
	"io"
)

// Kinds of findings.
const (
	lost      = "lost"      // acknowledged or shown, but not in the file; or not shown to a client
	doubled   = "doubled"   // twice in the file, or shown twice
	reordered = "reordered" // in another order than in the file, or than sent
	changed   = "changed"   // not the text that was sent, or with another id
	gaps      = "gaps"      // clients got gap events
	nicks     = "nicks"     // clients lost their nick
	differs   = "differs"   // another event at another host of a cluster
)

// verdictKinds are the kinds in the order of the report. It shows the last ones only if
// there are any.
var verdictKinds = []string{lost, doubled, reordered, changed, gaps, nicks, differs}

// A verdict collects findings. A message counts once for each kind, however many clients
// are affected.
type verdict struct {
	found    map[string]map[message]bool
	examples map[string][]string // the first ones of each kind
	problems []string            // other failures
}

// A message is identified by label and number.
type message struct {
	label string
	n     int
}

const maxExamples = 12

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
	if len(v.examples[kind]) < maxExamples {
		v.examples[kind] = append(v.examples[kind], fmt.Sprintf("%.100q %d: %s", label, n, how))
	}
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *verdict) count(kind string) int { return len(v.found[kind]) }

// good reports whether there are no findings.
func (v *verdict) good() bool {
	for _, kind := range verdictKinds {
		if v.count(kind) > 0 {
			return false
		}
	}
	return len(v.problems) == 0
}

// print writes the findings, with examples.
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
