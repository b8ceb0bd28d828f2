package client

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Some networks, VPNs and tunnels above all, drop large packets without an error to the sender: an
// MTU black hole (RFC 2923, section 2.1). A connection opens, small messages pass, and a
// large one holds up everything after it. Smaller segments get through at once.

const (
	// smallSegment is the largest TCP segment in bytes that every network carries, RFC 9293,
	// section 3.7.1.
	smallSegment = 536

	// maxDeaths is how many connections in a row may die silent in the same place until the next
	// one is made with the other segments.
	maxDeaths = 2

	// firstAnswer is how long a host may take for its welcome until smaller segments are tried.
	firstAnswer = 5 * time.Second
)

// dialSmall is dialTCP with small segments in both directions, or nil if the system cannot.
var dialSmall = smallDialer(setSegments)

func smallDialer(set func(network, address string, c syscall.RawConn) error) func(context.Context, string) (net.Conn, error) {
	if set == nil {
		return nil
	}
	d := net.Dialer{Control: set}
	return func(ctx context.Context, addr string) (net.Conn, error) { return dialWith(ctx, &d, addr) }
}

// A blackHole notices that connections die in the same place. It is owned by the goroutine of
// membership.run.
type blackHole struct {
	oldest uint64 // the message that was unanswered when the last connection died; 0: none
	deaths int    // how many connections in a row died silent with that one
}

// died notes why a connection, or an attempt, ended, and the oldest message that was sent and not
// answered. It reports whether the other segments should be tried.
func (b *blackHole) died(err error, oldest uint64) bool {
	isSilent := errors.Is(err, errSilent) && oldest > 0 || errors.Is(err, ErrNoAnswer)
	if !isSilent || oldest != b.oldest {
		b.deaths = 0
	}
	b.oldest = oldest
	if !isSilent {
		return false
	}
	if b.deaths++; b.deaths < maxDeaths {
		return false
	}
	b.deaths = 0
	return true
}

// noteDeath notes why a connection, or an attempt to reconnect, ended.
func (s *membership) noteDeath(err error) {
	if s.hole.died(err, s.out.oldestSent()) && s.opts.dialSmall != nil {
		s.small.Store(!s.small.Load())
	}
}

// answerTime returns how long the host may take for its welcome.
func (s *membership) answerTime() time.Duration {
	if s.opts.dialSmall != nil && !s.small.Load() {
		return min(firstAnswer, 2*s.opts.Idle)
	}
	return 2 * s.opts.Idle
}
