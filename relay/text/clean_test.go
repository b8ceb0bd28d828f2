package text

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"empty", "", ""},
		{"ascii", "soup is ready ~!", "soup is ready ~!"},
		{"tab", "a\tb", "a\tb"},
		{"letters", "Grüße, привет, 你好, café", "Grüße, привет, 你好, café"},
		{"private use", "\ue0b0 \U000f0001", "\ue0b0 \U000f0001"},

		{"newline", "a\nb", "a␊b"},
		{"carriage return", "secret\rpublic", "secret␍public"},
		{"nul", "\x00", "␀"},
		{"bell and backspace", "\a\b", "␇␈"},
		{"last of C0", "\x1f", "␟"},
		{"delete", "a\x7fb", "a␡b"},
		{"C1 as code points", "\u0080\u0085\u009b31m\u009f", "\ufffd\ufffd\ufffd31m\ufffd"},
		{"C1 as bytes", "\x9b31m", "\ufffd31m"},
		{"no-break space is no C1", "a\u00a0b", "a\u00a0b"},
		{"escape: colour", "\x1b[31mred\x1b[0m", "␛[31mred␛[0m"},
		{"escape: title", "\x1b]0;pwned\a", "␛]0;pwned␇"},
		{"escape: clipboard", "\x1b]52;c;cm0gLXJm\x1b\\", "␛]52;c;cm0gLXJm␛\\"},
		{"escape: device control", "\x1bP$q\"p\x1b\\", "␛P$q\"p␛\\"},
		{"escape after a letter of two bytes", "é\x1bc", "é␛c"},

		{"invalid: lone tail", "a\x80b", "a\ufffdb"},
		{"invalid: cut short", "a\xe2\x82", "a\ufffd\ufffd"},
		{"invalid: overlong slash", "\xc0\xaf", "\ufffd\ufffd"},
		{"invalid: surrogate", "\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		{"invalid: beyond Unicode", "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
		{"noncharacters", "\ufdd0\ufffe\uffff\U0010ffff", "\ufffd\ufffd\ufffd\ufffd"},

		{"bidi: override", "\u202egnp.exe", "\ufffdgnp.exe"},
		{"bidi: embeddings", "\u202a\u202b\u202c\u202d", "\ufffd\ufffd\ufffd\ufffd"},
		{"bidi: isolates", "\u2066\u2067\u2068\u2069", "\ufffd\ufffd\ufffd\ufffd"},
		{"bidi: marks go", "a\u200eb\u200fc\u061cd", "abcd"},
		{"bidi: right-to-left text stays", "שלום مرحبا", "שלום مرحبا"},
		{"line separator", "a\u2028b\u2029c", "a\ufffdb\ufffdc"},

		{"zero width", "a\u200bb\u2060c\u2063d", "abcd"},
		{"soft hyphen", "pass\u00adword", "password"},
		{"byte order mark", "\ufeffa\ufeffb", "ab"},
		{"tags", "a\U000e0001\U000e0068\U000e0069\U000e007f", "a"},
		{"grapheme joiner", "a\u034fb", "ab"},
		{"Hangul fillers", "a\u115f\u1160\u3164\uffa0b", "ab"},
		{"deprecated format", "a\u206a\u206fb", "ab"},
		{"interlinear annotation", "a\ufff9b\ufffac\ufffb", "abc"},
		{"selectors without emoji", "a\ufe00b\ufe0fc\U000e0100d", "abcd"},
		{"unassigned ignorable", "a\U000e0fffb\u2065c", "abc"},
		{"joiners between Latin letters", "a\u200db\u200cc", "abc"},
		{"joiners at both ends", "\u200d\u200ca\u200c\u200d", "a"},
		{"drawn format characters", "\u0600\u06dd\u070f", "\u0600\u06dd\u070f"},

		{"marks: four stay", "a\u0300\u0301\u0302\u0303", "a\u0300\u0301\u0302\u0303"},
		{"marks: the fifth goes", "a\u0300\u0301\u0302\u0303\u0304b", "a\u0300\u0301\u0302\u0303b"},
		{"marks: each base starts again", strings.Repeat("a"+strings.Repeat("\u0335", 9), 2), strings.Repeat("a"+strings.Repeat("\u0335", 4), 2)},
		{"marks: invisible ones between do not restart the count", "a\u0300\u0301\u200b\u0302\u0303\u034f\u0304", "a\u0300\u0301\u0302\u0303"},
		{"marks: enclosing", "a" + strings.Repeat("\u20dd", 6), "a" + strings.Repeat("\u20dd", 4)},
		{"marks: without base", strings.Repeat("\u0300", 6), strings.Repeat("\u0300", 4)},
		{"marks: spacing ones", "ক" + strings.Repeat("\u09be", 6), "ক" + strings.Repeat("\u09be", 4)},

		{"emoji: family", "👨\u200d👩\u200d👧\u200d👦", "👨\u200d👩\u200d👧\u200d👦"},
		{"emoji: skin tone", "👍🏽", "👍🏽"},
		{"emoji: skin tone, joined", "👩🏽\u200d💻", "👩🏽\u200d💻"},
		{"emoji: heart on fire", "❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"},
		{"emoji: heart", "❤\ufe0f", "❤\ufe0f"},
		{"emoji: heart as text", "❤\ufe0e", "❤\ufe0e"},
		{"emoji: gender", "🤷🏻\u200d♀\ufe0f", "🤷🏻\u200d♀\ufe0f"},
		{"emoji: rainbow flag", "🏳\ufe0f\u200d🌈", "🏳\ufe0f\u200d🌈"},
		{"emoji: flags", "🇩🇪🇫🇷", "🇩🇪🇫🇷"},
		{"emoji: keycaps", "1\ufe0f\u20e3#\ufe0f\u20e3*\ufe0f\u20e3", "1\ufe0f\u20e3#\ufe0f\u20e3*\ufe0f\u20e3"},
		{"emoji: arrow", "↔\ufe0f⤴\ufe0f", "↔\ufe0f⤴\ufe0f"},
		{"emoji: a letter, a dash, marks", "ℹ\ufe0f〰\ufe0f‼\ufe0f©\ufe0f", "ℹ\ufe0f〰\ufe0f‼\ufe0f©\ufe0f"},
		{"emoji: younger than the tables", "\U0001faea\u200d\U0001faec", "\U0001faea\u200d\U0001faec"},
		{"emoji: digit with selector but no keycap", "1\ufe0f2", "12"},
		{"emoji: selector twice", "❤\ufe0f\ufe0f", "❤\ufe0f"},
		{"emoji: joiner twice", "👨\u200d\u200d👩", "👨\u200d👩"},
		{"emoji: joiner at the end", "👨\u200d", "👨"},
		{"emoji: joiner before a letter", "👨\u200da", "👨a"},
		{"emoji: England's flag is of tags", "🏴\U000e0067\U000e0062\U000e007f", "🏴"},

		{"Persian", "می\u200cخواهم", "می\u200cخواهم"},
		{"Persian, vowels written", "مِی\u200cخواهَم بِه\u200cنامِ", "مِی\u200cخواهَم بِه\u200cنامِ"},
		{"Persian, joiner twice", "می\u200c\u200cخواهم", "می\u200cخواهم"},
		{"Persian, joiner at the end", "می\u200c", "می"},
		{"Persian, joiner before what goes", "می\u200c\u061ca", "میa"},
		{"Devanagari", "क्\u200dष र्\u200cय", "क्\u200dष र्\u200cय"},
		{"Devanagari, half form at the end", "क्\u200d", "क्\u200d"},
		{"Devanagari, joiner before a mark too many", "ल" + strings.Repeat("\u0941", 4) + "\u200d\u0941a", "ल" + strings.Repeat("\u0941", 4) + "a"},
		{"Sinhala", "ශ්\u200dරී ලංකා", "ශ්\u200dරී ලංකා"},
		{"Bengali, joiner before the virama", "র\u200d্য", "র\u200d্য"},
		{"Malayalam, older chillu", "അവന്\u200d ", "അവന്\u200d "},
		{"Thai", "ที่นี่ น้ำ กี๊", "ที่นี่ น้ำ กี๊"},
		{"Tibetan", "བསྒྲུབས ཧཱུྃ", "བསྒྲུབས ཧཱུྃ"},
		{"Burmese, five marks of two kinds", "လျှို့ဝှက် လျှော့", "လျှို့ဝှက် လျှော့"},
		{"Hebrew, pointed and accented", "שִּׁ֔", "שִּׁ֔"},
		{"Vietnamese, decomposed", "Vie\u0323\u0302t", "Vie\u0323\u0302t"},
		{"Korean, decomposed", "한글", "한글"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean(tt.in); got != tt.want {
				t.Errorf("Clean(%+q) = %+q, want %+q", tt.in, got, tt.want)
			}
			if got := Clean(tt.want); got != tt.want {
				t.Errorf("Clean(%+q) = %+q, want it unchanged", tt.want, got)
			}
		})
	}
}

func TestCleanLines(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"one line", "a", "a"},
		{"lines", "a\nb\n\nc", "a\nb\n\nc"},
		{"crlf", "a\r\nb\r\n", "a\nb"},
		{"cr alone", "a\rb\r\r\nc", "a␍b␍\nc"},
		{"empty lines at the end", "a\n\n\n", "a"},
		{"empty but for invisible ones at the end", "a\n\u200b\n\ufeff", "a"},
		{"empty lines at the start", "\n\na", "\n\na"},
		{"nothing but newlines", "\n\r\n\n", ""},
		{"marks are counted per line", "a\u0300\u0301\u0302\u0303\n\u0304", "a\u0300\u0301\u0302\u0303\n\u0304"},
		{"joiner before a newline", "می\u200c\nخواهم", "می\nخواهم"},
		{"hostile after a newline", "a\n\x1b[2J\u202e", "a\n␛[2J\ufffd"},
		{"other ends of line", "a\vb\fc\u0085d\u2028e", "a␋b␌c\ufffdd\ufffde"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CleanLines(tt.in); got != tt.want {
				t.Errorf("CleanLines(%+q) = %+q, want %+q", tt.in, got, tt.want)
			}
			if got := CleanLines(tt.want); got != tt.want {
				t.Errorf("CleanLines(%+q) = %+q, want it unchanged", tt.want, got)
			}
		})
	}
}

// Every code point between letters and after an emoji, because the table above cannot list
// them all; except for the planes that are empty or private.
func TestCleanEveryRune(t *testing.T) {
	t.Parallel()
	for r := rune(0); r < 0xf0000; r++ {
		if r == 0x40000 {
			r = 0xe0000
		}
		in := "a" + string(r) + "b👍" + string(r)
		checkCleaned(t, in, Clean(in), "\t")
	}
}

// Strings of runes that affect each other, which mutated bytes seldom form.
func TestCleanTwice(t *testing.T) {
	t.Parallel()
	alphabet := []rune("a1#\t\n\r\x1b\u200b\u200c\u200d\ufe0e\ufe0f\u20e3\u0301\u064e\u061c\u202e\ufeff\u034f👨👍🏽❤ℹ🇩بيक\u094d\u0941\u093fල\u0dcaᠠ\u180b\u180e\ufffd\ufffe")
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		in := make([]rune, random.IntN(12))
		for i := range in {
			in[i] = alphabet[random.IntN(len(alphabet))]
		}
		line, lines := Clean(string(in)), CleanLines(string(in))
		if again := Clean(line); again != line {
			t.Fatalf("Clean(%+q) = %+q, and once more %+q", string(in), line, again)
		}
		if again := CleanLines(lines); again != lines {
			t.Fatalf("CleanLines(%+q) = %+q, and once more %+q", string(in), lines, again)
		}
	}
}

// checkCleaned fails unless cleaned, the result for in, is harmless. The only control
// characters in it may be those in allowed.
func checkCleaned(t *testing.T, in, cleaned, allowed string) {
	t.Helper()
	if !utf8.ValidString(cleaned) {
		t.Errorf("cleaned %+q = %+q, not valid UTF-8", in, cleaned)
	}
	for _, r := range cleaned {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			t.Errorf("cleaned %+q = %+q, with control character %U", in, cleaned, r)
		}
		if unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			t.Errorf("cleaned %+q = %+q, with %U", in, cleaned, r)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{
		"soup is ready", "a\tb\r\nc\n", "\x1b[31m\x9b\u009b\x7f\x00", "\u202e\u2066\u200f\u2028\ufeff\u00ad",
		"👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3 🇩🇪 👍🏽", "می\u200cخواهم", "ක්\u200dෂ क्\u200dष", "a\u0300\u0301\u0302\u0303\u0304",
		"ب\u064e\u0650\u0651\u0652\u200c\u0653ب", "लि\u200d\u093f\u093f\u093f\u093f\u093f", "\xff\xfe\xe2\x82",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		line := Clean(in)
		checkCleaned(t, in, line, "\t")
		if again := Clean(line); again != line {
			t.Errorf("Clean(%+q) = %+q, and once more %+q", in, line, again)
		}
		lines := CleanLines(in)
		checkCleaned(t, in, lines, "\t\n")
		if again := CleanLines(lines); again != lines {
			t.Errorf("CleanLines(%+q) = %+q, and once more %+q", in, lines, again)
		}
		if marks := mostMarks(lines); marks > maxMarks {
			t.Errorf("CleanLines(%+q) = %+q, with %d marks on a base", in, lines, marks)
		}
	})
}

// mostMarks returns the most marks without a column that one base in s has.
func mostMarks(s string) int {
	most, marks := 0, 0
	for _, r := range s {
		switch {
		case isJoiner(r) || unicode.Is(unicode.Mc, r):
		case unicode.Is(unicode.M, r):
			marks++
			most = max(most, marks)
		default:
			marks = 0
		}
	}
	return most
}

func BenchmarkClean(b *testing.B) {
	for _, bb := range []struct{ name, text string }{
		{"ascii", "the soup is ready, come down before it gets cold (again)"},
		{"latin", "die Suppe ist schön heiß, kommt runter bevor sie abkühlt"},
		{"cyrillic", "суп готов, спускайтесь, пока он не остыл"},
		{"cjk", "汤好了，趁热下来喝吧，不然又要凉了"},
		{"emoji", "soup 🍲 is ready 👩🏽\u200d🍳 ❤\ufe0f"},
		{"hostile", "\x1b[31m\u202eab\xff\x00"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.text)))
			b.ReportAllocs()
			for b.Loop() {
				Clean(bb.text)
			}
		})
	}
}
