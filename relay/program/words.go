package program

import (
	"fmt"
	"slices"
	"strings"
)

// osNames are the names of operating systems for people, in the order in which they are listed.
var osNames = []struct{ os, name string }{{"linux", "Linux"}, {"darwin", "macOS"}, {"freebsd", "FreeBSD"}, {"windows", "Windows"}}

// OSName returns the name of an operating system for people; "": there is no chat for it.
func OSName(os string) string {
	for _, known := range osNames {
		if known.os == os {
			return known.name
		}
	}
	return ""
}

// ForShell names the operating systems for which install.sh installs one of the files, as in "Linux or macOS"; "": there is
// none. If those for Linux all need its C library, it says so.
func ForShell(files []*File) string {
	var names []string
	for _, known := range osNames {
		of := slices.DeleteFunc(slices.Clone(files), func(f *File) bool { return f.OS != known.os })
		switch {
		case len(of) == 0 || known.os == "windows":
		case !slices.ContainsFunc(of, func(f *File) bool { return !f.NeedsC }):
			names = append(names, known.name+" with glibc")
		default:
			names = append(names, known.name)
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return fmt.Sprintf("%s or %s", strings.Join(names[:last], ", "), names[last])
}
