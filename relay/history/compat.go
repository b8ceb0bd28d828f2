package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// This file keeps clients for a room whose state is not a fold yet. It goes when the room
// brings its own Fold, and with it Origin.Client, Log.clients and compat_test.go.

// Reader and Refused are older names.
type (
	Reader  = Waiter
	Refused = Rejected
)

// A Client is a client that may return, as a room keeps it.
type Client struct {
	Key    [sha256.Size]byte // see ClientKey
	ID     string            // the client's public id
	Author Author
	Seq    uint64 // the highest number of its own that was taken
	Nick   string
	Gone   Leave
}

// A Leave says whether a client is connected, and how it left.
type Leave uint8

const (
	Here    Leave = iota // it is connected
	Dropped              // its connection was lost: it may want its nick back
	Left                 // it left, or was removed
)

var leaveNames = []string{"here", "dropped", "left"}

// ClientKey returns the key of a client: not its token, which is a secret.
func ClientKey(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// maxClients is how many clients are kept, those that were seen last.
const maxClients = 100_000

// maxAway is how many clients a room that opens again waits for.
const maxAway = 10_000

// A clientRecord is a client as a record has it. The author is in its key.
type clientRecord struct {
	Key  string `json:"key"`
	ID   string `json:"id"`
	Seq  uint64 `json:"seq"`
	Nick string `json:"nick"`
	Gone string `json:"gone"`
	At   int64  `json:"at"` // milliseconds
}

// A keptClient is a client and when it was seen last.
type keptClient struct {
	Client
	at int64
}

func (c *keptClient) record() clientRecord {
	return clientRecord{hex.EncodeToString(c.Key[:]), c.ID, c.Seq, c.Nick, leaveNames[c.Gone], c.at}
}

func parseClient(author string, value []byte) (keptClient, error) {
	var r clientRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return keptClient{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c := keptClient{Client{ID: r.ID, Seq: r.Seq, Nick: r.Nick, Gone: Leave(max(slices.Index(leaveNames, r.Gone), 0))}, r.At}
	n, err := strconv.ParseUint(author, 10, 53)
	if key, _ := hex.DecodeString(r.Key); err != nil || copy(c.Key[:], key) != len(c.Key) {
		return c, fmt.Errorf("%w: it is no client", ErrDamaged)
	}
	c.Author = Author(n)
	return c, nil
}

// A clientFold is the topic, the number of authors and the clients.
type clientFold struct {
	most int // clients that are kept

	mu      sync.Mutex
	clients map[[sha256.Size]byte]keptClient // committed; guarded by mu, read by those who connect

	// owned by the committer
	changed map[[sha256.Size]byte]keptClient
	topic   []byte
	records map[string][]byte // changes but those of clients
	authors struct{ committed, now Author }
}

func (f *File) loadClients() (*clientFold, error) {
	c := &clientFold{most: maxClients, clients: make(map[[sha256.Size]byte]keptClient)}
	c.Rollback()
	err := f.Records(func(key string, value []byte) (err error) {
		if author, ok := strings.CutPrefix(key, "client/"); ok {
			known, err := parseClient(author, value)
			c.clients[known.Key] = known
			return err
		}
		if key == "authors" {
			err = json.Unmarshal(value, &c.authors.committed)
		}
		return err
	})
	c.authors.now = c.authors.committed
	return c, err
}

// Apply adds an event. Those that Log.Remember hides have a client.
func (f *clientFold) Apply(e *wire.Event, hidden []byte, by Origin, _ time.Time) {
	f.authors.now = max(f.authors.now, by.Author, by.To)
	if e != nil && e.Type == wire.TypeTopic {
		f.records["topic"], _ = json.Marshal(e.Text)
	}
	if e == nil {
		author, record, _ := strings.Cut(string(hidden), " ")
		if c, err := parseClient(author, []byte(record)); err == nil {
			by.Client = &c.Client
			f.authors.now = max(f.authors.now, c.Author)
		}
	}
	if by.Client == nil {
		return
	}
	c := keptClient{*by.Client, time.Now().UnixMilli()}
	known, ok := f.changed[c.Key]
	if !ok {
		known = f.clients[c.Key]
	}
	c.Seq = min(max(c.Seq, known.Seq), maxNumber)
	f.changed[c.Key] = c
}

func (f *clientFold) Changes() iter.Seq2[string, []byte] {
	if f.authors.now > f.authors.committed {
		f.records["authors"] = strconv.AppendUint(nil, uint64(f.authors.now), 10)
	}
	for _, c := range f.changed {
		f.records[fmt.Sprint("client/", c.Author)], _ = json.Marshal(c.record())
	}
	return maps.All(f.records)
}

func (f *clientFold) Commit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(f.clients, f.changed)
	f.authors.committed = f.authors.now
	f.changed, f.records = make(map[[sha256.Size]byte]keptClient), make(map[string][]byte)
	f.forgetLocked()
}

// forgetLocked forgets the clients that were seen longest ago, in large steps. The next commit
// deletes their records.
func (f *clientFold) forgetLocked() {
	if len(f.clients) <= f.most+f.most/10 {
		return
	}
	list := slices.SortedFunc(maps.Values(f.clients), func(a, b keptClient) int { return cmp.Compare(a.at, b.at) })
	for _, c := range list {
		if c.Gone != Here && len(f.clients) > f.most {
			delete(f.clients, c.Key)
			f.records[fmt.Sprint("client/", c.Author)] = nil
		}
	}
}

func (f *clientFold) Rollback() {
	f.authors.now = f.authors.committed
	f.changed, f.records = make(map[[sha256.Size]byte]keptClient), make(map[string][]byte)
}

// A refuser is an Owner that has no state.
type refuser func([]Rejected, error)

func (r refuser) Failed(err error, split func() ([]Rejected, []Held)) {
	rejected, _ := split()
	r(rejected, err)
}

func (r refuser) Recovered() { r(nil, nil) }

// NewOnWithClients is NewOn for a room that has no Fold of its own. refused is called with the
// messages that could not be written and why, and without an error once the file can be
// written again.
func NewOnWithClients(f *File, limits Limits, wake func(idle []Waiter), refused func([]Rejected, error), warn *slog.Logger) (*Log, error) {
	clients, err := f.loadClients()
	if err != nil {
		return nil, err
	}
	l, err := NewOn(f, limits, wake, clients, refuser(refused), warn)
	if err == nil {
		l.clients = clients
	}
	return l, err
}

// Remember keeps a client but its Seq, which goes with its messages.
func (l *Log) Remember(c Client) {
	if l.clients != nil {
		c.Seq = 0
		record, _ := json.Marshal((&keptClient{c, time.Now().UnixMilli()}).record())
		l.AppendHidden(fmt.Appendf(nil, "%d %s", c.Author, record), time.Now())
	}
}

// Client returns the client with token, or nil.
func (l *Log) Client(token string) (*Client, error) {
	if l.clients == nil || token == "" {
		return nil, nil
	}
	l.clients.mu.Lock()
	defer l.clients.mu.Unlock()
	c, ok := l.clients.clients[ClientKey(token)]
	if !ok {
		return nil, nil
	}
	return &c.Client, nil
}

// A Room is the state of a room in a file.
type Room struct {
	ID, Topic string
	Authors   Author   // the highest there has been
	Away      []Client // clients that were connected when it closed, or shortly before
}

// Room reads the state of the room. Room.Away has the clients that disconnected at most away before
// the last event. It is for before there is a log on the file.
func (f *File) Room(away time.Duration) (Room, error) {
	id, err := f.RoomID()
	r := Room{ID: id}
	if err != nil {
		return r, err
	}
	var clients []keptClient
	err = f.Records(func(key string, value []byte) error {
		author, isClient := strings.CutPrefix(key, "client/")
		switch {
		case key == "topic":
			err := json.Unmarshal(value, &r.Topic)
			r.Topic = text.Clean(r.Topic)
			return err
		case key == "authors":
			return json.Unmarshal(value, &r.Authors)
		case isClient:
			c, err := parseClient(author, value)
			clients = append(clients, c)
			return err
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	slices.SortStableFunc(clients, func(a, b keptClient) int { return cmp.Compare(b.at, a.at) }) // latest first
	for i := range clients {
		c := &clients[i]
		if len(r.Away) < maxAway && (c.Gone == Here || c.Gone == Dropped && c.at > clients[0].at-away.Milliseconds()) {
			r.Away = append(r.Away, c.Client)
		}
	}
	// Clients that do not return were not here when the room closes next. If the disk is full, the
	// room opens nevertheless, and waits for them once more.
	if len(clients) > 0 {
		err = f.exec(`UPDATE state SET value = json_set(value, '$.gone', 'dropped', '$.at', ?)
			WHERE key >= 'client/' AND key < 'client0' AND json_extract(value, '$.gone') = 'here'`, clients[0].at)
	}
	if err != nil && !errors.Is(writeError(err), ErrDiskFull) {
		return r, fmt.Errorf("write the clients of %s: %w", f.path, fileError(err))
	}
	return r, nil
}
