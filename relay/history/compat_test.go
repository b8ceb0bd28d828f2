package history

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// onDiskWithClients is onDisk for a log that keeps clients.
func onDiskWithClients(t *testing.T, test func(t *testing.T, h *hosted)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "room.chat")
	synctest.Test(t, func(t *testing.T) {
		h := &hosted{t: t, path: path, limits: few, refusals: make(chan refusal, 100)}
		h.openLog = func() (*Log, error) {
			return NewOnWithClients(h.file, h.limits, wakeAll, func(list []Rejected, err error) {
				h.refusals <- refusal{list, err}
			}, slog.New(slog.DiscardHandler))
		}
		h.open()
		defer h.close()
		test(t, h)
	})
}

// The room as a whole is kept: its id, its title, its topic, how many authors there were.
func TestRoomIsKept(t *testing.T) {
	onDiskWithClients(t, func(t *testing.T, h *hosted) {
		h.close()
		room := func() Room {
			h.t.Helper()
			f, err := OpenFile(h.path, Keep{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			kept, err := f.Room(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if f.Title() == "" {
				if err := f.SetTitle("kitchen"); err != nil {
					t.Fatal(err)
				}
			} else if f.Title() != "kitchen" {
				t.Errorf("the title is %q", f.Title())
			}
			return kept
		}
		fresh := room()
		if len(fresh.ID) != 16 || fresh.Topic != "" || fresh.Authors != 0 || len(fresh.Away) > 0 {
			t.Errorf("a new room is %+v", fresh)
		}
		h.open()
		h.put(&wire.Event{Type: wire.TypeTopic, Text: "supper"}, Origin{Author: 3})
		h.put(&wire.Event{Type: wire.TypePrivate, Text: "psst"}, Origin{Author: 2, To: 7}) // 7 never said a word
		h.close()
		if kept := room(); kept.ID != fresh.ID || kept.Topic != "supper" || kept.Authors != 7 {
			t.Errorf("the room %s is %+v now", fresh.ID, kept)
		}
		h.open()
		h.put(&wire.Event{Type: wire.TypeTopic, Text: ""}, Origin{Author: 1})
		h.close()
		if kept := room(); kept.Topic != "" || kept.Authors != 7 {
			t.Errorf("without a topic it is %+v", kept)
		}
	})
}

// client returns what the log knows of a token.
func (h *hosted) client(token string) Client {
	h.t.Helper()
	synctest.Wait()
	c, err := h.log.Client(token)
	if err != nil {
		h.t.Fatal(err)
	}
	if c == nil {
		return Client{}
	}
	if c.Key != ClientKey(token) {
		h.t.Errorf("%s is found under another key", token)
	}
	c.Key = Client{}.Key // which need not be compared
	return *c
}

func TestClients(t *testing.T) {
	onDiskWithClients(t, func(t *testing.T, h *hosted) {
		alice := Client{Key: ClientKey("alice's"), ID: "a1", Author: 1, Nick: "alice"}
		bob := Client{Key: ClientKey("bob's"), ID: "b2", Author: 2, Nick: "bob"}
		say := func(c Client, seq uint64) {
			c.Seq = seq
			h.put(message("x"), Origin{Author: c.Author, Client: &c})
		}
		if c := h.client("alice's"); c != (Client{}) {
			t.Errorf("before it came: %+v", c)
		}
		if c := h.client(""); c != (Client{}) {
			t.Errorf("without a token: %+v", c)
		}
		alice.Seq = 99 // of which Remember keeps nothing
		h.log.Remember(alice)
		if c := h.client("alice's"); c != (Client{ID: "a1", Author: 1, Nick: "alice"}) {
			t.Errorf("when it came: %+v", c)
		}
		say(alice, 3)
		say(bob, 1)
		say(alice, 7)
		alice.Nick, alice.Gone = "alicia", Dropped
		h.log.Remember(alice)
		want := Client{ID: "a1", Author: 1, Seq: 7, Nick: "alicia", Gone: Dropped}
		if c := h.client("alice's"); c != want {
			t.Errorf("when it lost its connection: %+v, want %+v", c, want)
		}
		h.reopen()
		if c := h.client("alice's"); c != want {
			t.Errorf("after a restart: %+v, want %+v", c, want)
		}
		say(alice, 5) // that the room takes nothing twice is not the file's business, but nothing is lowered
		say(bob, math.MaxUint64)
		if c := h.client("alice's"); c.Seq != 7 {
			t.Errorf("the number went from 7 to %d", c.Seq)
		}
		if c := h.client("bob's"); c.Seq != maxNumber {
			t.Errorf("the highest number there can be is kept as %d", c.Seq)
		}
		if got := len(h.texts()); got != 5 {
			t.Errorf("%d of 5 messages are there", got)
		}
	})
}

// What was refused does not count as taken, also when something behind it is kept for later.
func TestRefusedDoesNotRaiseSeq(t *testing.T) {
	onDiskWithClients(t, func(t *testing.T, h *hosted) {
		alice := Client{Key: ClientKey("alice's"), ID: "a1", Author: 1, Nick: "alice", Seq: 1}
		h.put(message("one"), Origin{Author: 1, Client: &alice})
		synctest.Wait()
		free := h.fillDisk()
		// In one batch, as it comes while the disk is busy.
		two, gone := alice, alice
		two.Seq = 2
		gone.Seq, gone.Gone = 0, Dropped
		h.atOnce(func() {
			h.put(long("bob's"), Origin{Author: 2, Sender: "bob's"})
			h.put(message("two"), Origin{Author: 1, Client: &two})
			h.log.Remember(gone)
		})
		synctest.Wait()
		free()
		time.Sleep(2 * retryEvery)
		if c := h.client("alice's"); c.Seq != 1 || c.Gone != Dropped {
			t.Errorf("2 was refused, and the client is %+v", c)
		}
	})
}

// Who was here when a host ended is waited for by the next; who went before, or does not
// come, is not for ever.
func TestAway(t *testing.T) {
	onDiskWithClients(t, func(t *testing.T, h *hosted) {
		remember := func(nick string, gone Leave) {
			author := Author(1 + slices.Index([]string{"here", "long-gone", "left", "dropped", "last"}, nick))
			h.log.Remember(Client{Key: ClientKey(nick), ID: nick, Author: author, Nick: nick, Gone: gone})
			synctest.Wait()
		}
		away := func() (nicks []string) {
			t.Helper()
			h.close()
			f, err := OpenFile(h.path, Keep{})
			if err != nil {
				t.Fatal(err)
			}
			room, err := f.Room(2 * time.Minute)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			for _, c := range room.Away {
				nicks = append(nicks, c.Nick)
			}
			h.open()
			slices.Sort(nicks)
			return nicks
		}
		remember("here", Here)
		remember("long-gone", Dropped)
		remember("left", Left)
		time.Sleep(3 * time.Minute)
		remember("dropped", Dropped)
		time.Sleep(time.Minute)
		remember("last", Here)
		time.Sleep(time.Hour) // that nobody comes or goes does not count
		if got := away(); !slices.Equal(got, []string{"dropped", "here", "last"}) {
			t.Errorf("away: %q", got)
		}
		if got := away(); !slices.Equal(got, []string{"dropped", "here", "last"}) {
			t.Errorf("after a host that was there for a moment: %q", got)
		}
		remember("last", Here)
		if got := away(); !slices.Equal(got, []string{"last"}) {
			t.Errorf("after another that was there for longer: %q", got)
		}
	})
}

// Of those whom nobody saw for long, the last ones are remembered, and all that are here.
func TestForgetClients(t *testing.T) {
	onDiskWithClients(t, func(t *testing.T, h *hosted) {
		h.log.clients.most = 6
		for n := range 10 {
			nick := fmt.Sprint(n)
			h.log.Remember(Client{Key: ClientKey(nick), ID: nick, Author: Author(n + 1), Gone: []Leave{Here, Dropped, Left}[n%3]})
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for range 2 {
			var left string
			for n := range 10 {
				left += h.client(fmt.Sprint(n)).ID
			}
			if left != "036789" {
				t.Errorf("the clients %s are left", left)
			}
			h.put(message("x"), Origin{Author: 1}) // with which the records go
			h.reopen()
		}
	})
}
