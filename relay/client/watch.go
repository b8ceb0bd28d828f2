package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

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
// tells: this machine has lost the address that it was made from, or Options.Watch reports that
// the host has others.
func (s *membership) watch(ctx context.Context, l *link) {
	var work sync.WaitGroup
	defer work.Wait()
	local, ok := l.conn.LocalAddr().(*net.TCPAddr)
	if !ok || local.IP.IsLoopback() {
		return
	}
	for first := true; sleep(ctx, watchEvery); first = false {
		if first && s.opts.Watch != nil { // not for a short connection
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
	const windows = syscall.Errno(10049) // WSAEADDRNOTAVAIL
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, windows)
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
	found  chan string // gets the address, if there is one; closed when Find has returned
	cancel context.CancelFunc
}

// startFinding calls Find, if there is one, until it returns or stop is called. At first it looks
// for the room by its ID only: another room of the same title is no better than a host that is
// being restarted.
func (s *membership) startFinding(ctx context.Context, attempt int) *finding {
	if s.opts.Find == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &finding{found: make(chan string, 1), cancel: cancel}
	room := wire.RoomInfo{ID: s.room}
	if attempt >= findAfter {
		room.Title = s.title
	}
	go func() {
		defer close(f.found)
		if addr, err := s.opts.Find(ctx, room); err == nil && addr != "" {
			f.found <- addr
		}
	}()
	return f
}

// channel returns the channel of the address; nil if nothing is being looked for.
func (f *finding) channel() <-chan string {
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

// waitToRedial waits for pause, and returns the address to dial then. A long pause ends early
// if Find has found the host, or this machine is in another network. f is nil once it has
// ended.
func (s *membership) waitToRedial(ctx context.Context, pause time.Duration, f *finding) (string, *finding, error) {
	addr, end := s.addr, time.NewTimer(pause)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	network := s.opts.network()
	for {
		select {
		case <-ctx.Done():
			return "", f, ctx.Err()
		case <-end.C:
			return addr, f, nil
		case found, ok := <-f.channel():
			f.stop()
			if f = nil; ok {
				addr = found
			}
			if ok && pause > longPause {
				return addr, f, nil
			}
		case <-look.C:
			if pause > longPause && s.opts.network() != network {
				s.pause = 0
				return addr, f, nil
			}
		}
	}
}

// redial connects to the room at addr. If f finds another address meanwhile, it connects there
// instead: an address that the host has lost does not answer for seconds.
func (s *membership) redial(ctx context.Context, addr string, f *finding) (*link, *finding, error) {
	if f == nil {
		l, err := s.rejoin(ctx, addr)
		return l, nil, err
	}
	dialing, cancel := context.WithCancel(ctx)
	elsewhere := make(chan string, 1)
	go func() {
		defer close(elsewhere)
		select {
		case found, ok := <-f.found:
			if ok && found != addr {
				elsewhere <- found
				cancel()
			} else if !ok || found == addr {
				<-dialing.Done()
			}
		case <-dialing.Done():
		}
	}()
	l, err := s.rejoin(dialing, addr)
	cancel()
	found, isElsewhere := <-elsewhere
	if err != nil && isElsewhere && !isFinal(err) && ctx.Err() == nil {
		f.stop()
		l, err = s.rejoin(ctx, found)
		return l, nil, err
	}
	return l, f, err
}
