package admin

import (
	"regexp"
	"slices"
	"strings"

	"chat/relay/wire"
)

// counterparts are the commands of chat admin that have another name than the one in the room.
var counterparts = map[string]string{"who": "members", "bans": "bans", wire.TypeFiles: "files"}

// inRoom finds a command as members type it.
var inRoom = regexp.MustCompile(`(^|[ ,;:])/([a-z]+)\b`)

// outside returns words of the room, in which commands are those that members type, with those that a user of chat
// admin types.
func outside(words string) string {
	return inRoom.ReplaceAllStringFunc(words, func(found string) string {
		before, name, _ := strings.Cut(found, "/")
		if to := counterparts[name]; to != "" {
			name = to
		} else if !slices.Contains(actions, name) {
			return found
		}
		return before + "chat admin " + name
	})
}

// splitFault returns the words of a fault, and the hint in them: faults have it after a semicolon.
func splitFault(words string) (text, hint string) {
	if strings.HasPrefix(words, "usage: ") {
		return outside(words), ""
	}
	if i := strings.LastIndex(words, "; "); i >= 0 {
		if hint = outside(words[i+2:]); hint != words[i+2:] {
			return words[:i], hint
		}
	}
	return words, "" // a command in it may be the name of someone
}
