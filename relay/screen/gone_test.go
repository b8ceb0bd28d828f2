package screen

import (
	"context"
	"errors"
	"testing"

	"chat/relay/client"
	"chat/relay/wire"
)

// endedRoom is a room that has ended for a reason.
type endedRoom struct {
	*fakeRoom
	reason error
}

func (r endedRoom) Err() error { return r.reason }

// Another room at the address: what was not sent goes back to the input, and Enter joins the
// other room. Nothing is sent there before another Enter.
func TestRoomIsGone(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		other := &fakeRoom{events: make(chan client.Event)}
		var joined []Place
		r.m.opts.Join = func(_ context.Context, p Place, _ client.Questions) (Room, error) {
			if joined = append(joined, p); len(joined) == 1 {
				return nil, errors.New("no answer")
			}
			return other, nil
		}
		c := r.m.conversation
		r.happen(client.Disconnected{Err: errors.New("gone")})
		r.typed("my secret")
		r.keys("enter")
		r.typed("my other secret")
		r.keys("enter")
		c.room = endedRoom{r.room, &client.OtherRoomError{
			Addr: "192.168.1.5:24280", Was: "kitchen", Now: wire.RoomInfo{ID: "r2", Title: "otherteam"},
		}}
		r.update(roomEvents{closed: true})
		r.want("kitchen is gone; another room, otherteam, is at this address.", "Enter joins it.", "Nothing was sent there: 2 unsent messages are back in the input",
			"bob › my secret", "my other secret", "The room is gone")
		if n := c.pending(); n != 0 {
			t.Errorf("%d messages are pending", n)
		}
		r.update(r.keys("enter")())
		r.want("no answer", "my secret")
		r.update(r.keys("enter")())
		r.happen(client.Connected{Addr: "192.168.1.5:24280", Welcome: wire.Event{Type: wire.TypeWelcome, Title: "otherteam", Nick: "bob", Client: "us"}})
		r.want(" otherteam  ", "●", "bob › my secret", "my other secret")
		if len(joined) != 2 || joined[1].ID != "r2" || joined[1].Addr != "192.168.1.5:24280" || len(other.asked) > 0 || r.m.err != nil {
			t.Errorf("joined %+v, which was asked %+v; error %v", joined, other.asked, r.m.err)
		}
		r.keys("enter")
		if len(other.asked) != 1 || other.asked[0].Text != "my secret\nmy other secret" {
			t.Errorf("asked %+v", other.asked)
		}
	})
}

// Someone who leaves instead gets the error, and a text in progress is not replaced.
func TestRoomIsGoneAndLeft(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		c := r.m.conversation
		r.typed("my secret")
		r.keys("enter")
		r.typed("half a line")
		c.room = endedRoom{r.room, &client.OtherRoomError{Was: "kitchen", Now: wire.RoomInfo{Title: "kitchen"}}}
		r.update(roomEvents{closed: true})
		r.want("another room, also called kitchen", "bob › half a line", "1 unsent message is")
		r.keys("up")
		r.want("bob › my secret")
		if !errors.Is(r.m.err, c.gone) {
			t.Errorf("the screen ends with %v", r.m.err)
		}
	})
}
