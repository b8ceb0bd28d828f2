package fanout

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever the runs, the writes that Gather makes of them have all their bytes in order.
func TestGather(t *testing.T) {
	sizes := []int{0, 1, 2, 10, 100, shortRun - 1, shortRun, shortRun + 1, flatSize - 1, flatSize, flatSize + 1, 3 * flatSize}
	w := writers.New().(*Writer)
	next := byte(0)
	for range 300 {
		var runs [][]byte
		for range rand.IntN(30) {
			run := make([]byte, sizes[rand.IntN(len(sizes))])
			for i := range run {
				run[i] = next
				next += 7
			}
			runs = append(runs, run)
		}
		want, partly := slices.Concat(runs...), rand.IntN(2) == 0
		var got []byte
		for rest := slices.Clone(runs); len(rest) > 0; {
			pieces, size := w.Gather(rest)
			if len(pieces) == 0 || len(pieces) > maxVector {
				t.Fatalf("%d pieces", len(pieces))
			}
			b := slices.Concat(pieces...)
			if len(b) != size {
				t.Fatalf("Gather returned %d bytes, and said %d", len(b), size)
			}
			if cap(w.flat) != flatSize {
				t.Fatalf("flat has grown to %d bytes", cap(w.flat))
			}
			if partly && size > 0 {
				size = rand.IntN(size + 1)
			}
			got = append(got, b[:size]...)
			rest = After(rest, size)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes are written as %d others", len(want), len(got))
		}
	}
}

// A header and a long run are two pieces of one write.
func TestGatherHeader(t *testing.T) {
	if maxVector == 1 {
		t.Skip("this system copies")
	}
	w := writers.New().(*Writer)
	header, run := []byte("head"), make([]byte, shortRun)
	pieces, size := w.Gather([][]byte{header, run})
	if len(pieces) != 2 || size != len(header)+len(run) || &pieces[1][0] != &run[0] {
		t.Errorf("%d pieces of %d bytes", len(pieces), size)
	}
}

// A header and a short run are one piece.
func TestGatherShort(t *testing.T) {
	w := writers.New().(*Writer)
	pieces, _ := w.Gather([][]byte{[]byte("a"), []byte("b"), []byte("c")})
	if len(pieces) != 1 || string(pieces[0]) != "abc" {
		t.Errorf("pieces %q", pieces)
	}
}
