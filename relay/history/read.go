package history

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"modernc.org/sqlite"

	"chat/relay/text"
	"chat/relay/timezone"
	"chat/relay/wire"
)

// A Selection selects events of a file. Its zero value selects all messages and actions.
type Selection struct {
	Since, Until time.Time      // events from Since on and before Until; zero: no limit
	From         string         // events from that nick; "": from everyone
	Text         *regexp.Regexp // events with a text that matches; nil: with any
	Private      bool           // private messages, too
	Happened     bool           // joins, leaves and changes of nick and topic, too
}

// ReadFile yields the selected events of the file at path, oldest first. Another process may host
// on the file meanwhile, but not this one: closing the file would release the locks that
// the system has for the process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
// Damaged events are skipped. It ends with ctx. An error is the last that is yielded; it wraps one of this package or
// of the system.
func ReadFile(ctx context.Context, path string, wanted Selection) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		if err := wanted.read(ctx, path, yield); err != nil {
			yield(wire.Event{}, fmt.Errorf("read history %s: %w", path, fileError(err)))
		}
	}
}

// Print writes the selected events to out, as text with their dates or as JSON. The events before
// an error are written.
func Print(ctx context.Context, out io.Writer, path string, wanted Selection, json bool) error {
	w := bufio.NewWriter(out)
	var line []byte
	for e, err := range ReadFile(ctx, path, wanted) {
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		if json {
			line = e.AppendJSON(line[:0])
		} else {
			line = appendDated(line[:0], &e)
		}
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("print the history: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the history: %w", err)
	}
	return nil
}

// appendDated appends e as text with its date. Events other than messages have "--" in place of a
// nick, so that no message can imitate them.
func appendDated(dst []byte, e *wire.Event) []byte {
	v := wire.Viewer{Dated: true}
	if e.IsMessage() {
		return e.AppendText(dst, v)
	}
	words := e.AppendText(nil, v)
	if len(words) == 0 {
		return dst
	}
	dst = e.Time.In(timezone.Local(e.Time)).AppendFormat(dst, time.DateTime)
	return append(append(dst, " -- "...), bytes.TrimPrefix(words, []byte("* "))...)
}

// read yields the selected events.
func (s *Selection) read(ctx context.Context, path string, yield func(wire.Event, error) bool) error {
	if err := checkExists(path); err != nil {
		return err
	}
	db, err := openToRead(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var damage error // the first, returned at the end
	for next := uint64(1); next > 0; {
		page, err := s.page(ctx, db, &next)
		for i := range page {
			if !yield(page[i], nil) {
				return nil
			}
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		damage = cmp.Or(damage, err)
	}
	return damage
}

// checkExists checks that there is a history at path, before SQLite opens it.
func checkExists(path string) error {
	switch fresh, err := checkHeader(path); {
	case err != nil:
		return err
	case fresh:
		if _, err := os.Stat(path); err != nil {
			return err
		}
		return ErrNotHistory // the file is empty
	}
	return nil
}

// pageEvents is how many events are read at a time. Between pages the database is not being read, so
// that its host can truncate the write-ahead log.
const pageEvents = 1000

// page reads the next page of selected events from the id next on, and sets next to the id after
// them, or to 0 at the end. It skips damaged events and returns an error for the first.
func (s *Selection) page(ctx context.Context, db *sql.DB, next *uint64) (page []wire.Event, err error) {
	where, args := s.where()
	rows, err := db.QueryContext(ctx, `SELECT id, json FROM event WHERE id >= ?`+where+` ORDER BY id LIMIT ?`,
		slices.Concat([]any{*next}, args, []any{pageEvents})...)
	if err != nil {
		*next = 0
		return nil, fileError(err)
	}
	defer rows.Close()
	at := *next
	*next = 0
	var damage error
	for read := 1; rows.Next(); read++ {
		var r row
		if err := rows.Scan(&r.id, &r.json); err != nil {
			return page, err
		}
		e, err := r.event()
		switch {
		case r.id < at: // it would never end
			return page, fmt.Errorf("%w: event %d follows event %d", ErrDamaged, r.id, at-1)
		case err != nil:
			damage = cmp.Or(damage, err)
		case s.matches(&e):
			page = append(page, e)
		}
		at = r.id + 1
		if read == pageEvents {
			*next = at
		}
	}
	return page, cmp.Or(fileError(rows.Err()), damage)
}

// matches reports whether e has the nick and the text that are selected.
func (s *Selection) matches(e *wire.Event) bool {
	return (s.From == "" || text.NickFold(e.From) == text.NickFold(s.From)) &&
		(s.Text == nil || s.Text.MatchString(e.Text))
}

// openToRead opens a file that a host may be using.
func openToRead(path string) (*sql.DB, error) {
	mode := "rw" // only so that SQLite removes the files that it creates
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		mode = "ro" // else SQLite would move the log into the file
	}
	db, err := openDB(path, url.Values{"mode": {mode}})
	if err != nil {
		return nil, err
	}
	if err = checkSchema(db); err == nil {
		return db, nil
	}
	db.Close()
	if e, ok := errors.AsType[*sqlite.Error](err); !ok || mode == "ro" || !slices.Contains(unwritable, primary(e)) {
		return nil, err
	}
	// If SQLite cannot write, it opens only a file that is declared immutable.
	if db, err = openDB(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}); err != nil {
		return nil, err
	}
	if err := checkSchema(db); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// unwritable are the codes of SQLite for a missing permission to write.
var unwritable = []int{codePerm, codeReadOnly, codeCantOpen}

// where returns the conditions that select events, except those of matches.
func (s *Selection) where() (where string, args []any) {
	if !s.Since.IsZero() {
		where, args = where+" AND time >= ?", append(args, s.Since.UnixMilli())
	}
	if !s.Until.IsZero() {
		where, args = where+" AND time < ?", append(args, s.Until.UnixMilli())
	}
	if !s.Private {
		where += " AND recipient = 0"
	}
	if !s.Happened {
		where += " AND (said OR recipient > 0)"
	}
	return where, args
}
