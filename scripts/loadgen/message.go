//go:build linux

package main

import (
	"fmt"
	"strings"
)

// Every message is a text of 64 bytes. It ends with its sender and number, both of fixed
// width, so that a receiver checks a line by comparing eight bytes:
//
//	~bench~ soup is ready and the bread is warm, so who 0007-10000042
const (
	textSize    = 64
	marker      = "~bench~"
	numberSize  = 8
	senderSize  = 4
	tailSize    = senderSize + 1 + numberSize
	firstNumber = 10_000_000 // the first one with eight digits
	mostNumbers = 99_999_999 - firstNumber
)

// filler is the text that messages are pieces of.
const filler = "the soup is ready and the bread is warm, so whoever is hungry may come down to the kitchen before it is all gone again "

// piece returns size bytes of the filler, from a different offset for each n.
func piece(n, size int) string { return strings.Repeat(filler, 2)[n*7%len(filler):][:size] }

// newText returns a text with the number of the sender's first message and the nth filler.
func newText(sender, n int) string {
	tail := fmt.Sprintf(" %04d-%08d", sender, firstNumber)
	return marker + piece(n, textSize-len(marker)-len(tail)) + tail
}

// number returns the digits of a message's number, with the first digit in the highest byte.
// These are the bytes of the text, so neither side has to convert them.
func number(n int64) (digits uint64) {
	for shift, n := 0, n+firstNumber; shift < 64; shift += 8 {
		digits |= uint64('0'+n%10) << shift
		n /= 10
	}
	return digits
}

func nextNumber(digits uint64) uint64 {
	digits++
	if byte(digits) <= '9' {
		return digits
	}
	return carry(digits)
}

func carry(digits uint64) uint64 {
	for shift := 0; shift < 56 && byte(digits>>shift) > '9'; shift += 8 {
		digits += 1<<(shift+8) - 10<<shift
	}
	return digits
}

// senderOf parses the four digits before a number. It returns -1 if they are not digits.
func senderOf(b []byte) int {
	n := 0
	for _, c := range b[:senderSize] {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
