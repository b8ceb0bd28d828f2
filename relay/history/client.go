package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Client is what a room keeps of somebody who may come back.
type Client struct {
	Key    [sha256.Size]byte // see ClientKey
	ID     string            // as everybody knows it
	Author Author
	Seq    uint64 // the highest number of its own that was taken
	Nick   string
	Gone   Leave
}

// A Leave says whether a client is here, and how it went.
type Leave uint8

const (
	Here    Leave = iota // it is here
	Dropped              // its connection ended: it may want its nick back
	Left                 // it took its leave, or was shown the door
)

// maxClients is how many clients a file remembers, those it saw last.
const maxClients = 100_000

// ClientKey is what a client is kept by: not its token, which is a secret.
func ClientKey(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

const clientColumns = `key, id, author, seq, nick, gone`

// gone is how the database has c.Gone.
func (c *Client) gone(now time.Time) int64 {
	switch c.Gone {
	case Here:
		return 0
	case Dropped:
		return now.UnixMilli()
	default:
		return -1
	}
}

func scanClient(row interface{ Scan(...any) error }) (Client, error) {
	var c Client
	var key []byte
	var gone int64
	err := row.Scan(&key, &c.ID, &c.Author, &c.Seq, &c.Nick, &gone)
	copy(c.Key[:], key)
	switch {
	case gone > 0:
		c.Gone = Dropped
	case gone < 0:
		c.Gone = Left
	}
	return c, err
}

// Client returns what is kept of the client with token, or nil. It reads from disk, if
// there is a file.
func (l *Log) Client(token string) (*Client, error) {
	if l.committer == nil || token == "" {
		return nil, nil
	}
	key := ClientKey(token)
	row := l.committer.file.readers.QueryRowContext(context.Background(), `SELECT `+clientColumns+` FROM client WHERE key = ?`, key[:])
	c, err := scanClient(row)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read what is known of a client: %w", fileError(err))
	}
	return &c, nil
}
