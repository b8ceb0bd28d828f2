package text

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func TestNormalizeNick(t *testing.T) {
	tests := []struct {
		name, in, want string // want is empty if the nick is rejected
	}{
		{"ascii", "alice", "alice"},
		{"case stays", "AliCe", "AliCe"},
		{"digits and signs", "r2-d2_.~", "r2-d2_.~"},
		{"spaces around go", " \talice\u00a0", "alice"},
		{"accents", "Zoë", "Zoë"},
		{"accents, a sign last", "Zoë_", "Zoë_"},
		{"accents, a digit first", "2é", "2é"},
		{"decomposed", "Zoe\u0308", "Zoë"},
		{"Latin and Georgian", "ხob", ""},
		{"Latin and Armenian", "հost", ""},
		{"Latin with a mark of Han", "alice\U00016fe4", ""},
		{"Latin and kana", "bob-たろう", "bob-たろう"},
		{"Latin and Han", "小明Li", "小明Li"},
		{"Cyrillic", "Алёна", "Алёна"},
		{"Greek", "Ωμέγα", "Ωμέγα"},
		{"full width", "Ａｌｉｃｅ１", "Alice1"},
		{"half-width katakana", "ｶﾞﾝ", "ガン"},
		{"cyrillic", "Алиса", "Алиса"},
		{"greek", "Ελένη", "Ελένη"},
		{"chinese", "小明", "小明"},
		{"japanese with latin", "ken健", "ken健"},
		{"arabic", "علي٢", "علي٢"},
		{"hebrew", "שלום2", "שלום2"},
		{"persian with joiner", "می\u200cخواهم", "می\u200cخواهم"},
		{"hindi", "आर्यन", "आर्यन"},
		{"catalan middle dot", "gal·la", "gal·la"},
		{"24 columns", strings.Repeat("a", 24), strings.Repeat("a", 24)},
		{"24 columns of CJK", strings.Repeat("明", 12), strings.Repeat("明", 12)},
		{"24 columns with marks", strings.Repeat("x\u0301", 24), strings.Repeat("x\u0301", 24)},
		{"full width counts as it is shown", strings.Repeat("ａ", 24), strings.Repeat("a", 24)},
		{"holds a reserved word", "hostess", "hostess"},
		{"begins as a guest would", "guesthouse", "guesthouse"},

		{"empty", "", ""},
		{"spaces alone", " \t\n", ""},
		{"25 columns", strings.Repeat("a", 25), ""},
		{"26 columns of CJK", strings.Repeat("明", 13), ""},
		{"far too long", strings.Repeat("a\u0301", 10000), ""},
		{"space inside", "al ice", ""},
		{"wide space inside", "al\u3000ice", ""},
		{"newline inside", "al\nice", ""},
		{"angle bracket", "alice>", ""},
		{"colon", "10:02", ""},
		{"slash", "/nick", ""},
		{"star", "*alice", ""},
		{"bang", "!alice", ""},
		{"full-width angle brackets", "＜admin＞", ""},
		{"full-width bracket inside", "a＞b", ""},
		{"full-width star", "＊alice", ""},
		{"full-width slash", "／quit", ""},
		{"small-form star", "﹡alice", ""},
		{"escape", "\x1b[31malice", ""},
		{"C1", "al\u009bice", ""},
		{"invalid UTF-8", "al\xffice", ""},
		{"bidi override", "\u202ealice", ""},
		{"zero width", "al\u200bice", ""},
		{"soft hyphen", "al\u00adice", ""},
		{"joiner in Latin", "al\u200dice", ""},
		{"tags", "alice\U000e0041", ""},
		{"mixed directions", "aשלום", ""},
		{"mixed directions, Hebrew first", "שלוםa", ""},
		{"Hebrew, a sign last", "שלום_", ""},
		{"mark first", "\u0301alice", ""},
		{"five marks on a letter", "a\u0330\u0331\u0332\u0333\u0334", ""},
		{"five marks after decomposition", "\u0958\u0951\u0952\u0953\u0954", ""},
		{"emoji", "alice👍", ""},
		{"ligature", "ﬁona", ""},
		{"roman numeral", "Ⅳ", ""},
		{"mathematical letters", "𝐚𝐥𝐢𝐜𝐞", ""},
		{"cyrillic letter in latin", "\u0430lice", ""},
		{"greek letter in latin", "alicε", ""},
		{"cyrillic and greek", "Алисα", ""},

		{"reserved", "host", ""},
		{"reserved, in capitals", "System", ""},
		{"reserved, full width", "ｓｅｒｖｅｒ", ""},
		{"reserved, look-alike digit", "h0st", ""},
		{"reserved, look-alike Armenian", "\u0570\u0585st", ""},
		{"reserved, look-alike Latin", "yoυ", ""},
		{"reserved, look-alike IPA", "\u0261uest-1", ""},
		{"you", "You", ""},
		{"guest", "guest", ""},
		{"guest's number", "guest-12", ""},
		{"guest's number, in capitals", "GUEST-12", ""},
		{"guest and anything", "Guest-alice", ""},
		{"guest's number, without its sign", "guest7", ""},
		{"guest's number, with another sign", "guest_7", ""},
		{"guest's number, look-alike", "gue\u0455t-7", ""},
		{"guest's number, small Cyrillic and Armenian", "\u0581\u057d\u0435\u0455\u0442-7", ""},
		{"guest's number in quotes", `"guest-7"`, ""},
		{"guest and anything, after a sign", "~guest-alice", ""},
		{"reserved, in quotes", `"host"`, ""},
		{"reserved, in single quotes", "'host'", ""},
		{"reserved, in full-width quotes", "＂host＂", ""},
		{"reserved, in braces", "{host}", ""},
		{"reserved, between bars", "|host|", ""},
		{"reserved, between hyphens", "-host-", ""},
		{"reserved, a dot after", "host.", ""},
		{"reserved, an underscore before", "_system", ""},
		{"reserved, signs inside", "h.o.s.t", ""},
		{"reserved, with an accent", "h\u00f3st", ""},
		{"reserved, with a mark", "hos\u0323t", ""},
		{"reserved, with decomposed marks", "ho\u0301s\u0323t", ""},
		{"reserved, full width in braces", "｛ｈｏｓｔ｝", ""},
		{"reserved, small Cyrillic", "\u04bb\u043e\u0455\u0442", ""},
		{"reserved, capital Cyrillic", "\u0421\u041d\u0410\u0422", ""},
		{"signs around another word", `"alice"`, `"alice"`},
		{"a reserved word and another", "the-host", "the-host"},
		{"a reserved word and a number", "server1", "server1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NormalizeNick(tt.in)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Fatalf("NormalizeNick(%+q) = %+q, %v, want %+q", tt.in, got, err, tt.want)
			}
			if err != nil {
				checkCleaned(t, tt.in, err.Error(), "")
				return
			}
			if again, err := NormalizeNick(got); again != got || err != nil {
				t.Errorf("NormalizeNick(%+q) = %+q, %v, want it unchanged", got, again, err)
			}
		})
	}
}

func TestNickKeys(t *testing.T) {
	tests := []struct {
		name, a, b string
		clash      bool
	}{
		{"the same", "alice", "alice", true},
		{"others", "alice", "bob", false},
		{"case", "alice", "ALICE", true},
		{"sharp s", "Straße", "STRASSE", true},
		{"capital sharp s", "Stra\u1e9ee", "straße", true},
		{"Greek final sigma", "Νίκος", "ΝΊΚΟΣ", true},
		{"Cyrillic case", "Алиса", "АЛИСА", true},
		{"Cherokee case", "\uab82\uab70", "\u13b2\u13a0", true},
		{"full width", "ａｌｉｃｅ", "alice", true},
		{"accent", "Zoe", "Zoë", false},
		{"capital i for l", "Ivan", "lvan", true},
		{"capital i for l, inside", "alice", "aIice", true},
		{"i and l are different", "ivan", "lvan", false},
		{"one for l", "alice", "a1ice", true},
		{"one for l in capitals", "ALICE", "a1ice", true},
		{"zero for o", "bob", "b0b", true},
		{"rn for m", "tom", "torn", true},
		{"Cyrillic whole", "\u0440\u0430\u0443\u0440\u0430", "paypa", true},
		{"Cyrillic mixed in", "\u0440\u0430\u0443\u0440\u0430l", "paypal", true},
		{"Cyrillic capitals", "\u0412\u041e\u0412", "bob", true},
		{"Greek capitals", "\u0391\u039d\u039d\u0391", "ANNA", true},
		{"Cyrillic whole, palochka", "\u0430\u0440\u0440\u04cf\u0435", "apple", true},
		{"Cyrillic whole, capital palochka", "\u0410\u0420\u0420\u04c0\u0415", "apple", true},
		{"Cyrillic palochka as i", "\u04cf", "i", true},
		{"Cyrillic that looks like small capitals", "\u0432\u043e\u0432", "bob", true},
		{"Cyrillic that looks like small capitals, k and m", "\u043c\u0430\u043a", "MAK", true},
		{"Greek that looks like capitals", "\u03ba\u03b1\u03c4\u03b5", "KATE", true},
		{"Greek final sigma, as o", "\u03c3\u03c3", "oo", true},
		{"Cyrillic, another word", "\u0430\u043d\u043d\u0430", "anna", false},
		{"quotes", `''bob`, `"bob`, true},
		{"Armenian", "\u0578\u057d", "nu", true},
		{"Latin script g", "\u0261reg", "greg", true},
		{"joiner that shows in few terminals", "می\u200cخواهم", "میخواهم", true},
		{"number as a suffix", "alice", "alice-2", false},
		{"two numbers", "alice-2", "alice-3", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := NickKeys(tt.a), NickKeys(tt.b)
			if got := clash(a[:], b[:]); got != tt.clash {
				t.Errorf("keys of %+q and %+q: %+q, %+q: clash %v, want %v", tt.a, tt.b, a, b, got, tt.clash)
			}
		})
	}
}

// clash reports whether two nicks with the keys a and b cannot be in one room.
func clash(a, b []string) bool {
	return slices.ContainsFunc(a, func(key string) bool { return slices.Contains(b, key) })
}

// The tables of the packages for folding do not agree on every letter.
func TestNickFoldEveryLetter(t *testing.T) {
	for r := rune(0); r < 0x20000; r++ {
		other := unicode.SimpleFold(r)
		if got, want := NickFold(string(other)), NickFold(string(r)); got != want {
			t.Errorf("NickFold(%+q) = %+q, want %+q as of %+q", other, got, want, r)
		}
	}
}

func TestNickWithSuffix(t *testing.T) {
	tests := []struct {
		name, nick string
		n          int
		want       string
	}{
		{"short", "alice", 2, "alice-2"},
		{"just fits", strings.Repeat("a", 22), 2, strings.Repeat("a", 22) + "-2"},
		{"shortened", strings.Repeat("a", 24), 2, strings.Repeat("a", 22) + "-2"},
		{"shortened for a long number", strings.Repeat("a", 24), 1234, strings.Repeat("a", 19) + "-1234"},
		{"wide", strings.Repeat("明", 12), 2, strings.Repeat("明", 11) + "-2"},
		{"wide, one column left over", strings.Repeat("明", 12), 10, strings.Repeat("明", 10) + "-10"},
		{"no room for half a letter with its mark", strings.Repeat("x\u0301", 24), 2, strings.Repeat("x\u0301", 22) + "-2"},
		{"hebrew", "שלום", 2, "שלום-2"},
		{"arabic digits", "علي٢", 2, "علي-2"},
		{"dot between l's, cut", strings.Repeat("a", 20) + "l·la", 2, strings.Repeat("a", 20) + "l-2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := NickWithSuffix(tt.nick, tt.n)
			if got != tt.want {
				t.Errorf("NickWithSuffix(%q, %d) = %q, want %q", tt.nick, tt.n, got, tt.want)
			}
			if again, err := NormalizeNick(got); again != got || err != nil {
				t.Errorf("NormalizeNick(%q) = %q, %v, want it unchanged", got, again, err)
			}
		})
	}
}

func TestGuest(t *testing.T) {
	if got, want := Guest(3), "guest-3"; got != want {
		t.Errorf("Guest(3) = %q, want %q", got, want)
	}
}

func TestColumns(t *testing.T) {
	tests := []struct {
		name, in string
		want     int
	}{
		{"empty", "", 0},
		{"ascii", "abc", 3},
		{"accents", "Zoë", 3},
		{"marks", "Zoe\u0308\u0301", 3},
		{"wide", "小明", 4},
		{"full width", "ａｂ", 4},
		{"half width", "ｶﾅ", 2},
		{"hangul", "한글", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Columns(tt.in); got != tt.want {
				t.Errorf("Columns(%q) = %d, want %d", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzNick(f *testing.F) {
	for _, nick := range []string{
		"alice", "Straße", "＜admin＞", "ｇuest-1", "Zoe\u0308", "\u0430lice", "علي٢", "می\u200cخواهم", "gal·la", "ｶﾞﾝ", "\u0958\u0951\u0952\u0953\u0954",
		"明明明明明明明明明明明明", "Νίκος", "İı", "\u212a", "\u1fb3\u0345", "ǰ", "カ・",
	} {
		f.Add(nick, 2)
	}
	f.Fuzz(func(t *testing.T, in string, n int) {
		nick, err := NormalizeNick(in)
		if err != nil {
			if nick != "" {
				t.Errorf("NormalizeNick(%+q) = %+q with an error", in, nick)
			}
			checkCleaned(t, in, err.Error(), "")
			return
		}
		checkNick(t, nick)
		for name, variant := range map[string]string{
			"upper": cases.Upper(language.Und).String(nick),
			"lower": cases.Lower(language.Und).String(nick),
			"title": strings.ToTitle(nick),
		} {
			if !strings.EqualFold(nick, variant) { // ı in capitals is another letter
				continue
			}
			if got, want := NickKeys(variant), NickKeys(nick); !clash(got[:], want[:]) {
				t.Errorf("keys of %+q, %s case of %+q: %+q, want one of %+q", variant, name, nick, got, want)
			}
		}
		checkNick(t, NickWithSuffix(nick, 2+(n&0xffff)))
	})
}

// checkNick fails unless NormalizeNick can return nick.
func checkNick(t *testing.T, nick string) {
	t.Helper()
	if again, err := NormalizeNick(nick); again != nick || err != nil {
		t.Errorf("NormalizeNick(%+q) = %+q, %v, want it unchanged", nick, again, err)
	}
	if got := Columns(nick); got < 1 || got > MaxNickColumns {
		t.Errorf("nick %+q has %d columns", nick, got)
	}
	if strings.ContainsAny(nick, nickForbidden) || strings.ContainsFunc(nick, unicode.IsSpace) {
		t.Errorf("nick %+q has a forbidden sign", nick)
	}
	if strings.HasPrefix(strings.ToLower(nick), GuestPrefix) || strings.EqualFold(nick, "host") {
		t.Errorf("nick %+q is the room's own", nick)
	}
	if got := Clean(nick); got != nick {
		t.Errorf("Clean(%+q) = %+q, want it unchanged", nick, got)
	}
}

func BenchmarkNickKeys(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NickKeys("alice")
	}
}
