package history

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay/wire"
)

// A toyFold is a small state with records that are added, changed and deleted, and a digest
// of all events in their order.
type toyFold struct {
	records map[string]string // committed
	changes map[string]string // since; "" deletes
}

func newToyFold() *toyFold { return &toyFold{make(map[string]string), make(map[string]string)} }

func (f *toyFold) get(key string) string {
	if value, ok := f.changes[key]; ok {
		return value
	}
	return f.records[key]
}

// Apply keeps the topic, each author's last text, and the hidden events named +NAME until one
// is named -NAME.
func (f *toyFold) Apply(e *wire.Event, hidden []byte, by Origin, at time.Time) {
	digest := "digest"
	switch {
	case e == nil && hidden[0] == '+':
		f.changes["hidden/"+string(hidden[1:])] = at.Format(time.RFC3339Nano)
	case e == nil && hidden[0] == '-':
		f.changes["hidden/"+string(hidden[1:])] = ""
	case e == nil:
	case e.Type == wire.TypeTopic:
		f.changes["topic"] = e.Text
	case e.Type == wire.TypeJoin || e.Type == wire.TypeLeave:
		digest = "presence" // apart, since some may be dropped
	default:
		f.changes[fmt.Sprint("author/", by.Author)] = e.Text
	}
	line := hidden
	if e != nil {
		withoutID := *e
		withoutID.ID = 0
		line = withoutID.AppendJSON(nil)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %s", f.get(digest), by.Author, by.To, at, line))
	f.changes[digest] = hex.EncodeToString(sum[:])
}

func (f *toyFold) Changes() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for key, text := range f.changes {
			value := []byte(text)
			if text == "" {
				value = nil
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

func (f *toyFold) Commit() { f.records = f.all(); clear(f.changes) }

func (f *toyFold) Rollback() { clear(f.changes) }

// all returns the records with the changes.
func (f *toyFold) all() map[string]string {
	all := maps.Clone(f.records)
	maps.Copy(all, f.changes)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

func (f *toyFold) clone() *toyFold { return &toyFold{f.all(), make(map[string]string)} }

// A toyRoom owns a log with a toyFold, and decides on its live state as a room does.
type toyRoom struct {
	*hosted
	fold *toyFold // the committer's

	mu       sync.Mutex
	live     *toyFold // with the events that are not on disk yet; guarded by mu
	failures int      // guarded by mu
	rejected []string // texts of rejected messages; guarded by mu
}

// openToyRoom opens a toyRoom on h, whose log is closed.
func openToyRoom(h *hosted) *toyRoom {
	h.t.Helper()
	r := &toyRoom{hosted: h}
	h.openLog = func() (*Log, error) {
		r.fold = newToyFold()
		err := h.file.Records(func(key string, value []byte) error {
			r.fold.records[key] = string(value)
			return nil
		})
		if err != nil {
			return nil, err
		}
		r.live = r.fold.clone()
		return NewOn(h.file, h.limits, wakeAll, r.fold, r, slog.New(slog.DiscardHandler))
	}
	h.open()
	return r
}

// onDiskWithFold is onDisk for a toyRoom.
func onDiskWithFold(t *testing.T, test func(t *testing.T, r *toyRoom)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "room.chat")
	synctest.Test(t, func(t *testing.T) {
		sleepTo2040()
		r := openToyRoom(&hosted{t: t, path: path, limits: few})
		defer r.close()
		test(t, r)
	})
}

func (r *toyRoom) Failed(err error, split func() ([]Rejected, []Held)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rejected, held := split()
	r.failures++
	for i := range rejected {
		r.rejected = append(r.rejected, rejected[i].Event.Text)
	}
	r.live = r.fold.clone()
	for _, h := range held {
		if h.Event != nil && h.Event.ID != 0 {
			r.t.Errorf("the held event %+v has an id", h.Event)
		}
		r.live.Apply(h.Event, h.Hidden, h.By, h.At)
	}
}

func (r *toyRoom) Recovered() {}
func (r *toyRoom) Slow()      {}

// say appends e and applies it to the live state, unless it is rejected.
func (r *toyRoom) say(e *wire.Event, by Origin) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.log.Append(e, by)
	if err == nil {
		applied := *e
		applied.Time = e.Time.UTC().Truncate(time.Millisecond)
		r.live.Apply(&applied, nil, by, applied.Time)
	}
	return err
}

func (r *toyRoom) hide(text string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.log.AppendHidden([]byte(text), at); err != nil {
		r.t.Error(err)
	}
	r.live.Apply(nil, []byte(text), Origin{}, at.UTC().Truncate(time.Millisecond))
}

// inOneBatch has the committer write what append appends in one transaction, after another one.
func (r *toyRoom) inOneBatch(append func()) {
	r.appendTogether(func() {
		r.hide("-nothing", time.Now())
		for !r.isTaken() && !r.isFailing() {
			runtime.Gosched()
		}
		append()
	})
}

func (r *toyRoom) isFailing() bool {
	r.log.committer.mu.Lock()
	defer r.log.committer.mu.Unlock()
	return r.log.committer.failing != nil
}

// check compares the fold, the records in the file and the result of a replay. If the file can be
// written, the live state must be the same, too.
func (r *toyRoom) check() (problem string) {
	synctest.Wait()
	replayed, id := newToyFold(), uint64(0)
	err := r.file.Replay(func(e *wire.Event, hidden []byte, by Origin, at time.Time) {
		if e != nil {
			if id++; e.ID != id {
				problem = fmt.Sprintf("event %d is replayed as the %dth", e.ID, id)
			}
		}
		replayed.Apply(e, hidden, by, at)
	})
	if err != nil {
		return err.Error()
	}
	written := make(map[string]string)
	rows, err := r.file.readers.Query(`SELECT key, value FROM state`)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return err.Error()
		}
		written[key] = value
	}
	switch {
	case problem != "":
		return problem
	case len(r.fold.changes) > 0:
		return fmt.Sprintf("the fold has changes that are not committed: %q", r.fold.changes)
	case !maps.Equal(r.fold.records, written):
		return fmt.Sprintf("the fold is %q, the file has %q", r.fold.records, written)
	case !maps.Equal(replayed.all(), written):
		return fmt.Sprintf("a replay gives %q, the file has %q", replayed.all(), written)
	case !r.isFailing() && !maps.Equal(r.live.all(), written):
		return fmt.Sprintf("the live state is %q, the file has %q", r.live.all(), written)
	}
	return ""
}

// Whatever happens to the disk and the host, the records in the file are the result of a replay of the
// log, and the room decides on the same state.
func TestFoldIsReplayOfTheLog(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) toyStep {
			return toyStep{
				do:   rapid.SampledFrom([]string{"message", "message", "private", "topic", "nick", "join", "leave", "hide", "hide", "unhide", "long", "wait", "wait", "fill", "free", "burst", "burst", "reopen", "crash"}).Draw(rt, "do"),
				word: rapid.SampledFrom([]string{"soup", "bread", "salt"}).Draw(rt, "word"),
				by:   Author(rapid.IntRange(1, 3).Draw(rt, "by")),
			}
		}), 1, 60).Draw(rt, "steps")
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs, ".chat"))
		var problem string
		synctest.Test(t, func(t *testing.T) {
			r := openToyRoom(&hosted{t: t, path: path, limits: few})
			defer r.close()
			for i, step := range steps {
				if problem = r.do(step); problem != "" {
					problem = fmt.Sprintf("after step %d: %s", i, problem)
					return
				}
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// A toyStep is something that happens to a toyRoom.
type toyStep struct {
	do, word string
	by       Author
}

func (r *toyRoom) do(s toyStep) (problem string) {
	e := wire.Event{Type: wire.TypeMessage, From: "alice", Text: s.word, Time: time.Now().Add(time.Microsecond)}
	by := Origin{Author: s.by, Sender: "not kept", Waiter: "not kept"}
	mayFail := true
	switch s.do {
	case "private":
		e.Type, e.To, by.To = wire.TypePrivate, "bob", s.by+1
	case "topic":
		e.Type = wire.TypeTopic
	case "nick":
		e.Type, e.Nick = wire.TypeNick, s.word
	case "join", "leave":
		e.Type, e.Members, e.Text, e.From, mayFail = s.do, []string{s.word}, "", "", false
	case "long":
		e = *long(s.word)
	case "message":
	default:
		return r.doOther(s)
	}
	if err := r.say(&e, by); err != nil && (!mayFail || !errors.Is(err, ErrDiskFull)) {
		return fmt.Sprintf("append a %s: %v", e.Type, err)
	}
	return ""
}

func (r *toyRoom) doOther(s toyStep) (problem string) {
	switch s.do {
	case "hide":
		r.hide("+"+s.word, time.Now())
	case "unhide":
		r.hide("-"+s.word, time.Now())
	case "fill":
		synctest.Wait()
		r.fillDisk()
	case "free":
		synctest.Wait()
		if err := r.file.exec(`PRAGMA max_page_count = 1000000000`); err != nil {
			return err.Error()
		}
		time.Sleep(2 * retryEvery)
		return r.check()
	case "burst":
		synctest.Wait()
		r.inOneBatch(func() {
			for _, do := range []string{"topic", "hide", "message", "unhide", "join", "nick"} {
				r.do(toyStep{do, s.word, s.by})
			}
			if s.by > 1 {
				r.do(toyStep{"long", s.word, s.by})
			}
		})
	case "wait":
		return r.check()
	case "reopen":
		r.reopen()
		return r.check()
	case "crash":
		synctest.Wait()
		r.crash()
		return r.check()
	}
	return ""
}

// A batch that fails leaves neither events nor records. The fold is as before, and the room's live state
// has only the held events, which are written later.
func TestFailedBatchIsRolledBack(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		topic := func(text string) *wire.Event { return &wire.Event{Type: wire.TypeTopic, Text: text} }
		r.say(topic("before"), Origin{Author: 1})
		r.hide("+before", time.Now())
		if problem := r.check(); problem != "" {
			t.Fatal(problem)
		}
		r.hide("-nothing", time.Now()) // as in the first batch of inOneBatch
		synctest.Wait()
		free := r.fillDisk()
		records := maps.Clone(r.fold.records)
		delete(records, "digest")
		r.inOneBatch(func() {
			r.say(topic("after"), Origin{Author: 2})
			r.hide("-before", time.Now())
			r.hide("+after", time.Now())
			r.say(message("rejected"), Origin{Author: 3})
			r.say(long("long"), Origin{Author: 1})
		})
		synctest.Wait()
		committed := maps.Clone(r.fold.records)
		delete(committed, "digest")
		if !maps.Equal(committed, records) || len(r.fold.changes) > 0 {
			t.Errorf("the fold is %q with %q, want %q", committed, r.fold.changes, records)
		}
		if problem := r.check(); problem != "" {
			t.Error(problem)
		}
		if len(r.rejected) != 2 || r.rejected[0] != "rejected" {
			t.Errorf("rejected: %.20q", r.rejected)
		}
		live := r.live.all()
		if live["topic"] != "after" || live["author/3"] != "" || live["author/1"] != "" || live["hidden/before"] != "" || live["hidden/after"] == "" {
			t.Errorf("the live state is %.20q", live)
		}
		for _, e := range []*wire.Event{message("x"), topic("x"), {Type: wire.TypeNick, From: "alice", Nick: "x"}} {
			if err := r.say(e, Origin{Author: 1}); !errors.Is(err, ErrDiskFull) {
				t.Errorf("a %s while the disk is full: %v", e.Type, err)
			}
		}
		r.hide("+later", time.Now())
		free()
		time.Sleep(2 * retryEvery)
		if problem := r.check(); problem != "" {
			t.Error(problem)
		}
		if r.fold.records["topic"] != "after" || r.fold.records["hidden/later"] == "" || r.failures != 1 {
			t.Errorf("after %d failures the fold is %.20q", r.failures, r.fold.records)
		}
	})
}

// While the disk is full, old joins and leaves are dropped, but nothing that the state depends on.
func TestHeldStateIsNotDropped(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		free := r.fillDisk()
		r.appendTogether(func() {
			r.say(long("long"), Origin{Author: 1})
			for n := range 50 {
				r.say(&wire.Event{Type: wire.TypeTopic, Text: fmt.Sprint(n)}, Origin{Author: 1})
			}
		})
		synctest.Wait()
		for n := range 3*maxHeld + 7 {
			r.say(join(fmt.Sprint(n)), Origin{})
			r.hide(fmt.Sprint("+", n), time.Now())
		}
		free()
		time.Sleep(2 * retryEvery)
		delete(r.live.records, "presence") // of which some are dropped
		delete(r.live.changes, "presence")
		synctest.Wait()
		delete(r.fold.records, "presence")
		if !maps.Equal(r.live.all(), r.fold.records) {
			t.Errorf("the live state has %d records, the fold %d", len(r.live.all()), len(r.fold.records))
		}
		texts := r.texts()
		if len(texts) != 50+maxHeld || texts[50] != fmt.Sprint(2*maxHeld+7) || texts[49] != "49" {
			t.Errorf("%d events are written, want 50 topics and %d joins: %.20q", len(texts), maxHeld, texts)
		}
	})
}

// Hidden events are held up to a limit, and then not taken.
func TestHiddenEventsAreBounded(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		free := r.fillDisk()
		r.say(long("long"), Origin{Author: 1})
		synctest.Wait()
		r.log.committer.mu.Lock()
		r.log.committer.heldHidden += maxHeldHidden - 10 // as if they were held
		r.log.committer.mu.Unlock()
		for range 10 {
			if _, err := r.log.AppendHidden([]byte("+x"), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.log.AppendHidden([]byte("+x"), time.Now()); !errors.Is(err, ErrDiskFull) {
			t.Errorf("one more: %v", err)
		}
		free()
		time.Sleep(2 * retryEvery)
		if _, err := r.log.AppendHidden([]byte("+x"), time.Now()); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// Hidden events go with the events around them when these are deleted; the state stays.
func TestTrimDeletesHiddenEvents(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		old := message("1")
		old.Time = time.Now()
		r.hide("+first", time.Now())
		r.say(old, Origin{Author: 1})
		r.hide("+second", time.Now())
		time.Sleep(2 * time.Hour)
		r.say(message("2"), Origin{Author: 1})
		r.hide("+third", time.Now())
		synctest.Wait()
		r.file.keep.Age = time.Hour
		if done, err := r.file.trim(time.Now(), 1000); done.first != 2 || err != nil {
			t.Fatalf("the oldest event is %d, %v", done.first, err)
		}
		var hidden []string
		err := r.file.Replay(func(e *wire.Event, json []byte, _ Origin, _ time.Time) {
			if e == nil {
				hidden = append(hidden, string(json))
			}
		})
		if err != nil || !slices.Equal(hidden, []string{"+third"}) {
			t.Errorf("hidden events are %q, %v", hidden, err)
		}
		r.reopen()
		for _, name := range []string{"first", "second", "third"} {
			if r.fold.records["hidden/"+name] == "" {
				t.Errorf("the state has forgotten %s", name)
			}
		}
	})
}

// Thousands of hidden events push no message out of a file that is bounded by its size; nor do
// the records that they leave.
func TestHiddenEventsPushNoMessageOut(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		for n := range 100 {
			r.say(message(fmt.Sprintf("soup %d", n)), Origin{Author: 1})
		}
		r.hideMany(10_000)
		r.file.keep.Bytes = minKept
		messages, hidden := r.trimAll()
		if messages != 100 || hidden == 0 || hidden > 8000 {
			t.Errorf("%d of 100 messages are left, and %d of 10,000 hidden events", messages, hidden)
		}
	})
}

// Hidden events become old, also those after the newest event, which stays.
func TestHiddenEventsBecomeOld(t *testing.T) {
	onDiskWithFold(t, func(t *testing.T, r *toyRoom) {
		r.say(message("soup"), Origin{Author: 1})
		r.hideMany(5000)
		time.Sleep(2 * time.Hour)
		r.hideMany(10)
		r.file.keep.Age = time.Hour
		if messages, hidden := r.trimAll(); messages != 1 || hidden != 10 {
			t.Errorf("%d of 1 messages are left, and %d hidden events, want 10", messages, hidden)
		}
	})
}

// hideMany adds hidden events with records of their own, and waits until they are on disk.
func (r *toyRoom) hideMany(count int) {
	for n := range count {
		r.hide(fmt.Sprintf("+%d %s", n, strings.Repeat("x", 100)), time.Now())
	}
	synctest.Wait()
}

// trimAll trims the file, and returns how many events are left.
func (r *toyRoom) trimAll() (visible, hidden int) {
	r.t.Helper()
	for more := true; more; {
		done, err := r.file.trim(time.Now(), 1000)
		if err != nil {
			r.t.Fatal(err)
		}
		more = done.more
	}
	if err := r.file.queryRow(`SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM hidden)`, &visible, &hidden); err != nil {
		r.t.Fatal(err)
	}
	return visible, hidden
}

// No reader gets a byte of a hidden event, from memory or from disk.
func TestHiddenEventsAreNotRead(t *testing.T) {
	const secret = "s3cr3t"
	for name, limits := range map[string]Limits{"memory": {}, "disk": few} {
		t.Run(name, func(t *testing.T) {
			onDisk(t, func(t *testing.T, h *hosted) {
				h.limits = limits
				h.reopen()
				for n := range 40 {
					for _, text := range []string{`{"type":"message","id":%d,"from":"alice","text":"` + secret + `"}`, `{"ban":"` + secret + `"}`} {
						if _, err := h.log.AppendHidden([]byte(strings.ReplaceAll(text, "%d", fmt.Sprint(n+1))), time.Now()); err != nil {
							t.Fatal(err)
						}
					}
					e := message(fmt.Sprint("soup ", n))
					by := Origin{Author: Author(n%3 + 1)}
					if n%4 == 0 {
						e.Type, e.To, by.To = wire.TypePrivate, "bob", 2
					}
					if n%5 == 0 {
						e = join("bob")
					}
					h.put(e, by)
				}
				h.waitForIndex()
				checkHidden(t, h, secret)
				h.reopen()
				h.waitForIndex()
				checkHidden(t, h, secret)
				hidden := 0
				err := h.file.Replay(func(e *wire.Event, json []byte, _ Origin, _ time.Time) {
					if e == nil && bytes.Contains(json, []byte(secret)) {
						hidden++
					}
				})
				if hidden != 80 || err != nil {
					t.Errorf("a replay has %d of 80 hidden events, %v", hidden, err)
				}
			})
		})
	}
}

// checkHidden reads the log and its file in all ways there are.
func checkHidden(t *testing.T, h *hosted, secret string) {
	t.Helper()
	got := make(map[string]string)
	for _, format := range []Format{Text, JSON} {
		for me := range Author(4) {
			for _, echo := range []bool{false, true} {
				view := View{Format: format, Me: me, Echo: echo}
				for _, from := range []uint64{0, 1, 7, 36, 41} {
					lines, _ := drain(t, first(h.log.Cursor(from, 1, view)))
					got["cursor"] += lines
				}
				for _, before := range []uint64{0, 1, 7, 36, 41} {
					page := Page{Before: before, Count: 1000, Bytes: 1 << 30}
					lines, err := h.log.Before(page, view)
					for _, words := range []string{secret, "soup " + secret, "soup", "message", "ban"} {
						found, err2 := h.log.Search(words, page, view)
						if strings.Contains(words, secret) && len(found) > 0 {
							t.Errorf("a search for %q finds %q", words, found)
						}
						got["search"] += string(bytes.Join(found, nil))
						err = errors.Join(err, err2)
					}
					if err != nil {
						t.Fatal(err)
					}
					got["before"] += string(bytes.Join(lines, nil))
				}
			}
		}
	}
	for bits := range 4 {
		wanted := Selection{Private: bits&1 > 0, Happened: bits&2 > 0}
		got["file"] += fmt.Sprint(readAllOf(t, h.path, wanted))
		for _, json := range []bool{false, true} {
			var out strings.Builder
			if err := Print(t.Context(), &out, h.path, wanted, json); err != nil {
				t.Fatal(err)
			}
			got["print"] += out.String()
		}
	}
	for how, all := range got {
		if strings.Contains(all, secret) || !strings.Contains(all, "soup 3") {
			t.Errorf("%s: it has a hidden event, or lacks others", how)
		}
	}
	if next := h.log.Next(); next != 41 {
		t.Errorf("the next id is %d, want 41", next)
	}
}

// version1 is a file that the last program with version 1 of the format wrote.
func version1(t *testing.T) (path string) {
	t.Helper()
	zipped, err := os.Open(filepath.Join("testdata", "version1.chat.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer zipped.Close()
	reader, err := gzip.NewReader(zipped)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "room.chat")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMigrateVersion1(t *testing.T) {
	path := version1(t)
	if got := len(readAllOf(t, path, Selection{Private: true, Happened: true})); got != 16 {
		t.Errorf("%d of 16 events are read before", got)
	}
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := f.RoomID(); id != "29dbd80f7d66ff37" || err != nil || f.Title() != "kitchen" {
		t.Errorf("the room is %s, %q, %v", id, f.Title(), err)
	}
	want := map[string]string{
		"authors":  `7`,
		"topic":    `"supper: \"pea\" soup 🍲"`,
		"client/1": `{"key":"4d63559a10572d247b6d2d666f8f776c2610b47d33255a6d136746d76f8d970d","id":"id1","seq":10,"nick":"alice","gone":"here","at":1795880670799}`,
		"client/2": `{"key":"b5b8cc215ee81c255383d4d51d6bc99073ae363cbae59db85ac5ff5607002b6e","id":"id2","seq":0,"nick":"bob \"the cook\"","gone":"dropped","at":1795880671000}`,
		"client/3": `{"key":"4ec6eeb4a130bbbc906f49f346752de1daaa0f31d37a829702122db7705ae161","id":"id3","seq":9007199254740991,"nick":"carol","gone":"left","at":1795880671050}`,
	}
	for range 2 {
		got := make(map[string]string)
		err := f.Records(func(key string, value []byte) error {
			got[key] = string(value)
			return nil
		})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("the records are %q, %v; want %q", got, err, want)
		}
		var tables, meta string
		err = f.queryRow(`SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'word%' ORDER BY name)`, &tables)
		if err := errors.Join(err, f.queryRow(`SELECT group_concat(name) FROM (SELECT name FROM meta ORDER BY name)`, &meta)); err != nil {
			t.Fatal(err)
		}
		if tables != "event,hidden,meta,state" || meta != "room,title" {
			t.Errorf("its tables are %s, meta has %s", tables, meta)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if f, err = OpenFile(path, Keep{}); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	if got := len(readAllOf(t, path, Selection{Private: true, Happened: true})); got != 16 {
		t.Errorf("%d of 16 events are read after", got)
	}
}

// A version 1 file that another program has written to is migrated, or refused as damaged and left
// alone.
func TestMigrateOddFiles(t *testing.T) {
	for _, test := range []struct {
		name, change, key, want string
	}{
		{"a topic that looks like a number", `UPDATE meta SET value = '007' WHERE name = 'topic'`, "topic", `"007"`},
		{"no topic", `UPDATE meta SET value = '' WHERE name = 'topic'`, "topic", ""},
		{"a topic of bytes", `UPDATE meta SET value = x'41ff42' WHERE name = 'topic'`, "topic", "\"A\xffB\""},
		{"a nick of bytes", `UPDATE client SET nick = x'41' WHERE author = 1`, "client/1", `"nick":"A"`},
		{"two clients of one author", `UPDATE client SET author = 1 WHERE author = 3`, "client/1", `"id":"id3"`},
		{"a negative seq", `UPDATE client SET seq = -5 WHERE author = 1`, "client/1", `"seq":0`},
		{"no authors", `DELETE FROM meta WHERE name = 'authors'`, "authors", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := version1(t)
			makeDatabase(t, path, test.change)
			f, err := OpenFile(path, Keep{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var value string
			if err := f.queryRow(fmt.Sprintf(`SELECT coalesce((SELECT value FROM state WHERE key = '%s'), '')`, test.key), &value); err != nil {
				t.Fatal(err)
			}
			if test.want == "" && value != "" || !strings.Contains(value, test.want) {
				t.Errorf("%s is %q, want %q", test.key, value, test.want)
			}
		})
	}
}

// A file whose next numbers would be too high is refused as damaged, and left alone.
func TestNumbersThatAreTooHigh(t *testing.T) {
	for _, test := range []struct {
		name, change string
		version      int
	}{
		{"authors", `UPDATE meta SET value = 9223372036854775807 WHERE name = 'authors'`, 1},
		{"an author", `UPDATE client SET author = 9007199254740992 WHERE author = 1`, 1},
		{"authors are no number", `UPDATE meta SET value = 'seven' WHERE name = 'authors'`, 1},
		{"an event", `UPDATE event SET id = 9223372036854775807 WHERE id = 16`, 1},
		{"an event below 1", `UPDATE event SET id = -9 WHERE id = 1`, 1},
		{"authors", `UPDATE state SET value = '9223372036854775807' WHERE key = 'authors'`, 2},
		{"authors below 0", `UPDATE state SET value = '-1' WHERE key = 'authors'`, 2},
		{"authors are no number", `UPDATE state SET value = '{}' WHERE key = 'authors'`, 2},
		{"an event", `UPDATE event SET id = 9007199254740992 WHERE id = 16`, 2},
		{"a hidden event", `INSERT INTO hidden VALUES (9223372036854775807, 1, 1, '')`, 2},
		{"authors, after a few more", `UPDATE state SET value = '9007199254740980' WHERE key = 'authors'`, 2},
		{"an author, after a few more", `UPDATE state SET key = 'client/9007199254740980' WHERE key = 'client/1'`, 2},
		{"an event, after a few more", `UPDATE event SET id = 9007199254740980 WHERE id = 16`, 2},
	} {
		t.Run(fmt.Sprint(test.name, ", version ", test.version), func(t *testing.T) {
			path := version1(t)
			if test.version > 1 {
				f, err := OpenFile(path, Keep{})
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			makeDatabase(t, path, test.change)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := OpenFile(path, Keep{})
			if !errors.Is(err, ErrDamaged) || strings.Count(err.Error(), path) != 1 {
				t.Fatalf("it is opened: %v, %v", f, err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file has changed, %v", err)
			}
		})
	}
}

// A number in the middle of a file that is too high is damage, wherever it is read.
func TestNumbersThatAreTooHighInAnEvent(t *testing.T) {
	for _, column := range []string{"author", "recipient"} {
		path := filepath.Join(t.TempDir(), "file")
		makeFile(t, path, 30)
		makeDatabase(t, path, `UPDATE event SET `+column+` = 9007199254740992 WHERE id = 7`)
		h := host(t, path, few)
		if _, _, err := first(h.log.Cursor(5, 1, View{})).Fetch(nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Fetch: %v", column, err)
		}
		if err := h.file.Replay(noFold{}.Apply); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Replay: %v", column, err)
		}
		h.close()
	}
	path := filepath.Join(t.TempDir(), "file")
	makeFile(t, path, 1)
	makeDatabase(t, path, `UPDATE event SET json = '{"type":"message","id":1,"from":"a","seq":18446744073709551615}'`)
	for _, e := range readAllOf(t, path, Selection{}) {
		if e.Seq != maxNumber {
			t.Errorf("a seq of 2^64-1 is read as %d", e.Seq)
		}
	}
}
