package room

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// Whatever members and operators request, and whatever happens to their connections, the
// disk and the host: the state on which the room decides is the fold of its log, from its
// start and from the records in the file.
func TestStateIsFoldOfLog(t *testing.T) {
	dir, runs := t.TempDir(), 0
	checkTimes(t, 200, 50, func(rt *rapid.T) {
		runs++
		parent := filepath.Join(dir, fmt.Sprint(runs))
		if err := os.Mkdir(parent, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(parent)
		rapid.SyncTest(rt, func(rt *rapid.T) {
			w := &world{path: filepath.Join(parent, "room.chat"), maxAway: rapid.SampledFrom([]int{2, 3, maxAway}).Draw(rt, "max away")}
			w.maxOwned = rapid.SampledFrom([]int{1, 2, maxOwnedByKey}).Draw(rt, "max owned")
			if err := w.open(); err != nil {
				rt.Fatal(err)
			}
			defer func() {
				w.disk.broken.Store(false)
				if err := w.close(); err != nil {
					rt.Error(err)
				}
				if w.maxAway == maxAway && w.maxOwned == maxOwnedByKey { // as in every other room
					checkFile(rt, w.path)
				}
			}()
			rt.Repeat(w.actions())
			w.repair()
			if err := w.check(); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// checkFile fails if chat history check would find a problem in a file.
func checkFile(rt *rapid.T, path string) {
	newFold := func(records func(load func(string, []byte) error) error) (history.Fold, error) {
		return NewFold(records)
	}
	r, err := history.Check(context.Background(), path, newFold, func(problem string) { rt.Error(problem) }, nil)
	if err != nil || !r.Replayed {
		rt.Errorf("%+v, %v", r, err)
	}
}

// checkTimes checks prop with this many schedules of about so many steps, unless flags say
// otherwise.
func checkTimes(t *testing.T, times, steps int, prop func(*rapid.T)) {
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, n := range map[string]int{"rapid.checks": times / slowdown, "rapid.steps": steps} {
		if f := flag.Lookup(name); !given[name] {
			before := f.Value.String()
			f.Value.Set(strconv.Itoa(n))
			defer f.Value.Set(before)
		}
	}
	rapid.Check(t, prop)
}

var (
	someTokens    = rapid.SampledFrom([]string{"", "token-of-alice", "token-of-bob", "token-of-carol", operatorToken})
	someNicks     = rapid.SampledFrom([]string{"", "alice", "Alice", "bob", "bo\u200bb", "b\u0007b", "a b", "Zoë", "guest-1", "алиса", longNick})
	someAddresses = rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2", "fd00::1"})
	someTexts     = rapid.SampledFrom([]string{"", "soup", "soup \"and\"\tbread 🍲", "two\nlines", "007"})
	someTopics    = rapid.SampledFrom([]string{"", "soup", "soup \"and\" bread 🍲", "007", "1e3"})
)

// longNick is longer than a nick may be, in bytes and in the middle of a letter.
var longNick = "x" + strings.Repeat("é", 200)

// actions are what can happen to a world.
func (w *world) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"": func(t *rapid.T) { // after each action
			if rapid.IntRange(0, 3).Draw(t, "quiet") == 0 {
				w.mustCheck(t)
			}
		},
		"enter": w.enter,
		"leave": w.withMember(func(t *rapid.T, m *Member) { w.room.Leave(m, someTexts.Draw(t, "text"), time.Now()) }),
		"drop":  w.withMember(func(_ *rapid.T, m *Member) { w.room.Drop(m, time.Now()) }),
		"post":  w.withMember(w.post),
		"again": w.withMember(w.post),
		"tell":  w.withMember(w.sendPrivate),
		"topic": w.withMember(func(t *rapid.T, m *Member) {
			w.accept(t, w.room.SetTopic(m, someTopics.Draw(t, "topic"), w.number(t, m), time.Now()))
		}),
		"rename": w.withMember(func(t *rapid.T, m *Member) {
			_, err := w.room.Rename(m, someNicks.Draw(t, "nick"), w.number(t, m), time.Now())
			w.accept(t, err)
		}),
		"announce": w.withMember(func(t *rapid.T, m *Member) {
			err := rapid.SampledFrom([]error{nil, os.ErrNotExist, errors.New("no space")}).Draw(t, "upload")
			find := func() (wire.File, error) {
				return wire.File{Number: 1, Name: "soup.png", Path: "/files/1/soup.png"}, err
			}
			w.accept(t, w.room.Announce(m, &wire.Request{Seq: w.number(t, m)}, find, time.Now()))
		}),
	}
	for name, do := range w.moderation() {
		actions[name] = do
	}
	for name, do := range w.accidents() {
		actions[name] = do
	}
	return actions
}

// moderation are the actions of operators, and of others who want to be.
func (w *world) moderation() map[string]func(*rapid.T) {
	with := func(do func(m *Member, name string) (string, error)) func(*rapid.T) {
		return w.withMember(func(t *rapid.T, m *Member) {
			for _, other := range w.members {
				if w.room.IsOperator(other) && rapid.IntRange(0, 3).Draw(t, "not by an operator") > 0 {
					m = other
				}
			}
			_, err := do(m, w.name(t))
			w.accept(t, err)
		})
	}
	return map[string]func(*rapid.T){
		"kick":    with(func(m *Member, name string) (string, error) { return w.room.Kick(m, name, "soup", time.Now()) }),
		"ban":     with(func(m *Member, name string) (string, error) { return w.room.Ban(m, name, "", time.Now()) }),
		"unban":   with(func(m *Member, name string) (string, error) { return w.room.Unban(m, name, time.Now()) }),
		"mute":    with(func(m *Member, name string) (string, error) { return w.room.Mute(m, name, "bread", time.Now()) }),
		"unmute":  with(func(m *Member, name string) (string, error) { return w.room.Unmute(m, name, time.Now()) }),
		"op":      with(func(m *Member, name string) (string, error) { return w.room.Op(m, name, "", time.Now()) }),
		"deop":    with(func(m *Member, name string) (string, error) { return w.room.Deop(m, name, "", time.Now()) }),
		"admin":   w.administer,
		"release": with(func(m *Member, name string) (string, error) { return w.room.Release(m, name, time.Now()) }),
		"operator": func(t *rapid.T) {
			w.admit(t, &wire.Request{Nick: "op", Token: operatorToken}, "")
		},
	}
}

// administer moderates without a member.
func (w *world) administer(t *rapid.T) {
	by, name, reason := w.room.Admin(), w.name(t), rapid.SampledFrom([]string{"", "because"}).Draw(t, "reason")
	_, err := rapid.SampledFrom([]func() (string, error){
		func() (string, error) { return w.room.Op(by, name, reason, time.Now()) },
		func() (string, error) { return w.room.Deop(by, name, reason, time.Now()) },
		func() (string, error) { return w.room.Unban(by, name, time.Now()) },
		func() (string, error) { return w.room.Unmute(by, name, time.Now()) },
	}).Draw(t, "act")()
	w.accept(t, err)
	w.accept(t, w.room.Record(w.room.Admin(), "limits", "changed a limit", time.Now()))
}

// name draws the nick of a present or past member, or any nick or address.
func (w *world) name(t *rapid.T) string {
	if len(w.members) > 0 && rapid.Bool().Draw(t, "known") {
		return rapid.SampledFrom(w.members).Draw(t, "whom").nick
	}
	return rapid.OneOf(someNicks, someAddresses).Draw(t, "name")
}

// accidents are what happens to the disk, the clock and the host.
func (w *world) accidents() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"wait": func(t *rapid.T) {
			w.wait(rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, 400 * time.Millisecond, time.Minute, nickReserved}).Draw(t, "for"))
			w.mustCheck(t)
		},
		"break disk": func(*rapid.T) { w.disk.broken.Store(true) },
		"repair disk": func(t *rapid.T) {
			w.repair()
			w.mustCheck(t)
		},
		"restart": func(t *rapid.T) {
			w.repair()
			w.must(t, w.close())
			w.must(t, w.open())
			w.mustCheck(t)
		},
		"crash": func(t *rapid.T) {
			w.must(t, w.crash())
			w.mustCheck(t)
		},
	}
}

func (w *world) must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) mustCheck(t *rapid.T) { w.must(t, w.check()) }

// accept fails the test for an error that is no fault.
func (w *world) accept(t *rapid.T, err error) {
	if _, isFault := errors.AsType[*wire.Fault](err); err != nil && !isFault && err != ErrPending {
		t.Fatalf("got the error %v, want a fault", err)
	}
}

// withMember returns an action of a member, who may have left.
func (w *world) withMember(do func(*rapid.T, *Member)) func(*rapid.T) {
	return func(t *rapid.T) {
		if len(w.members) == 0 {
			t.Skip("no member")
		}
		do(t, rapid.SampledFrom(w.members).Draw(t, "member"))
	}
}

func (w *world) enter(t *rapid.T) {
	w.admit(t, &wire.Request{Nick: someNicks.Draw(t, "nick"), Token: someTokens.Draw(t, "token")}, someAddresses.Draw(t, "address"))
}

func (w *world) admit(t *rapid.T, req *wire.Request, address string) {
	m := &Member{Peer: new(testPeer), Address: address}
	m.Program = req.Token != "" || rapid.Bool().Draw(t, "program")
	m.Key = rapid.SampledFrom([]*access.Key{nil, testKey("a"), testKey("b"), testKey("c")}).Draw(t, "key")
	m.Level = rapid.SampledFrom([]access.Level{access.Listen, access.Member, access.Member}).Draw(t, "level")
	m.Visit = m.Program && rapid.IntRange(0, 2).Draw(t, "visit") == 0
	wait, err := w.room.TakeOver(m, req)
	w.accept(t, err)
	if err != nil || wait != nil {
		return
	}
	_, err = w.room.Enter(m, req, 0, time.Now())
	w.accept(t, err)
	w.members = append(w.members, m)
}

// number draws the number of a message: none, the next, one of before, or one further on.
func (w *world) number(t *rapid.T, m *Member) uint64 {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	if m.identity == nil || !m.Program || rapid.IntRange(0, 3).Draw(t, "numbered") == 0 {
		return 0
	}
	var last uint64
	if c := w.room.state.clients[m.identity.author]; c != nil {
		last = c.Seq
	}
	return uint64(max(1, int(last)+rapid.IntRange(-2, 3).Draw(t, "number")))
}

func (w *world) post(t *rapid.T, m *Member) {
	kind := rapid.SampledFrom([]string{wire.TypeMessage, wire.TypeAction}).Draw(t, "kind")
	w.accept(t, w.room.Post(m, kind, w.number(t, m), someTexts.Draw(t, "text"), time.Now()))
}

func (w *world) sendPrivate(t *rapid.T, m *Member) {
	_, err := w.room.PostPrivate(m, &wire.Request{To: w.name(t), Text: "psst", Seq: w.number(t, m)}, time.Now())
	w.accept(t, err)
}
