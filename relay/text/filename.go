package text

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxFileName is how many bytes a file's name has at most. File systems take 255; what
// a host or a client puts before and behind a name has room beside it.
const MaxFileName = 200

// maxExtension is how long the end of a name may be to stay when the name is cut, in
// bytes with its dot.
const maxExtension = 20

// FileName makes of what somebody calls a file a name that can do no harm as the name
// of a file on any system, or in a terminal: without folders, control characters and what
// Windows keeps for itself, not hidden, not one of its devices, and no option of a command.
// Where nothing is left it is "file".
func FileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = trimName(strings.Map(inFileName, Clean(name)))
	if len(name) > MaxFileName {
		name = cutName(name)
	}
	switch {
	case name == "":
		return "file"
	case name[0] == '-', isDevice(name):
		return "_" + name
	}
	return name
}

// trimName takes off what would hide a file or what Windows takes off by itself.
// Cleaning anew drops joiners that were joined to what went.
func trimName(name string) string {
	for {
		was := name
		if name = Clean(strings.TrimRight(strings.TrimLeft(name, " ."), " .")); name == was {
			return name
		}
	}
}

// inFileName returns r, or what stands for it in a name: Windows takes none of these
// (https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file).
func inFileName(r rune) rune {
	switch {
	case r == '\t' || r == 0xa0:
		return ' '
	case strings.ContainsRune(`<>:"|?*/\`, r):
		return '_'
	}
	return r
}

// cutName makes a name short enough, and keeps what it ends in.
func cutName(name string) string {
	stem, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= maxExtension {
		stem, extension = name[:dot], name[dot:]
	}
	const most = MaxFileName - len("_") // it may still be put before
	n := most - len(extension)
	for !utf8.RuneStart(stem[n]) {
		n--
	}
	return trimName(strings.TrimRight(stem[:n], " .") + extension)
}

// devices are the names that are no files on Windows, in any folder and with any
// extension.
var devices = []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}

// numbered are followed by a digit.
var numbered = []string{"COM", "LPT"}

func isDevice(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	name = strings.ToUpper(strings.TrimRight(name, " "))
	if slices.Contains(devices, name) {
		return true
	}
	for _, prefix := range numbered {
		if digit, ok := strings.CutPrefix(name, prefix); ok && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit) {
			return true
		}
	}
	return false
}
