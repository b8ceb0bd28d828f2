package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"chat/relay/history"
)

// An error that wraps two known ones always gets the same hint, and keeps its cause.
func TestErrorsAreStable(t *testing.T) {
	bad := fmt.Errorf("open history x.chat: %w: page 7: %w", history.ErrDamaged, fs.ErrNotExist)
	newer := fmt.Errorf("open history x.chat: %w: %w", history.ErrDamaged, history.ErrNewer)
	odd := errors.New("odd")
	for range 50 { // ranging over a map would differ between runs
		for _, test := range []struct {
			got, cause error
			hint       string
		}{
			{fileError("x.chat", bad), bad, "the readable part is above; sqlite3 x.chat "},
			{fileError("x.chat", newer), newer, "read it with the version "},
			{fileError("x.chat", fs.ErrNotExist), fs.ErrNotExist, "chat host --history "},
			{fileError("x.chat", odd), odd, "chat history needs "},
		} {
			if want := test.cause.Error() + "\nhint: " + test.hint; !strings.HasPrefix(test.got.Error(), want) || !errors.Is(test.got, test.cause) {
				t.Fatalf("got  %q\nwant %q", test.got, want)
			}
		}
	}
}
