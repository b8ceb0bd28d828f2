package history

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
)

// A File is a room on disk: an SQLite database with all that was said and happened,
// and what the room knows of its clients. One process at a time hosts on it, and
// others may read it meanwhile; see [ReadFile].
//
// Beside the file are FILE-wal and FILE-shm while it is used, and FILE.lock, which is
// empty and stays.
type File struct {
	path    string
	title   string
	keep    Keep
	lock    *flock.Flock
	readers *sql.DB
	seekers *sql.DB
	db      *sql.DB // of writer

	writing      <-chan struct{} // closed when the log's committer has ended; nil: there is no log
	closeTimeout time.Duration   // a constant, but for tests

	// the committer's, or before there is one
	writer   *sql.Conn
	insert   statements
	nth      uint64 // how many events that were said have been written
	ageFrom  uint64 // where ageFromNow continues; 0: at the oldest event
	lastID   uint64 // of the newest event; 0: there has been none
	lazy     bool   // commits do not wait for the disk
	long     int64  // bytes of the write-ahead log that are too many; see shorten
	saids    int    // how many have been written that are not indexed, or more
	saidLast int    // how many the last batch had

	indexed atomic.Uint64 // the words of events up to this id can be searched for; set by the committer
}

// Why a file cannot be hosted on or read; see [OpenFile].
var (
	ErrInUse      = errors.New("another host uses it")
	ErrNewer      = errors.New("it was written by a newer version of this program")
	ErrNotHistory = errors.New("it is no history of a room")
	ErrDamaged    = errors.New("it is damaged")
)

const (
	// applicationID is "CHAT" where the file format of SQLite has the application's mark
	// (https://www.sqlite.org/fileformat.html, section 1.3.18).
	applicationID = 0x43484154

	// maxReaders is how many connections read the file at a time for those who come or
	// catch up, and maxSeekers how many beside them for those who read back; others wait for
	// one. What is read back may be looked for long.
	maxReaders = 4
	maxSeekers = 2
)

// migrations bring a file from each version to the next: migrations[0] makes one of
// version 1 of an empty one. They are only ever added to.
var migrations = []string{`
	CREATE TABLE meta (
		name  TEXT PRIMARY KEY, -- room, title; in version 1 also topic and authors
		value ANY               -- as it was given: not strict, 12e3 would become a number
	) STRICT, WITHOUT ROWID;
	CREATE TABLE event (
		id        INTEGER PRIMARY KEY, -- as everybody knows it, without gaps
		time      INTEGER NOT NULL,    -- milliseconds since 1970, UTC
		said      INTEGER NOT NULL,    -- 1: a message or an action
		nth       INTEGER NOT NULL,    -- how many were said up to this one
		author    INTEGER NOT NULL,    -- history.Author
		recipient INTEGER NOT NULL,    -- of a private message; 0: for all
		json      TEXT NOT NULL        -- the event as programs get it
	);
	CREATE TABLE client (
		key    BLOB PRIMARY KEY,  -- SHA-256 of its token
		id     TEXT NOT NULL,     -- as everybody knows it
		author INTEGER NOT NULL,
		seq    INTEGER NOT NULL,  -- the highest number of its own that was taken
		nick   TEXT NOT NULL,
		gone   INTEGER NOT NULL,  -- when it went, as event.time; 0: it is here; -1: it took its leave
		seen   INTEGER NOT NULL   -- when this was written
	) WITHOUT ROWID;
	-- The words of what was said, folded; rowid is the event's id. It may lack the last ones.
	CREATE VIRTUAL TABLE word USING fts5(text, content='', contentless_delete=1, tokenize='ascii', detail=none, prefix='3');
`, `
	-- Events that no reader gets.
	CREATE TABLE hidden (
		n     INTEGER PRIMARY KEY, -- their order
		after INTEGER NOT NULL,    -- id of the last event before it; 0: there was none
		time  INTEGER NOT NULL,    -- as event.time
		json  TEXT NOT NULL        -- only the room knows what is in it
	) STRICT;
	-- What all events, visible and hidden, add up to: the records of a history.Fold.
	CREATE TABLE state (
		key   TEXT PRIMARY KEY,
		value TEXT NOT NULL
	) STRICT, WITHOUT ROWID;
	INSERT INTO state SELECT 'topic', json_quote(CAST(value AS TEXT)) FROM meta WHERE name = 'topic' AND value <> '';
	INSERT INTO state SELECT 'authors', CAST(value AS TEXT) FROM meta WHERE name = 'authors';
	INSERT OR REPLACE INTO state SELECT 'client/' || author, json_object(
			'key', lower(hex(key)), 'id', CAST(id AS TEXT), 'seq', max(0, min(seq, 9007199254740991)), 'nick', CAST(nick AS TEXT),
			'gone', CASE WHEN gone = 0 THEN 'here' WHEN gone > 0 THEN 'dropped' ELSE 'left' END,
			'at', CASE WHEN gone > 0 THEN gone ELSE seen END)
		FROM client ORDER BY seen;
	DELETE FROM meta WHERE name IN ('topic', 'authors');
	DROP TABLE client;
`}

// authorsBefore are the queries for the highest author that a file of each version, from 1 on,
// says there has been.
var authorsBefore = []string{
	`SELECT max(coalesce((SELECT value FROM meta WHERE name = 'authors'), 0), coalesce((SELECT max(author) FROM client), 0))`,
	`SELECT coalesce((SELECT value FROM state WHERE key = 'authors'), 0)`,
}

// OpenFile opens the room at path to host on, or makes a new one. The error is one of
// the Err of this package or the system's, and the file as it was.
func OpenFile(path string, keep Keep) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // another host may know it by this name
	}
	f := &File{path: path, keep: keep, long: maxWAL, closeTimeout: closeTimeout, lock: flock.New(path + ".lock")}
	locked, err := f.lock.TryLock()
	switch {
	case err == nil && locked:
		err = f.open()
	case err == nil:
		err = ErrInUse
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open history %s: %w", path, fileError(err))
	}
	return f, nil
}

func (f *File) open() error {
	fresh, err := checkHeader(f.path)
	if err != nil {
		return err
	}
	if fresh { // private messages are in it, too
		file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	if f.db, err = openDB(f.path, url.Values{"mode": {"rwc"}}); err != nil {
		return err
	}
	if f.writer, err = f.db.Conn(context.Background()); err != nil {
		return err
	}
	if fresh {
		if err := f.create(); err != nil {
			return err
		}
	}
	if err := checkSchema(f.writer); err != nil {
		return err
	}
	if err := f.checkNumbers(); err != nil {
		return err
	}
	if err := f.migrate(); err != nil {
		return err
	}
	// From here on the file is ours, and of this version.
	if err := f.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1`); err != nil {
		return err
	}
	// The file's times of change need not be on disk, what is in it is.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return err
	}
	if err := f.insert.prepare(f.writer); err != nil {
		return err
	}
	if f.readers, err = openReaders(f.path, maxReaders); err != nil {
		return err
	}
	if f.seekers, err = openReaders(f.path, maxSeekers); err != nil {
		return err
	}
	if err := f.loadIndexed(); err != nil {
		return err
	}
	if err := f.get(`SELECT coalesce(max(nth), 0) FROM event WHERE id = (SELECT max(id) FROM event)`, &f.nth); err != nil {
		return err
	}
	if err := f.get(`SELECT coalesce(max(id), 0) FROM event`, &f.lastID); err != nil {
		return err
	}
	return f.get(`SELECT coalesce((SELECT value FROM meta WHERE name = 'title'), '')`, &f.title)
}

// checkSchema refuses a database that does more than keep what it is given: its owner may
// have it from a stranger.
func checkSchema(db querier) error {
	rows, err := db.QueryContext(context.Background(), `SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		return ErrNotHistory
	}
	return rows.Err()
}

// checkNumbers refuses a database of which the next numbers would be too high. It is for before
// the database is changed.
func (f *File) checkNumbers() error {
	var version int
	if err := f.get(`PRAGMA user_version`, &version); err != nil || version == 0 { // its making was cut short
		return err
	}
	var lowest, highest, hidden, authors any // whatever another program wrote
	err := f.get(`SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM event`, &lowest, &highest)
	if err == nil {
		err = f.get(authorsBefore[min(version, len(authorsBefore))-1], &authors)
	}
	if err == nil && version > 1 {
		err = f.get(`SELECT coalesce(max(n), 0) FROM hidden`, &hidden)
	}
	if err != nil {
		return err
	}
	for _, number := range []struct {
		of    string
		value any
		least int64
	}{{"lowest event id", lowest, 1}, {"highest event id", highest, 0}, {"number of hidden events", hidden, 0}, {"number of authors", authors, 0}} {
		n, err := strconv.ParseInt(fmt.Sprint(cmp.Or(number.value, any(0))), 10, 64)
		if err != nil || n < number.least || n > maxNumber {
			return fmt.Errorf("%w: its %s is %v", ErrDamaged, number.of, number.value)
		}
	}
	return nil
}

// openReaders opens the database at path for so many to read at a time.
func openReaders(path string, most int) (*sql.DB, error) {
	db, err := openDB(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// checkHeader looks at the file before SQLite does, which would change one that is
// somebody else's. It reports whether there is none yet.
func checkHeader(path string) (fresh bool, err error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() && !info.IsDir(): // opening a pipe would wait for somebody to write
		return false, ErrNotHistory
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	// The format's section 1.3, "The Database Header".
	header := make([]byte, 100)
	switch n, err := io.ReadFull(file, header); {
	case n == 0 && err == io.EOF:
		return true, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, err
	case string(header[:16]) != "SQLite format 3\x00" || n < len(header):
		return false, ErrNotHistory
	case binary.BigEndian.Uint32(header[68:]) != applicationID:
		return false, ErrNotHistory
	case binary.BigEndian.Uint32(header[60:]) > uint32(len(migrations)):
		return false, ErrNewer
	}
	return false, nil
}

// create marks a new file as a history and gives it what cannot be changed later. It is
// not in a transaction of the write-ahead log, so that the header has it.
func (f *File) create() error {
	return f.exec(fmt.Sprintf(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d`, applicationID))
}

// migrate brings the file to the version of this program.
func (f *File) migrate() error {
	var version int
	if err := f.get(`PRAGMA user_version`, &version); err != nil {
		return err
	}
	if version > len(migrations) {
		return ErrNewer
	}
	for ; version < len(migrations); version++ {
		sql := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[version], version+1)
		if err := f.exec(sql); err != nil {
			return errors.Join(fmt.Errorf("bring it from version %d to %d: %w", version, version+1, err), f.exec("ROLLBACK"))
		}
	}
	return nil
}

// openDB opens the database at path by a URI of SQLite's (https://www.sqlite.org/uri.html),
// in which a path cannot pass for an option.
func openDB(path string, options url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	options.Add("_pragma", busyTimeout)
	options.Add("_pragma", "trusted_schema(0)") // the file may be from a stranger
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: options.Encode()}
	if filepath.VolumeName(abs) != "" { // file:///C:/…
		uri.Path = "/" + uri.Path
	}
	return sql.Open("sqlite", uri.String())
}

// busyTimeout is in milliseconds: only a stranger writes to the file besides us.
const busyTimeout = "busy_timeout(1000)"

// exec runs statements that give nothing back.
func (f *File) exec(query string, args ...any) error {
	_, err := f.writer.ExecContext(context.Background(), query, args...)
	return err
}

// get reads one row.
func (f *File) get(query string, to ...any) error {
	return f.writer.QueryRowContext(context.Background(), query).Scan(to...)
}

// Close closes the file, after the log on it. If the log was not closed, or its Close gave up on a
// disk that does not answer, Close waits another 5 s. Then it returns an error and the file stays
// open until the program ends: SQLite would wait for the disk.
func (f *File) Close() error {
	if f.writing != nil {
		select {
		case <-f.writing:
		case <-time.After(f.closeTimeout):
			return fmt.Errorf("close history %s: the disk does not answer", f.path)
		}
	}
	var errs []error
	for _, db := range []*sql.DB{f.readers, f.seekers} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if f.writer != nil {
		f.insert.close()
		errs = append(errs, f.writer.Close())
	}
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	return errors.Join(append(errs, f.lock.Close())...)
}

// fileError makes one of this package's errors of SQLite's, for what says which file it is.
func fileError(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok && (primary(e) == codeCorrupt || primary(e) == codeNotADB) {
		return fmt.Errorf("%w: %w", ErrDamaged, err) // it bears our mark, see checkHeader
	}
	return err
}

// Result codes of SQLite (https://www.sqlite.org/rescode.html).
const (
	codePerm     = 3
	codeReadOnly = 8
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// primary returns an error's code without what SQLite says beyond it.
func primary(e *sqlite.Error) int { return e.Code() & 0xff }

// RoomID returns the room's id. A new file gets one. It is for before there is a log on the file.
func (f *File) RoomID() (string, error) {
	var id string
	if err := f.get(`SELECT coalesce((SELECT value FROM meta WHERE name = 'room'), '')`, &id); err != nil {
		return "", fmt.Errorf("read the room's id from %s: %w", f.path, fileError(err))
	}
	if id == "" {
		id = NewRoomID()
		if err := f.set("room", id); err != nil {
			return "", fmt.Errorf("write the room's id to %s: %w", f.path, err)
		}
	}
	return id, nil
}

// Title returns what the room was called last, "" for a new one.
func (f *File) Title() string { return f.title }

// SetTitle keeps the room's title for the next time. It is for before there is a log on
// the file.
func (f *File) SetTitle(title string) error {
	if err := f.set("title", title); err != nil {
		return fmt.Errorf("write the title to %s: %w", f.path, err)
	}
	f.title = title
	return nil
}

func (f *File) set(name string, value any) error {
	return f.exec(`INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, name, value)
}

// NewRoomID returns 16 random hexadecimal digits.
func NewRoomID() string {
	var id [8]byte
	rand.Read(id[:]) // never fails: crypto/rand
	return hex.EncodeToString(id[:])
}
