package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

func TestQuery(t *testing.T) {
	for _, test := range []struct {
		words, text string
		want        bool
	}{
		{"soup", "Soup is ready", true},
		{"SOU", "the soup", true},
		{"oup", "the soup", false},
		{"so", "the soup", false},
		{"so", "and so on", true},
		{"ready soup", "soup is ready", true},
		{"soup bread", "soup is ready", false},
		{"creme", "Crème fraîche", true},
		{"CRÈME", "creme", true},
		{"cre\u0300me", "crème", true},
		{"STRASSE", "Straße", true},
		{"äp", "Äpfel", false}, // two bytes, folded
		{"menu", "see https://example.org/menu", true},
		{"日本", "日本語", true},
		{"会议", "会议室在三楼", true},
		{"三楼", "会议室在三楼", true},
		{"室三", "会议室在三楼", false},
		{"会楼", "会议室在三楼", false},
		{"议", "会议室在三楼", true},
		{"三楼 会议", "会议室在三楼", true},
		{"タワー", "東京タワーに行く", true},
		{"京タ", "東京タワーに行く", true},
		{"タワ", "ワード", false},
		{"か\u3099き", "がき", true}, // composed and not
		{"かき", "がき", false},      // other letters, not accents
		{"회의실", "삼층회의실에서", true},
		{"\u1112\u116c\u110b\u1174", "회의실", true},
		{"하", "한국어", false},
		{"ประชุม", "ห้องประชุมอยู่ชั้นสาม", true},
		{"ท", "ที่", false},
		{"api文档", "看api文档吗", true},
		{"文档api", "看api文档吗", true}, // words and runs are found in any order
		{"第3回", "第3回会議", true},
		{"第3回", "第30回会議", false},
		{"🍲", "soup 🍲!", true},
		{"🍲", "🍲🍞", true},
		{"🍞", "🍲🍞", true},
		{"🍞🍲", "🍲🍞", false},
		{"👍", "👍🏽", true},
		{"❤️", "I ❤ soup", true},
		{"❤", "I ❤️ soup", true},
		{"👩‍💻", "ask 👩‍💻.", true},
		{"🇩🇪", "🇫🇷🇩🇪", true},
		{"会议👍", "会议👍", true},
		{"→", "soup → bread", true},
		{"。", "soup", true}, // punctuation is no word
		{":)", "soup", true},
		{strings.Repeat("soup ", 20) + "bread", "soup", true},
	} {
		if got := NewQuery(test.words).Matches(test.text); got != test.want {
			t.Errorf("%q in %q: %v, want %v", test.words, test.text, got, test.want)
		}
	}
}

func TestQueryFind(t *testing.T) {
	NewQuery(":)").Find("soup :)", func(from, to int) { t.Error("no word was found") })
	const text = "Soup, crème; soups of the so-called chef"
	var got []string
	NewQuery("creme soup so").Find(text, func(from, to int) { got = append(got, text[from:to]) })
	if want := []string{"Soup", "crème", "soups", "so"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	got = nil
	NewQuery("会议 三楼 议室 👍 in").Find("会议室在三楼, in 三 👍🏽 三楼", func(from, to int) {
		got = append(got, "会议室在三楼, in 三 👍🏽 三楼"[from:to])
	})
	if want := []string{"会议室", "三楼", "in", "👍", "三楼"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// In a run, hits may overlap, and stand at both ends.
func TestQueryFindInRun(t *testing.T) {
	const text = "字漢字会会字漢字漢"
	for query, want := range map[string]string{
		"字": "字 字 字 字", "字漢": "字漢 字漢字漢", "会会 漢字": "漢字会会 漢字", "会会会": "", "字漢字 会": "字漢字会会字漢字", "漢": "漢 漢 漢",
	} {
		var got []string
		NewQuery(query).Find(text, func(from, to int) { got = append(got, text[from:to]) })
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", query, got, want)
		}
	}
}

// Folding word by word has the same result as folding the whole text before splitting it, as
// the tokenizer is described.
func TestWordsAreThoseOfTheWholeText(t *testing.T) {
	t.Parallel()
	whole := func(text string) []string {
		text = norm.NFD.String(cases.Fold().String(text))
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, text)
		return strings.FieldsFunc(text, func(r rune) bool {
			return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co)
		})
	}
	// Characters that stand for themselves are tested by TestQuery.
	// A musical note decomposes into its head and its stem; the stem is a mark, and so a word.
	isNote := func(r rune) bool { return unicode.Is(unicode.So, r) && norm.NFD.String(string(r)) != string(r) }
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if isNote(r) || isSingle(r) {
			continue
		}
		if text := "a" + string(r) + "B " + string(r); !slices.Equal(IndexWords(text), whole(text)) {
			t.Fatalf("%q (%U) has the words %q, want %q", text, r, IndexWords(text), whole(text))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range 12 {
			if r := rune(random.IntN([]int{0x80, 0x400, 0x3000, 0x20000}[random.IntN(4)])); !isNote(r) && !isSingle(r) {
				b.WriteRune(r)
			}
		}
		text := CleanLines(b.String())
		if !slices.Equal(IndexWords(text), whole(text)) {
			t.Fatalf("%q has the words %q, want %q", text, IndexWords(text), whole(text))
		}
	}
}
