package access

import (
	"errors"
	"math"
	"time"

	"chat/relay/wire"
)

const (
	// WrongDelay is how long the answer to a wrong secret takes.
	WrongDelay = time.Second

	// maxWrong is how many wrong secrets an address group may send before it is locked out for
	// lockout. The count starts again when it sent none for lockout.
	maxWrong = 5
	lockout  = time.Minute

	// maxTries is how many address groups are remembered. Beyond it one of them is forgotten for each
	// new one: whoever has so many addresses has no need to be forgotten.
	maxTries = 10_000
)

// tries are the wrong secrets by address group; "" is this machine. They are guarded by Gate.mu.
type tries map[string]wrongTries

type wrongTries struct {
	cost  int       // wholeTry for each wrong secret
	until time.Time // after it, they are forgotten
}

// A typed secret is compared with all secrets at once, but by SCRAM with one of them: a client that is not
// told which tries that of members, then that of those who only listen. The two are one try of its user.
const (
	halfTry  = 1
	wholeTry = 2
)

// lockedOut returns the fault for a group that sent too many wrong secrets, or nil.
func (t tries) lockedOut(from string) error {
	now := time.Now()
	w := t[from]
	if w.cost < maxWrong*wholeTry || !now.Before(w.until) {
		return nil
	}
	return wire.Faultf(wire.CodeTooMany, "too many wrong secrets from your address; try again in %d s", int(math.Ceil(w.until.Sub(now).Seconds())))
}

// count counts a wrong secret, as a whole try or half of one.
func (t tries) count(from string, cost int) {
	now := time.Now()
	w, known := t[from]
	if !now.Before(w.until) {
		w.cost = 0
	}
	if !known && len(t) >= maxTries {
		t.forgetSome(now)
	}
	t[from] = wrongTries{w.cost + cost, now.Add(lockout)}
}

// forgetSome forgets, of a few groups, those whose time is over, or else the one whose time is over first:
// to look at all of them each time would be slow.
func (t tries) forgetSome(now time.Time) {
	var first string
	var until time.Time // zero: there is no first yet
	looked := 0
	for from, w := range t {
		if until.IsZero() || w.until.Before(until) {
			first, until = from, w.until
		}
		if !now.Before(w.until) {
			delete(t, from)
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(t, first)
}

// wait waits for WrongDelay if err says that a secret is wrong.
func wait(err error, canceled <-chan struct{}) {
	if fault, ok := errors.AsType[*wire.Fault](err); !ok || fault.Code != wire.CodeAuthFailed {
		return
	}
	select {
	case <-time.After(WrongDelay):
	case <-canceled:
	}
}
