package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// An error that wraps several gets the hint of the first remedy that is for one of them, whichever comes first in the
// error, always the same one. It keeps its cause.
func TestFirstRemedyCounts(t *testing.T) {
	damaged, newer, odd := errors.New("damaged"), errors.New("newer"), errors.New("odd")
	remedies := []Remedy{{newer, "update"}, {damaged, "restore"}, {fs.ErrNotExist, "create"}}
	all := append(remedies[:len(remedies):len(remedies)], Remedy{nil, "ask"})
	for _, test := range []struct {
		cause    error
		remedies []Remedy
		hint     string // "": none
	}{
		{fmt.Errorf("%w: page 7: %w", damaged, fs.ErrNotExist), all, "restore"},
		{fmt.Errorf("%w: page 7: %w", fs.ErrNotExist, damaged), all, "restore"},
		{fmt.Errorf("%w: %w", damaged, newer), all, "update"},
		{fs.ErrNotExist, all, "create"},
		{odd, all, "ask"},
		{odd, remedies, ""},
	} {
		want := test.cause.Error()
		if test.hint != "" {
			want += "\nhint: " + test.hint
		}
		for range 50 { // ranging over a map would differ between runs
			if got := Add(test.cause, test.remedies); got.Error() != want || !errors.Is(got, test.cause) {
				t.Fatalf("got  %q\nwant %q", got, want)
			}
		}
	}
}
