package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"chat/relay/history"
)

// An error that wraps two known ones always gets the same hint, and keeps its cause.
func TestHistoryErrorsAreStable(t *testing.T) {
	bad := fmt.Errorf("%w: page 7: %w", history.ErrDamaged, fs.ErrNotExist)
	newer := fmt.Errorf("%w: %w", history.ErrDamaged, history.ErrNewer)
	missing := &fs.PathError{Op: "stat", Path: "x.chat", Err: syscall.ENOENT}
	for range 50 { // ranging over a map would differ between runs
		for _, test := range []struct {
			got  error
			want string
		}{
			{readHistoryError("x.chat", bad), "cannot read x.chat: it is damaged: page 7: file does not exist\nhint: the readable part "},
			{readHistoryError("x.chat", newer), "cannot read x.chat: it is damaged: it was written by a newer version of this program\nhint: read it with the version "},
			{readHistoryError("x.chat", missing), "cannot read x.chat: no such file or directory\nhint: chat host --history "},
			{readHistoryError("x.chat", errors.New("odd")), "cannot read x.chat: odd"},
			{hostHistoryError("x.chat", fmt.Errorf("open history x.chat: %w", bad)), "open history x.chat: it is damaged: page 7: file does not exist\nhint: the file is unchanged; print "},
			{hostHistoryError("x.chat", fmt.Errorf("open history x.chat: %w", newer)), "open history x.chat: it is damaged: it was written by a newer version of this program\nhint: the file is unchanged; host it with "},
		} {
			if got := test.got.Error(); !strings.HasPrefix(got, test.want) {
				t.Fatalf("got  %q\nwant %q", got, test.want)
			}
		}
	}
	if !errors.Is(readHistoryError("x.chat", missing), fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}
