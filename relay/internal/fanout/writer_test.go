package fanout

import "testing"

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
