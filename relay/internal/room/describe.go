package room

import (
	"maps"
	"slices"
	"strings"

	"chat/relay/text"
)

// A Description says who a member is, for the one who runs the host. The zero value is of one who is not in the room.
type Description struct {
	Nick     string
	Tag      string // of its key; "": it has none
	Program  bool
	Visit    bool // connects only to send something
	Operator bool
	Host     bool // the host's own member
	Muted    bool
}

// Describe describes m; the zero value: it is not in the room.
func (r *Room) Describe(m *Member) Description {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.identity == nil {
		return Description{}
	}
	d := Description{
		Nick: m.nick, Program: m.Program, Visit: m.Visit,
		Operator: m.identity.operator, Host: m.identity.host, Muted: isMarked(r.state.mutes, m.subject()),
	}
	if m.Key != nil {
		d.Tag = m.Key.Tag
	}
	return d
}

// A Mark is a client or an address that is banned or muted.
type Mark struct {
	Name      string   // its nick at that time, or an address
	Addresses []string // of the client
}

// Marked lists who is banned, and who is muted.
func (r *Room) Marked() (banned, muted []Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return marksIn(r.state.bans), marksIn(r.state.mutes)
}

// marksIn lists marks by name, each with its addresses.
func marksIn(marks map[string]string) []Mark {
	addresses := make(map[string][]string) // by name
	for mark, name := range marks {
		list := addresses[name]
		if !strings.Contains(mark, " ") && mark != name {
			list = append(list, text.Clean(mark)) // a mark in a file may be anything
		}
		addresses[name] = list
	}
	all := make([]Mark, 0, len(addresses))
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		slices.Sort(addresses[name])
		all = append(all, Mark{text.Clean(name), addresses[name]})
	}
	return all
}
