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

// This file is the files: uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload, with
// its extensions creation and termination) or by PUT, downloads by GET.

// handleFiles serves files, where the host takes some.
func (h *Handler) handleFiles() {
	if h.opts.Files == nil {
		h.mux.HandleFunc("/files/", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "this host takes no files", http.StatusNotFound)
		})
		return
	}
	h.mux.HandleFunc("GET /files/{$}", h.listFiles)
	h.mux.HandleFunc("GET /files/{number}", h.download)
	h.mux.HandleFunc("GET /files/{number}/{name...}", h.download)
	h.mux.HandleFunc("PUT /files/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "the file has no name; curl -T FILE http://HOST/files/NAME gives it one", http.StatusBadRequest)
	})
	h.mux.HandleFunc("PUT /files/{name}", h.put)
	h.mux.HandleFunc("OPTIONS /files/", h.tusOptions)
	h.mux.HandleFunc("POST /files/{$}", h.tus(h.create))
	h.mux.HandleFunc("HEAD /files/uploads/{id}", h.tus(h.offset))
	h.mux.HandleFunc("PATCH /files/uploads/{id}", h.tus(h.patch))
	h.mux.HandleFunc("DELETE /files/uploads/{id}", h.tus(h.giveUp))
}

// --- downloads --------------------------------------------------------------------

const (
	defaultFiles = 200
	maxFiles     = 1000
)

// listFiles answers with the files that the host has, one JSON object a line, newest first:
// ?count of them, below the number ?before.
func (h *Handler) listFiles(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	before, beforeErr := strconv.ParseUint(cmp.Or(query.Get("before"), "0"), 10, 53)
	count, countErr := strconv.Atoi(cmp.Or(query.Get("count"), strconv.Itoa(defaultFiles)))
	if beforeErr != nil || countErr != nil || count < 1 {
		http.Error(w, "count is how many files, from 1 on; before is the number of a file", http.StatusBadRequest)
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

// filePolicy lets a file that a browser shows do nothing at all.
const filePolicy = "sandbox; default-src 'none'"

// download answers with a file, or the part of it that is asked for. What it is called in
// the path makes no difference.
func (h *Handler) download(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 53)
	if err != nil {
		http.Error(w, "there is no such file; /files/ lists those that there are", http.StatusNotFound)
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
	header.Set("Cache-Control", "private, no-cache") // another host gives the number to another file
	// No time: the ETag alone says whether a part belongs to the rest. The writer is the
	// server's own, by which the system copies the file to the connection.
	http.ServeContent(w, r, "", time.Time{}, content)
}

// attachment returns a Content-Disposition by which a file is saved under its name
// (RFC 6266, section 4.3, and RFC 8187): in ASCII for programs that know no more, and whole.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r >= utf8.RuneSelf || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	var whole strings.Builder
	for i := range len(name) {
		if c := name[i]; isAttrChar(c) {
			whole.WriteByte(c)
		} else {
			fmt.Fprintf(&whole, "%%%02X", c)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii, whole.String())
}

// isAttrChar reports an attr-char of RFC 8187, section 3.2.1.
func isAttrChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}

// --- uploads ----------------------------------------------------------------------

// statusChecksum is that of the tus extension checksum.
const statusChecksum = 460

// fileStatuses are the HTTP statuses of errors, the most telling ones first: an error may wrap several.
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
	{errStill, http.StatusRequestTimeout},
	{errIncomplete, http.StatusBadRequest},
}

// refuseFile answers that an upload failed with err.
func (h *Handler) refuseFile(w http.ResponseWriter, err error) {
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
	errIncomplete = errors.New("the file did not come in whole")
	errStill      = errors.New("nothing more came of the file for too long")
)

// bodyStall is how long a file that comes may stand still.
const bodyStall = 30 * time.Second

// A fileBody is the body of a request that brings a file. It is cut when nothing comes, or
// when another request goes on with the file; how long all of it takes is nobody's business.
type fileBody struct {
	body    io.Reader
	control *http.ResponseController

	mu    sync.Mutex
	isCut bool
}

func bodyOf(w http.ResponseWriter, r *http.Request) *fileBody {
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
		return n, errStill
	}
	return n, fmt.Errorf("%w: %w", errIncomplete, err)
}

// cut makes a Read return soon. It may be called at any time.
func (b *fileBody) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isCut = true
	b.control.SetReadDeadline(time.Unix(1, 0))
}

// over takes the deadline off: the room may take its time over what is said.
func (b *fileBody) over() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isCut {
		b.control.SetReadDeadline(time.Time{})
	}
}

// senderOf returns what the number of uploads is counted by; "" for this machine.
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

// put takes a file and says it in the room, in one: curl -T FILE http://HOST/files/
//
// Its SHA-256 may be in Repr-Digest (RFC 9530), and what it is refused for is told before the
// body comes, where the sender waits for that (Expect: 100-continue).
func (h *Handler) put(w http.ResponseWriter, r *http.Request) {
	sum, err := reprDigest(r.Header.Values("Repr-Digest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u, err := h.opts.Files.Begin(files.Offer{Name: r.PathValue("name"), Size: r.ContentLength, Sum: sum, Address: senderOf(r)})
	if err != nil {
		h.refuseFile(w, err)
		return
	}
	defer u.Drop() // if it is not said
	body := bodyOf(w, r)
	offset, err := u.Append(files.Piece{Body: body, Cut: body.cut})
	body.over()
	switch _, whole := u.Finished(); {
	case err == files.ErrChecksum:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err == nil && !whole:
		err = fmt.Errorf("%w: %d of %d bytes", errIncomplete, offset, r.ContentLength)
		fallthrough
	case err != nil:
		h.refuseFile(w, err)
		return
	}
	e, err := h.visit(r, r.URL.Query().Get("nick"), wire.Request{Type: wire.TypeSend, File: u.ID()})
	if err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if e.File != nil {
		w.Header().Set("Location", e.File.Path)
	}
	w.WriteHeader(http.StatusCreated)
	w.Write(e.AppendJSON(nil))
}

// reprDigest finds the SHA-256 in a Repr-Digest (RFC 9530, section 3): sha-256=:BASE64:, among
// others. nil: it is not there.
func reprDigest(values []string) ([]byte, error) {
	for field := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if !strings.EqualFold(name, "sha-256") {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ": "))
		if err != nil || len(sum) != sha256Size {
			return nil, errors.New("Repr-Digest is sha-256=:BASE64: of the file's 32 bytes")
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

// tus serves requests of the version of the protocol that the host speaks.
func (h *Handler) tus(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", tusVersion)
		if r.Header.Get("Tus-Resumable") != tusVersion {
			w.Header().Set("Tus-Version", tusVersion)
			http.Error(w, "this host speaks tus "+tusVersion+"; curl -T FILE does without it", http.StatusPreconditionFailed)
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

// create begins an upload.
func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 {
		http.Error(w, "Upload-Length is how many bytes the file has", http.StatusBadRequest)
		return
	}
	about, err := parseMetadata(r.Header.Get("Upload-Metadata"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u, err := h.opts.Files.Begin(files.Offer{Name: about.name, Size: size, Sum: about.sum, Address: senderOf(r), Resumable: true})
	if err != nil {
		h.refuseFile(w, err)
		return
	}
	w.Header().Set("Location", "/files/uploads/"+u.ID())
	tellWhole(w, u)
	w.WriteHeader(http.StatusCreated)
}

// tellWhole tells the number of a file that has come.
func tellWhole(w http.ResponseWriter, u *files.Upload) {
	if f, ok := u.Finished(); ok {
		w.Header().Set("Chat-File", strconv.FormatUint(f.Number, 10))
	}
}

// metadata is what the one who sends a file tells of it.
type metadata struct {
	name string
	sum  []byte // SHA-256; nil: not told
}

// maxMetadata is how long Upload-Metadata is at most, in bytes: a name of 255, a checksum,
// and some more.
const maxMetadata = 4 << 10

// parseMetadata reads Upload-Metadata: pairs of a key and a value in base64, with commas
// between them. What the host has no use for it passes over.
func parseMetadata(s string) (metadata, error) {
	var about metadata
	if len(s) > maxMetadata {
		return about, fmt.Errorf("Upload-Metadata has at most %d bytes", maxMetadata)
	}
	for pair := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return about, errors.New("the values in Upload-Metadata are base64")
		}
		switch key {
		case "filename":
			about.name = string(decoded)
		case "sha256":
			if about.sum, err = hex.DecodeString(string(decoded)); err != nil || len(about.sum) != sha256Size {
				return about, errors.New("sha256 in Upload-Metadata is base64 of 64 hexadecimal digits")
			}
		}
	}
	return about, nil
}

// upload finds the one that is meant; nil: that there is none is answered.
func (h *Handler) upload(w http.ResponseWriter, r *http.Request) *files.Upload {
	u := h.opts.Files.Upload(r.PathValue("id"))
	if u == nil {
		h.refuseFile(w, files.ErrGone)
	}
	return u
}

// offset answers how far an upload is.
func (h *Handler) offset(w http.ResponseWriter, r *http.Request) {
	u := h.upload(w, r)
	if u == nil {
		return
	}
	offset, err := u.Offset()
	if err != nil {
		h.refuseFile(w, err)
		return
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Size(), 10))
	w.Header().Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(u.Name())))
	tellWhole(w, u)
	w.WriteHeader(http.StatusOK)
}

// patch goes on with an upload.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
		http.Error(w, "a part of a file is application/offset+octet-stream", http.StatusUnsupportedMediaType)
		return
	}
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 {
		http.Error(w, "Upload-Offset is where in the file the part begins", http.StatusBadRequest)
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
		http.Error(w, fmt.Sprintf("the file has %d bytes, and these go beyond", u.Size()), http.StatusRequestEntityTooLarge)
		return
	}
	body := bodyOf(w, r)
	offset, err := u.Append(files.Piece{Offset: at, Body: body, Cut: body.cut, Sum: sum})
	body.over()
	if err != nil {
		h.refuseFile(w, err)
		return
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	tellWhole(w, u)
	w.WriteHeader(http.StatusNoContent)
}

// parseChecksum reads Upload-Checksum, which says here what the whole file is: "sha256 BASE64".
func parseChecksum(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	kind, value, _ := strings.Cut(s, " ")
	sum, err := base64.StdEncoding.DecodeString(value)
	if kind != "sha256" || err != nil || len(sum) != sha256Size {
		return nil, errors.New("Upload-Checksum is sha256 and the base64 of the whole file's 32 bytes")
	}
	return sum, nil
}

// giveUp drops an upload.
func (h *Handler) giveUp(w http.ResponseWriter, r *http.Request) {
	if u := h.upload(w, r); u != nil {
		u.Drop()
		w.WriteHeader(http.StatusNoContent)
	}
}
