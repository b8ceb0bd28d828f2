package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"chat/relay/files"
	"chat/relay/wire"
)

// This file serves files: uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload, with
// the extensions creation and termination) or by PUT, downloads by GET.

// handleFiles registers the handlers of /files/.
func (h *Handler) handleFiles() {
	if h.opts.Files == nil {
		h.mux.HandleFunc("/files/", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "this host does not accept files", http.StatusNotFound)
		})
		return
	}
	h.mux.HandleFunc("GET /files/{$}", h.listFiles)
	h.mux.HandleFunc("GET /files/{number}", h.download)
	h.mux.HandleFunc("GET /files/{number}/{name...}", h.download)
	h.mux.HandleFunc("PUT /files/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "the file has no name; use curl -T FILE http://HOST/files/NAME", http.StatusBadRequest)
	})
	h.mux.HandleFunc("PUT /files/{name}", h.put)
	h.mux.HandleFunc("OPTIONS /files/", h.tusOptions)
	h.mux.HandleFunc("POST /files/{$}", h.tus(h.create))
	h.mux.HandleFunc("HEAD /files/uploads/{id}", h.tus(h.offset))
	h.mux.HandleFunc("PATCH /files/uploads/{id}", h.tus(h.patch))
	h.mux.HandleFunc("DELETE /files/uploads/{id}", h.tus(h.cancel))
}

// --- downloads --------------------------------------------------------------------

const (
	defaultFiles = 200
	maxFiles     = 1000
)

// listFiles answers GET /files/ with the host's files, one JSON object per line, newest first: up
// to ?count files with numbers below ?before.
func (h *Handler) listFiles(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	before, beforeErr := strconv.ParseUint(cmp.Or(query.Get("before"), "0"), 10, 53)
	count, countErr := strconv.Atoi(cmp.Or(query.Get("count"), strconv.Itoa(defaultFiles)))
	if beforeErr != nil || countErr != nil || count < 1 {
		http.Error(w, "count must be a number from 1 up, before the number of a file", http.StatusBadRequest)
		return
	}
	var answer bytes.Buffer
	lines := json.NewEncoder(&answer)
	lines.SetEscapeHTML(false)
	for _, f := range h.opts.Files.List(before, min(count, maxFiles)) {
		if err := lines.Encode(f); err != nil {
			h.opts.Log.Debug("answer", "error", err)
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Write(answer.Bytes())
}

// filePolicy keeps a file that a browser shows from doing anything.
const filePolicy = "sandbox; default-src 'none'"

// download answers GET of a file, with ranges. It ignores the name in the path.
func (h *Handler) download(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 53)
	if err != nil {
		http.Error(w, "no such file; /files/ lists them", http.StatusNotFound)
		return
	}
	f, content, err := h.opts.Files.File(number)
	if err != nil {
		if !errors.Is(err, files.ErrGone) {
			h.opts.Log.Error("a file cannot be read", "error", err)
		}
		http.Error(w, fmt.Sprintf("the host no longer has file %d", number), http.StatusNotFound)
		return
	}
	defer content.Close()
	header := w.Header()
	header.Set("Content-Type", f.Type)
	header.Set("Content-Disposition", attachment(f.Name))
	header.Set("Content-Security-Policy", filePolicy)
	header.Set("ETag", `"`+f.SHA256+`"`)
	header.Set("Cache-Control", "private, no-cache") // at another host this number is another file
	// Without a time, only the ETag decides whether a range belongs to the same file. The
	// writer must be the server's own, so that the system copies the file to the connection.
	http.ServeContent(w, r, "", time.Time{}, content)
}

// attachment returns a Content-Disposition that makes a browser save the file under name
// (RFC 6266, section 4.3, and RFC 8187). Older programs get the name in ASCII.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r >= utf8.RuneSelf || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	var encoded strings.Builder
	for i := range len(name) {
		if c := name[i]; isAttrChar(c) {
			encoded.WriteByte(c)
		} else {
			fmt.Fprintf(&encoded, "%%%02X", c)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii, encoded.String())
}

// isAttrChar reports whether c is an attr-char (RFC 8187, section 3.2.1).
func isAttrChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}

// --- uploads ----------------------------------------------------------------------

// statusChecksum is the status of a wrong checksum, from tus's checksum extension.
const statusChecksum = 460

// fileStatuses are the HTTP statuses of upload errors. An error may wrap several; the first one
// in the list counts.
var fileStatuses = []struct {
	err    error
	status int
}{
	{files.ErrClosed, http.StatusServiceUnavailable},
	{files.ErrGone, http.StatusNotFound},
	{files.ErrCut, http.StatusConflict},
	{files.ErrOffset, http.StatusConflict},
	{files.ErrChecksum, statusChecksum},
	{files.ErrBusy, http.StatusTooManyRequests},
	{files.ErrNoRoom, http.StatusInsufficientStorage},
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

var (
	errIncomplete = errors.New("the file is incomplete")
	errStalled    = errors.New("the upload stalled for too long")
)

// bodyStall is how long an upload may bring no byte.
const bodyStall = 30 * time.Second

// A fileBody is the body of a request that uploads a file. It fails when no byte arrives for
// bodyStall, or when another request continues the upload. There is no limit for the whole body.
type fileBody struct {
	// Owned by the handler.
	body    io.Reader
	control *http.ResponseController

	mu    sync.Mutex
	isCut bool // guarded by mu, as is the order of read deadlines
}

func fileBodyOf(w http.ResponseWriter, r *http.Request) *fileBody {
	return &fileBody{body: r.Body, control: http.NewResponseController(w)}
}

func (b *fileBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.isCut {
		b.mu.Unlock()
		return 0, files.ErrCut
	}
	b.control.SetReadDeadline(time.Now().Add(bodyStall))
	b.mu.Unlock()
	n, err := b.body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case b.isCut:
		return n, files.ErrCut
	case ok && timeout.Timeout():
		return n, errStalled
	}
	return n, fmt.Errorf("%w: %w", errIncomplete, err)
}

// cut makes a Read return soon. It may be called at any time, by any goroutine.
func (b *fileBody) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isCut = true
	b.control.SetReadDeadline(time.Unix(1, 0))
}

// end removes the deadline, because the room may take longer to answer.
func (b *fileBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isCut {
		b.control.SetReadDeadline(time.Time{})
	}
}

// senderOf returns the address that limits of uploads count; "" for this machine.
func senderOf(r *http.Request) string {
	if isLoopback(r.RemoteAddr) {
		return ""
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// put uploads a file and publishes it in the room: curl -T FILE http://HOST/files/
//
// Repr-Digest (RFC 9530) can hold its SHA-256. A sender that waits for 100-continue learns of a
// rejection before it sends the body.
func (h *Handler) put(w http.ResponseWriter, r *http.Request) {
	sum, err := reprDigest(r.Header.Values("Repr-Digest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u, err := h.opts.Files.Begin(files.Offer{Name: r.PathValue("name"), Size: r.ContentLength, Sum: sum, Address: senderOf(r)})
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	defer u.Drop() // if it is not published
	body := fileBodyOf(w, r)
	offset, err := u.Append(files.Piece{Body: body, Cut: body.cut})
	body.end()
	switch _, finished := u.Finished(); {
	case err == files.ErrChecksum:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err == nil && !finished:
		err = fmt.Errorf("%w: %d of %d bytes", errIncomplete, offset, r.ContentLength)
		fallthrough
	case err != nil:
		h.rejectUpload(w, err)
		return
	}
	e, err := h.visit(r, r.URL.Query().Get("nick"), wire.Request{Type: wire.TypeSend, File: u.ID()})
	if err != nil {
		h.reject(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if e.File != nil {
		w.Header().Set("Location", e.File.Path)
	}
	w.WriteHeader(http.StatusCreated)
	w.Write(e.AppendJSON(nil))
}

// reprDigest returns the SHA-256 in a Repr-Digest (RFC 9530, section 3): sha-256=:BASE64:, among
// others; nil if there is none.
func reprDigest(values []string) ([]byte, error) {
	for field := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if !strings.EqualFold(name, "sha-256") {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ": "))
		if err != nil || len(sum) != sha256Size {
			return nil, errors.New("Repr-Digest must be sha-256=:BASE64: with 32 bytes")
		}
		return sum, nil
	}
	return nil, nil
}

const sha256Size = 32 // bytes

// --- tus --------------------------------------------------------------------------

const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,termination"
)

// tus wraps a handler that needs the host's version of tus.
func (h *Handler) tus(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", tusVersion)
		if r.Header.Get("Tus-Resumable") != tusVersion {
			w.Header().Set("Tus-Version", tusVersion)
			http.Error(w, "this host speaks tus "+tusVersion+"; curl -T FILE works without it", http.StatusPreconditionFailed)
			return
		}
		serve(w, r)
	}
}

func (h *Handler) tusOptions(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Tus-Resumable", tusVersion)
	header.Set("Tus-Version", tusVersion)
	header.Set("Tus-Extension", tusExtensions)
	header.Set("Tus-Max-Size", strconv.FormatInt(h.opts.Files.MaxFile(), 10))
	w.WriteHeader(http.StatusNoContent)
}

// create starts an upload.
func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 {
		http.Error(w, "Upload-Length must be the size of the file in bytes", http.StatusBadRequest)
		return
	}
	about, err := parseMetadata(r.Header.Get("Upload-Metadata"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u, err := h.opts.Files.Begin(files.Offer{Name: about.name, Size: size, Sum: about.sum, Address: senderOf(r), Resumable: true})
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	w.Header().Set("Location", "/files/uploads/"+u.ID())
	setFileNumber(w, u)
	w.WriteHeader(http.StatusCreated)
}

// setFileNumber sends the number of a finished upload's file.
func setFileNumber(w http.ResponseWriter, u *files.Upload) {
	if f, ok := u.Finished(); ok {
		w.Header().Set("Chat-File", strconv.FormatUint(f.Number, 10))
	}
}

// metadata is the part of Upload-Metadata that the host uses.
type metadata struct {
	name string
	sum  []byte // SHA-256; nil: unknown
}

// maxMetadata is the limit of Upload-Metadata in bytes: a name of 255, a checksum, and some more.
const maxMetadata = 4 << 10

// parseMetadata parses Upload-Metadata: comma-separated pairs of a key and a base64 value. It
// ignores unknown keys.
func parseMetadata(s string) (metadata, error) {
	var about metadata
	if len(s) > maxMetadata {
		return about, fmt.Errorf("Upload-Metadata is limited to %d bytes", maxMetadata)
	}
	for pair := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return about, errors.New("the values in Upload-Metadata must be base64")
		}
		switch key {
		case "filename":
			about.name = string(decoded)
		case "sha256":
			if about.sum, err = hex.DecodeString(string(decoded)); err != nil || len(about.sum) != sha256Size {
				return about, errors.New("sha256 in Upload-Metadata must be base64 of 64 hexadecimal digits")
			}
		}
	}
	return about, nil
}

// upload returns the upload in the path. If there is none, it answers the request and returns nil.
func (h *Handler) upload(w http.ResponseWriter, r *http.Request) *files.Upload {
	u := h.opts.Files.Upload(r.PathValue("id"))
	if u == nil {
		h.rejectUpload(w, files.ErrGone)
	}
	return u
}

// offset answers HEAD of an upload with its offset.
func (h *Handler) offset(w http.ResponseWriter, r *http.Request) {
	u := h.upload(w, r)
	if u == nil {
		return
	}
	offset, err := u.Offset()
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Size(), 10))
	w.Header().Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(u.Name())))
	setFileNumber(w, u)
	w.WriteHeader(http.StatusOK)
}

// patch continues an upload.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
		http.Error(w, "Content-Type must be application/offset+octet-stream", http.StatusUnsupportedMediaType)
		return
	}
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 {
		http.Error(w, "Upload-Offset must be the offset of the first byte", http.StatusBadRequest)
		return
	}
	sum, err := parseChecksum(r.Header.Get("Upload-Checksum"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u := h.upload(w, r)
	switch {
	case u == nil:
		return
	case u.Size() >= 0 && at+max(r.ContentLength, 0) > u.Size():
		http.Error(w, fmt.Sprintf("the file has %d bytes; these exceed it", u.Size()), http.StatusRequestEntityTooLarge)
		return
	}
	body := fileBodyOf(w, r)
	offset, err := u.Append(files.Piece{Offset: at, Body: body, Cut: body.cut, Sum: sum})
	body.end()
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	setFileNumber(w, u)
	w.WriteHeader(http.StatusNoContent)
}

// parseChecksum parses Upload-Checksum, which here is that of the whole file: "sha256 BASE64".
func parseChecksum(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	kind, value, _ := strings.Cut(s, " ")
	sum, err := base64.StdEncoding.DecodeString(value)
	if kind != "sha256" || err != nil || len(sum) != sha256Size {
		return nil, errors.New("Upload-Checksum must be sha256 and the base64 of the whole file's 32 bytes")
	}
	return sum, nil
}

// cancel drops an upload.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	if u := h.upload(w, r); u != nil {
		u.Drop()
		w.WriteHeader(http.StatusNoContent)
	}
}
