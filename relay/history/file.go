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

	"chat/relay/privatefile"
	"chat/relay/wire"
)

// A File is a room on disk: an SQLite database with its events and its state. One process at a
// time hosts on it; others may read it meanwhile, see [ReadFile].
//
// Next to the file are FILE-wal and FILE-shm while it is open, and FILE.lock, which is empty
// and stays.
//
// Call its methods before there is a log on it, except for Replay and Close.
type File struct {
	// set by OpenFile; title also by SetTitle, before there is a log
	path    string
	title   string
	keep    Keep
	lock    *flock.Flock
	readers *sql.DB // for readers of events that are no longer in memory
	seekers *sql.DB // for reading back and searches
	db      *sql.DB // has the connection writer

	writing      <-chan struct{} // closed when the log's committer has ended; nil: there is no log
	closeTimeout time.Duration   // a constant, except in tests

	// owned by the committer, or by the caller before there is one
	writer    *sql.Conn
	insert    statements
	messages  uint64 // messages and actions that have been written, ever
	ageFrom   uint64 // where ageFromNow continues; 0: at the oldest event
	lastID    uint64 // of the newest event; 0: there has been none
	isAsync   bool   // commits do not wait for the disk
	walLimit  int64  // bytes of the write-ahead log from which it is truncated
	unindexed int    // messages that are not indexed, or more
	lastBatch int    // messages in the last batch
	position  uint64 // of a shared room: up to which the next batch has all events; 0: it is none

	oldest  atomic.Uint64 // ID of the oldest event, or 1 before there is one; set by the committer, read by all
	indexed atomic.Uint64 // events up to this id are indexed; set by the committer, read by all
	copying atomic.Int32  // backups that are being made; set by their goroutines, read by the committer
}

// Errors of [OpenFile] and [ReadFile].
var (
	ErrInUse      = errors.New("in use by another host")
	ErrNewer      = errors.New("written by a newer version of this program")
	ErrNotHistory = errors.New("not the history of a room")
	ErrDamaged    = errors.New("the file is damaged")
)

const (
	// applicationID is "CHAT", in the header field of SQLite's file format for applications
	// (https://www.sqlite.org/fileformat.html, section 1.3.18).
	applicationID = 0x43484154

	// maxReaders is how many connections may read for sessions that join or catch up, and
	// maxSeekers how many for reading back and searches, which may take long. Beyond that,
	// readers wait.
	maxReaders = 4
	maxSeekers = 2
)

// migrations bring a file from each version to the next: migrations[0] makes version 1 from an
// empty file. Migrations are only ever added.
var migrations = []string{`
	CREATE TABLE meta (
		name  TEXT PRIMARY KEY, -- room, title; in version 1 also topic and authors
		value ANY               -- as it is given: if not strict, 12e3 would become a number
	) STRICT, WITHOUT ROWID;
	CREATE TABLE event (
		id        INTEGER PRIMARY KEY, -- public, without gaps
		time      INTEGER NOT NULL,    -- milliseconds since 1970, UTC
		said      INTEGER NOT NULL,    -- 1: a message or an action
		nth       INTEGER NOT NULL,    -- how many messages and actions there are up to this one
		author    INTEGER NOT NULL,    -- history.Author
		recipient INTEGER NOT NULL,    -- of a private message; 0: for all
		json      TEXT NOT NULL        -- the event as clients get it
	);
	CREATE TABLE client (
		key    BLOB PRIMARY KEY,  -- SHA-256 of its token
		id     TEXT NOT NULL,     -- public
		author INTEGER NOT NULL,
		seq    INTEGER NOT NULL,  -- the highest number that it gave a message
		nick   TEXT NOT NULL,
		gone   INTEGER NOT NULL,  -- when it was disconnected, as event.time; 0: it is connected; -1: it left
		seen   INTEGER NOT NULL   -- when this was written
	) WITHOUT ROWID;
	-- The words of messages, folded; rowid is the event's id. The last messages may be missing.
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
`, `
	-- The words of messages are indexed again: earlier versions split no words in scripts without spaces.
	DROP TABLE word;
	CREATE VIRTUAL TABLE word USING fts5(text, content='', contentless_delete=1, tokenize='ascii', detail=none, prefix='3');
`}

// authorsQueries read the number of authors from a file of each version, from 1 on; the last also from later ones.
var authorsQueries = []string{
	`SELECT max(coalesce((SELECT value FROM meta WHERE name = 'authors'), 0), coalesce((SELECT max(author) FROM client), 0))`,
	`SELECT coalesce((SELECT value FROM state WHERE key = 'authors'), 0)`,
}

// OpenFile opens the file at path to host on it, or creates one. After an error, which wraps one of
// this package or of the system, the file is as it was.
func OpenFile(path string, keep Keep) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // so that all hosts on it have the same lock
	}
	f := &File{path: path, keep: keep, walLimit: keep.walLimit(), closeTimeout: closeTimeout, lock: flock.New(path + ".lock")}
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
	if err := f.openLatest(); err != nil {
		return err
	}
	if err := f.exec(`PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA journal_mode = WAL`); err != nil {
		return err
	}
	// The file's content must be on disk, but not the time when it was changed.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return err
	}
	if err := f.insert.prepare(f.writer); err != nil {
		return err
	}
	var err error
	if f.readers, err = openReaders(f.path, maxReaders); err != nil {
		return err
	}
	if f.seekers, err = openReaders(f.path, maxSeekers); err != nil {
		return err
	}
	if err := f.loadIndexed(); err != nil {
		return err
	}
	if err := f.queryRow(`SELECT coalesce(max(nth), 0) FROM event WHERE id = (SELECT max(id) FROM event)`, &f.messages); err != nil {
		return err
	}
	if err := f.queryRow(`SELECT coalesce(max(id), 0) FROM event`, &f.lastID); err != nil {
		return err
	}
	var oldest uint64
	if err := f.queryRow(`SELECT coalesce(min(id), 1) FROM event`, &oldest); err != nil {
		return err
	}
	f.oldest.Store(oldest)
	return f.queryRow(titleQuery, &f.title)
}

// openLatest opens the database, which it creates if there is none, and checks it before it changes
// it. After that it is one of ours and has the latest version.
func (f *File) openLatest() error {
	fresh, err := checkHeader(f.path)
	if err != nil {
		return err
	}
	if fresh { // with private messages, so for its owner only; on Windows its folder decides
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
	if err := f.migrate(); err != nil || !fresh {
		return err
	}
	// What every room needs, before each would be a commit.
	if _, err := f.RoomID(); err != nil {
		return err
	}
	if _, err := f.Secret(); err != nil {
		return err
	}
	return syncFile(f.path)
}

// maxTitle is how many characters of a title are read. A stranger may have made the file, and
// every welcome has the title.
const maxTitle = 256

var titleQuery = fmt.Sprintf(`SELECT coalesce((SELECT substr(CAST(value AS TEXT), 1, %d) FROM meta WHERE name = 'title'), '')`, maxTitle)

// checkSchema refuses a database with triggers or views, which could do anything: a stranger may
// have made it.
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

// maxStart is the highest number that a file may have when it is opened. A room never comes near
// it; beyond it, new events could soon get numbers with which the file could not be opened again.
const maxStart = maxNumber / 2

// checkNumbers refuses a database whose next numbers would be too high. It runs before the database
// is changed.
func (f *File) checkNumbers() error {
	var version int
	if err := f.queryRow(`PRAGMA user_version`, &version); err != nil || version == 0 { // it was not created completely
		return err
	}
	var lowest, highest, hidden, authors, client any // whatever another program wrote
	// Two subqueries: SQLite finds one min or max without a scan, but not both at once.
	err := f.queryRow(`SELECT coalesce((SELECT min(id) FROM event), 1), coalesce((SELECT max(id) FROM event), 0)`, &lowest, &highest)
	if err == nil {
		err = f.queryRow(authorsQueries[min(version, len(authorsQueries))-1], &authors)
	}
	if err == nil && version > 1 {
		err = f.queryRow(`SELECT coalesce((SELECT max(n) FROM hidden), 0),
			coalesce((SELECT max(CAST(substr(key, length('client/') + 1) AS INTEGER)) FROM state WHERE key GLOB 'client/*'), 0)`, &hidden, &client)
	}
	if err != nil {
		return err
	}
	for _, number := range []struct {
		name  string
		value any
		least int64
	}{{"lowest event id", lowest, 1}, {"highest event id", highest, 0}, {"number of hidden events", hidden, 0}, {"number of authors", authors, 0}, {"number of a client", client, 0}} {
		n, err := strconv.ParseInt(fmt.Sprint(cmp.Or(number.value, any(0))), 10, 64)
		if err != nil || n < number.least || n > maxStart {
			return fmt.Errorf("%w: the %s is %v", ErrDamaged, number.name, number.value)
		}
	}
	return nil
}

// openReaders opens the database at path for up to most readers at a time.
func openReaders(path string, most int) (*sql.DB, error) {
	db, err := openDB(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// checkHeader checks the file before SQLite opens it, which could change a file of another
// program. fresh is whether the file does not exist or is empty.
func checkHeader(path string) (fresh bool, err error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular() && !info.IsDir(): // opening a pipe would block
		return false, ErrNotHistory
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	// Section 1.3 of the file format, "The Database Header".
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

// create marks a new file as a history and sets what cannot be changed later. It runs before
// there is a write-ahead log, so that the header of the file has it. Until the file is complete,
// SQLite does not wait for the disk: it would do so 20 times.
func (f *File) create() error {
	return f.exec(fmt.Sprintf(`PRAGMA synchronous = OFF; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d`, applicationID))
}

// syncFile waits until the file at path, and its entry in its folder, are on disk. SQLite must not
// have the file locked: closing it here unlocks it (https://www.sqlite.org/howtocorrupt.html,
// section 2.2).
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return privatefile.SyncFolder(filepath.Dir(path))
}

// migrate brings the file to the latest version.
func (f *File) migrate() error {
	var version int
	if err := f.queryRow(`PRAGMA user_version`, &version); err != nil {
		return err
	}
	if version > len(migrations) {
		return ErrNewer
	}
	for ; version < len(migrations); version++ {
		sql := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[version], version+1)
		if err := f.exec(sql); err != nil {
			return errors.Join(fmt.Errorf("migrate from version %d to %d: %w", version, version+1, err), f.exec("ROLLBACK"))
		}
	}
	return nil
}

// openDB opens the database at path by a URI (https://www.sqlite.org/uri.html), so that no path is
// taken for an option.
func openDB(path string, options url.Values) (*sql.DB, error) {
	uri, err := databaseURI(path, options)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", uri)
}

// databaseURI returns the URI with which SQLite opens the database at path.
func databaseURI(path string, options url.Values) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	options.Add("_pragma", busyTimeout)
	options.Add("_pragma", "trusted_schema(0)") // a stranger may have made the file
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: options.Encode()}
	if filepath.VolumeName(abs) != "" { // file:///C:/…
		uri.Path = "/" + uri.Path
	}
	return uri.String(), nil
}

// busyTimeout is in milliseconds. It is short because only the host should write to the file.
const busyTimeout = "busy_timeout(1000)"

// exec runs statements without a result.
func (f *File) exec(query string, args ...any) error {
	_, err := f.writer.ExecContext(context.Background(), query, args...)
	return err
}

// queryRow reads a result of one row.
func (f *File) queryRow(query string, to ...any) error {
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

// fileError returns err as an error of this package, without the path that the caller adds.
func fileError(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case !ok:
		return err
	case primary(e) == codeCorrupt || primary(e) == codeNotADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err) // it is one of ours, see checkHeader
	case primary(e) == codeFull || e.Code() == codeNoSharedMemory: // which is in a file next to the database
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
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

	codeNoSharedMemory = 4874 // SQLITE_IOERR_SHMSIZE
)

// primary returns the code of an error without its extension.
func primary(e *sqlite.Error) int { return e.Code() & 0xff }

// RoomID returns the room's ID. A new file gets one, and so does one with an ID that no host
// gives. It is for before there is a log on the file.
func (f *File) RoomID() (string, error) { return f.metaOr("room", NewRoomID) }

// Secret returns a random string that stays the same as long as the file exists, for tokens
// that outlive the host. It is for before there is a log on the file.
func (f *File) Secret() (string, error) { return f.metaOr("secret", rand.Text) }

// metaOr returns a value of the room. A file without a valid one gets it from make.
func (f *File) metaOr(name string, make func() string) (value string, err error) {
	row := f.writer.QueryRowContext(context.Background(), `SELECT value FROM meta WHERE name = ?`, name)
	if err := row.Scan(&value); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the room's %s from %s: %w", name, f.path, fileError(err))
	}
	if wire.IsName(value) {
		return value, nil
	}
	value = make()
	if err := f.setMeta(name, value); err != nil {
		return "", fmt.Errorf("write the room's %s to %s: %w", name, f.path, err)
	}
	return value, nil
}

// Title returns the room's last title, or "" for a new room.
func (f *File) Title() string { return f.title }

// SetTitle changes the room's title.
func (f *File) SetTitle(title string) error {
	if err := f.setMeta("title", title); err != nil {
		return fmt.Errorf("write the title to %s: %w", f.path, err)
	}
	f.title = title
	return nil
}

// setMeta changes a value in meta.
func (f *File) setMeta(name string, value any) error {
	return f.exec(`INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, name, value)
}

// NewRoomID returns 16 random hexadecimal digits.
func NewRoomID() string {
	var id [8]byte
	rand.Read(id[:]) // never fails: crypto/rand
	return hex.EncodeToString(id[:])
}
