package web

import (
	"bytes"
	"cmp"
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

// This file serves files: uploads by PUT, downloads by GET. tus.go has uploads by tus.

// handleFiles registers the handlers of /files/.
func (h *Handler) handleFiles() {
	if h.opts.Files == nil {
		h.refuseAll(http.StatusNotFound, "this host does not accept files", "/files", "/files/")
		return
	}
	h.refuseAll(http.StatusBadRequest, "the file has no name; use curl -T FILE http://HOST/files/NAME", "PUT /{$}", "PUT /files", "PUT /files/{$}")
	h.mux.HandleFunc("POST /files", func(w http.ResponseWriter, r *http.Request) { // a redirect would lose the body
		http.Error(w, "this path ends with a slash: /files/; or use curl -T FILE http://HOST/files/NAME", http.StatusBadRequest)
	})
	h.mux.HandleFunc("GET /files/{$}", h.listFiles)
	h.mux.HandleFunc("GET /files/{number}", h.download)
	h.mux.HandleFunc("GET /files/{number}/{name...}", h.download)
	h.mux.HandleFunc("PUT /files/{name}", h.put)
	h.handleTus()
}

// moveToFiles makes PUT /NAME, which people try, a PUT /files/NAME. Other paths of the host stay as
// they are.
func (h *Handler) moveToFiles(r *http.Request) {
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if r.Method != http.MethodPut || name == "" || strings.Contains(name, "/") {
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		if _, pattern := h.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "" {
			return
		}
	}
	r.URL.Path, r.URL.RawPath = "/files"+r.URL.Path, "/files"+r.URL.EscapedPath()
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
	f, content, err := h.opts.Files.File(r.Context(), number)
	switch {
	case errors.Is(err, files.ErrRemoved):
		http.Error(w, fmt.Sprintf("an operator removed file %d", number), http.StatusGone)
		return
	case err != nil:
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

// put uploads a file and publishes it in the room: curl -T FILE http://HOST/files/
//
// Repr-Digest (RFC 9530) can hold its SHA-256. A sender that waits for 100-continue learns of a
// rejection before it sends the body.
func (h *Handler) put(w http.ResponseWriter, r *http.Request) {
	if rejectHeaders(w, r) {
		return
	}
	sum, err := digestOf(r, "Repr-Digest", "Content-Digest", "Digest")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	nick := r.URL.Query().Get("nick")
	key, err := checkSender(r, nick)
	if err != nil {
		h.reject(w, err)
		return
	}
	content := contentOf(http.MethodPut, r.PathValue("name"), fmt.Sprint(r.ContentLength), sum)
	earlier, err := h.repeated(r, nick, key, content)
	switch {
	case err != nil:
		h.reject(w, err)
		return
	case earlier != nil:
		h.answer(w)(earlier.wait())
		return
	}
	u, err := h.opts.Files.Begin(files.Offer{Name: r.PathValue("name"), Size: r.ContentLength, Sum: sum, Address: addressOf(r)})
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	defer u.Drop() // if it is not published
	if err := h.receive(w, r, u); err != nil {
		if err == files.ErrChecksum { // 460 belongs to tus
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.rejectUpload(w, err)
		return
	}
	h.answer(w)(h.visit(r, nick, wire.Request{Type: wire.TypeSend, File: u.ID()}, content))
}

// receive writes the body of a PUT to an upload.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, u *files.Upload) error {
	body := fileBodyOf(w, r)
	offset, err := u.Append(files.Piece{Body: body, Cut: body.cut})
	body.end()
	if _, finished := u.Finished(); err == nil && !finished {
		return fmt.Errorf("%w: %d of %d bytes", errIncomplete, offset, r.ContentLength)
	}
	return err
}
