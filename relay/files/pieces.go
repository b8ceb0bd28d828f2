package files

import (
	"bytes"
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// This file is about uploads in pieces: their checksums, and files that are put together from
// several uploads.

// errPiece says that a piece has another checksum than its own; the upload is as it was before it.
var errPiece = errors.New("the piece arrived damaged")

// fits reports whether the bytes that were hashed have the checksum.
func (c *Check) fits() bool { return bytes.Equal(c.Hash.Sum(nil), c.Sum) }

// copyChecked is copyFrom for a piece. A piece whose checksum is wrong, or that has one and does not
// arrive in full, is removed again.
//
// Clients of earlier versions send the SHA-256 of the whole file with the last piece. No other
// bytes have it, so it is accepted there too.
func (u *Upload) copyChecked(p Piece) (readErr, err error) {
	if p.Check == nil {
		return u.copyFrom(p.Body)
	}
	before, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("keep the hash of an upload: %w", err)
	}
	head := len(u.head)
	readErr, err = u.copyFrom(io.TeeReader(p.Body, p.Check.Hash))
	switch {
	case err != nil:
		return readErr, err
	case readErr == nil && p.Check.fits():
		return nil, nil
	case u.at() == u.size && bytes.Equal(p.Check.Sum, u.hash.Sum(nil)):
		return readErr, nil
	}
	if err := u.truncate(p.Offset, before, head); err != nil {
		return nil, err
	}
	if readErr != nil {
		return readErr, nil
	}
	return nil, errPiece
}

// truncate removes all bytes after the first at of them. hashed and head are the state of the hash and of
// the head at that place.
func (u *Upload) truncate(at int64, hashed []byte, head int) error {
	if err := u.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(hashed); err != nil {
		return fmt.Errorf("restore the hash of an upload: %w", err)
	}
	u.head = u.head[:head]
	if err := u.file.Truncate(at); err != nil {
		return fmt.Errorf("shorten an upload: %w", err)
	}
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	u.offset = at
	return nil
}

// finishPartial completes a part of another file once all of its bytes are on disk.
func (u *Upload) finishPartial() error {
	err := u.file.Close()
	u.file, u.hash = nil, nil
	if err != nil {
		u.forget()
		return fullOr(fmt.Errorf("write a file: %w", err))
	}
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	u.complete = true
	return u.whyDroppedLocked()
}

// maxParts is how many uploads Concat puts together at most.
const maxParts = 64

// Concat returns a finished upload whose bytes are those of partial uploads, in order. It copies
// them, and then drops the parts. The error is [ErrGone] if one of them does not exist, is not
// partial, or has not arrived in full.
func (s *Store) Concat(o Offer, ids []string) (*Upload, error) {
	parts := make([]*Upload, 0, len(ids))
	o.Size, o.Partial, o.Deferred = 0, false, false
	for _, id := range ids {
		u := s.Upload(id)
		if u == nil || len(parts) == maxParts {
			return nil, ErrGone
		}
		s.mu.Lock()
		complete := u.complete
		s.mu.Unlock()
		if !complete {
			return nil, ErrGone
		}
		o.Size += u.Size()
		parts = append(parts, u)
	}
	ordered := slices.SortedFunc(slices.Values(parts), func(a, b *Upload) int { return cmp.Compare(a.id, b.id) })
	if len(slices.Compact(slices.Clone(ordered))) < len(parts) { // one of them twice
		return nil, ErrGone
	}
	for _, u := range ordered { // all requests in the same order, or two could wait for each other
		if err := u.hold(func() {}); err != nil {
			return nil, err
		}
		defer u.release()
	}
	var bodies []io.Reader
	for _, u := range parts {
		f, err := s.root.Open(u.id + partSuffix)
		if err != nil {
			return nil, fmt.Errorf("open an upload: %w", err)
		}
		defer f.Close()
		bodies = append(bodies, f)
	}
	whole, err := s.Begin(o)
	if err != nil || o.Size == 0 {
		return whole, err
	}
	if _, err = whole.Append(Piece{Body: io.MultiReader(bodies...)}); err != nil {
		whole.Drop()
		return nil, err
	}
	if _, ok := whole.Finished(); !ok {
		whole.Drop()
		return nil, fmt.Errorf("put uploads together: %w", os.ErrInvalid)
	}
	for _, u := range parts {
		u.forget()
	}
	return whole, nil
}
