package front

import "sync/atomic"

// Refusals count connections that were refused, by the reason.
type Refusals struct {
	Banned    uint64 // the address is
	Full      uint64 // there was no place for it, or its address had too many
	TooFast   uint64 // its address opened too many within a short time
	Displaced uint64 // another connection with a better claim got its place
}

// refusals are Refusals that are being counted. They are safe for concurrent use.
type refusals struct{ banned, full, tooFast, displaced atomic.Uint64 }

func (r *refusals) counts() Refusals {
	return Refusals{r.banned.Load(), r.full.Load(), r.tooFast.Load(), r.displaced.Load()}
}
