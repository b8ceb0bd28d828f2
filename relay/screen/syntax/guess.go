package syntax

import (
	"encoding/json"
	"strings"
)

// Guess returns the language of pasted code, as a fence names it; "" if it is not clear. It is for
// the sender, who sees the guess and can change it. Clients that show the message do not guess, so
// that all of them agree.
func Guess(code string) string {
	trimmed := strings.TrimSpace(code)
	line, _, _ := strings.Cut(trimmed, "\n")
	switch {
	case strings.HasPrefix(line, "#!"):
		return interpreter(line)
	case strings.HasPrefix(line, "diff --git "), strings.HasPrefix(line, "--- ") && strings.Contains(trimmed, "\n+++ "):
		return "diff"
	case strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "["):
		if json.Valid([]byte(trimmed)) {
			return "json"
		}
	}
	best, most, tie := "", 1, false // one cue is too few
	for _, c := range cues {
		n := c.in(trimmed)
		switch {
		case n > most:
			best, most, tie = c.language, n, false
		case n == most:
			tie = true
		}
	}
	if tie {
		return ""
	}
	return best
}

// interpreter returns the language of a script by its first line.
func interpreter(line string) string {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == '/' || r == ' ' || r == '!' })
	for i := len(words) - 1; i >= 0; i-- {
		if word := strings.TrimRight(words[i], "0123456789."); fileOf(word) != "" {
			return word
		}
	}
	return ""
}

// A cueList lists beginnings of rows, and parts of rows, that are common in a language and rare
// in others. Each counts once.
type cueList struct {
	language string
	starts   []string
	parts    []string
}

var cues = []cueList{
	{"go", []string{"func ", "package ", "import (", "type ", "defer ", "for _, "}, []string{" := ", "err != nil", "fmt."}},
	{"python", []string{"def ", "elif ", "from ", "import ", "except", "class ", "with ", "@"}, []string{"self.", "):\n", "__", "print("}},
	{"rust", []string{"fn ", "pub ", "let mut ", "impl ", "use ", "#["}, []string{"::", " -> ", "&str", "println!", ".unwrap()", " => "}},
	{"c", []string{"#include ", "#define ", "static ", "struct ", "int ", "void "}, []string{"->", "NULL", "printf(", "sizeof"}},
	{"javascript", []string{"const ", "let ", "function ", "export ", "import {", "var "}, []string{" => ", "===", "console.", "await "}},
	{"java", []string{"public ", "private ", "import java", "@Override", "protected "}, []string{"new ", "System.out", "extends "}},
	{"sh", []string{"export ", "echo ", "fi", "done", "esac", "sudo ", "$ ", "if ["}, []string{"$(", "${", "; then", "; do", " | grep"}},
	{"sql", []string{"SELECT ", "INSERT INTO ", "CREATE TABLE ", "UPDATE ", "FROM ", "WHERE ", "ORDER BY ", "JOIN "}, nil},
	{"html", []string{"<!DOCTYPE", "<!doctype", "<html", "<head", "<body", "<div", "<p", "<script"}, []string{"</"}},
}

// in returns how many of the cues are in code.
func (c *cueList) in(code string) (n int) {
	for _, start := range c.starts {
		if beginsRow(code, start) {
			n++
		}
	}
	for _, part := range c.parts {
		if strings.Contains(code, part) {
			n++
		}
	}
	return n
}

// beginsRow reports whether a row of code begins with start, after its indentation.
func beginsRow(code, start string) bool {
	for row := range strings.SplitSeq(code, "\n") {
		if strings.HasPrefix(strings.TrimLeft(row, " \t"), start) {
			return true
		}
	}
	return false
}
