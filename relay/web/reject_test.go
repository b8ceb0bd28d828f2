package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"chat/relay/files"
)

// An error always has the same answer, also if it wraps several known ones.
func TestRejectUpload(t *testing.T) {
	h := &Handler{opts: Options{Log: slog.New(slog.DiscardHandler)}}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"the room closed while the body broke off", fmt.Errorf("%w: %w", errIncomplete, files.ErrClosed), http.StatusServiceUnavailable},
		{"dropped and full", errors.Join(files.ErrDiskFull, files.ErrGone), http.StatusNotFound},
		{"cut off and incomplete", errors.Join(errIncomplete, files.ErrCut), http.StatusConflict},
		{"all of them", errors.Join(files.ErrOffset, files.ErrNoRoom, files.ErrBusy, errStalled, files.ErrChecksum, files.ErrClosed), http.StatusServiceUnavailable},
		{"the cluster is down", fmt.Errorf("publish: %w", files.ErrShelf), http.StatusServiceUnavailable},
		{"too large and full", errors.Join(files.ErrNoRoom, &files.TooLargeError{Limit: 100}), http.StatusRequestEntityTooLarge},
		{"unknown", errors.New("the disk burns"), http.StatusInternalServerError},
	} {
		answers := make(map[string]int)
		for range 100 {
			w := httptest.NewRecorder()
			h.rejectUpload(w, test.err)
			answers[fmt.Sprint(w.Code, " ", w.Body)]++
			if w.Code != test.want {
				t.Errorf("%s: %d %s, want %d", test.name, w.Code, w.Body, test.want)
				break
			}
		}
		if len(answers) != 1 {
			t.Errorf("%s has different answers: %v", test.name, answers)
		}
	}
}
