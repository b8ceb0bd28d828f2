package history

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A search finds the same in memory and on disk.
func TestSearch(t *testing.T) {
	for _, test := range []struct {
		words string
		in    []string
		not   []string
	}{
		{"soup", []string{"soup", "Soup!", "the SOUP is ready", "soups", "(soup)", "so\nsoup\nso", "soup/bread", "a.soup"}, []string{"sou", "sup", "mysoup", ""}},
		{"SOU rea", []string{"the soup is ready", "Ready: soup"}, []string{"soup", "ready", "rea sup"}},
		{"at", []string{"at", "look at it", "AT&T"}, []string{"attic", "cat"}}, // two letters do not match a longer word
		{"a 7", []string{"a-7", "7 a"}, []string{"a7", "ab 7"}},
		{"élan", []string{"Élan", "elan", "e\u0301lan", "ELANS"}, []string{"lan"}},
		{"strasse", []string{"Straße", "STRASSE"}, []string{"strase"}},
		{"istanbul", []string{"İstanbul", "ISTANBUL"}, nil},
		{"привет", []string{"Привет, мир", "ПРИВЕТ"}, []string{"мир"}},
		{"今日", []string{"今日は寒い", "寒い今日"}, []string{"寒い", "今の日"}},
		{"三楼", []string{"会议室在三楼", "三楼有会议室"}, []string{"会议室", "三层楼"}},
		{"会议室在", []string{"会议室在三楼"}, []string{"会议室内议室在", "室在会议"}}, // each two neighbours, but not all in a row
		{"タワー", []string{"東京タワーに行く"}, []string{"ワー"}},
		{"🍲", []string{"soup 🍲", "🍲🍞"}, []string{"soup", "🍞"}},
		{"한", []string{"한국어", "한"}, []string{"국어"}},
		{"국어", []string{"한국어"}, []string{"한국"}},
		{"été soup", []string{"soup en ete"}, []string{"soup"}},
		{"it's", []string{"it's", "it is, as he has s"}, []string{"its"}},
		{`"two words"`, []string{"two words", "words of two"}, []string{"two"}},
		{"AND", []string{"and", "bread and soup", "android"}, []string{"bread soup", "or"}},
		{"soup OR bread", []string{"bread or soup"}, []string{"soup", "bread"}},
		{"NOT soup", []string{"not soup", "soup? nothing!"}, []string{"bread", "soup"}},
		{"NEAR(soup bread, 2)", []string{"nearly 2 soups of bread"}, []string{"soup bread"}},
		{"text:soup", []string{"soup of text"}, []string{"soup"}},
		{"^soup", []string{"the soup"}, []string{"sour"}},
		{"-soup", []string{"the soup"}, []string{"sour"}},
		{"sou* *", []string{"the soup"}, []string{"so"}},
		{"v1.24", []string{"v1.24", "1 24: v1"}, []string{"v124"}},
		{"#17", []string{"issue #17", "17"}, []string{"#1"}},
		{"x=1;y", []string{"x=1;y", "y, x, 1"}, []string{"x=1"}},
		{"0xff", []string{"0xFF", "0xffff"}, []string{"xff"}},
		{"snake_case", []string{"snake_case", "case of a snake"}, []string{"snake"}},
		{"K", []string{"k", "\u212a"}, nil},                                  // the Kelvin sign
		{strings.Repeat("a ", 16) + "soup", []string{"a"}, []string{"soup"}}, // the last one is ignored
	} {
		t.Run(test.words, func(t *testing.T) {
			onDisk(t, func(t *testing.T, h *hosted) {
				memory := New(Limits{}, wakeAll)
				for _, text := range slices.Concat(test.in, test.not) {
					h.put(message(text), Origin{Author: 1})
					memory.Append(message(text), Origin{Author: 1})
				}
				synctest.Wait()
				for name, l := range map[string]*Log{"memory": memory, "disk": h.log} {
					lines, err := l.Search(test.words, Page{Count: 100, Bytes: 1 << 20}, View{Format: JSON})
					var got []string
					for _, e := range parse(t, string(bytes.Join(lines, nil))) {
						got = append(got, e.Text)
					}
					if err != nil || !slices.Equal(got, test.in) {
						t.Errorf("%s: %q, %v; want %q", name, got, err, test.in)
					}
				}
			})
		})
	}
}

// A search without words finds nothing.
func TestSearchForNothing(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.put(message("。 !"), Origin{Author: 1})
		synctest.Wait()
		for _, words := range []string{"", " ", "。", "*", `"`, "\x00", "\xff", "\u0301", "---"} {
			if lines, err := h.log.Search(words, Page{Count: 10, Bytes: 1000}, View{}); lines != nil || err != nil {
				t.Errorf("%q: %q, %v", words, lines, err)
			}
		}
	})
}

// Pages of a search follow one another, and have private messages only for their author and
// recipient.
func TestSearchInPages(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		r := rand.New(rand.NewPCG(1, 1))
		var all expectedLog
		for range 200 {
			e, by := randomEvent(r)
			e.Text += " soup"
			h.put(&e, by)
			all.add(e, by)
		}
		synctest.Wait()
		for me := range Author(5) {
			view := View{Format: JSON, Me: me}
			var got string
			for page := (Page{Count: 7, Bytes: 10_000}); ; {
				lines, err := h.log.Search("soup", page, view)
				if err != nil {
					t.Fatal(err)
				}
				if len(lines) == 0 {
					break
				}
				part := string(bytes.Join(lines, nil))
				got = part + got
				page.Before = parse(t, part)[0].ID
			}
			if want := all.before(Page{Count: 1000, Bytes: 1 << 30}, view, "soup"); got != want {
				t.Errorf("reader %d: got\n%swant\n%s", me, got, want)
			}
		}
	})
}

// An index is an empty history in memory, in which one text is searched at a time.
type index struct{ *File }

func newIndex(t testing.TB) index {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	f := &File{path: ":memory:", db: db}
	if f.writer, err = db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.insert.close()
		f.writer.Close()
		db.Close()
	})
	if err := f.migrate(); err != nil {
		t.Fatal(err)
	}
	if err := f.insert.prepare(f.writer); err != nil {
		t.Fatal(err)
	}
	return index{f}
}

// finds reports whether q finds text in the index.
func (x index) finds(t testing.TB, text string, q query) bool {
	t.Helper()
	var found bool
	words, isExact := q.fts()
	err := x.exec("BEGIN")
	if err == nil {
		_, err = x.insert.word.Exec(1, indexedWords(text))
	}
	if err == nil {
		err = x.writer.QueryRowContext(t.Context(), `SELECT count(*) FROM word WHERE word MATCH ?`, words).Scan(&found)
	}
	if err != nil {
		t.Fatalf("looking in %q for %q: %v", text, words, err)
	}
	if err := x.exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	return found && (isExact || q.matches(text))
}

// The same words find a message on disk and in memory.
func TestSearchIsTheSameOnDisk(t *testing.T) {
	x := newIndex(t)
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		text, words := randomWords(r, 5)+randomRunes(r), randomWords(r, 2)
		if r.IntN(3) == 0 {
			words = randomRunes(r)
		}
		checkSearch(t, x, text, words)
	}
}

func checkSearch(t testing.TB, x index, text, words string) {
	t.Helper()
	q := newQuery(words)
	if len(q) == 0 {
		return // Search looks for nothing
	}
	if disk, memory := x.finds(t, text, q), q.matches(text); disk != memory {
		t.Errorf("%q in %q: found on disk %v, in memory %v; the index has %q", words, text, disk, memory, indexedWords(text))
	}
}

// randomRunes returns a text of random characters, most of them from a few ranges.
func randomRunes(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(8) {
		switch r.IntN(6) {
		case 4, 5:
			b.WriteString([]string{"会", "议", "室", "か\u3099", "🍲", "👍\U0001f3fd", "ที่"}[r.IntN(7)])
		case 0:
			b.WriteRune(rune(r.IntN(0x250)))
		case 1:
			b.WriteRune(rune(0x300 + r.IntN(0x3000)))
		case 2:
			b.WriteByte(byte(r.IntN(256))) // may be invalid UTF-8
		default:
			b.WriteString(`aA "`[r.IntN(4):][:1])
		}
	}
	return b.String()
}

// A file of version 2 indexed a Chinese sentence as one word. After the migration each part of it is
// found, before it is indexed again and afterwards.
func TestSearchInMigratedFile(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		for _, text := range []string{"会议室在三楼", "soup on the third floor"} {
			h.put(message(text), Origin{Author: 1})
		}
		h.limits = Limits{Events: 1}
		h.close()
		makeDatabase(t, h.path, `DELETE FROM word; INSERT INTO word (rowid, text) VALUES (1, '会议室在三楼'), (2, 'soup on the third floor'); PRAGMA user_version = 2`)
		h.open()
		for _, isIndexed := range []bool{false, true} {
			if isIndexed {
				h.waitForIndex()
			}
			if last := h.file.indexed.Load(); last != map[bool]uint64{true: 2}[isIndexed] {
				t.Errorf("indexed up to %d", last)
			}
			for words, want := range map[string]string{"三楼": "会议室在三楼", "会议": "会议室在三楼", "thi": "soup on the third floor"} {
				lines, err := h.log.Search(words, Page{Count: 10, Bytes: 1 << 20}, View{Format: JSON})
				if err != nil || len(lines) != 1 || parse(t, string(lines[0]))[0].Text != want {
					t.Errorf("indexed %v: %q finds %q, %v", isIndexed, words, lines, err)
				}
			}
		}
	})
}

// A search starts with the newest messages.
func TestSearchWhileMuchIsThere(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	var ticket uint64
	for n := range 500 {
		e := message([]string{"soup", "bread"}[n%2])
		e.Time = time.UnixMilli(int64(n))
		ticket = h.put(e, Origin{Author: 1})
	}
	h.waitUntilSettled(ticket)
	lines, err := h.log.Search("soup", Page{Before: 400, Count: 3, Bytes: 1 << 20}, View{Format: JSON})
	var ids []uint64
	for _, e := range parse(t, string(bytes.Join(lines, nil))) {
		ids = append(ids, e.ID)
	}
	if want := []uint64{395, 397, 399}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("%d, %v; want %d", ids, err, want)
	}
}

// Messages that are not indexed yet are found, in memory and on disk, and none is found twice.
func TestSearchBeforeItIsIndexed(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		h.limits = Limits{Events: 8}
		h.reopen()
		for n := range 300 {
			e := message(fmt.Sprintf("soup %d", n))
			if n%3 > 0 {
				e = message(fmt.Sprintf("bread %d", n))
			}
			h.put(e, Origin{Author: 1})
			if n == 100 {
				h.waitForIndex()
			}
		}
		synctest.Wait()
		if at := h.file.indexed.Load(); at != 101 {
			t.Fatalf("indexed up to %d, the test wants 101", at)
		}
		search := func(before uint64, count int) []string {
			lines, err := h.log.Search("soup", Page{Before: before, Count: count, Bytes: 1 << 20}, View{})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Fields(strings.ReplaceAll(string(bytes.Join(lines, nil)), "soup ", ""))
		}
		for range 2 {
			for _, before := range []uint64{0, 1, 50, 101, 102, 103, 250, 299, 500} {
				for _, count := range []int{1, 3, 40, 1000} {
					var want []string
					for n := 0; n < 300 && (before == 0 || uint64(n+1) < before); n += 3 {
						want = append(want, fmt.Sprint(n))
					}
					want = want[max(len(want)-count, 0):]
					var got []string
					for _, word := range search(before, count) {
						if !strings.ContainsAny(word, ":<") {
							got = append(got, word)
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d before %d: %q, want %q", count, before, got, want)
					}
				}
			}
			h.waitForIndex()
			if at := h.file.indexed.Load(); at != 300 {
				t.Errorf("indexed up to %d at last", at)
			}
		}
	})
}
