//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/wire"
)

// A cluster's hosts agree only if their files are the same and each served what is in them.
func TestCompareHosts(t *testing.T) {
	var events []wire.Event
	for n := 1; n <= 9; n++ {
		events = append(events, wire.Event{Type: wire.TypeMessage, ID: uint64(n), Time: time.Unix(int64(n), 0), From: "amy", Client: "amy-id", Text: text("amy", n)})
	}
	events[3] = wire.Event{Type: wire.TypePrivate, ID: 4, From: "amy", To: "bob", Text: text(privateLabel("amy", "bob"), 1)}
	events = append(events, wire.Event{Type: wire.TypeMessage, ID: 10, From: lastLabel, Text: text(lastLabel, 1)})
	after := wire.Event{Type: wire.TypeLeave, ID: 11, Members: []string{lastLabel}}
	for _, test := range []struct {
		name       string
		file, tail func(events []wire.Event) []wire.Event
		want       string // in the findings; empty: there are none
	}{
		{name: "the same"},
		{name: "the rest differs", file: func(e []wire.Event) []wire.Event { return append(e, after) }},
		{name: "another ID", file: func(e []wire.Event) []wire.Event { e[5].ID = 60; return e }, want: "its file has"},
		{name: "another time", file: func(e []wire.Event) []wire.Event { e[5].Time = time.Unix(99, 0); return e }, want: "its file has"},
		{name: "two swapped", file: func(e []wire.Event) []wire.Event { e[5], e[6] = e[6], e[5]; return e }, want: "its file has"},
		{name: "one missing", file: func(e []wire.Event) []wire.Event { return slices.Delete(e, 5, 6) }, want: "its file has"},
		{name: "the end missing", file: func(e []wire.Event) []wire.Event { return e[:8] }, want: "ends before"},
		{name: "another text served", tail: func(e []wire.Event) []wire.Event { e[5].Text = "x"; return e }, want: "it served 8 message"},
		{name: "one not served", tail: func(e []wire.Event) []wire.Event { return slices.Delete(e, 5, 6) }, want: "it did not serve 8 message"},
		{name: "one served that no one has", tail: func(e []wire.Event) []wire.Event { e[5].ID = 4; return e }, want: "is not in the file"},
		{name: "nothing served", tail: func([]wire.Event) []wire.Event { return nil }, want: "served no events"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &host{name: "host2"}
			r := &run{dir: t.TempDir(), verdict: newVerdict(), hosts: []*host{{name: "host1"}, h}}
			file, tail := slices.Clone(events), slices.Concat(events[:3], events[4:])[1:]
			if test.file != nil {
				file = test.file(file)
			}
			if test.tail != nil {
				tail = test.tail(tail)
			}
			one, two := filepath.Join(r.dir, "one"), filepath.Join(r.dir, "two")
			for name, events := range map[string][]wire.Event{one: events, two: file, r.tailFile(h): tail} {
				var b []byte
				for _, e := range events {
					b = e.AppendJSON(b)
				}
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.compareFiles(one, two, h.name); err != nil {
				t.Fatal(err)
			}
			if _, err := r.compareTail(one, h); err != nil {
				t.Fatal(err)
			}
			found := strings.Join(append(r.verdict.problems, r.verdict.examples[differs]...), "\n")
			if r.verdict.good() != (test.want == "") || !strings.Contains(found, test.want) {
				t.Errorf("found %q, want %q", found, test.want)
			}
		})
	}
}

// Faults of the servers are drawn only for a cluster.
func TestPlanOfCluster(t *testing.T) {
	for _, cluster := range []bool{false, true} {
		o := &options{faults: 30, seed: 7, duration: time.Minute, cluster: cluster}
		drawn := fmt.Sprint(newPlan(o, []int{5}, []int{0, 1, 2, 3, 4, 5}))
		for _, name := range nodeKindNames() {
			if strings.Contains(drawn, "{"+name+" ") != cluster {
				t.Errorf("cluster %v: %s in %s", cluster, name, drawn)
			}
		}
	}
}
