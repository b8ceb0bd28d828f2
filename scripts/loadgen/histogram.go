//go:build linux

package main

import "math/bits"

// A histogram counts durations in buckets that are at most 0.8 % wide.
type histogram struct {
	counts [(65 - subBits) << subBits]uint64
	total  uint64
}

const subBits = 7

func (h *histogram) add(nanos int64) {
	h.counts[bucket(uint64(max(nanos, 0)))]++
	h.total++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile returns a duration that the share q of all durations is below.
func (h *histogram) quantile(q float64) (nanos float64) {
	rank, seen := q*float64(h.total), uint64(0)
	for i, n := range h.counts {
		seen += n
		if n > 0 && float64(seen) >= rank {
			return float64(lowest(i+1)-1+lowest(i)) / 2
		}
	}
	return 0
}

func bucket(v uint64) int {
	shift := bits.Len64(v) - subBits - 1
	if shift <= 0 {
		return int(v)
	}
	return shift<<subBits + int(v>>shift)
}

// lowest returns the smallest duration of a bucket.
func lowest(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return uint64(i-shift<<subBits) << shift
}
