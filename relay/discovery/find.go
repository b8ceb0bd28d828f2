package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"chat/relay/wire"
)

const (
	// ListWindow is how long List looks for rooms, unless told otherwise.
	ListWindow  = 1500 * time.Millisecond
	findTimeout = 5 * time.Second
)

// A Room is a room whose host has just answered.
type Room struct {
	wire.RoomInfo
	Addr string `json:"addr"` // host:port that answered, ready for net.Dial
}

// A Heard is a room that was heard, and what came of it.
type Heard struct {
	Record
	Room *Room // nil: no host answered as this room
}

// A Finder looks for rooms on the network. Its methods may run at the same time. Questions
// can outlive a search until their wait is over.
type Finder struct {
	Ifaces  []string      // ask on these interfaces alone; empty: see [Usable]
	Timeout time.Duration // of one search; 0: 5 s for Find, 1.5 s for List

	// seams, fixed before the first search; all but Refused are needed

	// LANs lists all interfaces; outside tests it is the function LANs.
	LANs func() ([]LAN, error)
	// Ask sends a question on one interface over one IP version, and calls heard for each
	// answer, one call at a time, until wait is over. It may take all of that time even
	// after ctx ended. An error means that the question was not sent. It is called from
	// several goroutines at the same time.
	Ask func(ctx context.Context, on LAN, v6 bool, wait time.Duration, heard func(Record)) error
	// DeafToSelf says that Ask hears nothing from rooms of this machine, so that
	// the default port has to be tried here at once.
	DeafToSelf bool
	// Probe asks the host at addr ("host:port") which room it has. It is called from
	// several goroutines at the same time.
	Probe func(ctx context.Context, addr string) (wire.RoomInfo, error)
	// Refused tells whether an error of Probe is the word of a host that is there,
	// but wants no more sessions; nil: none is.
	Refused func(err error) bool
}

// A NoRoomError says that a search came to its end without the room wanted.
type NoRoomError struct {
	Want   string   // the title or id that was asked for; "": any
	Others []Room   // rooms that are there, but were not asked for
	On     []string // names of the interfaces to be asked on
	Deaf   bool     // nothing could be asked there
	Waited time.Duration
}

// Error is two lines: what happened, and a hint what to do next.
func (e *NoRoomError) Error() string {
	if len(e.Others) > 0 {
		return e.What() + "\nhint: chat rooms lists what is here; chat join --addr HOST:PORT reaches a room that is not listed"
	}
	return fmt.Sprintf("%s\nhint: a firewall, guest Wi-Fi that keeps devices apart, a VPN or another subnet can hide it: try chat join --addr HOST:%d, or chat doctor for the cause",
		e.What(), wire.DefaultPort)
}

// What is the first of these lines.
func (e *NoRoomError) What() string {
	what := "no room"
	if e.Want != "" {
		what = fmt.Sprintf("no room %q", e.Want)
	}
	if len(e.Others) > 0 {
		var names []string
		for _, r := range e.Others[:min(len(e.Others), 5)] {
			names = append(names, fmt.Sprintf("%q", r.Title))
		}
		if len(e.Others) > 5 {
			names = append(names, "...")
		}
		return fmt.Sprintf("%s here; there is %s", what, strings.Join(names, ", "))
	}
	where := "asked on " + strings.Join(e.On, ", ")
	switch {
	case len(e.On) == 0:
		where = "this machine has no network but itself"
	case e.Deaf:
		where = "but no question could be sent on " + strings.Join(e.On, ", ")
	}
	return fmt.Sprintf("%s found within %v (%s)", what, e.Waited.Round(100*time.Millisecond), where)
}

// Find returns the rooms that match want: a title, in any case, or the first 4 or more
// digits of an ID; "" matches every room. It returns once a matching room has answered
// over TCP and no further answers come: a slow host must not be missed when there are
// several. No room within the timeout is a [*NoRoomError]. If ctx ends, Find returns its
// error at once.
func (f *Finder) Find(ctx context.Context, want string) ([]Room, error) {
	s := search{Finder: f, window: cmp.Or(f.Timeout, findTimeout)}
	s.enough = func(r Room) bool { return r.Matches(want) }
	rooms, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	matching := filter(rooms, s.enough)
	if len(matching) == 0 {
		return nil, &NoRoomError{Want: want, Others: rooms, On: s.on, Deaf: s.deaf, Waited: s.window}
	}
	return matching, nil
}

// List returns every room that answers within the timeout, sorted by title,
// then id; none is a [*NoRoomError].
func (f *Finder) List(ctx context.Context) ([]Room, error) {
	s := search{Finder: f, window: cmp.Or(f.Timeout, ListWindow)}
	rooms, err := s.run(ctx)
	if err == nil && len(rooms) == 0 {
		err = &NoRoomError{On: s.on, Deaf: s.deaf, Waited: s.window}
	}
	return rooms, err
}

// Matches reports whether want means r: its title, in any case, or the first 4 or
// more digits of its id; "" means every room.
func (r Room) Matches(want string) bool {
	return want == "" || strings.EqualFold(r.Title, want) ||
		len(want) >= 4 && strings.HasPrefix(r.ID, strings.ToLower(want))
}

// Survey lists the rooms that were heard within 1.5 s, at most [MaxHeard], whether
// or not they answer, and waits for their answers until 5 s are over. It is an
// error when nothing could be asked anywhere.
func (f *Finder) Survey(ctx context.Context) ([]Heard, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	s := &search{Finder: f, window: ListWindow}
	answers, rounds := make(chan Record), make(chan round)
	go s.ask(ctx, answers, rounds) // closes rounds
	var records []Record
	deaf := true
	for rounds != nil {
		select {
		case r := <-answers:
			records = merge(records, r)
		case r, ok := <-rounds:
			switch {
			case r.err != nil:
				return nil, r.err
			case !ok:
				rounds = nil
			default:
				deaf = deaf && r.deaf
			}
		}
	}
	records = filter(records, func(r Record) bool { return r.ID != "" && len(r.Addrs) > 0 }) // this machine's port is another check
	records = records[:min(len(records), MaxHeard)]
	if deaf {
		return nil, errors.New("no interface took one")
	}
	rooms := make([]Heard, len(records))
	dials := make(chan struct{}, maxDials)
	var work sync.WaitGroup
	for i, r := range records {
		work.Go(func() {
			rooms[i].Record = r
			if room, ok := s.verify(ctx, r, dials); ok {
				rooms[i].Room = &room
			}
		})
	}
	work.Wait()
	return rooms, nil
}
