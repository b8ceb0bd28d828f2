package web

import (
	"errors"
	"net/http"

	"chat/relay/files"
	"chat/relay/wire"
)

// This file answers requests that fail.

// A statusError is a rejection with an HTTP status.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// A rejection is the error or bye event by which the room rejected a message.
type rejection struct{ event wire.Event }

func (r *rejection) Error() string { return r.event.Text }

// statuses are the HTTP statuses (RFC 9110, section 15) of the room's codes; other codes have 400.
var statuses = map[wire.Code]int{
	wire.CodeTooLong:    http.StatusRequestEntityTooLarge,
	wire.CodeBanned:     http.StatusForbidden,
	wire.CodeMuted:      http.StatusForbidden,
	wire.CodeNotAllowed: http.StatusForbidden,
	wire.CodeFull:       http.StatusServiceUnavailable,
	wire.CodeShutdown:   http.StatusServiceUnavailable,
	wire.CodeNotRead:    http.StatusServiceUnavailable,
	wire.CodeReplaced:   http.StatusServiceUnavailable,
	wire.CodeNoSuchFile: http.StatusNotFound,
	wire.CodeNotStored:  http.StatusInsufficientStorage,
	wire.CodeNoSecret:   http.StatusUnauthorized,
	wire.CodeAuthFailed: http.StatusUnauthorized,
	wire.CodeTooMany:    http.StatusTooManyRequests,
	wire.CodeNotMember:  http.StatusForbidden,
	wire.CodeListenOnly: http.StatusForbidden,
}

// reject answers that a visit failed with err.
func (h *Handler) reject(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if r, ok := errors.AsType[*rejection](err); ok {
		if status = statuses[r.event.Code]; status == 0 {
			status = http.StatusBadRequest
		}
	}
	if known, ok := errors.AsType[*statusError](err); ok {
		status = known.status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5") // seconds
	}
	http.Error(w, err.Error(), status)
}

// refuseAll has all requests that match one of the patterns answered with a status and words.
func (h *Handler) refuseAll(status int, words string, patterns ...string) {
	for _, pattern := range patterns {
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, words, status) })
	}
}

// fileStatuses are the HTTP statuses of upload errors. An error may wrap several; the first one
// in the list counts.
var fileStatuses = []struct {
	err    error
	status int
}{
	{files.ErrClosed, http.StatusServiceUnavailable},
	{files.ErrShelf, http.StatusServiceUnavailable},
	{files.ErrOff, http.StatusForbidden},
	{files.ErrGone, http.StatusNotFound},
	{files.ErrCut, http.StatusConflict},
	{files.ErrOffset, http.StatusConflict},
	{files.ErrSize, http.StatusBadRequest},
	{files.ErrChecksum, statusChecksum},
	{files.ErrBusy, http.StatusTooManyRequests},
	{files.ErrNoRoom, http.StatusInsufficientStorage},
	{files.ErrShare, http.StatusInsufficientStorage},
	{files.ErrDiskFull, http.StatusInsufficientStorage},
	{errStalled, http.StatusRequestTimeout},
	{errIncomplete, http.StatusBadRequest},
}

// rejectUpload answers that an upload failed with err.
func (h *Handler) rejectUpload(w http.ResponseWriter, err error) {
	if tooLarge, ok := errors.AsType[*files.TooLargeError](err); ok {
		http.Error(w, tooLarge.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if low, ok := errors.AsType[*files.LowDiskError](err); ok {
		http.Error(w, low.Error(), http.StatusInsufficientStorage)
		return
	}
	for _, known := range fileStatuses {
		if !errors.Is(err, known.err) {
			continue
		}
		why := known.err.Error()
		if known.err == files.ErrGone {
			why = "the host does not have that upload; start over"
		}
		http.Error(w, why, known.status)
		return
	}
	h.opts.Log.Error("a file cannot be stored", "error", err)
	http.Error(w, "the host cannot store the file", http.StatusInternalServerError)
}

// unreadable answers that the history cannot be read.
func (h *Handler) unreadable(w http.ResponseWriter, err error) {
	h.opts.Log.Error("the history cannot be read for a script", "error", err)
	http.Error(w, "the host cannot read its history", http.StatusServiceUnavailable)
}
