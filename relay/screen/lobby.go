package screen

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/seal"
)

// A lobby is the screen before a room is joined: it looks for rooms, lets the person choose one, type
// an address, or host a room, and joins it. It is owned by Bubble Tea's event loop.
type lobby struct {
	stage   stage
	places  []Place
	nothing *NothingFoundError // what the search did not find; nil: it runs, or found a place, or failed
	chosen  item               // the row that the person moved to; noItem: see current
	address editor             // an address, the number of a place, a part of titles, or a title to host

	note string // the last error or warning; "": none
	err  error  // the last error, to leave with; nil: none

	// The search for rooms.
	search     int                // counts those that the person asked for; reports of older ones are ignored
	stopSearch context.CancelFunc // nil: there was none yet
	looking    bool               // it runs
	waiting    bool               // Options.Patience has not passed
	touched    bool               // a key was pressed since it began: nothing is joined unasked
	listening  bool               // another one runs in the background

	// While joining or opening a room.
	target   Place
	hosting  bool
	cancel   context.CancelFunc
	canceled bool // cancel was called
}

// A stage is the activity of a lobby.
type stage int

const (
	choosing stage = iota // a room, an address, or to host
	joining               // a room, or opening one
)

// An item is a row of the lobby that can be chosen.
type item struct {
	kind  itemKind
	place string // key of the place
}

type itemKind int

const (
	noItem itemKind = iota
	placeItem
	hostItem
	againItem
	addressItem
)

func (p Place) key() string { return p.ID + " " + p.Addr }

const (
	// maxAddr is how long the text of the field may be, in bytes: an invite.
	maxAddr = 1 << 10

	// maxNote is how many bytes of an error are kept: it is wrapped for each frame.
	maxNote = 4 << 10

	// maxPlaces is how many places are listed. One search finds no more.
	maxPlaces = 200

	// listenEvery is the shortest time between the starts of two searches in the background while
	// there are no rooms, and refreshEvery while there are some.
	listenEvery  = 5 * time.Second
	refreshEvery = 10 * time.Second
)

func newLobby(r ruler) lobby { return lobby{address: editor{ruler: r, limit: maxAddr}} }

// Messages of searches.
type (
	// placeFound is a place that the search has found so far. next waits for another one.
	placeFound struct {
		search int
		place  Place
		next   tea.Cmd
	}
	// placesFound is the result of a search; late, of one in the background.
	placesFound struct {
		search int
		places []Place
		err    error
		late   bool
	}
	// patienceOver says that Options.Patience has passed since a search began.
	patienceOver struct{ search int }
)

// Messages of joining: a room was joined, opened, or neither.
type (
	roomJoined struct {
		room  Room
		place Place
	}
	roomHosted struct{ *HostedRoom }
	joinFailed struct{ err error }
)

// open joins the room that was asked for, or looks for rooms.
func (l *lobby) open(m *model) tea.Cmd {
	switch {
	case m.opts.Place != nil:
		return l.join(m, *m.opts.Place)
	case m.opts.Find == nil:
		return nil
	}
	return l.look(m)
}

// look begins a new search.
func (l *lobby) look(m *model) tea.Cmd {
	l.stop()
	l.search++
	l.places, l.nothing, l.chosen, l.note, l.err = nil, nil, item{}, "", nil
	l.looking, l.waiting, l.touched = true, m.opts.Patience > 0, false
	var ctx context.Context
	ctx, l.stopSearch = context.WithCancel(m.ctx)
	n, find, found := l.search, m.opts.Find, make(chan Place)
	var next tea.Cmd
	next = func() tea.Msg {
		select {
		case p := <-found:
			return placeFound{n, p, next}
		case <-ctx.Done():
			return nil
		}
	}
	cmds := []tea.Cmd{next, func() tea.Msg {
		places, err := find(ctx, func(p Place) {
			select {
			case found <- p:
			case <-ctx.Done():
			}
		})
		return placesFound{n, places, err, false}
	}}
	if l.waiting {
		cmds = append(cmds, tea.Tick(m.opts.Patience, func(time.Time) tea.Msg { return patienceOver{n} }))
	}
	return tea.Batch(cmds...)
}

// stop ends the search.
func (l *lobby) stop() {
	if l.stopSearch != nil {
		l.stopSearch()
	}
}

// listen continues to search in the background: rooms are announced once a minute, and may open
// any time.
func (l *lobby) listen(m *model) tea.Cmd {
	if l.listening || l.looking || l.stage != choosing || m.opts.Find == nil || m.ctx.Err() != nil {
		return nil
	}
	l.listening = true
	n, find, pause, every := l.search, m.opts.Find, time.Duration(0), listenEvery
	if len(l.places) > 0 {
		pause, every = refreshEvery, 0
	}
	var ctx context.Context
	ctx, l.stopSearch = context.WithCancel(m.ctx)
	return func() tea.Msg {
		began := time.Now()
		if !wait(ctx, pause) {
			return placesFound{n, nil, nil, true}
		}
		places, err := find(ctx, func(Place) {})
		if err != nil || len(places) == 0 { // one that fails at once is not repeated without end
			wait(ctx, time.Until(began.Add(every)))
		}
		return placesFound{n, places, err, true}
	}
}

// wait waits for d. It returns false if ctx has ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// join joins the room at p.
func (l *lobby) join(m *model, p Place) tea.Cmd {
	ctx := l.begin(m, p)
	return m.join(ctx, p)
}

// begin notes that a room is being joined or opened, until the returned context ends.
func (l *lobby) begin(m *model, p Place) (ctx context.Context) {
	l.stage, l.target, l.hosting, l.note, l.err, l.canceled = joining, p, false, "", nil, false
	ctx, l.cancel = context.WithCancel(m.ctx)
	m.typedSecret = false
	return ctx
}

// join returns a command that joins the room at p.
func (m *model) join(ctx context.Context, p Place) tea.Cmd {
	return func() tea.Msg {
		room, err := m.opts.Join(ctx, p, m.questions())
		if err != nil {
			return joinFailed{err}
		}
		return roomJoined{room, p}
	}
}

// host opens a room.
func (l *lobby) host(m *model) tea.Cmd {
	title, host := l.titleToHost(), m.opts.Host
	ctx := l.begin(m, Place{Title: title})
	l.hosting = true
	if title == "" {
		l.target.Title = m.opts.HostTitle
	}
	return func() tea.Msg {
		room, err := host(ctx, title)
		if err != nil {
			return joinFailed{err}
		}
		return roomHosted{room}
	}
}

// titleToHost returns the text of the field if it can only be meant as a title; "": the host's own.
func (l *lobby) titleToHost() string {
	if l.number() < 0 && !l.isAddress() {
		return l.typed()
	}
	return ""
}

// isAddress reports whether the text of the field can be an address other than a single word. Then Enter is
// not for a room whose title has it: anyone can announce a room whose title is the address of another.
func (l *lobby) isAddress() bool { return strings.ContainsAny(l.typed(), ".:/[]") }

func (l *lobby) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case placeFound:
		if msg.search != l.search || !l.looking {
			return nil
		}
		l.addPlace(msg.place)
		return msg.next
	case patienceOver:
		if msg.search == l.search {
			l.waiting = false
			return l.joinTheOnly(m)
		}
	case placesFound:
		return l.takeResult(m, msg)
	case joinFailed:
		return l.joinFailed(m, msg.err)
	case tea.KeyPressMsg:
		return l.key(m, msg)
	case tea.PasteMsg:
		if l.stage == choosing {
			line, _, _ := strings.Cut(strings.TrimSpace(msg.Content), "\n")
			if line = strings.TrimSpace(line); seal.LooksLikeInvite(line) {
				return l.joinInvited(m, line)
			}
			l.insert(line)
		}
	}
	return nil
}

// joinFailed goes back to the rooms, or leaves if there is no other one to choose. If the program at the address
// may not be the host, a dialog says so before.
func (l *lobby) joinFailed(m *model, err error) tea.Cmd {
	l.cancel()
	l.stage, l.touched = choosing, true
	next := func() tea.Cmd { return l.listen(m) }
	if m.opts.Find == nil || m.ctx.Err() != nil {
		next = func() tea.Cmd { m.err = err; return m.quit() }
	}
	if alarm := m.alarmOf(err, l.target.Title, l.target.Addr, next); alarm != nil && m.ctx.Err() == nil {
		l.err = err
		m.openDialog(alarm)
		return nil
	}
	if !l.canceled {
		l.fail(err)
	}
	return next()
}

// joinInvited joins the room of an invite. The field forgets it: it has the room's secret.
func (l *lobby) joinInvited(m *model, link string) tea.Cmd {
	l.address = editor{ruler: l.address.ruler, limit: l.address.limit}
	l.chosen, l.touched = item{}, true
	invite, err := seal.ParseInvite(link)
	if err != nil {
		l.fail(err)
		return nil
	}
	return l.join(m, Place{Addr: invite.Addr, Sealed: true, Invite: invite})
}

func (l *lobby) fail(err error) { l.note, l.err = cutBytes(err.Error(), maxNote), err }

// takeResult takes over the result of a search.
func (l *lobby) takeResult(m *model, found placesFound) tea.Cmd {
	if found.late {
		if l.listening = false; found.search == l.search && l.stage == choosing {
			l.addLate(found)
		}
		return l.listen(m)
	}
	if found.search != l.search {
		return nil
	}
	l.looking = false
	l.stop()
	l.places = found.places[:min(len(found.places), maxPlaces)]
	if nothing, ok := errors.AsType[*NothingFoundError](found.err); ok {
		l.nothing, l.err = nothing, nothing
	} else if found.err != nil {
		l.fail(found.err)
	}
	if cmd := l.joinTheOnly(m); cmd != nil {
		return cmd
	}
	return l.listen(m)
}

// joinTheOnly joins the room that the search found if there is no other one, and no key was pressed.
func (l *lobby) joinTheOnly(m *model) tea.Cmd {
	if l.looking || l.waiting || l.touched || l.stage != choosing || len(l.places) != 1 || l.err != nil {
		return nil
	}
	return l.join(m, l.places[0])
}

// addPlace lists a place, or updates it.
func (l *lobby) addPlace(p Place) {
	i := slices.IndexFunc(l.places, func(have Place) bool { return have.key() == p.key() })
	switch {
	case i >= 0:
		l.places[i] = p
	case len(l.places) < maxPlaces:
		l.places = append(slices.Clip(l.places), p)
	}
}

// addLate lists the rooms that a search in the background found. Rooms keep their numbers.
func (l *lobby) addLate(found placesFound) {
	if found.err != nil || len(found.places) == 0 {
		return
	}
	if l.nothing, l.touched = nil, true; len(l.places) == 0 {
		l.note, l.err = "", nil
	}
	for _, p := range found.places {
		l.addPlace(p)
	}
}

// --- choosing ----------------------------------------------------------------------------

// number returns the index of the place whose number is in the field; -1: none.
func (l *lobby) number() int {
	if n, err := strconv.Atoi(l.typed()); err == nil && n >= 1 && n <= len(l.places) {
		return n - 1
	}
	return -1
}

// matching returns the indices of the places whose titles have the text in the field.
func (l *lobby) matching() (matching []int) {
	part := strings.ToLower(l.typed())
	for i, p := range l.places {
		if strings.Contains(strings.ToLower(p.Title), part) {
			matching = append(matching, i)
		}
	}
	return matching
}

// shown returns the indices of the listed places: those that match. If there are none, the text
// is an address, and all are listed.
func (l *lobby) shown() []int {
	if matching := l.matching(); len(matching) > 0 && l.number() < 0 {
		return matching
	}
	all := make([]int, len(l.places))
	for i := range all {
		all[i] = i
	}
	return all
}

// items returns the rows that can be chosen, in order.
func (l *lobby) items(opts *Options) (items []item) {
	for _, i := range l.shown() {
		items = append(items, item{placeItem, l.places[i].key()})
	}
	if opts.Host != nil {
		items = append(items, item{kind: hostItem})
	}
	if l.nothing != nil && len(l.places) == 0 {
		items = append(items, item{kind: againItem})
	}
	return append(items, item{kind: addressItem})
}

// current returns the row that Enter is for: the one that the person moved to, or that the text in
// the field is about, or the first one worth suggesting.
func (l *lobby) current(opts *Options) item {
	items := l.items(opts)
	switch matching := l.matching(); {
	case l.chosen.kind == addressItem && l.number() >= 0:
		return item{placeItem, l.places[l.number()].key()}
	case l.chosen.kind == addressItem && l.typed() != "" && len(matching) > 0 && !l.isAddress():
		return item{placeItem, l.places[matching[0]].key()}
	case l.chosen.kind != noItem && slices.Contains(items, l.chosen):
		return l.chosen
	case len(l.places) > 0, !l.looking, opts.Patience > 0 && !l.waiting:
		return items[0]
	}
	return item{} // rooms may come any moment
}

// place returns the place of an item.
func (l *lobby) place(of item) Place {
	i := slices.IndexFunc(l.places, func(p Place) bool { return p.key() == of.place })
	return l.places[i]
}

// move chooses the row that is so many rows further down.
func (l *lobby) move(opts *Options, rows int) {
	items := l.items(opts)
	at := slices.Index(items, l.current(opts)) // -1: the first one is next
	l.chosen = items[min(max(at+rows, 0), len(items)-1)]
}

// typed returns the text of the field.
func (l *lobby) typed() string { return strings.TrimSpace(l.address.text) }

func (l *lobby) insert(text string) {
	l.address.insert(text)
	l.chosen, l.touched = item{kind: addressItem}, true
}

// key handles a key.
func (l *lobby) key(m *model, msg tea.KeyPressMsg) tea.Cmd {
	l.touched = true
	name := msg.String()
	switch name {
	case "ctrl+c", "ctrl+d", "esc":
		return l.back(m, name)
	}
	if l.stage != choosing {
		return nil
	}
	switch {
	case name == "up" || name == "shift+tab" || name == "ctrl+p":
		l.move(&m.opts, -1)
	case name == "down" || name == "tab" || name == "ctrl+n":
		l.move(&m.opts, 1)
	case name == "enter":
		return l.enter(m)
	case m.opts.Find != nil && name == "ctrl+r":
		return l.look(m)
	case strings.HasSuffix(name, "+enter") || name == "ctrl+j": // an address is one line
	case l.address.key(name):
		l.chosen = item{kind: addressItem}
	case msg.Text != "":
		l.insert(msg.Text)
	}
	return nil
}

// back handles a key that gives up joining, clears the field, or leaves.
func (l *lobby) back(m *model, name string) tea.Cmd {
	switch {
	case l.stage == joining && !l.canceled && m.opts.Find != nil:
		// The list comes back when Join returns. If Join succeeded just now, the room opens.
		l.canceled = true
		l.cancel()
	case l.stage == choosing && name != "ctrl+c" && l.address.text != "":
		if name == "esc" {
			l.address.set("")
			l.chosen = item{}
		}
	default:
		if m.err = context.Canceled; l.err != nil && l.stage == choosing {
			m.err = l.err
		}
		return m.quit()
	}
	return nil
}

// enter carries out the action of the current row.
func (l *lobby) enter(m *model) tea.Cmd {
	switch current := l.current(&m.opts); {
	case seal.LooksLikeInvite(l.typed()):
		return l.joinInvited(m, l.typed())
	case current.kind == placeItem:
		return l.join(m, l.place(current))
	case current.kind == hostItem:
		return l.host(m)
	case current.kind == againItem:
		return l.look(m)
	case current.kind == addressItem && l.typed() != "":
		return l.join(m, Place{Addr: l.typed()})
	}
	return nil
}
