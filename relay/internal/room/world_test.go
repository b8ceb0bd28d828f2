package room

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// records returns all records of the state, by key.
func (s *State) records() map[string]string {
	keys := []string{topicKey, authorsKey}
	for author := range s.clients {
		keys = append(keys, clientRecord(author))
	}
	for mark := range s.bans {
		keys = append(keys, banPrefix+mark)
	}
	for mark := range s.mutes {
		keys = append(keys, mutePrefix+mark)
	}
	for mark := range s.operators {
		keys = append(keys, operatorPrefix+mark)
	}
	for fold := range s.owners.nicks {
		keys = append(keys, nickPrefix+fold)
	}
	records := make(map[string]string, len(keys))
	for _, key := range keys {
		records[key] = string(s.record(key))
	}
	return records
}

// derived describes the clients with all their fields, and the indexes derived from them,
// as far as a decision at that time can depend on them.
func (s *State) derived(at time.Time) map[string]string {
	d := make(map[string]string)
	for author, c := range s.clients {
		d[fmt.Sprint("client ", author)] = fmt.Sprintf("%+v", *c.clone())
	}
	d["away"], d["visitors"] = fmt.Sprint(authorsOn(s.away)), fmt.Sprint(authorsOn(s.visitors))
	for key, c := range s.byKey {
		if s.clients[c.Author] != c {
			d[fmt.Sprintf("key %x", key)] = "of a client that is not there"
		}
		d[fmt.Sprintf("key %x", key)] = fmt.Sprint(c.Author)
	}
	for key := range s.reserved {
		if c := s.reservation(key, at); c != nil {
			d["nick "+key] = fmt.Sprint(c.Author)
		}
	}
	for key, n := range s.owners.taken {
		d["taken "+key] = n.Key
	}
	for key, nicks := range s.owners.byKey {
		d["owner "+key] = fmt.Sprint(len(nicks))
	}
	return d
}

// authorsOn lists the authors of the clients on a list.
func authorsOn(l *list.List) (authors []history.Author) {
	for e := l.Front(); e != nil; e = e.Next() {
		authors = append(authors, e.Value.(*Client).Author)
	}
	return authors
}

// difference describes how two states differ; "": they do not.
func difference(got, want *State, at time.Time) string {
	var diff []string
	for _, maps := range [][2]map[string]string{{got.records(), want.records()}, {got.derived(at), want.derived(at)}} {
		diff = append(diff, differences(maps[0], maps[1])...)
	}
	return strings.Join(diff, "\n")
}

func differences(got, want map[string]string) (diff []string) {
	keys := maps.Clone(got)
	maps.Copy(keys, want)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if g, w := got[key], want[key]; g != w {
			diff = append(diff, fmt.Sprintf("%s: got %s, want %s", key, g, w))
		}
	}
	return diff
}

// replay returns the fold of a file's log from its start.
func replay(file *history.File, maxAway, maxOwned int) (*State, error) {
	s := NewState()
	s.limit(maxAway, maxOwned)
	fold := &Fold{s}
	err := file.Replay(fold.Apply)
	s.forgotten = nil
	return s, err
}

// limit sets how many clients that are away, and how many nicks that belong to a key, the state remembers.
func (s *State) limit(maxAway, maxOwned int) {
	s.maxAway, s.owners.max, s.owners.maxByKey = maxAway, 2*maxOwned, maxOwned
}

// A world is a room on a file, through the lives of its hosts, with a disk that fails.
type world struct {
	path     string
	hosts    int
	maxAway  int
	maxOwned int // by one key; twice as many in all
	file     *history.File
	log      *history.Log
	fold     *Fold
	room     *Room
	disk     *brokenDisk
	members  []*Member // in the room, or not any more
	flushAt  time.Time // zero: the room did not ask for it
	giveAt   time.Time // likewise, for GiveNicks

	mu       sync.Mutex
	failures int    // guarded by mu
	problem  string // that CommitFailed showed; guarded by mu
}

const operatorToken = "token-of-the-operator"

// open starts a host.
func (w *world) open() error {
	var err error
	if w.file, err = history.OpenFile(w.path, history.Keep{}); err != nil {
		return err
	}
	w.disk = new(brokenDisk)
	disks.Store(w.path, w.disk)
	if w.fold, err = w.snapshot(); err != nil {
		return err
	}
	if w.log, err = history.NewOn(w.file, history.Limits{Events: 8}, func([]history.Waiter) {}, w.fold, w, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	opts := Options{ID: "room", HostToken: operatorToken, Sealed: true, FlushIn: func(d time.Duration) { w.flushAt = time.Now().Add(d) }}
	opts.GiveNicksIn = func(d time.Duration) { w.giveAt = time.Now().Add(d) }
	w.room = NewOn(opts, w.log, w.fold, time.Now())
	w.members, w.flushAt, w.giveAt = nil, time.Time{}, time.Time{}
	return nil
}

// snapshot returns the fold of the file's records.
func (w *world) snapshot() (*Fold, error) {
	fold, err := NewFold(w.file.Records)
	if err == nil {
		fold.state.limit(w.maxAway, w.maxOwned)
	}
	return fold, err
}

// wait lets d pass, and does what the room asked for by then.
func (w *world) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	if !w.flushAt.IsZero() && !time.Now().Before(w.flushAt) {
		w.flushAt = time.Time{}
		w.room.Flush(time.Now())
	}
	if !w.giveAt.IsZero() && !time.Now().Before(w.giveAt) {
		w.giveAt = time.Time{}
		w.room.GiveNicks(time.Now())
	}
}

// repair lets the disk work again, and waits until the host has tried to write.
func (w *world) repair() {
	w.disk.broken.Store(false)
	w.wait(3 * time.Second)
}

// close ends the host, after its log is written if the disk works.
func (w *world) close() error {
	w.room.Close()
	err := errors.Join(w.log.Close(), w.file.Close())
	disks.Delete(w.path)
	return err
}

// crash starts another host on a copy of the files as they are on disk now.
func (w *world) crash() error {
	w.hosts++
	next := fmt.Sprintf("%s-%d", strings.TrimSuffix(w.path, fmt.Sprintf("-%d", w.hosts-1)), w.hosts)
	for _, part := range []string{"", "-wal"} {
		b, err := os.ReadFile(w.path + part)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(next+part, b, 0o600); err != nil {
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	w.path = next
	return w.open()
}

// Failed implements [history.Owner]. It checks that the live state is the committed one and
// the held events.
func (w *world) Failed(err error, split func() ([]history.Rejected, []history.Held)) {
	var held []history.Held
	w.room.mu.Lock() // until the state is compared: other requests wait
	defer w.room.mu.Unlock()
	w.room.commitFailedLocked(err, func() (rejected []history.Rejected, _ []history.Held) {
		rejected, held = split()
		return rejected, held
	})
	want, err := replay(w.file, w.maxAway, w.maxOwned)
	problem := ""
	if err != nil {
		problem = err.Error()
	} else if diff := difference(w.fold.state, want, time.Now()); diff != "" {
		problem = "after Rollback, the fold is not the replay of the log: " + diff
	}
	for _, h := range held {
		(&Fold{want}).Apply(h.Event, h.Hidden, h.By, h.At)
	}
	if diff := difference(w.room.state, want, time.Now()); diff != "" {
		problem += "after a failed commit, the live state is not the committed one and the held events: " + diff
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures++
	if w.problem == "" {
		w.problem = problem
	}
}

// Recovered implements [history.Owner].
func (w *world) Recovered() {}
func (w *world) Slow()      {}

// check compares the live state, the committed one, a replay of the whole log, and the
// records in the file. While the disk is broken the live state may be ahead of the others.
func (w *world) check() error {
	synctest.Wait()
	w.mu.Lock()
	problem := w.problem
	w.mu.Unlock()
	if problem != "" {
		return errors.New(problem)
	}
	replayed, err := replay(w.file, w.maxAway, w.maxOwned)
	if err != nil {
		return err
	}
	snapshot, err := w.snapshot()
	if err != nil {
		return err
	}
	now := time.Now()
	if diff := difference(w.fold.state, replayed, now); diff != "" {
		return fmt.Errorf("the committed state is not the replay of the log:\n%s", diff)
	}
	if diff := difference(snapshot.state, replayed, now); diff != "" {
		return fmt.Errorf("the records are not the replay of the log:\n%s", diff)
	}
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	if diff := difference(w.room.state, replayed, now); diff != "" && !w.disk.isBroken() {
		return fmt.Errorf("the live state is not the replay of the log:\n%s", diff)
	}
	return w.checkNicksLocked(now)
}

// checkNicksLocked checks that members have different nicks, the same ones as in the state, and
// that no one waits for a nick that is free. w.room.mu is locked.
func (w *world) checkNicksLocked(now time.Time) error {
	r := w.room
	for _, m := range r.members {
		for _, key := range m.keys() {
			if r.nicks[key] != m {
				return fmt.Errorf("%s does not have its nick: %v has %s", m.nick, r.nicks[key], key)
			}
		}
		if owner := r.ownerLocked(m.keys(), m); owner != "" {
			return fmt.Errorf("%s, with the key %q, has a nick that belongs to %s", m.nick, m.fingerprint(), owner)
		}
		if is, want := m.identity.operator, m.identity.byRight || m.Level != access.Listen && r.state.wasMade(m.subject()); is != want {
			return fmt.Errorf("%s is an operator: %v, want %v", m.nick, is, want)
		}
		if c := r.state.clients[m.identity.author]; c != nil && c.Nick != m.nick && w.giveAt.IsZero() && !w.disk.isBroken() {
			return fmt.Errorf("%s is %s in the state", m.nick, c.Nick)
		}
		if slices.Contains(r.waiting, m) != (m.wish != nil) {
			return fmt.Errorf("%s wants %+v and does not wait, or the other way round", m.nick, m.wish)
		}
	}
	for _, m := range r.waiting {
		switch {
		case !slices.Contains(r.members, m):
			return fmt.Errorf("%s waits, and is not in the room", m.nick)
		case r.isFreeLocked(m.wish.keys, m, now) && w.giveAt.Before(now) && !isMarked(r.state.mutes, r.askingLocked(m)) && !w.disk.isBroken():
			return fmt.Errorf("%s waits for %s, which is free", m.nick, m.wish.nick)
		}
	}
	return nil
}

// A brokenDisk fails all commits of a file while it is broken.
type brokenDisk struct{ broken atomic.Bool }

func (d *brokenDisk) isBroken() bool { return d.broken.Load() }

// disks has the disk of each file, by path.
var disks sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		uri, err := url.Parse(dsn)
		if err != nil {
			return err
		}
		if uri.Query().Get("mode") != "rwc" {
			return nil
		}
		conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if d, ok := disks.Load(uri.Path); ok && d.(*brokenDisk).isBroken() {
				return 1
			}
			return 0
		})
		return nil
	})
}

// GoString is how a failing schedule shows a member.
func (m *Member) GoString() string { return m.nick }

// A testPeer is a connection that takes everything.
type testPeer struct {
	mu        sync.Mutex
	welcome   wire.Event   // guarded by mu
	delivered []wire.Event // guarded by mu
	bye       *wire.Event  // guarded by mu
}

func (p *testPeer) Start(welcome wire.Event, _, _ uint64, _ history.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.welcome = welcome
}

func (p *testPeer) Deliver(e *wire.Event, _ string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered = append(p.delivered, *e)
	return true
}

func (p *testPeer) Ignore(map[history.Author]bool) {}

func (p *testPeer) End(bye wire.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bye = &bye
}
