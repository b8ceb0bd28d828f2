//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Reading starts with the first line that begins at the offset or after it.
func TestReadRecordFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(path, []byte("s 1 amy 1\ns 2 amy 2\ns 3 amy 3\ns 4 am"), 0o644); err != nil {
		t.Fatal(err)
	}
	const length = len("s 1 amy 1\n")
	for offset, want := range map[int][]uint64{
		0: {1, 2, 3}, 1: {2, 3}, length - 1: {2, 3}, length: {2, 3}, length + 1: {3}, 3*length + 3: nil, 100: nil,
	} {
		var got []uint64
		if err := readRecordFrom(path, int64(offset), ownFormat, func(e entry) { got = append(got, e.seq) }); err != nil {
			t.Errorf("from %d: %v", offset, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d: got %d, want %d", offset, got, want)
		}
	}
}
