package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"chat/relay/history"
)

// Each error of a file gets a hint that is about it, also if it wraps two known ones.
func TestHints(t *testing.T) {
	for _, test := range []struct {
		cause error
		hint  string
	}{
		{fmt.Errorf("open history x.chat: %w: page 7: %w", history.ErrDamaged, fs.ErrNotExist), "the readable part is above; sqlite3 x.chat "},
		{fmt.Errorf("open history x.chat: %w: %w", history.ErrDamaged, history.ErrNewer), "read it with the version "},
		{fs.ErrNotExist, "chat host --history "},
		{errors.New("odd"), "chat history needs "},
		{fmt.Errorf("print the history: %w", aFullDisk), "free some space"},
	} {
		got := fileError("x.chat", test.cause)
		if want := test.cause.Error() + "\nhint: " + test.hint; !strings.HasPrefix(got.Error(), want) || !errors.Is(got, test.cause) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
