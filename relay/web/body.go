package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// This file reads the bodies of requests, and rejects those that a header gives another meaning than
// the host would.

// checkBody returns a *statusError if a header changes what the body means in a way that the host does
// not follow.
//
// Range, on the other hand, has no meaning for other methods than GET (RFC 9110, section 14.2), and
// net/http rejects a Transfer-Encoding or an Expect that it does not know.
func checkBody(r *http.Request) error {
	for _, coding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return &statusError{http.StatusUnsupportedMediaType, "the body has a Content-Encoding; send it as it is"}
		}
	}
	switch {
	case r.Header.Get("Content-Range") != "": // RFC 9110, section 14.5
		return &statusError{http.StatusBadRequest, "a part of a file cannot be sent (Content-Range); send all of it, or resume with tus"}
	case r.Method == http.MethodPut && r.Header.Get("If-Match") != "": // RFC 9110, section 13.1.1
		return &statusError{http.StatusPreconditionFailed, "every upload is a new file (If-Match)"}
	case r.Header.Get("Upload-Complete") == "?0" || isPieceOutsideTus(r):
		return &statusError{http.StatusBadRequest, "a file in pieces is sent by tus: POST /files/, then PATCH"}
	}
	return nil
}

// isPieceOutsideTus reports whether headers say that the body of a PUT or of a message is a piece of
// something.
func isPieceOutsideTus(r *http.Request) bool {
	if r.Method != http.MethodPut && r.URL.Path != "/messages" {
		return false
	}
	return slices.ContainsFunc([]string{"Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Concat"}, func(name string) bool {
		return r.Header.Get(name) != ""
	})
}

// rejectHeaders answers a request whose headers checkBody rejects, and returns true.
func rejectHeaders(w http.ResponseWriter, r *http.Request) bool {
	err := checkBody(r)
	fault, ok := errors.AsType[*statusError](err)
	if !ok {
		return false
	}
	if fault.status == http.StatusUnsupportedMediaType {
		w.Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16
	}
	http.Error(w, fault.text, fault.status)
	return true
}

// digestOf returns the SHA-256 of the whole body or file in Repr-Digest or Content-Digest (RFC 9530:
// sha-256=:BASE64:) or the older Digest (RFC 3230: SHA-256=BASE64); nil if there is none. Without a
// Content-Encoding or a range they are the same.
func digestOf(r *http.Request, names ...string) ([]byte, error) {
	for _, name := range names {
		for field := range strings.SplitSeq(strings.Join(r.Header.Values(name), ","), ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			if !strings.EqualFold(algorithm, "sha-256") {
				continue
			}
			value, _, _ = strings.Cut(value, ";")
			sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ": "))
			if err != nil || len(sum) != sha256.Size {
				return nil, fmt.Errorf("%s must be sha-256=:BASE64: with 32 bytes", name)
			}
			return sum, nil
		}
	}
	return nil, nil
}

// A posted is the body of POST /messages.
type posted struct {
	Text string `json:"text"`
	Nick string `json:"nick"`
	File string `json:"file"` // the ID of an upload
}

// readPosted reads the body of POST /messages: plain text, JSON, or the fields of a form with files
// (curl -F). The error is a *statusError.
func (h *Handler) readPosted(w http.ResponseWriter, r *http.Request) (posted, error) {
	message := posted{Nick: r.URL.Query().Get("nick")}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; charset != "" && !slices.Contains([]string{"utf-8", "utf8", "us-ascii"}, strings.ToLower(charset)) {
		return message, &statusError{http.StatusUnsupportedMediaType, "the text has another charset; send it as UTF-8"}
	}
	sum, err := digestOf(r, "Content-Digest", "Repr-Digest", "Digest")
	if err != nil {
		return message, &statusError{http.StatusBadRequest, err.Error()}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.room.MaxLine())))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return message, &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf(
				"the message is too long: %d bytes are the limit, and less for its text; upload a file with curl -T FILE", h.room.MaxLine())}
		}
		return message, &statusError{http.StatusBadRequest, "the message is incomplete"}
	}
	if got := sha256.Sum256(body); sum != nil && !bytes.Equal(got[:], sum) {
		return message, &statusError{http.StatusBadRequest, "the message arrived damaged; send it again"}
	}
	if kind != "multipart/form-data" {
		body = unmarked(body)
	}
	switch {
	case kind == "application/json":
		if err := json.Unmarshal(body, &message); err != nil {
			return message, &statusError{http.StatusBadRequest, `invalid JSON; send a message as {"text":"soup is ready","nick":"alice"}`}
		}
	case kind == "multipart/form-data":
		return message, message.readForm(multipart.NewReader(bytes.NewReader(body), params["boundary"]))
	case isMedia(kind):
		return message, &statusError{http.StatusUnsupportedMediaType, "a message is text; upload a file with curl -T FILE"}
	default:
		message.Text = string(body)
	}
	return message, nil
}

// unmarked returns text as UTF-8 without a byte order mark. The mark is how UTF-16 is recognized:
// Windows PowerShell writes it at the start of files.
func unmarked(text []byte) []byte {
	decoded, _, err := transform.Bytes(unicode.BOMOverride(transform.Nop), text)
	if err != nil { // none of these decoders fails
		return text
	}
	return decoded
}

func isMedia(kind string) bool {
	major, _, _ := strings.Cut(kind, "/")
	return slices.Contains([]string{"image", "audio", "video", "font", "multipart"}, major)
}

// readForm reads the fields text and nick of a form.
func (m *posted) readForm(form *multipart.Reader) error {
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil
		}
		var value []byte
		if err == nil {
			value, err = io.ReadAll(part) // the body was limited already
		}
		switch {
		case err != nil:
			return &statusError{http.StatusBadRequest, "the form is incomplete"}
		case part.FileName() != "":
			return &statusError{http.StatusUnsupportedMediaType, "a message is text; upload a file with curl -T FILE"}
		case part.FormName() == "text":
			m.Text = string(unmarked(value))
		case part.FormName() == "nick":
			m.Nick = string(unmarked(value))
		}
	}
}
