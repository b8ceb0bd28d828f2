package screen

import (
	"hash/fnv"
	"maps"
	"slices"

	"chat/relay/screen/theme"
	"chat/relay/text"
)

// nickColors give each member who sends messages a color of the theme's, so that no two who
// are here have the same one while there are enough. They are owned by Bubble Tea's event loop.
//
// A color is given with a member's first message, in the backlog too, and kept as long as it is
// not needed by another. All other nicks, such as those in older history, have the color that
// their hash chooses, which can be another member's too. A message costs a look at each color.
type nickColors struct {
	styles []theme.Style     // of the theme; none: there are no colors
	core   int               // how many of the first differ most
	here   func(string) bool // whether a member has this nick
	own    string            // our nick, which has no color
	owners []colorOwner      // by color
	colors map[string]int    // of nicks that were given one, former nicks of owners among them
	hashes map[string]uint32 // of nicks, cached; at most maxHashes
	clock  uint64            // how many messages were noted
	edits  int               // how often colors changed: rows drawn before may show others
}

// A colorOwner is the member with a color; its zero value is no one.
type colorOwner struct {
	nick   string
	former []string // nicks that the member had before, the last one last
	last   uint64   // the clock at the member's last message
}

const (
	// maxHashes is how many hashes of nicks are cached: more than there are rows on a screen.
	maxHashes = 1000

	// maxFormer is how many former nicks of a member keep the member's color.
	maxFormer = 4

	// offScreen is after how many messages of others a member's last message is probably not
	// on the screen, so that another member can have the same color.
	offScreen = 100
)

func newNickColors(t *theme.Theme, here func(nick string) bool) nickColors {
	c := nickColors{here: here}
	c.use(t)
	return c
}

// use takes the colors of another theme. Who had one keeps the one at its place, unless there
// are fewer now.
func (c *nickColors) use(t *theme.Theme) {
	if c.owners != nil && slices.Equal(c.styles, t.Nicks) {
		return
	}
	before := c.owners
	c.styles, c.core = t.Nicks, t.Core
	c.owners = make([]colorOwner, len(t.Nicks))
	copy(c.owners, before)
	if c.colors == nil {
		c.colors = make(map[string]int)
	}
	maps.DeleteFunc(c.colors, func(_ string, i int) bool { return i >= len(c.owners) })
	c.edits++
}

// setOwn sets our own nick.
func (c *nickColors) setOwn(nick string) {
	if nick != c.own {
		c.own = nick
		c.edits++
	}
}

// of returns the style of a nick.
func (c *nickColors) of(nick string) theme.Style {
	if i, ok := c.colors[nick]; ok && nick != c.own {
		return c.styles[i]
	}
	if nick == c.own || len(c.styles) == 0 {
		return theme.Bold
	}
	return c.styles[c.firstChoice(nick)]
}

// ofMember returns the style of a nick in a list of members. While there are colors left, those
// who sent no message yet have none.
func (c *nickColors) ofMember(nick string) theme.Style {
	_, given := c.colors[nick]
	left := len(c.styles) == 0 || slices.ContainsFunc(c.owners, func(o colorOwner) bool { return o.nick == "" })
	if !given && nick != c.own && left {
		return theme.Plain
	}
	return c.of(nick)
}

// spoke notes a message of another member's, and gives the member a color.
func (c *nickColors) spoke(nick string) {
	if len(c.styles) == 0 || nick == c.own {
		return
	}
	c.clock++
	if i, ok := c.colors[nick]; ok && c.owners[i].nick == nick {
		c.owners[i].last = c.clock
		return
	}
	if i := c.choose(nick); i >= 0 {
		c.give(i, nick)
	}
}

// renamed notes that a member has another nick. The former one keeps the color, too.
func (c *nickColors) renamed(from, to string) {
	i, ok := c.colors[from]
	if !ok || c.owners[i].nick != from || from == to {
		return
	}
	if j, ok := c.colors[to]; ok && c.owners[j].nick == to { // of a member who left
		c.release(j)
	}
	o := &c.owners[i]
	if o.former = append(o.former, from); len(o.former) > maxFormer {
		c.take(i, o.former[0])
		o.former = slices.Clone(o.former[1:])
	}
	o.nick = to
	c.assign(i, to)
}

// choose returns a color for a member without one; -1: none can be spared.
func (c *nickColors) choose(nick string) int {
	if i := c.firstChoice(nick); c.isFree(i) {
		return i
	}
	gone, silent := -1, -1 // who has been silent longest, of those who left and of all
	for i := range c.owners {
		if c.isFree(i) {
			return i
		}
		last := c.owners[i].last
		if silent < 0 || last < c.owners[silent].last {
			silent = i
		}
		if (gone < 0 || last < c.owners[gone].last) && !c.here(c.owners[i].nick) {
			gone = i
		}
	}
	if gone >= 0 {
		return gone
	}
	if c.isSilent(silent) { // else colors would change with each message
		return silent
	}
	return -1
}

// isFree reports whether no one has color i, or one who left and whose messages are
// probably not on the screen.
func (c *nickColors) isFree(i int) bool {
	o := &c.owners[i]
	return o.nick == "" || c.isSilent(i) && !c.here(o.nick)
}

func (c *nickColors) isSilent(i int) bool { return c.clock-c.owners[i].last > offScreen }

// give gives color i to a member who just sent a message, instead of its owner.
func (c *nickColors) give(i int, nick string) {
	c.release(i)
	c.owners[i] = colorOwner{nick: nick, last: c.clock}
	c.assign(i, nick)
}

// release takes color i away from its owner.
func (c *nickColors) release(i int) {
	o := c.owners[i]
	c.owners[i] = colorOwner{}
	for _, nick := range append(o.former, o.nick) {
		c.take(i, nick)
	}
}

// assign gives a nick color i, and take takes it away.
func (c *nickColors) assign(i int, nick string) {
	before := c.of(nick)
	if c.colors[nick] = i; c.of(nick) != before {
		c.edits++
	}
}

func (c *nickColors) take(i int, nick string) {
	if color, ok := c.colors[nick]; !ok || color != i {
		return // no one's, or another member has the nick now
	}
	before := c.of(nick)
	if delete(c.colors, nick); c.of(nick) != before {
		c.edits++
	}
}

// firstChoice returns the color that the hash of a nick chooses: the same in upper and lower
// case, and one of those that differ most.
func (c *nickColors) firstChoice(nick string) int {
	sum, ok := c.hashes[nick]
	if !ok {
		h := fnv.New32a()
		h.Write([]byte(text.NickFold(nick)))
		sum = h.Sum32()
		if c.hashes == nil || len(c.hashes) >= maxHashes {
			c.hashes = make(map[string]uint32)
		}
		c.hashes[nick] = sum
	}
	return int(sum % uint32(c.core))
}
