//go:build linux

package main

import (
	"strconv"
	"strings"
)

// Every message is told by its text: who says it, and the number that this one gives
// it. Who reads it can tell from these two alone what the whole text has to be, so that
// records and checks are about labels and numbers, and no text is kept.
//
//	bot03 4711
//	bot03 4750 é"\日<.z~xé"\日<.z~x...
//	bot03>bot07 12
//
// The label is the name of one life of a client: what comes for it after a kill has
// another one. The third line is said to bot07 alone, and counted apart.

// padding makes some messages long, and of characters that take several bytes or an
// escape in JSON: what is torn in mid-line, or sliced, is torn in those as well.
var padding = strings.Repeat(paddingUnit, longPadding/len(paddingUnit))

const (
	paddingUnit = `é"\日<.z~x`
	longPadding = 500 * len(paddingUnit)
)

// paddingOf returns the padding of message n: some of them a network packet or more.
func paddingOf(n int) string {
	switch {
	case n%500 == 0:
		return padding
	case n%50 == 0:
		return padding[:50*len(paddingUnit)]
	}
	return ""
}

// text is message n of label.
func text(label string, n int) string {
	s := label + " " + strconv.Itoa(n)
	if pad := paddingOf(n); pad != "" {
		s += " " + pad
	}
	return s
}

// private is the label of what from says to alone.
func private(from, to string) string { return from + ">" + to }

// isPrivate reports whether label is of that kind.
func isPrivate(label string) bool { return strings.Contains(label, ">") }

// concerns reports whether who is called name gets what label says.
func concerns(name, label string) bool {
	from, to, private := strings.Cut(label, ">")
	return !private || name == from || name == to
}

// parseLine tells which message s is; ok is false if it is none, or not letter by letter.
func parseLine(s string) (label string, n int, ok bool) {
	label, rest, _ := strings.Cut(s, " ")
	digits, pad, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || label == "" || pad != paddingOf(n) || strings.HasSuffix(s, " ") {
		return "", 0, false
	}
	return label, n, true
}

// parseText tells which messages s is: `chat join` puts lines that come fast into one
// message, the next number in the next line.
func parseText(s string) (label string, first, count int, ok bool) {
	for line := range strings.SplitSeq(s, "\n") {
		l, n, ok := parseLine(line)
		if !ok || count > 0 && (l != label || n != first+count) {
			return "", 0, 0, false
		}
		if count == 0 {
			label, first = l, n
		}
		count++
	}
	return label, first, count, true
}
