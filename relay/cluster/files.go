package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	partSize    = 256 << 10        // bytes of each part of a file but the last
	maxFile     = 64 << 30         // bytes
	filePath    = "file"           // what follows chat.ROOM. in the subjects of files
	partTimeout = 30 * time.Second // for reading a part, while servers are lost and elected
	abandoned   = time.Hour        // a file that is not complete, and has not grown for so long, is deleted
	laggard     = 2 * time.Second  // how long a server may lag behind: then a part is not on its way but missing
	endOfFile   = "end"            // the last token of the subject of a file's description
)

var fileName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// A File is a file in the cluster. It is read part by part, each when it is needed. ReadAt may be called concurrently.
type File struct {
	Size   int64
	SHA256 [sha256.Size]byte

	c    *Cluster
	ctx  context.Context
	path string // prefix of the subjects of its parts
	part int64  // bytes of each part but the last

	mu     sync.Mutex
	index  int64  // guarded by mu: of the part that was read last
	latest []byte // guarded by mu: that part; nil: none
}

// A description follows the parts of a file: with it, the file is complete.
type description struct {
	Format int    `json:"format"`
	Size   int64  `json:"size"`
	Part   int64  `json:"part"` // bytes of each part but the last
	SHA256 string `json:"sha256"`
}

// PutFile stores what r reads as a file of that name: 1 to 64 letters, digits, - and _, which no one has used before. The file
// exists for the others once PutFile has returned. While the cluster cannot be reached, PutFile waits. If r fails, nothing is kept.
func (c *Cluster) PutFile(ctx context.Context, name string, r io.Reader) (size int64, sum [sha256.Size]byte, err error) {
	if !fileName.MatchString(name) {
		return 0, sum, fmt.Errorf("invalid name %q of a file in the cluster", name)
	}
	size, sum, err = c.put(ctx, c.path(filePath, name), r)
	if err != nil {
		return 0, sum, fmt.Errorf("store a file in the cluster: %w", err)
	}
	return size, sum, nil
}

// OpenFile opens a complete file. ctx limits reading, too. The error wraps [ErrNoFile] if there is none.
func (c *Cluster) OpenFile(ctx context.Context, name string) (*File, error) {
	if !fileName.MatchString(name) {
		return nil, fmt.Errorf("file %q: %w", name, ErrNoFile)
	}
	f, err := c.openFile(ctx, c.path(filePath, name))
	if err != nil {
		return nil, fmt.Errorf("open a file in the cluster: %w", err)
	}
	return f, nil
}

// DeleteFile deletes a file, if there is one.
func (c *Cluster) DeleteFile(ctx context.Context, name string) error {
	if !fileName.MatchString(name) {
		return nil
	}
	if err := c.delete(ctx, c.path(filePath, name)); err != nil {
		return fmt.Errorf("delete a file in the cluster: %w", err)
	}
	return nil
}

// path returns the prefix of the subjects of a file's parts. The room's ID is in it, as another room of this name may have left files.
func (c *Cluster) path(kind, name string) string {
	return strings.TrimSuffix(c.records.subjects[0], "log.*") + kind + "." + c.common.ID + "." + name + "."
}

// put stores the parts and the description of a file.
func (c *Cluster) put(ctx context.Context, path string, r io.Reader) (size int64, sum [sha256.Size]byte, err error) {
	defer func() {
		if err != nil && !errors.Is(err, errExists) { // if this fails, too, the rest is deleted when it counts as abandoned
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
			defer cancel()
			err = errors.Join(err, c.delete(cleanup, path))
		}
	}()
	mark := fmt.Sprintf("%s-%d-", c.relay, c.written.Add(1))
	hash := sha256.New()
	part := make([]byte, partSize)
	for i := 0; ; i++ {
		n, err := io.ReadFull(r, part)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, sum, err
		}
		if n == 0 {
			break
		}
		if size += int64(n); size > maxFile {
			return 0, sum, errTooLarge
		}
		hash.Write(part[:n])
		w := writer{c: c, stream: c.files, subject: fmt.Sprint(path, i), mark: mark}
		if err := w.write(ctx, part[:n]); err != nil {
			return 0, sum, err
		}
		if n < partSize {
			break
		}
	}
	hash.Sum(sum[:0])
	end, err := json.Marshal(description{Format: Format, Size: size, Part: partSize, SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return 0, sum, err
	}
	w := writer{c: c, stream: c.files, subject: path + endOfFile, mark: mark}
	return size, sum, w.write(ctx, end)
}

// openFile reads the description of a file.
func (c *Cluster) openFile(ctx context.Context, path string) (*File, error) {
	end, err := c.message(ctx, path+endOfFile)
	if err != nil {
		return nil, err
	}
	var said description
	err = json.Unmarshal(end, &said)
	sum, invalid := hex.DecodeString(said.SHA256)
	switch {
	case err == nil && said.Format > Format:
		return nil, fmt.Errorf("a file has format %d, this version knows %d: %w", said.Format, Format, ErrNewer)
	case err != nil || invalid != nil || len(sum) != sha256.Size || said.Size < 0 || said.Size > maxFile || said.Part < 1 || said.Part > 1<<20:
		return nil, fmt.Errorf("%w: its description cannot be read", ErrNoFile)
	}
	return &File{Size: said.Size, SHA256: [sha256.Size]byte(sum), c: c, ctx: ctx, path: path, part: said.Part}, nil
}

// message returns the message of a subject in the stream of files. A server that lags has it later.
func (c *Cluster) message(ctx context.Context, subject string) (data []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	var missing doubt
	err = c.try(ctx, func(ctx context.Context) error {
		msg, err := c.parts.GetLastMsgForSubject(ctx, subject)
		if missing.lasts(errors.Is(err, jetstream.ErrMsgNotFound), c.lag()) {
			return ErrNoFile
		}
		if err == nil {
			data = msg.Data
		}
		return err
	})
	return data, err
}

// lag returns for how long a server may lag behind another one.
func (c *Cluster) lag() time.Duration {
	if c.replicas == 1 {
		return 0
	}
	return laggard
}

// ReadAt reads at an offset. The part that was read last is kept, so that small reads are cheap.
func (f *File) ReadAt(p []byte, offset int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		at := offset + int64(n)
		if at < 0 || at >= f.Size {
			return n, io.EOF
		}
		if index := at / f.part; f.latest == nil || f.index != index {
			data, err := f.c.message(f.ctx, fmt.Sprint(f.path, index))
			if err != nil {
				return n, fmt.Errorf("read a part of a file in the cluster: %w", err)
			}
			if int64(len(data)) != min(f.part, f.Size-index*f.part) {
				return n, fmt.Errorf("part %d of a file in the cluster has %d bytes: %w", index, len(data), io.ErrUnexpectedEOF)
			}
			f.index, f.latest = index, data
		}
		n += copy(p[n:], f.latest[at-f.index*f.part:])
	}
	return n, nil
}

// Reader returns a reader of the whole file, which checks the hash at the end.
func (f *File) Reader() io.Reader {
	return &fileReader{rest: io.NewSectionReader(f, 0, f.Size), hash: sha256.New(), sum: f.SHA256}
}

// A fileReader reads a file from its beginning to its end. Owned by the goroutine that reads.
type fileReader struct {
	rest *io.SectionReader
	hash hash.Hash
	sum  [sha256.Size]byte
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.rest.Read(p)
	r.hash.Write(p[:n])
	if errors.Is(err, io.EOF) && [sha256.Size]byte(r.hash.Sum(nil)) != r.sum {
		err = errors.New("a file in the cluster is damaged: its hash is another one")
	}
	return n, err
}

// delete deletes all parts of a file.
func (c *Cluster) delete(ctx context.Context, path string) error {
	return c.try(ctx, func(ctx context.Context) error {
		handle, _, err := c.look(ctx, c.files)
		if err != nil {
			return err
		}
		return handle.Purge(ctx, jetstream.WithPurgeSubject(path+">"))
	})
}
