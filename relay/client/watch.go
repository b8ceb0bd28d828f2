package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"chat/relay/errno"
	"chat/relay/wire"
)

const (
	// watchEvery is how often a connection's own address is checked.
	watchEvery = 2 * time.Second

	// lookEvery is how often, during an outage, this machine's addresses are compared with
	// those before.
	lookEvery = time.Second

	// goneAgain is when an address that is missing is checked once more: a renewed lease
	// may remove it for a moment.
	goneAgain = 200 * time.Millisecond

	// doubtTime is how long a host may take to answer a ping once there are signs that it
	// has another address.
	doubtTime = 700 * time.Millisecond

	// longPause is a pause before an attempt to reconnect that ends early if there is a reason
	// to try: shorter ones keep the members of a room from reconnecting all at once.
	longPause = 2 * firstPause
)

// watch looks, until ctx ends, for signs that the connection of l is dead before its silence
// shows it: this machine has lost the address that it was made from, or Options.Watch reports that
// the host has others.
func (s *membership) watch(ctx context.Context, l *link) {
	var work sync.WaitGroup
	defer work.Wait()
	local, ok := l.conn.LocalAddr().(*net.TCPAddr)
	if !ok || local.IP.IsLoopback() {
		return
	}
	for first := true; sleep(ctx, watchEvery); first = false {
		isAlone := len(l.connected.Welcome.Relays) < 2 // what another relay announces would look like a move
		if first && s.opts.Watch != nil && isAlone {   // not for a short connection
			room := wire.RoomInfo{ID: l.connected.Welcome.Room, Title: l.connected.Welcome.Title}
			work.Go(func() { s.opts.Watch(ctx, room, l.conn.RemoteAddr(), l.doubt) })
		}
		if isGone(local) && sleep(ctx, goneAgain) && isGone(local) {
			l.end(errAddressGone)
			return
		}
	}
}

// isGone reports whether this machine no longer has an address.
func isGone(at *net.TCPAddr) bool {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Zone: at.Zone})
	if err == nil {
		conn.Close()
		return false
	}
	return errno.NotAvailable(err)
}

// networkNow identifies the network that this machine is in: its addresses. It is "" if they
// cannot be listed.
func networkNow() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	return fmt.Sprint(addrs)
}

// --- finding the host beside attempts to reconnect -----------------------------------------

// A finding is a call of Options.Find that runs beside attempts to reconnect. nil: none runs.
type finding struct {
	found  chan []string // gets the addresses, if there are any; closed when Find has returned
	cancel context.CancelFunc
}

// startFinding calls Find, if there is one, until it returns or stop is called.
func (s *membership) startFinding(ctx context.Context) *finding {
	if s.opts.Find == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &finding{found: make(chan []string, 1), cancel: cancel}
	room := wire.RoomInfo{ID: s.room, Title: s.title}
	go func() {
		defer close(f.found)
		if addrs, err := s.opts.Find(ctx, room); err == nil && len(addrs) > 0 {
			f.found <- addrs
		}
	}()
	return f
}

// channel returns the channel of the address; nil if nothing is being looked for.
func (f *finding) channel() <-chan []string {
	if f == nil {
		return nil
	}
	return f.found
}

// stop ends the call, and waits for it.
func (f *finding) stop() {
	if f != nil {
		f.cancel()
		for range f.found {
		}
	}
}

// waitToRedial waits for pause. A long one ends early if Find has found the host, or this machine
// is in another network. It returns the addresses that were found; f is nil once it has ended.
func (s *membership) waitToRedial(ctx context.Context, pause time.Duration, f *finding) (addrs []string, _ *finding, err error) {
	end := time.NewTimer(pause)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	network := s.opts.network()
	for {
		select {
		case <-ctx.Done():
			return nil, f, ctx.Err()
		case <-end.C:
			return addrs, f, nil
		case found, ok := <-f.channel():
			f.stop()
			if f, addrs = nil, found; ok && pause > longPause {
				return addrs, f, nil
			}
		case <-look.C:
			if pause > longPause && s.opts.network() != network {
				s.pause = 0
				return addrs, f, nil
			}
		}
	}
}

// redial connects to the room at the address that we know. If f finds others meanwhile, it
// connects there instead: an address that the host has lost does not answer for seconds.
func (s *membership) redial(ctx context.Context, f *finding) (*link, *finding, error) {
	if f == nil {
		l, err := s.rejoinAt(ctx, s.addr)
		return l, nil, err
	}
	dialing, cancel := context.WithCancel(ctx)
	elsewhere := make(chan []string, 1)
	known := s.addr
	go func() {
		defer close(elsewhere)
		select {
		case found := <-f.found:
			if slices.ContainsFunc(found, func(addr string) bool { return addr != known }) && !slices.Contains(found, known) {
				elsewhere <- found
				cancel()
			}
		case <-dialing.Done():
		}
	}()
	l, err := s.rejoinAt(dialing, known)
	cancel()
	found := <-elsewhere
	if err != nil && found != nil && !isFinal(err) && ctx.Err() == nil {
		f.stop()
		l, err = s.rejoinFound(ctx, found)
		return l, nil, err
	}
	return l, f, err
}
