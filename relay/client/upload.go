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
	// maxAnew is how often an upload is begun anew that the host lost.
	maxAnew = 5

	// tailSize is how much of a file goes last, with the hash of all of it before it: a
	// header cannot have what is known only at the end.
	tailSize = 256 << 10
)

// Send brings a file to the host and says it in the room, in its turn with all else that
// is said. When the connection is lost, it goes on from what the host has, until ctx ends or
// the client does. progress, which may be nil, is told how many bytes have gone.
//
// The error of a host that does not take the file says why in its words.
func (c *Client) Send(ctx context.Context, path string, progress func(done, total int64)) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read it: %w", withoutPath(err))
	case info.IsDir():
		return errors.New("it is a folder; a packed one (zip, tar) can be sent")
	case !info.Mode().IsRegular():
		return errors.New("it is no file")
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read it: %w", withoutPath(err))
	}
	defer file.Close()
	t, over, err := c.transfer(ctx, info.Size(), progress)
	if err != nil {
		return err
	}
	defer over()
	s := &sending{transfer: t, file: file, name: filepath.Base(path), hash: sha256.New()}
	if err := t.persist(s.attempt); err != nil {
		s.giveUp()
		return err
	}
	_, err = c.Do(ctx, wire.Request{Type: wire.TypeSend, File: s.id(), Text: s.name})
	return err
}

// withoutPath takes the operation and the path off an error.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// A sending is a file on its way to the host.
type sending struct {
	*transfer
	file  *os.File
	name  string
	place string // path of the upload; "": there is none
	anew  int    // how often it was begun

	hash   hash.Hash // of the beginning
	hashed int64     // how long that is, in bytes
}

// id returns the secret of the upload.
func (s *sending) id() string { return path.Base(s.place) }

func (s *sending) attempt() (further bool, err error) {
	further, err = s.bring()
	switch status(err) {
	case http.StatusNotFound, http.StatusGone:
	case 460: // the extension checksum of tus: it is not what we said
		s.hash, s.hashed = sha256.New(), 0
	default:
		return further, err
	}
	if s.place == "" || s.anew >= maxAnew {
		return further, err
	}
	s.place = ""
	return further, fmt.Errorf("begin anew: %v", err) // no status, so that it is tried again
}

// bring brings what the host does not have yet.
func (s *sending) bring() (further bool, err error) {
	var offset int64
	if s.place == "" {
		err = s.create()
	} else {
		offset, err = s.offsetAfter(s.request(http.MethodHead, s.place))
	}
	if err != nil {
		return false, err
	}
	began := offset
	if tail := s.total - tailSize; offset < tail {
		if offset, err = s.patch(offset, tail); err != nil {
			return true, err // it may have got further; the next one sees
		}
	}
	if s.total == 0 { // there is nothing that could come
		return true, nil
	}
	sum, err := s.sum()
	if err != nil {
		return false, err
	}
	offset, err = s.patch(offset, s.total, "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum))
	return offset > began, err
}

// create begins the upload.
func (s *sending) create() error {
	s.anew++
	res, err := s.do(s.request(http.MethodPost, "/files/", "Tus-Resumable", "1.0.0", "Upload-Length", strconv.FormatInt(s.total, 10),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(s.name))))
	if err != nil {
		return err
	}
	res.Body.Close()
	place, err := res.Location()
	if err != nil || !strings.HasPrefix(place.Path, "/files/") {
		return lasting{errors.New("the host does not say where the file goes")}
	}
	s.place = place.EscapedPath()
	return nil
}

// offsetAfter asks, and returns how much of the file the host has then.
func (s *sending) offsetAfter(r *http.Request) (int64, error) {
	r.Header.Set("Tus-Resumable", "1.0.0")
	res, err := s.do(r)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	offset, err := strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > s.total {
		return 0, lasting{errors.New("the host does not say how much of the file it has")}
	}
	s.progress(offset, s.total)
	return offset, nil
}

// patch sends the file from one byte to another.
func (s *sending) patch(from, to int64, header ...string) (int64, error) {
	r := s.request(http.MethodPatch, s.place, header...)
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	r.Header.Set("Upload-Offset", strconv.FormatInt(from, 10))
	body := &sendingBody{s: s, at: from, to: to, closed: make(chan struct{})}
	if from < to {
		r.Body, r.ContentLength = body, to-from
	}
	offset, err := s.offsetAfter(r)
	if from < to {
		<-body.closed // it may be read for a while after the answer
	}
	if body.err != nil {
		return offset, lasting{body.err}
	}
	if err == nil && offset != to {
		err = io.ErrUnexpectedEOF
	}
	return offset, err
}

// sum returns the SHA-256 of the whole file.
func (s *sending) sum() ([]byte, error) {
	rest := io.NewSectionReader(s.file, s.hashed, s.total-s.hashed)
	n, err := io.CopyBuffer(onlyWriter{s.hash}, onlyReader{rest}, make([]byte, tailSize))
	if s.hashed += n; err == nil && s.hashed < s.total {
		err = errChanged
	}
	if err != nil {
		return nil, lasting{fmt.Errorf("cannot read it: %w", withoutPath(err))}
	}
	return s.hash.Sum(nil), nil
}

type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

var errChanged = errors.New("it became shorter while it was sent")

// giveUp tells the host that no more will come, if it listens.
func (s *sending) giveUp() {
	if s.place == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), closeWait)
	defer cancel()
	r := s.request(http.MethodDelete, s.place, "Tus-Resumable", "1.0.0").WithContext(ctx)
	if res, err := s.do(r); err == nil {
		res.Body.Close()
	}
}

// A sendingBody is a part of the file. It hashes what was not hashed before.
type sendingBody struct {
	s      *sending
	closed chan struct{} // closed by Close

	mu   sync.Mutex // a Read may still run when the transport closes it
	at   int64
	to   int64
	over bool
	err  error // why the file could not be read; for who waited for closed
}

func (b *sendingBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.over:
		return 0, fs.ErrClosed
	case b.at == b.to:
		return 0, io.EOF
	}
	n, err := b.s.file.ReadAt(p[:min(int64(len(p)), b.to-b.at)], b.at)
	if n == 0 && err != nil {
		if b.err = fmt.Errorf("cannot read it: %w", withoutPath(err)); err == io.EOF {
			b.err = errChanged
		}
		return 0, b.err
	}
	if old := max(b.s.hashed-b.at, 0); old < int64(n) {
		b.s.hash.Write(p[old:n])
		b.s.hashed = b.at + int64(n)
	}
	b.at += int64(n)
	b.s.progress(b.at, b.s.total)
	return n, nil
}

func (b *sendingBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		close(b.closed)
	}
	return nil
}
