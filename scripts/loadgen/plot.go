//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// plot draws the deliveries per second of the flood with one sender, as bars on a
// logarithmic scale.
func (b *bench) plot(w io.Writer) {
	const perDecade, lowest = 15.0, 1e5
	fmt.Fprintf(w, "\ndeliveries/s with one sender; %d columns are a factor of ten\n", int(perDecade))
	for _, c := range newCells() {
		if c.name != "flood" {
			continue
		}
		for _, s := range b.selectShapes(c) {
			if s.senders != 1 {
				continue
			}
			title := fmt.Sprintf("%d clients", s.clients)
			for _, name := range b.peersIn(c, s) {
				if rate, ok := median(b.figures(c, s, name, "rate")); ok {
					columns := int(math.Round(perDecade * math.Log10(max(rate, lowest)/lowest)))
					fmt.Fprintf(w, "%14s  %-12s %s %.1f M\n", title, name, strings.Repeat("█", max(columns, 1)), rate/1e6)
					title = ""
				}
			}
		}
	}
}
