package history

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A fileLock keeps the host of a file from writing to it.
type fileLock struct{ release func() }

// blockCommit locks the file, and waits until the committer has taken one event and cannot write it.
func (h *hosted) blockCommit() (_ fileLock, ticket uint64) {
	h.t.Helper()
	lock := openSecond(h.t, h.path)
	if _, err := lock.ExecContext(h.t.Context(), "BEGIN IMMEDIATE"); err != nil {
		h.t.Fatal(err)
	}
	ticket = h.put(message("first"), Origin{Author: 1})
	for !h.isTaken() {
		runtime.Gosched()
	}
	return fileLock{func() {
		h.t.Helper()
		if _, err := lock.ExecContext(h.t.Context(), "ROLLBACK"); err != nil {
			h.t.Error(err)
		}
	}}, ticket
}

func (h *hosted) isTaken() bool {
	h.log.committer.mu.Lock()
	defer h.log.committer.mu.Unlock()
	return len(h.log.committer.pending) == 0
}

// settle waits until an event is on disk.
func (h *hosted) waitUntilSettled(ticket uint64) {
	for !h.log.Settled(ticket) {
		runtime.Gosched()
	}
}

// No one can read or find a message before it is committed, and no reader is woken.
func TestNothingIsReadBeforeItsCommit(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	c := first(h.log.Cursor(1, 1, View{Format: Text}))
	woken := make(waker, 1)
	if !c.Wait(woken) {
		t.Fatal("an empty log has events")
	}
	lock, ticket := h.blockCommit()
	page := Page{Count: 10, Bytes: 1000}
	before, _ := h.log.Before(page, View{})
	found, _ := h.log.Search("first", page, View{})
	back, _ := h.log.Back(1)
	runs, _, behind := c.Next(nil)
	if len(before)+len(found)+len(runs)+len(woken) > 0 || back != 1 || h.log.Next() != 1 || behind || h.log.Settled(ticket) {
		t.Errorf("before its commit: %q, found %q, read %q, from %d, the next id is %d, settled: %v",
			before, found, runs, back, h.log.Next(), h.log.Settled(ticket))
	}
	if n := len(readAllOf(t, h.path, Selection{})); n > 0 {
		t.Errorf("before its commit %d events are in the file", n)
	}
	lock.release()
	<-woken
	if words, _ := readAll(c); !slices.Equal(words, []string{"first"}) {
		t.Errorf("after its commit %q is read", words)
	}
	h.waitUntilSettled(ticket)
	if n := len(readAllOf(t, h.path, Selection{})); n != 1 {
		t.Errorf("after its commit %d events are in the file", n)
	}
}

// While the disk is busy, the number of pending events is bounded: members who send more wait.
func TestFull(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	if h.log.Full() != nil {
		t.Error("an empty log is full")
	}
	lock, _ := h.blockCommit()
	var ticket uint64
	for n := range maxPending {
		if h.log.Full() != nil {
			t.Fatalf("the log is full with %d events", n)
		}
		ticket = h.put(message("x"), Origin{Author: 1})
	}
	full, again := h.log.Full(), h.log.Full()
	if full == nil || again == nil {
		t.Fatalf("the log is not full with %d events", maxPending)
	}
	select {
	case <-full:
		t.Error("more may be appended while the disk is busy")
	default:
	}
	lock.release()
	<-full
	<-again
	h.waitUntilSettled(ticket)
	if h.log.Full() != nil {
		t.Error("the log is full, but all events are on disk")
	}
	if got := h.log.Next(); got != maxPending+2 {
		t.Errorf("the next id is %d", got)
	}
}

// A log in memory is never full.
func TestMemoryHasNoDisk(t *testing.T) {
	l := New(Limits{}, wakeAll)
	ticket, err := l.Append(message("x"), Origin{})
	if err != nil || !l.Settled(ticket) || l.Durable() || l.Full() != nil || l.Close() != nil {
		t.Error("a log in memory waits for a disk")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A channel for a ticket is closed when the event is on disk, and not before.
func TestWhenSettled(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	if !isClosed(h.log.WhenSettled(0)) {
		t.Error("an empty log has something pending")
	}
	lock, first := h.blockCommit()
	second := h.put(message("second"), Origin{Author: 1})
	hidden, err := h.log.AppendHidden([]byte("{}"), time.Now())
	if err != nil || hidden != second+1 {
		t.Errorf("the hidden event has ticket %d, %v", hidden, err)
	}
	tickets := []uint64{hidden, first, second, hidden, second}
	var settled []<-chan struct{}
	for _, ticket := range tickets {
		settled = append(settled, h.log.WhenSettled(ticket))
	}
	for i, c := range settled {
		if isClosed(c) || h.log.Settled(tickets[i]) {
			t.Errorf("ticket %d is settled before its commit", tickets[i])
		}
	}
	never := h.log.WhenSettled(hidden + 1)
	lock.release()
	for i, c := range settled {
		<-c
		if !h.log.Settled(tickets[i]) || !isClosed(h.log.WhenSettled(tickets[i])) {
			t.Errorf("ticket %d is not settled", tickets[i])
		}
	}
	if isClosed(never) {
		t.Error("a ticket that was not given is settled")
	}
	h.put(message("third"), Origin{Author: 1})
	<-never
	h.log.committer.mu.Lock()
	if n := h.log.committer.settledWaiters.Len(); n > 0 {
		t.Errorf("%d waiters are left", n)
	}
	h.log.committer.mu.Unlock()
	if !isClosed(New(Limits{}, wakeAll).WhenSettled(7)) {
		t.Error("a log in memory has something pending")
	}
}

// A rejected message is settled once its sender has its rejection; an event that is held, when it
// is on disk.
func TestWhenSettledAfterRejection(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		free := h.fillDisk()
		var rejected, held uint64
		var whenRejected <-chan struct{}
		h.onFailure = func() {
			whenRejected = h.log.WhenSettled(rejected)
			if isClosed(whenRejected) {
				t.Error("settled before its sender knows")
			}
		}
		h.appendTogether(func() {
			rejected = h.put(long("x"), Origin{Author: 1, Sender: "x"})
			held = h.put(join("bob"), Origin{})
		})
		synctest.Wait()
		h.onFailure = nil
		whenHeld := h.log.WhenSettled(held)
		if !isClosed(whenRejected) || isClosed(whenHeld) {
			t.Errorf("rejected and settled: %v; held and settled: %v", isClosed(whenRejected), isClosed(whenHeld))
		}
		free()
		<-whenHeld
	})
}

// Many wait while many write, for the race detector.
func TestWhenSettledConcurrently(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				ticket, err := h.log.Append(message("x"), Origin{Author: 1})
				if err != nil {
					t.Error(err)
				}
				<-h.log.WhenSettled(ticket)
				if !h.log.Settled(ticket) {
					t.Errorf("ticket %d is not settled", ticket)
				}
			}
		})
	}
	all.Wait()
}

// fillDisk lets the file grow no more until free is called.
func (h *hosted) fillDisk() (free func()) {
	h.t.Helper()
	limit := func(pages int) {
		h.t.Helper()
		var now int
		if err := h.file.queryRow(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages), &now); err != nil {
			h.t.Fatal(err)
		}
	}
	limit(1) // SQLite makes that the current size
	return func() { limit(math.MaxInt32) }
}

// appendTogether calls put, whose events are all appended before the first is written.
func (h *hosted) appendTogether(put func()) {
	h.log.mu.Lock() // which the committer needs to write
	defer h.log.mu.Unlock()
	put()
}

func join(nick string) *wire.Event { return &wire.Event{Type: wire.TypeJoin, Members: []string{nick}} }

// long returns a message that is too long for a full disk.
func long(word string) *wire.Event { return message(word + strings.Repeat(" long", 20_000)) }

// takeFailures returns the first words of messages that were rejected since the last call, and how
// often the owner was called.
func (h *hosted) takeFailures() (words []string, calls int, err error) {
	synctest.Wait()
	for {
		select {
		case r := <-h.failures:
			calls++
			err = r.err
			for i := range r.list {
				word, _, _ := strings.Cut(r.list[i].Event.Text, " ")
				words = append(words, word)
				if r.list[i].By.Sender != word {
					h.t.Errorf("%s is rejected with the sender %v", word, r.list[i].By.Sender)
				}
			}
		default:
			return words, calls, err
		}
	}
}

// When the disk is full, messages are rejected to their senders, and other events are only delayed.
func TestDiskFull(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.put(message("before"), Origin{Author: 1})
		synctest.Wait()
		c := first(h.log.Cursor(1, 1, View{Format: JSON}))
		free := h.fillDisk()

		private := long("c")
		private.Type, private.To = wire.TypePrivate, "bob"
		h.appendTogether(func() {
			h.put(long("a"), Origin{Author: 1, Sender: "a"})
			h.put(join("bob"), Origin{})
			h.put(long("b"), Origin{Author: 2, Sender: "b"})
			h.put(private, Origin{Author: 1, To: 2, Sender: "c"})
			h.put(join("carol"), Origin{})
		})
		if words, calls, err := h.takeFailures(); !slices.Equal(words, []string{"a", "b", "c"}) || !errors.Is(err, ErrDiskFull) || calls != 1 {
			t.Errorf("%d failures: %q, %v", calls, words, err)
		}

		for range 3 { // for as long as it lasts
			time.Sleep(10 * time.Second)
			if _, err := h.log.Append(message("d"), Origin{Author: 1}); !errors.Is(err, ErrDiskFull) {
				t.Errorf("another message is accepted: %v", err)
			}
			h.put(join("dave"), Origin{})
			if got := h.texts(); !slices.Equal(got, []string{"before"}) {
				t.Errorf("the log has %.20q", got)
			}
			if found, err := h.log.Search("before", Page{Count: 1, Bytes: 1000}, View{}); len(found) != 1 || err != nil {
				t.Errorf("a search finds %q, %v", found, err)
			}
			if h.log.Full() != nil {
				t.Error("senders have to wait, although they are rejected")
			}
		}
		if words, calls, err := h.takeFailures(); calls > 0 {
			t.Errorf("%d failures more: %q, %v", calls, words, err)
		}

		free()
		time.Sleep(2 * retryEvery)
		if words, calls, err := h.takeFailures(); calls != 1 || err != nil || len(words) > 0 {
			t.Errorf("recovered %d times: %q, %v", calls, words, err)
		}
		h.put(message("after"), Origin{Author: 1})
		synctest.Wait()
		want := []string{"before", "bob", "carol", "dave", "dave", "dave", "after"}
		if got := h.texts(); !slices.Equal(got, want) {
			t.Errorf("the log has %.20q, want %q", got, want)
		}
		if lines, missed := drain(t, c); len(parse(t, lines)) != len(want) || missed > 0 {
			t.Errorf("a reader got %s and missed %d", lines, missed)
		}
		h.reopen()
		if got := h.texts(); !slices.Equal(got, want) {
			t.Errorf("reopened, the log has %.20q, want %q", got, want)
		}
	})
}

// The disk can be full several times.
func TestDiskFullAgainAndAgain(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		var want []string
		for n := range 5 {
			free := h.fillDisk()
			h.put(long("x"), Origin{Author: 1, Sender: "x"})
			if words, calls, err := h.takeFailures(); len(words) != 1 || err == nil || calls != 1 {
				t.Errorf("%d failures: %q, %v", calls, words, err)
			}
			free()
			time.Sleep(2 * retryEvery)
			if _, calls, err := h.takeFailures(); err != nil || calls != 1 {
				t.Errorf("recovered %d times, %v", calls, err)
			}
			want = append(want, fmt.Sprint(n))
			h.put(message(want[n]), Origin{Author: 1})
			synctest.Wait()
		}
		if got := h.texts(); !slices.Equal(got, want) {
			t.Errorf("the log has %.20q, want %q", got, want)
		}
	})
}

// While the disk is full, only the last joins and leaves are held.
func TestDiskFullForLong(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		free := h.fillDisk()
		for range 10 {
			h.put(join("old"), Origin{})
		}
		h.put(long("x"), Origin{Author: 1, Sender: "x"})
		h.takeFailures()
		for n := range maxHeld {
			h.put(join(fmt.Sprint(n)), Origin{})
		}
		h.put(join("last"), Origin{})
		free()
		time.Sleep(2 * retryEvery)
		synctest.Wait()
		got := h.texts()
		got = got[len(got)-maxHeld:] // those before them fitted in
		if got[0] != "1" || got[maxHeld-1] != "last" {
			t.Errorf("%d events are held, from %.20s to %.20s", len(got), got[0], got[len(got)-1])
		}
	})
}

// A rejected message is not settled before its sender knows: its number would seem to be stored.
func TestRejectedIsNotSettledBeforeItsSenderKnows(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.fillDisk()
		told := make(chan bool, 1)
		var ticket uint64
		ready := make(chan struct{})
		h.onFailure = func() {
			<-ready
			for range maxHeld + 10 { // of which some are dropped
				h.put(join("bob"), Origin{})
			}
			told <- h.log.Settled(ticket)
		}
		ticket = h.put(long("x"), Origin{Author: 1, Sender: "x"})
		close(ready)
		if <-told {
			t.Error("it was settled before it was rejected")
		}
		synctest.Wait()
		if !h.log.Settled(ticket) {
			t.Error("it was rejected and is not settled")
		}
		h.onFailure = nil
	})
}

// A log can be closed quickly while the disk is full, or as it becomes full. All lost messages were
// rejected.
func TestCloseWhenDiskIsFull(t *testing.T) {
	for _, early := range []bool{true, false} {
		onDisk(t, func(t *testing.T, h *hosted) {
			h.fillDisk()
			h.appendTogether(func() {
				h.put(long("a"), Origin{Author: 1, Sender: "a"})
				h.put(long("b"), Origin{Author: 1, Sender: "b"})
			})
			if !early {
				time.Sleep(10 * time.Second)
			}
			began := time.Now()
			if err := h.log.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("it took %v", took)
			}
			if words, calls, err := h.takeFailures(); !slices.Equal(words, []string{"a", "b"}) || !errors.Is(err, ErrDiskFull) || calls != 1 {
				t.Errorf("%d failures: %q, %v", calls, words, err)
			}
		})
	}
}

// Close writes the pending events.
func TestClose(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		const events = 2000
		for range events {
			h.put(message("x"), Origin{Author: 1})
		}
		h.reopen()
		if got := len(h.texts()); got != events {
			t.Errorf("%d of %d events are in the file", got, events)
		}
	})
}

// Messages are also rejected if they cannot be written for another reason than a full disk.
func TestWriteFails(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		if _, err := openSecond(t, h.path).ExecContext(t.Context(), `ALTER TABLE event RENAME TO gone`); err != nil {
			t.Fatal(err)
		}
		h.put(message("x"), Origin{Author: 1, Sender: "x"})
		if words, _, err := h.takeFailures(); len(words) != 1 || !errors.Is(err, ErrWrite) || errors.Is(err, ErrDiskFull) {
			t.Errorf("rejected: %q, %v", words, err)
		}
	})
}

// appendMany appends n messages with the same text and time.
func (h *hosted) appendMany(n int, at time.Time, text string) {
	h.t.Helper()
	for range n {
		e := message(text)
		e.Time = at
		h.put(e, Origin{Author: 1})
	}
	h.waitForIndex()
}

// waitForIndex waits until all messages are indexed.
func (h *hosted) waitForIndex() {
	synctest.Wait()
	time.Sleep(2 * indexPause)
	synctest.Wait()
}

// checkKept returns the lowest and highest id in the file. It checks that none between is missing and
// that the index has the same messages.
func (h *hosted) checkKept() (oldest, newest uint64) {
	h.t.Helper()
	var events, words int
	err := h.file.queryRow(`SELECT min(id), max(id), count(*), (SELECT count(*) FROM word) FROM event`, &oldest, &newest, &events, &words)
	if err != nil {
		h.t.Fatal(err)
	}
	if uint64(events) != newest-oldest+1 || words != events {
		h.t.Errorf("the file has events %d to %d: %d events, of which %d are indexed", oldest, newest, events, words)
	}
	found, err := h.log.Search("soup", Page{Count: 1 << 20, Bytes: 1 << 30}, View{})
	if err != nil || len(found) != events {
		h.t.Errorf("a search for %d events finds %d, %v", events, len(found), err)
	}
	return oldest, newest
}

// Events beyond the age limit are deleted within a minute, also from memory, and no others.
func TestKeepByAge(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Age = time.Hour
		h.limits = Limits{Events: 100}
		h.reopen()
		const old = 2*trimStep + 10
		now := time.Now()
		h.appendMany(old, now.Add(-59*time.Minute), "old soup")
		time.Sleep(10 * time.Second)
		h.appendMany(50, time.Now(), "soup")
		if oldest, newest := h.checkKept(); oldest != 1 || newest != old+50 {
			t.Errorf("at first there are %d to %d", oldest, newest)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if oldest, newest := h.checkKept(); oldest != old+1 || newest != old+50 {
			t.Errorf("an hour later there are %d to %d", oldest, newest)
		}
		lines, missed := drain(t, first(h.log.Cursor(1, 1, View{})))
		if got := strings.Count(lines, "\n"); got+int(missed) != old+50 || got < 50 || got > 50+100/8 {
			t.Errorf("%d events are read, %d missed", got, missed)
		}
		time.Sleep(2 * time.Hour) // only the newest stays: the next id follows from it
		synctest.Wait()
		if oldest, newest := h.checkKept(); oldest != newest || newest != old+50 {
			t.Errorf("much later there are %d to %d", oldest, newest)
		}
		h.reopen()
		h.appendMany(1, time.Now(), "new soup")
		if oldest, newest := h.checkKept(); newest != old+51 {
			t.Errorf("after that there are %d to %d", oldest, newest)
		}
	})
}

// A host that opens a file beyond its limits says so first, and deletes a minute later.
func TestKeepAtStart(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.appendMany(50, time.Now(), "soup")
		time.Sleep(2 * time.Hour)
		h.keep.Age = time.Hour
		h.reopen()
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if oldest, newest := h.checkKept(); oldest != 1 || newest != 50 {
			t.Errorf("at first there are %d to %d", oldest, newest)
		}
		if log := h.warnings.Take(); !strings.Contains(log, `about to be deleted`) || !strings.Contains(log, `limit="1 hour"`) || !strings.Contains(log, "too_old=49 events=50") {
			t.Errorf("the log has %s", log)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if oldest, newest := h.checkKept(); oldest != 50 || newest != 50 {
			t.Errorf("then there are %d to %d", oldest, newest)
		}
		if log := h.warnings.Take(); !strings.Contains(log, "deleted from the history") || !strings.Contains(log, "events=49") {
			t.Errorf("then the log has %s", log)
		}
	})
}

// What is deleted is logged once an hour, with the time from which events are kept: as a warning once a day.
func TestDeletionsAreLogged(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Age = time.Hour
		h.reopen()
		synctest.Wait()
		if log := h.warnings.Take(); !strings.Contains(log, "level=INFO") || !strings.Contains(log, `beyond a limit" limit="1 hour" oldest=""`) {
			t.Errorf("an empty room logs %s", log)
		}
		for range 30 * 4 { // an event every 15 minutes
			h.appendMany(1, time.Now(), "soup")
			time.Sleep(15 * time.Minute)
		}
		synctest.Wait()
		levels, events, last := make(map[string]int), 0, ""
		for line := range strings.Lines(h.warnings.Take()) {
			var at, level, kept string
			var n int
			if _, err := fmt.Sscanf(line, `time=%s level=%s msg="old messages were deleted from the history" events=%d limit="1 hour" kept_from=%s`, &at, &level, &n, &kept); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			levels[level]++
			events += n
			last = kept
		}
		if levels["WARN"] != 2 || levels["INFO"] < 25 || levels["INFO"] > 28 {
			t.Errorf("there are %v lines in 30 hours", levels)
		}
		from, err := time.Parse(time.RFC3339, last)
		if wanted := time.Now().Add(-time.Hour); err != nil || from.Before(wanted.Add(-time.Hour-10*time.Minute)) || from.After(wanted.Add(10*time.Minute)) {
			t.Errorf("at the end events are kept from %s, not about %v", last, wanted)
		}
		if oldest, _ := h.checkKept(); int(oldest) < events || int(oldest) > events+13 {
			t.Errorf("%d deleted events are logged, the oldest is %d", events, oldest)
		}
	})
}

// If a room is opened after a long time, by the clock, that may be wrong: events become old a day
// later, and some of them in each hour.
func TestKeepAfterALongTime(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		const events = 2*minHourly + 100
		h.appendMany(events, time.Now(), "soup")
		h.keep.Age = 30 * 24 * time.Hour
		h.reopen()
		time.Sleep(31 * time.Hour)
		h.close()
		time.Sleep(40 * 24 * time.Hour)
		h.warnings.Take()
		h.open()
		for _, test := range []struct {
			after  time.Duration
			oldest uint64
			reopen bool // the host need not run for a day without a pause
		}{{12*time.Hour + 10*time.Minute, 1, true}, {11 * time.Hour, 1, false}, {time.Hour, 1 + minHourly, false}, {time.Hour, 1 + 2*minHourly, false}, {time.Hour, events, false}} {
			time.Sleep(test.after)
			synctest.Wait()
			if oldest, newest := h.checkKept(); oldest != test.oldest || newest != events {
				t.Errorf("another %v later there are %d to %d, want %d to %d", test.after, oldest, newest, test.oldest, events)
			}
			if test.reopen {
				h.reopen()
			}
		}
		log := h.warnings.Take()
		if n := strings.Count(log, "nothing is deleted by age"); n != 2 {
			t.Errorf("the doubt was logged %d times:\n%s", n, log)
		}
	})
}

// What is dated before this program existed was written with a clock that was not set. It
// becomes as old as all that is written when this is found.
func TestKeepFromAClockThatWasNotSet(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Age = 2 * time.Hour
		h.reopen()
		h.appendMany(50, time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), "soup")
		h.appendMany(1, time.Now(), "soup")
		for _, test := range []struct {
			after  time.Duration
			oldest uint64
		}{{90 * time.Minute, 1}, {time.Hour, 51}} {
			time.Sleep(test.after)
			synctest.Wait()
			if oldest, _ := h.checkKept(); oldest != test.oldest {
				t.Errorf("another %v later the oldest is %d, want %d", test.after, oldest, test.oldest)
			}
		}
	})
}

// One reading of the clock is not believed if it is far from where it is expected.
func TestClockWatch(t *testing.T) {
	const day = 24 * time.Hour
	type reading struct {
		ran  time.Duration // since the last one
		off  time.Duration // how far the clock is from the true time
		want bool
	}
	for name, readings := range map[string][]reading{
		"right":                 {{time.Minute, 0, true}, {time.Hour, time.Hour, true}, {time.Hour, -time.Hour, true}},
		"asleep for a night":    {{time.Minute, 9 * time.Hour, true}, {time.Minute, 18 * time.Hour, true}},
		"ahead for a while":     {{time.Minute, 31 * day, false}, {time.Hour, 31 * day, false}, {time.Minute, 0, true}},
		"behind for a while":    {{time.Minute, -70 * 365 * day, false}, {time.Hour, -70 * 365 * day, false}, {time.Minute, 0, true}},
		"ahead for a day":       {{time.Minute, 31 * day, false}, {23 * time.Hour, 31 * day, false}, {time.Hour, 31 * day, true}, {time.Minute, 0, false}},
		"now here, now there":   {{time.Minute, 31 * day, false}, {23 * time.Hour, 31 * day, false}, {time.Hour, 62 * day, false}, {23 * time.Hour, 62 * day, false}, {time.Hour, 62 * day, true}},
		"corrected, then right": {{time.Minute, -31 * day, false}, {day, -31 * day, true}, {time.Minute, 0, false}, {day, 0, true}},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Now()
			w := clockWatch{Believed: at.Round(0), at: at}
			for i, r := range readings {
				at = at.Add(r.ran)
				if got := w.check(at.Round(0).Add(r.off), at, minStray); got != r.want {
					t.Errorf("reading %d is believed: %v", i+1, got)
				}
			}
		})
	}
}

func TestParseKeep(t *testing.T) {
	const day = 24 * time.Hour
	for limits, want := range map[string]struct {
		keep  Keep
		words string
	}{
		"":             {Keep{}, ""},
		"30d":          {Keep{Age: 30 * day}, "30 days"},
		"1h":           {Keep{Age: time.Hour}, "1 hour"},
		"1h30m":        {Keep{Age: 90 * time.Minute}, "1.5 hours"},
		"2w, 1GiB":     {Keep{Age: 14 * day, Bytes: 1 << 30}, "14 days and 1.1 GB"},
		"500MB,1y":     {Keep{Age: 365 * day, Bytes: 500_000_000}, "365 days and 500 MB"},
		" 500 MB , 1w": {Keep{Age: 7 * day, Bytes: 500_000_000}, "7 days and 500 MB"},
	} {
		keep, err := ParseKeep(limits)
		if keep != want.keep || keep.String() != want.words || err != nil {
			t.Errorf("%q is %v, %q, %v", limits, keep, keep, err)
		}
	}
	for limits, want := range map[string]string{
		"3m": "ambiguous", "3M": "ambiguous", "30d, 3m": "ambiguous", "30": "missing", "5000000": "missing",
		"30min": "not an age", "3mo": "not an age", "30d,40d": "not an age", "1MB,2MB": "not an age", "soup": "not an age",
		"59m59s": "too short", "10B": "too small", "-1d": "not an age", "100000y": "not an age", "1d1": "missing",
	} {
		if keep, err := ParseKeep(limits); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v, %v; want %q", limits, keep, err, want)
		}
	}
}

// If the clock jumps, events are still deleted in order: an event that seems old stays until the
// events before it are old.
func TestKeepWhenTheClockJumps(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Age = time.Hour
		h.reopen()
		now := time.Now()
		h.appendMany(10, now.Add(-2*time.Hour), "soup") // from 1: old
		h.appendMany(10, now.Add(30*time.Minute), "soup")
		h.appendMany(10, now.AddDate(-5, 0, 0), "soup") // from 21: they seem old
		h.appendMany(10, now.Add(3*time.Hour), "soup")  // from 31: later
		h.appendMany(10, now, "soup")
		for _, test := range []struct {
			after  time.Duration
			oldest uint64
		}{{2 * time.Minute, 11}, {time.Hour, 11}, {2 * time.Hour, 31}, {5 * time.Hour, 50}} {
			time.Sleep(time.Until(now.Add(test.after)))
			synctest.Wait()
			if oldest, newest := h.checkKept(); oldest != test.oldest || newest != 50 {
				t.Errorf("%v later there are %d to %d, want %d to 50", test.after, oldest, newest, test.oldest)
			}
		}
	})
}

// Events from a time when the clock was far ahead are deleted, and so are later ones: they are as
// old as when they are found to be ahead. Readers get their times as they were.
func TestKeepWhenTheClockWasAhead(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Age = time.Hour
		h.reopen()
		const ahead = ageStep + 100
		now := time.Now()
		h.appendMany(10, now, "soup")
		h.appendMany(ahead, now.AddDate(70, 0, 0), "soup")
		h.appendMany(10, now, "soup")
		const newest = ahead + 20
		for _, test := range []struct {
			after  time.Duration
			oldest uint64
		}{{55 * time.Minute, 1}, {90 * time.Minute, 11}, {119 * time.Minute, 11}, {3 * time.Hour, newest}} {
			time.Sleep(time.Until(now.Add(test.after)))
			synctest.Wait()
			if oldest, _ := h.checkKept(); oldest != test.oldest {
				t.Errorf("after %v the oldest is %d, want %d", test.after, oldest, test.oldest)
			}
			if test.oldest != 11 {
				continue
			}
			if e := readAllOf(t, h.path, Selection{})[0]; !e.Time.Equal(now.AddDate(70, 0, 0).Truncate(time.Millisecond)) {
				t.Errorf("event %d is shown with the time %v", e.ID, e.Time)
			}
		}
	})
}

// A file beyond the size limit loses its oldest events, and not many more than it must.
func TestKeepBySize(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		const keep = 1 << 19
		for n := range 1500 {
			h.put(message(fmt.Sprintf("soup of %d %s", n, strings.Repeat("and more ", n%200))), Origin{Author: 1})
		}
		h.waitForIndex()
		h.close()
		if size := h.size(); size < 2*keep {
			t.Fatalf("the file has %d bytes", size)
		}
		h.keep.Bytes = keep
		h.open()
		time.Sleep(2 * trimEvery)
		synctest.Wait()
		oldest, newest := h.checkKept()
		if oldest < 150 || oldest > 1350 || newest != 1500 {
			t.Errorf("there are %d to %d", oldest, newest)
		}
		h.close()
		if size := h.size(); size > keep || size < keep*3/4 {
			t.Errorf("the file has %d bytes, the limit is %d", size, keep)
		}
		if got := readAllOf(t, h.path, Selection{}); got[0].ID != oldest {
			t.Errorf("the oldest is %+v", got[0])
		}
	})
}

func (h *hosted) size() int64 {
	h.t.Helper()
	info, err := os.Stat(h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	return info.Size()
}

// The newest event stays even if it is beyond the size limit.
func TestKeepLessThanAMessage(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.keep.Bytes = 1
		h.reopen()
		h.appendMany(100, time.Now(), "soup")
		time.Sleep(time.Hour)
		synctest.Wait()
		if oldest, newest := h.checkKept(); oldest != 100 || newest != 100 {
			t.Errorf("there are %d to %d", oldest, newest)
		}
	})
}

// Few events are deleted at a time: new messages wait meanwhile.
func TestTrimInSteps(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		const events = 2*trimStep + 20
		h.appendMany(events, time.Now(), "soup")
		h.file.keep.Age = time.Hour
		later := time.Now().Add(24 * time.Hour)
		for _, want := range []uint64{1 + trimStep, 1 + 2*trimStep, events, 0, 0} {
			if done, err := h.file.trim(later, 1<<20); done.first != want || done.more != (want > 0) || err != nil {
				t.Errorf("the oldest is %d, %v; want %d", done.first, err, want)
			}
		}
	})
}

// A slowFold takes a while for each event, like a slow disk.
type slowFold struct {
	noFold
	delay time.Duration
}

func (f *slowFold) Apply(*wire.Event, []byte, Origin, time.Time) { time.Sleep(f.delay) }

// The owner of a log learns that the disk is slow, while it is.
func TestSlowDisk(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		fold := &slowFold{}
		h.openLog = func() (*Log, error) { return NewOn(h.file, h.limits, wakeAll, fold, h, slog.New(slog.DiscardHandler)) }
		h.reopen()
		for _, test := range []struct {
			delay time.Duration
			want  int64 // calls, in all
		}{{slowWrite / 2, 0}, {3 * slowWrite, 1}, {0, 1}, {3 * slowWrite, 2}} {
			fold.delay = test.delay
			h.put(message("soup"), Origin{Author: 1})
			time.Sleep(2 * slowWrite) // it may still be being written
			if got := h.slow.Load(); got != test.want {
				t.Errorf("%v: %d calls, want %d", test.delay, got, test.want)
			}
			time.Sleep(2 * slowWrite)
			synctest.Wait()
		}
	})
}

// A disk that hangs delays a host's end, but not for ever: File.Close returns an error. Once the disk
// answers, the file can be closed.
func TestCloseWhenTheDiskHangs(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	h.file.closeTimeout = 20 * time.Millisecond
	if err := h.file.exec(`PRAGMA busy_timeout = 60000`); err != nil { // for which SQLite hangs
		t.Fatal(err)
	}
	lock, _ := h.blockCommit()
	if err := h.log.Close(); err == nil {
		t.Error("the log is closed")
	}
	began := time.Now()
	if err := h.file.Close(); err == nil || !strings.Contains(err.Error(), "the disk does not answer") {
		t.Errorf("the file is closed: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	lock.release()
	<-h.log.committer.done
	h.close()
	if got := readAllOf(t, h.path, Selection{}); len(got) != 1 {
		t.Errorf("the file has %d events, want 1", len(got))
	}
}

// Only the database allocates memory to write a message: its JSON is encoded once, into a buffer that
// is reused.
func TestAllocationsOfABatch(t *testing.T) {
	file, err := OpenFile(filepath.Join(t.TempDir(), "room.chat"), Keep{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const events = 100
	batch, buf := make([]pending, events), []byte(nil)
	for i := range batch {
		batch[i] = pending{event: *message(strings.Repeat("soup ", 40)), by: Origin{Author: 1}}
	}
	next := uint64(1)
	encode := testing.AllocsPerRun(5, func() { buf = prepareBatch(batch, next, buf[:0]) })
	if encode > 0 {
		t.Errorf("encoding %d events again makes %v allocations", events, encode)
	}
	write := func() {
		buf = prepareBatch(batch, next, buf[:0])
		if err := file.writeBatch(batch, noFold{}); err != nil {
			t.Fatal(err)
		}
		next += events
	}
	if all := testing.AllocsPerRun(5, write) / events; all > maxAllocations {
		t.Errorf("an event makes %v allocations, want at most %d", all, maxAllocations)
	}
}

// maxAllocations is a little more than the 10 of database/sql and its driver for an event.
const maxAllocations = 12

// The write-ahead log is truncated when it has become too long.
func TestWriteAheadLogIsShortened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	h := host(t, path, few)
	defer h.close()
	h.file.walLimit = 1 << 20
	var ticket uint64
	for range 20 {
		ticket = h.put(long("soup"), Origin{Author: 1})
	}
	h.waitUntilSettled(ticket)
	if err := h.log.Close(); err != nil { // the file is shortened after the events are published
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() > 1<<20 {
		t.Errorf("it has %d bytes, %v", info.Size(), err)
	}
}

// A host waits for its own readers before it truncates the write-ahead log, and hardly for others.
func TestReadersOfOtherProcessesAreNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	h := host(t, path, few)
	defer h.close()
	h.waitUntilSettled(h.put(message("soup"), Origin{Author: 1}))
	other := openSecond(t, path)
	var n int
	for _, query := range []string{`BEGIN`, `SELECT count(*) FROM event`} {
		if err := other.QueryRowContext(t.Context(), query).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
	}
	if wait := h.file.waitForReaders(); wait != foreignReaders || n != 1 {
		t.Errorf("with a reader of another process that has %d events, the host waits %v", n, wait)
	}
	for _, err := range h.file.rowsFrom(1) {
		if wait := h.file.waitForReaders(); err != nil || wait <= seekTime {
			t.Errorf("with a reader of its own, the host waits %v, %v", wait, err)
		}
	}
}
