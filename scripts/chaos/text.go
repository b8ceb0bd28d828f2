//go:build linux

package main

import (
	"strconv"
	"strings"
)

// The text of a message identifies it: the label of its sender and the sender's number for
// it. A reader can compute the whole text from these two, so records and checks need only
// labels and numbers.
//
//	bot03 4711
//	bot03 4750 é"\日<.z~xé"\日<.z~x...
//	bot03>bot07 12
//
// Each client has its own label, including the replacement of a killed one. The third line
// is a private message to bot07; private messages are numbered separately.

// padding makes some messages long. Its characters take several bytes, or an escape in
// JSON, so that truncation and slicing also hit them.
var padding = strings.Repeat(paddingUnit, longPadding/len(paddingUnit))

const (
	paddingUnit = `é"\日<.z~x`
	longPadding = 500 * len(paddingUnit)
)

// paddingOf returns the padding of message n. Some are longer than a network packet.
func paddingOf(n int) string {
	switch {
	case n%500 == 0:
		return padding
	case n%50 == 0:
		return padding[:50*len(paddingUnit)]
	}
	return ""
}

// text returns the text of message n of label.
func text(label string, n int) string {
	s := label + " " + strconv.Itoa(n)
	if pad := paddingOf(n); pad != "" {
		s += " " + pad
	}
	return s
}

// privateLabel returns the label of private messages between two clients.
func privateLabel(from, to string) string { return from + ">" + to }

// isPrivate reports whether label is that of private messages.
func isPrivate(label string) bool { return strings.Contains(label, ">") }

// concerns reports whether the client called name receives messages of label.
func concerns(name, label string) bool {
	from, to, private := strings.Cut(label, ">")
	return !private || name == from || name == to
}

// parseLine returns the message that s is. ok is false if s is not exactly the text of a
// message.
func parseLine(s string) (label string, n int, ok bool) {
	label, rest, _ := strings.Cut(s, " ")
	digits, pad, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || label == "" || pad != paddingOf(n) || strings.HasSuffix(s, " ") {
		return "", 0, false
	}
	return label, n, true
}

// parseText returns the messages that s contains. `chat join` may combine lines that arrive
// fast into one message; their numbers are consecutive.
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
