package text

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxFileName is the maximum length of a file name in bytes. File systems allow 255; the
// rest is for prefixes and suffixes that a host or a client adds.
const MaxFileName = 200

// maxExtension is the length, in bytes with its dot, up to which an extension is kept when
// a name is shortened.
const maxExtension = 20

// FileName returns a name like name that is safe for a file on any system, and on a
// terminal: no folders, no control characters or characters reserved by Windows, not
// hidden, not a Windows device, and not an option of a command. It returns "file" if
// nothing is left.
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

// trimName removes leading dots, which would hide a file, and spaces and dots that Windows
// would remove itself. It cleans the rest again, because a joiner may have lost its letter.
func trimName(name string) string {
	for {
		was := name
		if name = Clean(strings.TrimRight(strings.TrimLeft(name, " ."), " .")); name == was {
			return name
		}
	}
}

// inFileName returns r, or a replacement if Windows does not allow r in a name
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

// cutName shortens name to MaxFileName, and keeps its extension.
func cutName(name string) string {
	stem, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= maxExtension {
		stem, extension = name[:dot], name[dot:]
	}
	const most = MaxFileName - len("_") // FileName may add it
	n := most - len(extension)
	for !utf8.RuneStart(stem[n]) {
		n--
	}
	return trimName(strings.TrimRight(stem[:n], " .") + extension)
}

// devices are names of Windows devices, in any folder and with any extension.
var devices = []string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}

// numbered are the devices whose names end with a digit.
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
