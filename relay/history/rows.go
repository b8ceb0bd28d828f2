package history

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"sort"
	"time"

	"chat/relay/wire"
)

// This file is the events of a File: how they get in, and are read again.

// A row is an event as a file has it.
type row struct {
	id         uint64
	said       bool
	author, to Author
	json       []byte // without newline
}

// maxNumber is the highest author, number of a member's own or id: 2^53-1, the highest that
// programs in JavaScript can read.
const maxNumber = 1<<53 - 1

// scan reads a row of a result into to, some of which are fields of r, and checks these.
func (r *row) scan(rows *sql.Rows, to ...any) error {
	if err := rows.Scan(to...); err != nil {
		if rows.Err() != nil {
			return fileError(rows.Err())
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err) // what is in it is not of the type that we write
	}
	if r.id > maxNumber || r.author > maxNumber || r.to > maxNumber {
		return fmt.Errorf("%w: event %d of author %d for %d: the number is too high", ErrDamaged, r.id, r.author, r.to)
	}
	return nil
}

// event returns the event, or [ErrDamaged]. It is cleaned like what comes from the network:
// the file may have been changed since.
func (r *row) event() (wire.Event, error) {
	e, err := wire.ParseEvent(r.json)
	if err == nil && e.ID != r.id {
		err = fmt.Errorf("it says that it is %d", e.ID)
	}
	if err != nil {
		return e, fmt.Errorf("%w: event %d: %w", ErrDamaged, r.id, err)
	}
	e.Seq = min(e.Seq, maxNumber) // older hosts took any
	return e.Clean(), nil
}

// The statements of a transaction, made once.
type statements struct {
	event, hidden, word, record, deleteRecord *sql.Stmt
}

func (s *statements) prepare(conn *sql.Conn) error {
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&s.event, `INSERT INTO event (id, time, said, nth, author, recipient, json) VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{&s.word, `INSERT INTO word (rowid, text) VALUES (?, ?)`},
		{&s.hidden, `INSERT INTO hidden (after, time, json) VALUES (?, ?, ?)`},
		{&s.record, `INSERT INTO state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`},
		{&s.deleteRecord, `DELETE FROM state WHERE key = ?`},
	} {
		stmt, err := conn.PrepareContext(context.Background(), p.query)
		if err != nil {
			return err
		}
		*p.to = stmt
	}
	return nil
}

func (s *statements) close() {
	for _, stmt := range []*sql.Stmt{s.event, s.hidden, s.word, s.record, s.deleteRecord} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// writeBatch writes a batch that prepareBatch has prepared, and what it changes in the fold, in one
// transaction. When it returns without error all is on disk, even if the power fails.
func (f *File) writeBatch(batch []pending, fold Fold) error {
	if f.lazy {
		if err := f.exec(`PRAGMA synchronous = FULL`); err != nil {
			return err
		}
		f.lazy = false
	}
	nth, saids, last := f.nth, f.saids, f.lastID
	err := f.transaction(func() error {
		for i := range batch {
			p := &batch[i]
			if p.isHidden() {
				if _, err := f.insert.hidden.Exec(last, p.at.UnixMilli(), string(p.json)); err != nil {
					return err
				}
			} else {
				last = p.event.ID
				if p.event.Said() {
					nth++
				}
				if p.isMessage() {
					saids++
				}
				if err := f.writeEvent(p, nth); err != nil {
					return err
				}
			}
			p.apply(fold)
		}
		return f.writeChanges(fold)
	})
	if err == nil {
		f.saidLast = saids - f.saids
		f.nth, f.saids, f.lastID = nth, saids, last
	}
	return err
}

func (f *File) writeEvent(p *pending, nth uint64) error {
	e := &p.event
	json := p.json[:len(p.json)-len("\n")]
	_, err := f.insert.event.Exec(e.ID, e.Time.UnixMilli(), e.Said(), nth, p.by.Author, p.by.To, string(json))
	return err
}

// transaction does what do does wholly, or not at all.
func (f *File) transaction(do func() error) error {
	err := f.exec("BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	if err = do(); err == nil {
		err = f.exec("COMMIT")
	}
	if err != nil {
		f.exec("ROLLBACK") // fails where SQLite did it already
	}
	return err
}

// seek reads events for one who reads back, for seekTime at most. The error is then
// [context.DeadlineExceeded].
func (f *File) seek(where string, args ...any) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), seekTime)
		defer cancel()
		queryRows(ctx, f.seekers, where, args...)(yield)
	}
}

// seekTime is how long is looked for what is read back, with the wait for others'. Rare
// words, and what is not private to others, may be looked for in all of a history.
const seekTime = 5 * time.Second

// A querier is a connection or several.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// queryRows reads events by a connection.
func queryRows(ctx context.Context, q querier, where string, args ...any) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		rows, err := q.QueryContext(ctx,
			`SELECT event.id, said, author, recipient, json FROM `+where, args...)
		if err != nil {
			yield(row{}, fileError(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var r row
			if err := r.scan(rows, &r.id, &r.said, &r.author, &r.to, &r.json); err != nil {
				yield(row{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(row{}, fileError(err))
		}
	}
}

// from reads the events from id on, oldest first.
func (f *File) from(id uint64) iter.Seq2[row, error] {
	return queryRows(context.Background(), f.readers, `event WHERE id >= ? ORDER BY id`, id)
}

// before reads what was said before id (0: all), latest first, of that what is not private to
// others than me.
func (f *File) before(id uint64, me Author) iter.Seq2[row, error] {
	return f.seek(`event WHERE id < ? AND (said OR recipient > 0 AND (recipient = ? OR author = ?)) ORDER BY id DESC`, limitID(id), me, me)
}

// search reads what was said before id (0: all) with the words of q, latest first, of
// that what is indexed, and not private to others than me.
func (f *File) search(q query, id uint64, me Author) iter.Seq2[row, error] {
	return f.seek(`word JOIN event ON event.id = word.rowid WHERE word MATCH ? AND word.rowid < ?
		AND (recipient = 0 OR recipient = ? OR author = ?) ORDER BY word.rowid DESC`, q.fts(), limitID(id), me, me)
}

// limitID is the id before which all are wanted, as SQLite can have it.
func limitID(id uint64) int64 {
	if id == 0 || id > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(id)
}

// back returns the id of the nth last event before the id end that was said, or of the
// oldest there is. It looks at a few events alone: event.nth grows with the ids.
func (f *File) back(end uint64, n int) (uint64, error) {
	var oldest, last, least, most int64
	err := f.readers.QueryRow(`SELECT a.id, a.nth, b.id, b.nth FROM event a, event b
		WHERE a.id = (SELECT min(id) FROM event) AND b.id = (SELECT max(id) FROM event WHERE id < ?)`, end).Scan(&oldest, &least, &last, &most)
	if err == sql.ErrNoRows {
		return end, nil
	}
	if err != nil {
		return end, fileError(err)
	}
	wanted := max(most-int64(n)+1, least)
	stmt, err := f.readers.Prepare(`SELECT nth FROM event WHERE id = ?`)
	if err != nil {
		return end, fileError(err)
	}
	defer stmt.Close()
	at := sort.Search(int(last-oldest), func(i int) bool {
		var nth int64
		if e := stmt.QueryRow(oldest + int64(i)).Scan(&nth); e != nil && err == nil {
			err = e
		}
		return nth >= wanted
	})
	if err != nil {
		return end, fileError(err)
	}
	return uint64(oldest) + uint64(at), nil
}

// last returns the id of the newest event, 0 where there is none.
func (f *File) last() (id uint64, err error) {
	err = f.get(`SELECT coalesce(max(id), 0) FROM event`, &id)
	return id, err
}
