package screen

import (
	"slices"
	"strings"

	"chat/relay/wire"
)

// People are who is here, as far as the host told.
type people struct {
	nicks  map[string]bool // whether they host
	others int             // how many more there are than the host listed
	spoken []string        // who spoke, the last one first
	shown  bool            // beside the transcript
}

// maxSpoken is how many of those who spoke are offered first by Tab.
const maxSpoken = 50

// reset takes over who is here from a welcome.
func (p *people) reset(w *wire.Event) {
	p.nicks = make(map[string]bool, len(w.Members))
	for _, nick := range w.Members {
		p.nicks[nick] = slices.Contains(w.Hosts, nick)
	}
	p.others = max(w.Count-len(w.Members), 0)
}

func (p *people) enter(nicks ...string) {
	for _, nick := range nicks {
		if _, ok := p.nicks[nick]; !ok {
			p.nicks[nick] = false
		}
	}
}

func (p *people) leave(nicks ...string) {
	for _, nick := range nicks {
		if _, ok := p.nicks[nick]; !ok {
			p.others = max(p.others-1, 0)
		}
		delete(p.nicks, nick)
	}
}

func (p *people) rename(from, to string) {
	if hosts, ok := p.nicks[from]; ok {
		delete(p.nicks, from)
		p.nicks[to] = hosts
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
	nicks := make([]string, 0, len(p.nicks))
	for nick := range p.nicks {
		nicks = append(nicks, nick)
	}
	slices.SortFunc(nicks, func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	return nicks
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
		list = append(list, dimStyle.draw(l.ruler.fit(plural(more, "more", "more"), l.columns)))
	}
	for len(list) < rows {
		list = append(list, strings.Repeat(" ", max(l.columns, 0)))
	}
	return list
}
