package files

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// An Upload is a file that is being uploaded. Its methods may be called concurrently; they
// take turns.
type Upload struct {
	// Fixed before anyone else has the upload.
	store     *Store
	id        string
	name      string
	sum       []byte // SHA-256; nil: unknown
	address   string // that the limits count; "": none
	resumable bool
	deferred  bool        // its sender names the size later, in a Piece
	partial   bool        // a part of another file, which Concat makes; it cannot be published
	timer     *time.Timer // runs while there is no holder

	// Owned by the holder.
	file part      // nil: closed
	hash hash.Hash // of the bytes in file; nil if file is
	head []byte    // the first bytes, for typeOf

	// Written by the holder under store.mu: the holder may read it without.
	size int64 // bytes; -1: unknown, until the end or until the sender names it

	// Guarded by store.mu.
	offset    int64      // bytes on disk, and in hash
	promised  int64      // the part of store.held that is this upload's
	progress  time.Time  // when bytes arrived last, or it began
	holder    *holder    // nil: none
	dropped   bool       // it cannot be held any more
	kept      bool       // it is dropped, and its files stay for the next run of the host
	closed    bool       // it is dropped, and its file is closed or deleted
	complete  bool       // it is partial, and all of it has arrived
	finished  *wire.File // nil: some of it has not arrived, or it is partial
	published bool       // it is in the index, or about to be
}

// A holder is whoever an upload belongs to for the moment.
type holder struct {
	cut  func()        // makes it release the upload soon
	done chan struct{} // closed when it has
}

// An Offer describes a file to upload.
type Offer struct {
	Name    string // from the sender; see [text.FileName]
	Size    int64  // bytes; -1: unknown
	Sum     []byte // its SHA-256; nil: unknown
	Address string // that the limits count; "": not counted

	// Resumable keeps the upload over a restart of the host, in a folder that stays. Its size must
	// be known, now or later.
	Resumable bool
	Deferred  bool // the size is unknown, and a [Piece] will name it; the end of a body does not
	Partial   bool // it is a part of another file; see [Store.Concat]
}

// Begin starts the upload of a file. The error is one of this package or of the file system.
func (s *Store) Begin(o Offer) (*Upload, error) {
	u := &Upload{
		store: s, id: newID(), name: text.FileName(o.Name), size: o.Size, sum: o.Sum, address: o.Address,
		deferred: o.Deferred && o.Size < 0, partial: o.Partial, hash: sha256.New(),
	}
	u.resumable = o.Resumable && (o.Size >= 0 || u.deferred)
	if err := s.admit(u); err != nil {
		return nil, err
	}
	defer u.release()
	f, err := s.create(u.id + partSuffix)
	if err == nil {
		u.file = f
		err = u.saveState(nil)
	}
	if err != nil {
		u.forget()
		return nil, fullOr(fmt.Errorf("create a file: %w", err))
	}
	if u.size == 0 { // there is nothing to append
		err = u.finish(nil)
	}
	return u, err
}

// Upload returns the upload with an ID; nil if there is none, or it is published.
func (s *Store) Upload(id string) *Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id]
}

// Name returns the name of the file.
func (u *Upload) Name() string { return u.name }

// ID returns the secret that [Store.Publish] needs.
func (u *Upload) ID() string { return u.id }

// Size returns how many bytes the file will have; -1 if that is unknown.
func (u *Upload) Size() int64 {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	return u.size
}

// IsPartial reports whether the upload is a part of another file.
func (u *Upload) IsPartial() bool { return u.partial }

// Finished returns the file; false if some of it has not arrived.
func (u *Upload) Finished() (f wire.File, ok bool) {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	if u.finished == nil {
		return wire.File{}, false
	}
	return *u.finished, true
}

// Offset returns how many bytes are on disk. It cuts off a request that is sending more. An upload of which all bytes are
// on disk, but which could not be finished because the cluster did not answer or the host ended, is finished now.
func (u *Upload) Offset() (int64, error) {
	if err := u.hold(func() {}); err != nil {
		return 0, err
	}
	defer u.release()
	if _, finished := u.Finished(); finished || u.partial || u.at() != u.size {
		return u.at(), nil
	}
	if u.file == nil {
		if err := u.reopen(); err != nil {
			u.forget()
			return u.at(), err
		}
	}
	return u.at(), u.finish(nil)
}

// Arrived returns how many bytes are on disk, and cuts no one off.
func (u *Upload) Arrived() int64 { return u.at() }

func (u *Upload) at() int64 {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	return u.offset
}

// Drop cancels the upload and deletes its files, unless it is published.
func (u *Upload) Drop() { u.drop(false) }

// drop is Drop; keep leaves the files to the next run of the host.
func (u *Upload) drop(keep bool) {
	s := u.store
	s.mu.Lock()
	if u.dropped || u.published {
		s.mu.Unlock()
		return
	}
	u.kept = keep
	s.forgetLocked(u)
	h := u.holder
	if h == nil {
		u.holdLocked(func() {})
	}
	s.mu.Unlock()
	if h != nil {
		h.cut() // its release deletes the files
		return
	}
	u.release()
}

// forget is Drop for the holder.
func (u *Upload) forget() {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	if !u.published {
		u.store.forgetLocked(u)
	}
}

// expire drops an upload that was idle for too long.
func (u *Upload) expire() {
	u.store.mu.Lock()
	held := u.holder != nil
	u.store.mu.Unlock()
	if !held { // release starts the timer again
		u.Drop()
	}
}

// hold makes the caller the holder, and cuts off the earlier one. The caller must release u.
func (u *Upload) hold(cut func()) error {
	s := u.store
	s.mu.Lock()
	for u.holder != nil && !u.dropped {
		h := u.holder
		s.mu.Unlock()
		h.cut()
		<-h.done
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case u.dropped:
		return ErrGone
	}
	u.holdLocked(cut)
	return nil
}

func (u *Upload) holdLocked(cut func()) {
	u.holder = &holder{cut: cut, done: make(chan struct{})}
	u.timer.Stop()
	u.store.working.Add(1)
}

// release lets the next holder in. If the upload was dropped, it closes and deletes its files.
func (u *Upload) release() {
	s := u.store
	defer s.working.Done()
	s.mu.Lock()
	for u.dropped && !u.published && !u.closed {
		u.closed = true
		kept := u.kept
		s.mu.Unlock()
		if u.file != nil {
			u.file.Close()
			u.file = nil
		}
		if !kept {
			u.deleteFiles()
			if s.shared != nil && u.finished != nil {
				s.discard(u.finished.Number)
			}
		}
		s.mu.Lock()
	}
	if !u.dropped {
		u.timer.Reset(u.patienceLocked())
	}
	close(u.holder.done)
	u.holder = nil
	s.mu.Unlock()
}

// A Piece is the part of a file that one request brings.
type Piece struct {
	Offset int64     // its place in the file
	Body   io.Reader // ends with the piece, or with the file
	Cut    func()    // makes a Read of Body return soon; nil: that is not possible
	Sum    []byte    // SHA-256 of the whole file; nil: unknown
	Check  *Check    // of the piece; nil: none
	Size   *int64    // of the whole file, in bytes, which the sender names now; nil: it does not
}

// A Check is the checksum of a piece.
type Check struct {
	Hash hash.Hash // of the algorithm, without any bytes yet
	Sum  []byte
}

// Append adds a piece to the file. It returns how many bytes are on disk afterwards, also
// with an error; see [Upload.Finished] for whether these are all. If the size of the file
// is unknown, the end of the body is the end of the file.
//
// The error is one of this package, of the body, or of the file system. A full disk and a
// wrong checksum of the file drop the upload. A piece whose own checksum is wrong or that does
// not arrive in full, if it has one, is forgotten, and the upload can be continued.
func (u *Upload) Append(p Piece) (offset int64, err error) {
	if p.Cut == nil {
		p.Cut = func() {}
	}
	if err := u.hold(p.Cut); err != nil {
		return 0, err
	}
	defer u.release()
	if err := u.nameSize(p.Size); err != nil {
		return u.at(), err
	}
	if f, ok := u.Finished(); ok {
		return u.appendAgain(p, &f)
	}
	if u.at() != p.Offset {
		return u.at(), ErrOffset
	}
	if u.file == nil {
		if err := u.reopen(); err != nil {
			u.forget()
			return u.at(), err
		}
	}
	readErr, err := u.copyChecked(p)
	offset = u.at()
	switch {
	case err == errPiece:
		return offset, ErrChecksum
	case err != nil:
		u.forget()
		return offset, err
	case readErr == nil && u.size < 0 && !u.deferred, offset == u.size:
		return offset, u.finish(p.Sum)
	case readErr != nil:
		readErr = cmp.Or(u.whyDropped(), readErr)
	}
	return offset, readErr
}

// nameSize sets the size of a deferred upload; nil: it stays unknown.
func (u *Upload) nameSize(size *int64) error {
	switch {
	case size == nil || *size == u.size:
		return nil
	case u.size >= 0 || !u.deferred || *size < u.at():
		return ErrSize
	case *size > u.store.MaxFile():
		return &TooLargeError{u.store.MaxFile()}
	}
	u.store.mu.Lock()
	err := u.store.fitsLocked(u.address, *size-u.promised)
	if err == nil {
		u.size = *size
	}
	u.store.mu.Unlock()
	if err != nil {
		return err
	}
	return u.saveState(nil)
}

// appendAgain handles a piece for a finished file: the answer to its last piece was lost.
func (u *Upload) appendAgain(p Piece, f *wire.File) (int64, error) {
	switch {
	case p.Offset != f.Size:
		return f.Size, ErrOffset
	case p.Sum != nil && hex.EncodeToString(p.Sum) != f.SHA256:
		u.forget()
		return f.Size, ErrChecksum
	case p.Check != nil && !p.Check.fits() && hex.EncodeToString(p.Check.Sum) != f.SHA256: // see copyChecked
		return f.Size, ErrChecksum
	}
	return f.Size, nil
}

// whyDropped returns why the upload cannot be held any more; nil if it can.
func (u *Upload) whyDropped() error {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	return u.whyDroppedLocked()
}

func (u *Upload) whyDroppedLocked() error {
	switch {
	case u.kept:
		return ErrClosed
	case u.dropped:
		return ErrGone
	}
	return nil
}

const (
	// bufferSize is the limit of one read: a socket seldom has more.
	bufferSize = 256 << 10

	// buffersAhead is how many buffers may be on disk and wait to be hashed: writing and
	// hashing take about as long, but not at the same moments.
	buffersAhead = 6
)

// buffers are of bufferSize.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copyFrom writes body to disk, up to the size of the file, while another goroutine hashes
// it. readErr is the error of body, err that of the file system or a limit.
func (u *Upload) copyFrom(body io.Reader) (readErr, err error) {
	written := make(chan []byte, buffersAhead)
	free := make(chan *[bufferSize]byte, buffersAhead+2)
	var hashing sync.WaitGroup
	hashing.Go(func() {
		for b := range written {
			u.hash.Write(b)
			free <- (*[bufferSize]byte)(b[:bufferSize])
		}
	})
	taken := 0 // buffers
	defer func() {
		close(written)
		hashing.Wait()
		for range taken {
			buffers.Put(<-free)
		}
	}()
	for {
		var buf *[bufferSize]byte
		select {
		case buf = <-free:
		default:
			if taken < cap(free) {
				buf = buffers.Get().(*[bufferSize]byte)
				taken++
			} else {
				buf = <-free
			}
		}
		at, limit := u.at(), bufferSize
		if u.size >= 0 {
			limit = int(min(bufferSize, u.size-at))
		}
		n, readErr := body.Read(buf[:limit])
		if n == 0 {
			free <- buf
		} else {
			n, err = u.write(buf[:n], at)
			written <- buf[:n]
		}
		switch {
		case err != nil:
			return nil, err
		case at+int64(n) == u.size, readErr == io.EOF:
			return nil, nil
		case readErr != nil:
			return readErr, nil
		}
	}
}

// write writes b to disk at the offset at, the end of the file.
func (u *Upload) write(b []byte, at int64) (n int, err error) {
	if err := u.reserve(at + int64(len(b))); err != nil {
		return 0, err
	}
	if n, err = u.file.WriteAt(b, at); err != nil {
		err = fullOr(fmt.Errorf("write a file: %w", err))
	}
	if want := sniffed - len(u.head); want > 0 {
		u.head = append(u.head, b[:min(n, want)]...)
	}
	u.store.mu.Lock()
	u.offset = at + int64(n)
	u.progress = time.Now()
	u.store.mu.Unlock()
	return n, err
}

// finish completes the upload once all bytes are on disk. want is the SHA-256 that the sender
// gave with the last piece; nil: none.
func (u *Upload) finish(want []byte) error {
	sum := u.hash.Sum(nil)
	if want != nil && !bytes.Equal(sum, want) || u.sum != nil && !bytes.Equal(sum, u.sum) {
		u.forget()
		return ErrChecksum
	}
	if u.partial {
		return u.finishPartial()
	}
	f := u.store.number(u.name, u.at())
	f.SHA256, f.Type = hex.EncodeToString(sum), typeOf(u.head)
	var err error
	if !u.store.temporary { // a published file is on disk
		err = u.file.Sync()
	}
	err = errors.Join(err, u.file.Close())
	u.file = nil
	if err == nil && u.store.shared != nil {
		switch err = u.shelve(&f); {
		case err == ErrShelf: // the upload is kept: see Offset
			u.hash = nil
			return err
		case err != nil:
			u.forget()
			return err
		}
	}
	if err == nil {
		err = u.saveState(&f)
	}
	if err != nil {
		u.forget()
		return fullOr(fmt.Errorf("write a file: %w", err))
	}
	u.hash = nil
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	if u.dropped {
		return u.whyDroppedLocked()
	}
	u.finished = &f
	u.promiseLocked(f.Size)
	return nil
}

// number returns a file with the next number.
func (s *Store) number(name string, size int64) wire.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return wire.File{Number: s.last, Name: name, Size: size, Path: wire.FilePath(s.last, name)}
}
