package web

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"chat/relay/files"
)

// This file serves uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-defer-length,creation-with-upload,checksum,concatenation,termination"
	tusChecksums  = "sha256,sha1,md5"

	uploadsPath = "/files/uploads/"
	pieceType   = "application/offset+octet-stream"
)

// statusChecksum is the status of a wrong checksum, from tus's checksum extension.
const statusChecksum = 460

// handleTus registers the handlers of uploads by tus.
func (h *Handler) handleTus() {
	h.mux.HandleFunc("OPTIONS /files/", h.tusOptions)
	h.mux.HandleFunc("POST /files/{$}", h.tus(h.create))
	h.mux.HandleFunc("HEAD "+uploadsPath+"{id}", h.tus(h.offset))
	h.mux.HandleFunc("PATCH "+uploadsPath+"{id}", h.tus(h.patch))
	h.mux.HandleFunc("DELETE "+uploadsPath+"{id}", h.tus(h.cancel))
}

// overrideMethod gives a POST to an upload the method that it stands for: some networks let only GET
// and POST through.
func overrideMethod(r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, uploadsPath) {
		return
	}
	switch method := strings.ToUpper(r.Header.Get("X-HTTP-Method-Override")); method {
	case http.MethodPatch, http.MethodHead, http.MethodDelete:
		r.Method = method
	}
}

// tus wraps a handler that needs the host's version of tus.
func (h *Handler) tus(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", tusVersion)
		if r.Header.Get("Tus-Resumable") != tusVersion {
			w.Header().Set("Tus-Version", tusVersion)
			http.Error(w, "this host speaks tus "+tusVersion+"; curl -T FILE works without it", http.StatusPreconditionFailed)
			return
		}
		if rejectHeaders(w, r) {
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
	header.Set("Tus-Checksum-Algorithm", tusChecksums)
	header.Set("Tus-Max-Size", strconv.FormatInt(h.opts.Files.MaxFile(), 10))
	w.WriteHeader(http.StatusNoContent)
}

// create starts an upload. Its body, if there is one, is the first piece.
func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	offer, parts, err := parseOffer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var piece files.Piece
	hasPiece := r.ContentLength != 0 && parts == nil && offer.Size != 0
	if hasPiece {
		if piece, err = parsePiece(r); err != nil {
			h.rejectPiece(w, err)
			return
		}
	}
	var u *files.Upload
	if parts != nil {
		u, err = h.opts.Files.Concat(offer, parts)
	} else {
		u, err = h.opts.Files.Begin(offer)
	}
	if err != nil {
		h.rejectUpload(w, err)
		return
	}
	w.Header().Set("Location", uploadsPath+u.ID())
	if hasPiece {
		if err := h.append(w, r, u, piece); err != nil {
			if errors.Is(err, files.ErrChecksum) {
				u.Drop() // its sender does not know its URL yet
			}
			h.rejectUpload(w, err)
			return
		}
	}
	h.setProgress(w, u)
	w.WriteHeader(http.StatusCreated)
}

// parseOffer parses the headers of a POST. parts are the IDs of the uploads that make the file; nil:
// it arrives in pieces.
func parseOffer(r *http.Request) (offer files.Offer, parts []string, err error) {
	about, err := parseMetadata(r.Header.Get("Upload-Metadata"))
	if err != nil {
		return offer, nil, err
	}
	offer = files.Offer{Name: about.name, Sum: about.sum, Address: addressOf(r), Resumable: true}
	if sum, err := digestOf(r, "Repr-Digest"); sum != nil || err != nil {
		if offer.Sum = sum; err != nil {
			return offer, nil, err
		}
	}
	concat := r.Header.Get("Upload-Concat")
	if list, ok := strings.CutPrefix(concat, "final;"); ok {
		for place := range strings.FieldsSeq(list) {
			_, id, _ := strings.Cut(place, uploadsPath)
			parts = append(parts, id)
		}
		if len(parts) == 0 {
			return offer, nil, errors.New("Upload-Concat has no uploads; send final; and their paths")
		}
		return offer, parts, nil
	}
	offer.Partial = concat == "partial"
	length, deferred := r.Header.Get("Upload-Length"), r.Header.Get("Upload-Defer-Length")
	switch {
	case concat != "" && !offer.Partial:
		return offer, nil, errors.New("Upload-Concat must be partial, or final; and paths")
	case deferred == "1" && length == "":
		offer.Size, offer.Deferred = -1, true
		return offer, nil, nil
	case deferred != "":
		return offer, nil, errors.New("Upload-Defer-Length must be 1, without Upload-Length")
	}
	offer.Size, err = parseLength(length)
	return offer, nil, err
}

func parseLength(s string) (int64, error) {
	size, err := strconv.ParseInt(s, 10, 64)
	if err != nil || size < 0 {
		return 0, errors.New("Upload-Length must be the size of the file in bytes")
	}
	return size, nil
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
		case "name": // as tus-js-client's examples and Uppy call it
			if about.name == "" {
				about.name = string(decoded)
			}
		case "sha256":
			if about.sum, err = hex.DecodeString(string(decoded)); err != nil || len(about.sum) != sha256.Size {
				return about, errors.New("sha256 in Upload-Metadata must be 64 hexadecimal digits, in base64")
			}
		}
	}
	return about, nil
}

// upload returns the upload that the path names, or answers that there is none.
func (h *Handler) upload(w http.ResponseWriter, r *http.Request) *files.Upload {
	u := h.opts.Files.Upload(r.PathValue("id"))
	if u == nil {
		h.rejectUpload(w, files.ErrGone)
	}
	return u
}

// setProgress sends how far an upload is, and the number of a finished one's file.
func (h *Handler) setProgress(w http.ResponseWriter, u *files.Upload) {
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.Arrived(), 10))
	if f, ok := u.Finished(); ok {
		w.Header().Set("Chat-File", strconv.FormatUint(f.Number, 10))
	}
}

// offset answers HEAD of an upload with its offset.
func (h *Handler) offset(w http.ResponseWriter, r *http.Request) {
	u := h.upload(w, r)
	if u == nil {
		return
	}
	if _, err := u.Offset(); err != nil {
		h.rejectUpload(w, err)
		return
	}
	if size := u.Size(); size >= 0 {
		w.Header().Set("Upload-Length", strconv.FormatInt(size, 10))
	} else {
		w.Header().Set("Upload-Defer-Length", "1")
	}
	if u.IsPartial() {
		w.Header().Set("Upload-Concat", "partial")
	}
	w.Header().Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(u.Name())))
	h.setProgress(w, u)
	w.WriteHeader(http.StatusOK)
}

// patch continues an upload.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request) {
	piece, err := parsePiece(r)
	if err != nil {
		h.rejectPiece(w, err)
		return
	}
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 {
		http.Error(w, "Upload-Offset must be the offset of the first byte", http.StatusBadRequest)
		return
	}
	piece.Offset = at
	u := h.upload(w, r)
	if u == nil {
		return
	}
	if size := u.Size(); size >= 0 && at+max(r.ContentLength, 0) > size {
		http.Error(w, fmt.Sprintf("the file has %d bytes; these exceed it", size), http.StatusRequestEntityTooLarge)
		return
	}
	if err := h.append(w, r, u, piece); err != nil {
		h.rejectUpload(w, err)
		return
	}
	h.setProgress(w, u)
	w.WriteHeader(http.StatusNoContent)
}

// append adds the body of r to an upload.
func (h *Handler) append(w http.ResponseWriter, r *http.Request, u *files.Upload, piece files.Piece) error {
	body := fileBodyOf(w, r)
	piece.Body, piece.Cut = body, body.cut
	_, err := u.Append(piece)
	body.end()
	return err
}

// errPieceType is the error for a piece with another Content-Type.
var errPieceType = errors.New("Content-Type must be " + pieceType)

// parsePiece parses the headers of a piece, except for its offset.
func parsePiece(r *http.Request) (piece files.Piece, err error) {
	if r.Header.Get("Content-Type") != pieceType {
		return piece, errPieceType
	}
	if length := r.Header.Get("Upload-Length"); length != "" && r.Method == http.MethodPatch {
		size, err := parseLength(length)
		if err != nil {
			return piece, err
		}
		piece.Size = &size
	}
	if piece.Sum, err = digestOf(r, "Repr-Digest"); err != nil {
		return piece, err
	}
	piece.Check, err = parseChecksum(r.Header.Get("Upload-Checksum"))
	return piece, err
}

// rejectPiece answers that the headers of a piece are wrong.
func (h *Handler) rejectPiece(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if err == errPieceType {
		status = http.StatusUnsupportedMediaType
	}
	http.Error(w, err.Error(), status)
}

// checksums are the algorithms of Upload-Checksum.
var checksums = map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New, "md5": md5.New}

// parseChecksum parses Upload-Checksum, the checksum of a piece: "sha256 BASE64".
func parseChecksum(s string) (*files.Check, error) {
	if s == "" {
		return nil, nil
	}
	kind, value, _ := strings.Cut(s, " ")
	sum, err := base64.StdEncoding.DecodeString(value)
	newHash := checksums[kind]
	if newHash == nil || err != nil || len(sum) != newHash().Size() {
		return nil, errors.New("Upload-Checksum must be one of " + strings.Join(slices.Sorted(slices.Values(strings.Split(tusChecksums, ","))), ", ") + ", and base64")
	}
	return &files.Check{Hash: newHash(), Sum: sum}, nil
}

// cancel drops an upload.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	if u := h.upload(w, r); u != nil {
		u.Drop()
		w.WriteHeader(http.StatusNoContent)
	}
}
