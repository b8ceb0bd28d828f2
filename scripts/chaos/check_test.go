//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cleaned "chat/relay/text"
	"chat/relay/wire"
)

// A scenario is an invented run: a history file and the records of the clients. amy and bob
// are bots, joe is a pipe that sends two lines in one message, ear is a person with nc.
type scenario struct {
	file    []wire.Event
	records map[string][]string
}

// newScenario returns a run without faults.
func newScenario() *scenario {
	w := &scenario{records: map[string][]string{
		"amy": {"w amy-id 0 amy"}, "bob": {"w bob-id 0 bob"}, "joe": {}, "ear": {connectedLine, "* Welcome to chaos"},
	}}
	for n := 1; n <= 10; n++ {
		w.post(wire.Event{From: "amy", Client: "amy-id", Seq: uint64(2*n - 1), Text: text("amy", n)})
		w.post(wire.Event{From: "joe", Client: "joe-id", Seq: uint64(n), Text: text("joe", 2*n-1) + "\n" + text("joe", 2*n)})
		w.post(wire.Event{From: "bob", Client: "bob-id", Seq: uint64(n), Text: text("bob", n)})
		w.postPrivate(n)
	}
	return w
}

// post adds a message to the file and shows it to everyone.
func (w *scenario) post(e wire.Event) {
	e.Type, e.ID = wire.TypeMessage, uint64(len(w.file)+100)
	w.file = append(w.file, e)
	label, first, count, _ := parseText(e.Text)
	line := fmt.Sprintf("m %d %s %s %d", e.ID, e.Client, label, first)
	if count > 1 {
		line += fmt.Sprint(" ", count)
	}
	for _, who := range []string{"amy", "bob"} {
		w.records[who] = append(w.records[who], line)
	}
	lines := strings.Split(strings.TrimSuffix(string(e.AppendText(nil, wire.Viewer{})), "\n"), "\n")
	w.records["ear"] = append(w.records["ear"], lines...)
	if label == "joe" {
		return
	}
	w.records["joe"] = append(w.records["joe"], lines...)
	w.records[label] = append(w.records[label], fmt.Sprintf("s %d %s %d", e.Seq, label, first))
}

// postPrivate adds a private message from amy to bob.
func (w *scenario) postPrivate(n int) {
	label := privateLabel("amy", "bob")
	id := len(w.file) + 100
	w.file = append(w.file, wire.Event{Type: wire.TypePrivate, ID: uint64(id), From: "amy", To: "bob", Client: "amy-id", Seq: uint64(2 * n), Text: text(label, n)})
	w.records["amy"] = append(w.records["amy"], fmt.Sprintf("s %d %s %d", 2*n, label, n), fmt.Sprintf("m %d amy-id %s %d", id, label, n))
	w.records["bob"] = append(w.records["bob"], fmt.Sprintf("m %d amy-id %s %d", id, label, n))
}

// drop deletes the line that begins with start from who's record.
func (w *scenario) drop(who, start string) {
	w.records[who] = slices.Delete(w.records[who], w.find(who, start), w.find(who, start)+1)
}

func (w *scenario) find(who, start string) int {
	return slices.IndexFunc(w.records[who], func(s string) bool { return strings.HasPrefix(s, start) })
}

// swap exchanges two lines of who's record.
func (w *scenario) swap(who, a, b string) {
	i, j := w.find(who, a), w.find(who, b)
	list := w.records[who]
	list[i], list[j] = list[j], list[i]
}

// removeFromFile deletes a message from the file.
func (w *scenario) removeFromFile(label string, n int) {
	w.file = slices.DeleteFunc(w.file, func(e wire.Event) bool { return e.Text == text(label, n) })
}

// judge checks the scenario.
func (w *scenario) judge(t *testing.T) *verdict {
	t.Helper()
	dir := t.TempDir()
	var file []byte
	for _, e := range w.file {
		file = e.AppendJSON(file)
	}
	path := filepath.Join(dir, "history.jsonl")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	lives := []life{
		{label: "amy", format: ownFormat, mustStay: true, finished: true, stayedToEnd: true},
		{label: "bob", format: ownFormat, mustStay: true, finished: true, stayedToEnd: true},
		{label: "joe", format: linesFormat, mustStay: true, finished: true, hidesOwn: true, given: 20},
		{label: "ear", format: linesFormat},
	}
	for i := range lives {
		l := &lives[i]
		l.record = filepath.Join(dir, l.label)
		record := strings.Join(w.records[l.label], "\n") + "\n"
		if l.label == "ear" {
			record += "10:02 <amy> am" // cut off
		}
		if err := os.WriteFile(l.record, []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v := newVerdict()
	a, err := readArchive(path, v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checkAll(a, lives, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// checkerTests are changes to a scenario without faults.
var checkerTests = []struct {
	name  string
	spoil func(w *scenario)
	want  string // the kinds found, and how many of each
}{
	{"nothing", func(*scenario) {}, ""},
	{"not in the file", func(w *scenario) { w.removeFromFile("amy", 4) }, "lost 1"},
	{"the last message not in the file", func(w *scenario) { w.removeFromFile("bob", 10) }, "lost 1"},
	{"a pipe's message not in the file", func(w *scenario) { w.file = slices.Delete(w.file, 1, 2) }, "lost 2"},
	{"a private message not in the file", func(w *scenario) { w.removeFromFile("amy>bob", 4) }, "lost 1"},
	{"sent, never shown, not in the file", func(w *scenario) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11") }, "lost 1"},
	{"sent, rejected, not in the file", func(w *scenario) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11", "x 11 no_such_nick") }, ""},
	{"sent, not stored, not sent again", func(w *scenario) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11", "x 11 not_stored") }, "lost 1"},
	{"not shown to one client", func(w *scenario) { w.drop("bob", "m 104 ") }, "lost 1"},
	{"the last messages not shown to one client", func(w *scenario) { w.drop("bob", "m 139 "); w.drop("bob", "m 138 ") }, "lost 2"},
	{"own message not shown", func(w *scenario) { w.drop("bob", "m 138 ") }, "lost 1"},
	{"a private message not shown", func(w *scenario) { w.drop("bob", "m 111 ") }, "lost 1"},
	{"not shown to a pipe", func(w *scenario) { w.records["joe"] = slices.Delete(w.records["joe"], 4, 5) }, "lost 1"},
	{"not shown to a person", func(w *scenario) { w.records["ear"] = slices.Delete(w.records["ear"], 9, 10) }, "lost 1"},
	{"twice in the file", func(w *scenario) {
		w.post(wire.Event{From: "amy", Client: "amy-id", Seq: 4, Text: text("amy", 5)})
	}, "doubled 1"},
	{"twice in the file, in one message", func(w *scenario) {
		w.post(wire.Event{From: "joe", Client: "joe-id", Seq: 4, Text: text("joe", 7) + "\n" + text("joe", 8)})
	}, "doubled 2"},
	{"a private message twice in the file", func(w *scenario) { w.postPrivate(3) }, "doubled 1"},
	{"a private message shown to another client", func(w *scenario) {
		w.records["bob"] = append(w.records["bob"], "m 140 amy-id amy>joe 1")
		w.file = append(w.file, wire.Event{Type: wire.TypePrivate, ID: 140, Client: "amy-id", Text: text("amy>joe", 1)})
	}, "lost 1, changed 1"},
	{"shown twice", func(w *scenario) { w.records["amy"] = append(w.records["amy"], "m 105 joe-id joe 3 2") }, "doubled 2"},
	{"a private message shown twice", func(w *scenario) { w.records["bob"] = append(w.records["bob"], "m 111 amy-id amy>bob 3") }, "doubled 1"},
	{"shown twice to a pipe", func(w *scenario) { w.records["joe"] = append(w.records["joe"], w.records["joe"][3]) }, "doubled 1"},
	{"shown in another order", func(w *scenario) { w.swap("bob", "m 108 ", "m 112 ") }, "reordered 5"},
	{"private messages shown in another order", func(w *scenario) { w.swap("bob", "m 111 ", "m 115 ") }, "reordered 5"},
	{"in another order in the file", func(w *scenario) {
		w.file[0].ID, w.file[4].ID = w.file[4].ID, w.file[0].ID
		w.file[0], w.file[4] = w.file[4], w.file[0]
	}, "reordered 5, changed 2"},
	{"under another id", func(w *scenario) { w.records["amy"][w.find("amy", "m 105 ")] = "m 106 joe-id joe 3 2" }, "changed 2"},
	{"of another client", func(w *scenario) { w.file[5].Client = "amy-id" }, "changed 2"},
	{"with another text", func(w *scenario) { w.file[4].Text += "x" }, "lost 1, changed 1"},
	{"a text that no client sent", func(w *scenario) { w.records["amy"] = append(w.records["amy"], `? "cat"`) }, "changed 1"},
	{"a client misses events", func(w *scenario) { w.records["amy"] = append(w.records["amy"], "g 7") }, "gaps 1"},
	{"a person misses events", func(w *scenario) {
		w.records["ear"] = append(w.records["ear"], "* 7 events missed; the host no longer keeps them")
	}, "gaps 1"},
	{"another nick", func(w *scenario) { w.records["amy"] = append(w.records["amy"], "w amy-id 20 amy-2") }, "nicks 1"},
	{"another client id", func(w *scenario) { w.records["amy"] = append(w.records["amy"], "w new-id 20 amy") }, "changed 1"},
	{"another client id before the first message", func(w *scenario) { w.records["amy"] = slices.Insert(w.records["amy"], 0, "w first-id 0 amy") }, ""},
	{"another room", func(w *scenario) { w.records["amy"] = append(w.records["amy"], "n") }, "changed 1"},
	{"a person reconnects", func(w *scenario) {
		w.records["ear"] = append(w.records["ear"], connectedLine, w.records["ear"][4], w.records["ear"][5])
	}, ""},
}

// The checker finds every kind of fault and names it correctly.
func TestChecker(t *testing.T) {
	for _, test := range checkerTests {
		t.Run(test.name, func(t *testing.T) {
			w := newScenario()
			test.spoil(w)
			v := w.judge(t)
			var got []string
			for _, kind := range verdictKinds {
				if n := v.count(kind); n > 0 {
					got = append(got, fmt.Sprint(kind, " ", n))
				}
			}
			if s := strings.Join(got, ", "); s != test.want {
				t.Errorf("found %q, want %q: %v", s, test.want, v.examples)
			}
			if v.good() != (test.want == "") {
				t.Errorf("good() = %v", v.good())
			}
		})
	}
}

// Reading returns what a recorder wrote.
func TestRecord(t *testing.T) {
	want := []entry{
		{kind: shown, id: 1 << 50, client: "q7m2xk4v9t", label: "bot01.2", first: 7, count: 1},
		{kind: shown, id: 8, client: "q7m2xk4v9t", label: "pipe-json", first: 8, count: 100},
		{kind: shown, id: 9, client: "q7m2xk4v9t", label: "bot01>bot02", first: 9, count: 1},
		{kind: sent, seq: 10, label: "bot01>bot02", first: 9, count: 1},
		{kind: rejected, seq: 10, text: "disk_full", count: 1},
		{kind: welcomed, client: "q7m2xk4v9t", seq: 11, text: "bot01", count: 1},
		{kind: missed, seq: 12, count: 1},
		{kind: newRoom, count: 1},
		{kind: unknown, text: "a\nb \xff", count: 1},
		{kind: note, text: "", count: 1},
	}
	name := filepath.Join(t.TempDir(), "record")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder(f)
	for _, e := range want {
		r.add(e)
	}
	r.flush()
	f.WriteString("m 9 q7m2x") // torn
	f.Close()
	var got []entry
	if err := readRecord(name, ownFormat, func(e entry) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestText(t *testing.T) {
	for _, n := range []int{1, 49, 50, 100, 500, 1000, 1_000_000} {
		s := text("bot01>bot02", n)
		if label, got, ok := parseLine(s); !ok || label != "bot01>bot02" || got != n {
			t.Errorf("message %d is read as %s %d %v", n, label, got, ok)
		}
		if clean := cleaned.CleanLines(s); clean != s {
			t.Errorf("the host would change %q", s)
		}
		for _, other := range []string{s[:len(s)-1], s + "x", s + " ", " " + s, strings.Replace(s, "1", "2", 1)[:len(s)-1]} {
			if _, got, ok := parseLine(other); ok && got == n {
				t.Errorf("%.30q is read as message %d", other, n)
			}
		}
	}
	if _, first, count, ok := parseText("a 49\n" + text("a", 50) + "\na 51"); !ok || first != 49 || count != 3 {
		t.Errorf("three lines are read as %d from %d, %v", count, first, ok)
	}
	if _, _, _, ok := parseText("a 49\na 51"); ok {
		t.Error("a gap between the lines of a message was accepted")
	}
}
