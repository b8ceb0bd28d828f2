package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/wire"
)

const (
	// ListWindow is the default timeout of List.
	ListWindow  = 1500 * time.Millisecond
	findTimeout = 5 * time.Second
)

// A Room is a room whose host has just answered.
type Room struct {
	wire.RoomInfo
	Addr string `json:"addr"` // host:port that answered, ready for net.Dial

	// Addrs are all addresses that answered, Addr first: those of a room's relays, or of one host. nil: one did.
	Addrs []string `json:"addrs,omitempty"`

	// Contested says that several hosts answered with this room's ID. Only one of them can be
	// its host; a returning member knows which, by its proof.
	Contested bool `json:"contested,omitempty"`
}

// A Heard is a room whose announcement was received.
type Heard struct {
	Record
	Room *Room // from its host; nil: no host answered with this room
	Err  error // why not; at its best address, if it has several
}

// A Finder looks for rooms on the network. Its methods may run at the same time. Questions
// can outlive a search until their wait is over.
type Finder struct {
	Ifaces  []string      // ask only on these interfaces; empty: see [Usable]
	Timeout time.Duration // of one search; 0: 5 s for Find, 1.5 s for List

	// The functions below are fixed before the first search. All but AskDevices and Refused are
	// required.

	// LANs lists all interfaces. Except in tests it is the function LANs.
	LANs func() ([]LAN, error)
	// Ask sends a question on one interface over one IP version, and calls heard for each
	// answer, one call at a time, until wait is over. It may take all of that time even
	// after ctx ended. An error means that the question was not sent. It is called from
	// several goroutines at the same time.
	Ask func(ctx context.Context, on LAN, v6 bool, wait time.Duration, heard func(Record)) error
	// AskDevices asks every device on one interface over one IP version to answer, and calls heard
	// with the sender of each packet that comes until wait is over. It is called from several
	// goroutines at the same time. nil: a search that finds nothing cannot name other devices.
	AskDevices func(ctx context.Context, on LAN, v6 bool, wait time.Duration, heard func(netip.Addr)) error
	// Listen receives announcements on one interface over one IP version until ctx ends, and
	// calls heard for each. It is called from several goroutines at the same time.
	Listen func(ctx context.Context, on LAN, v6 bool, heard func(Record)) error
	// DeafToSelf says that Ask receives no answers from this machine, so that its default
	// port is tried at once.
	DeafToSelf bool
	// Probe asks the host at addr ("host:port") which room it has; sealed says that the room is
	// announced as a sealed one. It is called from several goroutines at the same time. It fills
	// the Instance, by which one host with several addresses is distinguished from several hosts,
	// and the Pin of a sealed room: who passes on the answers of its host has another one.
	Probe func(ctx context.Context, addr string, sealed bool) (wire.RoomInfo, error)
	// Refused reports whether an error of Probe comes from a host that accepts no more
	// sessions; nil: no error does.
	Refused func(err error) bool

	devices devices
}

// A NoRoomError says that a search did not find the room.
type NoRoomError struct {
	Want   string   // the title or ID searched for; "": any
	Others []Room   // rooms found instead
	On     []string // names of the interfaces to ask on
	Silent []Heard  // rooms that were announced, and match, but whose hosts did not answer
	Deaf   error    // why no question could be sent; nil: one was
	Waited time.Duration

	Devices int // how many other devices were heard; -1: they were not asked for
}

// Error returns two lines: what happened, and a hint.
func (e *NoRoomError) Error() string {
	if len(e.Silent) > 0 {
		return e.What() + "\nhint: " + e.Silent[0].Cause()
	}
	if e.CannotList() {
		return fmt.Sprintf("%s\nhint: this system hides its network from programs, so rooms cannot be searched for: use chat join --addr HOST:%d; chat doctor explains it", e.What(), wire.DefaultPort)
	}
	if len(e.Others) > 0 {
		return e.What() + "\nhint: chat rooms lists the rooms here; chat join --addr HOST:PORT joins a room that is not listed"
	}
	return fmt.Sprintf("%s\nhint: a firewall, guest Wi-Fi that isolates devices, a VPN or another subnet can hide it: try chat join --addr HOST:%d, run chat doctor, or wait for the next announcement, one a minute, with --timeout 75s",
		e.What(), wire.DefaultPort)
}

// CannotList reports whether the interfaces could not be listed.
func (e *NoRoomError) CannotList() bool {
	_, ok := errors.AsType[*ListError](e.Deaf)
	return ok
}

// What returns the first of these lines.
func (e *NoRoomError) What() string {
	if n := len(e.Silent); n > 0 {
		what := e.Silent[0].What()
		if n > 1 {
			what += fmt.Sprintf("; %s more do not answer", wire.Counted(n-1, "room", "rooms"))
		}
		return what
	}
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
		return fmt.Sprintf("%s found, only %s", what, strings.Join(names, ", "))
	}
	where := "asked on " + strings.Join(e.On, ", ")
	switch {
	case e.CannotList():
		where = e.Deaf.Error()
	case len(e.On) == 0:
		where = "this machine has no network"
	case e.Deaf != nil:
		where = fmt.Sprintf("but no question could be sent on %s: %v", strings.Join(e.On, ", "), e.Deaf)
	}
	return fmt.Sprintf("%s found within %v (%s)", what, e.Waited.Round(100*time.Millisecond), where)
}

// Looked returns sentences about where the room was looked for, what was heard there, and
// what may hide it.
func (e *NoRoomError) Looked() string {
	looked := fmt.Sprintf("Looked for %.3g s on %s.", e.Waited.Seconds(), strings.Join(e.On, ", "))
	switch {
	case e.Devices > 0:
		looked += " " + wire.Counted(e.Devices, "other device is", "other devices are") + " here, so multicast works: a firewall may hide the room, or it is on another network."
	case e.Devices == 0:
		looked += " No other device answered. Guest Wi-Fi often keeps devices apart; a VPN or a firewall can do the same."
	default:
		looked += " A firewall, guest Wi-Fi, a VPN or another subnet can hide it."
	}
	return looked + " Run chat doctor to find the cause."
}

// Find returns the rooms that match want: a title, in any case, or the first 4 or more
// digits of an ID; "" matches every room. It returns once a matching room has answered
// over TCP and no further answers come: a slow host must not be missed when there are
// several. No room within the timeout is a [*NoRoomError]. If ctx ends, Find returns its
// error at once.
//
// It calls found for each matching room as soon as its host has answered, one call at a time;
// nil: it does not. Whether a room is contested is only known at the end.
func (f *Finder) Find(ctx context.Context, want string, found func(Room)) ([]Room, error) {
	s := search{Finder: f, window: cmp.Or(f.Timeout, findTimeout), each: found}
	s.enough = func(r Room) bool { return r.Matches(want) }
	rooms, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	matching := filter(rooms, s.enough)
	if len(matching) == 0 {
		return nil, s.noRoom(want, rooms)
	}
	return matching, nil
}

// noRoom returns the error of a search for want that found only others.
func (s *search) noRoom(want string, others []Room) *NoRoomError {
	silent := filter(s.silentRooms(), func(h Heard) bool { return h.matches(want) })
	return &NoRoomError{Want: want, Others: others, Silent: silent, On: s.on, Deaf: s.deaf, Waited: s.window, Devices: s.devices.count()}
}

// List returns every room that answers within the timeout, sorted by title, then ID, and those
// that are announced and do not answer. If none answers, the error is a [*NoRoomError].
func (f *Finder) List(ctx context.Context) (rooms []Room, silent []Heard, err error) {
	s := search{Finder: f, window: cmp.Or(f.Timeout, ListWindow)}
	if rooms, err = s.run(ctx); err != nil {
		return nil, nil, err
	}
	if len(rooms) == 0 {
		return nil, nil, s.noRoom("", nil)
	}
	return rooms, s.silentRooms(), nil
}

// Matches reports whether want names r; see [wire.IsRoomNamed].
func (r Room) Matches(want string) bool { return wire.IsRoomNamed(want, r.Title, r.ID) }

// Survey lists the hosts of the rooms that are announced within 1.5 s, at most [MaxHeard], whether or not
// their hosts answer within 5 s. If no question can be sent, it returns an error.
func (f *Finder) Survey(ctx context.Context) ([]Heard, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	s := &search{Finder: f, window: ListWindow}
	answers, rounds := make(chan Record), make(chan round)
	go s.ask(ctx, answers, rounds) // closes rounds
	var records []Record
	deaf := errNotAsked
	for rounds != nil {
		select {
		case r := <-answers:
			if !slices.ContainsFunc(records, func(have Record) bool { return have.key() == r.key() }) && len(records) < MaxHeard && r.ID != "" && len(r.Addrs) > 0 {
				records = append(records, r)
			}
		case r, ok := <-rounds:
			switch {
			case r.err != nil:
				return nil, r.err
			case !ok:
				rounds = nil
			default:
				deaf = stillDeaf(deaf, r.deaf)
			}
		}
	}
	if deaf != nil {
		return nil, fmt.Errorf("no question could be sent: %w", deaf)
	}
	rooms := make([]Heard, len(records))
	dials := make(chan struct{}, maxDials)
	var work sync.WaitGroup
	for i, r := range records {
		work.Go(func() {
			rooms[i].Record = r
			room, err := s.verify(ctx, r, dials)
			if rooms[i].Err = err; err == nil {
				rooms[i].Room = &room
			}
		})
	}
	work.Wait()
	return hosts(rooms), nil
}

// hosts merges the records of each host. Several that answer with one room are contested; a record
// of a room that did not answer is left out if another one of the room did.
func hosts(heard []Heard) []Heard {
	var list []Heard
	for _, h := range heard {
		i := slices.IndexFunc(list, func(have Heard) bool {
			return have.ID == h.ID && (have.Room == nil || h.Room == nil || keyOf(have.Room) == keyOf(h.Room))
		})
		if i < 0 {
			list = append(list, h)
			continue
		}
		switch {
		case list[i].Room == nil && h.Room != nil:
			list[i] = h
		case list[i].Room == nil || h.Room != nil:
			for _, a := range h.Addrs {
				if !slices.Contains(list[i].Addrs, a) {
					list[i].Addrs = append(slices.Clip(list[i].Addrs), a)
				}
			}
		}
	}
	answers := make(map[string]int) // by room ID
	for _, h := range list {
		if h.Room != nil {
			answers[h.ID]++
		}
	}
	for _, h := range list {
		if h.Room != nil {
			h.Room.Contested = answers[h.ID] > 1
		}
	}
	return list
}
