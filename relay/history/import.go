package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"chat/relay/privatefile"
	"chat/relay/wire"
)

// MaxImported is the highest id of an event that can be imported.
const MaxImported = maxStart

// importBatch is how many events are written in one transaction.
const importBatch = 1000

// An Importer writes the events of another history into a new file. It belongs to the goroutine that
// called [Import].
type Importer struct {
	file    *File
	fold    Fold
	batch   []pending
	encoded []byte // the JSON of a batch, reused for the next one
	next    uint64 // the id of the next event; 0: any
}

// Import creates the history path from the events that write adds. The new room has an ID and a secret
// of its own. The file is complete, or there is none, as with [Backup]. fold is the state of an empty room.
// The error is that of write, wraps [ErrExists], or is one of this package or of the system.
func Import(path, title string, fold Fold, write func(*Importer) error) error {
	failed := error(nil) // write
	err := privatefile.Create(path, func(partial *os.File) (err error) {
		defer func() {
			for _, suffix := range []string{"-wal", "-shm", ".lock"} {
				err = errors.Join(err, privatefile.Remove(partial.Name()+suffix))
			}
		}()
		im := &Importer{fold: fold}
		if im.file, err = OpenFile(partial.Name(), Keep{}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, im.file.Close()) }()
		if err := im.file.exec(`PRAGMA synchronous = OFF`); err != nil { // privatefile waits for the disk
			return err
		}
		if title != "" {
			if err := im.file.SetTitle(title); err != nil {
				return err
			}
		}
		if failed = write(im); failed != nil {
			return failed
		}
		return im.finish()
	})
	if err != nil && failed == nil {
		err = fmt.Errorf("import into history %s: %w", path, fileError(err))
	}
	return err
}

// Add adds an event with its id. The first may have any; those after it follow one another.
func (im *Importer) Add(e *wire.Event, by Origin) error {
	switch {
	case im.next != 0 && e.ID != im.next:
		return fmt.Errorf("event %d does not follow event %d", e.ID, im.next-1)
	case e.ID == 0 || e.ID > MaxImported:
		return fmt.Errorf("the id %d is not from 1 to %d", e.ID, uint64(MaxImported))
	}
	im.next = e.ID + 1
	p := pending{event: *e, by: by}
	p.event.Time = e.Time.UTC().Truncate(time.Millisecond)
	p.at = p.event.Time
	return im.add(p)
}

// Hide adds a hidden event; see [Log.AppendHidden].
func (im *Importer) Hide(json []byte, at time.Time) error {
	return im.add(pending{json: json, at: at.UTC().Truncate(time.Millisecond)})
}

func (im *Importer) add(p pending) error {
	im.batch = append(im.batch, p)
	if len(im.batch) < importBatch {
		return nil
	}
	return im.flush()
}

func (im *Importer) flush() error {
	if len(im.batch) == 0 {
		return nil
	}
	im.encoded = im.encoded[:0]
	for i := range im.batch {
		if p := &im.batch[i]; !p.isHidden() {
			start := len(im.encoded)
			im.encoded = p.event.AppendJSON(im.encoded)
			p.json = im.encoded[start:len(im.encoded):len(im.encoded)]
		}
	}
	if err := im.file.writeBatch(im.batch, im.fold); err != nil {
		return writeError(err)
	}
	im.fold.Commit()
	clear(im.batch)
	im.batch = im.batch[:0]
	return nil
}

// finish writes the last events and indexes all.
func (im *Importer) finish() error {
	if err := im.flush(); err != nil {
		return err
	}
	for {
		im.file.lastBatch = importBatch // so many at a time
		if more, err := im.file.indexSome(); err != nil || !more {
			return err
		}
	}
}

// Title returns the title of the room whose history is at path; "": it has none. Another process may host on the file
// meanwhile, as with [ReadFile]. The title is as the file has it: clean it before it is shown.
func Title(path string) (string, error) {
	title, err := readTitle(path)
	if err != nil {
		return "", fmt.Errorf("read history %s: %w", path, fileError(err))
	}
	return title, nil
}

func readTitle(path string) (title string, err error) {
	if err := checkExists(path); err != nil {
		return "", err
	}
	db, err := openToRead(path)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return title, db.QueryRowContext(context.Background(), titleQuery).Scan(&title)
}
