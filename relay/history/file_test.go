package history

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chat/relay/internal/logtest"
	"chat/relay/wire"
)

// otherHost is the environment variable that makes this program a host on a file; see otherProcess.
const otherHost = "CHAT_TEST_OTHER_HOST"

func TestMain(m *testing.M) {
	if path := os.Getenv(otherHost); path != "" {
		hostUntilKilled(path)
	}
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", "/dev/shm") // a fast disk; only a power failure would make a difference
	}
	goleak.VerifyTestMain(m)
}

// A hosted is a log on a file that is opened and closed several times, with its failures.
type hosted struct {
	t         *testing.T
	path      string
	keep      Keep
	limits    Limits
	file      *File
	log       *Log // nil while it is closed
	failures  chan failure
	slow      atomic.Int64         // calls of Slow
	onFailure func()               // called before a failure is in failures; nil: not called
	openLog   func() (*Log, error) // on file; nil: without a fold
	warnings  logtest.Buffer       // the lines of the log
}

type failure struct {
	list []Rejected
	err  error
}

// few is so low that most events are read from disk.
var few = Limits{Events: 8, Zone: time.UTC}

// onDisk runs a test in a bubble, with a log on a new file. synctest.Wait waits until all events are
// on disk, rejected or held.
func onDisk(t *testing.T, test func(t *testing.T, h *hosted)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "room.chat")
	synctest.Test(t, func(t *testing.T) {
		sleepTo2040()
		h := host(t, path, few)
		defer h.close()
		test(t, h)
	})
}

// sleepTo2040 moves the clock of a bubble from 2000 to a time when there is this program.
func sleepTo2040() { time.Sleep(time.Until(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC))) }

// host opens a log on the file at path.
func host(t *testing.T, path string, limits Limits) *hosted {
	t.Helper()
	h := &hosted{t: t, path: path, limits: limits, failures: make(chan failure, 100)}
	h.open()
	return h
}

func (h *hosted) open() {
	h.t.Helper()
	var err error
	if h.file, err = OpenFile(h.path, h.keep); err != nil {
		h.t.Fatal(err)
	}
	if h.openLog != nil {
		h.log, err = h.openLog()
	} else {
		h.log, err = NewOn(h.file, h.limits, wakeAll, nil, h, slog.New(slog.NewTextHandler(&h.warnings, nil)))
	}
	if err != nil {
		h.file.Close()
		h.t.Fatal(err)
	}
}

// Failed and Recovered put a failure into h.failures.
func (h *hosted) Failed(err error, split func() ([]Rejected, []Held)) {
	rejected, _ := split()
	if h.onFailure != nil {
		h.onFailure()
	}
	h.failures <- failure{rejected, err}
}

func (h *hosted) Recovered() { h.failures <- failure{} }

func (h *hosted) Slow() { h.slow.Add(1) }

// close closes the log and the file, like a host that ends.
func (h *hosted) close() {
	h.t.Helper()
	if h.log == nil {
		return
	}
	if err := h.log.Close(); err != nil {
		h.t.Error(err)
	}
	if err := h.file.Close(); err != nil {
		h.t.Error(err)
	}
	h.log = nil
}

func (h *hosted) reopen() {
	h.t.Helper()
	h.close()
	h.open()
}

// crash continues with the files as a host that is killed now would leave them.
func (h *hosted) crash() {
	h.t.Helper()
	left := h.path + "'" // a name that SQLite and URIs must not mistake for something else
	copyFile(h.t, h.path, left)
	copyFile(h.t, h.path+"-wal", left+"-wal")
	h.close()
	h.path = left
	h.open()
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// put appends e, which must not be rejected.
func (h *hosted) put(e *wire.Event, by Origin) (ticket uint64) {
	h.t.Helper()
	ticket, err := h.log.Append(e, by)
	if err != nil {
		h.t.Fatal(err)
	}
	return ticket
}

// texts returns the text and members of each event in the log.
func (h *hosted) texts() (list []string) {
	h.t.Helper()
	lines, missed := drain(h.t, first(h.log.Cursor(1, 1, View{Format: JSON, Echo: true})))
	if missed > 0 {
		h.t.Errorf("%d events are missed", missed)
	}
	for i, e := range parse(h.t, lines) {
		if e.ID != uint64(i)+1 {
			h.t.Errorf("event %d of the log has the id %d", i+1, e.ID)
		}
		list = append(list, e.Text+strings.Join(e.Members, ","))
	}
	return list
}

func parse(t *testing.T, lines string) (events []wire.Event) {
	t.Helper()
	for line := range strings.Lines(lines) {
		e, err := wire.ParseEvent([]byte(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// step reads the next events from memory or from disk, and reports whether there were any.
func step(t *testing.T, c *Cursor) (lines string, missed uint64, more bool) {
	t.Helper()
	from, memory := c.next, c.log.firstInMemory() // which may advance meanwhile
	runs, missed, behind := c.Next(nil)
	if from < memory && !behind || from >= c.log.firstInMemory() && behind {
		t.Errorf("at %d, when memory begins at %d to %d: behind is %v", from, memory, c.log.firstInMemory(), behind)
	}
	if behind {
		var err error
		if runs, missed, err = c.Fetch(runs); err != nil {
			t.Error(err)
		}
	}
	return string(bytes.Join(runs, nil)), missed, behind || len(runs) > 0
}

// drain reads c to its end.
func drain(t *testing.T, c *Cursor) (lines string, missed uint64) {
	t.Helper()
	for {
		line, m, more := step(t, c)
		lines, missed = lines+line, missed+m
		if !more {
			return lines, missed
		}
	}
}

// An expectedLog is a plain list of the events of a log, which gives what its readers should get.
type expectedLog []pending

func (s *expectedLog) add(e wire.Event, by Origin) {
	e.ID = uint64(len(*s)) + 1
	*s = append(*s, pending{event: e, by: by})
}

// as returns the encoding of the event.
func (p *pending) as(format Format) string {
	if format == JSON {
		return string(p.event.AppendJSON(nil))
	}
	return string(p.event.AppendText(nil, wire.Viewer{Zone: time.UTC, Nick: p.event.To}))
}

// isVisible reports whether a reader with the view v gets p.
func (p *pending) isVisible(v View) bool {
	own, private := v.Me != 0 && p.by.Author == v.Me, p.by.To != 0
	switch {
	case v.Ignored[p.by.Author]:
		return false
	case own && private:
		return v.Echo && v.Format == JSON
	case own:
		return v.Echo
	case private:
		return p.by.To == v.Me
	}
	return true
}

// cursor returns the lines that a cursor should read.
func (s expectedLog) cursor(from, live uint64, v View) string {
	var b strings.Builder
	for i := range s {
		p := &s[i]
		if p.event.ID >= from && p.isVisible(v) && (p.isMessage() || p.event.ID >= live) {
			b.WriteString(p.as(v.Format))
		}
	}
	return b.String()
}

// before returns the lines that Before should read, or Search if there are words.
func (s expectedLog) before(page Page, v View, words string) string {
	v.Echo = true
	query := newQuery(words)
	var lines string
	for n := 0; len(s) > 0 && n < page.Count; s = s[:len(s)-1] {
		p := &s[len(s)-1]
		if page.Before > 0 && p.event.ID >= page.Before || !p.isMessage() || !p.isVisible(v) || !query.matches(p.event.Text) {
			continue
		}
		line := p.as(v.Format)
		if page.Bytes -= len(line); page.Bytes < 0 && n > 0 {
			break
		}
		lines = line + lines
		n++
	}
	return lines
}

// someWords are the words of random events and searches.
var someWords = strings.Fields(`soup Soup SUPPER élan Élan Strasse straße 今日は 寒い naïve İstanbul ﬁne
	🍲 don't "quoted" AND or NOT NEAR( col:umn ^caret a-b x* _ 3.14 é é aa a`)

func randomWords(r *rand.Rand, most int) string {
	words := make([]string, r.IntN(most+1))
	for i := range words {
		words[i] = someWords[r.IntN(len(someWords))]
	}
	return strings.Join(words, []string{" ", "\n", ", "}[r.IntN(3)])
}

// randomEvent returns an event of one of three authors or of the room.
func randomEvent(r *rand.Rand) (wire.Event, Origin) {
	e := wire.Event{Type: wire.TypeMessage, From: "alice", Text: "x" + randomWords(r, 6), Time: time.UnixMilli(r.Int64N(1e12)).UTC()}
	by := Origin{Author: Author(1 + r.IntN(3))}
	switch r.IntN(10) {
	case 0:
		e = wire.Event{Type: wire.TypeJoin, Members: []string{"bob", "carol"}, Time: e.Time}
		by.Author = 0
	case 1:
		e.Type = wire.TypeTopic
	case 2:
		e.Type = wire.TypeAction
	case 3, 4:
		e.Type, e.To = wire.TypePrivate, "carol"
		by.To = Author(1 + r.IntN(3))
	case 5:
		if r.IntN(4) == 0 {
			e.Text += strings.Repeat("\n", 90) + strings.Repeat("long", r.IntN(4000))
		}
	}
	return e, by
}

func randomView(r *rand.Rand) View {
	v := View{Format: Format(r.IntN(2)), Me: Author(r.IntN(4)), Echo: r.IntN(2) > 0}
	if r.IntN(3) == 0 {
		v.Ignored = map[Author]bool{Author(1 + r.IntN(3)): true}
	}
	return v
}

// Readers of all kinds get the events of a plain list, from memory and disk, while hosts are restarted.
func TestReadersOnDisk(t *testing.T) {
	seeds := 10
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			onDisk(t, func(t *testing.T, h *hosted) {
				r := rand.New(rand.NewPCG(seed, 0))
				var all expectedLog
				for life := range 4 {
					switch {
					case life == 0:
					case r.IntN(2) == 0:
						h.reopen()
					default:
						h.crash()
					}
					live(t, r, h, &all)
				}
			})
		})
	}
}

// live appends random events to h, and reads them while they come and from random positions.
func live(t *testing.T, r *rand.Rand, h *hosted, all *expectedLog) {
	t.Helper()
	type reader struct {
		Cursor
		from uint64
		got  string
	}
	var readers []*reader
	for range r.IntN(60) {
		e, by := randomEvent(r)
		h.put(&e, by)
		all.add(e, by)
		switch r.IntN(6) {
		case 0:
			synctest.Wait()
		case 1:
			from := uint64(1 + r.IntN(len(*all)+1))
			readers = append(readers, &reader{Cursor: h.log.Cursor(from, uint64(r.IntN(len(*all)+10)), randomView(r)), from: from})
		case 2:
			for _, rd := range readers { // some are far behind
				if r.IntN(4) == 0 {
					line, _, _ := step(t, &rd.Cursor)
					rd.got += line
				}
			}
		}
	}
	synctest.Wait()
	if next := h.log.Next(); next != uint64(len(*all))+1 {
		t.Fatalf("the next id is %d after %d events", next, len(*all))
	}
	for _, rd := range readers {
		rest, missed := drain(t, &rd.Cursor)
		if got, want := rd.got+rest, all.cursor(rd.from, rd.live, rd.view); got != want || missed > 0 {
			t.Fatalf("from %d, live %d, %+v: missed %d, got\n%swant\n%s", rd.from, rd.live, rd.view, missed, got, want)
		}
	}
	for range 10 {
		readBack(t, r, h.log, *all)
	}
}

// readBack checks Before, Search and Back.
func readBack(t *testing.T, r *rand.Rand, l *Log, all expectedLog) {
	t.Helper()
	view := randomView(r)
	page := Page{Before: uint64(r.IntN(len(all) + 10)), Count: r.IntN(30), Bytes: 100 + r.IntN(20_000)}
	lines, err := l.Before(page, view)
	if got, want := string(bytes.Join(lines, nil)), all.before(page, view, ""); err != nil || got != want {
		t.Fatalf("%+v, %+v: %v, got\n%swant\n%s", page, view, err, got, want)
	}
	words := randomWords(r, 2)
	lines, err = l.Search(words, page, view)
	want := ""
	if len(newQuery(words)) > 0 {
		want = all.before(page, view, words)
	}
	if got := string(bytes.Join(lines, nil)); err != nil || got != want {
		t.Fatalf("search for %q, %+v, %+v: %v, got\n%swant\n%s", words, page, view, err, got, want)
	}
	n := r.IntN(60)
	from, err := l.Back(n)
	if err != nil || all.messagesFrom(from) != min(n, all.messagesFrom(1)) || from <= uint64(len(all)) && n < all.messagesFrom(1) && !all[from-1].event.IsPublicMessage() {
		t.Fatalf("Back(%d) = %d, %v: there are %d messages from there on, of %d", n, from, err, all.messagesFrom(from), all.messagesFrom(1))
	}
}

// messagesFrom returns how many messages and actions there are from the event id on.
func (s expectedLog) messagesFrom(id uint64) (n int) {
	for i := range s {
		if s[i].event.ID >= id && s[i].event.IsPublicMessage() {
			n++
		}
	}
	return n
}

// Writers, slow readers and searches run at the same time, for the race detector. Each reader gets each
// writer's events in order and none twice.
func TestConcurrentUseOnDisk(t *testing.T) {
	const writers, each = 3, 300
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	done := make(chan struct{})
	for w := range writers {
		go func() {
			for n := range each {
				h.log.Append(message(fmt.Sprintf("%d.%d", w, n)), Origin{Author: Author(w + 1)})
				if full := h.log.Full(); full != nil {
					<-full
				}
			}
			done <- struct{}{}
		}()
	}
	for _, format := range []Format{JSON, Text} {
		go func() {
			defer func() { done <- struct{}{} }()
			c := first(h.log.Cursor(1, 1, View{Format: format}))
			woken := make(waker, 1)
			var next [writers]int
			for got := 0; got < writers*each; {
				lines, missed, more := step(t, c)
				if missed > 0 {
					t.Errorf("missed %d", missed)
					return
				}
				if !more && c.Wait(woken) {
					<-woken
				}
				for line := range strings.Lines(lines) {
					var w, n int
					if _, err := fmt.Sscanf(line[strings.LastIndexAny(strings.TrimRight(line, "\"}\n"), `" `)+1:], "%d.%d", &w, &n); err != nil || n != next[w] {
						t.Errorf("got %q (%v), want number %d", line, err, next[w])
						return
					}
					next[w]++
					got++
				}
			}
		}()
	}
	go func() {
		defer func() { done <- struct{}{} }()
		for range 100 {
			_, err := h.log.Search("0", Page{Count: 50, Bytes: 1 << 20}, View{Format: JSON})
			_, err2 := h.log.Before(Page{Count: 50, Bytes: 1 << 20}, View{Format: JSON})
			_, err3 := h.log.Back(50)
			if err := errors.Join(err, err2, err3); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range writers + 3 {
		<-done
	}
}

// A file may have any name.
func TestNames(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not on Windows")
	}
	for _, name := range []string{"a b", "100%41", "what?mode=memory", "a#b", "'; --", "é\n", "file:x", ":memory:", "-"} {
		path := filepath.Join(t.TempDir(), name)
		f, err := OpenFile(path, Keep{})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := f.Close(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if header, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
			t.Errorf("%q is not a history: %.16q, %v", name, header, err)
		}
	}
}

// The id and the title of a room are short and fit in a line, whatever the file has.
func TestNamesOfAStranger(t *testing.T) {
	for _, value := range []string{`hex(zeroblob(1000000))`, `'a' || char(27) || '[31mb' || char(10)`, `x'00ff'`} {
		path := filepath.Join(t.TempDir(), "file")
		makeFile(t, path, 1)
		makeDatabase(t, path, `INSERT OR REPLACE INTO meta VALUES ('room', `+value+`), ('title', `+value+`)`)
		f, err := OpenFile(path, Keep{})
		if err != nil {
			t.Fatal(err)
		}
		id, err := f.RoomID()
		if again, _ := f.RoomID(); err != nil || len(id) != 16 || again != id {
			t.Errorf("the id is %.60q and then %.60q, %v", id, again, err)
		}
		if len(f.Title()) > 4*maxTitle {
			t.Errorf("the title has %d bytes", len(f.Title()))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A file in use is refused, whatever name it is opened by.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "room.chat")
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{path}
	if err := os.Symlink(path, filepath.Join(dir, "link")); err == nil {
		names = append(names, filepath.Join(dir, "link"))
	}
	for _, name := range names {
		if second, err := OpenFile(name, Keep{}); !errors.Is(err, ErrInUse) {
			t.Errorf("a second time as %s: %v, %v", name, second, err)
		}
		if out, err := otherProcess(t, name).Output(); err == nil || !strings.Contains(string(out), ErrInUse.Error()) {
			t.Errorf("from another process, as %s: %s, %v", name, out, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// otherProcess returns a command that runs hostUntilKilled.
func otherProcess(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), otherHost+"="+path)
	return cmd
}

// hostUntilKilled hosts on the file at path, and appends messages until it is killed. It prints the
// events that a reader gets.
func hostUntilKilled(path string) {
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	file, err := OpenFile(path, Keep{})
	if err != nil {
		fail(err)
	}
	log, err := NewOn(file, few, wakeAll, nil, failing(fail), slog.New(slog.DiscardHandler))
	if err != nil {
		fail(err)
	}
	c := first(log.Cursor(log.Next(), 1, View{Format: JSON}))
	ahead := make(chan struct{}, 50) // of the reader of the output
	go func(n uint64) {
		for ; ; n++ {
			ahead <- struct{}{}
			log.Append(message(fmt.Sprint("number ", n)), Origin{Author: 1})
		}
	}(c.next)
	woken := make(waker, 1)
	for {
		runs, _, behind := c.Next(nil)
		if behind {
			if runs, _, err = c.Fetch(runs); err != nil {
				fail(err)
			}
		}
		lines := bytes.Join(runs, nil)
		os.Stdout.Write(lines)
		for range bytes.Count(lines, []byte("\n")) {
			<-ahead
		}
		if len(runs) == 0 && c.Wait(woken) {
			<-woken
		}
	}
}

// A failing is an Owner that is called when the file cannot be written.
type failing func(error)

func (f failing) Failed(err error, _ func() ([]Rejected, []Held)) { f(err) }
func (f failing) Recovered()                                      {}
func (f failing) Slow()                                           {}

// If a host is killed, all events that its readers got are in the file, once and in order.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	var read uint64 // id of the last event that a reader got
	for range 3 {
		cmd := otherProcess(t, path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			e, err := wire.ParseEvent(lines.Bytes())
			if err != nil {
				break // cut off by the kill
			}
			if e.ID < read || e.Text != fmt.Sprint("number ", e.ID) {
				t.Errorf("after %d: %s", read, lines.Bytes())
			}
			read = e.ID
			if n == 100 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()

		h := host(t, path, few)
		texts := h.texts()
		for i, text := range texts {
			if want := fmt.Sprint("number ", i+1); text != want {
				t.Fatalf("event %d is %q", i+1, text)
			}
		}
		if uint64(len(texts)) < read || read == 0 {
			t.Errorf("%d were read, %d are in the file", read, len(texts))
		}
		h.close()
	}
}

// A crash may cut off the write-ahead log anywhere after the last commit, or leave random bytes there.
// All committed events can be read, and none of an unfinished transaction.
func TestTornWrites(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		r := rand.New(rand.NewPCG(1, 1))
		type commit struct {
			size int64 // of the write-ahead log
			said int
		}
		var all expectedLog
		var commits []commit
		for range 8 {
			for range 1 + r.IntN(10) {
				e, by := randomEvent(r)
				h.put(&e, by)
				all.add(e, by)
			}
			synctest.Wait()
			info, err := os.Stat(h.path + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			commits = append(commits, commit{info.Size(), len(all)})
		}
		file, err := os.ReadFile(h.path)
		if err != nil {
			t.Fatal(err)
		}
		wal, err := os.ReadFile(h.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		h.close()

		for try := range 30 {
			at := r.IntN(len(commits))
			cut, most := commits[at].size, commits[at].said
			if at+1 < len(commits) && try%2 > 0 { // within the next transaction
				cut += r.Int64N(commits[at+1].size - cut)
				most = commits[at+1].said
			}
			left := bytes.Clone(wal[:cut])
			if try%3 == 0 {
				left = append(left, bytes.Repeat([]byte{byte(try)}, 5000)...)
			}
			h.path = filepath.Join(t.TempDir(), "left.chat")
			if err := errors.Join(os.WriteFile(h.path, file, 0o600), os.WriteFile(h.path+"-wal", left, 0o600)); err != nil {
				t.Fatal(err)
			}
			h.open()
			got, missed := drain(t, first(h.log.Cursor(1, 1, View{Format: JSON, Echo: true, Me: 1})))
			n := int(h.log.Next()) - 1
			if n < commits[at].said || n > most || missed > 0 || got != all[:n].cursor(1, 1, View{Format: JSON, Echo: true, Me: 1}) {
				t.Fatalf("cut at %d of %d: %d events, missed %d, want %d to %d; got\n%s", cut, len(wal), n, missed, commits[at].said, most, got)
			}
			h.close()
		}
	})
}

// makeFile creates a history with n events, all indexed.
func makeFile(t testing.TB, path string, events int) {
	t.Helper()
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	var batch []pending
	for n := range events {
		batch = append(batch, pending{event: *message(fmt.Sprint("number ", n+1, strings.Repeat(" soup", n%50))), by: Origin{Author: 1}})
	}
	if _, err := f.RoomID(); err != nil {
		t.Fatal(err)
	}
	prepareBatch(batch, 1, nil)
	err = f.writeBatch(batch, noFold{})
	for more := true; more && err == nil; {
		more, err = f.indexSome()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// makeDatabase runs statements on the database at path.
func makeDatabase(t *testing.T, path, statements string) {
	t.Helper()
	db, err := openDB(path, url.Values{"mode": {"rwc"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(statements)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// write puts b into the file at an offset.
func write(t testing.TB, path string, offset int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A file that cannot be hosted on is refused with the reason, and not changed.
func TestRefusedFiles(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(path string)
		want error
	}{
		{"newer version", func(path string) {
			makeFile(t, path, 10)
			write(t, path, 60, binary.BigEndian.AppendUint32(nil, uint32(len(migrations)+1)))
		}, ErrNewer},
		{"another program's database", func(path string) {
			makeDatabase(t, path, `PRAGMA application_id = 7; CREATE TABLE event (id INTEGER)`)
		}, ErrNotHistory},
		{"a database of no application", func(path string) {
			makeDatabase(t, path, `PRAGMA journal_mode = WAL; CREATE TABLE event (id INTEGER)`)
		}, ErrNotHistory},
		{"a database with a trigger", func(path string) {
			makeFile(t, path, 10)
			makeDatabase(t, path, `CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END`)
		}, ErrNotHistory},
		{"a database with a view", func(path string) {
			makeFile(t, path, 10)
			makeDatabase(t, path, `CREATE VIEW v AS SELECT 1`)
		}, ErrNotHistory},
		{"text", func(path string) {
			os.WriteFile(path, []byte(strings.Repeat("Dear diary, ", 1000)), 0o644)
		}, ErrNotHistory},
		{"a short text", func(path string) { os.WriteFile(path, []byte("x"), 0o644) }, ErrNotHistory},
		{"the beginning of a database", func(path string) { os.WriteFile(path, []byte("SQLite format 3\x00\x10\x00"), 0o644) }, ErrNotHistory},
		{"cut off", func(path string) {
			makeFile(t, path, 1000)
			info, _ := os.Stat(path)
			os.Truncate(path, info.Size()/2)
		}, ErrDamaged},
		{"all pages overwritten but the first", func(path string) {
			makeFile(t, path, 10)
			info, _ := os.Stat(path)
			write(t, path, 4096, bytes.Repeat([]byte{0xa5}, int(info.Size())-4096))
		}, ErrDamaged},
		{"an invalid header", func(path string) {
			makeFile(t, path, 10)
			write(t, path, 16, []byte{0x12, 0x34, 0x56})
		}, ErrDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			test.make(path)
			before := files(t, filepath.Dir(path))
			f, err := OpenFile(path, Keep{})
			if !errors.Is(err, test.want) || strings.Count(err.Error(), path) != 1 {
				t.Errorf("hosting on it: %v, %v; want %v", f, err, test.want)
			}
			var readErr error
			for _, readErr = range ReadFile(t.Context(), path, Selection{}) {
			}
			if !errors.Is(readErr, test.want) || strings.Count(readErr.Error(), path) != 1 {
				t.Errorf("reading it: %v; want %v", readErr, test.want)
			}
			after := files(t, filepath.Dir(path))
			maps.DeleteFunc(after, func(name, content string) bool {
				return name != "file" && content == "" // its lock, and empty files that SQLite leaves next to a damaged one
			})
			maps.DeleteFunc(before, func(name, content string) bool { return content == "" })
			if !maps.Equal(before, after) {
				t.Errorf("the files had %v bytes, and have %v", sizes(before), sizes(after))
			}
		})
	}
}

// files returns the contents of the files in dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sizes(files map[string]string) map[string]int {
	n := make(map[string]int)
	for name, content := range files {
		n[name] = len(content)
	}
	return n
}

// Directories, missing files and files without permission are refused.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	makeFile(t, secret, 1)
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(filepath.Dir(dir), 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		want       error
	}{
		{"a directory", dir, nil},
		{"in a directory that is not there", filepath.Join(dir, "no", "file"), fs.ErrNotExist},
		{"without permission to read", secret, fs.ErrPermission},
	} {
		t.Run(test.name, func(t *testing.T) {
			asOtherUser(t, func() {
				f, err := OpenFile(test.path, Keep{})
				if err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("hosting on it: %v, %v; want %v", f, err, test.want)
				}
				err = nil
				for _, err = range ReadFile(t.Context(), test.path, Selection{}) {
				}
				if err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("reading it: %v; want %v", err, test.want)
				}
			})
		})
	}
}

// An empty file becomes a history: its owner may have created it to set its permissions.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, err := range ReadFile(t.Context(), path, Selection{}) {
		if !errors.Is(err, ErrNotHistory) {
			t.Errorf("reading it: %v", err)
		}
	}
	makeFile(t, path, 1)
	if got := len(readAllOf(t, path, Selection{})); got != 1 {
		t.Errorf("%d events are in it", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 && runtime.GOOS != "windows" {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// A file that a host did not finish creating can be used.
func TestUnfinishedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f := &File{path: path}
	var err error
	if f.db, err = openDB(path, url.Values{"mode": {"rwc"}}); err != nil {
		t.Fatal(err)
	}
	if f.writer, err = f.db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = f.create()
	if err := errors.Join(err, f.writer.Close(), f.db.Close()); err != nil {
		t.Fatal(err)
	}
	makeFile(t, path, 1)
}

// Damage in the middle of a file is reported when it is read. The other events can be read, and the
// damaged ones are counted.
func TestDamageInTheMiddle(t *testing.T) {
	const events = 400
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		path := filepath.Join(t.TempDir(), "file")
		makeFile(t, path, events)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		const page = 4096
		at := page * (1 + r.Int64N(info.Size()/page-1))
		write(t, path, at, bytes.Repeat([]byte{byte(1 + r.IntN(255))}, page))

		var damage error
		for _, damage = range ReadFile(t.Context(), path, Selection{}) {
		}
		if damage != nil && !errors.Is(damage, ErrDamaged) {
			t.Errorf("seed %d: ReadFile: %v", seed, damage)
		}
		f, err := OpenFile(path, Keep{})
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("seed %d: OpenFile: %v", seed, err)
			}
			continue
		}
		l, err := NewOn(f, few, wakeAll, nil, failing(func(error) {}), slog.New(slog.DiscardHandler))
		if err == nil {
			var lost uint64
			got := 0
			c := first(l.Cursor(1, 1, View{Format: JSON}))
			for {
				runs, missed, behind := c.Next(nil)
				if behind {
					if runs, missed, err = c.Fetch(runs); err != nil && !errors.Is(err, ErrDamaged) {
						t.Errorf("seed %d: Fetch: %v", seed, err)
					}
					damage = errors.Join(damage, err)
				}
				lost += missed
				got += bytes.Count(bytes.Join(runs, nil), []byte("\n"))
				if !behind && len(runs) == 0 {
					break
				}
			}
			if got+int(lost) != events || lost > 0 && damage == nil {
				t.Errorf("seed %d: %d events and %d lost, of %d: %v", seed, got, lost, events, damage)
			}
			err = l.Close()
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("seed %d: %v", seed, err)
		}
		f.Close()
	}
}

// A damaged event is skipped and reported; those around it are read.
func TestDamagedEvent(t *testing.T) {
	for _, json := range []string{"", "{", `{"type":"message","id":4}`, "not\nof\nours", `{"type":"message","id":7,"time":7}`} {
		path := filepath.Join(t.TempDir(), "file")
		makeFile(t, path, 30)
		makeDatabase(t, path, fmt.Sprintf(`UPDATE event SET json = '%s' WHERE id = 7`, json))
		h := host(t, path, few)
		for _, format := range []Format{Text, JSON} {
			runs, missed, err := first(h.log.Cursor(5, 1, View{Format: format})).Fetch(nil)
			if missed != 1 || !errors.Is(err, ErrDamaged) || !bytes.Contains(bytes.Join(runs, nil), []byte("number 8 soup")) {
				t.Errorf("%q: Fetch misses %d, %v: %s", json, missed, err, runs)
			}
			lines, err := h.log.Before(Page{Count: 100, Bytes: 1 << 20}, View{Format: format})
			if len(lines) != 29 || !errors.Is(err, ErrDamaged) {
				t.Errorf("%q: Before has %d lines, %v", json, len(lines), err)
			}
			lines, err = h.log.Search("number", Page{Count: 100, Bytes: 1 << 20}, View{Format: format})
			if len(lines) != 29 || !errors.Is(err, ErrDamaged) {
				t.Errorf("%q: Search has %d lines, %v", json, len(lines), err)
			}
		}
		h.close()
		n, damage := 0, error(nil)
		for e, err := range ReadFile(t.Context(), path, Selection{}) {
			if damage = err; err != nil {
				break
			}
			if n++; n == 7 {
				n++
			}
			if e.ID != uint64(n) {
				t.Errorf("%q: ReadFile has event %d, want %d", json, e.ID, n)
			}
		}
		if n != 30 || !errors.Is(damage, ErrDamaged) {
			t.Errorf("%q: ReadFile ends with %v after event %d", json, damage, n)
		}
	}
}

// Events are cleaned when they are read back: another program may have written them.
func TestReadBackIsCleaned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	makeFile(t, path, 2)
	makeDatabase(t, path, `UPDATE event SET json = '{"type":"message","id":1,"from":"a\u001b[2J","text":"b\u001b]0;x\u0007"}' WHERE id = 1`)
	h := host(t, path, Limits{Events: 1})
	defer h.close()
	lines, err := h.log.Before(Page{Count: 100, Bytes: 1 << 20}, View{})
	if got := string(bytes.Join(lines, nil)); err != nil || len(lines) != 2 || strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("%+q, %v", got, err)
	}
}

// A log cannot be opened on a file with a missing event.
func TestMissingEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	makeFile(t, path, 30)
	makeDatabase(t, path, `DELETE FROM event WHERE id = 25`)
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if l, err := NewOn(f, Limits{}, wakeAll, nil, nil, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("NewOn: %v, %v", l, err)
	}
}

// A file of an older version is migrated completely or not at all.
func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	makeFile(t, path, 10)
	was := migrations
	defer func() { migrations = was }()

	version := func(db *sql.DB) (version, columns int) {
		t.Helper()
		err := db.QueryRow(`SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM pragma_table_info('event'))`).Scan(&version, &columns)
		if err != nil {
			t.Fatal(err)
		}
		return version, columns
	}
	check := func(wantVersion, wantColumns int) {
		t.Helper()
		db, err := openDB(path, url.Values{"mode": {"ro"}})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if v, c := version(db); v != wantVersion || c != wantColumns {
			t.Errorf("the file is of version %d with %d columns, want %d and %d", v, c, wantVersion, wantColumns)
		}
	}
	check(len(was), 7)

	migrations = append(was[:len(was):len(was)], `ALTER TABLE event ADD COLUMN mood TEXT; INSERT INTO nowhere VALUES (1)`)
	if f, err := OpenFile(path, Keep{}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a migration that fails: %v, %v", f, err)
	}
	check(len(was), 7)

	migrations = append(was[:len(was):len(was)], `ALTER TABLE event ADD COLUMN mood TEXT`, `UPDATE event SET mood = 'good'`)
	h := host(t, path, few)
	if got := h.texts(); len(got) != 10 {
		t.Errorf("%d of 10 events are left", len(got))
	}
	h.close()
	check(len(was)+2, 8)

	migrations = was
	if f, err := OpenFile(path, Keep{}); !errors.Is(err, ErrNewer) {
		t.Errorf("with the older program: %v, %v", f, err)
	}
}

// readAllOf reads the selected events of a file without damage.
func readAllOf(t *testing.T, path string, wanted Selection) (events []wire.Event) {
	t.Helper()
	for e, err := range ReadFile(t.Context(), path, wanted) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// openSecond opens the file while its host has it open.
func openSecond(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := openDB(path, url.Values{"mode": {"rw"}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		db.Close()
	})
	return conn
}
