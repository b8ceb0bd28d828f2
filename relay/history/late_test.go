package history

import (
	"bytes"
	"testing"
	"time"

	"chat/relay/wire"
)

// Programs read every event as if it had been encoded when it was appended, whenever they read.
func TestLateEncoding(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("", 3600))
	said := func(text string) wire.Event {
		return wire.Event{Type: wire.TypeMessage, Time: at, From: "alice", Client: "a1", Text: text}
	}
	numbered, keyed, timeless, linked := said("numbered"), said("keyed"), said("timeless"), said("sent a.png (1 B): /files/1/a.png")
	numbered.Seq, keyed.Once, timeless.Time = 7, "key", time.Time{}
	linked.Type, linked.File = wire.TypeAction, &wire.File{Number: 1, Name: "a.png", Size: 1, Path: "/files/1/a.png"}
	events := []wire.Event{
		said("plain"), said(`"quoted" \ é <&>`), said(""), said("two\nlines"), said("a\ttab"), said("wide" + string(bytes.Repeat([]byte{' '}, 200)) + "gap"),
		said("05:06 <alice> x"), said("x\n05:06 <alice> x"), numbered, said("plain"), keyed, said("plain"), timeless, said("plain"), linked,
		{Type: wire.TypeJoin, Time: at, Nick: "bob"}, said("plain"), said("plain"),
	}
	for every := 1; every <= len(events)+1; every++ { // programs read after so many events
		l := New(Limits{Events: 40}, wakeAll)
		programs := first(l.Cursor(1, 1, View{Format: JSON}))
		var want, got []byte
		for i := range 3 * len(events) {
			e := events[i%len(events)]
			l.Append(&e, Origin{Author: 1})
			want = e.AppendJSON(want)
			if i%every == 0 {
				got = append(got, readJSON(programs)...)
			}
		}
		if got = append(got, readJSON(programs)...); !bytes.HasSuffix(want, got) || len(got) == 0 {
			t.Fatalf("reading after %d events each:\n got %s\nwant %s", every, got, want)
		}
		if every == 1 && len(got) != len(want) {
			t.Fatalf("read %d bytes, want %d", len(got), len(want))
		}
	}
}

// readJSON reads to the end of the log.
func readJSON(c *Cursor) []byte {
	var all []byte
	for {
		runs, _, _ := c.Next(nil)
		if len(runs) == 0 {
			return all
		}
		all = append(all, bytes.Join(runs, nil)...)
	}
}

// In a room of people, no message is encoded in JSON.
func TestNoJSONWithoutPrograms(t *testing.T) {
	l := New(Limits{}, wakeAll)
	people := first(l.Cursor(1, 1, View{Format: Text}))
	for range 5000 {
		e := wire.Event{Type: wire.TypeMessage, Time: time.Now(), From: "alice", Text: "hello"}
		l.Append(&e, Origin{Author: 1})
	}
	readAll(people)
	if _, err := l.Back(100); err != nil {
		t.Fatal(err)
	}
	for _, b := range l.blocks {
		if len(b.json) > 0 {
			t.Fatalf("the block from %d has %d bytes of JSON", b.first, len(b.json))
		}
	}
}
