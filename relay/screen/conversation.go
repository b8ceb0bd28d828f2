package screen

import (
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/text"
	"chat/relay/wire"
)

// A conversation is the screen in a room: it shows the room's events and sends the
// person's messages and commands. Bubble Tea's event loop owns it; the tea.Cmds that it
// returns run in goroutines of their own and use only its fixed fields.
type conversation struct {
	// Fixed.
	m    *model // the screen that shows it
	room Room

	// The room as the host last described it.
	title, topic   string
	nick, clientID string // ours
	operator       bool   // we host the room
	sealed         bool   // no one else can read the connection; see "Sealed rooms" in PROTOCOL.md
	listens        bool   // we may only read
	handsOut       bool   // the host hands out the program, at /get
	moderates      bool   // we are an operator
	cameAsOperator bool   // we were one when the connection began: our secret may be that of operators
	members        members
	nicks          nickColors

	// The connection.
	addr       string        // of the host; "": it is this program
	next       uint64        // ID of the first event that was not in the room when we joined
	lowest     uint64        // ID of the oldest event that came; 0: none, or the transcript has dropped some
	resumed    bool          // it was lost before
	lost       error         // why there is none; nil: there is one
	retryAt    time.Time     // when the next attempt is made
	moving     bool          // it was just lost, and the room has other relays
	unanswered bool          // the last connection was lost while a message was unanswered
	toldSmall  bool          // the notice about small packets was shown
	skew       time.Duration // how far the host's clock is ahead of ours

	ended        bool                   // the client does not reconnect, for the reason in lost
	gone         *client.OtherRoomError // another room is at its address; nil: the room is not gone
	joiningOther bool                   // that one is being joined

	// What is shown.
	card        card // instead of the transcript
	transcript  transcript
	view        view
	history     history
	search      search
	sheet       sheet
	copying     bool      // only texts are shown, to be selected with the mouse
	flash       string    // a short message in the keys row or the rule, until the next key
	greeted     bool      // the greeting was shown
	early       []entry   // notices about now that came before the backlog; shown with the greeting
	unseen      unseen    // messages that came while no one looked
	replyTo     string    // who sent the last private message
	lastAlert   time.Time // when the terminal rang last
	leaveAsked  time.Time // when the person last asked to leave, and was warned
	tickStarted bool      // a tick will come
	measuring   bool      // a measureTransfers will come

	// What the person does.
	composer  composer
	outbox    outbox
	transfers transfers
}

const (
	// alertInterval is the shortest time between two alerts.
	alertInterval = 5 * time.Second

	// leaveWithin is how soon after the first the second Ctrl-C leaves.
	leaveWithin = 3 * time.Second

	// maxEarly is how many notices are shown below a backlog that they came before. An honest host sends
	// one, about an invalid nick.
	maxEarly = 10

	// These are the access of those who may only read, and of operators, in a welcome.
	accessListen, accessOperator = "listen", "operator"

	// A host can send titles and topics of any length, and each frame draws them. These are
	// more than an honest host allows, in bytes.
	maxTitle, maxTopic = 400, 1 << 10
)

func newConversation(m *model, room Room, place Place) *conversation {
	c := &conversation{m: m, room: room, addr: place.Addr, title: cutBytes(place.Title, maxTitle), operator: m.hosting != nil}
	c.view = newView()
	c.history.c, c.search.c = c, c
	c.nicks = newNickColors(m.theme, c.members.has)
	c.composer = newComposer(m.ruler, c.operator)
	c.outbox.room = room
	return c
}

// --- events from the room ------------------------------------------------------------

// roomEvents are events that came within one frame.
type roomEvents struct {
	events []client.Event
	closed bool // there will be no more
}

// tick redraws what depends on the time.
type tick struct{}

// waitForEvents returns a command that waits for an event, and then collects those that
// come until the frame ends, since they cannot be seen sooner. While they are few it
// sleeps through the frame instead of waking for each. In a flood it receives them as they
// come, as the room blocks when its channel is full.
//
// Until the greeting is shown, no frame is on the screen that could do for now: all that is there is drawn at once.
func (c *conversation) waitForEvents() tea.Cmd {
	frameEnd := time.Now()
	if c.greeted {
		frameEnd = frameEnd.Add(frameTime)
	}
	return func() tea.Msg {
		events := c.room.Events()
		var batch roomEvents
		select {
		case e, ok := <-events:
			batch.add(e, ok)
		case <-c.m.ctx.Done():
			return nil
		}
		if len(events) < cap(events)/2 {
			time.Sleep(time.Until(frameEnd))
			if n := len(events); n < cap(events) {
				for range n {
					batch.add(<-events, true)
				}
				return batch
			}
			frameEnd = time.Now().Add(frameTime)
		}
		for late := time.After(time.Until(frameEnd)); !batch.closed; {
			select {
			case e, ok := <-events:
				batch.add(e, ok)
			case <-late:
				return batch
			}
		}
		return batch
	}
}

// add adds the result of a receive.
func (b *roomEvents) add(e client.Event, ok bool) {
	if b.closed = !ok; ok {
		b.events = append(b.events, e)
	}
}

// update handles a message of Bubble Tea's, and ticks while something on the screen
// depends on the time.
func (c *conversation) update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tick:
		c.tickStarted = false
		c.greet() // a backlog would have come within a second
	case roomEvents:
		cmd = c.receive(msg)
	case joinFailed: // of the room that is at the address of this one
		c.joiningOther = false
		c.show(kindError, cutBytes(msg.err.Error(), maxNote))
	case searchOn:
		c.search.goOn(msg)
	case measureTransfers:
		c.measuring = false
		c.transfers.measure()
	case pictureRead:
		c.showPicture(msg)
	case transferDone:
		c.transfers.remove(msg.transfer)
		if msg.text != "" {
			c.show(msg.kind, msg.text)
		}
	case tea.KeyPressMsg:
		c.flash, c.card.gone = "", true
		cmd = pressKey(c, msg)
	case tea.PasteMsg:
		c.card.gone = true
		if f := c.composer.field; f != nil {
			cmd = f.paste(msg.Content)
		} else if note := c.composer.insertPaste(msg.Content); note != "" {
			c.flash = note
		}
	case tea.MouseWheelMsg:
		c.card.gone = true
		switch msg.Button {
		case tea.MouseWheelUp:
			c.wheel(-wheelRows)
		case tea.MouseWheelDown:
			c.wheel(wheelRows)
		}
	}
	if !c.tickStarted && (c.lost != nil || len(c.outbox.items) > 0 || !c.greeted) {
		c.tickStarted = true
		cmd = tea.Batch(cmd, tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} }))
	}
	if !c.measuring && len(c.transfers.running) > 0 {
		c.measuring = true
		cmd = tea.Batch(cmd, tea.Tick(measureEvery, func(time.Time) tea.Msg { return measureTransfers{} }))
	}
	return tea.Batch(cmd, c.search.next())
}

// receive handles events from the room, sends what can be sent now, alerts the person if
// they were mentioned, and waits for more.
func (c *conversation) receive(batch roomEvents) tea.Cmd {
	var cmds []tea.Cmd
	var mention *entry
	for _, e := range batch.events {
		switch e := e.(type) {
		case client.Connected:
			c.connected(e)
		case client.Disconnected:
			c.history.requestLost()
			c.search.requestLost()
			c.lost, c.retryAt, c.moving = e.Err, time.Now().Add(e.RetryIn), e.Elsewhere && e.Attempt == 0
		case client.Received:
			if n := c.handle(&e); n != nil && n.highlight && !e.Past {
				mention = n
			}
		}
	}
	c.flush()
	if c.pending() == 0 {
		c.unanswered = false
	}
	if mention != nil && !c.m.opts.Quiet && !c.m.isWatched() && time.Since(c.lastAlert) > alertInterval {
		c.lastAlert = time.Now()
		cmds = append(cmds, alert(mention.from, mention.text))
	}
	if batch.closed {
		c.m.err = c.room.Err()
		if other, ok := errors.AsType[*client.OtherRoomError](c.m.err); ok {
			c.roomGone(other)
			return tea.Batch(cmds...)
		}
		if alarm := c.m.alarmOf(c.m.err, c.title, c.addr, nil); alarm != nil {
			c.lost, c.ended = c.m.err, true // the messages can still be read
			c.m.openDialog(alarm)
			return tea.Batch(cmds...)
		}
		if whySealed(c.m.err) != "" {
			c.lost, c.ended = c.m.err, true
			c.show(kindError, cutBytes(c.m.err.Error(), maxNote)+".\nTo join again, leave with Ctrl-C and use the new invite")
			return tea.Batch(cmds...)
		}
		return tea.Sequence(append(cmds, c.m.quit())...)
	}
	return tea.Batch(append(cmds, c.waitForEvents())...)
}

// connected takes over the state of the room from the host's welcome.
func (c *conversation) connected(e client.Connected) {
	w := &e.Welcome
	if e.Moved {
		c.show(kindNotice, "moved to another relay ("+text.Clean(e.Addr)+")")
	}
	c.lost, c.resumed, c.addr, c.next = nil, e.Resumed, e.Addr, w.Next
	if c.skew = 0; !w.Time.IsZero() { // older hosts do not say
		c.skew = time.Until(w.Time)
	}
	c.title, c.topic = cutBytes(w.Title, maxTitle), cutBytes(text.Clean(w.Topic), maxTopic)
	c.nick, c.clientID = cutNick(w.Nick), w.Client
	c.nicks.setOwn(c.nick)
	c.m.typedSecret = false
	c.sealed, c.listens = e.Sealed || c.operator && w.Sealed, e.Access == accessListen
	c.handsOut = w.Get
	c.cameAsOperator = e.Access == accessOperator
	c.setModerates(c.cameAsOperator)
	c.unanswered = e.Unanswered
	if e.SmallPackets && !c.toldSmall {
		c.toldSmall = true
		c.show(kindNotice, client.SmallPacketsNotice)
	}
	c.members.reset(w)
	c.members.addSelf(c.nick, c.ownRank())
	for _, message := range c.outbox.dropSettled() {
		c.addEntry(message, false)
	}
	if e.Unproven {
		c.show(kindError, client.UnprovenWarning)
	}
	if e.NewRoom {
		c.show(kindEvent, "the host was restarted; the room starts empty")
		c.history.newRoom()
	}
	if w.Next <= 1 { // there is no backlog
		c.greet()
	}
}

// setModerates notes whether we are an operator.
func (c *conversation) setModerates(moderates bool) {
	c.moderates = moderates
	c.composer.completer.operator = c.mayModerate()
}

// ownRank returns our rank.
func (c *conversation) ownRank() rank {
	switch {
	case c.operator:
		return host
	case c.moderates:
		return operator
	}
	return ordinary
}

// noteAct notes what an operator did to the ranks of members.
func (c *conversation) noteAct(e *wire.Event) {
	r := ordinary
	switch e.Code {
	case "op":
		r = operator
	case "deop":
	default:
		return
	}
	nick := cutNick(e.Nick)
	c.members.setRank(nick, r)
	if nick == c.nick {
		c.setModerates(r == operator)
	}
}

// mayModerate reports whether the commands of operators are for us.
func (c *conversation) mayModerate() bool { return c.operator || c.moderates }

// takeTheme takes the theme of the terminal. Those who sent messages before have colors of it.
func (c *conversation) takeTheme(t *theme.Theme) {
	c.nicks.use(t)
	for _, nick := range slices.Backward(c.members.speakers) {
		c.nicks.spoke(nick)
	}
}

// now returns the time by the host's clock, from which the times of the messages are. Ours may be
// wrong: lines of our own would be out of order, under a date of their own.
func (c *conversation) now() time.Time { return time.Now().Add(c.skew) }

// greet shows, below the backlog, how others can join, who we are and where help is.
func (c *conversation) greet() {
	if c.greeted || c.nick == "" {
		return
	}
	c.greeted = true
	for _, n := range c.early {
		c.card.note(n)
		c.addEntry(n, false)
	}
	c.early = nil
	if c.operator {
		inv := c.invitation()
		if ways := inv.summary(); ways != "" {
			c.show(kindNotice, ways)
		}
		c.show(kindNotice, "you are "+c.nick+"; /invite shows the QR code, /help the keys")
	} else {
		c.show(kindNotice, "you are "+c.nick+"; /help shows keys and commands")
	}
	if c.topic != "" {
		c.show(kindNotice, "the topic is: "+c.topic)
	}
}

// handle handles an event from the host. It returns the entry that it became, or nil.
func (c *conversation) handle(e *client.Received) *entry {
	if e.ID > 0 && (e.ID < c.lowest || c.lowest == 0) {
		c.lowest = e.ID
	}
	if e.ID >= c.next {
		c.greet()
	} else if e.ID+1 == c.next { // the last of the backlog
		defer c.greet()
	}
	switch e.Type {
	case wire.TypeHistory:
		if e.Text != "" {
			c.search.answered(e)
			return nil
		}
		if e.Before > 0 { // otherwise it answers a typed /history, and is shown
			c.history.answered(e)
			return nil
		}
	case wire.TypeWho:
		c.members.noteKeys(&e.Event)
	case wire.TypeNick, wire.TypeJoin, wire.TypeLeave, wire.TypeTopic, wire.TypeOperator:
		if !e.Past { // the welcome is newer
			c.track(e)
		}
	case wire.TypeError:
		if e.Waits() {
			c.hold(e)
			return nil
		}
		if e.Code == wire.CodeNotRead { // it answers every request for history
			c.history.requestLost()
			c.search.requestLost()
		}
		if typed, ok := c.outbox.reject(e); ok {
			c.restoreTyped(typed)
		}
	case wire.TypeBye:
		if e.Code.Final() || e.RestartWithin() > 0 {
			return nil // Room.Err returns the reason, or the rule shows it
		}
	}
	if e.Own && e.Seq > 0 {
		c.outbox.acknowledge(e.Seq)
	}
	if e.Own && e.Type == wire.TypeNick && !e.Past { // a notice reports it
		return nil
	}
	return c.showEvent(e)
}

// showEvent adds an event to the transcript, or keeps it for the greeting. It returns its entry, or
// nil if it has none.
func (c *conversation) showEvent(e *client.Received) *entry {
	if e.Time.IsZero() {
		e.Time = c.now()
	}
	linked := c.linked(&e.Event)
	n, ok := c.transcript.entryOf(linked, e.Own, c.nick)
	if !ok {
		return nil
	}
	if e.ID == 0 && !c.greeted && len(c.early) < maxEarly {
		c.early = append(c.early, n)
		return &n
	}
	c.card.gone = true
	if n.kind.isMessage() {
		c.members.noteSpeaker(n.from)
		if !n.own {
			c.nicks.spoke(n.from)
		}
		c.record(linked, e.Past)
	}
	if n.kind == kindPrivate && !e.Own {
		c.replyTo = n.from
	}
	c.addEntry(n, e.Past && !c.resumed)
	return &n
}

// linked returns e with the links to uploads at the address of the host that works from here.
func (c *conversation) linked(e *wire.Event) *wire.Event {
	if e.File == nil {
		return e
	}
	addrs := c.invitation().addrs
	if len(addrs) == 0 {
		return e
	}
	return e.Linked(wire.Home(addrs[0], c.sealed))
}

// track applies an event to the state of the room.
func (c *conversation) track(e *client.Received) {
	switch e.Type {
	case wire.TypeNick:
		c.members.rename(e.From, e.Nick)
		if e.Own {
			c.nick = cutNick(e.Nick)
			c.nicks.setOwn(c.nick)
		} else {
			c.nicks.renamed(cutNick(e.From), cutNick(e.Nick))
		}
	case wire.TypeJoin:
		c.members.join(&e.Event)
	case wire.TypeLeave:
		c.members.leave(&e.Event)
	case wire.TypeTopic:
		c.topic = cutBytes(text.Clean(e.Text), maxTopic)
	case wire.TypeOperator:
		c.noteAct(&e.Event)
	}
}

// hold shows, once, that the host cannot store our messages at the moment.
func (c *conversation) hold(e *client.Received) {
	if c.outbox.hold(e.Seq) {
		reason, _, _ := strings.Cut(e.Text, ";")
		c.show(kindError, reason+"; your messages are kept and will be resent")
	}
}

// record logs a message, if the options ask for it. The backlog is not ours to log.
func (c *conversation) record(e *wire.Event, past bool) {
	if c.m.opts.Record == nil || past && !c.resumed {
		return
	}
	if err := c.m.opts.Record(*e, wire.Viewer{Nick: c.nick}); err != nil {
		c.show(kindError, err.Error())
	}
}

// --- the transcript --------------------------------------------------------------------

// addEntry adds an entry at the end of the transcript. One of the backlog is not unread.
func (c *conversation) addEntry(n entry, backlog bool) {
	dropped, added := c.transcript.add(n)
	if dropped > 0 {
		c.lowest = 0
		c.view.entriesDropped(dropped)
		c.search.entriesDropped(dropped)
		c.history.entriesDropped(dropped)
	}
	if added {
		if n.kind.isMessage() && !n.own && !backlog && !c.m.isWatched() {
			c.unseen.note(n.highlight)
		}
		unread := n.kind.isMessage() && !n.own && !backlog && (!c.m.isWatched() || !c.view.following)
		c.view.entryAdded(&c.transcript, unread)
		c.search.entryAdded()
	}
}

// show adds a line of this program's to the transcript.
func (c *conversation) show(k kind, message string) {
	n := entry{at: c.now().UnixMilli(), kind: k, text: text.CleanLines(shorten(message))}
	if k == kindError {
		c.card.note(n)
	}
	c.addEntry(n, false)
}

// prepend puts older entries before the others, and returns how many.
func (c *conversation) prepend(older []entry) int {
	n := c.transcript.prepend(older)
	c.view.entriesPrepended(n)
	c.search.entriesPrepended(n)
	return n
}

// oldestID returns the ID of the oldest event in the transcript, or of the first to come.
func (c *conversation) oldestID() uint64 {
	if id := c.transcript.firstID(); id > 0 {
		return id
	}
	return c.next
}

// markRead marks the end of the transcript as read, if it is shown. It is called when the
// window loses the focus: later messages are unread.
func (c *conversation) markRead() {
	if c.view.following {
		c.view.clearUnread()
	}
}

// scroll scrolls the transcript, up if rows is negative, and loads older messages at the
// top.
func (c *conversation) scroll(rows int) {
	f := newFrame(c)
	c.view.scroll(f.painter, &c.transcript, f.height, rows)
	if c.view.atTop() {
		c.history.request(historyPage)
	}
}

// goToTop shows the first entry, and loads older messages.
func (c *conversation) goToTop() {
	c.view.toTop()
	c.history.request(historyPage)
}

// goToEntry shows entry i in the middle.
func (c *conversation) goToEntry(i int) {
	f := newFrame(c)
	c.view.toEntry(f.painter, &c.transcript, f.height, i)
}

func (c *conversation) draw() (rows []string, cursor *tea.Cursor) { return newFrame(c).draw() }

// farewell returns the last rows of the transcript, to be left on the terminal.
func (c *conversation) farewell() string {
	c.composer.closeField()
	c.stopCopying()
	c.view.toEnd()
	c.view.clearUnread()
	return newFrame(c).farewell()
}
