package room

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/sshkey"
	"chat/relay/text"
	"chat/relay/wire"
)

// testKey returns the key that a name stands for.
func testKey(name string) *access.Key {
	sum := sha256.Sum256([]byte(name))
	fingerprint := "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
	return &access.Key{Fingerprint: fingerprint, Tag: sshkey.Tag(fingerprint)}
}

// own is the hidden event by which a nick belongs to a key.
func own(nick, key string, at time.Time) *hidden {
	return &hidden{Type: hiddenOwn, At: millisOf(at), Nick: nick, Fingerprint: testKey(key).Fingerprint}
}

// A sealedRoom is a room whose members have keys, with a clock of its own.
type sealedRoom struct {
	*testing.T
	*Room
	now time.Time
}

func newSealedRoom(t *testing.T) *sealedRoom {
	opts := Options{ID: "room", Sealed: true, HostToken: operatorToken, FlushIn: func(time.Duration) {}}
	return &sealedRoom{t, New(opts, history.New(history.Limits{}, func([]history.Waiter) {})), noon}
}

// join lets a member in, with a key unless it is "", and lets its join be announced.
func (r *sealedRoom) join(nick, token, key string) (*Member, *testPeer) {
	r.Helper()
	p := new(testPeer)
	m := &Member{Peer: p, Program: true, Level: access.Member}
	if key != "" {
		m.Key = testKey(key)
	}
	if _, err := r.Enter(m, &wire.Request{Nick: nick, Token: token}, 1, r.now); err != nil {
		r.Fatalf("%s is kept out: %v", nick, err)
	}
	r.now = r.now.Add(time.Second)
	r.Flush(r.now)
	return m, p
}

// mustBe fails the test unless members have these nicks.
func (r *sealedRoom) mustBe(nicks map[*Member]string) {
	r.Helper()
	for m, want := range nicks {
		if m.nick != want {
			r.Errorf("a member is %s, want %s", m.nick, want)
		}
	}
}

// notices returns all that a peer was notified of.
func (p *testPeer) notices() string {
	var words []string
	for _, e := range p.delivered {
		if e.Type == wire.TypeNotice {
			words = append(words, e.Text)
		}
	}
	return strings.Join(words, "\n")
}

// A nick belongs to the key that took it, while its owner is away, too. With its key, the owner gets it
// back as another client.
func TestNickBelongsToKey(t *testing.T) {
	r := newSealedRoom(t)
	alice, _ := r.join("alice", "a-token-1", "a")
	r.Leave(alice, "", r.now)
	r.now = r.now.Add(24 * time.Hour)
	for i, key := range []string{"", "b"} {
		mallory, p := r.join("ALICE", fmt.Sprint("token-of-mallory-", i), key)
		r.mustBe(map[*Member]string{mallory: "ALICE-2"})
		why := fmt.Sprintf("ALICE belongs to another key (%s); an operator can /release it", testKey("a").Tag)
		if got := p.notices(); !strings.HasPrefix(got, why) {
			t.Errorf("with the key %q: %q, want %q", key, got, why)
		}
		if nick, err := r.Rename(mallory, "a1ice", 0, r.now); err != nil || nick == "a1ice" {
			t.Errorf("with the key %q, a look-alike is %s, %v", key, nick, err)
		}
		r.Leave(mallory, "", r.now)
	}
	again, _ := r.join("alice", "a-token-2", "a")
	other, _ := r.join("alice", "a-token-3", "a") // on another machine
	r.mustBe(map[*Member]string{again: "alice", other: "alice-2"})
	if n := r.state.owners.named("alice-2"); n != nil {
		t.Errorf("a nick that the room chose belongs to %s", n.Key)
	}
}

// Neither a guest, nor a member without a key, nor one that only listens gets a nick for good, and in a
// plain room no one does.
func TestWhoOwnsNoNick(t *testing.T) {
	r := newSealedRoom(t)
	r.join("", "a-token-1", "a")
	r.join("bob", "a-token-2", "")
	listener := &Member{Peer: new(testPeer), Program: true, Level: access.Listen, Key: testKey("c")}
	if _, err := r.Enter(listener, &wire.Request{Nick: "carol"}, 1, r.now); err != nil {
		t.Fatal(err)
	}
	if len(r.state.owners.nicks) > 0 {
		t.Errorf("%v belong to keys", r.state.owners.nicks)
	}
	dave, _ := r.join("dave", "a-token-3", "d")
	if _, err := r.Rename(dave, "david", 0, r.now); err != nil || len(r.state.owners.nicks) != 2 {
		t.Errorf("dave has %d nicks, %v", len(r.state.owners.nicks), err)
	}
	r.opts.Sealed = false
	if eve, _ := r.join("dave", "a-token-4", ""); eve.nick != "dave" {
		t.Errorf("in a plain room dave's nick is taken: %s", eve.nick)
	}
}

// The owner of a nick takes it from a member without a key, and not from one with a key, nor
// from the host's own member. That one does not get a nick that belongs to a key.
func TestOwnerGetsNickBack(t *testing.T) {
	r := newSealedRoom(t)
	bob, p := r.join("bob", "a-token-1", "")
	carol, _ := r.join("carol", "a-token-2", "c2")
	host, _ := r.join("hugo", operatorToken, "")
	r.state.apply(nil, own("bob", "b", r.now), history.Origin{})
	r.state.apply(nil, own("carol", "c", r.now), history.Origin{})
	r.state.apply(nil, own("hugo", "h", r.now), history.Origin{})
	owner, _ := r.join("bob", "a-token-3", "b")
	r.mustBe(map[*Member]string{owner: "bob", bob: "bob-2"})
	if got := p.notices(); got != "bob belongs to the key of another member; you are now bob-2" {
		t.Errorf("bob gets %q", got)
	}
	second, _ := r.join("carol", "a-token-4", "c")
	third, _ := r.join("hugo", "a-token-5", "h")
	r.mustBe(map[*Member]string{carol: "carol", second: "carol-2", host: "hugo", third: "hugo-2"})
	r.Leave(owner, "", r.now)
	r.Leave(host, "", r.now)
	if host, _ = r.join("bob", operatorToken, ""); host.nick != "bob-3" {
		t.Errorf("the host is %s", host.nick)
	}
}

// An owner that changes its nick gets its own from a member without a key, who has another one before
// the others learn of that.
func TestOwnerRenames(t *testing.T) {
	r := newSealedRoom(t)
	alice, _ := r.join("alice", "a-token-1", "")
	owner, _ := r.join("ally", "a-token-2", "a")
	r.state.apply(nil, own("alice", "a", r.now), history.Origin{})
	if nick, err := r.Rename(owner, "alice", 0, r.now); nick != "alice" || err != nil {
		t.Fatalf("Rename: %s, %v", nick, err)
	}
	r.mustBe(map[*Member]string{alice: "alice-2"})
	var renames []string
	cursor := r.log.Cursor(1, 1, history.View{Format: history.Text, Echo: true})
	for runs, _, _ := cursor.Next(nil); len(runs) > 0; runs, _, _ = cursor.Next(nil) {
		for line := range strings.Lines(string(slices.Concat(runs...))) {
			if strings.Contains(line, "is now") {
				renames = append(renames, strings.TrimSpace(line))
			}
		}
	}
	if want := []string{"* alice is now alice-2", "* ally is now alice"}; !slices.Equal(renames, want) {
		t.Errorf("the others see %q, want %q", renames, want)
	}
}

// An operator releases a nick: everyone gets a notice, and who waits for the nick gets it.
func TestRelease(t *testing.T) {
	r := newSealedRoom(t)
	op, _ := r.join("op", operatorToken, "")
	alice, _ := r.join("alice", "a-token-1", "lost")
	bob, _ := r.join("bob", "a-token-2", "")
	r.Leave(alice, "", r.now)
	newAlice, _ := r.join("alice", "a-token-3", "new")
	r.mustBe(map[*Member]string{newAlice: "alice-2"})
	if _, err := r.Release(bob, "alice", r.now); err == nil {
		t.Error("a plain member releases a nick")
	}
	if _, err := r.Release(op, "nobody", r.now); err == nil || err.Error() != "nobody belongs to no key" {
		t.Errorf("a nick without an owner: %v", err)
	}
	if _, err := r.Release(op, "\x1b[31m", r.now); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("a nick of control characters: %v", err)
	}
	if _, err := r.Release(op, strings.Repeat("x", text.MaxNickBytes+1), r.now); err == nil || strings.Contains(err.Error(), "belongs") {
		t.Errorf("a nick that is too long: %v", err)
	}
	want := "alice no longer belongs to the key " + testKey("lost").Tag
	if notice, err := r.Release(op, "Alice", r.now); notice != want || err != nil {
		t.Errorf("Release: %q, %v; want %q", notice, err, want)
	}
	r.mustBe(map[*Member]string{newAlice: "alice"})
	if n := r.state.owners.named("alice"); n == nil || n.Key != testKey("new").Fingerprint {
		t.Errorf("alice belongs to %+v", n)
	}
	if got := r.acts(); !slices.Equal(got, []string{"op released a nick: " + want}) {
		t.Errorf("the log has %q", got)
	}
}

// Of too many nicks the ones used longest ago belong to no one.
func TestOwnedNicksAreBounded(t *testing.T) {
	s := NewState()
	s.owners.max, s.owners.maxByKey = 4, 2
	for i, o := range []struct{ nick, key string }{{"a1", "a"}, {"a2", "a"}, {"a1", "a"}, {"a3", "a"}, {"b1", "b"}, {"c1", "c"}, {"d1", "d"}} {
		s.apply(nil, own(o.nick, o.key, noon.Add(time.Duration(i)*time.Hour)), history.Origin{})
		if o.nick == "a3" && s.owners.named("a2") != nil {
			t.Error("the nick of a that was used longest ago still belongs to it")
		}
	}
	if got := slices.Sorted(maps.Keys(s.owners.nicks)); !slices.Equal(got, []string{"a3", "b1", "c1", "d1"}) {
		t.Errorf("%q belong to keys", got)
	}
	s.apply(nil, own("e1", "e", noon), history.Origin{}) // the clock was set back
	if got := slices.Sorted(maps.Keys(s.owners.nicks)); !slices.Equal(got, []string{"b1", "c1", "d1", "e1"}) {
		t.Errorf("after the clock was set back, %q belong to keys", got)
	}
}

// The room notes, once a day, that an owner uses its nick, and how it writes it.
func TestUseOfOwnedNicks(t *testing.T) {
	r := newSealedRoom(t)
	began := r.now
	for _, test := range []struct {
		after time.Duration
		nick  string
		noted time.Duration
	}{{0, "alice", 0}, {time.Hour, "alice", 0}, {2 * time.Hour, "Alice", 2 * time.Hour}, {27 * time.Hour, "Alice", 27 * time.Hour}} {
		r.now = began.Add(test.after)
		alice, _ := r.join(test.nick, "a-token-1", "a")
		r.Leave(alice, "", r.now)
		if n := r.state.owners.named("alice"); n == nil || n.Nick != test.nick || n.At.Sub(began.Add(test.noted)).Abs() >= time.Millisecond {
			t.Errorf("after %v: %+v", test.after, n)
		}
	}
}

// Of two nicks that look alike, which two relays of the room gave to two keys at once, the second one stays when the first is released.
func TestOwnersOfLookAlikes(t *testing.T) {
	s := NewState()
	s.apply(nil, own("alice", "a", noon), history.Origin{})
	s.apply(nil, own("a1ice", "b", noon), history.Origin{})
	s.owners.remove("alice", nil)
	if got := s.owners.ownerOf(text.NickKeys("alice")); got != testKey("b").Fingerprint {
		t.Errorf("they belong to %q, want %q", got, testKey("b").Fingerprint)
	}
	s.apply(nil, own("alice", "b", noon), history.Origin{}) // both to one key
	s.owners.remove("alice", nil)
	if got := s.owners.ownerOf(text.NickKeys("alice")); got != testKey("b").Fingerprint {
		t.Errorf("with both of one key, they belong to %q, want %q", got, testKey("b").Fingerprint)
	}
}

// Those who may send have a place of their own in the room: strangers, and those who may only read, do not keep them out.
func TestStandingInASealedRoom(t *testing.T) {
	r := newSealedRoom(t)
	for level := access.None; level <= access.Operator; level++ {
		if got, want := r.Standing(&Member{Level: level}, "a-token-1"), (Standing{Known: level >= access.Member}); got != want {
			t.Errorf("%v: %+v, want %+v", level, got, want)
		}
	}
}

// An operator made by another one is none while it may only read: it could replace the invite, and so let itself in.
func TestOperatorByALinkToRead(t *testing.T) {
	r := newSealedRoom(t)
	op, _ := r.join("op", operatorToken, "")
	alice, _ := r.join("alice", "a-token-1", "")
	if _, err := r.Op(op, "alice", "", r.now); err != nil || !r.IsOperator(alice) {
		t.Fatal(err)
	}
	r.Leave(alice, "", r.now)
	for level, want := range map[access.Level]bool{access.Listen: false, access.Member: true} {
		again := &Member{Peer: new(testPeer), Program: true, Level: level}
		if _, err := r.Enter(again, &wire.Request{Nick: "alice", Token: "a-token-1"}, 1, r.now); err != nil || r.IsOperator(again) != want {
			t.Errorf("%v: an operator: %v, %v", level, r.IsOperator(again), err)
		}
		r.Leave(again, "", r.now)
	}
}

// One address with many keys does not make the room forget the owners of other nicks.
func TestOwnersAreNotPushedOut(t *testing.T) {
	r := newSealedRoom(t)
	r.state.owners.max = ownQuota.Burst + 2
	r.join("alice", "a-token-1", "a")
	for n := range 2 * ownQuota.Burst {
		m := &Member{Peer: new(testPeer), Program: true, Level: access.Member, Key: testKey(fmt.Sprint(n)), Address: "10.0.0.1"}
		if _, err := r.Enter(m, &wire.Request{Nick: fmt.Sprint("m", n)}, 1, r.now); err != nil {
			t.Fatal(err)
		}
		r.Leave(m, "", r.now)
	}
	for range 2 * ownQuota.Burst { // coming back makes no new owner
		m := &Member{Peer: new(testPeer), Program: true, Level: access.Member, Key: testKey("bob"), Address: "10.0.0.2"}
		if _, err := r.Enter(m, &wire.Request{Nick: "bob"}, 1, r.now); err != nil {
			t.Fatal(err)
		}
		r.Leave(m, "", r.now)
	}
	r.state.owners.max++
	carol := &Member{Peer: new(testPeer), Program: true, Level: access.Member, Key: testKey("c"), Address: "10.0.0.2"}
	if _, err := r.Enter(carol, &wire.Request{Nick: "carol"}, 1, r.now); err != nil || r.state.owners.named("carol") == nil {
		t.Errorf("carol's nick does not belong to her key, %v", err)
	}
	if r.state.owners.named("alice") == nil || len(r.state.owners.nicks) != ownQuota.Burst+3 {
		t.Errorf("%d nicks belong to keys, alice's: %v", len(r.state.owners.nicks), r.state.owners.named("alice") != nil)
	}
}

// A ban of a member with a key, present or away, keeps the key out, whatever its token and address.
func TestBanOfKey(t *testing.T) {
	for _, away := range []bool{false, true} {
		r := newSealedRoom(t)
		op, _ := r.join("op", operatorToken, "")
		mallory, _ := r.join("mallory", "a-token-1", "m")
		if away {
			r.Leave(mallory, "", r.now)
		}
		if _, err := r.Ban(op, "mallory", "", r.now); err != nil {
			t.Fatal(err)
		}
		again := &Member{Peer: new(testPeer), Program: true, Level: access.Member, Key: testKey("m")}
		if _, err := r.Enter(again, &wire.Request{Token: "a-token-2"}, 1, r.now); err == nil || err.(*wire.Fault).Code != wire.CodeBanned {
			t.Errorf("away: %v: with another token: %v", away, err)
		}
		r.join("bob", "a-token-3", "b")
		if _, err := r.Unban(op, "mallory", r.now); err != nil {
			t.Fatal(err)
		}
		r.join("mallory", "a-token-2", "m")
	}
}

// The answer to who, welcomes and joins have the tags of keys, beside the nicks.
func TestTags(t *testing.T) {
	r := newSealedRoom(t)
	r.join("zoe", "a-token-1", "z")
	r.join("bob", "a-token-2", "")
	_, p := r.join("alice", "a-token-3", "a")
	a, z := testKey("a").Tag, testKey("z").Tag
	if e := p.welcome; !slices.Equal(e.Members, []string{"bob", "zoe"}) || !slices.Equal(e.Tags, []string{"", z}) {
		t.Errorf("the welcome has %q, %q", e.Members, e.Tags)
	}
	who := r.Who()
	if !slices.Equal(who.Members, []string{"alice", "bob", "zoe"}) || !slices.Equal(who.Tags, []string{a, "", z}) {
		t.Errorf("who has %q, %q", who.Members, who.Tags)
	}
	if got, want := string(who.AppendText(nil, wire.Viewer{})), fmt.Sprintf("* 3 here: alice (%s), bob, zoe (%s)\n", a, z); got != want {
		t.Errorf("for people: %q, want %q", got, want)
	}
	var joins []wire.Event
	cursor := r.log.Cursor(1, 1, history.View{Format: history.JSON, Echo: true})
	for runs, _, _ := cursor.Next(nil); len(runs) > 0; runs, _, _ = cursor.Next(nil) {
		for line := range strings.Lines(string(slices.Concat(runs...))) {
			e, err := wire.ParseEvent([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			joins = append(joins, e)
		}
	}
	if len(joins) != 3 || joins[0].Tag(0) != z || joins[1].Tags != nil || joins[2].Tag(0) != a {
		t.Errorf("the joins are %+v", joins)
	}
}

// When a key is removed from those of the members, its owner leaves the room, unless a secret lets it stay. Operators
// by key become members, and the other way round.
func TestRegrade(t *testing.T) {
	r := newSealedRoom(t)
	removed, toRemoved := r.join("removed", "a-token-1", "r")
	bySecret, _ := r.join("bySecret", "a-token-2", "s")
	bySecret.BySecret = access.Member
	promoted, _ := r.join("promoted", "a-token-3", "p")
	r.Flush(r.now)
	r.join("guest", "a-token-4", "")
	listener := &Member{Peer: new(testPeer), Program: true, Level: access.Listen, BySecret: access.Listen, Key: testKey("l")}
	if _, err := r.Enter(listener, &wire.Request{}, 1, r.now); err != nil {
		t.Fatal(err)
	}
	regrade := func(p access.Level) {
		r.Regrade(func(secret access.Level, key *access.Key) access.Level {
			if key.Tag == testKey("p").Tag {
				return p
			}
			return secret
		}, r.now)
	}
	regrade(access.Operator)
	if toRemoved.bye == nil || toRemoved.bye.Code != wire.CodeNotMember || removed.identity != nil {
		t.Errorf("removed gets %+v", toRemoved.bye)
	}
	if members, _ := r.Count(); members != 4 || bySecret.identity == nil || listener.identity == nil || !r.IsOperator(promoted) {
		t.Errorf("%d members are left; promoted is an operator: %v", members, r.IsOperator(promoted))
	}
	if c := r.state.clients[promoted.identity.author]; !c.Operator {
		t.Error("other relays do not learn that promoted is an operator")
	}
	regrade(access.Member)
	if r.IsOperator(promoted) {
		t.Error("promoted is still an operator")
	}
	if c := r.state.clients[promoted.identity.author]; c.Operator {
		t.Error("other relays do not learn that promoted is no longer an operator")
	}
	// All members learn it, as their lists mark operators.
	if got, want := r.acts(), []string{"promoted is an operator now", "promoted is no longer an operator"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
	r.Close()
	if regrade(access.None); promoted.identity == nil {
		t.Error("a room that is closed lets go of members, who would miss its end")
	}
}

// Nicks belong to their keys after a restart of the host, and after a crash.
func TestOwnersOutliveHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{path: filepath.Join(t.TempDir(), "room.chat"), maxAway: maxAway, maxOwned: maxOwnedByKey}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(w.open())
		defer func() { must(w.close()) }()
		r := &sealedRoom{t, w.room, time.Now()}
		alice, _ := r.join("alice", "a-token-1", "a")
		r.Leave(alice, "", time.Now())
		synctest.Wait()
		must(w.crash())
		must(w.check())
		must(w.close())
		must(w.open())
		r = &sealedRoom{t, w.room, time.Now()}
		mallory, _ := r.join("alice", "a-token-2", "m")
		alice, _ = r.join("alice", "a-token-3", "a")
		r.mustBe(map[*Member]string{mallory: "alice-2", alice: "alice"})
		must(w.check())
	})
}

// Records of owned nicks that a stranger made keep no nick from everyone.
func TestOwnersOfAStranger(t *testing.T) {
	for _, value := range []string{
		`{}`, `{"nick":"alice"}`, `{"nick":"alice","key":"x"}`, `{"nick":"a b","key":"` + testKey("a").Fingerprint + `"}`,
		`{"nick":"` + strings.Repeat("x", 1<<20) + `","key":"` + testKey("a").Fingerprint + `"}`,
	} {
		r := hostOn(t, map[string]string{"nick/alice": value})
		if len(r.state.owners.nicks) > 0 || r.state.owners.ownerOf(text.NickKeys("alice")) != "" {
			t.Errorf("%.60s belongs to a key", value)
		}
	}
}
