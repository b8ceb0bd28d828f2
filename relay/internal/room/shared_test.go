package room

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/replica"
	"chat/relay/journal/journaltest"
	"chat/relay/text"
	"chat/relay/wire"
)

// Whatever the members of several relays do at the same time, however slow each of them is, and whichever relays stop
// and start: all come to the same events and the same state, from the journal's start, from a snapshot and from a
// copy in a file; and each relay's members are those that the state has there.
func TestRelaysAgree(t *testing.T) {
	dir, runs := t.TempDir(), 0
	checkTimes(t, 300, 60, func(rt *rapid.T) {
		runs++
		rapid.SyncTest(rt, func(rt *rapid.T) {
			w := &cluster{T: rt, store: journaltest.New(), dir: filepath.Join(dir, fmt.Sprint(runs)), posted: make(map[string]string)}
			w.sealed = rapid.Bool().Draw(rt, "sealed")
			for range rapid.IntRange(1, 3).Draw(rt, "relays") {
				w.start()
			}
			defer func() {
				for _, s := range w.sites {
					s.stop()
				}
			}()
			rt.Repeat(w.actions())
			w.heal()
			w.check()
		})
	})
}

// A cluster is a shared room with its relays and clients. The goroutine of the test owns it.
type cluster struct {
	*rapid.T
	store   *journaltest.Store
	dir     string
	sites   []*site
	clients []*sharedClient
	posted  map[string]string // text of a message -> what became of it: "" if it has to be in the log
	files   int
	hellos  uint64 // so far
	sealed  bool
}

// A site is a relay of a cluster.
type site struct {
	room    *Room
	log     *history.Log
	file    *history.File
	journal *journaltest.Relay
	replica *replica.Replica
	cancel  context.CancelFunc
	done    sync.WaitGroup
	stopped bool
	first   uint64 // ID of the first event that it has
}

// Recovered implements replica.Owner.
func (*site) Recovered() {}

// Slow implements replica.Owner.
func (*site) Slow() {}

// Failing implements replica.Owner.
func (*site) Failing() {}

// Carried implements replica.Owner.
func (s *site) Carried(uint64) {}

// A sharedClient is a client of a cluster.
type sharedClient struct {
	name  string
	token string // "": a person, who has no token
	key   string // that it has in a sealed room; "": none
	seq   uint64
	at    *site // nil: it is away
	m     *Member
	peer  *testPeer
}

// start starts a relay: anew, from a snapshot of another one, or with a file.
func (w *cluster) start() *site {
	s := &site{journal: w.store.Relay(), first: 1}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	opts := Options{ID: "room", Secret: "secret", HostToken: "host-token", Sealed: w.sealed, FlushIn: func(d time.Duration) {
		time.AfterFunc(d, func() { s.room.Flush(time.Now()) })
	}, GiveNicksIn: func(d time.Duration) { time.AfterFunc(d, func() { s.room.GiveNicks(time.Now()) }) }}
	var data []byte
	var position uint64
	switch from := rapid.SampledFrom([]string{"anew", "snapshot", "file"}).Draw(w.T, "start from"); {
	case from == "file" && rapid.IntRange(0, 3).Draw(w.T, "with a file") == 0:
		w.files++
		w.startOn(s, opts, fmt.Sprintf("%s-%d", w.dir, w.files))
	case from == "snapshot" && len(w.sites) > 0:
		old := w.sites[0]
		old.room.mu.Lock()
		snapshot := &Snapshot{old.log.Next(), old.room.state.clone()}
		position = old.replica.Position()
		old.room.mu.Unlock()
		if isBusy := old.replica.Position() != position || snapshot.next != old.log.Next(); !isBusy {
			data = snapshot.Encode()
		} else {
			position = 0
		}
		fallthrough
	default:
		fold, next, err := ReadSnapshot(data)
		if err != nil {
			w.Fatal(err)
		}
		s.first = next
		s.replica = replica.New(s.journal, position, slog.New(slog.DiscardHandler))
		s.log = history.NewOrdered(history.Limits{}, func([]history.Waiter) {}, s.replica, next)
		s.room = NewShared(opts, s.log, s.replica, fold)
	}
	s.done.Go(func() {
		if err := s.replica.Run(ctx, s.room, s); err != nil {
			w.Errorf("run: %v", err)
		}
	})
	w.sites = append(w.sites, s)
	return s
}

// startOn opens a relay on a file.
func (w *cluster) startOn(s *site, opts Options, path string) {
	file, err := history.OpenFile(path, history.Keep{})
	if err == nil {
		err = file.Join("room", "secret")
	}
	if err != nil {
		w.Fatal(err)
	}
	position, err := file.Position()
	if err != nil {
		w.Fatal(err)
	}
	fold, err := NewSharedFold(file.Records)
	if err != nil {
		w.Fatal(err)
	}
	s.file = file
	s.replica = replica.New(s.journal, position, slog.New(slog.DiscardHandler))
	if s.log, err = history.NewOrderedOn(file, history.Limits{}, func([]history.Waiter) {}, s.replica, fold, slog.New(slog.DiscardHandler)); err != nil {
		w.Fatal(err)
	}
	s.room = NewShared(opts, s.log, s.replica, fold)
}

// stop ends a relay at once, as if it were killed. What is on its way may be lost.
func (s *site) stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	s.cancel()
	s.done.Wait()
	s.room.Close()
	if s.file != nil {
		s.log.Close()
		s.file.Close()
	}
}

func (w *cluster) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"come": func(t *rapid.T) {
			c := w.draw(t)
			w.come(c, w.drawSite(t))
		},
		"person": func(t *rapid.T) {
			w.come(&sharedClient{name: "person"}, w.drawSite(t))
		},
		"leave": func(t *rapid.T) {
			if c := w.drawPresent(t); c != nil {
				w.forgive(c)
				c.at.room.Leave(c.m, rapid.SampledFrom([]string{"", "bye"}).Draw(t, "parting"), time.Now())
				c.at = nil
			}
		},
		"drop": func(t *rapid.T) {
			if c := w.drawPresent(t); c != nil {
				w.forgive(c)
				c.at.room.Drop(c.m, time.Now())
				c.at = nil
			}
		},
		"post":       w.post,
		"post more":  w.post,
		"post again": func(t *rapid.T) { w.postAgain(t) },
		"rename": func(t *rapid.T) {
			if c := w.drawPresent(t); c != nil {
				c.at.room.Rename(c.m, rapid.SampledFrom([]string{"ada", "bob", "cid", "dan"}).Draw(t, "nick"), 0, time.Now())
			}
		},
		"private": func(t *rapid.T) {
			if c := w.drawPresent(t); c != nil {
				nick := rapid.SampledFrom([]string{"ada", "bob", "cid", "ada-2"}).Draw(t, "to")
				c.at.room.PostPrivate(c.m, &wire.Request{To: nick, Text: "psst"}, time.Now())
			}
		},
		"topic": func(t *rapid.T) {
			if c := w.drawPresent(t); c != nil {
				c.at.room.SetTopic(c.m, rapid.SampledFrom([]string{"tea", "soup", ""}).Draw(t, "topic"), 0, time.Now())
			}
		},
		"moderate": w.moderate,
		"slow": func(t *rapid.T) {
			w.drawSite(t).journal.SetLatency(rapid.SampledFrom([]time.Duration{0, time.Millisecond, 300 * time.Millisecond, 3 * time.Second}).Draw(t, "latency"))
		},
		"down":  func(t *rapid.T) { w.store.SetDown(rapid.Bool().Draw(t, "down")) },
		"start": func(*rapid.T) { w.startAnother() },
		"stop":  func(t *rapid.T) { w.stopOne(w.drawSite(t)) },
		"gone": func(t *rapid.T) { // whether it is right or not
			silent := w.drawSite(t).journal.Relay()
			w.sites[0].room.Gone(func(relay string) bool { return relay != silent }, time.Now())
		},
		"wait": func(t *rapid.T) {
			time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, 400 * time.Millisecond, 5 * time.Second, 3 * time.Minute}).Draw(t, "for"))
		},
	}
}

func (w *cluster) draw(t *rapid.T) *sharedClient {
	names := []string{"ada", "bob", "cid", "dan"}
	for len(w.clients) < len(names) {
		name := names[len(w.clients)]
		w.clients = append(w.clients, &sharedClient{name: name, token: name + "-token", key: map[string]string{"bob": "bob's", "cid": "cid's"}[name]})
	}
	return w.clients[rapid.IntRange(0, len(names)-1).Draw(t, "client")]
}

func (w *cluster) drawSite(t *rapid.T) *site {
	return w.sites[rapid.IntRange(0, len(w.sites)-1).Draw(t, "relay")]
}

// drawPresent returns a client that is in the room, or nil.
func (w *cluster) drawPresent(t *rapid.T) *sharedClient {
	present := slices.DeleteFunc(slices.Clone(w.clients), func(c *sharedClient) bool { return c.at == nil || c.isOver() })
	if len(present) == 0 {
		return nil
	}
	return present[rapid.IntRange(0, len(present)-1).Draw(t, "present client")]
}

// isOver reports whether the room has ended the client's connection.
func (c *sharedClient) isOver() bool {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	return c.peer.bye != nil
}

// come connects a client to a relay. Its connection to another one is not closed: the room has to end it.
func (w *cluster) come(c *sharedClient, s *site) {
	if c.at != nil {
		w.forgive(c)
	}
	peer := new(testPeer)
	m := &Member{Peer: peer, Program: c.token != "", Address: ""}
	if m.Level = access.Member; w.sealed && c.key != "" {
		m.Key = testKey(c.key)
	}
	if c.token == "" {
		w.clients = append(w.clients, c)
	}
	c.m, c.peer, c.at = m, peer, s
	token := c.token
	if c.name == "ada" {
		token = "host-token" // an operator
	}
	w.hellos++
	if _, err := s.room.Enter(m, &wire.Request{Nick: c.name, Token: token, Connection: w.hellos}, 1, time.Now()); err != nil {
		c.at = nil
		return
	}
	peer.mu.Lock()
	c.seq = max(c.seq, peer.welcome.Seq)
	peer.mu.Unlock()
}

// forgive notes that the messages of a client whose connection ends may be lost, unless they are in the log: a real
// client sends them again.
func (w *cluster) forgive(c *sharedClient) {
	all := strings.Join(c.at.events(), "")
	for text, fate := range w.posted {
		if fate == "" && strings.HasPrefix(text, c.name+"-") && !strings.Contains(all, `"`+text+`"`) {
			w.posted[text] = "perhaps lost"
		}
	}
}

func (w *cluster) post(t *rapid.T) {
	c := w.drawPresent(t)
	if c == nil {
		return
	}
	c.seq++
	text := fmt.Sprintf("%s-%d-%d", c.name, c.seq, len(w.posted))
	w.note(c, text, c.at.room.Post(c.m, wire.TypeMessage, c.seq, text, time.Now()))
}

// postAgain sends a message that the client has sent before again, as after a move.
func (w *cluster) postAgain(t *rapid.T) {
	if c := w.drawPresent(t); c != nil && c.seq > 0 {
		text := fmt.Sprintf("%s-%d-again-%d", c.name, c.seq, len(w.posted))
		c.at.room.Post(c.m, wire.TypeMessage, c.seq, text, time.Now())
	}
}

// note notes whether a message has to be in the log.
func (w *cluster) note(c *sharedClient, text string, err error) {
	if err != nil {
		w.posted[text] = err.Error()
	} else {
		w.posted[text] = ""
	}
}

func (w *cluster) moderate(t *rapid.T) {
	host := w.clients
	if len(host) == 0 || host[0].at == nil || host[0].isOver() {
		return
	}
	r, m, now := host[0].at.room, host[0].m, time.Now()
	nick := rapid.SampledFrom([]string{"bob", "cid", "dan"}).Draw(t, "target")
	switch rapid.SampledFrom([]string{"kick", "ban", "unban", "mute", "unmute", "op", "deop"}).Draw(t, "act") {
	case "kick":
		r.Kick(m, nick, "loud", now)
	case "ban":
		r.Ban(m, nick, "", now)
	case "unban":
		r.Unban(m, nick, now)
	case "mute":
		r.Mute(m, nick, "", now)
	case "unmute":
		r.Unmute(m, nick, now)
	case "op":
		r.Op(m, nick, "", now)
	case "deop":
		r.Deop(m, nick, "", now)
	}
}

func (w *cluster) startAnother() {
	if len(w.sites) < 4 {
		w.start()
	}
}

// stopOne kills a relay, unless it is the last one. Its clients are away, and what they sent last may be lost.
func (w *cluster) stopOne(s *site) {
	if len(w.sites) == 1 {
		return
	}
	s.stop()
	w.sites = slices.DeleteFunc(w.sites, func(other *site) bool { return other == s })
	for _, c := range w.clients {
		if c.at == s {
			c.at = nil
		}
	}
	for text := range w.posted {
		if w.posted[text] == "" {
			w.posted[text] = "perhaps lost"
		}
	}
}

// heal ends all faults and waits until all is carried out.
func (w *cluster) heal() {
	w.store.SetDown(false)
	for _, s := range w.sites {
		s.journal.SetLatency(0)
	}
	for range 2 {
		time.Sleep(time.Minute)
		w.sites[0].room.Gone(func(relay string) bool {
			return slices.ContainsFunc(w.sites, func(s *site) bool { return s.journal.Relay() == relay })
		}, time.Now())
	}
	time.Sleep(5 * time.Minute)
}

func (w *cluster) check() {
	anew := w.start()
	time.Sleep(time.Second)
	want, events := string((&Snapshot{anew.log.Next(), anew.room.state}).Encode()), anew.events()
	if anew.first > 1 {
		events = nil
	}
	for i, s := range w.sites {
		if got := string((&Snapshot{s.log.Next(), s.room.state}).Encode()); got != want {
			w.Fatalf("relay %d of %d has the state\n%s\none that is started now has\n%s", i, len(w.sites), got, want)
		}
		fold, next, err := ReadSnapshot([]byte(want))
		if err != nil || string((&Snapshot{next, fold.state}).Encode()) != want {
			w.Fatalf("the snapshot is not read as it was written (%v):\n%s", err, want)
		}
		if got := s.events(); events != nil && !slices.Equal(got, since(events, s.first)) {
			w.Fatalf("relay %d has the events\n%s\none that is started now has\n%s", i, strings.Join(got, ""), strings.Join(events, ""))
		}
		w.checkMembers(s)
		w.checkFile(s, want)
	}
	w.checkMessages(events)
	w.checkConnections()
}

// checkConnections checks that no client lost its newest connection to an older one.
func (w *cluster) checkConnections() {
	for _, c := range w.clients {
		if c.token == "" || c.peer == nil {
			continue
		}
		c.peer.mu.Lock()
		bye := c.peer.bye
		c.peer.mu.Unlock()
		if bye != nil && bye.Code == wire.CodeReplaced {
			w.Fatalf("the newest connection of %s ended: %s\n%s", c.name, bye.Text, w.journal())
		}
	}
}

// events returns the lines of all events that a relay has.
func (s *site) events() []string {
	cursor := s.log.Cursor(s.first, 0, history.View{Format: history.JSON, Echo: true})
	var lines []string
	for {
		runs, _, _ := cursor.Next(nil)
		if len(runs) == 0 {
			return lines
		}
		for _, run := range runs {
			lines = append(lines, strings.SplitAfter(strings.TrimSuffix(string(run), "\n"), "\n")...)
		}
	}
}

// since returns the events from an ID on.
func since(events []string, first uint64) []string {
	return slices.DeleteFunc(slices.Clone(events), func(line string) bool {
		e, err := wire.ParseEvent([]byte(line))
		return err != nil || e.ID < first
	})
}

// checkMembers checks that the members of a relay are the clients that the state has there, with the same nicks.
func (w *cluster) checkMembers(s *site) {
	inState, inRoom := make(map[history.Author]string), make(map[history.Author]string)
	for _, c := range s.room.state.shared.of(s.journal.Relay()) {
		inState[c.Author] = c.Nick
	}
	for _, m := range s.room.members {
		inRoom[m.identity.author] = m.nick
	}
	if !maps.Equal(inState, inRoom) {
		w.Fatalf("the members of relay %s are %v, and those in the state are %v\n%s", s.journal.Relay(), inRoom, inState, w.journal())
	}
	nicks := make(map[string]bool)
	for _, c := range s.room.state.shared.present {
		if owner := s.room.state.owners.ownerOf(text.NickKeys(c.Nick)); owner != "" && owner != c.Fingerprint {
			w.checkOwned(s, c, owner)
		}
		if nicks[c.Nick] {
			w.Fatalf("two clients are called %s", c.Nick)
		}
		nicks[c.Nick] = true
	}
}

// checkOwned checks that a client whose nick belongs to another key keeps it only until the owner asks for it.
func (w *cluster) checkOwned(s *site, holder *Client, owner string) {
	for _, c := range s.room.state.shared.present {
		if c.Fingerprint == owner && c.Wanted == holder.Nick && holder.Fingerprint == "" && !holder.Operator {
			w.Fatalf("%s has the nick %s, which belongs to the key of %s\n%s", holder.ID, holder.Nick, c.Nick, w.journal())
		}
	}
}

// journal returns what is in the journal, in words.
func (w *cluster) journal() string {
	var b strings.Builder
	for _, record := range w.store.Records() {
		requests, _, err := replica.ParseRecord(record.Data)
		if err != nil {
			w.Fatal(err)
		}
		for _, data := range requests {
			req := new(carrying)
			if err := req.decode(data); err != nil {
				w.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s: op %d", record.Time.Format("04:05.000"), record.Relay, req.op)
			if req.by != nil {
				fmt.Fprintf(&b, " by %d %s", req.by.author, req.by.nick)
			}
			fmt.Fprintf(&b, " %s %q %s %s %d\n", req.presence, req.text, req.wanted, req.name, req.seq)
		}
	}
	return b.String()
}

// checkFile checks that the copy of a relay is in the same state.
func (w *cluster) checkFile(s *site, want string) {
	if s.file == nil {
		return
	}
	if err := s.log.Close(); err != nil {
		w.Fatal(err)
	}
	fold, err := NewSharedFold(s.file.Records)
	if err != nil {
		w.Fatal(err)
	}
	if got := string((&Snapshot{s.log.Next(), fold.state}).Encode()); got != want {
		w.Fatalf("the copy has the state\n%s\nwant\n%s", got, want)
	}
}

// checkMessages checks that each numbered message is in the log once, and that those are that have to be.
func (w *cluster) checkMessages(events []string) {
	if events == nil {
		return
	}
	seen, texts := make(map[string]bool), make(map[string]bool)
	for _, line := range events {
		e, err := wire.ParseEvent([]byte(line))
		if err != nil {
			w.Fatal(err)
		}
		if e.Type != wire.TypeMessage {
			continue
		}
		key := fmt.Sprint(e.Client, " ", e.Seq)
		if seen[key] {
			w.Fatalf("message %s is in the log twice", key)
		}
		seen[key], texts[e.Text] = true, true
	}
	for text, fate := range w.posted {
		if fate == "" && !texts[text] && !w.wasRejected(text) {
			w.Fatalf("%s is not in the log, and no one was told", text)
		}
	}
}

// wasRejected reports whether the sender of a message was told that it was rejected, or that it is not in the room any
// more.
func (w *cluster) wasRejected(text string) bool {
	name, rest, _ := strings.Cut(text, "-")
	var seq uint64
	fmt.Sscanf(rest, "%d", &seq)
	return slices.ContainsFunc(w.clients, func(c *sharedClient) bool {
		if c.name != name || c.peer == nil {
			return false
		}
		if c.isOver() {
			return true
		}
		c.peer.mu.Lock()
		defer c.peer.mu.Unlock()
		return slices.ContainsFunc(c.peer.delivered, func(e wire.Event) bool { return e.Type == wire.TypeError && e.Seq == seq })
	})
}
