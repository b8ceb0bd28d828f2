package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"chat/relay/wire"
)

const (
	// maxStarts is how often an upload is started over that the host lost.
	maxStarts = 5

	// tailSize is how much of a file is sent last, in bytes. Its request has the hash of
	// the whole file in its header, so the file must have been read before.
	tailSize = 256 << 10
)

// statusChecksum is the status for a wrong checksum, from the checksum extension of tus.
const statusChecksum = 460

var errTruncated = errors.New("the file became shorter during the upload")

// Send uploads the file at path to the host and posts it to the room, in order with the
// messages. If the connection is lost, it resumes where the host's copy ends, until ctx ends
// or the client does. progress, which may be nil, is called with the number of bytes sent.
//
// If the host rejects the file, the error has its reason. After an error, or if ctx ends,
// Send asks the host to delete the upload. If it cannot reach the host, the host deletes
// the upload after a timeout.
func (c *Client) Send(ctx context.Context, path string, progress func(Progress)) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return readError(err)
	case info.IsDir():
		return errors.New("it is a folder; pack it first (zip, tar)")
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return readError(err)
	}
	defer file.Close()
	t, end, err := c.newTransfer(ctx, info.Size(), progress)
	if err != nil {
		return err
	}
	defer end()
	u := &upload{transfer: t, file: file, name: filepath.Base(path), hash: sha256.New()}
	if err = t.retry(u.attempt); err == nil {
		_, err = c.Do(ctx, wire.Request{Type: wire.TypeSend, File: u.id(), Text: u.name})
	}
	if err != nil {
		u.cancel()
	}
	return err
}

func readError(err error) error { return fmt.Errorf("cannot read the file: %w", withoutPath(err)) }

// An upload follows the tus protocol, version 1.0.0: it is created, then sent in pieces.
// It is owned by the goroutine of Send, except for file, hash and hashed while a request
// with an uploadBody runs.
type upload struct {
	*transfer
	file   *os.File
	name   string
	url    string // its path on the host; empty before it is created
	starts int    // how often it was created

	hash   hash.Hash // of the first bytes
	hashed int64     // how many
}

// id returns the last part of the URL. It is a secret: who knows it may post the file.
func (u *upload) id() string { return path.Base(u.url) }

// attempt sends the rest of the file. If the host has lost the upload, or the checksum is
// wrong, the next attempt starts over.
func (u *upload) attempt() (progressed bool, err error) {
	progressed, err = u.sendRest()
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusGone:
	case statusChecksum:
		u.hash, u.hashed = sha256.New(), 0
	default:
		return progressed, err
	}
	if u.url == "" || u.starts >= maxStarts {
		return progressed, err
	}
	u.url = ""
	return progressed, fmt.Errorf("start over: %v", err) // without the status, which would be final
}

// sendRest sends the bytes that the host does not have yet.
func (u *upload) sendRest() (progressed bool, err error) {
	var offset int64
	if u.url == "" {
		err = u.create()
	} else {
		offset, err = u.offsetAfter(u.newRequest(http.MethodHead, u.url))
	}
	if err != nil {
		return false, err
	}
	began := offset
	if tail := u.total - tailSize; offset < tail {
		if offset, err = u.patch(offset, tail); err != nil {
			return true, err // perhaps: the next attempt asks the host
		}
	}
	if u.total == 0 { // creating it was all
		return true, nil
	}
	sum, err := u.sum()
	if err != nil {
		return false, err
	}
	encoded := base64.StdEncoding.EncodeToString(sum)
	offset, err = u.patch(offset, u.total, "Repr-Digest", "sha-256=:"+encoded+":", // RFC 9530
		"Upload-Checksum", "sha256 "+encoded) // for hosts of earlier versions
	return offset > began, err
}

// create creates the upload on the host.
func (u *upload) create() error {
	u.starts++
	res, err := u.do(u.newRequest(http.MethodPost, "/files/", "Tus-Resumable", "1.0.0", "Upload-Length", strconv.FormatInt(u.total, 10),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(u.name))))
	if err != nil {
		return err
	}
	res.Body.Close()
	location, err := res.Location()
	if err != nil || !strings.HasPrefix(location.Path, "/files/") {
		return permanentError{errors.New("the host does not say where to upload the file")}
	}
	u.url = location.EscapedPath()
	return nil
}

// offsetAfter sends r, and returns how many bytes of the file the host has then.
func (u *upload) offsetAfter(r *http.Request) (int64, error) {
	r.Header.Set("Tus-Resumable", "1.0.0")
	res, err := u.do(r)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	offset, err := strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > u.total {
		return 0, permanentError{errors.New("the host does not say how much of the file it has")}
	}
	u.report(offset)
	return offset, nil
}

// patch sends the bytes from one offset to another. It returns how many the host has then.
func (u *upload) patch(from, to int64, header ...string) (int64, error) {
	r := u.newRequest(http.MethodPatch, u.url, header...)
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	r.Header.Set("Upload-Offset", strconv.FormatInt(from, 10))
	body := &uploadBody{u: u, at: from, to: to, closed: make(chan struct{})}
	if from < to {
		r.Body, r.ContentLength = body, to-from
	}
	offset, err := u.offsetAfter(r)
	if from < to {
		<-body.closed // the transport may read it for a while after the answer
	}
	if body.err != nil {
		return offset, permanentError{body.err}
	}
	if err == nil && offset != to {
		err = io.ErrUnexpectedEOF
	}
	return offset, err
}

// sum returns the SHA-256 of the whole file.
func (u *upload) sum() ([]byte, error) {
	rest := io.NewSectionReader(u.file, u.hashed, u.total-u.hashed)
	n, err := io.CopyBuffer(onlyWriter{u.hash}, onlyReader{rest}, make([]byte, tailSize))
	if u.hashed += n; err != nil {
		return nil, permanentError{readError(err)}
	}
	if u.hashed < u.total {
		return nil, permanentError{errTruncated}
	}
	return u.hash.Sum(nil), nil
}

// cancel asks the host to delete the upload. It also works after u.ctx has ended.
func (u *upload) cancel() {
	if u.url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), closeWait)
	defer cancel()
	r := u.newRequest(http.MethodDelete, u.url, "Tus-Resumable", "1.0.0").WithContext(ctx)
	if res, err := u.do(r); err == nil {
		res.Body.Close()
	}
}

// An uploadBody is the body of a request with a part of the file. While it is read it
// hashes the bytes that were not hashed before.
type uploadBody struct {
	// Fixed.
	u      *upload
	to     int64         // offset of the end of the part, in bytes
	closed chan struct{} // closed by Close

	// Guarded by mu: the transport may call Close while a Read is running.
	mu   sync.Mutex
	at   int64 // offset of the next byte
	over bool  // Close was called
	err  error // why the file could not be read; may be read without mu once closed is
}

func (b *uploadBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.over:
		return 0, fs.ErrClosed
	case b.at == b.to:
		return 0, io.EOF
	}
	n, err := b.u.file.ReadAt(p[:min(int64(len(p)), b.to-b.at)], b.at)
	if n == 0 && err != nil {
		if b.err = readError(err); err == io.EOF {
			b.err = errTruncated
		}
		return 0, b.err
	}
	if old := max(b.u.hashed-b.at, 0); old < int64(n) {
		b.u.hash.Write(p[old:n])
		b.u.hashed = b.at + int64(n)
	}
	b.at += int64(n)
	b.u.report(min(b.at, b.u.total-1)) // not all of it before the host has said so
	return n, nil
}

func (b *uploadBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		close(b.closed)
	}
	return nil
}
