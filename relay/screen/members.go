package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chat/relay/text"
	"chat/relay/wire"
)

// members are the members of the room, as far as the host has named them. They are owned
// by Bubble Tea's event loop.
//
// A host may name any number in one event, or one after the other. Each event costs time
// in proportion to the nicks in it, and the list is put in order only when it is shown: a
// frame after a change costs time in proportion to its length, and any other frame in
// proportion to the rows drawn.
type members struct {
	byNick map[string]*member
	sorted []*member // in order; those who left since stay until the next call of list
	joined []*member // since then
	left   bool      // there are some who left among sorted and joined

	unnamed  int      // how many more there are
	speakers []string // who sent the last messages, the last first
	visible  bool     // beside the transcript
}

// A member is one entry of the list.
type member struct {
	nick   string
	key    string // the tag of the member's key, which distinguishes look-alike nicks; "": none
	folded string // for the order
	rank   rank
	gone   bool // left, or has another nick
}

// A rank is a member's rights. The ranks are in order.
type rank uint8

const (
	ordinary rank = iota
	operator
	host
)

// String returns the rank in a word for lists; "" for an ordinary member.
func (r rank) String() string { return [...]string{"", "operator", "host"}[r] }

const (
	// maxMembers is how many members are known by nick; the others are counted.
	maxMembers = 10_000

	// maxSpeakers is how many of the last speakers Tab offers first.
	maxSpeakers = 50

	// maxKeyTag is how many bytes of a tag are kept. An honest host sends four.
	maxKeyTag = 8
)

// cutNick returns a nick in no more bytes than an honest host allows.
func cutNick(nick string) string { return cutBytes(nick, text.MaxNickBytes) }

func (ms *members) toggle() { ms.visible = !ms.visible }

// reset takes the members over from a welcome.
func (ms *members) reset(w *wire.Event) {
	ms.byNick, ms.unnamed = make(map[string]*member, min(len(w.Members), maxMembers)), 0
	ms.sorted, ms.joined, ms.left = nil, nil, false
	ms.join(w)
}

// join adds the members that e names, and counts those it does not.
func (ms *members) join(e *wire.Event) {
	ms.unnamed += max(e.Count-len(e.Members), 0)
	for _, nick := range e.Members {
		nick = cutNick(nick)
		switch {
		case ms.byNick[nick] != nil:
		case len(ms.byNick) >= maxMembers:
			ms.unnamed++
		default:
			ms.add(nick, ordinary)
		}
	}
	for _, nick := range e.Hosts {
		ms.setRank(nick, operator)
	}
	if e.From != "" {
		ms.setRank(e.From, host)
	}
	ms.noteKeys(e)
}

// setRank sets the rank of the member with a nick, if it is known. A host stays one.
func (ms *members) setRank(nick string, r rank) {
	m := ms.byNick[cutNick(nick)]
	if m == nil || m.rank == r || m.rank == host {
		return
	}
	ms.remove(m) // its place in the list changes
	ms.add(m.nick, r)
	ms.byNick[m.nick].key = m.key
}

// noteKeys takes over the tags of the members that e names.
func (ms *members) noteKeys(e *wire.Event) {
	if len(e.Tags) == 0 {
		return
	}
	for i, nick := range e.Members {
		if m := ms.byNick[cutNick(nick)]; m != nil {
			m.key = strings.Clone(cutBytes(e.Tag(i), maxKeyTag))
		}
	}
}

// leave removes the members that e names, and counts those it does not.
func (ms *members) leave(e *wire.Event) {
	ms.unnamed -= max(e.Count-len(e.Members), 0)
	for _, nick := range e.Members {
		if m := ms.byNick[cutNick(nick)]; m != nil {
			ms.remove(m)
		} else {
			ms.unnamed--
		}
	}
	ms.unnamed = max(ms.unnamed, 0)
}

// addSelf adds our own nick.
func (ms *members) addSelf(nick string, r rank) {
	if ms.byNick[nick] == nil {
		ms.add(nick, r)
		return
	}
	ms.setRank(nick, r)
}

func (ms *members) rename(from, to string) {
	from, to = cutNick(from), cutNick(to)
	if m := ms.byNick[from]; m != nil {
		ms.remove(m)
		if other := ms.byNick[to]; other != nil {
			ms.remove(other)
		}
		ms.add(to, m.rank)
		ms.byNick[to].key = m.key
	}
	if i := slices.Index(ms.speakers, from); i >= 0 {
		ms.speakers[i] = to
	}
}

// add adds a nick that is not among the members.
func (ms *members) add(nick string, r rank) {
	m := &member{nick: nick, folded: strings.ToLower(nick), rank: r}
	ms.byNick[nick] = m
	ms.joined = append(ms.joined, m)
}

func (ms *members) remove(m *member) {
	delete(ms.byNick, m.nick)
	m.gone, ms.left = true, true
}

// noteSpeaker notes who sent the last message.
func (ms *members) noteSpeaker(nick string) {
	if len(ms.speakers) > 0 && ms.speakers[0] == nick {
		return
	}
	ms.speakers = slices.DeleteFunc(ms.speakers, func(other string) bool { return other == nick })
	ms.speakers = slices.Insert(ms.speakers, 0, nick)
	ms.speakers = ms.speakers[:min(len(ms.speakers), maxSpeakers)]
}

// has reports whether a member has this nick, as far as the host named them.
func (ms *members) has(nick string) bool { return ms.byNick[nick] != nil }

// count returns how many members there are.
func (ms *members) count() int { return len(ms.byNick) + ms.unnamed }

// list returns the members known by nick, in order.
func (ms *members) list() []*member {
	if ms.left {
		gone := func(m *member) bool { return m.gone }
		ms.sorted, ms.joined, ms.left = slices.DeleteFunc(ms.sorted, gone), slices.DeleteFunc(ms.joined, gone), false
	}
	if len(ms.joined) > 0 {
		slices.SortFunc(ms.joined, (*member).compare)
		ms.sorted, ms.joined = merge(ms.sorted, ms.joined), nil
	}
	return ms.sorted
}

// compare orders the host and then operators before the others, and each by nick.
func (m *member) compare(other *member) int {
	return cmp.Or(cmp.Compare(other.rank, m.rank), strings.Compare(m.folded, other.folded))
}

// merge merges two lists that are in order.
func merge(a, b []*member) []*member {
	if len(a) == 0 {
		return b
	}
	merged := make([]*member, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].compare(a[0]) < 0 {
			merged, b = append(merged, b[0]), b[1:]
		} else {
			merged, a = append(merged, a[0]), a[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// recent returns the nicks of the members but us, those of the last speakers first.
func (ms *members) recent(us string) []string {
	nicks := make([]string, 0, len(ms.byNick))
	listed := map[string]bool{us: true}
	for _, nick := range ms.speakers {
		if ms.byNick[nick] != nil && !listed[nick] {
			listed[nick] = true
			nicks = append(nicks, nick)
		}
	}
	for _, m := range ms.list() {
		if !listed[m.nick] {
			nicks = append(nicks, m.nick)
		}
	}
	return nicks
}

// draw draws the list in exactly the given number of rows, all as wide as the painter.
func (ms *members) draw(p *painter, rows int) []string {
	drawn := make([]string, 0, max(rows, 0))
	for _, m := range ms.list() {
		if len(drawn) >= rows || len(drawn) == rows-1 && ms.count() > rows {
			break
		}
		drawn = append(drawn, m.draw(p))
	}
	if more := ms.count() - len(drawn); more > 0 && len(drawn) < rows {
		drawn = append(drawn, p.theme.Dim.Draw(p.ruler.fit(fmt.Sprintf("%d more", more), p.columns)))
	}
	for len(drawn) < rows {
		drawn = append(drawn, strings.Repeat(" ", max(p.columns, 0)))
	}
	return drawn
}

// draw draws a member's row: the nick, and the role and the tag of the key on the right.
func (m *member) draw(p *painter) string {
	tag, most := "", p.columns/2
	switch us := m.nick == p.nick; {
	case us && m.rank != ordinary:
		tag = " you, " + m.rank.String()
		if p.ruler.width(tag) > most {
			tag = " " + m.rank.String() // our nick is bold
		}
	case us:
		tag = " you"
	case m.rank != ordinary:
		tag = " " + m.rank.String()
	}
	if key := oneLine(p.ruler, m.key); key != "" {
		if most = p.columns * 3 / 5; p.ruler.width(tag+" "+key) > most {
			tag = "" // the tag of the key says more
		}
		tag += " " + key
	}
	if p.ruler.width(tag) > most {
		tag = ""
	}
	nick := p.ruler.fit(p.drawnNick(m.nick), p.columns-p.ruler.width(tag))
	return p.nicks.ofMember(m.nick).Draw(nick) + p.theme.Dim.Draw(tag)
}
