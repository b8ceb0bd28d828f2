package history

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// A Report is what [Check] found in a file.
type Report struct {
	Problems    int       // reported
	Events      uint64    // that clients receive
	Hidden      uint64    // other events
	First, Last uint64    // ids of the events; 0: there are none
	From, Until time.Time // of the first and the last event
	Bytes       int64     // of the file
	Replayed    bool      // the state is that of all events since the room began
	Outdated    bool      // the file has an older version: the state and the index were not checked
}

// maxProblems is how many problems [Check] reports, at most this many of each kind.
const maxProblems = 100

// NewFold returns the fold with the given records; the error is that of a record.
type NewFold func(records func(load func(key string, value []byte) error) error) (Fold, error)

// Check looks for damage in the history at path, and reports each problem in a line. Another process may host on
// it meanwhile, as with [ReadFile]. The error is why it cannot be read at all.
//
// It checks the database, that the events follow one another (older ones may have been deleted, see [Keep]),
// that each can be decoded and agrees with its columns, that each record of the state loads, that the state is that
// of all events, if none was deleted, and that the index has exactly the messages.
func Check(ctx context.Context, path string, newFold NewFold, problem func(string), progress Progress) (Report, error) {
	c := &checker{ctx: ctx, newFold: newFold, problem: problem, progress: progress, reported: make(map[string]int)}
	if err := c.check(path); err != nil {
		return c.report, fmt.Errorf("check history %s: %w", path, fileError(err))
	}
	return c.report, nil
}

// A checker checks one file. It belongs to one goroutine.
type checker struct {
	ctx      context.Context
	newFold  NewFold
	problem  func(string)
	progress Progress
	conn     *sql.Conn // in a transaction, so that all is of one moment

	version  int
	report   Report
	reported map[string]int    // problems by kind
	all      Fold              // of all events; nil: some were deleted, or it is outdated
	records  map[string]string // of all
	authors  uint64            // the highest one in the events
}

// foundf reports a problem. Its format is its kind.
func (c *checker) foundf(format string, args ...any) {
	c.report.Problems++
	switch c.reported[format]++; {
	case c.reported[format] < maxProblems:
		c.problem(text.Clean(fmt.Sprintf(format, args...)))
	case c.reported[format] == maxProblems:
		c.problem("there are more problems of this kind")
	}
}

func (c *checker) check(path string) error {
	if err := checkExists(path); err != nil {
		return err
	}
	db, err := openToRead(path)
	if err != nil {
		return err
	}
	return errors.Join(c.checkAll(db), db.Close())
}

// checkAll checks the database in one snapshot.
func (c *checker) checkAll(db *sql.DB) (err error) {
	if c.conn, err = db.Conn(c.ctx); err != nil {
		return err
	}
	defer c.conn.Close()
	if _, err := c.conn.ExecContext(c.ctx, `BEGIN`); err != nil {
		return err
	}
	err = c.row(`SELECT user_version, page_count * page_size FROM pragma_user_version, pragma_page_count, pragma_page_size`, nil, &c.version, &c.report.Bytes)
	if err != nil {
		return err
	}
	c.report.Outdated = c.version < len(migrations)
	for _, step := range []func() error{c.checkDatabase, c.checkMeta, c.startFold, c.checkEvents, c.checkState, c.checkIndex} {
		// What SQLite cannot read is a problem of the file. The steps after it may still find others.
		if err := fileError(step()); err != nil {
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			c.foundf("%v", err)
			c.all = nil
		}
	}
	return nil
}

func (c *checker) row(query string, args []any, to ...any) error {
	return c.conn.QueryRowContext(c.ctx, query, args...).Scan(to...)
}

// checkDatabase lets SQLite check its pages, tables and indexes.
func (c *checker) checkDatabase() error {
	rows, err := c.conn.QueryContext(c.ctx, fmt.Sprintf(`PRAGMA integrity_check(%d)`, maxProblems))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			for line := range strings.SplitSeq(line, "\n") {
				c.foundf("database: %s", line)
			}
		}
	}
	return rows.Err()
}

// checkMeta checks the room's ID and secret.
func (c *checker) checkMeta() error {
	for _, name := range []string{"room", "secret"} {
		var value any
		err := c.row(`SELECT value FROM meta WHERE name = ?`, []any{name}, &value)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
		if err == sql.ErrNoRows && c.report.Outdated {
			continue // there was none
		}
		if s, ok := value.(string); !ok || !wire.IsName(s) {
			c.foundf("the room has no valid %s; a host gives it a new one", map[string]string{"room": "ID", "secret": "secret"}[name])
		}
	}
	return nil
}

// startFold decides whether the file has all events since the room began, and starts a fold of them.
func (c *checker) startFold() error {
	if c.report.Outdated {
		return nil
	}
	var first, number, after uint64
	// A room begins with a hidden event. Files of version 1 had none; then the state is also of what no event has.
	err := c.row(`SELECT coalesce((SELECT min(id) FROM event), 1), coalesce((SELECT min(n) FROM hidden), 0),
		coalesce((SELECT after FROM hidden ORDER BY n LIMIT 1), 1)`, nil, &first, &number, &after)
	if err != nil || first != 1 || number != 1 || after != 0 {
		return err
	}
	c.records = make(map[string]string)
	c.all, err = c.newFold(func(func(string, []byte) error) error { return nil })
	return err
}

// A checkedEvent is a row of the events, visible and hidden, in their order.
type checkedEvent struct {
	row
	hidden int64 // its number; 0: the event is visible
	at     int64 // its time
	nth    int64 // how many messages and actions there are up to it
}

// checkEvents checks each event.
func (c *checker) checkEvents() error {
	var count int64
	if err := c.row(`SELECT count(*) FROM event`, nil, &count); err != nil {
		return err
	}
	query := `SELECT id, 0, time, said, nth, author, recipient, json FROM event ORDER BY id`
	if c.version > 1 {
		query = `SELECT id AS place, 0 AS n, time, said, nth, author, recipient, json FROM event
			UNION ALL SELECT after, n, time, 0, 0, 0, 0, json FROM hidden ORDER BY place, n`
	}
	rows, err := c.conn.QueryContext(c.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	last := checkedEvent{}
	lastHidden := int64(0)
	for read := int64(1); rows.Next(); read++ {
		var e checkedEvent
		if err := e.scan(rows, &e.id, &e.hidden, &e.at, &e.public, &e.nth, &e.author, &e.to, &e.json); err != nil {
			c.foundf("after event %d: %v", last.id, err)
			c.all = nil
			continue
		}
		if e.hidden != 0 {
			c.checkHidden(&e, &lastHidden)
		} else {
			c.checkEvent(&e, &last)
			last = e
		}
		if read%importBatch == 0 {
			c.collectChanges()
			c.progress.report(min(read, count), count)
		}
	}
	c.report.Last = last.id
	c.collectChanges()
	return rows.Err()
}

// checkHidden checks a hidden event. last is the number of the one before it.
func (c *checker) checkHidden(e *checkedEvent, last *int64) {
	c.report.Hidden++
	if *last != 0 && e.hidden != *last+1 {
		c.foundf("hidden event %d follows hidden event %d", e.hidden, *last)
		c.all = nil
	}
	*last = e.hidden
	if !json.Valid(e.json) {
		c.foundf("hidden event %d is not JSON", e.hidden)
	}
	if c.all != nil {
		c.all.Apply(nil, e.json, Origin{}, time.UnixMilli(e.at).UTC())
	}
}

// checkEvent checks a visible event, which follows last.
func (c *checker) checkEvent(row, last *checkedEvent) {
	c.report.Events++
	switch {
	case last.id == 0:
		c.report.First = row.id
	case row.id == last.id+2:
		c.foundf("event %d is missing", last.id+1)
		c.all = nil
	case row.id != last.id+1:
		c.foundf("events %d to %d are missing", last.id+1, row.id-1)
		c.all = nil
	}
	e, err := row.event()
	if err != nil {
		c.foundf("event %d cannot be read: %v", row.id, err)
		c.all = nil
		return
	}
	if e.Type != wire.TypeJoin && e.Type != wire.TypeLeave { // the state does not depend on these
		c.authors = max(c.authors, uint64(row.author), uint64(row.to))
	}
	if c.report.From.IsZero() {
		c.report.From = e.Time
	}
	c.report.Until = e.Time
	if row.public != e.IsPublicMessage() {
		c.foundf("event %d of type %q is counted as the wrong kind", row.id, e.Type)
	}
	if private := e.Type == wire.TypePrivate; private && row.to == 0 || !private && row.to != 0 {
		c.foundf("event %d of type %q has recipient %d: the wrong members can read it", row.id, e.Type, row.to)
	}
	if at := e.Time.UnixMilli(); row.at != at {
		c.foundf("event %d is filed under the time %d, not %d: --since and --until may miss it", row.id, row.at, at)
	}
	wanted := last.nth
	if e.IsPublicMessage() {
		wanted++
	}
	if last.id != 0 && row.nth != wanted {
		c.foundf("event %d is counted as message %d, not %d", row.id, row.nth, wanted)
	}
	if c.all != nil {
		c.all.Apply(&e, nil, Origin{Author: row.author, To: row.to}, e.Time)
	}
}

// collectChanges adds what changed in the fold to c.records.
func (c *checker) collectChanges() {
	if c.all == nil {
		return
	}
	for key, value := range c.all.Changes() {
		if value == nil {
			delete(c.records, key)
		} else {
			c.records[key] = string(value)
		}
	}
	c.all.Commit()
}

// checkState checks the records of the state, and compares them with those of the fold.
func (c *checker) checkState() error {
	if c.report.Outdated {
		return nil
	}
	rows, err := c.conn.QueryContext(c.ctx, `SELECT key, value FROM state ORDER BY key`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := make(map[string]bool)
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}
		seen[key] = true
		c.checkRecord(key, value)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Sorted(maps.Keys(c.records)), func(key string) bool { return seen[key] })
	for _, key := range missing {
		if c.all != nil {
			c.foundf("the record %q is missing", key)
		}
	}
	c.report.Replayed = c.all != nil
	var authors uint64
	if err := c.row(authorsQueries[len(authorsQueries)-1], nil, &authors); err != nil {
		return err
	}
	if authors < c.authors {
		c.foundf("the events have %d authors, the state %d: a new member could get the messages of another one", c.authors, authors)
	}
	return nil
}

func (c *checker) checkRecord(key string, value []byte) {
	_, err := c.newFold(func(load func(string, []byte) error) error { return load(key, value) })
	if err != nil {
		c.foundf("the record %q cannot be read: %v", key, err)
	}
	if c.all == nil {
		return
	}
	switch want, known := c.records[key]; {
	case !known:
		c.foundf("the record %q is of no event", key)
	case !bytes.Equal(value, []byte(want)):
		c.foundf("the record %q is %s; the events add up to %s", key, clipped(string(value)), clipped(want))
	}
}

// clipped returns the start of s, for a line.
func clipped(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// sampled is how many messages are searched for, each by one of its words.
const sampled = 200

// checkIndex checks that the index has all messages up to its last one, and no others.
func (c *checker) checkIndex() error {
	if c.report.Outdated {
		return nil
	}
	var foreign, absent, first uint64
	err := c.row(`SELECT (SELECT count(*) FROM word_docsize WHERE id NOT IN (SELECT id FROM event WHERE said OR recipient > 0)),
		coalesce((SELECT count(*) FROM event WHERE (said OR recipient > 0) AND id <= (SELECT max(id) FROM word_docsize)
			AND id NOT IN (SELECT id FROM word_docsize)), 0),
		coalesce((SELECT min(id) FROM event WHERE (said OR recipient > 0) AND id <= (SELECT max(id) FROM word_docsize)
			AND id NOT IN (SELECT id FROM word_docsize)), 0)`, nil, &foreign, &absent, &first)
	if err != nil {
		return err
	}
	if foreign > 0 {
		c.foundf("the index of words has %s that the history does not have", wire.Counted(foreign, "message", "messages"))
	}
	if absent > 0 {
		c.foundf("the index of words does not have %s, the first of which is event %d", wire.Counted(absent, "message", "messages"), first)
	}
	return c.searchSamples()
}

// searchSamples searches for messages from the whole history by their words.
func (c *checker) searchSamples() error {
	step := cmp.Or((c.report.Last-c.report.First)/sampled, 1)
	var found []row
	for r, err := range queryRows(c.ctx, c.conn, `event WHERE id IN (SELECT id FROM word_docsize) AND (id - ?1) % ?2 = 0 AND (said OR recipient > 0) ORDER BY id`, c.report.First, step) {
		if err != nil {
			return err
		}
		found = append(found, r)
	}
	for i := range found {
		e, err := found[i].event()
		if err != nil {
			continue // it is reported already
		}
		words := text.IndexWords(e.Text)
		if len(words) == 0 {
			continue
		}
		var n int
		query := `"` + strings.ReplaceAll(slices.MaxFunc(words, func(a, b string) int { return len(a) - len(b) }), `"`, `""`) + `"`
		if err := c.row(`SELECT count(*) FROM word WHERE word MATCH ? AND rowid = ?`, []any{query, e.ID}, &n); err != nil {
			return err
		}
		if n == 0 {
			c.foundf("event %d is not found by its words", e.ID)
		}
	}
	return nil
}
