package hosting

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"chat/relay/history"
)

// Each error of opening a history gets a hint that is about it, also if it wraps two known ones.
func TestHistoryHints(t *testing.T) {
	for _, test := range []struct {
		cause error
		hint  string
	}{
		{fmt.Errorf("open history x.chat: %w: page 7: %w", history.ErrDamaged, fs.ErrNotExist), "the file is unchanged; print "},
		{fmt.Errorf("open history x.chat: %w: %w", history.ErrDamaged, history.ErrNewer), "the file is unchanged; host it with "},
		{fs.ErrNotExist, "create its folder first"},
		{errors.New("odd"), "choose another file "},
	} {
		got := historyError("x.chat", test.cause)
		if want := test.cause.Error() + "\nhint: " + test.hint; !strings.HasPrefix(got.Error(), want) || !errors.Is(got, test.cause) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
