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

	"chat/relay/text"
	"chat/relay/wire"
)

// Get brings a file from the host into the folder dir, "" being the one where we are, and
// returns its path. It is under another name where its own is taken or not safe. When
// the connection is lost, it goes on from what is here, until ctx ends or the client
// does; what has come by then stays beside it, and the next Get goes on from there.
// progress, which may be nil, is told how many bytes are here.
func (c *Client) Get(ctx context.Context, f wire.File, dir string, progress func(done, total int64)) (path string, err error) {
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil || len(sum) != sha256.Size || f.Size < 0 {
		return "", errors.New("what is told of that file makes no sense")
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
	// Its hash in the name says whose beginning it is.
	g := &getting{root: root, want: f, part: fmt.Sprintf("%s.%x.part", name, sum[:4]), hash: sha256.New()}
	release, err := c.fetch(filepath.Join(dir, g.part))
	if err != nil {
		return "", err
	}
	defer release()
	var over func()
	if g.transfer, over, err = c.transfer(ctx, f.Size, progress); err != nil {
		return "", err
	}
	defer over()
	if err := g.open(); err != nil {
		return "", fmt.Errorf("cannot write to %s: %w", dir, withoutPath(err))
	}
	defer g.file.Close()
	if err := g.persist(g.attempt); err != nil {
		return "", err
	}
	if name, err = g.keep(name); err != nil {
		return "", fmt.Errorf("cannot write to %s: %w", dir, withoutPath(err))
	}
	return filepath.Join(dir, name), nil
}

// fetch notes that a file is on its way to a path, where none is yet.
func (c *Client) fetch(path string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetching[path] {
		return nil, errors.New("it is on its way already")
	}
	c.fetching[path] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.fetching, path)
	}, nil
}

// A getting is a file on its way from the host.
type getting struct {
	*transfer
	root *os.Root
	want wire.File
	part string // what it is called until all of it is here
	file *os.File
	old  bool // some of it was here before
	hash hash.Hash
	done int64 // bytes that are in file and hash
}

// open opens the part, and hashes what is in it.
func (g *getting) open() (err error) {
	if g.file, err = g.root.OpenFile(g.part, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	g.done, err = io.CopyBuffer(onlyWriter{g.hash}, onlyReader{io.LimitReader(g.file, g.want.Size)}, make([]byte, copySize))
	g.old = g.done > 0
	g.progress(g.done, g.total)
	return err
}

// fresh begins anew.
func (g *getting) fresh() error {
	g.old, g.done = false, 0
	g.hash.Reset()
	return g.file.Truncate(0)
}

// attempt gets what is missing.
func (g *getting) attempt() (further bool, err error) {
	began := g.done
	if g.done < g.want.Size {
		if err := g.more(); err != nil {
			return g.done > began, err
		}
	}
	if hex.EncodeToString(g.hash.Sum(nil)) == strings.ToLower(g.want.SHA256) {
		return true, nil
	}
	if g.old { // it may be that which is wrong
		if err := g.fresh(); err != nil {
			return false, lasting{err}
		}
		return true, io.ErrUnexpectedEOF
	}
	g.file.Close()
	g.root.Remove(g.part)
	return false, lasting{errors.New("it did not come as it was sent, and was deleted")}
}

// more asks for the file from where it ends here.
func (g *getting) more() error {
	tag := `"` + strings.ToLower(g.want.SHA256) + `"`
	r := g.request(http.MethodGet, wire.FilePath(g.want.Number, text.FileName(g.want.Name)))
	if g.done > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", g.done))
		r.Header.Set("If-Range", tag)
	}
	res, err := g.do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.Header.Get("ETag") != tag:
		return lasting{errors.New("the host no longer has it")}
	case res.StatusCode == http.StatusPartialContent && strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", g.done)):
	case res.StatusCode == http.StatusOK:
		if err := g.fresh(); err != nil {
			return lasting{err}
		}
	default:
		return lasting{errors.New("the host answers with something else")}
	}
	buf := make([]byte, copySize)
	for g.done < g.want.Size {
		n, err := res.Body.Read(buf[:min(int64(len(buf)), g.want.Size-g.done)])
		wrote, writeErr := g.file.WriteAt(buf[:n], g.done)
		g.hash.Write(buf[:wrote])
		g.done += int64(wrote)
		g.progress(g.done, g.total)
		switch {
		case writeErr != nil:
			return lasting{fmt.Errorf("cannot write it: %w", withoutPath(writeErr))}
		case err == io.EOF && g.done < g.want.Size:
			return io.ErrUnexpectedEOF
		case err != nil && err != io.EOF:
			return err
		}
	}
	return nil
}

// maxNames is how many names are tried.
const maxNames = 1000

// keep gives the file its name, or one like it that is not taken.
func (g *getting) keep(name string) (string, error) {
	if err := g.file.Truncate(g.want.Size); err != nil { // there was more, of whatever
		return "", err
	}
	if err := g.file.Close(); err != nil {
		return "", err
	}
	extension := filepath.Ext(name)
	stem := strings.TrimSuffix(name, extension)
	for n := range maxNames {
		if n > 0 {
			name = fmt.Sprintf("%s-%d%s", stem, n, extension)
		}
		// The name is taken by a file of ours, which the rename then replaces: a rename alone
		// would replace anybody's.
		f, err := g.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		f.Close()
		return name, g.root.Rename(g.part, name)
	}
	return "", fs.ErrExist
}
