package screen

import (
	"maps"
	"slices"
	"strings"

	"chat/relay/wire"
)

// People are who is here, as far as the host told.
type people struct {
	nicks  map[string]bool // whether they host
	order  []string        // nicks as they are listed; nil: to be sorted anew
	others int             // how many more there are than are known by nick
	spoken []string        // who spoke, the last one first
	shown  bool            // beside the transcript
}

const (
	// maxPeople is how many are known by nick; beyond it they are counted.
	maxPeople = 10_000

	// maxSpoken is how many of those who spoke are offered first by Tab.
	maxSpoken = 50
)

// reset takes over who is here from a welcome.
func (p *people) reset(w *wire.Event) {
	p.nicks, p.others = make(map[string]bool, min(len(w.Members), maxPeople)), 0
	p.enter(w)
	for _, nick := range w.Hosts {
		if _, ok := p.nicks[nick]; ok {
			p.nicks[nick] = true
		}
	}
}

// enter takes those in whom e names, and counts those it does not.
func (p *people) enter(e *wire.Event) {
	p.others += max(e.Count-len(e.Members), 0)
	for _, nick := range e.Members {
		p.add(nick)
	}
	p.order = nil
}

func (p *people) add(nick string) {
	if _, ok := p.nicks[nick]; ok {
		return
	}
	if len(p.nicks) >= maxPeople {
		p.others++
		return
	}
	p.nicks[nick] = false
}

// we takes ourselves in.
func (p *people) we(nick string, host bool) {
	p.nicks[nick], p.order = host, nil
}

func (p *people) leave(e *wire.Event) {
	p.others -= max(e.Count-len(e.Members), 0)
	for _, nick := range e.Members {
		if _, ok := p.nicks[nick]; !ok {
			p.others--
		}
		delete(p.nicks, nick)
	}
	p.others, p.order = max(p.others, 0), nil
}

func (p *people) rename(from, to string) {
	if hosts, ok := p.nicks[from]; ok {
		delete(p.nicks, from)
		p.nicks[to], p.order = hosts, nil
	}
	if i := slices.Index(p.spoken, from); i >= 0 {
		p.spoken[i] = to
	}
}

// spoke notes who spoke last.
func (p *people) spoke(nick string) {
	if len(p.spoken) > 0 && p.spoken[0] == nick {
		return
	}
	p.spoken = slices.DeleteFunc(p.spoken, func(other string) bool { return other == nick })
	p.spoken = slices.Insert(p.spoken, 0, nick)
	p.spoken = p.spoken[:min(len(p.spoken), maxSpoken)]
}

// count is how many are here.
func (p *people) count() int { return len(p.nicks) + p.others }

// sorted lists who is here.
func (p *people) sorted() []string {
	if p.order == nil {
		p.order = slices.SortedFunc(maps.Keys(p.nicks), func(a, b string) int {
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		})
	}
	return p.order
}

// recent lists who is here but us, those who spoke last first.
func (p *people) recent(us string) []string {
	list := make([]string, 0, len(p.nicks))
	for _, nick := range p.spoken {
		if _, ok := p.nicks[nick]; ok {
			list = append(list, nick)
		}
	}
	for _, nick := range p.sorted() {
		if !slices.Contains(p.spoken, nick) {
			list = append(list, nick)
		}
	}
	return slices.DeleteFunc(list, func(nick string) bool { return nick == us })
}

// draw lists them in so many rows and columns.
func (p *people) draw(l *look, rows int) []string {
	var list []string
	for _, nick := range p.sorted() {
		if len(list) == rows-1 && p.count() > rows {
			break
		}
		shown := l.nick(nick)
		if p.nicks[nick] {
			shown += " (host)"
		}
		list = append(list, l.palette.of(nick).draw(l.ruler.fit(shown, l.columns)))
	}
	if more := p.count() - len(list); more > 0 && len(list) < rows {
		list = append(list, dimStyle.draw(l.ruler.fit(wire.Counted(more, "more", "more"), l.columns)))
	}
	for len(list) < rows {
		list = append(list, strings.Repeat(" ", max(l.columns, 0)))
	}
	return list
}
