package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// A talk is what we see and do in a room.
type talk struct {
	room   Room
	addr   string // where it is now; "": it is ours
	next   uint64 // id of the first event there that was no backlog for us
	title  string
	topic  string
	nick   string // ours
	client string // our id
	host   bool   // we are the hosting person

	transcript transcript
	view       view
	people     people
	editor     editor
	completer  completer
	recall     recollection
	search     search
	overlay    page      // over the transcript; nil: none
	overlayAt  int       // its first row that is shown
	pasted     []string  // the messages that a large paste would be, until it is decided on
	pastedRows int       // how many lines it has
	flash      string    // a word in the status line, until the next key
	leaving    time.Time // when Ctrl-C was pressed on an empty line
	replyTo    string    // who last said something to us alone

	unsent []wire.Request // wait on this side for the host
	sent   []sending      // wait for the host to acknowledge them, in order
	held   uint64         // number of the one that the host could not keep, and the client says again

	ferries []*ferry // files on their way

	ticking bool      // a tick is on its way
	resumed bool      // the connection was lost before
	greeted bool      // the person was told where the keys are
	lost    error     // why there is no connection; nil: there is one
	retryAt time.Time // of the connection
	asking  uint64    // older messages than this were asked for; 0: none were
	alerted time.Time // when the terminal rang last
	noOlder bool      // the host has none, or there is no room for them
	foreign int       // so many entries are of a room that ended: nothing is put before them
}

// A sending is a message on its way.
type sending struct {
	seq   uint64 // 0: it has not left yet
	entry entry
	typed string // what to give back when the host refuses it
}

const (
	// From so many bytes and lines on it is told how many are left.
	countBytesFrom = wire.MessageBytes - 500
	countLinesFrom = wire.MessageLines - 10

	// olderAtOnce is how many messages are asked for when the top is reached.
	olderAtOnce = 100

	// alertEvery is how often the terminal rings at most.
	alertEvery = 5 * time.Second

	// ackTime is how long the host may take to acknowledge a message before one is told
	// that it waits.
	ackTime = 2 * time.Second

	// leaveWithin is how soon after the first the second Ctrl-C leaves.
	leaveWithin = 3 * time.Second
)

func newTalk(m *model, room Room, place Place) *talk {
	t := &talk{room: room, addr: place.Addr, title: place.Title, host: m.opts.Hosting}
	t.editor = editor{ruler: m.ruler, limit: wire.MessageBytes}
	t.completer.host = t.host
	t.view = newView()
	return t
}

// --- what happens ----------------------------------------------------------------

// happenings are events that came together.
type happenings struct {
	events []client.Event
	over   bool // there will be no more
}

// tick redraws what depends on the time.
type tick struct{}

// waitForEvents waits for an event, and takes with it as many as come until the frame
// that was begun ends: more cannot be seen. Where they are few, it sleeps meanwhile, and
// is not woken by each; a flood it takes as it comes, for the room waits where it is full.
func (t *talk) waitForEvents(m *model) tea.Cmd {
	frame := time.Now().Add(frameTime)
	return func() tea.Msg {
		events := t.room.Events()
		var h happenings
		select {
		case e, ok := <-events:
			h.take(e, ok)
		case <-m.ctx.Done():
			return nil
		}
		if len(events) < cap(events)/2 {
			time.Sleep(time.Until(frame))
			if n := len(events); n < cap(events) {
				for range n {
					h.take(<-events, true)
				}
				return h
			}
			frame = time.Now().Add(frameTime)
		}
		for late := time.After(time.Until(frame)); !h.over; {
			select {
			case e, ok := <-events:
				h.take(e, ok)
			case <-late:
				return h
			}
		}
		return h
	}
}

// take adds what was received of a channel of events.
func (h *happenings) take(e client.Event, ok bool) {
	if h.over = !ok; ok {
		h.events = append(h.events, e)
	}
}

func (t *talk) update(m *model, msg tea.Msg) tea.Cmd {
	if _, ok := msg.(tick); ok {
		t.ticking = false
		t.greet(m) // the backlog takes no second, if there is one
	}
	cmd := t.take(m, msg)
	if !t.ticking && (t.lost != nil || len(t.sent) > 0 || len(t.ferries) > 0 || !t.greeted) {
		t.ticking = true
		cmd = tea.Batch(cmd, tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} }))
	}
	return cmd
}

func (t *talk) take(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case happenings:
		return t.happened(m, msg)
	case tea.KeyPressMsg:
		t.flash = ""
		return t.key(m, msg)
	case arrived:
		t.arrive(m, msg)
	case tea.PasteMsg:
		t.paste(m, msg.Content)
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			return t.scroll(m, -3)
		case tea.MouseWheelDown:
			return t.scroll(m, 3)
		}
	}
	return nil
}

func (t *talk) happened(m *model, h happenings) tea.Cmd {
	var cmds []tea.Cmd
	var calls *entry
	for _, e := range h.events {
		switch e := e.(type) {
		case client.Connected:
			t.connected(m, e)
		case client.Disconnected:
			t.asking = 0 // the answers are lost with the connection
			t.search.giveUp()
			t.lost, t.retryAt = e.Err, time.Now().Add(e.RetryIn)
		case client.Received:
			if n := t.received(m, &e); n != nil && n.calls && !e.Past {
				calls = n
			}
		}
	}
	t.send(m)
	if calls != nil && !m.opts.Quiet && !m.isWatched() && time.Since(t.alerted) > alertEvery {
		t.alerted = time.Now()
		cmds = append(cmds, alert(calls.from, calls.text))
	}
	if h.over {
		m.err = t.room.Err()
		return tea.Sequence(append(cmds, m.quit())...)
	}
	return tea.Batch(append(cmds, t.waitForEvents(m))...)
}

func (t *talk) connected(m *model, e client.Connected) {
	w := &e.Welcome
	t.lost, t.resumed, t.addr, t.next = nil, e.Resumed, e.Addr, w.Next
	t.title, t.topic, t.nick, t.client = w.Title, w.Topic, w.Nick, w.Client
	t.people.reset(w)
	t.people.we(w.Nick, t.host)
	t.settle(m)
	if e.NewRoom {
		t.tell(m, happened, "the host was restarted, and begins with an empty room")
		t.foreign = len(t.transcript.entries)
	}
	if w.Next <= 1 { // there is no backlog
		t.greet(m)
	}
}

// greet tells a newcomer, below the backlog, where the keys are.
func (t *talk) greet(m *model) {
	if t.greeted || t.nick == "" {
		return
	}
	t.greeted = true
	if t.host {
		t.tell(m, told, "the room is open; others come in with\n"+strings.Join(t.ways(m), "\n"))
	}
	t.tell(m, told, "you are "+t.nick+"; /help shows keys and commands")
	if t.topic != "" {
		t.tell(m, told, "the topic is: "+t.topic)
	}
}

// settle forgets what is no longer on its way although nothing came back that says
// so: the host had taken it when the connection broke. A private message is in no
// log to come back from.
func (t *talk) settle(m *model) {
	pending := make(map[uint64]bool)
	for _, r := range t.room.Pending() {
		pending[r.Seq] = true
	}
	t.sent = slices.DeleteFunc(t.sent, func(s sending) bool {
		settled := s.seq > 0 && !pending[s.seq]
		if settled && s.entry.kind == private {
			t.add(m, s.entry, false)
		}
		return settled
	})
}

// received takes what the host sent, and returns the entry that it became, if one.
func (t *talk) received(m *model, e *client.Received) *entry {
	if e.ID >= t.next {
		t.greet(m)
	} else if e.ID+1 == t.next { // the last of the backlog
		defer t.greet(m)
	}
	switch e.Type {
	case wire.TypeHistory:
		switch {
		case e.Text != "":
			t.searched(m, e)
			return nil
		case e.Before > 0: // else typed, and told as it is
			if e.Before == t.asking {
				t.older(m, e)
			}
			return nil
		}
	case wire.TypeNick:
		if e.Past { // the welcome knows better
			break
		}
		t.people.rename(e.From, e.Nick)
		if e.Own {
			t.nick = e.Nick
		}
	case wire.TypeJoin:
		if !e.Past {
			t.people.enter(&e.Event)
		}
	case wire.TypeLeave:
		if !e.Past {
			t.people.leave(&e.Event)
		}
	case wire.TypeTopic:
		if !e.Past {
			t.topic = text.Clean(e.Text)
		}
	case wire.TypeError:
		if e.Waits() {
			t.hold(m, e)
			return nil
		}
		if e.Code == wire.CodeNotRead { // all that was asked for of its history
			t.asking = 0
			t.search.giveUp()
		}
		t.refused(e)
	case wire.TypeBye:
		if e.Code.Final() {
			return nil // the error of the room tells it
		}
	}
	if e.Own && e.Seq > 0 {
		t.acknowledged(e.Seq)
	}
	n, ok := t.transcript.entryOf(&e.Event, e.Own, t.nick)
	if !ok {
		return nil
	}
	if n.kind <= private {
		t.people.spoke(e.From)
		t.keep(m, &e.Event, e.Past)
	}
	if n.kind == private && !e.Own {
		t.replyTo = e.From
	}
	t.add(m, n, e.Past && !t.resumed)
	return &n
}

// keep writes down what is said, where that is wanted.
func (t *talk) keep(m *model, e *wire.Event, past bool) {
	if m.opts.Said == nil || past && !t.resumed { // the backlog was said before we came
		return
	}
	if err := m.opts.Said(*e, wire.Viewer{Zone: time.Local, Nick: t.nick}); err != nil {
		t.tell(m, complaint, err.Error())
	}
}

// add puts an entry into the transcript, below all others. backlog says that it was
// there before us, and so is nothing new.
func (t *talk) add(m *model, n entry, backlog bool) {
	dropped, added := t.transcript.add(n)
	if dropped > 0 {
		t.view.dropped(dropped)
		t.search.at = max(t.search.at-dropped, -1)
		t.foreign = max(t.foreign-dropped, 0)
		t.noOlder = false // the host may have those that went
	}
	if added {
		t.view.added(&t.transcript, n.kind <= private && !n.own && !backlog && (!m.isWatched() || !t.view.following))
	}
}

// tell shows the person something that nobody said.
func (t *talk) tell(m *model, k kind, words string) {
	t.add(m, entry{at: time.Now().UnixMilli(), kind: k, text: text.CleanLines(words)}, false)
}

// lookedAway notes that the window is no longer watched: what comes from now on is
// new, and what was at the end was seen.
func (t *talk) lookedAway() {
	if t.view.following {
		t.view.forgetUnread()
	}
}

// acknowledged notes that the host has taken our message numbered seq.
func (t *talk) acknowledged(seq uint64) {
	t.sent = slices.DeleteFunc(t.sent, func(s sending) bool { return s.seq == seq })
}

// hold tells, once, that the host cannot keep our messages just now.
func (t *talk) hold(m *model, e *client.Received) {
	if !t.isHeld() {
		reason, _, _ := strings.Cut(e.Text, ";")
		t.tell(m, complaint, reason+"; your messages are kept and sent again")
	}
	t.held = e.Seq
}

// isHeld reports whether a message of ours still waits that the host could not keep.
func (t *talk) isHeld() bool {
	return slices.ContainsFunc(t.sent, func(s sending) bool { return s.seq > 0 && s.seq == t.held })
}

// refused gives a message back that the host did not take.
func (t *talk) refused(e *client.Received) {
	i := slices.IndexFunc(t.sent, func(s sending) bool { return e.Seq > 0 && s.seq == e.Seq })
	if e.Seq == 0 && e.Code == wire.CodeTooLong { // a host that takes no line so long; it does not know its number
		pending := t.room.Pending()
		i = slices.IndexFunc(t.sent, func(s sending) bool {
			return s.seq > 0 && !slices.ContainsFunc(pending, func(r wire.Request) bool { return r.Seq == s.seq })
		})
	}
	if i < 0 {
		return
	}
	t.giveBack(t.sent[i].typed)
	t.sent = slices.Delete(t.sent, i, i+1)
}

// giveBack puts what was typed where it can be mended: not under the fingers of
// somebody who types on.
func (t *talk) giveBack(typed string) {
	t.editor.keep(typed)
	t.flash = "↑ brings back what was not sent"
}

// oldest is the id of the oldest event that we have, or of the first that we will have.
func (t *talk) oldest() uint64 { return cmp.Or(t.transcript.firstID(), t.next) }

// askForOlder asks the host for so many messages before what we have. It reports whether
// there will be an answer.
func (t *talk) askForOlder(m *model, count int) bool {
	if t.asking > 0 {
		return true
	}
	oldest := t.oldest()
	if t.noOlder || t.foreign > 0 || t.lost != nil || oldest <= 1 {
		return false
	}
	if _, err := t.room.Do(m.ctx, wire.Request{Type: wire.TypeHistory, Before: oldest, Count: count}); err == nil {
		t.asking = oldest
	}
	return t.asking > 0
}

// older takes the host's answer to that.
func (t *talk) older(m *model, e *client.Received) {
	t.asking = 0
	var entries []entry
	for i := range e.Events {
		old := &e.Events[i]
		if n, ok := t.transcript.entryOf(old, old.Client == t.client, t.nick); ok && n.kind <= done {
			entries = append(entries, n)
		}
	}
	put := t.transcript.prepend(entries)
	t.noOlder = put == 0
	t.view.prepended(put)
	t.search.at += put
	t.search.fetched += put
	t.fetchHit(m)
}

// --- what we say -----------------------------------------------------------------

// enter carries out or says what was written.
func (t *talk) enter(m *model) tea.Cmd {
	text := t.editor.text
	if strings.TrimSpace(text) == "" {
		return nil
	}
	t.view.forgetUnread()
	name, rest, isCommand := parseTyped(text)
	if isCommand {
		run := screenCommands[name]
		if run == nil {
			run = hostCommandsHere[name]
		}
		if run != nil {
			t.editor.sent()
			return run(t, m, strings.TrimSpace(rest))
		}
		t.editor.sent()
		t.ask(m, text)
		t.view.toEnd()
		return nil
	}
	t.editor.sent()
	t.say(m, rest, text)
	t.view.toEnd()
	return nil
}

// say sends message to the room; typed is the input it was made from.
func (t *talk) say(m *model, message, typed string) {
	if message = text.CleanLines(message); message != "" {
		t.queue(m, wire.Request{Type: wire.TypeSay, Text: message}, entry{kind: said, text: message}, typed)
	}
}

// ask has the host carry out a command as it was typed.
func (t *talk) ask(m *model, typed string) {
	name, rest, _ := parseTyped(typed)
	rest = text.CleanLines(strings.TrimSpace(rest))
	to, message, _ := strings.Cut(rest, " ")
	switch message = strings.TrimSpace(message); {
	case name == "me" && rest != "":
		t.queue(m, wire.Request{Type: name, Text: rest}, entry{kind: done, text: rest}, typed)
	case name == "msg" && message != "":
		t.queue(m, wire.Request{Type: name, To: to, Text: message}, entry{kind: private, to: to, text: message}, typed)
	default:
		line := text.Clean(strings.ReplaceAll(typed, "\n", " "))
		t.queue(m, wire.Request{Type: "command", Text: line}, entry{kind: told}, typed)
	}
}

// queue sends r, as soon as the host keeps up.
func (t *talk) queue(m *model, r wire.Request, n entry, typed string) {
	if strings.Count(r.Text, "\n") >= wire.MessageLines {
		t.tell(m, complaint, fmt.Sprintf("a message has at most %d lines; it was not sent", wire.MessageLines))
		t.giveBack(typed)
		return
	}
	n.at, n.from, n.own = time.Now().UnixMilli(), t.nick, true
	n.text = text.CleanLines(n.text)
	t.unsent = append(t.unsent, r)
	t.sent = append(t.sent, sending{entry: n, typed: typed})
	t.send(m)
}

// send passes on what waits on this side.
func (t *talk) send(m *model) {
	for len(t.unsent) > 0 && t.room.Unacked() < maxUnacked {
		r := t.unsent[0]
		t.unsent = t.unsent[1:]
		i := slices.IndexFunc(t.sent, func(s sending) bool { return s.seq == 0 })
		seq, err := t.room.Do(m.ctx, r)
		switch {
		case err != nil:
			if m.ctx.Err() == nil {
				t.tell(m, complaint, err.Error()+"; it was not sent")
			}
			t.giveBack(t.sent[i].typed)
			t.sent = slices.Delete(t.sent, i, i+1)
		case seq == 0: // nothing comes back that tells it was taken
			t.sent = slices.Delete(t.sent, i, i+1)
		default:
			t.sent[i].seq = seq
		}
	}
}

// waiting is how many messages wait for the host; those that are on their way, over a
// connection that carries them, do not. Leaving would lose them.
func (t *talk) waiting() int {
	if t.lost == nil && len(t.unsent) == 0 && !t.isHeld() && !t.isLate() {
		return 0
	}
	return len(t.sent)
}

// isLate reports whether the host should have acknowledged a message by now.
func (t *talk) isLate() bool {
	return len(t.sent) > 0 && time.Since(t.sent[0].entry.time()) >= ackTime
}

// --- keys ------------------------------------------------------------------------

func (t *talk) key(m *model, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	if t.pasted != nil && t.decide(m, name) || t.overlay != nil && t.turn(m, name) {
		return nil
	}
	if t.recall.key(&t.editor, name, msg.Text) || t.search.words != "" && t.search.key(t, m, name) {
		return nil
	}
	if name != "tab" && name != "shift+tab" {
		t.completer.stop()
	}
	page := max(t.height(m)/2, 1)
	switch name {
	case "ctrl+c":
		return t.interrupt(m)
	case "esc":
		t.unqueue()
		return nil
	case "ctrl+d":
		if t.editor.text == "" {
			return t.interrupt(m)
		}
	case "enter":
		return t.enter(m)
	case "tab":
		t.completer.next(&t.editor, t.people.recent(t.nick), 1)
		return nil
	case "shift+tab":
		t.completer.next(&t.editor, t.people.recent(t.nick), -1)
		return nil
	case "pgup", "ctrl+up", "shift+up":
		return t.scroll(m, -page)
	case "pgdown", "ctrl+down", "shift+down":
		return t.scroll(m, page)
	case "home":
		t.view.toTop()
		t.askForOlder(m, olderAtOnce)
		return nil
	case "end":
		t.view.toEnd()
		return nil
	case "f1":
		return t.help(m)
	case "f2":
		t.people.shown = !t.people.shown
		return nil
	case "up":
		if !t.editor.vertical(-1, t.inputColumns(m)) {
			t.editor.recallBy(-1)
		}
		return nil
	case "down":
		if !t.editor.vertical(1, t.inputColumns(m)) {
			t.editor.recallBy(1)
		}
		return nil
	}
	if t.editor.key(name) {
		return nil
	}
	if msg.Text != "" && !t.editor.insert(msg.Text) {
		t.flash = fmt.Sprintf("a message has at most %d bytes", wire.MessageBytes)
	}
	return nil
}

func (t *talk) scroll(m *model, rows int) tea.Cmd {
	t.view.scroll(m.look(t.columns(m)), &t.transcript, t.height(m), rows)
	if t.view.atTop() {
		t.askForOlder(m, olderAtOnce)
	}
	return nil
}

// interrupt is Ctrl-C: it puts away what is written, and pressed twice leaves.
func (t *talk) interrupt(m *model) tea.Cmd {
	if t.editor.text != "" {
		t.editor.putAway()
		t.flash = "↑ brings it back"
		return nil
	}
	if t.unqueue() {
		return nil
	}
	if time.Since(t.leaving) < leaveWithin {
		return m.quit()
	}
	t.leaving = time.Now()
	switch n := t.waiting(); {
	case n > 0:
		t.flash = wire.Counted(n, "message is", "messages are") + " not delivered; Ctrl-C again leaves"
	case len(t.ferries) > 0:
		t.flash = wire.Counted(len(t.ferries), "file is", "files are") + " on the way; Ctrl-C again leaves"
	case t.host:
		t.flash = "Ctrl-C again closes the room for everybody"
	default:
		t.flash = "Ctrl-C again leaves"
	}
	return nil
}

// unqueue takes back what waits on this side. It reports whether there was something.
func (t *talk) unqueue() bool {
	n := len(t.unsent)
	if n == 0 {
		return false
	}
	t.unsent = nil
	t.sent = slices.DeleteFunc(t.sent, func(s sending) bool {
		if s.seq == 0 {
			t.editor.keep(s.typed)
		}
		return s.seq == 0
	})
	t.flash = wire.Counted(n, "message", "messages") + " taken back; ↑ brings them"
	return true
}

// paste puts a block into what is written; one that is more than a message takes
// is asked about.
func (t *talk) paste(m *model, block string) {
	t.completer.stop()
	t.recall = recollection{}
	block = text.CleanLines(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(block))
	if t.pasted != nil {
		t.flash = "one paste at a time: Enter or Esc first"
		return
	}
	if block == "" {
		return
	}
	whole := len(t.editor.text) + len(block)
	if whole <= wire.MessageBytes && strings.Count(t.editor.text+block, "\n") < wire.MessageLines {
		t.editor.insert(block)
		return
	}
	t.pasted, t.pastedRows = messagesOf(block), 1+strings.Count(block, "\n")
}

// messagesOf cuts a block into messages, between lines where that can be.
func messagesOf(block string) (messages []string) {
	const most = wire.MessageBytes
	var lines []string
	size := 0
	flush := func() {
		if text := strings.Trim(strings.Join(lines, "\n"), "\n"); text != "" {
			messages = append(messages, text)
		}
		lines, size = nil, 0
	}
	for line := range strings.SplitSeq(block, "\n") {
		for {
			part := line
			for len(part) > most {
				part = part[:most]
				for len(part) > 0 && !utf8.RuneStart(line[len(part)]) {
					part = part[:len(part)-1]
				}
			}
			if len(lines) >= wire.MessageLines || size+len(part) > most {
				flush()
			}
			lines = append(lines, part)
			size += len(part) + 1
			if line = line[len(part):]; line == "" {
				break
			}
		}
	}
	flush()
	return messages
}

// decide is the answer to what to do with a large paste. Other keys than Enter and
// Esc are for what is being written. It reports whether the key was an answer.
func (t *talk) decide(m *model, name string) bool {
	switch name {
	case "enter":
		for _, text := range t.pasted {
			t.say(m, text, text)
		}
		t.view.toEnd()
	case "esc", "ctrl+c":
		t.flash = "nothing was sent"
	default:
		return false
	}
	t.pasted = nil
	return true
}

// question is what is asked about a large paste.
func (t *talk) question() string {
	size := 0
	for _, text := range t.pasted {
		size += len(text)
	}
	return fmt.Sprintf("Esc drops the paste, Enter sends %d messages (%s, %d KiB)", len(t.pasted), wire.Counted(t.pastedRows, "line", "lines"), (size+1023)>>10)
}
