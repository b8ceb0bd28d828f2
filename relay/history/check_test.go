package history

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
)

// newToy is a NewFold of toyFolds. A record named bad does not load.
func newToy(records func(func(string, []byte) error) error) (Fold, error) {
	f := newToyFold()
	err := records(func(key string, value []byte) error {
		f.records[key] = string(value)
		if key == "bad" {
			return fmt.Errorf("odd")
		}
		return nil
	})
	return f, err
}

// makeRoom makes a history with all there can be: messages, private messages, joins, hidden events, and a state.
func makeRoom(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "room.chat")
	r := openToyRoom(&hosted{t: t, path: path, limits: few})
	r.hide(`"1"`, time.Now()) // which a toyFold only adds to its digest
	for n := range 20 {
		var ticket uint64
		switch n % 4 {
		case 0:
			ticket = r.put(join("alice"), Origin{})
		case 1:
			ticket = r.put(&wire.Event{Type: wire.TypePrivate, From: "alice", To: "bob", Text: fmt.Sprint("secret", n)}, Origin{Author: 1, To: 2})
		default:
			ticket = r.put(message(fmt.Sprint("soup", n)), Origin{Author: 1})
		}
		r.waitUntilSettled(ticket)
	}
	r.hide(`"2"`, time.Now())
	r.close()
	f, err := OpenFile(path, Keep{})
	for more := true; more && err == nil; {
		more, err = f.indexSome()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	makeDatabase(t, path, `INSERT INTO state VALUES ('authors', '2')`) // which a toyFold does not have
	return path
}

// checkProblems returns what Check reports, except that the toyFold knows no number of authors.
func checkProblems(t *testing.T, path string) (problems []string, r Report) {
	t.Helper()
	r, err := Check(t.Context(), path, newToy, func(problem string) {
		if problem != `the record "authors" is of no event` {
			problems = append(problems, problem)
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return problems, r
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		damage string // in SQL
		want   []string
	}{
		"nothing":           {`SELECT 1`, nil},
		"one event is gone": {`DELETE FROM event WHERE id = 5`, []string{"event 5 is missing"}},
		"several are":       {`DELETE FROM event WHERE id BETWEEN 5 AND 8`, []string{"events 5 to 8 are missing", "event 9 is counted as message 4, not 2", "the index of words has 3 messages that the history does not have"}},
		"no JSON":           {`UPDATE event SET json = 'x' WHERE id = 7`, []string{"event 7 cannot be read: "}},
		"another id":        {`UPDATE event SET json = replace(json, '"id":7', '"id":8') WHERE id = 7`, []string{"event 7 cannot be read: "}},
		"for everyone":      {`UPDATE event SET recipient = 0 WHERE id = 2`, []string{`event 2 of type "private" has recipient 0: the wrong members can read it`}},
		"for one":           {`UPDATE event SET recipient = 1 WHERE id = 3`, []string{`event 3 of type "message" has recipient 1: `}},
		"wrong kind":        {`UPDATE event SET said = 0 WHERE id = 3`, []string{`event 3 of type "message" is counted as the wrong kind`}},
		"wrong count":       {`UPDATE event SET nth = nth + 1 WHERE id = 3`, []string{"event 3 is counted as message 2, not 1", "event 4 is counted as message 2, not 3"}},
		"a wrong column":    {`UPDATE event SET author = 'alice' WHERE id = 3`, []string{"after event 2: the file is damaged: ", "event 3 is missing"}},
		"another message":   {`UPDATE event SET json = replace(json, 'soup19', 'bread') WHERE id = 20`, []string{`the record "author/1" is `, `the record "digest" is `}},
		"another time":      {`UPDATE event SET time = 9223372036854775807 WHERE id = 3`, []string{"event 3 is filed under the time 9223372036854775807, not "}},
		"a hidden one":      {`UPDATE hidden SET json = 'x' WHERE n = 2`, []string{"hidden event 2 is not JSON"}},
		"a hole":            {`INSERT INTO hidden (n, after, time, json) VALUES (9, 20, 0, '1')`, []string{"hidden event 9 follows hidden event 2"}},
		"a record more":     {`INSERT INTO state VALUES ('bad', '1')`, []string{`the record "bad" cannot be read: odd`, `the record "bad" is of no event`}},
		"a record less":     {`DELETE FROM state WHERE key = 'digest'`, []string{`the record "digest" is missing`}},
		"few authors":       {`UPDATE state SET value = '1' WHERE key = 'authors'`, []string{"the events have 2 authors, the state 1: "}},
		"no room":           {`DELETE FROM meta WHERE name = 'room'`, []string{"the room has no valid ID; "}},
		"no secret":         {`UPDATE meta SET value = 'a b' WHERE name = 'secret'`, []string{"the room has no valid secret; "}},
		"not in the index":  {`DELETE FROM word WHERE rowid = 3`, []string{"the index of words does not have 1 message, the first of which is event 3"}},
		"other words":       {`DELETE FROM word WHERE rowid = 3; INSERT INTO word (rowid, text) VALUES (3, 'bread')`, []string{"event 3 is not found by its words"}},
		"older version":     {`PRAGMA user_version = 2; DELETE FROM state; DELETE FROM event WHERE id = 5`, []string{"event 5 is missing"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := makeRoom(t)
			makeDatabase(t, path, test.damage)
			problems, r := checkProblems(t, path)
			for _, want := range test.want {
				found := false
				for _, p := range problems {
					found = found || strings.HasPrefix(p, want)
				}
				if !found {
					t.Errorf("it does not report %q, but %q", want, problems)
				}
			}
			if test.want == nil && (len(problems) > 0 || !r.Replayed || r.Events != 20 || r.First != 1 || r.Last != 20 || r.Hidden != 2) {
				t.Errorf("it reports %q, %+v", problems, r)
			}
			for _, p := range problems {
				if strings.ContainsAny(p, "\n\x1b") {
					t.Errorf("the problem is not one line: %q", p)
				}
			}
		})
	}
}

// What retention deleted is no problem, but the state cannot be compared.
func TestCheckAfterRetention(t *testing.T) {
	path := makeRoom(t)
	f, err := OpenFile(path, Keep{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.transaction(func() error { return f.deleteBefore(8, 0) }); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if problems, r := checkProblems(t, path); len(problems) > 0 || r.Replayed || r.First != 8 || r.Events != 13 {
		t.Errorf("it reports %q, %+v", problems, r)
	}
}

// A host can write while its file is checked.
func TestCheckWhileHosting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	r := openToyRoom(&hosted{t: t, path: path, limits: few})
	defer r.close()
	talk := startTalking(r, 5)
	defer talk.stop()
	for n := range 3 {
		talk.wait(100 * (n + 1))
		c := &checker{ctx: t.Context(), newFold: newToy, problem: func(p string) {
			if !strings.HasPrefix(p, "the events have 5 authors") && !strings.HasSuffix(p, " is not JSON") { // which only a toyFold has
				t.Error(p)
			}
		}, reported: make(map[string]int)}
		db, err := openToRead(path) // not Check, which is for other processes
		if err != nil {
			t.Fatal(err)
		}
		if err := c.checkAll(db); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if c.report.Events < 100 {
			t.Errorf("%+v", c.report)
		}
	}
}

// Pages that are damaged are reported, and what can be read is checked.
func TestCheckDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	makeFile(t, path, 2000)
	write(t, path, 40*4096, []byte(strings.Repeat("damage! ", 512)))
	r, err := Check(t.Context(), path, newToy, func(string) {}, nil)
	if err != nil || r.Problems == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The events of the first version are checked, too. One of the test's is odd.
func TestCheckOfVersion1(t *testing.T) {
	problems, r := checkProblems(t, version1(t))
	if len(problems) != 1 || !strings.HasPrefix(problems[0], `event 16 of type "message" has recipient 7: `) || !r.Outdated || r.Replayed {
		t.Errorf("%q, %+v", problems, r)
	}
}
