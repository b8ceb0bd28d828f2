//go:build linux

package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite"
)

// A historyLock is a process that holds the write lock of the history's database. Until the
// lock is released the host cannot begin a transaction, so its next commit waits. The lock
// needs its own process because it must be killed like the host: closing the database would
// move the write-ahead log into it, and the next host would have nothing to recover.
type historyLock struct {
	cmd    *exec.Cmd
	lastID uint64 // the highest event ID on disk
}

// lockHistory takes the write lock of the database at path.
func lockHistory(self, path string) (*historyLock, error) {
	cmd := exec.Command(self, "lock", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &historyLock{cmd: cmd}
	if _, err := fmt.Fscanln(bufio.NewReader(out), &l.lastID); err != nil {
		l.release()
		return nil, fmt.Errorf("lock the history: %s", strings.TrimSpace(complaints.String()))
	}
	return l, nil
}

func (l *historyLock) release() {
	l.cmd.Process.Kill()
	l.cmd.Wait()
}

// runLock is the process of a historyLock. Once it has the lock, it prints the highest
// event ID on disk. It holds the lock until it is killed.
func runLock(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: chaos lock FILE")
	}
	db, err := sql.Open("sqlite", "file:"+args[0]+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	var last uint64
	if err := conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM event").Scan(&last); err != nil {
		return err
	}
	fmt.Println(last)
	<-ctx.Done()
	return ctx.Err()
}

// lockTime is how long the lock is held. The host waits longer for it, a second, before it
// rejects a batch.
const lockTime = 300 * time.Millisecond

// killInCommit kills the host while a commit waits. It reports whether a bot saw its own
// message acknowledged although that message cannot be on disk, which happens only if the
// host acknowledges before it commits. If no bot does, killInCommit tries again until
// patience is over.
func (r *run) killInCommit(ctx context.Context, h *host, patience time.Duration) (acknowledged bool, err error) {
	for deadline := time.Now().Add(patience); ; {
		tails := r.recordTails()
		lock, err := lockHistory(r.self, h.history)
		if err != nil {
			return false, err
		}
		acknowledged, err := awaitOwnMessage(ctx, tails, lock.lastID)
		last := acknowledged || time.Now().After(deadline)
		if last && err == nil {
			h.kill()
		}
		lock.release()
		if last || err != nil {
			return acknowledged, err
		}
		if _, err := awaitOwnMessage(ctx, tails, lock.lastID); err != nil { // until the waiting batch is committed
			return false, err
		}
	}
}

// awaitOwnMessage waits up to lockTime until a tail has a message of its own bot with an ID
// above last, and reports whether one has.
func awaitOwnMessage(ctx context.Context, tails []recordTail, last uint64) (bool, error) {
	for deadline := time.Now().Add(lockTime); time.Now().Before(deadline); {
		for _, t := range tails {
			if found, err := t.hasOwnMessage(last); found || err != nil {
				return found, err
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return false, nil
}

// A recordTail is the part of a bot's record after an offset.
type recordTail struct {
	label, record string
	offset        int64
}

// recordTails returns the tails of all bots' records from here on.
func (r *run) recordTails() []recordTail {
	var tails []recordTail
	for _, s := range r.seats {
		p := s.current()
		if info, err := os.Stat(p.record); err == nil && s.role == botRole {
			tails = append(tails, recordTail{p.label, p.record, info.Size()})
		}
	}
	return tails
}

// hasOwnMessage reports whether the tail has a message of the bot's own with an ID above
// last.
func (t recordTail) hasOwnMessage(last uint64) (found bool, err error) {
	err = readRecordFrom(t.record, t.offset, ownFormat, func(e entry) {
		found = found || e.kind == shown && e.label == t.label && e.id > last
	})
	return found, err
}
