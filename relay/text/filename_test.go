package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFileName(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"soup.png", "soup.png"},
		{"Grüße aus Köln.pdf", "Grüße aus Köln.pdf"},
		{"../../etc/passwd", "passwd"},
		{`..\..\Windows\win.ini`, "win.ini"},
		{`C:\soup.txt`, "soup.txt"},
		{"C:soup.txt", "C_soup.txt"},
		{"soup.txt::$DATA", "soup.txt__$DATA"},
		{"a\x00b.txt", "a␀b.txt"},
		{"a\x1b[2Jb.txt", "a␛[2Jb.txt"},
		{"a\tb\nc", "a b␊c"},
		{"\xff.txt", "\uFFFD.txt"},
		{"photo\u202Egnp.exe", "photo\uFFFDgnp.exe"},
		{"so\u200Bup.txt", "soup.txt"},
		{".bashrc", "bashrc"},
		{". .hidden", "hidden"},
		{"\u200B.hidden", "hidden"},
		{"soup.txt. . ", "soup.txt"},
		{"what?.txt", "what_.txt"},
		{"-rf", "_-rf"},
		{"CON", "_CON"},
		{"con.txt", "_con.txt"},
		{"Nul .tar.gz", "_Nul .tar.gz"},
		{"COM1", "_COM1"},
		{"lpt¹.txt", "_lpt¹.txt"},
		{"CONIN$", "_CONIN$"},
		{"COM10", "COM10"},
		{"CONSOLE.txt", "CONSOLE.txt"},
		{"", "file"},
		{"/", "file"},
		{"..", "file"},
		{"/etc/", "file"},
		{" ", "file"},
		{strings.Repeat("a", 300), strings.Repeat("a", 199)},
		{strings.Repeat("a", 300) + ".tar.gz", strings.Repeat("a", 196) + ".gz"},
		{strings.Repeat("ü", 150) + ".pdf", strings.Repeat("ü", 97) + ".pdf"},
		{"a." + strings.Repeat("b", 300), "a." + strings.Repeat("b", 197)},
	} {
		if got := FileName(test.name); got != test.want {
			t.Errorf("%q becomes %q, want %q", test.name, got, test.want)
		}
	}
}

// Whatever the input, the result names a file directly inside its folder.
func FuzzFileName(f *testing.F) {
	for _, name := range []string{"soup.png", "../../etc/passwd", `C:\a`, "CON", "COM¹.x", "a\x00b", ".bashrc", "...", "👩\u200D👩.png", strings.Repeat("é", 200) + ".png"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := FileName(name)
		switch {
		case got == "" || len(got) > MaxFileName || !utf8.ValidString(got):
			t.Errorf("%q becomes %q, of %d bytes", name, got, len(got))
		case strings.ContainsAny(got, `/\<>:"|?*`) || strings.ContainsFunc(got, unicode.IsControl):
			t.Errorf("%q becomes %q", name, got)
		case strings.HasPrefix(got, ".") || strings.HasPrefix(got, "-") || strings.HasSuffix(got, ".") || strings.HasSuffix(got, " ") || isDevice(got):
			t.Errorf("%q becomes %q", name, got)
		case FileName(got) != got:
			t.Errorf("%q becomes %q, and that %q", name, got, FileName(got))
		}
	})
}
