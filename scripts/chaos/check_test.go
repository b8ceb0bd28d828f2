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

// A world is a made-up run: a file, and the records of those who were there. amy and bob
// talk, joe is a pipe that says two lines at once, ear is a person with nc.
type world struct {
	file    []wire.Event
	records map[string][]string
}

// newWorld is one in which all is well.
func newWorld() *world {
	w := &world{records: map[string][]string{
		"amy": {"w amy-id 0 amy"}, "bob": {"w bob-id 0 bob"}, "joe": {}, "ear": {connectedLine, "* Welcome to chaos"},
	}}
	for n := 1; n <= 10; n++ {
		w.say(wire.Event{From: "amy", Client: "amy-id", Seq: uint64(2*n - 1), Text: text("amy", n)})
		w.say(wire.Event{From: "joe", Client: "joe-id", Seq: uint64(n), Text: text("joe", 2*n-1) + "\n" + text("joe", 2*n)})
		w.say(wire.Event{From: "bob", Client: "bob-id", Seq: uint64(n), Text: text("bob", n)})
		w.tell(n)
	}
	return w
}

// say lets all be shown a message.
func (w *world) say(e wire.Event) {
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

// tell lets amy say something to bob alone.
func (w *world) tell(n int) {
	label := private("amy", "bob")
	id := len(w.file) + 100
	w.file = append(w.file, wire.Event{Type: wire.TypePrivate, ID: uint64(id), From: "amy", To: "bob", Client: "amy-id", Seq: uint64(2 * n), Text: text(label, n)})
	w.records["amy"] = append(w.records["amy"], fmt.Sprintf("s %d %s %d", 2*n, label, n), fmt.Sprintf("m %d amy-id %s %d", id, label, n))
	w.records["bob"] = append(w.records["bob"], fmt.Sprintf("m %d amy-id %s %d", id, label, n))
}

// drop takes the line that begins with start out of who's record.
func (w *world) drop(who, start string) {
	w.records[who] = slices.Delete(w.records[who], w.find(who, start), w.find(who, start)+1)
}

func (w *world) find(who, start string) int {
	return slices.IndexFunc(w.records[who], func(s string) bool { return strings.HasPrefix(s, start) })
}

// swap lets two lines of who's record change places.
func (w *world) swap(who, a, b string) {
	i, j := w.find(who, a), w.find(who, b)
	list := w.records[who]
	list[i], list[j] = list[j], list[i]
}

// unfile takes a message out of the file.
func (w *world) unfile(label string, n int) {
	w.file = slices.DeleteFunc(w.file, func(e wire.Event) bool { return e.Text == text(label, n) })
}

// judge checks it.
func (w *world) judge(t *testing.T) *verdict {
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
		{label: "amy", format: ours, stays: true, finished: true, hears: true},
		{label: "bob", format: ours, stays: true, finished: true, hears: true},
		{label: "joe", format: asLines, stays: true, finished: true, echoless: true, fed: 20},
		{label: "ear", format: asLines},
	}
	for i := range lives {
		l := &lives[i]
		l.record = filepath.Join(dir, l.label)
		record := strings.Join(w.records[l.label], "\n") + "\n"
		if l.label == "ear" {
			record += "10:02 <amy> am" // it was cut off
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

// Whatever can be wrong has to be found, and called what it is.
func TestChecker(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(w *world)
		want  string // the kinds found, with how many of each
	}{
		{"nothing", func(*world) {}, ""},
		{"not in the file", func(w *world) { w.unfile("amy", 4) }, "lost 1"},
		{"the last one not in the file", func(w *world) { w.unfile("bob", 10) }, "lost 1"},
		{"one of a pipe not in the file", func(w *world) { w.file = slices.Delete(w.file, 1, 2) }, "lost 2"},
		{"a private one not in the file", func(w *world) { w.unfile("amy>bob", 4) }, "lost 1"},
		{"said, never shown, not in the file", func(w *world) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11") }, "lost 1"},
		{"said, refused, not in the file", func(w *world) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11", "x 11 no_such_nick") }, ""},
		{"said, not stored, not said again", func(w *world) { w.records["bob"] = append(w.records["bob"], "s 11 bob 11", "x 11 not_stored") }, "lost 1"},
		{"not shown to one", func(w *world) { w.drop("bob", "m 104 ") }, "lost 1"},
		{"the last ones not shown to one", func(w *world) { w.drop("bob", "m 139 "); w.drop("bob", "m 138 ") }, "lost 2"},
		{"own one not shown", func(w *world) { w.drop("bob", "m 138 ") }, "lost 1"},
		{"a private one not shown", func(w *world) { w.drop("bob", "m 111 ") }, "lost 1"},
		{"not shown to a pipe", func(w *world) { w.records["joe"] = slices.Delete(w.records["joe"], 4, 5) }, "lost 1"},
		{"not shown to a person", func(w *world) { w.records["ear"] = slices.Delete(w.records["ear"], 9, 10) }, "lost 1"},
		{"twice in the file", func(w *world) {
			w.say(wire.Event{From: "amy", Client: "amy-id", Seq: 4, Text: text("amy", 5)})
		}, "doubled 1"},
		{"twice in the file, in one message", func(w *world) {
			w.say(wire.Event{From: "joe", Client: "joe-id", Seq: 4, Text: text("joe", 7) + "\n" + text("joe", 8)})
		}, "doubled 2"},
		{"a private one twice in the file", func(w *world) { w.tell(3) }, "doubled 1"},
		{"a private one shown to another", func(w *world) {
			w.records["bob"] = append(w.records["bob"], "m 140 amy-id amy>joe 1")
			w.file = append(w.file, wire.Event{Type: wire.TypePrivate, ID: 140, Client: "amy-id", Text: text("amy>joe", 1)})
		}, "lost 1, changed 1"},
		{"shown twice", func(w *world) { w.records["amy"] = append(w.records["amy"], "m 105 joe-id joe 3 2") }, "doubled 2"},
		{"a private one shown twice", func(w *world) { w.records["bob"] = append(w.records["bob"], "m 111 amy-id amy>bob 3") }, "doubled 1"},
		{"shown twice to a pipe", func(w *world) { w.records["joe"] = append(w.records["joe"], w.records["joe"][3]) }, "doubled 1"},
		{"shown in another order", func(w *world) { w.swap("bob", "m 108 ", "m 112 ") }, "reordered 5"},
		{"private ones shown in another order", func(w *world) { w.swap("bob", "m 111 ", "m 115 ") }, "reordered 5"},
		{"in another order in the file", func(w *world) {
			w.file[0].ID, w.file[4].ID = w.file[4].ID, w.file[0].ID
			w.file[0], w.file[4] = w.file[4], w.file[0]
		}, "reordered 5, changed 2"},
		{"under another id", func(w *world) { w.records["amy"][w.find("amy", "m 105 ")] = "m 106 joe-id joe 3 2" }, "changed 2"},
		{"of another client", func(w *world) { w.file[5].Client = "amy-id" }, "changed 2"},
		{"in other words", func(w *world) { w.file[4].Text += "x" }, "lost 1, changed 1"},
		{"words that nobody said", func(w *world) { w.records["amy"] = append(w.records["amy"], `? "cat"`) }, "changed 1"},
		{"told of a gap", func(w *world) { w.records["amy"] = append(w.records["amy"], "g 7") }, "gaps 1"},
		{"a person told of a gap", func(w *world) {
			w.records["ear"] = append(w.records["ear"], "* 7 events passed that are no longer kept here")
		}, "gaps 1"},
		{"called otherwise", func(w *world) { w.records["amy"] = append(w.records["amy"], "w amy-id 20 amy-2") }, "nicks 1"},
		{"another client to the host", func(w *world) { w.records["amy"] = append(w.records["amy"], "w new-id 20 amy") }, "changed 1"},
		{"another client before it said anything", func(w *world) { w.records["amy"] = slices.Insert(w.records["amy"], 0, "w first-id 0 amy") }, ""},
		{"another room", func(w *world) { w.records["amy"] = append(w.records["amy"], "n") }, "changed 1"},
		{"a person comes back", func(w *world) {
			w.records["ear"] = append(w.records["ear"], connectedLine, w.records["ear"][4], w.records["ear"][5])
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			test.spoil(w)
			v := w.judge(t)
			var got []string
			for _, kind := range verdictKinds {
				if n := v.count(kind); n > 0 {
					got = append(got, fmt.Sprint(kind, " ", n))
				}
			}
			if s := strings.Join(got, ", "); s != test.want {
				t.Errorf("found %q, not %q: %v", s, test.want, v.examples)
			}
			if v.good() != (test.want == "") {
				t.Errorf("good is %v", v.good())
			}
		})
	}
}

// What a recorder writes is what is read.
func TestRecord(t *testing.T) {
	want := []entry{
		{kind: shown, id: 1 << 50, client: "q7m2xk4v9t", label: "bot01.2", first: 7, count: 1},
		{kind: shown, id: 8, client: "q7m2xk4v9t", label: "pipe-json", first: 8, count: 100},
		{kind: shown, id: 9, client: "q7m2xk4v9t", label: "bot01>bot02", first: 9, count: 1},
		{kind: said, seq: 10, label: "bot01>bot02", first: 9, count: 1},
		{kind: refused, seq: 10, text: "disk_full", count: 1},
		{kind: welcomed, client: "q7m2xk4v9t", seq: 11, text: "bot01", count: 1},
		{kind: missed, seq: 12, count: 1},
		{kind: newRoom, count: 1},
		{kind: strange, text: "a\nb \xff", count: 1},
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
	if err := readRecord(name, ours, func(e entry) { got = append(got, e) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nnot %v", got, want)
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
		t.Error("a hole in a message was not found")
	}
}
