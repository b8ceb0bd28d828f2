package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"chat/relay/text"
	"chat/relay/wire"
)

// The suffixes of an upload's files, which begin with its ID.
const (
	partSuffix     = ".part"       // the bytes that have arrived
	stateSuffix    = ".upload"     // an uploadState
	newStateSuffix = ".upload.new" // an uploadState that is being written
)

var uploadSuffixes = []string{partSuffix, stateSuffix, newStateSuffix}

// An uploadState has the data with which another run of the host continues an upload, in
// addition to its part file. The size of that file says how many bytes have arrived, and their
// hash is computed again. Only resumable uploads in a folder that stays have a state.
//
// The part file of an unfinished upload is not synced. After a crash of the system, rather
// than of the host, it may hold other bytes than the sender sent; its checksum shows that.
type uploadState struct {
	Name     string     `json:"name"`
	Size     int64      `json:"size"`              // -1: see Deferred
	Partial  bool       `json:"partial,omitzero"`  // it is a part of another file
	Deferred bool       `json:"deferred,omitzero"` // its sender names the size later
	SHA256   string     `json:"sha256,omitempty"`  // as announced by the sender
	Address  string     `json:"address,omitempty"`
	File     *wire.File `json:"file,omitempty"` // once the upload is finished
}

// hasState reports whether another run of the host can continue the upload.
func (u *Upload) hasState() bool { return u.resumable && !u.store.temporary }

// saveState writes the upload's state; f is its file if it is finished. Its holder calls it.
func (u *Upload) saveState(f *wire.File) error {
	if !u.hasState() {
		return nil
	}
	b, err := json.Marshal(uploadState{u.name, u.size, u.partial, u.size < 0, hex.EncodeToString(u.sum), u.address, f})
	if err != nil {
		return err
	}
	root := u.store.root
	w, err := root.OpenFile(u.id+newStateSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	if err == nil && f != nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return root.Rename(u.id+newStateSuffix, u.id+stateSuffix)
}

// deleteFiles deletes the upload's files.
func (u *Upload) deleteFiles() {
	u.store.root.Remove(u.id + partSuffix)
	if u.hasState() {
		u.store.root.Remove(u.id + stateSuffix)
	}
}

// restoreUpload continues an upload of an earlier run. It returns false if that is not
// possible. Only Open calls it.
func (s *Store) restoreUpload(id string) bool {
	b, err := s.root.ReadFile(id + stateSuffix)
	if err != nil {
		return false
	}
	info, err := s.root.Lstat(id + partSuffix)
	if err != nil { // it was published
		return false
	}
	s.mu.Lock() // restored uploads can expire already
	defer s.mu.Unlock()
	u, err := s.parseStateLocked(id, b)
	if err == nil && (!info.Mode().IsRegular() || u.size >= 0 && info.Size() > u.size) {
		err = errors.New("the part file does not fit")
	}
	if err == nil && u.finished != nil && info.Size() != u.size {
		err = errors.New("the part file is incomplete")
	}
	if err == nil {
		u.offset, u.promised = info.Size(), info.Size()
		u.complete = u.partial && u.offset == u.size
		err = s.admitLocked(u)
	}
	if err != nil {
		s.limits.Log.Warn("an unfinished upload cannot be continued and is deleted", "folder", s.folder, "upload", id, "error", err)
		return false
	}
	return true
}

// parseStateLocked makes an upload of the state in b. Like parseEntry, it trusts nothing in it.
func (s *Store) parseStateLocked(id string, b []byte) (*Upload, error) {
	var state uploadState
	if err := json.Unmarshal(b, &state); err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(state.SHA256)
	switch {
	case err != nil || len(sum) != 0 && len(sum) != sha256.Size:
		return nil, errors.New("invalid SHA-256")
	case state.Size < 0 && (state.Size != -1 || !state.Deferred) || state.Name != text.FileName(state.Name):
		return nil, errors.New("invalid name or size")
	}
	u := &Upload{
		store: s, id: id, name: state.Name, size: state.Size, address: state.Address, resumable: true,
		deferred: state.Size < 0, partial: state.Partial,
	}
	if len(sum) > 0 {
		u.sum = sum
	}
	if f := state.File; f != nil {
		if err := s.checkFile(f); err != nil {
			return nil, err
		}
		if u.partial || f.Size != u.size || f.Name != u.name || s.isPromisedLocked(f.Number) {
			return nil, errors.New("another file than the upload's")
		}
		s.last = max(s.last, f.Number)
		u.finished = f
	}
	return u, nil
}

// isPromisedLocked reports whether a finished upload has the number.
func (s *Store) isPromisedLocked(number uint64) bool {
	for _, u := range s.uploads {
		if u.finished != nil && u.finished.Number == number {
			return true
		}
	}
	return false
}

// reopen opens the part file of a restored upload and hashes its bytes. Its holder calls it.
func (u *Upload) reopen() error {
	at := u.at()
	r, err := u.store.root.Open(u.id + partSuffix)
	if err != nil {
		return fmt.Errorf("open an upload: %w", err)
	}
	defer r.Close()
	u.hash = sha256.New()
	u.head = make([]byte, min(at, sniffed))
	if _, err := io.ReadFull(r, u.head); err != nil {
		return fmt.Errorf("read an upload: %w", err)
	}
	n, err := io.Copy(u.hash, io.MultiReader(bytes.NewReader(u.head), io.LimitReader(r, at-int64(len(u.head)))))
	switch {
	case err != nil:
		return fmt.Errorf("read an upload: %w", err)
	case n != at:
		return fmt.Errorf("read an upload: %d bytes are there, not %d", n, at)
	}
	if u.file, err = u.store.root.OpenFile(u.id+partSuffix, os.O_WRONLY, 0); err != nil {
		return fmt.Errorf("open an upload: %w", err)
	}
	return nil
}
