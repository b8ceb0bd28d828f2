package files

import (
	"bytes"
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

// An Upload is a file on its way to the host. All methods may be called at the same time;
// they take turns.
type Upload struct {
	// Fixed after Begin.
	store   *Store
	id      string
	name    string
	size    int64  // bytes; -1: not known before it ends
	sum     []byte // SHA-256; nil: not known
	address string // what limits count it by; "": nothing
	timer   *time.Timer

	// The holder's.
	file part // nil: closed
	hash hash.Hash
	head []byte // its beginning, which tells its type

	// Under store.mu.
	offset    int64      // bytes that are on disk, and in hash
	promised  int64      // bytes of store.held that are its own
	holder    *holder    // nil: nobody
	dropped   bool       // nobody shall have it any more
	deleted   bool       // and its file is no more
	whole     *wire.File // once it has come
	published bool       // it is one that everybody can have, or is becoming so
}

// A holder is who an upload belongs to for the moment.
type holder struct {
	cut  func()        // makes it end soon
	done chan struct{} // closed at its end
}

// An Offer is what somebody wants to send.
type Offer struct {
	Name    string // as they call it; see [text.FileName]
	Size    int64  // bytes; -1: that is not known
	Sum     []byte // its SHA-256; nil: that is not known yet
	Address string // what Limits.PerAddress counts by; "": it does not
}

// Begin begins the upload of a file. The error is one of this package, or that of the disk.
func (s *Store) Begin(o Offer) (*Upload, error) {
	u := &Upload{store: s, id: newID(), name: text.FileName(o.Name), size: o.Size, sum: o.Sum, address: o.Address, hash: sha256.New(), promised: max(o.Size, 0)}
	if err := s.admit(u); err != nil {
		return nil, err
	}
	f, err := s.create(u.id + partSuffix)
	if err != nil {
		u.forget()
		u.release()
		return nil, fullOr(fmt.Errorf("make a file: %w", err))
	}
	u.file = f
	defer u.release()
	if u.size == 0 { // nothing more will come
		err = u.finish(nil)
	}
	return u, err
}

// admit gives an upload its place, as its holder; nil: it has it.
func (s *Store) admit(u *Upload) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case u.size > s.limits.MaxFile:
		return &TooLargeError{s.limits.MaxFile}
	case len(s.uploads) >= s.limits.Uploads, u.address != "" && s.perAddress[u.address] >= s.limits.PerAddress:
		return ErrBusy
	case s.held+u.promised > s.limits.MaxTotal, len(s.files)+len(s.uploads) >= s.limits.MaxFiles:
		return ErrNoRoom
	}
	s.uploads[u.id] = u
	s.held += u.promised
	if u.address != "" {
		s.perAddress[u.address]++
	}
	u.timer = time.AfterFunc(s.limits.Idle, u.expire)
	u.holdLocked(func() {})
	return nil
}

// forgetLocked takes an upload's place away.
func (s *Store) forgetLocked(u *Upload) {
	u.dropped = true
	if s.uploads[u.id] != u {
		return
	}
	delete(s.uploads, u.id)
	u.timer.Stop()
	s.held -= u.promised
	u.promised = 0
	if u.address != "" {
		if s.perAddress[u.address]--; s.perAddress[u.address] == 0 {
			delete(s.perAddress, u.address)
		}
	}
}

// Upload returns the upload with an id; nil: there is none, or it is said already.
func (s *Store) Upload(id string) *Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id]
}

// Name returns what the file will be called.
func (u *Upload) Name() string { return u.name }

// ID returns the secret by which the file is said in the room.
func (u *Upload) ID() string { return u.id }

// Size returns how many bytes the file will have; -1: that is not known.
func (u *Upload) Size() int64 { return u.size }

// Whole returns the file, once all of it has come.
func (u *Upload) Whole() (f wire.File, ok bool) {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	if u.whole == nil {
		return wire.File{}, false
	}
	return *u.whole, true
}

// Offset returns how many bytes are on disk. Who sends more of them is cut off.
func (u *Upload) Offset() (int64, error) {
	if err := u.hold(func() {}); err != nil {
		return 0, err
	}
	defer u.release()
	return u.at(), nil
}

func (u *Upload) at() int64 {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	return u.offset
}

// Drop gives the upload up, unless it is one that everybody can have already.
func (u *Upload) Drop() {
	s := u.store
	s.mu.Lock()
	if u.dropped || u.published {
		s.mu.Unlock()
		return
	}
	s.forgetLocked(u)
	h := u.holder
	if h == nil {
		u.holdLocked(func() {})
	}
	s.mu.Unlock()
	if h != nil {
		h.cut() // and it deletes the file
		return
	}
	u.release()
}

// forget is Drop for who holds the upload; the file goes with the release.
func (u *Upload) forget() {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	if !u.published {
		u.store.forgetLocked(u)
	}
}

// expire drops an upload that nobody has gone on with.
func (u *Upload) expire() {
	u.store.mu.Lock()
	held := u.holder != nil
	u.store.mu.Unlock()
	if !held { // the timer begins anew with its release
		u.Drop()
	}
}

// hold makes the upload the caller's, and cuts off whose it was. It has to be released.
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

// release gives the upload to whoever comes next, and deletes the file of one that was dropped.
func (u *Upload) release() {
	s := u.store
	defer s.working.Done()
	s.mu.Lock()
	for u.dropped && !u.published && !u.deleted {
		u.deleted = true
		s.mu.Unlock()
		if u.file != nil {
			u.file.Close()
			u.file = nil
		}
		s.root.Remove(u.id + partSuffix)
		s.mu.Lock()
	}
	if !u.dropped {
		u.timer.Reset(s.limits.Idle)
	}
	close(u.holder.done)
	u.holder = nil
	s.mu.Unlock()
}

// A Piece is what comes of a file in one request.
type Piece struct {
	Offset int64     // where in the file it begins
	Body   io.Reader // ends with the piece, or with the file
	Cut    func()    // makes a Read of Body return soon; nil: that is not possible
	Sum    []byte    // the SHA-256 of the whole file; nil: the sender does not say
}

// Append takes a piece. It returns how many bytes are on disk then, also with an error;
// when these are all the file has come, see [Upload.Whole]. Where its size was not
// known, the end of the body is that of the file.
//
// The error is one of this package, that of the body, or that of the disk. After a full
// disk and a wrong checksum, the upload is dropped.
func (u *Upload) Append(p Piece) (offset int64, err error) {
	if p.Cut == nil {
		p.Cut = func() {}
	}
	if err := u.hold(p.Cut); err != nil {
		return 0, err
	}
	defer u.release()
	if whole, ok := u.Whole(); ok {
		return u.again(p, &whole)
	}
	if u.at() != p.Offset {
		return u.at(), ErrOffset
	}
	readErr, err := u.take(p.Body)
	offset = u.at()
	if err != nil {
		u.forget()
		return offset, err
	}
	if readErr == nil && u.size < 0 || offset == u.size {
		return offset, u.finish(p.Sum)
	}
	if readErr != nil && u.isDropped() {
		readErr = ErrGone
	}
	return offset, readErr
}

// again answers a piece of a file that has come: the answer to its last one was lost.
func (u *Upload) again(p Piece, whole *wire.File) (int64, error) {
	switch {
	case p.Offset != whole.Size:
		return whole.Size, ErrOffset
	case p.Sum != nil && hex.EncodeToString(p.Sum) != whole.SHA256:
		u.forget()
		return whole.Size, ErrChecksum
	}
	return whole.Size, nil
}

func (u *Upload) isDropped() bool {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	return u.dropped
}

const (
	// pieceSize is how much is read at once at most: a socket seldom has more.
	pieceSize = 256 << 10

	// piecesAhead is how many pieces are on disk and not hashed yet at most, beside the one
	// that is being hashed: the two take about as long, but not at the same moments.
	piecesAhead = 6
)

// pieces are buffers of pieceSize.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// take writes what body has, up to the end of the file. Beside it a goroutine computes the
// hash, which takes as long as the rest. It returns why the body ended, unless that was as
// it should, and why the disk took no more.
func (u *Upload) take(body io.Reader) (readErr, err error) {
	written := make(chan []byte, piecesAhead)
	free := make(chan *[pieceSize]byte, piecesAhead+2)
	var hashing sync.WaitGroup
	hashing.Go(func() {
		for b := range written {
			u.hash.Write(b)
			free <- (*[pieceSize]byte)(b[:pieceSize])
		}
	})
	made := 0
	defer func() {
		close(written)
		hashing.Wait()
		for range made {
			pieces.Put(<-free)
		}
	}()
	for {
		var buf *[pieceSize]byte
		select {
		case buf = <-free:
		default:
			if made < cap(free) {
				buf = pieces.Get().(*[pieceSize]byte)
				made++
			} else {
				buf = <-free
			}
		}
		at, most := u.at(), pieceSize
		if u.size >= 0 {
			most = int(min(pieceSize, u.size-at))
		}
		n, readErr := body.Read(buf[:most])
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

// write puts b at the end of the file.
func (u *Upload) write(b []byte, at int64) (n int, err error) {
	if err := u.promise(at + int64(len(b))); err != nil {
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
	u.store.mu.Unlock()
	return n, err
}

// promise checks that there is room for a file of so many bytes, where that was not
// known before.
func (u *Upload) promise(size int64) error {
	s := u.store
	s.mu.Lock()
	defer s.mu.Unlock()
	more := size - u.promised
	switch {
	case u.dropped:
		return ErrGone
	case more <= 0:
		return nil
	case size > s.limits.MaxFile:
		return &TooLargeError{s.limits.MaxFile}
	case s.held+more > s.limits.MaxTotal:
		return ErrNoRoom
	}
	s.held += more
	u.promised = size
	return nil
}

// finish ends the upload, of which all has come and should have the SHA-256 want; nil: that
// is not known.
func (u *Upload) finish(want []byte) error {
	sum := u.hash.Sum(nil)
	if want != nil && !bytes.Equal(sum, want) || u.sum != nil && !bytes.Equal(sum, u.sum) {
		u.forget()
		return ErrChecksum
	}
	var err error
	if !u.store.temporary { // what is said in the room is on disk by then
		err = u.file.Sync()
	}
	err = errors.Join(err, u.file.Close())
	u.file = nil
	if err != nil {
		u.forget()
		return fullOr(fmt.Errorf("write a file: %w", err))
	}
	u.hash = nil
	s := u.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.dropped {
		return ErrGone
	}
	s.last++
	u.whole = &wire.File{
		Number: s.last, Name: u.name, Size: u.offset, SHA256: hex.EncodeToString(sum),
		Type: typeOf(u.head), Path: wire.FilePath(s.last, u.name),
	}
	return nil
}
