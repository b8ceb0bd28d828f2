package prooftest

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// A disk is where a host's file is. It may be slow, and it may take nothing: SQLite asks
// it before each commit.
type disk struct {
	writing chan struct{} // capacity 1: has one in it during a commit

	mu      sync.Mutex
	delay   time.Duration // how long a commit takes; under mu
	broken  bool          // it takes nothing; under mu
	resting bool          // it stays as it is; under mu
}

func newDisk(path string) *disk {
	d := &disk{writing: make(chan struct{}, 1)}
	disks.Store(path, d)
	return d
}

// rest waits for the commit that is under way: closing the file would wait for it in a way
// that lets no time pass.
func (d *disk) rest() {
	d.mu.Lock()
	d.delay, d.resting = 0, true
	d.mu.Unlock()
	d.writing <- struct{}{}
	<-d.writing
}

func (d *disk) set(delay time.Duration, broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.resting {
		d.delay, d.broken = delay, broken
	}
}

// commit is SQLite's commit hook: what is not 0 makes a rollback of it.
func (d *disk) commit() int32 {
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	time.Sleep(delay) // a host that dies meanwhile has written nothing
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return 1
	}
	return 0
}

// disks has the disk of each file, by its path.
var disks sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		uri, err := url.Parse(dsn)
		if err != nil {
			return err
		}
		if d, ok := disks.Load(uri.Path); ok && uri.Query().Get("mode") == "rwc" {
			conn.(sqlite.HookRegisterer).RegisterCommitHook(d.(*disk).commit)
		}
		return nil
	})
}

// copyFile copies a history as it is on disk, for a host to open as after a kill.
func copyFile(to, from string) error {
	for _, part := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + part)
		if part != "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+part, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
