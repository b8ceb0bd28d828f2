package client

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"time"

	"chat/relay/wire"
)

// Several hosts, called relays, can serve one room; see "Relays" in PROTOCOL.md. When the connection to one is lost, the
// client continues at another one. The list of them is from the host, which may be hostile: the bounds below keep
// a room's members from flooding the addresses in it, and no relay gets a token or a message before it has proved itself.

const (
	// relayWait is how long the last relay may take to answer before others are tried beside it.
	relayWait = 500 * time.Millisecond

	// relayStagger is how long each of the others may take before one more is tried. With maxTried it makes a client
	// that only one relay answers reconnect within 3 s.
	relayStagger = 250 * time.Millisecond

	// maxTried is how many others are tried in one round. Rounds are as far apart as all attempts to reconnect.
	maxTried = 8
)

// errOwnMachine is for addresses of this machine in the list of a host on another one.
var errOwnMachine = errors.New("the address is one of this machine")

// tryOther makes the next one of Options.Others the address to join at, if there is one left, and joining at the last one
// failed with an error that others may not have.
func (s *membership) tryOther(ctx context.Context, err error) bool {
	_, isRefused := errors.AsType[*RefusedError](err)
	_, isSecret := errors.AsType[*SecretError](err)
	isFatal := isRefused && !hasCode(err, wire.CodeFull) && !hasCode(err, wire.CodeShutdown) || isSecret ||
		errors.Is(err, ErrIntercepted) || isFinal(err) || ctx.Err() != nil
	if isFatal || len(s.opts.Others) == 0 {
		return false
	}
	s.addr, s.opts.Others = s.opts.Others[0], s.opts.Others[1:]
	return true
}

// noteRelays remembers the addresses of all relays of the room. The client of the host itself has no address,
// and stays.
func (s *membership) noteRelays(l *link, relays []string) {
	if l.addr == "" {
		return
	}
	s.relays = slices.DeleteFunc(slices.Clone(relays), func(addr string) bool {
		host, _, _ := net.SplitHostPort(addr)
		ip := net.ParseIP(host)
		return ip != nil && ip.IsLoopback() && !s.isNear
	})
}

// otherRelays returns the addresses to try beside the last one, in random order so that the members of a relay that is
// gone spread over the rest.
func (s *membership) otherRelays() []string {
	others := slices.DeleteFunc(slices.Clone(s.relays), func(addr string) bool { return addr == s.addr })
	mathrand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return others[:min(len(others), maxTried)]
}

// rejoinRelay connects to the first relay that answers and proves that it has the room: the last one, others, and those
// that Find found. cause is why there is no connection.
func (s *membership) rejoinRelay(ctx context.Context, others, found []string, cause error) (*link, error) {
	addrs := []string{s.addr}
	for _, addr := range append(others, found[:min(len(found), maxFound)]...) {
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if hasCode(cause, wire.CodeShutdown) || hasCode(cause, wire.CodeFull) || hasCode(cause, wire.CodeNotRead) { // the others first
		addrs = append(addrs[1:], s.addr)
	}
	var err error
	for len(addrs) > 0 && ctx.Err() == nil {
		winner, failed := s.raceRelays(ctx, addrs)
		for _, a := range failed {
			addrs = slices.DeleteFunc(addrs, func(addr string) bool { return addr == a.addr })
			if a.addr == s.addr || err == nil {
				err = a.err
			}
		}
		if winner.link == nil {
			break
		}
		var l *link
		if l, err = s.rejoinOn(ctx, winner.link, winner.claim); err == nil || isFinal(err) && !isElsewhere(err) {
			return l, err
		}
		addrs = slices.DeleteFunc(addrs, func(addr string) bool { return addr == winner.addr })
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isElsewhere(err) && len(s.otherRelays()) > 0: // the room is not gone as long as it may have other relays
		return nil, errOtherRoom
	}
	return nil, err
}

// hasCode reports whether err is a refusal with a code.
func hasCode(err error, code wire.Code) bool {
	refusal, ok := errors.AsType[*RefusedError](err)
	return ok && refusal.Code == code
}

// An answer is the result of asking one address which room is there.
type answer struct {
	addr  string
	link  *link // nil after an error
	claim claim
	err   error
}

// raceRelays asks the addresses in turn, without waiting long for any of them. It returns the first answer that proves
// to be from the room that we were in, with a link that is ready for a hello, and the errors of those that failed before it. An answer of
// the last relay that proves something else is not an error if no other one wins: rejoinOn decides about it.
func (s *membership) raceRelays(ctx context.Context, addrs []string) (winner answer, failed []answer) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer)
	running := 0
	var own answer // of the last relay, which has another room
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if a := <-answers; a.link != nil {
				a.link.conn.Close()
			}
		}
		if own.link != nil && own.link != winner.link {
			own.link.conn.Close()
		}
	}()
	turn := time.NewTimer(0)
	defer turn.Stop()
	for next := 0; next < len(addrs) || running > 0; {
		select {
		case <-turn.C:
			if next == len(addrs) {
				continue
			}
			addr := addrs[next]
			next++
			running++
			go func() { answers <- s.askRelay(ctx, addr) }()
			wait := relayStagger
			if addr == s.addr {
				wait = relayWait
			}
			turn.Reset(wait)
		case a := <-answers:
			running--
			isOurs := a.claim.proven && a.claim.ID == s.room
			switch {
			case a.err == nil && isOurs:
				return a, failed
			case a.err == nil && a.addr == s.addr:
				own = a
			default:
				failed = append(failed, s.strike(a))
			}
			if hasCode(a.err, wire.CodeBanned) && a.addr == s.addr {
				return answer{}, failed // it would be so at the others
			}
			turn.Reset(0)
		case <-ctx.Done():
			return answer{}, failed
		}
	}
	winner = own
	return winner, failed
}

// strike closes the link of a failed answer. An address that answers and is not a relay of the room is not tried again,
// until a host lists it again.
func (s *membership) strike(a answer) answer {
	if a.link != nil {
		a.link.conn.Close()
		a.link, a.err = nil, errOtherRoom
	}
	if a.addr != s.addr && (isElsewhere(a.err) || errors.Is(a.err, errOtherRoom) || errors.Is(a.err, ErrNoRoom) ||
		errors.Is(a.err, ErrDowngrade) || errors.Is(a.err, errOwnMachine) || hasCode(a.err, wire.CodeSealed)) {
		s.relays = slices.DeleteFunc(slices.Clone(s.relays), func(addr string) bool { return addr == a.addr })
	}
	return a
}

// askRelay is ask at addr. A name that leads to this machine gets no byte, unless the host is on it too.
func (s *membership) askRelay(ctx context.Context, addr string) answer {
	conn, err := s.dialIf(ctx, addr, func(conn net.Conn) error {
		if addr != s.addr && !s.isNear && isLoopback(conn) {
			return errOwnMachine
		}
		return nil
	})
	if err != nil {
		return answer{addr: addr, err: err}
	}
	l, claim, err := s.askOn(ctx, s.linkOn(conn, addr))
	if err != nil {
		l = nil
	}
	return answer{addr: addr, link: l, claim: claim, err: err}
}

// isLoopback reports whether conn does not leave this machine.
func isLoopback(conn net.Conn) bool {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && remote.IP.IsLoopback()
}
