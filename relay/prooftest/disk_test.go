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

// A disk delays or fails the commits of a host's file.
type disk struct {
	writing chan struct{} // capacity 1: full during a commit

	mu     sync.Mutex
	delay  time.Duration // how long a commit takes; guarded by mu
	broken bool          // commits fail; guarded by mu
	frozen bool          // set has no effect; guarded by mu
}

func newDisk(path string) *disk {
	d := &disk{writing: make(chan struct{}, 1)}
	disks.Store(path, d)
	return d
}

// freeze waits for the current commit and makes all later ones fast. Closing the file would
// wait for a commit too, but in a way that stops the bubble's clock.
func (d *disk) freeze() {
	d.mu.Lock()
	d.delay, d.frozen = 0, true
	d.mu.Unlock()
	d.writing <- struct{}{}
	<-d.writing
}

func (d *disk) set(delay time.Duration, broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.frozen {
		d.delay, d.broken = delay, broken
	}
}

// commit is SQLite's commit hook: any result but 0 rolls back.
func (d *disk) commit() int32 {
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	time.Sleep(delay) // a host that is killed meanwhile has written nothing
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return 1
	}
	return 0
}

// disks has the disk of each file, by path.
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

// copyFile copies a history as it is on disk now, for a host that starts after a kill.
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
