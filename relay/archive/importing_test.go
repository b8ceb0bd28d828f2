package archive

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"chat/relay/history"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

func TestMain(m *testing.M) {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", "/dev/shm") // a fast disk; only a power failure would make a difference
	}
	// regexp2's clock ends a second after the last match.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// all selects all events.
var all = history.Selection{Private: true, Happened: true}

// importLines imports lines, and returns the reports of bad lines.
func importLines(path, lines string, opts importOptions) (result imported, bad []string, err error) {
	opts.Bad = func(line string) { bad = append(bad, line) }
	result, err = importEvents(context.Background(), path, strings.NewReader(lines), opts)
	return result, bad, err
}

func exported(t interface{ Fatal(...any) }, path string, wanted history.Selection) string {
	var out bytes.Buffer
	if err := export(context.Background(), &out, "-", path, "jsonl", wanted); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// check fails if there are problems in a history.
func check(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, path string) {
	var out bytes.Buffer
	if err := checkHistory(context.Background(), &out, path, newProgress(io.Discard, "")); err != nil {
		t.Fatal(out.String(), err)
	}
}

// What is exported and imported is exported again as it was, and a check has nothing to report.
func TestRoundTrip(t *testing.T) {
	dir, runs := t.TempDir(), 0
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each makes three files
		f.Value.Set("25")
		defer f.Value.Set(f.DefValue)
	}
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		first, second, third := filepath.Join(dir, fmt.Sprint(runs, "a")), filepath.Join(dir, fmt.Sprint(runs, "b")), filepath.Join(dir, fmt.Sprint(runs, "c"))
		var lines []byte
		id := uint64(0)
		for range rapid.IntRange(1, 30).Draw(rt, "events") {
			id += rapid.SampledFrom([]uint64{1, 1, 1, 2, 7}).Draw(rt, "step")
			e := someEvent(rt)
			e.ID = id
			lines = e.AppendJSON(lines)
		}
		if _, bad, err := importLines(first, string(lines), importOptions{Title: "kitchen"}); err != nil {
			rt.Fatal(bad, err)
		}
		check(rt, first)
		one := exported(rt, first, all)
		if _, bad, err := importLines(second, one, importOptions{}); err != nil {
			rt.Fatal(bad, err)
		}
		check(rt, second)
		if two := exported(rt, second, all); one != two {
			rt.Fatalf("exported first\n%s\nand then\n%s", one, two)
		}
		// What an export leaves out leaves places.
		part := exported(rt, first, history.Selection{})
		if _, bad, err := importLines(third, part, importOptions{}); part == "" {
			return
		} else if err != nil {
			rt.Fatal(bad, err)
		}
		check(rt, third)
		if again := exported(rt, third, history.Selection{}); part != again {
			rt.Fatalf("exported first\n%s\nand then\n%s", part, again)
		}
	})
}

// someEvent returns any event of a log, without an id.
func someEvent(t *rapid.T) wire.Event {
	nick := rapid.SampledFrom([]string{"alice", "Bob", "Zoë", "guest-3", "алиса"})
	text := rapid.SampledFrom([]string{"soup", "two\nlines", `"quotes" \ <b>`, "🍲 \u00a0", "\ttab"})
	e := wire.Event{
		Type: rapid.SampledFrom([]string{wire.TypeMessage, wire.TypeAction, wire.TypePrivate, wire.TypeJoin, wire.TypeLeave, wire.TypeNick, wire.TypeTopic, "operator"}).Draw(t, "type"),
		Time: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC(),
		From: nick.Draw(t, "from"), Client: rapid.SampledFrom([]string{"", "k3v9", "x1"}).Draw(t, "client"),
	}
	switch e.Type {
	case wire.TypeJoin, wire.TypeLeave:
		e.From, e.Client = "", ""
		e.Members = rapid.SliceOfN(nick, 1, 3).Draw(t, "members")
		if e.Type == wire.TypeLeave && rapid.Bool().Draw(t, "kicked") {
			e.From, e.Code, e.Text = rapid.SampledFrom([]string{"alice", room.AdminNick}).Draw(t, "by"), wire.CodeKicked, text.Draw(t, "why")
		}
		if e.Type == wire.TypeJoin && rapid.Bool().Draw(t, "keys") {
			e.From, e.Hosts, e.Tags = e.Members[0], e.Members[:1], make([]string, len(e.Members))
			e.Tags[0] = "k3v9"
		}
	case wire.TypeNick:
		e.Nick = nick.Draw(t, "nick")
	case "operator":
		e.From, e.Text = rapid.SampledFrom([]string{"alice", room.AdminNick}).Draw(t, "by"), "muted bob: soup"
	case wire.TypeTopic:
		e.Text = rapid.SampledFrom([]string{"", "soup"}).Draw(t, "topic")
	default:
		e.Text, e.Seq = text.Draw(t, "text"), rapid.Uint64Range(0, 3).Draw(t, "seq")
		switch {
		case e.Type == wire.TypePrivate:
			e.To = nick.Draw(t, "to")
		case e.Type == wire.TypeAction && rapid.Bool().Draw(t, "file"):
			e.File = &wire.File{Number: 4, Name: "a b.txt", Size: 3, SHA256: strings.Repeat("0", 64), Type: "text/plain", Path: wire.FilePath(4, "a b.txt")}
		}
	}
	return e
}

// Lines of other programs need no more than a nick, a text and a time.
func TestImportOfOtherPrograms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.chat")
	lines := ` {"nick":"alice","text":"soup","time":"2024-01-02T10:02:11+02:00","mood":"good"}` + "\r\n" +
		`{"from":"bob","text":"bread\u202e\u001b[31m","time":"2024-01-02T09:02:11.5Z","id":7,"token":"secret"}`
	result, bad, err := importLines(path, lines, importOptions{})
	if err != nil || len(bad) > 0 || result.Events != 2 || result.Omitted != 5 {
		t.Fatal(result, bad, err)
	}
	want := `{"type":"message","id":1,"time":"2024-01-02T08:02:11.000Z","from":"alice","text":"soup"}` + "\n" +
		`{"type":"message","id":7,"time":"2024-01-02T09:02:11.500Z","from":"bob","text":"bread`
	got := exported(t, path, history.Selection{})
	if !strings.HasPrefix(got, want) || strings.ContainsAny(got, "\u202e\x1b") || strings.Contains(got, "secret") {
		t.Errorf("exported\n%s", got)
	}
	check(t, path)
}

// Each bad line is reported with its number and the reason, and nothing is imported.
func TestBadLines(t *testing.T) {
	const good = `{"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}`
	tests := map[string]string{
		``:                             "line 2: it is not one JSON object",
		`[]`:                           "line 2: it is not one JSON object",
		`{"type":"message"`:            "line 2: it is not one JSON object",
		good + good:                    "line 2: it is not one JSON object",
		strings.Repeat("x", maxLine+5): "line 2: it is longer than 1048576 bytes",
		`{"nick":"alice","time":"2024-01-02T10:02:11Z"}`:                                                   "line 2: there is no text",
		`{"nick":"alice","text":"soup"}`:                                                                   "line 2: the time is missing, or before 1970",
		`{"nick":"alice","text":"soup","time":"yesterday"}`:                                                "line 2: ",
		`{"nick":"a b","text":"soup","time":"2024-01-02T10:02:11Z"}`:                                       `line 2: "a b" is not a nick`,
		`{"text":"soup","time":"2024-01-02T10:02:11Z"}`:                                                    `line 2: "" is not a nick`,
		`{"type":"private","from":"a","text":"x","time":"2024-01-02T10:02:11Z"}`:                           `line 2: the recipient "" is not a nick`,
		`{"type":"welcome","from":"a","time":"2024-01-02T10:02:11Z"}`:                                      `line 2: the type "welcome" is not of an event in a log`,
		`{"type":"join","time":"2024-01-02T10:02:11Z"}`:                                                    "line 2: there are no members",
		`{"type":"join","members":["a\nb"],"time":"2024-01-02T10:02:11Z"}`:                                 "line 2: ",
		`{"type":"nick","from":"a","nick":"* b","time":"2024-01-02T10:02:11Z"}`:                            `line 2: "* b" is not a nick`,
		`{"type":"topic","text":"` + strings.Repeat("x", 1025) + `","time":"2024-01-02T10:02:11Z"}`:        "line 2: the topic is longer than 1024 bytes",
		`{"id":1,"nick":"a","text":"x","time":"2024-01-02T10:02:11Z"}`:                                     "line 2: event 1 follows event 1",
		`{"id":-1,"nick":"a","text":"x","time":"2024-01-02T10:02:11Z"}`:                                    "line 2: ",
		`{"id":9007199254740991,"nick":"a","text":"x","time":"2024-01-02T10:02:11Z"}`:                      "line 2: a number is too high",
		`{"id":4000000000000,"nick":"a","text":"x","time":"2024-01-02T10:02:11Z"}`:                         "line 2: event 4000000000000 follows event 1: too many are missing",
		`{"nick":"a","client":"no name","text":"x","time":"2024-01-02T10:02:11Z"}`:                         "line 2: client or once is not a name",
		`{"type":"action","from":"a","time":"2024-01-02T10:02:11Z","file":{"n":1,"name":"../x","size":1}}`: "line 2: the file is not a member's upload",
	}
	dir := t.TempDir()
	for line, want := range tests {
		path := filepath.Join(dir, "new.chat")
		_, bad, err := importLines(path, good+"\n"+line+"\n"+good+"\n", importOptions{})
		if !errors.Is(err, errBadLines) || len(bad) != 1 || !strings.HasPrefix(bad[0], want) || strings.Contains(bad[0], "\n") {
			t.Errorf("%.80q: %q, %v", line, bad, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%.80q: there are %v, %v", line, left, err)
		}
		result, _, err := importLines(path, good+"\n"+line+"\n"+good+"\n", importOptions{SkipBad: true})
		if err != nil || result.Events != 2 || result.Bad != 1 || strings.Count(exported(t, path, all), "\n") != 2 {
			t.Errorf("%.80q, skipped: %+v, %v", line, result, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_, bad, err := importLines(filepath.Join(dir, "new.chat"), strings.Repeat("x\n", 1000), importOptions{})
	if len(bad) != maxNamed+1 || bad[maxNamed] != "and 900 more" || err.Error() != "nothing was imported: 1000 lines are bad" {
		t.Errorf("of 1000 bad lines %d are named: %v", len(bad), err)
	}
	if _, _, err := importLines(filepath.Join(dir, "new.chat"), "", importOptions{}); !errors.Is(err, errNoEvents) {
		t.Errorf("no lines are imported: %v", err)
	}
	last := fmt.Sprintf(`{"id":%d,"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}`, uint64(history.MaxImported))
	result, bad, err := importLines(filepath.Join(dir, "last.chat"), last+"\n"+good+"\n"+last+"\n", importOptions{SkipBad: true})
	if err != nil || result.Events != 1 || len(bad) != 2 || !strings.HasPrefix(bad[0], "line 2: no event fits after event 4503599627370495") {
		t.Errorf("after the highest ID: %+v, %q, %v", result, bad, err)
	}
}

// With new numbers, lines in any order of IDs follow one another.
func TestRenumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.chat")
	line := `{"id":%d,"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}` + "\n"
	result, _, err := importLines(path, fmt.Sprintf(line+line, int64(4_000_000_000_000), 3), importOptions{Renumber: true})
	if err != nil || result.Last != 2 || result.Omitted != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	check(t, path)
}

// The same member has one author, under each nick; a private message is for the last member with the nick.
func TestSenders(t *testing.T) {
	s := senders{byClient: make(map[string]history.Author), byNick: make(map[string]history.Author)}
	var got []history.Origin
	for _, e := range []wire.Event{
		{Type: wire.TypeMessage, Client: "c1", From: "alice"},
		{Type: wire.TypeMessage, From: "bob"},
		{Type: wire.TypeNick, Client: "c1", From: "alice", Nick: "carol"},
		{Type: wire.TypePrivate, From: "BOB", To: "carol"},
		{Type: wire.TypeMessage, Client: "c2", From: "bob"},
		{Type: wire.TypePrivate, Client: "c1", From: "carol", To: "Bob"},
		{Type: wire.TypePrivate, From: "bob", To: "dave"},
		{Type: wire.TypeJoin, Members: []string{"dave"}},
		{Type: wire.TypeLeave, Members: []string{"dave"}, From: "bob", Code: wire.CodeKicked},
		{Type: wire.TypeTopic, From: room.AdminNick},
	} {
		by, err := s.of(&e)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, by)
	}
	want := []history.Origin{{Author: 1}, {Author: 2}, {Author: 1}, {Author: 2, To: 1}, {Author: 3}, {Author: 1, To: 3}, {Author: 3, To: 4}, {}, {}, {}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Whatever the lines are, the imported history has no problems, and no terminal is harmed by its text.
func FuzzImport(f *testing.F) {
	f.Add(`{"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}`)
	f.Add(`{"type":"private","id":5,"from":"bob","to":"al","text":"\u001b","time":"2024-01-02T10:02:11Z"}` + "\n" + `{"type":"leave","members":["a"],"code":"x","time":"9999-12-31T23:59:59Z"}`)
	f.Add(`{"type":"action","from":"a","file":{"n":1,"name":"x","size":1,"path":"javascript:1"},"time":"2024-01-02T10:02:11Z"}`)
	f.Fuzz(func(t *testing.T, lines string) {
		path := filepath.Join(t.TempDir(), "new.chat")
		if _, _, err := importLines(path, lines, importOptions{SkipBad: true}); err != nil {
			if _, err := os.Stat(path); err == nil {
				t.Error("there is a file, though the import failed")
			}
			return
		}
		check(t, path)
		if text := exported(t, path, all); strings.ContainsAny(text, "\x1b\x7f\r") {
			t.Errorf("exported %q", text)
		}
	})
}
