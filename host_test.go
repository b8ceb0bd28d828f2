package main

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
	odd := errors.New("odd")
	for range 50 { // ranging over a map would differ between runs
		for _, test := range []struct {
			got, cause error
			hint       string
		}{
			{readHistoryError("x.chat", bad), bad, "the readable part is above; sqlite3 x.chat "},
			{readHistoryError("x.chat", newer), newer, "read it with the version "},
			{readHistoryError("x.chat", fs.ErrNotExist), fs.ErrNotExist, "chat host --history "},
			{hostHistoryError("x.chat", bad), bad, "the file is unchanged; print "},
			{hostHistoryError("x.chat", newer), newer, "the file is unchanged; host it with "},
			{hostHistoryError("x.chat", fs.ErrNotExist), fs.ErrNotExist, "create its folder first"},
			{readHistoryError("x.chat", odd), odd, "chat history needs "},
			{hostHistoryError("x.chat", odd), odd, "choose another file "},
		} {
			if want := test.cause.Error() + "\nhint: " + test.hint; !strings.HasPrefix(test.got.Error(), want) || !errors.Is(test.got, test.cause) {
				t.Fatalf("got  %q\nwant %q", test.got, want)
			}
		}
	}
}
