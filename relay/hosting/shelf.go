package hosting

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"

	"chat/relay/cluster"
	"chat/relay/files"
)

// openStore opens the store of uploads: that of this host, or of a room that several hosts share.
func (r *Room) openStore() (*files.Store, error) {
	opts := &r.opts
	if r.cluster == nil {
		return files.Open(opts.FilesDir, opts.FileLimits)
	}
	dir := opts.FilesDir
	if dir != "" { // other rooms have files with the same numbers
		dir = filepath.Join(dir, "room-"+r.cluster.Common().ID)
	}
	return files.OpenShelf(context.Background(), dir, opts.FileLimits, shelf{r.cluster})
}

// A shelf is a cluster as a [files.Shelf].
type shelf struct{ cluster *cluster.Cluster }

// listName is the prefix of the names of entries.
const listName = "files."

func (s shelf) Change(ctx context.Context, number uint64, change func([]byte) ([]byte, error)) error {
	return s.cluster.Change(ctx, listName+decimal(number), change)
}

func (s shelf) Watch(ctx context.Context, receive func(uint64, []byte), complete func()) {
	s.cluster.WatchValues(ctx, listName, func(name string, value []byte) {
		if number, err := strconv.ParseUint(name, 10, 64); err == nil {
			receive(number, value)
		}
	}, complete)
}

func (s shelf) Put(ctx context.Context, number uint64, content io.Reader) error {
	_, _, err := s.cluster.PutFile(ctx, decimal(number), content)
	return err
}

func (s shelf) Open(ctx context.Context, number uint64) (files.Content, error) {
	f, err := s.cluster.OpenFile(ctx, decimal(number))
	if errors.Is(err, cluster.ErrNoFile) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return files.Content{}, err
	}
	return files.Content{ReaderAt: f, Size: f.Size, SHA256: hex.EncodeToString(f.SHA256[:])}, nil
}

func (s shelf) Delete(ctx context.Context, number uint64) error {
	return s.cluster.DeleteFile(ctx, decimal(number))
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
