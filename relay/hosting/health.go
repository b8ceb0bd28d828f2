package hosting

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/diskspace"
	"chat/relay/files"
)

// This file watches what the room needs of its machine: space on the disks, and an output for the log.

// diskNames are what people read for the names of disks in the metrics.
var diskNames = map[string]string{"history": "the history", "files": "uploaded files"}

// diskWatch returns a watch of the disks with the history and the files; it is not running.
func (r *Room) diskWatch() *diskspace.Watch {
	reserve := reserveOf(r.opts.FileLimits)
	var disks []diskspace.Disk
	if r.opts.HistoryFile != "" {
		disks = append(disks, diskspace.Disk{Name: "history", Folder: filepath.Dir(r.opts.HistoryFile), Reserve: reserve})
	}
	if r.store != nil {
		disks = append(disks, diskspace.Disk{Name: "files", Folder: r.store.Folder(), Reserve: reserve})
	}
	return diskspace.NewWatch(disks...)
}

// reserveOf returns the reserve of disks under these limits, in bytes; negative: there is none.
func reserveOf(l files.Limits) int64 {
	if l.Reserve == 0 {
		return files.DefaultReserve
	}
	return l.Reserve
}

// watchDisks watches the disks until ctx ends. No one waits for its goroutine: a disk that hangs must not keep the room
// from being closed.
func (r *Room) watchDisks(ctx context.Context) {
	go r.disks.Run(ctx, r.reportDisk) // it ends with ctx, as soon as the disk answers
}

// reportDisk reports to the log and the operators that a disk has reached another level.
func (r *Room) reportDisk(d diskspace.Disk, was diskspace.Level) {
	what := diskNames[d.Name]
	free := humanize.IBytes(uint64(max(d.Free, 0)))
	log := r.opts.Log.With("folder", d.Folder, "free", free, "size", humanize.IBytes(uint64(d.Total)))
	switch {
	case d.IsCritical():
		log.Warn("the disk with " + what + " is full, or nearly so")
		r.NotifyOperators(fmt.Sprintf("the host's disk with %s is nearly full: only %s are free; soon nothing can be stored", what, free))
	case d.Level == diskspace.Low && was == diskspace.Enough:
		log.Warn("the disk with " + what + " has little space")
		r.NotifyOperators(fmt.Sprintf("the host's disk with %s has little space: %s are free", what, free))
	case d.Level == diskspace.Low:
		log.Info("the disk with " + what + " has a little more space")
		r.NotifyOperators(fmt.Sprintf("the host's disk with %s has a little more space: %s are free", what, free))
	default:
		log.Info("the disk with " + what + " has enough space again")
		r.NotifyOperators(fmt.Sprintf("the host's disk with %s has enough space again: %s are free", what, free))
	}
}

// lostFor is how long the loss of log lines is a problem.
const lostFor = time.Minute

// problems returns what the room lacks of its machine; see [web.Options.Problems].
func (r *Room) problems() (list []string) {
	for _, d := range r.disks.Disks() {
		if d.Name == "history" && d.IsCritical() {
			list = append(list, "the disk with the history is nearly full")
		}
	}
	if lines, last := r.logs.Lost(); lines > 0 && time.Since(last) < lostFor {
		list = append(list, "log lines are dropped: their output is too slow")
	}
	return list
}

// lostLines returns how many log lines were dropped.
func (r *Room) lostLines() uint64 {
	lines, _ := r.logs.Lost()
	return lines
}
