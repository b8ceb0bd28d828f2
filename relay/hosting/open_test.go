package hosting

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"chat/relay/history"
)

// An error that wraps two known ones always gets the same hint, and keeps its cause.
func TestHistoryErrorsAreStable(t *testing.T) {
	bad := fmt.Errorf("open history x.chat: %w: page 7: %w", history.ErrDamaged, fs.ErrNotExist)
	newer := fmt.Errorf("open history x.chat: %w: %w", history.ErrDamaged, history.ErrNewer)
	for _, test := range []struct {
		cause error
		hint  string
	}{
		{bad, "the file is unchanged; print "},
		{newer, "the file is unchanged; host it with "},
		{fs.ErrNotExist, "create its folder first"},
		{errors.New("odd"), "choose another file "},
	} {
		for range 50 { // ranging over a map would differ between runs
			got := historyError("x.chat", test.cause)
			if want := test.cause.Error() + "\nhint: " + test.hint; !strings.HasPrefix(got.Error(), want) || !errors.Is(got, test.cause) {
				t.Fatalf("got  %q\nwant %q", got, want)
			}
		}
	}
}
