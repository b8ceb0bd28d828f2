package screen

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// receive adds an event from the host to a transcript.
func receive(t *transcript, e wire.Event) {
	if n, ok := t.entryOf(&e, false, "bob"); ok {
		t.add(n)
	}
}

func texts(t *transcript) (list []string) {
	for i := range t.entries {
		list = append(list, t.entries[i].text)
	}
	return list
}

func TestPresenceIsMerged(t *testing.T) {
	join := func(id uint64, minute int, nicks ...string) wire.Event {
		return wire.Event{Type: wire.TypeJoin, ID: id, Time: soupTime.Add(time.Duration(minute) * time.Minute), Members: nicks}
	}
	leave := func(id uint64, minute int, nicks ...string) wire.Event {
		e := join(id, minute, nicks...)
		e.Type = wire.TypeLeave
		return e
	}
	reason := join(9, 1, "alice")
	reason.Type, reason.Text = wire.TypeLeave, "bye"
	many := join(1, 0, "a", "b")
	many.Count = 1200
	for _, test := range []struct {
		name   string
		events []wire.Event
		want   []string
	}{
		{"several join", []wire.Event{join(1, 0, "alice"), join(2, 1, "carol", "dave")}, []string{"alice, carol, dave joined"}},
		{"some leave", []wire.Event{join(1, 0, "alice"), leave(2, 1, "carol")}, []string{"alice joined; carol left"}},
		{"joins and leaves", []wire.Event{join(1, 0, "alice"), leave(2, 1, "alice"), join(3, 2, "carol")}, []string{"carol joined; alice joined and left"}},
		{"leaves and rejoins", []wire.Event{leave(1, 0, "alice"), join(2, 1, "alice"), leave(3, 1, "alice"), join(4, 1, "alice")}, []string{"alice left and rejoined"}},
		{"much later", []wire.Event{join(1, 0, "alice"), join(2, 10, "carol")}, []string{"alice joined", "carol joined"}},
		{"our own", []wire.Event{join(1, 0, "bob"), join(2, 1, "bob", "carol")}, []string{"carol joined"}},
		{"a reason", []wire.Event{join(1, 0, "alice"), reason, join(10, 1, "carol")}, []string{"alice joined", "alice left (bye)", "carol joined"}},
		{"more than are listed", []wire.Event{many, join(2, 1, "carol")}, []string{"a, b and 1198 more joined", "carol joined"}},
		{"a message in between", []wire.Event{join(1, 0, "alice"), {Type: wire.TypeMessage, ID: 2, Time: soupTime, Text: "hi"}, join(3, 0, "carol")}, []string{"alice joined", "hi", "carol joined"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tr transcript
			for _, e := range test.events {
				receive(&tr, e)
			}
			if got := texts(&tr); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if want := test.events[0].ID; len(test.want) == 1 && len(test.events[0].Members) == 1 && test.events[0].Members[0] != "bob" && tr.firstID() != want {
				t.Errorf("the first ID is %d, want that of the first event, %d", tr.firstID(), want)
			}
		})
	}
	t.Run("copies of the entry do not change", func(t *testing.T) {
		var tr transcript
		receive(&tr, join(1, 0, "alice", "carol"))
		before := tr.entries[0]
		receive(&tr, leave(2, 0, "alice"))
		if got := presenceText(before.presence); got != before.text || got != "alice, carol joined" {
			t.Errorf("the copy now says %q", got)
		}
	})
	t.Run("an entry is bounded", func(t *testing.T) {
		var tr transcript
		for i := range 3 * maxMerged {
			receive(&tr, join(uint64(i+1), 0, fmt.Sprint("n", i)))
		}
		if len(tr.entries) != 3 || !strings.HasSuffix(tr.entries[0].text, "n11, 38 more joined") {
			t.Errorf("got %q", texts(&tr))
		}
	})
}

func TestPrepend(t *testing.T) {
	message := func(id uint64) entry { return entry{id: id, text: fmt.Sprint(id)} }
	var tr transcript
	tr.add(entry{text: "ours"})
	tr.add(message(10))
	tr.add(message(11))
	if n := tr.prepend([]entry{message(8), message(9), message(10)}); n != 2 {
		t.Errorf("prepend put %d entries, want 2", n)
	}
	if got, want := texts(&tr), []string{"8", "9", "ours", "10", "11"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	seen := make(map[uint32]bool)
	for _, e := range tr.entries {
		if seen[e.serial] {
			t.Errorf("two entries have the serial %d", e.serial)
		}
		seen[e.serial] = true
	}
	var full transcript
	for i := range maxEntries - 1 {
		full.add(message(uint64(i + 100)))
	}
	if n := full.prepend([]entry{message(1), message(2)}); n != 1 || full.entries[0].id != 2 {
		t.Errorf("prepend to a full transcript put %d entries", n)
	}
}

func TestMatches(t *testing.T) {
	var tr transcript
	for _, text := range []string{"Soup", "bread", "Äpfel and soup"} {
		tr.add(entryFrom("alice", text))
	}
	tr.add(entry{kind: kindNotice, text: "soup"})
	for words, want := range map[string][]int{
		"soup": {0, 2}, "SOUP": {0, 2}, "äpfel": {2}, "soup apf": {2}, "oup": nil, "alice": nil,
	} {
		var got []int
		for i := range tr.entries {
			if tr.matches(i, text.NewQuery(words)) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q is in %v, want %v", words, got, want)
		}
	}
}

func TestMentions(t *testing.T) {
	for _, test := range []struct {
		text, nick string
		want       bool
	}{
		{"bob: hi", "bob", true},
		{"hi @Bob!", "bob", true},
		{"hi BOB", "bob", true},
		{"bob's soup", "bob", true},
		{"bobby", "bob", false},
		{"kabob", "bob", false},
		{"bob_", "bob", false},
		{"bob-2: hi", "bob", false},
		{"bob-cut", "bob", true},
		{"bobby and bob", "bob", true},
		{"bob\u0301", "bob", false},
		{"ça va, ZOË?", "zoë", true},
		{"\u212a2", "k2", true}, // the kelvin sign
		{"ſoup", "soup", true},
		{"田中さん、", "田中", true},
		{"철수야", "철수", true},
		{"你好alice你", "alice", true},
		{"hi", "", false},
		{"", "bob", false},
	} {
		if got := mentions(test.text, test.nick); got != test.want {
			t.Errorf("mentions(%q, %q) = %v, want %v", test.text, test.nick, got, test.want)
		}
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		var tr transcript
		dropped := 0
		for i := range maxEntries * 5 / 4 {
			n, _ := tr.add(entry{id: uint64(i + 1), text: "x"})
			dropped += n
		}
		if len(tr.entries) > maxEntries+maxEntries/10 || tr.entries[0].id != uint64(dropped+1) {
			t.Errorf("%d entries are left after %d were dropped, the first is %d", len(tr.entries), dropped, tr.entries[0].id)
		}
		size := 0
		for i := range tr.entries {
			size += tr.entries[i].size()
		}
		if tr.size != size {
			t.Errorf("the size is %d, want %d", tr.size, size)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		var tr transcript
		long := wire.Event{Type: wire.TypeMessage, Time: soupTime, Text: strings.Repeat("x", 1<<17)}
		e, _ := tr.entryOf(&long, false, "bob")
		for i := range 3_000 {
			e.id = uint64(i + 1)
			tr.add(e)
		}
		held := 0
		for i := range tr.entries {
			held += len(tr.entries[i].text)
		}
		if held > maxSize || held < maxSize/2 || tr.entries[len(tr.entries)-1].id != 3_000 {
			t.Errorf("%d bytes are kept", held)
		}
	})
}

// However much of its history a hostile host sends, the transcript keeps to its limit, and
// keeps the newest of it.
func TestPrependIsBounded(t *testing.T) {
	text := strings.Repeat("x", maxShown)
	var tr transcript
	tr.add(entry{id: 1_000_000, text: text})
	for first := uint64(900_000); first > 0; first -= 300_000 {
		var older []entry
		for i := range uint64(3_000) {
			older = append(older, entry{id: first + i, text: text})
		}
		tr.prepend(older)
	}
	size := 0
	for i := range tr.entries {
		size += tr.entries[i].size()
	}
	if size > maxSize || size < maxSize/2 || tr.size != size || tr.entries[len(tr.entries)-2].id != 902_999 {
		t.Errorf("%d bytes are kept (%d counted) in %d entries, the newest but one is %d", size, tr.size, len(tr.entries), tr.entries[len(tr.entries)-2].id)
	}
}

// TestMemory checks the memory of a full transcript. Each message comes in an event of its
// own, as from the host.
func TestMemory(t *testing.T) {
	const most = 40 << 20 // bytes
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	var tr transcript
	for i := range maxEntries {
		line := strings.Repeat("x", 1000)
		receive(&tr, wire.Event{Type: wire.TypeMessage, ID: uint64(i + 1), Time: soupTime, From: strings.Repeat("x", i%20+1), Text: line[:64]})
	}
	took := int(inUse() - before)
	if took > most {
		t.Errorf("%d messages take %d bytes, want at most %d", maxEntries, took, most)
	}
	t.Logf("%d messages take %.1f MB", maxEntries, float64(took)/1e6)
	runtime.KeepAlive(&tr)
}

func BenchmarkMatches(b *testing.B) {
	var tr transcript
	for i := range maxEntries {
		tr.add(entryFrom("alice", fmt.Sprintf("The soup is ready, and whoever is late gets none of it: %d", i)))
	}
	query := text.NewQuery("nothing")
	for n := range b.N {
		tr.matches(n%maxEntries, query)
	}
}

func TestLastCode(t *testing.T) {
	var tr transcript
	if code, ok := tr.lastCode(); ok {
		t.Errorf("found %q in nothing", code)
	}
	for _, text := range []string{"```\nold\n```", "see\n```go\na\n```\nand\n```go\n\tb\n\n\tc\n```\nok", "no code", "```"} {
		tr.add(entryFrom("alice", text))
	}
	notice := entryFrom("", "```\nnotice\n```")
	notice.kind = kindNotice
	tr.add(notice)
	if code, ok := tr.lastCode(); !ok || code != "\tb\n\n\tc" {
		t.Errorf("found %q", code)
	}
}
