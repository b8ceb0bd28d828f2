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

// This file writes events to a File and reads them.

// A row is an event in a file.
type row struct {
	id         uint64
	public     bool   // it is a message or an action, which all may read
	author, to Author // as in Origin
	json       []byte // without a newline
}

// maxNumber is the highest id, author or seq: 2^53-1, the highest number that JavaScript has exactly.
const maxNumber = 1<<53 - 1

// scan reads the columns of a result into to, some of which are fields of r, and checks these.
func (r *row) scan(rows *sql.Rows, to ...any) error {
	if err := rows.Scan(to...); err != nil {
		if rows.Err() != nil {
			return fileError(rows.Err())
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err) // a column has another type than we write
	}
	if r.id > maxNumber || r.author > maxNumber || r.to > maxNumber {
		return fmt.Errorf("%w: event %d has a number that is too high: author %d, recipient %d", ErrDamaged, r.id, r.author, r.to)
	}
	return nil
}

// event decodes the event. The error is [ErrDamaged]. The event is cleaned like one from the
// network: another program may have written it.
func (r *row) event() (wire.Event, error) {
	e, err := wire.ParseEvent(r.json)
	if err == nil && e.ID != r.id {
		err = fmt.Errorf("its JSON has the id %d", e.ID)
	}
	if err != nil {
		return e, fmt.Errorf("%w: event %d: %w", ErrDamaged, r.id, err)
	}
	e.Seq = min(e.Seq, maxNumber) // older versions accepted any
	return e.Clean(), nil
}

// statements are the prepared statements of the writer's transactions.
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

// writeBatch writes a batch from prepareBatch and the changes that it makes to the fold in one
// transaction. When it returns without error all is on disk, even if the power fails.
func (f *File) writeBatch(batch []pending, fold Fold) error {
	if f.isAsync {
		if err := f.exec(`PRAGMA synchronous = FULL`); err != nil {
			return err
		}
		f.isAsync = false
	}
	messages, unindexed, last := f.messages, f.unindexed, f.lastID
	err := f.transaction(func() error {
		for i := range batch {
			p := &batch[i]
			if p.isHidden() {
				if _, err := f.insert.hidden.Exec(last, p.at.UnixMilli(), string(p.json)); err != nil {
					return err
				}
			} else {
				last = p.event.ID
				if p.event.IsPublicMessage() {
					messages++
				}
				if p.isMessage() {
					unindexed++
				}
				if err := f.writeEvent(p, messages); err != nil {
					return err
				}
			}
			p.apply(fold)
		}
		if err := f.writePosition(); err != nil {
			return err
		}
		return f.writeChanges(fold)
	})
	if err == nil {
		f.lastBatch = unindexed - f.unindexed
		f.messages, f.unindexed, f.lastID = messages, unindexed, last
	}
	return err
}

// writeEvent writes the event of p. messages is the number of messages and actions up to it.
func (f *File) writeEvent(p *pending, messages uint64) error {
	e := &p.event
	json := p.json[:len(p.json)-len("\n")]
	_, err := f.insert.event.Exec(e.ID, e.Time.UnixMilli(), e.IsPublicMessage(), messages, p.by.Author, p.by.To, string(json))
	return err
}

// transaction calls write in a transaction, which is undone after an error.
func (f *File) transaction(write func() error) error {
	err := f.exec("BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	if err = write(); err == nil {
		err = f.exec("COMMIT")
	}
	if err != nil {
		f.exec("ROLLBACK") // fails if SQLite has done so already
	}
	return err
}

// seek is queryRows for reading back. After seekTime it yields [context.DeadlineExceeded].
func (f *File) seek(where string, args ...any) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), seekTime)
		defer cancel()
		queryRows(ctx, f.seekers, where, args...)(yield)
	}
}

// seekTime bounds the time to read a page back, with the wait for other searches. To find rare
// words, or messages that are not private, the whole history may have to be read.
const seekTime = 5 * time.Second

// A querier is a database or one of its connections.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// queryRows yields the events of a query. where is the query's text after FROM.
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
			if err := r.scan(rows, &r.id, &r.public, &r.author, &r.to, &r.json); err != nil {
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

// rowsFrom yields the events from id on, oldest first.
func (f *File) rowsFrom(id uint64) iter.Seq2[row, error] {
	return queryRows(context.Background(), f.readers, `event WHERE id >= ? ORDER BY id`, id)
}

// messagesBefore yields the messages before id, or all if it is 0, newest first, without those that
// are private to others than me.
func (f *File) messagesBefore(id uint64, me Author) iter.Seq2[row, error] {
	return f.seek(`event WHERE id < ? AND (said OR recipient > 0 AND (recipient = ? OR author = ?)) ORDER BY id DESC`, limitID(id), me, me)
}

// rowsMatching is messagesBefore for the messages in the index that have the words of q.
func (f *File) rowsMatching(q query, id uint64, me Author) iter.Seq2[row, error] {
	words, isExact := q.fts()
	rows := f.seek(`word JOIN event ON event.id = word.rowid WHERE word MATCH ? AND word.rowid < ?
		AND (recipient = 0 OR recipient = ? OR author = ?) ORDER BY word.rowid DESC`, words, limitID(id), me, me)
	if !isExact {
		rows = q.filter(rows)
	}
	return rows
}

// limitID returns id as an SQLite integer, or the highest one if id is 0 or too high.
func limitID(id uint64) int64 {
	if id == 0 || id > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(id)
}

// nthLastMessage returns the id of the nth last message or action before the event end, or of
// the oldest event if there are fewer. It reads few events only: event.nth grows with the ids, so
// that a binary search finds it.
func (f *File) nthLastMessage(end uint64, n int) (uint64, error) {
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
