package program

import "testing"

func TestForShell(t *testing.T) {
	file := func(os, arch string, needsC bool) *File {
		return &File{System: System{OS: os, Arch: arch}, NeedsC: needsC}
	}
	for _, test := range []struct {
		files []*File
		want  string
	}{
		{nil, ""},
		{[]*File{file("windows", "amd64", false)}, ""},
		{[]*File{file("linux", "amd64", false)}, "Linux"},
		{[]*File{file("linux", "amd64", true)}, "Linux with glibc"},
		{[]*File{file("linux", "amd64", true), file("linux", "arm64", false)}, "Linux"},
		{[]*File{file("windows", "amd64", false), file("linux", "amd64", true), file("darwin", "arm64", false)}, "Linux with glibc or macOS"},
		{[]*File{file("darwin", "arm64", false), file("freebsd", "amd64", false), file("linux", "386", false)}, "Linux, macOS or FreeBSD"},
	} {
		if got := ForShell(test.files); got != test.want {
			t.Errorf("%q, not %q", got, test.want)
		}
	}
}
