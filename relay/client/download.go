package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"chat/relay/text"
	"chat/relay/wire"
)

// maxNames is how many names are tried for a downloaded file.
const maxNames = 1000

// Get downloads f into the folder dir, "" being the current one, and returns the path of
// the file. If a file of that name exists, or the name is not safe, it gets another one.
//
// If the connection is lost, Get resumes, until ctx ends or the client does. The partial
// file then stays in dir, unless it is empty, and the next Get continues it. progress,
// which may be nil, is called with the number of bytes received.
func (c *Client) Get(ctx context.Context, f wire.File, dir string, progress func(Progress)) (path string, err error) {
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil || len(sum) != sha256.Size || f.Size < 0 {
		return "", errors.New("the host describes the file wrongly")
	}
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("cannot open the folder %s: %w", dir, withoutPath(err))
	}
	defer root.Close()
	name := text.FileName(f.Name)
	// The partial file has the hash in its name, so that only the same file continues it.
	d := &download{root: root, want: f, partial: fmt.Sprintf("%s.%x.part", name, sum[:4]), hash: sha256.New()}
	release, err := c.reservePartial(filepath.Join(dir, d.partial))
	if err != nil {
		return "", err
	}
	defer release()
	var end func()
	if d.transfer, end, err = c.newTransfer(ctx, f.Size, progress); err != nil {
		return "", err
	}
	defer end()
	if err := d.openPartial(); err != nil {
		return "", fmt.Errorf("cannot write to %s: %w", dir, withoutPath(err))
	}
	if free, _, err := c.space(dir); err == nil && free < f.Size-d.have { // if it is unknown, the download shows
		d.removeEmpty()
		return "", fmt.Errorf("not enough space in %s: %s are free, and %s are missing of the file", dir, humanize.Bytes(uint64(free)), humanize.Bytes(uint64(f.Size-d.have)))
	}
	defer d.closePartial()
	if err := d.retry(d.attempt); err != nil {
		d.removeEmpty()
		return "", err
	}
	if name, err = d.saveAs(name); err != nil {
		return "", fmt.Errorf("cannot write to %s: %w", dir, withoutPath(err))
	}
	return filepath.Join(dir, name), nil
}

// reservePartial makes sure that no two downloads write to one partial file.
func (c *Client) reservePartial(path string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.downloading[path] {
		return nil, errors.New("it is being downloaded already")
	}
	c.downloading[path] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.downloading, path)
	}, nil
}

// A download is owned by the goroutine of Get.
type download struct {
	*transfer
	root    *os.Root
	want    wire.File
	partial string   // name of the partial file
	file    *os.File // nil: not created yet
	resumed bool     // some of its bytes are from an earlier Get
	hash    hash.Hash
	have    int64 // bytes in file and hash
}

// openPartial opens the partial file of an earlier download, if there is one, and hashes the
// bytes in it.
func (d *download) openPartial() (err error) {
	d.file, err = d.root.OpenFile(d.partial, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		d.report(0)
		return nil
	}
	if err != nil {
		return err
	}
	d.have, err = io.CopyBuffer(onlyWriter{d.hash}, onlyReader{io.LimitReader(d.file, d.want.Size)}, make([]byte, copySize))
	d.resumed = d.have > 0
	d.report(d.have)
	return err
}

// create creates the partial file, if there is none yet.
func (d *download) create() (err error) {
	if d.file == nil {
		d.file, err = d.root.OpenFile(d.partial, os.O_RDWR|os.O_CREATE, 0o666)
	}
	return err
}

// startOver empties the partial file.
func (d *download) startOver() error {
	d.resumed, d.have = false, 0
	d.hash.Reset()
	d.report(0)
	if err := d.create(); err != nil {
		return err
	}
	return d.file.Truncate(0)
}

// closePartial closes the partial file. It may be called more than once.
func (d *download) closePartial() {
	if d.file != nil {
		d.file.Close()
	}
}

// removeEmpty closes the partial file, and removes it if there is nothing to continue.
func (d *download) removeEmpty() {
	d.closePartial()
	if d.file != nil && d.have == 0 {
		d.root.Remove(d.partial)
	}
}

// attempt receives the rest of the file and checks its hash.
func (d *download) attempt() (progressed bool, err error) {
	began := d.have
	if d.have < d.want.Size {
		if err := d.receiveRest(); err != nil {
			return d.have > began, err
		}
	}
	if hex.EncodeToString(d.hash.Sum(nil)) == strings.ToLower(d.want.SHA256) {
		return true, nil
	}
	if d.resumed { // the bytes from before may be the wrong ones
		if err := d.startOver(); err != nil {
			return false, permanentError{err}
		}
		return true, io.ErrUnexpectedEOF
	}
	d.closePartial()
	d.root.Remove(d.partial)
	return false, permanentError{errors.New("the download did not match its checksum and was deleted")}
}

// receiveRest requests the bytes after the last one received, and writes them to the
// partial file.
func (d *download) receiveRest() error {
	tag := `"` + strings.ToLower(d.want.SHA256) + `"`
	r := d.newRequest(http.MethodGet, wire.FilePath(d.want.Number, text.FileName(d.want.Name)))
	if d.have > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		r.Header.Set("If-Range", tag)
	}
	res, err := d.do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.Header.Get("ETag") != tag:
		return permanentError{errors.New("the host no longer has it")}
	case res.StatusCode == http.StatusPartialContent && strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have)):
	case res.StatusCode == http.StatusOK:
		if err := d.startOver(); err != nil {
			return permanentError{fmt.Errorf("cannot write the file: %w", withoutPath(err))}
		}
	default:
		return permanentError{fmt.Errorf("the host sent an unexpected response (status %d)", res.StatusCode)}
	}
	buf := make([]byte, copySize)
	for d.have < d.want.Size {
		n, err := res.Body.Read(buf[:min(int64(len(buf)), d.want.Size-d.have)])
		wrote, writeErr := d.file.WriteAt(buf[:n], d.have)
		d.hash.Write(buf[:wrote])
		d.have += int64(wrote)
		d.report(d.have)
		switch {
		case writeErr != nil:
			return permanentError{fmt.Errorf("cannot write the file: %w", withoutPath(writeErr))}
		case d.have < d.want.Size && d.ctx.Err() != nil: // much more may be in buffers
			return d.ctx.Err()
		case err == io.EOF && d.have < d.want.Size:
			return io.ErrUnexpectedEOF
		case err != nil && err != io.EOF:
			return err
		}
	}
	return nil
}

// saveAs renames the partial file to name, or to a similar name if a file has that one.
func (d *download) saveAs(name string) (string, error) {
	if err := d.create(); err != nil { // an empty file is not received
		return "", err
	}
	if err := d.file.Truncate(d.want.Size); err != nil { // an older partial file may be longer
		return "", err
	}
	if err := d.file.Close(); err != nil {
		return "", err
	}
	extension := filepath.Ext(name)
	stem := strings.TrimSuffix(name, extension)
	for n := range maxNames {
		if n > 0 {
			name = fmt.Sprintf("%s-%d%s", stem, n, extension)
		}
		// A rename replaces whatever file is there. Creating it first makes sure that
		// it is ours.
		f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		f.Close()
		return name, d.root.Rename(d.partial, name)
	}
	return "", fs.ErrExist
}
