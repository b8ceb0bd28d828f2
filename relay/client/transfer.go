package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/text"
	"chat/relay/wire"
)

// This file is the files that go to the host and come from it. They go by HTTP, over
// connections of their own to where the host is, made like that of the room.

const (
	// stallTime is how long a connection that carries a file may stand still. A host with a
	// slow disk writes out the end of a large file before it answers.
	stallTime = time.Minute

	// maxAnew is how often an upload is begun anew that the host lost.
	maxAnew = 5

	// tailSize is how much of a file goes last, with the hash of all of it before it: a
	// header cannot have what is known only at the end.
	tailSize = 256 << 10

	// copySize is how much is read and written at once.
	copySize = 256 << 10

	// maxFiles is how many files are known by their numbers.
	maxFiles = 1000
)

// --- which files there are --------------------------------------------------------

// Files returns the files that were sent in the room, as far as events told of them, oldest
// first; the last 1,000.
func (c *Client) Files() []wire.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.files)
}

// noteFiles remembers the files that an event tells of.
func (s *membership) noteFiles(e *wire.Event) {
	for i := len(e.Events) - 1; i >= 0; i-- { // older than what is known
		s.noteFile(e.Events[i].File, 0)
	}
	if e.File != nil && e.Said() {
		s.noteFile(e.File, maxFiles)
	}
}

// noteFile puts a file at a place among the others, or last.
func (c *Client) noteFile(f *wire.File, at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil || slices.Contains(c.files, *f) {
		return
	}
	c.files = slices.Insert(c.files, min(at, len(c.files)), *f)
	if more := len(c.files) - maxFiles; more > 0 {
		c.files = slices.Delete(c.files, 0, more)
	}
}

// --- by HTTP ----------------------------------------------------------------------

// A transfer is one file on its way, in one direction.
type transfer struct {
	client   *Client
	ctx      context.Context // ends with the client, too
	http     http.Client
	progress func(done, total int64)
	total    int64
}

// transfer begins one; over ends it.
func (c *Client) transfer(ctx context.Context, total int64, progress func(done, total int64)) (_ *transfer, over func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, nil, ErrClosed
	}
	c.transfers.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.done:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	})
	if progress == nil {
		progress = func(int64, int64) {}
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c.mu.Lock()
			addr := c.hostAddr // it may have moved
			c.mu.Unlock()
			conn, err := c.dial(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &stallConn{conn}, nil
		},
		DisableCompression: true,
		WriteBufferSize:    copySize,
		ReadBufferSize:     copySize,
	}
	t := &transfer{client: c, ctx: ctx, progress: progress, total: total, http: http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return t, func() {
		cancel(context.Canceled)
		watch.Wait()
		transport.CloseIdleConnections()
		c.transfers.Done()
	}, nil
}

// A stallConn fails when it stands still for stallTime.
type stallConn struct{ net.Conn }

func (s *stallConn) Read(b []byte) (int, error) {
	s.SetReadDeadline(time.Now().Add(stallTime))
	return s.Conn.Read(b)
}

func (s *stallConn) Write(b []byte) (int, error) {
	s.SetWriteDeadline(time.Now().Add(stallTime))
	return s.Conn.Write(b)
}

// request makes one for a path of the host. Whatever its address is, this program calls it
// localhost: a host answers to no names that it does not know, for the sake of browsers.
func (t *transfer) request(method, path string, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(t.ctx, method, "http://localhost"+path, http.NoBody)
	if err != nil { // a path that the host made up
		r, _ = http.NewRequestWithContext(t.ctx, method, "http://localhost/", http.NoBody)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// A statusError is an answer by which the host does not do what was asked.
type statusError struct {
	status int
	text   string // for people, cleaned
}

func (e *statusError) Error() string { return "the host says: " + e.text }

// do asks the host. The body of the response has to be closed.
func (t *transfer) do(r *http.Request) (*http.Response, error) {
	res, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(res.Body, 4*maxRefusal))
	message, _, _ := strings.Cut(strings.TrimSpace(string(words)), "\n")
	if message == "" {
		message = http.StatusText(res.StatusCode)
	}
	letters := []rune(text.Clean(message))
	return nil, &statusError{res.StatusCode, string(letters[:min(len(letters), maxRefusal)])}
}

// status returns the status of an answer that is an error; 0: there was no answer.
func status(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// A lasting error is one that the same attempt would meet again.
type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

// persist makes attempts until one succeeds, its error lasts, or the transfer is called off.
// An attempt tells whether it got any further.
func (t *transfer) persist(attempt func() (further bool, err error)) error {
	var pause time.Duration
	for {
		further, err := attempt()
		switch status(err) {
		case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		default:
			return err
		}
		if l, ok := errors.AsType[lasting](err); err == nil || ok {
			return l.error
		}
		if further {
			pause = 0
		}
		pause = min(max(time.Duration(float64(pause)*pauseGrow), firstPause), maxPause)
		if t.ctx.Err() != nil || !sleep(t.ctx, pause) {
			return context.Cause(t.ctx)
		}
	}
}

// --- to the host ------------------------------------------------------------------

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

// --- from the host ----------------------------------------------------------------

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

// --- as people type it ------------------------------------------------------------

// TypedPath returns the path that somebody typed, or dropped on the terminal: with quotes
// around it perhaps, and ~ for the home folder.
func TypedPath(typed string) string {
	typed = strings.TrimSpace(typed)
	if n := len(typed); n >= 2 && (typed[0] == '\'' || typed[0] == '"') && typed[n-1] == typed[0] {
		typed = typed[1 : n-1]
	}
	if rest, ok := strings.CutPrefix(filepath.ToSlash(typed)+"/", "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, filepath.FromSlash(rest))
		}
	}
	return typed
}

// TypedGet finds the file that is meant by "N [DIR]", or the last one by nothing, among
// those that are known.
func TypedGet(known []wire.File, typed string) (f wire.File, dir string, err error) {
	if len(known) == 0 {
		return f, "", errors.New("no file was sent here yet; /send PATH sends one")
	}
	if typed = strings.TrimSpace(typed); typed == "" {
		return known[len(known)-1], "", nil
	}
	number, dir, _ := strings.Cut(typed, " ")
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		return f, "", errors.New("usage: /get [N [DIR]]: file N, or the last one; /files lists them")
	}
	for _, f := range slices.Backward(known) {
		if f.Number == n {
			return f, TypedPath(dir), nil
		}
	}
	return f, "", fmt.Errorf("nobody sent a file %d here; /files lists those that were sent", n)
}

// filesListed is how many files are listed.
const filesListed = 20

// FileLines lists the last files for people, a line each.
func FileLines(known []wire.File) string {
	if len(known) == 0 {
		return "no file was sent here yet; /send PATH sends one"
	}
	lines := []string{"the last files; /get N gets one:"}
	for _, f := range known[max(len(known)-filesListed, 0):] {
		lines = append(lines, fmt.Sprintf("%4d  %s (%s)", f.Number, f.Name, humanize.Bytes(uint64(max(f.Size, 0)))))
	}
	return strings.Join(lines, "\n")
}
